"""A file of JSON rows that appears whole or not at all."""

import hashlib
import os
from pathlib import Path
from typing import Any

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


class RowFile:
    """Writes rows beside `path` and renames them into place at the end.

    `array` chooses a JSON array, otherwise JSON Lines. The same rows give the same bytes.
    """

    def __init__(self, path: Path, *, array: bool):
        self.path = path
        self.array = array
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.partial")
        self._hash = hashlib.sha256()
        self._file = open(self._partial, "wb", buffering=_BUFFER)  # noqa: SIM115 - closed by finish or abandon
        if array:
            self._add(b"[")

    def write(self, line: bytes) -> None:
        """Add one row, already encoded by `encode_row`."""
        if self.array:
            self._add(b",\n" if self.rows else b"\n")
            self._add(line)
        else:
            self._add(line)
            self._add(b"\n")
        self.rows += 1

    def _add(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> str:
        """Put the file in its place, safe on disk, and return its SHA-256."""
        if self.array:
            self._add(b"\n]\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._partial, self.path)
        return self._hash.hexdigest()

    def abandon(self) -> None:
        """Remove what was written so far; does nothing after `finish`."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a small file in one step, so that a reader sees the old one or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
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
