"""The command `sftmill report`: parse, call the API, print."""

from typing import Annotated

import typer

from sftmill.cli_options import RunArgument


def report(
    run_dir: RunArgument,
    open_it: Annotated[bool, typer.Option("--open/--no-open", help="Show it in the browser.")] = False,
) -> None:
    """Write a finished run's report.html again, from its manifest and shards."""
    from sftmill.report import read_manifest, write_report

    path = write_report(run_dir, read_manifest(run_dir))
    print(f"wrote {path}")
    if open_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
