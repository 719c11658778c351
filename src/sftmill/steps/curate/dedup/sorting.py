"""Handing on what stays, and what goes with the reason."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from sftmill.core import Dropped, Shards
from sftmill.flow.shards import without_empty
from sftmill.flow.stage import SHARD_ROWS
from sftmill.steps.curate.dedup.choice import Choice
from sftmill.steps.curate.dedup.texts import read_batches


def read_ids(rows: Shards, places: np.ndarray) -> dict[int, str]:
    """Return the ids of the rows at `places`, which ascend."""
    made: dict[int, str] = {}
    start = 0
    for batch in read_batches(rows, ["id"]):
        begin, end = np.searchsorted(places, (start, start + batch.num_rows))
        here = places[begin:end]
        made.update(zip(here.tolist(), batch.column("id").take(pa.array(here - start)).to_pylist(), strict=True))
        start += batch.num_rows
    return made


def sort_out(rows: Shards, choice: Choice, ids: dict[int, str]) -> Iterator[pa.RecordBatch | Dropped]:
    """Yield the rows that stay, in shards of the usual size, and before each the rows dropped on the way."""
    waiting: list[pa.RecordBatch] = []
    number, start = 0, 0
    for batch in rows.batches():
        if waiting and waiting[0].schema != batch.schema:
            yield from _shards(waiting)
            waiting, number = [], 0
        of = choice.of[start : start + batch.num_rows]
        gone = of != np.arange(start, start + batch.num_rows)
        if gone.any():
            places = np.flatnonzero(gone) + start
            for place, row in zip(places.tolist(), batch.filter(pa.array(gone)).to_pylist(), strict=True):
                facts: dict[str, Any] = {"of": ids[int(choice.of[place])]}
                if not np.isnan(choice.similarity[place]):
                    facts["similarity"] = round(float(choice.similarity[place]), 4)
                yield Dropped(without_empty(row), "duplicate", facts)
            batch = batch.filter(pa.array(~gone))
        start += len(gone)
        waiting.append(batch)
        number += batch.num_rows
        if number >= SHARD_ROWS:
            *whole, rest = _shards(waiting)
            yield from whole
            waiting, number = [rest], rest.num_rows
    yield from _shards(waiting)


def _shards(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return the rows of batches in pieces of the usual size."""
    if not batches:
        return []
    table = pa.Table.from_batches(batches).combine_chunks()
    return [batch for batch in table.to_batches(max_chunksize=SHARD_ROWS) if batch.num_rows]
