"""Recipes: what is read, and how everything that is wrong is named at once, with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.errors import RecipeError
from sftmill.flow.where import Condition
from sftmill.recipe_reader import load_recipe

GOOD = """\
name: small
lang: zh
models:
  teacher: {endpoint: http://127.0.0.1:8000/v1, model: m}
streams:
  main:
    - samples: {file: in.jsonl}
    - respond
  short:
    from: main
    where: length(answer) < 20
    steps: [dedup]
finish:
  - export
"""


def write(tmp_path, text, name="recipe.yaml"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def problems(tmp_path, text, **options):
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text), **options)
    return caught.value.problems


def test_the_finish_takes_no_stream_that_others_only_look_into(tmp_path):
    looked_into = GOOD.replace(
        "    from: main\n    where", "    from: main\n    inputs: {validation: held}\n    where"
    ).replace("  short:", "  held:\n    - samples: {file: in.jsonl}\n  short:")
    assert load_recipe(write(tmp_path, looked_into)).streams["finish"].sources == ["main", "short"]
    named = looked_into.replace("finish:\n  - export", "finish: {from: [held], steps: [export]}")
    assert load_recipe(write(tmp_path, named)).streams["finish"].sources == ["held"]


def test_a_recipe_is_read_with_its_streams_in_order(tmp_path):
    recipe = load_recipe(write(tmp_path, GOOD))
    assert list(recipe.streams) == ["main", "short", "finish"]
    assert recipe.streams["finish"].sources == ["main", "short"]
    assert [entry.name for entry in recipe.streams["main"].steps] == ["samples", "respond"]
    assert recipe.streams["main"].steps[0].step.file == tmp_path / "in.jsonl"


def test_the_resolved_recipe_spells_out_defaults_and_keeps_paths_as_written(tmp_path):
    steps = load_recipe(write(tmp_path, GOOD)).resolved["streams"]["main"]["steps"]
    defaults = {"sensitivity": "internal", "only": None, "fields": {}, "longest": 20000}
    assert steps[0] == {"samples": {"file": "in.jsonl", **defaults}}
    assert steps[1]["respond"].items() >= {"to": "teacher", "temperature": 0.0, "max_tokens": 1024}.items()


def test_all_problems_are_named_at_once_with_line_and_nearest_word(tmp_path):
    text = (
        GOOD.replace("lang: zh", "lang: fr")
        .replace("- respond", "- respnd")
        .replace("model: m", "modle: m")
        .replace("from: main", "from: mian")
        .replace("length(answer)", "lenght(answer)")
        .replace("finish:", "finsh:")
    )
    found = problems(tmp_path, text)
    assert [problem.split(": ")[0] for problem in found] == [f"recipe.yaml:{n}" for n in (2, 4, 8, 9, 11, 13)]
    for word in ("zh, en", "'model'", "'respond'", "'main'", "length()", "'finish'"):
        assert any(word in problem for problem in found), word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a recipe is a mapping"),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("name: [", "not valid YAML"),
        ("name: a\nname: b\nstreams: {}\n", "not valid YAML"),
        ("name: ../escape\nstreams:\n  a: [export]\n", "must consist of letters"),
        ("streams: {}\n", "at least one stream"),
        ("streams:\n  a: 7\n", "must be a list of steps"),
        ("streams:\n  a:\n    - [1, 2]\n", "a step is `name`"),
        ("streams:\n  a:\n    - respond: {to: [x]}\n", "step 'respond'.to"),
        ("streams:\n  a:\n    - use: mine.py:Mine\n", "--allow-code"),
    ],
)
def test_what_is_no_recipe_is_told_plainly(tmp_path, text, expected):
    assert any(expected in problem for problem in problems(tmp_path, text))


def test_a_missing_recipe_names_the_next_command(tmp_path):
    with pytest.raises(RecipeError, match="sftmill init"):
        load_recipe(tmp_path / "nowhere.yaml")


def test_an_alias_bomb_is_refused(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join('*' + chr(97 + i) for _ in range(10))}]" for i in range(8)]
    assert "values" in problems(tmp_path, "\n".join(lines))[0]
    wide = f"a: &a [{', '.join('x' * 400)}]\nb: [{', '.join(['*a'] * 400)}]"
    assert "values" in problems(tmp_path, wide)[0]


def test_a_recipe_that_holds_itself_is_refused(tmp_path):
    assert problems(tmp_path, "a: &a [*a]") and problems(tmp_path, "a: &a {b: [x, *a]}")


def test_a_value_can_be_replaced_from_the_command_line(tmp_path):
    recipe = load_recipe(write(tmp_path, GOOD), ["models.teacher.model=other", "models.judge.local=x"])
    assert recipe.models["teacher"].model == "other"
    assert recipe.models["judge"].local == "x"
    assert any("--set" in problem for problem in problems(tmp_path, GOOD, changes=["nonsense"]))


def test_a_step_of_ones_own_needs_permission_and_then_works(tmp_path):
    write(
        tmp_path,
        "from sftmill import RowStep\n\nclass Mine(RowStep):\n    '''Does nothing.'''\n\n    def row(self, row):\n        return row\n",
        "mine.py",
    )
    text = GOOD.replace("    - respond\n", "    - use: mine.py:Mine\n")
    assert any("--allow-code" in problem for problem in problems(tmp_path, text))
    recipe = load_recipe(write(tmp_path, text), allow_code=True)
    assert recipe.streams["main"].steps[1].name == "Mine"
    assert any("no step class 'Mein'" in p for p in problems(tmp_path, text.replace(":Mine", ":Mein"), allow_code=True))


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_in_another_way(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("r") / "recipe.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RecipeError):
        load_recipe(path)


ROW = {
    "lang": "zh",
    "score": 0.5,
    "tags": ["税", "法"],
    "messages": [{"role": "user", "content": "什么是税？"}, {"role": "assistant", "content": "税是财政收入。"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lang == 'zh'", True),
        ("lang in ['en', 'fr']", False),
        ("0.4 < score <= 0.5", True),
        ("score > 0.5 or '税' in tags", True),
        ("not contains(tags, '医')", True),
        ("length(answer) == 7", True),
        ("length(tags) == 2 and missing(reasoning)", True),
        ("grounded > 0", False),
        ("grounded == None", True),
        ("score > -1", True),
    ],
)
def test_conditions_have_the_values_one_expects(text, expected):
    assert Condition(text)(ROW) is expected


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "lang.upper()", "().__class__", "lang; lang", "open('x')", "(lambda: 1)()", "nocolumn > 1",
     "length(lang, lang)", "f'{lang}'", "[x for x in tags]", "", "lang ==", "1 + 1 == 2"],
)  # fmt: skip
def test_conditions_refuse_what_is_not_in_their_small_language(text):
    with pytest.raises(RecipeError, match="condition"):
        Condition(text)
