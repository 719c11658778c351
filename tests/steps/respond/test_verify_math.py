"""Results against the right answer: values in both languages, formulas, and what is not the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.respond.verify import verify_math as module
from sftmill.steps.respond.verify.bounded import Bounded, Unfinished
from sftmill.steps.respond.verify.verdict import NO_ANSWER
from sftmill.steps.respond.verify.verify_math import verify_math

RIGHT = [
    (r"$\frac{1}{2}$", "0.5"),
    (r"$10\%$", "0.1"),
    ("$1,000$", "1000"),
    ("$x=3$", "3"),
    ("3", "$x=3$"),
    ("$1<x<2$", "$(1,2)$"),
    (r"$\{1,2\}$", r"$\{2,1\}$"),
    ("0.333333", r"$\frac13$"),
    ("12 cm", "12"),
    ("42", "I think 41, no, 42"),
    (r"$\boxed{7}$", r"first \boxed{3} then \boxed{7}"),
    ("42", "答案是42"),
    ("100", "一百"),
    ("5", "五"),
    ("15000", "1.5万"),
    ("42", r"所以 $\boxed{42}$。"),
    ("120000000", "总额为1.2亿元。"),
    ("5%", "答案：百分之五"),
    ("0.05", "答案是 5%。"),
    ("1/3", "所以是三分之一"),
    (r"2\sqrt{2}", r"The length is $\sqrt{8}$."),
    ("(x+1)^2", "展开前的式子是 $x^2+2x+1$"),
    (r"[1,2]", r"\boxed{x \in [1,2]}"),
    ("The work:\n3 + 4 = 7\n#### 7", "Together they have 7."),
    ("A", "故选 A。"),
    ("北京", "答案是北京。"),
    ("北京大学", "北京大学"),
    ("320", "三百二十元"),
    ("90", r"\boxed{90^\circ}"),
    ("180分钟", "答案：3小时"),
    (r"\frac{2}{4}", r"\boxed{\dfrac{1}{2}}"),
]
WRONG = [
    ("$(1,2)$", "$1<x<2$"),
    ("1/3", "0.3333"),
    ("3.14", r"$\pi$"),
    ("42", "42 or 43"),
    ("43", "42 or 43"),
    ("43", "答案可能有 42 或者 43"),
    ("12 cm", "12 m"),
    ("5%", "5"),
    ("5", "5%"),
    ("15000", "1.5"),
    ("15000", "答案是1.5亿"),
    ("100", "一千"),
    ("(1,2)", "(2,1)"),
    (r"\sqrt{8}", r"\boxed{2\sqrt{3}}"),
    ("x^2", "x^3"),
    ("A", "故选 B。"),
    ("北京", "答案是上海。"),
    ("3 apples", "3 pears"),
    ("-5", "答案是 5"),
    (r"\frac{\pi}{3}", "60"),
]


@pytest.mark.parametrize(("gold", "text"), RIGHT)
def test_right_results(gold, text):
    assert verify_math(gold, text) == (True, "")


@pytest.mark.parametrize(("gold", "text"), WRONG)
def test_wrong_results(gold, text):
    verdict = verify_math(gold, text)
    assert verdict.ok is False
    assert verdict.why


def test_no_result_and_no_gold():
    assert verify_math("3", "I cannot tell what these numbers would be at all.") == (False, NO_ANSWER)
    assert verify_math("3", "") == (False, NO_ANSWER)
    assert verify_math("", "3").ok is None


@pytest.mark.parametrize("tower", ["9^{9^{9^9}}", "9^9^9^9", "10^{100000}", "1000!", "9!!!!", "2^{" * 60 + "}" * 60])
def test_numbers_beyond_the_memory_are_not_worked_out(tower):
    assert verify_math("5x", rf"\boxed{{{tower}}}").ok is False


def test_what_takes_too_long_cannot_tell(monkeypatch):
    def never(*_, **__):
        raise Unfinished("not done after 5 s")

    monkeypatch.setattr(module.HELPER, "ask", never)
    verdict = verify_math("x^2+1", r"\boxed{x^2+2}")
    assert verdict.ok is None
    assert "not done" in verdict.why


def test_a_search_without_end_is_ended_and_the_next_question_answered():
    helper = Bounded()
    assert helper.ask(5, do="search", pattern="b", text="abc", whole=False)
    with pytest.raises(Unfinished, match="not done"):
        helper.ask(0.2, do="search", pattern="(a+)+$", text="a" * 40 + "b", whole=False)
    assert not helper.ask(5, do="search", pattern="b", text="abc", whole=True)
    helper.close()


@given(
    st.integers(-(10**9), 10**9),
    st.sampled_from(["答案是{}。", "The answer is {}.", r"so \boxed{{{}}}", "#### {}", "共{}个"]),
)
def test_a_whole_number_is_found_in_every_frame_and_no_other_is_right(number, frame):
    if "共" in frame and number < 0:
        return
    text = frame.format(number)
    assert verify_math(str(number), text).ok
    assert verify_math(str(number + 1), text).ok is False
