"""Where a document is cut: units that stay whole, and the cheapest sequence of cuts between them."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from sftmill.steps.ingest.law import Article, Clause, articles
from sftmill.steps.ingest.tables import Table, caption_of, table_of
from sftmill.text import length, sentences
from sftmill.text.lazy import lazy_pattern

# What a cut before a unit costs; an unfilled passage costs up to 10, one under the minimum 40 more.
_AT_HEADING, _AT_ARTICLE, _AT_PARAGRAPH, _AT_LINE, _AT_SENTENCE, _IN_CODE = 0.0, 0.5, 2.0, 4.0, 12.0, 16.0
_AFTER_LEAD_IN, _AFTER_HEADING = 30.0, 1000.0
_SMALL = 40.0

_BLANK = lazy_pattern(r"\n[ \t]*(?:\n[ \t]*)+")
_FENCE = lazy_pattern(r"^(?:```|~~~)", re.M)
_CLAUSE = lazy_pattern(r"[，、,;；：:\s]")
_LEADS_IN = ("：", ":", "如下。", "如下", "如下所示。", "下列。", "as follows.", "the following.", "shown below.")
_ENDS = "。！？；：，、.!?;:,…”’」』）)】》|"


class Unit(NamedTuple):
    """A piece of a document that is not cut: `document[start:end]`."""

    start: int
    end: int
    size: int
    cut: float
    """What a cut before it costs."""
    prose: bool
    head: tuple[int, int] = (0, 0)
    """What a passage that begins with it repeats: the caption and header of its table, the lead-in of its list."""
    head_size: int = 0


class Passage(NamedTuple):
    """A passage: `document[start:end]`, after what it repeats of the document, `document[head[0]:head[1]]`."""

    start: int
    end: int
    head: tuple[int, int] = (0, 0)

    def text(self, document: str) -> str:
        """Return the words of the passage."""
        own = document[self.start : self.end]
        return f"{document[slice(*self.head)]}\n{own}" if self.head[1] else own


def cut(document: str, lang: str, size: int, minimum: int, overlap: int = 0) -> list[Passage]:
    """Return the passages: the cheapest sequence of cuts, found by dynamic programming."""
    units = _without_crumbs(_units(document, lang, size), size // 40)
    room = size - size // 8 if overlap else size
    best = [0.0]
    begins = [0]
    for j in range(len(units)):
        total, cheapest, begin = 0, float("inf"), j
        for i in range(j, -1, -1):
            total += units[i].size
            if total > room and i < j:
                break
            whole = total + units[i].head_size
            if whole > room and i < j:
                continue
            cost = best[i] + (units[i].cut if i else 0.0) + 10.0 * (max(0, room - whole) / room) ** 2
            if whole < minimum:
                cost += _SMALL
            if cost <= cheapest:
                cheapest, begin = cost, i
        best.append(cheapest)
        begins.append(begin)
    passages: list[Passage] = []
    j = len(units)
    while j:
        i = begins[j]
        first = units[i]
        start = first.start
        if overlap and i and first.prose and units[i - 1].prose and first.cut >= _AT_PARAGRAPH and not first.head_size:
            total = sum(unit.size for unit in units[i - 1 : j])
            start = units[i - 1].start if total <= size else start
        passages.append(Passage(start, units[j - 1].end, first.head if i else (0, 0)))
        j = i
    return passages[::-1]


def _without_crumbs(units: Iterator[Unit], crumb: int) -> list[Unit]:
    """Join units of a few characters to those before, so that the search stays short; headings still begin one."""
    out: list[Unit] = []
    for unit in units:
        if out and unit.cut > _AT_HEADING and out[-1].size + unit.size <= crumb:
            last = out.pop()
            unit = last._replace(end=unit.end, size=last.size + unit.size, prose=unit.prose and last.prose)
        out.append(unit)
    return out


def _units(document: str, lang: str, size: int) -> Iterator[Unit]:
    """Yield the pieces that are never cut, in order, covering all that is visible."""
    found = articles(document)
    blocks = _blocks(document, found)
    starts = {article.start: article for article in found}
    after = _AT_HEADING
    for k, (start, end) in enumerate(blocks):
        text = document[start:end]
        if article := starts.get(start):
            yield from _article(document, article, max(_AT_ARTICLE, after), lang, size)
            after = 0.0
        elif _is_heading(text) and k + 1 < len(blocks):
            yield Unit(start, end, length(text, lang), max(_AT_HEADING, after), False)
            after = _AFTER_HEADING
        elif table := table_of(document, start, end):
            if table.caption == (0, 0) and k and blocks[k - 1][0] not in starts:
                table = table._replace(caption=caption_of(document, blocks[max(0, k - 2) : k]))
            first = _AFTER_HEADING if table.caption[1] and table.caption[0] < start else _AT_PARAGRAPH
            yield from _table(document, table, max(first, after), lang, size)
            after = 0.0
        else:
            captions = k + 1 < len(blocks) and _captions(document, blocks[k], blocks[k + 1])
            yield from _parts(document, start, end, max(_AT_PARAGRAPH, after), lang, size)
            after = _AFTER_HEADING if captions else _AFTER_LEAD_IN if text.endswith(_LEADS_IN) else 0.0


def _captions(document: str, block: tuple[int, int], following: tuple[int, int]) -> bool:
    """Tell whether a block is the caption of the table that follows it."""
    return bool(caption_of(document, [block])[1]) and table_of(document, *following) is not None


def _blocks(document: str, found: list[Article]) -> list[tuple[int, int]]:
    """Return the spans of the blocks between blank lines; an article, and fenced code, is one with its blank lines."""
    fences = [m.start() for m in _FENCE.finditer(document)]
    pairs = sorted(
        [*zip(fences[::2], fences[1::2], strict=False), *((article.start, article.end) for article in found)]
    )
    out: list[tuple[int, int]] = []
    start = 0

    def add(a: int, b: int) -> None:
        while a < b and document[a].isspace():
            a += 1
        while b > a and document[b - 1].isspace():
            b -= 1
        if a < b:
            out.append((a, b))

    opens = [a for a, _ in pairs]
    borders = [(m.start(), m.end()) for m in _BLANK.finditer(document)]
    borders += [(at, at) for article in found for at in (article.start, article.end)]
    for a, b in sorted(borders):
        at = bisect_right(opens, a) - 1
        if at >= 0 and pairs[at][0] < a < pairs[at][1]:
            continue
        if start <= a:
            add(start, a)
            start = b
    add(start, len(document))
    return out


def _is_heading(text: str) -> bool:
    return "\n" not in text and len(text) <= 60 and text[-1] not in _ENDS and not text.startswith(("```", "- ", "|"))


def _article(document: str, article: Article, first: float, lang: str, size: int) -> Iterator[Unit]:
    """Yield an article as one unit where it fits, else its paragraphs, and the items of those that do not fit."""
    whole = length(document[article.start : article.end], lang)
    if whole <= size:
        yield Unit(article.start, article.end, whole, first, True)
        return
    for clause in article.clauses:
        part = length(document[clause.start : clause.end], lang)
        if part <= size:
            yield Unit(clause.start, clause.end, part, first, True)
        elif clause.items:
            yield from _items(document, clause, first, lang, size)
        else:
            yield from _parts(document, clause.start, clause.end, first, lang, size)
        first = _AT_PARAGRAPH


def _items(document: str, clause: Clause, first: float, lang: str, size: int) -> Iterator[Unit]:
    """Yield a list, item by item: the words that lead in stay with the first one, the others repeat them."""
    lead = (clause.start, clause.lead)
    lead_size = length(document[slice(*lead)], lang)
    if lead_size > size // 3:
        yield from _parts(document, *lead, first, lang, size)
        lead, lead_size, first = (0, 0), 0, _AFTER_LEAD_IN
    start = clause.start if lead_size else clause.items[0].start
    for number, item in enumerate(clause.items):
        total = length(document[start : item.end], lang)
        head, head_size = (lead, lead_size) if number else ((0, 0), 0)
        if total + head_size <= size:
            yield Unit(start, item.end, total, first, True, head, head_size)
        else:
            for unit in _parts(document, start, item.end, first, lang, size):
                yield unit._replace(head=head, head_size=head_size) if number else unit
        start = clause.items[number + 1].start if number + 1 < len(clause.items) else item.end
        first = _AT_LINE


def _table(document: str, table: Table, first: float, lang: str, size: int) -> Iterator[Unit]:
    """Yield a table row by row; the header stays with its first row, and other passages repeat it."""
    head = (table.caption[0] if table.caption[1] else table.header[0], table.header[1] or table.caption[1])
    head_size = length(document[slice(*head)], lang)
    if 2 * head_size > size:
        head, head_size = (0, 0), 0
    start = table.start
    for number, (_, end) in enumerate(table.rows):
        units = list(_limited(document, start, end, first, lang, size, False))
        for unit in units:
            yield unit._replace(head=head, head_size=head_size) if number and head_size else unit
        start = table.rows[number + 1][0] if number + 1 < len(table.rows) else end
        first = _IN_CODE


def _parts(document: str, start: int, end: int, first: float, lang: str, size: int) -> Iterator[Unit]:
    """Yield the units of one block: lines of code and lists, sentences of running text."""
    code = document.startswith(("```", "~~~"), start)
    lines = []
    at = start
    for line in document[start:end].split("\n"):
        if line.strip():
            lines.append((at, at + len(line)))
        at += len(line) + 1
    for n, (a, b) in enumerate(lines):
        line_cut = first if n == 0 else _IN_CODE if code else _AT_LINE
        if code and (n == 1 or n == len(lines) - 1) and len(lines) > 2:
            line_cut = _AFTER_LEAD_IN  # a fence is not left alone
        if code:
            yield from _limited(document, a, b, line_cut, lang, size, False)
            continue
        for m, (x, y) in enumerate(sentences(document[a:b])):
            yield from _limited(document, a + x, a + y, line_cut if m == 0 else _AT_SENTENCE, lang, size, True)


def _limited(document: str, start: int, end: int, cost: float, lang: str, size: int, prose: bool) -> Iterator[Unit]:
    """Yield one unit, or several for a sentence or line of over three passages' size, cut at clauses."""
    total = length(document[start:end], lang)
    if total <= 3 * size:
        yield Unit(start, end, total, cost, prose)
        return
    step = max(1, (end - start) * size // total)  # characters that make up about one passage
    while start < end:
        stop = min(end, start + step)
        while length(document[start:stop], lang) > size:
            stop = start + max(1, (stop - start) * 3 // 4)
        if stop < end:
            breaks = [m.end() for m in _CLAUSE.finditer(document, start + (stop - start) // 2, stop)]
            stop = breaks[-1] if breaks else stop
        a, b = start, stop
        while a < b and document[a].isspace():
            a += 1
        if a < b:
            yield Unit(a, b, length(document[a:b], lang), cost, prose)
            cost = _AT_SENTENCE
        start = stop
