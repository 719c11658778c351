"""The command that checks a judge against labels, and what people see of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sftmill.cli_options import CodeOption, RecipeArgument, RunDirOption, SetOption, console, planned
from sftmill.errors import SftmillError

judge_app = typer.Typer(no_args_is_help=True, help="See how good a judge is before it judges.")


@judge_app.callback()
def judge() -> None:
    """See how good a judge is before it judges."""


@judge_app.command("check")
def check(
    recipe: RecipeArgument,
    pairs: Annotated[Path, typer.Argument(help="JSONL: instruction, a, b, preferred (a, b or tie), maybe source.")],
    role: Annotated[str | None, typer.Option(help="The role to check. Default: that of the recipe's judge.")] = None,
    grades: Annotated[
        bool, typer.Option("--grades", help="Grade each answer by itself, instead of comparing.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many pairs, spread over the file.")] = None,
    consistency: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of verdicts that must not depend on the seat.")
    ] = 0.8,
    kappa: Annotated[
        float | None,
        typer.Option(min=-1.0, max=1.0, help="Agreement with the labels. Default: people's own less 0.1, or 0.4."),
    ] = None,
    sensitivity: Annotated[str, typer.Option(help="Who may see the pairs: public, internal or secret.")] = "internal",
    report: Annotated[Path, typer.Option(help="Where to write the report, for `check:` in a recipe.")] = Path(
        "judge-report.json"
    ),
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Let a judge judge pairs that people have judged: accuracy, consistency, agreement, what it prefers wrongly."""
    from sftmill.judge_check import Floors, check_judge

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    made = check_judge(
        loaded, pairs, folder, role=role, grades=grades, limit=limit, floors=Floors(consistency, kappa),
        sensitivity=sensitivity, report=report,
    )  # fmt: skip
    console().print(judge_text(made, report), highlight=False)
    if not made["passed"]:
        raise SftmillError(f"the judge is below its floor: {'; '.join(made['short'])}; take a better judge")


def judge_text(made: Mapping[str, Any], report: Path) -> Any:
    """Return a table of the figures by source, and the verdict on the judge."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    judges = ", ".join(f"{role} ({model})" for role, model in made["judges"].items())
    table = Table(title=f"Judge: {escape(judges)}", title_justify="left", box=None, pad_edge=False)
    columns = {
        "pairs": "pairs", "judged": "judged", "accuracy": "accuracy", "adjusted": "ties half", "consistency": "consistent",
        "tie_rate": "ties", "first_seat": "seat A", "kappa": "kappa", "length_slope": "length", "self_preference": "self",
    }  # fmt: skip
    table.add_column("source")
    for name in columns.values():
        table.add_column(name, justify="right")
    for source, figures in [*made["sources"].items(), ("all", made["overall"])]:
        table.add_row(escape(source or "-"), *(_figure(figures[name]) for name in columns))
    lines = [f"note: {line}" for line in made["notes"]]
    lines += [f"unjudged: {len(made['unjudged'])}, each with its reason in the report"] if made["unjudged"] else []
    lines += [] if made["short"] else ["the judge reaches its floors"]
    lines.append(f"written to {report}; name it under `check:` of the judging step")
    return Group(table, Text(), *(Text(line) for line in lines))


def _figure(value: float | int | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
