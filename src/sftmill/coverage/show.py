"""What people read on a terminal about coverage: the map, the holes with examples, and what the generators add."""

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sftmill.coverage.gains import Gain
from sftmill.coverage.measure import Measured
from sftmill.steps.curate.coverage.coverage import AXES, CellMap, CoverageMap, Margin, outside_words
from sftmill.steps.curate.coverage.demand import Tally
from sftmill.steps.grid import Cell

MOST_TOPICS, MOST_HOLES, MOST_NAMES = 40, 20, 12
"""Rows of a map, holes, and names of an axis that are shown; --json has them all."""
WIDEST_TOPIC, WIDEST_TASK, WIDEST_NAME, GAP = 24, 12, 50, 2
"""Widths in columns of a terminal, of which a Chinese character takes two."""
MARKS = {"hole": "!", "possible": "?", "surplus": "+", "unasked": "+", "covered": " ", "empty": " "}
STYLES = {
    "hole": "bold red",
    "possible": "yellow",
    "surplus": "cyan",
    "unasked": "cyan",
    "covered": "green",
    "empty": "dim",
}
MUCH = 0.2
"""Share of rows without a label from which the map is not to be trusted."""


def coverage_text(measured: Measured) -> RenderableType:
    """Return a measured coverage: how much is covered, the map, its margins, the holes and the generators."""
    found = measured.map
    parts: list[RenderableType] = [*_summary(found), Text()]
    for level in found.grid.difficulties:
        parts += [HeatMap(found, level), Text()]
    parts += [
        Text.assemble(
            "is/due: there are / due by the demand;  ",
            ("! hole", STYLES["hole"]),
            ("  ? may be one", STYLES["possible"]),
            ("  + far more", STYLES["surplus"]),
        ),
        Text(),
        _margin_table(found),
        Text(),
        *_holes(found),
    ]  # fmt: skip
    if measured.gains:
        parts += [Text(), *_gains(measured)]
    return Group(*parts)


def _summary(found: CoverageMap) -> Iterator[Text]:
    holes = found.holes
    share = math.fsum(one.demand for one in holes)
    yield Text.assemble(
        (f"{len(holes):,} hole{'' if len(holes) == 1 else 's'}", STYLES["hole"] if holes else "bold green"),
        f" with {share:.1%} of the demand; {found.covered:.1%} lies in no hole, {found.reached:.1%} where there is any instruction",
    )
    for one in (*found.demand, found.pool):
        weight = (
            f", weight {found.weights[one.kind]:.2f}" if one.kind in found.weights and len(found.demand) > 1 else ""
        )
        yield Text(f"  {one.kind}: {_counted(one)}{weight}", style="dim")
    for one in (*found.demand, found.pool):
        if one.rows and one.unlabelled >= MUCH * one.rows:
            yield Text(
                f"warning: {one.unlabelled / one.rows:.0%} of {one.kind} has no label, so what is called a hole may be none; "
                "label it with the step `label`",
                style="yellow",
            )
    if found.outside >= 0.005:
        words = outside_words(found, 8)
        named = ": " + ", ".join(f"{word} {times:,}" for word, times in words.items()) if words else ""
        yield Text(f"{found.outside:.1%} of the demand lies outside of the grid{named}", style="yellow")


def _counted(one: Tally) -> str:
    users = one.inside + one.outside
    told = f"{one.rows:,} rows" + (f", asked {users:,} times" if users > one.rows - one.unlabelled else "")
    if one.outside:
        told += f", {one.outside / users:.1%} outside of the grid"
    return told + (f", {one.unlabelled:,} not labelled" if one.unlabelled else "")


class HeatMap:
    """The cells of one difficulty as a table, or as several below each other where one is too wide for the terminal.

    Cells of several forms are put together.
    """

    def __init__(self, found: CoverageMap, level: str):
        self.level = level
        self.tasks = found.grid.task_types
        margins = [one for one in found.margins if one.axis == "topic"]
        shown = {one.name for one in sorted(margins, key=lambda one: (-one.demand, -one.supply))[:MOST_TOPICS]}
        self.topics = [topic for topic in found.grid.topics if topic in shown]
        self.left_out = len(found.grid.topics) - len(self.topics)
        groups: dict[tuple[str, str], list[CellMap]] = {}
        for one in found.cells:
            if one.cell.difficulty == level:
                groups.setdefault((one.cell.topic, one.cell.task_type), []).append(one)
        self.cells = {place: _cell(group) for place, group in groups.items()}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first = min(WIDEST_TOPIC, max(cell_len(topic) for topic in self.topics))
        parts: list[list[str]] = [[]]
        room = options.max_width - first
        for task in self.tasks:
            width = GAP + self._width(task)
            if width > room and parts[-1]:
                parts.append([])
                room = options.max_width - first
            parts[-1].append(task)
            room -= width
        yield Text(self.level, style="bold")
        for tasks in parts:
            yield self._table(tasks, first)
        if self.left_out:
            yield Text(f"and {self.left_out:,} topics that are asked about less", style="dim")

    def _width(self, task: str) -> int:
        """Return the width of a column: its numbers have room on one line, a long name takes several."""
        return max(min(cell_len(task), WIDEST_TASK), *(self.cells[topic, task].cell_len for topic in self.topics))

    def _even(self, cell: Text, task: str) -> Text:
        """Return a cell that fills its column; right-justified, it would lose the blank behind numbers without a mark."""
        return Text(" " * (self._width(task) - cell.cell_len)).append_text(cell)

    def _table(self, tasks: list[str], first: int) -> Table:
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("", width=first, overflow="fold")
        for task in tasks:
            table.add_column(Text(task, justify="right"), width=self._width(task), overflow="fold")
        for topic in self.topics:
            table.add_row(Text(topic), *(self._even(self.cells[topic, task], task) for task in tasks))
        return table


def _cell(group: list[CellMap]) -> Text:
    supply, due = sum(one.supply for one in group), math.fsum(one.due for one in group)
    verdicts = [one.verdict for one in group]
    verdict = next((v for v in ("hole", "possible", "covered", "surplus", "unasked") if v in verdicts), "empty")
    if verdict == "empty":
        return Text("- ", style=STYLES[verdict])
    return Text(f"{supply:,}/{_due(due)}{MARKS[verdict]}", style=STYLES[verdict], no_wrap=True)


def _due(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 or not value else "<1"


def _margin_table(found: CoverageMap) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (
        ("", "left"),
        ("demand", "right"),
        ("pool", "right"),
        ("is/due", "right"),
        ("holes", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for axis in AXES:
        margins = [one for one in found.margins if one.axis == axis]
        if len(margins) < 2:
            continue
        if table.row_count:
            table.add_row()
        table.add_row(Text(axis, style="bold"))
        for one in sorted(margins, key=lambda one: -one.demand)[:MOST_NAMES]:
            table.add_row(*_margin(one, found.pool.inside))
        if len(margins) > MOST_NAMES:
            table.add_row(Text(f"  and {len(margins) - MOST_NAMES:,} more", style="dim"))
    return table


def _margin(one: Margin, pool: int) -> list[Text]:
    return [
        Text(f"  {one.name}"),
        Text(f"{one.demand:.1%}"),
        Text(f"{one.supply / pool:.1%}" if pool else "-"),
        Text(f"{one.supply:,}/{_due(one.due)}"),
        Text(f"{one.holes:,}" if one.holes else "", style=STYLES["hole"]),
        Text("short as a whole" if one.short else "", style=STYLES["hole"]),
    ]


def _holes(found: CoverageMap) -> Iterator[RenderableType]:
    holes = found.holes
    if holes:
        yield Text("holes, the most asked about first", style="bold")
        yield from _hole_lines(found, holes[:MOST_HOLES])
        if len(holes) > MOST_HOLES:
            yield Text(f"and {len(holes) - MOST_HOLES:,} more; --json FILE writes them all", style="dim")
    possible = found.with_verdict("possible")
    if possible:
        share = math.fsum(one.demand for one in possible)
        named = "; ".join(f"{_named(one.cell, found)} {one.supply:,}/{_due(one.due)}" for one in possible[:5])
        more = f"; and {len(possible) - 5:,} more" if len(possible) > 5 else ""
        yield Text(
            f"{len(possible):,} more cells, with {share:.1%} of the demand, look short, but chance or one wrong label may "
            f"explain it: {named}{more}",
            style="yellow",
        )


def _hole_lines(found: CoverageMap, holes: list[CellMap]) -> Iterator[Text]:
    """Yield a line for each hole and one for each of its examples, which have the whole width for themselves."""
    names = [_named(one.cell, found) for one in holes]
    width = min(WIDEST_NAME, max(map(cell_len, names)))
    for name, one in zip(names, holes, strict=True):
        lacks = (f"{one.supply:,}/{_due(one.due)}", STYLES["hole"])
        padding = " " * max(0, width - cell_len(name))
        yield Text.assemble(f"  {name}{padding}  {one.demand:>6.1%} of the demand, is/due ", lacks)
        for example in one.examples:
            times = f" x{example.times:,}" if example.times > 1 else ""
            yield Text.assemble(
                (f"      {example.kind}{times}: ", "dim"), example.text, no_wrap=True, overflow="ellipsis"
            )


def _named(cell: Cell, found: CoverageMap) -> str:
    return " / ".join(cell if len(found.grid.forms) > 1 else cell[:3])


def _gains(measured: Measured) -> Iterator[RenderableType]:
    yield Text("what each generator adds to those before it", style="bold")
    currency = measured.currency or "money"
    money = any(one.money is not None for one in measured.gains)
    tokens = any(one.tokens for one in measured.gains)
    adds = table_of("generator", "rows", "new texts", "new cells", "demand", *(("tokens",) if tokens else ()))
    for one in measured.gains:
        numbers = [f"{one.rows:,}", f"{one.distinct:,}", f"{one.new_cells:,}", f"+{one.new_demand:.1%}"]
        adds.add_row(Text(_generator(one)), *numbers, *([f"{one.tokens:,}"] if tokens else []))
    yield adds
    if not tokens:
        return
    paid = [currency, f"cells/{currency}", f"texts/{currency}"] if money else []
    pays = table_of("", "cells/1k", "texts/1k", *paid)
    for one in measured.gains:
        numbers = ["-" if one.money is None else f"{one.money:,.3g}", *_each(one, "money")] if money else []
        pays.add_row(Text(_generator(one)), *_each(one, "tokens"), *numbers)
    yield pays
    told = f", and for 1 {currency}, which is shared among the steps by their tokens" if money else ""
    yield Text(f"new cells and texts for 1,000 tokens{told}", style="dim")


def table_of(first: str, *others: str) -> Table:
    """Return an empty table: names on the left, numbers on the right."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for head in others:
        table.add_column(Text(head), justify="right")
    return table


def _generator(one: Gain) -> str:
    return "/".join(part for part in (one.stream, one.generator) if part)


def _each(one: Gain, of: str) -> list[str]:
    return [
        "-" if value is None else f"{value:,.3g}" for value in (one.each(one.new_cells, of), one.each(one.distinct, of))
    ]
