"""Verb and object of instructions: known answers in Chinese and English, and that no text breaks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text.verb_noun import LONGEST_READ, verb_noun


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("请解释净资产收益率的含义", ("解释", "含义")),
        ("帮我写一份关于风险管理的报告", ("写", "报告")),
        ("如何计算一笔五万元存款三年后的利息？", ("计算", "利息")),
        ("列出开立证券账户需要的材料", ("列出", "材料")),
        ("能否说明一下增值税与营业税在计税方式上的不同", ("说明", "不同")),
        ("什么是存款准备金？", ("是", "准备金")),
        ("光合作用的原理是什么？", ("是", "原理")),
        ("给一位刚工作的年轻人写三条理财建议", ("写", "建议")),
        ("将下列句子翻译成英文", ("翻译", "句子")),
        ("请对以下评论进行分类", ("分类", "评论")),
        ("根据以下新闻，总结主要内容", ("总结", "内容")),
        ("假设你是一名医生，请诊断病人的症状", ("诊断", "症状")),
        ("贷款的还款方式有哪些？", ("有", "方式")),
        ("你能给我推荐几本书吗", ("推荐", "书")),
        ("编写一个Python函数，计算斐波那契数列", ("编写", "函数")),
        ("为什么央行加息以后债券价格会下跌？", None),
    ],
)
def test_the_verb_and_object_of_chinese_instructions(text, pair):
    assert verb_noun(text, "zh") == pair


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Write a short story about a dragon.", ("write", "story")),
        ("Could you list three ideas for a birthday party?", ("list", "idea")),
        ("Please translate this sentence into French: I like tea.", ("translate", "sentence")),
        ("What is compound interest?", ("be", "interest")),
        ("What are the advantages of solar energy?", ("be", "advantage")),
        ("Given a list of numbers, calculate the average of them.", ("calculate", "average")),
        ("How do I improve my sleep quality?", ("improve", "quality")),
        ("Explain why the sky is blue.", ("explain", "sky")),
        ("Who invented the telephone?", ("invent", "telephone")),
        ("How does inflation affect savings?", ("affect", "savings")),
        ("You are a doctor. Diagnose the patient's symptoms.", ("diagnose", "symptom")),
        ("I want you to rewrite the sentence provided.", ("rewrite", "sentence")),
        ("Describe a person walking a dog", ("describe", "person")),
        ("Enumerate the causes of the war", ("enumerate", "cause")),
        ("Come up with some names for a bakery", ("come", "name")),
        ("Why do birds fly?", None),
    ],
)
def test_the_verb_and_object_of_english_instructions(text, pair):
    assert verb_noun(text, "en") == pair


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("text", ["", " \n", "😀", "？？", "你好", "Hello", "的的的", "、", "is", "是什么", "什么是"])
def test_texts_without_a_request_have_no_pair(text, lang):
    pair = verb_noun(text, lang)
    assert pair is None or all(pair)


@given(
    st.text(alphabet=st.sampled_from("请把将对的是什么有哪些写报告 和，。？:-'”\u200fabtheTHE of\n1😀"), max_size=80)
)
def test_no_text_breaks_it(text):
    for lang in ("zh", "en"):
        pair = verb_noun(text, lang)
        assert pair is None or (len(pair) == 2 and all(part.strip() for part in pair))


@pytest.mark.parametrize(
    "piece", ["请", "you can ", "what is ", "的", "给定", "given a, ", "是什么", "(", "you are a "]
)
def test_a_long_text_is_read_at_its_beginning_alone(piece):
    assert len(piece * 100_000) > LONGEST_READ
    verb_noun(piece * 100_000, "zh")
    verb_noun(piece * 100_000, "en")
