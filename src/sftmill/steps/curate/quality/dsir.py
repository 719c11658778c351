"""DSIR: the rows whose words are those of a target, drawn by their importance."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.errors import RecipeError
from sftmill.steps.curate.dedup.texts import By
from sftmill.steps.curate.quality.cut import BELOW, NO_VALUE, count_budget, draw_chances, make_cut
from sftmill.steps.curate.quality.cut_report import write_report
from sftmill.steps.curate.quality.handing_on import hand_on
from sftmill.steps.curate.quality.importance import (
    GivenRows,
    Length,
    Weighed,
    count_rows,
    even_out,
    gumbel,
    log_ratios,
    weigh_rows,
)
from sftmill.steps.curate.quality.target import target_files, target_problems, target_rows


class Dsir(WholeStep):
    """Draws the rows whose words are those of a target, such as a validation set (DSIR, arXiv 2302.03169).

    The words and pairs of words of a text are hashed into buckets (a Chinese character is a word). The log-importance
    of a row is the sum, over its n-grams, of the log-ratio of their probability in the target and in all rows; so many
    rows are drawn without replacement, in proportion to the importance, by Gumbel's top-k. Chance comes from the rows'
    ids: the same rows are drawn every time. The sum grows with the length of a text, for and against it, so that rows
    up to 1.6 times as long as the target's were drawn of one database; with `length: mean` up to 1.3 times. The target is read,
    never drawn; decontaminate what is drawn. The curve of the weights and rows on both sides of the line stand in
    `<file>.csv` and `<file>_at_the_line.jsonl` in the export folder. 100,000 rows take two seconds of the processor.
    Drops: `over_budget` with its weight and rank, `below_least`, `no_value` (fewer than `shortest` n-grams).
    """

    may_read: ClassVar[tuple[str, ...]] = ("messages", "passage")
    writes: ClassVar[tuple[str, ...]] = ("log_importance",)

    target: Path | None = None
    """Texts to be like, as JSON lines, a folder of such files, or the file that `sftmill holdout` wrote. Fields are
    found by their names: question, prompt, instruction and input, or messages; answer."""
    streams: tuple[str, ...] = ()
    """Names under the stream's `inputs:` whose rows are the target, too, such as a validation set."""
    by: By = "question_answer"
    """What is compared: all turns up to the last question, these and the answer, or the passage."""
    budget: int | None = Field(None, ge=1)
    """Rows to draw at most; null = all that `least` lets pass."""
    share: float | None = Field(None, gt=0, le=1)
    """Share of all rows to draw at most."""
    least: float | None = None
    """Least log-importance of a row that is drawn: at 0 the row is as likely in the target as among all rows."""
    length: Length = "sum"
    """What the weight of a row is: the sum over its n-grams (the paper's), or their mean times the target's median
    number of n-grams, with as many n-grams of no weight added to each row."""
    temperature: float = Field(1.0, ge=0)
    """How much chance decides: 1 = in proportion to the importance, 0 = the greatest weights."""
    smoothing: float = Field(1.0, ge=0)
    """How much the target is mixed with the distribution of all rows: 1 = with as many n-grams as it has, and one for
    each bucket. It makes a target of ten rows usable, and more of it takes rows of the target's kind that say other
    things than the target does. 0 = the paper's estimate, for targets of many thousand rows."""
    buckets: int = Field(10_000, ge=100, le=10_000_000)
    """Buckets that n-grams are hashed into."""
    shortest: int = Field(10, ge=1)
    """N-grams below which a row is not weighed: a few words say nothing."""
    seed: int = 0
    """Another number is another draw."""
    file: str = Field("dsir", pattern=r"^[\w-]{1,60}$")
    """Name of the table with the weights."""

    def files(self) -> tuple[Path, ...]:
        """Return the target's files."""
        return target_files(self.target)

    def problems(self) -> list[str]:
        """Return what is missing, and what cannot be read."""
        found = target_problems(self.target, self.streams)
        if find_spec("numba") is None:
            found.append("dsir needs the package numba; run `pip install 'sftmill[scale]'`")
        if self.budget is None and self.share is None and self.least is None:
            found.append("nothing says how many rows are drawn; set budget, share or least")
        return found

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows drawn in stream order, the others as Dropped."""
        rows = inputs["rows"]
        weighed = await asyncio.to_thread(self._weigh, rows, inputs)
        chance = await asyncio.to_thread(draw_chances, rows, self.seed)
        weights = np.where(weighed.sizes < self.shortest, np.nan, weighed.weights).round(6)
        why = np.zeros(len(weights), np.int8)
        if self.least is not None:
            why[weights < self.least] = BELOW
        why[np.isnan(weights)] = NO_VALUE
        keys = weights + self.temperature * gumbel(chance)
        cut = make_cut(keys, chance, why, count_budget(self.budget, self.share, len(weights)))
        folder = getattr(desk, "output", None)
        if folder is not None:
            one = np.zeros(len(weights), np.int64)
            await asyncio.to_thread(
                write_report, Path(folder), self.file, rows, cut, weights, "log_importance", one, [""]
            )
        for item in hand_on(rows, cut, weights, "log_importance", {"log_importance": weights}):
            yield item

    def _weigh(self, rows: Shards, inputs: Mapping[str, Shards]) -> Weighed:
        """Return the weights of all rows."""
        wanted = GivenRows(target_rows(self.target, self.streams, inputs, self.by))
        like = count_rows(wanted, self.by, self.buckets)
        if not like.any():
            raise RecipeError(f"dsir: the target has no text to compare by {self.by!r}; set `by`, or check the target")
        ratios = log_ratios(like, count_rows(rows, self.by, self.buckets), self.smoothing)
        weighed = weigh_rows(rows, self.by, ratios)
        if self.length == "sum":
            return weighed
        sizes = weigh_rows(wanted, self.by, ratios).sizes
        return Weighed(even_out(weighed, float(np.median(sizes[sizes > 0]))), weighed.sizes)
