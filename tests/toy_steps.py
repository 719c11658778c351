"""Small steps that tests of the house run; importable, because worker processes must find them."""

import os
import time

from sftmill.core import AskStep, Desk, Drop, Row, RowStep, Source


class Numbers(Source):
    """Lists the numbers below `count`."""

    writes = ("draw",)
    count: int = 10

    def rows(self):
        """Yield a row a number."""
        for number in range(self.count):
            yield {"draw": number}


class DropOdd(RowStep):
    """Drops odd numbers."""

    reads = ("draw",)

    def row(self, row: Row) -> Row:
        """Return even rows."""
        if row["draw"] % 2:
            raise Drop("odd", number=row["draw"])
        return row


class DropOddQuickly(DropOdd):
    """Drops odd numbers, and says that it takes next to no time."""

    quick = True


class Twins(RowStep):
    """Makes two children of every row."""

    reads = ("draw",)
    writes = ("draw", "title")

    def row(self, row: Row) -> list[Row]:
        """Return two children."""
        return [{"draw": row["draw"], "title": name} for name in ("first", "second")]


class Break(RowStep):
    """Raises for number 3, and harms its process as told for number 5."""

    reads = ("draw",)
    harm: str = "none"

    def row(self, row: Row) -> Row:
        """Return the row, unless it is 3 or 5."""
        if row["draw"] == 3:
            raise ValueError("three is not liked")
        if row["draw"] == 5:
            if self.harm == "exit":
                os._exit(7)
            if self.harm == "hang":
                time.sleep(60)
            if self.harm == "memory":
                bytearray(64 << 30)
            if self.harm == "print":
                print("noise on standard output", flush=True)
                os.write(1, b"more noise\n")
        return row


class SeeEnvironment(RowStep):
    """Puts the names of the environment's variables into the title."""

    writes = ("title",)

    def row(self, row: Row) -> Row:
        """Return the row with what the worker sees."""
        return {**row, "title": " ".join(sorted(os.environ))}


class Echo(AskStep):
    """Asks for every row and keeps the reply as its title."""

    reads = ("draw",)
    writes = ("title",)
    to: str = "teacher"

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the reply."""
        reply = (await desk.ask(f"number {row['draw']}", to=self.to))[0]
        return {**row, "title": reply.text}
