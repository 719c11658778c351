"""The numbers and words of columns, for all rows of a stream."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sftmill.columns import COLUMNS
from sftmill.core import Shards
from sftmill.errors import RecipeError
from sftmill.steps.curate.dedup.texts import read_batches


def number_problem(by: str) -> str | None:
    """Return what is wrong with a setting `by` that must name a column of numbers."""
    numbers = [name for name, column in COLUMNS.items() if _is_number(column.type)]
    if by in numbers:
        return None
    return f"by: {by!r} is no column of numbers; there are: {', '.join(sorted(numbers))}"


def read_numbers(rows: Shards, by: str, step: str) -> np.ndarray:
    """Return a column's values, not a number where a row has none; raises RecipeError where no row has one."""
    found = []
    for batch in read_batches(rows, ["id", by]):
        if by in batch.schema.names:
            found.append(batch.column(by).cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64))
        else:
            found.append(np.full(batch.num_rows, np.nan))
    values = np.concatenate(found) if found else np.zeros(0)
    if len(values) and np.isnan(values).all():
        raise RecipeError(f"{step}: no row has a value in {by!r}; run the step that writes it before this one")
    return values


def read_groups(rows: Shards, per: str | None, number: int) -> tuple[np.ndarray, list[str]]:
    """Return the number of each row's group, and the groups' names, in the order of their first rows; "" = no value."""
    if per is None:
        return np.zeros(number, np.int64), [""]
    names: dict[str, int] = {}
    groups = []
    for batch in read_batches(rows, ["id", per]):
        if per in batch.schema.names:
            words = pc.dictionary_encode(pc.fill_null(batch.column(per).cast(pa.string()), ""))
            table = np.array([names.setdefault(name, len(names)) for name in words.dictionary.to_pylist()], np.int64)
            groups.append(table[words.indices.to_numpy(zero_copy_only=False)])
        else:
            groups.append(np.full(batch.num_rows, names.setdefault("", len(names))))
    return np.concatenate(groups) if groups else np.zeros(0, np.int64), list(names) or [""]


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)
