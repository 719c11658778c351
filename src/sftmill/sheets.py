"""Tables for people: spreadsheets and CSV files, read without trust and written so that no cell can run."""

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.errors import StorageError

LARGEST_SHEET = 1_048_576
"""Rows that a sheet of an xlsx file can hold (ECMA-376; Excel's own limit)."""
LARGEST_CELL = 32_767
"""Characters that a cell can hold, in UTF-16 units (Excel's own limit)."""

LARGEST_UNPACKED = 1 << 30
"""Bytes of a workbook's parts when unpacked."""
LARGEST_AREA = 50_000_000
"""Cells between the first of a sheet and its last."""

_PLACE = re.compile(rb"""\sr=["']([A-Z]{0,3})(\d{1,7})["']""")
_PICTURES: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)}
_PICTURES |= {0x0D: "\n", 0x7F: "␡", 0xFFFE: "\ufffd", 0xFFFF: "\ufffd"} | dict.fromkeys(
    range(0xD800, 0xE000), "\ufffd"
)
_CUT = re.compile(r"…〔已截断 cut: [\d,]{1,15} 字 characters〕\s*\Z")
_CREATED = datetime(2000, 1, 1)
"""The day that every workbook names as its first, so that equal contents are equal bytes."""
_FAINT = {"font_size": 8, "font_color": "#9A9A9A", "text_wrap": False}
_TEXT = 49
"""Number of the cell format "text" (ECMA-376, 18.8.30)."""
_LINE = 15.0
"""Points: the height of a line of text in the spreadsheets' own font."""
_MOST_LINES = 20


class Sheet(NamedTuple):
    """A sheet as it was read: its name, and its rows of cell values."""

    name: str
    rows: list[list[Any]]


class Page(NamedTuple):
    """A sheet to be written: what stands in it and how it looks."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]
    widths: Sequence[float] = ()
    """In characters, one a column."""
    choices: dict[str, Sequence[str]] | None = None
    """Columns with a list to choose from."""
    entry: Sequence[str] = ()
    """Columns that people fill in: a coloured header, and cells in which 5% or 1/2 stays the text it is."""
    faint: Sequence[str] = ()
    """Columns for programs rather than people: small and grey."""
    tall: Sequence[str] = ()
    """Columns whose texts decide how high a row is; without any the spreadsheet decides."""
    fixed: int = 0
    """Columns on the left that stay in sight."""
    hidden: bool = False


def read_workbook(data: bytes) -> list[Sheet]:
    """Return the sheets of an xlsx, xls or ods file; cells are str, float, int, bool, date or time.

    Formulas come as the values that were stored with them. Raises ValueError, with what is wrong, for
    bytes that are no such file, or for one that would fill the memory.
    """
    import python_calamine

    _check_extent(data)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        return [Sheet(name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names]
    except (python_calamine.CalamineError, OSError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _check_extent(data: bytes) -> None:
    """Raise ValueError for a packed workbook whose unpacked parts, or the area of whose cells, are too large.

    A reader lays out the whole area between the first cell and the last, and a few bytes can name a far cell.
    """
    if not data.startswith(b"PK"):
        return
    unpacked = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                row = column = 1
                rest = b""
                with archive.open(name) as part:
                    while piece := part.read(1 << 20):
                        unpacked += len(piece)
                        if unpacked > LARGEST_UNPACKED:
                            raise ValueError(f"more than {LARGEST_UNPACKED // 2**20} MB when unpacked")
                        if not name.startswith("xl/worksheets/"):
                            continue
                        for letters, digits in _PLACE.findall(rest + piece):
                            row = max(row, int(digits))
                            column = max(column, _column(letters))
                        rest = piece[-40:]
                if row * column > LARGEST_AREA:
                    raise ValueError(f"a sheet of {row:,} rows and {column:,} columns; delete the cells far outside")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"no whole workbook: {error}") from None


def _column(letters: bytes) -> int:
    """Return the number of a column from its letters, 27 for AA; 0 for none."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def safe_cell(text: str) -> str:
    """Return a text for a CSV cell that no spreadsheet takes for a formula: an apostrophe before = + - @ tab CR.

    The signs are those of OWASP's page on CSV injection.
    """
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def plain_cell(text: str) -> str:
    """Return what `safe_cell` was given."""
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r") else text


def visible(text: str) -> str:
    """Return a text as a cell can hold it, whatever its length: line ends as LF, and a sign for each forbidden control.

    XML 1.0 has no place for most control characters; each becomes its picture (NUL is ␀), and what is no
    character at all becomes U+FFFD. Doing it twice changes nothing more.
    """
    if text.isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_PICTURES)


def cell_text(text: str) -> str:
    """Return a text as it stands in a cell: visible, and cut with a mark that says so where it is too long."""
    text = visible(text)
    if len(text) * 2 <= LARGEST_CELL or _units(text) <= LARGEST_CELL:
        return text
    mark = f"…〔已截断 cut: {len(text):,} 字 characters〕"
    room = LARGEST_CELL - _units(mark)
    head = text[:room]
    while _units(head) > room:
        head = head[: -max(1, (_units(head) - room) // 2)]
    return head + mark


def is_cut(text: str) -> bool:
    """Tell whether a cell's text is cut, as `cell_text` does it."""
    return _CUT.search(text, max(0, len(text) - 80)) is not None


def fills_cell(text: str) -> bool:
    """Tell whether a text is as long as a cell can be, so that a program may have cut it without a word."""
    return _units(text) >= LARGEST_CELL


def _units(text: str) -> int:
    """Count as Excel does, in UTF-16 units."""
    return len(text) + sum(c > "\uffff" for c in text)


def write_workbook(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    widths: Sequence[float] = (),
    choices: dict[str, Sequence[str]] | None = None,
    sheet: str = "samples",
) -> int:
    """Write one sheet with a fixed, filterable header; return the number of rows.

    `widths` are in characters, one a column; `choices` gives columns a list to choose from. Text is
    written as text, whatever it begins with, so that no cell is a formula; it is cut, with a mark, where it
    is longer than a cell. Raises ValueError for more rows than a sheet holds, and StorageError when the
    disk refuses.
    """
    return write_pages(path, [Page(sheet, header, rows, widths, choices)])[0]


def write_pages(path: Path, pages: Sequence[Page]) -> list[int]:
    """Write a workbook of several sheets, as `write_workbook` does one; return the number of rows of each.

    The file is there whole or not at all, and equal contents give equal bytes.
    """
    import xlsxwriter
    from xlsxwriter.exceptions import XlsxWriterException

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        book = xlsxwriter.Workbook(str(temporary), {"constant_memory": True, "strings_to_urls": False})
        book.set_properties({"created": _CREATED})
        numbers = [_write_page(book, page, path.name) for page in pages]
        book.close()
        os.replace(temporary, path)
    except (XlsxWriterException, OSError) as error:
        raise StorageError(f"cannot write {path}: {error}; free some space or close the file elsewhere") from None
    finally:
        temporary.unlink(missing_ok=True)
    return numbers


def _write_page(book: Any, page: Page, file: str) -> int:
    """Write one sheet row by row; return the number of rows."""
    look = {"text_wrap": True, "valign": "top"}
    top = {"bold": True, "bottom": 1, "valign": "vcenter", "text_wrap": True}
    body, entry, faint = (
        book.add_format(look | more)
        for more in ({}, {"num_format": _TEXT, "bg_color": "#FFFDF2", "border": 4, "border_color": "#D9CFA8"}, _FAINT)
    )
    heads = [book.add_format(top | {"bg_color": color}) for color in ("#E8EEF4", "#FBE7A1")]
    formats = [entry if name in page.entry else faint if name in page.faint else body for name in page.header]
    sheet = book.add_worksheet(page.name)
    if page.header:
        sheet.freeze_panes(1, page.fixed)
    for column, width in enumerate(page.widths):
        sheet.set_column(column, column, width)
    for column, name in enumerate(page.header):
        sheet.write_string(0, column, name, heads[name in page.entry])
    tall = [(list(page.header).index(name), page.widths[list(page.header).index(name)]) for name in page.tall]
    number = 0
    for number, row in enumerate(page.rows, 1 if page.header else 0):
        if number >= LARGEST_SHEET:
            book.close()
            raise ValueError(f"{file}: a sheet holds {LARGEST_SHEET - 1:,} rows; write csv, or fewer rows")
        if tall:
            sheet.set_row(number, _LINE * max(_lines(str(row[column] or ""), width) for column, width in tall))
        for column, value in enumerate(row):
            form = formats[column] if column < len(formats) else body
            if isinstance(value, str):
                sheet.write_string(number, column, cell_text(value), form)
            elif value is not None:
                sheet.write(number, column, value, form)
            elif form is entry:
                sheet.write_blank(number, column, None, form)
    for name, options in (page.choices or {}).items():
        column = list(page.header).index(name)
        sheet.data_validation(1, column, max(number, 1), column, {"validate": "list", "source": list(options)})
    if page.header:
        sheet.autofilter(0, 0, max(number, 1), len(page.header) - 1)
    if page.hidden:
        sheet.hide()
    return number if page.header else number + 1


def _lines(text: str, width: float) -> int:
    """Return how many lines a text takes in a column, at most _MOST_LINES; a Chinese character is two wide."""
    lines = 0
    for line in text[:4000].split("\n"):
        wide = len(line) + sum(c > "\u2e7f" for c in line)
        lines += max(1, -(-wide // max(1, int(width))))
    return min(_MOST_LINES, lines)
