"""The coverage map: what is asked, cell by cell of a grid, held against what a pool has."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sftmill.steps.curate.coverage.demand import Example, Tally, best_examples
from sftmill.steps.curate.coverage.shortage import chance_of_so_few, least_chance, proved
from sftmill.steps.grid import Cell, Grid

Verdict = Literal["hole", "possible", "covered", "surplus", "unasked", "empty"]
AXES = ("topic", "task_type", "difficulty", "form")


@dataclass(frozen=True)
class Rule:
    """What counts as a hole.

    A cell is one when its share of the pool is proved to be below `ratio` times its share of the demand, and when it
    is asked about in `least_rows` different ways, so that one wrong label makes no hole; or when it is so often asked
    about and the pool has fewer than `least` instructions there, which needs no proof. A cell that is short in the
    figures alone is `possible`: more demand would show.
    """

    ratio: float = 0.5
    """Below which part of its due a cell is short, 0 to 1."""
    risk: float = 0.05
    """Share of the holes named that may be expected to be none."""
    least_rows: int = 2
    """Different questions that a hole must be asked about in."""
    least: int = 0
    """Instructions that every cell asked about must have, whatever its share."""
    enough: int | None = None
    """Instructions with which a cell is never a hole, whatever its share."""


@dataclass(frozen=True)
class CellMap:
    """One cell of the map."""

    cell: Cell
    verdict: Verdict
    demand: float
    """Its share of the demand inside the grid, 0 to 1, the kinds of demand weighed."""
    times: dict[str, int]
    """How often it is asked about, by kind of demand."""
    rows: int
    """Different questions."""
    supply: int
    """Instructions of the pool."""
    due: float
    """Instructions that the pool would have here if it followed the demand."""
    chance: float
    """Chance of so few if the pool gave the cell `ratio` of its due."""
    examples: tuple[Example, ...] = ()

    @property
    def is_hole(self) -> bool:
        """Whether the pool lacks what is asked here."""
        return self.verdict == "hole"


@dataclass(frozen=True)
class Margin:
    """One name of one axis, over all its cells."""

    axis: str
    name: str
    demand: float
    supply: int
    due: float
    holes: int
    short: bool
    """Whether it is proved short as a whole."""


@dataclass(frozen=True)
class CoverageMap:
    """What is asked against what there is."""

    grid: Grid
    rule: Rule
    cells: tuple[CellMap, ...]
    """All cells, in the order of the grid."""
    margins: tuple[Margin, ...]
    demand: tuple[Tally, ...]
    pool: Tally
    weights: dict[str, float]
    """Weight of each kind of demand; they add up to 1."""

    @property
    def holes(self) -> list[CellMap]:
        """Cells that are asked about and lack instructions, the most asked about first."""
        return self.with_verdict("hole")

    def with_verdict(self, verdict: Verdict) -> list[CellMap]:
        """Return the cells with a verdict, the most asked about first, then those with the most instructions."""
        found = [one for one in self.cells if one.verdict == verdict]
        return sorted(found, key=lambda one: (-one.demand, -one.supply))

    @property
    def covered(self) -> float:
        """Share of the demand that lies in no hole, 0 to 1."""
        return max(0.0, 1.0 - math.fsum(one.demand for one in self.holes))

    @property
    def reached(self) -> float:
        """Share of the demand in cells that have any instruction, 0 to 1."""
        return min(1.0, math.fsum(one.demand for one in self.cells if one.supply))

    @property
    def outside(self) -> float:
        """Share of all that is asked which lies outside of the grid, the kinds of demand weighed, 0 to 1."""
        total = math.fsum(
            self.weights[one.kind] * one.outside / max(1, one.inside + one.outside) for one in self.demand
        )
        return total

    def get(self, cell: Cell) -> CellMap:
        """Return what the map says of a cell."""
        return next(one for one in self.cells if one.cell == cell)

    def as_dict(self) -> dict[str, Any]:
        """Return the map as plain values for JSON."""
        tallies = {
            one.kind: {"rows": one.rows, "inside": one.inside, "outside": one.outside, "unlabelled": one.unlabelled}
            for one in (*self.demand, self.pool)
        }
        return {
            "covered": round(self.covered, 6),
            "reached": round(self.reached, 6),
            "outside": round(self.outside, 6),
            "rule": asdict(self.rule),
            "weights": self.weights,
            "demand": {one.kind: tallies[one.kind] for one in self.demand},
            "outside_words": dict(outside_words(self).items()),
            "pool": tallies[self.pool.kind],
            "holes": [_as_dict(one) for one in self.holes],
            "margins": [asdict(one) for one in self.margins],
            "cells": [_as_dict(one) for one in self.cells],
        }


def map_coverage(
    grid: Grid,
    demand: Sequence[Tally],
    pool: Tally,
    rule: Rule | None = None,
    weights: Mapping[str, float] | None = None,
) -> CoverageMap:
    """Return the map of kinds of demand against a pool, all counted with the same grid.

    Every kind counts alike unless `weights` says otherwise, however many rows it has: ten thousand passages do not
    drown the hundred questions of a validation set. Raises ValueError when nothing is asked inside the grid.
    """
    rule = rule or Rule()
    asked = [one for one in demand if one.inside]
    raw = {one.kind: float((weights or {}).get(one.kind, 1.0)) for one in demand}
    total = sum(raw[one.kind] for one in asked)
    if not asked or total <= 0:
        raise ValueError("nothing is asked inside the grid: no row of the demand has a cell of it")
    weighed = {name: (value / total if any(one.kind == name for one in asked) else 0.0) for name, value in raw.items()}
    counts = [_count(cells, asked, weighed, pool) for cells in ([cell] for cell in grid.cells())]
    short = _proved(counts, pool.inside, rule, surplus=False)
    over = _proved(counts, pool.inside, rule, surplus=True)
    cells = []
    for cell, count, is_short, is_over in zip(grid.cells(), counts, short, over, strict=True):
        found = [one.cells[cell] for one in asked if cell in one.cells]
        rows = len(set().union(*(one.texts for one in found)))
        due = count.share * pool.inside
        cells.append(
            CellMap(
                cell,
                _verdict(count, rows, due, is_short, is_over, rule, pool.inside),
                count.share,
                {one.kind: one.times(cell) for one in demand if one.times(cell)},
                rows,
                count.supply,
                due,
                count.chance(pool.inside, rule.ratio),
                best_examples(found),
            )
        )
    return CoverageMap(
        grid, rule, tuple(cells), _margins(grid, cells, asked, weighed, pool, rule), tuple(demand), pool, weighed
    )


@dataclass(frozen=True)
class _Count:
    """What is asked of some cells, as one effective count, and what the pool has there."""

    share: float
    times: float
    """Effective count of the times: as noisy as the weighed sum of all kinds is."""
    of: float
    """Effective count of all times."""
    supply: int

    def chance(self, pool: int, ratio: float) -> float:
        return chance_of_so_few(self.times, self.of, self.supply, pool, ratio) if pool else 1.0


def _count(cells: Sequence[Cell], asked: Sequence[Tally], weights: Mapping[str, float], pool: Tally) -> _Count:
    """Return the weighed share p of some cells, with the count x of n that has the same share and the same noise.

    A kind with weight w that asks c of its f times here adds w * c / f to the share, and w * w * c / (f * f) to its
    variance v, as c is a Poisson count; x = p * p / v and n = p / v then have x / n = p, and the variance x / (n * n) = v.
    """
    parts = [(weights[one.kind], sum(one.times(cell) for cell in cells), one.inside) for one in asked]
    share = math.fsum(w * c / f for w, c, f in parts)
    variance = math.fsum(w * w * c / (f * f) for w, c, f in parts)
    supply = sum(pool.times(cell) for cell in cells)
    if not variance:
        return _Count(0.0, 0.0, 1 / math.fsum(w * w / f for w, _, f in parts), supply)
    return _Count(share, share * share / variance, share / variance, supply)


def _proved(counts: Sequence[_Count], pool: int, rule: Rule, surplus: bool) -> list[bool]:
    """Return which counts are proved short of the demand, or proved to be far beyond it."""
    if not pool:
        return [False] * len(counts)
    if surplus:  # the same question the other way round: too little demand for what there is
        tests = [(float(one.supply), float(pool), one.times, one.of) for one in counts]
    else:
        tests = [(one.times, one.of, float(one.supply), float(pool)) for one in counts]
    chances = [chance_of_so_few(*test, rule.ratio) for test in tests]
    return proved(chances, [least_chance(*test, rule.ratio) for test in tests], rule.risk)


def _verdict(count: _Count, rows: int, due: float, short: bool, over: bool, rule: Rule, pool: int) -> Verdict:
    """Return what to make of a cell."""
    if not rows:
        return "unasked" if count.supply else "empty"
    if rule.enough is not None and count.supply >= rule.enough:
        return "surplus" if over else "covered"
    if short or count.supply < max(rule.least, 0 if pool else 1):
        return "hole" if rows >= rule.least_rows else "possible"
    if over:
        return "surplus"
    # one instruction less than is due is no finding
    return "possible" if count.supply < rule.ratio * due and due - count.supply >= 1 else "covered"


def _margins(
    grid: Grid,
    cells: Sequence[CellMap],
    asked: Sequence[Tally],
    weights: Mapping[str, float],
    pool: Tally,
    rule: Rule,
) -> tuple[Margin, ...]:
    """Return every name of every axis with what its cells come to; small lacks of many cells show here."""
    names = dict(zip(AXES, (grid.topics, grid.task_types, grid.difficulties, grid.forms), strict=True))
    made = []
    for axis, values in names.items():
        groups = [[one for one in cells if getattr(one.cell, axis) == name] for name in values]
        counts = [_count([one.cell for one in group], asked, weights, pool) for group in groups]
        for name, group, count, short in zip(
            values, groups, counts, _proved(counts, pool.inside, rule, surplus=False), strict=True
        ):
            holes = sum(one.is_hole for one in group)
            made.append(Margin(axis, name, count.share, count.supply, count.share * pool.inside, holes, short))
    return tuple(made)


def outside_words(found: CoverageMap, most: int = 20) -> dict[str, int]:
    """Return what is asked about outside of the grid, in the labels' own words, the most frequent first."""
    words: dict[str, int] = {}
    for one in found.demand:
        for word, times in one.words.items():
            words[word] = words.get(word, 0) + times
    return dict(sorted(words.items(), key=lambda item: (-item[1], item[0]))[:most])


def _as_dict(one: CellMap) -> dict[str, Any]:
    return {
        **one.cell._asdict(),
        "verdict": one.verdict,
        "demand": round(one.demand, 6),
        "times": one.times,
        "rows": one.rows,
        "supply": one.supply,
        "due": round(one.due, 3),
        "chance": float(f"{one.chance:.3g}"),
        "examples": [example._asdict() for example in one.examples],
    }
