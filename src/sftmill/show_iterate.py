"""What people see of the rounds of a tuned generator."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sftmill.iterate import Round


def rounds_text(rounds: Sequence[Round], folder: Path) -> RenderableType:
    """Return a table of the rounds, and the reason for each decision."""
    table = Table(title="Rounds", title_justify="left", box=None, pad_edge=False)
    for name in ("round", "new samples", "distinct-2", "score before", "after", "± s.e.", "adopted"):
        table.add_column(name, justify="left" if name == "adopted" else "right")
    for done in rounds:
        found = done.adoption
        table.add_row(
            str(done.number),
            f"{done.samples:,}",
            f"{done.distinct:.3f}" + (" ↓" if done.collapsing else ""),
            f"{found.before:.4g}",
            f"{found.after:.4g}",
            f"{found.standard_error:.2g}",
            "yes" if found.adopted else "no",
        )
    lines = [f"round {done.number}: {escape(done.adoption.reason)}" for done in rounds]
    if any(done.collapsing for done in rounds):
        lines.append("↓ questions have become much more alike than in the first round: add seeds or other sources")
    best = next((done for done in reversed(rounds) if done.adoption.adopted), None)
    name = best.tuned.get("model") or best.tuned.get("local") if best else None
    lines.append(f"the generator is now {name}" if name else "the generator stays the one that the recipe names")
    lines.append(f"written to {folder / 'iterate.json'}")
    return Group(table, Text(), *(Text.from_markup(line) for line in lines))
