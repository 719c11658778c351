"""Keep the best: the rows with the highest, or lowest, value of a column."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.columns import COLUMNS
from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.steps.curate.quality.columns_read import number_problem, read_groups, read_numbers
from sftmill.steps.curate.quality.cut import ABOVE, BELOW, NO_VALUE, Spread, count_budget, draw_chances, make_cut
from sftmill.steps.curate.quality.cut_report import write_report
from sftmill.steps.curate.quality.handing_on import hand_on


class KeepBest(WholeStep):
    """Keeps the rows with the highest values of a column: a number, a share, or all from a value on.

    With `per` each group of rows that agree in another column gives its best ones, all groups the same number (what a
    small group cannot give the others do), or in proportion. Between equals chance decides, by the rows' ids, so that
    the same rows stay every time; the rows keep their order. How the value falls, and rows on both sides of the line,
    stand in `<file>.csv` and `<file>_at_the_line.jsonl` in the export folder.
    Drops: `over_budget` with its value and rank, `below_least`, `above_most`, `no_value`.
    """

    may_read: ClassVar[tuple[str, ...]] = (
        "messages", "passage", "score", "deita", "ifd", "log_importance", "grounded", "support", "agreement",
        "neighbour_distance", "frequency", "weight",
    )  # fmt: skip

    by: str
    """Column with the number that decides, such as score, deita, ifd or log_importance."""
    order: Literal["highest", "lowest"] = "highest"
    """Which values are best."""
    budget: int | None = Field(None, ge=1)
    """Rows to keep at most; null = all that `least` and `most` let pass."""
    share: float | None = Field(None, gt=0, le=1)
    """Share of all rows to keep at most."""
    least: float | None = None
    """Least value of a row that stays, whatever the budget."""
    most: float | None = None
    """Greatest value of a row that stays."""
    per: str | None = None
    """Column whose values make the groups, such as category, source, lang or topic; null = all rows are one."""
    spread: Spread = "even"
    """How groups share the budget: even = the same number each, proportional = by their sizes."""
    quotas: dict[str, int] = Field(default_factory=dict)
    """Rows that groups give, by the group's value; the others share what is left of the budget."""
    missing: Literal["drop", "last", "keep"] = "drop"
    """What becomes of rows without a value: they go, come after all others, or stay without being counted."""
    seed: int = 0
    """Another number is another choice between equals."""
    file: str = Field("keep_best", pattern=r"^[\w-]{1,60}$")
    """Name of the table with the values."""

    def named_columns(self) -> tuple[str, ...]:
        """Return the columns of the values and of the groups, as far as there are such columns."""
        return tuple(name for name in (self.by, self.per) if name in COLUMNS)

    def problems(self) -> list[str]:
        """Return settings that mean nothing here, and columns that do not fit."""
        found = []
        if wrong := number_problem(self.by):
            found.append(wrong)
        if self.per is not None and (self.per not in COLUMNS or COLUMNS[self.per].type != pa.string()):
            found.append(f"per: {self.per!r} is no column of words; name one such as category, source or lang")
        if self.budget is None and self.share is None and self.least is None and self.most is None and not self.quotas:
            found.append("nothing says what is to stay; set budget, share, least or most")
        if self.quotas and self.per is None:
            found.append("quotas: are for groups; name their column under `per`")
        if self.least is not None and self.most is not None and self.least > self.most:
            found.append(f"least: {self.least} is more than most, which is {self.most}; exchange them")
        if below := sorted(name for name, rows in self.quotas.items() if rows < 0):
            found.append(f"quotas: {below[0]} is {self.quotas[below[0]]}; a quota is 0 or more")
        return found

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows that stay in stream order, the others as Dropped."""
        rows = inputs["rows"]
        values = await asyncio.to_thread(read_numbers, rows, self.by, "keep_best")
        groups, names = await asyncio.to_thread(read_groups, rows, self.per, len(values))
        chance = await asyncio.to_thread(draw_chances, rows, self.seed)
        none = np.isnan(values)
        keys = np.where(none, -np.inf, values if self.order == "highest" else -values)
        why = np.zeros(len(values), np.int8)
        if self.least is not None:
            why[values < self.least] = BELOW
        if self.most is not None:
            why[values > self.most] = ABOVE
        if self.missing != "last":
            why[none] = NO_VALUE
        budget = count_budget(self.budget, self.share, len(values))
        number = {name: place for place, name in enumerate(names)}
        quotas = {number[name]: rows for name, rows in self.quotas.items() if name in number}
        cut = make_cut(keys, chance, why, budget, groups, quotas, self.spread)
        if self.missing == "keep":
            cut.why[none] = 0
        folder = getattr(desk, "output", None)
        if folder is not None:
            await asyncio.to_thread(write_report, Path(folder), self.file, rows, cut, values, self.by, groups, names)
        for item in hand_on(rows, cut, values, self.by):
            yield item
