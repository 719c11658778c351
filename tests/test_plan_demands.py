"""What a plan and a pilot tell of comparisons and replies before they are paid for, and conditions on some rows' columns."""

import json

import pytest

from sftmill.core import answer
from sftmill.errors import RecipeError
from sftmill.flow.shards import ShardList, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.pilot import run_pilot
from sftmill.plan import make_plan
from sftmill.plan_summary import demands, describe
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.show import last_stage, plan_text

MODELS = """
  teacher: {scripted: unused.yaml, model: t}
  weaker: {scripted: unused.yaml, model: w}
  judge: {scripted: unused.yaml, model: j}
"""


def load(folder, streams, lang="zh", rows=6):
    """Return a recipe over a file of questions."""
    (folder / "unused.yaml").write_text("default: x", "utf-8")
    asked = {"zh": "第 {} 天有几个小时？", "en": "How many hours has day {}?"}[lang]
    lines = [json.dumps({"question": asked.format(n), "answer": "24"}, ensure_ascii=False) for n in range(1, rows + 1)]
    (folder / "rows.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "recipe.yaml").write_text(f"name: small\nlang: {lang}\nmodels:{MODELS}{streams}", "utf-8")
    return load_recipe(folder / "recipe.yaml")


def shown(made):
    """Return what `sftmill plan` prints, on one line."""
    from rich.console import Console

    console = Console(width=400, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(plan_text(describe(made, lambda source: sum(1 for _ in source.rows()))))
    console.file.close()
    return console.export_text()


PREFER = """streams:
  s:
    - samples: {file: rows.jsonl}
    - draw_candidates: {draws: 5, to_weak: weaker, weak_draws: 3}
    - preference: {design: DESIGN}
"""


@pytest.mark.parametrize(("design", "comparisons"), [("knockout", 7), ("swiss", 14), ("round_robin", 28)])
def test_a_plan_tells_the_comparisons_of_a_design_and_of_the_others(tmp_path, design, comparisons):
    made = make_plan(load(tmp_path, PREFER.replace("DESIGN", design)), tmp_path / "run")
    found = demands(made)
    key = next(key for key in found if key.endswith("preference"))
    assert found[key].calls == {"judge": 2 * comparisons}
    said = shown(made)
    assert f"{design} over 8 candidates: {comparisons} comparisons x both seats" in said
    assert all(name in said for name in ("knockout", "swiss", "round_robin"))
    assert f"with 6 source rows, one row of each: {12 * comparisons:,}" in said
    assert "teacher 5, weaker 3" in said


def test_candidates_of_unknown_number_are_told_for_several(tmp_path):
    text = "streams:\n  s: [samples: {file: rows.jsonl}, best_of_n: {n: 3, verify: math}, dedup]\n"
    text += "finish: [preference: {generator: null}]\n"
    found = demands(make_plan(load(tmp_path, text), tmp_path / "run"))
    assert [one.calls for key, one in found.items() if "preference" in key] == [{"judge": 4}], "known through `from`"
    foreign = """streams:
  a: [samples: {file: rows.jsonl}, draw_candidates: {draws: 4}]
  b: [samples: {file: rows.jsonl}, draw_candidates: {draws: 8}]
  c: {from: [a, b], steps: [preference]}
"""
    made = make_plan(load(tmp_path, foreign), tmp_path / "run")
    note = next(one for key, one in demands(made).items() if "preference" in key)
    assert note.calls == {} and "6 for 4 candidates, 28 for 8 candidates, 120 for 16 candidates" in note.note


@pytest.mark.parametrize(
    ("step", "calls", "words"),
    [
        ("best_of_n: {n: 5, to_judge: judge}", {"teacher": 5, "judge": 5}, "fewer where judging can end early"),
        ("best_of_n: {n: 1, to_judge: judge}", {"teacher": 1, "judge": 0}, "1 draws"),
        (
            "best_of_n: {n: 4, to_reward: judge, reward_path: chat, rationales: 3}",
            {"teacher": 4, "judge": 12},
            "reward",
        ),
        (
            "judge_pairs: {to: judge, to_panel: [weaker], own_answers: true}",
            {"judge": 2, "weaker": 2},
            "2 judges x both seats",
        ),
        ("judge: {to_panel: [weaker]}", {"judge": 1, "weaker": 1}, "grade of each judge"),
        ("feedback: {to_reviser: teacher}", {"judge": 2, "teacher": 1}, "2 games"),
        ("vote: {draws: 8}", {"teacher": 8}, "8 draws"),
        ("constitution: {rounds: 2}", {"judge": 3, "teacher": 4}, "2 rounds"),
        ("back_test: {to: judge, draws: 3}", {"judge": 3}, "3 answers made anew"),
    ],
)
def test_steps_that_draw_or_judge_tell_what_they_ask(tmp_path, step, calls, words):
    before = "    - draw_candidates: {draws: 2, to_weak: weaker, weak_draws: 1}\n    - preference\n"
    before = before.replace("- preference", "- preference: {generator: null}")
    chain = before if step.startswith(("judge_pairs", "feedback")) else ""
    text = f"streams:\n  s:\n    - samples: {{file: rows.jsonl}}\n{chain}    - {step}\n"
    found = list(demands(make_plan(load(tmp_path, text), tmp_path / "run")).values())[-1]
    assert dict(found.calls) == calls
    assert words in found.note


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_pilot_tells_what_the_tournament_of_the_whole_run_takes(tmp_path, lang):
    recipe = load(tmp_path, PREFER.replace("DESIGN", "knockout"), lang, rows=8)
    verdict = json.dumps({"evidence_a": "", "evidence_b": "", "comparison": "", "verdict": "A"})

    def write(body):
        return body["model"] + str(body.get("seed", 0))

    providers = {name: [ScriptedProvider(write)] for name in ("teacher", "weaker")}
    providers["judge"] = [ScriptedProvider(lambda body: verdict)]
    found = run_pilot(recipe, tmp_path / "run", rows=4, providers=providers)
    note = next(note for note in found.forecast.notes if "preference" in note)
    assert "about 8 rows in the whole run, knockout over 8 candidates: 7 comparisons x both seats" in note
    assert "replies at most: judge 112" in note


WHERE = """streams:
  good: [samples: {file: rows.jsonl}]
  bad: [samples: {file: rows.jsonl}, corrupt: {keep: both}]
finish:
  from: [good, bad]
  where: CONDITION
  steps: [length_filter]
"""


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("condition", ["missing(polarity)", "missing(polarity) or polarity != 'negative'"])
def test_a_condition_may_ask_for_a_column_that_only_some_streams_write(tmp_path, lang, condition):
    text = WHERE.replace("CONDITION", condition).replace("corrupt: {keep: both}", "corrupt: {as_answer: true}")
    recipe = load(tmp_path, text, lang)
    run_recipe(recipe, tmp_path / "run")
    rows = list(ShardList(shard_files(last_stage(tmp_path / "run", "finish"))).rows())
    assert rows and all(answer(row) == "24" for row in rows)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("polarity != 'negative'", "only some of its rows have it: ask missing(polarity), too"),
        ("missing(cluster)", "column 'cluster' is not there"),
    ],
)
def test_a_condition_on_a_column_that_may_be_absent_says_how_to_ask(tmp_path, condition, words):
    text = WHERE.replace("CONDITION", condition).replace("corrupt: {keep: both}", "corrupt: {as_answer: true}")
    with pytest.raises(RecipeError, match=words.replace("(", r"\(").replace(")", r"\)")):
        make_plan(load(tmp_path, text), tmp_path / "run")
