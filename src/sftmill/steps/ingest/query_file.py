"""Reads what users asked from a file: lines, a column of a table, or a field of JSON lines, with how often."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sftmill.sheets import plain_cell, read_workbook
from sftmill.steps.ingest.decoding import decode
from sftmill.steps.ingest.parse_table import csv_rows

LARGEST = 200 * 1024 * 1024
"""Bytes of the largest file that is read."""
TEXT_NAMES = (
    "query", "queries", "question", "questions", "text", "content", "prompt", "instruction", "title",
    "问题", "提问", "查询", "问句", "用户问题", "用户提问", "内容", "标题", "關鍵詞", "关键词", "搜索词", "問題",
)  # fmt: skip
"""Names of the column that holds the query, the likeliest first."""
COUNT_NAMES = (
    "frequency", "count", "counts", "freq", "times", "hits", "pv", "n",
    "次数", "频次", "频率", "数量", "搜索次数", "提问次数", "次數", "數量",
)  # fmt: skip
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
JSON_LINES = (".jsonl", ".ndjson", ".json")
PLAIN = (".txt", ".log", "")


class Query(NamedTuple):
    """A query as it stands in the file."""

    line: int
    """Number of its line, or row of the table, from 1."""
    text: str
    frequency: int
    fault: str = ""
    """Why it cannot be read, else empty."""


def read_queries(file: Path, column: str | None, count_column: str | None) -> Iterator[Query]:
    """Yield the queries of a file; raises ValueError, with the remedy, where the file as a whole cannot be read."""
    if not file.is_file():
        raise ValueError(f"{file.name!r} is not there; check the path in the recipe")
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file.name!r} has {size // 2**20} MB, more than {LARGEST // 2**20}; split it")
    suffix = file.suffix.lower()
    data = file.read_bytes()
    if suffix in (".xlsx", ".xls", ".ods"):
        sheets = [sheet.rows for sheet in read_workbook(data) if any(any(row) for row in sheet.rows)]
        return _of_table(sheets[0] if sheets else [], file.name, column, count_column)
    text = decode(data).text
    if suffix in (".csv", ".tsv"):
        rows = [[plain_cell(cell) for cell in row] for row in csv_rows(text, suffix)]
        return _of_table(rows, file.name, column, count_column)
    if suffix in JSON_LINES:
        return _of_json(text, file.name, column, count_column)
    if suffix in PLAIN:
        return (Query(number, line, 1) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    raise ValueError(f"{file.name!r}: {suffix} files are not read; give .txt, .csv, .tsv, .xlsx, .xls, .ods or .jsonl")


def _of_table(
    rows: Sequence[Sequence[Any]], name: str, column: str | None, count_column: str | None
) -> Iterator[Query]:
    if not rows:
        return iter(())
    head = [str(cell or "").strip() for cell in rows[0]]
    at = _find(head, column, TEXT_NAMES)
    if at is None:
        wanted = f"no column {column!r}" if column else "no column that is called like a query"
        shown = ", ".join(repr(cell[:30]) for cell in head[:12])
        raise ValueError(f"{name!r} has {wanted}; its first row is {shown}: write one of them into `column`")
    count_at = _find(head, count_column, COUNT_NAMES)
    if count_column and count_at is None:
        raise ValueError(f"{name!r} has no column {count_column!r}; correct `count_column`")
    return _cells(rows[1:], at, count_at)


def _cells(rows: Sequence[Sequence[Any]], at: int, count_at: int | None) -> Iterator[Query]:
    for number, row in enumerate(rows, 2):
        value = row[at] if at < len(row) else ""
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value or "")
        if not text.strip() and not any(str(cell or "").strip() for cell in row):
            continue
        times = row[count_at] if count_at is not None and count_at < len(row) else None
        yield _query(number, text, times)


def _of_json(text: str, name: str, column: str | None, count_column: str | None) -> Iterator[Query]:
    records: Sequence[Any]
    if text.lstrip()[:1] == "[":
        try:
            records = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"{name!r} begins like a list but is no JSON ({error}); correct it") from None
        return (_of_record(number, record, column, count_column) for number, record in enumerate(records, 1))
    return _of_lines(text, column, count_column)


def _of_lines(text: str, column: str | None, count_column: str | None) -> Iterator[Query]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Query(number, "", 1, f"no JSON: {error}")
            continue
        yield _of_record(number, record, column, count_column)


def _of_record(number: int, record: Any, column: str | None, count_column: str | None) -> Query:
    if isinstance(record, str) and not column:
        return Query(number, record, 1)
    if not isinstance(record, dict):
        return Query(number, "", 1, f"an object with a query is wanted, not {type(record).__name__}")
    names = list(record)
    at = _find(names, column, TEXT_NAMES)
    if at is None:
        return Query(number, "", 1, f"no field {column!r}" if column else "no field that is called like a query")
    text = record[names[at]]
    if not isinstance(text, str):
        return Query(number, "", 1, f"the field {names[at]!r} is no text")
    count_at = _find(names, count_column, COUNT_NAMES)
    return _query(number, text, record[names[count_at]] if count_at is not None else None)


def _find(names: Sequence[str], wanted: str | None, known: Sequence[str]) -> int | None:
    """Return the place of the wanted name, or without one of the likeliest known name."""
    plain = [str(name).strip().casefold() for name in names]
    for name in (wanted.strip().casefold(),) if wanted else known:
        if name in plain:
            return plain.index(name)
    return None


def _query(line: int, text: str, times: Any) -> Query:
    """Return a query asked `times` times; what is no number of times is a fault."""
    if times is None or (isinstance(times, str) and not times.strip()):
        return Query(line, text, 1)
    try:
        number = float(times.replace(",", "")) if isinstance(times, str) else float(times)
    except (TypeError, ValueError):
        return Query(line, text, 1, f"{str(times)[:30]!r} is no number of times")
    if not math.isfinite(number) or not 0 <= number < 2**53 or isinstance(times, bool):
        return Query(line, text, 1, f"{str(times)[:30]!r} is no number of times")
    return Query(line, text, max(1, round(number)))
