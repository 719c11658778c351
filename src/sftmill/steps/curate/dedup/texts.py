"""What is compared of the rows, as it lies in Arrow's memory and as Python strings."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sftmill.core import Shards

By = Literal["question", "question_answer", "passage"]

SIDE = ("reviewed", "score", "source", "stream", "polarity", "task")
"""Columns that tell which copy stays, and which rows are never copies of each other."""


class Texts(NamedTuple):
    """The texts of a batch: turn t is `data[starts[t]:ends[t]]` in UTF-8; row i has the turns `first[i]:first[i + 1]`."""

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    last_question: np.ndarray
    """Number of each row's last user turn among all turns, -1 where it has none."""

    def __len__(self) -> int:
        return len(self.first) - 1

    def of(self, row: int) -> list[str]:
        """Return the texts of a row."""
        return [
            self.data[self.starts[turn] : self.ends[turn]].tobytes().decode("utf-8", "replace")
            for turn in range(self.first[row], self.first[row + 1])
        ]


def read_batches(rows: Shards, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a stream with those of the columns that they have."""
    if getattr(rows, "filtered", False):  # a condition reads every column, and columns may be missing in some shards
        for batch in rows.batches():
            yield batch.select([name for name in columns if name in batch.schema.names])
    else:
        yield from rows.batches(columns)


def text_column(by: By) -> str:
    """Return the column that the texts stand in."""
    return "passage" if by == "passage" else "messages"


def batch_texts(batch: pa.RecordBatch, by: By) -> Texts:
    """Return what is compared of the rows: all turns but the system's up to the last question, all of them, or the passage."""
    name = text_column(by)
    if name not in batch.schema.names or pa.types.is_null(batch.schema.field(name).type):
        return _nothing(batch.num_rows)
    column = batch.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if by == "passage":
        data, starts, ends = _bytes(column)
        return Texts(data, starts, ends, np.arange(batch.num_rows + 1), np.arange(batch.num_rows))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = column.flatten()
    if not len(flat):
        return _nothing(batch.num_rows)
    role = flat.field("role")
    said = ~_equals(role, "system")
    user = np.flatnonzero(_equals(role, "user"))
    row_of = np.repeat(np.arange(batch.num_rows), lengths)
    last = np.full(batch.num_rows, -1, np.int64)
    last[row_of[user]] = user  # the last one written stays
    if by == "question":
        said &= np.arange(len(flat)) <= last[row_of]
    kept = np.flatnonzero(said)
    data, starts, ends = _bytes(flat.field("content"))
    first = np.zeros(batch.num_rows + 1, np.int64)
    np.cumsum(np.bincount(row_of[kept], minlength=batch.num_rows), out=first[1:])
    place = np.cumsum(said) - 1
    return Texts(data, starts[kept], ends[kept], first, np.where(last < 0, -1, place[last]))


def batch_columns(batch: pa.RecordBatch, names: tuple[str, ...]) -> dict[str, list]:
    """Return columns of a batch as lists, full of None where it has no such column."""
    have = batch.schema.names
    return {name: batch.column(name).to_pylist() if name in have else [None] * batch.num_rows for name in names}


def _nothing(rows: int) -> Texts:
    none = np.zeros(0, np.int64)
    return Texts(np.zeros(1, np.uint8), none, none, np.zeros(rows + 1, np.int64), np.full(rows, -1, np.int64))


def _equals(role: pa.Array, word: str) -> np.ndarray:
    return pc.fill_null(pc.equal(role, word), False).to_numpy(zero_copy_only=False).astype(bool)


def _bytes(column: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bytes of a column of strings and where each begins and ends; null is the empty string."""
    wide = pa.types.is_large_string(column.type)
    if not wide and not pa.types.is_string(column.type):
        column, wide = column.cast(pa.large_string()), True
    _, offsets, data = column.buffers()
    if offsets is None or not len(column):
        return np.zeros(1, np.uint8), np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
    kind = np.int64 if wide else np.int32
    borders = np.frombuffer(offsets, kind)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    starts, ends = borders[:-1], borders[1:].copy()
    if column.null_count:
        ends = np.where(column.is_valid().to_numpy(zero_copy_only=False), ends, starts)
    return np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8), starts, ends
