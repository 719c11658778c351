"""Holes as orders: how many instructions of each cell to make, in the file that `controlled` reads."""

import math
from collections.abc import Mapping, Sequence

from sftmill.steps.curate.coverage.coverage import CellMap, CoverageMap
from sftmill.steps.grid import Cell, grid_text


def needed(found: CoverageMap) -> int:
    """Return how many instructions it takes until every hole has its due of the pool that is then larger.

    Holes with the share P of the demand and Y instructions take (P * m - Y) / (1 - P) more in a pool of m. That grows
    without bound as P comes near 1, so no more than m is asked for, unless even `ratio` of their due takes more.
    """
    holes = found.holes
    asked, have = math.fsum(one.demand for one in holes), sum(one.supply for one in holes)
    pool, ratio = found.pool.inside, found.rule.ratio
    whole = (asked * pool - have) / (1 - asked) if asked < 1 - 1e-9 else math.inf
    closing = (ratio * asked * pool - have) / (1 - ratio * asked) if ratio * asked < 1 - 1e-9 else pool
    return max(math.ceil(min(whole, max(pool, closing)) - 1e-9), len(holes))


def fill_quotas(found: CoverageMap, total: int | None = None, per_cell: int | None = None) -> dict[Cell, int]:
    """Return how many instructions each hole should get: `total` shared out, or `per_cell` for each.

    `total` is given out until what holes have and get stands in proportion to the demand, as far as it goes, and comes
    to exactly that number (largest remainders), with one for every hole where it suffices. None = what is `needed`,
    and no fewer than the rule's `least` in any hole.
    """
    holes = found.holes
    if per_cell is not None:
        return {one.cell: per_cell for one in holes if per_cell > 0}
    counts = level(
        [one.demand for one in holes], [one.supply for one in holes], needed(found) if total is None else total
    )
    if sum(counts) >= len(holes):
        _give_each_one(counts, [one.demand for one in holes])
    if total is None:
        counts = [max(count, found.rule.least - one.supply) for one, count in zip(holes, counts, strict=True)]
    return {one.cell: count for one, count in zip(holes, counts, strict=True) if count}


def level(demand: Sequence[float], supply: Sequence[int], total: int) -> list[int]:
    """Return `total` shared out so that supply and share together come as close to the demand's proportions as can be.

    Whoever has more than its proportion gets nothing; the others get up to the same multiple of their demand. Whole
    numbers by largest remainders, ties in order. All demands must be positive.
    """
    if not demand or total <= 0:
        return [0] * len(demand)
    order = sorted(range(len(demand)), key=lambda i: supply[i] / demand[i])
    wanted, have, height = 0.0, 0, 0.0
    for place, i in enumerate(order):
        wanted, have = wanted + demand[i], have + supply[i]
        height = (total + have) / wanted
        after = order[place + 1] if place + 1 < len(order) else None
        if after is None or height <= supply[after] / demand[after]:
            break
    exact = [max(0.0, height * d - s) for d, s in zip(demand, supply, strict=True)]
    counts = [math.floor(value + 1e-9) for value in exact]
    ranked = sorted((i for i, value in enumerate(exact) if value > 0), key=lambda i: (counts[i] - exact[i], i))
    for i in ranked[: max(0, total - sum(counts))]:
        counts[i] += 1
    return counts


def quota_text(found: CoverageMap, counts: Mapping[Cell, int]) -> str:
    """Return the YAML of a grid that orders these counts, with what is asked there as examples.

    What is secret is left out: a grid file says nothing of who may see its examples, and the step that reads them takes
    them for internal.
    """
    examples = {
        one.cell: tuple(example.text for example in one.examples if example.sensitivity != "secret")
        for one in found.holes
    }
    return grid_text(found.grid, counts, examples)


def lacking(one: CellMap) -> float:
    """Return how many instructions a cell lacks to its due in the pool as it is, 0 or more."""
    return max(0.0, one.due - one.supply)


def _give_each_one(counts: list[int], demand: Sequence[float]) -> None:
    """Take from the largest counts what those without any need, so that no hole is left out."""
    for i in sorted((i for i, count in enumerate(counts) if not count), key=lambda i: -demand[i]):
        richest = max(range(len(counts)), key=lambda j: (counts[j], -j))
        if counts[richest] < 2:
            return
        counts[richest] -= 1
        counts[i] += 1
