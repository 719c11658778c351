"""Telephone numbers: Chinese mobiles and landlines, 400 and 800 numbers, international and North American forms."""

import re
from collections.abc import Iterator

from sftmill.steps.ingest.personal.finds import AFTER, BEFORE, Find, digits_of, in_zones, is_other_number, zones
from sftmill.text.lazy import lazy_pattern

_NEXT_WORD = r"(?=QQ|qq|wx|WX|VX|vx|ext|Ext|EXT|Tel|TEL|tel|[Ee]-?mail)"
_END = rf"(?:{_NEXT_WORD}|{AFTER})"
_EXTENSION = r"(?:(?: ?(?:转|轉|分机|分機|ext\.?|x) ?|-)[0-9]{1,6}(?![0-9]))?"

# Mobile numbers begin with 13 to 19 (numbering plan of the MIIT, 2017 edition and its additions).
_MOBILE = lazy_pattern(
    rf"{BEFORE}(?P<country>\(?(?:\+|00)?86\)?[ \-]{{0,2}}(?:\(0\))?)?0?(?P<number>1[ \-]?[3-9](?:[ \-.·\n]?[0-9]){{9}}){_END}{_EXTENSION}",
    re.A,
)
_ROW_OF_FIGURES = lazy_pattern(r"[0-9] ~|~ [0-9]", re.A)
_GROUPS = lazy_pattern("[0-9]+")
_SPOKEN_DIGITS = "〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸"
_SPOKEN = lazy_pattern(
    f"[一壹幺](?<![{_SPOKEN_DIGITS}].)[ \\-]?[三四五六七八九叁肆伍陆柒捌玖參陸](?:[ \\-]?[{_SPOKEN_DIGITS}]){{9}}"
    f"(?![{_SPOKEN_DIGITS}十百千万亿年])"
)

# Area codes: 10, 20 to 29 with eight digits behind them, 310 to 999 with seven or eight.
_LANDLINE = lazy_pattern(
    rf"{BEFORE}(?P<area>\(?(?:(?:\+|00)?86[ \-)]{{1,2}}\(?0?|\+?86\(0\)|0)(?:10|2[0-57-9]|[3-9][0-9]{{2}})\)?)(?P<gap>[ \-]{{0,3}})"
    rf"(?P<local>[2-9][0-9]{{2,3}}(?P<middle>[ \-]?)[0-9]{{4}}){_END}{_EXTENSION}",
    re.A,
)
_SERVICE = lazy_pattern(
    rf"{BEFORE}(?:[48]00[ \-][0-9]{{3}}[ \-]?[0-9]{{4}}|[48]00[ \-][0-9]{{4}}[ \-]?[0-9]{{3}}|[48]00[0-9]-[0-9]{{3}}-[0-9]{{3}}"
    rf"|(?:1[ \-])?\(?800\)?[ \-][0-9]{{3}}[ \-][0-9]{{4}}){_END}{_EXTENSION}",
    re.A,
)
# E.164: a plus (or 00), country code, at most 15 digits in all.
_INTERNATIONAL = lazy_pattern(
    rf"(?<![0-9A-Za-z_+)])\(?(?P<mark>\+|00)[1-9][0-9]{{0,2}}\)?(?:[ .\-]?\(?[0-9]{{1,14}}\)?){{1,7}}{_END}{_EXTENSION}",
    re.A,
)
_AMERICAN = lazy_pattern(
    rf"{BEFORE}(?:1[ .\-])?(?:\([2-9][0-9]{{2}}\) ?[2-9][0-9]{{2}}[ .\-][0-9]{{4}}"
    rf"|[2-9][0-9]{{2}}(?P<mark>[.\-])[2-9][0-9]{{2}}(?P=mark)[0-9]{{4}}){_END}(?: ?(?:ext\.?|x) ?[0-9]{{1,5}})?",
    re.A | re.I,
)
# A trunk zero and groups: United Kingdom, Taiwan, Australia, ...
_GROUPED = lazy_pattern(
    rf"{BEFORE}(?<![0-9][ \-])(?:\(0[0-9]{{1,4}}\) ?|0[0-9]{{1,4}}[ \-])(?:[0-9]{{3,4}}[ \-]?[0-9]{{3,4}}|[0-9]{{2}}(?:[ \-][0-9]{{2}}){{2,3}}){_END}",
    re.A,
)

_CUE = (
    r"(?:[电電] {0,6}[话話]|手机|手機|联系方式|聯絡方式|聯繫方式|联络方式|联系号码|[座固][机機话話]|传真|傳真|热线|熱線|致电|致電|[拨撥]打|[拨撥]通|来电|來電|"
    r"(?<![A-Za-z])(?:tel(?:ephone)?|(?:tele|cell)?phone|mobile|cell|fax|hotline|whatsapp|contact (?:no|number)|"
    r"(?:call|dial|ring)(?: (?:me|us|him|her|them))?(?: (?:at|on))?|reach(?:ed)? (?:\w{2,4} )?(?:at|on)|text (?:me )?at))"
)
_CUED = lazy_pattern(
    rf"{_CUE}(?:[号號][码碼]?| ?(?:no|number|nr)\b\.?| ?#)?(?: ?\([^()\n0-9]{{1,8}}\))?[ \t]*(?:[:=.|]|是|[为為]|is\b|at\b|on\b)?[ \t\"']*"
    r"(?P<number>\(?\+?\(?[0-9](?:[ \-.()]{0,2}[0-9]){6,16})(?![0-9A-Za-z_])(?!\.[0-9])",
    re.A | re.I,
)
_CUE_BEFORE = lazy_pattern(
    rf"{_CUE}(?:[号號][码碼]?| ?(?:no|number)\b\.?| ?#)?(?: ?\([^()\n0-9]{{1,8}}\))?[^0-9。，;\n]{{0,6}}\Z", re.A | re.I
)
_MORE = lazy_pattern(
    rf"[ ]?(?:[、,，/;|]|或|和|及|or|and)[ ]?(?P<number>[2-9][0-9]{{2,3}}[ \-]?[0-9]{{4}}){_END}", re.A
)
_DATE = lazy_pattern(r"[12][0-9]{3}([\-.])[01]?[0-9]\1[0-3]?[0-9]\Z", re.A)


def find_phones(text: str) -> Iterator[Find]:
    """Yield the telephone numbers of a plain text: kind "mobile" for Chinese mobiles, else "phone"."""
    for match in _SPOKEN.finditer(text):
        yield Find(match.start(), match.end(), "mobile")
    if not (areas := zones(text, 7)):
        return
    for match in in_zones(_MOBILE, text, areas):
        if _is_mobile(text, match):
            yield Find(match.start(), match.end(), "mobile")
    for pattern, is_right in _FORMS:
        for match in in_zones(pattern, text, areas):
            if is_right(text, match) and not is_other_number(text, match.start(), match.end()):
                yield from _with_neighbours(text, match.start(), match.end())
    for match in in_zones(_CUED, text, areas):
        start, end = match.span("number")
        count = len(digits_of(match["number"]))
        if 7 <= count <= 15 and not _DATE.match(match["number"]) and not is_other_number(text, end, end):
            yield from _with_neighbours(text, start, end)


def _with_neighbours(text: str, start: int, end: int) -> Iterator[Find]:
    yield Find(start, end, "phone")
    while more := _MORE.match(text, end):
        yield Find(*more.span("number"), "phone")
        end = more.end()


def has_phone_cue(text: str, start: int) -> bool:
    """Tell whether a word such as 电话 or "call" stands closely before."""
    return _CUE_BEFORE.search(text[max(0, start - 32) : start]) is not None


def _is_mobile(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    if match["country"] or has_phone_cue(text, start):
        return True
    if is_other_number(text, start, end):
        return False
    number = match["number"]
    sizes = [len(group) for group in _GROUPS.findall(number)]
    if len(sizes) == 1:
        return True
    marks = set(number) - set("0123456789")
    if len(marks) > 1 or sizes[0] < 2 or min(sizes) < 2 or len(sizes) > 5 or ("\n" in marks and len(sizes) > 2):
        return False
    if "." in marks and sizes != [3, 4, 4]:  # an IP address
        return False
    # A row of figures in a table is no telephone number.
    return "-" in marks or not _ROW_OF_FIGURES.search(text[max(0, start - 2) : start] + "~" + text[end : end + 2])


def _is_landline(text: str, match: re.Match[str]) -> bool:
    area = digits_of(match["area"]).removeprefix("00")
    if area.startswith("86"):
        area = area[2:]
    short = len(area.removeprefix("0")) == 2
    local = len(digits_of(match["local"]))
    if short and local != 8:
        return False
    separated = match["gap"] or "(" in match["area"] or "+" in match["area"]
    return bool(separated) or has_phone_cue(text, match.start())


def _is_international(text: str, match: re.Match[str]) -> bool:
    written = match[0]
    count = len(digits_of(written)) - 2 * (match["mark"] == "00")
    if not 8 <= count <= 15:
        return False
    separated = any(c in written for c in " -.()")
    if match["mark"] == "00":
        return (separated and count >= 10) or has_phone_cue(text, match.start())
    return separated or count >= 9


def _is_grouped(text: str, match: re.Match[str]) -> bool:
    count = len(digits_of(match[0]))
    return 9 <= count <= 12 and (count >= 10 or has_phone_cue(text, match.start()))


def _always(text: str, match: re.Match[str]) -> bool:
    return True


_FORMS = (
    (_LANDLINE, _is_landline),
    (_SERVICE, _always),
    (_INTERNATIONAL, _is_international),
    (_AMERICAN, _always),
    (_GROUPED, _is_grouped),
)
