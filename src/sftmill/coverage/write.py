"""What is written of a measured coverage: the map as JSON and as a picture, and holes as quotas."""

from pathlib import Path

import orjson

from sftmill.coverage.measure import Measured
from sftmill.flow.shards import write_atomically
from sftmill.steps.curate.coverage.quotas import fill_quotas, needed, quota_text


def write_json(measured: Measured, path: Path) -> str:
    """Write the whole map with what the generators add; return what to tell."""
    write_atomically(path, orjson.dumps(measured.as_dict(), option=orjson.OPT_INDENT_2))
    return f"written to {path}: {len(measured.map.cells):,} cells"


def write_figure(measured: Measured, path: Path) -> str:
    """Draw the map, in Chinese where its topics are Chinese; return what to tell."""
    from sftmill.steps.curate.coverage.coverage_figure import coverage_figure
    from sftmill.text import detect_lang

    lang = detect_lang(" ".join(measured.map.grid.topics))
    write_atomically(path, coverage_figure(measured.map, lang))
    return f"written to {path}; browsers show it"


def write_quotas(measured: Measured, path: Path, count: int | None, per_cell: int | None) -> str:
    """Write the holes as a grid file that `controlled` reads; return what to tell."""
    found = measured.map
    if not found.holes:
        return f"there is no hole to fill, so {path} was not written"
    counts = fill_quotas(found, count, per_cell)
    write_atomically(path, quota_text(found, counts).encode())
    total = sum(counts.values())
    lines = [f"written to {path}: {total:,} instructions for {len(counts):,} of {len(found.holes):,} holes"]
    secret = sum(any(e.sensitivity == "secret" for e in one.examples) for one in found.holes if one.cell in counts)
    if secret:
        lines.append(f"examples of {secret:,} cells are secret and were left out of the file")
    if total < (due := needed(found)):
        lines.append(f"leveling the holes takes {due:,}; some will still be short after {total:,}")
    lines.append(
        f"next: put `- draws: {{count: 1}}` and `- controlled: {{grid: {path.name}, to: teacher, to_tagger: tagger}}` into a "
        "stream of the recipe, and run it"
    )
    return "\n".join(lines)
