"""Steps that only benchmarks use; recipes name them with `use:` and are run with --allow-code."""

import time

from sftmill.core import Row, RowStep


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
