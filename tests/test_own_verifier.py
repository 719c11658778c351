"""A recipe's own verifier: one function in a file beside it, run only where that is allowed, in any process."""

import json

import pytest

from sftmill.core import answer
from sftmill.errors import RecipeError
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import ShardList, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.show import last_stage, stage_folders

MINE = '''
UNITS = {"zh": "元", "en": "yuan"}

def has_unit(row, text):
    """Pass answers that name the unit; those that say they do not know cannot be told."""
    row["messages"].clear()  # what it does to its copy is its own business
    if "不知道" in text or "not know" in text:
        return None
    unit = UNITS[row["lang"]]
    return (True, "") if unit in text else (False, f"no {unit}")

def nothing(row, text):
    return "fine"

def crash(row, text):
    return row["reference"]["unit"]

def leave(row, text):
    raise SystemExit(3)

def one(text):
    return True

async def later(row, text):
    return True

NUMBER = 3
'''
ANSWERS = {
    "zh": {"甲多少钱？": "3 元", "乙多少钱？": "3", "丙多少钱？": "不知道"},
    "en": {"What is A?": "3 yuan", "What is B?": "3", "What is C?": "I do not know"},
}


def load(folder, step, lang="zh", allow=True, code=MINE):
    """Return a recipe with the step behind the samples."""
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / "mine.py").write_text(code, "utf-8")
    rows = [json.dumps({"question": q, "answer": a}, ensure_ascii=False) for q, a in ANSWERS[lang].items()]
    (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    text = (
        f"name: small\nlang: {lang}\nmodels:\n  teacher: {{scripted: unused.yaml, model: t}}\nrun: {{processes: 2}}\n"
    )
    text += f"streams:\n  s:\n    - samples: {{file: rows.jsonl}}\n    - {step}\n"
    (folder / "unused.yaml").write_text("default: x", "utf-8")
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return load_recipe(folder / "recipe.yaml", allow_code=allow, lenient=True)


def rows_of(run_dir):
    return list(ShardList(shard_files(last_stage(run_dir, ""))).rows())


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_function_beside_the_recipe_verifies_in_the_worker_processes(tmp_path, lang):
    recipe = load(tmp_path, "verify: {verifier: own/mine.py:has_unit}", lang)
    run_recipe(recipe, tmp_path / "run")
    right, _, unknown = ANSWERS[lang].values()
    assert {answer(row): row.get("verified") for row in rows_of(tmp_path / "run")} == {right: True, unknown: None}
    (lost,) = read_losses(stage_folders(tmp_path / "run", "s/verify")[0], "dropped")
    assert lost["reason"] == "wrong_answer"
    assert ("no 元" if lang == "zh" else "no yuan") in str(lost["facts"])
    again = load_recipe(tmp_path / "recipe.yaml", allow_code=True).resolved["streams"]["s"]["steps"][-1]["verify"]
    assert (again["kind"], again["verifier"]) == ("own", "own/mine.py:has_unit")


def test_the_file_runs_only_where_the_command_allows_it(tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{MINE}"
    for step in ("verify: {verifier: own/mine.py:has_unit}", "best_of_n: {verify: 'own/mine.py:has_unit'}"):
        recipe = load(tmp_path, step, allow=False, code=code)
        with pytest.raises(RecipeError, match=r"recipe\.yaml:\d+: step .*runs the code in that file.*--allow-code"):
            make_plan(recipe, tmp_path / "run")
        assert not (tmp_path / "ran").exists()
    make_plan(load(tmp_path, "verify: {verifier: own/mine.py:has_unit}", code=code), tmp_path / "run")
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own/mine.py:hasunit", "has no function 'hasunit'; it has: has_unit, nothing"),
        ("own/mine.py:NUMBER", "has no function 'NUMBER'"),
        ("own/mime.py:has_unit", "is not there; the path is taken relative to the recipe"),
        ("own/mine.py:one", r"one\(text\) in mine.py must take these values: one\(row, text\)"),
        ("own/mine.py:later", "without `async`"),
    ],
)
@pytest.mark.parametrize("step", ["verify: {verifier: '%s'}", "best_of_n: {verify: '%s'}"])
def test_what_is_wrong_with_the_function_is_told_by_the_plan(tmp_path, name, words, step):
    with pytest.raises(RecipeError, match=words):
        make_plan(load(tmp_path, step % name), tmp_path / "run")


def test_a_file_that_cannot_be_imported_is_told_by_the_plan(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot be imported: ModuleNotFoundError: .*nowhere"):
        make_plan(load(tmp_path, "verify: {verifier: own/mine.py:x}", code="import nowhere\n"), tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{kind: own}", "needs it, as my_file.py:function"),
        ("{kind: math, verifier: own/mine.py:has_unit}", "has no meaning for kind math"),
    ],
)
def test_a_rule_and_a_function_are_not_both(tmp_path, settings, words):
    with pytest.raises(RecipeError, match=words):
        make_plan(load(tmp_path, f"verify: {settings}"), tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing", "returned 'fine'; it must return True"), ("crash", "raised KeyError"), ("leave", "raised SystemExit")],
)
def test_a_function_that_fails_is_a_failure_and_never_a_verdict(tmp_path, name, words):
    recipe = load(tmp_path, f"verify: {{verifier: own/mine.py:{name}}}")
    run_recipe(recipe, tmp_path / "run")
    failed = [row for folder in stage_folders(tmp_path / "run", "") for row in read_losses(folder, "failed")]
    assert len(failed) == 3 and all(words in str(row) and f"mine.py:{name}" in str(row) for row in failed)


def test_an_edited_function_verifies_anew(tmp_path):
    def stage(code):
        return make_plan(load(tmp_path, "verify: {verifier: own/mine.py:has_unit}", code=code), tmp_path).stages["s"][
            -1
        ]

    assert stage(MINE).fingerprint == stage(MINE).fingerprint != stage(f"{MINE}# changed\n").fingerprint


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_best_of_n_passes_the_function_first(tmp_path, lang):
    right, wrong, unknown = ANSWERS[lang].values()
    drawn = [wrong, unknown, right]
    recipe = load(tmp_path, "best_of_n: {n: 24, verify: 'own/mine.py:has_unit'}", lang)
    run_recipe(recipe, tmp_path / "run", providers={"teacher": [ScriptedProvider({"default": {"say": drawn}})]})
    made = rows_of(tmp_path / "run")
    assert len(made) == 3 and {answer(row) for row in made} == {right}
    assert all(len(json.loads(row["judgement"])["refused"]) == 2 for row in made)
