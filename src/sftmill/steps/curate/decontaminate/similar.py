"""Items in other words: rows whose vectors are near an item's, confirmed by a judge."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from sftmill.core import Desk, Sampling
from sftmill.errors import RecipeError, ReplyUnusable
from sftmill.steps.curate.decontaminate.items import Item
from sftmill.steps.curate.decontaminate.matching import LONGEST_SPAN, Finding, worst_first
from sftmill.text import numbers

LONGEST = 4_000
"""Characters of a text that are embedded, or shown to the judge."""
FEWEST_NUMBERS, NUMBERS_SHARED = 2, 0.6
"""Different numbers that two questions have in common at least, and their share of all, where they have the same ones."""
FEWEST_ITEMS, SAMPLE = 20, 1_000
"""Items from which on their likeness to one another is looked at, and about how many of them."""


class SameProblem(BaseModel):
    """What a judge says of two questions."""

    model_config = ConfigDict(extra="forbid")

    evidence: str
    """What both ask for, or where they differ."""
    same: bool
    """Whether the answer to one is the answer to the other."""


class Near(NamedTuple):
    """A row that is near an item."""

    row: int
    item: int
    cosine: float
    same_numbers: bool | None
    """Whether both have the same numbers, whatever the language; None where there are too few to tell."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """From what on a row is near an item; cosines of their vectors."""

    cosine: float
    with_same_numbers: float | None
    certain: float | None
    """Cosine that is enough without a judge; None = none is."""
    most: int = 1
    """Items that a row is held against, the nearest first."""


class Similar:
    """Finds rows that ask what an item asks, in other words or another language."""

    def __init__(self, items: Sequence[Item], nearness: Nearness, to: str, to_judge: str | None, max_tokens: int):
        self.items, self.nearness, self.to, self.to_judge, self.max_tokens = items, nearness, to, to_judge, max_tokens
        least = nearness.cosine
        self.lowest = least if nearness.with_same_numbers is None else min(least, nearness.with_same_numbers)
        self._there = np.zeros((0, 1), np.float32)
        self._numbers: dict[int, frozenset[Decimal]] = {}

    async def start(self, desk: Desk) -> None:
        """Embed the items; raises RecipeError where the bounds say nothing for this embedder."""
        self._there = await self._embed([asked(item) for item in self.items], desk)
        self._refuse_crowd()

    async def find(self, texts: dict[int, str], found: dict[int, list[Finding]], desk: Desk) -> None:
        """Add to what was found, row by row, the leaks and near misses among these texts."""
        near = await self.near(texts, desk)
        said = await asyncio.gather(*(self._confirm(one, texts[one.row], desk) for one in near))
        for one, how in zip(near, said, strict=True):
            leak = how in ("similar", "same_numbers")
            said = Finding(one.item, how, one.cosine, leak, texts[one.row][:LONGEST_SPAN], True)
            found[one.row] = worst_first([*found.get(one.row, ()), said])

    async def _confirm(self, near: Near, text: str, desk: Desk) -> str:
        """Return what becomes of a row that is near an item: a leak, or which near miss it is."""
        if self.to_judge is not None:
            same = await ask_same(text, self.items[near.item], self.to_judge, self.max_tokens, desk)
            return "no_verdict" if same is None else "similar" if same else "not_confirmed"
        if near.same_numbers:
            return "same_numbers"
        sure = self.nearness.certain is not None and near.cosine >= self.nearness.certain
        return "similar" if sure and near.same_numbers is None else "not_asked"

    async def near(self, texts: dict[int, str], desk: Desk) -> list[Near]:
        """Return the items that are nearest to each text, of those near enough, row by row."""
        rows = [row for row, text in texts.items() if text.strip()]
        if not rows or not len(self._there):
            return []
        vectors = await self._embed([texts[row] for row in rows], desk)
        if vectors.shape[1] != self._there.shape[1]:
            raise RecipeError(f"role {self.to!r} gives vectors of different lengths; name another model for it")
        likeness = vectors @ self._there.T
        found: list[Near] = []
        most = self.nearness.most
        for row, cosines in zip(rows, likeness, strict=True):
            close = [
                (-round(float(cosines[item]), 4), item) for item in np.flatnonzero(cosines >= self.lowest).tolist()
            ]
            near = [
                Near(row, item, -below, self._same_numbers(texts[row], item))
                for below, item in sorted(close)[: 4 * most]
            ]
            found += [one for one in near if one.cosine >= self.nearness.cosine or one.same_numbers][:most]
        return found

    def _refuse_crowd(self) -> None:
        """Stop where different items are as near to one another as a leak would be."""
        some = self._there[:: max(1, len(self._there) // SAMPLE)]
        if len(some) < FEWEST_ITEMS:
            return
        middle = float(np.median((some @ some.T)[~np.eye(len(some), dtype=bool)]))
        if middle >= self.lowest:
            raise RecipeError(
                f"decontaminate: half of the items have a cosine of {middle:.2f} or more with one another, so that "
                f"{self.lowest} tells nothing for the role {self.to!r}; raise `cosine` and `cosine_numbers` well above "
                "that: the right values depend on the embedder"
            )

    def _same_numbers(self, text: str, item: int) -> bool | None:
        """Tell whether a text has the numbers of an item, as most have; None where either has too few."""
        if item not in self._numbers:
            self._numbers[item] = values_of(asked(self.items[item]))
        there, here = self._numbers[item], values_of(text)
        if min(len(there), len(here)) < FEWEST_NUMBERS:
            return None
        common = len(there & here)
        return common >= FEWEST_NUMBERS and common >= NUMBERS_SHARED * len(there | here)

    async def _embed(self, texts: list[str], desk: Desk) -> np.ndarray:
        """Return the unit vectors of texts, n x d in float32."""
        return await desk.vectors([text[:LONGEST] for text in texts], to=self.to)


async def ask_same(text: str, item: Item, to: str, max_tokens: int, desk: Desk) -> bool | None:
    """Return whether a judge finds that a row asks what an item asks, None where its reply cannot be used."""
    prompt = desk.prompt("same", problem=asked(item)[:LONGEST], other=text[:LONGEST])
    try:
        replies = await desk.ask(prompt, to=to, schema=SameProblem, sampling=Sampling(max_tokens=max_tokens))
    except ReplyUnusable:
        return None
    verdict = replies[0].data
    return verdict.same if isinstance(verdict, SameProblem) else None


def values_of(text: str) -> frozenset[Decimal]:
    """Return the different numbers of a text, in digits or words, without their units."""
    return frozenset(abs(number.value) for number in numbers(text[:LONGEST], words=True))


def asked(item: Item) -> str:
    """Return an item's question with its options."""
    lines = [f"{letter}. {option}" for letter, option in zip("ABCDEFGHIJ", item.options, strict=False)]
    return "\n".join([item.stem, *lines])
