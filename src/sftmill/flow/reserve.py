"""What is held out: source rows, named by content, that no stream may use."""

from collections.abc import Iterable

import orjson

from sftmill.core import Row, turns
from sftmill.text import content_hash

HELD_OUT = "held_out"
"""Reason of source rows that are reserved for testing."""
NOT_HELD_OUT = "not_held_out"
"""Reason of all others, where the tests are made."""


def content_key(row: Row) -> str | None:
    """Return what names a source row whatever its file is called: the hash of the file, or of the conversation."""
    if name := row.get("source_hash"):
        return name
    return content_hash(orjson.dumps(turns(row))) if turns(row) else None


class Reserve:
    """The source rows that are held out, by `content_key`."""

    def __init__(self, keys: Iterable[str], inside: bool = False):
        self.keys = frozenset(keys)
        self.inside = inside
        """Whether this run works on what is held out, to draft tests from it, instead of on the rest."""
        self.digest = content_hash(*sorted(self.keys), str(inside))

    def refuses(self, row: Row) -> str | None:
        """Return why a source row may not be used, None when it may."""
        held = content_key(row) in self.keys
        if held == self.inside:
            return None
        return HELD_OUT if held else NOT_HELD_OUT
