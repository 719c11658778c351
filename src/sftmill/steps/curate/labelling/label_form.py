"""What a model is asked to say of a question or a passage: the cells of a grid, each as words that the grid has."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, create_model

from sftmill.core import Row
from sftmill.steps.blind_label import AXES, OUTSIDE, asked_axes
from sftmill.steps.grid import Grid
from sftmill.text import normalise

LONGEST_ABOUT, LONGEST_ASK = 30, 200
"""Characters that a label's own word for the topic, and a user's question, should have at most."""
OPEN = ("topic", "task_type")
"""Axes on which a question may lie outside of the grid."""


def question_schema(grid: Grid, lang: str) -> type[BaseModel]:
    """Return the schema of a question's label: what it is about, then a word for each axis that has a choice."""
    return _label(_lists(grid), _language(lang))


def passage_schema(grid: Grid, lang: str, most: int) -> type[BaseModel]:
    """Return the schema of what users would ask about a passage: up to `most` questions, each with its label."""
    return _labels(_lists(grid), _language(lang), most)


def columns_of(grid: Grid, label: BaseModel, lang: str) -> Row:
    """Return the columns that a label fills; where it lies outside of the grid, that axis is None."""
    outside = OUTSIDE[_language(lang)]
    said = {axis: getattr(label, axis, None) or getattr(grid, AXES[axis])[0] for axis in AXES}
    return {axis: None if axis in OPEN and word == outside else word for axis, word in said.items()}


def own_word(label: BaseModel) -> str:
    """Return the label's own word for what is asked about, on one line."""
    return one_line(getattr(label, "about", ""))[: 2 * LONGEST_ABOUT]


def one_line(text: str) -> str:
    """Return a text without line breaks and outer blanks, its punctuation as it is."""
    return " ".join(text.splitlines()).strip()


def _language(lang: str) -> str:
    return "zh" if lang == "zh" else "en"


def _lists(grid: Grid) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((axis, tuple(getattr(grid, AXES[axis]))) for axis in asked_axes(grid))


class _Known:
    """Takes a word in another case or width for the grid's own."""

    def __init__(self, names: tuple[str, ...]):
        self.names: Mapping[str, str] = {normalise(name).casefold(): name for name in names}

    def __call__(self, value: Any) -> Any:
        return self.names.get(normalise(value).casefold(), value) if isinstance(value, str) else value


def _fields(lists: tuple[tuple[str, tuple[str, ...]], ...], lang: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"about": (str, Field(json_schema_extra={"maxLength": LONGEST_ABOUT}))}
    for axis, names in lists:
        options = (*names, OUTSIDE[lang]) if axis in OPEN else names
        fields[axis] = (Annotated[Literal[options], BeforeValidator(_Known(options))], Field(...))
    return fields


@lru_cache(maxsize=64)
def _label(lists: tuple[tuple[str, tuple[str, ...]], ...], lang: str) -> type[BaseModel]:
    return create_model("Label", **_fields(lists, lang))


@lru_cache(maxsize=64)
def _labels(lists: tuple[tuple[str, tuple[str, ...]], ...], lang: str, most: int) -> type[BaseModel]:
    asks: Any = (str, Field(json_schema_extra={"maxLength": LONGEST_ASK}))
    one = create_model("Asked", question=asks, **_fields(lists, lang))
    return create_model("Labels", questions=(list[one], Field(json_schema_extra={"maxItems": most})))
