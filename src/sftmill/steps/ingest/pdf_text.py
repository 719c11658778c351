"""The lines of a PDF's pages -> blocks: running heads left out, lines joined to paragraphs, headings told from text."""

import itertools
import re
from collections import Counter, defaultdict
from typing import NamedTuple

from sftmill.steps.ingest.parse_text import heading_level
from sftmill.steps.ingest.pdf_page import TABLE, Line, PageText
from sftmill.steps.ingest.sections import Block, is_contents_line, join_lines
from sftmill.text import CJK

_DIGITS = re.compile(r"[\d\s]+|\b[ivxlcdm]{1,7}\b", re.I)
_PAGE_NUMBER = re.compile(
    r"[-–—·.\s]*(?:第\s?)?(?:(?:page|p\.)\s?)?(\d{1,4}|[ivxlcdm]{1,7}|[〇零一二三四五六七八九十百]{1,5})\s?页?"
    r"(?:\s?(?:/|of|，?\s?共|,)\s?\d{1,4}\s?页?)?[-–—·.\s]*\Z",
    re.I,
)
_SURE_NUMBER = re.compile(
    r"[-–—·]\s?\d{1,4}\s?[-–—·]\Z|第\s?\d{1,4}\s?页|page\s\d{1,4}\b|\d{1,4}\s?(?:/|of)\s?\d{1,4}\Z", re.I
)
_ITEM = re.compile(
    r"(?:[-*•·●○▪◆■□–‣◦➢✓]\s|[(（][\dA-Za-z〇一二三四五六七八九十百]{1,4}[)）]|[①-⑳]|\d{1,2}[.、)）]\s?[^\d\s]|"
    r"第\s?[〇零一二三四五六七八九十百千\d]{1,8}\s?[条條]|[一二三四五六七八九十]{1,3}、|[A-Za-z][.)]\s)"
)
_CAPTION = re.compile(
    r"(?:表|图|圖|附表|附图|Table|TABLE|Figure|Fig\.)\s?[\dA-Z〇一二三四五六七八九十][\d.\-–一二三四五六七八九十]{0,8}"
)
_BULLET = re.compile(r"(?:[-*•·●○▪◆■□–‣◦➢✓]|[(（]?\d{1,2}[.)）])\s")
_FINAL = "。！？；：.!?;:…"
_CLOSING = "”’」』）)】》\"'"
_CHINESE = re.compile(f"[{CJK}]")
_NOT_CLOSED = "。；，、：,;"
HEAD_ZONE = 4
"""Lines at the top and at the bottom of a page among which running heads and feet are looked for."""
MARGIN = 0.14
"""Share of a page's height at its top and bottom where heads and feet stand."""
BIGGER = 1.1
"""Letter size, in body sizes, from which a short line is a heading."""
MOST_HEADING = 90
"""Characters of the longest heading, half as many in Chinese."""
DEEPEST = 4
"""Levels of headings that are told by their letter sizes."""


class Mark(NamedTuple):
    """An entry of a PDF's outline."""

    level: int
    title: str
    page: int
    """From 0."""
    y: float | None


def without_heads(pages: list[PageText]) -> list[list[Line]]:
    """Return the lines of each page without running heads and feet and page numbers.

    A head is what stands at the same height on three pages or more, but for its digits; where more than
    a third of the pages have one, every line at that height and in that size is one.
    """
    seen: dict[tuple[str, int], set[int]] = defaultdict(set)
    zones = [_edges(page) for page in pages]
    for number, lines in enumerate(zones):
        for line in lines:
            seen[_same(line), round(line.middle / 8)].add(number)

    def repeats(line: Line) -> int:
        at = round(line.middle / 8)
        return len(set().union(*(seen.get((_same(line), at + i), ()) for i in (-1, 0, 1))))

    bands: Counter[tuple[int, int]] = Counter()
    heads: list[set[int]] = []
    for lines in zones:
        found = {id(line) for line in lines if repeats(line) >= 3 and not line.text.startswith(TABLE)}
        bands.update({(round(line.middle / 3), round(line.size)) for line in lines if id(line) in found})
        heads.append(found)
    texts = sum(bool(page.lines) for page in pages)
    common = {band for band, count in bands.items() if count >= 3 and 3 * count > texts}
    out = []
    for number, (page, lines) in enumerate(zip(pages, zones, strict=True)):
        gone = heads[number]
        for line in lines:
            if (round(line.middle / 3), round(line.size)) in common and len(line.text) < MOST_HEADING:
                gone.add(id(line))
        kept = [line for line in page.lines if id(line) not in gone]
        out.append(_without_number(kept, number, page.height))
    return out


def _edges(page: PageText) -> list[Line]:
    """Return the highest and the lowest lines of a page, as far as they stand near its edges."""
    ordered = sorted(page.lines, key=lambda line: -line.middle)
    ends = ordered[:HEAD_ZONE] + ordered[max(HEAD_ZONE, len(ordered) - HEAD_ZONE) :]
    return [line for line in ends if not MARGIN < line.middle / page.height < 1 - MARGIN]


def _same(line: Line) -> str:
    return _DIGITS.sub("", line.text)


def _without_number(lines: list[Line], page: int, height: float) -> list[Line]:
    """Leave out a page number: alone at the very top or bottom, and saying so or being about the page's own."""
    if not lines:
        return lines
    ends = [min(lines, key=lambda line: line.middle), max(lines, key=lambda line: line.middle)]
    for line in ends:
        at_edge = line.middle < 0.12 * height or line.middle > 0.88 * height
        match = _PAGE_NUMBER.match(line.text)
        if not at_edge or not match:
            continue
        own = match[1].isdigit() and abs(int(match[1]) - page - 1) <= 40
        if own or _SURE_NUMBER.match(line.text) or (not match[1].isdigit() and len(lines) > 3):
            return [other for other in lines if other is not line]
    return lines


class _Shape(NamedTuple):
    """What is usual in a document."""

    body: float
    """Commonest letter size."""
    pitch: float
    """Commonest distance of two lines of the body, in letter sizes."""
    levels: dict[float, int]
    """Level of the headings of each larger size."""
    right: dict[int, float]
    """Right edge of the text, by left edge of the column."""


def blocks_of(pages: list[list[Line]], outline: list[Mark]) -> list[Block]:
    """Turn the pages' lines into blocks that know their page."""
    shape = _shape_of(pages, outline)
    writer = _Writer(shape)
    marks: dict[int, list[Mark]] = defaultdict(list)
    for mark in outline:
        marks[mark.page].append(mark)
    for number, lines in enumerate(pages):
        heads, lost = _marked(lines, marks.get(number, []))
        i = 0
        while i < len(lines):
            for mark in lost.pop(i, ()):
                writer.heading(mark.title, mark.level, number)
            level, count = heads.get(i) or _heading_by_size(lines, i, shape)
            if level:
                writer.heading(join_lines(_whole(line.text) for line in lines[i : i + count]), level, number)
                i += count
            else:
                writer.line(lines[i])
                i += 1
        for mark in lost.pop(len(lines), ()):
            writer.heading(mark.title, mark.level, number)
        writer.page_ends()
    return writer.finish()


def _heading_by_size(lines: list[Line], i: int, shape: _Shape) -> tuple[int, int]:
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


def _shape_of(pages: list[list[Line]], outline: list[Mark]) -> _Shape:
    sizes: Counter[float] = Counter()
    pitches: Counter[float] = Counter()
    edges: dict[int, list[float]] = defaultdict(list)
    for lines in pages:
        for line in lines:
            sizes[_rounded(line.size)] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 10.0
    for lines in pages:
        for upper, lower in itertools.pairwise(lines):
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
    return _Shape(body, max(near, key=lambda p: near[p]) if near else 1.3, levels, right)


def _ranked(sizes: list[float]) -> list[float]:
    """Return one size of each group of nearly equal ones, the largest first; `sizes` are in that order."""
    out: list[float] = []
    for size in sizes:
        if not out or out[-1] - size > 0.5:
            out.append(size)
    return out


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _size_level(line: Line, shape: _Shape) -> int:
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


def _goes_on(upper: Line, lower: Line, level: int, shape: _Shape) -> bool:
    """Tell whether a heading goes on in the next line."""
    return (
        abs(upper.size - lower.size) < 0.3
        and upper.bold == lower.bold
        and _size_level(lower, shape) in (level, 0)
        and upper.middle - lower.middle < 1.7 * upper.size
        and shape.levels.get(_rounded(upper.size), 0) > 0
        and not heading_level(lower.text)
    )


def _marked(lines: list[Line], marks: list[Mark]) -> tuple[dict[int, tuple[int, int]], dict[int, list[Mark]]]:
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
                found[i] = (mark.level, count)
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


class _Writer:
    """Collects lines into paragraphs, lists, code and tables."""

    def __init__(self, shape: _Shape):
        self.shape = shape
        self.out: list[Block] = []
        self.open: list[Line] = []
        """Lines of the paragraph, code or table at hand."""
        self.kind = ""
        """"text", "code", "contents" or "cells"; "" where nothing is open."""
        self.aside: list[Line] = []
        """Footnotes of this page, which must not part a paragraph that goes on over the page."""
        self.notes: list[Block] = []
        self.table_page = -1
        """Page on which the last ruled table ended."""

    def heading(self, text: str, level: int, page: int) -> None:
        """Add a heading."""
        self.close()
        self.out.append(Block(text, level, page + 1))

    def line(self, line: Line) -> None:
        """Take in the next line."""
        if line.text.startswith(TABLE):
            self._table(line)
            return
        if self._is_note(line):
            self.aside.append(line)
            return
        kind = self._kind_of(line)
        if kind != self.kind or not self._belongs(line):
            self.close()
            self.kind = kind
        self.open.append(line)

    def page_ends(self) -> None:
        """Keep the page's footnotes for behind the paragraph at hand."""
        groups: list[list[Line]] = []
        for line in self.aside:
            if not groups or _NOTE.match(line.text):
                groups.append([])
            groups[-1].append(line)
        self.notes += [Block(join_lines(n.text for n in group), 0, group[0].page + 1) for group in groups]
        self.aside = []

    def finish(self) -> list[Block]:
        """Return all blocks."""
        self.close()
        return self.out

    def _is_note(self, line: Line) -> bool:
        """Tell a footnote: below the text, in smaller letters, led in by a sign or behind one that is."""
        if line.size > 0.92 * self.shape.body or line.mono:
            return False
        if self.aside and self.aside[-1].column == line.column:
            return True
        return bool(_NOTE.match(line.text)) and bool(self.open or self.out) and line.middle < 300

    def _kind_of(self, line: Line) -> str:
        if is_contents_line(line.text):
            return "contents"
        if line.mono and not _CHINESE.search(line.text):
            return "code"
        if len(line.cells) > 1 or (self.kind == "cells" and self._under_a_cell(line)):
            return "cells"
        return "text"

    def _under_a_cell(self, line: Line) -> bool:
        """Tell whether a line goes on in a cell other than the first of the row before."""
        last = next((o for o in reversed(self.open) if len(o.cells) > 1), None)
        near = self.open[-1].middle - line.middle < 1.6 * line.size and self.open[-1].page == line.page
        return last is not None and near and any(abs(left - line.left) < 3 for left, _ in last.cells[1:])

    def _belongs(self, line: Line) -> bool:
        """Tell whether a line goes on with what is open."""
        if not self.open:
            return True
        last = self.open[-1]
        if self.kind in ("contents", "cells"):
            return True
        if self.kind == "code":
            return last.page != line.page or last.middle - line.middle < 3.2 * line.size
        if abs(last.size - line.size) > 0.08 * self.shape.body or _ITEM.match(line.text):
            return False
        if _CAPTION.match(line.text) or _CAPTION.match(self.open[0].text):
            return bool(_CAPTION.match(self.open[0].text)) and not self._is_short(last, line) and len(self.open) < 3
        if last.page == line.page and last.column == line.column:
            step = last.middle - line.middle
            if step > 1.22 * self.shape.pitch * line.size + 0.5 or step < 0:
                return False
        return self._runs_on(last, line)

    def _runs_on(self, last: Line, line: Line) -> bool:
        """Tell from margins and marks whether a paragraph goes on."""
        em = line.size
        same_place = last.page == line.page and last.column == line.column
        shift = 0.0 if same_place else line.column[1] - last.column[1]
        left = line.left - shift
        ended = last.text.rstrip(_CLOSING).endswith(tuple(_FINAL))
        if self._is_short(last, line):
            return not ended and last.text[-1] in "，、,-\u00ad"
        if len(self.open) > 1:
            body = min(
                other.left - (last.column[1] - other.column[1] if other.column != last.column else 0)
                for other in self.open[1:]
            )
            if left > body + 0.8 * em and ended:
                return False
        elif left > last.left + 0.8 * em:
            return bool(_ITEM.match(last.text)) or not ended
        return True

    def _is_short(self, last: Line, line: Line) -> bool:
        """Tell whether a line ends though the next one's first word would have had room."""
        right = max(
            self.shape.right.get(round(last.column[1] / 10), last.column[2]) if last.column[0] == 0 else last.column[2],
            *(other.right for other in self.open if other.column == last.column and other.page == last.page),
        )
        right = min(right, max(last.column[2], last.right))
        first = line.text.partition(" ")[0]
        if _CHINESE.match(first) or _CHINESE.match(last.text[-1]):
            return right - last.right > 2.2 * line.size
        return right - last.right > (0.62 * len(first[:20]) + 1.0) * line.size

    def _table(self, line: Line) -> None:
        """Add a ruled table; one at the head of a page goes on with the one that ended the page before."""
        self.close()
        rows = line.text.lstrip(TABLE).split("\n")
        last = self.out[-1] if self.out else None
        if last and last.text.startswith("| ") and self.table_page == line.page - 1:
            before = last.text.split("\n")
            if before[0].count(" | ") == rows[0].count(" | "):
                more = rows[2:] if rows[0] == before[0] else [row for row in rows if not row.startswith("| --- ")]
                self.out[-1] = last._replace(text="\n".join([*before, *more]))
                self.table_page = line.page
                return
        self.out.append(Block("\n".join(rows), 0, line.page + 1))
        self.table_page = line.page

    def close(self) -> None:
        """End what is open."""
        lines, self.open = self.open, []
        kind, self.kind = self.kind, ""
        if lines:
            page = lines[0].page + 1
            if kind == "code":
                self.out.append(Block(_code(lines), 0, page))
            elif kind == "contents":
                self.out.append(Block("\n".join(line.text for line in lines), 0, page))
            elif kind == "cells":
                self._cells(lines)
            else:
                self._paragraph(Block(join_lines(_whole(line.text) for line in lines), 0, page))
        self.out += self.notes
        self.notes = []

    def _paragraph(self, block: Block) -> None:
        """Add a paragraph; the caption below a table goes above it, where readers of pieces look for it."""
        if _CAPTION.match(block.text) and len(block.text) < 120 and self.out and self.out[-1].text.startswith("| "):
            before = self.out[-2].text if len(self.out) > 1 else ""
            if not _CAPTION.match(before):
                self.out.insert(len(self.out) - 1, block)
                return
        last = self.out[-1] if self.out else None
        if last and not last.level and _BULLET.match(last.text) and _BULLET.match(block.text):
            self.out[-1] = last._replace(text=f"{last.text}\n{block.text}")
        else:
            self.out.append(block)

    def _cells(self, lines: list[Line]) -> None:
        """Add lines with wide gaps: a table without rules, contents with page numbers, or only spaced text."""
        page = lines[0].page + 1
        rows = _rows(lines)
        if len(rows) >= 3 and sum(row[-1].isdigit() and len(row) == 2 for row in rows) > 0.8 * len(rows):
            numbers = [int(row[-1]) for row in rows if row[-1].isdigit() and len(row[-1]) < 5]
            if numbers == sorted(numbers):
                self.out.append(Block("\n".join("\t".join(row) for row in rows), 0, page))
                return
        if len(rows) > 1 and sum(len(row) > 1 for row in rows) > 1:
            self.out.append(Block("\n".join(" | ".join(row) for row in rows), 0, page))
        else:
            self.out += [Block(" ".join(row), 0, page) for row in rows]


_NOTE = re.compile(r"(?:[*†‡§①-⑳]|[\[［【〔(（]?\d{1,3}[\]］】〕)）]?)\s?\S")


def _rows(lines: list[Line]) -> list[list[str]]:
    """Return the cells of lines; one that stands below a later cell goes on with it."""
    rows: list[list[str]] = []
    lefts: list[float] = []
    for line in lines:
        if len(line.cells) == 1 and rows and len(rows[-1]) == len(lefts) > 1:
            at = min(range(len(lefts)), key=lambda i: abs(lefts[i] - line.left))
            if at and abs(lefts[at] - line.left) < 3:
                rows[-1][at] = join_lines([rows[-1][at], line.text])
                continue
        rows.append([text.replace("|", "\\|") for _, text in line.cells])
        lefts = [left for left, _ in line.cells]
    return rows


def _whole(text: str) -> str:
    """Return a line for joining: a hyphen that PDFium marks as soft at its end is a hyphen, others are nothing."""
    return (text[:-1] + "-" if text.endswith("\u00ad") else text).replace("\u00ad", "")


def _code(lines: list[Line]) -> str:
    """Return lines of code as they stand, indented by their place."""
    left = min(line.left for line in lines)
    out = []
    for line in lines:
        wide = max((line.right - line.left) / max(1, len(line.text)), 0.3 * line.size)
        out.append(" " * min(40, round((line.left - left) / wide)) + "  ".join(text for _, text in line.cells))
    return "```\n" + "\n".join(out) + "\n```"
