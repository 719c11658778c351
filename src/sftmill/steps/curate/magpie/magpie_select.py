"""Takes a number of rows in an order that does not have to prefer long answers."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep, answer
from sftmill.steps.curate.magpie.difficulties import difficulty_rank
from sftmill.text import content_hash

CHUNK = 20_000
"""Rows that are held in memory at once; there is one look at the stream for each chunk that is handed on."""

Order = Literal["hash", "length", "score", "difficulty"]


class MagpieSelect(WholeStep):
    """Takes the first `most` rows in an order, and hands them on in it.

    By default chance decides, which prefers nothing, least of all long answers. `length` is the order of the published
    Magpie sets: the longest answer first, in characters; models trained on it answer at length. `score` and
    `difficulty` begin with the highest. Rows that have none come last, and between equals chance decides.
    Drops the others as `not_taken`, with their rank.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("score", "difficulty")

    most: int = Field(ge=1)
    """Rows to take."""
    order: Order = "hash"
    """hash = by chance, length = longest answer first, score = best first, difficulty = hardest first."""
    seed: int = 0
    """Another number is another chance."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | Dropped]:
        """Yield the rows taken, in order, then the others as Dropped."""
        keys = [(*self._key(row), place) for place, row in enumerate(inputs["rows"].rows())]
        keys.sort()
        ranks = {key[-1]: rank for rank, key in enumerate(keys)}
        taken = min(self.most, len(keys))
        del keys
        for start in range(0, taken, CHUNK):
            wanted = range(start, min(start + CHUNK, taken))
            chunk: dict[int, Row] = {}
            for place, row in enumerate(inputs["rows"].rows()):
                if ranks[place] in wanted:
                    chunk[ranks[place]] = row
            for rank in wanted:
                yield chunk[rank]
        for place, row in enumerate(inputs["rows"].rows()):
            if ranks[place] >= taken:
                yield Dropped(row, "not_taken", {"rank": ranks[place] + 1, "most": self.most})

    def _key(self, row: Row) -> tuple[float, str]:
        """Return what the rows are sorted by, the least first."""
        chance = content_hash(str(self.seed), row["id"])
        if self.order == "length":
            return -len(answer(row)), chance
        if self.order == "score":
            score = row.get("score")
            return (float("inf") if score is None or score != score else -score), chance
        if self.order == "difficulty":
            rank = difficulty_rank(row.get("difficulty"))
            return (float("inf") if rank is None else -rank), chance
        return 0.0, chance
