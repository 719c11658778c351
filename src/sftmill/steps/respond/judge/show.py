"""What a judge sees beside the candidates: the request with its earlier turns, the material, the reference."""

from collections.abc import Sequence
from typing import Any

from sftmill.core import Message
from sftmill.steps.respond.judge.blind import harmless

MATERIAL = ("passage", "context")
"""Columns that hold what an answer should rest on."""
LONGEST = 12_000
"""Characters of a turn, a reference or the material that are shown."""


def request_turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the conversation up to the answer that is judged, each turn as role and harmless content."""
    shown = list(messages)
    if shown and shown[-1]["role"] == "assistant":
        shown.pop()
    return [{"role": turn["role"], "content": harmless((turn["content"] or "")[:LONGEST])} for turn in shown]


def harmless_text(*texts: str | None) -> str | None:
    """Return the texts that there are, harmless, one below the other; None where there is none."""
    found = [harmless(text[:LONGEST]) for text in texts if text]
    return "\n\n".join(found) or None
