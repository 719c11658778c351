"""The command that holds what is asked against what a pool covers, and turns holes into quotas."""

from pathlib import Path
from typing import Annotated

import typer

from sftmill.cli_options import RunArgument, console


def coverage(
    run_dir: RunArgument,
    grid: Annotated[Path, typer.Option(help="The grid file that the rows were labelled with.")],
    demand: Annotated[
        list[str],
        typer.Option(
            help="A stream of what is asked, labelled: queries, or NAME=STREAM, or NAME=OTHER_RUN:STREAM. May be repeated."
        ),
    ],
    pool: Annotated[
        list[str],
        typer.Option(help="A stream of the pool, labelled; of another run as OTHER_RUN:STREAM. May be repeated."),
    ],
    weight: Annotated[
        list[str] | None,
        typer.Option(help="How much a kind of demand counts, beside 1 for the others.", metavar="NAME=NUMBER"),
    ] = None,
    ratio: Annotated[float, typer.Option(min=0.01, max=1.0, help="Below which part of its due a cell is short.")] = 0.5,
    risk: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Share of the named holes that may be none.")] = 0.05,
    least: Annotated[int, typer.Option(min=0, help="Instructions that every cell asked about must have.")] = 0,
    enough: Annotated[int | None, typer.Option(min=1, help="Instructions with which a cell is never a hole.")] = None,
    fill: Annotated[
        Path | None, typer.Option(help="Write the holes as quotas, a grid file for the step controlled.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Instructions that --fill orders in all. Default: what it takes to level the holes."),
    ] = None,
    per_cell: Annotated[int | None, typer.Option(min=1, help="Instead: instructions for every hole.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole map as JSON.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw the map.")] = None,
) -> None:
    """Show what is asked against what a pool covers, name the holes with examples, and order what fills them."""
    from sftmill.coverage.ask import read_kinds, read_weights
    from sftmill.coverage.measure import measure_coverage
    from sftmill.coverage.show import coverage_text
    from sftmill.coverage.write import write_figure, write_json, write_quotas
    from sftmill.steps.curate.coverage.coverage import Rule
    from sftmill.steps.grid import read_grid

    kinds = read_kinds(demand)
    rule = Rule(ratio=ratio, risk=risk, least=least, enough=enough)
    measured = measure_coverage(run_dir, pool, kinds, read_grid(grid), rule, read_weights(weight or [], kinds))
    console().print(coverage_text(measured), highlight=False)
    if json_file:
        print(write_json(measured, json_file))
    if svg:
        print(write_figure(measured, svg))
    if fill:
        print(write_quotas(measured, fill, count, per_cell))
    elif measured.map.holes:
        print("next: the same command with --fill quotas.yaml orders what fills the holes")
