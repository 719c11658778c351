"""Database rows by the nearness of their vectors to those of validation rows."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from sftmill.steps.instruct.retrieve.choosing import NOBODY, Offer, by_score, in_turns
from sftmill.steps.instruct.retrieve.top import Rankings, nearest
from sftmill.steps.instruct.retrieve.vectors import Vectors, to_unit

Order = Literal["turns", "nearest"]
SHARE_OF_COMPANY = 10
"""A validation set of n rows has at most one in so many of them in a company, or all would become one."""
DEEPER = 10
"""Length of each ranking as a multiple of a validation row's share of the budget: others may take what is in it."""
SHALLOWEST = 64
SAMPLE = 4096
"""Database rows that say what is near everything."""
FAR = 2.0
"""Standard deviations above the mean from which on a row is nearer to all others than rows are."""
DIGITS = 6
"""Decimals of a cosine that count: further ones depend on how products are cut into blocks."""


class Neighbourhood:
    """The validation rows' vectors, each moved to the middle of its nearest fellows, and what is near everything."""

    def __init__(self, validation: np.ndarray, company: int):
        self.alone = validation
        size = max(1, min(company, len(validation) // SHARE_OF_COMPANY))
        self.asking = in_company(validation, size)
        """What stands for each validation row, q x d unit vectors."""

    def hubs(self, vectors: Vectors, ties: np.ndarray) -> np.ndarray:
        """Tell of each database row whether it is near everything, and no nearer to the validation set than to all else."""
        some = np.sort(np.argsort(ties, kind="stable")[:SAMPLE])
        middle = vectors.at(some).mean(axis=0)
        usual = np.round(vectors.at(some) @ middle, DIGITS)
        bound = usual.mean() + FAR * usual.std()
        asked = self.alone.mean(axis=0)
        hubs = np.zeros(len(ties), bool)
        for places, block in vectors.blocks():
            everywhere = np.round(block @ middle, DIGITS)
            hubs[places] = (everywhere > bound) & (np.round(block @ asked, DIGITS) <= everywhere)
        return hubs

    def offers(
        self, vectors: Vectors, order: Order, budget: int, allowed: np.ndarray, ties: np.ndarray
    ) -> Iterator[Offer]:
        """Yield rows in the order in which they are chosen, with their cosines; `allowed` are the places that may be."""
        if order == "turns":
            most = min(len(allowed), max(SHALLOWEST, -(-DEEPER * budget // max(1, len(self.asking)))))
            found = nearest(self.asking, vectors.blocks(allowed), most)
            yield from in_turns(self._settled(found, vectors, ties))
        else:
            places, scores, who = self._best(vectors, allowed)
            yield from by_score(places, scores, ties[places], who)

    def _settled(self, found: Rankings, vectors: Vectors, ties: np.ndarray) -> Rankings:
        """Return rankings whose order does not depend on how the products were made."""
        places, scores = found.places.copy(), found.scores.astype(np.float64)
        for number, ranking in enumerate(found.places):
            cosines = np.round(vectors.at(ranking).astype(np.float64) @ self.asking[number].astype(np.float64), DIGITS)
            order = np.lexsort((ties[ranking], -cosines))
            places[number], scores[number] = ranking[order], cosines[order]
        return Rankings(places, scores)

    def _best(self, vectors: Vectors, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the rows with the cosine of the validation row that is nearest, and its number."""
        scores = np.zeros(len(allowed))
        who = np.full(len(allowed), NOBODY, np.int64)
        start = 0
        for _, block in vectors.blocks(allowed):
            for begin in range(0, len(block), 1024):
                products = block[begin : begin + 1024] @ self.asking.T
                at = slice(start + begin, start + begin + len(products))
                who[at] = products.argmax(axis=1)
                scores[at] = np.round(products.max(axis=1).astype(np.float64), DIGITS)
            start += len(block)
        return allowed, scores, who

    def copies(self, vectors: Vectors, places: np.ndarray) -> np.ndarray:
        """Return the cosine of each row with the validation row that is nearest to it, as it stands."""
        made = [(block @ self.alone.T).max(axis=1) for _, block in vectors.blocks(places)]
        return np.round(np.concatenate(made), DIGITS) if made else np.zeros(0)


def in_company(vectors: np.ndarray, size: int) -> np.ndarray:
    """Return unit vectors, each in the middle of itself and the nearest others, `size` in all."""
    if size <= 1:
        return vectors
    made = np.empty_like(vectors)
    for start in range(0, len(vectors), 1024):
        products = vectors[start : start + 1024] @ vectors.T
        for at, line in enumerate(np.round(products, DIGITS), start):
            near = np.lexsort((np.arange(len(line)), -line))[:size]
            made[at] = vectors[near].mean(axis=0)
    return to_unit(made)
