"""Handing on the rows that stay, with a column added, and those that go with the reason."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from sftmill.columns import COLUMNS
from sftmill.core import Dropped, Shards
from sftmill.flow.shards import without_empty
from sftmill.flow.stage import SHARD_ROWS
from sftmill.steps.curate.quality.cut import OVER, REASONS, Cut


def hand_on(
    rows: Shards,
    cut: Cut,
    values: np.ndarray,
    name: str,
    added: Mapping[str, np.ndarray] | None = None,
    facts: Mapping[int, Mapping[str, Any]] | None = None,
) -> Iterator[pa.RecordBatch | Dropped]:
    """Yield the rows that stay in stream order, in shards of the usual size, and before each the rows dropped on the way.

    A dropped row tells its value under `name`, its rank where there was no room for it, and its `facts`, by its place.
    `added` are columns of numbers that all rows get; what is no number is none.
    """
    waiting: list[pa.RecordBatch] = []
    number, start = 0, 0
    for batch in rows.batches():
        places = slice(start, start + batch.num_rows)
        start += batch.num_rows
        for column, numbers in (added or {}).items():
            batch = _with(batch, column, numbers[places])
        why = cut.why[places]
        gone = np.flatnonzero(why)
        if len(gone):
            for place, row in zip(gone.tolist(), batch.take(pa.array(gone)).to_pylist(), strict=True):
                told = _facts(cut, values, name, places.start + place) | dict(
                    (facts or {}).get(places.start + place, ())
                )
                yield Dropped(without_empty(row), REASONS[why[place]], told)
            batch = batch.filter(pa.array(why == 0))
        if waiting and waiting[0].schema != batch.schema:
            yield from _shards(waiting)
            waiting, number = [], 0
        waiting.append(batch)
        number += batch.num_rows
        if number >= SHARD_ROWS:
            *whole, rest = _shards(waiting)
            yield from whole
            waiting, number = [rest], rest.num_rows
    yield from _shards(waiting)


def _facts(cut: Cut, values: np.ndarray, name: str, place: int) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if not np.isnan(values[place]):
        facts[name] = round(float(values[place]), 4)
    if cut.why[place] == OVER:
        facts["rank"] = int(cut.rank[place]) + 1
    return facts


def _with(batch: pa.RecordBatch, name: str, numbers: np.ndarray) -> pa.RecordBatch:
    made = pa.array(numbers, mask=np.isnan(numbers)).cast(COLUMNS[name].type)
    if name in batch.schema.names:
        return batch.set_column(batch.schema.get_field_index(name), name, made)
    return batch.append_column(name, made)


def _shards(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return the rows of batches in pieces of the usual size."""
    if not batches:
        return []
    table = pa.Table.from_batches(batches).combine_chunks()
    return [batch for batch in table.to_batches(max_chunksize=SHARD_ROWS) if batch.num_rows]
