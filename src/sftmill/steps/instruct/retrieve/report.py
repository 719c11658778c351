"""The tables in which people see what the arms chose: by arm, along the ranks, at the cut, and by the catalogue."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sftmill.core import Row, Shards, answer
from sftmill.flow.shards import write_atomically
from sftmill.sheets import safe_cell
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.steps.curate.user_text import user_text
from sftmill.steps.instruct.retrieve.arms import Arm
from sftmill.steps.instruct.retrieve.choosing import NOBODY, Offer
from sftmill.steps.instruct.retrieve.handing_on import SCORED

EXAMPLES = 10
"""Rows that are shown of each place: the first, the last ones above the cut, and the first ones below it."""
SHOWN = 300
"""Characters of a text that are shown."""
POINTS = 50
"""Points of the score curve of an arm."""
VALUES = 50
"""Values of the catalogue that are told apart, the most frequent first."""
REASONS = ("contaminated", "copy", "below_floor")


def write_report(
    folder: Path, name: str, arms: Sequence[Arm], rows: Shards, validation: Sequence[Row], catalogue: str, budget: int
) -> None:
    """Write `<name>.csv` (a line for each arm), `<name>_curve.csv`, `<name>_examples.csv` and `<name>_catalogue.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [(arm, where, rank, offer) for arm in arms for where, rank, offer in _shown(arm)]
    there = _read(rows, np.unique([one[3].place for one in shown]).astype(np.int64), ("id", "messages", catalogue))
    tables = {
        "": _summary(arms, validation, budget),
        "_curve": _curve(arms),
        "_examples": _examples(shown, there, validation, catalogue),
        "_catalogue": _shares(arms, rows, catalogue),
    }
    for ending, lines in tables.items():
        text = io.StringIO()
        csv.writer(text).writerows([safe_cell(c) if isinstance(c, str) else c for c in line] for line in lines)
        write_atomically(folder / f"{name}{ending}.csv", ("\ufeff" + text.getvalue()).encode())


def _summary(arms: Sequence[Arm], validation: Sequence[Row], budget: int) -> list[list[Any]]:
    """Return a line for each arm: how many rows, why it stopped, its scores, and what it shares with the others."""
    head = [
        "arm", "budget", "chosen", "stopped_by", "first_score", "median_score", "last_score", "validation_rows_served",
        *(f"passed_over: {reason}" for reason in REASONS), *(f"also_by: {arm.name}" for arm in arms),
    ]  # fmt: skip
    lines = [head]
    for arm in arms:
        scores = sorted((offer.score for offer in arm.taken.values()), reverse=True)
        told = [round(scores[at], 4) for at in (0, len(scores) // 2, -1)] if scores and arm.name in SCORED else [""] * 3
        served = {offer.validation for offer in arm.taken.values()} - {NOBODY}
        lines.append(
            [
                arm.name, budget, len(arm.taken), arm.ended, *told,
                f"{len(served)} of {len(validation)}" if served else "",
                *(arm.refused.get(reason, 0) for reason in REASONS),
                *(len(arm.taken.keys() & other.taken.keys()) for other in arms),
            ]
        )  # fmt: skip
    return lines


def _curve(arms: Sequence[Arm]) -> list[list[Any]]:
    """Return how the score falls along the ranks."""
    lines: list[list[Any]] = [["arm", "rank", "score"]]
    for arm in arms:
        if arm.name in SCORED and arm.taken:
            scores = sorted((offer.score for offer in arm.taken.values()), reverse=True)
            ranks = sorted({round(x) for x in np.linspace(1, len(scores), POINTS)})
            lines += [[arm.name, rank, round(scores[rank - 1], 4)] for rank in ranks]
    return lines


def _shown(arm: Arm) -> list[tuple[str, int, Offer]]:
    """Return the rows of an arm that people are shown: those with the best scores, and those around the cut."""
    ranked = list(enumerate(arm.taken.values(), 1))
    if arm.name in SCORED:
        ranked = list(enumerate(sorted(arm.taken.values(), key=lambda offer: (-offer.score, offer.place)), 1))
    last = max(EXAMPLES, len(ranked) - EXAMPLES)
    below = enumerate(arm.below[:EXAMPLES], len(ranked) + 1)
    return [
        *(("first", rank, offer) for rank, offer in ranked[:EXAMPLES]),
        *(("above the cut", rank, offer) for rank, offer in ranked[last:]),
        *(("below the cut", rank, offer) for rank, offer in below),
    ]


def _examples(
    shown: Sequence[tuple[Arm, str, int, Offer]], there: dict[int, Row], validation: Sequence[Row], catalogue: str
) -> list[list[Any]]:
    lines: list[list[Any]] = [
        ["arm", "where", "rank", "score", "row", catalogue, "question", "answer", "validation", "validation_question"]
    ]
    for arm, where, rank, offer in shown:
        row = there[offer.place]
        target = validation[offer.validation] if offer.validation != NOBODY else {}
        lines.append(
            [
                arm.name, where, rank, round(offer.score, 4) if arm.name in SCORED else "", row["id"],
                row.get(catalogue) or "", user_text(row)[:SHOWN], answer(row)[:SHOWN], target.get("id", ""),
                user_text(target)[:SHOWN],
            ]
        )  # fmt: skip
    return lines


def _shares(arms: Sequence[Arm], rows: Shards, catalogue: str) -> list[list[Any]]:
    """Return how many rows of the database and of each arm have each value of the catalogue."""
    database: Counter[str] = Counter()
    chosen = [Counter[str]() for _ in arms]
    start = 0
    for batch in read_batches(rows, ["id", catalogue]):
        found = batch.column(catalogue).to_pylist() if catalogue in batch.schema.names else [None] * batch.num_rows
        for place, value in enumerate(found, start):
            database[value or ""] += 1
            for arm, counts in zip(arms, chosen, strict=True):
                if place in arm.taken:
                    counts[value or ""] += 1
        start += batch.num_rows
    weight = Counter(database)
    for counts in chosen:
        for value, number in counts.items():
            weight[value] += number * len(database)  # what was chosen comes first
    values = sorted(weight, key=lambda value: (-weight[value], value))
    first, others = values[:VALUES], values[VALUES:]
    lines: list[list[Any]] = [[catalogue, "database", *(arm.name for arm in arms)]]
    lines += [[value or "(none)", database[value], *(counts[value] for counts in chosen)] for value in first]
    if others:
        sums = (sum(counts[value] for value in others) for counts in (database, *chosen))
        lines.append([f"({len(others)} others)", *sums])
    return lines


def _read(rows: Shards, places: np.ndarray, columns: tuple[str, ...]) -> dict[int, Row]:
    """Return the rows at some places, which ascend."""
    found: dict[int, Row] = {}
    start = 0
    for batch in read_batches(rows, list(dict.fromkeys(columns))):
        begin, end = np.searchsorted(places, (start, start + batch.num_rows))
        if begin < end:
            here = places[begin:end]
            some = batch.to_struct_array().take(pa.array(here - start)).to_pylist()
            found.update(zip(here.tolist(), some, strict=True))
        start += batch.num_rows
    return found
