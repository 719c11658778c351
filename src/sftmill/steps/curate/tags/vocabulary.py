"""From the tags that were given to the tags that are used: by form, by frequency, by meaning, by company."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sftmill.steps.curate.tags.forms import tag_key
from sftmill.steps.curate.tags.opposites import must_stay_apart

BLOCK = 1024


@dataclass(slots=True)
class Entry:
    """A form of tags, and what became of it."""

    key: str
    shown: str
    """The way in which it is written most often."""
    rows: int
    spellings: int
    """Ways in which it is written."""
    into: str
    """Key of the entry that stands for it; its own where it stands for itself, empty where it is dropped."""
    how: str = ""
    """Why it went: rare, meaning or association."""
    measure: float | None = None
    """Cosine with what stands for it, or share of its rows that have that tag, too."""


@dataclass
class Vocabulary:
    """All forms of tags by key."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def final(self, key: str) -> Entry | None:
        """Return what stands for a form in the end, None where it was dropped."""
        entry = self.entries.get(key)
        while entry is not None and entry.into != entry.key:
            entry = self.entries.get(entry.into) if entry.into else None
        return entry

    def standing(self) -> list[Entry]:
        """Return the entries that stand for themselves, the most frequent first."""
        return ranked(entry for entry in self.entries.values() if entry.into == entry.key)

    def translate(self, tags: Iterable[str]) -> list[str]:
        """Return the tags that are used in the stead of some that were given, each once, in their order."""
        found = (self.final(tag_key(tag)) for tag in tags)
        return list(dict.fromkeys(entry.shown for entry in found if entry is not None))


def ranked(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries in the order of their frequency, then of their keys."""
    return sorted(entries, key=lambda entry: (-entry.rows, entry.key))


def gather(spelled: Mapping[str, Counter[str]], rows: Mapping[str, int], least: int) -> Vocabulary:
    """Return the vocabulary after the rules of form; forms that fewer than `least` rows have are dropped.

    `spelled` has the spellings of each key, `rows` the number of rows that have it. Spellings are put together before
    they are counted, so that a tag that is written in three ways is as frequent as it is.
    """
    made = Vocabulary()
    for key, spellings in spelled.items():
        shown = min(spellings, key=lambda text: (-spellings[text], text))
        entry = Entry(key, shown, rows[key], len(spellings), key)
        if entry.rows < least:
            entry.into, entry.how = "", "rare"
        made.entries[key] = entry
    return made


def merge_by_meaning(vocabulary: Vocabulary, entries: Sequence[Entry], vectors: np.ndarray, threshold: float) -> None:
    """Let entries stand for those that mean the same; `entries` are ranked, `vectors` their unit vectors.

    The most frequent tags are centres; each other one joins the nearest centre from `threshold` on, or becomes a centre.
    What is merged is near to what stands for it, so that no chain of neighbours can join A and C, which are far apart,
    by way of B. DBSCAN, which InsTag uses, does that.
    """
    centres: list[int] = []
    for start in range(0, len(entries), BLOCK):
        block = vectors[start : start + BLOCK]
        before = block @ vectors[centres].T if centres else np.zeros((len(block), 0), np.float32)
        inner = block @ block.T
        fresh: list[int] = []
        for at, entry in enumerate(entries[start : start + BLOCK]):
            near = [
                (-round(float(before[at, i]), 5), centres[i]) for i in np.flatnonzero(before[at] >= threshold).tolist()
            ]
            near += [(-round(float(inner[at, one - start]), 5), one) for one in fresh]
            best = min(near, default=(0.0, -1))
            if best[1] >= 0 and -best[0] >= threshold and not must_stay_apart(entry.key, entries[best[1]].key):
                entry.into, entry.how, entry.measure = entries[best[1]].key, "meaning", -best[0]
                entries[best[1]].rows += entry.rows
            else:
                fresh.append(start + at)
        centres += fresh


def count_pairs(baskets: Iterable[Sequence[int]], number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs (one < other) of `number` tags that rows have together, and in how many rows they do.

    These are the sets of two that FP-Growth finds, counted directly: merging needs no larger ones, and a tree of all
    rows would take more memory than the pairs. Each basket has each tag once.
    """
    totals = np.zeros(0, np.int64), np.zeros(0, np.int64)
    waiting: list[int] = []

    def add() -> None:
        nonlocal totals
        codes, where = np.unique(np.concatenate([totals[0], np.array(waiting, np.int64)]), return_inverse=True)
        counts = np.bincount(where, np.concatenate([totals[1], np.ones(len(waiting), np.int64)]), len(codes))
        totals = codes, counts.astype(np.int64)
        waiting.clear()

    for basket in baskets:
        tags = sorted(basket)
        waiting += [one * number + other for i, one in enumerate(tags) for other in tags[i + 1 :]]
        if len(waiting) > 2_000_000:
            add()
    add()
    return totals[0] // max(1, number), totals[0] % max(1, number), totals[1]


def merge_by_company(
    entries: Sequence[Entry],
    rows: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    support: int,
    confidence: float,
) -> None:
    """Let a tag stand for one that has it beside it nearly always, as "mathematics" does for "math problem".

    `rows` is in how many rows each entry is. A tag goes into the one that most of its rows have, where at least
    `support` rows have both and these are `confidence` of its own rows; it goes into no tag that goes itself.
    """
    ways: list[tuple[float, int, int]] = []
    for one, other, both in zip(*(part.tolist() for part in pairs), strict=True):
        if both < support:
            continue
        for goes, stays in ((one, other), (other, one)):
            share = both / rows[goes]
            # of two that always go together the rarer one goes, or the later one
            if share >= confidence and (-rows[goes], goes) > (-rows[stays], stays):
                ways.append((-share, goes, stays))
    gone: set[int] = set()
    into: set[int] = set()
    for share, goes, stays in sorted(ways, key=lambda way: (way[0], -rows[way[2]], way[1], way[2])):
        if goes in gone or goes in into or stays in gone:
            continue
        entries[goes].into, entries[goes].how, entries[goes].measure = entries[stays].key, "association", -share
        gone.add(goes)
        into.add(stays)
