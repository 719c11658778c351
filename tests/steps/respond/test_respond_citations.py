"""Citations in answers: read in every way that they are written, and checked against the passages."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.respond.answer.citation_marks import (
    cited_sentences,
    find_marks,
    with_added,
    with_plain_marks,
    without_marks,
)
from sftmill.steps.respond.answer.citations import attributed, check_citations


@pytest.mark.parametrize(
    ("text", "numbers", "plain", "bare"),
    [
        ("每天两次[1]。", [(1,)], "每天两次[1]。", "每天两次。"),
        ("Twice a day [1].", [(1,)], "Twice a day[1].", "Twice a day."),
        ("甲[1,2]。", [(1, 2)], "甲[1][2]。", "甲。"),
        ("甲[1，2、3]。", [(1, 2, 3)], "甲[1][2][3]。", "甲。"),
        ("a [1] [2] b", [(1,), (2,)], "a[1][2] b", "a b"),
        ("甲［１］乙【1】", [(1,), (1,)], "甲[1]乙[1]", "甲乙"),
        ("a [1-3].", [(1, 2, 3)], "a[1][2][3].", "a."),
        ("a [1–3]. b [2 to 4]", [(1, 2, 3), (2, 3, 4)], "a[1][2][3]. b[2][3][4]", "a. b"),
        ("甲[1至2]乙[3-1]", [(1, 2), (1, 2, 3)], "甲[1][2]乙[1][2][3]", "甲乙"),
        ("[[1]] 甲", [(1,)], "[1] 甲", "甲"),
        ("甲[资料 2]，乙[^4]", [(2,), (4,)], "甲[2]，乙[4]", "甲，乙"),
        ("a [Passage 1, Passage 2] b", [(1, 2)], "a[1][2] b", "a b"),
        ("a [1]b", [(1,)], "a[1] b", "a b"),
        ("甲[2024]5号，x[0]，[1](http://a)，[1]: http://b", [], None, None),
        ("`a[1]` and\n```\nb[2]\n```\n", [], None, None),
        ("[x] [1.5] [-1] [01]", [], None, None),
    ],
)
def test_citations_are_read_in_every_way_that_they_are_written(text, numbers, plain, bare):
    assert [mark.numbers for mark in find_marks(text)] == numbers
    assert with_plain_marks(text) == (text if plain is None else plain)
    assert without_marks(text) == (text if bare is None else bare)


SEPARATORS = st.sampled_from([",", "，", "、", "; ", " , ", " "])
BRACKETS = st.sampled_from(["[]", "［］", "【】"])


@given(st.lists(st.integers(1, 999), min_size=1, max_size=6, unique=True), SEPARATORS, BRACKETS, st.booleans())
def test_a_list_of_numbers_is_read_however_it_is_bracketed_and_parted(numbers, separator, brackets, wide):
    inside = separator.join(map(str, numbers))
    if wide:
        inside = inside.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    text = f"甲{brackets[0]}{inside}{brackets[1]}。"
    assert [mark.numbers for mark in find_marks(text)] == [tuple(numbers)]
    assert without_marks(text) == "甲。"


@given(st.integers(1, 999), st.integers(1, 999), st.sampled_from(["-", "–", "—", "~", "～", " - ", "至", "到", " to "]))
def test_a_range_names_all_between_its_ends(first, last, dash):
    (mark,) = find_marks(f"a [{first}{dash}{last}]")
    assert sorted(mark.numbers) == list(range(min(first, last), max(first, last) + 1))


@given(st.text(alphabet="[]［］【】12 ,-，、a甲。.`\n^资料(:", max_size=60))
def test_any_text_is_read_and_what_was_written_plainly_stays_as_it_is(text):
    marks = find_marks(text)
    assert all(0 <= a.start < a.end <= len(text) for a in marks)
    assert all(a.end <= b.start for a, b in pairwise(marks))
    plain = with_plain_marks(text)
    assert with_plain_marks(plain) == plain
    numbers = {number for mark in marks for number in mark.numbers}
    assert {number for one in cited_sentences(text) for number in one.numbers} <= numbers


@pytest.mark.parametrize(
    "piece", ["[" + "1" * 4000, "[" + "1," * 4000, "[ " * 4000, "[1" + " " * 4000, "[资料1、" * 2000]
)
def test_a_hostile_text_is_read_in_no_time(piece):
    began = time.perf_counter()
    find_marks(piece * 5)
    assert time.perf_counter() - began < 2


def test_a_citation_belongs_to_the_words_before_it_on_either_side_of_the_stop():
    read = cited_sentences("每天两次[1]。库温要低。[2][3]\n没有依据。")
    assert [(one.text, one.numbers) for one in read] == [
        ("每天两次。", (1,)),
        ("库温要低。", (2, 3)),
        ("没有依据。", ()),
    ]
    read = cited_sentences("It is logged twice a day [1]. It is cold. [2] Why?")
    assert [one.numbers for one in read] == [(1,), (2,), ()]
    assert cited_sentences("") == []


PASSAGES = {
    "zh": ["冷库的库温每天记录两次，由值班员签字。", "水泵房每周检查一次轴承的润滑油，油量不少于 3 升。"],
    "en": ["The store's temperature is logged twice a day and signed by the attendant.",
           "The bearings in the pump house are greased once a week with at least 3 litres of oil."],
}  # fmt: skip
ASKED = {"zh": "库温多久记录一次？", "en": "How often is the temperature logged?"}
SAID = {
    "right": {"zh": "库温每天记录两次[1]，由值班员签字[1]。", "en": "It is logged twice a day and signed by the attendant [1]."},
    "wrong": {"zh": "每天记录两次，由值班员签字[2]。", "en": "It is logged twice a day and signed by the attendant [2]."},
    "number": {"zh": "轴承的润滑油不少于 5 升[2]。", "en": "The bearings are greased with at least 5 litres of oil [2]."},
    "both": {"zh": "每天记录两次，由值班员签字[1][2]。", "en": "It is logged twice a day and signed by the attendant [1][2]."},
    "invented": {"zh": "记录须保存十年并寄往总部备案[1]。", "en": "The logs are mailed to headquarters and archived there [1]."},
}  # fmt: skip


def found(lang, said, least=0.5):
    return check_citations(said, PASSAGES[lang], ASKED[lang], least)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_passage_bears_what_it_says_and_nothing_else(lang):
    assert found(lang, SAID["right"][lang]) == ((1,), 0, [])
    for wrong in ("wrong", "number", "both", "invented"):
        (fault,) = found(lang, SAID[wrong][lang]).faults
        assert fault.reason == "unsupported_citation", wrong
        assert fault.facts["sentence"] and fault.facts["cited"] and fault.facts["why"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_numbers_must_exist_and_something_must_be_cited(lang):
    bare = without_marks(SAID["right"][lang])
    assert [fault.reason for fault in found(lang, bare).faults] == ["no_citation"]
    made = found(lang, SAID["right"][lang] + (" 另见[7]。" if lang == "zh" else " See also [7]."))
    assert made.faults[0].reason == "unknown_citation" and made.faults[0].facts == {"numbers": [7], "passages": 2}
    assert made.cited == (1,)


def test_sentences_that_cite_nothing_are_counted():
    made = found("zh", "库温每天记录两次[1]。由值班员签字。好的！")
    assert (made.cited, made.uncited, made.faults) == ((1,), 2, [])


def test_two_passages_bear_a_sentence_together():
    said = "冷库的库温每天记录两次，水泵房每周检查一次轴承的润滑油[1][2]。"
    assert found("zh", said).faults == []
    assert found("zh", said.replace("[2]", ""), least=0.8).faults


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_sentence_that_cites_nothing_can_be_given_the_passage_that_bears_it(lang):
    said = {
        "zh": "库温每天记录两次。水泵房每周检查一次轴承的润滑油[2]！记录须寄往总部备案。",
        "en": "The temperature is logged twice a day. The bearings are greased once a week [2]! Logs are mailed to headquarters.",
    }[lang]
    made = attributed(said, PASSAGES[lang], ASKED[lang], 0.5)
    assert made == said.replace("两次。", "两次[1]。").replace("a day.", "a day[1]."), "what nobody says stays bare"
    assert found(lang, made) == ((1, 2), 1, [])
    assert attributed(made, PASSAGES[lang], ASKED[lang], 0.5) == made


def test_a_table_is_not_broken_by_citations_that_are_added():
    table = "| 项目 | 次数 |\n|---|---|\n| 库温记录 | 每天两次 |"
    assert attributed(table, PASSAGES["zh"], ASKED["zh"], 0.5) == table


@given(st.text(alphabet="[]12 甲乙。.a!|\n", max_size=40))
def test_a_citation_that_is_added_to_a_bare_sentence_belongs_to_it(text):
    bare = [
        (i, one) for i, one in enumerate(cited_sentences(text)) if not one.numbers and one.text.strip("[]12 。.!|\n")
    ]
    for i, one in bare:
        made = with_added(text, [(one.end, 7)])
        assert made.replace("[7]", "", 1) == text or "[7]" in text
        assert any(7 in other.numbers for other in cited_sentences(made)[max(0, i - 1) : i + 2])
