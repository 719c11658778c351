"""What became of the rows that a generator made: who of them, or of their children, came through."""

from collections.abc import Iterable
from pathlib import Path

from sftmill.flow.shards import shard_files
from sftmill.report.facts import Facts, Stage, sources
from sftmill.report.reading import read_columns

Origins = dict[str, tuple[str, ...]]
"""Ids of rows, and the ids of the generator's rows that each descends from."""


def survivors(run_dir: Path, facts: Facts, stage: Stage, made: Iterable[str]) -> tuple[int, int | None]:
    """Return how many of the rows that a stage made came to the end of its stream, and to the end of the run.

    A row has come through when it, or a row made from it, stands there. The second number is None where the stream
    is one that the run ends with.
    """
    here: Origins = {name: (name,) for name in made}
    stages = facts.streams[stage.stream]
    ends = {stage.stream: _follow(run_dir, stages[stages.index(stage) :], here)}
    reached = _count(ends[stage.stream])
    if stage.stream in facts.ends:
        return reached, None
    for _ in facts.streams:  # as often as streams can stand behind each other
        for name, others in facts.streams.items():
            if name in ends or not any(source in ends for source in sources(facts.recipe, name)):
                continue
            if all(source in ends or not _comes_from(facts, source, ends) for source in sources(facts.recipe, name)):
                start: Origins = {}
                for source in sources(facts.recipe, name):
                    start |= ends.get(source, {})
                ends[name] = _follow(run_dir, others, start)
    return reached, _count({key: value for name in facts.ends for key, value in ends.get(name, {}).items()})


def _count(origins: Origins) -> int:
    return len({name for names in origins.values() for name in names})


def _comes_from(facts: Facts, stream: str, ends: dict[str, Origins], deep: int = 0) -> bool:
    """Tell whether a stream still waits for rows that are being followed."""
    return deep < len(facts.streams) and any(
        source in ends or _comes_from(facts, source, ends, deep + 1) for source in sources(facts.recipe, stream)
    )


def _follow(run_dir: Path, stages: Iterable[Stage], origins: Origins) -> Origins:
    """Return the rows behind the last of some stages that descend from those before the first."""
    for stage in stages:
        files = shard_files(run_dir / "streams" / stage.stream / stage.key)
        if not files:
            continue  # its rows were handed on in memory
        through: Origins = {}
        for path in files:
            ids = read_columns(path, ("id",))["id"].to_pylist()
            if all(name in origins for name in ids):  # nothing but rows that are known: parents need not be read
                through |= {name: origins[name] for name in ids}
                continue
            parents = read_columns(path, ("parents",))["parents"].to_pylist()
            for name, above in zip(ids, parents, strict=True):
                if name in origins:
                    through[name] = origins[name]
                elif found := tuple(dict.fromkeys(n for parent in above or () for n in origins.get(parent, ()))):
                    through[name] = found
        origins = through
    return origins
