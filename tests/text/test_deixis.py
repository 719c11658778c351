import pytest

from sftmill.text import deixis


@pytest.mark.parametrize(
    "text",
    [
        "根据上文，什么是合同？",
        "该表说明了什么？",
        "文中提到的药物",
        "如下所示",
        "上述规定",
        "请根据材料回答",
        "材料中提到了什么",
        "第三章中提到的方法",
        "这段文字的主旨",
        "作者认为什么",
        "本法何时施行？",
        "本品的用法用量是什么？",
        "下图",
        "原文中如何定义",
    ],
)
def test_chinese_that_points_elsewhere_is_found(text):
    assert deixis(text, "zh")


@pytest.mark.parametrize(
    "text",
    [
        "该公司的注册资本是多少？",
        "该文件夹的权限是什么？",
        "语文中考怎么复习？",
        "上下文菜单是什么？",
        "建筑材料中提到的水泥",
        "基本法是什么？",
        "《民法典》第十条规定了什么？",
        "日本书籍",
        "中文中的标点",
        "如何绘制图表？",
        "基本规范",
    ],
)
def test_chinese_that_stands_alone_is_not_found(text):
    assert deixis(text, "zh") == []


@pytest.mark.parametrize(
    "text",
    [
        "What does the passage above say?",
        "According to the document, what is APT?",
        "as mentioned, it",
        "this passage",
        "What is the author's view?",
        "As shown in the table, x",
        "the aforementioned tool",
        "Based on the given text, why?",
    ],
)
def test_english_that_points_elsewhere_is_found(text):
    assert deixis(text, "en")


@pytest.mark.parametrize(
    "text",
    [
        "Who is the author of Hamlet?",
        "In the text editor vim, how do I quit?",
        "How is a table created in SQL?",
        "What is a context switch?",
        "It is known as described by Knuth",
    ],
)
def test_english_that_stands_alone_is_not_found(text):
    assert deixis(text, "en") == []


def test_spans_point_at_the_words():
    text = "请问该表有几行？"
    assert [text[s.start : s.end] for s in deixis(text, "zh")] == ["该表"]
