"""What is looked for, and the search for it in all texts of a batch at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np

from sftmill.steps.curate.decontaminate.fold import read_tokens
from sftmill.steps.curate.decontaminate.hashing import hash_keys, hash_piece, hash_runs
from sftmill.steps.curate.decontaminate.items import Item
from sftmill.text import detect_lang

Unit = Literal["characters", "words"]
"""What the length of an item is told in: characters where it is Chinese, words where it is not."""
Kind = Literal["question", "stem", "whole", "answer"]
ROOM = 1 << 16
"""Hits that there is room for at first."""


@dataclass(slots=True)
class Needle:
    """A text of an item that is looked for: its tokens, with numbers and with all numbers alike."""

    item: int
    kind: Kind
    keys: list[tuple[str, ...]]
    """The tokens of each part; a multiple-choice question has its options as parts of their own."""
    masked: list[tuple[str, ...]]
    short: bool = False
    """Whether it is shorter than the runs that are looked for, so that it must be there as a whole, between edges."""
    countable: int = 0
    """Tokens that stand in some run which is no boilerplate."""
    runs: list[np.ndarray] = field(default_factory=list)
    """Hashes of the runs of each part."""

    @property
    def size(self) -> int:
        """The number of tokens."""
        return sum(map(len, self.keys))


class Texts(NamedTuple):
    """Texts as bytes in UTF-8, one after the other, and the rows that they belong to."""

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    rows: np.ndarray


class Covered(NamedTuple):
    """Rows of a batch that share runs with needles: in each place a row, a needle, and how much of it is covered."""

    rows: np.ndarray
    needles: np.ndarray
    tokens: np.ndarray


def unit_of(item: Item) -> Unit:
    """Return what an item is cut into: characters where it is Chinese."""
    return "characters" if detect_lang(item.stem + " " + " ".join(item.options)) == "zh" else "words"


class Index:
    """The needles of all items of one unit.

    Runs of `n` tokens that stand in `boilerplate` different questions or more are not looked for; None = all are.
    """

    def __init__(self, items: Sequence[Item], unit: Unit, n: int, masked: bool, boilerplate: int | None = 10):
        self.items = items
        self.unit, self.n, self.masked = unit, n, masked
        self.needles: list[Needle] = []
        spread = _Spread(boilerplate)
        for number, item in enumerate(items):
            if unit_of(item) == unit:
                self._add(number, item, spread)
        self.common = spread.common_runs()
        self._fill(spread)

    def _add(self, number: int, item: Item, spread: "_Spread") -> None:
        """Make the needles of an item."""
        stem = self._part(item.stem)
        options = [self._part(option) for option in item.options]
        made: list[Needle] = []
        if stem[0]:
            kind: Kind = "stem" if options else "question"
            made.append(Needle(number, kind, [stem[0]], [stem[1]], len(stem[0]) < self.n))
        if any(len(part[0]) >= self.n for part in options):
            parts = [part for part in (stem, *options) if part[0]]
            made.append(Needle(number, "whole", [part[0] for part in parts], [part[1] for part in parts]))
        said = self._part(item.answer)
        inside = "".join(said[0]) in "".join((*stem[0], *(key for part in options for key in part[0])))
        if len(said[0]) >= 2 * self.n and not inside and not _is_option(said[0], options):
            made.append(Needle(number, "answer", [said[0]], [said[1]]))
        for needle in made:
            if not needle.short:
                needle.runs = [hash_runs(hash_keys(part), self.n) for part in needle.masked]
        spread.add(stem[0], options, made)
        self.needles += made

    def _part(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the tokens of a text, and those that are looked for by."""
        tokens = read_tokens(text)
        keys = tuple(tokens.keys)
        return keys, tuple(tokens.masked) if self.masked else keys

    def _options(self, needle: Needle) -> list[tuple[str, ...]]:
        """Return the tokens of the options of a needle's item."""
        return [self._part(option)[0] for option in self.items[needle.item].options]

    def _fill(self, spread: "_Spread") -> None:
        """Sort the runs and short texts that are looked for, with the places where each stands."""
        keys: list[np.ndarray] = []
        places: list[np.ndarray] = []
        sizes: list[int] = []
        at = 0
        for needle in self.needles:
            sizes.append(at)
            if needle.short:
                anchor = spread.anchor(needle, self._options(needle))
                if anchor:
                    keys.append(np.array([hash_piece(hash_keys(anchor))], np.uint64))
                    places.append(np.array([at], np.int64))
                    needle.countable = 1
                at += 1
                continue
            for part, runs in zip(needle.keys, needle.runs, strict=True):
                rare = np.flatnonzero(~np.isin(runs, self.common))
                keys.append(runs[rare])
                places.append(rare + at)
                needle.countable += _covered(rare, self.n)
                at += len(part)
        self.begins = np.array([*sizes, at], np.int64)
        self.countable = np.array([needle.countable for needle in self.needles], np.int64)
        all_keys = np.concatenate(keys) if keys else np.zeros(0, np.uint64)
        order = np.argsort(all_keys, kind="stable")
        self.keys, firsts = np.unique(all_keys[order], return_index=True)
        self.firsts = np.append(firsts, len(all_keys)).astype(np.int64)
        self.places = (np.concatenate(places) if places else np.zeros(0, np.int64))[order]
        self._scanner = _Scanner(self)

    def search(self, texts: Texts) -> Covered:
        """Return what rows share with needles: candidates, because hashes are compared and not tokens."""
        if not len(self.keys):
            return Covered(*(np.zeros(0, np.int64) for _ in range(3)))
        found, key = self._scanner.hits(texts)
        number = self.firsts[key + 1] - self.firsts[key]
        row = np.repeat(texts.rows[found], number)
        inside = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        place = self.places[np.repeat(self.firsts[key], number) + inside]
        spots = np.unique(row * self.begins[-1] + place)
        row, place = spots // self.begins[-1], spots % self.begins[-1]
        needle = np.searchsorted(self.begins, place, side="right") - 1
        # needles are apart in `place`, but the last run of one must not reach into the next
        same = (row[1:] == row[:-1]) & (needle[1:] == needle[:-1])
        width = np.full(len(place), self.n)
        width[:-1] = np.where(same, np.minimum(self.n, place[1:] - place[:-1]), self.n)
        starts = np.flatnonzero(np.append(True, ~same)) if len(place) else np.zeros(0, np.int64)
        tokens = np.add.reduceat(width, starts) if len(place) else np.zeros(0, np.int64)
        return Covered(row[starts], needle[starts], np.minimum(tokens, self.countable[needle[starts]]))


class _Spread:
    """Counts in how many different questions runs and short stems stand."""

    def __init__(self, limit: int | None):
        self.limit = limit
        self._seen: set[int] = set()
        self._runs: list[np.ndarray] = []
        self._short: Counter[tuple[str, ...]] = Counter()

    def add(
        self, stem: tuple[str, ...], options: list[tuple[tuple[str, ...], tuple[str, ...]]], made: list[Needle]
    ) -> None:
        """Count the runs of an item, unless the same question has been counted."""
        whole = hash((stem, tuple(sorted(keys for keys, _ in options))))
        if self.limit is None or whole in self._seen:
            return
        self._seen.add(whole)
        runs = [part for needle in made for part in needle.runs]
        if runs:
            self._runs.append(np.unique(np.concatenate(runs)))
        self._short.update({needle.keys[0] for needle in made if needle.short} | {keys for keys, _ in options})

    def common_runs(self) -> np.ndarray:
        """Return the hashes of boilerplate."""
        if self.limit is None or not self._runs:
            return np.zeros(0, np.uint64)
        runs, counts = np.unique(np.concatenate(self._runs), return_counts=True)
        return runs[counts >= self.limit]

    def anchor(self, needle: Needle, options: list[tuple[str, ...]]) -> tuple[str, ...] | None:
        """Return what a short text is found by: itself, or where many questions have it, its rarest option, if any."""
        if self.limit is None or self._short[needle.keys[0]] < self.limit:
            return needle.keys[0]
        known = [(self._short[keys], -len(keys), keys) for keys in options if len(keys) > 1]
        return min(known)[2] if known and min(known)[0] < self.limit else None


def _is_option(said: tuple[str, ...], options: Iterable[tuple[tuple[str, ...], tuple[str, ...]]]) -> bool:
    """Tell whether an answer names an option, so that it is no text of its own."""
    return any(keys and keys in (said, said[1:]) for keys, _ in options)


def _covered(places: np.ndarray, n: int) -> int:
    """Return how many tokens the runs that begin at `places` (ascending) cover."""
    return int(np.minimum(np.diff(places), n).sum()) + n if len(places) else 0


class _Scanner:
    """Looks texts up in an index: compiled where numba is installed, else text by text, with the same result."""

    def __init__(self, index: Index):
        self.index = index
        self.compiled = find_spec("numba") is not None
        if not self.compiled:
            return
        from sftmill.steps.curate.decontaminate.scan_kernel import fold_table

        size = 1 << max(10, int(2 * len(index.keys)).bit_length())
        self.slots = np.zeros(size, np.uint64)
        self.numbers = np.zeros(size, np.int64)
        self.sieve = np.zeros(min(1 << 22, size), np.uint8)
        _place(index.keys, self.slots, self.numbers, self.sieve)
        self.table, self.more = fold_table()

    def hits(self, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
        """Return the places in `texts` and in `index.keys` of all hits, in order."""
        if not self.compiled:
            return self._hits_in_python(texts)
        from sftmill.steps.curate.decontaminate.scan_kernel import scan

        # no character folds to more than six codes a byte
        codes = np.empty(6 * int((texts.ends - texts.starts).max(initial=0)) + 64, np.uint32)
        hashes = [np.empty(len(codes) + 1, np.uint64) for _ in range(4)]
        edges = np.empty(len(codes) + 1, np.bool_)
        begins = np.empty(len(codes) + 1, np.int64)
        found = np.empty((ROOM, 2), np.int64)
        parts: list[np.ndarray] = []
        text = 0
        while text < len(texts.starts):
            before = text
            text, number = scan(
                texts.data, texts.starts, texts.ends, text, self.table, self.more, self.index.n, self.index.masked, self.sieve, self.slots, codes, hashes[0], hashes[1], edges,
                hashes[2], hashes[3], begins, found,
            )  # fmt: skip
            parts.append(found[:number].copy())
            if text == before:
                found = np.empty((2 * len(found), 2), np.int64)
        whole = np.concatenate(parts) if parts else np.zeros((0, 2), np.int64)
        return whole[:, 0], self.numbers[whole[:, 1]]

    def _hits_in_python(self, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
        index = self.index
        found: list[np.ndarray] = []
        keys: list[np.ndarray] = []
        for number, (start, end) in enumerate(zip(texts.starts.tolist(), texts.ends.tolist(), strict=True)):
            text = texts.data[start:end].tobytes().decode()
            tokens = read_tokens(text)
            looked = hash_runs(hash_keys(tokens.masked if index.masked else tokens.keys), index.n)
            hashes = hash_keys(tokens.keys)
            edges = [place for place, edge in enumerate(tokens.edges) if edge] + [len(tokens)]
            pieces = [
                hash_piece(hashes[a:b])
                for i, a in enumerate(edges)
                for b in edges[i + 1 : i + 1 + index.n]
                if b - a < index.n
            ]
            looked = np.concatenate([looked, np.array(pieces, np.uint64)])
            at = np.minimum(np.searchsorted(index.keys, looked), len(index.keys) - 1)
            there = at[index.keys[at] == looked]
            keys.append(there)
            found.append(np.full(len(there), number))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(found), np.concatenate(keys)


def _place(keys: np.ndarray, slots: np.ndarray, numbers: np.ndarray, sieve: np.ndarray) -> None:
    """Put keys into a table with open addressing, and mark them in a sieve of bits."""
    bits = keys & np.uint64(len(sieve) * 8 - 1)
    np.bitwise_or.at(
        sieve, (bits >> np.uint64(3)).astype(np.int64), np.uint8(1) << (bits & np.uint64(7)).astype(np.uint8)
    )
    wanted = (keys & np.uint64(len(slots) - 1)).astype(np.int64)
    waiting = np.arange(len(keys))
    while len(waiting):
        # of those that want the same free slot the first gets it; the others try the next one
        free = slots[wanted[waiting]] == 0
        _, firsts = np.unique(wanted[waiting][free], return_index=True)
        lucky = waiting[free][firsts]
        slots[wanted[lucky]] = keys[lucky]
        numbers[wanted[lucky]] = lucky
        waiting = np.setdiff1d(waiting, lucky, assume_unique=True)
        wanted[waiting] = (wanted[waiting] + 1) % len(slots)
