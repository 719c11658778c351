"""Right answers made wrong on purpose: in the span that is declared, and nowhere else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop, answer
from sftmill.steps.instruct.negatives.corrupt import Corrupt
from sftmill.steps.instruct.negatives.corruption import KINDS, LONGEST, corrupt_text
from sftmill.text import numbers, same_value

LOAN = "借款人应当在 30 日内归还本金，年利率为 3.5%，不得提前支取。"
LOAN_PASSAGE = "贷款人可以在 60 日内收回本金，逾期年利率为 4.2%。"
RENT = "The tenant must pay $1,500 within 30 days; since 2019 the interest is 3.5 percent."
RENT_PASSAGE = "The landlord may charge $2,000 within 60 days."
STEPS_ZH = "1. 关闭电源。\n2. 拔下网线。\n3. 打开机箱。\n4. 更换内存。"
STEPS_EN = "Do this:\n1. Stop the pump.\n2. Close the valve.\n3. Drain the tank.\nThen call us."

CASES = [
    ("number", LOAN, LOAN_PASSAGE),
    ("number", RENT, RENT_PASSAGE),
    ("number", "仓库须密闭十四天，罚款五万元。", ""),
    ("number", "百分之五的样品不合格。", ""),
    ("unit", "每次服用 50 毫克。", ""),
    ("unit", "违约金为百分之五。", ""),
    ("unit", "The backup takes 4 hours.", ""),
    ("unit", "It costs $90.", ""),
    ("negation", LOAN, ""),
    ("negation", "未经批准，承运人可以拒绝装货。", ""),
    ("negation", "Users must not share the key.", ""),
    ("negation", "The vault is never open at night.", ""),
    ("entity", LOAN, LOAN_PASSAGE),
    ("entity", RENT, RENT_PASSAGE),
    ("step", STEPS_ZH, ""),
    ("step", STEPS_EN, ""),
    ("step", "首先登录系统。其次选择账户。最后确认转账。", ""),
    ("rule", "按照 2023 年修订的办法执行。", ""),
    ("rule", "The fee follows the 2021 tariff.", ""),
    ("rule", "The option exists since version 3.11 of the tool.", ""),
]


def row(text, lang="zh", **more):
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
    return {"id": "a" * 32, "lang": lang, "messages": messages, **more}


def made(corrupted):
    """Return what the column says of the change."""
    return json.loads(corrupted["corruption"])


def assert_only_the_span_differs(text, wrong, change):
    assert wrong != text
    assert text[change["start"] : change["end"]] == change["was"] != change["now"]
    assert wrong == text[: change["start"]] + change["now"] + text[change["end"] :]


def test_there_are_twenty_cases_and_every_kind_is_among_them():
    assert len(CASES) == 20 and {kind for kind, _, _ in CASES} == set(KINDS)


@pytest.mark.parametrize(("kind", "text", "passage"), CASES)
def test_a_corruption_differs_from_the_answer_in_exactly_the_declared_span(kind, text, passage):
    corrupted = Corrupt(kinds=[kind]).row(row(text, passage=passage))
    change = made(corrupted)
    assert change["kind"] == kind
    assert_only_the_span_differs(text, corrupted["rejected"], change)
    assert answer(corrupted) == text, "the right answer stays"
    assert corrupted.get("polarity") is None


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("text", "passage"), [(LOAN, LOAN_PASSAGE), (RENT, RENT_PASSAGE), ("罚款五万元。", "")])
def test_another_number_is_of_the_same_unit_but_not_the_same_value(text, passage, seed):
    corrupted = Corrupt(kinds=["number"], seed=seed).row(row(text, passage=passage))
    before, after = numbers(text), numbers(corrupted["rejected"])
    assert len(before) == len(after)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if not same_value(a, b)]
    assert len(changed) == 1 and changed[0][0].unit == changed[0][1].unit


def test_another_unit_makes_another_quantity():
    for text in ("每次服用 50 毫克。", "保存 3 年。", "Keep it 4 hours.", "It weighs 2 kg."):
        corrupted = Corrupt(kinds=["unit"]).row(row(text))
        (before,), (after,) = numbers(text), numbers(corrupted["rejected"])
        assert before.value == after.value and before.unit != after.unit and not same_value(before, after)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("经营者应当出具发票。", {"经营者不应当出具发票。", "经营者不得出具发票。"}),
        ("不得转让。", {"可以转让。"}),
        ("申请未获批准。", {"申请获批准。"}),
        ("The seal must be broken.", {"The seal must not be broken."}),
        ("Entry isn't allowed.", {"Entry is allowed.", "Entry isn't forbidden."}),
        ("You cannot cancel.", {"You can cancel."}),
    ],
)
def test_a_negation_turns_the_statement_round(text, wrong):
    assert Corrupt(kinds=["negation"]).row(row(text))["rejected"] in wrong


@pytest.mark.parametrize(
    "text", ["是否续租由双方商定。", "但是价格面议。", "这不仅便宜。", "Not only the price counts."]
)
def test_words_that_only_look_like_a_verb_are_left_alone(text):
    with pytest.raises(Drop):
        Corrupt(kinds=["negation"]).row(row(text))


def test_another_name_is_one_of_the_passage_and_of_the_same_sort():
    assert Corrupt(kinds=["entity"]).row(row(LOAN, passage=LOAN_PASSAGE))["rejected"].startswith("贷款人应当")
    assert Corrupt(kinds=["entity"]).row(row(RENT, passage=RENT_PASSAGE))["rejected"].startswith("The landlord must")
    with pytest.raises(Drop) as drop:
        Corrupt(kinds=["entity"]).row(row(LOAN))
    assert drop.value.reason == "nothing_to_corrupt"


def test_what_stands_behind_a_missing_step_is_numbered_anew():
    seen = {Corrupt(kinds=["step"], seed=seed).row(row(STEPS_ZH))["rejected"] for seed in range(20)}
    assert seen == {
        "1. 关闭电源。\n2. 打开机箱。\n3. 更换内存。",
        "1. 关闭电源。\n2. 拔下网线。\n3. 更换内存。",
        "1. 关闭电源。\n2. 拔下网线。\n3. 打开机箱。",
    }
    assert "Then call us." in Corrupt(kinds=["step"]).row(row(STEPS_EN))["rejected"]


def test_a_stale_rule_is_older():
    change = made(Corrupt(kinds=["rule"]).row(row("按照 2023 年修订的办法执行。")))
    assert (change["was"], int(change["now"]) < 2023) == ("2023", True)
    assert made(Corrupt(kinds=["rule"]).row(row("See the 2nd edition.")))["now"] == "1st"


def test_a_wrong_answer_in_place_of_the_right_one_is_marked_as_negative():
    (corrupted,) = Corrupt(as_answer=True).row(row(LOAN, passage=LOAN_PASSAGE, rejected="old"))
    assert corrupted["polarity"] == "negative" and corrupted["desirable"] is False
    assert "rejected" not in corrupted
    assert_only_the_span_differs(LOAN, answer(corrupted), made(corrupted))


def test_several_wrong_answers_are_of_different_kinds():
    found = Corrupt(count=3).row(row(LOAN, passage=LOAN_PASSAGE))
    assert len({made(one)["kind"] for one in found}) == len(found) == 3


def test_the_same_answer_is_always_corrupted_in_the_same_way():
    assert Corrupt().row(row(RENT)) == Corrupt().row(row(RENT))
    assert len({Corrupt(seed=seed).row(row(RENT))["rejected"] for seed in range(10)}) > 3


@pytest.mark.parametrize(
    ("text", "reason"), [("", "no_answer"), ("好。", "nothing_to_corrupt"), ("x" * (LONGEST + 1), "nothing_to_corrupt")]
)
def test_what_offers_no_place_is_dropped_with_the_reason(text, reason):
    with pytest.raises(Drop) as drop:
        Corrupt().row(row(text))
    assert drop.value.reason == reason


PIECES = st.sampled_from(
    str.split(
        "借款人 应当 不得 未 不 是 有 可以 30日内 三十二条 3.5% 五万元 2023年 第2版 ，。\n 首先 其次 最后 1. 2. 3. （1） ① "
        "must not is the tenant 1,500 mg $ € 12 days 2019 version 3.1 2nd edition Step 3 - 百分之 半 十 万 /人 \u202e 🙂",
        " ",
    )
)


@given(st.lists(PIECES, max_size=25), st.sampled_from(["", " "]), st.sampled_from(["zh", "en"]), st.integers(0, 3))
def test_any_text_is_changed_in_the_declared_span_or_not_at_all(pieces, between, lang, seed):
    text = between.join(pieces)
    for change in corrupt_text(text, lang, LOAN_PASSAGE + RENT_PASSAGE, most=len(KINDS), seed=seed):
        assert_only_the_span_differs(text, change.applied(text), change._asdict())


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text):
    for change in corrupt_text(text, "zh", text[::-1], most=len(KINDS)):
        assert_only_the_span_differs(text, change.applied(text), change._asdict())
