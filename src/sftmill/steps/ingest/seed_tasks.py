"""Seed tasks of Self-Instruct: an instruction, its instances, and whether it is a classification."""

import re
import unicodedata
from typing import Any, NamedTuple

from sftmill.core import Drop, Message
from sftmill.text import normalise

LONGEST = 20_000
"""Characters of the longest seed instruction, unless the recipe says otherwise."""

TEXT_FIELDS = ("task_type", "topic", "difficulty", "form")
"""Columns that a seed task may give as texts."""
FORMS = ("text", "list", "table", "json", "number", "label")

_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OVERRIDE = re.compile("[\u202d\u202e]")


class SeedTask(NamedTuple):
    """What a line of a seed file says."""

    instruction: str
    """The task without its input, direction marks taken out."""
    messages: list[Message]
    """The task with the input of its first instance, and that instance's output, if any."""
    columns: dict[str, str]
    """What else it says: its task type, topic, difficulty and the form of its answer."""


def is_seed_task(record: Any) -> bool:
    """Tell whether a line has the form {"instruction", "instances": [{"input", "output"}], "is_classification"}."""
    return isinstance(record, dict) and ("instances" in record or "is_classification" in record)


def read_seed_task(record: dict[str, Any], longest: int = LONGEST) -> SeedTask:
    """Return a seed task; raises Drop: `missing_field`, `wrong_field`, `overlong`, `reordered_text`.

    Marks that set the direction of writing are taken out. Those that override it (U+202D, U+202E) make a
    text look like another one, so a seed with them is dropped.
    """
    instruction = _text(record, "instruction", True)
    instances = record.get("instances", [])
    if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
        raise Drop("wrong_field", field="instances", wanted="a list of objects with input and output")
    if "instances" in record and not instances:
        raise Drop("missing_field", field="instances")
    label = record.get("is_classification", False)
    if not isinstance(label, bool):
        raise Drop("wrong_field", field="is_classification", wanted="true or false")
    first = instances[0] if instances else {}
    given, said = _text(first, "input"), _text(first, "output")
    size = len(instruction) + len(given)
    if size > longest:
        raise Drop("overlong", characters=size, most=longest)
    asks = f"{instruction}\n\n{given}" if given else instruction
    messages: list[Message] = [{"role": "user", "content": asks}]
    if said:
        messages.append({"role": "assistant", "content": said})
    columns = {name: value for name in TEXT_FIELDS if (value := _text(record, name))}
    if (form := columns.get("form")) and form not in FORMS:
        raise Drop("wrong_field", field="form", wanted=", ".join(FORMS))
    if label:
        columns["task_type"] = "classification"
    return SeedTask(instruction, messages, columns)


def seed_key(instruction: str) -> str:
    """Return what two instructions have in common that are the same but for width, case, spaces and end marks."""
    return normalise(instruction).casefold().strip(" .。:：!！?？;；,，")


def _text(record: dict[str, Any], field: str, needed: bool = False) -> str:
    """Return a text field without direction marks and outer spaces."""
    value = record.get(field)
    if value is None and not needed:
        return ""
    if value is not None and not isinstance(value, str):
        raise Drop("wrong_field", field=field, wanted="a text")
    if value and _OVERRIDE.search(value):
        raise Drop("reordered_text", field=field)
    text = _DIRECTION.sub("", value or "").strip()
    if needed and not any(unicodedata.category(c)[0] in "LN" for c in text):
        raise Drop("missing_field", field=field)
    return text
