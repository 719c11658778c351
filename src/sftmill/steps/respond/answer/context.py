"""What an answer is to rest on: the numbered passages, and the turns that show them."""

from typing import Any, Literal, NamedTuple

from sftmill.core import Message, Row, turns
from sftmill.steps.curate.grounding.evidence import units, words_of
from sftmill.text.lazy import lazy_pattern

Context = Literal["none", "passage", "retrieved"]

_TAG = lazy_pattern(r"<(?=\s{0,4}/?\s{0,4}passage\b)", 2)
OWN = 0.9
"""Share of its terms that another passage must have to hold the row's own one."""


class Shown(NamedTuple):
    """A passage that the model is shown; its number is its place, from 1."""

    heading: str
    text: str

    @property
    def borne(self) -> str:
        """What sentences that cite it may rest on."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def passages_of(row: Row, context: Context) -> list[Shown]:
    """Return the passages that a row brings along, in the order in which they are numbered."""
    if context == "retrieved":
        found = [(one["title_path"], one["text"]) for one in row.get("retrieved") or []]
    elif context == "passage" and (row.get("passage") or "").strip():
        text = "\n\n".join(filter(None, (row["passage"].strip(), (row.get("context") or "").strip())))
        found = [(row.get("title_path"), text)]
    else:
        return []
    return [Shown(" / ".join(path or ()), text) for path, text in found]


def as_values(passages: list[Shown]) -> list[dict[str, Any]]:
    """Return the passages as the prompt sees them: with their numbers, and unable to end the tag that they stand in."""
    return [
        {"number": number, "heading": _TAG.sub("＜", one.heading), "text": _TAG.sub("＜", one.text)}
        for number, one in enumerate(passages, 1)
    ]


def holds_own(row: Row, passages: list[Shown]) -> bool:
    """Tell whether the passage that a row's question was made from is among those shown."""
    own = {unit for unit, _ in units(words_of(row.get("passage") or ""))}
    if not own or row.get("operator") == "missing":  # then the question is one that the passage does not answer
        return False
    shown = ({unit for unit, _ in units(words_of(one.text))} for one in passages)
    return any(len(own & there) >= OWN * len(own) for there in shown)


def unanswered(row: Row) -> list[Message]:
    """Return the row's turns without an answer at their end."""
    messages = turns(row)
    return messages[:-1] if messages and messages[-1]["role"] == "assistant" else messages


def shown_turns(messages: list[Message], prompt: list[Message]) -> list[Message]:
    """Return a conversation whose last turn is the prompt's, and whose system turn has the prompt's rules behind its own."""
    rules = "\n".join(turn["content"].strip() for turn in prompt if turn["role"] == "system").strip()
    made = [*messages[:-1], {**messages[-1], "content": prompt[-1]["content"].strip()}]
    if not rules:
        return made
    if made[0]["role"] == "system":
        return [{**made[0], "content": f"{made[0]['content']}\n\n{rules}"}, *made[1:]]
    return [{"role": "system", "content": rules}, *made]
