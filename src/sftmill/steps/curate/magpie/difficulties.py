"""How hard instructions are, as numbers: to sort by, and to see whether they get harder from round to round."""

from collections.abc import Iterable
from statistics import mean
from typing import NamedTuple

from sftmill.core import Row

_RANKS = {
    "very easy": 0, "非常简单": 0, "很简单": 0, "很容易": 0,
    "easy": 1, "简单": 1, "容易": 1, "易": 1,
    "medium": 2, "moderate": 2, "中等": 2, "一般": 2, "适中": 2, "中": 2,
    "hard": 3, "difficult": 3, "困难": 3, "较难": 3, "难": 3,
    "very hard": 4, "very difficult": 4, "非常困难": 4, "很难": 4, "极难": 4,
}  # fmt: skip


class RoundDifficulty(NamedTuple):
    """How hard the instructions of one round are."""

    round: int
    """0 = the seeds."""
    rows: int
    """How many of them have a difficulty."""
    mean: float
    """0 = very easy, 4 = very hard."""


def difficulty_rank(word: str | None) -> int | None:
    """Return a difficulty as a number, 0 (very easy) to 4 (very hard); None for words that are no difficulty."""
    return _RANKS.get(word.strip().lower()) if word else None


def difficulty_by_round(rows: Iterable[Row]) -> list[RoundDifficulty]:
    """Return the mean difficulty of each round of a pool, in order; rows without a difficulty do not count."""
    found: dict[int, list[int]] = {}
    for row in rows:
        if (rank := difficulty_rank(row.get("difficulty"))) is not None:
            found.setdefault(row.get("round") or 0, []).append(rank)
    return [RoundDifficulty(number, len(ranks), mean(ranks)) for number, ranks in sorted(found.items())]
