"""Retrieve: rows of an existing database that are like those of a validation set."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.errors import RecipeError
from sftmill.steps.curate.decontaminate.items import item_files, read_files
from sftmill.steps.instruct.retrieve.arms import Arm
from sftmill.steps.instruct.retrieve.by_meaning import Neighbourhood, Order
from sftmill.steps.instruct.retrieve.by_tags import Overlap, TagIndex
from sftmill.steps.instruct.retrieve.choosing import Offer, by_chance, shuffled
from sftmill.steps.instruct.retrieve.clean import Guard
from sftmill.steps.instruct.retrieve.database import Read, catalogued, read
from sftmill.steps.instruct.retrieve.handing_on import hand_on
from sftmill.steps.instruct.retrieve.report import EXAMPLES, write_report
from sftmill.steps.instruct.retrieve.targets import held_items, read_file, read_validation
from sftmill.steps.instruct.retrieve.vectors import Vectors, embed_database, embed_rows

ArmName = Literal["similarity", "tags", "catalogue", "random"]
Catalogue = Literal["source", "stream", "title", "topic", "task", "task_type", "category", "lang", "licence"]


class Retrieve(WholeStep):
    """Chooses the rows of a database that are like those of a validation set, at most `budget` of them by each arm.

    The stream's rows are the database; the validation set is a side input (`inputs: {validation: ...}`) or a file.
    `similarity` goes by vectors: exactly the nearest rows of each validation row, in turns of the validation rows, which
    is the rule of RDS+ (arXiv 2503.01807). What stands for a validation row is the middle of it and its nearest
    fellows, since a single row is near many that share no more than its manner (`company: 1` = the row alone). `tags`
    goes by the tags that a row shares with validation rows, as InsTag's (arXiv 2308.07074), best normalised.
    `catalogue` draws from the rows with given values in a field of the database, `random` from all: what the others are
    to be measured by. With several arms a row stays that any of them chose: `where: contains(chosen_by, "tags")` makes
    a stream of one arm's.

    No arm chooses what holds a validation or test item (see `decontaminate`) or is too near to a validation row, nor
    twice what says the same; the next row takes the place. `retrieval*.csv` in the export folder tell by arm how the
    score falls, which rows stand at the cut, what the arms have in common, and what the catalogue says of their rows.
    Memory: 2 bytes a number of each vector. Drops: `contaminated`; all others are counted as `not_selected`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = (
        "tags", "score", "source", "title", "topic", "task", "task_type", "category", "licence", "reasoning",
        "rejected", "passage", "context",
    )  # fmt: skip
    writes: ClassVar[tuple[str, ...]] = ("chosen_by", "chosen_for", "relevance")
    tallies: ClassVar[tuple[str, ...]] = ("chosen_by",)

    budget: int = Field(ge=1)
    """Rows that each arm chooses, at most."""
    arms: tuple[ArmName, ...] = Field(("similarity",), min_length=1)
    """Ways of choosing: similarity, tags, catalogue, random. Several are compared."""
    floors: dict[Literal["similarity", "tags"], float] = Field(default_factory=dict)
    """Least score of an arm's rows: a cosine for similarity, the weight of the tags shared for tags."""
    validation: Path | None = None
    """The validation set as JSON lines, with `tags` where they are wanted; null = the side input `validation`."""
    against: Path | None = None
    """Test sets that no row may hold, as `decontaminate` takes them; the validation set is one of them anyway."""
    streams: tuple[str, ...] = ()
    """Names under the stream's `inputs:` whose rows are test items, too."""
    to_embedder: str = "embedder"
    """Role that turns questions into vectors, for similarity."""
    by: Literal["question", "question_answer"] = "question"
    """What is compared: the user's turns, or the middle of these and the answer."""
    longest: int = Field(300, ge=20)
    """Characters of a text that are embedded; the beginning says what it is about."""
    order: Order = "turns"
    """How similarity chooses: in turns of the validation rows, so that each has its share; or nearest = the rows that
    are nearest to any of them, most of which may be like one kind of validation row."""
    company: int = Field(20, ge=1)
    """Validation rows, itself among them, whose middle stands for one; at most a tenth of the set."""
    hubs: bool = False
    """Whether similarity may choose rows that are near everything, and to the validation set no nearer than to all else."""
    overlap: Overlap = "turns"
    """How tags chooses: in turns of the validation rows, by the tags shared with the whole set (union), or by those
    shared with the validation row that has most of them (best)."""
    tag_weight: Literal["rarity", "count"] = "rarity"
    """What a shared tag counts: the logarithm of one in how many rows have it, or 1."""
    least_shared: int = Field(2, ge=1)
    """Tags that a row must share; one is enough that at most one row in a hundred has."""
    common: float = Field(0.05, gt=0, le=1)
    """Share of the tagged rows above which a tag says nothing."""
    catalogue: Catalogue = "source"
    """The database's own field, for catalogue and for the report."""
    values: tuple[str, ...] = ()
    """Values of that field that the catalogue arm draws from."""
    copies: float | None = Field(0.97, gt=0, le=1)
    """Cosine from which on similarity takes two rows for copies; null = only the same question is one."""
    too_near: float | None = Field(0.95, gt=0, le=1)
    """Cosine with a validation row from which on a row counts as that row; null = only shared wording counts."""
    seed: int = 0
    """Another number is another draw of `random` and `catalogue`."""
    file: str = Field("retrieval", pattern=r"^[\w-]{1,60}$")
    """First part of the names of the tables."""

    def seats(self) -> dict[str, tuple[str, ...]]:
        """Return the role that gives vectors, where they are wanted."""
        return super().seats() if "similarity" in self.arms else {}

    def files(self) -> tuple[Path, ...]:
        """Return the files of the validation set and of the test sets."""
        own = (self.validation,) if self.validation is not None else ()
        return own + (item_files(self.against) if self.against is not None else ())

    def problems(self) -> list[str]:
        """Return what cannot be read, and settings that mean nothing together."""
        found: list[str] = []
        for name, path, reading in (("validation", self.validation, read_file), ("against", self.against, read_files)):
            try:
                if path is not None and not path.exists():
                    found.append(f"{name}: {path.name!r} is not there; check the path in the recipe")
                elif path is not None:
                    reading(path)
            except (ValueError, OSError, RecipeError) as error:
                found.append(str(error) if isinstance(error, RecipeError) else f"{name}: {error}")
        if "catalogue" in self.arms and not self.values:
            found.append(f"values: the arm catalogue needs values of {self.catalogue!r} to draw from; name some")
        if unused := sorted(set(self.floors) - set(self.arms)):
            found.append(f"floors: {unused[0]!r} is not among the arms; leave it out, or add the arm")
        return found

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | Dropped]:
        """Yield the rows chosen, in stream order, and those refused as contaminated."""
        rows = inputs["rows"]
        validation = await asyncio.to_thread(read_validation, self.validation, inputs)
        items = await asyncio.to_thread(held_items, validation, self.against, self.streams, inputs)
        known = await asyncio.to_thread(read, rows)
        vectors: Vectors | None = None
        near: Neighbourhood | None = None
        if "similarity" in self.arms and len(known):
            with_answer = self.by == "question_answer"
            own = await embed_rows(desk, validation, self.to_embedder, with_answer, self.longest)
            near = Neighbourhood(own, self.company)
            vectors = await embed_database(desk, rows, self.to_embedder, with_answer, self.longest, own)
        tags = TagIndex(validation, self.common, self.tag_weight == "rarity") if "tags" in self.arms else None
        if tags is not None:
            await asyncio.to_thread(tags.read, rows)
            tags.refuse_untagged()
        arms = await asyncio.to_thread(self._arms, rows, known, near, vectors, tags)
        guard = Guard(items, near, vectors, self.too_near)
        await asyncio.to_thread(self._choose, arms, rows, known, guard)
        folder = getattr(desk, "output", None)
        if folder is not None:
            path = Path(folder)
            await asyncio.to_thread(write_report, path, self.file, arms, rows, validation, self.catalogue, self.budget)
        for item in hand_on(rows, arms, guard.refusals, validation, tags):
            yield item

    def _arms(
        self, rows: Shards, known: Read, near: Neighbourhood | None, vectors: Vectors | None, tags: TagIndex | None
    ) -> list[Arm]:
        """Return the arms, each with its rows in the order in which it would choose them."""
        asking = np.flatnonzero(known.questions)
        made: list[Arm] = []
        for name in dict.fromkeys(self.arms):
            offers: Iterator[Offer] = iter(())
            if name == "similarity" and near is not None and vectors is not None:
                there = asking if self.hubs else asking[~near.hubs(vectors, known.ties)[asking]]
                offers = near.offers(vectors, self.order, self.budget, there, known.ties)
            elif name == "tags" and tags is not None:
                offers = tags.offers(self.overlap, self.least_shared, max(64, 10 * self.budget), known)
            elif name in ("catalogue", "random"):
                there = asking
                if name == "catalogue":
                    there = np.intersect1d(asking, catalogued(rows, self.catalogue, self.values))
                offers = by_chance(there, shuffled(known.ties[there], f"{name} {self.seed}"))
            made.append(Arm(name, offers, self.floors.get(name)))
        return made

    def _choose(self, arms: list[Arm], rows: Shards, known: Read, guard: Guard) -> None:
        """Let all arms choose, until nothing that they chose is contaminated."""
        while True:
            for arm in arms:
                vectors = guard.vectors if arm.name == "similarity" else None
                arm.fill(self.budget, known.questions, guard.refusals, vectors, self.copies)
            if not guard.look(rows, np.unique([place for arm in arms for place in arm.taken]).astype(np.int64)):
                break
        for arm in arms:
            arm.finish(EXAMPLES)
