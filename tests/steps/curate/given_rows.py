"""Rows given to a whole-data step as it gets them in a run: as Arrow batches, several of them."""

import asyncio

import pyarrow as pa

from sftmill.columns import COLUMNS
from sftmill.core import Dropped
from sftmill.flow.shards import without_empty
from sftmill.flow.spread import OneByOne


class GivenRows(OneByOne):
    """Implements core.Shards; `size` rows make a batch, and each batch has the columns that its rows have."""

    def __init__(self, rows, size=7, same_columns=True):
        self._batches = []
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            given = {name for row in (rows if same_columns else part) for name in row}
            schema = pa.schema([(name, column.type) for name, column in COLUMNS.items() if name in given])
            self._batches += pa.Table.from_pylist(part, schema=schema).to_batches()
        self._size = len(rows)

    def __len__(self):
        return self._size

    def rows(self):
        for batch in self._batches:
            yield from map(without_empty, batch.to_pylist())

    def batches(self, columns=None):
        for batch in self._batches:
            names = batch.schema.names if columns is None else [name for name in columns if name in batch.schema.names]
            yield batch.select(names)


def run_step(step, rows, desk=None, **form):
    """Return the rows that a step keeps and those it drops."""

    async def collect():
        return [item async for item in step.run({"rows": GivenRows(rows, **form)}, desk)]

    kept, dropped = [], []
    for item in asyncio.run(collect()):
        if isinstance(item, Dropped):
            dropped.append(item)
        elif isinstance(item, dict):
            kept.append(item)
        else:
            kept += map(without_empty, item.to_pylist())
    return kept, dropped


def said(name, question, answer="好。", **more):
    """Return a row of one question and its answer."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": name, "messages": messages, **more}
