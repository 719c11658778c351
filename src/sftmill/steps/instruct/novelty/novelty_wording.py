"""Finds, among many texts, those whose wording is close to a new one: exactly, and without comparing it with all.

The bound: of any `s` tokens of a text with m tokens, at least s - (m - L) also stand in a text with which it has a common
subsequence of L. The rarest tokens are chosen, counted for all texts at once (`bit_columns`), and what is left is
compared token by token. Rows are never ruled out by chance: colliding hashes only let more through.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np

from sftmill.steps.instruct.novelty.bit_columns import BitColumns
from sftmill.text import normalise, rouge_tokens
from sftmill.text.rouge import matched, token_places

CLASSES = 512
"""Columns that tokens are hashed to; a text of 30 tokens fills 6 % of them."""
LENGTHS = 128
"""Columns that tell how long a text is: number i is set where it has more than i tokens."""
MOST_CHOSEN = 256
"""Tokens of a long text that are counted."""
FEW = 6
"""Texts that are compared token by token without another look at all their tokens."""


class Wording(NamedTuple):
    """A text as it is compared."""

    tokens: list[str]
    bare: str
    """The text itself where it has no tokens, such as emoji."""
    columns: list[int]
    """A column for each occurrence of a token: its second occurrence has another one than its first."""


class WordingIndex:
    """Texts in the order they came, about 0.4 KB each, found again by ROUGE-L above `threshold`."""

    def __init__(self, threshold: float):
        self.threshold = threshold
        self._columns = BitColumns(CLASSES + LENGTHS)
        self._used = [0] * CLASSES
        self._signatures = np.zeros((1024, 4), np.uint64)
        self._sizes = np.zeros(1024, np.int32)
        self._texts: list[tuple[str, ...]] = []
        self._known: dict[str, str] = {}
        self._bare: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, wording: Wording) -> None:
        """Append a text."""
        tokens = wording.tokens
        if not tokens:
            self._bare.setdefault(wording.bare, len(self._texts))
        for column in wording.columns:
            self._used[column] += 1
        size = min(len(tokens), LENGTHS)
        self._columns.append([*set(wording.columns), *range(CLASSES, CLASSES + size)])
        place = len(self._texts)
        if place == len(self._sizes):
            self._signatures = np.concatenate([self._signatures, np.zeros_like(self._signatures)])
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._signatures[place] = signature(wording.columns)
        self._sizes[place] = len(tokens)
        known = self._known
        self._texts.append(tuple([known.setdefault(token, token) for token in tokens]))

    def nearest(self, wording: Wording) -> tuple[float, int]:
        """Return the greatest ROUGE-L above the threshold and the number of the first text with it; (0, -1) if none."""
        tokens = wording.tokens
        if not tokens:
            place = self._bare.get(wording.bare, -1)
            return (1.0, place) if place >= 0 and self.threshold < 1 else (0.0, -1)
        best, found = 0.0, -1
        size = len(tokens)
        places = None
        for place in self._possible(wording):
            other = self._texts[place]
            together = size + len(other)
            if 2 * min(size, len(other)) / together <= max(self.threshold, best):
                continue
            places = places or token_places(tokens)
            similarity = 2 * matched(places, size, other) / together
            if similarity > self.threshold and similarity > best:
                best, found = similarity, place
        return best, found

    def _possible(self, wording: Wording) -> list[int]:
        """Return the numbers of the texts that the bound does not rule out, ascending."""
        size = len(wording.tokens)
        plan = make_plan(size, self.threshold)
        if plan is None or not self._texts:
            return []
        used = self._used
        columns = wording.columns
        if plan.chosen < size:
            columns = sorted(columns, key=used.__getitem__)[: plan.chosen]
        # longer texts must share more, so a column tells which are too long for what suffices for shorter ones
        groups = [(least, CLASSES + end if end < LENGTHS else -1) for least, end in plan.groups]
        required = CLASSES + plan.shortest - 1 if plan.shortest <= LENGTHS else -1
        rows = self._columns.search(columns, groups, required)
        if len(rows) > FEW:
            missing = np.bitwise_count(signature(wording.columns) & ~self._signatures[rows]).sum(1, dtype=np.int32)
            rows = rows[2 * (size - missing) / (size + self._sizes[rows]) > self.threshold]
        return rows.tolist()


class Plan(NamedTuple):
    """How texts of one length are looked for."""

    chosen: int
    """How many of the rarest tokens are counted."""
    shortest: int
    """Tokens that another text must have."""
    groups: list[tuple[int, int]]
    """How many of the chosen tokens texts of up to so many tokens must share: (least, longest)."""


@lru_cache(maxsize=4096)
def make_plan(size: int, threshold: float) -> Plan | None:
    """Return the plan for texts of `size` tokens, None where nothing can be closer than the threshold."""
    if needed(size, size, threshold) > size:
        return None
    shortest = size
    while shortest > 1 and needed(size, shortest - 1, threshold) <= shortest - 1:
        shortest -= 1
    longest = size
    while longest < size + LENGTHS and needed(size, longest + 1, threshold) <= size:
        longest += 1
    chosen = 16
    while chosen < min(MOST_CHOSEN, size) and chosen < size - needed(size, size, threshold) + 20:
        chosen *= 2
    chosen = min(chosen, size)
    ends = sorted({max(shortest, end) for end in (round(0.8 * size), size - 1, longest)})
    groups = []
    begin = shortest
    for end in ends:
        if end >= begin:
            groups.append((max(0, chosen - size + needed(size, begin, threshold)), end if end < longest else LENGTHS))
            begin = end + 1
    return Plan(chosen, shortest, groups)


def needed(size: int, other: int, threshold: float) -> int:
    """Return the shortest common subsequence with which texts of `size` and `other` tokens exceed the threshold."""
    together = size + other
    least = max(0, int(threshold * together / 2) - 1)
    while 2 * least / together <= threshold:
        least += 1
    return least


def read_wording(text: str) -> Wording:
    """Return a text as it is compared."""
    tokens = rouge_tokens(text)
    if not tokens:
        return Wording(tokens, normalise(text), [])
    seen: dict[str, int] = {}
    columns = []
    for token in tokens:
        times = seen[token] = seen.get(token, -1) + 1
        columns.append((hashed(token) + 389 * times) % CLASSES)
    return Wording(tokens, "", columns)


def signature(columns: Sequence[int]) -> np.ndarray:
    """Return 256 bits: a token whose bit another text lacks does not stand in it."""
    bits = 0
    for column in columns:
        bits |= 1 << (column & 255)
    return np.frombuffer(bits.to_bytes(32, "little"), np.uint64)


@lru_cache(maxsize=1 << 16)
def hashed(token: str) -> int:
    """Return a number for a token, the same everywhere."""
    return crc32(token.encode("utf-8", "surrogatepass"))
