"""Running heads and feet and page numbers of a PDF, told by what repeats from page to page."""

import re
from collections import Counter, defaultdict

from sftmill.steps.ingest.pdf_page import TABLE, Line, PageText
from sftmill.text.lazy import lazy_pattern

_NUMBER = lazy_pattern(r"\d{1,5}")
_ROMAN = lazy_pattern(r"\b[ivxlcdm]{1,7}\b", re.I)
_PAGE_NUMBER = lazy_pattern(
    r"[-–—·.\s]*(?:第\s?)?(?:(?:page|p\.)\s?)?(\d{1,4}|[ivxlcdm]{1,7}|[〇零一二三四五六七八九十百]{1,5})\s?页?"
    r"(?:\s?(?:/|of|，?\s?共|,)\s?\d{1,4}\s?页?)?[-–—·.\s]*\Z",
    re.I,
)
_SURE_NUMBER = lazy_pattern(
    r"[-–—·]\s?\d{1,4}\s?[-–—·]\Z|第\s?\d{1,4}\s?页|page\s\d{1,4}\b|\d{1,4}\s?(?:/|of)\s?\d{1,4}\Z", re.I
)
HEAD_ZONE = 4
"""Lines at the top and at the bottom of a page among which running heads and feet are looked for."""
MARGIN = 0.14
"""Share of a page's height at its top and bottom where heads and feet stand."""
LONGEST = 90
"""Characters of the longest line that is a head by its place alone."""


def without_heads(pages: list[PageText]) -> list[list[Line]]:
    """Return the lines of each page without running heads and feet and page numbers.

    A head is what stands at the same height on three pages or more, but for one number that counts the pages;
    where more than a third of the pages have one, every line at that height and in that size is one.
    """
    seen: dict[tuple[str, int], set[int]] = defaultdict(set)
    zones = [_edges(page) for page in pages]
    for number, lines in enumerate(zones):
        for line in lines:
            for same in _forms(line):
                seen[same, round(line.middle / 8)].add(number)

    def repeats(line: Line) -> int:
        at = round(line.middle / 8)
        return max(len(set().union(*(seen.get((same, at + i), ()) for i in (-1, 0, 1)))) for same in _forms(line))

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
            if (round(line.middle / 3), round(line.size)) in common and len(line.text) < LONGEST:
                gone.add(id(line))
        kept = [line for line in page.lines if id(line) not in gone]
        out.append(_without_number(kept, number, page.height))
    return out


def _edges(page: PageText) -> list[Line]:
    """Return the highest and the lowest lines of a page, as far as they stand near its edges."""
    ordered = sorted(page.lines, key=lambda line: -line.middle)
    ends = ordered[:HEAD_ZONE] + ordered[max(HEAD_ZONE, len(ordered) - HEAD_ZONE) :]
    return [line for line in ends if not MARGIN < line.middle / page.height < 1 - MARGIN]


def _forms(line: Line) -> set[str]:
    """Return what a line is compared by: its text, and its text with each of its numbers less the page's."""
    text = _ROMAN.sub("#", line.text.replace(" ", ""))
    numbers = list(_NUMBER.finditer(text))
    forms = {text}
    for found in {*numbers[:2], *numbers[-2:]}:
        forms.add(f"{text[: found.start()]}{int(found[0]) - line.page:+}{text[found.end() :]}")
    return forms


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
