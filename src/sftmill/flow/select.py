"""The rows of other streams, filtered: what `from` and `where` mean when a row or ask step comes first."""

from collections.abc import AsyncIterator, Mapping

from sftmill.core import Desk, Row, Shards, WholeStep


class Select(WholeStep):
    """Passes on the rows that a stream starts from, so that they stand in shards of their own."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row]:
        """Yield the rows; the condition has already been applied to the input."""
        for row in inputs["rows"].rows():
            yield row
