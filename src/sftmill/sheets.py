"""Tables for people: spreadsheets and CSV files, read without trust and written so that no cell can run."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.errors import StorageError

LARGEST_SHEET = 1_048_576
"""Rows that a sheet of an xlsx file can hold (ECMA-376; Excel's own limit)."""
LARGEST_CELL = 32_767
"""Characters that a cell can hold (Excel's own limit)."""


class Sheet(NamedTuple):
    """A sheet as it was read: its name, and its rows of cell values."""

    name: str
    rows: list[list[Any]]


def read_workbook(data: bytes) -> list[Sheet]:
    """Return the sheets of an xlsx, xls or ods file; cells are str, float, int, bool, date or time.

    Formulas come as the values that were stored with them. Raises ValueError, with what is wrong, for
    bytes that are no such file.
    """
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        return [Sheet(name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names]
    except (python_calamine.CalamineError, OSError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def safe_cell(text: str) -> str:
    """Return a text for a CSV cell that no spreadsheet takes for a formula: an apostrophe before = + - @ tab CR.

    The signs are those of OWASP's page on CSV injection.
    """
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def plain_cell(text: str) -> str:
    """Return what `safe_cell` was given."""
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r") else text


def csv_line(cells: Iterable[str]) -> bytes:
    """Return one CSV line (RFC 4180, UTF-8) of safe cells."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([safe_cell(cell) for cell in cells])
    return line.getvalue().encode()


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
    written as text, whatever it begins with, so that no cell is a formula. Raises ValueError for more
    rows than a sheet holds, and StorageError when the disk refuses.
    """
    import xlsxwriter
    from xlsxwriter.exceptions import XlsxWriterException

    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_urls": False})
    page = book.add_worksheet(sheet)
    top = book.add_format({"bold": True, "bg_color": "#E8EEF4", "bottom": 1, "valign": "vcenter"})
    body = book.add_format({"text_wrap": True, "valign": "top"})
    page.freeze_panes(1, 0)
    for column, width in enumerate(widths):
        page.set_column(column, column, width)
    for column, name in enumerate(header):
        page.write_string(0, column, name, top)
    number = 0
    for number, row in enumerate(rows, 1):
        if number >= LARGEST_SHEET:
            book.close()
            path.unlink(missing_ok=True)
            raise ValueError(f"{path.name}: a sheet holds {LARGEST_SHEET - 1:,} rows; write csv, or fewer rows")
        for column, value in enumerate(row):
            if isinstance(value, str):
                page.write_string(number, column, value[:LARGEST_CELL], body)
            elif value is not None:
                page.write(number, column, value, body)
    for name, options in (choices or {}).items():
        column = list(header).index(name)
        page.data_validation(1, column, max(number, 1), column, {"validate": "list", "source": list(options)})
    page.autofilter(0, 0, max(number, 1), len(header) - 1)
    try:
        book.close()
    except (XlsxWriterException, OSError) as error:
        raise StorageError(f"cannot write {path}: {error}; free some space or close the file elsewhere") from None
    return number
