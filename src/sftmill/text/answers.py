"""Whether two short answers say the same: the CMRC measures, and equality by value.

The CMRC measures follow the evaluation of CMRC 2018 (Cui et al., EMNLP 2019): Chinese by character, Latin by
word, punctuation and case left out, and F1 over the longest common *run*, not over a bag of words.
"""

import re
from collections import Counter

from sftmill.text.lazy import lazy_pattern
from sftmill.text.numbers import Number, numbers, same_value
from sftmill.text.units import is_cjk, normalise, tokens

LONGEST = 512
"""Tokens of each answer that are compared; the time grows with the product of both."""

_CHOICE = lazy_pattern(r"还是|還是|或者|\bor\b|\bwhether\b|是否", re.IGNORECASE)
_FRAME = frozenset(str.split("a an the in on at 在 于"))
"""Words that may stand before a value without changing it; "about", "over" and 约 are none of them."""


def exact_match(a: str, b: str) -> bool:
    """Tell whether two answers are the same but for punctuation, spaces, width and case."""
    return (left := tokens(a)) == tokens(b) and bool(left)


def span_f1(a: str, b: str) -> float:
    """Return the CMRC F1 of two answers, 0 to 1: 北京 and 北京市 = 0.8, 甲乙丙丁 and 丁丙乙甲 = 0.25."""
    return _run_f1(tokens(a)[:LONGEST], tokens(b)[:LONGEST])


def bag_f1(a: str, b: str) -> float:
    """Return F1 over the tokens of both answers whatever their order, 0 to 1 (SQuAD, Rajpurkar et al. 2016)."""
    left, right = tokens(a)[:LONGEST], tokens(b)[:LONGEST]
    return _f1((Counter(left) & Counter(right)).total(), len(left), len(right))


def same_answer(a: str, b: str) -> bool:
    """Tell whether two answers are the same in words, or in words and values: 1994年 = 1994, 十四天 = 14 days.

    A missing unit agrees with any; the words around the numbers must be the same, but for "in", "the" and the like.
    """
    if exact_match(a, b):
        return not foreign_values(a, b) and not foreign_values(b, a)
    ours, theirs = _values(a), _values(b)
    if not ours or len(ours) != len(theirs) or not all(map(same_value, ours, theirs)):
        return False
    return _around(a, ours) == _around(b, theirs)


def foreign_values(a: str, b: str) -> list[str]:
    """Return the numbers of `a`, as written, that have no number of the same value in `b`."""
    theirs = _values(b)
    return [a[n.start : n.end] for n in _values(a) if not any(same_value(n, other) for other in theirs)]


def gives_away(question: str, answer: str) -> bool:
    """Tell whether a question holds its answer, so that nothing needs to be known to give it.

    Numbers count by value, Latin words whole. A single Chinese character, which is there by chance, and a
    question that offers a choice ("A or B?", 是……还是……) do not count.
    """
    wanted, there = tokens(answer), tokens(question)
    if not wanted or (len(wanted) == 1 and is_cjk(wanted[0][0]) and len(wanted[0]) == 1):
        return False
    if _CHOICE.search(normalise(question)):
        return False
    size = len(wanted)
    if any(there[i : i + size] == wanted for i in range(len(there) - size + 1)):
        return True
    values = _values(answer)
    if not values or tokens(_without(answer, values)):
        return False
    return not foreign_values(answer, question)


def _values(text: str) -> list[Number]:
    return numbers(text, words=True, articles=True)


def _around(text: str, found: list[Number]) -> list[str]:
    return [word for word in tokens(_without(text, found)) if word not in _FRAME]


def _without(text: str, found: list[Number]) -> str:
    """Return a text with a space in the place of each number and its unit."""
    out, end = [], 0
    for number in found:
        if number.start >= end:  # the parts of a date may share their span
            out.append(text[end : number.start])
            end = number.end
    return " ".join([*out, text[end:]])


def _run_f1(a: list[str], b: list[str]) -> float:
    best, row = 0, [0] * (len(b) + 1)
    for left in a:
        before = 0
        for j, right in enumerate(b, 1):
            before, row[j] = row[j], before + 1 if left == right else 0
            best = max(best, row[j])
    return _f1(best, len(a), len(b))


def _f1(common: int, a: int, b: int) -> float:
    return 2 * common / (a + b) if common else 0.0
