"""What a row has in common with an item, token by token, and what that means: a leak, a near miss, or nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sftmill.steps.curate.decontaminate.fold import NUMBER, read_tokens
from sftmill.steps.curate.decontaminate.hashing import hash_keys, hash_runs
from sftmill.steps.curate.decontaminate.index import Index, Needle, Unit
from sftmill.steps.curate.decontaminate.items import split_options

FEWEST: dict[Unit, int] = {"characters": 5, "words": 3}
"""Tokens below which a question must be a whole turn: "17 + 4" stands in many a text that has not leaked."""
MOST_CHANGED = 1 / 3
"""Share of the numbers of a copy that may differ before it counts as another question of the same template."""
MOST_OPTIONS_MISSING = 0.25
"""Share of the options that may be missing from a copy whose stem is short."""
LONGEST_SPAN = 200
"""Characters of the matching text that are told."""
MOST_PLACES = 16
"""Places of the same run within an item that are compared."""

NearMisses = Literal["numbers_changed", "other_options", "stem_alone"]


@dataclass(frozen=True, slots=True)
class Rules:
    """From what on a row counts as a leak."""

    coverage: float
    """Share of an item's tokens in runs that the row shares."""
    windows: dict[Unit, int] | None
    """Tokens of one shared run that are enough whatever the share; None = no run is."""
    numbers_leak: bool = False
    """Whether a copy with other numbers is one, too."""


@dataclass(slots=True)
class Finding:
    """What was found about a row and an item."""

    item: int
    found_by: str
    """How: copy, overlap, window, stem, options, short, answer, numbers; or which near miss it is."""
    coverage: float
    """Share of the item that is there, or the cosine of their vectors."""
    leak: bool
    span: str = ""
    by_cosine: bool = False

    def facts(self, set_name: str, name: str) -> dict[str, Any]:
        """Return what is told of a row that is dropped."""
        measure = "cosine" if self.by_cosine else "coverage"
        found = {"eval_set": set_name, "item": name, "found_by": self.found_by}
        return {**found, measure: round(self.coverage, 3), "span": self.span}


@dataclass(slots=True)
class Shared:
    """What a needle and a row have in common."""

    exact: float = 0.0
    """Share of the needle's tokens in runs that the row has as they stand."""
    masked: float = 0.0
    """The same with all numbers alike."""
    longest: int = 0
    """Tokens of the longest run as it stands."""
    longest_masked: int = 0
    numbers: int = 0
    """Numbers of the needle within these runs."""
    changed: int = 0
    """Those of them that are different in the row."""
    of_text: float = 0.0
    """Share of the row's own text, the one that has most of the needle, that stands in these runs."""
    beyond: int = 0
    """Tokens of the needle's other parts, its options, within these runs."""
    span: str = ""


class Candidate:
    """A row's texts, cut once and compared with several needles."""

    def __init__(self, texts: Sequence[str], index: Index):
        self.index = index
        self.texts = [read_tokens(text) for text in texts]
        self.masked = [tuple(text.masked if index.masked else text.keys) for text in self.texts]
        self._runs: list[np.ndarray] | None = None
        self._joined: str | None = None

    def share(self, needle: Needle) -> Shared:
        """Return what the row shares with a needle: runs of `n` tokens that are no boilerplate."""
        n = self.index.n
        exact, masked = bytearray(needle.size), bytearray(needle.size)
        same: set[int] = set()
        other: set[int] = set()
        found = Shared()
        places: dict[int, tuple[int, int]] = {}
        there = [bytearray(len(text)) for text in self.texts]
        base = 0
        for keys, masks, runs in zip(needle.keys, needle.masked, needle.runs, strict=True):
            where: dict[int, list[int]] = {}
            for place in np.flatnonzero(~np.isin(runs, self.index.common)).tolist():
                where.setdefault(int(runs[place]), []).append(place)
            for number, row_runs in enumerate(self.runs()):
                diagonals: dict[int, tuple[int, int, int]] = {}
                for at in np.flatnonzero(np.isin(row_runs, runs)).tolist():
                    for place in where.get(int(row_runs[at]), ())[:MOST_PLACES]:
                        if masks[place : place + n] != self.masked[number][at : at + n]:
                            continue
                        masked[base + place : base + place + n] = there[number][at : at + n] = b"\1" * n
                        low, high = places.get(number, (at, at + n))
                        places[number] = min(low, at), max(high, at + n)
                        equal = True
                        for k in range(n):
                            if keys[place + k] != self.texts[number].keys[at + k]:
                                equal = False
                                other.add(base + place + k)
                            elif keys[place + k][0] == NUMBER:
                                same.add(base + place + k)
                        last, length, length_exact = diagonals.get(at - place, (-2, 0, 0))
                        length = length + 1 if last == at - 1 else n
                        length_exact = 0 if not equal else length_exact + 1 if last == at - 1 and length_exact else n
                        diagonals[at - place] = at, length, length_exact
                        found.longest_masked = max(found.longest_masked, length)
                        found.longest = max(found.longest, length_exact)
                        if equal:
                            exact[base + place : base + place + n] = b"\1" * n
            base += len(keys)
        total = max(1, needle.countable)
        found.beyond = sum(masked[len(needle.keys[0]) :])
        found.exact, found.masked = min(1.0, sum(exact) / total), min(1.0, sum(masked) / total)
        found.changed, found.numbers = len(other - same), len(other | same)
        if places:
            number = max(places, key=lambda one: sum(there[one]))
            found.of_text = sum(there[number]) / len(there[number])
            found.span = self._span(number, *places[number])
        return found

    def runs(self) -> list[np.ndarray]:
        """Return the hashes of the runs of each text."""
        if self._runs is None:
            self._runs = [hash_runs(hash_keys(text), self.index.n) for text in self.masked]
        return self._runs

    def find_short(self, keys: tuple[str, ...], alone: bool) -> tuple[int, int] | None:
        """Return the text and the place where a short text stands between edges, or `alone` as the whole text."""
        size = len(keys)
        for number, text in enumerate(self.texts):
            if alone:
                if tuple(text.keys) == keys:
                    return number, 0
                continue
            for at in range(len(text) - size + 1):
                between = text.keys[at] == keys[0] and text.edges[at] and text.ends_at(at + size)
                if between and tuple(text.keys[at : at + size]) == keys:
                    return number, at
        return None

    def options_there(self, options: Sequence[str]) -> float:
        """Return the share of an item's options that stand in the row, anywhere and in any order."""
        if self._joined is None:
            self._joined = "\x1f\x1f".join("\x1f".join(["", *text.keys, ""]) for text in self.texts)
        wanted = ["\x1f".join(["", *read_tokens(option).keys, ""]) for option in options]
        return sum(one in self._joined for one in wanted) / len(wanted) if wanted else 0.0

    def has_own_options(self) -> bool:
        """Tell whether the row asks a multiple-choice question of its own."""
        return any(split_options(text.text)[1] for text in self.texts)

    def _span(self, number: int, start: int, end: int) -> str:
        text = self.texts[number]
        return text.text[text.starts[start] : text.ends[end - 1]][:LONGEST_SPAN]

    def judge(self, needle: Needle, rules: Rules) -> Finding | None:
        """Return what the row has of a needle's item, None where it is too little to tell."""
        options = self.index.items[needle.item].options
        if needle.short:
            return self._judge_short(needle, options)
        found = self.share(needle)
        # a long quotation, such as of a law, makes no leak of an answer that is mostly something else
        window = rules.windows[self.index.unit] if rules.windows and needle.kind != "answer" else needle.size + 1
        if found.masked < rules.coverage and found.longest_masked < window:
            return None
        if needle.kind == "whole" and not found.beyond:
            return None  # only the stem is there, which is looked for by itself
        if needle.kind == "answer" and found.of_text < rules.coverage:
            return None  # a text that quotes the same, such as an article of law
        said = Finding(needle.item, "", found.masked, False, found.span)
        if found.changed and (
            found.changed > MOST_CHANGED * found.numbers or (found.exact < rules.coverage and found.longest < window)
        ):
            said.found_by, said.leak = ("numbers", True) if rules.numbers_leak else ("numbers_changed", False)
            return said
        said.coverage, said.leak = found.exact, True
        there = self.options_there(options) if options else 1.0
        if needle.kind == "stem" and there == 0 and self._brief(needle) and self.has_own_options():
            said.found_by, said.leak = "other_options", False
        elif needle.kind == "answer":
            said.found_by = "answer"
        elif found.exact < rules.coverage:
            said.found_by = "window"
        elif needle.kind == "whole":
            said.found_by = "options"
        elif found.exact > 0.999 and there == 1:
            said.found_by = "copy"
        else:
            said.found_by = "stem" if needle.kind == "stem" else "overlap"
        return said

    def _brief(self, needle: Needle) -> bool:
        """Tell whether a stem is so short that other questions may well have the same."""
        return len(needle.keys[0]) < 4 * self.index.n

    def _judge_short(self, needle: Needle, options: Sequence[str]) -> Finding | None:
        alone = not options and len(needle.keys[0]) < FEWEST[self.index.unit]
        place = self.find_short(needle.keys[0], alone)
        if place is None:
            return None
        number, at = place
        said = Finding(needle.item, "short", 1.0, True, self._span(number, at, at + len(needle.keys[0])))
        if options and self.options_there(options) < 1 - MOST_OPTIONS_MISSING:
            said.found_by, said.leak = ("other_options" if self.has_own_options() else "stem_alone"), False
        return said


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that say most of each item: leaks before near misses, then by coverage, then by item."""
    said: dict[int, Finding] = {}
    for one in sorted(findings, key=lambda one: (not one.leak, -one.coverage, one.item)):
        said.setdefault(one.item, one)
    return list(said.values())
