"""What a verifier says of an answer."""

from typing import NamedTuple


class Verdict(NamedTuple):
    """Whether an answer is right, and why it is held so."""

    ok: bool | None
    """None where the verifier cannot tell: there is nothing to check, or what it checks against is faulty."""
    why: str
    """A short reason in English, empty where the answer is right."""


RIGHT = Verdict(True, "")
NO_ANSWER = "no answer found"
"""`why` of an answer that comes to no result at all."""
