"""The numbered list of Self-Instruct: how it is written, how a reply is read, and what is thrown out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.instruct.self_instruct.instruction_list import cut_label, numbered, one_line, parse_list
from sftmill.steps.instruct.self_instruct.instruction_rules import Rules, echo_pieces, find_fault
from sftmill.steps.instruct.self_instruct.request import is_request

# The reply of seven items on which the method's own post-processing is known to keep the first and the last.
SEVEN = """Explain the ROE of ABC Corp in FY2023.
10. Draw a picture of a lighthouse at night.
11. Write a program that sorts a list of names.
12. Say hello.
13. 请比较活期存款和定期存款的利息计算方式。
14. "Time is money" - what does this saying mean to a banker?
15. Describe the risk profile of a retired teacher with modest savings."""


def kept(reply, truncated=False, **rules):
    """Return what of a reply passes."""
    items = parse_list(reply, 9, truncated)
    return [text for text in items if find_fault(text, Rules(**{"lang": "zh", "mixed": True, **rules})) is None]


def reason(text, lang="zh", **rules):
    fault = find_fault(text, Rules(lang, **rules))
    return fault.reason if fault else None


def test_the_prompt_shows_tasks_on_one_line_without_a_colon_and_ends_with_the_next_number():
    assert numbered(["Do  A:", "Do\nB"]) == "1. Do A\n2. Do B\n3."
    assert one_line(" 翻译下面的\n句子： ") == "翻译下面的 句子"
    assert numbered(["解释复利"], ["复利", "年金"]) == "1. 【复利】解释复利\n2. 【年金】"
    assert numbered(["Explain it"], ["interest"], "en") == "1. [interest] Explain it\n2."


def test_of_the_seven_known_items_three_stay_and_names_keep_their_letters():
    assert kept(SEVEN) == [
        "Explain the ROE of ABC Corp in FY2023.",
        "请比较活期存款和定期存款的利息计算方式。",
        "Describe the risk profile of a retired teacher with modest savings.",
    ]
    assert kept(SEVEN, lang="en", mixed=False) == [kept(SEVEN)[0], kept(SEVEN)[2]]
    assert kept(SEVEN, lang="zh", mixed=False) == [kept(SEVEN)[1]]


def test_a_truncated_reply_loses_its_last_item():
    assert kept(SEVEN, truncated=True) == kept(SEVEN)[:2]
    assert parse_list("9. 只有这一条被截", 9, truncated=True) == []


@pytest.mark.parametrize(
    "form", ["{}. ", "{}、", "（{}）", "({}) ", "{}）", "{}．", "**{}.** ", "{}：", "- {}. ", "任务{}：", "### {}. ", "第{}条：",
             "Task {}: ", "[{}] ", "  {}) ", "**任务 {}：**"],
)  # fmt: skip
def test_numbers_are_read_in_every_usual_form(form):
    reply = "\n".join(
        form.format(n) + text for n, text in enumerate(["解释复利的含义", "比较两种贷款", "Explain ROE"], 9)
    )
    assert parse_list(reply, 9) == ["解释复利的含义", "比较两种贷款", "Explain ROE"]


@pytest.mark.parametrize("marks", ["一、 二、 三、", "（九） （十） （十一）", "① ② ③", "９． １０． １１．"])
def test_chinese_and_wide_numbers_are_read(marks):
    reply = "\n".join(mark + "写一个任务" + str(i) for i, mark in enumerate(str.split(marks)))
    assert parse_list(reply, 9) == ["写一个任务0", "写一个任务1", "写一个任务2"]


def test_figures_at_the_beginning_of_a_line_are_no_numbers_of_items():
    assert parse_list("9. 计算：\n3.5% 的利率下的利息\n8:30 开盘时的价格", 9) == [
        "计算： 3.5% 的利率下的利息 8:30 开盘时的价格"
    ]
    assert parse_list("9. 介绍\n2023年的利率", 9) == ["介绍 2023年的利率"]


def test_items_on_one_line_are_cut_where_the_next_number_is_expected():
    assert parse_list("9. 解释ROE。10. 计算3.5的平方。11. 比较。", 9) == ["解释ROE。", "计算3.5的平方。", "比较。"]


def test_talk_around_the_list_is_no_item():
    reply = "好的，下面是新的任务：\n\n9. 解释复利的含义\n\n10. 比较两种贷款\n\n希望这些任务对您有帮助！"
    assert parse_list(reply, 9) == ["解释复利的含义", "比较两种贷款"]
    assert parse_list("Sure! Here are some tasks:\n9. Explain ROE", 9) == ["Explain ROE"]


def test_a_list_within_an_item_and_its_material_stay_with_it():
    reply = "9. 判断下面的说法：\n\n1. 利率上升，债券价格下跌\n2. 存款没有风险\n10. 解释复利"
    assert parse_list(reply, 9) == ["判断下面的说法： 1. 利率上升，债券价格下跌 2. 存款没有风险", "解释复利"]


def test_a_reply_that_counts_from_one_or_repeats_a_number_is_read():
    assert parse_list("1. 甲任务\n2. 乙任务\n2. 丙任务", 9) == ["甲任务", "乙任务", "丙任务"]
    assert parse_list("- 甲任务\n- 乙任务", 9) == ["甲任务", "乙任务"]
    assert parse_list("甲任务\n10. 乙任务", 9) == ["甲任务", "乙任务"]
    assert parse_list("", 9) == []


@given(st.text(alphabet=st.sampled_from("9101.、)（【】*- \n任务一二：:。a甲#"), max_size=300), st.booleans())
def test_any_reply_gives_items_of_one_line_without_outer_spaces(reply, truncated):
    for item in parse_list(reply, 9, truncated):
        assert item
        assert item == item.strip()
        assert "\n" not in item


@given(
    st.lists(st.text(alphabet="甲乙丙丁戊己abc", min_size=1, max_size=20), min_size=1, max_size=9), st.integers(1, 20)
)
def test_a_list_that_was_written_is_read_back(items, first):
    reply = "\n".join(f"{number}. {text}" for number, text in enumerate(items, first))
    assert parse_list(reply, first) == items
    assert parse_list(reply, first, truncated=True) == items[:-1]


def test_a_topic_in_brackets_is_taken_off():
    assert cut_label("【复利】解释复利") == ("复利", "解释复利")
    assert cut_label("[interest] Explain it") == ("interest", "Explain it")
    assert cut_label("解释【复利】") == ("", "解释【复利】")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("解释复利公式", "too_short"),
        ("请解释复利的含义", None),
        ("请" + "说明利率与债券价格的关系，并且举例；" * 17, "too_long"),
        ("，请解释复利的含义是什么", "starts_with_mark"),
        ("《公司法》对股东会的召集有什么规定？", None),
        ("请画一张展示利率走势的折线", "cannot_be_done"),
        ("根据这张图片说明公司的收入变化", "cannot_be_done"),
        ("请打开附带的文件并总结主要内容", "cannot_be_done"),
        ("录制一段音频介绍理财产品的风险", "cannot_be_done"),
        ("短视频平台的主要盈利模式有哪些？", None),
        ("法律文件的送达方式有哪几种？请逐一说明", None),
        ("请用 Python 计算投资组合的收益率", "programming"),
        ("编写一个程序，计算贷款的月供", "write_a_program"),
        ("抱歉，我无法提供更多的任务内容", "refusal"),
        ("Explain how compound interest works over ten years.", "other_language"),
        ("什么是复利？答案：利息再生利息的计算方法", "holds_answer"),
        ("请解释利率利率利率利率利率利率利率利率利率利率利率利率利率利率", "repeats_itself"),
    ],
)
def test_chinese_tasks_are_out_for_the_right_reason(text, why):
    assert reason(text) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Explain compound interest", "too_short"),
        ("Explain compound interest briefly", None),
        ("word " * 151, "too_long"),
        ("Describe what these graphs tell about sales.", "cannot_be_done"),
        ("Go to the bank's site and compare rates.", "cannot_be_done"),
        ("Describe photographic memory and what drawing does for it.", None),
        ("Write a program that computes interest.", "write_a_program"),
        ("Implement a sorting algorithm for account numbers.", "programming"),
        ("'Quoted' words should be explained here.", "starts_with_mark"),
    ],
)
def test_english_tasks_are_out_for_the_right_reason(text, why):
    assert reason(text, "en") == why


def test_programming_may_be_allowed_and_the_words_of_what_cannot_be_done_replaced():
    assert reason("编写一个程序，计算贷款的月供", code=True) is None
    assert reason("Write a program that draws a map.", "en", code=True, cannot=()) is None
    assert reason("请分析这家公司的K线走势", cannot=("K线",)) == "cannot_be_done"


def test_a_task_that_must_stand_alone_holds_its_material_and_no_blank():
    assert reason("对以下句子进行情感分类。", stand_alone=True) == "needs_input"
    assert reason("对以下句子进行情感分类：今年的分红比去年少了一半，太失望了。", stand_alone=True) is None
    assert reason("Summarise the following paragraph.", "en", stand_alone=True) == "needs_input"
    assert reason("计算[公司名称]的净资产收益率并解释", stand_alone=True) == "placeholder"
    assert reason("对以下句子进行情感分类。") is None


def test_an_echo_of_the_prompt_is_known():
    header = echo_pieces("请接着写新的任务，任务的种类和句式要有变化，与前面的不重复。")
    fault = find_fault("任务的种类和句式要有变化，与前面的不重复", Rules("zh"), header)
    assert fault is not None
    assert fault.reason == "prompt_echo"
    assert find_fault("解释国债逆回购的操作流程", Rules("zh"), header) is None


@pytest.mark.parametrize(
    ("text", "lang", "asks"),
    [
        ("解释复利的含义", "zh", True),
        ("给一位刚工作的年轻人写三条理财建议", "zh", True),
        ("某人借款十万元，年利率百分之五，计算三年后的本息", "zh", True),
        ("权衡长期租房与贷款购房的得失", "zh", True),
        ("复利是指利息再生利息。它可以帮助储户了解长期收益。", "zh", False),
        ("某公司推出了新的股票回购政策，预计明年会有更多公司参与。", "zh", False),
        ("说明了市场的风险正在增加，投资者比较担心", "zh", False),
        ("Name three kinds of bonds.", "en", True),
        ("The rate fell twice. What follows for savers?", "en", True),
        ("The bond market is large. It helps investors.", "en", False),
    ],
)
def test_a_statement_is_no_request(text, lang, asks):
    assert is_request(text, lang) is asks
