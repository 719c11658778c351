"""Steps that tests of the Ray engine run; importable, because its tasks must find them."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from sftmill.core import AskStep, Desk, Row, RowStep, Shards, WholeStep, answered, question


class Tell(AskStep):
    """Answers the question and notes, in a file, which process did it and on which machine of the cluster."""

    reads = ("question",)
    writes = ("answer",)
    to: str = "teacher"
    notes: str = ""
    poison: str = ""
    """The question that ends the process that works on it."""

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its answer."""
        note(self.notes, f"{place()} {os.getpid()} {question(row)}\n")
        if question(row) == self.poison:
            await asyncio.sleep(0.05)
            os._exit(11)
        reply = (await desk.ask(question(row), to=self.to))[0]
        return answered(row, reply.text)


class Breaks(RowStep):
    """Ends its worker process for one question."""

    reads = ("question",)
    poison: str = ""

    def row(self, row: Row) -> Row:
        """Return the row."""
        if question(row) == self.poison:
            os._exit(12)
        return row


class Note(RowStep):
    """Notes which process's worker takes a row through."""

    reads = ("title",)
    notes: str = ""

    def row(self, row: Row) -> Row:
        """Return the row."""
        note(self.notes, f"{os.getppid()} {os.getpid()} {row['title']}\n")
        return row


class Longest(WholeStep):
    """Passes on the two first of the longest questions, found by a Daft frame, and says where it worked."""

    reads = ("question",)
    writes = ("title",)

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row]:
        """Yield them."""
        frame = inputs["rows"].frame().sort("id").select("id")
        import daft

        names = frame.to_pydict()["id"]
        rows = {row["id"]: row for row in inputs["rows"].rows()}
        assert sorted(rows) == names
        longest = sorted(rows.values(), key=lambda row: (-len(question(row)), question(row)))[:2]
        for row in longest:
            yield {**row, "title": daft.get_or_infer_runner_type()}


class Sizes(WholeStep):
    """Notes which processes look at the batches, and passes on one row that says what they found."""

    reads = ("question",)
    writes = ("title",)
    notes: str = ""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row]:
        """Yield it."""

        def look(first: int, batch) -> tuple[int, int]:
            note(self.notes, f"{place()} {os.getpid()} {first}\n")
            return first, batch.num_rows

        found = list(inputs["rows"].map(look, ["messages"]))
        yield {**next(iter(inputs["rows"].rows())), "title": repr(found)}


def note(file: str, line: str) -> None:
    """Append a line to a file that several processes write to."""
    with open(file, "a") as notes:
        notes.write(line)


def place() -> str:
    """Return the machine of the cluster that this process belongs to, or "here"."""
    import sys

    if "ray" not in sys.modules:
        return "here"
    import ray

    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"


def told(notes: Path) -> list[tuple[str, int, str]]:
    """Return what was noted, as (machine, process, question)."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [(where, int(process), asked) for where, process, asked in (line.split(" ", 2) for line in lines)]
