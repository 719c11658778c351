"""Passage noise: passages most of whose pairs fail are bad passages, and go with all their pairs."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.text import content_hash


class PassageNoise(WholeStep):
    """Takes the share of a passage's pairs that are not grounded as a measure of the passage's noise.

    Stands behind `grounded: {drop: false}`, which lets all pairs pass with their score. Writes
    `noise` (0 to 1); drops pairs that fail as `not_grounded`, and the others of a passage with
    more noise than `most` as `noisy_passage`: text full of misread characters, tables run
    together or lists of references give pairs that fail, and those that pass by chance are no
    better. Pairs without a score pass and do not count. Reads the rows twice; memory: about 150
    bytes per passage.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "grounded")
    may_read: ClassVar[tuple[str, ...]] = ("passage_index",)
    writes: ClassVar[tuple[str, ...]] = ("noise",)

    threshold: float = Field(0.3, ge=0, le=1)
    """Least score `grounded` of a pair that holds; the same as that of the step `grounded`."""
    most: float = Field(0.5, ge=0, le=1)
    """Noise above which all pairs of a passage go."""
    least_pairs: int = Field(4, ge=1)
    """Pairs that a passage must have for its noise to be held against it."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows in stream order with their passage's noise, those taken out as Dropped."""
        pairs: dict[int, int] = {}
        for row in inputs["rows"].rows():
            if row.get("grounded") is not None:
                # Two counts in one number: all pairs below, those that fail above.
                key = _passage_key(row)
                pairs[key] = pairs.get(key, 0) + 1 + (self._fails(row) << 32)
        for row in inputs["rows"].rows():
            both = pairs.get(_passage_key(row), 0)
            count, failed = both & 0xFFFFFFFF, both >> 32
            noise = round(failed / count, 4) if count else None
            row = {**row, "noise": noise}
            facts = {"noise": noise, "pairs": count}
            if row.get("grounded") is not None and self._fails(row):
                why = f"score {row['grounded']:.2f} is below {self.threshold}"
                yield Dropped(row, "not_grounded", {**facts, "grounded": row["grounded"], "why": why})
            elif count >= self.least_pairs and noise > self.most:
                yield Dropped(row, "noisy_passage", {**facts, "why": f"{failed} of the passage's {count} pairs fail"})
            else:
                yield row

    def _fails(self, row: Row) -> bool:
        return row["grounded"] < self.threshold


def _passage_key(row: Row) -> int:
    """Return 64 bits that stand for a row's passage: its place in its document, or else its text."""
    index = row.get("passage_index")
    parts = (row.get("passage") or "",) if index is None else (row.get("root") or "", str(index))
    return int(content_hash(*parts)[:16], 16)
