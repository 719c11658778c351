"""Retrieval: the passages of the project that a question is to be answered from."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.errors import RecipeError
from sftmill.flow.lineage import stricter
from sftmill.steps.curate.user_text import user_text
from sftmill.steps.respond.retrieve.bm25 import BM25, best, search_terms
from sftmill.steps.respond.retrieve.fusion import fuse, overlap, pick
from sftmill.steps.respond.retrieve.library import Library
from sftmill.text import content_hash

AT_ONCE = 1_024
"""Questions that are answered together."""
BLOCK = 64
"""Questions that are held against all vectors at once: 26 MB for 100,000 passages."""


class RetrievePassages(WholeStep):
    """Finds for each question the passages that may answer it, by words (BM25) and, with `to_embedder`, by meaning.

    Both rankings become one by reciprocal rank fusion (k = 60, Cormack et al. 2009). Searched are the passages of the
    side input `passages` (`inputs: {passages: books}`), without one those of the stream's own rows; headings count as
    part of them. Nothing is retrieved twice, nor what says the same as a passage before it. A row becomes as sensitive
    as the strictest passage that it gets. What is held out is in no stream and so in no context.
    `respond` with `context: retrieved` shows the passages, numbered in this order.
    Memory: the passages, about 8 bytes for each different term of each, and 4 bytes a dimension of each vector.
    Drops: `no_question`, `too_little_retrieved`.
    """

    may_read: ClassVar[tuple[str, ...]] = ("messages", "passage", "title_path", "title", "source", "licence")
    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("retrieved",)

    most: int = Field(5, ge=1, le=50)
    """Passages of a row."""
    least: int = Field(1, ge=0, le=50)
    """Fewest that a row must have to stay."""
    room: int | None = Field(None, ge=50)
    """Characters (zh) or words (en) that a row's passages may have together; one that does not fit is passed over."""
    own: Literal["as_found", "always", "never"] = "as_found"
    """What becomes of the passage that the question was made from: always = it is put in where it was not found, so that
    the answer is there; never = it is left out, so that the model learns to say that the answer is not there."""
    same: float = Field(0.9, gt=0, le=1)
    """Share of the shorter passage's terms that another one must have for the two to count as the same."""
    depth: int | None = Field(None, ge=1, le=1000)
    """Places of each ranking that are fused; null = twice `most`. Deeper down, what both rankings have at a bad place
    passes what one of them has at the first."""
    vector_weight: float = Field(0.5, ge=0, le=4)
    """What a place by meaning counts beside one by words; 1 suits an embedder that is made for retrieval."""
    other_languages: bool = False
    """Whether passages in another language than the row's may be retrieved."""
    to_embedder: str | None = None
    """Role that turns questions and passages into vectors; null = words alone."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        if self.least > self.most:
            return [f"least: {self.least} is more than most, which is {self.most}; lower it"]
        return []

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | Dropped]:
        """Yield the rows in stream order, with their passages."""
        library = Library()
        await asyncio.to_thread(library.extend, inputs.get("passages", inputs["rows"]).rows())
        size = len(library.passages)
        if not size and len(inputs["rows"]):
            raise RecipeError(
                "retrieve_passages: no row has a passage to be found; name a stream of passages, such as one that ends "
                "with `split`, under `inputs: {passages: ...}` of this stream"
            )
        index = await asyncio.to_thread(lambda: BM25(search_terms(one.searched) for one in library.passages))
        there = None
        if self.to_embedder:
            searched = [one.searched for one in library.passages]
            there = await desk.vectors(searched, to=self.to_embedder, as_passages=True)
        langs = {lang: library.of_lang(lang, size) for lang in {one.lang for one in library.passages}}
        block: list[Row] = []
        for row in inputs["rows"].rows():
            block.append(row)
            if len(block) == AT_ONCE:
                for made in await self._block(block, index, there, library, langs, desk):
                    yield made
                block = []
        for made in await self._block(block, index, there, library, langs, desk):
            yield made

    async def _block(
        self, rows: list[Row], index: BM25, there: np.ndarray | None, library: Library, langs: dict, desk: Desk
    ) -> list[Row | Dropped]:
        """Return some rows with their passages, or dropped."""
        asked = list(dict.fromkeys((user_text(row), row.get("lang") or "zh") for row in rows if user_text(row)))
        vectors = None
        if there is not None and asked:
            vectors = await desk.vectors([text for text, _ in asked], to=self.to_embedder)

        def made() -> list[Row | Dropped]:
            near = self._near(vectors, there) if vectors is not None else (None for _ in asked)
            found = {one: self._ranked(*one, index, cosines, langs) for one, cosines in zip(asked, near, strict=True)}
            return [
                self._with_passages(row, found.get((user_text(row), row.get("lang") or "zh")), library) for row in rows
            ]

        return await asyncio.to_thread(made)

    def _ranked(
        self, text: str, lang: str, index: BM25, near: np.ndarray | None, langs: dict
    ) -> list[tuple[int, float]]:
        """Return the passages for a question with their scores, best first."""
        allowed = True if self.other_languages else langs.get(lang, False)
        depth = self.depth or 2 * self.most
        rankings = [(best(np.where(allowed, index.scores(search_terms(text)), np.float32(0)), depth), 1.0)]
        if near is not None:
            by_meaning = best(np.where(allowed, near, np.float32(-2)), depth, least=-1.5)
            rankings.append((by_meaning, self.vector_weight))
        return fuse(rankings)

    def _with_passages(self, row: Row, ranked: list[tuple[int, float]] | None, library: Library) -> Row | Dropped:
        """Return a row with what it gets of a ranking."""
        if ranked is None:
            return Dropped(row, "no_question")
        score = dict(ranked)
        found = self._chosen(row, list(score), library)
        if len(found) < self.least:
            return Dropped(row, "too_little_retrieved", {"found": len(found)})
        passages = [library.passages[place] for place in found]
        return {
            **row,
            "retrieved": [one.shown(round(score.get(at, 0.0), 6)) for at, one in zip(found, passages, strict=True)],
            "sensitivity": stricter(row.get("sensitivity") or "internal", *(one.sensitivity for one in passages)),
        }

    def _chosen(self, row: Row, ranked: list[int], library: Library) -> list[int]:
        """Return which passages of a ranking a row gets, in order."""

        def chosen(places: list[int]) -> list[int]:
            return pick(places, self.most, self.room, library.size, library.matter, self.same)

        own = library.add(row) if self.own != "as_found" else None
        if own is None:
            return chosen(ranked)
        matter = library.matter(own)
        if self.own == "never":
            return chosen([at for at in ranked if at != own and overlap(library.matter(at), matter) < self.same])
        found = chosen(ranked)
        if own in found or any(overlap(library.matter(at), matter) >= self.same for at in found):
            return found
        forced = chosen([own, *ranked])
        others = [at for at in forced if at != own]
        if own in forced:  # at a place that tells nothing, but the same in every run
            others.insert(int(content_hash("retrieve", row.get("id") or "")[:8], 16) % (len(others) + 1), own)
        return others

    def _near(self, asked: np.ndarray, there: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the cosines of each question with all passages."""
        for start in range(0, len(asked), BLOCK):
            yield from asked[start : start + BLOCK] @ there.T
