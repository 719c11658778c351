"""What questions name and their sources do not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.curate.filters.question_entities import foreign_entities

ZH = (
    "云汐机械厂在成都市生产的设备 QK-900 功率为 5 千瓦，合格率不低于百分之九十五，2021 年列入《塔拉仪器名录》。"
    "其中的 UPS 分为三种，检修分两次进行。《民法典》另有规定的除外。"
)
EN = (
    "The Yunxi works in Chengdu make the device QK-900 of 5 kW. At least 95% pass the test, which is held twice a year. "
    "Since 2021 Chinese engineers list it among UPS of three kinds."
)


@pytest.mark.parametrize(
    "asks",
    [
        "设备 QK-900 的功率是多少？",
        "设备 qk900 的功率为什么是 5000 W？",
        "95% 的合格率是对什么设备的要求？",
        "二〇二一年列入《塔拉仪器名录》的是什么？",
        "哪一年起 QK-900 列入名录？",
        "UPS 分为哪 4 种？",
        "按照《中华人民共和国民法典》，哪些情形除外？",
        "成都的哪家工厂生产“设备 QK-900”？",
        "中国的哪家工厂生产这种设备？",
        "長度是多少？",
    ],
)
def test_what_the_chinese_source_has_in_any_writing_is_known(asks):
    assert foreign_entities(asks, ZH, "zh") == []


@pytest.mark.parametrize(
    ("asks", "names"),
    [
        ("设备 QK-901 的功率是多少？", ["QK-901"]),
        ("功率为 6 千瓦的设备叫什么？", ["6 千瓦"]),
        ("《刑法》对设备有什么要求？", ["《刑法》"]),
        ("Transformer 的核心是什么？", ["Transformer"]),
        ("重庆市生产什么设备？", ["重庆市"]),
        ("2022年“鸥林醇”和 UPS 有什么关系？", ["2022年", "“鸥林醇”"]),
    ],
)
def test_what_the_chinese_source_does_not_have_is_named_in_order(asks, names):
    assert foreign_entities(asks, ZH, "zh") == names


@pytest.mark.parametrize(
    "asks",
    [
        "What is the power of the device QK-900?",
        "Which works make a device of 5000 W?",
        "Since when have China's engineers listed it?",
        "What are the four kinds of UPSs?",
        "Name 2 reasons why the test is held.",
        "How Is The Test Held By The Works?",
    ],
)
def test_what_the_english_source_has_in_any_writing_is_known(asks):
    assert foreign_entities(asks, EN, "en") == []


@pytest.mark.parametrize(
    ("asks", "names"),
    [
        ("What does the device QK-901 weigh?", ["QK-901"]),
        ("Which device has 6 kW?", ["6 kW"]),
        ("Does the Orban institute make the device?", ["Orban"]),
        ("NASA listed which device?", ["NASA"]),
        ('What is meant by "ulinol" in the list?', ['"ulinol"']),
    ],
)
def test_what_the_english_source_does_not_have_is_named(asks, names):
    assert foreign_entities(asks, EN, "en") == names


@given(st.text(max_size=120), st.text(max_size=200), st.sampled_from(["zh", "en"]))
def test_any_text_can_be_searched_and_what_is_found_stands_in_it(asks, known, lang):
    assert all(isinstance(name, str) and name for name in foreign_entities(asks, known, lang))


@given(st.text(alphabet="第三条5千瓦QK-9《民法》“”ab年 ", max_size=40))
def test_a_text_knows_itself(asks):
    assert foreign_entities(asks, asks, "zh") == []
