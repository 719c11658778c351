"""The forms for people: a CSV file and a workbook, one sample a line, in which no cell can be a formula."""

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from sftmill.sheets import LARGEST_CELL, LARGEST_SHEET, safe_cell, write_workbook
from sftmill.steps.blend.conversation import LeftOut, Sample
from sftmill.steps.blend.row_file import FinishedFile, RowFile, encode_row

COLUMNS: dict[str, float] = {
    "id": 12,
    "question": 40,
    "answer": 60,
    "system": 20,
    "history": 30,
    "source": 24,
    "title_path": 30,
    "page": 6,
    "lang": 6,
    "question_type": 12,
    "task": 12,
    "grounded": 10,
    "score": 10,
    "weight": 8,
    "reviewed": 10,
    "rejected": 40,
    "desirable": 10,
    "reasoning": 40,
}
"""The columns of a table, and how wide each is in a workbook, in characters."""

CSV_HEAD = b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n"
"""Byte order mark and header; without the mark Excel takes UTF-8 for the system's own encoding."""

Cells = list[str | float | int | bool | None]


def as_cells(sample: Sample) -> Cells:
    """Return the cells of a sample; raises LeftOut where tools are used, there is no answer, or parts must not be learnt.

    `history` holds the earlier turns, each with its role before it. A worse answer stands beside the answer, so
    that people see both; one that is wrong on purpose raises RunError, because a table says nothing of that.
    """
    if sample.negative:
        sample.check_answer()
    if sample.uses_tools:
        raise LeftOut("tools")
    if sample.answer is None:
        raise LeftOut("no_answer")
    if sample.masked:
        raise LeftOut("masked")
    row = sample.row
    known: dict[str, Any] = {
        "question": sample.prompt[-1].content,
        "answer": sample.answer.text,
        "system": sample.system,
        "history": "\n".join(f"{turn.role}: {turn.content}" for turn in sample.prompt[:-1]),
        "title_path": " / ".join(row.get("title_path") or []),
        "rejected": sample.rejected.text if sample.rejected else "",
        "reasoning": "" if sample.reasoning == "drop" else sample.answer.thought,
    }
    return [known[name] if name in known else row.get(name) for name in COLUMNS]


def as_sheet_cells(sample: Sample) -> Cells:
    """Return the cells of a sample; raises LeftOut also where a text is longer than a cell of a workbook."""
    cells = as_cells(sample)
    if any(isinstance(cell, str) and _too_long(cell) for cell in cells):
        raise LeftOut("long_cell")
    return cells


def _too_long(text: str) -> bool:
    # A character takes one or two of Excel's UTF-16 units.
    return len(text) > LARGEST_CELL // 2 and len(text.encode("utf-16-le", "surrogatepass")) // 2 > LARGEST_CELL


def encode_cells(cells: Cells) -> bytes:
    """Write cells as one CSV line; raises ValueError where a text is not valid Unicode."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([_csv_cell(cell) for cell in cells])
    return line.getvalue().encode()


def _csv_cell(cell: str | float | int | bool | None) -> str | float | int:
    if isinstance(cell, str):
        return safe_cell(cell.replace("\0", "␀"))  # some readers end the text at a NUL
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else cell


def encode_sheet_row(cells: Cells) -> bytes:
    """Write cells as `Workbook` wants them; raises ValueError where a text is not valid Unicode."""
    return encode_row({"cells": cells})


class Workbook:
    """Collects rows beside `path` and writes them as one workbook, or several where a sheet would be too long.

    The second is named like the first with ".2" before its ending. The same rows give the same bytes.
    """

    largest = LARGEST_SHEET - 1
    """Rows in one workbook, below its header."""

    def __init__(self, path: Path):
        self.path = path
        self._rows = RowFile(path.with_name(f".{path.name}.rows"))

    @property
    def rows(self) -> int:
        """Number of rows so far."""
        return self._rows.rows

    def write(self, line: bytes) -> None:
        """Add one row, already encoded by `encode_sheet_row`."""
        self._rows.write(line)

    def finish(self) -> list[FinishedFile]:
        """Write the workbooks and return what each is; those of an earlier export that are too many go."""
        total = self._rows.rows
        collected = self._rows.finish()[0].path
        finished: list[FinishedFile] = []
        try:
            with open(collected, "rb") as file:
                rows = (orjson.loads(line)["cells"] for line in file)
                for first in range(0, max(total, 1), self.largest):
                    finished.append(self._write(self._path(len(finished)), islice(rows, self.largest), total - first))
        finally:
            collected.unlink(missing_ok=True)
        number = len(finished)
        while (left := self._path(number)).exists():
            left.unlink()
            number += 1
        return finished

    def _path(self, number: int) -> Path:
        return self.path if not number else self.path.with_name(f"{self.path.stem}.{number + 1}{self.path.suffix}")

    def _write(self, path: Path, rows: Iterator[Cells], left: int) -> FinishedFile:
        partial = path.with_name(f".{path.name}.partial")
        try:
            write_workbook(partial, list(COLUMNS), rows, list(COLUMNS.values()))
            with open(partial, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return FinishedFile(path, min(left, self.largest), digest)

    def abandon(self) -> None:
        """Remove what was collected so far."""
        self._rows.abandon()
