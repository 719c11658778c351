"""Rows that left a stream, each with the reason: dropped.parquet and failed.parquet beside the shards."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from sftmill.core import Row
from sftmill.flow.shards import Seal, read_table, schema_of, to_table, without_empty, write_table
from sftmill.flow.stage import Stage
from sftmill.flow.walk import Fate

KINDS = ("dropped", "failed")


def loss_file(folder: Path, index: int, kind: str) -> Path:
    """Return where the rows that a shard lost at a stage are kept; kind is "dropped" or "failed"."""
    return folder / f"{index:05d}.{kind}.parquet"


def write_losses(stage: Stage, index: int, fates: Iterable[Fate], seal: Seal) -> None:
    """Write what one shard lost at one stage, and remove what an earlier run had lost there."""
    sorted_fates = sorted(fates, key=lambda fate: fate.place)
    for kind in KINDS:
        lost = [fate for fate in sorted_fates if fate.kind == kind]
        path = loss_file(stage.folder, index, kind)
        if not lost:
            path.unlink(missing_ok=True)
            continue
        rows = to_table([fate.row for fate in lost], schema_of(stage.lost_columns), f"{stage.key} ({kind})")
        rows = rows.append_column("reason", pa.array([fate.reason for fate in lost], pa.string()))
        rows = rows.append_column("facts", pa.array([_facts(fate.facts) for fate in lost], pa.string()))
        write_table(path, rows, seal)


def _facts(facts: dict[str, Any] | None) -> str:
    """Return facts as JSON; whatever JSON does not know becomes text."""
    return orjson.dumps(facts or {}, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def read_losses(folder: Path, kind: str) -> Iterator[Row]:
    """Yield the rows lost at a stage with `reason` and `facts`, in order; kind is "dropped" or "failed"."""
    for path in sorted(folder.glob(f"*.{kind}.parquet")):
        for row in read_table(path).to_pylist():
            row["facts"] = orjson.loads(row["facts"])
            yield without_empty(row)
