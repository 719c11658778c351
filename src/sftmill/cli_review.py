"""The commands `sftmill review export` and `sftmill review import`: parse, call the API, print."""

from pathlib import Path
from typing import Annotated

import typer

review_app = typer.Typer(no_args_is_help=True, help="Samples out to a workbook for experts, and their verdicts back.")


@review_app.command("export")
def review_export(
    run_dir: Annotated[Path, typer.Argument(help="The run's folder, such as runs/demo.")],
    xlsx: Annotated[Path, typer.Option("--xlsx", help="The workbook to write.")],
    stream: Annotated[str, typer.Option(help="The stream. Default: the last one.")] = "",
    number: Annotated[
        int | None, typer.Option("-n", min=1, help="So many samples, spread over sources and types. Default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number draws other samples.")] = 0,
    again: Annotated[bool, typer.Option("--again", help="Also samples that were reviewed before.")] = False,
) -> None:
    """Write samples of a run as a workbook in which experts choose verdicts and write corrections."""
    from sftmill.review import export_review

    done = export_review(run_dir, xlsx, stream, number, seed, again)
    print(f"{done.written:,} of {done.available:,} samples of the stream {done.stream!r} in {xlsx}")
    if done.reviewed:
        print(f"{done.reviewed:,} that were reviewed before are left out; --again shows them too")
    if done.unanswered:
        print(f"{done.unanswered:,} rows without a question and answer are left out")
    print(f"next: let experts fill it in, then sftmill review import {xlsx}")


@review_app.command("import")
def review_import(
    sheet: Annotated[Path, typer.Argument(help="The workbook that came back, xlsx or csv.")],
    labels: Annotated[Path, typer.Option("--labels", help="The labels file to merge into.")] = Path("labels.jsonl"),
    run_dir: Annotated[
        Path | None, typer.Option("--run", help="The run's folder, for the whole samples behind a csv file.")
    ] = None,
) -> None:
    """Merge the verdicts of a workbook into a labels file, which the step `reviewed` carries out."""
    from sftmill.review import import_review
    from sftmill.review.merge import report

    result = import_review(sheet, labels, run_dir)
    print("\n".join(report(result)))
    print(f"next: `- reviewed: {{labels: {labels.name}}}` in the recipe, before dedup; then run it again")
