"""Rows of cells -> a table with pipes, as Markdown writes it."""

from collections.abc import Sequence

from sftmill.steps.ingest.sections import collapse, join_lines


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table whose first row is the header; empty rows and columns are left out.

    Lines within a cell are joined, and a pipe in it is written as \\|.
    """
    width = max((len(row) for row in rows), default=0)
    cells = [[cell_line(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    cells = [row for row in cells if any(row)]
    kept = [i for i in range(width) if any(row[i] for row in cells)]
    lines = ["| " + " | ".join(row[i] for i in kept) + " |" for row in cells]
    if len(lines) > 1:
        lines.insert(1, "| " + " | ".join("---" for _ in kept) + " |")
    return "\n".join(lines)


def cell_line(text: str) -> str:
    """Return a cell's text as one line that holds no bare pipe."""
    if "\n" in text:
        text = join_lines(line.strip() for line in text.split("\n"))
    return collapse(text).replace("|", "\\|")
