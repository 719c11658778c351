"""Making a right answer wrong on purpose: in one place, of one kind, and saying exactly what was changed."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from sftmill.steps.instruct.negatives.corruption_values import change_number, change_unit, make_stale
from sftmill.steps.instruct.negatives.corruption_words import drop_step, negate, swap_entity
from sftmill.text import content_hash

Kind = Literal["number", "unit", "negation", "entity", "step", "rule"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST = 20_000
"""Characters of an answer, and of its passage, that are looked through."""


class Corruption(NamedTuple):
    """One change of a text: what stood at `text[start:end]`, and what stands there now."""

    kind: Kind
    start: int
    end: int
    was: str
    now: str

    def applied(self, text: str) -> str:
        """Return the text with the change."""
        return text[: self.start] + self.now + text[self.end :]


class Edit(NamedTuple):
    """A change before it has a name: `text[start:end]` becomes `now`."""

    start: int
    end: int
    now: str


_MAKERS: dict[Kind, Callable[[str, str, str, random.Random], Iterator[tuple[int, int, str]]]] = {
    "number": change_number,
    "unit": change_unit,
    "negation": negate,
    "entity": swap_entity,
    "step": drop_step,
    "rule": make_stale,
}


def corrupt_text(
    text: str, lang: str, source: str = "", kinds: Sequence[Kind] = KINDS, most: int = 1, seed: int = 0
) -> list[Corruption]:
    """Return up to `most` ways to make a text wrong, each of another kind, in an order that the text decides.

    `source` is what the text speaks of, such as its passage: other values and names are taken from there. A change is
    returned only when the text differs from what it was in the span named and nowhere else.
    """
    if len(text) > LONGEST:
        return []
    chance = random.Random(content_hash("corrupt", str(seed), text))
    order = list(kinds)
    chance.shuffle(order)
    found: list[Corruption] = []
    for kind in order:
        if len(found) == most:
            break
        own = random.Random(content_hash("corrupt", str(seed), text, kind))
        for edit in map(Edit._make, _MAKERS[kind](text, lang, source[:LONGEST], own)):
            made = Corruption(kind, edit.start, edit.end, text[edit.start : edit.end], edit.now)
            if made.was != made.now and made.applied(text).strip():
                found.append(made)
                break
    return found
