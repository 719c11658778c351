"""Steps that only benchmarks use; recipes name them with `use:` and are run with --allow-code."""

import random
import time
from collections.abc import Iterator

from sftmill.core import AskStep, Desk, Drop, Row, RowStep, Source, answered, asked, question


class Busy(RowStep):
    """Computes for a while on every row and changes nothing."""

    reads = ("messages",)

    milliseconds: float = 10.0
    """CPU time a row."""

    def row(self, row: Row) -> Row:
        """Return the row after the CPU time is used up."""
        end = time.thread_time() + self.milliseconds / 1000
        while time.thread_time() < end:
            sum(range(200))
        return row


class Passages(Source):
    """Lists made-up passages of several files; what each will cost stands in its text, for the simulated endpoint."""

    writes = ("source", "passage")

    seed: int
    """Number of the simulated folder."""
    passages: int = 400
    """About so many in all."""

    def rows(self) -> Iterator[Row]:
        """Yield the passages: files differ in what a passage costs and yields, and passages within a file do too."""
        chance = random.Random(self.seed)
        files = chance.randint(3, 12)
        shares = [chance.paretovariate(1.2) for _ in range(files)]
        for number, share in enumerate(shares):
            dense, long, good = chance.uniform(0.5, 6), chance.lognormvariate(6, 0.6), chance.betavariate(4, 2)
            for index in range(max(3, round(self.passages * share / sum(shares)))):
                asks = min(12, int(chance.expovariate(1 / dense)))
                tokens = int(chance.lognormvariate(0, 0.7) * long)
                # questions, tokens of the passage, of an answer, and how many answers in a thousand are right
                says = f"{asks} {tokens} {max(5, tokens // 3)} {round(1000 * good)}"
                yield {"source": f"file-{number:02d}.txt", "passage": f"{number}/{index}: {says}"}


class Asks(AskStep):
    """Asks how many questions a passage is worth, and makes so many rows of it."""

    reads = ("passage",)
    writes = ("messages",)

    to: str = "teacher"
    """Role that is asked."""

    async def row(self, row: Row, desk: Desk) -> list[Row]:
        """Return a row a question; drops passages that are worth none."""
        number = int((await desk.ask(f"questions {row['passage']}", to=self.to))[0].text)
        if not number:
            raise Drop("no_question")
        return [asked(row, f"{row['passage']} question {i}") for i in range(number)]


class Answers(AskStep):
    """Asks for an answer and drops those that the simulated endpoint calls wrong."""

    reads = ("messages",)
    writes = ("answer",)

    to: str = "teacher"
    """Role that is asked."""

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its answer."""
        text = (await desk.ask(f"answer {question(row)}", to=self.to))[0].text
        if text == "wrong":
            raise Drop("wrong")
        return answered(row, text)
