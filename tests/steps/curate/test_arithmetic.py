"""Computations that an answer states are recomputed: right ones pass, wrong ones are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.curate.grounding.arithmetic import recompute
from sftmill.text import numbers


def check(answer, given_text):
    return recompute(answer, numbers(given_text, words=True, articles=True))


def derived(answer, given_text):
    starts = check(answer, given_text).derived
    return [answer[n.start : n.end] for n in numbers(answer, words=True) if n.start in starts]


@pytest.mark.parametrize(
    ("answer", "given_text", "results"),
    [
        ("100-20=80，共80元。", "单价100元，优惠20元", ["80", "80元"]),
        ("100元-20元=80元", "单价100元，优惠20元", ["80元"]),
        ("3×4万元=12万元", "共3份，每份4万元", ["12万元"]),
        ("(3+5)×2=16", "3、5、2", ["16"]),
        ("20元+30元=50元，50元×2=100元", "20元、30元，2次", ["50元", "100元"]),
        ("100万元×30%=30万元", "100万元的30%", ["30万元"]),
        ("20÷80=25%", "80人中20人", ["25%"]),
        ("10÷3≈3.3", "10、3", ["3.3"]),
        ("同比增长25%（从80万吨到100万吨）。", "由80万吨到100万吨", ["25%"]),
        ("It rose from 80 to 100, an increase of 25%.", "80 and then 100", ["25%"]),
        ("It fell from 100 to 80, a drop of 20%.", "100 and then 80", ["20%"]),
        ("男30人，女20人，共50人。", "男30人，女20人", ["50人"]),
        ("2008年至2010年，历时2年。", "2008年、2010年", ["2年"]),
        ("12 plus 8 equals 20.", "12 boxes, 8 bags", ["20"]),
    ],
)
def test_a_result_that_follows_from_given_numbers_is_derived(answer, given_text, results):
    assert check(answer, given_text).wrong == []
    assert [r for r in dict.fromkeys(derived(answer, given_text)) if r in results] == results


@pytest.mark.parametrize(
    ("answer", "given_text", "wrong"),
    [
        ("100-20=70，共70元。", "100元，20元", "100-20=70"),
        ("3×4万元=13万元", "3份，4万元", "3×4万元=13万元"),
        ("20÷80=20%", "80人中20人", "20÷80=20%"),
        ("10/3=3.43", "10、3", "10/3=3.43"),
        ("12 plus 8 equals 21.", "12, 8", "12 plus 8 equals 21"),
    ],
)
def test_a_result_that_does_not_follow_is_wrong(answer, given_text, wrong):
    assert check(answer, given_text).wrong == [wrong]


def test_a_change_that_does_not_fit_its_ends_is_wrong():
    assert check("从80万吨增至100万吨，增长20%。", "由80万吨到100万吨").wrong
    assert check("It fell from 100 to 80, a drop of 25%.", "100 then 80").wrong


def test_results_from_numbers_that_nobody_gave_are_not_derived():
    assert derived("70+30=100", "15、16") == []
    assert derived("男31人，女20人，共51人。", "男30人，女20人") == []


@pytest.mark.parametrize(
    "text", ["2024-05-01 = 5月1日", "8:30-9:30", "第1-2条=总则", "x=5", "1/0=3", "1-2-3", "A=1，B=2"]
)
def test_what_only_looks_like_a_computation_is_left_alone(text):
    assert check(text, "1 2 3").wrong == []


@given(st.integers(1, 9999), st.integers(1, 9999), st.sampled_from("+-*"))
def test_every_right_equation_holds_and_a_wrong_one_does_not(a, b, sign):
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    text, source = f"{a}{sign}{b}={result}", f"{a}元和{b}元"
    assert recompute(text, numbers(source)).wrong == []
    assert recompute(f"{a}{sign}{b}={abs(result) + 1}", numbers(source)).wrong


@given(st.text(alphabet="0123456789+-×÷*/=()（）%.元万 约共从到增长", max_size=80))
def test_any_formula_is_read_without_error(text):
    found = recompute(text, [])
    assert all(wrong in text for wrong in found.wrong)


@pytest.mark.parametrize("piece", ["1+(2=", "(1+", "=1", "1×", "((((", "1=1="])
def test_long_formulas_take_no_long_time(piece):
    recompute(piece * 4000, numbers("1 2"))
