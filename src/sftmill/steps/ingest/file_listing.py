"""The files of a folder, in order, with the reason for each that is left out."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sftmill.core import Drop
from sftmill.steps.ingest.archive import list_members
from sftmill.steps.ingest.formats import advice
from sftmill.steps.ingest.source_table import compile_pattern

LARGEST = 200 * 1024 * 1024
"""Bytes of the largest file that is read."""


class Listed(NamedTuple):
    """A file below the folder, or a member of an archive there."""

    path: str
    reason: str = ""
    """Why it is left out; "" where it is read."""
    why: str = ""


def list_files(folder: Path, patterns: Sequence[str], table: Path | None = None) -> Iterator[Listed]:
    """Yield the files below the folder, sorted by path, members of zip files as "archive.zip/inner.pdf".

    `table`, the table of sources, is no document and not listed.
    """
    wanted = [compile_pattern(pattern) for pattern in patterns]
    root = os.path.realpath(folder)
    own = os.path.realpath(table) if table else ""
    for path in sorted(_walk(Path(root), "")):
        full = os.path.join(root, path)
        shown = path.encode("utf-8", "replace").decode()
        if os.path.realpath(full) == own:
            continue
        if shown != path:
            yield Listed(shown, "skipped", "its name is not valid UTF-8; rename it")
        elif path.endswith("/"):
            yield Listed(path, "skipped", "a hidden folder" if not os.path.islink(full[:-1]) else "a link to a folder")
        elif os.path.islink(full) and not os.path.realpath(full).startswith(root + os.sep):
            yield Listed(path, "skipped", "a link that leaves the folder")
        elif left := _left_out(path, wanted):
            yield left
        elif not os.path.isfile(full):
            yield Listed(path, "skipped", "no regular file")
        elif path.lower().endswith(".zip"):
            yield from _archive(Path(full), path, wanted)
        elif os.path.getsize(full) > LARGEST:
            yield Listed(path, "skipped", f"larger than {LARGEST // 2**20} MB; split it")
        else:
            yield Listed(path)


def _left_out(path: str, wanted: Sequence) -> Listed | None:
    """Return why a file is not taken by its name, None where it is."""
    name = path.rpartition("/")[2]
    if name.startswith("~$"):
        return Listed(path, "skipped", "an office program's mark that a file is open")
    if any(pattern.fullmatch(path) for pattern in wanted):
        return None
    if why := advice(name):
        return Listed(path, "format_not_supported", why)
    return Listed(path, "skipped", f"no pattern matches {os.path.splitext(name)[1] or 'a name without extension'}")


def _archive(full: Path, path: str, wanted: Sequence) -> Iterator[Listed]:
    """Yield the members of a zip file."""
    number = 0
    try:
        for member in list_members(full):
            number += 1
            inner = f"{path}/{member.path}"
            if member.reason:
                yield Listed(inner, member.reason, member.why)
            else:
                yield _left_out(inner, wanted) or Listed(inner)
    except Drop as drop:
        yield Listed(path, drop.reason, str(drop.facts.get("why", "")))
        return
    if not number:
        yield Listed(path, "skipped", "an archive without files")


def _walk(root: Path, below: str) -> Iterator[str]:
    """Yield the paths of all files below `root`; a folder that is not entered ends in "/"."""
    waiting = [below]
    while waiting:
        here = waiting.pop()
        try:
            entries = list(os.scandir(root / here))
        except OSError:
            yield here
            continue
        for entry in entries:
            if not entry.is_dir(follow_symlinks=True):
                yield here + entry.name
            elif entry.is_symlink() or entry.name.startswith("."):
                yield f"{here}{entry.name}/"
            else:
                waiting.append(f"{here}{entry.name}/")


def split_archive(folder: Path, source: str) -> tuple[Path, str]:
    """Return the file that a listed path leads to, and the path within it where it is an archive ("" else)."""
    parts = source.split("/")
    for number in range(1, len(parts)):
        path = folder.joinpath(*parts[:number])
        if parts[number - 1].lower().endswith(".zip") and path.is_file():
            return path, "/".join(parts[number:])
    return folder / source, ""
