"""What the doctor found, and how it is said."""

from typing import Literal, NamedTuple

Mark = Literal["ok", "weak", "missing"]


class Finding(NamedTuple):
    """One thing that was looked at.

    "ok" needs nothing; "weak" works, but less well or not for everything; "missing" must be mended before a run.
    """

    mark: Mark
    what: str
    found: str
    cost: str = ""
    """What goes wrong, or what cannot be done, as long as it stays so."""
    command: str = ""
    """The command or the line in the recipe that mends it."""

    @property
    def remedy(self) -> str:
        """Cost and command in one line, empty where all is well."""
        cost = f"as it is: {self.cost}" if self.cost else ""
        return "; ".join(part for part in (cost, self.command) if part)


def ok(what: str, found: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding("ok", what, found)


def weak(what: str, found: str, cost: str, command: str = "") -> Finding:
    """Return a finding of something that works less well than it could."""
    return Finding("weak", what, found, cost, command)


def missing(what: str, found: str, cost: str, command: str = "") -> Finding:
    """Return a finding of something without which a run does not work."""
    return Finding("missing", what, found, cost, command)
