"""Which row ends the process that works on it: found in a few deaths, however many rows are under way."""

from dataclasses import dataclass, field

from sftmill.flow.walk import Place

PARTS = 8
"""Turns that a group of suspects takes: a death leaves an eighth of them."""

Mark = tuple[int, Place]
"""A row at a stage: number of the stage within the pass, place in the shard."""


@dataclass(slots=True)
class Blame:
    """What is known of the rows of a shard whose process has died.

    The first death says nothing but that rows should be noted before they are worked on. Those under way at the next
    death are a group of suspects: they go after all others, an eighth of them at a time, so that each death leaves
    fewer. The row whose process dies while nothing else is under way is guilty: it fails, and the others go on.
    """

    places: list[str] = field(default_factory=list)
    """The machines on which tasks of this shard died, those included that were lost themselves."""
    deaths: int = 0
    """Those of the task alone."""
    unexplained: int = 0
    groups: list[set[Mark]] = field(default_factory=list)
    """Suspects: each group holds at least one row that is to blame."""
    guilty: set[Mark] = field(default_factory=set)

    @property
    def watching(self) -> bool:
        """Whether rows are noted."""
        return self.deaths > 0

    def turns(self) -> dict[Mark, int]:
        """Return the turn of each suspect, after all other rows; rows with the same turn go together."""
        turns: dict[Mark, int] = {}
        first = 0
        for group in self.groups:
            size = -(-len(group) // PARTS)
            for number, mark in enumerate(sorted(group)):
                turns[mark] = first + number // size
            first += PARTS
        return turns

    def learn(self, under_way: list[Mark]) -> None:
        """Take in one more death, and what was under way."""
        watched = self.watching
        self.deaths += 1
        if not watched:
            return
        held = set(under_way)
        group = next((group for group in self.groups if held and held <= group), None)
        if group is not None:
            self.groups.remove(group)
            if len(held) == 1:
                self.guilty |= held
            else:
                self.groups.append(held)
        elif new := held.difference(*self.groups):
            self.groups.append(new)
        else:
            self.unexplained += 1
