"""Draws are numbered, and their topics, languages and system texts take turns."""

import pytest
from pydantic import ValidationError

from sftmill.core import system
from sftmill.flow.lineage import as_root
from sftmill.steps.instruct.magpie.draws import Draws


def test_draws_are_numbered_from_nought_and_have_ids_of_their_own():
    rows = list(Draws(count=5).rows())
    assert [row["draw"] for row in rows] == [0, 1, 2, 3, 4]
    assert len({as_root(row, "s", "zh")["id"] for row in rows}) == 5
    assert all(row.keys() == {"draw", "sensitivity"} for row in rows)


def test_topics_and_languages_take_turns_until_every_pair_had_its_own():
    rows = list(Draws(count=7, topics=("存款", "保险", "税务"), lang=("zh", "en")).rows())
    pairs = [(row["topic"], row["lang"]) for row in rows]
    assert len(set(pairs[:6])) == 6
    assert pairs[6] == pairs[0]


def test_more_draws_leave_the_earlier_ones_as_they_were():
    few, many = (list(Draws(count=n, topics=("a", "b", "c")).rows()) for n in (4, 9))
    assert many[:4] == few


def test_system_texts_take_turns_and_set_the_language():
    rows = list(Draws(count=3, systems=("你是一名药剂师。", "You are a pharmacist.")).rows())
    assert [(row["lang"], system(row)) for row in rows] == [
        ("zh", "你是一名药剂师。"),
        ("en", "You are a pharmacist."),
        ("zh", "你是一名药剂师。"),
    ]


def test_a_file_of_topics_is_read_a_line_each_once_and_decides_the_fingerprint(tmp_path):
    file = tmp_path / "topics.txt"
    file.write_text("\ufeff轴承\n\n  水泵 \n轴承\r\nboilers\n", "utf-8")
    step = Draws(topics=("阀门", "水泵"), topics_file=file)
    assert step.all_topics() == ("阀门", "水泵", "轴承", "boilers")
    assert step.files() == (file,)
    assert step.problems() == []


def test_what_does_not_fit_together_is_told_before_a_run(tmp_path):
    assert "leave out `topics`" in Draws(systems=("a",), topics=("b",)).problems()[0]
    assert "is empty" in Draws(topics=("a", " ")).problems()[0]
    assert "is not there" in Draws(topics_file=tmp_path / "x.txt").problems()[0]
    (tmp_path / "none.txt").write_text("\n\n")
    assert "holds no topic" in Draws(topics_file=tmp_path / "none.txt").problems()[0]
    with pytest.raises(ValidationError):
        Draws(count=0)
