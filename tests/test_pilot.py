"""The pilot and what is held out, as users meet them: on folders of documents, through recipe and engine."""

import json
from pathlib import Path

import pytest

from sftmill.core import question
from sftmill.drafts import LABELS, draft_items
from sftmill.errors import RecipeError, RunError
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import ShardList, shard_files
from sftmill.holdout import read_holdout, write_holdout
from sftmill.models.scripted import ScriptedProvider
from sftmill.pilot import run_pilot
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.reserve_sources import reserve
from sftmill.run import run_recipe
from sftmill.steps.curate.labels import Label, Verdict, label_key, labels_text

STEPS = '''
from sftmill.core import AskStep, Drop, asked, answered

class Asks(AskStep):
    """Makes two questions of a passage and drops every second answer that the model calls bad."""
    reads = ("passage",)
    writes = ("messages",)
    to: str = "teacher"

    async def row(self, row, desk):
        reply = (await desk.ask("ask about: " + row["passage"], to=self.to))[0]
        return [answered(asked(row, f"{reply.text} {part}"), row["passage"][:20]) for part in ("what", "why")]

class Judges(AskStep):
    """Drops what the model does not like."""
    reads = ("answer",)
    to: str = "teacher"

    async def row(self, row, desk):
        reply = (await desk.ask("judge: " + row["messages"][0]["content"], to=self.to))[0]
        if reply.text == "bad":
            raise Drop("bad")
        return row
'''
RULES = {
    "rules": [
        {"when": "/ask about: (?s:.*?)(item \\d+ of \\w+)/", "say": "$1"},
        {"when": "/judge: item \\d*[05] /", "say": "bad"},
        {"when": "judge", "say": "good"},
    ],
    "default": {"say": "something"},
}
SENTENCE = "The operator checks the pressure of the second pump every morning and writes it into the blue book of {}."


def make_project(folder: Path, files: dict[str, int], **top) -> Path:
    """Write a recipe with documents of so many passages each; return the recipe."""
    (folder / "books").mkdir(parents=True)
    (folder / "steps.py").write_text(STEPS)
    for name, passages in files.items():
        texts = [f"This is item {i} of {name}. {SENTENCE.format(f'{name} {i}')}" for i in range(passages)]
        (folder / "books" / f"{name}.txt").write_text("\n\n".join(texts))
    recipe = {
        "name": "project",
        "lang": "en",
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "price": {"prompt": 1000}}},
        "streams": {
            "books": [
                {"books": {"folder": "books"}},
                {"split": {"size_en": 30, "minimum": 30}},
                {"use": "steps.py:Asks"},
                {"use": "steps.py:Judges"},
            ]
        },
        **top,
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe, indent=1))
    return file


def loaded(recipe: Path):
    return load_recipe(recipe, allow_code=True)


def model() -> dict:
    return {"teacher": [ScriptedProvider(RULES)]}


def sources_of(folder: Path) -> set[str]:
    """Return the files that the rows of a finished stream come from."""
    last = sorted((folder / "streams" / "books").iterdir())[-1]
    return {row["source"] for row in ShardList(shard_files(last)).rows()}


def test_a_pilot_forecasts_what_the_run_then_takes(tmp_path):
    recipe = make_project(tmp_path, {"a": 60, "b": 20, "c": 3})
    found = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 20, providers=model()).forecast
    manifest = run_recipe(loaded(recipe), tmp_path / "runs" / "r", providers=model())
    assert (found.units, found.sampled) == (83, 20)
    assert found.calls.value == pytest.approx(3 * 83)
    actual = {
        "tokens": sum(s["prompt_tokens"] + s["completion_tokens"] for s in manifest["spent"]),
        "money": manifest["money"]["spent"],
        "accepted": list(manifest["counts"].values())[-1]["out"],
    }
    for name, value in actual.items():
        interval = getattr(found, name)
        assert interval.low <= value <= interval.high, name
        assert interval.value == pytest.approx(value, rel=0.25), name


def test_a_pilot_takes_rows_of_every_file(tmp_path):
    recipe = make_project(tmp_path, {"a": 60, "b": 20, "c": 3})
    pilot = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 20, providers=model())
    assert sources_of(pilot.folder) == {"a.txt", "b.txt", "c.txt"}


def test_the_answers_of_a_pilot_are_not_paid_again(tmp_path):
    recipe = make_project(tmp_path, {"a": 30, "b": 10})
    pilot = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 10, providers=model())
    asked = pilot.manifest["calls"]["teacher"]["calls"]
    manifest = run_recipe(loaded(recipe), tmp_path / "runs" / "r", providers=model())
    assert asked == 30
    assert manifest["calls"]["teacher"]["calls"] == 3 * 40 - asked
    assert manifest["calls"]["teacher"]["from_ledger"] == asked


def test_what_the_pilot_has_spent_counts_towards_the_cap_of_the_run(tmp_path):
    recipe = make_project(tmp_path, {"a": 30, "b": 10})
    pilot = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 10, providers=model())
    manifest = run_recipe(loaded(recipe), tmp_path / "runs" / "r", providers=model())
    whole = sum(s["prompt_tokens"] + s["completion_tokens"] for s in manifest["spent"])
    assert whole > pilot.forecast.spent_tokens > 0
    again = make_project(tmp_path / "capped", {"a": 30, "b": 10}, budget={"tokens": whole - 1})
    run_pilot(loaded(again), tmp_path / "capped" / "runs" / "r", 10, providers=model())
    with pytest.raises(Exception, match="budget"):
        run_recipe(loaded(again), tmp_path / "capped" / "runs" / "r", providers=model())


def test_the_same_pilot_again_asks_nothing_and_says_the_same(tmp_path):
    recipe = make_project(tmp_path, {"a": 30, "b": 10})
    first = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 10, providers=model())
    second = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 10, providers=model())
    assert second.manifest["calls"]["teacher"]["calls"] == 0
    assert second.forecast.money == first.forecast.money
    assert second.forecast.accepted == first.forecast.accepted
    assert second.forecast.seconds is None


def test_a_larger_pilot_keeps_the_rows_of_the_smaller_one(tmp_path):
    recipe = make_project(tmp_path, {"a": 30, "b": 30})
    run_pilot(loaded(recipe), tmp_path / "runs" / "r", 10, providers=model())
    larger = run_pilot(loaded(recipe), tmp_path / "runs" / "r", 20, providers=model())
    assert larger.manifest["calls"]["teacher"] == {"calls": 30, "from_ledger": 30, "retries": 0, "overloads": 0}


def test_no_sample_is_taken_of_a_step_that_needs_all_rows_at_once(tmp_path):
    recipe = make_project(tmp_path, {"a": 5})
    (tmp_path / "steps.py").write_text(
        "from sftmill.core import WholeStep\n"
        "class Whole(WholeStep):\n"
        '    """Asks about everything."""\n'
        '    to: str = "teacher"\n'
        "    async def run(self, inputs, desk):\n"
        "        for row in inputs['rows'].rows():\n"
        "            yield row\n"
    )
    text = json.loads(recipe.read_text())
    text["streams"]["books"] = [*text["streams"]["books"][:2], {"use": "steps.py:Whole"}]
    recipe.write_text(json.dumps(text, indent=1))
    with pytest.raises(RunError, match="no sample"):
        run_pilot(loaded(recipe), tmp_path / "runs" / "r", 10, providers=model())


def hold_out(recipe: Path, **arguments) -> Path:
    """Reserve sources of a recipe and name the file in it."""
    file = recipe.parent / "holdout.json"
    write_holdout(file, reserve(loaded(recipe), file, **arguments)[0])
    text = json.loads(recipe.read_text())
    recipe.write_text(json.dumps({**text, "holdout": "holdout.json"}, indent=1))
    return file


def test_reserved_documents_stay_out_of_every_stream(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 8, "c": 8})
    hold_out(recipe, names=("b.txt",))
    run_dir = tmp_path / "runs" / "r"
    run_recipe(loaded(recipe), run_dir, providers=model())
    assert sources_of(run_dir) == {"a.txt", "c.txt"}
    lost = [row for folder in (run_dir / "streams" / "books").iterdir() for row in read_losses(folder, "dropped")]
    assert [row["source"] for row in lost if row["reason"] == "held_out"] == ["b.txt"]


def test_a_reserved_document_stays_out_under_another_name(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 8, "c": 8})
    hold_out(recipe, names=("b.txt",))
    (tmp_path / "books" / "b.txt").rename(tmp_path / "books" / "renamed.txt")
    run_recipe(loaded(recipe), tmp_path / "runs" / "r", providers=model())
    assert sources_of(tmp_path / "runs" / "r") == {"a.txt", "c.txt"}


def test_a_copy_in_another_format_is_reserved_with_its_original(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 8})
    paragraphs = (tmp_path / "books" / "b.txt").read_text()
    (tmp_path / "books" / "other.html").write_text(
        "<html><body>" + "".join(f"<p>{part}</p>" for part in paragraphs.split("\n\n")) + "</body></html>"
    )
    held = read_holdout(hold_out(recipe, names=("b.txt",))).held
    assert [(one.name, one.copy_of) for one in held] == [("b.txt", ""), ("other.html", "b.txt")]


def test_what_is_reserved_stays_reserved_when_documents_are_added(tmp_path):
    recipe = make_project(tmp_path, {name: 4 for name in "abcdef"})
    file = tmp_path / "holdout.json"
    first, total = reserve(loaded(recipe), file, share=0.34)
    write_holdout(file, first)
    assert (len(first.held), total) == (2, 6)
    for number in range(10):
        (tmp_path / "books" / f"new{number}.txt").write_text(f"Quite another text, number {number}, of its own.")
    assert reserve(loaded(recipe), file, share=0.34)[0].keys == first.keys


def test_a_single_document_cannot_be_held_out(tmp_path):
    with pytest.raises(RunError, match="only document"):
        reserve(loaded(make_project(tmp_path, {"a": 8})), tmp_path / "holdout.json")


def test_seeds_are_reserved_too(tmp_path):
    (tmp_path / "seeds.jsonl").write_text("\n".join(json.dumps({"question": f"question {i}"}) for i in range(20)))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        json.dumps({"name": "s", "lang": "en", "streams": {"seeds": [{"samples": {"file": "seeds.jsonl"}}]}}, indent=1)
    )
    hold_out(recipe, share=0.2)
    run_recipe(loaded(recipe), tmp_path / "runs" / "s")
    last = sorted((tmp_path / "runs" / "s" / "streams" / "seeds").iterdir())[-1]
    left = {question(row) for row in ShardList(shard_files(last)).rows()}
    held = {one.name for one in read_holdout(tmp_path / "holdout.json").held}
    assert len(left) == 16
    assert not left & held


def test_a_recipe_that_forgets_its_holdout_is_refused(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 8})
    write_holdout(tmp_path / "holdout.json", reserve(loaded(recipe), tmp_path / "holdout.json")[0])
    with pytest.raises(RecipeError, match=r"add `holdout: holdout\.json`"):
        make_plan(loaded(recipe), tmp_path / "runs" / "r")


def test_items_come_from_what_is_held_out_and_dev_and_test_share_no_passage(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 30, "c": 8})
    hold_out(recipe, names=("b.txt",))
    items = draft_items(loaded(recipe), tmp_path / "runs" / "r", 30, providers=model())
    read = {
        side: [json.loads(line) for line in (items.folder / f"{side}.jsonl").read_text().splitlines()]
        for side in ("dev", "test")
    }
    assert items.dev + items.test == items.drafted == items.unseen == 48
    assert {item["source"] for side in read.values() for item in side} == {"b.txt"}
    assert not {item["passage"] for item in read["dev"]} & {item["passage"] for item in read["test"]}
    assert not (items.folder / "export").exists()
    assert 0 < items.difference < 1


def test_only_what_an_expert_confirmed_stays_once_there_are_labels(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 30})
    hold_out(recipe, names=("b.txt",))
    run_dir = tmp_path / "runs" / "r"
    items = draft_items(loaded(recipe), run_dir, 30, providers=model())
    last = sorted((items.folder / "streams" / "books").iterdir())[-1]
    rows = list(ShardList(shard_files(last)).rows())[:6]
    verdicts = ["accepted", "accepted", "accepted", "edited", "edited", "rejected"]
    labels = {}
    for row, said in zip(rows, verdicts, strict=True):
        verdict = Verdict(verdict=said, answer="corrected" if said == "edited" else None)
        key = label_key(row)
        labels[key] = Label(
            key=key,
            question=question(row),
            answer=row["messages"][-1]["content"],
            verdicts=(verdict,),
        )
    (items.folder / LABELS).write_bytes(labels_text(labels))
    after = draft_items(loaded(recipe), run_dir, 30, providers=model())
    assert (after.confirmed, after.rejected, after.dev + after.test) == (5, 1, 5)
    text = (items.folder / "dev.jsonl").read_text() + (items.folder / "test.jsonl").read_text()
    assert text.count("corrected") == 2


def test_a_review_made_before_does_not_bring_a_reserved_document_back(tmp_path):
    recipe = make_project(tmp_path, {"a": 8, "b": 8})
    run_dir = tmp_path / "runs" / "r"
    run_recipe(loaded(recipe), run_dir, providers=model())
    last = sorted((run_dir / "streams" / "books").iterdir())[-1]
    labels = {}
    for row in ShardList(shard_files(last)).rows():
        key = label_key(row)
        labels[key] = Label(
            key=key,
            question=question(row),
            answer=row["messages"][-1]["content"],
            verdicts=(Verdict(verdict="accepted"),),
            sample=row,
        )
    (tmp_path / "labels.jsonl").write_bytes(labels_text(labels))
    text = json.loads(recipe.read_text())
    text["streams"]["books"].append({"reviewed": {"labels": "labels.jsonl"}})
    recipe.write_text(json.dumps(text, indent=1))
    hold_out(recipe, names=("b.txt",))
    run_recipe(loaded(recipe), run_dir, providers=model())
    assert sources_of(run_dir) == {"a.txt"}
