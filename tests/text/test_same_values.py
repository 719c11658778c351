"""Quantities written in many ways, and pairs that only look alike."""

import pytest

from sftmill.text import numbers, same_value


def one(text):
    found = numbers(text, words=True, articles=True)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("5%", "0.05"),
        ("５％", "five percent"),
        ("twenty percent", "百分之二十"),
        ("8成", "80%"),
        ("五分之二", "40%"),
        ("千分之五", "0.5%"),
        ("5万元", "五万元"),
        ("2.5亿元", "25000万元"),
        ("1,200元", "一千二百元"),
        ("$5 million", "500万美元"),
        ("1.2 million", "1,200,000"),
        ("50 thousand", "5万"),
        ("1 dozen", "12"),
        ("二零二四年", "2024年"),
        ("20th century", "二十世纪"),
        ("3个月", "三个月"),
        ("半年", "6个月"),
        ("half a year", "半年"),
        ("12 months", "1 year"),
        ("1.5小时", "90分钟"),
        ("一个半小时", "90分钟"),
        ("2个半月", "2.5个月"),
        ("一刻钟", "15分钟"),
        ("两周", "14天"),
        ("one third of it", "三分之一"),
        ("two-thirds", "2/3"),
        ("a quarter of it", "1/4"),
        ("3 km", "3,000 m"),
        ("一斤", "500克"),
        ("3 pm", "下午3点"),
        ("3 p.m.", "15点"),
    ],
)
def test_one_quantity_in_two_notations(a, b):
    assert same_value(one(a), one(b))
    assert same_value(one(b), one(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("5万", "5"),
        ("10%", "10"),
        ("10%", "10个"),
        ("5%", "5个百分点"),
        ("50%", "0.05"),
        ("第5条", "5条"),
        ("第三", "三个"),
        ("5月", "5个月"),
        ("3年", "3月"),
        ("5 kg", "5 g"),
        ("1.5亿", "1.5万"),
        ("2024年", "2024元"),
        ("1/3", "3"),
        ("3 pm", "4 pm"),
        ("12.5", "125"),
    ],
)
def test_what_only_looks_alike_differs(a, b):
    assert not same_value(one(a), one(b))
    assert not same_value(one(b), one(a))


def test_a_list_of_percentages_shares_its_sign():
    assert [(n.value, n.unit) for n in numbers("10 and 20%")] == [(10, "%"), (20, "%")]
    assert [(n.value, n.unit) for n in numbers("2010年和30%")] == [(2010, "year"), (30, "%")]


@pytest.mark.parametrize("text", ["a third party", "one third-party tool", "成功", "3成为"])
def test_words_that_look_like_shares_are_none(text):
    assert all(n.unit != "%" and n.value == n.value.to_integral_value() for n in numbers(text, words=True))
