"""In which order database rows are chosen: in turns of the validation rows, or by one score for all of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sftmill.steps.instruct.retrieve.top import Rankings
from sftmill.text import content_hash

NOBODY = -1


class Offer(NamedTuple):
    """A database row that may be chosen next."""

    place: int
    score: float
    validation: int
    """Number of the validation row that it is offered for; `NOBODY` where it is offered for all or for none."""


def in_turns(rankings: Rankings) -> Iterator[Offer]:
    """Yield rows in rounds, in each of which every validation row offers its best one that is not yet offered.

    This is the rule of RDS+ (arXiv 2503.01807): a validation row that is near everything cannot take all, and one that
    is near nothing has its share. A validation row whose ranking is used up has no more turns.
    """
    places, scores = rankings.places.tolist(), rankings.scores.tolist()
    at = [0] * len(places)
    offered: set[int] = set()
    waiting = list(range(len(places)))
    while waiting:
        still = []
        for who in waiting:
            ranking, place = places[who], at[who]
            while place < len(ranking) and ranking[place] in offered:
                place += 1
            at[who] = place + 1
            if place < len(ranking):
                offered.add(ranking[place])
                still.append(who)
                yield Offer(ranking[place], scores[who][place], who)
        waiting = still


def by_score(
    places: np.ndarray, scores: np.ndarray, ties: np.ndarray, who: np.ndarray | None = None
) -> Iterator[Offer]:
    """Yield rows with the highest score first; among equals the one with the least of `ties`.

    All arrays belong together; `who` is the validation row that gave each score.
    """
    order = np.lexsort((places, ties, -scores))
    for at in order.tolist():
        yield Offer(int(places[at]), float(scores[at]), NOBODY if who is None else int(who[at]))


def by_chance(places: np.ndarray, chance: np.ndarray) -> Iterator[Offer]:
    """Yield rows in the order of `chance`, a number for each that depends on its content alone."""
    for at in np.lexsort((places, chance)).tolist():
        yield Offer(int(places[at]), 0.0, NOBODY)


def shuffled(numbers: np.ndarray, name: str) -> np.ndarray:
    """Return other numbers for these (uint64), one for one; another name makes an order that has nothing to do with this.

    The steps are those of SplitMix64, which no two numbers leave as one.
    """
    mixed = numbers + np.uint64(int(content_hash(name)[:16], 16))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
