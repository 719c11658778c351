"""The texts of the rows of a batch, as they lie in Arrow's memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sftmill.core import Row, turns
from sftmill.steps.curate.decontaminate.index import Texts

TURNS = ("system", "user", "assistant", "tool")
"""Roles of turns; every other field is a column of its own."""
LONGEST, OVERLAP = 1 << 18, 1 << 12
"""Bytes of a text that are searched at once, and bytes that such pieces share."""


def batch_texts(batch: pa.RecordBatch, fields: Sequence[str]) -> Iterator[Texts]:
    """Yield the texts of the fields: those of the turns, then those of each column."""
    roles = [name for name in fields if name in TURNS]
    names = batch.schema.names
    if roles and "messages" in names and batch.num_rows:
        messages = batch.column("messages")
        lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy(zero_copy_only=False)
        flat = messages.flatten()
        if len(flat):
            wanted = pc.is_in(flat.field("role").cast(pa.string()), value_set=pa.array(roles))
            rows = np.repeat(np.arange(batch.num_rows), lengths)
            keep = wanted.to_numpy(zero_copy_only=False).astype(bool)
            yield _texts(flat.field("content"), rows, keep)
    for name in fields:
        if name not in TURNS and name in names:
            yield _texts(batch.column(name), np.arange(batch.num_rows), None)


def row_texts(row: Row, fields: Sequence[str]) -> list[str]:
    """Return the same texts of one row."""
    found = [turn["content"] for turn in turns(row) if turn["role"] in fields and isinstance(turn.get("content"), str)]
    return found + [row[name] for name in fields if name not in TURNS and isinstance(row.get(name), str)]


def _texts(column: pa.Array, rows: np.ndarray, keep: np.ndarray | None) -> Texts:
    """Return a column of strings as bytes, without those that are not wanted; long ones in pieces that overlap."""
    strings = pa.array([], pa.large_string()) if pa.types.is_null(column.type) else column.cast(pa.large_string())
    if not len(strings):
        return Texts(np.zeros(1, np.uint8), *(np.zeros(0, np.int64) for _ in range(3)))
    _, offsets, data = strings.buffers()
    ends = np.frombuffer(offsets, np.int64)[strings.offset : strings.offset + len(strings) + 1]
    bytes_ = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    starts, ends = ends[:-1].copy(), ends[1:].copy()
    full = ends > starts
    if strings.null_count:
        full &= strings.is_valid().to_numpy(zero_copy_only=False)
    if keep is not None:
        full &= keep
    starts, ends, rows = starts[full], ends[full], rows[full]
    if len(starts) and (ends - starts).max() > LONGEST:
        pieces = [
            (a, b, row)
            for start, end, row in zip(starts.tolist(), ends.tolist(), rows.tolist(), strict=True)
            for a, b in _pieces(bytes_, start, end)
        ]
        starts, ends, rows = (np.array(part, np.int64) for part in zip(*pieces, strict=True))
    return Texts(bytes_, starts, ends, rows.astype(np.int64))


def _pieces(data: np.ndarray, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the pieces of a long text begin and end, never within a character."""
    while end - start > LONGEST:
        cut = _whole(data, start + LONGEST)
        yield start, cut
        start = _whole(data, cut - OVERLAP)
    yield start, end


def _whole(data: np.ndarray, place: int) -> int:
    """Return the place of the character that the byte at `place` belongs to."""
    while data[place] & 0xC0 == 0x80:
        place -= 1
    return place
