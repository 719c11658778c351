"""Kinds of questions: told by their words, chosen by what a passage holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.instruct.selfqa.question_types import LABELS, TYPES, classify, fitting, settle_type, spread


@pytest.mark.parametrize(
    ("asks", "kind"),
    [
        ("空腹血糖应控制在什么范围？", "what"),
        ("塔拉仪每隔多少天校准一次？", "what"),
        ("怎么样的设备叫作后备式 UPS？", "what"),
        ("粮温过高时为什么要开启通风机？", "why"),
        ("触点腐蚀的原因是什么？", "why"),
        ("如何更换电池组？", "how"),
        ("更换电池组有哪几步步骤？", "list"),
        ("后备式与在线式 UPS 有什么区别？", "compare"),
        ("铜缆和光纤相比哪个更轻？", "compare"),
        ("两个仓库一共存粮多少吨？", "compute"),
        ("乙仓比甲仓相差多少吨？", "compute"),
        ("加湿器包括哪些种类？", "list"),
        ("在什么情况下应当停机？", "condition"),
        ("经营人符合哪些条件才可以延期？", "condition"),
        ("温度高于多少时须停机？", "condition"),
        ("哪些情形不适用十五日的期限？", "exception"),
        ("除电池供电的设备外，还有哪些例外？", "exception"),
    ],
)
def test_chinese_questions_are_told_by_their_words(asks, kind):
    assert classify(asks, "zh") == kind


@pytest.mark.parametrize(
    ("asks", "kind"),
    [
        ("At what temperature is the room kept?", "what"),
        ("How often is the talameter calibrated?", "what"),
        ("How many days does a store stay sealed?", "what"),
        ("Why are the fans switched on?", "why"),
        ("What is the reason for sealing the store?", "why"),
        ("How is the battery replaced?", "how"),
        ("In what order is paddy issued?", "how"),
        ("How does fibre differ from copper?", "compare"),
        ("Which of the two cables is lighter?", "compare"),
        ("How much more grain does store B hold?", "compute"),
        ("How many tonnes are stored in total?", "compute"),
        ("List the kinds of humidifiers.", "list"),
        ("What are the three kinds of UPS?", "list"),
        ("Under what conditions is the device stopped?", "condition"),
        ("When must the operator submit a report?", "condition"),
        ("Which devices are exempt from earthing?", "exception"),
        ("In which cases does the rule not apply?", "exception"),
    ],
)
def test_english_questions_are_told_by_their_words(asks, kind):
    assert classify(asks, "en") == kind


@pytest.mark.parametrize(
    ("said", "asks", "lang", "kind"),
    [
        ("条件", "经营人逾期后会怎样？", "zh", "condition"),
        ("Exception", "Which devices need no cable?", "en", "exception"),
        ("why", "电池为什么老化？", "zh", "why"),
        ("为什么", "电池有几节？", "zh", "what"),
        ("what", "Why do batteries age?", "en", "why"),
        ("list", "Why do batteries age?", "en", "why"),
        ("胡说", "电池有几节？", "zh", "what"),
        (None, "How is it done?", "en", "how"),
    ],
)
def test_the_model_is_believed_unless_the_words_say_otherwise(said, asks, lang, kind):
    assert settle_type(said, asks, lang) == kind


def test_only_kinds_that_a_passage_can_answer_are_asked_for():
    assert fitting({}) == ["what"]
    assert fitting({"why": 2, "compute": 1, "definition": 3}) == ["what", "why"]
    assert fitting({"why": 2, "compute": 2}) == ["what", "why", "compute"]
    assert fitting({"why": 2, "list": 1}, ("list", "why")) == ["why", "list"]
    assert fitting({}, ("list", "why")) == ["what"]
    assert fitting({}, ("exception",)) == ["exception"]


def test_kinds_take_turns_over_the_passages_of_a_book():
    kinds = ["what", "why", "list", "condition"]
    chosen = [tuple(spread(kinds, 2, f"passage {n}")) for n in range(40)]
    assert set(chosen) == {("what", "why"), ("what", "list"), ("what", "condition")}
    assert len({tuple(spread(kinds, 1, f"passage {n}")) for n in range(40)}) == 4
    assert spread(kinds, 9, "x") == kinds


@given(st.lists(st.sampled_from(TYPES), min_size=1, unique=True), st.integers(1, 9), st.text(max_size=50))
def test_a_choice_of_kinds_is_as_large_as_it_can_be_and_always_the_same(kinds, count, passage):
    chosen = spread(kinds, count, passage)
    assert len(chosen) == len(set(chosen)) == min(count, len(kinds))
    assert set(chosen) <= set(kinds)
    assert chosen == spread(kinds, count, passage)


@given(st.text(max_size=200), st.sampled_from(["zh", "en"]))
def test_any_text_has_a_kind(asks, lang):
    assert classify(asks, lang) in TYPES


def test_every_kind_has_a_name_of_its_own_in_both_languages():
    assert all(len(set(labels.values())) == len(TYPES) == len(labels) for labels in LABELS.values())
