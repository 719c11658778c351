"""`sftmill init`: looks at a folder, asks or takes flags, and writes a recipe whose plan holds."""

import itertools
import os
import subprocess
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from served import command
from sftmill.errors import RunError
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.starter import start_project
from sftmill.starter.answers import Given, looks_like_key
from sftmill.starter.recipe_text import yaml_text
from sftmill.starter.survey import look_at
from sftmill.starter.words import QUESTIONS
from sftmill.steps import STEPS

PROSE = {
    "zh": "# 水泵手册\n\n" + "水泵每周检查一次，轴承温度不得超过七十度。发现渗漏时，应立即停机并通知值班员。\n\n" * 20,
    "en": "# Pump handbook\n\n"
    + "The pump is inspected once a week. Its bearings must stay below 70 degrees.\n\n" * 20,
}
LAW = "# 供水条例\n\n" + "".join(
    f"第{n}条　用户应当在三十日内缴纳水费。逾期不缴的，按日加收滞纳金。\n\n" for n in "一二三四五六七八九"
)


@pytest.fixture
def documents(tmp_path):
    """Make a folder of two Chinese handbooks, of which one has a table, and something that cannot be read."""
    folder = tmp_path / "文档 (2024)"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text(PROSE["zh"] + "| 型号 | 压力 |\n| --- | --- |\n| A | 3 |\n", "utf-8")
    (folder / "sub" / "b.txt").write_text(PROSE["zh"], "gb18030")
    (folder / "c.bin").write_bytes(bytes(range(256)) * 20)
    return folder


def plan_of(recipe):
    return make_plan(load_recipe(recipe), recipe.parent / "run")


def steps_of(recipe):
    top = YAML(typ="safe").load(recipe)
    return [step if isinstance(step, str) else next(iter(step)) for step in top["streams"]["books"]]


def test_the_look_counts_files_languages_tables_and_what_is_left_out(documents):
    (documents / "d.md").write_bytes(b"\x00\x01\x02" * 500)
    look = look_at(documents)
    assert look.files[".md"] == 2
    assert look.files[".txt"] == 1
    assert look.langs() == ["zh"]
    assert 0.9 < look.total / (2 * len(PROSE["zh"])) < 1.1
    assert (look.tables, look.laws, look.read, look.whole) == (1, 0, 2, True)
    assert [name for name, _ in look.refused] == ["d.md"]
    assert look.refused[0][1]
    assert sum(look.left_out.values()) == 1


def test_of_many_files_some_of_every_kind_are_read_and_the_rest_is_estimated(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.starter.survey.MOST_READ", 6)
    for n in range(30):
        (tmp_path / f"{n}.txt").write_text(PROSE["zh"], "utf-8")
    (tmp_path / "x.html").write_text(f"<html><body><p>{PROSE['en']}</p></body></html>")
    look = look_at(tmp_path)
    assert (look.read, look.whole, look.files.total()) == (6, False, 31)
    assert look.characters["zh"] == pytest.approx(30 * len(PROSE["zh"]), rel=0.1)
    assert look.characters["en"] > 0


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_folder_of_laws_is_told_from_prose(tmp_path, lang):
    english = "# Water Act\n\n" + "".join(f"Article {n} The user pays the fee within 30 days.\n\n" for n in range(1, 9))
    (tmp_path / "law.md").write_text(LAW if lang == "zh" else english, "utf-8")
    assert look_at(tmp_path).is_law
    (tmp_path / "law.md").write_text(PROSE[lang] + ("依照第九条办理。" if lang == "zh" else "See Article 9."), "utf-8")
    assert not look_at(tmp_path).is_law


ENDPOINTS = {
    "http://10.0.0.7:8000/v1": ("internal", None),
    "local": ("secret", None),
    "https://api.example.com/v1": ("public", None),
    "https://llm.example.com": ("secret", "secret"),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("lang", ["zh", "en", "zh,en", "en,zh"])
@pytest.mark.parametrize("law", [False, True])
def test_the_plan_of_every_combination_holds(tmp_path, documents, endpoint, lang, law, monkeypatch):
    monkeypatch.setenv("MY_KEY", "x")
    if law:
        for path in documents.rglob("*.*"):
            path.write_text(LAW, "utf-8")
    sensitivity, accept = ENDPOINTS[endpoint]
    key_env = "MY_KEY" if endpoint.startswith("https") else None
    model = None if endpoint == "local" else "some/model: 7b"
    flags = Given(endpoint, model, key_env, sensitivity, accept, lang, None, 50)
    written = start_project(tmp_path / "new", documents, flags, say=lambda line: None)
    assert written == [tmp_path / "new" / "recipe.yaml"]
    plan = plan_of(written[0])
    assert plan.recipe.langs == tuple(lang.split(","))
    assert plan.sensitivity["books"] == sensitivity
    assert ("citations" in steps_of(written[0])) == (law and "citations" in STEPS)
    teacher = plan.recipe.models["teacher"]
    assert teacher.model == (model or "")
    assert teacher.endpoint == () if endpoint == "local" else teacher.endpoint[0].endswith("/v1")
    comments = "".join(line.partition("#")[2] for line in written[0].read_text("utf-8").splitlines())
    assert ("中断" in comments) == lang.startswith("zh")


@pytest.mark.skipif("rules" not in STEPS, reason="this version has no step `rules`")
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("sensitivity", ["public", "internal", "secret"])
def test_rules_need_no_model(tmp_path, documents, lang, sensitivity):
    flags = Given(lang=lang, sensitivity=sensitivity, method="rules", samples=10)
    recipe = start_project(tmp_path / "new", documents, flags, say=lambda line: None)[0]
    assert plan_of(recipe).roles == {}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_documents_there_is_a_sample_book(tmp_path, lang):
    written = start_project(tmp_path / "new", given=Given(lang=lang))
    assert [path.name for path in written] == ["recipe.yaml", "server_room.md"]
    assert plan_of(written[0]).roles
    with pytest.raises(RunError, match="there already"):
        start_project(tmp_path / "new")


def test_a_folder_of_documents_gets_a_recipe_beside_it_and_is_left_alone(tmp_path, documents, monkeypatch):
    before = sorted(documents.rglob("*"))
    monkeypatch.chdir(documents / "sub")
    recipe = start_project(documents, yes=True, say=lambda line: None)[0]
    assert recipe == documents.parent / f"{documents.name}-sft" / "recipe.yaml"
    assert sorted(documents.rglob("*")) == before
    assert plan_of(recipe).recipe.streams["books"].steps[0].settings["folder"] == f"../{documents.name}"
    with pytest.raises(RunError, match="there already"):
        start_project(documents, yes=True)
    with pytest.raises(RunError, match="inside"):
        start_project(documents / "new", documents, yes=True)


def test_nothing_is_written_where_nothing_can_be_read(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.bin").write_bytes(b"\0")
    said = []
    with pytest.raises(RunError, match="no document"):
        start_project(tmp_path / "new", tmp_path / "docs", yes=True, say=said.append)
    assert any("a name without" in line or ".bin" in line for line in said)
    assert not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="is no folder"):
        start_project(tmp_path / "new", tmp_path / "none", yes=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        start_project(tmp_path / "file")


def test_five_questions_are_asked_in_the_language_of_the_documents(tmp_path, documents):
    asked = []

    def person(question, default):
        asked.append((question, default))
        return {"1/5": "10.0.0.7:8000", "2/5": "qwen", "5/5": "1,000"}.get(question[:3], default)

    recipe = start_project(tmp_path / "new", documents, ask=person, say=lambda line: None)[0]
    assert [question for question, _ in asked] == [
        QUESTIONS["zh"][name] for name in ("endpoint", "model", "sensitivity", "lang", "samples")
    ]
    assert dict(asked)[QUESTIONS["zh"]["lang"]] == "zh"
    teacher = plan_of(recipe).recipe.models["teacher"]
    assert (teacher.endpoint, teacher.model) == (("http://10.0.0.7:8000/v1",), "qwen")


def test_a_public_endpoint_is_asked_about_its_key_and_contract_and_wrong_answers_again(
    tmp_path, documents, monkeypatch
):
    monkeypatch.setenv("MY_KEY", "x")
    words = QUESTIONS["zh"]
    answers = {
        words["endpoint"]: iter(["nowhere at all", "SOMETHING", "api.example.com/v1"]),
        words["key_env"]: iter(["sk-" + "a1" * 16, "MY_KEY"]),
        words["sensitivity"]: iter(["everybody", "internal", "internal"]),
        words["contract"].format(host="api.example.com", sensitivity="internal"): iter(["no", "yes"]),
        words["samples"]: iter(["many", "500"]),
    }
    said = []
    recipe = start_project(
        tmp_path / "new",
        documents,
        ask=lambda question, default: next(answers[question]) if question in answers else default,
        say=said.append,
    )[0]
    teacher = plan_of(recipe).recipe.models["teacher"]
    assert (teacher.endpoint, teacher.key_env, teacher.accept) == (
        ("https://api.example.com/v1",),
        ("MY_KEY",),
        "internal",
    )
    assert sum("!" in line for line in said) == 6
    with pytest.raises(RunError, match="no address"):
        start_project(tmp_path / "b", documents, ask=lambda question, default: "never", say=lambda line: None)


@pytest.mark.parametrize(
    "flags",
    [
        Given(endpoint="https://api.example.com/v1"),
        Given(endpoint="https://api.example.com/v1", sensitivity="internal"),
        Given(endpoint="http://10.0.0.7/v1", sensitivity="secret"),
        Given(endpoint="https://api.example.com/v1", sensitivity="secret", accept="internal"),
    ],
)
def test_a_leak_is_refused_before_anything_is_written(tmp_path, documents, flags):
    with pytest.raises(RunError, match="--accept"):
        start_project(tmp_path / "new", documents, flags, yes=True, say=lambda line: None)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        (Given(endpoint="ftp://x"), "--endpoint"),
        (Given(endpoint="http://x:99999999"), "--endpoint"),
        (Given(endpoint="http://me:secret@10.0.0.1/v1"), "password"),
        (Given(endpoint="http://10.0.0.1/v1?api_key=abc"), "password"),
        (Given(endpoint="local", model="gpt"), "no embedded model"),
        (Given(lang="fr"), "--lang"),
        (Given(lang="zh,zh"), "--lang"),
        (Given(sensitivity="all"), "--sensitivity"),
        (Given(method="magic"), "--method"),
        (Given(key_env="not a name"), "--key-env"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(tmp_path, documents, flags, match):
    with pytest.raises(RunError, match=match) as caught:
        start_project(tmp_path / "new", documents, flags, yes=True, say=lambda line: None)
    assert "secret@" not in str(caught.value)
    assert not (tmp_path / "new").exists()


KEYS = [
    "sk-" + "a1" * 16,
    "sk-proj-" + "Ab3_" * 8,
    "0123456789abcdef" * 2,
    "0123456789abcdef" * 2 + ".AbCdEfGh12",
    "AKIA" + "ABCD1234" * 2,
    "eyJ" + "hbGci" * 6,
    "Zx9" * 12,
]


@pytest.mark.parametrize(("key", "name"), list(itertools.product(KEYS, ["key_env", "model", "endpoint"])))
def test_a_pasted_key_is_refused_and_not_repeated(tmp_path, documents, key, name):
    with pytest.raises(RunError, match="looks like a key") as caught:
        start_project(tmp_path / "new", documents, Given(**{name: key}), yes=True, say=lambda line: None)
    assert key not in str(caught.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name",
    ["TEACHER_API_KEY", "DEEPSEEK_KEY", "Qwen2.5-72B-Instruct", "deepseek-chat", "key", "sk", "local", "api-gateway",
     "meta-llama/Llama-3.3-70B-Instruct", "http://127.0.0.1:8000/v1", "qwen2.5-coder-0.5b-instruct"],
)  # fmt: skip
def test_ordinary_names_do_not_look_like_keys(name):
    assert not looks_like_key(name)


def test_where_nobody_can_be_asked_the_missing_flags_are_named(tmp_path, documents):
    options = {"cwd": tmp_path, "stdin": subprocess.DEVNULL}
    status, text = command("init", "new", "--documents", documents, "--model", "m", **options)
    assert status == 1
    for flag in ("--endpoint http://127.0.0.1:8000/v1", "--sensitivity internal", "--lang zh", "--samples", "--yes"):
        assert flag in text
    assert "--model" not in text.partition("missing")[2]
    assert not (tmp_path / "new").exists()
    status, text = command("init", "new", "--documents", documents, "--yes", **options)
    assert status == 0, text
    assert "2 个文件" in text
    assert "next: sftmill plan new/recipe.yaml" in text
    status, text = command("plan", "new/recipe.yaml", **options)
    assert status == 0, text
    assert "the plan holds" in text


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_any_text_is_a_yaml_value(text):
    assert YAML(typ="safe", pure=True).load(f"a: {{b: {yaml_text(text)}, c: 1}}") == {"a": {"b": text, "c": 1}}


@pytest.mark.parametrize(
    "word", ["no", "Null", "../no", "yes", "1e5", "0x1", "2024", "a: b", "- a", "../docs", "~", "1:2"]
)
def test_words_that_yaml_takes_for_something_else_are_quoted(word):
    assert YAML(typ="safe", pure=True).load(f"[{yaml_text(word)}]") == [word]


def test_archives_and_links_do_not_break_the_look(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(PROSE["zh"], "utf-8")
    with zipfile.ZipFile(tmp_path / "docs" / "b.zip", "w") as archive:
        archive.writestr("in.md", PROSE["zh"])
    os.symlink(tmp_path, tmp_path / "docs" / "round")
    look = look_at(tmp_path / "docs")
    assert look.read >= 1
    assert look.total >= len(PROSE["zh"]) * 0.9
