"""What people read on a terminal about plans, runs, rows, models and ledgers."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sftmill.core import Row
from sftmill.errors import RunError
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import ShardList, shard_files
from sftmill.progress import clock, cost_per_sample, steps_table

HIDDEN = ("id", "root", "parents", "stream", "source_hash", "sensitivity", "lang", "title", "masked")
"""Columns that say who a row is rather than what it says."""
FIRST = ("reason", "facts", "messages", "quotations", "grounded", "source", "title_path")
"""What people look for comes first, the passage and the rest after it."""
LONGEST = 600
"""Characters of a value that are shown."""


def table_of(*columns: str) -> Table:
    """Return an empty table in the plain style of this program."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def plan_text(plan: Mapping[str, Any]) -> RenderableType:
    """Return a plan: streams, steps, what they read and write, and who is asked."""
    parts: list[RenderableType] = []
    for name, stream in plan["streams"].items():
        table = table_of("step", "shape", "reads", "writes")
        for step in stream["steps"]:
            table.add_row(step["step"], step["shape"], ", ".join(step["reads"]), ", ".join(step["writes"]))
        start = f" from {', '.join(stream['from'])}" if "from" in stream else ""
        rows = f", {stream['source_rows']:,} source rows" if "source_rows" in stream else ""
        parts += [Text(f"{name}{start} ({stream['sensitivity']}{rows})", style="bold"), table]
        parts += [*_demands(stream.get("demands", ()), stream.get("rows_known")), Text("")]
    for role, steps in plan["roles"].items():
        parts.append(Text(f"{role} is asked by {', '.join(steps)}"))
    parts += [Text(f"warning: {warning}", style="yellow") for warning in plan["warnings"]]
    parts.append(Text("the plan holds", style="green"))
    return Group(*parts)


def _demands(demands: Sequence[Mapping[str, Any]], rows: int | None) -> list[RenderableType]:
    """Return what steps ask of models, before anything is spent: for a row, and for all that are known of."""
    lines: list[RenderableType] = []
    for demand in demands:
        total = sum(demand["calls"].values())
        each = ", ".join(f"{role} {number:,}" for role, number in demand["calls"].items())
        text = f"  {demand['step']}: {demand['note']}"
        if total:
            many, what = (rows, "source rows, one row of each") if rows else (1000, "rows")
            text += f"; replies a row, at most: {each}; with {many:,} {what}: {many * total:,}"
        lines.append(Text(text, style="cyan"))
    return lines


def manifest_text(manifest: Mapping[str, Any], run_dir: Path) -> RenderableType:
    """Return what a finished run made, at what cost, and where it is."""
    lines: list[RenderableType] = [
        Text("done", style="bold green"),
        steps_table({"stages": manifest["counts"]}),
        Text(),
    ]
    tokens = sum(s["prompt_tokens"] + s["completion_tokens"] for s in manifest["spent"])
    answers = sum(s["answers"] for s in manifest["spent"])
    made = last_count(manifest)
    cost = f"{answers:,} answers, {tokens:,} tokens"
    money, currency = manifest["money"]["spent"], manifest["money"]["currency"]
    if money:
        cost += f", {money:.4g} {currency}"
    if each := cost_per_sample(made, tokens, money, currency):
        cost += f"; {each}"
    lines.append(Text(f"{made:,} samples in {clock(manifest['seconds'])}; {cost}"))
    for name, size in manifest["files"].items():
        lines.append(Text(f"  {run_dir / 'export' / name}  {size:,} bytes"))
    lines.append(
        Text(f"look at the rows: sftmill show {run_dir}; at what was dropped: sftmill show {run_dir} --dropped")
    )
    return Group(*lines)


def last_count(manifest: Mapping[str, Any]) -> int:
    """Return the number of rows that came out of the last step."""
    return list(manifest["counts"].values())[-1]["out"] if manifest["counts"] else 0


def stage_folders(run_dir: Path, stage: str) -> list[Path]:
    """Return the folders of stages that `stage` names: a stream, stream/step, or nothing for all; in order."""
    streams = run_dir / "streams"
    if not streams.is_dir():
        raise RunError(f"{run_dir}: is no run directory; `sftmill run RECIPE` makes one under runs/")
    folders = sorted(folder for folder in streams.glob("*/*") if folder.is_dir())
    stream, _, step = stage.partition("/")
    chosen = [f for f in folders if (not stream or f.parent.name == stream) and (not step or step in f.name)]
    if not chosen:
        names = ", ".join(f"{f.parent.name}/{f.name}" for f in folders)
        raise RunError(f"{run_dir}: there is no stage {stage!r}; there are: {names}")
    return chosen


def last_stage(run_dir: Path, stage: str) -> Path:
    """Return the last folder that holds rows among those that `stage` names; `finish` counts as the last stream."""
    folders = [folder for folder in stage_folders(run_dir, stage) if shard_files(folder)]
    if not folders:
        raise RunError(f"{run_dir}: no rows have been written for {stage or 'any stage'} yet")
    finish = [folder for folder in folders if folder.parent.name == "finish"]
    return (finish or folders)[-1]


def rows_text(run_dir: Path, stage: str, kind: str, number: int, reason: str = "") -> RenderableType:
    """Return the first rows that a stage made ("rows"), "dropped" or "failed" on."""
    rows: Iterator[tuple[str, Row]]
    if kind == "rows":
        folder = last_stage(run_dir, stage)
        rows = ((f"{folder.parent.name}/{folder.name}", row) for row in ShardList(shard_files(folder)).rows())
    else:
        rows = (
            (f"{folder.parent.name}/{folder.name}", row)
            for folder in stage_folders(run_dir, stage)
            for row in read_losses(folder, kind)
            if not reason or row["reason"] == reason
        )
    panels = [row_panel(where, row) for where, row in islice(rows, number)]
    return Group(*panels) if panels else Text(f"no {kind} here")


def row_panel(where: str, row: Row) -> Panel:
    """Return one row, its conversation as people read it."""
    lines = []
    for name in [*FIRST, *(name for name in row if name not in (*FIRST, *HIDDEN))]:
        value = row.get(name)
        if value is None or value in ([], "", {}):
            continue
        if name == "messages":
            lines += [f"[bold]{turn['role']}[/]: {escape(cut(turn['content'] or ''))}" for turn in value]
        elif name == "reason":
            lines.append(f"[yellow]{name}[/]: {escape(cut(value))}")
        else:
            text = " / ".join(str(v) for v in value) if isinstance(value, list) else str(value)
            lines.append(f"[cyan]{name}[/]: {escape(cut(text))}")
    return Panel("\n".join(lines), title=f"{where} {row['id'][:12]}", title_align="left", border_style="dim")


def cut(text: str) -> str:
    """Return a text short enough to be looked at."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"


def statistics_text(statistics: Mapping[str, Any]) -> RenderableType:
    """Return what a ledger holds, as tables."""
    parts: list[RenderableType] = []
    simple = {k: v for k, v in statistics.items() if not isinstance(v, dict | list)}
    parts.append(
        Text(
            ", ".join(f"{k.replace('_', ' ')}: {v:,}" if isinstance(v, int) else f"{k}: {v}" for k, v in simple.items())
        )
    )
    for name, values in statistics.items():
        if isinstance(values, dict):
            table = table_of(name.replace("_", " "), "")
            for key, value in values.items():
                table.add_row(str(key), f"{value:,}" if isinstance(value, int) else str(value))
            parts.append(table)
        elif isinstance(values, list) and values:
            table = table_of(*(str(k).replace("_", " ") for k in values[0]))
            for record in values:
                table.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in record.values()))
            parts.append(table)
    return Group(*parts)


def models_text(models: list[Any]) -> RenderableType:
    """Return the embedded models: size, licence, languages, whether they are here, and what to expect of them."""
    parts: list[RenderableType] = []
    for model in models:
        size = f"{model.bytes / 2**20:,.0f} MiB"
        parts.append(
            Text.assemble(
                (model.name, "bold"), f"  {size}, {model.licence}, {', '.join(model.languages)}: {model.state}"
            )
        )
        parts.append(Text(f"  {model.notes}", style="dim"))
        if model.file:
            parts.append(Text(f"  {model.file}", style="dim"))
    return Group(*parts)


def export_run(run_dir: Path, to: Path, forms: tuple[str, ...], stream: str, reasoning: str = "drop") -> int:
    """Write a run's samples to a folder; return their number. Raises RunError for a form that there is not."""
    import asyncio
    from types import SimpleNamespace

    from pydantic import ValidationError

    from sftmill.core import Dropped
    from sftmill.steps.blend.export import Export
    from sftmill.steps.blend.file_kinds import FORMS

    try:
        step = Export(**({"forms": forms} if forms else {}), reasoning=reasoning)
    except ValidationError as error:
        wrong = error.errors()[0]
        known = ", ".join(FORMS) if wrong["loc"][0] == "forms" else "drop, keep, empty_think"
        raise RunError(f"{wrong['loc'][0]}: there is no {wrong['input']!r}; there are: {known}") from None
    rows = ShardList([file for folder in _export_folders(run_dir, stream) for file in shard_files(folder)])

    async def write() -> int:
        made = step.run({"rows": rows}, SimpleNamespace(output=to))  # type: ignore[arg-type]
        return sum([not isinstance(item, Dropped) async for item in made])

    return asyncio.run(write())


def _export_folders(run_dir: Path, stream: str) -> list[Path]:
    """Return the folders of the rows to export: of a stream, or of all that a finished run ends with."""
    manifest = run_dir / "manifest.json"
    if stream or not manifest.is_file():
        return [last_stage(run_dir, stream)]

    import orjson

    from sftmill.card.facts import final_folders, read_recipe

    return final_folders(run_dir, orjson.loads(manifest.read_bytes()), read_recipe(run_dir / "recipe.yaml"))
