"""The lines drawn on a page of a PDF -> the grids of its tables, and what stands in their cells."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

THIN = 2.5
"""Points up to which a drawn box is a rule rather than an area."""
NEAR = 3.0
"""Points within which two rules meet."""
MOST_RULES = 4000
"""Rules of a page above which it is a drawing, not a table."""
MOST_GRIDS = 50
"""Tables of a page that are looked at."""

Edges = tuple[float, float, float, float]
"""Left, right, bottom, top."""


class Rule(NamedTuple):
    """A drawn line: at `at` across the other direction, from `start` to `end`."""

    at: float
    start: float
    end: float


class Grid(NamedTuple):
    """A ruled table: the heights of its horizontal rules from the top, the places of its upright ones, and all rules."""

    heights: list[float]
    places: list[float]
    across: list[Rule]
    upright: list[Rule]

    @property
    def edges(self) -> Edges:
        """Return left, right, bottom, top."""
        return self.places[0], self.places[-1], self.heights[-1], self.heights[0]

    def holds(self, x: float, y: float) -> bool:
        """Tell whether a point lies inside."""
        left, right, bottom, top = self.edges
        return left - 1 <= x <= right + 1 and bottom - 1 <= y <= top + 1


def find_grids(page: Any, turned: Callable[[Edges], Edges]) -> list[Grid]:
    """Return the ruled tables of a page of pypdfium2: at least two columns, and rules above and below."""
    across, upright = _rules(page, turned)
    if len(across) < 2 or not upright:
        return []
    across, upright = _merged(across), _merged(upright)
    grids = []
    for flat, tall in _connected(across, upright):
        heights = sorted(_distinct([rule.at for rule in flat]), reverse=True)
        sides = [min(rule.start for rule in flat), max(rule.end for rule in flat)]
        places = sorted(_distinct([rule.at for rule in tall] + sides))
        if 2 <= len(heights) <= 400 and 3 <= len(places) <= 60 and len(grids) < MOST_GRIDS:
            grids.append(Grid(heights, places, flat, tall))
    return grids


def _rules(page: Any, turned: Callable[[Edges], Edges]) -> tuple[list[Rule], list[Rule]]:
    from pypdfium2 import raw

    across: list[Rule] = []
    upright: list[Rule] = []
    for thing in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=1):
        if len(across) + len(upright) > MOST_RULES:
            return [], []
        try:
            a, b, c, d = thing.get_bounds()
        except RuntimeError:
            continue
        left, right, bottom, top = turned((a, c, b, d))
        wide, high = right - left, top - bottom
        if high <= THIN and wide >= 8:
            across.append(Rule((bottom + top) / 2, left, right))
        elif wide <= THIN and high >= 5:
            upright.append(Rule((left + right) / 2, bottom, top))
        elif wide >= 8 and high >= 5 and _is_stroked(thing) and raw.FPDFPath_CountSegments(thing.raw) <= 6:
            across += [Rule(bottom, left, right), Rule(top, left, right)]
            upright += [Rule(left, bottom, top), Rule(right, bottom, top)]
    return across, upright


def _is_stroked(thing: Any) -> bool:
    import ctypes

    from pypdfium2 import raw

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    return bool(raw.FPDFPath_GetDrawMode(thing.raw, fill, stroke)) and bool(stroke.value)


def _merged(rules: list[Rule]) -> list[Rule]:
    """Put together the pieces of rules that lie on one line."""
    out: list[Rule] = []
    for rule in sorted(rules, key=lambda r: (round(r.at / 2), r.start)):
        if out and abs(out[-1].at - rule.at) <= THIN and rule.start <= out[-1].end + NEAR:
            out[-1] = Rule(out[-1].at, out[-1].start, max(out[-1].end, rule.end))
        else:
            out.append(rule)
    return out


def _connected(across: list[Rule], upright: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Group rules that touch one another; the groups with rules in both directions."""
    group = list(range(len(across)))

    def head(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    touching: list[int | None] = []
    for tall in upright:
        met = [i for i, flat in enumerate(across) if _meet(flat, tall)]
        for i in met[1:]:
            group[head(i)] = head(met[0])
        touching.append(met[0] if met else None)
    found: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for i, flat in enumerate(across):
        found.setdefault(head(i), ([], []))[0].append(flat)
    for tall, i in zip(upright, touching, strict=True):
        if i is not None:
            found[head(i)][1].append(tall)
    return [(flat, tall) for flat, tall in found.values() if tall and len(flat) > 1]


def _meet(flat: Rule, tall: Rule) -> bool:
    return flat.start - NEAR <= tall.at <= flat.end + NEAR and tall.start - NEAR <= flat.at <= tall.end + NEAR


def _distinct(values: list[float]) -> list[float]:
    out: list[float] = []
    for value in sorted(values):
        if not out or value - out[-1] > NEAR:
            out.append(value)
    return out


def fill_grid(grid: Grid, pieces: list[tuple[float, float, float, str]]) -> list[list[str]]:
    """Return the rows of a table from (left, middle x, middle y, text) of its lines of text, read from the top down.

    A cell that reaches over several rows stands in each of them; one over several columns in its first.
    """
    rows, columns = len(grid.heights) - 1, len(grid.places) - 1
    cells = _merged_cells(grid, rows, columns)
    inside: dict[tuple[int, int], list[tuple[float, float, str]]] = {}
    for left, x, y, text in pieces:
        row = next((i for i in range(rows) if y >= grid.heights[i + 1]), rows - 1)
        column = next((i for i in range(columns) if x < grid.places[i + 1]), columns - 1)
        inside.setdefault(cells[row][column], []).append((y, left, text))
    table = [
        ["" if at[1] != column else _cell(inside.get(at, [])) for column, at in enumerate(first)] for first in cells
    ]
    return _as_lines(table) or table


def _merged_cells(grid: Grid, rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """Return of each place in the table the first row and column of the cell that it belongs to."""
    middles = [(a + b) / 2 for a, b in pairwise(grid.heights)]
    centres = [(a + b) / 2 for a, b in pairwise(grid.places)]
    parted = {
        (row, column)
        for rule in grid.upright
        for column in [min(range(columns + 1), key=lambda i: abs(grid.places[i] - rule.at))]
        for row in range(rows)
        if rule.start - 1 <= middles[row] <= rule.end + 1
    }
    ruled = {
        (row, column)
        for rule in grid.across
        for row in [min(range(rows + 1), key=lambda i: abs(grid.heights[i] - rule.at))]
        for column in range(columns)
        if rule.start - 1 <= centres[column] <= rule.end + 1
    }
    cells: list[list[tuple[int, int]]] = []
    for row in range(rows):
        cells.append([])
        for column in range(columns):
            if column and (row, column) not in parted:
                cells[row].append(cells[row][column - 1])
            elif row and (row, column) not in ruled:
                cells[row].append(cells[row - 1][column])
            else:
                cells[row].append((row, column))
    return cells


def _cell(parts: list[tuple[float, float, str]]) -> str:
    """Put the lines of a cell one below the other; parts of about the same height are one line."""
    lines: list[tuple[float, list[tuple[float, str]]]] = []
    for y, left, text in sorted(parts, key=lambda part: -part[0]):
        if lines and lines[-1][0] - y < 4:
            lines[-1][1].append((left, text))
        else:
            lines.append((y, [(left, text)]))
    return "\n".join(" ".join(text for _, text in sorted(line)) for _, line in lines)


def _as_lines(table: list[list[str]]) -> list[list[str]]:
    """Return the rows of a table that has rules only below its header: each line of its body is a row."""
    if len(table) > 2 or not all(cell.count("\n") >= 3 for cell in table[-1] if cell):
        return []
    counts = {cell.count("\n") for cell in table[-1]}
    if len(counts) != 1:
        return []
    body = [cell.split("\n") for cell in table[-1]]
    return [*table[:-1], *(list(row) for row in zip(*body, strict=True))]
