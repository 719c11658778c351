"""Instances of Self-Instruct: classifications output first, others input first, and what is thrown away."""

import asyncio

import pytest

from sftmill.core import Drop, Reply, answer, question
from sftmill.models.prompt import Prompts
from sftmill.steps.instruct.self_instruct.instance_list import Instance, parse_instances, parse_labelled
from sftmill.steps.instruct.self_instruct.instances import Instances


class Answering:
    """A desk that renders the packaged prompts and answers from a list; notes what was asked."""

    def __init__(self, row, *replies):
        self.row = row
        self.replies = list(replies)
        self.asked = []

    def prompt(self, name, **values):
        known = {"form": None, "task_type": None, "most": 5, **self.row, **values}
        return Prompts().render("instances", name, self.row["lang"], known)

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.asked.append((prompt, sampling))
        reply = self.replies.pop(0)
        return [reply if isinstance(reply, Reply) else Reply(reply)]


def make(task, *replies, lang="zh", settings=None, **columns):
    row = {"lang": lang, "messages": [{"role": "user", "content": task}], **columns}
    desk = Answering(row, *replies)
    return asyncio.run(Instances(**(settings or {})).row(row, desk)), desk


def test_two_instances_with_one_input_and_different_outputs_take_all_away():
    assert parse_instances("Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: c\n") == []
    assert parse_instances("Example 1\nOutput: b\nExample 2\nOutput: c") == [Instance("", "b"), Instance("", "c")]


def test_an_instance_that_ends_in_a_colon_is_out_alone():
    reply = "Example 1\nInput: a\nOutput: b\nExample 2\nInput: x\nOutput: y:"
    assert parse_instances(reply) == [Instance("a", "b")]
    assert parse_instances("示例 1\n输入：甲：\n输出：乙\n示例 2\n输入：丙\n输出：丁") == [Instance("丙", "丁")]


def test_a_text_without_marks_holds_no_instance():
    assert parse_instances("just text") == []
    assert parse_labelled("just text") == []


def test_empty_outputs_copies_and_repetitions_are_out():
    reply = (
        "示例 1\n输入：甲\n输出：甲\n示例 2\n输入：乙\n输出：\n示例 3\n输入：丙\n输出：丁\n示例 4\n输入：丙\n输出：丁"
    )
    assert parse_instances(reply) == [Instance("丙", "丁")]


def test_no_more_than_five_are_kept_and_a_truncated_reply_loses_its_last():
    reply = "\n".join(f"示例 {n}\n输入：{n}号\n输出：第{n}个" for n in range(1, 8))
    assert len(parse_instances(reply)) == 5
    assert parse_instances(reply[:24], truncated=True) == [Instance("1号", "第1个")]
    assert parse_labelled("类别：甲\n输入：一\n类别：乙\n输入：二", truncated=True) == [Instance("一", "甲")]


def test_a_word_for_no_input_means_none():
    assert parse_instances("示例 1\n输入：无\n输出：五十天") == [Instance("", "五十天")]
    assert parse_instances("Output: fifty days") == [Instance("", "fifty days")]


def test_a_classification_is_asked_for_its_label_first():
    rows, desk = make("判断留言的情感", "是", "类别：满意\n输入：很好吃\n类别：不满\n输入：太慢了")
    assert [(question(row), answer(row)) for row in rows] == [
        ("判断留言的情感\n\n很好吃", "满意"),
        ("判断留言的情感\n\n太慢了", "不满"),
    ]
    assert {row["task_type"] for row in rows} == {"classification"}
    assert {row["instruction"] for row in rows} == {"判断留言的情感"}
    test, labels = (sampling for _, sampling in desk.asked)
    assert (test.temperature, test.max_tokens) == (0.0, 3)
    assert (labels.temperature, labels.presence_penalty, labels.max_tokens) == (0.0, 1.5, 300)
    assert len(labels.stop) <= 4


def test_any_other_task_is_asked_for_its_input_first():
    rows, desk = make("Translate into French", "No", "Example 1\nInput: Hi\nOutput: Salut", lang="en")
    assert [(question(row), answer(row)) for row in rows] == [("Translate into French\n\nHi", "Salut")]
    assert desk.asked[1][1].max_tokens == 350
    assert rows[0]["task_type"] is None


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("Yes", True),
        ("yes", True),
        ("YES", True),
        ("是", True),
        ("Yes, it is", False),
        ("不是", False),
        ("否", False),
        ("yEs", False),
    ],
)
def test_only_a_plain_yes_counts(said, label):
    _, desk = make("判断情感", said, "类别：甲\n输入：乙\n示例 1\n输入：丙\n输出：丁")
    assert (desk.asked[1][1].max_tokens == 300) is label


def test_what_is_known_of_the_type_is_not_asked():
    _, desk = make("判断情感", "类别：甲\n输入：乙", task_type="classification")
    assert len(desk.asked) == 1
    _, desk = make("翻译", "示例 1\n输入：丙\n输出：丁", task_type="translation")
    assert len(desk.asked) == 1


def test_one_instance_or_all():
    reply = "示例 1\n输入：甲\n输出：乙\n示例 2\n输入：丙\n输出：丁"
    assert len(make("改写句子", "否", reply)[0]) == 2
    row, _ = make("改写句子", "否", reply, settings={"keep": "one"})
    assert answer(row) == "乙"


def test_the_form_that_a_task_demands_is_checked():
    reply = '示例 1\n输入：无\n输出：三种\n示例 2\n输入：甲\n输出：{"种类": 3}'
    rows, _ = make("用 JSON 回答", "否", reply, form="json")
    assert [answer(row) for row in rows] == ['{"种类": 3}']
    with pytest.raises(Drop) as drop:
        make("用 JSON 回答", "否", "示例 1\n输入：无\n输出：三种", form="json")
    assert drop.value.reason == "wrong_form"


def test_nothing_usable_is_dropped_with_its_reason():
    with pytest.raises(Drop) as drop:
        make("改写句子", "否", "随便说说")
    assert drop.value.reason == "no_instance"
    with pytest.raises(Drop) as drop:
        make("改写句子", "否", Reply("示例 1\n输入：甲\n输出：半", finish="length"))
    assert drop.value.reason == "truncated"
    with pytest.raises(Drop) as drop:
        make(" ")
    assert drop.value.reason == "no_instruction"


def test_a_row_with_an_answer_passes_unasked():
    row = {"lang": "zh", "messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
    assert asyncio.run(Instances().row(row, Answering(row))) is row


def test_its_prompts_fit_in_both_languages():
    assert Prompts().check(Instances, "instances", ["zh", "en"]) == []
