"""Judges whose faults are known are found out, and one below its floor stops a run before it starts."""

import json
import re

import pytest
from typer.testing import CliRunner

from sftmill.cli_judge import judge_app
from sftmill.errors import AuthFailed, RecipeError, SftmillError
from sftmill.judge_check import Floors, check_judge, read_pairs
from sftmill.judge_measures import Judged, cohen_kappa, fit_line, human_kappa, measure_pairs, wilson
from sftmill.models.scripted import ScriptedProvider
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe

CRITERIA = ("correctness", "instruction", "completeness", "clarity", "honesty")


def write_recipe(tmp_path, *steps):
    stream = [{"samples": {"file": "rows.jsonl"}}, *steps]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "q", "answer": "a"}))
    model = {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "revision": "1"}
    recipe = {"name": "t", "lang": "en", "models": {"judge": model}, "streams": {"s": stream}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    return load_recipe(tmp_path / "recipe.yaml")


def write_pairs(tmp_path, pairs):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in pairs), "utf-8")
    return path


def labelled(count=60):
    """Return pairs in zh and en: the good answer says 'right', and length has nothing to do with it."""
    pairs = []
    for i in range(count):
        good = "right " + ("x" * (40 if i % 4 < 2 else 5))
        bad = "wrong " + ("y" * (5 if i % 4 < 2 else 40))
        first = i % 2 == 0
        pairs.append({
            "id": f"p{i}", "source": ("甲", "b")[i % 3 == 0], "lang": ("zh", "en")[i % 5 == 0], "instruction": f"任务 {i}",
            "a": good if first else bad, "b": bad if first else good, "preferred": "a" if first else "b",
        })  # fmt: skip
    return pairs


def seats(body):
    shown = body["messages"][-1]["content"]
    return [re.search(rf"<answer_{s}>\n(.*?)\n</answer_{s}>", shown, re.DOTALL)[1] for s in "ab"]


def verdict(word):
    return {"json": {"evidence_a": "", "evidence_b": "", "comparison": "", "verdict": word}}


def fair(body):
    return verdict("A>B" if "right" in seats(body)[0] else "B>A")


def longer(body):
    a, b = seats(body)
    return verdict("A>>B" if len(a) > len(b) else "B>>A")


def check(tmp_path, say, pairs=None, recipe=None, **how):
    provider = ScriptedProvider(say)
    path = write_pairs(tmp_path, pairs or labelled())
    recipe = recipe or write_recipe(tmp_path)
    folder = tmp_path / f"ledger {len(list(tmp_path.glob('ledger *')))}"  # another judge, other answers
    return check_judge(recipe, path, folder / "run", providers={"judge": [provider]}, **how)


def test_a_fair_judge_passes(tmp_path):
    made = check(tmp_path, fair, report=tmp_path / "out" / "report.json")
    overall = made["overall"]
    assert made["passed"] is True
    assert (overall["pairs"], overall["judged"], overall["accuracy"], overall["consistency"], overall["kappa"]) == (
        60,
        60,
        1,
        1,
        1,
    )
    assert overall["first_seat"] == 0.5
    assert overall["length_slope"] == 0
    assert set(made["sources"]) == {"甲", "b"}
    assert sum(one["pairs"] for one in made["sources"].values()) == 60
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["judges"] == {"judge": "m"}


def test_a_judge_that_always_names_a_seat_gives_nothing_but_ties_and_fails(tmp_path):
    made = check(tmp_path, lambda body: verdict("A>B"))
    overall = made["overall"]
    assert (overall["tie_rate"], overall["inconsistent_rate"], overall["consistency"], overall["first_seat"]) == (
        1,
        1,
        0,
        1,
    )
    assert (overall["accuracy"], overall["adjusted"], overall["kappa"]) == (0, 0.5, 0)
    assert made["passed"] is False
    assert any("swap consistency" in line for line in made["short"])
    assert any("seat A" in line for line in made["notes"])


def test_a_judge_of_length_is_found_by_its_slope(tmp_path):
    made = check(tmp_path, longer)
    overall = made["overall"]
    assert overall["consistency"] == 1
    assert overall["accuracy"] == 0.5
    assert overall["length_slope"] > 5 * overall["length_slope_error"] > 0
    assert any("longer" in line for line in made["notes"])
    assert made["passed"] is False, "kappa is 0"
    assert not any("longer" in line for line in check(tmp_path, fair)["notes"])


def test_every_pair_is_a_verdict_missing_or_a_named_failure(tmp_path):
    def say(body):
        text = body["messages"][-1]["content"]
        if "任务 7\n" in text:
            return {"say": "?", "finish": "content_filter"}
        if "任务 9\n" in text:
            return {"fail": "ContextTooLong"}
        return "I like both" if "任务 8\n" in text else fair(body)

    made = check(tmp_path, say)
    overall = made["overall"]
    assert (overall["judged"], overall["missing"], overall["failed"]) == (57, 2, {"ContextTooLong": 1})
    assert {one["id"]: one["why"] for one in made["unjudged"]} == {
        "p7": "missing",
        "p8": "missing",
        "p9": "ContextTooLong",
    }
    assert overall["tie_rate"] == 0, "what is missing is no tie"
    assert made["passed"] is True
    silent = check(tmp_path, lambda body: "?")
    assert silent["passed"] is False
    assert "fewer than 90%" in silent["short"][0]


def test_what_no_pair_can_get_around_ends_the_check(tmp_path):
    with pytest.raises(AuthFailed):
        check(tmp_path, lambda body: {"fail": "AuthFailed"})


def test_answers_are_paid_for_once_and_a_limit_spreads_over_the_file(tmp_path):
    provider = ScriptedProvider(fair)
    path, recipe = write_pairs(tmp_path, labelled()), write_recipe(tmp_path)
    for _ in range(2):
        made = check_judge(recipe, path, tmp_path / "run", limit=10, providers={"judge": [provider]})
        assert made["overall"]["pairs"] == 10
    assert provider.asked["/chat/completions"] == 20
    numbers = [int(pair.id[1:]) for pair in read_pairs(path, 10)[0]]
    assert numbers == sorted(numbers) != list(range(10))


def test_grades_of_each_answer_alone_are_compared(tmp_path):
    def say(body):
        good = "right" in body["messages"][-1]["content"]
        return {"json": {name: {"evidence": "", "reason": "", "score": 5 if good else 2} for name in CRITERIA}}

    made = check(tmp_path, say, grades=True)
    assert made["passed"] is True
    assert (made["overall"]["accuracy"], made["overall"]["consistency"]) == (1, None)
    assert made["step"]["name"] == "judge"


def test_the_recipes_own_settings_are_checked(tmp_path):
    recipe = write_recipe(tmp_path, {"judge_pairs": {"by": "scores", "keep": "won", "check": "report.json"}})

    def say(body):
        return {"json": {"evidence": "", "score_a": 9, "score_b": 3}}

    made = check(tmp_path, say, recipe=recipe)
    assert (made["step"]["by"], made["overall"]["tie_rate"]) == ("scores", 1)


def test_a_report_that_failed_stops_the_recipe_before_anything_is_spent(tmp_path):
    step = {"judge": {"check": "report.json"}}
    with pytest.raises(RecipeError, match="sftmill judge check"):
        make_plan(write_recipe(tmp_path, step), tmp_path / "run")
    check(tmp_path, lambda body: verdict("A>B"), report=tmp_path / "report.json")
    with pytest.raises(RecipeError, match="below its floor"):
        make_plan(write_recipe(tmp_path, step), tmp_path / "run")
    check(tmp_path, fair, report=tmp_path / "report.json")
    make_plan(write_recipe(tmp_path, step), tmp_path / "run")


def test_kappa_by_hand():
    # 20 agree on yes, 15 on no, 5 and 10 do not: observed .7, by chance .5
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    kappa, error = cohen_kappa(pairs)
    assert kappa == pytest.approx(0.4)
    assert error == pytest.approx((0.7 * 0.3 / (50 * 0.25)) ** 0.5)
    assert cohen_kappa([]) == (None, None)
    assert cohen_kappa([("y", "y")] * 3) == (None, None)
    assert human_kappa([[1, 1, 1], [2, 2, 2], [1, 1, 2], [2, 2, 1], [1]]) == pytest.approx((1 + 0 + 0) / 3)


def test_lines_and_intervals_by_hand():
    assert fit_line([0, 1, 2], [1, 3, 5]) == (pytest.approx(2), pytest.approx(0))
    slope, error = fit_line([0, 1, 2, 3], [0, 1, 0, 1])
    assert (slope, error) == (pytest.approx(0.2), pytest.approx((0.8 / 2 / 5) ** 0.5))
    assert fit_line([1, 1, 1], [1, 2, 3]) == (None, None)
    assert wilson(8, 10) == [0.4902, 0.9433]
    assert wilson(0, 0) is None


def test_the_human_agreement_sets_the_floor(tmp_path):
    pairs = [{**one, "votes": [1, 1] if i % 4 else [1, 2]} for i, one in enumerate(labelled())]
    made = check(tmp_path, fair, pairs)
    assert made["floors"]["kappa"] == pytest.approx(made["human_kappa"] - 0.1)
    assert check(tmp_path, fair, pairs, floors=Floors(kappa=0.7))["floors"]["kappa"] == 0.7
    assert check(tmp_path, fair)["floors"]["kappa"] == 0.4


def test_a_model_that_likes_its_own_answers_is_found():
    pairs = [Judged(str(i), "", label=float(i % 2), share=1.0, why="agree", games=(1, 1), own=1.0) for i in range(30)]
    pairs += [Judged(str(i), "", label=float(i % 2), share=0.0, why="agree", games=(0, 0), own=0.0) for i in range(30)]
    assert measure_pairs(pairs)["self_preference"] == 0.5
    assert measure_pairs([])["self_preference"] is None


def test_own_answers_are_known_by_the_models_name(tmp_path):
    pairs = [{**one, "model_a": "M", "model_b": "other"} for one in labelled(8)]
    assert check(tmp_path, fair, pairs)["overall"]["own_pairs"] == 8
    assert check(tmp_path, fair)["overall"]["own_pairs"] == 0


def test_lines_that_cannot_be_used_are_told_and_a_file_without_any_is_refused(tmp_path):
    path = write_pairs(tmp_path, [{"instruction": "i", "a": "x", "b": "y", "preferred": "c"}, labelled(1)[0]])
    pairs, problems = read_pairs(path)
    assert len(pairs) == 1
    assert problems[0].startswith("pairs.jsonl:1: preferred")
    path.write_text("{\n[]\n")
    with pytest.raises(RecipeError, match="no line can be used"):
        read_pairs(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_pairs(tmp_path / "none.jsonl")


def test_a_role_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RecipeError, match="'other'"):
        check(tmp_path, fair, role="other")


def test_the_command_prints_the_figures_and_fails_for_a_poor_judge(tmp_path):
    write_recipe(tmp_path)
    script = tmp_path / "script.yaml"
    recipe = json.loads((tmp_path / "recipe.yaml").read_text())
    recipe["models"]["judge"] = {"scripted": "script.yaml", "revision": "1"}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    script.write_text(json.dumps({"default": verdict("A>B")}))
    path = write_pairs(tmp_path, labelled(12))
    report = tmp_path / "report.json"
    arguments = [
        "check",
        str(tmp_path / "recipe.yaml"),
        str(path),
        "--report",
        str(report),
        "--run-dir",
        str(tmp_path / "r"),
    ]
    result = CliRunner().invoke(judge_app, arguments)
    assert isinstance(result.exception, SftmillError)
    assert "swap consistency" in str(result.exception)
    assert "seat A wins 100%" in result.output
    assert json.loads(report.read_text("utf-8"))["passed"] is False
