"""Passages for a question: found, shown once, as sensitive as they are, and never what is held out."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from sftmill.errors import RecipeError
from sftmill.flow.reserve import content_key
from sftmill.flow.shards import read_rows, shard_files
from sftmill.holdout import Held, Holdout, write_holdout
from sftmill.models.scripted import ScriptedProvider, embed
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.respond.retrieve.retrieve_passages import RetrievePassages

PASSAGES = {
    "zh": [
        "冷库的库温每天记录两次，由值班员签字。",
        "水泵房每周检查一次轴承的润滑油。",
        "消防通道不得堆放货物，宽度不小于两米。",
    ],
    "en": [
        "The store's temperature is logged twice a day and signed by the attendant.",
        "The bearings in the pump house are greased once a week.",
        "Nothing may be piled up in the fire lanes, which are two metres wide.",
    ],
}
QUESTIONS = {
    "zh": ["库温多久记录一次？", "轴承的润滑油多久检查一次？", "消防通道要多宽？"],
    "en": ["How often is the temperature logged?", "When are the bearings greased?", "How wide are fire lanes?"],
}


class Rows:
    """Rows as a whole-data step gets them."""

    def __init__(self, rows):
        self.listed = rows

    def __len__(self):
        return len(self.listed)

    def rows(self):
        return iter(self.listed)


class Desk:
    """Embeds by shared pairs of characters."""

    def __init__(self):
        self.asked, self.searched = [], []

    async def vectors(self, texts, *, to, as_passages=False):
        self.asked += texts
        self.searched += texts if as_passages else []
        return np.array([embed(text) for text in texts], np.float32)


def passage(number, text, lang="zh", **more):
    return {"id": f"p{number}", "lang": lang, "sensitivity": "public", "passage": text, "source": "book.md", **more}


def ask(text, lang="zh", **more):
    row = {"id": "q", "lang": lang, "sensitivity": "public", "messages": [{"role": "user", "content": text}]}
    return {**row, **more}


def retrieve(rows, passages=None, desk=None, **settings):
    inputs = {"rows": Rows(rows)} | ({"passages": Rows(passages)} if passages is not None else {})

    async def collect():
        return [item async for item in RetrievePassages(**settings).run(inputs, desk or Desk())]

    return asyncio.run(collect())


def library(lang):
    return [passage(number, text, lang) for number, text in enumerate(PASSAGES[lang])]


def texts(row):
    return [one["text"] for one in row["retrieved"]]


def test_passages_are_embedded_as_what_is_searched_and_questions_as_what_searches():
    retrieve([ask(QUESTIONS["zh"][0])], library("zh"), desk := Desk(), to_embedder="embedder")
    assert desk.searched == PASSAGES["zh"] and desk.asked == [*PASSAGES["zh"], QUESTIONS["zh"][0]]


def test_a_passage_brings_its_licence_along():
    rows = [{**row, "licence": "CC BY-SA 4.0"} for row in library("zh")]
    (made,) = retrieve([ask(QUESTIONS["zh"][0])], rows, most=1)
    assert made["retrieved"][0]["licence"] == "CC BY-SA 4.0"


@pytest.mark.parametrize("settings", [{}, {"to_embedder": "embedder"}])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_passage_that_answers_comes_first(lang, settings):
    made = retrieve([ask(text, lang) for text in QUESTIONS[lang]], library(lang), most=2, **settings)
    assert [texts(row)[0] for row in made] == PASSAGES[lang]
    assert made[0]["retrieved"][0].items() >= {"id": "p0", "source": "book.md", "title_path": []}.items()
    assert all(row["retrieved"][0]["score"] > 0 for row in made)


def test_headings_are_part_of_what_is_found_and_earlier_turns_of_what_is_asked():
    headed = [
        passage(0, "每天两次。", title_path=["冷库", "记录"]),
        passage(1, "每周一次。", title_path=["泵房", "检查"]),
    ]
    turns = [("user", "说说泵房。"), ("assistant", "好。"), ("user", "多久一次？")]
    row = ask("") | {"messages": [{"role": role, "content": text} for role, text in turns]}
    found = retrieve([row], headed, most=1)[0]["retrieved"][0]
    assert (found["text"], found["title_path"]) == ("每周一次。", ["泵房", "检查"])


def test_passages_that_say_the_same_are_shown_once():
    text = PASSAGES["zh"][0]
    more = [passage(8, f" {text} "), passage(9, text.replace("，", ",  ")), passage(10, f"{text}另见附表。")]
    (row,) = retrieve([ask(QUESTIONS["zh"][0])], [*library("zh"), *more])
    assert sum("库温" in one for one in texts(row)) == 1


def test_a_row_becomes_as_sensitive_as_the_strictest_passage_it_gets():
    secret = [*library("zh")[1:], passage(7, PASSAGES["zh"][0], sensitivity="secret")]
    made = retrieve([ask(QUESTIONS["zh"][0]), ask(QUESTIONS["zh"][2])], secret, most=1)
    assert [row["sensitivity"] for row in made] == ["secret", "public"]
    twice = retrieve([ask(QUESTIONS["zh"][0])], [*library("zh"), secret[-1]], most=1)
    assert twice[0]["sensitivity"] == "secret", "one that stands in two sources is as sensitive as the stricter one"
    own = retrieve([ask(QUESTIONS["zh"][0], sensitivity="secret")], library("zh"), most=1)
    assert own[0]["sensitivity"] == "secret"


def test_no_passage_in_another_language_unless_it_is_wished_for():
    both = [*library("zh"), passage(5, "温度 temperature 库温 log 记录", "en")]
    assert all("temperature" not in text for text in texts(retrieve([ask(QUESTIONS["zh"][0])], both)[0]))
    wished = retrieve([ask(QUESTIONS["zh"][0])], both, other_languages=True)
    assert any("temperature" in text for text in texts(wished[0]))
    assert retrieve([ask("temperature?", "en")], library("zh"))[0].reason == "too_little_retrieved"


def test_room_bounds_what_a_row_gets_and_cuts_nothing():
    (row,) = retrieve([ask("库温轴承消防通道")], [*library("zh"), passage(3, "库温" * 60)], room=50)
    assert sum(map(len, texts(row))) <= 50 and set(texts(row)) <= set(PASSAGES["zh"])


def test_without_a_side_input_the_streams_own_passages_are_searched():
    rows = [ask(text, passage=own) for text, own in zip(QUESTIONS["zh"], PASSAGES["zh"], strict=True)]
    assert [texts(row)[0] for row in retrieve(rows)] == PASSAGES["zh"]


def test_the_passage_that_the_question_was_made_from_can_be_put_in_or_left_out():
    own = PASSAGES["zh"][1]
    row = ask(QUESTIONS["zh"][0], passage=own)
    assert own not in texts(retrieve([row], library("zh"), most=1)[0])
    assert texts(retrieve([row], library("zh"), most=1, own="always")[0]) == [own]
    assert own in texts(retrieve([row], library("zh")[:1], most=2, own="always")[0]), "also where nobody searched it"
    asked_for = ask(QUESTIONS["zh"][1], passage=own)
    left = retrieve([asked_for], library("zh"), own="never", least=0)[0]
    assert own not in texts(left)


def test_a_forced_passage_is_not_always_at_the_same_place():
    row = ask("库温 轴承", passage="夜班人员的安排另行通知。")
    made = [retrieve([row | {"id": str(n)}], library("zh"), own="always", most=3)[0] for n in range(12)]
    assert len({texts(one).index(row["passage"]) for one in made}) > 1
    assert made[0] == retrieve([row | {"id": "0"}], library("zh"), own="always", most=3)[0]


def test_rows_without_a_question_or_enough_passages_are_dropped():
    made = retrieve([ask(" "), ask("没有的东西"), ask(QUESTIONS["zh"][0])], library("zh"))
    assert [getattr(one, "reason", None) for one in made] == ["no_question", "too_little_retrieved", None]
    assert retrieve([ask("没有的东西")], library("zh"), least=0)[0]["retrieved"] == []


def test_what_cannot_be_meant_is_said():
    assert "lower it" in RetrievePassages(least=6, most=5).problems()[0]
    with pytest.raises(RecipeError, match="name a stream of passages"):
        retrieve([ask("甲")], [])
    assert retrieve([], []) == []


def recipe(folder, steps=None, models=None, **top):
    (folder / "a").mkdir()
    for name, title, text, more in (
        ("cold", "冷库", PASSAGES["zh"][0], "记录保存三年，缺页须说明原因，并由库长在月底核对一遍。"),
        ("pump", "泵房", PASSAGES["zh"][1], "加油前先停机断电，加油后空转十分钟，再听有没有异响。"),
    ):
        (folder / "a" / f"{name}.md").write_text(f"# {title}\n\n## 一\n\n{text}{more}\n", "utf-8")
    (folder / "q.jsonl").write_text("\n".join(json.dumps({"question": text}) for text in QUESTIONS["zh"][:2]), "utf-8")
    content = {
        "name": "rag", "lang": "zh", **top, **({"models": models} if models else {}),
        "streams": {
            "books": [{"books": {"folder": "a", **({"sensitivity": top.pop("level")} if "level" in top else {})}}, {"split": {"minimum": 20}}],
            "questions": [{"samples": {"file": "q.jsonl"}}],
            "answers": {
                "from": "questions", "inputs": {"passages": "books"},
                "steps": [{"retrieve_passages": {"least": 0, "most": 2}}, *(steps or [])],
            },
        },
    }  # fmt: skip
    content.pop("level", None)
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(content), "utf-8")
    return path


def rows_of(folder, stage):
    return [row for path in shard_files(folder / "streams" / "answers" / stage) for row in read_rows(path)]


def test_it_runs_from_a_recipe_with_the_books_as_side_input(tmp_path):
    run_recipe(load_recipe(recipe(tmp_path)), tmp_path / "run")
    made = rows_of(tmp_path / "run", "01-retrieve_passages")
    assert [row["retrieved"][0]["source"] for row in made] == ["cold.md", "pump.md"]
    assert all(row["retrieved"][0]["title_path"] for row in made)


def test_what_is_held_out_is_shown_to_nobody(tmp_path):
    path = recipe(tmp_path)
    run_recipe(load_recipe(path), tmp_path / "before")
    books = tmp_path / "before" / "streams" / "books"
    listed = [row for stage in books.iterdir() for file in shard_files(stage) for row in read_rows(file)]
    keys = {row["source"]: content_key(row) for row in listed}
    write_holdout(tmp_path / "holdout.json", Holdout((Held(keys["pump.md"], "pump.md"),)))
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "holdout": "holdout.json"}), "utf-8")
    run_recipe(load_recipe(path), tmp_path / "run")
    made = rows_of(tmp_path / "run", "01-retrieve_passages")
    assert {one["source"] for row in made for one in row["retrieved"]} == {"cold.md"}


def test_the_plan_refuses_to_show_secret_passages_to_a_model_outside(tmp_path):
    models = {"teacher": {"endpoint": "https://api.example.com/v1", "model": "m"}}
    steps = [{"respond": {"context": "retrieved"}}]
    path = recipe(tmp_path, steps, models, level="secret")
    with pytest.raises(RecipeError, match="would send secret rows"):
        make_plan(load_recipe(path), tmp_path / "run")


def test_the_same_shards_come_out_of_every_run(tmp_path):
    models = {"embedder": {"scripted": "script.yaml"}}
    path = recipe(tmp_path, models=models)
    (tmp_path / "script.yaml").write_text("default: x")
    content = json.loads(path.read_text("utf-8"))
    content["streams"]["answers"]["steps"] = [{"retrieve_passages": {"to_embedder": "embedder"}}]
    path.write_text(json.dumps(content), "utf-8")
    for name in ("one", "two"):
        run_recipe(load_recipe(path), tmp_path / name, providers={"embedder": [ScriptedProvider({"default": "x"})]})
    one, two = (rows_of(tmp_path / name, "01-retrieve_passages") for name in ("one", "two"))
    assert one == two and all(len(row["retrieved"]) == 2 for row in one)


DATA = Path(__file__).resolve().parents[3] / "../shared/data/qa/passages_qa.jsonl"


@pytest.mark.skipif(not DATA.is_file(), reason="the shared question set is not here")
def test_the_passage_that_a_question_was_asked_about_is_mostly_among_the_first_five():
    listed = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()][::4]
    books = [passage(row["pid"], row["passage"], row["lang"][:2]) for row in listed]
    made = retrieve([ask(row["question"], row["lang"][:2]) for row in listed], books)
    hits = [row["passage"].strip() in texts(one) for row, one in zip(listed, made, strict=True)]
    assert sum(hits) >= 0.97 * len(hits)
