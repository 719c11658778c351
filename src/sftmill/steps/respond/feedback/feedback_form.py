"""What a judge of several candidates is asked and says: their shuffled order, its verdict, and that verdict as text."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, Field

from sftmill.text import content_hash, normalise

_BEST = re.compile(r"\[\[\s{0,3}(\d{1,3})\s{0,3}\]\]")


class Critique(BaseModel):
    """What is right and wrong in one answer, by the number under which it is shown."""

    answer: int
    critique: str = Field(json_schema_extra={"maxLength": 800})
    wrong: str = Field("", json_schema_extra={"maxLength": 300})
    """The first wrong piece, word for word; empty where nothing is wrong."""


class Judgement(BaseModel):
    """A judge's critique of each answer, their comparison, and the numbers of the best and the worst."""

    critiques: list[Critique]
    comparison: str = Field(json_schema_extra={"maxLength": 1200})
    best: int
    worst: int

    def fits(self, number: int) -> bool:
        """Tell whether each of so many answers has one critique, and best and worst are two of them."""
        every = set(range(1, number + 1))
        told = [one.answer for one in self.critiques]
        return (
            set(told) == every and len(told) == number and {self.best, self.worst} <= every and self.best != self.worst
        )


class Verdict(NamedTuple):
    """What two games came to: the best and the worst contender, and whether both games agree on each."""

    said: Judgement
    order: list[int]
    best: int
    worst: int | None
    """None where the games name different ones."""
    consistent: bool
    verified: bool | None
    """Whether the best one comes to the reference's result; None where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A candidate: its text, and whether a weak model wrote it, whose words must never be an answer to learn."""

    text: str
    negative: bool


def contenders(candidates: Sequence[str | None], sources: Sequence[str] | None, weak: Sequence[str]) -> list[Contender]:
    """Return the different candidates in a fixed order; a text that a weak model wrote, too, is negative."""
    found: dict[str, bool] = {}
    for place, text in enumerate(candidates):
        key = (text or "").strip()
        if key:
            found[key] = found.get(key, False) or (sources is not None and sources[place] in weak)
    return [Contender(text, negative) for text, negative in sorted(found.items())]


def orders(group: str, texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the order in which candidates are shown, derived from what they say, and another one to hold it against.

    The other one is reversed, so that who stood before now stands behind, and none keeps its place.
    """
    shown = list(range(len(texts)))
    random.Random(content_hash(group, *texts)).shuffle(shown)
    other = shown[::-1]
    middle = len(other) // 2
    if len(other) % 2 and middle:
        other[middle - 1], other[middle] = other[middle], other[middle - 1]
    return shown, other


def parse_best(text: str) -> int | None:
    """Return the number in the last double brackets of a judgement, None where there is none."""
    found = _BEST.findall(text)
    return int(found[-1]) if found else None


def query_group(asked: str, cluster: str | None) -> str:
    """Return what rows that ask the same have in common: their cluster, or else a hash of the question's letters."""
    return cluster or content_hash("".join(c for c in normalise(asked).casefold() if c.isalnum()))


def split_of(group: str, dev: float, test: float) -> str:
    """Return train, dev or test for a group, by its hash, with these shares of dev and test."""
    place = int(content_hash("split", group)[:12], 16) / 16**12
    return "test" if place < test else "dev" if place < test + dev else "train"


def names_in(text: str, names: Sequence[str], asked: str) -> list[str]:
    """Return which of the names of models stand in a text though the question does not have them."""
    folded, known = text.casefold(), asked.casefold()
    return [name for name in names if len(name) > 2 and name.casefold() in folded and name.casefold() not in known]
