"""What people read on a terminal about pilots, forecasts and what is held out."""

import math
from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from sftmill.core import Row
from sftmill.drafts import DISAGREEMENT, TestItems
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import ShardList, shard_files
from sftmill.forecast import Interval
from sftmill.holdout import Holdout, detectable_difference, items_needed
from sftmill.pilot import Forecast, Pilot
from sftmill.progress import clock, steps_table
from sftmill.show import last_stage, row_panel, stage_folders, table_of

LONG = ("passage", "context", "pieces", "passage_index")
SHOWN = 3
"""Samples and drops of a pilot that are shown; `sftmill show` has the rest."""


def pilot_text(pilot: Pilot, recipe: Path) -> RenderableType:
    """Return what a pilot made, dropped and forecasts."""
    found = pilot.forecast
    parts: list[RenderableType] = [steps_table({"stages": pilot.manifest["counts"]}), Text()]
    for row in _spread(ShardList(shard_files(last_stage(pilot.folder, ""))).rows()):
        parts.append(row_panel("sample", _short(row)))
    seen: set[str] = set()
    # the last steps first: what was asked for and then dropped is what a pilot is to show
    for folder in reversed(stage_folders(pilot.folder, "")):
        for row in read_losses(folder, "dropped"):
            if row["reason"] not in seen and len(seen) < SHOWN:
                seen.add(row["reason"])
                parts.append(row_panel(f"dropped by {folder.name}", _short(row)))
    parts += [Text(f"forecast from {found.sampled:,} of {found.units:,} rows", style="bold"), forecast_table(found)]
    parts += [Text(f"note: {note}", style="yellow") for note in found.notes]
    parts.append(Text(f"all samples and drops: sftmill show {pilot.folder} [--dropped]; next: sftmill run {recipe}"))
    return Group(*parts)


def _spread(rows: Iterator[Row]) -> list[Row]:
    """Return a few rows, of different sources where there are several."""
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        found = by_source.setdefault(row.get("source", ""), [])
        if len(found) < SHOWN:
            found.append(row)
    turns = [row for number in range(SHOWN) for found in by_source.values() for row in found[number : number + 1]]
    return turns[:SHOWN]


def _short(row: Row) -> Row:
    """Return a row without the passage, which fills the screen; the quotations say enough."""
    return {name: value for name, value in row.items() if name not in LONG} if row.get("messages") else row


def forecast_table(found: Forecast) -> RenderableType:
    """Return a forecast with its intervals; what the pilot has paid is part of it."""
    table = table_of("", "expected", "between", "and")
    for column in table.columns[1:]:
        column.justify = "right"
    lines = [
        ("samples", found.accepted, "{:,.0f}"),
        ("samples per row", found.acceptance, "{:.2f}"),
        ("calls", found.calls, "{:,.0f}"),
        ("tokens", found.tokens, "{:,.0f}"),
        ("tokens per sample", found.tokens_per_sample, "{:,.0f}"),
    ]
    if found.money.value:
        lines += [
            (f"money, {found.currency}", found.money, "{:,.2f}"),
            (f"money per sample, {found.currency}", found.money_per_sample, "{:,.5f}"),
        ]
    for name, interval, form in lines:
        table.add_row(name, *(_number(value, form) for value in _three(interval)))
    if found.seconds:
        table.add_row("time of asking", *(clock(value) for value in _three(found.seconds)))
    paid = f"{found.spent_tokens:,} tokens" + (
        f", {found.spent_money:.4g} {found.currency}" if found.spent_money else ""
    )
    return Group(table, Text(f"of this the pilot's own answers took {paid}; the run does not pay them again"))


def _three(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _number(value: float, form: str) -> str:
    return "-" if math.isinf(value) else form.format(value)


def holdout_text(holdout: Holdout, total: int, file: Path) -> RenderableType:
    """Return what is held out, and what tests of several sizes can show."""
    lines: list[RenderableType] = [Text(f"{len(holdout.held):,} of {total:,} sources are held out", style="bold")]
    for one in holdout.held[:20]:
        lines.append(Text(f"  {one.name}" + (f"  (largely repeats {one.copy_of})" if one.copy_of else "")))
    if len(holdout.held) > 20:
        lines.append(Text(f"  ... and {len(holdout.held) - 20:,} more in {file}"))
    return Group(*lines)


def items_text(items: TestItems) -> RenderableType:
    """Return what has been drafted, what is left to do, and which difference the test can show."""
    lines: list[RenderableType] = [
        Text(
            f"{items.drafted:,} items drafted: {items.confirmed:,} confirmed, {items.rejected:,} rejected, "
            f"{items.unseen:,} not judged"
        ),
        Text(f"{items.folder / 'dev.jsonl'}: {items.dev:,} items; {items.folder / 'test.jsonl'}: {items.test:,} items"),
        Text(
            f"a test of {items.test:,} items shows a difference of {100 * items.difference:.1f} points between two "
            f"models that disagree on {DISAGREEMENT:.0%} of them ({100 * detectable_difference(items.test):.1f} points "
            f"if they answer different items); for 3 points it takes {items_needed(0.03, DISAGREEMENT):,} items"
        ),
    ]
    return Group(*lines)
