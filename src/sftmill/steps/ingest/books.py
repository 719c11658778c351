"""A folder of documents: list its files, then read each into sections."""

import re
from collections.abc import Iterator
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Literal

from sftmill.columns import SENSITIVITIES
from sftmill.core import Drop, Dropped, Row, RowStep, Source
from sftmill.errors import RecipeError
from sftmill.models.settings import Sensitivity
from sftmill.steps.ingest.archive import read_member
from sftmill.steps.ingest.file_listing import Listed, list_files, split_archive
from sftmill.steps.ingest.formats import READABLE, read
from sftmill.steps.ingest.parse_pdf import OCR
from sftmill.steps.ingest.source_table import Judged, find_table, judge, left_out
from sftmill.text import count_cjk, detect_lang
from sftmill.text.lazy import lazy_pattern

PATTERNS = tuple(f"**/*{ending}" for ending in (*READABLE, ".zip"))
_CODE = lazy_pattern(r"^```.*?(?:^```$|\Z)", re.M | re.S)
_GAP = "\x00pages "
"""What the document of a row begins with that stands for pages without text; no text that is read holds a NUL."""


class Books(Source):
    """Lists the documents of a folder, also those in zip files; each is then read into its sections.

    Text, Markdown, HTML, PDF with a text layer, Word (docx), tables (csv, xlsx, xls, ods), in any of the usual
    Chinese and Western encodings. What cannot be read is dropped with the reason and what to do.
    """

    writes: ClassVar = ("source", "source_hash", "sensitivity", "licence", "effective", "expires")

    folder: Path
    """Folder with the documents; folders inside of it are searched too."""
    patterns: tuple[str, ...] = PATTERNS
    """Which files to take, by path below the folder; `**/` stands for any number of folders, zip files included."""
    lang: Literal["auto", "zh", "en"] = "auto"
    """Language of the documents; auto looks at each section."""
    sensitivity: Sensitivity = "internal"
    """Who may see these documents; the table of sources may say that some are more sensitive, never less."""
    source_table: Path | None = None
    """Table that says of files: file, licence, sensitivity, effective, expires, supersedes (文件, 许可, 敏感级别, 生效日期,
    失效日期, 取代), as xlsx or csv; None = sources.xlsx or sources.csv in the folder, if there."""
    as_of: date | None = None
    """Day for which sources must hold, such as 2024-03-01; None = the day on which the files are listed, so that a
    run of another day drops what has expired since. Set it where a run must be repeatable for ever."""

    def problems(self) -> list[str]:
        """Return why the folder or the table of sources cannot be used, if so."""
        if not self.folder.is_dir():
            return [f"folder: {str(self.folder)!r} is no folder; check the path in the recipe"]
        listed = list(self._listed())
        if all(found.reason for found in listed):
            kinds = ", ".join(self.patterns) if self.patterns != PATTERNS else "the formats known here"
            return [f"folder: {str(self.folder)!r} holds no file that matches {kinds}; add a pattern or files"]
        return self._judged(listed).problems

    def files(self) -> tuple[Path, ...]:
        """Return the table of sources, if there is one."""
        table = self._table()
        return (table,) if table else ()

    def then(self) -> tuple[RowStep, ...]:
        """Return the steps that read the files listed and report what they had no text for."""
        return ReadBook(folder=self.folder, lang=self.lang), MissingPages()

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield a row a file, sorted by path, and Dropped with the reason for each file left out.

        Raises RecipeError when the table of sources says what it did not say when the plan was made.
        """
        listed = list(self._listed())
        judged = self._judged(listed)
        if judged.problems:
            raise RecipeError(judged.problems)
        day = self.as_of or date.today()
        for found in listed:
            row = self._row(found.path, judged)
            if found.reason:
                yield Dropped(row, found.reason, {"why": found.why})
            elif out := left_out(judged, found.path, day):
                yield Dropped(row, *out)
            else:
                try:
                    yield {**row, "source_hash": self._digest(found.path)}
                except OSError as error:
                    yield Dropped(row, "unreadable", {"why": error.strerror or type(error).__name__})
                except Drop as drop:
                    yield Dropped(row, drop.reason, drop.facts)

    def skipped(self) -> list[tuple[str, str]]:
        """Return (path, reason) of the files in the folder that `rows` leaves out whatever the day."""
        return [(found.path, found.why) for found in self._listed() if found.reason]

    def _row(self, path: str, judged: Judged) -> Row:
        row = {"source": path, "source_hash": "", "sensitivity": self.sensitivity}
        if entry := judged.entries.get(path):
            row |= entry.facts()
            row["sensitivity"] = max(self.sensitivity, entry.sensitivity or "public", key=SENSITIVITIES.index)
        return row

    def _listed(self) -> Iterator[Listed]:
        return list_files(self.folder, self.patterns, self._table())

    def _table(self) -> Path | None:
        return self.source_table or find_table(self.folder)

    def _judged(self, listed: list[Listed]) -> Judged:
        """Apply the table of sources; a line that is stricter than this step's setting is a problem of its own."""
        table = self._table()
        if table is None:
            return Judged({}, {}, [])
        judged = judge(
            table, [f.path for f in listed if not f.reason], [f.path.rstrip("/") for f in listed if f.reason]
        )
        promised = SENSITIVITIES.index(self.sensitivity)
        told: dict[int, str] = {}
        for file, entry in judged.entries.items():
            if entry.sensitivity and SENSITIVITIES.index(entry.sensitivity) > promised:
                told.setdefault(
                    entry.row,
                    f"{table.name} row {entry.row}: {file!r} is {entry.sensitivity}, but this step promises "
                    f"{self.sensitivity}; set `sensitivity: {entry.sensitivity}`, or give these files a stream of "
                    "their own by `patterns`",
                )
        return judged._replace(problems=[*judged.problems, *told.values()])

    def _digest(self, source: str) -> str:
        path, inner = split_archive(self.folder, source)
        digest = blake2b(digest_size=16)
        if inner:
            digest.update(read_member(path, inner))
        else:
            with open(path, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        return digest.hexdigest()


class ReadBook(RowStep):
    """Reads a listed file into one row a section, with the headings above it."""

    reads: ClassVar = ("source", "source_hash")
    writes: ClassVar = ("document", "title", "title_path", "lang", "page")

    folder: Path
    """The folder that the paths in `source` are relative to."""
    lang: Literal["auto", "zh", "en"] = "auto"
    """Language of the documents; auto looks at each section."""

    def row(self, row: Row) -> list[Row]:
        """Return the sections in order, and behind them one row for the pages without text, if any.

        Drops files that are "changed" since they were listed, "empty", or for one of the reasons of `formats.read`.
        """
        path, inner = split_archive(self.folder, row["source"])
        try:
            data = read_member(path, inner) if inner else path.read_bytes()
        except OSError as error:
            raise Drop("unreadable", why=error.strerror or type(error).__name__) from None
        if row["source_hash"] and blake2b(data, digest_size=16).hexdigest() != row["source_hash"]:
            raise Drop("changed", why="the file is not the one that was listed; run again")
        if not data:
            raise Drop("empty", bytes=0)
        found = read(data, row["source"])
        if not found.sections:
            raise Drop("empty", bytes=len(data))
        whole = self._lang_of("\n".join(s.text for s in found.sections[:50]), "en")
        rows = [
            {
                **row,
                "document": section.text,
                "title": found.title,
                "title_path": list(section.title_path),
                "lang": self._lang_of(section.text, whole),
                "page": section.page or None,
            }
            for section in found.sections
        ]
        if found.unread:
            gap = {**rows[0], "document": f"{_GAP}{ranges(found.unread)} of {found.pages}", "page": found.unread[0]}
            rows.append({**gap, "title_path": []})
        return rows

    def _lang_of(self, text: str, otherwise: str) -> str:
        if self.lang != "auto":
            return self.lang
        prose = _CODE.sub("", text)
        if not count_cjk(prose) and sum(c.isalpha() for c in prose) < 200:
            return otherwise  # commands and tables of a Chinese book are not English
        return detect_lang(prose)


class MissingPages(RowStep):
    """Drops the rows that stand for pages without text, so that such pages are counted and can be looked up."""

    reads: ClassVar = ("document",)

    def row(self, row: Row) -> Row:
        """Return the row as it is; drops pages with "no_text_layer"."""
        document = row["document"] or ""
        if document.startswith(_GAP):
            raise Drop("no_text_layer", pages=document.removeprefix(_GAP), why=f"the rest of the file is read; {OCR}")
        return row


def ranges(numbers: tuple[int, ...]) -> str:
    """Write ascending numbers with runs as one: 1-3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] + 1 == number:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
