"""The ledger: every complete answer, found again by what decided it, so that nothing is paid twice.

One SQLite file serves all runs of a project, and several processes at once. An answer's key is a hash of
what decides it (`request_key`). Prompts are not stored, neither in the key nor beside the answer: they may be
confidential, and they would be most of the file.

Durability: once `put` has returned, the answer survives the death of the process at any moment (kill -9
included). A loss of power can undo what came after the last checkpoint, never damage the file.
"""

import asyncio
import functools
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sftmill.core import Sampling
from sftmill.errors import LedgerError
from sftmill.models import ledger_file
from sftmill.models.ledger_file import COLUMNS, Entry
from sftmill.models.ledger_writer import Writer

_KEY_VERSION = 1
_MOUNTS = Path("/proc/self/mountinfo")


class Spent(NamedTuple):
    """What a run has paid for, by role and model."""

    role: str
    model: str
    answers: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@functools.lru_cache(maxsize=4096)
def sampling_fields(sampling: Sampling) -> str:
    """Return the fields that decide an answer, as canonical JSON; cached, so that a hot path pays once.

    All but `keep_truncated`, which decides only what is done with the answer. Fields that are None or empty are
    left out, so that a field added to `Sampling` later leaves all old keys as they are.
    """
    fields = sampling.model_dump(exclude={"keep_truncated"}, exclude_none=True)
    return orjson.dumps({k: v for k, v in fields.items() if v != ()}, option=orjson.OPT_SORT_KEYS).decode()


def request_key(
    kind: str,
    model: str,
    revision: str | None,
    content: Any,
    sampling: Sampling | str | None = None,
    schema: Any = None,
    extra: Any = None,
    draw: Any = None,
    attempt: int = 0,
) -> bytes:
    """Return the 16 bytes under which the answers to a request are kept: BLAKE2b-128 over canonical JSON.

    `kind` is "chat", "complete", "embed" or "score"; `content` the messages, the prefix or the texts; `sampling`
    a Sampling or, faster, what `sampling_fields` made of it; `schema` (whose order of fields counts, because servers
    generate in it) and `extra` (the role's extra body) are JSON values; `draw` tells apart draws that ask the same
    (the root row's id), and `attempt` counts repetitions. The endpoint, the API key and the step's name are
    deliberately no part of it.
    """
    if isinstance(sampling, Sampling):
        sampling = sampling_fields(sampling)
    if type(schema) is dict:
        schema = _in_order(schema)
    parts = [_KEY_VERSION, kind, model, revision, content, sampling, schema, extra or None, draw, attempt]
    try:
        encoded = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Lone surrogates, and integers beyond 64 bits. No collision with the fast way: its bytes are valid UTF-8 and
        # have no blanks after commas.
        encoded = json.dumps(parts, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(encoded, digest_size=16).digest()


def _in_order(schema: dict[str, Any]) -> str:
    try:
        return orjson.dumps(schema).decode()
    except TypeError:
        return json.dumps(schema)


_READ = ", ".join(COLUMNS)
_GET = f"SELECT {_READ} FROM entries WHERE key = ? AND sample < ? ORDER BY sample"


class Ledger:
    """The open ledger of one process; `get` and `put` belong to the event loop's thread.

    Entries waiting for their commit are found by `get` as well. When two processes answer the same request, the
    first answer to be written stays.
    """

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: Writer):
        self.path = path
        self._reader = reader
        self._writer = writer
        self._pending = writer.pending
        self._process = os.getpid()
        self._closed = False

    @classmethod
    def open(cls, path: Path | str, *, mounts: Path = _MOUNTS) -> "Ledger":
        """Open the ledger at `path`, made if missing; raises LedgerError where it would not be safe.

        `mounts` is the system's table of mounts, by which network file systems are recognised.
        """
        path = Path(path)
        ledger_file.refuse_network_file_system(path, mounts)
        connections: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for _ in ("writer", "reader"):
                connections.append(ledger_file.connect(path))
            ledger_file.prepare(connections[0], path)
            connections[1].execute("PRAGMA query_only=1")
            # fails here, with a remedy, rather than at the first answer that was paid for
            connections[0].execute("BEGIN IMMEDIATE")
            connections[0].execute("ROLLBACK")
        except (sqlite3.Error, OSError, LedgerError) as error:
            for connection in connections:
                connection.close()
            raise error if isinstance(error, LedgerError) else ledger_file.explain(error, path) from error
        return cls(path, connections[1], Writer(connections[0], path))

    def get(self, key: bytes, n: int = 1) -> list[Entry]:
        """Return the answers present among the samples 0 to n-1, in order of sample."""
        self._check()
        try:
            rows = self._reader.execute(_GET, (key, n)).fetchall()
        except sqlite3.Error as error:
            raise ledger_file.explain(error, self.path) from error
        waiting = self._pending.get(key)
        if not rows and not waiting:
            return []
        found = [_entry(row) for row in rows]
        if waiting:
            known = {e.sample for e in found}
            found += [e for sample, e in waiting.items() if sample < n and sample not in known]
            found.sort(key=lambda e: e.sample)
        return found

    async def put(self, entries: list[Entry]) -> None:
        """Keep the entries; returns once they survive a kill -9. Raises LedgerError when they could not be written.

        A cancelled `put` still writes: the answers are paid for. An entry whose key and sample are already there
        is left out, yet counted as spent.
        """
        self._check()
        if not entries:
            return
        now = 0.0
        for entry in entries:
            if not entry.created:
                entry.created = now = now or time.time()
        done = asyncio.get_running_loop().create_future()
        self._writer.add(entries, done)
        await done

    def spent(self, run: str) -> list[Spent]:
        """Return what `run` has paid for by role and model, from all its starts; pruning does not lessen it."""
        sql = (
            "SELECT role, model, answers, prompt_tokens, completion_tokens, cached_tokens FROM totals"
            " WHERE run = ? ORDER BY role, model"
        )
        return [Spent(*row) for row in self._all(sql, (run,))]

    def statistics(self) -> dict[str, Any]:
        """Return what the file holds: entries, bytes on disk, tokens; entries by model, finish, run and month (UTC)."""
        entries, prompt, completion = self._all(
            "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM entries"
        )[0]
        parts = {
            "by_model": "model",
            "by_finish": "finish",
            "by_run": "run",
            "by_month": "strftime('%Y-%m', created, 'unixepoch')",
        }
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        return {
            "entries": entries,
            "bytes": sum(f.stat().st_size for f in files if f.exists()),
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            **{
                name: dict(self._all(f"SELECT {column}, count(*) FROM entries GROUP BY 1 ORDER BY 1"))
                for name, column in parts.items()
            },
        }

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield every entry as a dict of JSON values, in order of writing; the key in hexadecimal."""
        last = 0
        # by pages, so that no reading transaction stays open between them
        while page := self._all(
            f"SELECT rowid, {_READ} FROM entries WHERE rowid > ? ORDER BY rowid LIMIT 500", (last,)
        ):
            for rowid, *row in page:
                record = asdict(_entry(row))
                record["key"] = record["key"].hex()
                if record["logprobs"] is not None:
                    record["logprobs"] = record["logprobs"].decode("utf-8", "replace")
                last = rowid
                yield record

    def export(self, path: Path | str) -> int:
        """Write every entry as a line of JSON to `path`, by way of a temporary file; returns how many."""
        path = Path(path)
        unfinished = path.with_name(path.name + ".unfinished")
        count = 0
        try:
            with unfinished.open("wb") as file:
                for count, record in enumerate(self.records(), 1):  # noqa: B007
                    file.write(_line(record))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise LedgerError(f"cannot export to {path} ({error.strerror}); give a path that is writable") from error
        return count

    def prune(
        self,
        *,
        older_than_days: float | None = None,
        model: str | None = None,
        run: str | None = None,
        dry_run: bool = False,
        now: float | None = None,
    ) -> int:
        """Delete the entries that meet all conditions given, at least one, and return how many they are.

        The space is given back to the disk (VACUUM), which needs as much free space as what is kept. What was
        deleted will be asked, and paid, again. With `dry_run` the entries are only counted.
        """
        conditions, values = [], []
        if older_than_days is not None:
            conditions.append("created < ?")
            values.append((time.time() if now is None else now) - older_than_days * 86400)
        for column, value in (("model", model), ("run", run)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        if not conditions:
            raise LedgerError("prune needs a condition; give --older-than-days, --model or --run")
        where = " AND ".join(conditions)
        if dry_run:
            return self._all(f"SELECT count(*) FROM entries WHERE {where}", tuple(values))[0][0]
        return self._writer.call(lambda connection: _delete(connection, where, values))

    def close(self) -> None:
        """Write what waits, fold the log into the file and close; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if os.getpid() != self._process:
            return  # the parent's connections are not ours to close
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._closed:
            raise LedgerError(f"the ledger {self.path} is closed; open it again with Ledger.open")
        if os.getpid() != self._process:
            raise LedgerError(
                f"the ledger {self.path} was opened by process {self._process}, and a fork of it cannot use the same"
                " connection; open it again in this process"
            )

    def _all(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        self._check()
        try:
            return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise ledger_file.explain(error, self.path) from error


def _entry(row: Iterable[Any]) -> Entry:
    entry = Entry(*row)
    # texts that are no valid Unicode are kept as bytes, see ledger_writer
    if type(entry.text) is bytes:
        entry.text = entry.text.decode("utf-8", "surrogatepass")
    if type(entry.reasoning) is bytes:
        entry.reasoning = entry.reasoning.decode("utf-8", "surrogatepass")
    return entry


def _line(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return json.dumps(record).encode() + b"\n"


def _delete(connection: sqlite3.Connection, where: str, values: list[Any]) -> int:
    count = connection.execute(f"DELETE FROM entries WHERE {where}", values).rowcount
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return count
