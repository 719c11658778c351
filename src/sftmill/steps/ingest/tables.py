"""Tables in the text of a document: their rows, their header and their caption."""

from typing import NamedTuple

from sftmill.text.lazy import lazy_pattern

Span = tuple[int, int]

_DASHES = r"\s*(?::-+:?|-+:|-{2,})\s*"
_RULE = lazy_pattern(rf"\s*\|?{_DASHES}(?:[|+]{_DASHES})*\|?\s*\Z")
_GAP = lazy_pattern(r"\S(?: {2,}|\t)\S")
_COLUMNS = lazy_pattern(r"\s*\|\s*|\t+| {2,}")
_CAPTION = lazy_pattern(
    r"(?:续?表|附表|Table|TABLE|Tab\.|Exhibit|Schedule)\s?[\dA-Z一二三四五六七八九十]{1,4}(?:[-.–—·]\s?\d{1,3}){0,3}(?![\d%])"
)
_UNIT = lazy_pattern(r"[（(]?(?:单位|金额单位|币种|Unit|In |in )[^\n|]{1,30}\Z")
_LONGEST_CAPTION = 120
_NUMBER = lazy_pattern(r"[-+(（]?[¥$€]?\d[\d,.]*\s?[%％)）]?(?:\s?[\u4e00-\u9fffA-Za-z]{1,2})?\Z")


class Table(NamedTuple):
    """A table in a text: where it begins, its header (with the rule below it), its rows, its caption.

    All are spans of the text; (0, 0) where there is none. The header and a caption inside lie in front of the rows.
    """

    start: int
    header: Span
    rows: tuple[Span, ...]
    caption: Span


def table_of(text: str, start: int, end: int) -> Table | None:
    """Return the table that a block is: lines of cells parted by pipes, tabs or wide gaps; None for other text.

    A first line without cells is its caption. The header is what stands above a rule of hyphens, or else the first
    row, unless it has numbers where the rows below have them too.
    """
    lines: list[Span] = []
    at = start
    for line in text[start:end].split("\n"):
        if line.strip():
            lines.append((at, at + len(line)))
        at += len(line) + 1
    if len(lines) < 2 or text.startswith(("```", "~~~"), start):
        return None
    texts = [text[a:b] for a, b in lines]
    caption: Span = (0, 0)
    inside = 0
    while inside < min(2, len(lines)) and not _has_cells(texts[inside]) and len(texts[inside]) <= _LONGEST_CAPTION:
        inside += 1
    if inside and (_CAPTION.match(texts[0].strip()) or texts[inside - 1].rstrip()[-1:] in "：:"):
        caption = (lines[0][0], lines[inside - 1][1])
    elif inside:
        return None
    cells = texts[inside:]
    if len(cells) < 2 or not (
        all("|" in line for line in cells)
        or all("\t" in line.strip() for line in cells)
        or (len(cells) > 2 and all(_GAP.search(line.strip()) for line in cells))
    ):
        return None
    below = lines[inside:]
    rule = next((n for n, line in enumerate(cells[:4]) if _RULE.match(line)), None)
    headers = rule + 1 if rule is not None else int(_is_header(cells))
    if headers >= len(cells):
        headers = 0
    header = (below[0][0], below[headers - 1][1]) if headers else (0, 0)
    return Table(start, header, tuple(below[headers:]), caption)


def _has_cells(line: str) -> bool:
    return "|" in line or bool(_GAP.search(line.strip()))


def _is_header(lines: list[str]) -> bool:
    """Tell whether the first of the lines names the columns: no number where the row below has one, no empty head."""
    first, *others = ([cell for cell in _COLUMNS.split(line.strip().strip("|"))] for line in lines[:6])
    if not first or not any(first):
        return False
    return not any(
        bool(_NUMBER.match(cell.strip())) and all(len(row) > n and _NUMBER.match(row[n].strip()) for row in others)
        for n, cell in enumerate(first)
        if cell
    )


def caption_of(text: str, before: list[Span]) -> Span:
    """Return the span of the caption in the blocks right before a table, (0, 0) where there is none.

    "表3-1 …", "Table 2: ...", with the line below it that names the unit.
    """
    for number in range(1, len(before) + 1):
        start, end = before[-number]
        block = text[start:end]
        if len(block) > _LONGEST_CAPTION or block.count("\n") > 1:
            break
        if _CAPTION.match(block) and "|" not in block:
            return start, before[-1][1]
        if not _UNIT.match(block):
            break
    return 0, 0
