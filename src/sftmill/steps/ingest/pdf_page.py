"""A page of a PDF -> its lines in reading order, from the characters and their boxes."""

from typing import Any, NamedTuple

from sftmill.steps.ingest.pdf_letters import CELL_GAP, Segment, read_letters
from sftmill.steps.ingest.pdf_rules import Grid, fill_grid
from sftmill.steps.ingest.pipe_table import pipe_table
from sftmill.steps.ingest.sections import collapse, keeps_space
from sftmill.text.lazy import lazy_pattern

MOST_SEGMENTS = 5000
"""Pieces of lines above which a page is a drawing or a vast table, and no columns are looked for."""
_MARK = lazy_pattern(r"(?:[-*•·●○▪◆■□–‣◦➢✓]|[(（]?[\dA-Za-z〇一二三四五六七八九十]{1,3}[)）.、])\Z")


class Line(NamedTuple):
    """A line of a page or of one of its columns."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    mono: bool
    bold: bool
    cells: tuple[tuple[float, str], ...]
    """Left edge and text of the parts with wide gaps between them."""
    column: tuple[int, float, float]
    """Number of the column on its page, and its left and right edges."""
    page: int
    """From 0."""

    @property
    def middle(self) -> float:
        """Height of the line's middle on the page."""
        return (self.bottom + self.top) / 2


class PageText(NamedTuple):
    """What a page says: its lines, and how far it can be read."""

    lines: list[Line]
    characters: int
    """Visible ones."""
    unmapped: int
    """Characters whose font does not say what they are."""
    width: float
    height: float
    pictured: bool
    """Whether pictures cover half of it or more; looked at only where there is little text."""


def read_page(page: Any, number: int) -> PageText:
    """Read a page of pypdfium2 in reading order: column by column where there are columns, else by lines."""
    letters = read_letters(page)
    segments = _with_tables(_without_doubles(letters.segments), letters.grids)
    lines: list[Line] = []
    for column, (part, left, right) in enumerate(_columns(segments, 2)):
        lines.extend(_lines(part, (column, left, right), number))
    if letters.aside:
        edges = min(s.left for s in letters.aside), max(s.right for s in letters.aside)
        lines.extend(_lines(letters.aside, (99, *edges), number))
    pictured = letters.characters < 100 and _pictured(page, letters.width * letters.height)
    return PageText(lines, letters.characters, letters.unmapped, letters.width, letters.height, pictured)


def _pictured(page: Any, area: float) -> bool:
    from pypdfium2 import raw

    covered = 0.0
    for thing in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        try:
            left, bottom, right, top = thing.get_bounds()
        except RuntimeError:
            continue
        covered += (right - left) * (top - bottom)
    return covered > 0.5 * area


def _without_doubles(segments: list[Segment]) -> list[Segment]:
    """Leave out what is drawn twice, a hair's breadth apart, to look bold."""
    out: list[Segment] = []
    seen: dict[tuple[str, int, int], None] = {}
    for segment in segments:
        key = (segment.text, round(segment.left / 2), round(segment.bottom / 2))
        if any((key[0], key[1] + x, key[2] + y) in seen for x in (-1, 0, 1) for y in (-1, 0, 1)):
            continue
        seen[key] = None
        out.append(segment)
    return out


TABLE = "\x00"
"""What the text of a line begins with that is a whole table."""


def _with_tables(segments: list[Segment], grids: list[Grid]) -> list[Segment]:
    """Put the text inside of each ruled table into one segment that holds the table."""
    for grid in grids:
        inside = [s for s in segments if grid.holds((s.left + s.right) / 2, (s.bottom + s.top) / 2)]
        pieces = [(s.left, (s.left + s.right) / 2, (s.bottom + s.top) / 2, s.text) for s in inside]
        rows = fill_grid(grid, pieces) if inside else []
        if sum(any(row) for row in rows) < 2 or sum(any(cells) for cells in zip(*rows, strict=True)) < 2:
            continue
        left, right, bottom, top = grid.edges
        size = sorted(s.size for s in inside)[len(inside) // 2]
        held = set(map(id, inside))
        segments = [s for s in segments if id(s) not in held]
        segments.append(Segment(TABLE + pipe_table(rows), left, right, bottom, top, size, False, False))
    return segments


def _columns(segments: list[Segment], depth: int) -> list[tuple[list[Segment], float, float]]:
    """Return parts of the page in reading order, each with its left and right edge."""
    if not segments:
        return []
    left, right = min(s.left for s in segments), max(s.right for s in segments)
    gutter = _gutter(segments, left, right) if depth and 16 <= len(segments) <= MOST_SEGMENTS else None
    out: list[tuple[list[Segment], float, float]] = []
    plain: list[Segment] = []
    for crossing, zone in _zones(segments, gutter) if gutter is not None else [(True, segments)]:
        first = [s for s in zone if gutter is not None and s.right <= gutter + 1]
        second = [s for s in zone if gutter is not None and s.right > gutter + 1]
        if crossing or not _reads_as_columns(first, second):
            plain.extend(zone)
            continue
        if plain:
            out.append((plain, left, right))
            plain = []
        for part in (first, second):
            out.extend(_columns(part, depth - 1))
    if plain:
        out.append((plain, left, right))
    return out


def _gutter(segments: list[Segment], left: float, right: float) -> float | None:
    """Return the x of an empty upright strip that few segments cross, the widest and most central one."""
    step = 2.0
    bins = int((right - left) / step) + 1
    if bins > 5000:
        return None
    cover = [0] * (bins + 1)
    for segment in segments:
        cover[max(0, int((segment.left - left) / step))] += 1
        cover[min(bins, int((segment.right - left) / step) + 1)] -= 1
    total = 0
    heights = []
    for change in cover[:-1]:
        total += change
        heights.append(total)
    first, last = bins // 5, bins - bins // 5
    if last <= first:
        return None
    lowest = min(heights[first:last])
    if lowest > 0.2 * len(segments):
        return None
    runs: list[tuple[int, int]] = []
    for i in range(first, last):
        if heights[i] == lowest:
            if runs and runs[-1][1] == i:
                runs[-1] = (runs[-1][0], i + 1)
            else:
                runs.append((i, i + 1))
    a, b = max(runs, key=lambda run: (min(run[1] - run[0], 6), -abs(run[0] + run[1] - bins)))
    return left + step * (a + b) / 2 if (b - a) * step >= 6 else None


def _zones(segments: list[Segment], gutter: float) -> list[tuple[bool, list[Segment]]]:
    """Cut the page at what crosses the gutter: (whether it crosses, segments) from the top down."""
    ordered = sorted(segments, key=lambda s: -s.top)
    crossers = [s for s in ordered if s.left < gutter - 1 and s.right > gutter + 1]
    out: list[tuple[bool, list[Segment]]] = []
    heights = sorted(((s.bottom + s.top) / 2 for s in crossers), reverse=True)
    for segment in ordered:
        middle = (segment.bottom + segment.top) / 2
        crossing = any(abs(middle - h) < 0.5 * segment.size for h in heights)
        if not out or out[-1][0] != crossing:
            out.append((crossing, []))
        out[-1][1].append(segment)
    return out


def _reads_as_columns(first: list[Segment], second: list[Segment]) -> bool:
    """Tell columns of running text from a table: several lines on both sides, most of them as long as the column."""
    for part in (first, second):
        if len(part) < 4:
            return False
        left, right = min(s.left for s in part), max(s.right for s in part)
        size = sorted(s.size for s in part)[len(part) // 2]
        full = sum(s.right - s.left > 0.75 * (right - left) for s in part)
        if right - left < 10 * size or full < 0.5 * len(part):
            return False
    return True


def _lines(segments: list[Segment], column: tuple[int, float, float], page: int) -> list[Line]:
    """Put segments of the same height together, from the top down."""
    groups: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda s: (-(s.bottom + s.top) / 2, s.left)):
        middle = (segment.bottom + segment.top) / 2
        for group in reversed(groups[-3:]):
            big = max(group, key=lambda s: s.size)
            if big.bottom < middle < big.top and _side_by_side(group, segment):
                group.append(segment)
                break
        else:
            groups.append([segment])
    return [_line(sorted(group, key=lambda s: s.left), column, page) for group in groups]


def _side_by_side(group: list[Segment], segment: Segment) -> bool:
    """Tell whether a segment stands beside those of a line, not over them."""
    return all(min(s.right, segment.right) - max(s.left, segment.left) < 0.5 * min(s.size, segment.size) for s in group)


def _line(group: list[Segment], column: tuple[int, float, float], page: int) -> Line:
    cells: list[tuple[float, str]] = []
    last: Segment | None = None
    for segment in group:
        near = last is not None and segment.left - last.right <= CELL_GAP * max(last.size, segment.size)
        if last is not None and (near or (len(cells) == 1 and _MARK.match(cells[0][1]))):
            space = " " if segment.left - last.right > 0.15 * last.size else ""
            cells[-1] = (cells[-1][0], _joined(cells[-1][1], space, segment.text))
        else:
            cells.append((segment.left, segment.text))
        last = segment
    main = max(group, key=lambda s: (len(s.text), s.size))
    return Line(
        collapse("  ".join(text for _, text in cells)),
        group[0].left,
        max(s.right for s in group),
        min(s.bottom for s in group if s.size >= 0.8 * main.size),
        max(s.top for s in group if s.size >= 0.8 * main.size),
        main.size,
        main.mono,
        main.bold,
        tuple((left, collapse(text)) for left, text in cells),
        column,
        page,
    )


def _joined(left: str, space: str, right: str) -> str:
    return left + (space if space and keeps_space(left[-1], right[0]) else "") + right
