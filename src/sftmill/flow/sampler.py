"""Which rows a pilot takes, and to which of them each later row and each call belongs."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar

from sftmill.core import Row
from sftmill.flow.shards import ShardList
from sftmill.text import content_hash

_UNIT: ContextVar[str] = ContextVar("unit", default="")


class Sampler:
    """Lets only chosen rows reach the first asking step of a stream, and follows what becomes of each.

    The rows as they stand before that step are the units: a run's cost is a sum over them. `choose`
    is given the name of a stream and all its units, and returns the ids of those to take.
    """

    def __init__(self, choose: Callable[[str, ShardList], frozenset[str]]):
        self._choose = choose
        self.chosen: dict[str, frozenset[str]] = {}
        """The units taken, by stream."""
        self._unit_of: dict[str, str] = {}

    def choose(self, stream: str, units: ShardList) -> frozenset[str]:
        """Return the ids of the units of a stream that are taken."""
        self.chosen[stream] = self._choose(stream, units)
        return self.chosen[stream]

    def digest(self, stream: str) -> str:
        """Return what tells the shards of one choice from those of another."""
        return content_hash(*sorted(self.chosen[stream]))

    def begin(self, row: Row) -> None:
        """Note that tasks started from here on work on this row's unit."""
        _UNIT.set(self.unit(row) or row["id"])

    def made(self, rows: Iterable[Row]) -> None:
        """Note which unit the rows belong to that come out of a pass."""
        for row in rows:
            self._unit_of[row["id"]] = _UNIT.get()

    def unit(self, row: Row) -> str:
        """Return the id of the unit that a row descends from, the empty string when it has none."""
        for name in (row["id"], *(row.get("parents") or ())):
            if (unit := self._unit_of.get(name)) is not None:
                return unit
        return ""

    @staticmethod
    def current() -> str:
        """Return the id of the unit that the running task works on, the empty string outside of one."""
        return _UNIT.get()
