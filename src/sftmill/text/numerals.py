"""What Chinese numerals are worth."""

import re
from decimal import Decimal

from sftmill.text.lazy import lazy_pattern

# One character for one character, so that offsets stay those of the text.
PLAIN = str.maketrans(
    "０１２３４５６７８９％．，：／～－＋＾（）＄￥−–—﹣〜∼壹贰叁肆伍陆柒捌玖拾佰仟萬億貳參陸兩零弌弐",
    "0123456789%.,:/~-+^()$¥----~~一二三四五六七八九十百千万亿二三六两〇一二",
)
_TO_PLAIN = lazy_pattern(f"[{re.escape(''.join(map(chr, PLAIN)))}]")
DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"两": 2}
_LONE_FORMAL = lazy_pattern("(?<![壹贰叁肆伍陆柒捌玖拾佰仟万亿零])[陆伍拾](?![壹贰叁肆伍陆柒捌玖拾佰仟万亿零元圆])")
POWERS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}


def plain(s: str) -> str:
    """Return `s` with plain digits and numerals, character for character; 大陆 and 队伍 are no numerals."""
    if s.isascii():
        return s
    if "陆" in s or "伍" in s or "拾" in s:
        s = _LONE_FORMAL.sub("□", s)
    # few characters change: finding them is many times faster than `str.translate`, which looks each one up
    return _TO_PLAIN.sub(lambda match: chr(PLAIN[ord(match[0])]), s)


def chinese_value(numeral: str) -> Decimal | None:
    """Return what a Chinese numeral is worth (一百二十三, 二〇二四, 三点五, 十二亿), None if it is none."""
    numeral = numeral.translate(PLAIN)
    if len(numeral) > 40:
        return None
    scale = Decimal(1)
    body, dot, fraction = numeral.partition("点")
    while dot and fraction[-1:] in ("万", "亿"):
        scale *= POWERS[fraction[-1]]
        fraction = fraction[:-1]
    whole = _chinese_integer(body)
    if whole is None or not all(c in DIGITS for c in fraction):
        return None
    decimals = "".join(str(DIGITS[c]) for c in fraction)
    return Decimal(f"{whole}.{decimals}" if decimals else whole) * scale


def _chinese_integer(body: str) -> int | None:
    if not body:
        return None
    if all(c in DIGITS for c in body):
        return int("".join(str(DIGITS[c]) for c in body))
    total = section = 0
    digit: int | None = None
    last = 1 << 62  # the power read last within the section: they must fall
    zero = False
    for c in body:
        if c in DIGITS:
            if digit:
                return None
            digit = DIGITS[c]
            zero = zero or digit == 0
            continue
        if (power := POWERS.get(c)) is None:
            return None
        zero = False
        if power >= 10_000:
            if not (section or digit or total):
                total, digit = power, None
                continue
            here = section + (digit or 0)
            total = (total + here) * power if power > 10_000 and total < power else total + here * power
            section, digit, last = 0, None, power
        else:
            if digit is None and power > 10 and section == 0 and total == 0:
                digit = 1
            elif digit is None and power > 10:
                return None
            if power >= last:
                return None
            # a bare 十 is one ten, also behind 零: 七万零十
            section += (digit or 1 if power == 10 else 1 if digit is None else digit) * power
            digit, last = None, power
    if digit:
        section += digit if zero or last > 10**9 else digit * max(last // 10, 1)  # 一百二 = 120
    return total + section
