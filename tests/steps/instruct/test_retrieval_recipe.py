"""From a book to retriever triplets and to rows that are answered from passages, in whole runs."""

import json

import pytest

from sftmill.core import answer, question
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.instruct.diversify.diversify import Diversify
from sftmill.steps.instruct.diversify.rag_rows import RagRows

BOOKS = {
    "zh": "# 手册\n\n"
    + "\n\n".join(
        f"## {name}\n\n{name}的额定功率为 {power} 千瓦，由{maker}每年检查 {times} 次，检查结果记入台账。"
        for name, power, maker, times in (
            ("水泵", 11, "甲班组", 4), ("风机", 22, "乙班组", 6), ("冷机", 350, "丙班组", 12), ("锅炉", 90, "丁班组", 2),
            ("电梯", 18, "戊班组", 24), ("闸门", 7, "己班组", 3),
        )
    ),
    "en": "# Manual\n\n"
    + "\n\n".join(
        f"## {name}\n\nThe {name.lower()} is rated at {power} kilowatts, and {maker} checks it {times} times a year."
        for name, power, maker, times in (
            ("Pump", 11, "crew Alder", 4), ("Fan", 22, "crew Birch", 6), ("Chiller", 350, "crew Cedar", 12),
            ("Boiler", 90, "crew Dogwood", 2), ("Lift", 18, "crew Elm", 24), ("Gate", 7, "crew Fir", 3),
        )
    ),
}  # fmt: skip
WORDING = {"zh": "请问一下，", "en": "Just to be sure, please tell me once more: "}


def ran(tmp_path, lang, **streams):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.md").write_text(BOOKS[lang], encoding="utf-8")
    remote = {"endpoint": "http://127.0.0.1:9/v1", "model": "scripted", "revision": "1"}

    def reword(body):
        asked = body["messages"][-1]["content"].split("<question>\n")[1].split("\n</question>")[0]
        return {"json": {"text": WORDING[lang] + asked}}

    recipe = {
        "name": "retrieval",
        "lang": lang,
        "models": {"embedder": remote, "teacher": remote},
        "streams": {
            "mined": [
                {"books": {"folder": "books"}},
                {"split": {"minimum": 10, "size": {"zh": 60, "en": 20}[lang]}},
                {"cloze": {"most": 1}},
                {"hard_negatives": {"negatives": 5, "ceiling": 1.0}},
            ],
            **streams,
        },
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    providers = {"embedder": [ScriptedProvider([])], "teacher": [ScriptedProvider(reword)]}
    run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers=providers)
    return tmp_path / "run"


def rows_of(run, stream, step):
    (folder,) = (run / "streams" / stream).glob(f"*-{step}")
    return [row for file in shard_files(folder) for row in read_rows(file)]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_book_becomes_triplets_and_rows_answered_from_passages(lang, tmp_path):
    run = ran(
        tmp_path,
        lang,
        triplets={"from": ["mined"], "steps": [{"export": {"forms": "triplets", "folder": "retriever"}}]},
        rag={
            "from": ["mined"],
            "steps": [{"rag_rows": {"distractors": 3, "without_own": 0.4}}, {"export": {"forms": "messages"}}],
        },
    )
    mined = rows_of(run, "mined", "hard_negatives")
    assert len(mined) >= 3
    triplets = lines(run / "export" / "retriever" / "sft.triplets_flag.jsonl")
    assert {one["query"] for one in triplets} == {question(row) for row in mined}
    assert all(one["pos"][0] not in one["neg"] for one in triplets)
    rag = rows_of(run, "rag", "rag_rows")
    assert len(rag) == len(mined)
    for before, after in zip(mined, rag, strict=True):
        refuses = after.get("operator") == "missing"
        assert (before["passage"] in question(after)) != refuses
        assert (answer(after) == answer(before)) != refuses
        assert before["id"] == after["id"]
    assert len(lines(run / "export" / "sft.messages.jsonl")) == len(rag)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_reworded_questions_share_their_parents_root_and_passage(lang, tmp_path):
    run = ran(
        tmp_path,
        lang,
        varied={"from": ["mined"], "steps": [{"diversify": {"children": 1, "nearest": 1.0}},
                                            {"export": {"forms": ["messages", "triplets"]}}]},
    )  # fmt: skip
    mined, varied = rows_of(run, "mined", "hard_negatives"), rows_of(run, "varied", "diversify")
    reworded = [row for row in varied if row.get("style")]
    assert len(reworded) >= len(mined) / 2
    roots = {row["passage"]: row["root"] for row in mined}
    assert all(roots[row["passage"]] == row["root"] for row in varied)
    assert len({row["id"] for row in varied}) == len(varied)
    assert all(question(row).startswith(WORDING[lang]) for row in reworded)


def test_the_prompts_fit_their_steps():
    assert Prompts().check(Diversify, "diversify", ["zh", "en"]) == []
    assert Prompts().check(RagRows, "rag_rows", ["zh", "en"]) == []
    assert RagRows().roles() == ()
    assert Diversify().roles() == ("teacher",)
    assert Diversify(parts="both").demand().calls == {"teacher": 8}
