"""Reads the few columns that a report needs, however many rows there are."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_columns(path: Path, names: Sequence[str]) -> pa.Table:
    """Return columns of a shard; those that it lacks are empty."""
    with pq.ParquetFile(path, memory_map=False) as file:
        there = set(file.schema_arrow.names)
        table = file.read(columns=[name for name in names if name in there], use_threads=False)
        rows = file.metadata.num_rows
    for name in names:
        if name not in there:
            table = table.append_column(name, pa.nulls(rows))
    return table.select(list(names))


def has_column(path: Path, name: str) -> bool:
    """Tell whether the rows of a shard may have a column."""
    return name in pq.read_schema(path).names
