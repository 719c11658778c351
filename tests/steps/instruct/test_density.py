"""How many questions a passage is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.instruct.selfqa.density import measure_density, questions_wanted

CONTENTS = {
    "zh": "目录\n第一章 总则……………1\n第二章 检修……………8\n第三章 停用……………15\n附录……………20",
    "en": "Contents\nChapter 1 General ........ 1\nChapter 2 Repairs ........ 8\nAppendix A ........ 20",
}
ADDRESSES = {
    "zh": "城东营业所\n青禾路 18 号 二层\n城西营业所\n云汐街 7 号\n城南营业所\n塔拉巷 33 号",
    "en": "East branch\n18 Qinghe Road\nWest branch\n7 Yunxi Street\nSouth branch\n33 Tala Lane",
}
LAW = {
    "zh": "第七条 经营人应当自接到通知之日起十五日内提交报告。逾期未提交的，由主管机关处二千元以上五千元以下的罚款。"
    "有下列情形之一的，不适用前款规定：（一）因不可抗力不能提交的；（二）报告已由他人提交的；（三）设备已停用的。"
    "本法所称经营人，是指以自己的名义使用设备的人。由于灾害延迟的，可以延长三十日。",
    "en": "Article 7. The operator submits a report within fifteen days of the notice. If no report is submitted, the "
    "authority imposes a fine of 2,000 to 5,000 yuan. This does not apply where: (1) the operator was prevented by force "
    "majeure; (2) another person has submitted the report; (3) the device is no longer in use. Operator means a person "
    "who uses the device in his own name. Because of a disaster the period may be extended by thirty days.",
}
CHAT = {
    "zh": "那天大家都很高兴，一路上说说笑笑，谁也没有觉得累。回来以后又聊了很久，才各自回家休息。",
    "en": "Everybody was in good spirits that day and nobody felt tired on the way. They talked for a long while and "
    "went home late.",
}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_number_of_questions_follows_what_is_stated_not_the_length(lang):
    contents, addresses, chat, law = (
        questions_wanted(measure_density(texts[lang]).facts, 1, 20) for texts in (CONTENTS, ADDRESSES, CHAT, LAW)
    )
    assert contents == 0
    assert addresses in (1, 2)
    assert chat == 1
    assert law >= 5


def test_six_atomic_facts_are_six_whatever_stands_around_them():
    zh = "合金甲熔点为 1234.5 K。溶剂乙沸点为 87 度。设备 QK-900 由云汐厂制造。仪器每隔 45 天校准。酸液须存放于 -20 度。管道最大压力为 3.2 MPa。"
    en = "Alloy A melts at 1234.5 degrees. Solvent B boils at 87 degrees. The device QK-900 weighs 3 kg. It is tested every 45 days. "
    en += "Acids are kept at 4 degrees. The greatest pressure is 3.2 MPa."
    assert measure_density(zh).facts == measure_density(en).facts == 6


@pytest.mark.parametrize("text", ["", "\n\n", "第三章", "---", "|---|---|", "https://example.org/a/b", "***"])
def test_what_says_nothing_is_worth_no_question(text):
    assert questions_wanted(measure_density(text).facts, 1, 8) == 0


def test_a_table_counts_by_its_rows_without_the_header():
    table = "| 种类 | 时间 |\n|---|---|\n| 后备式 | 10 毫秒 |\n| 互动式 | 4 毫秒 |"
    density = measure_density(table)
    assert density.facts == 1.0
    assert density.signals["compare"] >= 1
    assert density.signals["compute"] == 2


def test_code_counts_little_however_long():
    assert measure_density("```\n" + "ls -l /etc/hosts\n" * 50 + "```").facts == 1.0


def test_the_sentences_of_another_language_count_as_well():
    mixed = "设备功率为 5 千瓦。\nThe device is tested every 45 days."
    assert measure_density(mixed).facts == 2


@pytest.mark.parametrize(
    ("kind", "zh", "en"),
    [
        ("why", "由于空气潮湿，触点会腐蚀。", "Contacts corrode because the air is damp."),
        ("how", "先关闭电源，再取下盖板。", "First, switch off the mains, then take off the cover."),
        ("list", "加湿器包括喷淋式、电极式和湿膜式。", "Humidifiers include spray, electrode and wet-film types."),
        ("condition", "如果温度超过 30 度，应当停机。", "If it is warmer than 30 degrees, the device is stopped."),
        ("exception", "所有设备均应接地，但电池供电的除外。", "All devices are earthed except those run on batteries."),
        ("compare", "与铜缆相比，光纤更轻。", "Fibre is lighter than copper cable of that length."),
        ("compute", "甲仓存粮 30 吨，乙仓存粮 45 吨。", "Store A holds 30 tonnes and store B holds 45 tonnes."),
    ],
)
def test_signals_show_what_can_be_asked(kind, zh, en):
    assert measure_density(zh).signals.get(kind)
    assert measure_density(en).signals.get(kind)


@given(st.text(max_size=400), st.integers(1, 5), st.integers(5, 20))
def test_the_number_is_nothing_or_within_its_bounds(text, least, most):
    wanted = questions_wanted(measure_density(text).facts, least, most)
    assert wanted == 0 or least <= wanted <= most


@pytest.mark.parametrize("piece", [".", "…", "|", "a,", "先", "、甲", "](", "“", "1 ", "if "])
def test_a_hostile_line_costs_no_more_than_another(piece):
    measure_density(piece * 50_000)
