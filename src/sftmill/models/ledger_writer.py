"""The thread that writes the ledger: continuous group commit, and checkpoints that never hold up the event loop.

The event loop only appends to a queue. The thread takes all that is there, writes it in one transaction and then
wakes the waiters with one call into the loop; what arrives meanwhile is the next group. So a lone answer is durable
within a millisecond or two, and thousands a second cost a few microseconds each.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from operator import attrgetter
from pathlib import Path
from typing import Any

from sftmill.errors import LedgerError
from sftmill.models import ledger_file
from sftmill.models.ledger_file import COLUMNS, Entry

_INSERT = f"INSERT OR IGNORE INTO entries ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_ADD = """
INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
answers = answers + excluded.answers, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
completion_tokens = completion_tokens + excluded.completion_tokens,
cached_tokens = cached_tokens + excluded.cached_tokens
"""
_row = attrgetter(*COLUMNS)

GATHER_SECONDS = 0.003
"""Least time from one commit to the next; a lone answer never waits, and under load the groups grow."""
IDLE_SECONDS = 0.2
"""Without work for this long, the log is folded into the file."""
LOG_ENTRIES = 4096
"""After so many entries the log is folded into the file even under load: 30 MB or so, at two pages an entry."""
GROUP = 5000
"""Most `put` calls in one transaction; bounds its memory."""

_Waiting = tuple[list[Entry], asyncio.Future]


class Writer:
    """Owns the writing connection; everything but `add`, `call` and `close` runs in its own thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path):
        self.pending: dict[bytes, dict[int, Entry]] = {}
        """Entries that wait for their commit, by key and sample; used by the event loop's thread alone."""
        self._connection = connection
        self._path = path
        self._queue: deque[_Waiting] = deque()
        self._wakeups: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._awake = False
        self._unfolded = 0
        self._committed = 0.0
        self._closing = False
        # a daemon, so that a program that forgets to close the ledger still ends; what was promised is on disk
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def add(self, entries: list[Entry], done: asyncio.Future) -> None:
        """Queue the entries; `done` gets its result in its own loop once they are durable."""
        for entry in entries:
            waiting = self.pending.get(entry.key)
            if waiting is None:
                self.pending[entry.key] = {entry.sample: entry}
            else:
                waiting.setdefault(entry.sample, entry)
        self._queue.append((entries, done))
        # The order matters: the thread lowers the flag before it empties the queue, so no entry is left behind.
        if not self._awake:
            self._awake = True
            self._wakeups.put(None)

    def call(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run `work` with the connection in the writer's thread, between two groups, and return its result."""
        result: Future = Future()

        def run() -> None:
            try:
                result.set_result(work(self._connection))
            except Exception as error:
                self._roll_back()
                known = isinstance(error, sqlite3.Error)
                result.set_exception(ledger_file.explain(error, self._path) if known else error)

        self._wakeups.put(run)
        return result.result()

    def close(self) -> None:
        """Write what waits, fold the log into the file, close the connection and end the thread."""
        self._closing = True
        self._wakeups.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                work = self._wakeups.get(timeout=IDLE_SECONDS if self._unfolded else None)
            except queue.Empty:
                self._checkpoint()
                continue
            if work is not None:
                work()
                continue
            self._awake = False
            while self._queue:
                self._write()
                if self._unfolded >= LOG_ENTRIES:
                    self._checkpoint()
            if self._closing and not self._queue:
                break
        self._checkpoint("TRUNCATE")
        self._connection.close()

    def _write(self) -> None:
        early = self._committed + GATHER_SECONDS - time.monotonic()
        if early > 0 and not self._closing:
            time.sleep(early)
        group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP))]
        try:
            self._commit(group)
        except sqlite3.OperationalError as problem:
            # the disk or a lock: nothing of this group can be written now
            self._roll_back()
            self._answer(group, problem)
        except Exception:
            # a value that SQLite does not take: it must not cost its neighbours their answers
            self._roll_back()
            for waiting in group:
                self._write_alone(waiting)
        else:
            self._answer(group, None)
        self._committed = time.monotonic()

    def _write_alone(self, waiting: _Waiting) -> None:
        problem: Exception | None = None
        try:
            self._commit([waiting], _row_with_bytes)
        except Exception as error:
            self._roll_back()
            problem = error
        self._answer([waiting], problem)

    def _commit(self, group: list[_Waiting], row: Callable[[Entry], tuple] = _row) -> None:
        entries = [entry for some, _ in group for entry in some]
        totals: dict[tuple[str, str, str], list[int]] = {}
        for entry in entries:
            name = (entry.run, entry.role, entry.model)
            total = totals.get(name)
            if total is None:
                total = totals[name] = [0, 0, 0, 0]
            total[0] += 1
            total[1] += entry.prompt_tokens
            total[2] += entry.completion_tokens
            total[3] += entry.cached_tokens
        execute, executemany = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        executemany(_INSERT, map(row, entries))
        executemany(_ADD, [(*name, *total) for name, total in totals.items()])
        execute("COMMIT")
        self._unfolded += len(entries)

    def _answer(self, group: list[_Waiting], problem: Exception | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        for waiting in group:
            by_loop.setdefault(waiting[1].get_loop(), []).append(waiting)
        for loop, some in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(self._resolve, some, problem)

    def _resolve(self, group: list[_Waiting], problem: Exception | None) -> None:
        pending = self.pending
        for entries, done in group:
            for entry in entries:
                waiting = pending.get(entry.key)
                if waiting is not None and waiting.get(entry.sample) is entry:
                    del waiting[entry.sample]
                    if not waiting:
                        del pending[entry.key]
            if done.done():
                continue
            if problem is None:
                done.set_result(None)
            elif isinstance(problem, sqlite3.Error):
                done.set_exception(ledger_file.explain(problem, self._path))
            else:
                done.set_exception(LedgerError(f"the ledger {self._path} cannot keep this answer: {problem}"))

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _checkpoint(self, mode: str = "PASSIVE") -> None:
        # A failure loses nothing: the log still holds every entry, and the next commit meets the same disk.
        self._unfolded = 0
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()


def _row_with_bytes(entry: Entry) -> tuple:
    text, reasoning = (_bytes_if_broken(value) for value in (entry.text, entry.reasoning))
    key, sample, _, _, *others = _row(entry)
    return (key, sample, text, reasoning, *others)


def _bytes_if_broken(text: str | None) -> str | bytes | None:
    """Return bytes for a text with lone surrogates, which SQLite does not take as text; others as they are."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text
