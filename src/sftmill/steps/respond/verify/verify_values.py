"""Whether quantities and dates in an answer can be true; Chinese and English."""

import datetime
from collections.abc import Iterator

from sftmill.steps.respond.verify.results import find_result
from sftmill.steps.respond.verify.verdict import NO_ANSWER, RIGHT, Verdict
from sftmill.text import Number, number_key, numbers
from sftmill.text.lazy import lazy_pattern
from sftmill.text.measures import factor
from sftmill.text.numerals import chinese_value, plain

LONGEST = 200_000
"""Characters of an answer that are looked at."""


def verify_units(text: str, gold: str) -> Verdict:
    """Check that an answer comes to the right quantity with a unit of the right dimension: 0.12 m for 12 cm.

    Unlike `verify_math`, a missing unit is a fault.
    """
    wanted = _last_quantity(gold)
    if wanted is None:
        return Verdict(None, "the right answer holds no quantity")
    result = find_result(text[-LONGEST:])
    found = _last_quantity(result) if result else None
    if found is None:
        return Verdict(False, NO_ANSWER)
    if wanted.unit and not found.unit:
        return Verdict(False, f"the unit is missing ({wanted.unit})")
    ours, theirs = factor(wanted.unit)[0], factor(found.unit)[0]
    if wanted.unit and ours != theirs:
        return Verdict(False, f"{found.unit} does not measure what {wanted.unit} measures")
    same = number_key(wanted) == number_key(found) if wanted.unit else wanted.value == found.value
    return RIGHT if same else Verdict(False, f"{_shown(found)} is not {_shown(wanted)}")


def _last_quantity(text: str) -> Number | None:
    text = _LATEX_UNIT.sub(r"\1", text).replace("\\%", "%").replace("$", "").replace("\\,", " ").replace("~", " ")
    found = [number for number in numbers(text, words=True) if number.unit != "label"]
    return found[-1] if found else None


_LATEX_UNIT = lazy_pattern(r"\\(?:text|mathrm|mbox)\s*\{([^{}]{0,40})\}")


def _shown(number: Number) -> str:
    return f"{number.value} {number.unit}".strip()


# --- dates ----------------------------------------------------------------------------------------

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTH = (
    "(?P<name>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|"
    "Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_CN = "[〇零一二三四五六七八九十]"
_DATES = (
    lazy_pattern(r"(?<![\d.\-/])(?P<y>[12]\d{3})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})(?![\d\-/]|\.\d)"),
    lazy_pattern(
        rf"(?<![\d{_CN[1:-1]}])(?:(?P<y>\d{{4}}|{_CN}{{4}})\s?年\s?)?(?P<m>\d{{1,2}}|{_CN}{{1,3}})\s?月\s?"
        rf"(?P<d>\d{{1,2}}|{_CN}{{1,3}})\s?[日号]"
    ),
    lazy_pattern(rf"\b{_MONTH}\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,? (?P<y>[12]\d{{3}})\b)?", 2),
    lazy_pattern(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}\b\.?(?:,? (?P<y>[12]\d{{3}})\b)?", 2),
)
_WEEKDAYS = "一二三四五六日"
_ENGLISH_WEEKDAYS = str.split("monday tuesday wednesday thursday friday saturday sunday")
_DAY_OF_WEEK = rf"(?:(?:星期|周|礼拜)(?P<zh>[{_WEEKDAYS}天])|(?P<en>{'|'.join(_ENGLISH_WEEKDAYS)}))"
_WEEKDAY_AFTER = lazy_pattern(rf"\s?[（(,，]?\s?(?:是|was an? |is an? )?\s?{_DAY_OF_WEEK}", 2)
_WEEKDAY_BEFORE = lazy_pattern(rf"{_DAY_OF_WEEK}\s?[,，]?\s?(?:the )?\Z", 2)


def verify_dates(text: str) -> Verdict:
    """Check that every date in an answer is in the calendar, and falls on the weekday written beside it.

    2024-02-30, 2月30日 and 31 April are wrong, 29 February without a year is not. Cannot tell without a date.
    """
    text, seen = plain(text[:LONGEST]), False
    for start, end, written, year, month, day in _dates(text):
        seen = True
        date = _in_calendar(year, month, day)
        if date is None:
            return Verdict(False, f"{written} is not in the calendar")
        said = _weekday(text, start, end)
        if year and said is not None and said != date.weekday():
            name = _ENGLISH_WEEKDAYS[date.weekday()].capitalize()
            return Verdict(False, f"{written} is a {name}, 星期{_WEEKDAYS[date.weekday()]}")
    return RIGHT if seen else Verdict(None, "there is no date")


def _dates(text: str) -> Iterator[tuple[int, int, str, int, int, int]]:
    """Yield start, end, what is written, year (0 = none), month and day of each date."""
    for pattern in _DATES:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            if groups.get("name"):
                month = str.split(_MONTHS).index(groups["name"][:3].lower()) + 1
            else:
                month = _number(groups["m"])
            yield match.start(), match.end(), match[0], _number(groups["y"] or "0"), month, _number(groups["d"])


def _number(written: str) -> int:
    if written.isdecimal():
        return int(written)
    value = chinese_value(written)
    return int(value) if value is not None else -1


def _in_calendar(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year or 2024, month, day)
    except ValueError:
        return None


def _weekday(text: str, start: int, end: int) -> int | None:
    match = _WEEKDAY_AFTER.match(text, end) or _WEEKDAY_BEFORE.search(text, max(0, start - 20), start)
    if not match:
        return None
    if match["zh"]:
        return 6 if match["zh"] == "天" else _WEEKDAYS.index(match["zh"])
    return _ENGLISH_WEEKDAYS.index(match["en"].lower())
