"""Cut documents into passages that a model can be asked about."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from sftmill.core import Drop, Row, RowStep
from sftmill.steps.ingest.sections import is_contents_line
from sftmill.text import length, sentences

# What a cut before a unit costs; an unfilled passage costs up to 10, one under the minimum 40 more.
_AT_HEADING, _AT_ARTICLE, _AT_PARAGRAPH, _AT_LINE, _AT_SENTENCE, _IN_CODE = 0.0, 0.5, 2.0, 4.0, 12.0, 16.0
_AFTER_LEAD_IN, _AFTER_HEADING = 30.0, 1000.0
_SMALL = 40.0

_ARTICLE = re.compile(
    r"第\s?[〇零一二三四五六七八九十百千\d]{1,8}\s?条(?:之[一二三四五六七八九十])?(?=[\s　:：【（(]|[\u4e00-\u9fff])"
)
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_FENCE = re.compile(r"^(?:```|~~~)", re.M)
_CLAUSE = re.compile(r"[，、,;；：:\s]")
_URL = re.compile(r"(?:https?|ftp)://[^\s)>\]，。]{1,2000}|\]\([^)\s]{1,2000}\)")
_LEADS_IN = ("：", ":", "如下。", "如下", "如下所示。", "下列。", "as follows.", "the following.", "shown below.")
_ENDS = "。！？；：，、.!?;:,…”’」』）)】》|"


class _Unit(NamedTuple):
    start: int
    end: int
    size: int
    cut: float
    """What a cut before it costs."""
    prose: bool


class Split(RowStep):
    """Cuts a document into passages of whole sentences, at headings and paragraphs where possible.

    No table row, line of code or law article that fits is cut in two, no heading ends a passage.
    Passages are pieces of the document as it stands. Sizes follow SelfQA's practice of 300 to 800
    Chinese characters; 250 English words carry about as much.
    """

    reads: ClassVar = ("document",)
    writes: ClassVar = ("passage", "passage_index")
    removes: ClassVar = ("document",)

    size: int = Field(600, ge=20)
    """Most characters of a Chinese passage, without spaces."""
    size_en: int = Field(250, ge=10)
    """Most words of an English passage."""
    minimum: int = Field(60, ge=0)
    """Characters below which a passage joins its neighbour, and a whole document is dropped; two fifths for words."""
    overlap: Literal[0, 1] = 0
    """Sentences of the previous passage that a passage repeats, where the cut is within running text."""

    def row(self, row: Row) -> list[Row]:
        """Return the passages; drops documents that are "empty", "too_short", or "no_prose" (a table of contents)."""
        document = row["document"] or ""
        lang = row.get("lang") or "zh"
        size, minimum = (self.size, self.minimum) if lang == "zh" else (self.size_en, self.minimum * 2 // 5)
        if not document.strip():
            raise Drop("empty")
        if (long := length(document, lang)) < minimum:
            raise Drop("too_short", length=long, minimum=minimum)
        spans = cut(document, lang, size, minimum, self.overlap)
        if not any(is_prose(document[start:end]) for start, end in spans):
            raise Drop("no_prose", passages=len(spans))
        kept = {key: value for key, value in row.items() if key != "document"}
        return [{**kept, "passage": document[a:b], "passage_index": i} for i, (a, b) in enumerate(spans)]


def cut(document: str, lang: str, size: int, minimum: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Return the spans of the passages: the cheapest sequence of cuts, found by dynamic programming."""
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
            cost = best[i] + (units[i].cut if i else 0.0) + 10.0 * (max(0, room - total) / room) ** 2
            if total < minimum:
                cost += _SMALL
            if cost <= cheapest:
                cheapest, begin = cost, i
        best.append(cheapest)
        begins.append(begin)
    spans: list[tuple[int, int]] = []
    j = len(units)
    while j:
        i = begins[j]
        start = units[i].start
        if overlap and i and units[i].prose and units[i - 1].prose and units[i].cut >= _AT_PARAGRAPH:
            total = sum(unit.size for unit in units[i - 1 : j])
            start = units[i - 1].start if total <= size else start
        spans.append((start, units[j - 1].end))
        j = i
    return spans[::-1]


def _without_crumbs(units: Iterator[_Unit], crumb: int) -> list[_Unit]:
    """Join units of a few characters to those before, so that the search stays short; headings still begin one."""
    out: list[_Unit] = []
    for unit in units:
        if out and unit.cut > _AT_HEADING and out[-1].size + unit.size <= crumb:
            last = out[-1]
            unit = _Unit(last.start, unit.end, last.size + unit.size, last.cut, last.prose and unit.prose)
            out.pop()
        out.append(unit)
    return out


def _units(document: str, lang: str, size: int) -> Iterator[_Unit]:
    """Yield the pieces that are never cut, in order, covering all that is visible."""
    blocks = _blocks(document)
    after = _AT_HEADING
    k = 0
    while k < len(blocks):
        start, end = blocks[k]
        text = document[start:end]
        if _ARTICLE.match(text):
            stop = k + 1
            while stop < len(blocks) and not _ends_article(document, *blocks[stop], stop + 1 < len(blocks)):
                stop += 1
            whole = length(document[start : blocks[stop - 1][1]], lang)
            if whole <= size:
                yield _Unit(start, blocks[stop - 1][1], whole, max(_AT_ARTICLE, after), True)
                after, k = 0.0, stop
                continue
            first = max(_AT_ARTICLE, after)
        elif _is_heading(text) and k + 1 < len(blocks):
            yield _Unit(start, end, length(text, lang), max(_AT_HEADING, after), False)
            after, k = _AFTER_HEADING, k + 1
            continue
        else:
            first = max(_AT_PARAGRAPH, after)
        yield from _parts(document, start, end, first, lang, size)
        after = _AFTER_LEAD_IN if text.endswith(_LEADS_IN) else 0.0
        k += 1


def _blocks(document: str) -> list[tuple[int, int]]:
    """Return the spans of the blocks between blank lines; fenced code is one block with its blank lines."""
    fences = [m.start() for m in _FENCE.finditer(document)]
    pairs = list(zip(fences[::2], fences[1::2], strict=False))
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
    for match in _BLANK.finditer(document):
        at = bisect_right(opens, match.start()) - 1
        if at >= 0 and match.start() < pairs[at][1]:
            continue
        add(start, match.start())
        start = match.end()
    add(start, len(document))
    return out


def _is_heading(text: str) -> bool:
    return "\n" not in text and len(text) <= 60 and text[-1] not in _ENDS and not text.startswith(("```", "- ", "|"))


def _ends_article(document: str, start: int, end: int, followed: bool) -> bool:
    text = document[start:end]
    return bool(_ARTICLE.match(text)) or (followed and _is_heading(text))


def _parts(document: str, start: int, end: int, first: float, lang: str, size: int) -> Iterator[_Unit]:
    """Yield the units of one block: lines of code, tables and lists, sentences of running text."""
    code = document.startswith(("```", "~~~"), start)
    lines = []
    at = start
    for line in document[start:end].split("\n"):
        if line.strip():
            lines.append((at, at + len(line)))
        at += len(line) + 1
    table = len(lines) > 1 and all("|" in document[a:b] for a, b in lines)
    for n, (a, b) in enumerate(lines):
        line_cut = first if n == 0 else _IN_CODE if code or table else _AT_LINE
        if code and (n == 1 or n == len(lines) - 1) and len(lines) > 2:
            line_cut = _AFTER_LEAD_IN  # a fence is not left alone
        if code or table:
            yield from _limited(document, a, b, line_cut, lang, size, False)
            continue
        for m, (x, y) in enumerate(sentences(document[a:b])):
            yield from _limited(document, a + x, a + y, line_cut if m == 0 else _AT_SENTENCE, lang, size, True)


def _limited(document: str, start: int, end: int, cost: float, lang: str, size: int, prose: bool) -> Iterator[_Unit]:
    """Yield one unit, or several for a sentence or line of over three passages' size, cut at clauses."""
    total = length(document[start:end], lang)
    if total <= 3 * size:
        yield _Unit(start, end, total, cost, prose)
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
            yield _Unit(a, b, length(document[a:b], lang), cost, prose)
            cost = _AT_SENTENCE
        start = stop


def is_prose(text: str) -> bool:
    """Tell whether a passage says something: not a table of contents, a list of links, or signs alone."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) >= 3 and 2 * sum(map(is_contents_line, lines)) > len(lines):
        return False
    visible = length(text, "zh")
    if 1.4 * sum(m.end() - m.start() for m in _URL.finditer(text)) > visible:
        return False
    return 6 * sum(c.isalpha() for c in text) > visible
