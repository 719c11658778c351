"""Parquet shards: typed on write, atomic, and carrying in their footer what they were made from.

A shard's footer holds a `Seal`: the hash of the input shard, the chained fingerprint of the
steps up to here, and the counts on the way. A shard is done when its seal is the expected one;
there is no other bookkeeping to get out of step with the files.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from sftmill.columns import COLUMNS
from sftmill.core import Row
from sftmill.errors import StorageError

if TYPE_CHECKING:
    from sftmill.core import Made
    from sftmill.flow.spread import Spread, Work

SEAL_KEY = b"sftmill.seal"
BASE_COLUMNS = ("id", "root", "parents", "lang", "sensitivity", "stream")
"""Columns that every row has, whatever the steps declare."""


REPEATING = ("lang", "sensitivity", "stream", "source", "source_hash", "title")
"""Columns whose values are few."""


@dataclass(slots=True)
class Counts:
    """What became of the rows of one step: in + born = out + dropped + failed."""

    rows_in: int = 0
    born: int = 0
    out: int = 0
    failed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Number of rows dropped, by reason."""
    tally: dict[str, int] = field(default_factory=dict)
    """What the step counted in its rows, such as each kind of personal data, by "column.word"."""
    tokens: int = 0
    """Tokens of prompts and answers behind these rows, whether paid for now or found in the ledger."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """For a step that grows a pool, round by round: drafts, failed, candidates, admitted, dropped (by reason)
    and tokens."""

    def balanced(self) -> bool:
        """Tell whether no row has vanished."""
        return self.rows_in + self.born == self.out + self.failed + sum(self.dropped.values())

    def add(self, other: "Counts") -> None:
        """Add another count of the same step."""
        self.rows_in += other.rows_in
        self.born += other.born
        self.out += other.out
        self.failed += other.failed
        for reason, number in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + number
        self.found(other.tally)
        self.tokens += other.tokens
        self.rounds.extend(other.rounds)

    def moved(self, rows_in: int, born: int, out: int) -> None:
        """Count rows that went through."""
        self.rows_in += rows_in
        self.born += born
        self.out += out

    def found(self, tally: dict[str, int]) -> None:
        """Add what a step found in its rows."""
        for word, number in tally.items():
            self.tally[word] = self.tally.get(word, 0) + number

    def lose(self, kind: str, reason: str) -> None:
        """Count a row that is "dropped" for a reason or has "failed"."""
        if kind == "failed":
            self.failed += 1
        else:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, reasons sorted."""
        return {
            "in": self.rows_in,
            "born": self.born,
            "out": self.out,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": self.failed,
            **({"tally": dict(sorted(self.tally.items()))} if self.tally else {}),
            **({"tokens": self.tokens} if self.tokens else {}),
            **({"rounds": self.rounds} if self.rounds else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Counts":
        """Return the counts that `as_dict` described."""
        dropped, tally = dict(values["dropped"]), dict(values.get("tally", {}))
        found = (dropped, tally, values.get("tokens", 0), list(values.get("rounds", ())))
        return cls(values["in"], values["born"], values["out"], values["failed"], *found)


@dataclass(slots=True)
class Seal:
    """What a shard was made from, and what happened on the way."""

    source: str
    """Hash of the shard (or listing) that went in."""
    fingerprint: str
    """Chained fingerprint of all steps up to this one."""
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Counts of every step since the shard went in, by the step's folder name."""

    def matches(self, source: str, fingerprint: str) -> bool:
        """Tell whether the shard is what these inputs and steps would make."""
        return self.source == source and self.fingerprint == fingerprint

    def failed(self) -> int:
        """Return the number of rows that failed on the way; such a shard is tried again."""
        return sum(c["failed"] for c in self.counts.values())


def schema_of(columns: Iterable[str]) -> pa.Schema:
    """Return the Arrow schema of a shard with these columns, base columns first, then in table order."""
    wanted = set(columns) | set(BASE_COLUMNS)
    return pa.schema([(name, column.type) for name, column in COLUMNS.items() if name in wanted])


def to_table(rows: list[Row], schema: pa.Schema, where: str) -> pa.Table:
    """Turn rows into a table; raises TypeError naming the step, the column and the value that does not fit."""
    names = set(schema.names)
    for row in rows:
        if not row.keys() <= names:
            extra = sorted(row.keys() - names)[0]
            known = "is no column: add it to sftmill/columns.py" if extra not in COLUMNS else "is not in its `writes`"
            raise TypeError(f"{where}: a row has {extra!r}, which {known}")
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError, OverflowError):
        for row in rows:  # find the culprit, since Arrow names neither row nor column
            for name in row:
                try:
                    pa.array([row[name]], schema.field(name).type)
                except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError, OverflowError) as error:
                    raise TypeError(
                        f"{where}: column {name!r} of row {row.get('id')} is no {schema.field(name).type}: {error}"
                    ) from error
        raise


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that it is there whole or not at all; raises StorageError when the disk refuses."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True) if error.errno != errno.EROFS else None
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """Say what the disk refused and what to do about it."""
    remedy = {
        errno.ENOSPC: "the disk is full: free some space",
        errno.EDQUOT: "the disk quota is used up: free some space",
        errno.EROFS: "the file system is read-only: choose another --run-dir or remount it",
        errno.EACCES: "permission denied: check who owns the folder",
        errno.EFBIG: "the file would be larger than this process may write: raise `ulimit -f`",
    }.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"cannot write {path}: {remedy}; nothing answered is lost, then give the same command again")


def write_shard(path: Path, rows: list[Row], schema: pa.Schema, seal: Seal, where: str = "") -> None:
    """Write rows as one shard; equal rows and seal give equal bytes."""
    write_table(path, to_table(rows, schema, where or path.parent.name), seal)


def write_table(path: Path, table: pa.Table, seal: Seal) -> None:
    """Write an Arrow table as one sealed shard."""
    footer = {SEAL_KEY: orjson.dumps([seal.source, seal.fingerprint, seal.counts], option=orjson.OPT_SORT_KEYS)}
    sink = pa.BufferOutputStream()
    # a dictionary pays where values repeat; for long texts it is only built to be thrown away
    repeating = [name for name in table.column_names if name in REPEATING]
    pq.write_table(
        table.replace_schema_metadata(footer),
        sink,
        compression="zstd",
        use_dictionary=repeating,
        write_statistics=False,
    )
    write_atomically(path, memoryview(sink.getvalue()))


def read_seal(path: Path) -> Seal | None:
    """Return the seal in a shard's footer, or None when there is no such shard or it is damaged."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        return Seal(*orjson.loads(metadata[SEAL_KEY]))
    except (OSError, KeyError, pa.ArrowInvalid, orjson.JSONDecodeError, TypeError):
        return None


def read_rows(path: Path) -> list[Row]:
    """Return the rows of one shard as they were before they were written."""
    return rows_of(read_table(path))


def rows_of(table: pa.Table) -> list[Row]:
    """Return the rows of a shard that was read, as they were before they were written."""
    return [without_empty(row) for row in table.to_pylist()]


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Return one shard as a table, with the columns named or all.

    pq.read_table would load Arrow's dataset and compute parts first: 80 ms and 30 MB that a run never needs.
    """
    with pq.ParquetFile(path, memory_map=False) as file:
        return file.read(columns=columns, use_threads=False)


def read_tables(files: Iterable[Path], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield shards as tables, each with those of the columns that it has; a thread reads the next one meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        ahead = None
        for path in files:
            following = pool.submit(read_table, path, columns)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()


def rows_of_file(path: Path) -> int:
    """Return the number of rows of a shard."""
    return pq.read_metadata(path).num_rows


def without_empty(row: Row) -> Row:
    """Return a row without what Parquet adds: columns, and keys of turns, that have no value.

    A turn must come back as it was, or it would be a different question to the ledger.
    """
    full = {name: value for name, value in row.items() if value is not None}
    if messages := full.get("messages"):
        full["messages"] = [{key: value for key, value in turn.items() if value is not None} for turn in messages]
    return full


def hash_file(path: Path) -> str:
    """Return the hash of a file's bytes, by which later steps know their input; read in pieces, as weights are large."""
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def shard_name(index: int) -> str:
    """Return the file name of the shard with this number."""
    return f"{index:05d}.parquet"


def shard_files(folder: Path) -> list[Path]:
    """Return the shards of a folder in order; drop and failure ledgers are not among them."""
    return sorted(p for p in folder.glob("*.parquet") if p.stem.isdigit())


class ShardFile(NamedTuple):
    """A committed shard, handed from one pass to the next."""

    index: int
    path: Path
    rows: list[Row] | None = None
    """Its rows, where the pass that wrote them still has them; the same as in the file."""


class ShardList:
    """Committed shards of a stream, filtered by an optional condition (implements core.Shards)."""

    def __init__(self, files: list[Path], keep: Callable[[Row], bool] | None = None):
        self.files = files
        self.keep = keep
        self.spread_over: Spread | None = None
        """Where an engine has batches worked on."""

    @property
    def filtered(self) -> bool:
        """Tell whether a condition stands between the files and the rows."""
        return self.keep is not None

    def __len__(self) -> int:
        if self.keep is None:
            return sum(map(rows_of_file, self.files))
        return sum(1 for _ in self.rows())

    def rows(self) -> Iterator[Row]:
        """Yield the rows as dicts, one shard in memory at a time."""
        for table in read_tables(self.files):
            for row in rows_of(table):
                if self.keep is None or self.keep(row):
                    yield row

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield Arrow batches in order, with the columns named or all."""
        for table in read_tables(self.files, columns if self.keep is None else None):
            if self.keep is None:
                yield from table.to_batches()
                continue
            kept = table.filter(pa.array([self.keep(row) for row in rows_of(table)], pa.bool_()))
            yield from (kept.select(columns) if columns else kept).to_batches()

    def map(self, work: "Work[Made]", columns: list[str] | None = None) -> "Iterator[Made]":
        """Yield what `work` makes of every batch, in order, several at a time, wherever the engine works."""
        if self.filtered:  # how many rows are left of a shard is known when it is read
            return self.spread.batches(work, _with_columns(self.batches(), columns))
        return self.spread.files(work, self.files, columns)

    @property
    def spread(self) -> "Spread":
        """Where batches are worked on: in this process unless an engine says otherwise."""
        from sftmill.flow.spread import Threads

        return self.spread_over or Threads()

    def frame(self) -> Any:
        """Return a lazy Daft frame over the shards (extra `scale`)."""
        from sftmill.flow.tables import frame_of

        return frame_of(self)


def _with_columns(batches: Iterator[pa.RecordBatch], columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Yield batches with those of the columns that they have, or all."""
    for batch in batches:
        yield batch if columns is None else batch.select([name for name in columns if name in batch.schema.names])


class JoinedShards(ShardList):
    """Shards of several streams one after the other, each with its own condition."""

    def __init__(self, parts: list[ShardList]):
        super().__init__([p for part in parts for p in part.files])
        self.parts = parts

    @property
    def filtered(self) -> bool:
        """Tell whether any part has a condition."""
        return any(part.filtered for part in self.parts)

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of every part in turn."""
        for part in self.parts:
            yield from part.rows()

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the Arrow batches of every part in turn."""
        for part in self.parts:
            yield from part.batches(columns)
