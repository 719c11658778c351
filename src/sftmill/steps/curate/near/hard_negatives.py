"""Hard negatives: passages that look like the one that answers a question, for training retrievers."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep, answer
from sftmill.flow.lineage import stricter
from sftmill.steps.curate.user_text import user_text
from sftmill.text import length, normalise

BATCH, AT_ONCE = 128, 8
"""Texts of a request for vectors, and requests that are under way together."""
BLOCK = 512
"""Questions that are held against all passages at once."""


class HardNegatives(WholeStep):
    """Finds for each question the passages of the stream that are most like it and do not answer it.

    Question, `passage` and `hard_negatives` are a retriever's triplets. What is too like is likely another answer: a
    passage whose cosine with the question is above `ceiling` times that of the question's own passage is left out
    (positive-aware mining, Moreira et al. 2024, arXiv 2407.15831, who find .95 best), as is one in which a short
    answer stands, and one that is part of the own passage or the other way round. Every question is held against every
    passage: 100,000 by 100,000 of 512 dimensions take minutes. A row becomes as sensitive as the strictest passage that it
    is given.
    Drops: `no_pair`, `too_few_negatives`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "passage")
    writes: ClassVar[tuple[str, ...]] = ("hard_negatives",)

    negatives: int = Field(3, ge=1, le=50)
    """Passages for each question."""
    least: int = Field(1, ge=0, le=50)
    """Fewest that a row must have to stay."""
    ceiling: float = Field(0.95, gt=0, le=1)
    """Share of the own passage's cosine that a negative may have at most."""
    skip: int = Field(0, ge=0, le=1000)
    """How many of the likest passages to pass over."""
    longest_span: int = Field(20, ge=1)
    """Characters (zh) or words (en) up to which an answer is looked for in the passages."""
    to: str = "embedder"
    """Role that turns questions and passages into vectors."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        if self.least > self.negatives:
            return [f"least: {self.least} is more than negatives, which is {self.negatives}; lower it"]
        return []

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | Dropped]:
        """Yield the rows in stream order, with their hard negatives."""
        rows = inputs["rows"]
        passages: dict[str, int] = {}
        secrecy: dict[str, str] = {}
        questions: dict[str, int] = {}
        for row in rows.rows():
            text, asks = (row.get("passage") or "").strip(), user_text(row)
            if text and asks:
                passages.setdefault(text, len(passages))
                level = row.get("sensitivity") or "internal"
                secrecy[text] = stricter(secrecy.get(text, level), level)
                questions.setdefault(asks, len(questions))
        texts = list(passages)
        plain = [normalise(text).casefold() for text in texts]
        there = await desk.vectors(texts, to=self.to, as_passages=True)
        asked = await desk.vectors(list(questions), to=self.to)
        waiting: list[tuple[Row, int, int]] = []
        for row in rows.rows():
            text, asks = (row.get("passage") or "").strip(), user_text(row)
            if not text or not asks:
                yield Dropped(row, "no_pair")
                continue
            waiting.append((row, questions[asks], passages[text]))
            if len(waiting) == BLOCK:
                for made in self._mine(waiting, asked, there, texts, plain):
                    yield _as_secret(made, secrecy)
                waiting = []
        for made in self._mine(waiting, asked, there, texts, plain):
            yield _as_secret(made, secrecy)

    def _mine(self, block: list, asked: np.ndarray, there: np.ndarray, texts: list[str], plain: list[str]):
        """Yield the rows of a block with their negatives."""
        if not block:
            return
        likeness = asked[[question for _, question, _ in block]] @ there.T
        reach = min(len(texts), 4 * (self.negatives + self.skip) + 32)
        for (row, _, own), cosines in zip(block, likeness, strict=True):
            top = np.argpartition(-cosines, reach - 1)[:reach]
            nearest = sorted(top.tolist(), key=lambda place: (-round(float(cosines[place]), 6), place))
            said = normalise(answer(row)).casefold().strip("。.，, ")
            span = said if len(said) > 1 and length(said, row.get("lang") or "zh") <= self.longest_span else None
            found = [
                texts[place]
                for place in nearest
                if place != own
                and cosines[place] <= self.ceiling * cosines[own]
                and not (span and span in plain[place])
                and plain[place] not in plain[own]
                and plain[own] not in plain[place]
            ][self.skip : self.skip + self.negatives]
            if len(found) < self.least:
                yield Dropped(row, "too_few_negatives", {"found": len(found)})
            else:
                yield {**row, "hard_negatives": found}


def _as_secret(made: Row | Dropped, secrecy: Mapping[str, str]) -> Row | Dropped:
    """Return a row as sensitive as the strictest of its negatives; `secrecy` says how sensitive each passage is."""
    if isinstance(made, Dropped):
        return made
    own = made.get("sensitivity") or "internal"
    return {**made, "sensitivity": stricter(own, *(secrecy[text] for text in made["hard_negatives"]))}
