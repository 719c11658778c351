"""Zip files as folders: their members with readable names, read within limits and never written anywhere."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sftmill.core import Drop
from sftmill.steps.ingest.zip_guard import is_bomb

MOST_MEMBERS = 10_000
"""Members of an archive, those of archives in it included."""
MOST_BYTES = 2 << 30
"""Bytes that the members of an archive may have together when unpacked."""
LARGEST = 200 << 20
"""Bytes of the largest member that is read."""

_UTF8 = 0x800
_ENCRYPTED = 0x1
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


class Member(NamedTuple):
    """A file in an archive."""

    path: str
    """Path in the archive, behind that of an archive in it: "inner.zip/a.txt"."""
    reason: str = ""
    """Why it is not read: "encrypted" or "skipped"; "" where it is."""
    why: str = ""


def list_members(path: Path) -> Iterator[Member]:
    """Yield the files of a zip file and of zip files in it, sorted by path; raises Drop("unreadable")."""
    left = [MOST_MEMBERS, MOST_BYTES]
    with _opened(path) as file:
        yield from _members(file, "", left, True)


def _members(file: zipfile.ZipFile, above: str, left: list[int], deeper: bool) -> Iterator[Member]:
    seen: set[str] = set()
    for name, info in sorted(((member_name(info), info) for info in _infos(file)), key=lambda found: found[0]):
        path = above + name
        if left[0] <= 0 or left[1] < info.file_size:
            yield Member(path, "skipped", _over(left[0] <= 0))
            if left[0] <= 0:
                return
            continue
        if why := _refused(name, info):
            yield Member(path, *why)
        elif name in seen:
            yield Member(path, "skipped", "a second member of this name")
        elif not name.lower().endswith(".zip"):
            left[1] -= info.file_size
            yield Member(path)
        elif not deeper:
            yield Member(path, "skipped", "an archive within an archive within an archive; unpack it")
        else:
            left[1] -= info.file_size
            try:
                with _opened(io.BytesIO(_read(file, info))) as inner:
                    yield from _members(inner, f"{path}/", left, False)
            except Drop as drop:
                yield Member(path, drop.reason, str(drop.facts.get("why", "")))
        seen.add(name)
        left[0] -= 1


def _over(members: bool) -> str:
    if members:
        return f"the archive has more than {MOST_MEMBERS:,} members; unpack it"
    return f"the archive becomes larger than {MOST_BYTES // 2**30} GB; unpack it"


def _refused(name: str, info: zipfile.ZipInfo) -> tuple[str, str] | None:
    """Return (reason, why) of a member that is not read."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
        return "skipped", "its path leads out of the archive"
    if info.external_attr >> 28 == 0xA:
        return "skipped", "a link"
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return "skipped", "a hidden file"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted", "the archive needs a password; pack it without one"
    if info.file_size > LARGEST:
        return "skipped", f"larger than {LARGEST // 2**20} MB; split it"
    if is_bomb(info):
        return "skipped", f"becomes {info.file_size // max(1, info.compress_size):,} times larger when unpacked"
    return None


def read_member(path: Path, inner: str) -> bytes:
    """Return the bytes of a member named by `list_members`; raises Drop("unreadable") where there is none."""
    with _opened(path) as file:
        return _find(file, inner)


def _find(file: zipfile.ZipFile, inner: str) -> bytes:
    infos = {}
    for info in _infos(file):
        infos.setdefault(member_name(info), info)
    if inner in infos and not _refused(inner, infos[inner]):
        return _read(file, infos[inner])
    for name, info in infos.items():
        if inner.startswith(f"{name}/") and name.lower().endswith(".zip") and not _refused(name, info):
            with _opened(io.BytesIO(_read(file, info))) as deeper:
                return _find(deeper, inner[len(name) + 1 :])
    raise Drop("unreadable", why="the archive has no such member any more; run again")


def _infos(file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [info for info in file.infolist() if not info.is_dir()]


def _opened(source: Path | io.BytesIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except _DAMAGED as error:
        raise Drop("unreadable", why=f"no zip file, or cut off ({error}); pack it again") from None


def _read(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Unpack a member, no further than the size that it states."""
    try:
        with file.open(info) as member:
            return member.read(LARGEST)
    except _DAMAGED as error:
        raise Drop("unreadable", why=f"a damaged member ({error}); pack it again") from None


def member_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name: as UTF-8 where it says so or is, else as GB18030, which Chinese Windows writes.

    Names without the flag are decoded by zipfile as code page 437; their bytes are taken back.
    """
    name = info.filename
    if not info.flag_bits & _UTF8:
        if given := _unicode_path(info.extra):
            name = given
        else:
            try:
                raw = info.orig_filename.encode("cp437")
                name = _decoded(raw)
            except UnicodeEncodeError:
                pass
    return name.replace("\\", "/").encode("utf-8", "replace").decode()


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")


def _unicode_path(extra: bytes) -> str:
    """Return the name in Info-ZIP's Unicode path field (0x7075; APPNOTE 4.6.9), "" where there is none."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == 0x7075 and size > 5:
            return extra[9 : 4 + size].decode("utf-8", "replace")
        extra = extra[4 + size :]
    return ""
