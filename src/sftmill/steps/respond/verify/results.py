"""The result that a worked answer comes to, and whether two results are the same by value; zh and en."""

import re
from fractions import Fraction

from sftmill.text import Number, chinese_value, normalise, numbers, same_value, tokens
from sftmill.text.lazy import lazy_pattern

LONGEST = 300
"""Characters of the longest result; what is longer is no result but a text."""
LOOKED = 4000
"""Characters at the end of an answer in which a result without a box is looked for."""

_BOX = lazy_pattern(r"\\(?:boxed|fbox)\s*\{")
_HASHES = lazy_pattern(r"####[ \t]*([^\n]{1,300})")
_CHOICES = "[A-H](?:[ ,、和]{0,2}[A-H]){0,7}"
# What a sentence that gives the result begins with; the result goes on to the end of the line.
_SAID = lazy_pattern(
    r"(?:(?:答案|(?:最终|最后)的?结果)(?:是|为|应为|应是|就是|等于|选|应选|[\s*]{0,3}[:：])"
    r"|(?:^|[\s。，,;；])答[:：]"
    r"|\b(?:final |correct )?answer(?: is|:)(?: that)?)[\s*:：]{0,6}(?P<said>[^\n]{1,300})",
    re.I,
)
_CHOSEN = lazy_pattern(
    r"(?:(?:故|应|应该|应当|因此|所以|只能)(?:选择|选)|(?:正确)?选项(?:为|是))[\s*:：(（]{0,4}"
    rf"(?P<said>{_CHOICES})(?![A-Za-z])|选择?[\s*:：(（]{{0,4}}(?P<end>{_CHOICES})[\s*)）]{{0,3}}(?:[。.]|$)",
    re.M,
)
# A stop that ends the sentence; 3.5 and 1.000 go on.
_END = lazy_pattern(r"[。！？；;!?]|\.(?:\s|$)|[，,](?=\s|[\u4e00-\u9fff])|\s{3,}")
_DECORATION = " \t*_`“”\"'.。,，;；:："


def _quotient(match: re.Match[str]) -> str:
    """Write a LaTeX fraction in one line, sums in brackets."""
    return "/".join(part if _FACTOR.fullmatch(part) else f"({part})" for part in (match[1].strip(), match[2].strip()))


_FACTOR = lazy_pattern(r"[+-]?[\w.,]+")
_LATEX = [
    (lazy_pattern(r"\\([%$#&_{}])"), r"\1"),
    (lazy_pattern(r"\\(?:text|mathrm|mathbf|textbf|operatorname|mbox)\s*\{([^{}]{0,100})\}"), r"\1"),
    (lazy_pattern(r"(\d) ?(?=\\[dt]?frac)"), r"\1 "),
    (lazy_pattern(r"\\[dt]?frac\s*\{([^{}]{1,60})\}\s*\{([^{}]{1,60})\}"), _quotient),
    (lazy_pattern(r"\\[dt]?frac\s*(\d)\s*(\d)"), r"\1/\2"),
    (lazy_pattern(r"\\sqrt\s*(\w)"), r"\\sqrt{\1}"),
    (lazy_pattern(r"\\(?:times|cdot)\b ?"), "*"),
    (lazy_pattern(r"\\(?:leq?)\b ?"), "<="),
    (lazy_pattern(r"\\(?:geq?)\b ?"), ">="),
    (lazy_pattern(r"\\(?:left|right|displaystyle|quad|qquad)\b|\\[ ,;:!]|\$|\{,\}"), ""),
    (lazy_pattern(r"\^\{(-?\d{1,4})\}"), r"^\1"),
    (lazy_pattern(r"\^\{?\\circ\}?|\\degree"), "°"),
]
_NAMED = lazy_pattern(r"^\s*(?:[A-Za-z](?:_\w)?|[A-Za-z]\([A-Za-z]\))\s*=\s*")
_PLAIN = lazy_pattern(r"([+-]?) ?(?:(\d+) )?(\d+|\d{1,3}(?:,\d{3})+)(\.\d+)?(?:/(\d+))?")
_GIVEN_CHOICE = lazy_pattern(rf"[(（]({_CHOICES})[)）].*|({_CHOICES})(?:[.、:：)）].*)?", re.DOTALL)
_MATH = frozenset("[](){}<>=^√π\\+*/|_∞≤≥")
_MONEY = "$¥￥€£"


def find_result(text: str) -> str | None:
    """Return the result that an answer comes to, as it stands there; None where it gives none.

    The last \\boxed{}; else what follows the last ####; else the last "the answer is", 答案是, 故选; else the last number.
    """
    if (stated := stated_result(text)) is not None:
        return stated
    tail = text[-LOOKED:]
    found = [number for number in numbers(tail, words=True) if number.unit != "label"]
    return _written(tail, found[-1]) if found else None


def stated_result(text: str) -> str | None:
    """Return the result that an answer says is its result; None where only a last number could be one."""
    if (boxed := _last_box(text)) is not None:
        return boxed
    tail = text[-LOOKED:]
    if found := _HASHES.findall(tail):
        return _tidy(found[-1]) or None
    said = [(m.start(), m["said"]) for m in _SAID.finditer(tail)]
    said += [(m.start(), m["said"] or m["end"]) for m in _CHOSEN.finditer(tail)]
    for _, words in sorted(said, reverse=True):
        if result := _tidy(_sentence(words)):
            return result
    return None


def same_result(a: str, b: str) -> bool:
    """Tell whether two results are the same: 1.5万 = 15000, 50% = 0.5, \\frac{1}{2} = 0.5, 三 = 3, x = 3 and 3.

    A missing unit agrees with any. Choices (A, (B), ACD) are the same when their letters are. What is neither a
    number nor a choice must be the same text but for spaces, width, case and LaTeX's ways of writing it.
    """
    left, right = _plain(a), _plain(b)
    if not left or not right:
        return False
    if left == right:
        return True
    if max(len(left), len(right)) > 2 * LONGEST:
        return False
    chosen = _choices(left), _choices(right)
    if any(chosen):
        return chosen[0] == chosen[1]
    if (x := _fraction(left)) is not None and (y := _fraction(right)) is not None:
        return x == y
    return _same_numbers(left, right)


def _last_box(text: str) -> str | None:
    """Return what the last \\boxed{} holds that is closed, whatever braces stand in it."""
    for match in reversed(list(_BOX.finditer(text))):
        depth = 1
        for at in range(match.end(), min(len(text), match.end() + 2 * LONGEST)):
            if text[at] in "{}" and text[at - 1] != "\\":
                depth += 1 if text[at] == "{" else -1
            if depth == 0:
                return text[match.end() : at].strip() or None
    return None


def _sentence(said: str) -> str:
    """Return the beginning of a text up to the end of its first sentence or clause."""
    end = _END.search(said)
    return said[: end.start()] if end else said


def _tidy(result: str) -> str:
    result = result.strip(_DECORATION)
    return result if len(result) <= LONGEST else ""


def _written(text: str, number: Number) -> str:
    """Return a number as it is written, with the sign before it."""
    start = number.start
    if start and text[start - 1] in "-−–负" and number.value < 0:
        start -= 1
    return text[start : number.end].strip()


def _plain(result: str) -> str:
    """Return a result without LaTeX's commands, in the form in which results are compared."""
    for pattern, other in _LATEX:
        result = pattern.sub(other, result)
    text = normalise(result).strip(_DECORATION)
    if "=" in text and (named := _NAMED.match(text)):
        text = text[named.end() :]
    return text.lower() if _choices(text) is None else text


def _choices(text: str) -> frozenset[str] | None:
    """Return the letters of the options that a result names, None where it is no choice."""
    match = _GIVEN_CHOICE.fullmatch(text)
    return frozenset(re.findall("[A-H]", match[1] or match[2])) if match else None


def _fraction(text: str) -> Fraction | None:
    """Return a plain number or fraction exactly, None for anything else."""
    match = _PLAIN.fullmatch(text)
    if not match and (value := chinese_value(text)) is not None:
        return Fraction(value)
    # 2 1/3 is a whole number and a fraction; 2 3 is nothing
    if not match or (match[5] is not None and not int(match[5])) or (match[2] and not match[5]):
        return None
    value = Fraction(match[3].replace(",", "") + (match[4] or "")) / int(match[5] or 1) + int(match[2] or 0)
    return -value if match[1] == "-" else value


def _same_numbers(a: str, b: str) -> bool:
    ours, theirs = (numbers(text, words=True, articles=True) for text in (a, b))
    if not ours or len(ours) != len(theirs) or not all(map(same_value, ours, theirs)):
        return False
    left, right = _around(a, ours), _around(b, theirs)
    if left == right:
        return True
    # 42 and "42 apples" agree, and "there are 42 apples" too; 3 and 3 + x, or 2 and [2), do not
    words = {*tokens(left)}, {*tokens(right)}
    return not _MATH & set(left + right) and (words[0] <= words[1] or words[1] <= words[0])


def _around(text: str, found: list[Number]) -> str:
    """Return what stands around the numbers of a result, without signs of money."""
    out, end = [], 0
    for number in sorted(found):
        start = number.start - 1 if number.value < 0 and text[number.start - 1 : number.start] == "-" else number.start
        if start >= end:
            out.append(text[end:start])
        end = max(end, number.end)
    rest = " ".join([*out, text[end:]])
    return normalise("".join(" " if c in _MONEY else c for c in rest)).strip(_DECORATION)
