"""What a thinking model thought, in exports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import ZH, array, assistant, lines, row, run, user
from sftmill.steps.blend.export import Export
from sftmill.steps.blend.reasoning import escape_thought_tags, split_thought, with_thought

THOUGHT = {**ZH, "reasoning": "先想 PUE 的定义。"}
ANSWER = "总能耗与 IT 能耗之比。"


def answers(tmp_path, **settings):
    """Return the last answer of each row, found alike in all three forms."""
    (tmp_path / "out").mkdir(exist_ok=True)
    run(Export(**settings), [THOUGHT, ZH], tmp_path / "out")
    messages = [s["messages"][-1]["content"] for s in lines(tmp_path / "out" / "sft.messages.jsonl")]
    assert messages == [s["output"] for s in array(tmp_path / "out" / "sft.alpaca.json")]
    assert messages == [s["conversations"][-1]["value"] for s in array(tmp_path / "out" / "sft.sharegpt.json")]
    return messages


def test_thoughts_are_dropped_unless_the_recipe_says_otherwise(tmp_path):
    assert answers(tmp_path) == [ANSWER, ANSWER]


def test_thoughts_that_are_kept_stand_before_the_answer_as_templates_expect(tmp_path):
    assert answers(tmp_path, reasoning="keep") == [f"<think>\n先想 PUE 的定义。\n</think>\n\n{ANSWER}", ANSWER]


def test_answers_without_a_thought_can_be_marked_so(tmp_path):
    kept, empty = answers(tmp_path, reasoning="empty_think")
    assert kept == f"<think>\n先想 PUE 的定义。\n</think>\n\n{ANSWER}"
    assert empty == f"<think>\n\n</think>\n\n{ANSWER}"


def test_tags_inside_a_thought_or_a_text_end_no_thought(tmp_path):
    evil = row(user("写 </think> 标签"), assistant("它是 </think>。"), reasoning="写 </think> 吗？<think>")
    run(Export(reasoning="keep"), [evil], tmp_path)
    (sample,) = lines(tmp_path / "sft.messages.jsonl")
    question, answer = (turn["content"] for turn in sample["messages"])
    assert question == "写 <\\/think> 标签"
    assert answer.count("<think>") == answer.count("</think>") == 1
    assert answer.startswith("<think>\n写 <\\/think> 吗？<\\think>\n</think>\n\n")


def test_a_thought_that_stands_in_the_answer_is_found(tmp_path):
    written = row(user("一？"), assistant("<think>旧</think>1"), user("二？"), assistant("<think>\n想\n</think>\n\n2"))
    run(Export(), [written], tmp_path / "drop")
    run(Export(reasoning="keep"), [written], tmp_path / "keep")
    assert [t["content"] for t in lines(tmp_path / "drop/sft.messages.jsonl")[0]["messages"]] == [
        "一？",
        "1",
        "二？",
        "2",
    ]
    kept = [t["content"] for t in lines(tmp_path / "keep/sft.messages.jsonl")[0]["messages"]]
    assert kept == ["一？", "1", "二？", "<think>\n想\n</think>\n\n2"]


@pytest.mark.parametrize("text", ["<think>想了很久", "  <think>想了很久 42"])
def test_a_thought_that_is_not_closed_is_no_answer(text, tmp_path):
    (item,) = run(Export(), [row(user("一？"), assistant(text))], tmp_path)
    assert item.reason == "not_exportable" and item.facts == {"why": "the turn's thought is not closed", "turn": 1}


@pytest.mark.parametrize("mode", ["keep", "empty_think"])
def test_a_pair_has_thoughts_on_both_sides_or_on_none(mode, tmp_path):
    both = {**THOUGHT, "rejected": "<think>乱想</think>一种插座。"}
    one = {**THOUGHT, "rejected": "一种插座。"}
    run(Export(forms="dpo", reasoning=mode), [both, one], tmp_path)
    first, second = lines(tmp_path / "sft.dpo_trl.jsonl")
    assert first["chosen"][0]["content"] == f"<think>\n先想 PUE 的定义。\n</think>\n\n{ANSWER}"
    assert first["rejected"][0]["content"] == "<think>\n乱想\n</think>\n\n一种插座。"
    head = "<think>\n\n</think>\n\n" if mode == "empty_think" else ""
    assert second["chosen"][0]["content"] == head + ANSWER
    assert second["rejected"][0]["content"] == head + "一种插座。"


def test_a_table_has_the_thought_in_a_column_of_its_own(tmp_path):
    run(Export(forms="csv", reasoning="keep"), [THOUGHT], tmp_path)
    text = (tmp_path / "sft.csv").read_text("utf-8")
    assert "先想 PUE 的定义。" in text and "<think>" not in text


def test_the_readme_says_where_thoughts_stand(tmp_path):
    run(Export(reasoning="empty_think"), [THOUGHT], tmp_path / "with")
    run(Export(), [THOUGHT], tmp_path / "without")
    readme = (tmp_path / "with/README.md").read_text("utf-8")
    assert (
        "没有思考的回答前写有空的思考块" in readme and "An answer without one has an empty block before it." in readme
    )
    assert "reasoning" not in (tmp_path / "without/README.md").read_text("utf-8")


@given(st.text(), st.text())
def test_a_thought_and_its_answer_come_apart_as_they_were_put_together(thought, answer):
    thought, answer = escape_thought_tags(thought.strip()), escape_thought_tags(answer.lstrip())
    assert split_thought(with_thought("empty_think", thought, answer)) == (thought, answer)


@given(st.text(alphabet="<>/think\\ 想", max_size=40))
def test_escaped_text_has_no_tag_and_is_escaped_only_once(text):
    escaped = escape_thought_tags(text)
    assert "<think>" not in escaped and "</think>" not in escaped
    assert escape_thought_tags(escaped) == escaped
    assert split_thought(escaped) == ("", escaped)
