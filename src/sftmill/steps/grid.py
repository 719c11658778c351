"""A grid of what instructions should cover: topic x task type x difficulty x form, and how many of each cell.

The grid lies in a YAML file that people write, and that the coverage map writes where it finds holes:

    topics: [loans, insurance]
    task_types: [explain, calculate]
    difficulties: [easy, hard]
    forms: [text]            # may be left out
    count: 3                 # instructions wanted in every cell; 0 = only those that `quotas` names
    quotas:                  # may be left out; these counts replace `count` in their cells
      - {topic: loans, task_type: explain, difficulty: hard, form: text, count: 5, examples: [...]}
"""

import io
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sftmill.core import Row
from sftmill.errors import RecipeError
from sftmill.text import normalise

LARGEST_FILE = 16_000_000
"""Bytes of a grid file that are read at most."""
MOST_CELLS = 100_000
"""Cells that a grid may have."""


class Cell(NamedTuple):
    """One place in a grid."""

    topic: str
    task_type: str
    difficulty: str
    form: str = "text"

    def __str__(self) -> str:
        return " / ".join(self)


class Quota(BaseModel):
    """How many instructions a cell should get, and examples of what is asked there."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    topic: str
    task_type: str
    difficulty: str
    form: str = "text"
    count: int = Field(ge=0)
    examples: tuple[str, ...] = ()

    @property
    def cell(self) -> Cell:
        """The cell that is meant."""
        return Cell(self.topic, self.task_type, self.difficulty, self.form)


class Grid(BaseModel):
    """Topics, task types, difficulties and forms, and the number of instructions wanted in each cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    topics: tuple[str, ...] = Field(min_length=1)
    task_types: tuple[str, ...] = Field(min_length=1)
    difficulties: tuple[str, ...] = Field(min_length=1)
    forms: tuple[str, ...] = Field(("text",), min_length=1)
    count: int = Field(0, ge=0)
    quotas: tuple[Quota, ...] = ()

    def cells(self) -> Iterator[Cell]:
        """Yield all cells, the topics outermost, in the order of the file."""
        return (Cell(*values) for values in product(self.topics, self.task_types, self.difficulties, self.forms))

    def wanted(self) -> dict[Cell, int]:
        """Return how many instructions each cell should get, cells that want none left out."""
        named = {quota.cell: quota.count for quota in self.quotas}
        counts = {cell: named.get(cell, self.count) for cell in self.cells()}
        return {cell: count for cell, count in counts.items() if count}

    def examples(self) -> dict[Cell, tuple[str, ...]]:
        """Return the examples that the file gives for cells."""
        return {quota.cell: quota.examples for quota in self.quotas if quota.examples}

    def find(self, topic: str, task_type: str, difficulty: str, form: str = "text") -> Cell | None:
        """Return the cell that these words name, whatever their case and width; None where there is none."""
        found = [
            next((known for known in names if normalise(known).casefold() == normalise(word).casefold()), None)
            for names, word in (
                (self.topics, topic),
                (self.task_types, task_type),
                (self.difficulties, difficulty),
                (self.forms, form),
            )
        ]
        return Cell(*found) if all(name is not None for name in found) else None

    def cell_of(self, row: Row) -> Cell | None:
        """Return the cell that a row's columns name; None where they name none of this grid."""
        words = [row.get(name) for name in ("topic", "task_type", "difficulty")]
        if not all(words):
            return None
        return self.find(*words, row.get("form") or self.forms[0])

    def problems(self) -> list[str]:
        """Return what is wrong with the grid: names twice, quotas outside of it, too many cells."""
        found = []
        for name in ("topics", "task_types", "difficulties", "forms"):
            values = [normalise(value).casefold() for value in getattr(self, name)]
            twice = sorted({value for value in values if values.count(value) > 1})
            found += [f"{name} names {value!r} twice; leave one out" for value in twice]
            found += [f"{name} has an empty name; take it out" for value in values if not value.strip()][:1]
        size = len(self.topics) * len(self.task_types) * len(self.difficulties) * len(self.forms)
        if size > MOST_CELLS:
            return [*found, f"the grid has {size:,} cells, more than {MOST_CELLS:,}; use fewer topics or task types"]
        known = set(self.cells())
        found += [
            f"quotas names the cell {quota.cell}, which is not in the grid; add its words to the lists above"
            for quota in self.quotas
            if quota.cell not in known
        ]
        return found


def read_grid(path: Path) -> Grid:
    """Read a grid file; raises RecipeError naming the file and all that is wrong in it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RecipeError(f"{path} is larger than {LARGEST_FILE:,} bytes; is it a grid?")
        grid = Grid.model_validate(YAML(typ="safe", pure=True).load(path.read_text("utf-8")))
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        raise RecipeError([f"{path}: {line}" for line in told]) from error
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read as a grid: {error}") from error
    if problems := grid.problems():
        raise RecipeError([f"{path}: {problem}" for problem in problems])
    return grid


def grid_text(grid: Grid, counts: Mapping[Cell, int], examples: Mapping[Cell, tuple[str, ...]]) -> str:
    """Return the YAML of a grid that wants `counts`, and nothing in its other cells."""
    from ruamel.yaml import YAML

    quotas = [
        {**cell._asdict(), "count": counts[cell], **({"examples": list(examples[cell])} if examples.get(cell) else {})}
        for cell in grid.cells()
        if counts.get(cell)
    ]
    values = {name: list(getattr(grid, name)) for name in ("topics", "task_types", "difficulties", "forms")}
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None
    writer.allow_unicode = True
    writer.sort_base_mapping_type_on_output = False
    writer.dump({**values, "count": 0, "quotas": quotas}, text)
    return text.getvalue()
