"""Other wordings of questions and answers that keep the facts."""

import asyncio
from types import SimpleNamespace

import pytest

from sftmill.core import Drop, answer, question
from sftmill.errors import Unparsable
from sftmill.flow.lineage import as_child
from sftmill.models.prompt import Prompts
from sftmill.steps.instruct.diversify.diversify import Diversify, Wording
from sftmill.steps.instruct.diversify.kept_facts import find_fact_fault, find_wording_fault, is_fixed
from sftmill.steps.instruct.diversify.stance import asks_else
from sftmill.steps.instruct.diversify.style_file import read_styles, styles_path

ZH = {
    "id": "a" * 32,
    "root": "b" * 32,
    "lang": "zh",
    "sensitivity": "internal",
    "stream": "s",
    "messages": [
        {"role": "user", "content": "员工出差的住宿费每晚最多报销多少元？"},
        {"role": "assistant", "content": "住宿费每晚报销不超过 400 元，超出的部分由员工本人承担。"},
    ],
}
EN = {
    **ZH,
    "lang": "en",
    "messages": [
        {"role": "user", "content": "What is the maximum that staff may claim per night for a hotel?"},
        {"role": "assistant", "content": "Staff may claim at most 400 yuan per night; they bear the rest themselves."},
    ],
}
GOOD = {
    ("question", "zh"): ["出差住酒店，一晚上最多能报几多元啊？", "请问：因公出差时，住宿一晚可报销的上限是多少元？"],
    ("question", "en"): ["How much can staff get back for a night's hotel, at most?", "Per hotel night, which maximum may staff claim?"],
    ("answer", "zh"): ["您好，每晚的住宿报销金额不超过 400 元；多出的部分需由员工自己承担。", "每晚上限 400 元，不超过这个数才报销，其余由员工承担。"],
    ("answer", "en"): ["A night is reimbursed up to 400 yuan at most, and staff pay what is beyond that.", "At most 400 yuan a night may be claimed by staff; the rest is theirs to bear."],
}  # fmt: skip


class FakeDesk:
    """Answers from a list for each part and keeps what it was asked."""

    def __init__(self, row, step, texts):
        self.row, self.step, self.texts = row, step, {part: list(found) for part, found in texts.items()}
        self.asked = []

    def prompt(self, name, **values):
        known = {**self.step.model_dump(), "question": question(self.row), "answer": answer(self.row), **values}
        self.part = name
        return Prompts().render("diversify", name, self.row["lang"], known)

    async def ask(self, prompt, *, to, schema, sampling):
        self.asked.append((prompt[-1]["content"], sampling.temperature))
        text = self.texts[self.part].pop(0)
        if text is None:
            raise Unparsable("no JSON")
        return [SimpleNamespace(data=Wording(text=text))]


def make(row, texts, **settings):
    step = Diversify(**settings)
    desk = FakeDesk(row, step, texts)
    return asyncio.run(step.row(row, desk)), desk


@pytest.mark.parametrize("row", [ZH, EN])
def test_a_question_is_asked_in_other_manners_and_its_answer_stays(row):
    texts = GOOD["question", row["lang"]]
    (first, *children), desk = make(row, {"question": texts})
    assert first == row
    assert [question(child) for child in children] == texts
    assert {answer(child) for child in children} == {answer(row)}
    assert len({child["style"] for child in children}) == 2
    assert question(row) in desk.asked[0][0]


@pytest.mark.parametrize("row", [ZH, EN])
def test_an_answer_is_written_in_another_manner_and_its_question_stays(row):
    texts = GOOD["answer", row["lang"]]
    made, _ = make({**row, "rejected": "x", "answer_start": 3}, {"answer": texts}, parts="answer", keep_original=False)
    assert [answer(child) for child in made] == texts
    assert {question(child) for child in made} == {question(row)}
    assert not any({"rejected", "answer_start"} & child.keys() for child in made)


@pytest.mark.parametrize("row", [ZH, EN])
def test_both_are_reworded_together_and_the_answer_sees_the_new_question(row):
    lang = row["lang"]
    texts = {part: GOOD[part, lang][:1] for part in ("question", "answer")}
    (child,), desk = make(row, texts, parts="both", children=1, keep_original=False)
    assert (question(child), answer(child)) == (GOOD["question", lang][0], GOOD["answer", lang][0])
    assert GOOD["question", lang][0] in desk.asked[1][0]


def test_children_are_held_out_with_their_parent():
    made, _ = make(ZH, {"question": GOOD["question", "zh"]})
    children = [as_child(child, ZH, "diversify", i) for i, child in enumerate(made)]
    assert {child["root"] for child in children} == {ZH["root"]}
    assert len({child["id"] for child in children}) == 3


@pytest.mark.parametrize(
    ("before", "after", "lang", "reason"),
    [
        ("保证金为 5% 。", "要交的保证金是 6% 。", "zh", "number_lost"),
        ("保证金为 5% 。", "保证金是 5%，30 日内交。", "zh", "number_added"),
        ("注册资本为 15000 元。", "注册资本是 1.5 万元。", "zh", None),
        ("自 2024 年 3 月 5 日起施行。", "施行日期为 2024 年 3 月 5 日。", "zh", None),
        ("自 2024 年 3 月 5 日起施行。", "施行日期为 2024 年 3 月 6 日。", "zh", "number_lost"),
        ("从 3% 提高到 5%。", "由 5% 调高为 3%。", "zh", "numbers_swapped"),
        ("依照第十二条办理。", "按第 12 条的要求办。", "zh", None),
        ("依照第十二条办理。", "按第 13 条的要求办。", "zh", "number_lost"),
        ("适用《仓储管理办法》。", "要用的是《仓储规则》。", "zh", "name_lost"),
        ("设备接入 PUE 监测。", "设备要接入监测系统。", "zh", "name_lost"),
        ("机房要每日巡检。", "机房要每日用 UPS 巡检。", "zh", "name_added"),
        ("机房内不得存放杂物。", "机房里可以放杂物。", "zh", "negation_changed"),
        ("机房内可以存放备件。", "备件不能放在机房里。", "zh", "negation_changed"),
        ("温度不得高于 35 度。", "温度不能低于 35 度。", "zh", "limit_changed"),
        ("温度不得高于 35 度。", "温度最高 35 度，不能再高。", "zh", None),
        ("最高限额为 5 千克。", "限额最高是 5 千克。", "zh", None),
        ("每次领用至少 5 千克。", "每次领用最多 5 千克。", "zh", "limit_changed"),
        ("You may take at most 5 kg.", "At least 5 kg may be taken by you.", "en", "limit_changed"),
        ("详见 https://a.example/x 页。", "请看 https://a.example/y 页。", "zh", "link_changed"),
        ("上限为 35 度[1]。", "最高 35 度[2]。", "zh", "citation_changed"),
        ("要点：\n- 断电\n- 挂牌", "要断电，还要挂牌。", "zh", "form_changed"),
        ("要点：\n- 断电\n- 挂牌\n- 登记", "步骤：\n- 断电、挂牌\n- 登记", "zh", "form_changed"),
        ("要点：\n- 断电\n- 挂牌", "步骤：\n- 先断电\n- 再挂牌", "zh", None),
        ("The fee is 1,500 dollars.", "You pay a fee of $1500.", "en", None),
        ("The fee is 1,500 dollars.", "You pay a fee of $1600.", "en", "number_lost"),
        ("It rose from 3% to 5%.", "It went from 5% to 3%.", "en", "numbers_swapped"),
        ("Visitors may enter the hall.", "The hall is not open to visitors.", "en", "negation_changed"),
        ("The rule binds Northwind Limited.", "The rule binds the firm.", "en", "name_lost"),
        ("The rule binds the firm.", "The rule binds the firm of Northwind Limited.", "en", "name_added"),
        ("Steps:\n1. Switch off\n2. Lock", "Switch off and lock.", "en", "form_changed"),
    ],
)  # fmt: skip
def test_facts_are_the_same_before_and_after_or_the_wording_goes(before, after, lang, reason):
    fault = find_fact_fault(before, after, lang)
    assert (fault and fault.reason) == reason


@pytest.mark.parametrize(
    ("after", "others", "lang", "reason"),
    [
        ("员工出差的住宿费每晚最多能报销多少元？", [], "zh", "too_near"),
        ("一晚上酒店钱最多能报多少元？", ["一晚上酒店的钱最多能报多少元？"], "zh", "too_near"),
        ("天气如何？", [], "zh", "too_far"),
        ("How much per night?", [], "zh", "other_language"),
        ("  ", [], "zh", "no_wording"),
        ("一晚上酒店钱最多能报多少元？", [], "zh", None),
    ],
)
def test_wordings_are_neither_too_near_nor_too_far(after, others, lang, reason):
    fault = find_wording_fault(question(ZH), after, lang, others, 0.85, 0.1)
    assert (fault and fault.reason) == reason


@pytest.mark.parametrize("row", [ZH, EN])
def test_the_model_is_asked_again_a_little_warmer_and_then_the_wording_is_given_up(row):
    copies = [question(row)] * 2
    made, desk = make(row, {"question": copies}, children=1)
    assert made == [row]
    assert [temperature for _, temperature in desk.asked] == [0.8, 1.0]
    with pytest.raises(Drop, match="too_near") as dropped:
        make(row, {"question": copies}, children=1, keep_original=False)
    assert dropped.value.facts["part"] == "question"
    good = GOOD["question", row["lang"]][0]
    made, _ = make(row, {"question": [None, good]}, children=1, keep_original=False)
    assert [question(child) for child in made] == [good]


def test_a_sibling_that_says_it_alike_is_none():
    good = GOOD["question", "zh"][0]
    made, _ = make(ZH, {"question": [good, f"{good}？", f"{good}!"]})
    assert len(made) == 2


@pytest.mark.parametrize(
    ("row", "text", "reason"),
    [
        (ZH, "出差住酒店，每晚的钱可以报销吗？", "other_question"),
        (EN, "May staff claim the maximum for a hotel each night?", "other_question"),
        (ZH, "上文说出差住宿费一晚最多报多少元来着？", "deictic"),
        (EN, "According to the passage, how much may staff claim for a hotel night?", "deictic"),
        ({**ZH, "messages": [ZH["messages"][0], {"role": "assistant", "content": "本人承担"}]},
         "出差住宿费每晚最多报多少元，超出的本人承担？", "gives_away"),
    ],
)  # fmt: skip
def test_a_question_stands_alone_and_gives_nothing_away(row, text, reason):
    with pytest.raises(Drop, match=reason):
        make(row, {"question": [text]}, children=1, attempts=1, keep_original=False)


@pytest.mark.parametrize(
    ("before", "after", "else_"),
    [
        ("水泵多久检修一次？", "能告诉我水泵多久检修一次吗？", False),
        ("What is PUE?", "Could you explain what PUE is?", False),
        ("谁负责检修？", "何时检修？", True),
        ("选甲还是选乙？", "选甲好吗？", True),
        ("When is it due?", "How long until it is due?", False),
    ],
)
def test_a_polite_question_is_the_same_and_another_kind_is_not(before, after, else_):
    assert asks_else(before, after) == else_


def test_an_answer_never_becomes_a_refusal():
    row = {
        **ZH,
        "messages": [ZH["messages"][0], {"role": "assistant", "content": "住宿费可以由部门报销，也可以由本人报销。"}],
    }
    with pytest.raises(Drop):
        make(row, {"answer": ["抱歉，我无法回答住宿费由部门还是本人报销。"]}, parts="answer", children=1, attempts=1,
             keep_original=False)  # fmt: skip


@pytest.mark.parametrize("said", ["400 元", '{"limit": 400}', "| a | b |\n|---|---|\n| 1 | 2 |", "```\nx = 1\n```"])
def test_what_has_no_wording_of_its_own_is_not_reworded(said):
    assert is_fixed(said, "zh")
    row = {**ZH, "messages": [ZH["messages"][0], {"role": "assistant", "content": said}]}
    with pytest.raises(Drop, match="fixed_answer"):
        make(row, {}, parts="answer", keep_original=False)
    made, _ = make(row, {"question": GOOD["question", "zh"]}, parts="both")
    assert [answer(child) for child in made] == [said] * 3


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({"messages": []}, {}, "no_question"),
        ({"messages": ZH["messages"][:1]}, {"parts": "answer"}, "no_answer"),
        ({"passage": "员工出差的住宿费"}, {}, "passage_in_question"),
    ],
)
def test_rows_that_cannot_be_reworded_stay_or_go_with_a_reason(change, settings, reason):
    row = {**ZH, **change}
    assert make(row, {}, **settings)[0] == [row]
    with pytest.raises(Drop, match=reason):
        make(row, {}, keep_original=False, **settings)


def test_terms_of_a_glossary_stay(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text("住宿费:\n  forbidden: [房钱]\n", encoding="utf-8")
    texts = ["出差睡一晚最多报几多元啊？", "出差的房钱，一晚上最多能报多少元？", "出差的话，一晚住宿费最多能报几多元？"]
    made, desk = make(ZH, {"question": texts}, children=1, attempts=3, glossary=path, keep_original=False)
    assert [question(child) for child in made] == texts[2:]
    assert "住宿费" in desk.asked[0][0].splitlines()[-1]


def test_earlier_turns_stay():
    turns = [{"role": "system", "content": "x"}, {"role": "user", "content": "你好"},
             {"role": "assistant", "content": "您好"}, *ZH["messages"]]  # fmt: skip
    (child,), _ = make({**ZH, "messages": turns}, {"question": GOOD["question", "zh"]}, children=1, keep_original=False)
    assert child["messages"][:3] == turns[:3] and len(child["messages"]) == 5


def test_both_languages_have_the_same_manners():
    zh, en = (read_styles(styles_path(lang)) for lang in ("zh", "en"))
    assert list(zh) == list(en) and len(zh) >= 6


def test_manners_of_ones_own_are_read_and_what_is_wrong_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("pirate:\n  question: as a pirate\n  answer: as a pirate\n", encoding="utf-8")
    made, desk = make(EN, {"question": GOOD["question", "en"]}, styles_file=path)
    assert len(made) == 2 and made[1]["style"] == "pirate" and "as a pirate" in desk.asked[0][0]
    assert not Diversify(styles_file=path).problems()
    assert "'polite' is not in mine.yaml" in Diversify(styles_file=path, styles=("polite",)).problems()[0]
    for text in (
        "[]",
        "x: 1",
        "x: {question: a}",
        "x: {question: a, answer: b, more: c}",
        "{",
        "x: {question: '', answer: b}",
    ):
        path.write_text(text, encoding="utf-8")
        assert "cannot be used" in Diversify(styles_file=path).problems()[0]
    assert "cannot be used" in Diversify(styles_file=tmp_path / "none.yaml").problems()[0]
    assert "farthest" in Diversify(nearest=0.2, farthest=0.3).problems()[0]
    assert not Diversify().problems()
