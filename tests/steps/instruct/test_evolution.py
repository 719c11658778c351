"""What Evol-Instruct decides by rule: the draw of operators, and what speaks against a rewriting or an answer."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.steps.instruct.evolve.evolution import (
    Operator,
    answer_flaw,
    draw,
    draw_some,
    find_flaw,
    inputs_of,
    lost_input,
)
from sftmill.text import detect_lang

OPERATORS = get_args(Operator)
GIVEN = {"zh": "请介绍一下水库的防汛准备工作。", "en": "Describe how a reservoir is prepared for floods."}


def reason(flaw):
    return flaw and flaw.reason


def test_each_of_six_operators_is_drawn_as_often_as_any_other():
    drawn = Counter(draw(OPERATORS, 0, number % 4, f"row {number}") for number in range(5000))
    expected = 5000 / 6
    chi_square = sum((drawn[name] - expected) ** 2 / expected for name in OPERATORS)
    assert chi_square < 15.086, "the 99th percentile for 5 degrees of freedom, so p > .01"


def test_draws_depend_on_seed_round_and_row_alone():
    first = [draw(OPERATORS, 0, 1, f"row {n}") for n in range(50)]
    assert first == [draw(OPERATORS, 0, 1, f"row {n}") for n in range(50)]
    assert first != [draw(OPERATORS, 1, 1, f"row {n}") for n in range(50)]
    assert first != [draw(OPERATORS, 0, 2, f"row {n}") for n in range(50)]
    assert draw_some("abcdef", 3, 1) == draw_some("abcdef", 3, 1)
    assert len(set(draw_some("abcdef", 9, 1))) == 6


@pytest.mark.parametrize(
    ("lang", "evolved"),
    [
        ("zh", "改写后的指令：请介绍一下水库的防汛准备工作，并说明依据。"),
        ("zh", "请在原指令的基础上介绍水库的防汛准备工作和责任分工。"),
        ("zh", "#改写后的提示#\n请介绍水库的防汛准备工作和人员分工。"),
        ("zh", "<new指令>\n请介绍一下水库的防汛准备工作和人员分工。"),
        ("zh", "<given>请介绍一下水库的防汛准备工作和人员分工。</given>"),
        ("en", "Rewritten prompt: Describe how a reservoir in the hills is prepared for floods."),
        ("en", "#Rewritten Prompt#: Describe how a reservoir in the hills is prepared for floods."),
        ("en", "Following the given instruction, describe how a dam is prepared for floods."),
        ("en", "<given>Describe how a reservoir in the hills is prepared for floods.</given>"),
    ],
)
def test_marker_words_of_the_prompt_are_found(lang, evolved):
    assert reason(find_flaw(GIVEN[lang], evolved, "deepen", lang)) == "marker_copied"


def test_what_the_prompt_shows_as_an_example_is_copied_too():
    shown = {
        "zh": "怎样给一盆放在阳台上的文竹浇水？",
        "en": "How should I water a fern that stands on a balcony in the shade?",
    }
    for lang, example in shown.items():
        evolved = f"{example}{GIVEN[lang]}"
        assert reason(find_flaw(GIVEN[lang], evolved, "deepen", lang, prompt=example)) == "marker_copied"
        assert reason(find_flaw(evolved, evolved + "为什么", "deepen", lang, prompt=example)) is None
    table = "| 甲 | 乙 | 丙 | 丁 |\n| --- | --- | --- | --- |\n| 1 | 2 | 3 | 4 |"
    assert (
        find_flaw(GIVEN["zh"], f"根据下表介绍防汛准备。\n{table}", "complicate_input", "zh", prompt=table[19:]) is None
    )


def test_articles_are_no_numbers():
    assert lost_input("一家公司的一名员工请一位同事帮忙", "某公司员工请人帮忙") == ""
    assert lost_input("存一年期存款", "存入定期存款") == "一年"


def test_words_that_the_original_has_are_no_markers():
    assert find_flaw("给定指令集有哪些优点？", "给定指令集有哪些优点和局限？", "deepen", "zh") is None
    asked = "Which new instructions did the ISA add?"
    assert find_flaw(asked, "Which new instructions did the ISA add, and why?", "deepen", "en") is None


@pytest.mark.parametrize(
    ("lang", "evolved", "expected"),
    [
        ("zh", "", "no_task"),
        ("zh", "……", "no_task"),
        ("zh", "请介绍一下水库的防汛准备工作", "no_information_gain"),
        ("zh", "抱歉，我无法改写这条内容。", "rewriter_refused"),
        ("zh", "Describe how a reservoir is prepared for floods, with reasons.", "other_language"),
        ("zh", "请介绍一下水库的防汛准备工作，" + "并且分别说明组织、物资、预案和演练。" * 11, "grew_too_much"),
        ("zh", "请介绍一座山区小型水库在汛期来临之前的防汛准备工作，并说明各项工作的依据。", None),
        ("en", "", "no_task"),
        ("en", "describe how a reservoir is prepared for floods", "no_information_gain"),
        ("en", "I'm sorry, but I cannot help with that.", "rewriter_refused"),
        ("en", "请介绍水库的防汛准备工作，并说明理由。", "other_language"),
        ("en", "Describe how a reservoir is prepared for floods " + "and name who does it " * 13, "grew_too_much"),
        ("en", "Describe how a small reservoir in the hills is prepared for floods, and name the basis.", None),
    ],
)
def test_what_speaks_against_a_rewriting(lang, evolved, expected):
    assert reason(find_flaw(GIVEN[lang], evolved, "add_constraint", lang)) == expected


def test_an_input_may_add_more_than_a_constraint_and_a_new_instruction_is_measured_by_its_model():
    long = "请介绍一下水库的防汛准备工作。材料：" + "某水库位于山区，汛前检查了闸门。" * 20
    assert reason(find_flaw(GIVEN["zh"], long, "deepen", "zh")) == "grew_too_much"
    assert find_flaw(GIVEN["zh"], long, "complicate_input", "zh") is None
    assert reason(find_flaw(GIVEN["zh"], long, "complicate_input", "zh", growth=0.5)) == "grew_too_much"
    assert find_flaw("背景。" * 200, "前提。" * 390, "breadth", "zh") is None
    assert find_flaw("背景。" * 200, "背景。" * 390, "deepen", "zh").reason == "grew_too_much"


@pytest.mark.parametrize(
    ("given_text", "kept", "lost"),
    [
        ("一批货重12.5吨，运费每吨80元，共多少？", "一批货重十二点五吨，运费每吨80元，再加税，共多少？", "一批货重12.5吨，共多少运费？"),
        ("A tank holds 1,500 litres. How long?", "A tank holds 1500 litres and leaks. How long?", "A tank leaks. How long?"),
        ("利率从30%降到25%有何影响？", "利率由百分之三十降到百分之二十五，对银行有何影响？", "利率降低对银行有何影响？"),
        ("把“雨停之后我们再出发”译成英文。", "把“雨停之后我们再出发”译成正式的英文。", "把一句话译成正式的英文，并作说明。"),
        ('Translate "we leave when the rain stops".', 'Translate "We leave when the rain stops" formally.', "Translate a sentence."),
        ("解释：\n```python\nfor i in items:\n    print(i)\n```", "逐行解释：\n```\nfor i in items:\n  print(i)\n```", "逐行解释一段循环。"),
        ("看表：\n| 城市 | 雨量 |\n| --- | --- |\n| 甲城 | 大 |", "对比下表：\n|城市|雨量|\n|---|---|\n|甲城|大|", "对比两座城市的雨量。"),
    ],
)  # fmt: skip
def test_numbers_quotations_code_and_tables_must_survive(given_text, kept, lost):
    assert lost_input(given_text, kept) == ""
    assert lost_input(given_text, lost)
    lang = detect_lang(lost)
    assert reason(find_flaw(given_text, lost, "deepen", lang)) == "input_lost"
    assert find_flaw(given_text, lost, "breadth", lang) is None


def test_the_input_of_a_seed_task_must_survive():
    task, text = "判断这句话的情感", "这家店的面条又香又有嚼劲"
    whole = f"{task}\n\n{text}"
    assert inputs_of(whole, task) == [text]
    assert lost_input(whole, f"判断下面这句话的情感，并说明依据：{text}。", task) == ""
    assert lost_input(whole, "判断一句评论的情感，并说明依据。", task) == text
    assert lost_input(whole, "判断一句评论的情感，并说明依据。") == ""


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_new_instruction_that_holds_its_model_is_not_new(lang):
    evolved = GIVEN[lang] + {"zh": "水库要在汛前检查闸门。", "en": " The gates are checked in spring."}[lang]
    assert reason(find_flaw(GIVEN[lang], evolved, "breadth", lang)) == "no_information_gain"
    assert find_flaw(GIVEN[lang], evolved, "deepen", lang) is None


def test_numbers_of_list_items_are_no_input():
    assert lost_input("请回答：\n1. 什么是堤坝？\n2. 什么是水闸？", "什么是堤坝？什么是水闸？请比较。") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("抱歉，这个问题我答不了。", "refused_answer"),
        ("我无法完成这一要求。", "refused_answer"),
        ("作为一个AI，我没有亲身经历。", "refused_answer"),
        ("作为AI，我没有亲身经历。", "refused_answer"),
        ("目前不能提供这类资料。", "refused_answer"),
        ("抱歉，" + "雨" * 117, None),
        ("抱歉，" + "雨" * 116, "refused_answer"),
        ("Sorry, that is beyond me.", "refused_answer"),
        ("sorry " + "rain " * 78, "refused_answer"),
        ("sorry " + "rain " * 79, None),
        ("……！", "empty_answer"),
        ("", "empty_answer"),
        ("好的，那就这样吧", None),
        ("好的。", "empty_answer"),
        ("It is what it is.", "empty_answer"),
        ("The, of, and.", "empty_answer"),
        ("是。", None),
        ("No.", None),
        ("42", None),
        ("先检查闸门，再储备物资。", None),
        ("这一请求无法律依据。", None),
    ],
)
def test_answers_that_show_that_an_instruction_went_wrong(text, expected):
    assert reason(answer_flaw(text)) == expected


words = st.text(st.sampled_from('水库汛期12 .,|\n"“”`<>/given#ab'), max_size=60)


@settings(deadline=None)
@given(words, words, st.sampled_from(OPERATORS))
def test_any_two_texts_can_be_compared_and_an_unchanged_one_never_passes(one, other, operator):
    find_flaw(one, other, operator, "zh", one[:5])
    assert find_flaw(one, one, operator, "zh") is not None
    assert lost_input(one, one, one[:5]) == ""
