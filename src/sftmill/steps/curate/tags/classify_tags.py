"""Classify tags: what a model tagged teaches a linear classifier, which tags the rest at no cost."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from sftmill.columns import COLUMNS
from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.errors import RecipeError
from sftmill.flow.shards import write_atomically
from sftmill.sheets import safe_cell
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.steps.curate.tags.agreement import Agreement, agree, bounds, give, together
from sftmill.steps.curate.tags.logistic import chance, fit, odds
from sftmill.steps.curate.tags.reading import tag_lists
from sftmill.steps.curate.user_text import user_text
from sftmill.text import content_hash

PARTS = 5
"""Of the tagged rows, by a hash of their text: three parts teach, one sets the bounds, one measures the agreement."""
FEWEST = 50
"""Tagged rows below which nothing can be learned and measured."""
MOST_TAUGHT = 50_000
"""Tagged rows that are learned from, at most."""
PENALTY = 1e-4


class Classifier(NamedTuple):
    """What was learned."""

    tags: list[str]
    weights: np.ndarray
    least: np.ndarray
    """Probability of each tag from which on it is given."""
    held_out: int
    """Rows that the agreement was measured on."""
    agreement: list[Agreement]
    missed: int
    """Tags of these rows that are too rare to be learned."""


class ClassifyTags(WholeStep):
    """Gives tags to the rows that have none, as a linear classifier on vectors learned from those that have some.

    For a database that is too large for a model to tag: let `tag_instructions` tag some thousand rows of it, then
    `normalise_tags`, and this step the rest. Each tag that at least `least` rows have is a logistic regression of its
    own; the probability from which on it is given is the one with the best F1 on rows not learned from. A fifth of the
    tagged rows, chosen by their text, is not touched: `tag_agreement.csv` in the export folder tells precision, recall
    and F1 against the model on these, for each tag and altogether. A classifier's tags are good for retrieving and
    counting, not for more. Rows that have tags keep them; `tags_by` tells who gave them. Memory: the vectors of the
    tagged rows, 50,000 at most.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("tags",)
    writes: ClassVar[tuple[str, ...]] = ("tags", "tags_by")

    least: int = Field(20, ge=5)
    """Tagged rows that must have a tag for it to be learned."""
    most_tags: int = Field(1000, ge=1)
    """Different tags that are learned, the most frequent ones."""
    most: int = Field(8, ge=1)
    """Tags that a row is given, at most."""
    longest: int = Field(300, ge=20)
    """Characters of an instruction that are embedded."""
    least_f1: float = Field(0.0, ge=0, le=1)
    """Agreement below which a tag is not given to any row."""
    to_embedder: str = "embedder"
    """Role that turns instructions into vectors."""
    file: str = Field("tag_agreement", pattern=r"^[\w-]{1,60}$")
    """Name of the table."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield all rows in stream order, all of them tagged that the classifier is sure enough of."""
        rows = inputs["rows"]
        texts, tags = await asyncio.to_thread(self._tagged, rows)
        vectors = await desk.vectors(texts, to=self.to_embedder)
        learned = await asyncio.to_thread(self._learn, texts, tags, vectors)
        del vectors
        folder = getattr(desk, "output", None)
        if folder is not None:
            await asyncio.to_thread(write_agreement, Path(folder), self.file, learned)
        for batch in rows.batches():
            for start in range(0, batch.num_rows, 4096):
                yield await self._given(batch.slice(start, 4096), learned, desk)

    def _tagged(self, rows: Shards) -> tuple[list[str], list[list[str]]]:
        """Return instructions and tags of the tagged rows that are learned from."""
        found: list[tuple[str, str, list[str]]] = []
        for batch in read_batches(rows, ["id", "messages", "tags"]):
            for row, tags in zip(batch.select(_there(batch)).to_pylist(), tag_lists(batch), strict=True):
                text = user_text(row)[: self.longest] if tags else ""
                if text:
                    found.append((content_hash(text), text, tags))
            if len(found) > 2 * MOST_TAUGHT:
                found = sorted(found)[:MOST_TAUGHT]
        found = sorted(found)[:MOST_TAUGHT]
        if len(found) < FEWEST:
            raise RecipeError(
                f"classify_tags: {len(found)} rows have tags, and {FEWEST} are the least to learn from; let "
                "`tag_instructions` tag some thousand of them first"
            )
        return [text for _, text, _ in found], [tags for _, _, tags in found]

    def _learn(self, texts: list[str], tags: list[list[str]], vectors: np.ndarray) -> Classifier:
        part = np.array([int(content_hash("part", text)[:8], 16) % PARTS for text in texts])
        count = Counter(tag for some in tags for tag in set(some))
        names = sorted((t for t in count if count[t] >= self.least), key=lambda t: (-count[t], t))[: self.most_tags]
        if not names:
            raise RecipeError(
                f"classify_tags: no tag stands in {self.least} of the {len(texts):,} tagged rows; put `normalise_tags` "
                "before this step, lower `least`, or let a model tag more rows"
            )
        number = {name: at for at, name in enumerate(names)}
        labels = np.zeros((len(texts), len(names)), np.uint8)
        for row, some in enumerate(tags):
            labels[row, [number[tag] for tag in some if tag in number]] = 1
        taught, bounding, held = part < PARTS - 2, part == PARTS - 2, part == PARTS - 1
        weights = fit(vectors[taught], labels[taught], PENALTY)
        least = bounds(chance(odds(vectors[bounding], weights)), labels[bounding])
        found = agree(give(chance(odds(vectors[held], weights)), least, self.most), labels[held])
        missed = sum(tag not in number for row in np.flatnonzero(held).tolist() for tag in set(tags[row]))
        poor = np.array([one.f1 < self.least_f1 for one in found])
        return Classifier(names, weights, np.where(poor, 2.0, least).astype(np.float32), int(held.sum()), found, missed)

    async def _given(self, batch: pa.RecordBatch, learned: Classifier, desk: Desk) -> pa.RecordBatch:
        """Return a batch with tags for the rows that have none."""
        tags: list[list[str] | None] = [some or None for some in tag_lists(batch)]
        by: list[str | None] = ["model" if some else None for some in tags]
        if "tags_by" in batch.schema.names:
            by = [one or other for one, other in zip(batch.column("tags_by").to_pylist(), by, strict=True)]
        texts = {
            at: text
            for at, row in enumerate(batch.select(_there(batch)).to_pylist())
            if tags[at] is None and (text := user_text(row)[: self.longest])
        }
        if texts:
            vectors = await desk.vectors(list(texts.values()), to=self.to_embedder)
            chances = chance(odds(vectors, learned.weights))
            given = give(chances, learned.least, self.most)
            for at, chosen, sure in zip(texts, given, chances, strict=True):
                found = sorted(
                    np.flatnonzero(chosen).tolist(), key=lambda tag, sure=sure: (-round(float(sure[tag]), 4), tag)
                )
                if found:
                    tags[at], by[at] = [learned.tags[tag] for tag in found], "classifier"
        return _with(_with(batch, "tags", tags), "tags_by", by)


def _there(batch: pa.RecordBatch) -> list[str]:
    return [name for name in ("messages",) if name in batch.schema.names]


def _with(batch: pa.RecordBatch, name: str, values: list[Any]) -> pa.RecordBatch:
    column = pa.array(values, COLUMNS[name].type)
    at = batch.schema.get_field_index(name)
    return batch.append_column(name, column) if at < 0 else batch.set_column(at, name, column)


def _lines(learned: Classifier) -> Iterator[list[Any]]:
    yield ["tag", "rows_by_model", "rows_by_classifier", "both", "precision", "recall", "f1", "given_from"]
    named = [("(all)", together(learned.agreement), None)]
    named += zip(learned.tags, learned.agreement, learned.least.tolist(), strict=True)
    for name, one, least in named:
        measured = [round(value, 4) for value in (one.precision, one.recall, one.f1)]
        bound = "" if least is None else "never" if least > 1 else round(least, 4)
        yield [name, one.rows, one.given, one.both, *measured, bound]
    yield [f"(held out: {learned.held_out} rows; their tags that are too rare to be learned: {learned.missed})"]


def write_agreement(folder: Path, name: str, learned: Classifier) -> None:
    """Write the agreement as CSV: all tags together first, then each, the most frequent first."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    csv.writer(text).writerows([safe_cell(c) if isinstance(c, str) else c for c in line] for line in _lines(learned))
    write_atomically(folder / f"{name}.csv", ("\ufeff" + text.getvalue()).encode())
