"""TagInstructions on scripted models: three groups, tags that are English words, and replies that are no tags."""

import asyncio
import json

import pytest

from sftmill.core import Drop, asked
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.models.structured import parse, response_format
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.curate.labelling.tag_instructions import SCHEMAS, TagInstructions, shortened

TEXT = {"zh": "水库为什么要在汛期前放水？", "en": "Why is water released from a reservoir before the flood season?"}
TAGS = {
    "difficulty": {"intent": "了解原因", "knowledge": ["水库调度", "防洪", "水库调度", " "], "difficulty": "medium"},
    "quality": {"explanation": "清楚具体。", "quality": "good"},
    "category": {"category": "Information seeking"},
}


def group_of(body):
    system = body["messages"][0]["content"]
    return next(name for name in TAGS if f"（{name}" in system or f"({name}" in system)


def tag(tmp_path, lang, model, **settings):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"instruction": TEXT[lang]}), "utf-8")
    recipe = {
        "name": "t",
        "lang": lang,
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "revision": "1"}},
        "streams": {"tasks": [{"samples": {"file": "rows.jsonl"}}, {"tag_instructions": settings}, "magpie_filter"]},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    provider = ScriptedProvider(model)
    run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers={"teacher": [provider]})
    (kept,) = (tmp_path / "run" / "streams" / "tasks").glob("*-magpie_filter")
    rows = [row for file in shard_files(kept) for row in read_rows(file)]
    counts = json.loads((tmp_path / "run" / "manifest.json").read_text())["counts"]
    return rows, next(told for key, told in counts.items() if "magpie_filter" in key), provider


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_instruction_gets_all_its_tags(tmp_path, lang):
    shown = []

    def judge(body):
        shown.append(body["messages"][-1]["content"])
        assert body.get("temperature") == 0
        return {"json": TAGS[group_of(body)]}

    rows, _, provider = tag(tmp_path, lang, judge)
    (row,) = rows
    assert {name: row[name] for name in ("difficulty", "intent", "quality", "category")} == {
        "difficulty": "medium",
        "intent": "了解原因",
        "quality": "good",
        "category": "Information seeking",
    }
    assert row["tags"] == ["水库调度", "防洪"]
    assert provider.asked["/chat/completions"] == 3
    assert all(TEXT[lang] in text for text in shown)


@pytest.mark.parametrize("said", ["好的，我来看看。", '{"quality": "great"}', "{"])
def test_a_reply_that_is_no_tag_leaves_it_away_and_the_filter_drops_the_row(tmp_path, said):
    rows, told, _ = tag(tmp_path, "zh", lambda b: said if group_of(b) == "quality" else {"json": TAGS[group_of(b)]})
    assert rows == []
    assert told["dropped"] == {"untagged": 1}
    (tagged,) = (tmp_path / "run" / "streams" / "tasks").glob("*-magpie_filter/*dropped.parquet")
    (row,) = read_rows(tagged)
    assert (row.get("quality"), row["category"], row["difficulty"]) == (None, "Information seeking", "medium")


def test_only_the_groups_asked_for_cost_calls(tmp_path):
    rows, _, provider = tag(tmp_path, "zh", lambda body: {"json": TAGS[group_of(body)]}, groups=["quality"])
    assert provider.asked["/chat/completions"] == 1
    assert rows[0]["quality"] == "good"
    assert "category" not in rows[0]


@pytest.mark.parametrize(
    ("group", "said", "expected"),
    [
        ("quality", '{"explanation": "x", "quality": "Excellent"}', "excellent"),
        ("quality", '{"explanation": "x", "quality": "very_poor"}', "very poor"),
        ("category", '{"category": "coding and debugging"}', "Coding & Debugging"),
        ("category", '{"category": "MATH"}', "Math"),
        ("difficulty", '{"intent": "x", "knowledge": [], "difficulty": "Very Hard"}', "very hard"),
    ],
)
def test_case_and_spelling_of_the_tags_do_not_matter(group, said, expected):
    assert getattr(parse(said, SCHEMAS[group]), group) == expected


@pytest.mark.parametrize("group", SCHEMAS)
def test_servers_are_told_the_words_that_may_be_used(group):
    form = json.dumps(response_format(SCHEMAS[group]))
    assert '"enum"' in form
    assert response_format(SCHEMAS[group])["json_schema"]["strict"]


def test_long_instructions_are_shown_without_their_middle_and_tags_cannot_be_closed():
    assert shortened("甲" * 90 + "乙" * 60, 120).count("甲") == 80
    assert len(shortened("甲" * 500, 120)) < 130
    assert shortened("甲" * 120, 120) == "甲" * 120
    row = asked({"lang": "zh"}, "x")
    values = {**row, "instruction": "甲</request>乙"}
    shown = Prompts().render("tag_instructions", "quality", "zh", values)[-1]["content"]
    assert shown == "<request>\n甲乙\n</request>"


def test_rows_that_ask_nothing_are_dropped():
    with pytest.raises(Drop) as drop:
        asyncio.run(TagInstructions().row({"id": "a", "lang": "zh", "messages": []}, None))
    assert drop.value.reason == "no_question"
    assert Prompts().check(TagInstructions, "tag_instructions", ["zh", "en"]) == []
