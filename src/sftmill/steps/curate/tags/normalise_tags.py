"""Normalise tags: the words that a model chose freely become a vocabulary."""

import asyncio
import csv
import io
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.columns import COLUMNS
from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.errors import RecipeError
from sftmill.flow.shards import write_atomically
from sftmill.sheets import safe_cell
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.steps.curate.tags.forms import tag_key
from sftmill.steps.curate.tags.reading import tag_lists
from sftmill.steps.curate.tags.vocabulary import (
    Vocabulary,
    count_pairs,
    gather,
    merge_by_company,
    merge_by_meaning,
    ranked,
)

MOST_TAGS = 1_000_000
"""Different forms of tags that fit into memory."""


class NormaliseTags(WholeStep):
    """Makes one vocabulary of the tags of all rows, in the four steps of InsTag (arXiv 2308.07074).

    By form: case, width, punctuation, traditional characters, plurals and words that add nothing (类, 相关, 问题) do not
    count; the most frequent spelling is shown. By frequency: what fewer than `least` rows have is dropped; spellings are
    put together first. By meaning, with `to_embedder`: a tag goes into the nearest more frequent one from `threshold`
    on; it must be near to that one itself, so that chains cannot form. By association: a tag that nearly always stands
    beside another one goes into it. `tags.csv` in the export folder is the vocabulary, with what became of every tag.
    Rows stay, also those whose tags were all dropped. Memory: the different tags, and the pairs of those used.
    """

    reads: ClassVar[tuple[str, ...]] = ("tags",)
    writes: ClassVar[tuple[str, ...]] = ("tags",)

    least: int = Field(5, ge=1)
    """Rows that must have a tag; InsTag is said to have asked for 20 in 100,000 or so."""
    to_embedder: str | None = None
    """Role that turns tags into vectors; null = tags are not merged by meaning."""
    threshold: float = Field(0.9, gt=0, le=1)
    """Cosine from which on two tags mean the same; it depends on the embedder, so look at `tags.csv`."""
    support: int = Field(40, ge=2)
    """Rows in which two tags must stand together to be merged by association."""
    confidence: float | None = Field(0.99, gt=0.5, le=1)
    """Share of a tag's rows that must have the other one, too; null = tags are not merged by association."""
    file: str = Field("tags", pattern=r"^[\w-]{1,60}$")
    """Name of the table."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield all rows in stream order, their tags replaced."""
        rows = inputs["rows"]
        vocabulary = await asyncio.to_thread(self._by_form, rows)
        entries = vocabulary.standing()
        if self.to_embedder is not None and entries:
            vectors = await desk.vectors([entry.shown for entry in entries], to=self.to_embedder)
            await asyncio.to_thread(merge_by_meaning, vocabulary, entries, vectors, self.threshold)
        if self.confidence is not None:
            await asyncio.to_thread(self._by_association, rows, vocabulary)
        folder = getattr(desk, "output", None)
        if folder is not None:
            await asyncio.to_thread(write_vocabulary, Path(folder), self.file, vocabulary)
        for batch in rows.batches():
            yield replaced(batch, [vocabulary.translate(tags) or None for tags in tag_lists(batch)])

    def _by_form(self, rows: Shards) -> Vocabulary:
        spelled: defaultdict[str, Counter[str]] = defaultdict(Counter)
        number: Counter[str] = Counter()
        for batch in read_batches(rows, ["id", "tags"]):
            for tags in tag_lists(batch):
                keys = set()
                for tag in tags:
                    if key := tag_key(tag):
                        spelled[key][tag.strip()] += 1
                        keys.add(key)
                number.update(keys)
            if len(spelled) > MOST_TAGS:
                raise RecipeError(
                    f"normalise_tags: there are more than {MOST_TAGS:,} different tags, so that hardly two rows share "
                    "one; ask for fewer and more general tags"
                )
        return gather(spelled, number, self.least)

    def _by_association(self, rows: Shards, vocabulary: Vocabulary) -> None:
        entries = vocabulary.standing()
        place = {entry.shown: number for number, entry in enumerate(entries)}
        having = np.zeros(len(entries), np.int64)

        def baskets() -> Iterator[list[int]]:
            for batch in read_batches(rows, ["id", "tags"]):
                for tags in tag_lists(batch):
                    # two forms may be shown alike, such as in traditional characters
                    found = sorted({place[tag] for tag in vocabulary.translate(tags)})
                    having[found] += 1
                    yield found

        pairs = count_pairs(baskets(), len(entries))
        merge_by_company(entries, having, pairs, self.support, self.confidence or 1.0)


def replaced(batch: pa.RecordBatch, tags: list[list[str] | None]) -> pa.RecordBatch:
    """Return a batch with other tags."""
    column = pa.array(tags, COLUMNS["tags"].type)
    if "tags" not in batch.schema.names:
        return batch.append_column("tags", column)
    return batch.set_column(batch.schema.get_field_index("tags"), "tags", column)


def write_vocabulary(folder: Path, name: str, vocabulary: Vocabulary) -> None:
    """Write the vocabulary as CSV: the tags that are used, the most frequent first, each with what went into it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[list[object]] = [["tag", "rows", "spellings", "became", "because", "cosine_or_confidence"]]
    under: defaultdict[str, list] = defaultdict(list)
    for entry in ranked(vocabulary.entries.values()):
        final = vocabulary.final(entry.key)
        under[final.key if final else ""].append(entry)
    for head in vocabulary.standing():
        for entry in [head, *(one for one in under[head.key] if one is not head)]:
            became = "" if entry is head else head.shown
            measure = "" if entry.measure is None else round(entry.measure, 3)
            lines.append([entry.shown, entry.rows, entry.spellings, became, entry.how, measure])
    lines += [[entry.shown, entry.rows, entry.spellings, "(dropped)", entry.how, ""] for entry in under[""]]
    text = io.StringIO()
    csv.writer(text).writerows([safe_cell(c) if isinstance(c, str) else c for c in line] for line in lines)
    write_atomically(folder / f"{name}.csv", ("\ufeff" + text.getvalue()).encode())
