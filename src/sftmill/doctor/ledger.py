"""Whether the ledger lies on a safe disk, opens, and is whole."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sftmill.doctor.finding import Finding, missing, ok, weak
from sftmill.errors import LedgerError
from sftmill.models.ledger_file import APPLICATION, refuse_network_file_system

MOUNTS = Path("/proc/self/mountinfo")
CHECK_SECONDS = 20.0
"""How long the file is read through; a ledger of many gigabytes is then said to be whole so far."""


def ledger_findings(path: Path, mounts: Path = MOUNTS, seconds: float = CHECK_SECONDS) -> list[Finding]:
    """Look at a ledger without changing it: its file system, its tables, its integrity, its entries."""
    path = path.absolute()
    try:
        refuse_network_file_system(path, mounts)
    except LedgerError as error:
        return [
            missing("ledger", str(error), "a run refuses to start", "name a local path under `ledger:` in the recipe")
        ]
    if not path.is_file():
        return [ok("ledger", f"none yet; the first run makes {path} (local disk, SQLite {sqlite3.sqlite_version})")]
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return _inside(connection, path, seconds)
    except sqlite3.Error as error:
        return [_damaged(path, str(error))]


def _inside(connection: sqlite3.Connection, path: Path, seconds: float) -> list[Finding]:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        return [
            missing(
                "ledger",
                f"{path} is a SQLite file of another program",
                "a run refuses to start",
                "name another path under `ledger:` in the recipe",
            )
        ]
    entries = connection.execute("SELECT coalesce(sum(answers), 0) FROM totals").fetchone()[0]
    size = path.stat().st_size
    found = f"{path}: {entries:,} answers paid for, {size / 2**20:,.0f} MiB"
    ends = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return [ok("ledger", f"{found}, whole as far as it was read in {seconds:.0f} s")]
    if verdict != "ok":
        return [_damaged(path, verdict)]
    wal = path.with_name(path.name + "-wal")
    if wal.is_file() and wal.stat().st_size > 1 << 30:
        return [
            weak(
                "ledger",
                f"{found}, whole; {wal.stat().st_size / 2**30:.1f} GiB not yet merged",
                "reading grows slower",
                "end other runs of this project; the next one merges it",
            )
        ]
    return [ok("ledger", f"{found}, whole")]


def _damaged(path: Path, why: str) -> Finding:
    return missing(
        "ledger",
        f"{path} is damaged or no ledger ({why})",
        "a run refuses to start, and answers already paid for are lost if it is deleted",
        f"sqlite3 {path} .recover | sqlite3 saved.sqlite",
    )
