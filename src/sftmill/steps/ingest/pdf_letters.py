"""The letters of a PDF page, with their boxes -> pieces of lines, whichever way the text runs."""

import ctypes
import math
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

from sftmill.steps.ingest.pdf_rules import Edges, Grid, Rule, find_grids
from sftmill.steps.ingest.sections import keeps_space
from sftmill.text.lazy import lazy_pattern

MOST_CHARACTERS = 200_000
"""Characters of a page that are looked at; a drawing made of text has more, a page to read never."""
CELL_GAP = 1.5
"""Gap within a line, in letter sizes, from which on its parts are cells of a table or columns."""
_SLANTED = 15
"""Degrees off the page's edges from which on text is a stamp or a watermark."""
_SOFT_HYPHEN = "\u00ad"
# What PDFium gives for a hyphen at a line's end, and the character itself.
_HYPHENS = frozenset((0x02, 0xFFFE, 0xAD))
# Ligatures, and the radicals and compatibility forms that fonts name in place of the usual ideographs.
_FOLDED = lazy_pattern("[\ufb00-\ufb06\u2e80-\u2fdf\uf900-\ufaff]")


class Segment(NamedTuple):
    """Characters that stand side by side without a wide gap; lengths are in points, y grows upwards."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    mono: bool
    bold: bool


class Letters(NamedTuple):
    """The pieces of a page's lines, in the order of the file, and what else its letters tell."""

    segments: list[Segment]
    aside: list[Segment]
    """Those that run another way than most."""
    grids: list[Grid]
    characters: int
    """Visible ones."""
    unmapped: int
    """Characters whose font does not say what they are."""
    width: float
    height: float


def read_letters(page: Any) -> Letters:
    """Read the letters of a page of pypdfium2 as they stand when the page is held so that most text is upright."""
    textpage = page.get_textpage()
    try:
        letters = _read(page, textpage.raw, _direction(textpage.raw))
        return _read(page, textpage.raw, 3) if _is_vertical(letters.segments) else letters
    finally:
        textpage.close()


def _direction(handle: Any) -> int:
    """Return which way most text runs, in quarters: 0 to the right, 1 up, 2 to the left, 3 down."""
    from pypdfium2 import raw

    number = raw.FPDFText_CountChars(handle)
    matrix = raw.FS_MATRIX()
    seen: Counter[int] = Counter()
    for i in range(0, number, max(1, number // 200)):
        if raw.FPDFText_GetUnicode(handle, i) > 0x20 and raw.FPDFText_GetMatrix(handle, i, matrix):
            seen[_quarter(matrix)[0]] += 1
    return seen.most_common(1)[0][0] if seen else 0


def _quarter(matrix: Any) -> tuple[int, float]:
    """Return the nearest quarter in which a letter is turned, and how many degrees it is off."""
    if not matrix.b and matrix.a > 0:
        return 0, 0.0
    degrees = math.degrees(math.atan2(matrix.b, matrix.a))
    quarter = round(degrees / 90)
    return quarter % 4, abs(degrees - 90 * quarter)


def _is_vertical(segments: list[Segment]) -> bool:
    """Tell whether letters stand one below the other, in the order of the file, as in upright Chinese columns."""
    if len(segments) < 12 or 3 * sum(len(s.text) == 1 for s in segments) < 2 * len(segments):
        return False
    below = sum(
        abs(a.left - b.left) < 0.5 * a.size and 0.5 * a.size < a.top - b.top < 2.5 * a.size
        for a, b in pairwise(segments)
    )
    return 3 * below > 2 * len(segments)


def _read(page: Any, handle: Any, turn: int) -> Letters:
    """Read all letters, turned by quarters; those that run another way are put aside, slanted ones left out."""
    from pypdfium2 import raw

    wide, high = page.get_size()
    if (page.get_rotation() // 90 + turn) % 2:
        wide, high = high, wide
    grids = find_grids(page, lambda edges: _turned(edges, turn, wide, high))
    box, matrix = raw.FS_RECTF(), raw.FS_MATRIX()
    main, aside = _Run([rule for grid in grids for rule in grid.upright]), _Run([])
    unmapped = characters = lead = 0
    for i in range(min(raw.FPDFText_CountChars(handle), MOST_CHARACTERS)):
        code = raw.FPDFText_GetUnicode(handle, i)
        if code in (0x0D, 0x0A):
            main.end()
            aside.end()
            continue
        if code in (0x20, 0xA0, 0x3000, 0x09):
            main.space = aside.space = True
            continue
        if 0xD800 <= code < 0xDC00:
            lead = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((lead - 0xD800) << 10) + (code - 0xDC00) if lead else 0xFFFD
            lead = 0
        raw.FPDFText_GetMatrix(handle, i, matrix)
        quarter, off = _quarter(matrix)
        if off > _SLANTED:
            continue
        characters += 1
        if (code < 0x20 and code not in _HYPHENS) or code == 0xFFFD or 0xE000 <= code < 0xF900:
            unmapped += 1
        raw.FPDFText_GetLooseCharBox(handle, i, box)
        edges = box.left, box.right, box.bottom, box.top
        size = abs(raw.FPDFText_GetFontSize(handle, i)) * math.hypot(matrix.c, matrix.d)
        if quarter == turn or (turn == 3 and quarter == 0):
            main.add(code, _turned(edges, turn, wide, high), size, handle, i)
        else:
            other = (wide, high) if (quarter - turn) % 2 == 0 else (high, wide)
            aside.add(code, _turned(edges, quarter, *other), size, handle, i)
    main.end()
    aside.end()
    return Letters(main.made, aside.made, grids, characters, unmapped, wide, high)


def _turned(edges: Edges, turn: int, wide: float, high: float) -> Edges:
    """Return edges on the page held so that text of this direction is upright; it is then `wide` and `high`."""
    left, right, bottom, top = edges
    if turn == 1:
        return bottom, top, high - right, high - left
    if turn == 2:
        return wide - right, wide - left, high - top, high - bottom
    if turn == 3:
        return wide - top, wide - bottom, left, right
    return left, right, bottom, top


class _Run:
    """The characters of a segment while it grows."""

    def __init__(self, bars: list[Rule]) -> None:
        self.bars = sorted(bars)
        """Upright rules, at which a segment ends, from the left."""
        self.made: list[Segment] = []
        self.begin()

    def begin(self) -> None:
        self.text: list[str] = []
        self.space = False
        self.left = self.right = self.bottom = self.top = self.size = 0.0
        self.sizes: Counter[float] = Counter()
        self.font: tuple[bool, bool] = (False, False)

    def add(self, code: int, edges: Edges, size: float, handle: Any, index: int) -> None:
        """Take in a character, ending the segment before it where it stands elsewhere."""
        left, right, bottom, top = edges
        high = max(1.0, top - bottom)
        if not 0.5 * high <= size <= 2 * high:
            size = high
        if self.text:
            em = max(size, self.size)
            apart = left - self.right
            overlap = min(top, self.top) - max(bottom, self.bottom)
            elsewhere = overlap < 0.3 * min(size, self.size) or apart > CELL_GAP * em or apart < -em
            if elsewhere or (self.bars and apart > -1 and self._barred(left, (bottom + top) / 2)):
                self.end()
        if not self.text:
            self.left, self.bottom, self.top = left, bottom, top
            self.font = _font(handle, index)
        else:
            if self.space and keeps_space(self.text[-1][-1], chr(code)):
                self.text.append(" ")
            if size >= self.size:  # a raised or lowered small character does not move the line
                self.bottom, self.top = min(self.bottom, bottom), max(self.top, top)
        self.space = False
        self.right = max(self.right, right) if self.text else right
        self.size = max(self.size, size)
        self.sizes[round(size * 4) / 4] += 1
        self.text.append(_SOFT_HYPHEN if code in _HYPHENS else chr(code))

    def _barred(self, left: float, y: float) -> bool:
        first = bisect_left(self.bars, self.right - 1, key=lambda bar: bar.at)
        last = bisect_right(self.bars, left + 1, key=lambda bar: bar.at)
        return any(bar.start <= y <= bar.end for bar in self.bars[first:last])

    def end(self) -> None:
        """Close the segment."""
        if self.text:
            text = _FOLDED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), "".join(self.text))
            size = max(self.sizes.items(), key=lambda item: (item[1], item[0]))[0]
            self.made.append(Segment(text, self.left, self.right, self.bottom, self.top, size, *self.font))
        self.begin()


_fonts = ctypes.create_string_buffer(128)


def _font(handle: Any, index: int) -> tuple[bool, bool]:
    """Tell of a character's font whether all letters are equally wide, and whether it is bold or a Chinese Hei."""
    from pypdfium2 import raw

    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(handle, index, _fonts, 128, ctypes.byref(flags))
    name = _fonts.value.decode("utf-8", "replace").lower()
    mono = bool(flags.value & 1) or any(word in name for word in ("mono", "courier", "consol", "typewriter"))
    bold = bool(flags.value & (1 << 18)) or any(word in name for word in ("bold", "hei", "black", "heavy", "semib"))
    return mono, bold
