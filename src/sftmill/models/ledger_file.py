"""The SQLite file behind the ledger: where it may lie, its tables, and what its errors mean."""

import errno
import os
import re
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from sftmill.errors import LedgerError

APPLICATION = 0x7366746D
"""SQLite's application_id of a ledger: "sftm"."""
SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0
"""How long a write waits for another process that is writing."""

# A plain table with an index beats WITHOUT ROWID here: keys are random, so a clustered table would rewrite a
# leaf page of long answers for every entry. Measured with 1.2 kB answers: 8 against 55 microseconds an entry.
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB NOT NULL, sample INTEGER NOT NULL,
    text TEXT, reasoning TEXT, finish TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, logprobs BLOB,
    model TEXT NOT NULL, role TEXT NOT NULL, run TEXT NOT NULL, created REAL NOT NULL, cached_tokens INTEGER NOT NULL,
    PRIMARY KEY (key, sample)
);
CREATE TABLE IF NOT EXISTS totals (
    run TEXT NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL,
    answers INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    PRIMARY KEY (run, role, model)
) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Entry:
    """One answer as it is kept; the fields are the columns of the table, in their order.

    `prompt_tokens`, `completion_tokens` and `cached_tokens` (those of the prompt that the server found in its
    cache) are this answer's share of what its request was charged, so that sums are what was paid. `finish` is
    "stop", "length", "tool_calls" or "refused"; `logprobs` is JSON. `created` is in Unix seconds; 0 is replaced by
    the time of `put`.
    """

    key: bytes
    sample: int
    text: str
    reasoning: str | None = None
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprobs: bytes | None = None
    model: str = ""
    role: str = ""
    run: str = ""
    created: float = 0.0
    cached_tokens: int = 0


COLUMNS = tuple(Entry.__dataclass_fields__)

NETWORK_FILE_SYSTEMS = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb", "smbfs", "smb3", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"),
        *("ncpfs", "coda", "orangefs", "pvfs2", "ocfs2", "gfs2", "davfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse"),
        *("fuse.goofys", "fuse.blobfuse", "fuse.blobfuse2", "fuse.mount-s3", "fuse.juicefs", "fuse.mfs", "fuse.ossfs"),
        *("fuse.seaweedfs", "fuse.alluxio-fuse", "fuse.davfs2", "fuse.cosfs", "fuse.curlftpfs", "fuse.smbnetfs"),
        *("fuse.afpfs", "fuse.hdfs"),
    ]
)
"""File systems on which SQLite's locks and shared memory cannot be trusted (sqlite.org/wal.html, faq.html#q5)."""


def file_system_of(path: Path, mounts: str) -> tuple[str, str]:
    """Return the type of the file system that `path` lies on, and where it is mounted.

    `mounts` has the lines of /proc/self/mountinfo (man 5 proc_pid_mountinfo); ("", "") when none covers the path.
    """
    target = os.path.realpath(path)
    found, where = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        # a later mount on the same point hides the earlier one
        if inside and len(point) >= len(where):
            found, where = kind[0], point
    return found, where


def refuse_network_file_system(path: Path, mounts: Path) -> None:
    """Raise LedgerError when `path` lies on a network file system; where there is no mount table, trust the path."""
    try:
        text = mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    kind, where = file_system_of(path, text)
    if kind in NETWORK_FILE_SYSTEMS:
        raise LedgerError(
            f"the ledger {path} lies on a network file system ({kind}, mounted at {where}), where SQLite's locks do not"
            " hold and answers can be lost; set another path for the ledger, on a local disk"
        )


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, with the ledger's settings; its errors are sqlite3's."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # NORMAL: a commit survives the death of the process at once, and the loss of power from the next checkpoint on
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA cache_size=-8000")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty file; raise LedgerError when a newer sftmill or another program made the file."""
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application == APPLICATION and version > SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger {path} was written by a newer sftmill (its schema is {version}, this one reads up to"
            f" {SCHEMA_VERSION}); run `pip install --upgrade sftmill`, or set another path for the ledger"
        )
    if application != APPLICATION:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if application or version or tables:
            raise LedgerError(
                f"{path} is a SQLite file of another program (tables: {', '.join(sorted(tables)) or 'none'});"
                " set another path for the ledger"
            )
        connection.executescript(
            f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={SCHEMA_VERSION};PRAGMA application_id={APPLICATION};COMMIT;"
        )
    if _write_ahead(connection) != "wal":
        raise LedgerError(f"the file system of {path} does not support SQLite's WAL; set another path for the ledger")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _write_ahead(connection: sqlite3.Connection) -> str:
    # Unlike other statements this one does not always wait for processes that open the same file at the same moment.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def explain(error: sqlite3.Error | OSError, path: Path) -> LedgerError:
    """Turn an error of SQLite or the system into a LedgerError that names the remedy."""
    text = str(error)
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        remedy = f"the disk under {path.parent} is full; free some space and give the same command again"
    elif primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        remedy = (
            f"another process has held {path} for more than {BUSY_SECONDS:.0f} s;"
            " end it (see `fuser`), then give the same command again"
        )
    elif primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        remedy = (
            f"{path} is damaged or no ledger; save what can be read with"
            f" `sqlite3 {path} .recover | sqlite3 saved.db`, or move it away to start an empty one"
        )
    elif primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH) or isinstance(
        error, PermissionError
    ):
        remedy = f"{path} or its folder is not writable; allow writing, or set another path for the ledger"
    elif primary == sqlite3.SQLITE_CANTOPEN:
        remedy = f"{path} cannot be opened; check that its folder exists and is writable, or set another path"
    elif primary == sqlite3.SQLITE_IOERR:
        remedy = f"the disk under {path.parent} failed to read or write; check its space and its health"
    else:
        remedy = f"check {path}, or set another path for the ledger"
    return LedgerError(f"the ledger failed ({text}): {remedy}")
