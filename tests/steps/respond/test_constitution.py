"""Critique and revision: clean answers stay, faults go within the rounds, facts stay, nothing leaks."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import run, sample
from sftmill.core import answer
from sftmill.errors import RecipeError, Unparsable
from sftmill.steps.respond.revise.constitution import Constitution
from sftmill.steps.respond.revise.principles import (
    constitution_path,
    draw,
    found_by_check,
    lost_numbers,
    read_constitution,
    without_leaks,
)

FAULT = {"zh": "这个产品肯定能赚钱。", "en": "This product will surely make money."}
GOOD = {"zh": "年利率为 3.5%，期限 2 年。", "en": "The rate is 3.5% for 2 years."}
ASK = {"zh": "介绍一下这个产品。", "en": "Describe this product."}


def found(*faults):
    return json.dumps({"violations": [{"quote": q, "problem": "说得太满", "principle": p} for p, q in faults]})


def revise(text, critic=None, reviser=None, lang="zh", row=None, **settings):
    """Run the step; a critic or reviser is a text, a list of texts for its calls in turn, or a function of the prompt."""
    calls = Counter()

    def say(to, prompt, n):
        said = {"judge": critic, "teacher": reviser}[to]
        calls[to] += 1
        if callable(said):
            return said(prompt[-1]["content"])
        return said[calls[to] - 1] if isinstance(said, list) else said

    settings = {"domain": "finance", "draws": None, **settings}
    row = row or sample(ASK[lang], text, lang, reasoning="想")
    return run("constitution", Constitution(**settings), row, say)


def revised(desk):
    return [call for call in desk.calls if call["to"] == "teacher"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_clean_answer_stays_as_it_is_byte_for_byte(lang):
    text = f"  {GOOD[lang]}\n\n修订后：\n"
    row, desk = revise(text, found(), None, lang)
    assert answer(row) == text
    assert row["reasoning"] == "想"
    assert "rejected" not in row
    assert [call["to"] for call in desk.calls] == ["judge"]
    assert json.loads(row["critiques"])["rounds"] == [{"violations": []}]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_fault_is_gone_after_the_rounds(lang):
    critic = lambda shown: found(("no_personal_advice", FAULT[lang])) if FAULT[lang] in shown else found()  # noqa: E731
    row, desk = revise(GOOD[lang] + FAULT[lang], critic, GOOD[lang], lang)
    assert answer(row) == GOOD[lang]
    assert row["rejected"] == GOOD[lang] + FAULT[lang]
    assert (row["reasoning"], row["score"]) == (None, None), "what belongs to the old answer"
    assert len(revised(desk)) == 1
    rounds = json.loads(row["critiques"])["rounds"]
    assert [len(one["violations"]) for one in rounds] == [1, 0]


def test_a_fault_that_comes_back_is_revised_again_and_the_row_goes_when_it_stays():
    critic = lambda shown: found(("no_personal_advice", "买入")) if "买入" in shown else found()  # noqa: E731
    row, desk = revise("请立即买入，期限 2 年。", critic, ["最好买入，期限 2 年。", "可按需考虑，期限 2 年。"])
    assert answer(row) == "可按需考虑，期限 2 年。"
    assert len(revised(desk)) == 2
    lost, _ = revise("请立即买入。", critic, "快买入吧！")
    assert (lost.reason, lost.facts["principles"]) == ("not_clean", ["no_personal_advice"])
    kept, desk = revise("请立即买入。", critic, "快买入吧！", drop_unclean=False, rounds=1)
    assert answer(kept) == "快买入吧！"
    assert len(desk.calls) == 2


def test_what_a_principle_finds_by_itself_needs_no_critic():
    row, desk = revise("本产品保证收益，期限 2 年。", found(), "本产品收益可能变动，期限 2 年。")
    assert [call["to"] for call in desk.calls] == ["teacher", "judge"]
    assert answer(row) == "本产品收益可能变动，期限 2 年。"


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("本产品保证收益。", True),
        ("任何机构都不得保证收益。", False),
        ("不保证收益。但有人说能保证收益。", True),
        ("没有任何副作用", False),
    ],
)
def test_forbidden_words_in_a_denial_are_no_fault(text, hit):
    principle = next(p for p in read_constitution(constitution_path("finance", None, "zh")).principles if p.forbidden)
    assert bool(found_by_check(principle, {}, text)) is hit


def test_numbers_that_the_passage_does_not_have_are_found_without_a_model():
    principle = next(p for p in read_constitution(constitution_path("general", None, "zh")).principles if p.check)
    row = sample("2024 年的利率是多少？", "", passage="年利率为百分之三点五。")
    assert found_by_check(principle, row, "2024 年是 3.5%。") == []
    assert found_by_check(principle, row, "是 3.8%。") == ["3.8%"]
    assert found_by_check(principle, sample("问", ""), "是 3.8%。") == [], "without a passage nobody knows"


def test_inventions_of_the_critic_do_not_count():
    row, desk = revise(GOOD["zh"], found(("no_personal_advice", "请立即买入"), ("no_such_principle", "年利率")))
    assert answer(row) == GOOD["zh"]
    assert revised(desk) == []
    row, _ = revise(GOOD["zh"], [found(("basis", "")), found()], GOOD["zh"] + "依据是产品说明书。")
    assert answer(row).endswith("说明书。"), "something that is missing has no quotation"


def test_a_revision_must_keep_the_numbers_and_is_asked_for_once_more():
    critic = lambda shown: found(("no_personal_advice", "快买")) if "快买" in shown else found()  # noqa: E731
    text = "快买！年利率 3.5%，期限 2 年。"
    row, desk = revise(text, critic, ["年利率较高，期限 2 年。", "年利率 3.5%，期限两年。"])
    assert answer(row) == "年利率 3.5%，期限两年。"
    assert "3.5%" in revised(desk)[1]["prompt"][-1]["content"].rsplit("</candidate>")[-1]
    lost, _ = revise(text, critic, "年利率较高，期限 2 年。")
    assert (lost.reason, lost.facts["numbers"]) == ("facts_lost", ["3.5%"])
    added, _ = revise(text, critic, "年利率 3.5%，期限 2 年，起点 5 万元。")
    assert added.reason == "facts_lost"
    short, _ = revise("快买！这是一段很长的说明，讲了许多要点。", critic, "好。")
    assert short.reason == "facts_lost"


def test_a_principle_about_numbers_may_change_them():
    critic = lambda shown: found(("no_fabrication", "9.9%")) if "9.9%" in shown else found()  # noqa: E731
    row, _ = revise("年利率 9.9%，具体以公告为准。", critic, "年利率以公告为准，请查询公告。")
    assert answer(row) == "年利率以公告为准，请查询公告。"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("修订后：可以。", "可以。"), ("**修改后的回答**：\n可以。", "可以。"), ("以下是修订后的回答：\n\n可以。", "可以。"),
        ("Revised answer: Yes.", "Yes."), ("Here is the revised response:\n\nYes.", "Yes."), ("<candidate>\n可以。\n</candidate>", "可以。"),
        ("可以。\n\n修改说明：\n1. 删去了承诺", "可以。"), ("Yes.\n\nChanges made:\n- none", "Yes."),
    ],
)  # fmt: skip
def test_words_about_the_revising_do_not_leak(text, left):
    assert without_leaks(text) == left


@pytest.mark.parametrize(
    "text", ["修改合同要双方同意：先协商。", "Revision control: use git.", "可以。", "修订法律：由立法机关进行。"]
)
def test_an_answer_about_revising_stays(text):
    assert without_leaks(text) == text
    assert without_leaks("修改后：" + text, "修改后：甲") == "修改后：" + text


@given(st.text(alphabet="修订后改说明：回答\n* ：revised answer:<>/", max_size=80))
def test_taking_out_leaks_never_breaks_and_is_done_once(text):
    assert without_leaks(without_leaks(text)) == without_leaks(text)


def test_principles_are_drawn_uniformly_and_always_the_same():
    principles = read_constitution(constitution_path("general", None, "zh")).principles
    drawn = Counter(one.id for i in range(4000) for one in draw(principles, 1, f"row {i}"))
    expected = 4000 / len(principles)
    chi_square = sum((count - expected) ** 2 / expected for count in drawn.values())
    assert len(drawn) == len(principles) == 8
    assert chi_square < 24.3, "the .999 quantile for 7 degrees of freedom"
    assert draw(principles, 3, "x") == draw(principles, 3, "x")
    assert len(draw(principles, 3, "x")) == 3
    assert draw(principles, None, "x") == list(principles)


def test_only_the_drawn_principles_are_shown():
    _, desk = revise(GOOD["zh"], found(), draws=2)
    told = desk.calls[0]["prompt"][0]["content"]
    assert sum(one.id in told for one in read_constitution(constitution_path("finance", None, "zh")).principles) == 2


@pytest.mark.parametrize("domain", ["general", "finance", "law", "medicine"])
def test_packaged_principles_say_the_same_in_both_languages(domain):
    zh, en = (read_constitution(constitution_path(domain, None, lang)).principles for lang in ("zh", "en"))
    assert 6 <= len(zh) <= 12
    for a, b in zip(zh, en, strict=True):
        assert (a.id, a.version, a.omission, a.numbers, a.check, bool(a.forbidden)) == (
            b.id, b.version, b.omission, b.numbers, b.check, bool(b.forbidden),
        )  # fmt: skip
    assert Constitution(domain=domain).problems() == []


def test_a_file_of_ones_own_is_used_and_checked(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("id: own\nprinciples:\n  - {id: p, critique: c?, revision: r, forbidden: [坏词]}\n", "utf-8")
    row, _ = revise("有坏词的回答。", found(), "没有的回答。", principles_file=own)
    assert json.loads(row["critiques"])["principles"] == ["p 1"]
    own.write_text("id: own\nprinciples: []\n", "utf-8")
    other = tmp_path / "other.yaml"
    other.write_text("id: own\nprinciples: [{id: p}]\n", "utf-8")
    assert "critique" in "".join(Constitution(principles_file=other).problems())
    assert "is not there" in Constitution(principles_file=tmp_path / "none.yaml").problems()[0]
    with pytest.raises(RecipeError):
        read_constitution(other)


def test_numbers_count_by_value_and_unit():
    assert lost_numbers("百分之五，1.5 万元", "5%，15000 元") == []
    assert lost_numbers("5%，2 年", "5 个，2 年") == ["5%"]


def test_a_critic_that_cannot_be_read_is_a_failure_and_no_clean_bill():
    with pytest.raises(Unparsable):
        revise(GOOD["zh"], "没有问题")


def test_an_empty_answer_goes():
    assert revise(" ", found())[0].reason == "no_answer"
