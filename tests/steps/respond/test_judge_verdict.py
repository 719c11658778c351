"""How verdicts are read: what a text ends on, never a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.respond.judge.verdict import parse_verdict, read_verdict

SAID = {
    "[[A]]": "A>B",
    "最终判断：B": "B>A",
    "**结论**：**A**": "A>B",
    "Final verdict: [[A>>B]]": "A>>B",
    "My verdict: **B**": "B>A",
    "[[A]] 写得流畅，但有一处错误。[[B]]": "B>A",
    "At first I thought [[B]]. On reflection: [[A]]": "A>B",
    "【【B>>A】】": "B>>A",
    "［［Ａ＞Ｂ］］": "A>B",
    "[[A=B]]": "A=B",
    "[[C]]": "A=B",
    "裁决：平局": "A=B",
    "Winner: tie": "A=B",
    "[[A<B]]": "B>A",
    "更好的回答是回答A，因为它给出了依据": "A>B",
    "better answer: Assistant B": "B>A",
    "B": "B>A",
}
UNSAID = [
    "", "两个回答各有优点。", "Both answers are fine.", r"[\[A]]", "A is better than B in style, B in content",
    "结论：需要更多信息", "My choice is a good one.", "结果是 A 公司胜诉", "[[wiki]]", "[[1, 2]]",
]  # fmt: skip


@pytest.mark.parametrize(("text", "verdict"), SAID.items())
def test_a_stated_verdict_is_read(text, verdict):
    assert parse_verdict(text) == verdict


@pytest.mark.parametrize("text", UNSAID)
def test_what_states_no_verdict_is_none_and_no_tie(text):
    assert parse_verdict(text) is None


@given(st.text(alphabet="AB[]【】<>=：: 结论verdict\n*好", max_size=60))
def test_reading_never_breaks_and_gives_only_verdicts(text):
    assert parse_verdict(text) in ("A>>B", "A>B", "A=B", "B>A", "B>>A", None)


def test_a_very_long_text_is_read_at_its_end():
    assert parse_verdict("[[B]]" + "结论：结论是" * 50_000 + "[[A]]") == "A>B"


def test_a_field_that_holds_no_verdict_is_left_for_the_form_to_refuse():
    assert read_verdict("**A**") == "A>B"
    assert read_verdict("A>>B") == "A>>B"
    assert read_verdict("不知道") == "不知道"
    assert read_verdict(3) == 3
