"""Near-duplicates: MinHash-LSH over shingles, and the true Jaccard similarity of every pair that it proposes.

The first reading of the rows keeps hashes: one of the whole text, one of its letters, and a key for each band. Band
after band is sorted, and rows that share a key are paired. The second reading keeps the shingles of the rows that are
in a pair, in several rounds where they do not fit into memory, and compares them.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from sftmill.core import Shards
from sftmill.steps.curate.dedup.choice import Choice, choose, connect
from sftmill.steps.curate.dedup.comparison import texts_key
from sftmill.steps.curate.dedup.lsh import Bands, choose_bands
from sftmill.steps.curate.dedup.number_guard import numbers_differ
from sftmill.steps.curate.dedup.reading import SHORT_MOST, Sets, Signed, read_sets, read_texts, sign_rows
from sftmill.steps.curate.dedup.texts import By

HELD = 1_500_000_000
"""Bytes of shingles that are in memory at once."""
SHINGLE_BYTES = 4
"""Bytes that the shingles of a byte of text take, at most; in Chinese a third of it."""
AT_ONCE = 200_000
"""Pairs whose texts are in memory at once, to look for their numbers."""


class Rule(NamedTuple):
    """When two texts are near-duplicates."""

    by: By = "question"
    threshold: float | None = None
    """Least Jaccard similarity; None = 0.7 for short Chinese texts and 0.8 for all others."""
    unit: Literal["characters", "words"] = "characters"
    numbers: Literal["differ", "ignore"] = "differ"

    @property
    def least_short(self) -> float:
        """Least similarity where one of the two is a short Chinese text."""
        return 0.7 if self.threshold is None else self.threshold

    @property
    def least_long(self) -> float:
        """Least similarity of all others."""
        return 0.8 if self.threshold is None else self.threshold

    @property
    def reach(self) -> int:
        """Characters of the longest text that can be a near-duplicate of a short one."""
        return int(1.2 * SHORT_MOST / self.least_short)


class Edges(NamedTuple):
    """Pairs of rows that are copies of each other, by their places in the stream."""

    one: np.ndarray
    other: np.ndarray
    similarity: np.ndarray


class Near:
    """One search for near-duplicates; rows of different `kinds` are never copies of each other."""

    def __init__(self, rows: Shards, kinds: np.ndarray, rule: Rule, held: int = HELD):
        self.rows, self.kinds, self.rule, self.held = rows, kinds, rule, held
        self.classes = np.zeros(0, np.uint8)
        self.sizes = np.zeros(0, np.uint32)
        self.stands = np.zeros(0, np.int64)
        """For each row the first one with the same folded text."""
        self.alike = np.zeros(0, np.int64)
        """For each row the first one that differs in writing habits alone."""
        self.read = NOTHING
        self.candidates = 0
        """Pairs that the bands proposed."""
        self.apart = 0
        """Pairs that are alike but for a number."""

    def find(self) -> Edges:
        """Return the pairs that unite all near-duplicates."""
        rule = self.rule
        short, long = choose_bands(rule.least_short), choose_bands(rule.least_long)
        signed = sign_rows(self.rows, self.kinds, rule.by, rule.unit == "words", short, long, rule.reach)
        self.classes, self.sizes = signed.classes, signed.sizes
        stands, same = same_wholes(signed.wholes)
        self.stands = stands
        letters = same_letters(self.rows, rule.by, signed, stands)
        pairs = np.concatenate([self._pairs(signed.short, stands, short, 1), self._pairs(signed.long, stands, long, 0)])
        del signed
        pairs = pairs[np.sort(np.unique(pairs[:, 0] << 32 | pairs[:, 1], return_index=True)[1])]
        self.candidates = len(pairs)
        self.alike = connect(
            len(stands), np.concatenate([same.one, letters.one]), np.concatenate([same.other, letters.other])
        )
        found = self._good(pairs)
        return Edges(*(np.concatenate(column) for column in zip(same, letters, found, strict=True)))

    def settle(self, edges: Edges, rank: np.ndarray) -> Choice:
        """Return what becomes of the rows when of all that edges connect the one with the lowest rank stays.

        A chain of edges may lead from a number to another one, through a copy that has lost it: what differs in a
        number from the row that stays is looked at again, by itself.
        """
        number = len(rank)
        of, similarity = np.arange(number), np.full(number, np.nan, np.float32)
        verified = _as_one(edges.one, edges.other)
        order = np.argsort(verified, kind="stable")
        verified, measured = verified[order], edges.similarity[order]
        one, other = edges.one, edges.other
        while len(one):
            found = choose(number, one, other, rank)
            gone = found.dropped()
            stays = found.of[gone]
            of[gone] = stays
            pair = _as_one(self.stands[gone], self.stands[stays])
            place = np.minimum(np.searchsorted(verified, pair), len(verified) - 1)
            known = verified[place] == pair
            similarity[gone[known]] = measured[place[known]]
            gone, stays = gone[~known], stays[~known]
            similarity[gone], suspect = self._similarity(gone, stays)
            if self.rule.numbers == "ignore":
                break
            pairs = np.stack([gone[suspect], stays[suspect]], axis=1)
            apart = np.zeros(number, bool)
            apart[pairs[say_other_numbers(self.rows, self.rule.by, pairs), 0]] = True
            of[apart] = np.flatnonzero(apart)
            similarity[apart] = np.nan
            inner = apart[one] & apart[other]
            one, other = one[inner], other[inner]
        return Choice(of, similarity)

    def _similarity(self, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Jaccard similarity of pairs of rows, 1 where they differ in writing habits alone.

        Also returns which pairs may differ in a number.
        """
        made, suspect = np.ones(len(one), np.float32), np.zeros(len(one), bool)
        unlike = np.flatnonzero(self.alike[one] != self.alike[other])
        if len(unlike):
            pairs = self.stands[np.stack([one[unlike], other[unlike]], axis=1)]
            made[unlike], suspect[unlike] = self._compare(pairs, np.zeros(len(pairs)))
        return made, suspect

    def _pairs(self, keyed: tuple[np.ndarray, np.ndarray], stands: np.ndarray, bands: Bands, needs: int) -> np.ndarray:
        """Return the pairs of places that share a band; of short keys those with a short Chinese text among them."""
        places, keys = keyed
        first = stands[places] == places
        if not first.all():
            places, keys = places[first], keys[first]
        pairs = pair_all(keys)
        pairs = places[pairs]
        if needs:
            pairs = pairs[((self.classes[pairs[:, 0]] | self.classes[pairs[:, 1]]) & 1) == 1]
        return pairs

    def _good(self, pairs: np.ndarray) -> Edges:
        """Return those pairs that are alike enough and have the same numbers in them."""
        least = np.where(self._short(pairs), self.rule.least_short, self.rule.least_long)
        similarity, suspect = self._compare(pairs, least)
        good = similarity > 0
        pairs, similarity, suspect = pairs[good], similarity[good], suspect[good]
        if self.rule.numbers == "differ" and suspect.any():
            differ = np.zeros(len(pairs), bool)
            differ[suspect] = say_other_numbers(self.rows, self.rule.by, pairs[suspect])
            self.apart = int(differ.sum())
            pairs, similarity = pairs[~differ], similarity[~differ]
        return Edges(pairs[:, 0], pairs[:, 1], similarity)

    def _short(self, pairs: np.ndarray) -> np.ndarray:
        """Tell which pairs have a short Chinese text among them, so that they are compared by short shingles."""
        return ((self.classes[pairs[:, 0]] | self.classes[pairs[:, 1]]) & 1) == 1

    def _compare(self, pairs: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the similarity of pairs, 0 where it is below `least`, and whether their numbers may differ."""
        from sftmill.steps.curate.dedup.pair_kernels import compare

        items = 2 * pairs + self._short(pairs)[:, None]
        known = np.unique(items)
        similarity, suspect = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), bool)
        if len(known) and np.isin(known, self.read.items, assume_unique=True).all():
            plan = iter([(self.read, np.arange(len(pairs)))])
        else:
            ends = np.searchsorted(known, items)
            size = SHINGLE_BYTES * self.sizes[known >> 1].astype(np.int64)
            plan = ((self._read(known[wanted]), here) for wanted, here in rounds(ends, size, self.held))
        for held, here in plan:
            one, other = (np.searchsorted(held.items, items[here, end]) for end in (0, 1))
            part = np.zeros(len(here), np.float32)
            compare(held.sets.values, held.sets.borders, one, other, least[here], part)
            similarity[here] = part
            suspect[here] = held.numbered[one] != held.numbered[other]
            if len(held.items) == len(known):  # all fit into memory, so that the next question need not read again
                self.read = held
        return similarity, suspect

    def _read(self, items: np.ndarray) -> "Held":
        """Return the shingles of items, each twice a row's place, and one more where they are short ones."""
        self.read = NOTHING  # makes room
        numbered = np.zeros(len(items), np.uint64)
        words = self.rule.unit == "words"
        sets = read_sets(self.rows, self.rule.by, words, items >> 1, items & 1 == 1, numbered)
        return Held(items, sets, numbered)


class Held(NamedTuple):
    """Items that are in memory: ascending, with their shingles and the hashes of what numbers stand in them."""

    items: np.ndarray
    sets: Sets
    numbered: np.ndarray


NOTHING = Held(np.zeros(0, np.int64), Sets(np.zeros(0, np.uint32), np.zeros(1, np.int64)), np.zeros(0, np.uint64))


def _as_one(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a number for each pair of places, whichever comes first."""
    return np.minimum(one, other).astype(np.int64) << 32 | np.maximum(one, other)


def same_wholes(wholes: np.ndarray) -> tuple[np.ndarray, Edges]:
    """Return for each row the first one with the same text, itself where there is none, and these pairs."""
    order = np.argsort(wholes, kind="stable")
    ordered = wholes[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    firsts = order[np.flatnonzero(fresh)[np.cumsum(fresh) - 1]] if len(order) else order
    stands = np.empty(len(order), np.int64)
    stands[order] = firsts
    stands = np.where(wholes == 0, np.arange(len(wholes)), stands)
    copies = np.flatnonzero(stands != np.arange(len(wholes)))
    return stands, Edges(stands[copies], copies, np.ones(len(copies), np.float32))


def shared_letters(looses: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return the places, ascending, of the different texts whose letters another text has, too."""
    places = np.flatnonzero((looses != 0) & (stands == np.arange(len(stands))))
    values, counts = np.unique(looses[places], return_counts=True)
    shared = values[counts > 1]
    at = np.searchsorted(shared, looses[places])
    at[at == len(shared)] = 0
    return places[shared[at] == looses[places]] if len(shared) else places[:0]


def same_letters(rows: Shards, by: By, signed: Signed, stands: np.ndarray) -> Edges:
    """Return the pairs of texts that are the same but for writing habits, though their shingles may differ."""
    firsts: dict[tuple[int, bytes], int] = {}
    found: list[tuple[int, int]] = []
    places = shared_letters(signed.looses, stands)
    if len(places):
        for place, texts in read_texts(rows, by, places):
            if (key := texts_key(texts)) is not None:
                # the hash of the letters holds the row's kind
                first = firsts.setdefault((int(signed.looses[place]), key), place)
                if first != place:
                    found.append((first, place))
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return Edges(pairs[:, 0], pairs[:, 1], np.ones(len(pairs), np.float32))


def say_other_numbers(rows: Shards, by: By, pairs: np.ndarray) -> np.ndarray:
    """Tell which pairs of rows differ in a number."""
    made = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs[start : start + AT_ONCE]
        texts = dict(read_texts(rows, by, np.unique(part)))
        made[start : start + AT_ONCE] = [numbers_differ(texts[one], texts[other]) for one, other in part.tolist()]
    return made


def pair_all(keys: np.ndarray) -> np.ndarray:
    """Return the pairs of lines of `keys` (n x bands) that have a key in common, n x 2."""
    from sftmill.steps.curate.dedup.pair_kernels import pair_up

    number, bands = keys.shape
    crowded = np.zeros(number, np.uint64)
    numbered = np.arange(number, dtype=np.uint64)
    room = np.empty(max(1024, number), np.uint64)
    parts = []
    for band in range(bands):
        ordered = keys[:, band].astype(np.uint64) << np.uint64(32) | numbered
        ordered.sort()
        count = pair_up(ordered, keys, crowded, band, room)
        if count > len(room):
            room = np.empty(count, np.uint64)
            count = pair_up(ordered, keys, crowded, band, room)
        parts.append(room[:count].copy())
    pairs = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    return np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


def rounds(ends: np.ndarray, sizes: np.ndarray, held: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what is to be in memory together: numbers of items, ascending, and of the pairs between them.

    `ends` are the pairs' items (n x 2), `sizes` the items' bytes. Items that pairs connect stay together as long as
    half of `held` has room for them; what is cut apart meets in a round of its own.
    """
    if sizes.sum() <= held:
        if len(ends):
            yield np.arange(len(sizes)), np.arange(len(ends))
        return
    root = connect(len(sizes), ends[:, 0], ends[:, 1])
    order = np.lexsort((np.arange(len(root)), root))
    chunk = np.empty(len(root), np.int64)
    chunk[order] = np.cumsum(sizes[order]) // max(1, held // 2)
    chunks = np.sort(chunk[ends], axis=1)
    last = int(chunk.max())
    open_ = np.ones(len(ends), bool)
    for start in range(0, last + 1, 2):
        here = np.flatnonzero(open_ & (chunks[:, 0] >= start) & (chunks[:, 1] <= start + 1))
        open_[here] = False
        if len(here):
            yield np.unique(ends[here]), here
    for one, other in np.unique(chunks[open_], axis=0).tolist():
        here = np.flatnonzero((chunks[:, 0] == one) & (chunks[:, 1] == other))
        yield np.unique(ends[here]), here
