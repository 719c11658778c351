"""How much likelier a text is among a target's than among all rows', by a bag of hashed n-grams."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from sftmill.columns import COLUMNS
from sftmill.core import Row, Shards
from sftmill.flow.spread import OneByOne
from sftmill.steps.curate.dedup.fold import tables
from sftmill.steps.curate.dedup.reading import room_for
from sftmill.steps.curate.dedup.texts import By, batch_texts, text_column

Length = Literal["sum", "mean"]

TINY = 1e-8
"""Added to probabilities before the logarithm, as DSIR does, so that what never occurs costs 18 nats, not all."""


class Weighed(NamedTuple):
    """The rows' weights."""

    weights: np.ndarray
    """Logarithm of the importance, nats."""
    sizes: np.ndarray
    """N-grams of each row."""


def count_rows(rows: Shards, by: By, buckets: int) -> np.ndarray:
    """Return how often the n-grams of each bucket occur in the rows."""
    folding = tables()

    def count(_: int, batch: pa.RecordBatch) -> np.ndarray:
        from sftmill.steps.curate.quality.grams import count_grams

        counts = np.zeros(buckets, np.int64)
        texts = batch_texts(batch, by)
        count_grams(*texts[:4], folding, room_for(texts), counts)
        return counts

    total = np.zeros(buckets, np.int64)
    for counts in rows.map(count, [text_column(by)]):
        total += counts
    return total


def log_ratios(target: np.ndarray, raw: np.ndarray, smoothing: float) -> np.ndarray:
    """Return for each bucket the logarithm of its probability in the target over that in the rows.

    With a `smoothing` of 1 the target is mixed with as many n-grams distributed as the rows' own as it has itself, and
    one for each bucket: texts of the target's kind are half made of ordinary words, and a small target does not say
    which of the words that it lacks are foreign to it. A target that is like the rows weighs exactly nothing anywhere.
    """
    p_raw = raw / max(1, raw.sum())
    added = smoothing * (len(raw) + target.sum())
    p_target = (target + added * p_raw) / max(1, target.sum() + added)
    return np.log(p_target + TINY) - np.log(p_raw + TINY)


def weigh_rows(rows: Shards, by: By, ratios: np.ndarray) -> Weighed:
    """Return the sum of the log-ratios of each row's n-grams, and how many it has."""
    folding = tables()

    def weigh(_: int, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        from sftmill.steps.curate.quality.grams import weigh_grams

        texts = batch_texts(batch, by)
        sums, sizes = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
        weigh_grams(*texts[:4], folding, room_for(texts), ratios, sums, sizes)
        return sums, sizes

    parts = list(rows.map(weigh, [text_column(by)]))
    if not parts:
        return Weighed(np.zeros(0), np.zeros(0, np.int64))
    return Weighed(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def even_out(weighed: Weighed, typical: float) -> np.ndarray:
    """Return weights as if rows were equally long: the mean over a row's n-grams, on the scale of typical rows' sums.

    `typical` n-grams that weigh nothing are added to each row, so that a row of a few words is not carried off by one.
    A row of `typical` n-grams keeps its sum.
    """
    return weighed.weights * 2 * typical / (weighed.sizes + typical)


def gumbel(chance: np.ndarray) -> np.ndarray:
    """Return for each number from 0 to 2**60 - 1 a draw of Gumbel's distribution.

    The k greatest of weights plus such draws are a sample of k without replacement, in proportion to exp(weight).
    """
    uniform = (chance.astype(np.float64) + 0.5) / 2.0**60
    return -np.log(-np.log(np.minimum(uniform, 1 - 2.0**-53)))


class GivenRows(OneByOne):
    """Rows in memory, read like those of a stream (implements the part of `core.Shards` that is needed here)."""

    def __init__(self, rows: list[Row]):
        self._rows = rows

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow batches."""
        schema = pa.schema([(name, COLUMNS[name].type) for name in columns or ("messages", "passage")])
        for start in range(0, len(self._rows), 4096):
            yield from pa.Table.from_pylist(self._rows[start : start + 4096], schema=schema).to_batches()
