"""Blind labelling: a model says in which cell of a grid an instruction lies, without being told which was wanted."""

from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from sftmill.steps.grid import Cell, Grid

OUTSIDE = {"zh": "以上都不是", "en": "none of these"}
"""What the model may say of a topic or task type that the grid does not have."""
AXES = {"topic": "topics", "task_type": "task_types", "difficulty": "difficulties", "form": "forms"}
"""Field of a cell -> the grid's list."""
_OPEN = ("topic", "task_type")


def label_schema(grid: Grid, lang: str) -> type[BaseModel]:
    """Return the schema of a label: an enum for each axis; those with a single difficulty or form are not asked."""
    lists = tuple((axis, tuple(getattr(grid, AXES[axis]))) for axis in asked_axes(grid))
    return _schema(lists, "zh" if lang == "zh" else "en")


def asked_axes(grid: Grid) -> list[str]:
    """Return the axes that there is something to say about."""
    return [axis for axis, names in AXES.items() if axis in _OPEN or len(getattr(grid, names)) > 1]


def label_values(grid: Grid, lang: str) -> dict[str, Any]:
    """Return what a labelling prompt is given: the grid's lists in its own order, which tells nothing of the cell wanted."""
    lists = {AXES[axis]: list(getattr(grid, AXES[axis])) for axis in asked_axes(grid)}
    return {**{name: [] for name in AXES.values()}, **lists, "outside": OUTSIDE["zh" if lang == "zh" else "en"]}


def labelled_cell(grid: Grid, label: BaseModel) -> Cell | None:
    """Return the cell that a label names, None where it lies outside of the grid."""
    said = {axis: getattr(label, axis, None) or getattr(grid, AXES[axis])[0] for axis in AXES}
    return grid.find(said["topic"], said["task_type"], said["difficulty"], said["form"])


def told_label(grid: Grid, label: BaseModel) -> str:
    """Return a label as people read it, such as "loans / none of these / easy / text"."""
    return " / ".join(str(getattr(label, axis, None) or getattr(grid, AXES[axis])[0]) for axis in AXES)


@lru_cache(maxsize=64)
def _schema(lists: tuple[tuple[str, tuple[str, ...]], ...], lang: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for axis, names in lists:
        options = (*names, OUTSIDE[lang]) if axis in _OPEN else names
        fields[axis] = (Literal[options], Field(...))
    return create_model("Label", **fields)
