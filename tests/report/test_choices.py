"""Who wins where answers are chosen among: what the report tells of models, of length, and of a judge held out."""

import json
import re
from html import unescape

import pytest

from sftmill.flow.shards import ShardList, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.report import end_with_report, write_report
from sftmill.report.choices import Choice, choices
from sftmill.report.facts import gather
from sftmill.report.page import _choice
from sftmill.report.words import WORDS
from sftmill.run import run_recipe

MODELS = """
  teacher: {scripted: unused.yaml, model: t}
  weaker: {scripted: unused.yaml, model: w}
  judge: {scripted: unused.yaml, model: j}
  other: {scripted: unused.yaml, model: o}
"""
ASKED = {"zh": "第 {} 题：为什么要复核？", "en": "Question {}: why check twice?"}
ROWS = 20
CRITERIA = ("correctness", "instruction", "completeness", "clarity", "honesty")


def run(folder, lang, steps, providers):
    """Return the facts and the choices of a run of these steps over twenty questions."""
    (folder / "unused.yaml").write_text("default: x", "utf-8")
    rows = [json.dumps({"question": ASKED[lang].format(n)}, ensure_ascii=False) for n in range(ROWS)]
    (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    chain = "".join(f"    - {step}\n" for step in ("samples: {file: rows.jsonl}", *steps))
    (folder / "recipe.yaml").write_text(f"name: trial\nlang: {lang}\nmodels:{MODELS}streams:\n  s:\n{chain}", "utf-8")
    providers = {name: [ScriptedProvider(write)] for name, write in providers.items()}
    manifest = run_recipe(load_recipe(folder / "recipe.yaml"), folder / "run", providers=providers)
    return manifest, list(choices(folder / "run", gather(folder / "run", manifest)))


def page(folder, manifest):
    """Return the report's text without its tags."""
    html = write_report(folder / "run", manifest).read_text("utf-8")
    return unescape(re.sub(r"<[^>]+>", "|", html))


def number_of(body):
    """Return the number of the question that a request shows."""
    text = body["messages"][-1]["content"]
    return next(n for n in range(ROWS - 1, -1, -1) if any(asked.format(n) in text for asked in ASKED.values()))


def seats(body):
    """Return a verdict for the weaker model's answer in questions below 8, for the strong one's in all others."""
    text = body["messages"][-1]["content"]
    weak_first = text.index("weak") < text.index("strong")
    verdict = "A" if weak_first == (number_of(body) < 8) else "B"
    return json.dumps({"evidence_a": "", "evidence_b": "", "comparison": "", "verdict": verdict})


ANSWERS = {"teacher": lambda body: "strong " * 9, "weaker": lambda body: "weak"}
DRAW = "draw_candidates: {draws: 1, to_weak: weaker, weak_draws: 1}"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_wins_of_each_model_are_told_with_their_interval_and_a_weak_winner_is_an_alarm(tmp_path, lang):
    steps = [DRAW, "preference: {design: knockout}"]
    manifest, (made,) = run(tmp_path, lang, steps, {**ANSWERS, "judge": seats})
    assert {win.source: (win.wins, win.of, win.weak) for win in made.wins} == {
        "teacher": (12, 20, False),
        "weaker": (8, 20, True),
    }
    assert made.weak.interval == pytest.approx((0.2188, 0.6134), abs=1e-4), "Wilson's, for 8 of 20"
    assert made.weak_wins_often
    words = WORDS[lang]
    text = page(tmp_path, manifest)
    assert "|teacher||12||60%||39% – 78%|" in text
    assert f"|weaker{words['weaker']}||8||40%||22% – 61%|" in text
    assert words["weak_alarm"].format(share="40%", most="30%").strip() in text
    assert words["weak_unsure"].format(low="22%", high="61%") in text


def test_a_weak_model_that_always_wins_is_an_alarm_too(tmp_path):
    def weak_always(body):
        text = body["messages"][-1]["content"]
        verdict = "A" if text.index("weak") < text.index("strong") else "B"
        return json.dumps({"evidence_a": "", "evidence_b": "", "comparison": "", "verdict": verdict})

    _, (made,) = run(tmp_path, "en", [DRAW, "preference"], {**ANSWERS, "judge": weak_always})
    assert [(win.source, win.wins) for win in made.wins] == [("weaker", ROWS)]
    assert made.weak_wins_often


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_winners_that_are_long_are_an_alarm(tmp_path, lang):
    manifest, (made,) = run(tmp_path, lang, [DRAW, "preference: {design: knockout}"], {**ANSWERS, "judge": seats})
    long, short = len(("strong " * 9).strip()), len("weak")
    assert made.ratio == pytest.approx((12 * long + 8 * short) / 20 / ((long + short) / 2), abs=1e-3)
    assert made.prefers_length
    assert WORDS[lang]["length_alarm"].format(ratio=f"{made.ratio:.2f}", most="1.15") in page(tmp_path, manifest)
    fair = Choice(made.stage, [], [1.0, 1.3])
    assert not fair.prefers_length and _choice(fair, WORDS[lang])["alarms"] == []


def grades(points):
    return lambda body: json.dumps({name: {"evidence": "", "reason": "", "score": points} for name in CRITERIA})


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_judge_that_was_held_out_is_told_beside_those_who_chose(tmp_path, lang):
    steps = ["best_of_n: {n: 4, to_judge: judge, stop_early: false}", "judge: {to: other, least: 1}"]
    texts = {"default": {"say": ["one", "twenty one", "three hundred and one"]}}
    providers = {"judge": grades(5), "other": grades(3)}
    manifest, (made,) = run(tmp_path, lang, steps, providers | {"teacher": texts})
    assert made.wins == [] and made.weak is None
    (held,) = made.held_out
    assert (held.judges, held.rows, held.score, held.chosen_at) == (["other"], ROWS, 3, 5)
    assert len(made.ratios) == ROWS and made.ratio < 1
    text = page(tmp_path, manifest)
    assert WORDS[lang]["held_out_before"].format(score="5.00") in text
    rows = list(ShardList(shard_files(tmp_path / "run" / "streams" / "s" / "04-judge")).rows())
    assert all(row["score"] == 3 and max(row["scores"]) == 5 for row in rows)


def test_a_judge_who_chose_is_not_held_out(tmp_path):
    steps = ["best_of_n: {n: 2, to_judge: judge}", "judge: {to: judge}"]
    _, (made,) = run(tmp_path, "zh", steps, {"judge": grades(4)})
    assert made.held_out == []


def feedback_judge(body):
    """Find the weak model's answer the best throughout; name as worst the strong one."""
    text = body["messages"][-1]["content"]
    best = 1 if text.index("weak") < text.index("strong") else 2
    critiques = [{"answer": n, "critique": "Plain.", "wrong": ""} for n in (1, 2)]
    return json.dumps({"critiques": critiques, "comparison": "One is better.", "best": best, "worst": 3 - best})


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_wins_count_also_where_no_row_was_made_of_them(tmp_path, lang):
    steps = [DRAW, "feedback: {weak: [weaker], keep: [best_answer]}"]
    manifest, (made,) = run(tmp_path, lang, steps, {**ANSWERS, "judge": feedback_judge})
    assert manifest["counts"]["s/04-feedback"]["dropped"] == {"nothing_to_keep": ROWS}
    assert {win.source: win.wins for win in made.wins} == {"weak": ROWS, "strong": 0}
    assert made.weak_wins_often and made.weak.interval[0] > 0.8
    recipe = load_recipe(tmp_path / "recipe.yaml")
    written = end_with_report(recipe, tmp_path / "run", {**manifest, "seconds": 1.0})
    words = WORDS[lang]
    assert words["weak_alarm"].format(share="100%", most="30%").strip() in written.read_text("utf-8")
    keep = [DRAW, "feedback: {weak: [weaker]}"]
    (tmp_path / "kept").mkdir()
    _, (kept,) = run(tmp_path / "kept", lang, keep, {**ANSWERS, "judge": feedback_judge})
    assert {win.source: win.wins for win in kept.wins} == {"weak": ROWS, "strong": 0}
    assert kept.ratio < 1, "the short answer won"


def test_a_run_that_chooses_nothing_has_no_such_section(tmp_path):
    manifest, made = run(tmp_path, "en", ["length_filter"], {})
    assert made == []
    assert 'id="choices"' not in write_report(tmp_path / "run", manifest).read_text("utf-8")
