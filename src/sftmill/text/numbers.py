"""Find the numbers in Chinese and English text, with what they are worth and their units."""

import re
from decimal import Context, Decimal
from functools import lru_cache
from typing import NamedTuple

from sftmill.text.lazy import lazy_pattern
from sftmill.text.measures import UNIT, canonical, factor
from sftmill.text.numerals import DIGITS, POWERS, chinese_value, plain

_CONTEXT = Context(prec=40, Emax=10_000, Emin=-10_000)


class Number(NamedTuple):
    """A number in a text: `text[start:end]`, its value and its unit ("" where none is written).

    Units are canonical ("mg" for 毫克); calendar parts are "year", "month", "day", clock times "hour",
    "minute", "second"; ordinals "第" and "第条", "第章" ...; numbers of list items "label".
    """

    start: int
    end: int
    value: Decimal
    unit: str = ""


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_TEENS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {w: i for i, w in enumerate(str.split(_TEENS))} | {w: 10 * i for i, w in enumerate(str.split(_TENS), 2)}
_SCALES = {"hundred": 100, "dozen": 12, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS_OF = {w: i for i, w in enumerate(str.split("one two three four five six seven eight nine"), 1)}
_NTH = {
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
}
_MONTHS = {m: i for i, m in enumerate(str.split("jan feb mar apr may jun jul aug sep oct nov dec"), 1)}
_MONTH = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    "Nov(?:ember)?|Dec(?:ember)?)"
)

_CN = "[〇一二两三四五六七八九十百千万亿]"
_ARABIC = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:[\u00a0\u202f\u2009]\d{3})+(?!\d)|\d{1,3}(?: \d{3}){2,}(?!\d)|\d+)"
    r"(?:\.\d+)?(?:[eE][+-]?\d{1,3}(?![\dA-Za-z]))?"
)
_CHINESE = rf"{_CN}+(?:点[〇一二三四五六七八九]+(?![十百千])[万亿]*)?"

_TOKEN = lazy_pattern(
    # What a number can begin with, so that all else is passed by at once.
    rf"(?=[\d第半JFMASONDC]|{_CN})(?:"
    # 2024-05-01, 2024/5/1, 2024.05.01
    r"(?P<date>(?<![\d.])(?P<y>[12]\d{3})(?P<sep>[-/.])(?P<m>0?[1-9]|1[0-2])(?P=sep)(?P<d>3[01]|[12]\d|0?[1-9])(?![\d]|\.\d))"
    r"|(?P<dotted>\d+(?:\.\d+){2,})"
    r"|(?P<clock>(?<![\d:])(?P<hh>[01]?\d|2[0-4]):(?P<mm>[0-5]\d)(?::(?P<ss>[0-5]\d))?(?![\d:]))"
    # May 1, 2024; 1 May 2024
    rf"|(?P<us>\b(?P<um>{_MONTH})\.? (?P<ud>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<uy>[12]\d{{3}})\b)?)"
    rf"|(?P<uk>\b(?P<kd>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<km>{_MONTH})\b\.?(?:,? (?P<ky>[12]\d{{3}})\b)?)"
    # 百分之五, 三分之一, 千分之3
    rf"|(?P<share>(?P<of>{_CN}+|\d+)分之(?P<part>{_CHINESE}|{_ARABIC}))"
    rf"|(?P<ordinal>(?:第\s?|\b(?:Article|Section|Chapter)\s)(?P<nth>{_CN}+|\d+))"
    r"|(?P<fraction>(?<![\d/.])(?P<top>\d{1,3})/(?P<bottom>[1-9]\d{0,3})(?![\d/]|\.\d))"
    rf"|(?P<power>(?:(?P<factor>{_ARABIC}) ?[×xX*·] ?)?\b10(?:\^|(?=[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]))"
    r"(?P<exp>[-+]?\d{1,3}|[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))"
    rf"|(?P<arabic>{_ARABIC})"
    r"|(?P<half>半)"
    rf"|(?P<chinese>{_CHINESE}))"
)
_ENGLISH = lazy_pattern(
    r"(?<![A-Za-z])(?:(?P<halfword>half)|"
    rf"(?P<portion>(?P<some>an?|{'|'.join(_PARTS_OF)})[ -](?:(?P<part>{'|'.join(_NTH)})(?= of\b|[,.;]|\Z)|(?P<parts>{'|'.join(_NTH)})s))|"
    rf"(?P<words>(?:(?:{'|'.join([*_WORDS, *_SCALES])}|and)(?:[ -](?=[a-z]))?)+))(?![A-Za-z])",
    re.I,
)

_LETTER = lazy_pattern("[A-Za-z]")

# Multipliers behind Arabic digits; 千克 and the like are units.
_CN_SCALE = lazy_pattern(r" ?(?:(十|百|千)?(万亿|亿|万)|(千|百)(?![克米瓦卡帕焦赫伏分]))")
_EN_SCALE = lazy_pattern(r" ?(hundred|dozen|thousand|million|billion|trillion|bn)(?![A-Za-z])|(k)(?![A-Za-z0-9])", re.I)
_LISTED = lazy_pattern(" (?:and|or) |[、和或]")
_RANGE = lazy_pattern(r"(?: (?:~|-|至|到|to|through) |[~\-至到])\Z")
_MONEY = [("US$", "美元"), ("HK$", "港元"), ("$", "美元"), ("¥", "元"), ("€", "欧元"), ("£", "英镑"), ("RMB", "元")]
_MONEY += [("USD", "美元"), ("CNY", "元"), ("EUR", "欧元"), ("人民币", "元")]

# A single Chinese digit counts only before these, and 一 not in words that only look like a measure.
_AFTER_ONE_DIGIT = lazy_pattern(
    r"(?:[个条项款章节编篇页次倍种类级岁月日年天元人名位户家份件台张颗粒片支瓶枚只辆架艘间层座套本册卷届期版号周秒斤克米吨升亩股笔例组批轮场场部门亿万]"
    r"|小时|分钟|刻钟|公里|公斤|公顷|千克|千米|毫|厘米|平方|立方|季度|世纪|星期|美元|欧元|英镑|港元|日元|百分点|者|以上|以下|点(?:[钟半整]|(?=[〇一二三四五六七八九十]+分)))"
)
_NOT_ONE = lazy_pattern(
    r"[个种]|次性|部分|期间|门心思|面|家人|级市场|场|号文|人称|类似|步步|年级|天到晚|日千里|条龙|本正经|股脑|笔勾销"
)
_BEFORE_NOT_ONE = "同统唯任每某另这那其逐单专之万合归划不"
_ROUND_WORDS = lazy_pattern(
    r"十(?:分|足|字|全|佳|恶|里)|百(?:分|姓|货|科|般|合|日咳)|千(?:克|米|瓦|卡|帕|焦|赫|伏)|万(?:一|元|能|物)"
)
_TENTHS = lazy_pattern("成(?:[，。、；以多左的半)]|$)")
_HALF_DAY = lazy_pattern(r" ?[ap]\.?m(?:\.|(?![A-Za-z]))", re.IGNORECASE)
_AND_A_HALF = lazy_pattern(rf"({_CN}{{1,3}}|\d{{1,3}})个\Z")
_HALF_UNIT = lazy_pattern(r"(?:年|天|日|个|小时|分钟|价|数|斤|公斤|米|公里|周|月)(?!导)")
_SHARES = {"百": ("%", Decimal(1)), "100": ("%", Decimal(1)), "千": ("%", Decimal("0.1")), "万": ("%", Decimal("0.01"))}
_SHARES |= {"1000": ("%", Decimal("0.1"))}


def numbers(s: str, *, words: bool = False, articles: bool = False) -> list[Number]:
    """Return the numbers in `s`, in order; `words` adds English number words, `articles` 一个 and 一种.

    Percentages have the unit "%" and their number as value (百分之五 = 5 %, 千分之三 = 0.3 %).
    Chinese numerals count when they have two digits or more, before a unit and after 第; 一 in
    一般, 统一, 十分 or 万一 does not. 一个 and 一种 mostly mean "a", so that they count only on request.
    """
    return list(_read(s, words, articles) if len(s) <= _REMEMBERED else _read.__wrapped__(s, words, articles))


_REMEMBERED = 2000
"""Characters of a text whose numbers are kept for the next caller: questions and answers are read many times."""


@lru_cache(maxsize=256)
def _read(s: str, words: bool, articles: bool) -> tuple[Number, ...]:
    t = plain(s)
    found: list[Number] = []
    for match in _TOKEN.finditer(t):
        kind = match.lastgroup if match.lastgroup in _READERS else _kind(match)
        if kind:
            _READERS[kind](t, match, found, articles)
    if words and _LETTER.search(t):
        found = _with_words(t, found)
    _share_units(t, found)
    return tuple(found)


def number_key(number: Number) -> tuple[str, str]:
    """Return what two numbers share exactly when they are the same quantity: 100mg and 0.1克."""
    base, times = factor(number.unit)
    value = _CONTEXT.multiply(number.value, times)
    return str(_CONTEXT.plus(_rounded(value)).normalize(_CONTEXT)), base


def same_value(a: Number, b: Number) -> bool:
    """Tell whether two numbers are the same quantity; a missing unit agrees with any but %: 5% is 0.05, not 5.

    Hours agree across noon, since 3 pm is 3 as well as 15.
    """
    if number_key(a) == number_key(b):
        return True
    if a.unit and b.unit:
        return a.unit == b.unit == "hour" and abs(a.value - b.value) == 12
    x, y = _rounded(a.value), _rounded(b.value)
    if x == y and "%" not in (a.unit, b.unit):
        return True
    return any(
        p.unit in ("%", "‰") and _rounded(_CONTEXT.multiply(p.value, factor(p.unit)[1])) == _rounded(q.value * 100)
        for p, q in ((a, b), (b, a))
        if len(q.value.as_tuple().digits) < 30
    )


def _rounded(value: Decimal) -> Decimal:
    """Round to 12 significant digits, so that 1/3 written twice is equal; longer integers stay exact."""
    if value == value.to_integral_value(context=Context(prec=max(len(value.as_tuple().digits), 1) + 1)):
        return value
    return value.normalize(Context(prec=12, Emax=10_000, Emin=-10_000))


def _kind(match: re.Match[str]) -> str:
    return next((kind for kind in _READERS if match[kind] is not None), "")


def _decimal(text: str) -> Decimal:
    return Decimal(re.sub("[,\u00a0\u202f\u2009 ]", "", text))


def _unit_after(t: str, at: int) -> tuple[str, int]:
    match = UNIT.match(t, at)
    return (canonical(match), match.end()) if match else ("", at)


def _add_calendar(found: list[Number], match: re.Match[str], groups: str, months: bool = False) -> None:
    parts = []
    for group, unit in zip(groups.split(), ("year", "month", "day"), strict=True):
        if text := match[group]:
            value = _MONTHS[text[:3].lower()] if months and unit == "month" else int(text)
            parts.append(Number(match.start(group), match.end(group), Decimal(value), unit))
    found.extend(sorted(parts))


def _read_date(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    _add_calendar(found, match, "y m d")


def _read_us(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    _add_calendar(found, match, "uy um ud", months=True)


def _read_uk(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    _add_calendar(found, match, "ky km kd", months=True)


def _read_dotted(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    for part in re.finditer(r"\d+", match[0]):
        found.append(Number(match.start() + part.start(), match.start() + part.end(), Decimal(part[0]), "version"))


def _read_clock(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    for group, unit in (("hh", "hour"), ("mm", "minute"), ("ss", "second")):
        if match[group]:
            found.append(Number(match.start(group), match.end(group), Decimal(match[group]), unit))


def _read_share(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    whole = _any_value(match["of"])
    part = _any_value(match["part"])
    if part is None:
        return
    if match["of"] in _SHARES:
        unit, times = _SHARES[match["of"]]
        found.append(Number(match.start(), match.end(), part * times * _sign(t, match.start()), unit))
    elif whole:
        found.append(Number(match.start(), match.end(), _CONTEXT.divide(part, whole)))


def _any_value(text: str) -> Decimal | None:
    return _decimal(text) if text[0].isdigit() and text[0] not in DIGITS else chinese_value(text)


def _read_ordinal(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    value = _any_value(match["nth"])
    if value is None:
        return
    end, unit = match.end(), "第"
    if match[0][0] != "第":
        unit = {"A": "第条", "S": "第节", "C": "第章"}[match[0][0]]
    elif counted := re.match(" ?([条款项章节编篇页届期卷册版号类级天年次位名])", t[end : end + 2]):
        unit, end = "第" + counted[1], end + counted.end()
    found.append(Number(match.start(), end, value, unit))


def _read_fraction(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    value = _CONTEXT.divide(Decimal(match["top"]), Decimal(match["bottom"]))
    found.append(Number(match.start(), match.end(), value))


def _read_power(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    exponent = int(match["exp"].translate(_SUPERSCRIPTS))
    value = (_decimal(match["factor"]) if match["factor"] else Decimal(1)).scaleb(exponent, _CONTEXT)
    unit, end = _unit_after(t, match.end())
    found.append(Number(match.start(), end, _tidy(value * _sign(t, match.start())), unit))


def _sign(t: str, start: int) -> int:
    before = t[max(0, start - 6) : start]
    if before[-1:] == "-":
        return -1 if not re.search(r"[\w)%℃°.]-\Z", before, re.ASCII) and before[-2:-1] != "-" else 1
    return -1 if before.endswith(("负", "零下", "〇下", "minus ")) else 1


def _read_arabic(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    start, end = match.span()
    text = match[0]
    if _is_label(t, start, end):
        found.append(Number(start, end, _decimal(text), "label"))
        return
    value = _decimal(text)
    if _TENTHS.match(t, end) and 0 < value < 10:  # 8成
        found.append(Number(start, end + 1, value * 10, "%"))
        return
    if clock := _HALF_DAY.match(t, end):
        found.append(Number(start, clock.end(), value, "hour"))
        return
    if scale := _CN_SCALE.match(t, end):
        end = scale.end()
        for c in scale[0].strip():
            value = _CONTEXT.multiply(value, Decimal(POWERS[c]))
    elif scale := _EN_SCALE.match(t, end):
        end = scale.end()
        name = (scale[1] or "").lower()
        if not name and scale[2] == "K":
            end = match.end()  # kelvin, or an uppercase K that may mean anything
        else:
            value = _CONTEXT.multiply(value, Decimal({"bn": 10**9, "": 1000, **_SCALES}[name]))
    unit, end = _unit_of(t, start, end, value, text)
    found.append(Number(start, end, _tidy(value * _sign(t, start)), unit))


def _tidy(value: Decimal) -> Decimal:
    """Write whole values without decimals or exponent, up to 10**20."""
    return value.quantize(Decimal(1)) if value.adjusted() <= 20 and value == value.to_integral_value() else value


def _unit_of(t: str, start: int, end: int, value: Decimal, text: str) -> tuple[str, int]:
    """Read the unit behind (or the currency before) a number, telling dates from durations."""
    after = t[end : end + 1] if t[end : end + 1] != " " else t[end + 1 : end + 2]
    if after == "年" and 1000 <= value < 3000 and len(text) == 4:
        return "year", t.index("年", end) + 1
    if after == "年" and "年" + t[end + 1 : end + 2] not in ("年代", "年级") and len(text) == 2 and text[0] in "〇0":
        return "year", t.index("年", end) + 1
    if after == "月" and 1 <= value <= 12:
        return "month", t.index("月", end) + 1
    if after in ("日", "号") and 1 <= value <= 31:
        calendar = re.search(r"(?:月|年)[ 初]?\Z", t[max(0, start - 3) : start])
        at = t.index(after, end) + 1
        return ("day" if calendar else "d" if after == "日" else "号"), at
    if after in ("时", "点") and 0 <= value <= 24 and t[end : end + 2] != "时代":
        return "hour", t.index(after, end) + 1
    if after in tuple("余多来") and len(text) > 1 - ("十" in text):  # 十余年, 三十多个
        unit, stop = _unit_after(t, end + 1)
        return (unit, stop) if unit else ("", end)
    unit, stop = _unit_after(t, end)
    if unit == "分":
        clock = re.search(r"[时点]\Z", t[max(0, start - 1) : start])
        return ("minute" if clock else "分"), stop
    if not unit:
        before = t[max(0, start - 4) : start].rstrip()
        unit = next((u for prefix, u in _MONEY if before.endswith(prefix)), "")
    if not unit and re.match(r"(?:st|nd|rd|th)\b", t[end : end + 3]):
        return ("世纪", end + 10) if t.startswith(" century", end + 2) else ("第", end + 2)
    return unit, stop


def _is_label(t: str, start: int, end: int) -> bool:
    """Tell whether a short number only numbers a list item: "1." or "1、" at a line's start, "(1)", "1.片剂"."""
    if end - start > 2:
        return False
    after, before = t[end : end + 1], t[start - 1 : start]
    if before == "(" and after == ")":
        return True
    if after not in (".", "、", ")"):
        return False
    following = t[end + 1 : end + 2]
    line_start = not t[max(0, start - 12) : start].rpartition("\n")[2].strip(" \t-*>")
    if line_start and start - 12 > 0 and "\n" not in t[start - 12 : start]:
        line_start = False
    if line_start:
        return not following.isdigit()
    return (
        after == "."
        and bool(re.match("[\u4e00-\u9fff]", following))
        and before in ("", "。", ";", "；", ":", "：", " ", "，", ",")
    )


def _read_half(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    start, end = match.span()
    before = t[start - 1 : start]
    whole = _AND_A_HALF.search(t, max(0, start - 4), start)
    if whole and (count := _any_value(whole[1])) is not None and _HALF_UNIT.match(t, end):  # 一个半小时
        if found and found[-1].start >= whole.start():
            found.pop()
        unit, stop = _unit_after(t, end)
        unit, stop = ("mo", end + 1) if t[end : end + 1] == "月" else (unit, stop)
        found.append(Number(whole.start(), stop, count + Decimal("0.5"), unit))
    elif before == "一":
        found.append(Number(start - 1, end, Decimal("0.5")))
    elif found and found[-1].end == start and found[-1].unit in ("yr", "d", "h", "mo", "斤", "week"):
        last = found.pop()  # 两年半
        found.append(Number(last.start, end, last.value + Decimal("0.5"), last.unit))
    elif before not in ("大", "多", "各", "参", "过", "上", "下", "前", "后", "折") and _HALF_UNIT.match(t, end):
        unit, stop = _unit_after(t, end)
        found.append(Number(start, stop, Decimal("0.5"), unit))


def _read_chinese(t: str, match: re.Match[str], found: list[Number], articles: bool) -> None:
    start, end = match.span()
    text = match[0]
    before, after = t[start - 1 : start], t[end : end + 4]
    if text.endswith("一") and after[:1] == "半" and len(text) == 1:
        return  # 一半 is read as a half
    if _ROUND_WORDS.match(t, end - 1) and len(text) == 1:
        return
    if text[-1] in "千百" and len(text) > 1 and re.match("[克米瓦卡帕焦赫伏]", after):  # 五千克 = 5 kg
        text, end = text[:-1], end - 1
        after = t[end : end + 4]
    if _is_chinese_label(t, start, end):
        value = chinese_value(text)
        if value is not None:
            found.append(Number(start, end, value, "label"))
        return
    if not _counts(text, before, after, articles):
        return
    value = chinese_value(text)
    if value is None:
        return
    if "点" in text and re.match("[分钟]", after):
        return
    if value < 10 and _TENTHS.match(t, end):
        found.append(Number(start, end + 1, value * 10, "%"))
        return
    unit, stop = _unit_of(t, start, end, value, text)
    found.append(Number(start, stop, value * _sign(t, start), unit))


def _is_chinese_label(t: str, start: int, end: int) -> bool:
    if end - start > 3:
        return False
    before, after = t[start - 1 : start], t[end : end + 1]
    if before == "(" and after == ")":
        return True
    return (
        after == "、"
        and not t[max(0, start - 12) : start].rpartition("\n")[2].strip()
        and (start <= 12 or "\n" in t[start - 12 : start])
    )


def _counts(text: str, before: str, after: str, articles: bool) -> bool:
    """Tell whether a run of Chinese numerals is meant as a number."""
    measured = bool(_AFTER_ONE_DIGIT.match(after)) or bool(re.match("成[，。、；以多左的半)]?", after))
    if len(text) == 1:
        if text in "百千万亿":
            return False
        if text == "十":
            return before not in "几数上好" or not before if measured or after[:1] in "余多来几" else False
        if not measured:
            return False
        if text == "一":
            if before and before in _BEFORE_NOT_ONE:
                return False
            if articles and after[:1] in "个种":
                return True
            return after.startswith(
                ("个月", "个星期", "个小时", "个工作日", "个百分点", "个季度", "个交易日")
            ) or not _NOT_ONE.match(after)
        return not (before and before in "第其")
    if text[0] in "百千万亿":
        return measured and text not in ("万一", "千万一") and text[0] != "万"
    if all(c in DIGITS for c in text):
        return measured or "〇" in text or (len(text) >= 3 and text != "三三两两")
    return True


def _share_units(t: str, found: list[Number]) -> None:
    """Give the first number of a range the unit and the multiplier of the second: 3～5万元."""
    for i in range(len(found) - 1):
        a, b = found[i], found[i + 1]
        gap = t[a.end : b.start]
        if a.unit or not b.unit or b.unit in ("label", "month", "day", "minute") or len(gap) > 6 or not gap:
            continue
        if not _RANGE.match(gap):
            if b.unit == "%" and abs(a.value) <= 100 and _LISTED.fullmatch(gap):  # 10 and 20%
                found[i] = a._replace(unit="%")
            continue
        value = a.value
        scale = _CN_SCALE.search(t, b.start, b.end)
        if scale and a.value < 10_000 and t[a.end - 1].isdigit():
            for c in scale[0].strip():
                value = _CONTEXT.multiply(value, Decimal(POWERS[c]))
        elif (scale := _EN_SCALE.search(t, b.start, b.end)) and (scale[1] or scale[2] == "k"):
            value = _CONTEXT.multiply(value, Decimal({"bn": 10**9, "": 1000, **_SCALES}[(scale[1] or "").lower()]))
        found[i] = Number(a.start, a.end, value, b.unit)


def _with_words(t: str, found: list[Number]) -> list[Number]:
    taken = {i for n in found for i in (n.start, n.end - 1)}
    added = []
    for match in _ENGLISH.finditer(t):
        if match.start() in taken or match.end() - 1 in taken:
            continue
        if match["halfword"]:
            unit, end = _unit_after(t, re.compile("(?: an?)?").match(t, match.end()).end())  # half a year
            added.append(Number(match.start(), end if unit else match.end(), Decimal("0.5"), unit))
            continue
        if match["portion"]:
            top, bottom = _PARTS_OF.get(match["some"].lower(), 1), _NTH[(match["part"] or match["parts"]).lower()]
            added.append(Number(*match.span(), _CONTEXT.divide(Decimal(top), Decimal(bottom))))
            continue
        names = [w for w in re.split("[ -]+", match[0].lower()) if w]
        while names and names[-1] == "and":
            names.pop()
        while names and names[0] == "and":
            names.pop(0)
        if not names or names[0] in ("thousand", "million", "billion", "trillion", "hundred"):
            continue
        if len(names) > 20:
            continue
        total, section = 0, 0
        for name in names:
            if name in _WORDS:
                section += _WORDS[name]
            elif name in ("hundred", "dozen"):
                section = max(section, 1) * _SCALES[name]
            elif name in _SCALES:
                total, section = total + max(section, 1) * _SCALES[name], 0
        end = match.start() + len(match[0].rstrip(" -"))
        unit, end = _unit_after(t, end)
        added.append(Number(match.start(), end, Decimal(total + section), unit))
    return sorted([*found, *added])


_READERS = {
    "date": _read_date,
    "dotted": _read_dotted,
    "clock": _read_clock,
    "us": _read_us,
    "uk": _read_uk,
    "share": _read_share,
    "ordinal": _read_ordinal,
    "fraction": _read_fraction,
    "power": _read_power,
    "arabic": _read_arabic,
    "half": _read_half,
    "chinese": _read_chinese,
}
