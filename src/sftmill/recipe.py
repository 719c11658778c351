"""A recipe: what it says, as values that have been checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sftmill.core import Step
from sftmill.flow.where import Condition
from sftmill.models.settings import BudgetSettings, ModelSettings


class RunSettings(BaseModel):
    """How a run behaves; nothing here changes what is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    failure_ceiling: float = Field(0.05, ge=0, le=1)
    """Share of rows that may fail at a step before the run stops."""
    window: int | None = Field(None, ge=1)
    """Rows on their way at once; None = twice the calls that all endpoints may have in flight."""
    processes: int | None = Field(None, ge=1)
    """Worker processes for row steps; None = one per usable core."""


@dataclass(slots=True)
class StepEntry:
    """A step as the recipe names it."""

    name: str
    step: Step
    settings: dict[str, Any]
    """The step's settings with every default spelled out, and paths as the recipe has them."""
    line: int


@dataclass(slots=True)
class Stream:
    """A named stream of rows: where it starts and which steps it takes."""

    name: str
    line: int
    steps: list[StepEntry] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    """Names of the streams it starts from (`from:`); empty when its first step is a source."""
    where: Condition | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    """Side inputs of its whole-data steps: name -> stream."""
    broken: bool = False
    """Whether something in it could not be read; the plan then says no more about it."""


@dataclass(slots=True)
class Recipe:
    """Everything that decides what a run makes."""

    path: Path
    name: str
    langs: tuple[str, ...]
    models: dict[str, ModelSettings]
    budget: BudgetSettings
    run: RunSettings
    streams: dict[str, Stream]
    """In the order of the file; `finish`, if there is one, is the last."""
    prompts: Path | None = None
    ledger: Path | None = None
    holdout: Path | None = None
    """The file that `sftmill holdout` wrote: source rows that no stream may use."""
    personal_data: Literal["mask", "keep"] = "mask"
    """Whether personal data is masked in every source before anything else happens to it."""
    model_lines: dict[str, int] = field(default_factory=dict)
    resolved: dict[str, Any] = field(default_factory=dict)
    """The recipe with every default spelled out, as plain values."""
    problems: list[tuple[int, str]] = field(default_factory=list)
    """What is wrong with the file itself, as (line, text); only a recipe read leniently has any."""
    broken_roles: set[str] = field(default_factory=set)

    def line(self, number: int) -> str:
        """Return how messages name a line of the recipe."""
        return f"{self.path.name}:{number}"
