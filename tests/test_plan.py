"""The plan: what it proves offline, and what it refuses before a token is spent."""

from pathlib import Path

import pytest

from sftmill.errors import RecipeError
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe

BASE = """\
name: small
lang: zh
models:
  teacher: {endpoint: http://127.0.0.1:8000/v1, model: m, revision: "1"}
streams:
  books:
    - books: {folder: docs}
    - split
    - selfqa_questions
    - question_form
    - selfqa_answers
    - grounded
finish:
  - export
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("机房温度应保持在十八到二十七摄氏度之间。", "utf-8")
    return tmp_path


def plan(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, "utf-8")
    return make_plan(load_recipe(path), folder / "runs" / "small")


def problems(folder, text):
    with pytest.raises(RecipeError) as caught:
        plan(folder, text)
    return caught.value.problems


def test_a_plan_numbers_the_stages_and_puts_the_parser_behind_its_source(folder):
    made = plan(folder, BASE)
    names = [stage.key for stage in made.stages["books"]]
    assert names[:4] == ["01-books", "02-books.readbook", "03-books.missingpages", "04-personal_data"]
    assert names[4] == "05-split"
    assert made.order == ["books", "finish"]
    assert made.roles == {"teacher": ["books/selfqa_questions", "books/selfqa_answers"]}
    assert made.warnings == []


def test_a_column_that_nobody_wrote_is_a_problem_with_its_line(folder):
    found = problems(folder, BASE.replace("    - split\n", ""))
    assert any(p.startswith("recipe.yaml:8: ") and "reads 'passage'" in p for p in found)


def test_a_role_that_is_not_named_is_a_problem(folder):
    found = problems(folder, BASE.replace("- selfqa_answers", "- selfqa_answers: {to: techer}"))
    assert any("'techer'" in p and "did you mean 'teacher'" in p for p in found)


def test_a_missing_folder_and_a_missing_key_are_told_together(folder, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    text = BASE.replace("folder: docs", "folder: dosc").replace('revision: "1"', "key_env: NO_SUCH_KEY")
    found = problems(folder, text)
    assert any("dosc" in p for p in found)
    assert any("export NO_SUCH_KEY=" in p for p in found)


def test_an_internal_document_is_not_planned_for_a_public_endpoint(folder):
    public = BASE.replace("http://127.0.0.1:8000/v1", "https://api.example.com/v1")
    found = problems(folder, public)
    assert len(found) == 2
    assert all("would send internal rows to api.example.com" in p for p in found)
    plan(folder, public.replace("folder: docs", "folder: docs, sensitivity: public"))
    plan(folder, public.replace('revision: "1"', "accept: internal"))


def test_secret_documents_need_an_endpoint_that_accepts_them(folder):
    text = BASE.replace("folder: docs", "folder: docs, sensitivity: secret")
    assert any("secret rows" in p for p in problems(folder, text))
    plan(folder, text.replace('revision: "1"', "accept: secret"))


def test_a_prompt_in_the_wrong_language_is_missed_and_not_replaced(folder):
    (folder / "mine" / "selfqa_questions").mkdir(parents=True)
    (folder / "mine" / "selfqa_questions" / "questions.zh.md").write_text("问题：{{ pasage }}", "utf-8")
    found = problems(folder, BASE + "prompts: mine\n")
    assert any("'pasage'" in p and "'passage'" in p for p in found)


def test_a_cap_in_money_needs_prices(folder):
    found = problems(folder, BASE + "budget: {money: 10}\n")
    assert any("has no price" in p for p in found)
    plan(folder, BASE.replace('revision: "1"', "price: {prompt: 1, completion: 2}") + "budget: {money: 10}\n")


def test_streams_that_wait_for_one_another_are_a_problem(folder):
    text = (
        BASE.replace("finish:\n  - export\n", "") + "  a: {from: b, steps: [dedup]}\n  b: {from: a, steps: [dedup]}\n"
    )
    assert any("wait for one another" in p for p in problems(folder, text))


def test_a_stream_must_start_with_a_source_and_have_only_one(folder):
    assert any("which is no source" in p for p in problems(folder, BASE.replace("    - books: {folder: docs}\n", "")))
    twice = BASE.replace("    - split\n", "    - samples: {file: x}\n    - split\n")
    assert any("must be the first step" in p for p in problems(folder, twice))


def test_a_model_without_revision_is_a_warning(folder):
    made = plan(folder, BASE.replace(', revision: "1"', ""))
    assert any("has no `revision`" in warning for warning in made.warnings)


def test_fingerprints_change_with_what_decides_the_result_and_chain_on(folder):
    def prints(text):
        return [stage.fingerprint for stage in plan(folder, text).stages["books"]]

    base = prints(BASE)
    assert prints(BASE.replace("small", "other")) == base
    assert prints(BASE.replace("8000", "9000")) == base
    other_model = prints(BASE.replace("model: m", "model: n"))
    assert [a == b for a, b in zip(base, other_model, strict=True)] == [True] * 5 + [False] * 4
    other_split = prints(BASE.replace("- split", "- split: {size: 300}"))
    assert [a == b for a, b in zip(base, other_split, strict=True)] == [True] * 4 + [False] * 5


def test_an_edited_prompt_changes_its_step_and_what_follows(folder):
    own = folder / "mine" / "selfqa_answers"
    own.mkdir(parents=True)
    (own / "answer.zh.md").write_text("{{ passage }}\n{{ question }}", "utf-8")
    with_prompts = BASE + "prompts: mine\n"
    before = [stage.fingerprint for stage in plan(folder, with_prompts).stages["books"]]
    (own / "answer.zh.md").write_text("{{ passage }}\n\n{{ question }}", "utf-8")
    after = [stage.fingerprint for stage in plan(folder, with_prompts).stages["books"]]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * 7 + [False] * 2


def test_problems_of_the_file_and_of_the_plan_are_told_together(folder):
    text = (
        BASE.replace("- split", "- split: {sizes: 3}")
        .replace("- grounded", "- groundd")
        .replace("- selfqa_answers", "- selfqa_answers: {to: techer}")
        .replace("folder: docs", "folder: dosc")
    )
    path = folder / "recipe.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(RecipeError) as caught:
        make_plan(load_recipe(path, lenient=True), folder / "run")
    found = caught.value.problems
    assert [problem.split(": ")[0] for problem in found] == [f"recipe.yaml:{n}" for n in (7, 8, 11, 12)]
    for word in ("dosc", "'size'", "'teacher'", "'grounded'"):
        assert any(word in problem for problem in found), word


def test_personal_data_is_masked_behind_every_source_unless_the_recipe_keeps_it(folder):
    def names(text):
        return [stage.name for stage in plan(folder, text).stages["books"]]

    assert names(BASE).count("personal_data") == 1
    assert "personal_data" not in names(BASE + "personal_data: keep\n")
    own = names(BASE.replace("    - split\n", "    - personal_data: {kinds: [phone]}\n    - split\n"))
    assert own.count("personal_data") == 1
    assert any("'no' is none of mask, keep" in p for p in problems(folder, BASE + "personal_data: 'no'\n"))


def test_a_column_that_a_setting_names_must_be_written_before(folder):
    best = "  - keep_best: {by: ifd, budget: 3}\n  - export\n"
    assert any(
        "'keep_best': no step before it writes 'ifd'" in p for p in problems(folder, BASE.replace("  - export\n", best))
    )
    assert plan(folder, BASE.replace("  - export\n", best.replace("ifd", "grounded")))


def test_two_steps_that_would_write_one_file_are_refused_until_one_gets_another_name(folder):
    (folder / "items.jsonl").write_text('{"question": "哪一年？"}\n', "utf-8")
    once = "  - decontaminate: {against: items.jsonl}\n"
    with pytest.raises(RecipeError, match=r"yaml:15: .*writes 'decontamination'.*on line 14 does; set `file`"):
        plan(folder, BASE.replace("  - export\n", once + once + "  - export\n"))
    named = once.replace("}", ", file: second}")
    assert plan(folder, BASE.replace("  - export\n", once + named + "  - export\n"))


@pytest.mark.parametrize("recipe", sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_that_comes_along_can_be_planned(recipe, tmp_path):
    assert make_plan(load_recipe(recipe), tmp_path / "run").order


DEMO = Path(__file__).parents[1] / "recipes" / "demo.yaml"


@pytest.mark.parametrize(
    ("local", "told"),
    [
        ("qwen2.5-coder", "no embedded model is called 'qwen2.5-coder'; did you mean 'qwen2.5-coder-0.5b-instruct'"),
        ("universal-sentence-encoder", "step 'selfqa_questions': `to` names the role 'teacher'"),
    ],
)
def test_an_embedded_model_that_cannot_do_the_work_is_told_before_the_run(tmp_path, local, told):
    with pytest.raises(RecipeError) as error:
        make_plan(load_recipe(DEMO, [f"models.teacher.local={local}"]), tmp_path / "run")
    assert told in str(error.value.problems)
