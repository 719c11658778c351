"""The commands that come before a run: a pilot that forecasts it, and what is held out of it."""

from typing import Annotated

import typer

from sftmill.cli_options import CodeOption, RecipeArgument, RunDirOption, SetOption, console, planned


def pilot(
    recipe: RecipeArgument,
    rows: Annotated[int, typer.Option("-n", min=2, help="Rows of every stream, shared among its files.")] = 100,
    seed: Annotated[int, typer.Option(help="Another number takes other rows.")] = 0,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Spend a little: take some rows of every file all the way, show them, and forecast the whole run."""
    from sftmill.pilot import run_pilot
    from sftmill.progress import Display
    from sftmill.show_pilot import pilot_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    with Display() as display:
        found = run_pilot(loaded, folder, rows, seed, watch=display)
    console().print(pilot_text(found, recipe), highlight=False)


def holdout(
    recipe: RecipeArgument,
    share: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share of the documents and seeds.")] = 0.1,
    name: Annotated[list[str] | None, typer.Option("--name", help="A document to hold out, by its path.")] = None,
    seed: Annotated[int, typer.Option(help="Another number holds out other documents.")] = 0,
    draft: Annotated[
        int, typer.Option(min=0, help="Draft test items from so many of the passages held out; asks models.")
    ] = 0,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Reserve documents and seeds for testing before anything is generated, and draft test items from them."""
    from sftmill.drafts import draft_items
    from sftmill.holdout import write_holdout
    from sftmill.progress import Display
    from sftmill.reserve_sources import reserve
    from sftmill.show_pilot import holdout_text, items_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    file = loaded.holdout or loaded.path.parent / "holdout.json"
    held, total = reserve(loaded, file, share, tuple(name or ()), seed)
    write_holdout(file, held)
    console().print(holdout_text(held, total, file), highlight=False)
    print(f"written to {file}; keep it with the recipe")
    if loaded.holdout is None:
        print(f"next: add the line `holdout: {file.name}` to {recipe}, so that no run uses them")
        return
    if draft:
        with Display() as display:
            items = draft_items(loaded, folder, draft, seed, watch=display)
        console().print(items_text(items), highlight=False)
        print(f"next: sftmill review export {items.folder} --xlsx test-items.xlsx, have an expert confirm them, then")
        print(f"      sftmill review import test-items.xlsx --labels {items.folder}/labels.jsonl, and this again")
        return
    print(f"next: sftmill holdout {recipe} --draft 100 drafts test items from them")
