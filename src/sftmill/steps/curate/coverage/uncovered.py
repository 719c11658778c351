"""What is asked that nothing in a pool is near to, by meaning alone: a second look that needs no labels and no grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sftmill.steps.curate.near.nearest import to_unit
from sftmill.text import keywords

BLOCK = 2048
"""Vectors compared at once; a block of products takes 16 MB."""
MOST_CLUSTERED = 20_000
"""Uncovered questions that are put into clusters; time and memory grow with their square."""
NAMED_BY = 200
"""Questions of a cluster that its keywords are taken from."""


@dataclass(frozen=True)
class Cluster:
    """Questions alike that nothing in the pool is near to."""

    members: tuple[int, ...]
    """Their places in the demand; the first is the one that most others are near to."""
    weight: float
    """How often they are asked, all together."""
    words: tuple[str, ...]
    """Keywords that tell what they are about."""


@dataclass(frozen=True)
class Nearness:
    """How near a pool comes to what is asked."""

    similarity: np.ndarray
    """Cosine of each question with the nearest instruction of the pool, -1 to 1."""
    least: float
    """Cosine from which a question counts as covered."""
    covered: float
    """Share of the demand with an instruction that near, weighed, 0 to 1."""
    clusters: tuple[Cluster, ...]
    """What is not covered, the most asked about first."""


def measure_nearness(
    demand: np.ndarray,
    pool: np.ndarray,
    texts: Sequence[str],
    lang: str,
    weights: Sequence[float] | None = None,
    least: float | None = None,
) -> Nearness:
    """Return how much of a demand (n x d vectors, with n texts) a pool (m x d) comes near to, and what it does not.

    `least` None = the median cosine of questions of the demand with their nearest other one: an instruction that is
    as near to a question as questions mostly are to each other counts as an answer to the same need. Clusters:
    the question with the most others within `least` takes them, then the one with the most of the rest, and so on.
    """
    asked, have = to_unit(np.asarray(demand, np.float32)), to_unit(np.asarray(pool, np.float32))
    weight = np.ones(len(asked)) if weights is None else np.asarray(weights, np.float64)
    if least is None:
        least = float(np.median(nearest_cosine(asked, asked, apart=True))) if len(asked) > 1 else 0.5
    similarity = nearest_cosine(asked, have)
    out = np.flatnonzero(similarity < least - 1e-6)
    covered = 1.0 - float(weight[out].sum() / weight.sum()) if weight.sum() else 1.0
    return Nearness(similarity, least, covered, _clusters(asked, out, weight, least, texts, lang))


def nearest_cosine(ones: np.ndarray, others: np.ndarray, apart: bool = False) -> np.ndarray:
    """Return the cosine of each unit vector with the nearest of others; `apart`: the others are the same, not itself."""
    best = np.full(len(ones), -1.0, np.float32)
    for start in range(0, len(ones), BLOCK):
        rows = slice(start, min(start + BLOCK, len(ones)))
        for left in range(0, len(others), BLOCK):
            products = ones[rows] @ others[left : left + BLOCK].T
            if apart and left == start:
                np.fill_diagonal(products, -1.0)
            np.maximum(best[rows], products.max(axis=1), out=best[rows])
    return np.clip(best, -1.0, 1.0)


def _clusters(
    unit: np.ndarray, out: np.ndarray, weight: np.ndarray, least: float, texts: Sequence[str], lang: str
) -> tuple[Cluster, ...]:
    chosen = out[np.argsort(-weight[out], kind="stable")][:MOST_CLUSTERED]
    near = [
        np.flatnonzero(row)
        for start in range(0, len(chosen), BLOCK)
        for row in unit[chosen[start : start + BLOCK]] @ unit[chosen].T >= least - 1e-6
    ]
    free = np.ones(len(chosen), bool)
    crowd = np.array([weight[chosen[found]].sum() for found in near])
    made = []
    while free.any():
        first = int(np.where(free, crowd, -np.inf).argmax())
        taken = near[first][free[near[first]]]
        taken = np.array([first, *taken[taken != first]])
        free[taken] = False
        for one in taken:  # whoever was near to those taken has fewer to take itself
            crowd[near[one]] -= weight[chosen[one]]
        members = tuple(int(chosen[i]) for i in taken)
        said = "\n".join(texts[i] for i in members[:NAMED_BY])
        made.append(Cluster(members, float(weight[list(members)].sum()), tuple(keywords(said, lang, 4))))
    return tuple(sorted(made, key=lambda one: (-one.weight, one.members)))
