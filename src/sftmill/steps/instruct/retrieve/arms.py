"""What an arm has chosen: rows drawn from its offers until the budget is used up, and those that had to be refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sftmill.steps.instruct.retrieve.choosing import Offer
from sftmill.steps.instruct.retrieve.vectors import Vectors

BLOCK = 512
"""Rows that are compared with those chosen before at a time."""


@dataclass
class Refusals:
    """Rows that no arm may choose, with the reason and what is told of it."""

    of: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def add(self, place: int, reason: str, **facts: Any) -> None:
        """Refuse a row; the first reason holds."""
        self.of.setdefault(place, (reason, facts))


class Arm:
    """One way of choosing: its offers in order, and what it has taken of them."""

    def __init__(self, name: str, offers: Iterator[Offer], floor: float | None):
        self.name, self.floor = name, floor
        self._offers = offers
        self.taken: dict[int, Offer] = {}
        """By place, in the order in which they were taken."""
        self.below: list[Offer] = []
        """The first rows that were not taken, because the budget was used up or they were below the floor."""
        self.refused: dict[str, int] = {}
        """How many rows were passed over, by reason."""
        self.copies: dict[int, int] = {}
        """Rows passed over because one that was taken says the same, with that one."""
        self.ended = ""
        """Why it stopped: budget, floor, or nothing more to choose."""
        self._asked: dict[int, int] = {}
        self._kept: np.ndarray | None = None
        self._size = 0

    def fill(
        self, budget: int, questions: np.ndarray, refusals: Refusals, vectors: Vectors | None, copies: float | None
    ) -> None:
        """Take offers until there are `budget` rows; what was refused meanwhile is replaced by what comes next."""
        for place in [place for place in self.taken if place in refusals.of]:
            self._refuse(refusals.of[place][0])
            del self.taken[place]
        while len(self.taken) < budget:
            block = self._next(min(BLOCK, budget - len(self.taken)), questions, refusals)
            if not block:
                return
            if vectors is not None and copies is not None:
                block = self._without_copies(block, vectors, copies)
            self.taken.update((offer.place, offer) for offer in block)
        self.ended = "budget"

    def finish(self, shown: int) -> None:
        """Look at the next rows, which would have been taken with a larger budget."""
        for offer in self._offers:
            if len(self.below) >= shown:
                return
            self.below.append(offer)

    def _next(self, most: int, questions: np.ndarray, refusals: Refusals) -> list[Offer]:
        """Return the next rows that are not refused and that ask what none before them asks."""
        found: list[Offer] = []
        for offer in self._offers:
            if self.floor is not None and offer.score < self.floor:
                self.ended = "floor"
                # in turns, a later offer of another validation row may still be above the floor
                self._refuse("below_floor")
                if len(self.below) < BLOCK:
                    self.below.append(offer)
                continue
            if offer.place in refusals.of:
                self._refuse(refusals.of[offer.place][0])
                continue
            asked = int(questions[offer.place])
            first = self._asked.setdefault(asked, offer.place)
            if first != offer.place:
                self._refuse("copy")
                self.copies[offer.place] = first
                continue
            found.append(offer)
            if len(found) == most:
                return found
        if not self.ended:
            self.ended = "nothing more"
        return found

    def _without_copies(self, block: list[Offer], vectors: Vectors, most: float) -> list[Offer]:
        """Return the offers whose vectors are not too near to one taken before."""
        here = vectors.at(np.array([offer.place for offer in block], np.int64))
        near = np.zeros(len(block), bool)
        if self._kept is None:
            self._kept = np.zeros((BLOCK, here.shape[1]), np.float16)
        for start in range(0, self._size, 8192):
            kept = self._kept[start : min(start + 8192, self._size)].astype(np.float32)
            near |= (here @ kept.T >= most).any(axis=1)
        inner = here @ here.T >= most
        passed: list[int] = []
        for number in range(len(block)):
            if near[number] or inner[number, passed].any():
                self._refuse("copy")
            else:
                passed.append(number)
        if self._size + len(passed) > len(self._kept):
            self._kept = np.concatenate([self._kept, np.zeros((len(self._kept) + BLOCK, here.shape[1]), np.float16)])
        self._kept[self._size : self._size + len(passed)] = here[passed]
        self._size += len(passed)
        return [block[number] for number in passed]

    def _refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1
