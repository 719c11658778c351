"""Files of rows that appear whole or not at all."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import orjson

_BUFFER = 1 << 20
"""Bytes held in memory between writes."""

# Some readers split text at these characters too, though JSON allows them inside strings.
_LINE_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


def encode_row(value: dict[str, Any]) -> bytes:
    """Write a row as one line of UTF-8 JSON that no reader takes for two lines.

    Raises ValueError where the text is not valid Unicode (a lone surrogate) or a number has
    more than 64 bits.
    """
    try:
        line = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from None
    for character, escape in _LINE_BREAKS:
        if character in line:
            line = line.replace(character, escape)
    return line


class Layout(NamedTuple):
    """What stands around and between the rows of a file."""

    start: bytes = b""
    before_first: bytes = b""
    before_others: bytes = b""
    after: bytes = b""
    end: bytes = b""


LINES = Layout(after=b"\n")
"""JSON Lines."""
ARRAY = Layout(start=b"[", before_first=b"\n", before_others=b",\n", end=b"\n]\n")
"""A JSON array, a row a line."""


class FinishedFile(NamedTuple):
    """A file that lies in its place."""

    path: Path
    rows: int
    sha256: str


class RowFile:
    """Writes rows beside `path` and renames them into place at the end; the same rows give the same bytes."""

    def __init__(self, path: Path, layout: Layout = LINES):
        self.path = path
        self.layout = layout
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.partial")
        self._hash = hashlib.sha256()
        self._file = open(self._partial, "wb", buffering=_BUFFER)  # noqa: SIM115 - closed by finish or abandon
        self._add(layout.start)

    def write(self, line: bytes) -> None:
        """Add one row, already encoded."""
        layout = self.layout
        self._add((layout.before_others if self.rows else layout.before_first) + line + layout.after)
        self.rows += 1

    def _add(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> list[FinishedFile]:
        """Put the file in its place, safe on disk, and return what it is, as a list of one."""
        self._add(self.layout.end)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._partial, self.path)
        return [FinishedFile(self.path, self.rows, self._hash.hexdigest())]

    def abandon(self) -> None:
        """Remove what was written so far; does nothing after `finish`."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a small file in one step, so that a reader sees the old one or the new one.

    A link stays a link, and the file keeps its permissions: it may lie in somebody else's folder.
    """
    path = path.resolve()
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, partial)
    os.replace(partial, path)


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder survive a power cut, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
