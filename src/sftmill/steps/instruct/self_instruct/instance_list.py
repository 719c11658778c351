"""Reading the instances that a model gives for a task: "Example 1", "Input:", "Output:", "Class label:"."""

import re
from typing import NamedTuple

from sftmill.text.lazy import lazy_pattern

MOST = 5
"""Instances of a task (Self-Instruct)."""

_EXAMPLE = lazy_pattern(
    r"(?:^|\n)[ \t]{0,4}[#*]{0,3}[ \t]?(?:Example|示例|例子?)[ \t]?(?:\d{1,2}|[一二三四五])?[ \t]?[.：:、]?[*]{0,2}[ \t]*(?:\n|$|(?=(?:Input|输入)))",
    re.I,
)
_OUTPUT = lazy_pattern(r"(?:^|\n|(?<=[ \t]))[*]{0,2}(?:Output|输出|答案)[ \t]?\d{0,2}[ \t]?[:：][*]{0,2}", re.I)
_INPUT = lazy_pattern(r"\A\s*[*]{0,2}(?:Input|输入)[ \t]?\d{0,2}[ \t]?[:：][*]{0,2}", re.I)
_LABEL = lazy_pattern(
    r"(?:^|\n)[ \t]{0,4}(?:\d{1,2}[.、][ \t]?)?[*]{0,2}(?:Class label|Label|类别|标签)[ \t]?\d{0,2}[ \t]?[:：][*]{0,2}",
    re.I,
)
_NOTHING = frozenset(("", "无", "无输入", "(无)", "（无）", "none", "n/a", "<noinput>", "no input", "空"))


class Instance(NamedTuple):
    """What a task is carried out on ("" where it needs nothing), and the result."""

    given: str
    result: str


def parse_instances(reply: str, truncated: bool = False, most: int = MOST) -> list[Instance]:
    """Return the instances of an input-first reply: "Example 1", then "Input: ...", then "Output: ...".

    A reply without any of these words has none. A truncated one loses its last instance. See `sound`.
    """
    if _EXAMPLE.search(reply):
        parts = [part for part in _EXAMPLE.split(reply)[1:] if part.strip()]
    elif _OUTPUT.search(reply):
        parts = [reply]
    else:
        return []
    found = []
    for part in parts:
        pieces = _OUTPUT.split(part, maxsplit=1)
        given, result = (pieces[0], pieces[1]) if len(pieces) > 1 else ("", part)
        found.append(Instance(_INPUT.sub("", given, count=1).strip(), result.strip()))
    return sound(found[:-1] if truncated else found, most)


def parse_labelled(reply: str, truncated: bool = False, most: int = MOST) -> list[Instance]:
    """Return the instances of an output-first reply: "Class label: ..." on a line, then the input for it."""
    found = []
    for part in _LABEL.split(reply)[1:]:
        label, _, given = part.strip().partition("\n")
        found.append(Instance(_INPUT.sub("", given, count=1).strip(), label.strip()))
    return sound(found[:-1] if truncated else found, most)


def sound(instances: list[Instance], most: int = MOST) -> list[Instance]:
    """Return what can be kept of a task's instances, at most `most`.

    Out are those whose output is empty or the same as the input, and those whose input or output ends in a colon,
    as an unfinished one does. Two that have the same input, which is not empty, and different outputs
    take all others with them: the task is not understood. Of equal ones the first stays.
    """
    kept = []
    for one in instances:
        given = "" if one.given.casefold() in _NOTHING else one.given
        unfinished = given.endswith((":", "：")) or one.result.endswith((":", "："))
        if one.result and one.result != given and not unfinished:
            kept.append(Instance(given, one.result))
    outputs: dict[str, str] = {}
    for one in kept:
        if one.given and outputs.setdefault(one.given, one.result) != one.result:
            return []
    return list(dict.fromkeys(kept))[:most]
