"""What speaks against an answer: told to the model once, and why the row goes when it stays."""

from typing import Any, NamedTuple


class Fault(NamedTuple):
    """A reason in words of the table of drops, and what it rests on."""

    reason: str
    facts: dict[str, Any]
