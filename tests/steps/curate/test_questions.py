"""The form of questions: which may go on to be answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.curate.filters.questions import Questions

PASSAGE_ZH = "Transformer 模型的核心是自注意力机制。空腹血糖应控制在 4.4 到 7.0 mmol/L。监护人被指定后，不得擅自变更。"
PASSAGE_EN = "The battery room is kept at 15 to 25 degrees. Why do batteries age? Heat shortens their life by half."


def reason(text, lang="zh", passage=None, entities=False, **settings):
    if passage is None:
        passage = PASSAGE_ZH if lang == "zh" else PASSAGE_EN
    row = {"lang": lang, "passage": passage, "messages": [{"role": "user", "content": text}]}
    try:
        assert Questions(entities=entities, **settings).row(row) is row
    except Drop as drop:
        return drop.reason
    return None


@pytest.mark.parametrize(
    "text",
    [
        "空腹血糖应控制在什么范围？",
        "Transformer 模型的核心是什么",
        "请解释自注意力机制的作用。",
        "简述空腹血糖的控制目标",
        "监护人被指定后能否擅自变更？",
        "为何监护人不得变更？",
        "`apt-get dist-upgrade` 与 `apt-get upgrade` 有什么区别？",
        "空腹血糖的正常范围？",
        "公司的注册地在哪里？",
        "IT 设备的用电量是多少？",
        "我的服务器进风温度是 30 °C。应该怎么办？",
    ],
)
def test_good_chinese_questions_pass(text):
    assert reason(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "At what temperature is the battery room kept?",
        "Which command lists the installed packages",
        "Explain how heat affects the battery life.",
        "Is the battery room kept below 30 degrees?",
        "IT equipment needs how much power?",
        "The server reports a fault. What should be checked first?",
        "Does heat shorten the life of the 电池 in the room?",
    ],
)
def test_good_english_questions_pass(text):
    assert reason(text, "en") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("血糖？", "too_short"),
        ("为什么" + "很" * 130 + "？", "too_long"),
        ("本文主要讲了什么内容？", "deictic"),
        ("上述机制有哪些优点？", "deictic"),
        ("它的作用是什么呢？", "deictic"),
        ("该机制有什么作用？", "deictic"),
        ("这种方法有什么优点？", "deictic"),
        ("Transformer 模型的核心是自注意力机制。", "repeats_passage"),
        ("Transformer 模型的核心是自注意力机制？", "repeats_passage"),
        ("监护人被指定后，不得擅自变更吗？", "repeats_passage"),
        ("血糖控制是一件重要的事情。", "not_a_question"),
        ("血糖控制是一件重要的事情？", "not_a_question"),
        ("血糖应控制在什么范围？应控制在 4.4 到 7.0 之间。", "not_a_question"),
        ("<|im_start|>system 你是谁？", "control_tokens"),
        ("What is the core of the model?", "wrong_language"),
    ],
)
def test_bad_chinese_questions_are_dropped_with_the_reason(text, expected):
    assert reason(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Why is it?", "too_short"),
        ("Why " + "very " * 70 + "hot?", "too_long"),
        ("What does the passage say about heat?", "deictic"),
        ("According to the text, what shortens the life of batteries?", "deictic"),
        ("What is it used for in practice?", "deictic"),
        ("It is used for what purpose?", "deictic"),
        ("The battery room is kept at 15 to 25 degrees?", "repeats_passage"),
        ("The battery room is an important place.", "not_a_question"),
        ("Heat is bad for the batteries in there?", "not_a_question"),
        ("<|endoftext|> What shortens the life of batteries?", "control_tokens"),
        ("电池的寿命为什么会缩短？", "wrong_language"),
    ],
)
def test_bad_english_questions_are_dropped_with_the_reason(text, expected):
    assert reason(text, "en") == expected


def test_a_question_that_the_passage_itself_asks_is_no_repetition():
    passage = "常见问题。为什么监护人不得擅自变更？因为法律禁止。"
    assert reason("为什么监护人不得擅自变更？", passage=passage) is None


def test_the_limits_of_length_can_be_set():
    assert reason("血糖多少？", shortest=3) is None
    assert reason("空腹血糖应控制在什么范围？", longest=5) == "too_long"


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("空腹血糖应控制在什么范围？", "zh", None),
        ("BERT 模型的核心是什么？", "zh", "foreign_entity"),
        ("空腹血糖超过 9 mmol/L 时应怎么办？", "zh", "foreign_entity"),
        ("Does heat shorten the life of batteries by 50%?", "en", None),
        ("Does the Yunxi works keep its battery room at 15 degrees?", "en", "foreign_entity"),
        ("Is the battery room kept below 30 degrees?", "en", "foreign_entity"),
    ],
)
def test_a_question_that_names_what_the_passage_does_not_know_is_dropped(text, lang, expected):
    assert reason(text, lang, entities=True) == expected


def test_headings_and_cited_clauses_are_known_too():
    row = {
        "lang": "zh",
        "passage": "第十二条 前款规定的报告每年提交一次。",
        "title": "云汐机械厂设备管理办法",
        "title_path": ["第三章 QK-900 的检修"],
        "context": "第十一条 检修报告由塔拉分厂编写，共 3 份。",
        "messages": [{"role": "user", "content": "按照《云汐机械厂设备管理办法》，QK-900 的 3 份报告多久提交一次？"}],
    }
    assert Questions().row(row) is row
    with pytest.raises(Drop) as drop:
        Questions().row({**row, "context": None})
    assert (drop.value.reason, drop.value.facts["names"]) == ("foreign_entity", ["3 份"])


@given(st.text(max_size=200), st.text(max_size=300), st.sampled_from(["zh", "en"]))
def test_any_text_is_either_kept_or_dropped(text, passage, lang):
    reason(text, lang, passage)
