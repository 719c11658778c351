"""Whether a reworded question still holds the values that its template was filled with, and no others."""

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from sftmill.text import Number, is_cjk, normalise, number_key, numbers, same_value


class SlotFault(NamedTuple):
    """What is wrong with a wording."""

    reason: str
    facts: dict[str, str]


def read_slots(column: str | None) -> dict[str, dict[str, str]]:
    """Return what the column `slots` holds: name -> {type, text, value}; nothing where it is empty or no such JSON."""
    try:
        found = orjson.loads(column or "{}")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: item for name, item in found.items() if isinstance(item, dict) and isinstance(item.get("text"), str)}


def find_slot_fault(original: str, wording: str, slots: Mapping[str, Mapping[str, str]]) -> SlotFault | None:
    """Return the first thing that got lost or came in, None where a wording asks the same with the same values.

    A number, date or amount must be there with its value and unit, however written: 1.5万元 for 15000元, 三年 for 3年.
    A text (choice, term) must be there as it stands, whatever its case and width. Each slot needs a place of its own,
    and slots of one unit must keep their order: from 3% to 5% is not from 5% to 3%. Numbers that the original does not
    hold must not come in.
    """
    there = _read(wording)
    free = list(range(len(there)))
    first: dict[str, tuple[int, Number]] = {}
    for name, slot in slots.items():
        wanted = [] if slot.get("type") in ("choice", "term") else _read(slot["text"])
        if not wanted:
            if not _holds(wording, slot["text"]):
                return SlotFault("slot_lost", {"slot": name, "value": slot["text"]})
            continue
        for number in wanted:
            place = next((i for i in free if _is_same(number, there[i])), None)
            if place is None:
                return SlotFault("slot_lost", {"slot": name, "value": slot["text"]})
            free.remove(place)
            first.setdefault(name, (there[place].start, number))
    if swapped := _swapped(original, first, slots):
        return SlotFault("slots_swapped", {"slot": swapped})
    allowed = _read(original)
    for i in free:
        number, text = there[i], wording[there[i].start : there[i].end]
        if not any(same_value(number, other) for other in allowed) and not _is_a_word(number, text):
            return SlotFault("number_added", {"number": text})
    return None


def _read(text: str) -> list[Number]:
    return [number for number in numbers(text, words=True) if number.unit != "label"]


def _is_same(wanted: Number, found: Number) -> bool:
    """Tell whether a number is the one wanted; a unit that is wanted must be there."""
    if number_key(wanted) == number_key(found):
        return True
    return not wanted.unit and same_value(wanted, found)


def _is_a_word(number: Number, text: str) -> bool:
    """Tell whether a number is but an English word such as "one" in "which one"."""
    return abs(number.value) <= 1 and text.isascii() and text.isalpha()


def _holds(wording: str, text: str) -> bool:
    """Tell whether a text stands in a wording, Latin words whole."""
    plain, wanted = normalise(wording).casefold(), normalise(text).casefold()
    at = plain.find(wanted)
    while at >= 0:
        before, after = plain[at - 1 : at], plain[at + len(wanted) : at + len(wanted) + 1]
        if not (_runs_on(before, wanted[0]) or _runs_on(wanted[-1], after)):
            return True
        at = plain.find(wanted, at + 1)
    return False


def _runs_on(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not is_cjk(left) and not is_cjk(right)


def _swapped(original: str, first: Mapping[str, tuple[int, Number]], slots: Mapping[str, Mapping[str, str]]) -> str:
    """Return the name of a slot that has changed places with one of its unit and another value."""
    names = [name for name in first if slots[name]["text"] in original]
    names.sort(key=lambda name: original.index(slots[name]["text"]))
    for i, earlier in enumerate(names):
        for later in names[i + 1 :]:
            (a, x), (b, y) = first[earlier], first[later]
            if a > b and number_key(x)[1] == number_key(y)[1] and number_key(x) != number_key(y):
                return earlier
    return ""
