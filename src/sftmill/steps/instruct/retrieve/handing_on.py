"""Handing on what was chosen, with the reasons, and what was refused."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from sftmill.core import Dropped, Row, Shards
from sftmill.flow.shards import without_empty
from sftmill.steps.instruct.retrieve.arms import Arm, Refusals
from sftmill.steps.instruct.retrieve.by_tags import TagIndex
from sftmill.steps.instruct.retrieve.choosing import NOBODY

SCORED = ("similarity", "tags")
"""Arms whose scores mean something."""
DIGITS = 4


def hand_on(
    rows: Shards, arms: Sequence[Arm], refusals: Refusals, validation: Sequence[Row], tags: TagIndex | None
) -> Iterator[Row | Dropped]:
    """Yield the rows that any arm chose, in stream order, and those that may not be chosen as Dropped."""
    ranks: list[dict[int, int]] = [{place: rank for rank, place in enumerate(arm.taken, 1)} for arm in arms]
    wanted = np.unique([*(place for arm in arms for place in arm.taken), *refusals.of]).astype(np.int64)
    start = 0
    for batch in rows.batches():
        begin, end = np.searchsorted(wanted, (start, start + batch.num_rows))
        here = wanted[begin:end]
        if len(here):
            found = batch.to_struct_array().take(pa.array(here - start)).to_pylist()
            for place, row in zip(here.tolist(), found, strict=True):
                if place in refusals.of:
                    reason, facts = refusals.of[place]
                    yield Dropped(without_empty(row), reason, facts)
                else:
                    yield {**without_empty(row), **_reasons(place, arms, ranks, validation, tags)}
        start += batch.num_rows


def _reasons(
    place: int,
    arms: Sequence[Arm],
    ranks: Sequence[Mapping[int, int]],
    validation: Sequence[Row],
    tags: TagIndex | None,
) -> Row:
    """Return the columns that tell why a row was chosen."""
    said: dict[str, dict[str, Any]] = {}
    for arm, rank in zip(arms, ranks, strict=True):
        if place not in rank:
            continue
        offer = arm.taken[place]
        said[arm.name] = {"rank": rank[place]}
        if arm.name in SCORED:
            said[arm.name]["score"] = round(offer.score, DIGITS)
        if offer.validation != NOBODY:
            said[arm.name]["validation"] = validation[offer.validation]["id"]
        if arm.name == "tags" and tags is not None:
            said[arm.name]["tags"] = tags.names_shared(place, offer.validation)
    first = next(iter(said.values()))
    made: Row = {"chosen_by": list(said), "chosen_for": orjson.dumps(said).decode()}
    return {**made, "relevance": first["score"]} if "score" in first else made
