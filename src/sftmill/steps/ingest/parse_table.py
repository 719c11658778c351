"""Sheets and CSV files -> blocks: a section a sheet, with its caption and a Markdown table, or its rows as text."""

import csv
import io
import re
import zipfile
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from sftmill.core import Drop
from sftmill.sheets import read_workbook
from sftmill.steps.ingest.pipe_table import pipe_table
from sftmill.steps.ingest.sections import Block, collapse
from sftmill.steps.ingest.zip_guard import guard
from sftmill.text.lazy import lazy_pattern

MOST_CELLS = 20_000_000
"""Cells that the area of a sheet may span; more is one stray cell far away, or made to fill the memory."""
ROWS = 2000
"""Rows of one block; a longer sheet becomes several, each with its header."""
LONG = 120
"""Characters of an average row's longest cell from which on rows are texts rather than a table."""
_HEADER_WITHIN = 12
_NAMES = lazy_pattern(r"(?:sheet|工作表|表)\s?\d{0,3}\Z", re.I)
_NUMBER = lazy_pattern(r"[-+(（]?[¥$€]?\d[\d,.\s]*[%％)）]?\Z")
_REFERENCE = lazy_pattern(rb'<(?:\w{1,8}:)?c\b[^>]{0,200}?\br="([A-Z]{1,3})(\d{1,7})"')
_REPEATED = lazy_pattern(rb'number-(columns|rows)-repeated="(\d{1,9})"')
_DELIMITERS = (",", "\t", ";", "|")


class Cells(NamedTuple):
    """A sheet's cells as text, and where the first of them is."""

    name: str
    rows: list[list[str]]
    first_row: int
    """Number of the first row in the sheet, from 1."""


def parse_workbook(data: bytes) -> list[Block]:
    """Return the blocks of an xlsx, xlsm, xls or ods file; raises Drop("encrypted") or Drop("unreadable")."""
    sheets = [sheet for sheet in read_cells(data) if any(map(any, sheet.rows))]
    blocks: list[Block] = []
    for sheet in sheets:
        if len(sheets) > 1 or not _NAMES.match(sheet.name.strip()):
            blocks.append(Block(collapse(sheet.name), 2))
        blocks += table_blocks(sheet.rows)
    return blocks


def parse_csv(text: str, suffix: str = ".csv") -> list[Block]:
    """Return the blocks of a CSV or TSV file, whatever its delimiter."""
    return table_blocks(csv_rows(text, suffix))


def read_cells(data: bytes) -> list[Cells]:
    """Return the sheets of a workbook with merged cells filled in; raises Drop("unreadable") or Drop("encrypted")."""
    if data.startswith(b"PK"):
        guard(data)
        _refuse_wide(data)
    try:
        sheets = read_workbook(data)
    except ValueError as error:
        if "password" in str(error).lower() or b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e" in data[: 1 << 20]:
            raise Drop("encrypted", why="it needs a password; save it without one") from None
        raise Drop("unreadable", why=f"no workbook that can be opened ({error}); save it as xlsx") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the Rust reader's way to say that it met the unexpected
            raise
        raise Drop("unreadable", why="no workbook that can be opened; save it as xlsx") from None
    places = _places(data)
    out = []
    for sheet in sheets:
        (top, left), merged = places.get(sheet.name, ((0, 0), []))
        rows = [[cell_text(value) for value in row] for row in sheet.rows]
        _fill_merged(rows, merged, top, left)
        out.append(Cells(sheet.name, rows, top + 1))
    return out


def _refuse_wide(data: bytes) -> None:
    """Raise Drop for sheets whose area would not fit into memory, before they are unfolded."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            for member in file.infolist():
                if re.fullmatch(r"xl/worksheets/[^/]+\.xml", member.filename):
                    rows = columns = 0
                    for match in _REFERENCE.finditer(file.read(member)):
                        rows, columns = max(rows, int(match[2])), max(columns, _column(match[1]))
                elif member.filename == "content.xml":
                    repeats: dict[bytes, int] = {b"rows": 1, b"columns": 1}
                    for match in _REPEATED.finditer(file.read(member)):
                        repeats[match[1]] = max(repeats[match[1]], int(match[2]))
                    rows, columns = min(repeats[b"rows"], 1 << 14), min(repeats[b"columns"], 1 << 10)
                else:
                    continue
                if rows * columns > MOST_CELLS:
                    raise Drop(
                        "unreadable", why=f"a sheet spans {rows:,} rows and {columns:,} columns; delete the rest"
                    )
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise Drop("unreadable", why=f"its parts are damaged ({type(error).__name__}); save it again") from None
    except Exception as error:
        if type(error).__module__ != "zlib":
            raise
        raise Drop("unreadable", why="its parts are damaged; save it again") from None


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _places(data: bytes) -> dict[str, tuple[tuple[int, int], list[Any]]]:
    """Return of each sheet where its first cell is (row, column from 0), and which cells are merged."""
    import python_calamine

    out: dict[str, tuple[tuple[int, int], list[Any]]] = {}
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            out[name] = sheet.start or (0, 0), list(sheet.merged_cell_ranges or [])
    except (python_calamine.CalamineError, OSError, ValueError):
        pass  # the sheets can be read without
    return out


def _fill_merged(rows: list[list[str]], merged: list[Any], top: int, left: int) -> None:
    """Write the value of merged cells into each row that they span, and into each column where they stay in one row."""
    for (first, start), (last, end) in merged[:100_000]:
        a, b = first - top, start - left
        if not (0 <= a < len(rows) and 0 <= b < len(rows[a])) or not rows[a][b]:
            continue
        widest = max((len([c for c in row if c]) for row in rows[:50]), default=0)
        whole = end - start + 1 >= max(2, widest)  # a title over the table
        for row in rows[a : last - top + 1]:
            for column in range(b, (b if whole else end - left) + 1):
                if column < len(row):
                    row[column] = rows[a][b]


def cell_text(value: Any) -> str:
    """Return what a cell shows: 3 for 3.0, days as 2024-03-01, nothing for an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) < 1e15 and value == int(value) else f"{value:.12g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, time):
        return value.isoformat("minutes")
    return str(value).strip()


def csv_rows(text: str, suffix: str = ".csv") -> list[list[str]]:
    """Return the rows of a CSV text; a quote that never closes takes no more than its own line with it."""
    delimiter = _delimiter(text, suffix)
    largest = csv.field_size_limit(1 << 30)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        if any(cell.count("\n") > 200 for row in rows for cell in row) or (
            text.count('"') % 2 and any("\n" in cell for cell in rows[-1])
        ):
            rows = [next(csv.reader([line], delimiter=delimiter), []) for line in text.split("\n")]
    except csv.Error:
        rows = [line.split(delimiter) for line in text.split("\n")]
    finally:
        csv.field_size_limit(largest)
    return [[cell.strip() for cell in row] for row in rows]


def _delimiter(text: str, suffix: str) -> str:
    """Return what parts the cells: the sign that stands equally often, and at least once, in most of the first lines."""
    if suffix in (".tsv", ".tab"):
        return "\t"
    lines = [line for line in re.sub(r'"[^"\n]{0,2000}"', '""', text[:100_000]).split("\n")[:50] if line.strip()]
    best, merit = ",", 0.0
    for sign in _DELIMITERS:
        number, often = Counter(line.count(sign) for line in lines).most_common(1)[0] if lines else (0, 0)
        score = often / len(lines) * min(number, 3) if lines and number else 0.0
        if score > merit:
            best, merit = sign, score
    return best


def table_blocks(rows: list[list[str]]) -> list[Block]:
    """Return a sheet's caption and its table, in blocks of at most `ROWS` rows; rows of long prose become text."""
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    width = max(len(row) for row in rows)
    rows = [row + [""] * (width - len(row)) for row in rows]
    kept = [i for i in range(width) if any(row[i] for row in rows)]
    rows = [[row[i] for i in kept] for row in rows]
    if len(kept) == 1:
        return [Block(row[0]) for row in rows]
    start = _header_at(rows)
    blocks = [Block(" ".join(dict.fromkeys(filter(None, row)))) for row in rows[:start]]
    header, body = _header(rows[start:])
    if body and _is_prose(body):
        return blocks + [Block(text) for row in body if (text := _as_text(header, row))]
    for begin in range(0, max(1, len(body)), ROWS):
        blocks.append(Block(pipe_table([header, *body[begin : begin + ROWS]])))
    return blocks


def _header_at(rows: list[list[str]]) -> int:
    """Return the number of the row that names the columns; those above it are the caption."""
    width = len(rows[0])
    for number, row in enumerate(rows[:_HEADER_WITHIN]):
        filled = [cell for cell in row if cell]
        different = len(set(filled))
        if different < 2 or 2 * different < min(width, max(len(set(filter(None, r))) for r in rows[number:])):
            continue
        if not any(_NUMBER.match(cell) for cell in filled):
            return number
        return number if all(len(set(filter(None, r))) < 2 for r in rows[:number]) else 0
    return 0


def _header(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the header, of two rows where the second parts what the first spans, and the rows below it."""
    first = rows[0]
    if len(rows) < 3 or any(map(_NUMBER.match, first)):
        return first, rows[1:]
    second = rows[1]
    repeated = {cell for cell, count in Counter(filter(None, first)).items() if count > 1}
    spans = [i for i, cell in enumerate(first) if cell in repeated or not cell]
    rest = [i for i in range(len(first)) if i not in spans]
    parts = (
        len(spans) >= 2
        and all(second[i] and not _NUMBER.match(second[i]) for i in spans)
        and all(second[i] in ("", first[i]) for i in rest)
    )
    if not parts:
        return first, rows[1:]
    header, group = [], ""
    for i, cell in enumerate(first):
        group = cell or group
        header.append(group if i in rest else f"{group} {second[i]}".strip())
    return header, rows[2:]


def _is_prose(body: list[list[str]]) -> bool:
    sample = body[:500]
    return len(sample[0]) <= 6 and sum(max(map(len, row)) for row in sample) > LONG * len(sample)


def _as_text(header: list[str], row: list[str]) -> str:
    """Write a row as lines, each cell behind the name of its column."""
    lines = []
    for name, cell in zip(header, row, strict=True):
        if cell:
            colon = "：" if re.search("[\u4e00-\u9fff]", name) else ": "
            lines.append(f"{collapse(name)}{colon}{cell}" if name else cell)
    return "\n".join(lines)
