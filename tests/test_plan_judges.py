"""Judges and authors: the plan refuses a judge that is the model whose answers it judges, unless the recipe says so."""

import pytest

from sftmill.errors import RecipeError
from sftmill.models.same_model import same_model, same_name
from sftmill.models.settings import ModelSettings
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe

MODELS = """
  teacher: {endpoint: http://127.0.0.1:8000/v1, model: big, revision: "1"}
  alias: {endpoint: "http://localhost:8000/v1/", model: big, revision: "2", sampling: {temperature: 0.1}}
  other: {endpoint: http://127.0.0.1:8000/v1, model: small, revision: "1"}
  copy: {endpoint: http://127.0.0.1:8001/v1, model: big, revision: "1"}
"""


def plan(folder, steps, lang="zh", models=MODELS):
    """Return the plan of a stream of samples with these steps behind them."""
    (folder / "rows.jsonl").write_text('{"question": "一加一等于几？", "answer": "二"}\n', "utf-8")
    (folder / "written.yaml").write_text("default: x", "utf-8")
    lines = "".join(f"    - {step}\n" for step in ("samples: {file: rows.jsonl}", *steps))
    text = f"name: small\nlang: {lang}\nmodels:{models}streams:\n  s:\n{lines}finish:\n  - export\n"
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return make_plan(load_recipe(folder / "recipe.yaml"), folder / "run")


def refused(folder, steps, **more):
    """Return what the plan says against judges."""
    try:
        plan(folder, steps, **more)
    except RecipeError as error:
        return [problem for problem in error.problems if "judge" in problem or "own answers" in problem]
    return []


DRAWN = "draw_candidates: {to: teacher}"
PAIR = "best_of_n: {to: teacher, to_judge: other, n: 2}"


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("steps", "allow"),
    [
        (["respond", "judge: {to: %s}"], "own_answers: true"),
        (["respond", "judge: {to: other, to_panel: [%s]}"], "own_answers: true"),
        ([PAIR, "judge_pairs: {to: %s}"], "own_answers: true"),
        (["best_of_n: {to_judge: %s}"], "own_answers: true"),
        (["best_of_n: {to_judge: other, to_panel: [%s]}"], "own_answers: true"),
        (["best_of_n: {to_reward: %s, reward_path: chat}"], "own_answers: true"),
        ([DRAWN, "preference: {to: %s}"], "generator: null"),
        ([DRAWN, "feedback: {to: %s}"], "generator: null"),
        (["respond", "constitution: {to_critic: %s}"], "to_critic: teacher"),
        (["respond", "back_test: {to: %s}"], "own_answers: true"),
    ],
)
def test_another_name_for_the_model_that_wrote_is_refused_and_the_recipe_can_allow_it(tmp_path, lang, steps, allow):
    *before, last = steps
    told = refused(tmp_path, [*before, last % "alias"], lang=lang)
    assert len(told) == 1
    assert "'alias'" in told[0] and "'teacher'" in told[0] and "big at localhost:8000" in told[0]
    assert f"set {allow} if you want it so" in told[0]
    assert refused(tmp_path, [*before, last % "other"], lang=lang) == []
    if allow.startswith("to_critic"):
        assert refused(tmp_path, [*before, last % "teacher"], lang=lang) == [], "the recipe says so"
    else:
        allowed = (last % "alias").replace("}", f", {allow}}}")
        assert refused(tmp_path, [*before, allowed], lang=lang) == []
        told = refused(tmp_path, [*before, last % "teacher"], lang=lang)
        if "to_reward" not in last or told:
            assert len(told) == 1, "the same role is refused as well, and once"


def test_who_wrote_the_instruction_may_judge_the_answer(tmp_path):
    steps = ["respond: {to: teacher}", "respond: {to: other}", "judge: {to: alias}"]
    assert refused(tmp_path, steps) == [], "its answer was replaced"
    assert refused(tmp_path, ["judge: {to: teacher}"]) == [], "the answers came with the samples"
    assert len(refused(tmp_path, ["respond: {to: other}", "constitution: {to: teacher, to_critic: copy}"])) == 0
    revised = ["respond: {to: other}", "constitution: {to: teacher, to_critic: copy}", "judge: {to: alias}"]
    assert len(refused(tmp_path, revised)) == 1, "a revision is an answer of whoever revised"


def test_authors_are_known_across_streams(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"question": "1+1?"}\n', "utf-8")
    text = (
        f"name: s\nlang: en\nmodels:{MODELS}streams:\n  a: [samples: {{file: rows.jsonl}}, respond]\n"
        "  b: [samples: {file: rows.jsonl}, respond: {to: other}]\n"
        "  c: {from: [a, b], steps: [judge: {to: alias}]}\n"
    )
    (tmp_path / "recipe.yaml").write_text(text, "utf-8")
    with pytest.raises(RecipeError, match="judges what 'teacher' wrote"):
        make_plan(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run")
    (tmp_path / "recipe.yaml").write_text(text.replace("from: [a, b]", "from: b"), "utf-8")
    make_plan(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run")


def test_a_stream_with_another_fault_is_checked_as_well(tmp_path):
    with pytest.raises(RecipeError) as caught:
        (tmp_path / "recipe.yaml").write_text(
            f"name: s\nlang: en\nmodels:{MODELS}streams:\n  a:\n    - samples: {{file: rows.jsonl}}\n    - vote\n"
            "    - judge: {to: alias}\n    - dedupe\n"
        )
        make_plan(load_recipe(tmp_path / "recipe.yaml", lenient=True), tmp_path / "run")
    assert any("'alias' judges what 'teacher' wrote" in problem for problem in caught.value.problems)
    assert any("no step 'dedupe'" in problem for problem in caught.value.problems)


def test_the_same_name_elsewhere_is_a_warning(tmp_path):
    made = plan(tmp_path, ["respond", "judge: {to: copy}"])
    assert any("'copy' judges what 'teacher' wrote, and both are called big" in warning for warning in made.warnings)


def test_a_weak_model_that_is_the_strong_one_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="neither is weaker"):
        plan(tmp_path, ["draw_candidates: {to: teacher, to_weak: alias}", "preference: {to: other}"])
    plan(tmp_path, ["draw_candidates: {to: teacher, to_weak: other}", "preference: {to: copy}"])


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"local": "qwen"}, {"local": "qwen"}, True),
        ({"local": "qwen"}, {"local": "other"}, False),
        ({"local": "qwen"}, {"endpoint": "http://h/v1", "model": "qwen"}, False),
        ({"scripted": "a.yaml"}, {"scripted": "a.yaml"}, True),
        ({"scripted": "a.yaml", "model": "t"}, {"scripted": "a.yaml", "model": "j"}, False),
        ({"scripted": "a.yaml"}, {"scripted": "b.yaml"}, False),
        ({"endpoint": "http://h/v1", "model": "a"}, {"endpoint": "http://h:80/v1/", "model": "a"}, True),
        ({"endpoint": "http://h/v1", "model": ""}, {"endpoint": ["http://x/v1", "http://h/v1"], "model": "a"}, True),
        ({"endpoint": "http://h/v1", "model": "a"}, {"endpoint": "http://h/v1", "model": "b"}, False),
        ({"endpoint": "https://h/v1", "model": "a"}, {"endpoint": "https://g/v1", "model": "a"}, False),
        ({"endpoint": "http://[::1]:9/v1", "model": "a"}, {"endpoint": "http://localhost:9/v1", "model": "a"}, True),
    ],
)
def test_what_stands_behind_two_roles_is_compared(first, second, same):
    a, b = ModelSettings(**first), ModelSettings(**second)
    assert same_model(a, b) is same_model(b, a) is same
    assert same_name(a, b) is (not same and bool(a.endpoint and b.endpoint) and a.model == b.model)
