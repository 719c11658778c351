"""Limits turned round, opposite words, and dates and ranges mixed up."""

import pytest

from sftmill.steps.curate.grounding.contradiction import foreign_numbers, opposite_word, repaired
from sftmill.steps.curate.grounding.evidence import Source
from sftmill.steps.curate.grounding.limits import limit_differs, mixed_up


def turned(answer, passage, asked=""):
    return limit_differs(answer, passage, Source(passage), asked)


@pytest.mark.parametrize(
    ("answer", "passage"),
    [
        ("至少25人。", "最多25人可以参加。"),
        ("25人以上。", "至多25人可以参加。"),
        ("不低于 30 度", "温度不高于 30 度。"),
        ("At least 5 people.", "No more than 5 people may enter."),
        ("It happened before 1990.", "It happened after 1990."),
        ("2010年以前", "2010年以后开始"),
    ],
)
def test_a_limit_turned_round_is_found(answer, passage):
    assert turned(answer, passage)


@pytest.mark.parametrize(
    ("answer", "passage"),
    [
        ("至少25人。", "不少于25人方可开会。"),
        ("不超过25人。", "限25人以内。"),
        ("18岁以上可以进入", "未满18岁不得进入"),
        ("25人。", "最多25人可以参加。"),
        ("至少25人。", "有25人参加。"),
        ("At least 5 people.", "Five or more people: no fewer than 5 people."),
    ],
)
def test_the_same_limit_in_other_words_is_none(answer, passage):
    assert not turned(answer, passage)


def test_a_limit_of_the_question_may_be_taken_up():
    assert not turned("超过25人不行。", "最多25人可以参加。", "25人以上可以吗？")


def test_the_opposite_word_in_the_same_place_is_found():
    assert opposite_word("公司利润同比上升了三个百分点", "公司利润同比下降了三个百分点")
    assert (
        opposite_word("The river runs to the north of the town", "The river runs to the south of the town") == "north"
    )
    assert not opposite_word("公司利润同比上涨了三个百分点", "公司利润同比上升了三个百分点")


@pytest.mark.parametrize(
    ("answer", "passage", "wrong"),
    [
        ("7月24日", "7月14日开工，8月24日完工。", True),
        ("8月24日", "7月14日开工，8月24日完工。", False),
        ("14 August 1990", "It opened on August 14, 1990.", False),
        ("7月24日", "7月14日、24日各一次。", False),
        ("10%到10%", "增长5%到10%。", True),
        ("5%到15%", "增长5%到10%，另有15%不变。", True),
        ("5%-10%", "增长5%到10%。", False),
        ("5:08", "at 3:08, five yards from 4:08", True),
        ("3:08", "at 3:08, five yards from 4:08", False),
        ("2001年到2010年", "2001年到2005年在甲，2005年到2010年在乙。", False),
    ],
)
def test_parts_of_dates_and_ranges_must_belong_together(answer, passage, wrong):
    assert bool(mixed_up(answer, Source(passage), "")) is wrong


@pytest.mark.parametrize(
    ("answer", "passage", "wrong"),
    [
        ("六", "获得六座奖杯。", False),
        ("七", "获得六座奖杯。", True),
        ("17.", "with 18 seconds left", True),
        ("17.", "with 17 seconds left", False),
        ("fifteen people", "twelve people came", True),
        ("1500米", "全长1.5公里。", False),
        ("150 元", "共计 l5O 元。", False),
        ("10", "占10%。", True),
        ("五萬元", "罚款5万元。", False),
    ],
)
def test_numbers_are_compared_by_value_in_bare_answers_too(answer, passage, wrong):
    assert bool(foreign_numbers(answer, passage)) is wrong


def test_a_missing_percent_sign_is_forgiven_where_the_question_asks_for_percent():
    assert not foreign_numbers("10", "占10%。", "占百分之几？")
    assert foreign_numbers("10", "占10%。", "有几个？")


def test_letters_between_digits_are_read_as_digits():
    assert repaired("共 l5O 元，H2O，10 l") == "共 150 元，H2O，10 l"
