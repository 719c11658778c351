"""What several commands share: arguments, options, and how a recipe is read for them."""

from pathlib import Path
from typing import Annotated, Any

import typer

RecipeArgument = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
RunArgument = Annotated[Path, typer.Argument(help="The run's folder, such as runs/demo.")]
RunDirOption = Annotated[Path | None, typer.Option("--run-dir", help="The run's folder. Default: runs/NAME.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a value: --set models.teacher.model=qwen", metavar="KEY=VALUE"),
]
CodeOption = Annotated[
    bool,
    typer.Option(
        "--allow-code", help="Allow `use: file.py:Step` and `verifier: file.py:function`, which run that file."
    ),
]


def console() -> Any:
    """Return the console for results, which go to standard output."""
    from rich.console import Console

    return Console()


def planned(recipe: Path, run_dir: Path | None, changes: list[str] | None, allow_code: bool) -> tuple[Any, Path]:
    """Return a recipe that was read, and its run folder."""
    from sftmill.recipe_reader import load_recipe

    loaded = load_recipe(recipe, changes, allow_code, lenient=True)  # the plan tells all problems at once
    return loaded, run_dir or Path("runs") / loaded.name
