"""When two answers are the same: the CMRC figures, values, and questions that give their answer away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text.answers import bag_f1, exact_match, foreign_values, gives_away, same_answer, span_f1


@pytest.mark.parametrize(
    ("a", "b", "f1", "exact"),
    [
        ("北京", "北京市", 0.8, False),
        ("1994年", "1994", 0.6667, False),
        ("国家主席习近平", "主席习近平。", 0.8333, False),
        ("甲、乙和丙", "甲和丙", 0.5714, False),
        ("甲乙丙丁", "丁丙乙甲", 0.25, False),
        ("ABC公司", "abc公司", 1.0, True),
        ("the old mill", "old mill", 0.8, False),
        ("", "北京", 0.0, False),
        ("。", "！", 0.0, False),
    ],
)
def test_the_cmrc_figures(a, b, f1, exact):
    assert round(span_f1(a, b), 4) == round(span_f1(b, a), 4) == f1
    assert exact_match(a, b) is exact


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1994年", "1994"),
        ("一九九四年", "1994年"),
        ("十四天", "14 天"),
        ("14 days", "fourteen days"),
        ("in 1994", "1994"),
        ("5 kg", "5000克"),
        ("3.5亿元", "350,000,000 元"),
        ("百分之十", "10%"),
        ("2019年3月5日", "2019-03-05"),
        ("Acme Works.", "acme works"),
    ],
)
def test_equal_by_value(a, b):
    assert same_answer(a, b) and same_answer(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1994年", "1995年"),
        ("3.5%", "3.5"),
        ("-5 ℃", "5 ℃"),
        ("1.5", "15"),
        ("约3个月", "3个月"),
        ("5 kg", "5 m"),
        ("3 个月", "3 天"),
        ("北京", "北京市"),
        ("", ""),
    ],
)
def test_not_equal(a, b):
    assert not same_answer(a, b) and not same_answer(b, a)


def test_words_in_another_order_have_all_in_the_bag_and_numbers_are_missed_by_value():
    assert bag_f1("甲乙丙丁", "丁丙乙甲") == 1.0
    assert foreign_values("密闭14天，每周检查3次", "密闭两周也就是十四天") == ["3次"]


@pytest.mark.parametrize(
    ("question", "answer", "given_away"),
    [
        ("1994年成立的公司是哪一年成立的？", "一九九四年", True),
        ("Who founded Acme in 1994?", "ACME", True),
        ("What is the number 19940?", "1994", False),
        ("公司是哪一年成立的？", "1994年", False),
        ("水的沸点是多少？", "水", False),
        ("温度应当升高还是降低？", "升高", False),
        ("Is it higher or lower?", "higher", False),
        ("What is a boiler?", "oil", False),
        ("什么？", "", False),
    ],
)
def test_a_question_that_holds_its_answer_gives_it_away(question, answer, given_away):
    assert gives_away(question, answer) is given_away


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_measures_lie_between_0_and_1_and_do_not_care_which_comes_first(a, b):
    assert 0 <= span_f1(a, b) == span_f1(b, a) <= bag_f1(a, b) <= 1
    assert same_answer(a, b) == same_answer(b, a)
