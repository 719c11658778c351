"""One pair as two tasks."""

import asyncio
import json

import pytest

from sftmill.core import Drop, answer, question
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.instruct.variants import Variants


class RenderingDesk:
    """Renders the packaged prompts and can ask nobody."""

    def __init__(self, row):
        self.row = row

    def prompt(self, name, **values):
        known = {"title_path": None, "context": None, **self.row, "question": question(self.row)}
        return Prompts().render("variants", name, self.row["lang"], known)


def pair(number=0, lang="zh", **more):
    asks, says = (
        (f"设备 {number} 的功率是多少？", "五千瓦。") if lang == "zh" else (f"What is device {number}?", "A pump.")
    )
    messages = [{"role": "user", "content": asks}, {"role": "assistant", "content": says}]
    return {"lang": lang, "passage": f"passage {number}", "messages": messages, **more}


def make(row, **settings):
    return asyncio.run(Variants(**settings).row(row, RenderingDesk(row)))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_pair_becomes_a_row_by_heart_and_one_with_its_passage(lang):
    row = pair(lang=lang, title_path=["Manual", "Pumps"], context="Clause nine.")
    closed, reading = make(row, share=1.0)
    assert (closed["task"], reading["task"]) == ("closed_book", "with_context")
    assert closed["messages"] == row["messages"]
    shown = question(reading)
    assert all(part in shown for part in (row["passage"], question(row), "Manual / Pumps", "Clause nine."))
    assert answer(reading) == answer(row)


def test_about_the_share_asked_for_gets_a_second_row_and_always_the_same_ones():
    first = [len(make(pair(n), share=0.3)) for n in range(300)]
    assert set(first) == {1, 2}
    assert 60 <= first.count(2) <= 120
    assert first == [len(make(pair(n), share=0.3)) for n in range(300)]
    assert all(len(make(pair(n), share=0.0)) == 1 for n in range(50))


def test_more_is_asked_of_no_pair_when_the_share_grows():
    small = {n for n in range(100) if len(make(pair(n), share=0.2)) == 2}
    large = {n for n in range(100) if len(make(pair(n), share=0.6)) == 2}
    assert small < large


def test_both_wordings_are_used():
    shown = [question(make(pair(n), share=1.0)[1]) for n in range(30)]
    assert len({text.startswith("设备") for text in shown}) == 2


def test_rows_by_heart_can_be_left_out():
    assert [row["task"] for row in make(pair(), share=1.0, closed_book=False)] == ["with_context"]
    with pytest.raises(Drop) as drop:
        make(pair(), share=0.0, closed_book=False)
    assert drop.value.reason == "not_in_share"


def test_system_turn_and_earlier_turns_stay():
    before = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    row = pair(lang="en")
    row["messages"] = [*before, *row["messages"]]
    reading = make(row, share=1.0)[1]
    assert reading["messages"][:3] == before
    assert row["messages"][3]["content"] == question(row)


@pytest.mark.parametrize(
    "broken", [{"passage": " "}, {"messages": []}, {"messages": [{"role": "user", "content": "问？"}]}]
)
def test_an_incomplete_pair_is_dropped(broken):
    with pytest.raises(Drop) as drop:
        make(pair() | broken)
    assert drop.value.reason == "incomplete"


def test_it_asks_no_model_and_its_prompts_fit():
    assert Variants().roles() == ()
    assert Prompts().check(Variants, "variants", ["zh", "en"]) == []


def teach(body):
    """Play a model: one question, and a sentence of the passage as its answer."""
    prompt = body["messages"][-1]["content"]
    said = "The alloy ZX-71 melts at 1234 degrees."
    if "Question: " in prompt.rpartition("</material>")[2]:
        return {"json": {"quotations": [said], "answer": said}}
    return {"json": {"questions": ["At what temperature does the alloy ZX-71 melt?"]}}


def test_the_variants_of_a_whole_run_stand_side_by_side(tmp_path):
    (tmp_path / "books").mkdir()
    text = "# Handbook\n\n## Alloys\n\nThe alloy ZX-71 melts at 1234 degrees. It is smelted in three passes by night.\n"
    (tmp_path / "books" / "a.md").write_text(text)
    recipe = {
        "name": "both",
        "lang": "en",
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "scripted", "revision": "1"}},
        "streams": {
            "pairs": [
                {"books": {"folder": "books"}},
                {"split": {"minimum": 10}},
                "selfqa_questions",
                "question_form",
                "selfqa_answers",
                "grounded",
            ],
            # a stream that asks no model at all
            "both": {"from": ["pairs"], "steps": [{"variants": {"share": 1.0}}]},
        },
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    providers = {"teacher": [ScriptedProvider(teach)]}
    run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers=providers)
    files = shard_files(tmp_path / "run" / "streams" / "both" / "01-variants")
    rows = [row for file in files for row in read_rows(file)]
    assert [row["task"] for row in rows] == ["closed_book", "with_context"]
    assert question(rows[0]) in question(rows[1])
    assert rows[0]["passage"] in question(rows[1])
    assert len({row["id"] for row in rows}) == 2
