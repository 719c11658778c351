"""Verdicts in: a sheet that came back, read without trust, with the row number of everything that is wrong."""

import csv
import difflib
import io
import json
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.core import Row, answer
from sftmill.errors import SftmillError
from sftmill.review.layout import BY_NAME, DATA_HEADER, MEANT, field_of, words_of
from sftmill.sheets import Sheet, cell_text, fills_cell, is_cut, plain_cell, read_workbook, visible
from sftmill.steps.curate.labels import Said, Verdict, check_row, key_of, label_key, shown_question
from sftmill.steps.ingest.decoding import decode
from sftmill.text import content_hash, normalise

LARGEST = 300 * 1024 * 1024
"""Bytes of the largest file that is read."""
SHOWN_PROBLEMS = 20

_DATE = re.compile(r"(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})\s?日?(?:[T ][\d:.]*)?")


class Judgement(NamedTuple):
    """A row of a sheet that has a verdict."""

    number: int
    """Row number as spreadsheets count, the header being 1."""
    key: str
    question: str
    answer: str
    verdict: Verdict
    sample: Row | None


class Reading(NamedTuple):
    """What a sheet holds."""

    judgements: list[Judgement]
    blank: int
    """Rows without a verdict."""
    digest: str
    """Hash of the file."""


def read_review(path: Path, find: Callable[[set[str]], dict[str, Row]] | None = None) -> Reading:
    """Return the verdicts of a workbook or CSV file; raises SftmillError that names every row that is wrong.

    `find` returns the whole samples, by key, of those keys for which the file does not hold them.
    """
    data = _bytes(path)
    digest = content_hash(data)
    sheets = _csv_sheets(data, path) if path.suffix.lower() in (".csv", ".tsv", ".txt") else _sheets(data, path)
    sheet, columns = _review_sheet(sheets, path)
    samples, spoilt = _samples(sheets)
    if find:
        keys = {_text(cells[columns["key"]]).strip() for cells in sheet.rows[1:] if len(cells) > columns["key"]}
        samples |= find(keys - samples.keys())
        spoilt -= samples.keys()
    reader = _Reader(columns, samples, spoilt, digest)
    for number, cells in enumerate(sheet.rows[1:], 2):
        reader.row(number, cells)
    if reader.problems:
        shown = "\n".join(f"  {problem}" for problem in reader.problems[:SHOWN_PROBLEMS])
        more = len(reader.problems) - SHOWN_PROBLEMS
        raise SftmillError(
            f"{path.name}: nothing was imported; correct what is wrong and import the file again:\n{shown}"
            + (f"\n  ... and {more:,} more" if more > 0 else "")
        )
    return Reading(reader.judgements, reader.blank, digest)


class _Reader:
    """Reads the rows of one sheet and collects what is wrong with them."""

    def __init__(self, columns: dict[str, int], samples: dict[str, Row], spoilt: set[str], digest: str):
        self.columns, self.samples, self.spoilt, self.digest = columns, samples, spoilt, digest
        self.judgements: list[Judgement] = []
        self.problems: list[str] = []
        self.blank = 0

    def row(self, number: int, cells: list[Any]) -> None:
        """Read one row."""
        values = {name: cells[at] if at < len(cells) else "" for name, at in self.columns.items()}
        texts = {name: _text(value) for name, value in values.items()}
        if not any(text.strip() for text in texts.values()):
            return
        before = len(self.problems)
        said = self._verdict(number, texts)
        corrections = self._corrections(number, texts, values, said)
        key = texts["key"].strip()
        self._check_key(number, key, texts)
        when = self._date(number, values.get("date", ""))
        if len(self.problems) > before or said is None:
            self.blank += len(self.problems) == before
            return
        sample = self.samples.get(key)
        verdict = Verdict(
            verdict=said,
            **corrections,
            comment=texts.get("comment", "").strip(),
            reviewer=normalise(texts.get("reviewer", "")),
            date=when,
            sheet=self.digest,
        )
        asks, says = (shown_question(sample), answer(sample)) if sample else self._content(key, texts)
        self.judgements.append(Judgement(number, key, asks, says, verdict, sample))

    def wrong(self, number: int, text: str) -> None:
        """Note a problem of a row."""
        self.problems.append(f"row {number}: {text}")

    def _verdict(self, number: int, texts: dict[str, str]) -> Said | None:
        word = normalise(texts["verdict"]).casefold()
        if not word:
            if any(texts.get(name, "").strip() for name in ("corrected_question", "corrected_answer")):
                self.wrong(number, "has a correction but no verdict; choose 修改 / edit")
            return None
        if word not in MEANT:
            near = difflib.get_close_matches(word, MEANT, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(words_of())}"
            self.wrong(number, f"the verdict {texts['verdict'].strip()[:40]!r} is not known; {hint}")
        return MEANT.get(word)

    def _corrections(
        self, number: int, texts: dict[str, str], values: dict[str, Any], said: Said | None
    ) -> dict[str, str]:
        """Return the corrected texts by field of the sample."""
        found = {}
        for name in ("question", "answer"):
            column = f"corrected_{name}"
            text, value = texts.get(column, "").strip(), values.get(column, "")
            if not text:
                continue
            shown = BY_NAME[column].en
            if not isinstance(value, str):
                self.wrong(
                    number, f"the {shown} is a number or date, {text[:40]!r}; format the cell as text, write it again"
                )
            elif is_cut(texts[name]):
                self.wrong(
                    number, f"the {name} is too long for a cell, so it cannot be corrected here; reject it instead"
                )
            elif fills_cell(text) or is_cut(text):
                self.wrong(number, f"the {shown} fills its cell, so its end may be lost; write a shorter one")
            elif text != texts[name].strip():
                found[name] = text
        if said == "edited" and not found:
            self.wrong(
                number,
                "the verdict is 修改 / edit, but nothing is corrected; fill in a correction, or choose 接受 / accept",
            )
        if said in ("accepted", "rejected") and found:
            self.wrong(
                number, f"the verdict is {said}, but there is a correction; choose 修改 / edit, or clear the correction"
            )
        return found

    def _date(self, number: int, value: Any) -> str:
        """Return the day as YYYY-MM-DD, the empty string when there is none."""
        if isinstance(value, datetime | date):
            return value.strftime("%Y-%m-%d")
        if not (text := _text(value).strip()):
            return ""
        if match := _DATE.fullmatch(text):
            try:
                return date(*map(int, match.groups())).isoformat()
            except ValueError:
                pass
        self.wrong(number, f"the date {text[:40]!r} is not known; write it like 2024-05-31")
        return ""

    def _check_key(self, number: int, key: str, texts: dict[str, str]) -> None:
        """Check that a row's key belongs to its texts."""
        if not key:
            self.wrong(number, "has no key; take the row from the workbook that was sent out")
            return
        if key in self.spoilt:
            self.wrong(
                number, "the hidden sheet with the whole samples was changed here; take it from the file sent out"
            )
            return
        if self._content(key, texts) != ("", ""):
            return
        sample = self.samples.get(key)
        if sample is None and (is_cut(texts["question"]) or is_cut(texts["answer"])):
            self.wrong(number, "its text is cut, and the file does not hold the whole sample; add --run RUN")
            return
        if sample is not None:
            asks, says = _same(texts["question"], shown_question(sample)), _same(texts["answer"], answer(sample))
            if asks and says:
                return
            if asks or says:
                name = "answer" if asks else "question"
                self.wrong(
                    number,
                    f"the {name} was changed in its own column, or one column was sorted alone; undo that, and put "
                    f"new text into {BY_NAME['corrected_' + name].zh} / {BY_NAME['corrected_' + name].en}",
                )
                return
        self.wrong(
            number, "the key does not belong to this question and answer; was one column sorted alone? undo that"
        )

    def _content(self, key: str, texts: dict[str, str]) -> tuple[str, str]:
        """Return question and answer as they belong to the key, two empty texts when they do not."""
        for undo in (str, plain_cell):  # a CSV file may carry apostrophes before signs
            asks, says = undo(texts["question"]), undo(texts["answer"])
            if key_of(asks, says) == key:
                return asks, says
        return "", ""


def _same(cell: str, text: str) -> bool:
    """Tell whether a cell still says what was written into it."""
    return normalise(visible(cell)) == normalise(cell_text(text))


def _text(value: Any) -> str:
    """Return a cell as text; 7.0 as 7."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise SftmillError(f"{path}: is larger than {LARGEST // 2**20} MB; is it the right file?")
        return path.read_bytes()
    except OSError as error:
        raise SftmillError(f"{path}: {error.strerror}; check the path") from None


def _sheets(data: bytes, path: Path) -> list[Sheet]:
    try:
        return read_workbook(data)
    except ValueError as error:
        raise SftmillError(f"{path}: cannot be read as a workbook ({error}); save it as xlsx or csv") from None


def _csv_sheets(data: bytes, path: Path) -> list[Sheet]:
    """Return the one sheet of a CSV file, whatever its encoding (Excel in China writes GBK) and its separator."""
    text = decode(data).text
    head = text[: text.find("\n") if "\n" in text else len(text)]
    separator = max(",;\t", key=head.count)
    limit = csv.field_size_limit(1 << 24)
    try:
        rows: list[list[Any]] = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise SftmillError(f"{path}: is no CSV file ({error}); save it as xlsx") from None
    finally:
        csv.field_size_limit(limit)
    return [Sheet(path.name, rows)]


def _review_sheet(sheets: list[Sheet], path: Path) -> tuple[Sheet, dict[str, int]]:
    """Return the sheet that was filled in, and where each field stands in it."""
    best: tuple[Sheet, dict[str, int]] | None = None
    for sheet in sheets:
        columns: dict[str, int] = {}
        for at, cell in enumerate(sheet.rows[0] if sheet.rows else []):
            if name := field_of(_text(cell)):
                columns.setdefault(name, at)
        if best is None or len(columns) > len(best[1]):
            best = sheet, columns
    needed = ("question", "answer", "verdict", "key")
    missing = [name for name in needed if best is None or name not in best[1]]
    if missing or best is None:
        names = ", ".join(f"{BY_NAME[name].zh} / {BY_NAME[name].en}" for name in missing)
        raise SftmillError(
            f"{path.name}: the column {names} is missing, without which no verdict can be told to belong to a sample; "
            "take the workbook that `sftmill review export` wrote, with all its columns and its first row"
        )
    return best


def _samples(sheets: list[Sheet]) -> tuple[dict[str, Row], set[str]]:
    """Return the whole samples of the hidden sheet by key, and the keys whose sample does not belong to them."""
    samples: dict[str, Row] = {}
    spoilt: set[str] = set()
    for sheet in sheets:
        if not sheet.rows or tuple(sheet.rows[0][:2]) != DATA_HEADER:
            continue
        for cells in sheet.rows[1:]:
            key = _text(cells[0])
            try:
                sample = json.loads("".join(map(_text, cells[1:])))
                check_row(sample)
                if label_key(sample) != key:
                    raise ValueError("another sample")
                samples[key] = sample
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
                spoilt.add(key)
    return samples, spoilt
