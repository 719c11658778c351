"""Take one row through a run of row steps, noting everything that happens on the way."""

import traceback
from typing import Any, NamedTuple

from sftmill.core import Drop, Row, RowStep, Step
from sftmill.flow.lineage import as_child, as_stored

Place = tuple[int, ...]
"""Where a row stands in its shard: number of the root row, then of the child, grandchild, ..."""


class Fate(NamedTuple):
    """What became of a row at one step."""

    step: int
    """Number of the step within the pass."""
    place: Place
    kind: str
    """"out", "dropped" or "failed"."""
    row: Row
    reason: str = ""
    facts: dict[str, Any] | None = None


class Passed(NamedTuple):
    """How many rows a step saw, and what it found in them."""

    step: int
    """Number of the step within the pass."""
    rows_in: int
    born: int
    out: int
    tally: dict[str, int]
    """How often each word stands in the columns of the step's `tallies`, as "column.word"."""


class Walked(NamedTuple):
    """What a run of row steps made of one row."""

    out: list[tuple[Place, Row]]
    lost: list[Fate]
    passed: list[Passed]
    """One for each step that saw rows."""


def walk(steps: list[tuple[int, str, RowStep]], row: Row, place: Place) -> Walked:
    """Take a row, and the children that are born on the way, through row steps.

    `steps` are (number in the pass, name, step). A Drop is noted with its reason, any other
    exception as a failure with the line it came from; neither stops the other rows.
    """
    current: list[tuple[Place, Row]] = [(place, row)]
    lost: list[Fate] = []
    passed = []
    for number, name, step in steps:
        following: list[tuple[Place, Row]] = []
        born = 0
        for at, item in current:
            try:
                made = step.row(item)
            except Drop as drop:
                lost.append(Fate(number, at, "dropped", item, drop.reason, drop.facts))
            except Exception as error:
                lost.append(Fate(number, at, "failed", item, describe(error)))
            else:
                children = settle(made, item, at, name)
                born += len(children) - 1
                following.extend(children)
        passed.append(Passed(number, len(current), born, len(following), tally(step, following)))
        current = following
        if not current:
            break
    return Walked(current, lost, passed)


def tally(step: Step, rows: list[tuple[Place, Row]]) -> dict[str, int]:
    """Count the words in the columns that a step wants counted, as "column.word"."""
    counted: dict[str, int] = {}
    for name in type(step).tallies:
        for _, row in rows:
            for word in row.get(name) or ():
                counted[f"{name}.{word}"] = counted.get(f"{name}.{word}", 0) + 1
    return counted


def settle(made: Row | list[Row], parent: Row, place: Place, step: str) -> list[tuple[Place, Row]]:
    """Return what a step made with places and identities: the same row changed, or children of it."""
    if isinstance(made, dict):
        return [(place, as_stored({**made, "id": parent["id"], "root": parent["root"]}))]
    if not made:
        raise TypeError(f"step {step!r} returned an empty list; raise Drop(reason) to take a row out")
    return [((*place, i), as_child(child, parent, step, i)) for i, child in enumerate(made)]


def describe(error: BaseException) -> str:
    """Name an error, what it says and where in the code it arose, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{at}"
