"""Where the line is drawn between rows that stay and rows that go: by rank, for all rows or group by group."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from sftmill.core import Shards
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.text import content_hash

Spread = Literal["even", "proportional"]

REASONS = ("", "no_value", "below_least", "above_most", "over_budget", "too_similar")
"""Why a row goes, by its number; the first one means that it stays."""
NO_VALUE, BELOW, ABOVE, OVER, SIMILAR = 1, 2, 3, 4, 5


class Cut(NamedTuple):
    """What becomes of n rows."""

    why: np.ndarray
    """Number of the reason in `REASONS`, 0 for rows that stay."""
    rank: np.ndarray
    """Place of each row in its group's order, from 0; -1 for rows that were not ranked."""


def draw_chances(rows: Shards, seed: int) -> np.ndarray:
    """Return a number for each row, 0 to 2**60 - 1, that depends on its id and the seed alone."""
    start = str(seed)
    found = [
        np.fromiter((int(content_hash(start, name)[:15], 16) for name in batch.column("id").to_pylist()), np.int64)
        for batch in read_batches(rows, ["id"])
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def count_budget(budget: int | None, share: float | None, rows: int) -> int:
    """Return how many rows to take at most: the lesser of the number and the share of all rows."""
    most = rows if budget is None else min(budget, rows)
    return most if share is None else min(most, round(share * rows))


def make_cut(
    keys: np.ndarray,
    chance: np.ndarray,
    why: np.ndarray,
    budget: int,
    groups: np.ndarray | None = None,
    quotas: Mapping[int, int] | None = None,
    spread: Spread = "even",
) -> Cut:
    """Return what becomes of rows of which the greatest keys are taken, up to `budget`; between equals chance decides.

    Rows that already have a reason in `why` to go are not ranked. With `groups`, a number for each row, those that
    `quotas` names take so many rows, and the others share what is left of the budget.
    """
    ranked = np.flatnonzero(why == 0)
    order = ranked[np.lexsort((ranked, chance[ranked], -keys[ranked]))]
    why, rank = why.copy(), np.full(len(keys), -1, np.int64)
    groups = np.zeros(len(keys), np.int64) if groups is None else groups
    number = int(groups.max(initial=-1)) + 1
    sizes = np.bincount(groups[order], minlength=number)
    taken = _shares(sizes, budget, quotas or {}, spread)
    by_group = order[np.argsort(groups[order], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    rank[by_group] = np.arange(len(by_group)) - starts[groups[by_group]]
    why[by_group[rank[by_group] >= taken[groups[by_group]]]] = OVER
    return Cut(why, rank)


def _shares(sizes: np.ndarray, budget: int, quotas: Mapping[int, int], spread: Spread) -> np.ndarray:
    """Return how many rows each group gives, of `sizes` rows that it has."""
    taken = np.zeros(len(sizes), np.int64)
    for group, quota in quotas.items():
        taken[group] = min(quota, sizes[group])
    others = [group for group in range(len(sizes)) if group not in quotas]
    left = max(0, budget - int(taken.sum()))
    share = share_evenly if spread == "even" else share_by_size
    taken[others] = share(sizes[others].tolist(), left)
    return taken


def share_evenly(sizes: Sequence[int], budget: int) -> list[int]:
    """Return how many rows groups give, all the same number; what a small group cannot give the others do."""
    given = [0] * len(sizes)
    left = min(budget, sum(sizes))
    waiting = sorted(range(len(sizes)), key=lambda group: (sizes[group], group))
    for done, group in enumerate(waiting):
        # what does not divide is given by the larger groups
        given[group] = min(sizes[group], left // (len(waiting) - done))
        left -= given[group]
    return given


def share_by_size(sizes: Sequence[int], budget: int) -> list[int]:
    """Return how many rows groups give in proportion to their sizes (largest remainders, the first of equals)."""
    total = sum(sizes)
    if budget >= total:
        return list(sizes)
    exact = [(size * budget // total, size * budget % total) for size in sizes]
    given = [whole for whole, _ in exact]
    by_rest = sorted(range(len(sizes)), key=lambda group: (-exact[group][1], group))
    for group in by_rest[: budget - sum(given)]:
        given[group] += 1
    return given
