"""Rows that mean the same, by the vectors of their texts: greedily, or within cells as SemDeDup does."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from sftmill.core import Shards
from sftmill.steps.curate.dedup.choice import Choice
from sftmill.steps.curate.dedup.texts import By, batch_texts, read_batches, text_column

BLOCK = 1024
"""Vectors that are compared with as many others at a time."""
ROUNDS = 20
"""Times that the cells are moved to the mean of their vectors, at most."""
LEARN_FROM = 100_000
"""Vectors that the cells are learned from, at most."""
TRIES = 16
"""Nearest rows whose numbers are looked at."""

Method = Literal["greedy", "cells"]
Differ = Callable[[int, int], bool]
"""Tells of two rows whether they must stay apart, because of a number or their kind."""


def all_texts(rows: Shards, by: By) -> list[list[str]]:
    """Return the texts of all rows."""
    made: list[list[str]] = []
    for batch in read_batches(rows, [text_column(by)]):
        texts = batch_texts(batch, by)
        made.extend(texts.of(row) for row in range(len(texts)))
    return made


def keep_greedily(vectors: np.ndarray, rank: np.ndarray, threshold: float, differ: Differ) -> Choice:
    """Return what becomes of rows that go, best first, where they are nearer than the threshold to one kept before.

    This is the diversity filter of DEITA (arXiv 2312.15685): a row that went makes no other row go.
    """
    choice = Choice(np.arange(len(vectors)), np.full(len(vectors), np.nan, np.float32))
    order = np.argsort(rank)
    kept = np.empty(len(order), np.int64)
    size = 0
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        best = [_Nearest() for _ in block]
        for begin in range(0, size, BLOCK):
            others = kept[begin : min(size, begin + BLOCK)]
            _note(vectors[block] @ vectors[others].T, others, threshold, best)
        inner = vectors[block] @ vectors[block].T
        fresh: list[int] = []
        for number, row in enumerate(block.tolist()):
            near = [(float(inner[number, j]), int(block[j])) for j in fresh if inner[number, j] > threshold]
            found = best[number].first_alike(row, differ, near)
            if found:
                choice.similarity[row], choice.of[row] = found
            else:
                fresh.append(number)
                kept[size] = row
                size += 1
    return choice


def keep_by_cells(
    vectors: np.ndarray, rank: np.ndarray, threshold: float, differ: Differ, cells: int | None, draw: np.ndarray
) -> Choice:
    """Return what becomes of rows that go where any better row of their cell is nearer than the threshold.

    This is SemDeDup (arXiv 2303.09540), better rows coming first: also a row that goes makes others go, so that of a
    chain in which only neighbours are alike the first one stays. A row is compared in its two nearest cells, or
    borders would keep copies apart. `draw` is a number for each row that depends on its text alone: it decides what
    the cells start from, whatever the order of the rows.
    """
    number = len(vectors)
    choice = Choice(np.arange(number), np.full(number, np.nan, np.float32))
    many = min(number, cells or max(1, round(number**0.5)))
    by_draw = np.lexsort((rank, draw))
    centres = _centres(vectors[by_draw[:LEARN_FROM]], many)
    nearest = _two_nearest(vectors, centres)
    members = [[] for _ in range(many)]
    for row in np.argsort(rank).tolist():
        for cell in dict.fromkeys(nearest[row].tolist()):
            members[cell].append(row)
    for cell in members:
        rows = np.array(cell, np.int64)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            best = [_Nearest() for _ in block]
            for begin in range(0, start + len(block), BLOCK):
                others = rows[begin : min(begin + BLOCK, start + len(block))]
                products = vectors[block] @ vectors[others].T
                if begin == start:
                    products[np.triu_indices(len(block))] = -1
                _note(products, others, threshold, best)
            for number, row in enumerate(block.tolist()):
                found = best[number].first_alike(row, differ, [])
                if found and not found[0] <= choice.similarity[row]:
                    choice.similarity[row], choice.of[row] = found
    of = choice.of
    while (of[of] != of).any():
        of[:] = of[of]
    gone = choice.dropped()
    choice.similarity[gone] = np.einsum("ij,ij->i", vectors[gone], vectors[of[gone]])
    return choice


class _Nearest:
    """The rows above the threshold that are nearest to one row."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[tuple[float, int]] = []

    def first_alike(self, row: int, differ: Differ, more: list[tuple[float, int]]) -> tuple[float, int] | None:
        """Return the similarity and number of the nearest row that may stand for this one."""
        for similarity, other in sorted(self.found + more, key=lambda item: (-item[0], item[1])):
            if not differ(row, other):
                return similarity, other
        return None


def _note(products: np.ndarray, others: np.ndarray, threshold: float, best: list[_Nearest]) -> None:
    """Note the rows above the threshold, the nearest `TRIES` for each."""
    lines, columns = np.nonzero(products > threshold)
    for line, column in zip(lines.tolist(), columns.tolist(), strict=True):
        best[line].found.append((float(products[line, column]), int(others[column])))
    for line in set(lines.tolist()):
        if len(best[line].found) > TRIES:
            best[line].found = sorted(best[line].found, key=lambda item: (-item[0], item[1]))[:TRIES]


def _centres(vectors: np.ndarray, many: int) -> np.ndarray:
    """Return the centres of cells, unit vectors: spherical k-means that starts from the first vectors."""
    centres = vectors[:many].copy()
    before = np.full(len(vectors), -1)
    for _ in range(ROUNDS):
        cell = _two_nearest(vectors, centres)[:, 0]
        if (cell == before).all():
            break
        before = cell
        sums = np.zeros(centres.shape, np.float64)
        np.add.at(sums, cell, vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.where(lengths == 0, 1, lengths), centres).astype(np.float32)
    return centres


def _two_nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the numbers of the two nearest centres of each vector, the nearest first; the same twice if there is one."""
    made = np.zeros((len(vectors), 2), np.int64)
    for start in range(0, len(vectors), BLOCK):
        products = vectors[start : start + BLOCK] @ centres.T
        line = np.arange(len(products))
        made[start : start + BLOCK, 0] = first = products.argmax(axis=1)
        if len(centres) > 1:
            products[line, first] = -np.inf
            made[start : start + BLOCK, 1] = products.argmax(axis=1)
    return made
