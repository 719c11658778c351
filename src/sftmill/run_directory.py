"""The folder of a run: its lock, its identity, its status and its log."""

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from sftmill.core import Row
from sftmill.errors import RunError, RunLocked
from sftmill.flow.shards import ShardList, shard_files, storage_error, write_atomically
from sftmill.recipe import Recipe

PILOT = "pilot"
"""Folder of a pilot within its run's folder; the two share their answers, and so their budget."""


class RunDirectory:
    """The folder of a run, locked by the process that works on it."""

    def __init__(self, path: Path):
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the run; raises RunLocked when another process has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = open(self.path / ".lock", "a+")  # noqa: SIM115 (the with statement is below)
        except OSError as error:
            raise storage_error(self.path, error) from error
        with handle:
            try:
                lock(handle.fileno())
            except OSError:
                handle.seek(0)
                owner = handle.read().strip() or "unknown"
                raise RunLocked(
                    f"{self.path}: another process (pid {owner}) works on this run; watch it with "
                    f"`sftmill status {self.path}`, or choose another --run-dir"
                ) from None
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield

    def identity(self) -> str:
        """Return the name under which the ledger accounts for this run, made once."""
        file = self.path / "run.id"
        if file.is_file():
            return file.read_text().strip()
        name = f"{self.path.name}-{secrets.token_hex(4)}"
        write_atomically(file, name.encode())
        return name

    def accounts(self) -> list[str]:
        """Return the names in the ledger whose spending counts for this run: its own, and its pilot's or its run's."""
        other = self.path.parent if self.path.name == PILOT else self.path / PILOT
        file = other / "run.id"
        return [self.identity(), *([file.read_text().strip()] if file.is_file() else [])]

    def seconds_before(self) -> float:
        """Return how many seconds earlier starts of this run have worked, for machines paid by the hour."""
        try:
            return float(orjson.loads((self.path / "status.json").read_bytes())["seconds_in_all"])
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return 0.0

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file of the run."""
        write_atomically(self.path / name, orjson.dumps(content, option=orjson.OPT_INDENT_2))

    def log(self, event: str, **facts: Any) -> None:
        """Append an event to log.jsonl."""
        line = orjson.dumps({"time": round(time.time(), 3), "event": event, **facts}, default=str)
        try:
            with open(self.path / "log.jsonl", "ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            raise storage_error(self.path / "log.jsonl", error) from error


def last_rows(recipe: Recipe, run_dir: Path) -> Iterator[Row]:
    """Yield the rows that a finished run ends with: those of the streams that no other stream takes up."""
    used = {source for stream in recipe.streams.values() for source in (*stream.sources, *stream.inputs.values())}
    for name in recipe.streams:
        if name not in used:
            last = sorted(path for path in (run_dir / "streams" / name).iterdir() if path.is_dir())[-1]
            yield from ShardList(shard_files(last)).rows()


def lock(descriptor: int) -> None:
    """Lock an open file for this process, or raise OSError at once."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_status(run_dir: Path) -> dict[str, Any]:
    """Return the last snapshot of a run, with `alive` telling whether its process still works on it."""
    try:
        status = orjson.loads((run_dir / "status.json").read_bytes())
    except FileNotFoundError:
        raise RunError(f"{run_dir}: is no run directory; `sftmill run RECIPE` makes one under runs/") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise RunError(f"{run_dir / 'status.json'}: cannot be read: {error}") from error
    status["alive"] = is_locked(run_dir)
    return status


def is_locked(run_dir: Path) -> bool:
    """Tell whether a process holds the lock of a run."""
    try:
        with open(run_dir / ".lock", "a+") as handle:
            lock(handle.fileno())
    except OSError:
        return True
    return False
