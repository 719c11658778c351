"""Which copy of several stays, and which rows are never copies of each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sftmill.core import Shards
from sftmill.steps.curate.dedup.texts import read_batches

RANKS = {"accepted": 1, "edited": 2}
"""What a person corrected stands above what a person accepted, and that above what nobody saw."""
CRITIQUES = ("judgement", "critique", "revision", "correction")
"""Tasks whose samples are about an answer; the question of one may be that of the sample that it is about."""


class Standing(NamedTuple):
    """What is known of n rows beside their texts."""

    rank: np.ndarray
    """Place of each row in the order in which copies are preferred, from 0; no two have the same."""
    kinds: np.ndarray
    """Number of the kind of row; copies are of the same kind."""


def read_standing(rows: Shards, prefer: Sequence[str]) -> Standing:
    """Return the standing of all rows: reviewed, then by score, then by the streams or sources preferred, then first."""
    columns = ["reviewed", "score", "polarity", "task", *(("stream", "source") if prefer else ())]
    known: dict[tuple[str, str], int] = {("positive", ""): 0}
    parts: list[tuple[np.ndarray, ...]] = []
    for batch in read_batches(rows, ["id", *columns]):
        reviewed = _number(batch, "reviewed", RANKS, 0).astype(np.int8)
        score = np.full(batch.num_rows, -np.inf)
        if "score" in batch.schema.names:
            found = batch.column("score").cast(pa.float64()).to_numpy(zero_copy_only=False)
            score = np.where(np.isnan(found), -np.inf, found)
        kinds = _kinds(batch, known)
        places = {name: place for place, name in reversed(list(enumerate(prefer)))}
        order = np.minimum(
            _number(batch, "stream", places, len(prefer)), _number(batch, "source", places, len(prefer))
        ).astype(np.int32)
        parts.append((reviewed, score, order, kinds))
    if not parts:
        return Standing(np.zeros(0, np.int64), np.zeros(0, np.int64))
    reviewed, score, order, kinds = (np.concatenate(column) for column in zip(*parts, strict=True))
    rank = np.arange(len(reviewed))
    if reviewed.any() or order.any() or (score != score[:1]).any():
        rank[np.lexsort((np.arange(len(rank)), order, -score, -reviewed))] = np.arange(len(rank))
    return Standing(rank, kinds)


def _number(batch: pa.RecordBatch, name: str, numbers: dict[str, int], other: int) -> np.ndarray:
    """Return the number of each value of a column, `other` where it has none."""
    made = np.full(batch.num_rows, other, np.int64)
    if name in batch.schema.names and numbers and batch.column(name).null_count < batch.num_rows:
        encoded = pc.dictionary_encode(batch.column(name).cast(pa.string()))
        values = np.array([numbers.get(value, other) for value in encoded.dictionary.to_pylist()] + [other], np.int64)
        made = values[pc.fill_null(encoded.indices, len(values) - 1).to_numpy(zero_copy_only=False)]
    return made


def _kinds(batch: pa.RecordBatch, known: dict[tuple[str, str], int]) -> np.ndarray:
    """Return the number of each row's kind: its polarity, and its task where that is about an answer."""
    said = []
    for name in ("polarity", "task"):
        if name in batch.schema.names and batch.column(name).null_count < batch.num_rows:
            encoded = pc.dictionary_encode(batch.column(name).cast(pa.string()))
            said.append(([*encoded.dictionary.to_pylist(), None], encoded.indices))
        else:
            said.append(([None], None))
    (polarities, which_polarity), (tasks, which_task) = said
    table = np.array(
        [
            [
                known.setdefault((polarity or "positive", task if task in CRITIQUES else ""), len(known))
                for task in tasks
            ]
            for polarity in polarities
        ],
        np.int64,
    )
    at = []
    for values, indices in ((polarities, which_polarity), (tasks, which_task)):
        none = len(values) - 1
        at.append(
            np.full(batch.num_rows, none)
            if indices is None
            else pc.fill_null(indices, none).to_numpy(zero_copy_only=False)
        )
    return table[at[0], at[1]]


class Choice(NamedTuple):
    """What becomes of n rows."""

    of: np.ndarray
    """Place of the row that stays in this one's stead; its own where it stays itself."""
    similarity: np.ndarray
    """Similarity to that row; not a number where none was measured."""

    def dropped(self) -> np.ndarray:
        """Return the places of the rows that go, ascending."""
        return np.flatnonzero(self.of != np.arange(len(self.of)))


def choose(number: int, one: np.ndarray, other: np.ndarray, rank: np.ndarray) -> Choice:
    """Return what becomes of the rows when all that pairs connect are copies, and the one with the lowest rank stays."""
    root = connect(number, one, other)
    order = np.lexsort((rank, root))
    fresh = np.ones(number, bool)
    fresh[1:] = root[order][1:] != root[order][:-1]
    best = np.empty(number, np.int64)
    best[root[order[fresh]]] = order[fresh]
    return Choice(best[root], np.full(number, np.nan, np.float32))


def connect(number: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return for each of the rows the first of those that pairs connect it with, whatever the order of the pairs."""
    root = np.arange(number)
    while True:
        # halve all paths, then let each tree hang on the smallest one that it has a pair with
        while (root[root] != root).any():
            root = root[root]
        a, b = root[one], root[other]
        apart = a != b
        if not apart.any():
            return root
        one, other = one[apart], other[apart]
        low, high = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
        np.minimum.at(root, high, low)
