"""Database rows by the tags that they share with validation rows, as InsTag's tags make it possible (arXiv 2308.07074)."""

from collections.abc import Iterable, Iterator, Sequence
from math import log
from typing import Literal

import numpy as np

from sftmill.core import Row, Shards
from sftmill.errors import RecipeError
from sftmill.steps.curate.tags.forms import tag_key
from sftmill.steps.instruct.retrieve.choosing import Offer, by_score, in_turns
from sftmill.steps.instruct.retrieve.database import Read, pieces
from sftmill.steps.instruct.retrieve.top import Rankings

Overlap = Literal["turns", "union", "best"]
RARE = 100
"""A tag that at most one of so many rows has is enough by itself."""


class TagIndex:
    """Which rows of the database have the tags of the validation set; other tags are not kept."""

    def __init__(self, validation: Sequence[Row], common: float, weighted: bool):
        wanted = [sorted({key for tag in row.get("tags") or () if (key := tag_key(tag))}) for row in validation]
        self.names = sorted({tag for tags in wanted for tag in tags})
        self._number = {name: number for number, name in enumerate(self.names)}
        self.wanted = [np.array([self._number[tag] for tag in tags], np.int64) for tags in wanted]
        """Tags of each validation row, by their number."""
        self.common, self.weighted = common, weighted
        self.having = [np.zeros(0, np.int64) for _ in self.names]
        """Places of the rows that have each tag, ascending."""
        self.weights = np.zeros(len(self.names), np.float64)
        """What each tag counts: 0 where too many rows have it."""
        self.tagged = 0
        """Rows of the database that have any tag."""
        self.enough = np.zeros(len(self.names), bool)
        """Whether a tag is so rare that it is enough by itself."""

    def read(self, rows: Shards) -> None:
        """Look at the tags of all rows of the database."""
        having: list[list[int]] = [[] for _ in self.names]
        for place, part in pieces(rows, ("id", "tags")):
            for at, row in enumerate(part, place):
                keys = {tag_key(tag) for tag in row.get("tags") or ()} - {""}
                self.tagged += bool(keys)
                for key in keys:
                    if key in self._number:
                        having[self._number[key]].append(at)
        self.having = [np.array(places, np.int64) for places in having]
        for number, places in enumerate(self.having):
            share = len(places) / max(1, self.tagged)
            if len(places) and (share <= self.common or len(places) == 1):
                self.weights[number] = log(self.tagged / len(places)) if self.weighted else 1.0
                self.enough[number] = share * RARE <= 1

    def refuse_untagged(self) -> None:
        """Raise RecipeError where there are no tags to go by."""
        for where, number in (("validation set", len(self.names)), ("database", self.tagged)):
            if not number:
                raise RecipeError(
                    f"retrieve: no row of the {where} has tags, which the arm tags goes by; let `tag_instructions` tag "
                    "it first, or leave the arm out"
                )

    def shared(self, tags: Iterable[int], least: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that share enough of these tags, and the sum of their weights."""
        used = [tag for tag in tags if self.weights[tag] > 0]
        if not used:
            return np.zeros(0, np.int64), np.zeros(0)
        sizes = [len(self.having[tag]) for tag in used]
        rows, where = np.unique(np.concatenate([self.having[tag] for tag in used]), return_inverse=True)
        scores = np.bincount(where, np.repeat(self.weights[used], sizes), len(rows))
        counts = np.bincount(where, minlength=len(rows))
        rare = np.bincount(where, np.repeat(self.enough[used], sizes), len(rows))
        fit = (counts >= least) | (rare > 0)
        return rows[fit], np.round(scores[fit], 6)

    def names_shared(self, place: int, validation: int) -> list[str]:
        """Return the tags that a row has in common with a validation row, or with all of them where it is -1."""
        tags = np.unique(np.concatenate(self.wanted)) if validation < 0 else self.wanted[validation]
        found = [
            int(tag) for tag in tags
            if self.weights[tag] > 0 and (at := np.searchsorted(self.having[tag], place)) < len(self.having[tag])
            and self.having[tag][at] == place
        ]  # fmt: skip
        return [self.names[tag] for tag in sorted(found, key=lambda tag: (-self.weights[tag], tag))]

    def offers(self, overlap: Overlap, least: int, most: int, known: Read) -> Iterator[Offer]:
        """Yield the rows in the order in which they are chosen; each validation row has at most `most` in its ranking."""
        if overlap == "union":
            rows, scores = self.shared(range(len(self.names)), least)
            yield from by_score(*_by_quality(rows, scores, known))
            return
        places = np.zeros((0, 0), np.int64)
        rankings: list[tuple[np.ndarray, np.ndarray]] = []
        best = np.zeros(len(known))
        who = np.full(len(known), -1, np.int64)
        for number, tags in enumerate(self.wanted):
            rows, scores = self.shared(tags.tolist(), least)
            if overlap == "best":
                better = scores > best[rows]
                best[rows[better]], who[rows[better]] = scores[better], number
            else:
                order = np.lexsort((known.ties[rows], -known.quality[rows], -scores))[:most]
                rankings.append((rows[order], scores[order]))
        if overlap == "best":
            rows = np.flatnonzero(who >= 0)
            places, scores, ties = _by_quality(rows, best[rows], known)
            yield from by_score(places, scores, ties, who[rows])
        else:
            yield from in_turns(_padded(rankings))


def _by_quality(rows: np.ndarray, scores: np.ndarray, known: Read) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, scores and what decides between equals: quality first, then the row's id."""
    order = np.lexsort((known.ties[rows], -known.quality[rows]))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows))
    return rows, scores, rank


def _padded(rankings: list[tuple[np.ndarray, np.ndarray]]) -> "Rankings":
    """Return rankings of different lengths as lists; `in_turns` reads no further than a list goes."""
    return Rankings(_Lists([rows for rows, _ in rankings]), _Lists([scores for _, scores in rankings]))


class _Lists(list):
    """Arrays of different lengths, which can be turned into lists as one array can."""

    def tolist(self) -> list[list]:
        return [one.tolist() for one in self]
