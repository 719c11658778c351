import gc
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text import (
    chinese_value,
    escape_control_tokens,
    normalise,
    normalise_with_map,
    number_key,
    numbers,
    same_value,
    sentences,
    tokens,
)


def values(text, **options):
    return [(n.value, n.unit) for n in numbers(text, **options)]


def one(text):
    (number,) = numbers(text)
    return number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5%", [(5, "%")]),
        ("百分之五", [(5, "%")]),
        ("百分之三十五点五", [(Decimal("35.5"), "%")]),
        ("千分之三", [(Decimal("0.3"), "%")]),
        ("增长三成。", [(30, "%")]),
        ("5万元", [(50000, "元")]),
        ("50,000元", [(50000, "元")]),
        ("伍万元", [(50000, "元")]),
        ("3.5亿", [(350_000_000, "")]),
        ("二〇二四年", [(2024, "year")]),
        ("２０２４年", [(2024, "year")]),
        ("5年", [(5, "yr")]),
        ("一百二十三", [(123, "")]),
        ("十二", [(12, "")]),
        ("两百", [(200, "")]),
        ("第三十五条", [(35, "第条")]),
        ("第 35 条", [(35, "第条")]),
        ("Article 35", [(35, "第条")]),
        ("1.5 GB", [(Decimal("1.5"), "GB")]),
        ("4.4 to 7.0 mmol/L", [(Decimal("4.4"), "mmol/L"), (7, "mmol/L")]),
        ("10～20mg", [(10, "mg"), (20, "mg")]),
        ("3～5万元", [(30000, "元"), (50000, "元")]),
        ("2019-2020年", [(2019, "year"), (2020, "year")]),
        ("1,234,567", [(1234567, "")]),
        ("1 234 567", [(1234567, "")]),
        ("-5℃", [(-5, "℃")]),
        ("零下5℃", [(-5, "℃")]),
        ("1e-3", [(Decimal("0.001"), "")]),
        ("3×10^8 m/s", [(300_000_000, "m/s")]),
        ("3×10⁸", [(300_000_000, "")]),
        ("2024-05-01", [(2024, "year"), (5, "month"), (1, "day")]),
        ("2024年5月1日", [(2024, "year"), (5, "month"), (1, "day")]),
        ("二〇二四年五月一日", [(2024, "year"), (5, "month"), (1, "day")]),
        ("1 May 2024", [(1, "day"), (5, "month"), (2024, "year")]),
        ("08:30", [(8, "hour"), (30, "minute")]),
        ("八点三十分", [(8, "hour"), (30, "minute")]),
        ("三点五", [(Decimal("3.5"), "")]),
        ("$5 million", [(5_000_000, "美元")]),
        ("10k", [(10_000, "")]),
        ("1234.5 K", [(Decimal("1234.5"), "K")]),
        ("一个月", [(1, "mo")]),
        ("半年", [(Decimal("0.5"), "yr")]),
        ("两年半", [(Decimal("2.5"), "yr")]),
        ("一半", [(Decimal("0.5"), "")]),
        ("十余年", [(10, "yr")]),
        ("不满十四周岁", [(14, "岁")]),
        ("五千克", [(5, "kg")]),
        ("两万五", [(25000, "")]),
        ("一千零一夜", [(1001, "")]),
        ("25mg/kg", [(25, "mg/kg")]),
        ("192.168.1.10", [(192, "version"), (168, "version"), (1, "version"), (10, "version")]),
        ("1.片剂：0.2g", [(1, "label"), (Decimal("0.2"), "g")]),
        ("（一）总则", [(1, "label")]),
        ("一、概述", [(1, "label")]),
    ],
)
def test_a_number_is_read_with_its_unit(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "一般",
        "一些",
        "一定",
        "统一",
        "同一天",
        "唯一",
        "一旦",
        "万一",
        "十分",
        "千万别",
        "百姓",
        "三角",
        "一个人",
        "一种药",
        "每一个",
        "一次性",
        "一方面",
        "几十年",
        "单位：万元",
        "百日咳",
        "三三两两",
        "半导体",
        "大陆人口",
        "队伍",
        "千克",
        "原因之一",
        "一时",
    ],
)
def test_numerals_inside_of_words_do_not_count(text):
    assert values(text) == []


def test_spans_point_into_the_text_as_it_stands():
    text = "罚款５万元，三分之一"
    assert [text[n.start : n.end] for n in numbers(text)] == ["５万元", "三分之一"]


def test_number_words_and_articles_count_on_request():
    assert values("twenty-five people and three hundred and five, half", words=True) == (
        [(25, "人"), (305, ""), (Decimal("0.5"), "")]
    )
    assert values("twenty-five") == []
    assert values("一个", articles=True) == [(1, "个")]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("5%", "0.05", True),
        ("百分之五", "5%", True),
        ("5%", "5元", False),
        ("5%", "6%", False),
        ("100mg", "0.1克", True),
        ("5万元", "50,000元", True),
        ("1994年", "1994", True),
        ("1/3", "三分之一", True),
        ("1.5 GB", "1500MB", True),
        ("1小时", "60分钟", True),
        ("4.4mmol/L", "4400 μmol/L", True),
        ("3年", "3月", False),
        ("第三十五条", "Article 35", True),
        ("12345678901234567890", "12345678901234567891", False),
    ],
)
def test_the_same_quantity_is_the_same_however_written(a, b, same):
    assert same_value(one(a), one(b)) is same
    assert same_value(one(b), one(a)) is same


def test_keys_are_equal_for_equal_quantities():
    assert number_key(one("100mg")) == number_key(one("0.1 g")) != number_key(one("100 g"))


def chinese(n: int) -> str:
    digits = "零一二三四五六七八九"
    if n < 10:
        return digits[n]
    for power, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if n >= power:
            head, rest = divmod(n, power)
            gap = "零" if rest and rest < power // 10 else ""
            return chinese(head) + name + gap + (chinese(rest) if rest else "")
    raise AssertionError


@given(st.integers(10, 10**12 - 1))
def test_every_chinese_numeral_is_worth_what_it_says(n):
    assert chinese_value(chinese(n)) == n
    assert one(chinese(n) + "元").value == n


@given(st.decimals(0, 10**9, places=3, allow_nan=False), st.sampled_from(["mg", "元", "%", " km", "℃", "条"]))
def test_arabic_numbers_keep_their_value(value, unit):
    assert one(f"共计{value:,}{unit}").value == value


@given(
    st.text(st.sampled_from("0123456789.,-/:eE ×^%年月日第一二十百千万亿点半分之零个元kgm()（）、\n~至"), max_size=40)
)
def test_any_mixture_of_digits_and_signs_is_read_without_error(text):
    found = numbers(text, words=True, articles=True)
    assert all(0 <= n.start < n.end <= len(text) for n in found)
    assert all(same_value(n, n) for n in found)


@pytest.fixture
def uncollected():
    """No garbage collection, which looks through what all other tests have left."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "1,",
        "<",
        "<|",
        "1",
        "一",
        "1.1",
        "1,111",
        "111 ",
        "十",
        "百分之",
        "1/",
        "12:",
        "半",
        "one and ",
        " ",
        '."',
        "a. ",
        "[/",
        "1e",
        "1~",
        "-",
        "第",
        "二千",
        "。”",
        "́",
    ],
)
def test_time_grows_with_the_length_only(piece, uncollected):
    text = piece * (20_000 // len(piece))
    for reader in (numbers, normalise, normalise_with_map, sentences, tokens, escape_control_tokens):
        began = time.process_time()
        reader(text)
        small = time.process_time() - began
        began = time.process_time()
        reader(text * 8)
        assert time.process_time() - began < max(40 * small, 1.0), reader.__name__


def test_a_bare_ten_behind_a_zero_is_one_ten():
    assert chinese_value("七万零十") == 70010
    assert chinese_value("三千零一十") == 3010
