"""The report of a run: what was made, lost and paid, and how varied its instructions are, on one page."""

from pathlib import Path
from typing import Any

from sftmill.flow.shards import write_atomically
from sftmill.recipe import Recipe
from sftmill.run_directory import RunDirectory

REPORT = "report.html"
"""The report's name in the run's folder."""
LONG = 60.0
"""Seconds from which on any run ends with a report."""


def write_report(run_dir: Path, manifest: dict[str, Any]) -> Path:
    """Write report.html into a run's folder and return its path.

    It is in the recipe's first language, one file that loads nothing, and follows from the manifest, recipe.yaml and
    the shards alone: the same run gives the same bytes. Large runs are sampled, so that it takes seconds. Raises
    StorageError when the disk refuses.
    """
    from sftmill.report.choices import choices
    from sftmill.report.facts import gather
    from sftmill.report.generators import generators
    from sftmill.report.page import render

    facts = gather(run_dir, manifest)
    path = run_dir / REPORT
    write_atomically(
        path, render(facts, generators(run_dir, facts), choices(run_dir, facts)).encode("utf-8", "replace")
    )
    return path


def end_with_report(recipe: Recipe, run_dir: Path, manifest: dict[str, Any]) -> Path | None:
    """Write the report of a run that has just ended, if it is worth its second of computing; return its path.

    That is so where instructions were generated, answers chosen among, or the run took a minute. A report that cannot be made is noted in
    the run's log: the run itself is done.
    """
    entries = [entry for stream in recipe.streams.values() for entry in stream.steps]
    generates = any({"method", "length_ratio"} & set(type(entry.step).writes) for entry in entries)
    if not generates and manifest["seconds"] < LONG:
        return None
    try:
        return write_report(run_dir, manifest)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}; `sftmill report {run_dir}` tries again"
        RunDirectory(run_dir).log("report_failed", error=problem)
        return None


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """Return a finished run's manifest; raises RunError where there is none, or none that can be read."""
    import orjson

    from sftmill.errors import RunError

    path = run_dir / "manifest.json"
    try:
        manifest = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        what = "has not come to its end" if (run_dir / "status.json").is_file() else "is no run directory"
        raise RunError(f"{run_dir}: {what}; `sftmill run RECIPE` makes one, or goes on with it") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}; give the same `sftmill run` command again") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("counts"), dict):
        raise RunError(f"{path}: is no manifest of a run; give the same `sftmill run` command again")
    return manifest
