"""Which rows a pilot takes, and to which of them each later row and each call belongs."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from math import ceil

from sftmill.core import Row
from sftmill.flow.shards import ShardList
from sftmill.text import content_hash

_UNIT: ContextVar[str] = ContextVar("unit", default="")


class Sampler:
    """Lets only chosen rows reach the first asking step of a stream, and follows what becomes of each.

    The rows as they stand before that step are the units: a run's cost is a sum over them. `choose`
    is given the name of a stream and all its units, and returns the ids of those to take. Where a step
    grows a pool to a size of its own, its drafts are the units: the first `drafts` of them are taken.
    """

    def __init__(
        self,
        choose: Callable[[str, ShardList], frozenset[str]],
        drafts: int = 100,
        drafted: Callable[[str, list[str]], None] = lambda stream, rows: None,
    ):
        self._choose = choose
        self._drafted = drafted
        """Told the stream and the ids of drafts that are taken."""
        self.drafts = drafts
        """Most drafts that a step which grows a pool may make."""
        self.grown: dict[str, tuple[list[str], int]] = {}
        """For streams with such a step: the ids of the drafts taken, and about how many the whole run would make."""
        self.chosen: dict[str, frozenset[str]] = {}
        """The units taken, by stream."""
        self._unit_of: dict[str, str] = {}

    def choose(self, stream: str, units: ShardList) -> frozenset[str]:
        """Return the ids of the units of a stream that are taken."""
        self.chosen[stream] = self._choose(stream, units)
        return self.chosen[stream]

    def draft(self, stream: str, drafts: list[Row]) -> list[Row]:
        """Return those of a round's drafts that are still within the sample, and note them as units."""
        taken, _ = self.grown.setdefault(stream, ([], 0))
        drafts = drafts[: max(0, self.drafts - len(taken))]
        self.start(drafts)
        names = [row["id"] for row in drafts]
        taken.extend(names)
        self._drafted(stream, names)
        return drafts

    def grow(self, stream: str, admitted: int, target: int) -> None:
        """Note how many rows the sampled drafts gave, of how many the whole run is to admit."""
        taken, _ = self.grown.get(stream, ([], 0))
        self.grown[stream] = (taken, max(len(taken), ceil(target * len(taken) / max(1, admitted))))

    def start(self, rows: Iterable[Row]) -> None:
        """Note that these rows are units themselves."""
        self._unit_of.update((row["id"], row["id"]) for row in rows)

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
