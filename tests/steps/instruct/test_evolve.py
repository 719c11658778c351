"""Evolve on scripted models: four eliminations, lines that go on unchanged after a failure, lineage and novelty."""

import json
import re

import pytest
from ruamel.yaml import YAML

from sftmill.core import answer, question, turns
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.curate.magpie.difficulties import difficulty_by_round
from sftmill.steps.instruct.evolve.evolve import Evolve

SEEDS = {
    "zh": ["说明水库调度的目标。", "比较土坝和重力坝。", "列出3种防洪措施。", "解释什么是汛限水位。"],
    "en": ["State the aims of reservoir operation.", "Compare earth dams and gravity dams.", "List 3 flood defences."],
}
GOOD = {"zh": "应当分级调度，并留出防洪库容。", "en": "Operate it in stages and keep room for floods."}
MORE = {"zh": "（附第{}条依据）", "en": " (give reason {}) "}
_GIVEN = re.compile(r"<given>\n(.*)\n</given>\s*\Z", re.S)
_PAIR = re.compile(r"<first>\n(.*)\n</first>\n<second>\n(.*)\n</second>\s*\Z", re.S)


class Model:
    """Rewrites by adding words, finds nothing equal, and answers; a test replaces what it wants to."""

    def __init__(self, lang, rewrite=None, equal=None, respond=None):
        self.lang, self.calls = lang, []
        self.rewrite = rewrite or (lambda given, number: given[:4] + MORE[lang].format(number) + given[4:])
        self.equal = equal or (lambda first, second: "")
        self.respond = respond or (lambda text: GOOD[lang])

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        if pair := _PAIR.search(prompt):
            self.calls.append(("judge", *pair.groups()))
            return {"json": {"verdict": self.equal(*pair.groups()) or "different"}}
        if given := _GIVEN.search(prompt):
            self.calls.append(("rewrite", given[1], body["messages"]))
            return self.rewrite(given[1], sum(call[0] == "rewrite" for call in self.calls))
        self.calls.append(("answer", prompt))
        return self.respond(prompt)


def evolve(tmp_path, lang, model, seeds=None, **settings):
    rows = seeds or [{"instruction": text} for text in SEEDS[lang]]
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "seeds.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    recipe = {
        "name": "t",
        "lang": lang,
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "revision": "1"}},
        "streams": {"tasks": [{"samples": {"file": "seeds.jsonl"}}, {"evolve": settings}]},
    }
    if settings.get("to_embedder"):
        recipe["models"]["embedder"] = recipe["models"]["teacher"]
    YAML().dump(recipe, tmp_path / "recipe.yaml")
    providers = {"teacher": [ScriptedProvider(model)], "embedder": [ScriptedProvider([])]}
    providers = {name: providers[name] for name in recipe["models"]}
    run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers=providers)
    folder = tmp_path / "run" / "streams" / "tasks" / "03-evolve"
    made = [row for file in shard_files(folder) for row in read_rows(file)]
    return made, [*read_losses(folder, "dropped"), *read_losses(folder, "failed")], tmp_path / "run"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_line_grows_by_one_version_a_round(tmp_path, lang):
    made, lost, run = evolve(tmp_path, lang, Model(lang))
    assert not lost
    assert len(made) == 4 * len(SEEDS[lang])
    assert [row["round"] for row in made] == sorted(row["round"] for row in made)
    assert {row["round"] for row in made} == {1, 2, 3, 4}
    by_id = {row["id"]: row for row in made}
    for row in made:
        assert answer(row) == GOOD[lang]
        assert row["method"] == "evolve"
        assert row["operator"] in Evolve().operators
        assert len(row["parents"]) == 1
        parent = by_id.get(row["parents"][0])
        assert parent is None if row["round"] == 1 else parent["round"] == row["round"] - 1
    counts = json.loads((run / "manifest.json").read_text())["counts"]
    (rounds,) = [stage["rounds"] for key, stage in counts.items() if "evolve" in key]
    assert [(told["drafts"], told["admitted"]) for told in rounds] == [(len(SEEDS[lang]),) * 2] * 4


ELIMINATIONS = {
    "no_information_gain": {"equal": lambda first, second: "equal"},
    "no_instruction": {"equal": lambda first, second: "invalid"},
    "refused_answer": {"respond": lambda text: "抱歉，我答不了。" if "水" in text or "坝" in text or "洪" in text else "Sorry, no."},
    "empty_answer": {"respond": lambda text: "……。"},
    "marker_copied": {"rewrite": lambda given, number: f"改写后的指令：{given}" if not given.isascii() else f"Rewritten prompt: {given}"},
    "grew_too_much": {"rewrite": lambda given, number: given + (" 另外" * 400 if not given.isascii() else " and more" * 400)},
    "input_lost": {"rewrite": lambda given, number: given.replace("3", "") + ("请说明理由" if not given.isascii() else " with reasons")},
    "no_task": {"rewrite": lambda given, number: "…"},
}  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("reason", ELIMINATIONS)
def test_each_elimination_has_its_reason_and_the_failed_item_comes_back_unchanged(tmp_path, lang, reason):
    model = Model(lang, **ELIMINATIONS[reason])
    seed = SEEDS[lang][2]
    settings = {"operators": ["add_constraint", "deepen", "concretize", "add_reasoning"]}
    made, lost, _ = evolve(tmp_path, lang, model, [{"instruction": seed}], **settings)
    assert made == []
    assert [row["reason"] for row in lost] == [reason] * 4
    assert [row["round"] for row in lost] == [1, 2, 3, 4]
    assert len({row["parents"][0] for row in lost}) == 1
    given = [call[1] for call in model.calls if call[0] == "rewrite"]
    assert given == [seed] * 4
    if reason in ("marker_copied", "grew_too_much", "input_lost", "no_task"):
        assert {call[0] for call in model.calls} == {"rewrite"}, "what a rule refuses costs no further call"


def test_after_a_failure_the_line_goes_on_from_its_last_good_version(tmp_path):
    def rewrite(given, number):
        return "……" if number == 2 else f"{given}并说明依据"

    model = Model("zh", rewrite)
    made, lost, _ = evolve(
        tmp_path, "zh", model, [{"instruction": "说明水库调度的目标"}], rounds=3, operators=["deepen"]
    )
    assert [row["round"] for row in made] == [1, 3]
    assert made[1]["parents"] == [made[0]["id"]]
    assert question(made[1]) == "说明水库调度的目标并说明依据并说明依据"
    assert [(row["reason"], row["round"], row["parents"]) for row in lost] == [("no_task", 2, [made[0]["id"]])]


def test_all_six_operators_have_their_prompt_and_unknown_ones_are_refused(tmp_path):
    seeds = [{"instruction": f"说明水闸在{number}号水库的用途。"} for number in range(30)]
    model = Model("zh")
    made, _, _ = evolve(tmp_path, "zh", model, seeds, rounds=2, to_judge=None, domain="水利")
    assert {row["operator"] for row in made} == set(Evolve().operators)
    wishes = {call[2][-1]["content"].partition("<given>")[0] for call in model.calls if call[0] == "rewrite"}
    assert len(wishes) >= 8, "four depth operators, breadth, and several kinds of input"
    assert all("水利" in call[2][0]["content"] for call in model.calls if call[0] == "rewrite")
    with pytest.raises(ValueError):
        Evolve(operators=("shorten",))
    assert Prompts().check(Evolve, "evolve", ["zh", "en"]) == []


def test_seeds_are_kept_on_request_and_conversations_are_left_out(tmp_path):
    talk = [{"role": r, "content": c} for r, c in (("user", "你好"), ("assistant", "好"), ("user", "为什么？"))]
    told = [{"role": "system", "content": "你是水利顾问。"}, {"role": "user", "content": "说明水库调度的目标。"}]
    seeds = [{"messages": talk}, {"messages": [*told, {"role": "assistant", "content": "防洪。"}]}]
    made, lost, _ = evolve(tmp_path, "zh", Model("zh"), seeds, rounds=1, keep_seeds=True)
    assert [row["round"] for row in made] == [0, 1]
    assert answer(made[0]) == "防洪。"
    assert turns(made[1])[0]["content"] == "你是水利顾问。"
    assert [row["reason"] for row in lost] == ["several_turns"]


def test_without_judge_and_answerer_only_rewritings_are_asked_for(tmp_path):
    model = Model("en")
    made, _, _ = evolve(tmp_path, "en", model, rounds=1, to_judge=None, to_answer=None)
    assert len(made) == 3
    assert [call[0] for call in model.calls] == ["rewrite"] * 3
    assert all(turns(row)[-1]["role"] == "user" for row in made)


def test_copies_are_dropped_and_near_copies_where_novelty_is_asked_for(tmp_path):
    same = Model("zh", rewrite=lambda given, number: "请分析梯级水库联合调度的效益与风险。")
    made, lost, _ = evolve(tmp_path / "a", "zh", same, rounds=1, operators=["breadth"])
    assert len(made) == 1
    assert [row["reason"] for row in lost] == ["duplicate"] * 3
    near = Model("zh", rewrite=lambda given, number: f"请分析{'甲乙丙丁'[number - 1]}梯级水库联合调度的效益与风险。")
    made, lost, _ = evolve(tmp_path / "b", "zh", near, rounds=1, operators=["breadth"], lexical=0.7)
    assert len(made) == 1
    assert [row["reason"] for row in lost] == ["similar_wording"] * 3
    assert lost[0]["facts"]["neighbour"] == made[0]["id"]


def test_a_version_may_resemble_its_own_line_but_a_brand_new_one_may_not(tmp_path):
    settings = {"rounds": 2, "lexical": 0.7, "to_judge": None}
    deeper = {"operators": ["deepen"], **settings}
    made, lost, _ = evolve(
        tmp_path / "a", "zh", Model("zh"), [{"instruction": "说明水库调度的目标和主要方法"}], **deeper
    )
    assert (len(made), lost) == (2, [])
    wider = {"operators": ["breadth"], **settings}
    made, lost, _ = evolve(
        tmp_path / "b", "zh", Model("zh"), [{"instruction": "说明水库调度的目标和主要方法"}], **wider
    )
    assert made == []
    assert {row["reason"] for row in lost} == {"similar_wording"}


def test_meaning_is_compared_where_an_embedder_is_named(tmp_path):
    same = {"to_embedder": "embedder", "rounds": 1, "operators": ["breadth"], "semantic": 0.5, "to_judge": None}
    model = Model("zh", rewrite=lambda given, number: "请" + given[:-2] + "吗？")
    made, lost, _ = evolve(tmp_path, "zh", model, **same)
    assert made == []
    assert {row["reason"] for row in lost} == {"similar_meaning"}


def test_the_glossary_steers(tmp_path):
    (tmp_path / "terms.txt").write_text("汛限水位：汛期允许蓄到的最高水位\n防洪库容：为蓄洪留出的库容\n", "utf-8")
    model = Model("zh")
    seeds = [{"instruction": "解释什么是汛限水位。"}]
    evolve(tmp_path, "zh", model, seeds, rounds=1, glossary="terms.txt", operators=["deepen"])
    assert "汛限水位：汛期允许蓄到的最高水位" in model.calls[0][2][0]["content"]
    assert "防洪库容" not in model.calls[0][2][0]["content"]
    model = Model("zh")
    evolve(tmp_path / "b", "zh", model, seeds, rounds=1, glossary="../terms.txt", operators=["breadth"], terms=2)
    assert "防洪库容" in model.calls[0][2][-1]["content"]
    (tmp_path / "empty.txt").write_text("# nothing yet\n")
    assert "no term" in Evolve(glossary=tmp_path / "empty.txt").problems()[0]
    assert "cannot be read" in Evolve(glossary=tmp_path / "absent.txt").problems()[0]


def test_a_rerun_asks_nothing_and_makes_the_same(tmp_path):
    model = Model("zh")
    made, _, _ = evolve(tmp_path, "zh", model)
    calls = len(model.calls)
    again, _, _ = evolve(tmp_path, "zh", model)
    assert again == made
    assert len(model.calls) == calls


def test_difficulty_by_round_is_told_for_rows_that_have_one():
    rows = [
        {"round": r, "difficulty": d} for r, d in ((0, "easy"), (0, "中等"), (1, "hard"), (1, None), (2, "Very hard"))
    ]
    assert [tuple(told) for told in difficulty_by_round([*rows, {"difficulty": "odd"}])] == [
        (0, 2, 1.5), (1, 1, 3), (2, 1, 4)
    ]  # fmt: skip
