"""Corruptions of values: another number, another unit, an older year or version."""

import random
import re
from collections.abc import Iterator

from sftmill.text import Number, number_key, numbers, same_value
from sftmill.text.lazy import lazy_pattern

_CALENDAR = frozenset(("year", "month", "day", "hour", "minute", "second", "label"))
_LITERAL = lazy_pattern(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_HAN_DIGITS = "一二三四五六七八九"
_HAN = lazy_pattern("[一二两三四五六七八九]")
_MULTIPLIER = lazy_pattern(
    r"[\s]?(?:[十百千]?(?:万亿|亿|万)|[千百](?![克米瓦卡帕焦赫伏分])|hundred|thousand|million|billion|trillion|bn)?",
    re.I,
)
_HAN_NUMERAL = lazy_pattern("[〇零一二两三四五六七八九十百千万亿点半]+")
_EN_YEAR = lazy_pattern(r"(?<![\d.,/$€£¥-])(?:19|20)\d\d(?![\d%/-]|[.,]\d| ?(?:mg|g|kg|km|m|ml|days?|hours?|people)\b)")
_VERSION = lazy_pattern(
    r"(?:\b[vV]|\b[vV]ersion |\b[rR]elease |版本(?:号)?[为是]? ?)(?P<a>\d{1,3}(?:\.\d{1,4}){0,3})(?![\d.]*\d)"
    r"|(?<![\d.])(?P<b>\d{1,3}(?:\.\d{1,4}){1,3})(?= ?版)|第 ?(?P<c>\d{1,3})(?= ?版)"
    r"|\b(?P<d>\d{1,2})(?:st|nd|rd|th)(?= edition\b)"
)

_SWAPS: dict[str, tuple[str, ...]] = {}
"""Spelling of a unit -> others that could be written in its place."""
for _pair in str.split(
    "微克>毫克 毫克>克,微克 克>毫克,千克 千克>克 公斤>斤 斤>公斤 吨>公斤 毫升>升 升>毫升 毫米>厘米 厘米>毫米,米 米>厘米 公里>米 千米>米 "
    "秒>分钟 分钟>小时,秒 小时>分钟,天 个小时>分钟,天 天>小时,个月 日>个月 个工作日>个月,小时 周>天 个星期>天 个月>年,天 年>个月 "
    "%>‰ ‰>% 元>美元 美元>元 欧元>元 港元>元 摄氏度>华氏度 ℃>℉ °C>°F ℉>℃ °F>°C 平方米>平方公里 亩>公顷 公顷>亩 瓦>千瓦 千瓦>瓦 伏>千伏 "
    "千伏>伏 帕>千帕 千帕>帕 兆帕>千帕 "
    "µg>mg mcg>mg mg>g g>mg kg>g lb>kg t>kg ml>L mL>L L>mL mm>cm cm>mm,m m>cm km>m metres>kilometres meters>kilometers "
    "kilometres>metres kilometers>meters miles>kilometres feet>metres inches>feet seconds>minutes second>minute "
    "minutes>hours,seconds minute>hour hours>minutes,days hour>minute days>hours,weeks day>week weeks>days week>day "
    "months>years,weeks month>year years>months year>month ms>s s>ms KB>MB MB>GB GB>MB TB>GB KiB>MiB MiB>GiB GiB>MiB "
    "W>kW kW>W MW>kW V>kV kV>V mA>A A>mA Hz>kHz kHz>Hz MHz>GHz GHz>MHz Mbps>Gbps Gbps>Mbps yuan>dollars dollars>euros euros>dollars "
    "$>€ €>$ £>$ ¥>$",
    " ",
):
    _spelling, _, _others = _pair.partition(">")
    _SWAPS[_spelling] = tuple(_others.split(","))
_SWAPS["percent"] = ("percentage points",)
_SWAPS["个百分点"] = ("%",)


def change_number(text: str, lang: str, source: str, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield changes of one number each: to another of its unit in the source, or in one digit."""
    found = [n for n in numbers(text) if n.unit not in ("label", "year") and not _is_year(text, n)]
    chance.shuffle(found)
    there = numbers(source)
    ours = numbers(text)
    for number in found:
        others = [
            source[other.start : other.end]
            for other in there
            if other.unit == number.unit
            and not any(same_value(other, n) for n in ours)
            and not _is_year(source, other)
            and _sound(source[other.start : other.end])
        ]
        written = text[number.start : number.end]
        changed = [now for now in (_other_digit(written, chance) for _ in range(4)) if now]
        options = [*chance.sample(others, min(2, len(others))), *changed]
        if chance.random() < 0.5:
            options.reverse()
        for now in options:
            if _differs(text, number, now, same_unit=True):
                yield number.start, number.end, now


def change_unit(text: str, lang: str, source: str, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield changes of one unit each, to one that could stand there as well: 毫克 -> 克, $ -> €, 百分之 -> 千分之."""
    found = [n for n in numbers(text) if n.unit and n.unit not in _CALENDAR and not n.unit.startswith("第")]
    chance.shuffle(found)
    for number in found:
        for start, end, now in _unit_edits(text, number, chance):
            changed = text[:start] + now + text[end:]
            shift = len(now) - (end - start) if start < number.start else 0
            after = next((n for n in numbers(changed) if n.start == number.start + shift), None)
            if after is not None and number_key(after) != number_key(number) and after.unit:
                yield start, end, now


def make_stale(text: str, lang: str, source: str, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield changes of one year, version or edition each, to an earlier one."""
    edits: list[tuple[int, int, str]] = []
    for number in numbers(text):
        literal = _LITERAL.match(text, number.start, number.end)
        if (number.unit == "year" or _is_year(text, number)) and literal and len(literal[0]) == 4:
            edits.append((*literal.span(), str(int(literal[0]) - chance.choice((1, 2, 3, 5)))))
    for match in _VERSION.finditer(text):
        group = next(name for name in "abcd" if match[name])
        older = _older(match[group], chance)
        if older is None:
            continue
        start, end = match.span(group)
        if group == "d":
            end, older = match.end(), _ordinal(int(older))
        edits.append((start, end, older))
    edits = list(dict.fromkeys(edits))
    chance.shuffle(edits)
    yield from edits


def _is_year(text: str, number: Number) -> bool:
    """Tell whether a number without a unit is a year of English text."""
    match = None if number.unit else _EN_YEAR.match(text, number.start)
    return match is not None and match.end() == number.end


def _sound(literal: str) -> bool:
    return "\n" not in literal and len(literal) <= 40


def _differs(text: str, number: Number, now: str, same_unit: bool) -> bool:
    """Tell whether a number reads as another value of the same unit once `now` stands in its place."""
    changed = text[: number.start] + now + text[number.end :]
    after = next((n for n in numbers(changed) if n.start == number.start), None)
    if after is None or after.end != number.start + len(now):
        return False
    return (after.unit == number.unit or not same_unit) and not same_value(after, number)


def _other_digit(written: str, chance: random.Random) -> str | None:
    """Return a number as written with one digit changed: 1,500 -> 1,800, 三十日 -> 六十日, 十 -> 二十."""
    if literal := _LITERAL.search(written):
        places = [i for i in range(*literal.span()) if written[i].isdigit()]
        place = chance.choice(places)
        leading = place == places[0]
        digits = [d for d in "0123456789" if d != written[place] and not (leading and d == "0")]
        return written[:place] + chance.choice(digits) + written[place + 1 :]
    head = 3 if written[1:3] == "分之" else 0
    places = [match.start() for match in _HAN.finditer(written, head)]
    if places:
        place = chance.choice(places)
        digits = [d for d in _HAN_DIGITS[1:] if d != written[place] and not (d == "二" and written[place] == "两")]
        return written[:place] + chance.choice(digits) + written[place + 1 :]
    if "十" in written:
        return written.replace("十", chance.choice("二三四五") + "十", 1)
    return None


def _unit_edits(text: str, number: Number, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield what could stand in the place of a number's unit."""
    written = text[number.start : number.end]
    if written.startswith(("百分之", "千分之")):
        yield number.start, number.start + 1, "千" if written[0] == "百" else "百"
        return
    literal = _LITERAL.match(written) or _HAN_NUMERAL.match(written)
    if literal is None:
        return
    at = literal.end()
    if literal[0][0].isdigit() and (scale := _MULTIPLIER.match(written, at)):
        at = scale.end() if scale[0].strip() else at
    at += len(written[at:]) - len(written[at:].lstrip())
    unit, _, _ = written[at:].partition("/")
    unit = unit.rstrip()
    if unit:
        for other in _shuffled(_SWAPS.get(unit, ()), chance):
            yield number.start + at, number.start + at + len(unit), other
        return
    before = text[max(0, number.start - 1) : number.start]
    for other in _SWAPS.get(before, ()) if before in tuple("$€£¥") else ():
        yield number.start - 1, number.start, other


def _shuffled(options: tuple[str, ...], chance: random.Random) -> list[str]:
    return chance.sample(options, len(options))


def _older(version: str, chance: random.Random) -> str | None:
    """Return an earlier version, None where there is none: 3.11 -> 3.9, 2.0 -> 1.0, 1 -> None."""
    parts = [int(part) for part in version.split(".")]
    for place in reversed(range(len(parts))):
        least = 1 if place == 0 else 0
        if parts[place] > least:
            parts[place] = max(least, parts[place] - chance.choice((1, 2)))
            return ".".join(map(str, parts))
    return None


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
