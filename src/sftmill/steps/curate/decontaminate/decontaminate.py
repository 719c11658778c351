"""Decontaminate: training rows that hold items of evaluation sets go, or the test would measure memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.flow.spread import pieces
from sftmill.steps.curate.decontaminate.items import Item, gather_items, item_files, read_files
from sftmill.steps.curate.decontaminate.leaks import Leaks, row_at
from sftmill.steps.curate.decontaminate.matching import Rules
from sftmill.steps.curate.decontaminate.similar import Nearness, Similar
from sftmill.steps.curate.decontaminate.summary import Summary
from sftmill.steps.curate.decontaminate.texts import TURNS
from sftmill.steps.curate.user_text import user_text

FieldName = Literal["system", "user", "assistant", "tool", "reasoning", "rejected", "passage", "context"]


class Decontaminate(WholeStep):
    """Drops rows that hold a question of an evaluation set, or its worked answer, in any of their texts.

    Texts are compared without case, width, punctuation, spaces and script (traditional as simplified). A row leaks an
    item where it shares runs of 13 characters (zh) or 8 words (en) that cover half of it (Tulu 3's rule); where it
    shares one run of 50 characters (after OpenAI's GPT-4 report) or 13 words (GPT-3's rule); or where a question shorter
    than such a run stands in it as a sentence of its own. Of a multiple-choice question the stem is enough, and options
    count in any order. A row that has the same text with other numbers is another question of the same template: it
    stays and is counted as a near miss. Runs that stand in ten different items are boilerplate and do not count. With
    `to_embedder` rows whose question is near an item's are found too, also across languages, and dropped where `to_judge`
    finds that they ask the same, or without a judge where they have the same numbers. `decontamination.csv` in the
    export folder counts leaks by set and by how they were found. Without numba (extra `scale`) the same is found fifty
    times more slowly: 1,000 rows a second instead of 60,000.
    Drops: `contaminated`, with set, item, how it was found, coverage and the matching text.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("reasoning", "rejected", "passage", "context")
    prompts: ClassVar[tuple[str, ...]] = ("same",)
    prompt_values: ClassVar[tuple[str, ...]] = ("problem", "other")

    against: Path | None = None
    """Items as JSON lines, a folder of such files, or the file that `sftmill holdout` wrote. Fields are found by their
    names: question, prompt, instruction and input, or messages; options; answer; id."""
    sensitivity: Literal["public", "internal", "secret"] = "internal"
    """Which roles may see the items under `against`; what is in a stream has its own."""
    streams: tuple[str, ...] = ()
    """Names under the stream's `inputs:` whose rows are items, too, such as a validation set."""
    fields: tuple[FieldName, ...] = ("system", "user", "assistant", "tool", "reasoning", "rejected")
    """Texts of a row that are looked at: turns by their role, and columns."""
    characters: int = Field(13, ge=5, le=50)
    """Length of the runs that Chinese items are looked for by."""
    words: int = Field(8, ge=3, le=50)
    """Length of the runs that other items are looked for by; 13 finds less, and less by chance."""
    coverage: float = Field(0.5, gt=0, le=1)
    """Share of an item's tokens in shared runs from which on a row leaks it."""
    window: int | None = Field(50, ge=13)
    """Characters of one shared run that are enough; null = only coverage counts."""
    window_words: int | None = Field(13, ge=8)
    """Words of one shared run that are enough; null = only coverage counts."""
    numbers: Literal["near_miss", "leak", "exact"] = "near_miss"
    """What a copy with other numbers is: a near miss that stays, a leak, or (exact) compared like any other text."""
    boilerplate: int | None = Field(10, ge=2)
    """Different items from which on a run that stands in them all does not count; null = all runs count."""
    to_embedder: str | None = None
    """Role that turns questions into vectors, to find items in other words; null = not asked."""
    cosine: float = Field(0.85, gt=0, lt=1)
    """Cosine of a row's question and an item's from which on the judge is asked; it depends on the embedder."""
    cosine_numbers: float | None = Field(0.65, gt=0, lt=1)
    """The same for questions with the same numbers, as a translation has them; without a judge they are dropped."""
    to_judge: str | None = None
    """Role that says whether two questions are the same problem; null = what is near only by its vector stays and is
    counted."""
    certain: float | None = Field(None, gt=0, le=1)
    """Cosine from which on a row is dropped without a judge, unless its numbers are others; null = none is."""
    asked_items: int = Field(1, ge=1, le=10)
    """Nearest items about which the judge is asked for each row."""
    max_tokens: int = Field(300, ge=32)
    """Tokens of a judge's reply."""
    file: str = Field("decontamination", pattern=r"^[\w-]{1,60}$")
    """Name of the table, and first part of the name of the near misses."""

    def problems(self) -> list[str]:
        """Return what cannot be read, and settings that mean nothing together."""
        found: list[str] = []
        if self.against is None and not self.streams:
            found.append(
                "nothing to hold rows against; name a file or a folder under `against`, or inputs in `streams`"
            )
        if self.against is not None:
            try:
                read_files(self.against)
            except (ValueError, OSError) as error:
                found.append(f"against: {error}")
        if not self.fields:
            found.append("fields: none is named; leave it out, or name user and assistant")
        if self.to_judge is not None and self.to_embedder is None:
            found.append("to_judge: is asked only about what an embedder found; name a role under `to_embedder`")
        if self.certain is not None and self.certain < self.cosine:
            found.append(f"certain: {self.certain} is below cosine, which is {self.cosine}; raise it")
        return found

    def files(self) -> tuple[Path, ...]:
        """Return the files of items."""
        return item_files(self.against) if self.against is not None else ()

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the batches without the rows that leak, and these."""
        files = await asyncio.to_thread(gather_items, self.against, self.streams, inputs)
        items = [item for file in files for item in file.items]
        leaks = await asyncio.to_thread(self._leaks, items)
        summary = Summary(files, items)
        similar = None
        if self.to_embedder is not None:
            nearness = Nearness(self.cosine, self.cosine_numbers, self.certain, self.asked_items)
            similar = Similar(items, nearness, self.to_embedder, self.to_judge, self.max_tokens)
            await similar.start(desk)
        columns = ["messages", *(name for name in self.fields if name not in TURNS)]
        searched = inputs["rows"].map(lambda _, batch: leaks.find(batch), columns)
        for _, batch in pieces(inputs["rows"].batches()):
            found = await asyncio.to_thread(next, searched)
            if similar is not None:
                others = {n: row_at(batch, n) for n in range(batch.num_rows) if not (n in found and found[n][0].leak)}
                await similar.find({n: user_text(row) for n, row in others.items()}, found, desk)
            keep = np.ones(batch.num_rows, bool)
            for number, findings in sorted(found.items()):
                row, worst = row_at(batch, number), findings[0]
                summary.add(row["id"], findings)
                if worst.leak:
                    keep[number] = False
                    item = items[worst.item]
                    yield Dropped(row, "contaminated", worst.facts(item.set_name, item.name))
            if keep.all():
                yield batch
            elif keep.any():
                yield batch.filter(pa.array(keep))
        summary.write(Path(desk.output), self.file)

    def _leaks(self, items: list[Item]) -> Leaks:
        """Return the search for the items."""
        far = np.iinfo(np.int64).max
        windows = {"characters": self.window or far, "words": self.window_words or far}
        rules = Rules(self.coverage, windows, self.numbers == "leak")
        lengths = {"characters": self.characters, "words": self.words}
        return Leaks(items, rules, lengths, self.fields, self.boilerplate, self.numbers != "exact")
