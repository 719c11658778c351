"""The titles of a PDF: from its outline, from the sizes of its letters, and from their own form."""

import re
from collections import Counter, defaultdict
from itertools import pairwise
from typing import NamedTuple

from sftmill.steps.ingest.parse_text import heading_level
from sftmill.steps.ingest.pdf_page import TABLE, Line
from sftmill.steps.ingest.sections import is_contents_line, join_lines
from sftmill.text import CJK
from sftmill.text.lazy import lazy_pattern

_CHINESE = lazy_pattern(f"[{CJK}]")
_NOT_CLOSED = "。；，、：,;"
BIGGER = 1.1
"""Letter size, in body sizes, from which a short line is a heading."""
MOST_HEADING = 90
"""Characters of the longest heading, half as many in Chinese."""
_LABEL = 12
"""Characters of the longest line that only numbers the title below it: 第一章, Chapter 1."""
DEEPEST = 4
"""Levels of headings that are told by their letter sizes."""


class Mark(NamedTuple):
    """An entry of a PDF's outline."""

    level: int
    title: str
    page: int
    """From 0."""
    y: float | None


class Shape(NamedTuple):
    """What is usual in a document."""

    body: float
    """Commonest letter size."""
    pitch: float
    """Commonest distance of two lines of the body, in letter sizes."""
    levels: dict[float, int]
    """Level of the headings of each larger size."""
    right: dict[int, float]
    """Right edge of the text, by left edge of the column."""


def heading_by_size(lines: list[Line], i: int, shape: Shape) -> tuple[int, int]:
    """Return the level of a heading that begins with line `i`, and its number of lines; (0, 0) for text."""
    level = _size_level(lines[i], shape)
    if not level:
        return 0, 0
    count = 1
    while i + count < len(lines) and count < 3 and _goes_on(lines[i + count - 1], lines[i + count], level, shape):
        count += 1
    text = join_lines(line.text for line in lines[i : i + count])
    return (0, 0) if text[-1] in _NOT_CLOSED or _length(text) > MOST_HEADING else (level, count)


def _length(text: str) -> int:
    return len(text) + len(_CHINESE.findall(text))


def shape_of(pages: list[list[Line]], outline: list[Mark]) -> Shape:
    """Look at all lines of a document for what is usual in it."""
    sizes: Counter[float] = Counter()
    pitches: Counter[float] = Counter()
    edges: dict[int, list[float]] = defaultdict(list)
    for lines in pages:
        for line in lines:
            sizes[_rounded(line.size)] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 10.0
    for lines in pages:
        for upper, lower in pairwise(lines):
            if upper.column == lower.column and abs(upper.size - body) < 0.6 and abs(lower.size - body) < 0.6:
                pitches[round((upper.middle - lower.middle) / body, 1)] += 1
        for line in lines:
            if abs(line.size - body) < 0.6:
                edges[round(line.column[1] / 10)].append(line.right)
    near = {pitch: count for pitch, count in pitches.items() if 0.9 <= pitch <= 3}
    levels: dict[float, int] = {}
    if len(outline) * 8 < len(pages) or not outline:
        total = sum(sizes.values())
        larger = sorted((s for s in sizes if s >= BIGGER * body and sizes[s] < 0.2 * total), reverse=True)
        first = max((mark.level for mark in outline), default=0)
        levels = {size: first + min(rank, DEEPEST) for rank, size in enumerate(_ranked(larger), 1)} if larger else {}
        for size in larger:
            levels.setdefault(size, levels[max(s for s in levels if s <= size + 0.5)])
    right = {left: sorted(found)[int(0.9 * (len(found) - 1))] for left, found in edges.items()}
    return Shape(body, max(near, key=lambda p: near[p]) if near else 1.3, levels, right)


def _ranked(sizes: list[float]) -> list[float]:
    """Return one size of each group of nearly equal ones, the largest first; `sizes` are in that order."""
    out: list[float] = []
    for size in sizes:
        if not out or out[-1] - size > 0.5:
            out.append(size)
    return out


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _size_level(line: Line, shape: Shape) -> int:
    """Return the level of a line that is a heading by its size or by its own form, 0 for text."""
    if line.text.startswith(TABLE) or line.mono or len(line.cells) > 2:
        return 0
    if is_contents_line(line.text) or _length(line.text) > MOST_HEADING:
        return 0
    if (level := shape.levels.get(_rounded(line.size), 0)) and any(c.isalpha() for c in line.text):
        return level
    if shape.levels or _rounded(line.size) >= shape.body:
        level = heading_level(line.text)
        wide = line.column[2] - line.column[1]
        if level and (line.right < line.column[1] + 0.8 * wide or line.bold) and len(line.cells) == 1:
            return DEEPEST + level
    return 0


def _goes_on(upper: Line, lower: Line, level: int, shape: Shape) -> bool:
    """Tell whether a heading goes on in the next line."""
    return (
        abs(upper.size - lower.size) < 0.3
        and upper.bold == lower.bold
        and _size_level(lower, shape) in (level, 0)
        and upper.middle - lower.middle < 1.7 * upper.size
        and shape.levels.get(_rounded(upper.size), 0) > 0
        and not heading_level(lower.text)
    )


def find_marks(lines: list[Line], marks: list[Mark]) -> tuple[dict[int, tuple[int, int]], dict[int, list[Mark]]]:
    """Find the outline's entries in a page: index of the line -> (level, number of lines).

    Those found nowhere, such as titles drawn as pictures, are returned by the line that they go before.
    """
    found: dict[int, tuple[int, int]] = {}
    lost: dict[int, list[Mark]] = defaultdict(list)
    keys = [_key(line.text) for line in lines]
    for mark in marks:
        wanted = _key(mark.title)
        far = [mark.y is not None and abs(line.top - mark.y) > 40 for line in lines]
        for i in sorted(range(len(lines)), key=lambda i: (far[i], i)):
            if wanted and i not in found and (count := _match(keys, i, wanted)):
                label = i and i - 1 not in found and len(keys[i - 1]) <= _LABEL and heading_level(lines[i - 1].text)
                found[i - 1 if label else i] = (mark.level, count + 1 if label else count)
                break
        else:
            below = (i for i, line in enumerate(lines) if mark.y is not None and line.top <= mark.y + 2)
            lost[next(below, 0 if mark.y is None else len(lines))].append(mark)
    return found, lost


def _match(keys: list[str], i: int, wanted: str) -> int:
    """Return how many lines from `i` on are the title wanted, perhaps behind its number; 0 for none."""
    text = ""
    for count in range(1, 4):
        if i + count > len(keys):
            return 0
        text += keys[i + count - 1]
        before = len(text) - len(wanted)
        if text.endswith(wanted) and before <= 12 and (not before or before < len(keys[i])):
            return count
        if count == 1 and wanted.endswith(text) and -8 <= before < 0 and len(text) >= 2:
            return count
        if before > 12:
            return 0
    return 0


def _key(text: str) -> str:
    return re.sub(r"\W", "", text).lower()
