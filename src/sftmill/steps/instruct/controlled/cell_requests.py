"""What the requests of a controlled generation ask for: which cells, how many, and what they show."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from sftmill.core import Row, question
from sftmill.steps.grid import Cell, Grid
from sftmill.steps.instruct.self_instruct.instruction_list import one_line
from sftmill.text import content_hash

SHOWN, AVOIDED = 3, 6
"""Most examples in a prompt, and most instructions of its cell that are not to be repeated."""


class Request(NamedTuple):
    """A request for so many instructions of a cell; `part` counts those for the same cell in the same round."""

    cell: Cell
    number: int
    part: int


def plan_requests(lacking: Mapping[Cell, int], oversample: float, items: int, most: int) -> Iterator[Request]:
    """Yield requests for `oversample` times what cells lack, up to `items` each and `most` in all.

    Every cell has its first request before any has its second, so that `most` starves none.
    """
    totals = {cell: math.ceil(lack * oversample) for cell, lack in lacking.items()}
    made = part = 0
    while asking := [cell for cell, total in totals.items() if total > part * items]:
        for cell in asking:
            if made == most:
                return
            made += 1
            yield Request(cell, min(items, totals[cell] - part * items), part)
        part += 1


def choose_shown(
    cell: Cell, grid: Grid, seeds: Sequence[Row], there: Sequence[Row], place: tuple[int, ...]
) -> tuple[list[str], list[Row], list[Row]]:
    """Return what a request shows: examples of the grid file, seeds, and instructions that are not to be repeated.

    Seeds of the cell, or of none, come before those of other cells. `place` (seed, round, part) decides what
    chance would.
    """
    chance = Random(content_hash("controlled", *cell, *map(str, place)))
    written = list(grid.examples().get(cell, ()))
    shown = chance.sample(written, min(SHOWN, len(written)))
    near = [row for row in seeds if grid.cell_of(row) in (cell, None)] or list(seeds)
    return (
        shown,
        chance.sample(near, min(SHOWN - len(shown), len(near))),
        chance.sample(list(there), min(AVOIDED, len(there))),
    )


def text_of(row: Row) -> str:
    """Return the instruction of a row without its input, on one line."""
    return one_line(row.get("instruction") or question(row))


def short_cells(grid: Grid, rows: Sequence[Row]) -> dict[Cell, int]:
    """Return how many rows each cell of a grid still lacks, cells that have enough left out."""
    have = Counter(grid.cell_of(row) for row in rows)
    return {cell: count - have[cell] for cell, count in grid.wanted().items() if count > have[cell]}
