"""The rows of finished runs, counted by cell: what is asked, what there is, and which generator made it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sftmill.core import Row
from sftmill.coverage.gains import Gain, Group, measure_gains
from sftmill.errors import RunError
from sftmill.flow.shards import read_tables, rows_of, shard_files
from sftmill.steps.curate.coverage.coverage import CoverageMap, Rule, map_coverage
from sftmill.steps.curate.coverage.demand import Tally
from sftmill.steps.grid import Grid

POOL = "pool"
_READ = (
    "id", "stream", "source", "sensitivity", "messages", "intent", "passage", "tags", "frequency", "method",
    "topic", "task_type", "difficulty", "form",
)  # fmt: skip


class Place(NamedTuple):
    """Where rows lie: a stream of a run, or one of its stages as stream/step."""

    run: Path
    stage: str

    @classmethod
    def parse(cls, text: str, run: Path) -> "Place":
        """Return what `stream`, `stream/step` or `other-run:stream` names."""
        folder, _, stage = text.rpartition(":")
        return cls(Path(folder) if folder else run, stage)

    def folder(self) -> Path:
        """Return the last folder with rows; raises RunError naming the stages that there are."""
        stream, _, step = self.stage.partition("/")
        there = sorted(path for path in (self.run / "streams").glob("*/*") if path.is_dir())
        found = [path for path in there if path.parent.name == stream and step in path.name and shard_files(path)]
        if found:
            return found[-1]
        if not there:
            raise RunError(f"{self.run}: is no run directory; `sftmill run RECIPE` makes one under runs/")
        names = ", ".join(dict.fromkeys(path.parent.name for path in there if shard_files(path))) or "none yet"
        raise RunError(f"{self.run}: there are no rows of {self.stage!r}; streams with rows: {names}")

    def rows(self) -> Iterator[Row]:
        """Yield the rows, with those columns alone that a map needs, one shard in memory at a time."""
        for table in read_tables(shard_files(self.folder()), list(_READ)):
            yield from rows_of(table)


@dataclass
class Measured:
    """A coverage map, and what each generator added to it."""

    map: CoverageMap
    gains: list[Gain] = field(default_factory=list)
    currency: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**self.map.as_dict(), "gains": [one.as_dict() for one in self.gains], "currency": self.currency}


def measure_coverage(
    run_dir: Path,
    pool: Sequence[str],
    demand: Mapping[str, Sequence[str]],
    grid: Grid,
    rule: Rule | None = None,
    weights: Mapping[str, float] | None = None,
) -> Measured:
    """Return what streams of a run cover of what other streams ask, cell by cell of a grid.

    `pool` and the lists of `demand`, by kind, name streams of the run, or of another one as `path:stream`. Their rows
    carry the labels of the step `label`, or of any step that writes topic, task_type and difficulty. A row that stands
    in several streams of the pool counts once. Raises RunError where a stream is not there, or nobody has labelled it.
    """
    asked = []
    for kind, stages in demand.items():
        tally = Tally(grid, kind)
        for stage in stages:
            for row in Place.parse(stage, run_dir).rows():
                tally.add(row)
        _check_labels(tally, ", ".join(stages))
        asked.append(tally)
    have, groups = _count_pool(run_dir, pool, grid)
    _check_labels(have, ", ".join(pool))
    try:
        found = map_coverage(grid, asked, have, rule, weights)
    except ValueError:
        raise RunError(
            f"{run_dir}: none of the {sum(one.rows for one in asked):,} rows of the demand lies in a cell of the grid; is "
            "it the grid that they were labelled with?"
        ) from None
    manifest = _manifest(run_dir)
    currency = str((manifest.get("money") or {}).get("currency") or "")
    ends = [place.stage.partition("/")[0] for stage in pool if (place := Place.parse(stage, run_dir)).run == run_dir]
    return Measured(found, measure_gains(found, groups, manifest, _streams(run_dir), ends), currency)


def _count_pool(run_dir: Path, pool: Sequence[str], grid: Grid) -> tuple[Tally, dict[tuple[str, str], Group]]:
    """Return the pool by cell, and by the stream and the step that made its instructions."""
    have = Tally(grid, POOL)
    groups: dict[tuple[str, str], Group] = {}
    seen: set[str] = set()
    for stage in dict.fromkeys(pool):
        place = Place.parse(stage, run_dir)
        for row in place.rows():
            if len(pool) > 1:
                if row["id"] in seen:
                    continue
                seen.add(row["id"])
            have.add(row)
            stream = (row.get("stream") or stage) if place.run == run_dir else stage
            groups.setdefault((stream, row.get("method") or ""), Group()).add(row, have.cell_of(row))
    return have, groups


def _check_labels(tally: Tally, stages: str) -> None:
    if tally.rows and tally.unlabelled == tally.rows:
        raise RunError(
            f"{stages}: none of its {tally.rows:,} rows has a topic, a task type or a difficulty; add the step "
            "`label: {grid: grid.yaml}` to the end of the stream and run the recipe again"
        )


def _manifest(run_dir: Path) -> dict[str, Any]:
    """Return what a run says of its tokens and its money; empty where it has not ended."""
    try:
        return orjson.loads((run_dir / "manifest.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}


def _streams(run_dir: Path) -> dict[str, list[str]]:
    """Return the streams of a run in the order of its recipe, each with those that it takes up; `finish` is the last."""
    from ruamel.yaml import YAML

    path = run_dir / "recipe.yaml"
    recipe = YAML(typ="safe", pure=True).load(path.read_bytes()) if path.is_file() else {}
    streams = recipe.get("streams") or {}
    found = {name: list(entry.get("from") or ()) for name, entry in streams.items() if isinstance(entry, dict)}
    found = {name: found.get(name, []) for name in streams}
    if recipe.get("finish"):
        used = {source for sources in found.values() for source in sources}
        found["finish"] = [name for name in streams if name not in used]
    return found
