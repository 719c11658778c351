"""ROUGE-L in Chinese and English: known values, and the same as the table of dynamic programming."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text import rouge_l, rouge_of, rouge_tokens


def test_a_character_is_a_token_and_so_is_a_run_of_latin_letters_and_digits():
    assert rouge_tokens("计算 ROE 指标，GPT4！") == ["计", "算", "roe", "指", "标", "gpt4"]
    assert rouge_tokens("What's the Ｆｅｅ of 3 items?") == ["what", "s", "the", "fee", "of", "3", "items"]
    assert rouge_tokens("zero\u200bwidth \u202edirection") == ["zerowidth", "direction"]


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("请解释牛顿第二定律的内容", "请说明牛顿第二定律的主要内容", 0.7692),
        ("什么是复利", "什么是复利", 1.0),
        ("计算 ROE 指标", "解释 ROE 含义", 0.2),
        ("2023年第3季度营收", "2023年第3季度净利润", 2 * 6 / 17),
        ("the cat sat on the mat", "the cat is on the mat", 2 * 5 / 12),
        ("ＡＢＣ公司", "abc公司", 1.0),
        ("", "甲", 0.0),
        ("😀", "😀", 1.0),
        ("😀", "🎉", 0.0),
    ],
)
def test_known_values(one, other, wanted):
    assert rouge_l(one, other) == pytest.approx(wanted, abs=5e-5)
    assert rouge_l(other, one) == rouge_l(one, other)


def test_seven_of_ten_is_exactly_seven_tenths():
    assert rouge_l("一二三四五六七八九十", "一二三四五六七甲乙丙") == 0.7


def longest(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], before + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


@given(st.lists(st.sampled_from("甲乙丙丁ab"), max_size=40), st.lists(st.sampled_from("甲乙丙丁ab"), max_size=40))
def test_bits_count_as_the_table_does(a, b):
    wanted = 2 * longest(a, b) / (len(a) + len(b)) if a or b else 0.0
    assert rouge_of(a, b) == wanted


def test_a_very_long_text_is_compared_in_reasonable_time():
    assert rouge_l("问" * 20_000 + "甲", "答" + "问" * 20_000) == pytest.approx(1, abs=1e-3)
