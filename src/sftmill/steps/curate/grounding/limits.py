"""Limits turned round ("at least" for "at most", "before" for "after"), ends of ranges and parts of dates mixed up."""

import itertools
import re
from collections.abc import Iterator

from sftmill.steps.curate.grounding.evidence import Source
from sftmill.text import Number, numbers, same_value
from sftmill.text.lazy import lazy_pattern
from sftmill.text.variants import simplified

# Longest first: 不超过 must not be read as 超过.
_BEFORE = lazy_pattern(
    r"(?:(?P<low>不少于|不低于|不小于|不得少于|不得低于|不应少于|不应低于|不短于|至少|最少|起码|≥|at least|no less than|"
    r"not less than|no fewer than|a minimum of)"
    r"|(?P<high>不超过|不高于|不大于|不多于|不得超过|不得高于|不得多于|不应超过|不应大于|未超过|没有超过|不长于|至多|最多|≤|"
    r"at most|no more than|not more than|up to|a maximum of|not exceed(?:ing)?|not over)"
    r"|(?P<above>超过|超出|高于|大于|多于|逾|>|more than|over|above|exceed(?:s|ing|ed)?)"
    r"|(?P<under>低于|小于|少于|不到|不足|未满|不满|未达|<|less than|fewer than|under|below)"
    r"|(?P<after>\b(?:after|since))|(?P<before>\b(?:before|until|prior to)))\s*(?:约|了|the\s|year\s|about\s)?\s*\Z",
    re.IGNORECASE,
)
_BEHIND = lazy_pattern(
    r"\s*(?:个?人|名|岁|年|元|度)?(?:(?P<low>及?以上|or (?:more|above|older|higher))|(?P<high>及?以下|以内|之内|or (?:less|fewer|below|younger|lower))"
    r"|(?P<after>之后|以后|后(?!者|面|期|来|方))|(?P<before>之前|以前|前(?!者|面|期|来|方|往|后)))",
    re.IGNORECASE,
)
_SIDE = {"low": "low", "above": "low", "high": "high", "under": "high", "after": "after", "before": "before"}
_OPPOSITE = {"low": "high", "high": "low", "after": "before", "before": "after"}
_CLAUSE_END = lazy_pattern(r"[，。；！？\n,;!?]")
_NEGATION = lazy_pattern(r"[不未非无禁勿没]|\b(?:not|no|never|without|cannot)\b|n't\b", re.IGNORECASE)
_JOINT = lazy_pattern(r"\s*(?:~|-|–|—|～|至|到|to|through)\s*\Z", re.IGNORECASE)
_PARTS = {("year", "month"), ("month", "day"), ("hour", "minute"), ("minute", "second")}


def _side(text: str, number: Number) -> tuple[str, bool]:
    """Return which way a number bounds ("low", "high", "after", "before" or ""), and whether its clause negates else."""
    behind = _BEHIND.match(text, number.end)
    before = _BEFORE.search(text, max(0, number.start - 20), number.start)
    found = behind or before
    if found is None:
        return "", False
    start = number.start
    for i in range(number.start - 1, max(-1, number.start - 40), -1):
        if _CLAUSE_END.match(text[i]):
            break
        start = i
    end_match = _CLAUSE_END.search(text, number.end, number.end + 40)
    end = end_match.start() if end_match else min(len(text), number.end + 40)
    rest = text[start : min(found.start(), number.start)] + text[max(found.end(), number.end) : end]
    return _SIDE[found.lastgroup], bool(_NEGATION.search(rest))


def limit_differs(answer: str, passage: str, source: Source, asked: str) -> str:
    """Return the limit of an answer that the passage only has the other way round, "" if there is none."""
    text, plain = simplified(answer), simplified(passage)
    given = None
    for number in numbers(text)[:40]:
        side, negated = _side(text, number)
        if not side:
            continue
        given = numbers(simplified(asked), words=True) if given is None else given
        if any(same_value(number, other) for other in given):
            continue
        sides = [_side(plain, other) for other in source.numbers if same_value(number, other)]
        if sides and all(theirs == _OPPOSITE[side] and negates == negated for theirs, negates in sides):
            low = _BEFORE.search(text, max(0, number.start - 20), number.start)
            behind = _BEHIND.match(text, number.end)
            return answer[low.start() if low else number.start : behind.end() if behind else number.end].strip()
    return ""


def _date_pairs(found: list[Number]) -> Iterator[tuple[Number, Number]]:
    """Yield years with the months, months with the days that may belong to them: the one beside, or named before."""
    last: dict[str, list[Number]] = {"year": [], "month": [], "hour": [], "minute": []}
    for number in found:
        unit = "day" if number.unit in ("d", "号") else number.unit
        above = {"month": "year", "day": "month", "minute": "hour", "second": "minute"}.get(unit)
        if above:
            parents = last[above]
            beside = bool(parents) and max(number.start - parents[-1].end, parents[-1].start - number.end) <= 6
            for parent in parents[-3 if unit == "month" and not beside else -1 :]:
                yield parent, number
        if unit in last:
            last[unit] = [n for n in last[unit] if n.value != number.value] + [number]


def mixed_up(answer: str, source: Source, asked: str) -> list[str]:
    """Return dates and ranges of an answer whose parts the passage has, but never together, as written."""
    text = simplified(answer)
    mine = numbers(text)
    wrong: list[str] = []
    have: set[tuple[str, object, object]] | None = None
    for a, b in itertools.pairwise(mine):
        gap = text[a.end : b.start]
        if (a.unit, b.unit) in _PARTS and len(gap) <= 3:
            if have is None:
                have = {
                    (p.unit, p.value, n.value)
                    for found in (source.numbers, numbers(simplified(asked), words=True))
                    for p, n in _date_pairs(_in_order(found))
                }
            if (a.unit, a.value, b.value) not in have:
                wrong.append(answer[a.start : b.end])
        elif (
            a.unit == b.unit and _JOINT.match(gap) and a.unit not in ("version", "label") and _degenerate(a, b, source)
        ):
            wrong.append(answer[a.start : b.end])
    return wrong


def _in_order(found: list[Number]) -> list[Number]:
    """Put the parts of dates written day first into the order year, month, day."""
    rank = {"year": 0, "month": 1, "day": 2}
    out: list[Number] = []
    for number in found:
        at = len(out)
        while (
            at
            and number.unit in rank
            and out[at - 1].unit in rank
            and rank[out[at - 1].unit] > rank[number.unit]
            and number.start - out[at - 1].end <= 6
            and len(out) - at < 2
        ):
            at -= 1
        out.insert(at, number)
    return out


def _degenerate(a: Number, b: Number, source: Source) -> bool:
    """Tell whether a range has two equal ends, or takes one end of a range of the passage and not the other."""
    if a.value == b.value:
        return True
    if a.unit in ("year", "month", "day", "hour", "minute", "d", "号", "第", "第条"):
        return False
    ranges = source.ranges
    if not ranges or any(same_value(a, x) and same_value(b, y) for x, y in ranges):
        return False
    return any(same_value(a, x) != same_value(b, y) and x.unit == a.unit for x, y in ranges)
