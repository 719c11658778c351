"""A grid whose quotas are met exactly, and a tagger that does not know what was wanted."""

import json
import re
from collections import Counter
from itertools import count
from pathlib import Path
from random import Random

import pytest

from sftmill.core import question
from sftmill.errors import RecipeError, RunError
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.blind_label import OUTSIDE, label_schema, label_values, labelled_cell
from sftmill.steps.grid import Cell, Grid
from sftmill.steps.instruct.controlled.cell_requests import plan_requests, short_cells
from sftmill.steps.instruct.controlled.controlled import Controlled

TOPICS = {"zh": ["贷款", "保险", "基金"], "en": ["loans", "insurance", "funds"]}
TASKS = {"zh": ["解释", "计算", "比较"], "en": ["explain", "calculate", "compare"]}
EASY = {"zh": "简单", "en": "easy"}
WORDS = {
    "zh": "春夏秋冬东南西北金木水火土山川湖海风云雷电松竹梅兰菊荷桂柳杨槐榆枫桃李杏梨枣柿橘柚蕉莓葵麻棉麦稻粟豆瓜茄椒葱姜蒜韭芹",
    "en": [a + b for a in "bdfghklmnprstv" for b in ("ando", "erin", "ilta", "otum", "ulek", "amiso")],
}


def noun(lang, number):
    """Return words of its own for each number, so that no two instructions are alike."""
    return ("" if lang == "zh" else " ").join(Random(number).sample(WORDS[lang], 14))


class Models:
    """Plays writer and tagger: the writer goes off topic each third time, and the tagger reads what was written."""

    def __init__(self, lang, off_topic=3, stubborn=()):
        self.lang, self.off_topic, self.stubborn = lang, off_topic, stubborn
        self.made, self.labelled, self.asked = {}, [], []
        self.numbers = count()

    def write(self, body):
        text = body["messages"][-1]["content"]
        self.asked.append(text)
        topic, task = re.findall(r'[“"](.+?)[”"]', text)[:2]
        wanted = int(re.search(r"(?:写|Write) (\d+)", text)[1])
        found = []
        for _ in range(wanted):
            number = next(self.numbers)
            off = (number % self.off_topic == 0 and self.off_topic) or (topic, task) in self.stubborn
            head = "请说明" if self.lang == "zh" else "Explain "
            said = f"{head}{noun(self.lang, number)}{'，编号' if self.lang == 'zh' else ', number '}{number}"
            self.made[said] = (OUTSIDE[self.lang] if off else topic, task)
            found.append(said)
        return {"json": {"instructions": found}}

    def tag(self, body):
        text = body["messages"][-1]["content"]
        self.labelled.append(text)
        said = re.search(r"<task>\n(.*)\n</task>", text)[1]
        topic, task = self.made[said]
        return {"json": {"topic": topic, "task_type": task}}

    def providers(self):
        return {"teacher": [ScriptedProvider(self.write)], "tagger": [ScriptedProvider(self.tag)]}


def project(folder, lang="zh", grid=None, seeds=(), **settings):
    """Write a recipe with a 3x3 grid, two instructions a cell."""
    lists = {"topics": TOPICS[lang], "task_types": TASKS[lang], "difficulties": [EASY[lang]], "count": 2}
    if isinstance(grid, str):
        lists["grid"] = grid
    elif grid is not None:
        (folder / "grid.yaml").write_text(json.dumps(grid, ensure_ascii=False), "utf-8")
        lists = {"grid": "grid.yaml"}
    first = {"draws": {"count": 1}}
    if seeds:
        (folder / "seeds.jsonl").write_text("\n".join(json.dumps(seed, ensure_ascii=False) for seed in seeds), "utf-8")
        first = {"samples": {"file": "seeds.jsonl"}}
    recipe = {
        "name": "grid", "lang": lang,
        "models": {"teacher": {"scripted": "unused.yaml", "model": "t"}, "tagger": {"scripted": "unused.yaml", "model": "g"}},
        "streams": {"tasks": {"steps": [first, {"controlled": {**lists, **settings}}]}},
    }  # fmt: skip
    (folder / "unused.yaml").write_text("default: x")
    (folder / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False), "utf-8")
    return load_recipe(folder / "recipe.yaml")


def last(folder: Path):
    """Return the rows of the step and those that it dropped."""
    stage = sorted((folder / "streams" / "tasks").iterdir())[-1]
    return [row for path in shard_files(stage) for row in read_rows(path)], list(read_losses(stage, "dropped"))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_grid_of_three_by_three_is_filled_exactly_and_what_is_off_topic_is_out(tmp_path, lang):
    models = Models(lang)
    manifest = run_recipe(project(tmp_path, lang), tmp_path / "run", providers=models.providers())
    rows, dropped = last(tmp_path / "run")
    cells = Counter((row["topic"], row["task_type"]) for row in rows)
    assert cells == {(topic, task): 2 for topic in TOPICS[lang] for task in TASKS[lang]}
    assert all(models.made[question(row)] == (row["topic"], row["task_type"]) for row in rows)
    off = [row for row in dropped if row["reason"] == "off_cell"]
    assert {question(row) for row in off} == {said for said, cell in models.made.items() if cell[0] == OUTSIDE[lang]}
    assert all(OUTSIDE[lang] in row["facts"]["labelled"] and row["topic"] in row["facts"]["wanted"] for row in off)
    assert {row["method"] for row in rows} == {"controlled"} and min(row["round"] for row in rows) == 1
    counts = list(manifest["counts"].values())[-1]
    reasons = Counter(row["reason"] for row in dropped)
    assert reasons == counts["dropped"] and set(reasons) <= {"off_cell", "quota_full", "no_instruction"}
    assert len(models.labelled) == len(rows) + reasons["off_cell"] + reasons["quota_full"], "the on-topic rate follows"
    assert not short_cells(Controlled(**_lists(lang)).read(), rows)


def _lists(lang):
    return {"topics": TOPICS[lang], "task_types": TASKS[lang], "difficulties": [EASY[lang]], "count": 2}


def test_no_cell_gets_one_too_many_and_the_surplus_is_named(tmp_path):
    models = Models("zh", off_topic=10**9)
    run_recipe(project(tmp_path, oversample=4), tmp_path / "run", providers=models.providers())
    rows, dropped = last(tmp_path / "run")
    assert len(rows) == 18
    surplus = [row for row in dropped if row["reason"] == "quota_full"]
    assert surplus and all(row["facts"]["quota"] == 2 for row in surplus)
    assert len(models.made) == len(rows) + len(surplus) + sum(r["reason"] == "off_cell" for r in dropped)


def test_the_tagger_sees_the_lists_and_the_instruction_but_not_the_cell_wanted(tmp_path):
    models = Models("zh")
    run_recipe(project(tmp_path), tmp_path / "run", providers=models.providers())
    frames = {re.sub(r"<task>\n.*\n</task>", "", text) for text in models.labelled}
    assert len(frames) == 1, "but for the instruction, all labelling prompts are the same"
    assert all(name in frames.pop() for name in TOPICS["zh"][:1])


def test_a_cell_that_stays_short_is_the_difference_to_the_grid(tmp_path):
    models = Models("zh", off_topic=10**9, stubborn={("贷款", "计算")})
    recipe = project(tmp_path, rounds=3)
    run_recipe(recipe, tmp_path / "run", providers=models.providers())
    rows, _ = last(tmp_path / "run")
    assert len(rows) == 16
    short = short_cells(Controlled(**_lists("zh")).read(), rows)
    assert short == {Cell("贷款", "计算", "简单"): 2}


def test_a_grid_that_must_be_filled_stops_the_run_with_the_cells(tmp_path):
    models = Models("zh", off_topic=10**9, stubborn={("贷款", "计算")})
    with pytest.raises(RunError, match=r"贷款 / 计算 / 简单 / text: 2.*Raise rounds"):
        run_recipe(project(tmp_path, rounds=2, must_fill=True), tmp_path / "run", providers=models.providers())


def test_similar_instructions_do_not_count(tmp_path):
    texts = count()

    def same(body):
        return {"json": {"instructions": [f"请解释什么是年化利率以及它和日利率的关系{next(texts) % 2}"] * 2}}

    tagger = ScriptedProvider(lambda body: {"json": {"topic": "贷款", "task_type": "解释"}})
    recipe = project(tmp_path, topics=["贷款"], task_types=["解释"], rounds=2)
    run_recipe(recipe, tmp_path / "run", providers={"teacher": [ScriptedProvider(same)], "tagger": [tagger]})
    rows, dropped = last(tmp_path / "run")
    assert len(rows) == 1
    assert {row["reason"] for row in dropped} == {"similar_wording", "no_instruction"}


def test_examples_of_the_grid_file_and_what_is_there_already_stand_in_the_prompt(tmp_path):
    quota = {
        "topic": "贷款",
        "task_type": "计算",
        "difficulty": "简单",
        "count": 3,
        "examples": ["某人贷款，利息怎么算？"],
    }
    grid = {"topics": TOPICS["zh"], "task_types": TASKS["zh"], "difficulties": ["简单"], "quotas": [quota]}
    models = Models("zh", off_topic=2)
    run_recipe(project(tmp_path, grid=grid), tmp_path / "run", providers=models.providers())
    rows, _ = last(tmp_path / "run")
    assert [(row["topic"], row["task_type"]) for row in rows] == [("贷款", "计算")] * 3
    assert all("某人贷款，利息怎么算？" in text for text in models.asked)
    first = next(question(row) for row in rows if row["round"] == 1)
    later = [text for text in models.asked if "不要重复" in text]
    assert later and all(first in text for text in later)


SEEDS = [
    {"instruction": "请解释等额本息的含义", "instances": [{"input": "", "output": ""}], "topic": "贷款", "task_type": "解释", "difficulty": "简单"},
    {"instruction": "说说你对理财的看法", "instances": [{"input": "", "output": ""}]},
]  # fmt: skip


def test_seeds_are_examples_and_only_if_kept_do_they_count(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    models = Models("zh")
    run_recipe(project(tmp_path / "a", seeds=SEEDS), tmp_path / "a" / "run", providers=models.providers())
    rows, _ = last(tmp_path / "a" / "run")
    assert len(rows) == 18 and any("等额本息" in text for text in models.asked)
    assert any("等额本息" in text for text in models.asked if "“贷款”，要助手做的事是“解释”" in text)
    kept = Models("zh")
    run_recipe(
        project(tmp_path / "b", seeds=SEEDS, keep_seeds=True), tmp_path / "b" / "run", providers=kept.providers()
    )
    rows, _ = last(tmp_path / "b" / "run")
    assert len(rows) == 19, "18 of the grid, one of them a seed, and a seed of no cell"
    assert Counter(row["round"] == 0 for row in rows)[True] == 2


def test_the_same_recipe_run_again_asks_nothing_and_gives_the_same_rows(tmp_path):
    recipe = project(tmp_path)
    run_recipe(recipe, tmp_path / "one", providers=Models("zh").providers())
    again = Models("zh")
    run_recipe(recipe, tmp_path / "two", providers=again.providers())
    assert not again.asked and not again.labelled
    assert last(tmp_path / "one") == last(tmp_path / "two")


def test_a_label_that_cannot_be_read_costs_only_its_instruction(tmp_path):
    models = Models("zh", off_topic=10**9)

    def tag(body):
        unreadable = re.search(r"编号\d*[05]\n", body["messages"][-1]["content"])
        return "no idea" if unreadable else models.tag(body)

    providers = {**models.providers(), "tagger": [ScriptedProvider(tag)]}
    run_recipe(project(tmp_path), tmp_path / "run", providers=providers)
    rows, dropped = last(tmp_path / "run")
    assert len(rows) == 18
    assert "not_labelled" in {row["reason"] for row in dropped}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"to_tagger": "teacher"}, "would agree with itself"),
        ({"topics": []}, "nothing is named"),
        ({"topics": ["贷款", "贷款"]}, "twice"),
        ({"count": 0}, "no cell wants anything"),
        ({"grid": "none.yaml", "topics": [], "task_types": [], "difficulties": []}, "none.yaml"),
        ({"grid": "none.yaml"}, "stand in the file"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told_by_the_plan(tmp_path, settings, told):
    with pytest.raises(RecipeError, match=told):
        make_plan(project(tmp_path, **settings), tmp_path / "run")


def test_the_same_model_may_label_when_that_is_wanted(tmp_path):
    assert make_plan(project(tmp_path, to_tagger="teacher", same_tagger=True), tmp_path / "run")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_label_may_say_that_something_lies_outside_and_only_of_topic_and_task(lang):
    grid = Grid(topics=["a"], task_types=["b"], difficulties=["c", "d"], forms=["text"])
    schema = label_schema(grid, lang)
    assert list(schema.model_fields) == ["topic", "task_type", "difficulty"]
    assert labelled_cell(grid, schema(topic="a", task_type="b", difficulty="d")) == Cell("a", "b", "d", "text")
    assert labelled_cell(grid, schema(topic=OUTSIDE[lang], task_type="b", difficulty="d")) is None
    with pytest.raises(ValueError, match="difficulty"):
        schema(topic="a", task_type="b", difficulty=OUTSIDE[lang])
    assert label_values(grid, lang)["forms"] == []


def test_requests_ask_for_more_than_is_lacking_and_starve_no_cell():
    a, b = Cell("a", "x", "e"), Cell("b", "x", "e")
    made = list(plan_requests({a: 4, b: 1}, 1.5, 3, 99))
    assert made == [(a, 3, 0), (b, 2, 0), (a, 3, 1)]
    assert [request.cell for request in plan_requests({a: 40, b: 1}, 1, 1, 2)] == [a, b]
    assert list(plan_requests({}, 1, 1, 9)) == []
