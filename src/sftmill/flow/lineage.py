"""Names and descent of rows: ids come from content and ancestry, never from the clock or the worker."""

import orjson
import pyarrow as pa

from sftmill.columns import COLUMNS, SENSITIVITIES
from sftmill.core import Row
from sftmill.text import content_hash

FLOATS = tuple(name for name, column in COLUMNS.items() if pa.types.is_floating(column.type))


def as_stored(row: Row) -> Row:
    """Return the row as it would come back from disk: without empty values, and 1 as 1.0 where a column says so.

    A row must look the same to the next step whether it was just made or read by a later run;
    a prompt that shows a score would otherwise be another question to the ledger.
    """
    for name in FLOATS:
        if type(row.get(name)) is int:
            row[name] = float(row[name])
    if None in row.values():
        return {name: value for name, value in row.items() if value is not None}
    return row


def as_root(row: Row, stream: str, lang: str) -> Row:
    """Return a new row with its id, which is the hash of what the row says; equal rows have equal ids.

    A source's row is its own root; one that a whole-data step made keeps the parents and the root that it names.
    """
    content = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    name = content_hash(content)
    base = {"lang": lang, "sensitivity": "internal", "root": name, "parents": []}
    return as_stored({**base, **row, "id": name, "stream": stream})


def as_child(child: Row, parent: Row, step: str, index: int) -> Row:
    """Return a step's new row as the child number `index` of its parent, inheriting what it does not say.

    The id is the hash of (parent, step, index), so a rerun gives every child the same name.
    """
    made = {
        **child,
        "id": content_hash(parent["id"], step, str(index)),
        "root": parent["root"],
        "parents": [parent["id"]],
        "lang": child.get("lang") or parent["lang"],
        "sensitivity": stricter(child.get("sensitivity"), parent["sensitivity"]),
        "stream": parent["stream"],
    }
    return as_stored(made)


def stricter(*levels: str | None) -> str:
    """Return the most sensitive of the levels given; what says nothing counts as public."""
    return max((level for level in levels if level), key=SENSITIVITIES.index, default="public")
