"""Columns of tables whose head is a cue, such as 姓名 or "Phone"; cells are parted by |, tabs or commas."""

import re
from collections.abc import Callable, Iterator

from sftmill.steps.ingest.personal.finds import Find
from sftmill.steps.ingest.personal.names import is_name_cell, is_name_column
from sftmill.text.lazy import lazy_pattern

_CUE = lazy_pattern(
    r"姓名|名字|[联聯][系繫絡络]|[电電][话話]|手[机機]|[传傳]真|住址|地址|微信|QQ|出生|生日|病[历歷案]|[学學工][号號]|[护護]照|[账帐賬帳][号號户戶]|卡[号號]|身[份分][证證]|[证證]件|[车車]牌|[户戶]名|"
    r"[患][者]|客[户戶]|[员員]工|[学學]生|人\Z|phone|mobile|\btel\b|\bcell\b|\bfax\b|address|\bdob\b|birth|\bssn\b|passport|account|name|patient|customer|client|employee|contact|\bmrn\b|licen[cs]e plate|wechat",
    re.I,
)
_EDGE = " \t*\"'_"
_LONGEST_HEAD = 24
_MOST_ROWS = 100_000


def find_columns(text: str, cued: Callable[[str], Iterator[Find]]) -> Iterator[Find]:
    """Yield what stands below a head that is a cue: names by their form, the rest by `cued("head: cell")`."""
    if not ("|" in text or "\t" in text or "," in text):
        return
    heads: dict[int, str] = {}
    mark, width, at, rows = "", 0, 0, 0
    for line in text.split("\n"):
        if heads and line.count(mark) == width:
            rows += 1
            yield from _cells(line, at, mark, heads, cued) if rows < _MOST_ROWS else ()
        elif len(line) < 2000 and ("|" in line or "\t" in line or "," in line):
            mark, heads = _heads(line)
            width = line.count(mark) if mark else 0
        else:
            heads = {}
        at += len(line) + 1


def _heads(line: str) -> tuple[str, dict[int, str]]:
    for mark in ("|", "\t", ","):
        if mark not in line:
            continue
        cells = [cell.strip(_EDGE) for cell in line.split(mark)]
        if max(map(len, cells)) <= _LONGEST_HEAD:
            return mark, {i: cell for i, cell in enumerate(cells) if _CUE.search(cell)}
    return "", {}


def _cells(
    line: str, at: int, mark: str, heads: dict[int, str], cued: Callable[[str], Iterator[Find]]
) -> Iterator[Find]:
    for number, cell in enumerate(line.split(mark)):
        value = cell.strip(_EDGE)
        if number in heads and 2 <= len(value) <= 120:
            start = at + cell.index(value)
            if is_name_column(heads[number]):
                if is_name_cell(value):
                    yield Find(start, start + len(value), "name")
            else:
                lead = f"{heads[number]}: "
                for find in cued(lead + value):
                    if find.start >= len(lead):
                        yield Find(find.start - len(lead) + start, find.end - len(lead) + start, find.kind)
        at += len(cell) + 1
