"""The gate between answers and sources: what passes, and the reason why the rest does not."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sftmill.core import Drop, answer
from sftmill.steps.curate.grounding.contradiction import foreign_numbers, negation_differs
from sftmill.steps.curate.grounding.grounded import Grounded
from sftmill.steps.curate.grounding.quoting import own_words
from sftmill.steps.curate.grounding.wording import answers_kind, asked_for, is_refusal, strip_lead
from sftmill.text import deixis, normalise, sentences, tokens

PAIRS = Path(__file__).resolve().parents[3] / "../shared/data/qa/faithfulness_pairs.jsonl"

ZH = (
    "蓄电池室的温度应保持在 15 至 25 摄氏度，温度过高会缩短电池寿命。蓄电池每季度做一次放电试验，"
    "放出额定容量的 40% 后停止，试验时须有两人在场。孕妇禁用本品。值班员不得擅自离开机房。"
    "消防系统采用七氟丙烷、二氧化碳、氮气三种介质。外来人员可以在登记后进入机房参观。"
)
EN = (
    "The battery room is kept at 15 to 25 degrees Celsius; more heat shortens the life of the cells. "
    "The discharge test stops at 40% of the rated capacity, and two people must be present. "
    "Staff must not leave the room unattended. Visitors may enter after they have signed the register."
)


def check(asked, said, passage=ZH, lang="zh", quotations=None, **more):
    settings = {"threshold": more.pop("threshold")} if "threshold" in more else {}
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    row = {"lang": lang, "passage": passage, "messages": messages, "quotations": quotations, **more}
    return Grounded(**settings).row(row)


def reason(*args, **kwargs):
    with pytest.raises(Drop) as drop:
        check(*args, **kwargs)
    return drop.value.reason


def test_a_quoted_answer_passes_and_its_quotation_is_the_passages_own_words():
    row = check(
        "蓄电池室的温度应保持在什么范围？",
        "蓄电池室的温度应保持在 15 到 25 摄氏度之间。",
        quotations=["蓄电池室的温度应保持在15至25摄氏度，"],
    )
    assert row["quotations"][0] in ZH
    assert "15 至 25 摄氏度" in row["quotations"][0]
    assert row["grounded"] > 0.6


def test_without_a_quotation_the_sentence_that_says_it_is_found():
    row = check("When does the discharge test stop?", "It stops at 40% of the rated capacity.", EN, "en")
    assert row["quotations"] == [
        "The discharge test stops at 40% of the rated capacity, and two people must be present."
    ]


def test_a_quotation_with_slips_is_cut_anew_and_an_invented_one_is_replaced():
    slips = ["蓄电池每个季度做一次放电试验"]
    row = check("蓄电池的放电试验多久做一次？", "每季度做一次。", quotations=slips)
    assert row["quotations"] == ["蓄电池每季度做一次放电试验"]
    invented = ["锂电池必须每天由专人检查三遍"]
    row = check("蓄电池的放电试验多久做一次？", "蓄电池每季度做一次放电试验。", quotations=invented)
    assert all(quotation in ZH for quotation in row["quotations"]) and row["quotations"]


@pytest.mark.parametrize("passage", ["", None, " \n"])
def test_a_row_without_a_passage_goes_by_that_name(passage):
    assert reason("谁？", "甲。", passage=passage) == "no_passage"


def test_quotations_without_any_place_in_the_passage_are_no_support():
    assert (
        reason("谁发明了电话？", "电话由贝尔发明。", quotations=["贝尔发明了电话机并获得专利"]) == "quotation_not_found"
    )
    assert reason("谁发明了电话？", "电话由贝尔发明。") == "unsupported"


@pytest.mark.parametrize("said", ["放出额定容量的 45% 后停止。", "放出额定容量的百分之四十五后停止。"])
def test_a_number_that_the_passage_does_not_have_is_refused(said):
    assert reason("放电试验何时停止？", said) == "number_not_in_source"


@pytest.mark.parametrize("said", ["放出额定容量的 40% 后停止。", "放出额定容量的百分之四十后停止。"])
def test_a_number_written_another_way_is_the_same_number(said):
    check("蓄电池放电试验何时停止？", said)


def test_numbers_of_the_question_and_counts_of_a_list_are_allowed():
    assert foreign_numbers("30 摄氏度过高，应保持在 15 至 25 摄氏度。", ZH, "30 摄氏度可以吗？") == []
    assert foreign_numbers("共有三种。", "介质有七氟丙烷、二氧化碳和氮气。") == []
    assert foreign_numbers("共有五种。", "介质有七氟丙烷、二氧化碳和氮气。") == ["五种"]


def test_a_number_of_the_passage_in_the_place_of_another_is_found():
    passage = "1994 年 12 月任国家经济贸易委员会司长。1995 年 8 月任青岛市委常委委员。2002 年 8 月调往北京工作。"
    assert foreign_numbers("2002 年 8 月任青岛市委常委委员。", passage)
    assert foreign_numbers("1995 年 8 月任青岛市委常委委员。", passage) == []


@pytest.mark.parametrize(
    ("asked", "said", "lang"),
    [
        ("值班员能否擅自离开机房？", "值班员可以擅自离开机房。", "zh"),
        ("外来人员能进入机房参观吗？", "外来人员不可以在登记后进入机房参观。", "zh"),
        ("May staff leave the room?", "Staff must leave the room unattended.", "en"),
        ("May visitors enter the room?", "Visitors may not enter after they have signed the register.", "en"),
    ],
)
def test_an_answer_that_turns_a_negation_round_is_refused(asked, said, lang):
    assert reason(asked, said, ZH if lang == "zh" else EN, lang) == "negation_differs"


@pytest.mark.parametrize(
    ("said", "evidence", "asked", "differs"),
    [
        ("不可以。", "值班员不得擅自离开机房。", "值班员可以离开机房吗？", False),
        ("不能，只能用于成人。", "本药只能用于成人。", "儿童能用吗？", False),
        ("孕妇和哺乳期妇女。", "孕妇和哺乳期妇女禁用。", "哪些人不能使用？", False),
        ("不仅缩短寿命，而且会起火。", "缩短寿命，而且会起火。", "过热有什么后果？", False),
        ("没有限制。", "每人每天两次。", "每天几次？", True),
        ("No, it is never allowed.", "It is allowed at any time.", "Is it allowed?", True),
        ("Only two people.", "No more than two people may enter.", "How many may enter?", False),
    ],
)
def test_negations_are_compared_with_evidence_and_question(said, evidence, asked, differs):
    assert negation_differs(said, evidence, asked) is differs


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("根据文中内容，答案是每季度一次。", "每季度一次。"),
        ("根据上述材料，蓄电池每季度做一次放电试验。", "蓄电池每季度做一次放电试验。"),
        ("文中提到，蓄电池每季度做一次放电试验。", "蓄电池每季度做一次放电试验。"),
        ("According to the passage, the answer is 40%.", "40%."),
        ("Based on the given text, it stops at 40%.", "It stops at 40%."),
        ("根据电池法的规定，应当回收。", "根据电池法的规定，应当回收。"),
        ("In the text editor, press Escape.", "In the text editor, press Escape."),
    ],
)
def test_an_empty_opening_is_cut_off_the_answer(said, kept):
    assert strip_lead(said) == kept


def test_the_tidied_answer_is_stored():
    row = check("蓄电池的放电试验多久做一次？", "根据上述材料，蓄电池每季度做一次放电试验。")
    assert answer(row) == "蓄电池每季度做一次放电试验。"


def test_an_answer_that_points_at_a_text_elsewhere_is_refused():
    assert reason("蓄电池的放电试验多久做一次？", "每季度一次，详见上文所述的放电试验。") == "deictic"
    check("哪些人禁用这种药？", "孕妇禁用本品。")


@pytest.mark.parametrize(
    "said",
    [
        "资料未提及。",
        "材料中没有提到这个问题的答案。",
        "抱歉，我无法回答这个问题。",
        "The passage does not mention it.",
        "I don't know.",
    ],
)
def test_refusals_are_no_answers(said):
    assert is_refusal(said)
    assert reason("蓄电池的放电试验多久做一次？", said) == "refusal"


def test_saying_that_something_is_not_there_is_no_refusal():
    assert not is_refusal("值班员没有提到的故障也要登记。")
    assert not is_refusal("不得擅自离开机房。")
    assert not is_refusal("The permit is not required in the test area.")


def test_an_answer_that_only_repeats_the_question_is_refused():
    assert reason("蓄电池的放电试验是什么？", "蓄电池的放电试验。") == "question_contains_answer"
    assert reason("哪些工具会缩短电池寿命？", "哪些工具会缩短电池寿命？") == "question_contains_answer"
    check("蓄电池每季度还是每年做一次放电试验？", "每季度做一次。")


def test_a_copy_of_a_long_passage_is_no_answer():
    passage = ZH * 2
    assert reason("蓄电池室的温度应保持在什么范围？", passage, passage) == "copied_passage"


@pytest.mark.parametrize("said", ["", " \n", "……", "。"])
def test_an_empty_answer_is_refused(said):
    assert reason("蓄电池的放电试验多久做一次？", said) == "empty_answer"


@pytest.mark.parametrize(
    ("asked", "said", "fits"),
    [
        ("When was the room built?", "by hand", False),
        ("Who signed the register?", "1997", False),
        ("谁签了字？", "1997 年", False),
        ("何时停止？", "放出额定容量的 40% 后", True),
        ("多久做一次？", "每季度一次", True),
        ("每天几次？", "两次", True),
        ("值是多少？", "很重要", False),
        ("为什么停止？", "40%", False),
        ("什么温度合适？", "15 至 25 摄氏度", True),
    ],
)
def test_the_kind_of_the_answer_is_compared_with_the_kind_asked_for(asked, said, fits):
    assert answers_kind(asked, said) is fits


def test_what_is_asked_for_is_told_from_the_words():
    assert [asked_for(q) for q in ("甲还是乙？", "何时？", "多少？", "是谁？", "可以吗？", "为什么？")] == [
        *("choice", "time", "number", "person", "yes_no", "other")
    ]


def test_a_bare_yes_needs_a_quotation_of_the_model():
    quoted = ["值班员不得擅自离开机房。"]
    assert check("值班员能否擅自离开机房？", "不能。", quotations=quoted)["quotations"] == quoted
    assert reason("值班员能否擅自离开机房？", "不能。") in ("unsupported", "negation_differs")
    assert reason("值班员能否擅自离开机房？", "能。", quotations=quoted) == "negation_differs"


def test_the_heading_counts_as_known():
    passage = "适应证：用于肺肾阴亏，潮热盗汗。用法用量：口服，一次 1 丸。"
    with_heading = check(
        "麦味地黄丸的适应证是什么？", "用于肺肾阴亏，潮热盗汗。", passage, title_path=["药品手册", "麦味地黄丸"]
    )
    without = check("麦味地黄丸的适应证是什么？", "用于肺肾阴亏，潮热盗汗。", passage)
    assert with_heading["grounded"] > without["grounded"]


def test_a_clause_out_of_thin_air_lowers_the_score_of_the_whole_answer():
    good = check("放电试验多久做一次？", "蓄电池每季度做一次放电试验。", threshold=0)["grounded"]
    added = "蓄电池每季度做一次放电试验，这项规定源自邻国铁路部门的旧章程。"
    assert check("放电试验多久做一次？", added, threshold=0)["grounded"] < 0.3 < good


def test_what_a_drop_says_is_understood():
    with pytest.raises(Drop) as drop:
        check("放电试验何时停止？", "放出额定容量的 45% 后停止。")
    assert drop.value.facts["why"] == "45% is not in the passage, which has 40%"
    with pytest.raises(Drop) as drop:
        check("共需多少度？", "两次共 40-15=30 度。")
    assert drop.value.reason == "wrong_arithmetic"
    assert drop.value.facts["why"] == '"40-15=30 度" does not hold'
    for asked, said in [("谁发明了电话？", "电话由贝尔发明。"), ("值班员能否离开？", "值班员可以擅自离开机房。")]:
        with pytest.raises(Drop) as drop:
            check(asked, said)
        assert drop.value.facts["why"]


def test_a_number_that_a_stated_computation_yields_is_no_foreign_number():
    passage = "甲班有学员 30 人，乙班有学员 20 人，两班合用一间教室。"
    row = check(
        "甲乙两班合用教室的学员共有多少人？", "甲班有学员 30 人，乙班有学员 20 人，30+20=50，共 50 人。", passage
    )
    assert row["grounded"] > 0.3
    assert (
        reason("甲乙两班学员共有多少人？", "甲班 30 人，乙班 20 人，30+20=60，共 60 人。", passage)
        == "wrong_arithmetic"
    )
    assert reason("甲乙两班学员共有多少人？", "甲乙两班共有学员 60 人。", passage) == "number_not_in_source"


@pytest.mark.parametrize(
    "quoted",
    [
        "蓄电池室的温度应保持在 15 至 35 摄氏度，温度过高会缩短电池寿命",
        "蓄电池室的温度不应保持在 15 至 25 摄氏度，温度过高会缩短电池寿命",
    ],
)
def test_a_quotation_changed_in_a_number_or_negation_does_not_count(quoted):
    assert own_words(quoted, ZH) == ""
    assert own_words(quoted.replace("35", "25").replace("不应", "应"), ZH)


def test_a_quotation_from_a_misread_page_counts():
    page = "二、值班员不得擅白离开机房，巳交接者除外。温度保持在 l5 至 25 度之间。"
    assert own_words("值班员不得擅自离开机房，已交接者除外", page) == "值班员不得擅白离开机房，巳交接者除外。"
    assert own_words("温度保持在 15 至 25 度之间", page) == "温度保持在 l5 至 25 度之间。"


def test_traditional_and_simplified_characters_agree():
    passage = "蓄電池室的溫度應保持在 15 至 25 攝氏度，溫度過高會縮短電池壽命。值班員不得擅自離開機房。"
    row = check("蓄电池室的温度应保持在什么范围？", "蓄电池室的温度应保持在 15 至 25 摄氏度。", passage)
    assert row["grounded"] > 0.6
    assert row["quotations"][0] in passage


def test_the_context_that_a_passage_cites_is_evidence_too():
    passage = "违反第十二条规定的，由主管部门责令改正。"
    context = "第十二条 危险废物的贮存期限不得超过一年。"
    asked, said = "危险废物的贮存期限是多久？", "危险废物的贮存期限不得超过一年。"
    assert reason(asked, said, passage) in ("unsupported", "number_not_in_source")
    assert check(asked, said, passage, context=context)["quotations"] == [context]


def test_without_dropping_every_row_passes_with_its_score():
    messages = [{"role": "user", "content": "放电试验何时停止？"}, {"role": "assistant", "content": ""}]
    scores = []
    for said in ("放出额定容量的 40% 后停止。", "放出额定容量的 45% 后停止。", "由主管部门的专家另行商定。"):
        messages[1]["content"] = said
        row = {"lang": "zh", "passage": ZH, "messages": messages, "quotations": None}
        scores.append(Grounded(drop=False).row(row)["grounded"])
    assert scores[0] >= 0.3 > scores[2]
    assert scores[1] == 0


def test_the_whole_score_is_a_share_and_falls_where_the_answer_stands_elsewhere():
    passage = "甲楼由张维新设计，一九三〇年落成。乙楼由李守正设计，次年落成。丙楼由王怀远设计，后来拆除。"
    right = check("乙楼由谁设计？", "李守正", passage, threshold=0)["grounded"]
    wrong = check("乙楼由谁设计？", "王怀远", passage, threshold=0)["grounded"]
    assert 0 <= wrong < right <= 1


pieces = st.sampled_from(
    [
        "蓄电池",
        "温度",
        "每季度",
        " 25 ",
        "%",
        "不得",
        "禁止",
        "，",
        "。",
        "；",
        "Linux",
        " the room ",
        "not ",
        "1995 年",
        "\n",
        "！",
        "x",
        "三种",
    ]
)
texts = st.lists(pieces, max_size=40).map("".join) | st.text(max_size=200)


@given(texts, texts, texts, st.lists(texts, max_size=3), st.sampled_from(["zh", "en"]))
def test_any_text_is_either_kept_or_dropped(passage, asked, said, quotations, lang):
    try:
        row = check(asked, said, passage, lang, quotations)
    except Drop as drop:
        assert drop.reason
    else:
        assert 0 <= row["grounded"] <= 1
        assert all(quotation in passage for quotation in row["quotations"])


@given(texts, st.integers(0, 50), st.sampled_from(["zh", "en"]))
def test_a_sentence_of_the_passage_with_itself_as_quotation_passes(passage, which, lang):
    spans = sentences(passage)
    assume(spans)
    start, end = spans[which % len(spans)]
    said = passage[start:end]
    assume(tokens(said) and not deixis(said, lang) and not is_refusal(said) and strip_lead(said) == said.strip())
    assume(len(passage) <= 200 or len(said) < len(passage) / 2)
    row = check("什么？" if lang == "zh" else "What?", said, passage, lang, [said])
    assert row["grounded"] >= Grounded().threshold
    assert (
        any(normalise(said.strip()).strip("\"'. ")[:5] in normalise(q) for q in row["quotations"]) or row["quotations"]
    )


def rank_sum_auc(positive, negative):
    ranked = sorted([(s, 1) for s in positive] + [(s, 0) for s in negative])
    total = i = 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        total += sum(label for _, label in ranked[i:j]) * (i + 1 + j) / 2
        i = j
    return (total - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


@pytest.mark.skipif(not PAIRS.exists(), reason="the faithfulness pairs are not here")
def test_faithful_and_unfaithful_pairs_are_told_apart():
    scores = {}
    for line in PAIRS.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        pair = json.loads(line)
        try:
            lang = pair["lang"][:2]
            score = check(pair["question"], pair["answer"], pair["passage"], lang, threshold=0)["grounded"]
        except Drop:
            score = 0.0
        scores.setdefault(pair["kind"], []).append(score)
    faithful = scores.pop("faithful")
    threshold = Grounded().threshold
    assert rank_sum_auc(faithful, [s for kind in scores.values() for s in kind]) >= 0.96
    assert sum(s < threshold for s in faithful) / len(faithful) <= 0.05
    dropped = {kind: sum(s < threshold for s in values) / len(values) for kind, values in scores.items()}
    assert dropped["number_changed"] == 1
    assert (
        min(dropped[k] for k in ("hallucinated_addition", "answer_from_other_passage", "unanswerable_question")) >= 0.95
    )
