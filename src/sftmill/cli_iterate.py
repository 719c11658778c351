"""The command for rounds of generating, tuning and testing."""

from typing import Annotated

import typer

from sftmill.cli_options import CodeOption, RecipeArgument, RunDirOption, SetOption, console, planned


def iterate(
    recipe: RecipeArgument,
    base: Annotated[str, typer.Option(help="The model that training starts from, in every round.")],
    train: Annotated[str, typer.Option(help="Your training command; it is given the path of a JSON file.")],
    test: Annotated[str, typer.Option(help="Your testing command; it is given the path of a JSON file.")],
    role: Annotated[str, typer.Option(help="The role that the tuned model takes when it is adopted.")] = "teacher",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in all.")] = 3,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Generate, tune, test, and go on with the tuned generator if it is proved better; resumable."""
    from sftmill.iterate import Command
    from sftmill.iterate import iterate as run_rounds
    from sftmill.progress import Display
    from sftmill.show_iterate import rounds_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    with Display() as display:
        done = run_rounds(loaded, folder, role, base, Command.parse(train), Command.parse(test), rounds, watch=display)
    console().print(rounds_text(done, folder), highlight=False)
