"""The published filter of Magpie, clause by clause, without its preference for long answers."""

from typing import ClassVar, Literal

from sftmill.core import Drop, Row, RowStep
from sftmill.steps.curate.user_text import user_text

Quality = Literal["very poor", "poor", "average", "good", "excellent"]


class MagpieFilter(RowStep):
    """Keeps the instructions that pass the published filter of Magpie (arXiv 2406.08464).

    The clauses, in this order: the quality tag is good or excellent, and a row without one never passes; the reward in
    `score` is above -10, where there is one; the instruction does not end with a colon; the row stands for all that
    ask the same, where `neighbours` has found them. Each clause can be switched off. The published sets then take the
    longest answers first, which is a preference for length; `magpie_select` takes a number of rows without it.
    Drops: `untagged`, `low_quality`, `low_reward`, `ends_with_colon`, `near_duplicate`.
    """

    quick = True
    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("quality", "score", "cluster", "neighbour_distance")

    qualities: tuple[Quality, ...] = ("good", "excellent")
    """Values of `quality` that pass; empty = any, also none."""
    above: float | None = -10.0
    """What `score` must be greater than, where there is one; null = anything."""
    endings: tuple[str, ...] = (":", "：")
    """What an instruction must not end with: it announces something that does not follow; empty = anything."""
    representatives: bool = True
    """Whether only one of those that ask the same passes, the earliest."""

    def row(self, row: Row) -> Row:
        """Return the row as it is, or drop it."""
        quality, score, cluster = row.get("quality"), row.get("score"), row.get("cluster")
        if self.qualities and quality is None:
            raise Drop("untagged")
        if self.qualities and quality not in self.qualities:
            raise Drop("low_quality", quality=quality)
        # written so that a score that is not a number does not pass
        if self.above is not None and score is not None and not score > self.above:
            raise Drop("low_reward", score=score)
        if self.endings and user_text(row).rstrip().endswith(self.endings):
            raise Drop("ends_with_colon")
        if self.representatives and cluster is not None and cluster != row["id"]:
            raise Drop("near_duplicate", of=cluster, distance=row.get("neighbour_distance"))
        return row
