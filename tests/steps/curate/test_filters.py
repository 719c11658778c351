"""Filters of language, length, form, refusals and repetition: what passes and what is dropped, zh and en."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.curate.filters.format_filter import FormatFilter
from sftmill.steps.curate.filters.language_filter import LanguageFilter
from sftmill.steps.curate.filters.length_filter import LengthFilter
from sftmill.steps.curate.filters.refusal_filter import RefusalFilter
from sftmill.steps.curate.filters.repetition import duplicate_ngram_share, duplicate_share, loop_at_end, top_ngram_share
from sftmill.steps.curate.filters.repetition_filter import RepetitionFilter


def sample(asked, said, lang="zh"):
    """Return a row with one question and one answer."""
    return {"lang": lang, "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def reason(step, asked, said, lang="zh"):
    """Return why the step drops the sample, None where it hands the very row on."""
    row = sample(asked, said, lang)
    try:
        assert step.row(row) is row
    except Drop as drop:
        return drop.reason
    return None


# --- language -------------------------------------------------------------------------------------

ZH = "电池室的温度应当保持在十五到二十五摄氏度之间，并且每个月检查一次风扇。"
EN = "The battery room is kept at 15 to 25 degrees, and the fans are tested once a month by the staff."


@pytest.mark.parametrize(
    ("asked", "said", "lang"),
    [
        ("电池室的温度是多少？", ZH, "zh"),
        ("What is the temperature of the battery room?", EN, "en"),
        ("怎样列出软件包？", "sudo apt-get update && apt list --installed | grep linux", "zh"),
        (
            "写一个求和函数。",
            "```python\ndef total(numbers):\n    # add up all of the numbers that are in the list\n    return sum(numbers)\n```",
            "zh",
        ),
        ("自注意力模型叫什么？", "Transformer", "zh"),
        (
            "把这句话翻译成英文：机房很热。",
            "The server room is hot, and it is going to be hotter in the afternoon.",
            "zh",
        ),
        ("Translate 'good morning' into Chinese.", "早上好，祝你今天过得愉快。", "en"),
        ("什么是 Kubernetes？", "Kubernetes（K8s）是 Google 开源的 container orchestration 平台，用于部署容器。", "zh"),
        ("Find files", "find . -type d -print0 | xargs -0 grep -il 'de la casa el'", "en"),
        ("Who wrote it?", "José García Márquez", "en"),
        ("", "", "zh"),
    ],
)
def test_samples_in_their_language_pass(asked, said, lang):
    assert reason(LanguageFilter(), asked, said, lang) is None


@pytest.mark.parametrize(
    ("asked", "said", "lang", "found"),
    [
        ("电池室的温度是多少？", EN, "zh", "en"),
        ("What is the temperature of the room?", ZH, "en", "zh"),
        ("电池室的温度是多少？", "バッテリー室の温度は十五度から二十五度に保たれています。", "zh", "ja"),
        ("电池室的温度是多少？", "배터리실의 온도는 십오도에서 이십오도 사이로 유지됩니다.", "zh", "ko"),
        (
            "How warm is it?",
            "La salle des batteries est gardée à une température de vingt degrés pour que les machines ne chauffent pas trop.",
            "en",
            "other",
        ),
        (
            "How warm is it?",
            "Температура в помещении должна быть от пятнадцати до двадцати пяти градусов.",
            "en",
            "other",
        ),
    ],
)
def test_samples_in_another_language_are_dropped(asked, said, lang, found):
    with pytest.raises(Drop, match="wrong_language") as dropped:
        LanguageFilter().row(sample(asked, said, lang))
    assert dropped.value.facts["found"] == found


def test_languages_and_script_can_be_set():
    assert reason(LanguageFilter(langs=("zh", "en")), "电池室的温度是多少？", EN) is None
    traditional = "電池室的溫度應當保持在二十度，這個問題說過了，請開門檢查電機。"
    assert reason(LanguageFilter(), "問題？", traditional) is None
    assert reason(LanguageFilter(script="simplified"), "温度是多少？", traditional) == "wrong_script"
    assert reason(LanguageFilter(script="traditional"), "温度是多少？", traditional) is None
    assert (
        reason(LanguageFilter(script="traditional"), "温度是多少？", ZH + "这个问题说过了，请开门检查电机。")
        == "wrong_script"
    )


# --- length ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "asked", "said", "lang", "expected"),
    [
        ({}, "为什么？", "因为热。", "zh", None),
        ({}, "问", "因为热。", "zh", "question_too_short"),
        ({}, "为什么？", "", "zh", "answer_too_short"),
        ({"longest_question": 5}, "为什么很热？", "热", "zh", "question_too_long"),
        ({"longest_question": 6}, "为 什 么 很 热？", "热", "zh", None),
        ({"longest_answer": 3}, "Why so hot?", "It is very hot", "en", "answer_too_long"),
        ({"longest_answer": 4}, "Why so hot?", "It is very hot", "en", None),
        ({"longest_turn": 3}, "为什么？", "热", "zh", "turn_too_long"),
        ({"longest": 4}, "为什么？", "热", "zh", "too_long"),
        ({"fewest_turns": 2}, "为什么？", "热", "zh", "too_few_turns"),
        ({"most_turns": 1}, "为什么？", "热", "zh", None),
    ],
)
def test_lengths_are_kept_within_their_limits(limits, asked, said, lang, expected):
    assert reason(LengthFilter(**limits), asked, said, lang) == expected


def test_too_many_turns_are_dropped_and_contradictions_named():
    row = sample("为什么？", "因为热。")
    row["messages"] = row["messages"] * 3
    with pytest.raises(Drop, match="too_many_turns"):
        LengthFilter(most_turns=2).row(row)
    assert LengthFilter().problems() == []
    assert len(LengthFilter(shortest_answer=9, longest_answer=3, fewest_turns=3, most_turns=1).problems()) == 2


# --- form -----------------------------------------------------------------------------------------

LONG_ZH = "服务器机房需要稳定的温度和湿度，温度过高会缩短电池的寿命，湿度过低会产生静电。因此需要安装空调和加湿设备，并且定期检查。"
LONG_EN = (
    "The server room needs a steady temperature and humidity, because heat shortens the life of batteries, and dry air "
    "leads to static. For this reason one installs coolers and humidifiers, and has both of them checked once a month. "
)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("为什么？", LONG_ZH),
        ("Why?", LONG_EN),
        ("列出步骤", "1）关机；2）断电；（3）拔下电源。\na) 先看\nb) 后做"),
        ("区间是什么？", "取值范围是(0, 1]，即大于零（不含）且不超过一。"),
        ("心情如何？", "很好 :) 谢谢"),
        ("选哪个？", "答案：B\n解析：监护人不得擅自变更。"),
        ("写一段代码", "```c\nint main( {\n```\n以上代码缺一个括号。"),
        ("写 HTML 标签", "<p>段落</p> 与 &nbsp;"),
        ("How do tags work in HTML?", "<br> breaks the line."),
        ("表格", "| 甲 | 乙 |\n| --- | --- |\n| 1 | 2 |\n| 3 |"),
        ("列表", "- 甲\n- 乙\n\n1.\n第一步：关机"),
        ("写一段对话", "User: 你好\nAssistant: 你好"),
        ("用 JSON 回答", '{"answer": "是"}'),
        ("讲个笑话", "问：为什么？\n答：因为。"),
        ("怎么答？", "回答这个问题要先看条件。"),
        ("给出 <eoa> 格式", "类别：侵权<eoa>"),
        ("包括什么？", LONG_ZH + "主要包括：\n- 空调\n- 加湿器"),
        ("标题", LONG_ZH + "\n这是没有句号的结尾"),
        ("什么是 Ångström？", "Ångström 是长度单位，1 Å = 0.1 nm，Café 也写作 café。"),
        ("Average?", "The average is 11.2 degrees (over 5 days)."),
        ("", ""),
    ],
)
def test_whole_samples_pass(asked, said):
    assert reason(FormatFilter(), asked, said) is None


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("写代码", "如下：\n```python\nprint(1)\n", "open_fence"),
        ("为什么？", "因为温度（夏季过高，所以需要空调。", "open_bracket"),
        ("为什么？", "参见《机房管理办法第三条的规定。", "open_bracket"),
        ("Why?", "Because of the heat (in summer, and so it needs a cooler.", "open_bracket"),
        ("为什么？", "问题：为什么机房要装空调？因为热。", "template_left"),
        ("为什么？", "答案：因为机房里的温度过高，会缩短电池的寿命。", "template_left"),
        ("Why?", "Answer: because the heat in the room shortens the life of all batteries.", "template_left"),
        ("为什么？", "因为热。\n### Response:\n因为热。", "template_left"),
        ("Why?", "Because of heat.\nHuman: and then?", "template_left"),
        ("为什么？", "请根据{question}回答。", "template_left"),
        ("为什么？", '```json\n{"answer": "因为热。"}\n```', "template_left"),
        ("为什么？", '[{"question": "为什么？", "answer": "因为热。"}]', "template_left"),
        ("列出设备", "- 空调\n-\n- 加湿器", "empty_item"),
        ("List them", "1. cooler\n2.\n3. fan", "empty_item"),
        ("为什么？", LONG_ZH + "另外还需要注意设备的摆放，以及", "cut_off"),
        ("为什么？", LONG_ZH + "另外还需要注意设备的摆放和通风，", "cut_off"),
        ("Why?", LONG_EN + "In addition one has to take care of the", "cut_off"),
        ("为什么？", "因为热。<|im_end|>", "control_token"),
        ("Why?", "Because of heat. [/INST]", "control_token"),
        ("为什么？", "因为\ufffd\ufffd过高。", "mojibake"),
        ("为什么？", "锟斤拷锟斤拷", "mojibake"),
        ("Why?", "It doesnâ€™t work.", "mojibake"),
        ("为什么？", "因为\x08热", "mojibake"),
        ("为什么？", "<p>因为温度过高。</p>", "html_remnant"),
        ("Why?", "Heat&nbsp;shortens their life.", "html_remnant"),
        ("表格", "| 甲 | 乙 |\n| --- | --- | --- |\n| 1 | 2 | 3 |", "broken_table"),
        ("表格", "| 甲 | 乙 |\n| --- | --- |\n| 1 | 2 | 3 |", "broken_table"),
        ("表格", "| 甲 | 乙 |\n| --- | --- |", "broken_table"),
    ],
)
def test_samples_with_a_defect_are_dropped_by_its_name(asked, said, expected):
    assert reason(FormatFilter(), asked, said) == expected


def test_defects_can_be_chosen():
    assert reason(FormatFilter(defects=("open_fence",)), "为什么？", "因为（热") is None


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("药量？", "很抱歉，我无法回答这个问题。", "refusal"),
        ("药量？", "抱歉，材料中没有提到药量。", "refusal"),
        ("药量？", "对不起，我不知道。", "refusal"),
        ("药量？", "我无法为您提供这方面的建议。", "refusal"),
        ("药量？", "原文中没有提及药量。", "refusal"),
        ("药量？", "作为一个人工智能语言模型，我没有个人经历。", "assistant_talk"),
        ("药量？", "我只是一个AI助手，请咨询医生。", "assistant_talk"),
        ("Dose?", "I'm sorry, but I can't help with that.", "refusal"),
        ("Dose?", "I cannot provide medical advice.", "refusal"),
        ("Dose?", "I am unable to answer this question.", "refusal"),
        ("Dose?", "Unfortunately, I don't have enough information to answer.", "refusal"),
        ("Dose?", "The passage does not mention the dose.", "refusal"),
        ("Dose?", "As an AI language model, I think that 5 mg is common.", "assistant_talk"),
        ("Dose?", "I don't have access to real-time data.", "assistant_talk"),
    ],
)
def test_refusals_and_talk_of_oneself_are_dropped(asked, said, expected):
    assert reason(RefusalFilter(), asked, said) == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("哪些情形不退款？", "无法退款的情形包括：已经使用的票、过期的票。"),
        ("抱歉信怎么写？", "抱歉信先说明事由，再表达歉意，最后给出补救办法。"),
        ("能自行停药吗？", "不能。突然停药会使血压升高。"),
        ("包裹怎么办？", "无法投递的包裹退回寄件人。"),
        ("人工智能语言模型是什么？", "人工智能语言模型是根据上文预测下一个词的模型。"),
        ("公司能提供担保吗？", "公司不能为股东提供担保，章程另有规定的除外。"),
        ("材料要求？", "没有提供材料的，申请不予受理。"),
        ("What if it fails?", "The parcel cannot be delivered and goes back to the sender."),
        ("How do I apologise?", "Say that you are sorry, name the fault, and offer a remedy."),
        ("What is an AI?", "An AI language model predicts the next word."),
        ("Can a minor sign?", "A minor cannot sign without consent of a guardian."),
        ("你是谁？", "我是一个人工智能助手。"),
        ("Who are you?", "I'm an AI assistant made to help you."),
    ],
)
def test_what_cannot_be_done_in_the_matter_itself_is_no_refusal(asked, said):
    assert reason(RefusalFilter(), asked, said) is None


def test_a_refusal_far_behind_the_head_counts_only_anywhere():
    said = LONG_ZH * 3 + "\n很抱歉，我无法回答其他问题。"
    assert reason(RefusalFilter(), "为什么？", said) is None
    assert reason(RefusalFilter(where="anywhere"), "为什么？", said) == "refusal"
    assert reason(RefusalFilter(allow_self=True), "药量？", "作为一个AI，我认为是五毫克。") is None


# --- repetition -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (LONG_ZH * 2 + "好的" * 30, "loop"),
        ("It is hot. " * 20, "loop"),
        (LONG_ZH + "请检查空调和加湿设备。" * 12, "loop"),
        ("哈" * 40, "loop"),
        ("\n".join(f"{i}、打开阀门并检查压力。\n随后关闭总电源等待。" for i in range(3)) + LONG_ZH, None),
        (LONG_ZH + "电池室需要保持通风。" + LONG_EN, None),
        (LONG_EN + LONG_EN + "The end is near. " + LONG_EN + LONG_EN + "It is over now.", "repeated_sentences"),
        ((LONG_ZH + "第一段结束。") * 2 + LONG_ZH + "至此为止。" + LONG_ZH, "repeated_sentences"),
        ("```\n" + "a = 1\n" * 60 + "```\n" + "代码如上。", None),
        ("| 甲 | 乙 |\n| --- | --- |\n" + "| 空 | 空 |\n" * 3 + LONG_ZH, None),
        ("好" * 8, None),
    ],
)
def test_answers_that_repeat_themselves_are_dropped(said, expected):
    assert reason(RepetitionFilter(), "为什么？", said) == expected


def test_prevailing_and_returning_ngrams_are_dropped():
    steps = [f"step {w} turn the big red valve to the left side now {w}ly" for w in "abcdefghijklmnop"]
    assert reason(RepetitionFilter(), "How?", "; then ".join(steps), "en") in ("repeated_passages", "repeated_words")
    words = "".join(f"人工智能{c}" for c in "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳")
    assert reason(RepetitionFilter(), "为什么？", words) == "repeated_words"
    assert reason(RepetitionFilter(slack=6), "为什么？", words) is None


def test_shares_have_known_answers():
    assert duplicate_share(["ab", "cd", "ab", "ab"]) == (0.5, 0.5)
    assert duplicate_share([]) == (0.0, 0.0)
    assert top_ngram_share(list("ababab"), 2) == (1.0, "ab")
    assert top_ngram_share(list("abcd"), 2)[0] == 0.0
    assert duplicate_ngram_share(list("abcdabcd"), 4) == 0.5
    assert duplicate_ngram_share(list("aaaa"), 2) == 0.75
    assert loop_at_end(list("xyz" + "abcd" * 6)) == (4, 6)
    assert loop_at_end(list("abcdefgh" * 3)) == (0, 0)


# --- all ------------------------------------------------------------------------------------------

STEPS = [
    LanguageFilter(),
    LengthFilter(shortest_question=0, shortest_answer=0),
    FormatFilter(),
    RefusalFilter(where="anywhere"),
    RepetitionFilter(),
]


@given(
    st.text(max_size=80),
    st.text(
        alphabet=st.one_of(st.characters(), st.sampled_from("（()）`|-\n#*：答问。，我无法AI抱歉the 1.")), max_size=300
    ),
    st.sampled_from(["zh", "en"]),
)
@settings(deadline=None, max_examples=300)
def test_filters_raise_nothing_but_drops(asked, said, lang):
    for step in STEPS:
        reason(step, asked, said, lang)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        " ",
        "~~~\n",
        "问题：",
        "(",
        "`",
        "```\n",
        "| -",
        "- \n",
        "a b ",
        "抱歉，",
        "I ",
        "$x",
        "[",
        "<p ",
        "：",
        "作为一个",
        "=a",
    ],
)
def test_filters_take_time_by_length_only(step, piece):
    begin = time.process_time()
    reason(step, piece * 200, piece * (40_000 // len(piece)))
    assert time.process_time() - begin < 10


def test_rows_without_turns_pass():
    for step in STEPS:
        assert step.row({"lang": "zh", "messages": []}) == {"lang": "zh", "messages": []}
