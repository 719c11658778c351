"""Dedup: rows that say the same as another row go."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.steps.curate.dedup.choice import Choice, Standing, choose, read_standing
from sftmill.steps.curate.dedup.exact import find_exact
from sftmill.steps.curate.dedup.near import Near, Rule
from sftmill.steps.curate.dedup.number_guard import numbers_differ
from sftmill.steps.curate.dedup.semantic import Method, all_texts, keep_by_cells, keep_greedily
from sftmill.steps.curate.dedup.shown import write_clusters
from sftmill.steps.curate.dedup.sorting import read_ids, sort_out
from sftmill.steps.curate.dedup.texts import By
from sftmill.text import content_hash

COSINE = 0.95
"""Similarity of vectors above which rows mean the same, where the recipe names none (SemDeDup: 0.9 to 0.99)."""


class Dedup(WholeStep):
    """Keeps one of the rows whose texts are the same but for width, case, spaces and punctuation, or nearly the same.

    `how: exact` compares what is left without writing habits. `near` also finds texts that share most of their pieces:
    MinHash-LSH, then the true Jaccard similarity of every candidate, of 5-character pieces (3 in Chinese texts of up
    to 60 characters). `semantic` compares vectors. Copies of several turns must also be alike in the last question,
    and in the answer where that counts. A row whose answer is wrong on purpose, or that is about an answer, is no
    copy of any other kind of row.

    Of several copies a corrected one stays, then an accepted one, the one with the best `score`, one of the streams or
    sources that `prefer` names, the first one; it stays at its place. Drops the others as "duplicate", with `of` = the
    id of the row kept and, but for `exact`, their `similarity` to it. `near` unites what a chain of copies connects,
    so that this can be less than the threshold. Rows that have nothing to compare are kept. Memory for a million
    rows: 0.1 GB for `exact`, 1.5 GB for `near`, the vectors for `semantic`.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    may_read: ClassVar[tuple[str, ...]] = ("reviewed", "score", "stream", "source", "polarity", "task")

    by: By = "question"
    """What makes two rows the same: all turns up to the last question, these and the answer, or the passage."""
    how: Literal["exact", "near", "semantic"] = "exact"
    """How alike they must be: the same but for writing habits, nearly the same wording, or the same meaning."""
    threshold: float | None = Field(None, gt=0.3, le=1)
    """Least similarity of copies. None = a Jaccard similarity of 0.8, and 0.7 where one is a short Chinese text, or a
    cosine above 0.95."""
    unit: Literal["characters", "words"] = "characters"
    """What the pieces of `near` are made of: characters, or words and Chinese characters, three to a piece."""
    numbers: Literal["differ", "ignore"] = "differ"
    """Whether texts that differ in a number, such as 5万 and 8万, are different, or copies as any others."""
    prefer: tuple[str, ...] = ()
    """Streams or sources whose copies stay, the best first."""
    method: Method = "greedy"
    """How `semantic` goes about it: greedy compares with the rows kept so far, all of them; cells (SemDeDup) with all
    better rows of a cell of similar ones, for more than some ten thousand rows."""
    cells: int | None = Field(None, ge=1)
    """Number of cells; None = the square root of the number of rows."""
    to: str = "embedder"
    """Role that turns texts into vectors for `semantic`."""
    clusters: int = Field(1000, ge=0)
    """Clusters that are shown in the run's export folder, the least similar copies first; 0 = no file. All of them
    stand in the dropped rows."""
    file: str | None = Field(None, pattern=r"^[\w-]{1,60}$")
    """Name of that file; None = near_duplicates or semantic_duplicates."""

    def shows(self) -> str | None:
        """Return the name of the file of clusters."""
        return (self.file or f"{self.how}_duplicates") if self.clusters and self.how != "exact" else None

    def seats(self) -> dict[str, tuple[str, ...]]:
        """Return the role that gives vectors, where they are wanted."""
        return super().seats() if self.how == "semantic" else {}

    def problems(self) -> list[str]:
        """Return what is missing, and settings that mean nothing here."""
        found = []
        if self.how == "near" and find_spec("numba") is None:
            found.append("how: near needs the package numba; run `pip install 'sftmill[scale]'` or set how: exact")
        if self.how == "exact" and self.threshold is not None:
            found.append(f"threshold: {self.threshold} means nothing with how: exact; set how: near or leave it out")
        return found

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows in stream order, the copies as Dropped."""
        rows = inputs["rows"]
        standing = await asyncio.to_thread(read_standing, rows, self.prefer)
        if self.how == "semantic":
            choice = await self._choose_by_meaning(rows, standing, desk)
        else:
            choice = await asyncio.to_thread(self._choose_by_wording, rows, standing)
        folder, name = getattr(desk, "output", None), self.shows()
        if folder is not None and name:
            path = Path(folder) / f"{name}.jsonl"
            await asyncio.to_thread(write_clusters, path, rows, self.by, choice, self.clusters)
        ids = await asyncio.to_thread(read_ids, rows, np.unique(choice.of[choice.dropped()]))
        for item in sort_out(rows, choice, ids):
            yield item

    def _choose_by_wording(self, rows: Shards, standing: Standing) -> Choice:
        number = len(standing.rank)
        if self.how == "exact":
            return choose(number, *find_exact(rows, standing.kinds, self.by), standing.rank)
        near = Near(rows, standing.kinds, Rule(self.by, self.threshold, self.unit, self.numbers))
        return near.settle(near.find(), standing.rank)

    async def _choose_by_meaning(self, rows: Shards, standing: Standing, desk: Desk) -> Choice:
        texts = await asyncio.to_thread(all_texts, rows, self.by)
        places = np.array([place for place, text in enumerate(texts) if any(text)], np.int64)
        joined = ["\n".join(texts[place]) for place in places.tolist()]
        vectors = await desk.vectors(joined, to=self.to)
        kinds = standing.kinds[places]

        def differ(one: int, other: int) -> bool:
            if kinds[one] != kinds[other]:
                return True
            return self.numbers == "differ" and numbers_differ(texts[places[one]], texts[places[other]])

        rank, threshold = standing.rank[places], COSINE if self.threshold is None else self.threshold
        if self.method == "greedy":
            work = partial(keep_greedily, vectors, rank, threshold, differ)
        else:
            draw = np.fromiter((int(content_hash(text)[:15], 16) for text in joined), np.int64, len(joined))
            work = partial(keep_by_cells, vectors, rank, threshold, differ, self.cells, draw)
        found = await asyncio.to_thread(work) if len(places) else Choice(places, np.zeros(0, np.float32))
        choice = Choice(np.arange(len(texts)), np.full(len(texts), np.nan, np.float32))
        choice.of[places] = places[found.of]
        choice.similarity[places] = found.similarity
        return choice
