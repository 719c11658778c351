"""A folder of documents: list its files, then read each into sections."""

import os
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Literal

from sftmill.core import Drop, Dropped, Row, RowStep, Source
from sftmill.models.settings import Sensitivity
from sftmill.steps.ingest.decoding import clean, decode
from sftmill.steps.ingest.parse_html import declared_charset, parse_html
from sftmill.steps.ingest.parse_markdown import parse_markdown
from sftmill.steps.ingest.parse_text import parse_text
from sftmill.steps.ingest.sections import Block, Section, gather
from sftmill.text import count_cjk, detect_lang

LARGEST = 200 * 1024 * 1024
"""Bytes of the largest file that is read."""
DAMAGE = 0.01
"""Share of unreadable characters above which a file is not used."""

_HTML = (".html", ".htm", ".xhtml")
_MARKDOWN = (".md", ".markdown")
_LOOKS_LIKE_HTML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html)\b", re.I)
_CODE = re.compile(r"^```.*?(?:^```$|\Z)", re.M | re.S)


class Books(Source):
    """Lists the text, Markdown and HTML files of a folder; each is then read into its sections."""

    writes: ClassVar = ("source", "source_hash", "sensitivity")

    folder: Path
    """Folder with the documents; folders inside of it are searched too."""
    patterns: tuple[str, ...] = ("**/*.txt", "**/*.md", "**/*.html", "**/*.htm")
    """Which files to take, by path below the folder; `**/` stands for any number of folders."""
    lang: Literal["auto", "zh", "en"] = "auto"
    """Language of the documents; auto looks at each section."""
    sensitivity: Sensitivity = "internal"
    """Who may see these documents."""

    def problems(self) -> list[str]:
        """Return why the folder cannot be used, if so."""
        if not self.folder.is_dir():
            return [f"folder: {str(self.folder)!r} is no folder; check the path in the recipe"]
        if not any(not isinstance(path, tuple) for path in self._listed()):
            return [
                f"folder: {str(self.folder)!r} holds no file that matches {', '.join(self.patterns)}; add a pattern"
            ]
        return []

    def then(self) -> tuple[RowStep, ...]:
        """Return the step that reads the files listed."""
        return (ReadBook(folder=self.folder, lang=self.lang),)

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield a row a file, sorted by path, and Dropped with the reason for each file left out."""
        for found in self._listed():
            if isinstance(found, tuple):
                path, why = found
                yield Dropped(self._row(path, ""), "skipped", {"why": why})
                continue
            try:
                with open(self.folder / found, "rb") as file:
                    digest = _digest(file)
            except OSError as error:
                yield Dropped(self._row(found, ""), "unreadable", {"why": error.strerror or type(error).__name__})
                continue
            yield self._row(found, digest)

    def skipped(self) -> list[tuple[str, str]]:
        """Return (path, reason) of the files in the folder that `rows` leaves out."""
        return [found for found in self._listed() if isinstance(found, tuple)]

    def _row(self, path: str, digest: str) -> Row:
        return {"source": path, "source_hash": digest, "sensitivity": self.sensitivity}

    def _listed(self) -> Iterator[str | tuple[str, str]]:
        """Yield the paths below the folder, in order; those left out with the reason."""
        wanted = [_compile(pattern) for pattern in self.patterns]
        root = os.path.realpath(self.folder)
        for path in sorted(_walk(Path(root), "")):
            full = os.path.join(root, path)
            shown = path.encode("utf-8", "replace").decode()
            if shown != path:
                yield shown, "its name is not valid UTF-8; rename it"
            elif path.endswith("/"):
                yield path, "a hidden folder" if not os.path.islink(full[:-1]) else "a link to a folder"
            elif os.path.islink(full) and not os.path.realpath(full).startswith(root + os.sep):
                yield path, "a link that leaves the folder"
            elif not any(pattern.fullmatch(path) for pattern in wanted):
                yield path, f"no pattern matches {os.path.splitext(path)[1] or 'a name without extension'}"
            elif not os.path.isfile(full):
                yield path, "no regular file"
            elif os.path.getsize(full) > LARGEST:
                yield path, f"larger than {LARGEST // 2**20} MB; split it"
            else:
                yield path


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


def _compile(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts), re.I | re.S)


def _digest(file) -> str:
    digest = blake2b(digest_size=16)
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


class ReadBook(RowStep):
    """Reads a listed file into one row a section, with the headings above it."""

    reads: ClassVar = ("source", "source_hash")
    writes: ClassVar = ("document", "title", "title_path", "lang")

    folder: Path
    """The folder that the paths in `source` are relative to."""
    lang: Literal["auto", "zh", "en"] = "auto"
    """Language of the documents; auto looks at each section."""

    def row(self, row: Row) -> list[Row]:
        """Return the sections in order; drops files that are "unreadable", "changed" since listed, or "empty"."""
        try:
            data = (self.folder / row["source"]).read_bytes()
        except OSError as error:
            raise Drop("unreadable", why=error.strerror or type(error).__name__) from None
        if row["source_hash"] and blake2b(data, digest_size=16).hexdigest() != row["source_hash"]:
            raise Drop("changed", why="the file is not the one that was listed; run again")
        title, sections = read(data, row["source"])
        if not sections:
            raise Drop("empty", bytes=len(data))
        whole = self._lang_of("\n".join(s.text for s in sections[:50]), "en")
        return [
            {
                **row,
                "document": section.text,
                "title": title,
                "title_path": list(section.title_path),
                "lang": self._lang_of(section.text, whole),
            }
            for section in sections
        ]

    def _lang_of(self, text: str, otherwise: str) -> str:
        if self.lang != "auto":
            return self.lang
        prose = _CODE.sub("", text)
        if not count_cjk(prose) and sum(c.isalpha() for c in prose) < 200:
            return otherwise  # commands and tables of a Chinese book are not English
        return detect_lang(prose)


def read(data: bytes, name: str) -> tuple[str, list[Section]]:
    """Parse a file's bytes into its title and sections; raises Drop("unreadable") for what is no text."""
    suffix = os.path.splitext(name)[1].lower()
    text, encoding, damaged = decode(data, declared_charset(data) if suffix in _HTML else None)
    if damaged > DAMAGE * len(text):
        raise Drop("unreadable", why="not text in an encoding known here", encoding=encoding, damaged=damaged)
    cleaned = clean(text)
    if (lost := sum(c < " " and c not in "\t\n\r\f\v" for c in text[:100_000])) > DAMAGE * min(len(text), 100_000):
        raise Drop("unreadable", why="binary data", controls=lost)
    if suffix in _HTML or _LOOKS_LIKE_HTML.match(cleaned):
        title, blocks = parse_html(cleaned)
    elif suffix in _MARKDOWN:
        title, blocks = parse_markdown(cleaned)
    else:
        title, blocks = "", parse_text(cleaned)
    return title or _first_title(blocks) or os.path.splitext(os.path.basename(name))[0], gather(blocks)


def _first_title(blocks: list[Block]) -> str:
    return next((block.text for block in blocks[:20] if block.level == 1), "")
