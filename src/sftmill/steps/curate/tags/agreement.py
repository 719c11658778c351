"""How well a classifier's tags agree with a model's, and from which probability on a tag is given."""

from typing import NamedTuple

import numpy as np

FEWEST = 10
"""Rows with a tag that its own bound needs; rarer tags share one."""


class Agreement(NamedTuple):
    """Agreement about one tag, or all of them."""

    rows: int
    """Rows that have the tag by the model."""
    given: int
    """Rows that have it by the classifier."""
    both: int

    @property
    def precision(self) -> float:
        """Share of the classifier's tags that the model gave, too."""
        return self.both / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        """Share of the model's tags that the classifier gives."""
        return self.both / self.rows if self.rows else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.both / (self.rows + self.given) if self.rows + self.given else 0.0


def best_bound(chances: np.ndarray, labels: np.ndarray) -> float:
    """Return the probability from which on the tags given have the best F1; all values are flat arrays."""
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(labels[order])
    scores = 2 * hits / (np.arange(1, len(order) + 1) + max(1, int(labels.sum())))
    # a bound between two equal probabilities cannot be
    ends = np.flatnonzero(np.diff(chances[order], append=-1.0) != 0)
    best = ends[np.argmax(scores[ends])] if len(ends) else 0
    return float(chances[order][best]) if len(order) else 1.0


def bounds(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a bound for each tag, from rows that the weights were not fitted to (n x c both)."""
    shared = best_bound(chances.ravel(), labels.ravel())
    counts = labels.sum(axis=0)
    return np.array(
        [
            best_bound(chances[:, at], labels[:, at]) if counts[at] >= FEWEST else shared
            for at in range(labels.shape[1])
        ],
        np.float32,
    )


def give(chances: np.ndarray, least: np.ndarray, most: int) -> np.ndarray:
    """Tell which tags each row is given: those from their bound on, the `most` likeliest."""
    given = chances >= least
    if given.shape[1] > most:
        over = np.where(given, chances, -1.0)
        worst = np.partition(over, over.shape[1] - most, axis=1)[:, over.shape[1] - most]
        given &= over >= worst[:, None]
    return given


def agree(given: np.ndarray, labels: np.ndarray) -> list[Agreement]:
    """Return the agreement about each tag."""
    both = (given & (labels > 0)).sum(axis=0)
    found = zip(labels.sum(axis=0).tolist(), given.sum(axis=0).tolist(), both.tolist(), strict=True)
    return [Agreement(int(rows), int(tags), int(hits)) for rows, tags, hits in found]


def together(parts: list[Agreement]) -> Agreement:
    """Return the agreement about all tags, each occurrence counting alike."""
    return Agreement(*(sum(column) for column in zip(*parts, strict=True))) if parts else Agreement(0, 0, 0)
