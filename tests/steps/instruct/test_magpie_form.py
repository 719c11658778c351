"""What a model wrote in the user's place becomes an instruction, or is refused with a reason of its own."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.instruct.magpie.magpie_form import read_instruction, without_code
from sftmill.text import find_control_tokens

ZH = "zh"
EN = "en"


def reason(text, lang=ZH, **settings):
    with pytest.raises(Drop) as dropped:
        read_instruction(text, lang, **settings)
    return dropped.value.reason


def facts(text, lang=ZH, **settings):
    with pytest.raises(Drop) as dropped:
        read_instruction(text, lang, **settings)
    return dropped.value.facts


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("我们仓库的温度计每天漂移 0.3 度，怎样判断是传感器老化还是安装位置的问题？", ZH),
        ("请把下面这段会议记录整理成三条待办事项：\n\n周一前交图纸，周三联系供应商，周五试机。", ZH),
        ("写一份关于食堂食品安全检查的通知，语气正式，不超过两百字。", ZH),
        ("帮我看看这段脚本为什么不退出：\n```bash\nwhile true; do sleep 1; done\n```", ZH),
        ("一台水泵的扬程是 30 米，流量是 50 立方米每小时，效率 70%，请计算轴功率。", ZH),
        ("AI 助手和搜索引擎有什么区别？assistant 这个词在提示词里是什么意思？", ZH),
        ("请按下面的步骤检查锅炉：\n步骤1：关闭阀门\n步骤2：记录压力\n然后告诉我还缺什么。", ZH),
        ("请总结下面的对话：\n客服：您好，请问要办什么业务？\n用户：我想换一块水表。\n客服：可以的，明天上门。", ZH),
        ("有没有什么办法可以帮助我记住每台泵的保养日期？", ZH),
        ("谁是 Ada Lovelace？她做了什么？", ZH),
        ("12=(3+1)x3 这样的等式，请用三个数字再写出两个。", ZH),
        ("iptables 和 nftables 该选哪一个？我的内核是 6.1。", ZH),
        ("How do I write a letter to my landlord about the broken heating?", EN),
        ("how do i stop my sourdough from sticking to the basket?", EN),
        ("iPhone keeps dropping the office wifi every ten minutes, what should I check first?", EN),
        ("Write a short story in which an assistant loses the keys of the museum.", EN),
        ("Explain what the response of a damped oscillator looks like, then sketch a plot in words.", EN),
        ("Which of these is a prime number?\n\nA) 21\nB) 23\nC) 25", EN),
        ("Translate this into Chinese: the pump must be primed before it is started.", EN),
        (".NET or Java for a small warehouse system with three users?", EN),
    ],
)
def test_whole_requests_pass_as_they_are(text, lang):
    assert read_instruction(text, lang) == text


@pytest.mark.parametrize(
    ("text", "lang", "kept", "kind"),
    [
        ("水的沸点是多少？\n答案：在一个大气压下是 100 摄氏度。", ZH, "水的沸点是多少？", "answer"),
        ("三角形内角和是多少度？解析：由平行公理可得。", ZH, "三角形内角和是多少度？", "answer"),
        ("下面哪项是哺乳动物？\nA. 鲸\nB. 鲨\n【答案】：A", ZH, "下面哪项是哺乳动物？\nA. 鲸\nB. 鲨", "answer"),
        ("What is the capital of Peru?\n\nAnswer: Lima.", EN, "What is the capital of Peru?", "answer"),
        ("Solve 3x = 12 for x.\n**Solution:** x = 4", EN, "Solve 3x = 12 for x.", "answer"),
        ("How do I bleed a radiator?\nStep 1: turn off the pump.", EN, "How do I bleed a radiator?", "steps"),
        ("怎样更换滤芯？\n步骤一：关闭进水阀。", ZH, "怎样更换滤芯？", "steps"),
        ("怎样给轴承加油？assistant\n\n先停机。", ZH, "怎样给轴承加油？", "role"),
        ("怎样给轴承加油？\n助手：先停机。", ZH, "怎样给轴承加油？", "role"),
        ("Why is the sky blue today?assistant\nBecause of scattering.", EN, "Why is the sky blue today?", "role"),
        ("如何查看磁盘占用？您可以使用 df 命令。", ZH, "如何查看磁盘占用？", "opening"),
        ("如何查看磁盘占用？\n\n要查看磁盘占用，可以运行 df。", ZH, "如何查看磁盘占用？", "opening"),
        ("Can I freeze cooked rice? Yes, for up to a month.", EN, "Can I freeze cooked rice?", "opening"),
        (
            "股票和债券有哪些主要区别？\n\n股票代表所有权，债券代表债权，二者的风险和收益因此大不相同。",
            ZH,
            "股票和债券有哪些主要区别？",
            "paragraph",
        ),
    ],
)
def test_a_text_is_cut_where_an_answer_begins_or_dropped_if_that_is_wanted(text, lang, kept, kind):
    settings = {"least": 4}
    assert read_instruction(text, lang, **settings) == kept
    assert reason(text, lang, leak="drop", **settings) == "answer_leak"
    assert facts(text, lang, leak="drop", **settings) == {"kind": kind}


def test_a_user_who_asks_on_or_gives_material_is_not_cut():
    for text in (
        "这个参数该设多少？你可以举个例子吗？",
        "为什么会报错？\n\n我已经重启过两次，日志里只有超时，请帮我分析原因和处理办法。",
        "下面这段话的主旨是什么？\n\n江水东流，两岸的稻田一片金黄，农人们忙着收割，孩子们在田埂上奔跑。",
    ):
        assert read_instruction(text, ZH) == text


def test_an_empty_answers_mark_at_the_end_is_taken_off():
    assert read_instruction("Name three uses of copper.\nAnswer:", EN) == "Name three uses of copper."
    assert read_instruction("列出铜的三种用途。\n答案：", ZH) == "列出铜的三种用途。"


def test_an_answer_without_a_question_is_a_leak():
    assert reason("答案：一百摄氏度，在标准大气压下。") == "answer_leak"


def test_a_stop_that_the_server_did_not_honour_ends_the_text_even_if_it_was_cut_off_later():
    text = "怎样校准压力表？<|im_end|>\n<|im_start|>assistant\n第一步"
    assert read_instruction(text, ZH, stops=("<|im_end|>",), truncated=True) == "怎样校准压力表？"


def test_other_formats_control_tokens_are_escaped():
    text = read_instruction("在模板里 <|eot_id|> 和 [INST] 是什么意思？", ZH, stops=("<|im_end|>",))
    assert text == "在模板里 <\\|eot_id\\|> 和 [\\INST] 是什么意思？"
    assert not find_control_tokens(text)


@pytest.mark.parametrize(
    ("text", "lang", "why"),
    [
        ("", ZH, "empty"),
        (" \n\n ", EN, "empty"),
        ("求极限 <think>先看分母", ZH, "thought"),
        ("</think> 求极限是多少", ZH, "thought"),
        ("你好！", ZH, "too_short"),
        ("Thanks", EN, "too_short"),
        ("是的。", ZH, "too_short"),
        ("，然后再看第二个问题怎么解决？", ZH, "begins_midway"),
        ("因此，我们需要重新计算它的利率。", ZH, "begins_midway"),
        ("其次，检查电源线是否完好无损。", ZH, "begins_midway"),
        ("吗？如果不行的话我该怎么办呢？", ZH, "begins_midway"),
        ("and the second one is smaller than the first.", EN, "begins_midway"),
        ("However, the results were not what we had hoped for.", EN, "begins_midway"),
        ("ing the file to a different folder fails each time.", EN, "begins_midway"),
        (") and then close all of the other windows.", EN, "begins_midway"),
        ("请帮我翻译下面的句子：", ZH, "ends_open"),
        ("请说明以下几点：安全、成本、", ZH, "ends_open"),
        ("Please summarise the following text:", EN, "ends_open"),
        ("I would like to know more about taxes,", EN, "ends_open"),
        ("请解释这段代码的作用：\n```python\nprint(1)", ZH, "ends_open"),
        ("import os\nfor name in os.listdir('.'):\n    print(name)", ZH, "only_code"),
        ("```python\nx = 1\ny = 2\nz = x + y\n```", EN, "only_code"),
        ('package main\n\nimport (\n\t"fmt"\n)\n\nfunc main() {\n\tfmt.Println(1)\n}', EN, "only_code"),
        ("# 锅炉房的安全管理制度", ZH, "only_heading"),
        ("## Annual Maintenance Plan Overview", EN, "only_heading"),
        ("How do I clean the heat exchanger of a gas boiler?", ZH, "wrong_language"),
        ("怎样清洗燃气锅炉的热交换器？", EN, "wrong_language"),
        ("请计算利率。" + "利率是百分之三，" * 40, ZH, "loop"),
        ("你好，我是智能助手，请问有什么可以帮您？", ZH, "assistant_voice"),
        ("请问您需要什么帮助？", ZH, "assistant_voice"),
        ("请提供一个具体的问题，以便我更好地了解。", ZH, "assistant_voice"),
        ("你是谁？你能做什么？", ZH, "assistant_voice"),
        ("请问你有什么具体的工作内容吗？", ZH, "assistant_voice"),
        ("抱歉，我无法回答这个问题。", ZH, "assistant_voice"),
        ("Hello! How can I assist you with your taxes today?", EN, "assistant_voice"),
        ("As an AI, there are limits to what can be said here.", EN, "assistant_voice"),
        ("Who are you?", EN, "assistant_voice"),
    ],
)
def test_what_is_no_whole_request_is_dropped_with_its_own_reason(text, lang, why):
    assert reason(text, lang, least=3 if lang == EN else 6) == why


def test_what_was_cut_off_by_the_token_limit_is_dropped_unless_its_end_was_found_before():
    text = "怎样判断轴承需要更换？请结合温度、振动和"
    assert reason(text, truncated=True) == "truncated"
    assert read_instruction("轴承多久换一次油？\n答案：视转速而", ZH, truncated=True) == "轴承多久换一次油？"


def test_lengths_are_counted_in_characters_or_words():
    assert facts("水" * 30 + "有哪些？", most=20) == {"length": 34}
    assert reason("What is the boiling point of water here?", EN, most=5) == "too_long"


@pytest.mark.parametrize(
    "text",
    [
        "你是一名熟悉水泵维修的助手，来找你的人会讲清自己的情况。",
        "请你扮演一名熟悉水泵维修的助手，来找你的人会讲清自己的情况，请回答。",
    ],
)
def test_a_repeated_system_text_is_dropped(text):
    system = "你是一名熟悉水泵维修的助手。来找你的人会讲清自己的情况。"
    assert reason(text, system=system) == "template_echo"
    assert read_instruction("我的水泵启动后有异响，电流也偏大，先查什么？", ZH, system=system)


def test_headings_that_ask_keep_their_words():
    assert read_instruction("# How can I convert a drawing to a PDF?", EN) == "How can I convert a drawing to a PDF?"
    assert read_instruction("## 如何把图纸转成 PDF？", ZH) == "如何把图纸转成 PDF？"


def test_a_label_before_the_question_is_taken_off():
    assert read_instruction("问题：怎样给水泵注水？", ZH) == "怎样给水泵注水？"
    assert read_instruction("User: How do I prime a pump?", EN) == "How do I prime a pump?"


def test_prose_is_what_is_left_without_code():
    assert without_code("看这段：\n```\nx\n```\n为什么？\nimport os\nfoo = bar(1);") == "看这段：\n为什么？"


@given(st.text(max_size=300), st.sampled_from([ZH, EN]), st.booleans())
def test_any_text_becomes_an_instruction_without_control_tokens_or_is_dropped(text, lang, truncated):
    try:
        made = read_instruction(text, lang, stops=("<|im_end|>",), truncated=truncated, system="你是一名助手。")
    except Drop as drop:
        assert drop.reason
    else:
        assert made == made.strip()
        assert not find_control_tokens(made)


@pytest.mark.parametrize(
    "text",
    ["？" * 50_000, "答" * 50_000, "\n" * 50_000, "#" * 50_000, "a=" * 25_000, "请问您" * 20_000, "to x" * 20_000, "?to " + "x" * 90_000,
     "？要" * 30_000, "```\n" * 20_000, "assistant" * 9_000, "首先" * 30_000, "(" * 50_000],
)  # fmt: skip
def test_long_texts_are_judged_in_good_time(text):
    begin = time.process_time()
    for lang in (ZH, EN):
        with pytest.raises(Drop):
            read_instruction(text, lang, most=100)
    assert time.process_time() - begin < 2
