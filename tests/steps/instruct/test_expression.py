"""Arithmetic of grammars: decimal, and nothing but arithmetic."""

import contextlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.instruct.templates.expression import LONGEST, Expression, round_half_up


def worth(text, **values):
    return Expression(text, values)(values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1 + 0.2", "0.3"),
        ("2 + 3 * 4 ** 2", "50"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7.5 % 2", "1.5"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(2.675, 2)", "2.68"),
        ("round(1234, -2)", "1200"),
        ("min(3, 1, 2) + max(3, 1) + abs(-4)", "8"),
        ("5 if 2 > 1 and not 1 == 2 else 6", "5"),
        ("1000 * (1 + 0.05) ** 3", "1157.625"),
        ("3 if 1 < 2 < 3 else 4", "3"),
    ],
)
def test_expressions_are_worth_what_arithmetic_says(text, value):
    assert worth(text) == Decimal(value)


def test_names_are_slots_in_any_script_and_texts_can_be_compared():
    assert worth("本金 * 利率", 本金=Decimal(1000), 利率=Decimal("0.035")) == 35
    assert worth("1 if kind == 'A' else 2", kind="A") == 1
    assert worth("rate > 0.5", rate=Decimal("0.25")) is False


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "open('x')",
        "[1, 2][0]",
        "(lambda: 1)()",
        "f'{a}'",
        "a @ 1",
        "a << 9",
        "{1: 2}",
        "a if (b := 1) else 2",
        "[x for x in (1,)]",
        "round(1, ndigits=2)",
        "sum(1, 2)",
        "True + 1",
        "1j",
        "a in (1, 2)",
        "round()",
        "b + 1",
        "1 +",
        "",
        "1\n+\n",
        "a" * (LONGEST + 1),
        "+".join(["a"] * 240),
        "-" * 400 + "1",
        "1e400",
        "9" * 60,
    ],
)
def test_anything_but_arithmetic_is_refused_before_it_is_worked_out(text):
    with pytest.raises(ValueError, match=r"."):
        Expression(text, ["a"])


@pytest.mark.parametrize("text", ["1 / 0", "0 / 0", "1 % 0", "1 // 0", "0 ** -1", "(-8) ** 0.5", "9 ** 9 ** 9", "10 ** 400 * 10 ** 400 ** 2", "'x' * 3", "'x' < 1", "round(1, 0.5)", "round(1, 99)", "-'x'", "10 ** 300 // 7 % 3 + round(10 ** 300)"])  # fmt: skip
def test_what_has_no_value_is_told_as_such(text):
    with pytest.raises(ValueError, match=r"."):
        worth(text)


@given(st.integers(-(10**9), 10**9), st.integers(0, 6), st.integers(-3, 6))
def test_rounding_goes_to_the_nearest_and_a_half_away_from_zero(number, scale, digits):
    value = Fraction(number, 10**scale)
    factor = Fraction(10) ** digits
    wanted = (abs(value) * factor + Fraction(1, 2)).__floor__() / factor * (1 if value >= 0 else -1)
    assert Fraction(round_half_up(Decimal(number).scaleb(-scale), Decimal(digits))) == wanted


@given(st.integers(-1000, 1000), st.integers(-1000, 1000).filter(bool))
def test_division_and_rest_are_those_of_python(a, b):
    assert worth("a // b", a=Decimal(a), b=Decimal(b)) == a // b
    assert worth("a % b", a=Decimal(a), b=Decimal(b)) == a % b


@given(st.text(alphabet="a1()+-*/%.<>=! ifelse'and,round_", max_size=40))
def test_no_text_makes_it_fail_in_another_way(text):
    with contextlib.suppress(ValueError):
        Expression(text, ["a"])({"a": Decimal(3)})
