"""The terms of a glossary in answers: which come up, and what they must not be called."""

import pytest

from sftmill.steps.instruct.glossary import read_glossary
from sftmill.steps.respond.answer.terms import check_terms, load_terms, read_terms, term_problems, terms_in

GLOSSARY = """
库温: 冷库内空气的温度
制冷剂:
  meaning: 循环吸热放热的介质
  forbidden: [冷媒, 雪种]
  en: refrigerant
evaporator:
  zh: 蒸发器
  forbidden: 冷却排管
"""


@pytest.fixture
def terms(tmp_path):
    (tmp_path / "terms.yaml").write_text(GLOSSARY, "utf-8")
    return read_terms(tmp_path / "terms.yaml")


def test_a_glossary_has_meanings_forbidden_words_and_names_in_both_languages(terms):
    assert [term.name for term in terms] == ["库温", "制冷剂", "evaporator"]
    assert terms[1].forbidden == ("冷媒", "雪种") and terms[2].forbidden == ("冷却排管",)
    assert [terms[1].called("en"), terms[1].called("zh"), terms[2].called("zh")] == ["refrigerant", "制冷剂", "蒸发器"]


@pytest.mark.parametrize(
    ("name", "text"), [("a.txt", "库温：冷库的温度\n利差\n"), ("a.yaml", "库温: 冷库的温度\n利差:\n")]
)
def test_a_plain_glossary_is_read_too(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    assert [(term.name, term.meaning) for term in read_terms(tmp_path / name)] == [("库温", "冷库的温度"), ("利差", "")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("库温:\n  meening: x\n", "what a term may have is meaning, forbidden, zh, en"),
        ("库温:\n  forbidden: [库 温]\n  meaning: x\n", "its own name"),
        ("a:\n  meaning: x\n'': y\n", "1 to 60"),
        ("{}", "holds no term"),
        ("3", "cannot be read"),
    ],
)
def test_a_faulty_glossary_is_told_by_the_plan(tmp_path, text, told):
    (tmp_path / "t.yaml").write_text(text, "utf-8")
    assert told in term_problems(tmp_path / "t.yaml")[0]
    assert "cannot be read" in term_problems(tmp_path / "absent.yaml")[0] and term_problems(None) == []


def test_terms_come_up_by_any_name_and_by_a_forbidden_word(terms):
    assert [t.name for t in terms_in(terms, "库温多高？", "雪种要回收。")] == ["库温", "制冷剂"]
    assert [t.name for t in terms_in(terms, "Which REFRIGERANT?")] == ["制冷剂"]
    assert terms_in(terms, "refrigerants2 of the preevaporatory kind") == []


@pytest.mark.parametrize(
    ("said", "lang", "wrong"),
    [
        ("冷媒要回收。", "zh", [("冷媒", "制冷剂")]),
        ("制冷剂（俗称冷媒）要回收。", "zh", [("冷媒", "制冷剂")]),
        ("制冷剂要回收。", "zh", []),
        ("蒸发器结霜。", "zh", []),
        ("evaporator 结霜。", "zh", [("evaporator", "蒸发器")]),
        ("蒸发器（evaporator）结霜。", "zh", []),
        ("The 制冷剂 is recovered.", "en", [("制冷剂", "refrigerant")]),
        ("The refrigerant is recovered.", "en", []),
    ],
)
def test_what_a_term_must_not_be_called_is_found_with_the_right_name(terms, said, lang, wrong):
    faults = check_terms(said, terms, lang)
    assert [(fault.facts["word"], fault.facts["term"]) for fault in faults] == wrong
    assert {fault.reason for fault in faults} <= {"forbidden_term"}


def test_a_forbidden_word_within_a_right_name_is_none(tmp_path):
    (tmp_path / "t.yaml").write_text(
        "冷媒泵: 输送液体的泵\n制冷剂: {forbidden: [冷媒]}\nrate: {forbidden: [cost]}\n", "utf-8"
    )
    terms = load_terms(tmp_path / "t.yaml")
    assert check_terms("冷媒泵要停。", terms, "zh") == []
    assert [fault.facts["word"] for fault in check_terms("冷媒泵里的冷媒。", terms, "zh")] == ["冷媒"]
    assert check_terms("The costly rate", terms, "en") == [], "cost is no part of costly"


def test_a_glossary_with_forbidden_words_serves_the_steps_that_want_meanings_too(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text("久期: {meaning: 现金流的平均期限, forbidden: [持续期]}\n凸性: 二阶敏感度\n", "utf-8")
    assert read_glossary(path) == {"久期": "现金流的平均期限", "凸性": "二阶敏感度"}
    assert [term.forbidden for term in read_terms(path)] == [("持续期",), ()]
