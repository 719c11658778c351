"""Whether the totals of an answer's tables are the sums of their parts; Chinese and English."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from sftmill.steps.respond.verify.verdict import RIGHT, Verdict
from sftmill.text.lazy import lazy_pattern
from sftmill.text.numerals import plain

LONGEST = 200_000
"""Characters of an answer that are looked at."""
_MOST_CELLS = 20_000

_TOTAL = lazy_pattern(
    r"[*_ ]{0,4}(?:(?:全部|全年|本期|累计)?(?:合计|总计|总和|总额|总数|共计)|grand total|totals?|sum)[*_ :：]{0,4}"
    r"(?:[（(][^（）()]{0,20}[)）][*_ ]{0,4})?",
    2,
)
_PART_TOTAL = lazy_pattern(r"[*_ ]{0,4}(?:小计|sub-?totals?)[*_ :：]{0,4}", 2)
_RULE = lazy_pattern(r"\|?[ \t]*:?-{1,}:?[ \t]*(?:\|[ \t]*:?-{1,}:?[ \t]*)*\|?")
_CELL = lazy_pattern(
    r"[*_ ]*([(（]?)[¥￥$€£]?\s?([+-]?)[¥￥$€£]?\s?(\d[\d,]*(?:\.\d+)?)\s?[^\d.,|]{0,8}?([)）]?)[*_ ]*"
)
_SCALE = lazy_pattern(r"\d\s?(万亿|亿|万|千|%|‰)")
_SCALES = {"万亿": 12, "亿": 8, "万": 4, "千": 3}


def verify_table(text: str) -> Verdict:
    """Recompute the rows and columns called 合计, 总计 or "total" in an answer's markdown tables.

    A total may differ by what rounding its parts can make up for. A column of percentages or without a number in
    most of its cells is not added. Cannot tell where no table has a total of two numbers or more.
    """
    checked = False
    for table in _tables(text[:LONGEST]):
        for what, total, parts in _sums(table):
            checked = True
            given, added = total[0], sum((part[0] for part in parts), Decimal(0))
            if abs(given - added) > _slack([total, *parts]):
                return Verdict(False, f"{what}: the parts add up to {added:f}, not {given:f}")
    return RIGHT if checked else Verdict(None, "there is no table with a total")


Value = tuple[Decimal, int]
"""A number and its digits behind the point."""


def _slack(values: list[Value]) -> Decimal:
    """Return how far a total may be off: half of the last digit of each value; not at all for whole ones and cents."""
    places = {places for _, places in values}
    return Decimal(0) if places in ({0}, {2}) else (Decimal(len(values)) / 2).scaleb(-min(places))


def _tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the cells of each table, header first."""
    lines = plain(text).split("\n")
    at = 1
    while at < len(lines):
        if "|" in lines[at] and "|" in lines[at - 1] and len(lines[at]) < 2000 and _RULE.fullmatch(lines[at].strip()):
            rows = [_cells(lines[at - 1])]
            at += 1
            while at < len(lines) and "|" in lines[at] and sum(map(len, rows)) < _MOST_CELLS:
                rows.append(_cells(lines[at]))
                at += 1
            yield rows
        at += 1


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _sums(table: list[list[str]]) -> Iterator[tuple[str, Value, list[Value]]]:
    """Yield (name, total, parts) of everything in a table that says it is a total."""
    header, *rows = table
    names = [row[0] if row else "" for row in rows]
    totals = [i for i, name in enumerate(names) if _TOTAL.fullmatch(name)]
    subtotals = [i for i, name in enumerate(names) if _PART_TOTAL.fullmatch(name)]
    for column in range(1, len(header)):
        values = [_value(row[column]) if column < len(row) else None for row in rows]
        begin = 0
        for i in subtotals:
            yield from _sum(f"{names[i]}, {header[column]}", values[i], values[begin:i])
            begin = i + 1
        begin = 0
        for i in totals:
            inside = [values[k] for k in range(begin, i) if k not in subtotals]
            yield from _sum(f"{names[i]}, {header[column]}", values[i], inside)
            begin = i + 1
    last = len(header) - 1
    if last > 2 and _TOTAL.fullmatch(header[last]):
        for row in rows:
            if len(row) == len(header):
                values = [_value(cell) for cell in row[1:]]
                yield from _sum(f"{row[0]}, {header[last]}", values[-1], values[:-1])


def _sum(name: str, total: Value | None, parts: list[Value | None]) -> Iterator[tuple[str, Value, list[Value]]]:
    found = [part for part in parts if part is not None]
    if total is not None and len(found) >= 2 and len(found) == len(parts):
        yield name, total, found


def _value(cell: str) -> Value | None:
    """Return the number in a cell that holds nothing else but a unit; (120) is negative, as accounts write it."""
    match = _CELL.fullmatch(cell)
    if not match or (match[1] and not match[4]):
        return None
    scale = _SCALE.search(cell)
    if scale and scale[1] in "%‰":
        return None
    try:
        value = Decimal(match[3].replace(",", ""))
    except InvalidOperation:
        return None
    places = len(match[3].partition(".")[2])
    if scale:
        value, places = value.scaleb(_SCALES[scale[1]]), places - _SCALES[scale[1]]
    return (-value if match[2] == "-" or match[1] else value), places
