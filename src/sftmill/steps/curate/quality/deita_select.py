"""DEITA's selection: the rows with the best scores, those alone that are unlike all taken before."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.columns import COLUMNS
from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.steps.curate.dedup.reading import read_texts
from sftmill.steps.curate.dedup.sorting import read_ids
from sftmill.steps.curate.dedup.texts import By
from sftmill.steps.curate.quality.columns_read import number_problem, read_numbers
from sftmill.steps.curate.quality.cut import BELOW, NO_VALUE, OVER, SIMILAR, Cut, draw_chances
from sftmill.steps.curate.quality.cut_report import write_report
from sftmill.steps.curate.quality.diverse import BLOCK, Admitted
from sftmill.steps.curate.quality.handing_on import hand_on

CHUNK = 20_000
"""Rows whose texts are held in memory at once; there is one look at the stream for each such chunk that is offered."""
LEAST = 64
"""Rows that are offered at once at least."""


class DeitaSelect(WholeStep):
    """Takes rows in the order of their score, each only if it is unlike all that were taken before it, up to a budget.

    This is the diversity filter of DEITA (arXiv 2312.15685) in its sequential form: a row that was refused makes no
    other row go. Vectors are asked for as far as the walk comes, and not for all rows. Rows keep their order; between
    equal scores chance decides, by the rows' ids. Numbers make no difference here: of ten questions that differ in one
    number, one is taken. How the score falls, and rows on both sides of the line, stand in `<file>.csv` and
    `<file>_at_the_line.jsonl` in the export folder.
    Drops: `too_similar` with `of` = the row taken and their `similarity`, `over_budget` with score and rank,
    `below_least`, `no_value` (no score, or no text).
    """

    may_read: ClassVar[tuple[str, ...]] = ("messages", "passage", "deita", "score", "ifd", "log_importance")

    budget: int = Field(ge=1)
    """Rows to take at most."""
    by: str = "deita"
    """Column with the score; the highest come first."""
    least: float | None = None
    """Least score of a row that is taken."""
    alike: float = Field(0.9, gt=-1, le=1)
    """Cosine above which a row is too similar to one that was taken (DEITA's 0.9); it depends on the embedder, 1 = none is."""
    of: By = "question_answer"
    """What is compared: all turns up to the last question, these and the answer, or the passage."""
    to: str = "embedder"
    """Role that turns texts into vectors."""
    seed: int = 0
    """Another number is another choice between equals."""
    file: str = Field("deita_select", pattern=r"^[\w-]{1,60}$")
    """Name of the table with the scores."""

    def named_columns(self) -> tuple[str, ...]:
        """Return the column of the values, if there is such a column."""
        return (self.by,) if self.by in COLUMNS else ()

    def problems(self) -> list[str]:
        """Return what is wrong with the column."""
        return [wrong] if (wrong := number_problem(self.by)) else []

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows taken in stream order, the others as Dropped."""
        rows = inputs["rows"]
        values = await asyncio.to_thread(read_numbers, rows, self.by, "deita_select")
        chance = await asyncio.to_thread(draw_chances, rows, self.seed)
        why = np.zeros(len(values), np.int8)
        if self.least is not None:
            why[values < self.least] = BELOW
        why[np.isnan(values)] = NO_VALUE
        ranked = np.flatnonzero(why == 0)
        order = ranked[np.lexsort((ranked, chance[ranked], -values[ranked]))]
        rank = np.full(len(values), -1, np.int64)
        rank[order] = np.arange(len(order))
        refused = await self._walk(rows, order, why, desk)
        cut = Cut(why, rank)
        ids = await asyncio.to_thread(read_ids, rows, np.unique([of for of, _ in refused.values()]).astype(np.int64))
        facts: dict[int, dict[str, Any]] = {
            place: {"of": ids[of], "similarity": round(cosine, 4)} for place, (of, cosine) in refused.items()
        }
        folder = getattr(desk, "output", None)
        if folder is not None:
            one = np.zeros(len(values), np.int64)
            await asyncio.to_thread(write_report, Path(folder), self.file, rows, cut, values, self.by, one, [""])
        for item in hand_on(rows, cut, values, self.by, facts=facts):
            yield item

    async def _walk(self, rows: Shards, order: np.ndarray, why: np.ndarray, desk: Desk) -> dict[int, tuple[int, float]]:
        """Note in `why` what becomes of the rows; return what each row that is too similar is similar to."""
        admitted = Admitted(self.budget, self.alike)
        refused: dict[int, tuple[int, float]] = {}
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            if admitted.full:
                break
            texts = await asyncio.to_thread(lambda places: dict(read_texts(rows, self.of, places)), np.sort(chunk))
            filled = [place for place in chunk.tolist() if any(texts[place])]
            why[[place for place in chunk.tolist() if not any(texts[place])]] = NO_VALUE
            begin = 0
            while begin < len(filled) and not admitted.full:
                # not many more vectors than the budget needs: they may cost money
                block = filled[begin : begin + min(BLOCK, max(LEAST, 2 * (self.budget - len(admitted.places))))]
                begin += len(block)
                vectors = await desk.vectors(["\n".join(texts[place]) for place in block], to=self.to)
                refused |= await asyncio.to_thread(admitted.offer, block, vectors)
        taken = np.zeros(len(why), bool)
        taken[admitted.places] = True
        why[list(refused)] = SIMILAR
        why[(why == 0) & ~taken] = OVER
        return refused
