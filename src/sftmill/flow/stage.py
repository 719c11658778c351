"""A step at its place in a stream: its folder, its fingerprint and what surrounds it."""

from dataclasses import dataclass
from pathlib import Path

from sftmill.core import Shape, Step, shape

SHARD_ROWS = 500
"""Rows per shard: small enough that few are redone after a crash, large enough for Parquet."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step within a stream."""

    name: str
    """What the step is called in the recipe; prompts are looked up under it."""
    folder: Path
    """Where its shards, drops and failures go: streams/<stream>/<number>-<name>."""
    step: Step
    fingerprint: str
    """Chained: changes when this step or anything before it changes."""
    columns: tuple[str, ...]
    """Columns that rows may have after the step."""
    lost_columns: tuple[str, ...]
    """Columns that rows may have when the step drops them: those before it and those that it writes."""
    kept: bool = True
    """Whether the rows are written after this step; False between row steps of one pass."""

    @property
    def shape(self) -> Shape:
        """Which of the five shapes the step has."""
        return shape(self.step)

    @property
    def key(self) -> str:
        """Folder name, by which counts and ledgers name the stage."""
        return self.folder.name
