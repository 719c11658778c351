"""Recomputes what an answer works out: 100-20=80, "from 80 to 100, up 25%", "120 in all".

A small grammar of numbers, + - × ÷ and brackets, read from the numbers of the text; nothing is
ever evaluated as code, and what is longer than a formula in an answer can be is not read.
"""

import itertools
import re
from decimal import Context, Decimal
from typing import NamedTuple

from sftmill.text import Number, number_key, numbers, same_value, sentences
from sftmill.text.lazy import lazy_pattern
from sftmill.text.measures import factor
from sftmill.text.variants import simplified

_CONTEXT = Context(prec=30, Emax=2000, Emin=-2000)
_MOST_NUMBERS = 60
_MOST_TERMS = 24

_OPERATORS = {
    "+": "+ ＋ 加上 加 plus",
    "-": "- － − – 减去 减 minus",
    "*": "× x X * · ✕ 乘以 乘 times multiplied_by",
    "/": "÷ / ／ 除以 divided_by",
    "=": "= ＝ 等于 得到 得 equals is_equal_to ≈ 约等于",
    "(": "( （",
    ")": ") ）",
}
_SIGN = {spelling.replace("_", " "): sign for sign, all_ in _OPERATORS.items() for spelling in str.split(all_)}
_OPERATOR = lazy_pattern(r"\s*(" + "|".join(sorted(map(re.escape, _SIGN), key=len, reverse=True)) + ")", re.IGNORECASE)
_ABOUT = lazy_pattern(
    r"(?:约|大约|大概|近|将近|≈|约等于|about|approximately|roughly|around|nearly)\s*\Z", re.IGNORECASE
)
_GROWTH = lazy_pattern(
    r"增长|增加|上升|提高|上涨|升高|扩大|增|涨|increas|gr[eo]w|rose|ris(?:e|ing)|up\b|gain", re.IGNORECASE
)
_SHRINKING = lazy_pattern(
    r"减少|下降|降低|下跌|缩小|跌|降|decreas|fell|fall|drop|declin|reduc|down\b|lower", re.IGNORECASE
)
_FROM_TO = lazy_pattern(r"从|由|from", re.IGNORECASE)
_TOTAL = lazy_pattern(
    r"共|合计|总计|总共|一共|总和|总数|累计|加起来|合起来|total|altogether|in all|sum\b|combined", re.IGNORECASE
)
_DIFFERENCE = lazy_pattern(
    r"相差|差额|差距|差|多出|多了?|少了?|相隔|历时|间隔|剩|余|difference|differ|more than|less than|fewer|remain|left|apart|later|after|lasted",
    re.IGNORECASE,
)
_NO_TERMS = frozenset(("month", "day", "hour", "minute", "second", "号"))
"""Units of calendar and clock: what joins them are no operators."""
_CONSTANTS = frozenset(map(Decimal, (1, 2, 7, 10, 12, 24, 30, 60, 100, 365, 1000, 3600)))
"""Whole numbers that a computation may bring in by itself: conversions, percentages, halves."""


class Computed(NamedTuple):
    """What an answer works out: numbers that follow (start offsets), and statements that do not hold, as written."""

    derived: frozenset[int]
    wrong: list[str]


def recompute(answer: str, given: list[Number]) -> Computed:
    """Check the computations that an answer states, starting from the numbers `given` by its sources.

    A result counts as derived where its operands are given, derived before, or constants such as 100 and 12.
    """
    text = simplified(answer)
    found = [n for n in numbers(text, words=True) if n.unit not in ("label", "version")][:_MOST_NUMBERS]
    if len(found) < 2:
        return Computed(frozenset(), [])
    derived: set[int] = set()
    wrong: list[tuple[int, int]] = []
    for chain in _chains(text, found):
        _check_chain(text, chain, given, derived, wrong)
        given = [*given, *(part for part in chain if isinstance(part, Number) and part.start in derived)]
    for start, end in sentences(text):
        inside = [n for n in found if start <= n.start and n.end <= end]
        if len(inside) >= 2:
            _check_change(text, start, inside, given, derived, wrong)
            _check_sums(text, start, inside, given, derived)
    derived |= {n.start for n in found if any(same_value(n, m) for m in found if m.start in derived)}
    return Computed(frozenset(derived), [answer[a:b] for a, b in sorted(wrong)])


Part = Number | str


def _chains(text: str, found: list[Number]) -> list[list[Part]]:
    """Return runs of numbers with operators between them that have an equals sign."""
    chains: list[list[Part]] = []
    chain: list[Part] = []
    starts = {n.start: n for n in found}
    position = found[0].start
    # A formula may open with a bracket before its first number.
    while position and text[position - 1] in "(（":
        position -= 1
    end_of_text = len(text)
    while position < end_of_text:
        number = starts.get(position)
        if number is not None and (not chain or isinstance(chain[-1], str)) and chain[-1:] != [")"]:
            minus = len(chain) > 1 and chain[-1] == "-" and (isinstance(chain[-2], Number) or chain[-2] == ")")
            chain.append(number._replace(value=abs(number.value)) if minus else number)
            position = number.end
            continue
        match = _OPERATOR.match(text, position)
        if match and (chain or _SIGN[match[1].lower()] == "("):
            chain.append(_SIGN[match[1].lower()])
            position = match.end()
            while position < end_of_text and text[position] in " 约≈":
                position += 1
            continue
        if text[position] == " " and chain:
            position += 1
            continue
        if "=" in chain and len(chain) <= _MOST_TERMS:
            chains.append(chain)
        chain = []
        after = position + 1
        position = next((n.start for n in found if n.start >= after), end_of_text)
        while after < position < end_of_text and text[position - 1] in "(（":
            position -= 1
    if "=" in chain and len(chain) <= _MOST_TERMS:
        chains.append(chain)
    return chains


def _check_chain(
    text: str, chain: list[Part], given: list[Number], derived: set[int], wrong: list[tuple[int, int]]
) -> None:
    if any(isinstance(p, Number) and p.unit in _NO_TERMS for p in chain):
        return
    sides: list[list[Part]] = [[]]
    for part in chain:
        if part == "=":
            sides.append([])
        else:
            sides[-1].append(part)
    while sides and not any(isinstance(p, Number) for p in sides[-1]):
        sides.pop()
    for left, right in itertools.pairwise(sides):
        if len(left) == 1 and isinstance(left[0], Number):
            left = _opened(text, left[0])
        if not any(isinstance(p, str) for p in left):
            continue
        value, result = _value(left), _value(right)
        if value is None or result is None:
            continue
        last = right[-1] if isinstance(right[-1], Number) else None
        first = next(p for p in left if isinstance(p, Number))
        if last is None or len(right) > 1:
            agrees = value[0] == result[0]
            last = None
        else:
            agrees = _agrees(text, last, value) or _agrees(text, last, _value(left, bare=True), bare=True)
        if not agrees:
            final = [p for p in right if isinstance(p, Number)][-1]
            wrong.append((first.start, final.end))
        elif last is not None and all(_allowed(p, given, derived) for p in left if isinstance(p, Number)):
            derived.add(last.start)


def _opened(text: str, number: Number) -> list[Part]:
    """Return the terms of a fraction such as 10/4, which is read as one number."""
    top, slash, bottom = text[number.start : number.end].partition("/")
    if not slash or not (top.isdecimal() and bottom.isdecimal()):
        return [number]
    middle = number.start + len(top)
    return [
        Number(number.start, middle, Decimal(int(top))),
        "/",
        Number(middle + 1, number.end, Decimal(int(bottom))),
    ]


def _allowed(number: Number, given: list[Number], derived: set[int]) -> bool:
    if number.start in derived or (number.value in _CONSTANTS and number.unit in ("", "%")):
        return True
    return any(same_value(number, other) for other in given)


Quantity = tuple[Decimal, str]


def _measured(number: Number) -> Quantity:
    """Return a number in its base unit; a percentage as a share."""
    base, times = factor(number.unit)
    value = _CONTEXT.multiply(number.value, times)
    return (_CONTEXT.divide(value, Decimal(100)), "%") if base == "%" else (value, base)


def _value(parts: list[Part], bare: bool = False) -> Quantity | None:
    """Compute a formula, `bare` without its units; None if it is none or divides by nought."""
    reader = _Reader([_bare(p) for p in parts] if bare else parts)
    try:
        value = reader.sum(0)
    except (ArithmeticError, ValueError):
        return None
    return value if reader.at == len(parts) else None


class _Reader:
    """Reads sums of products of numbers and brackets, one part after the other."""

    def __init__(self, parts: list[Part]):
        self.parts = parts
        self.at = 0

    def _next(self, *signs: str) -> str:
        part = self.parts[self.at] if self.at < len(self.parts) else ""
        if isinstance(part, str) and part in signs:
            self.at += 1
            return part
        return ""

    def sum(self, depth: int) -> Quantity:
        value, unit = self.product(depth)
        while sign := self._next("+", "-"):
            other, other_unit = self.product(depth)
            value = _CONTEXT.add(value, other if sign == "+" else -other)
            unit = unit or other_unit
        return value, unit

    def product(self, depth: int) -> Quantity:
        value, unit = self.atom(depth)
        while sign := self._next("*", "/"):
            other, other_unit = self.atom(depth)
            if sign == "*":
                value = _CONTEXT.multiply(value, other)
                unit = (unit if unit != "%" else "") or other_unit
            else:
                value = _CONTEXT.divide(value, other)
                unit = "" if unit == other_unit else unit
        return value, unit

    def atom(self, depth: int) -> Quantity:
        if self._next("("):
            if depth > 8:
                raise ValueError("too deep")
            value = self.sum(depth + 1)
            if not self._next(")"):
                raise ValueError("bracket left open")
            return value
        part = self.parts[self.at] if self.at < len(self.parts) else ""
        if not isinstance(part, Number):
            raise ValueError("no number")
        self.at += 1
        return _measured(part)


def _bare(part: Part) -> Part:
    return part._replace(unit="") if isinstance(part, Number) else part


def _agrees(text: str, stated: Number, computed: Quantity | None, bare: bool = False) -> bool:
    """Tell whether a stated result is the computed one, rounded as it is written."""
    if computed is None:
        return False
    value = stated.value if bare else _measured(stated)[0]
    shown = re.search(r"\d[\d,]*(?:\.(\d+))?", text[stated.start : stated.end])
    step = abs(value) * Decimal("1e-9")
    if shown:
        plain = Decimal(shown[0].replace(",", ""))
        if plain:
            decimals = len(shown[1] or "")
            scale = abs(_CONTEXT.divide(value, plain))
            step = _CONTEXT.multiply(scale, Decimal(1).scaleb(-decimals))
            if not decimals and computed[0] == computed[0].to_integral_value():
                step = Decimal(0)  # whole results are written as they are
    about = bool(_ABOUT.search(text[max(0, stated.start - 16) : stated.start]))
    slack = max(step, abs(value) * Decimal("0.05")) if about else step * Decimal("0.5000001")
    return abs(abs(computed[0]) - abs(value)) <= slack or abs(computed[0] - value) <= slack


def _check_change(
    text: str, start: int, inside: list[Number], given: list[Number], derived: set[int], wrong: list[tuple[int, int]]
) -> None:
    """Check "from 80 to 100, an increase of 25%"; a share that the sources state themselves is not recomputed."""
    end = inside[-1].end
    grows, shrinks = (bool(p.search(text, start, min(len(text), end + 12))) for p in (_GROWTH, _SHRINKING))
    if grows == shrinks or not _FROM_TO.search(text, start, end):
        return
    for number in inside:
        if number.unit != "%" or any(same_value(number, other) for other in given):
            continue
        ends = [n for n in inside if n is not number and n.unit not in ("year", "month", "day", "%")]
        pairs = [(a, b) for a, b in itertools.pairwise(ends) if _same_unit(a, b)]
        if len(pairs) != 1 or number.start in derived:
            continue
        a, b = _measured(pairs[0][0])[0], _measured(pairs[0][1])[0]
        if _FROM_TO.search(text, pairs[0][0].start, pairs[0][1].start):  # 增至100，从80
            a, b = b, a
        if not a or not all(_allowed(n, given, derived) for n in pairs[0]):
            continue
        change = _CONTEXT.divide(_CONTEXT.subtract(b, a), a)
        if (change > 0) == grows and _agrees(text, number, (change, "%")):
            derived.add(number.start)
        else:
            wrong.append((min(ends[0].start, number.start), max(ends[-1].end, number.end)))


def _same_unit(a: Number, b: Number) -> bool:
    return a.unit == b.unit or number_key(a)[1] == number_key(b)[1] or not a.unit or not b.unit


def _check_sums(text: str, start: int, inside: list[Number], given: list[Number], derived: set[int]) -> None:
    """Let a total or a difference of given numbers of the same sentence pass."""
    end = min(len(text), inside[-1].end + 12)
    total, difference = (bool(p.search(text, start, end)) for p in (_TOTAL, _DIFFERENCE))
    if not (total or difference):
        return
    for number in inside:
        if any(same_value(number, other) for other in given):
            continue
        others = [n for n in inside if n is not number and _allowed(n, given, derived) and _may_add(n, number)]
        values = [_measured(n)[0] for n in others]
        wanted = _measured(number)[0]
        if number.unit == "yr" and all(n.unit == "year" for n in others):
            wanted = number.value
        if len(values) < 2 or len(values) > 12:
            continue
        if (total and sum(values) == wanted) or (
            difference and any(abs(a - b) == wanted for i, a in enumerate(values) for b in values[i + 1 :])
        ):
            derived.add(number.start)


def _may_add(a: Number, b: Number) -> bool:
    return _same_unit(a, b) or (a.unit == "year" and b.unit == "yr")
