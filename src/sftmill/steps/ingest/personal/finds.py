"""What all detectors share: the find, the text they look at, and what stands before and behind a number."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from sftmill.text.lazy import lazy_pattern

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
"""Inside of a regular expression's class: the characters of Chinese names."""


class Find(NamedTuple):
    """Personal data of one kind at `text[start:end]`."""

    start: int
    end: int
    kind: str


# One character for one character, so that offsets stay those of the text.
# A full-width comma stays: it parts numbers where a plain one may group their digits.
_PLAIN = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94) if i != 11}
for _variants, _one in [
    ("\u3000\u00a0\u2002\u2003\u2007\u2009\u202f\u200b\u200c\u200d\u2060\ufeff\u00ad", " "),
    ("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\u2500", "-"),
    ("\r\u2028\u2029\x0b\x0c\x85", "\n"),
    ("•‧∙⋅・･", "·"),
    ("“”„", '"'),
    ("‘’", "'"),
    ("﹕∶", ":"),
    ("×Χ", "X"),
]:
    _PLAIN |= dict.fromkeys(_variants, _one)
_TO_PLAIN = lazy_pattern(f"[{re.escape(''.join(_PLAIN))}]")


def plain(text: str) -> str:
    """Return `text` with full-width letters, digits, dashes and spaces made plain, character for character."""
    if text.isascii():
        return text.replace("\r", "\n")
    # few characters change: finding them is many times faster than `str.translate`, which looks each one up
    return _TO_PLAIN.sub(lambda match: _PLAIN[match[0]], text)


# Nothing of a word or number may stand directly before or behind a number.
BEFORE = r"(?<![0-9A-Za-z_])(?<![0-9][.,])(?<![0-9A-Za-z]-)"
AFTER = r"(?![0-9A-Za-z_])(?!\.[0-9])"

_OTHER_NUMBER = lazy_pattern(
    r"(?:第|[单單]号|[单單]號|订单|訂單|运单|運單|快递|包裹|流水[号號]?|序列[号號]?|序[号號]|[编編][号號码碼]|型[号號]|[货貨][号號]|批[号號]|批次|"
    r"文[号號]|案[号號]|[条條]形?[码碼]|商品[码碼]|代[码碼]|信用[码碼]|工[单單]|发票|發票|合同[号號]?|准字|准印|[备備]案[号號]?|许可证[号號]?|"
    r"登记[号號]|[专專]利[号號]?|[标標]准[号號]?|追溯[码碼]|校[验驗][码碼和]|[时時]间戳|版本[号號]?|哈希|金[额額]|[总總][额額价量数]|价格|余额|"
    r"人口|数量|[销銷]量|[播点點][放击擊]量|[访訪][问問]量|[约約]|[达達]到?|共[计計有]?|合[计計]|[￥¥$€£#]"
    r"|(?<![A-Za-z])(?:order|serial|invoice|ticket|case|batch|lot|part|item|model|version|build|ref|reference|receipt|"
    r"transaction|trace|tracking|request|session|job|process|commit|hash|checksum|md5|sha\d*|crc|epoch|timestamp|time|"
    r"size|length|bytes|offset|sku|upc|ean|gtin|imei|barcode|isbn|issn|doi|patent|standard|article|amount|total|price|"
    r"population|about|approximately|nearly|over|[pug]?id|seq|index|count|bug|issue|pmid|cas|catalog(?:ue)?))"
    r"(?:[号號][码碼]?|[编編][号號]|[码碼]| ?(?:id|no|num|number|nr|code|#)\b)?"
    r"[ .:=#\"'(\[是为為]{0,4}\Z",
    re.I | re.A,
)
_UNIT = lazy_pattern(
    r" ?(?:元|圆|[万萬亿億]|人民[币幣]|[美港欧日][元金]|[个個]|人(?![联聯])|[吨噸]|件|股|份|[户戶]|次|[条條]|[项項]|%|字[节節]|[毫微]?秒|"
    r"平方|公里|千米|千克|公斤|[辆輛]|[台臺套篇票字]|(?:bytes?|bits?|[kmg]i?b|ms|ns|us|s|km|kg|people|persons|users|"
    r"dollars|usd|rmb|cny|eur|yuan|units|times|rows|records|visitors|views|shares|tons|seconds)\b)",
    re.I | re.A,
)


def is_other_number(text: str, start: int, end: int) -> bool:
    """Tell whether what stands around a number says that it is an order number, an amount, a time stamp or the like."""
    return bool(_OTHER_NUMBER.search(text[max(0, start - 24) : start]) or _UNIT.match(text, end))


_ZONES = {least: lazy_pattern(rf"[0-9](?:[^0-9]{{0,3}}[0-9]){{{least - 1},}}", re.A) for least in (4, 7)}
_CUE_REACH, _TAIL_REACH = 48, 24


@lru_cache(maxsize=4)
def zones(text: str, least: int) -> tuple[tuple[int, int], ...]:
    """Return the stretches around numbers of at least `least` digits (4 or 7), cues included, none overlapping.

    Patterns for numbers are dear; most of a text has none, and is passed by at the cost of one search.
    """
    if least > 4 and not zones(text, 4):
        return ()
    found: list[tuple[int, int]] = []
    start = end = -1
    for match in _ZONES[least].finditer(text):
        begin = max(0, match.start() - _CUE_REACH)
        if begin > end:
            if end > 0:
                found.append((start, end))
            start = begin
        end = min(len(text), match.end() + _TAIL_REACH)
        while end < len(text) and text[end].isascii() and text[end].isalnum():
            end += 1
    if end > 0:
        found.append((start, end))
    return tuple(found)


def in_zones(pattern: re.Pattern[str], text: str, areas: Iterable[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """Yield the matches of `pattern` within the stretches."""
    for start, end in areas:
        yield from pattern.finditer(text, start, end)


def digits_of(text: str) -> str:
    """Return the ASCII digits of `text`."""
    return "".join(c for c in text if "0" <= c <= "9")


def luhn(digits: str) -> bool:
    """Tell whether the last digit is the Luhn check digit (ISO/IEC 7812-1) of the others."""
    total = 0
    for i, c in enumerate(reversed(digits)):
        value = ord(c) - 48
        if i % 2:
            value = value * 2 - 9 * (value > 4)
        total += value
    return total % 10 == 0 and any(c != "0" for c in digits)
