"""The texts of laws that citations are looked up in."""

from functools import lru_cache
from pathlib import Path

LARGEST = 50 << 20
"""Bytes of all texts together."""


def read_corpus(path: Path) -> tuple[tuple[str, str], ...]:
    """Return (title, text) of a file, or of the .txt and .md files of a folder; titles are the files' names.

    Raises OSError, and ValueError for what is not UTF-8, too large or empty.
    """
    return _read(path, _stamp(path))


def _texts(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(p for p in path.iterdir() if p.suffix in (".txt", ".md"))


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    stats = [(p, p.stat()) for p in _texts(path)]
    return tuple((str(p), stat.st_size, stat.st_mtime_ns) for p, stat in stats)


@lru_cache(maxsize=8)
def _read(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> tuple[tuple[str, str], ...]:
    if not stamp:
        raise ValueError(f"{path.name!r} holds no .txt or .md file")
    if sum(size for _, size, _ in stamp) > LARGEST:
        raise ValueError(f"{path.name!r} is larger than {LARGEST >> 20} MiB")
    return tuple((Path(name).stem, Path(name).read_text("utf-8-sig")) for name, _, _ in stamp)
