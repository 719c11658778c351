"""Frames around an answer are told by what they are made of."""

import pytest

from sftmill.steps.curate.grounding.framing import strip_frame


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("由上述材料可以看出，每季度一次。", "每季度一次。"),
        ("文章里写的是每季度一次。", "每季度一次。"),
        ("由原文可以得知，每季度一次。", "每季度一次。"),
        ("這個問題的答案是每季度一次。", "每季度一次。"),
        ("材料中给出的答案为：每季度一次", "每季度一次"),
        ("从文中我们可以了解到，每季度一次。", "每季度一次。"),
        ("每季度一次，这是文中给出的说法。", "每季度一次。"),
        ("正如文中所述，每季度一次。", "每季度一次。"),
        ("答：每季度一次", "每季度一次"),
        ("文章第二段说得很清楚：每季度一次。", "每季度一次。"),
        ("简单来说，每季度一次。", "每季度一次。"),
        ("每季度一次就是正确答案。", "每季度一次。"),
        ("In short, forty percent.", "forty percent."),
        ("Forty percent is the answer.", "Forty percent."),
        ("As the passage explains, it is forty percent.", "forty percent."),
        ("The correct answer would be forty percent.", "forty percent."),
        ("From the text we can see that staff must not leave.", "staff must not leave."),
        ("Forty percent, according to the passage.", "Forty percent."),
        ("The author indicates that this is a lamp.", "a lamp."),
    ],
)
def test_a_frame_is_cut_off(said, kept):
    assert strip_frame(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "根据电池法的规定，应当回收。",
        "材料是钢。",
        "作者是鲁迅。",
        "文字学",
        "内容产业",
        "文章提到的人是船长。",
        "由两人负责。",
        "In the text editor, press Escape.",
        "The story of the lamp",
        "It is the answer of the king.",
        "The United States",
        "In 1990, it was seen.",
        "According to the law, it is forbidden.",
        "文中。",
        "The answer.",
    ],
)
def test_what_says_something_stays(said):
    assert strip_frame(said) == said
