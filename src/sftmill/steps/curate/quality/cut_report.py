"""What a person sees of a cut: how the value falls from the first row to the last, and rows on both sides of the line."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from sftmill.core import Shards, answer, turns
from sftmill.flow.shards import write_atomically
from sftmill.sheets import safe_cell
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.steps.curate.quality.cut import Cut

POINTS = 100
"""Ranks of a group of which the curve tells the value, beside the first, the last and those at the line."""
GROUPS = 50
"""Groups that are shown, the largest ones."""
AT_LINE = 10
"""Rows shown on each side of the line."""
CHARACTERS = 2000
"""Characters of a question and of an answer that are shown."""


def write_report(
    folder: Path,
    name: str,
    rows: Shards,
    cut: Cut,
    values: np.ndarray,
    by: str,
    groups: np.ndarray,
    names: Sequence[str],
) -> None:
    """Write `name`.csv (group, rank, value, taken) and `name`_at_the_line.jsonl (rows on both sides of it)."""
    sizes = np.bincount(groups[cut.rank >= 0], minlength=len(names))
    largest = np.argsort(-sizes, kind="stable")[:GROUPS]
    lines: list[list[str | int | float]] = [["group", "rank", by, "taken"]]
    near: dict[int, None] = {}
    for group in sorted(largest.tolist()):
        ranked = np.flatnonzero((groups == group) & (cut.rank >= 0))
        if not len(ranked):
            continue
        ranked = ranked[np.argsort(cut.rank[ranked])]
        taken = np.flatnonzero(cut.why[ranked] == 0)
        line = int(taken[-1]) + 1 if len(taken) else 0
        points = {*np.linspace(0, len(ranked) - 1, POINTS).round().astype(int).tolist(), line - 1, line}
        for rank in sorted(point for point in points if 0 <= point < len(ranked)):
            place = ranked[rank]
            value = float(values[place])
            shown = "" if np.isnan(value) else round(value, 6)
            lines.append([safe_cell(names[group]), rank + 1, shown, "yes" if cut.why[place] == 0 else "no"])
        if 0 < line < len(ranked):
            near |= dict.fromkeys(ranked[max(0, line - AT_LINE) : line + AT_LINE].tolist())
    table = io.StringIO()
    csv.writer(table).writerows(lines)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.csv", ("\ufeff" + table.getvalue()).encode())
    write_atomically(folder / f"{name}_at_the_line.jsonl", _at_the_line(rows, cut, values, by, groups, names, near))


def _at_the_line(
    rows: Shards, cut: Cut, values: np.ndarray, by: str, groups: np.ndarray, names: Sequence[str], near: dict[int, None]
) -> bytes:
    """Return the rows at the line as JSON lines, group by group, the best first."""
    found: dict[int, bytes] = {}
    places, start = np.array(sorted(near), np.int64), 0
    for batch in read_batches(rows, ["id", "messages", "passage"]):
        begin, end = np.searchsorted(places, (start, start + batch.num_rows))
        here = places[begin:end]
        for place, row in zip(here.tolist(), batch.take(pa.array(here - start)).to_pylist(), strict=True):
            asked = "\n".join(m["content"] or "" for m in turns(row) if m["role"] == "user") or row.get("passage") or ""
            value = float(values[place])
            told = {
                "group": names[groups[place]],
                "rank": int(cut.rank[place]) + 1,
                by: None if np.isnan(value) else round(value, 6),
                "taken": bool(cut.why[place] == 0),
                "id": row["id"],
                "question": asked[:CHARACTERS],
                "answer": answer(row)[:CHARACTERS],
            }
            found[place] = orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
        start += batch.num_rows
    return b"".join(found[place] for place in near)
