"""Questions that cannot be answered, and answers that say so: written by one model, checked by rule and by another."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from sftmill.core import Drop, answer, question, system
from sftmill.errors import RecipeError
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.instruct.negatives.negative_form import FalsePremise, Negative, Verdict
from sftmill.steps.instruct.negatives.unanswerable import Unanswerable

PASSAGE = {
    "zh": "冷库的库温每天记录两次。库温高于零下 15 摄氏度时须停止入库，并在 30 分钟内报告值班长。",
    "en": "The store's temperature is logged twice a day. Above -15 °C no goods may come in, and the shift leader is told within 30 minutes.",
}
MISSING = {
    "zh": {"question": "冷库使用哪一种制冷剂？", "answer": "资料没有提到冷库使用的制冷剂。"},
    "en": {
        "question": "Which refrigerant does the store use?",
        "answer": "The material does not say which refrigerant is used.",
    },
}
FALSE = {
    "zh": {"question": "为什么库温异常要在 60 分钟内报告冷库的值班长？", "false_claim": "60 分钟", "true_value": "30 分钟",
           "answer": "不是 60 分钟，应在 30 分钟内报告值班长。"},
    "en": {"question": "Why is the shift leader told within 60 minutes?", "false_claim": "60 minutes", "true_value": "30 minutes",
           "answer": "It is not 60 minutes: the shift leader is told within 30 minutes."},
}  # fmt: skip
OUTSIDE = {
    "zh": {"question": "帮我写一首情诗。", "answer": "这超出了我的范围，我只能解答冷库管理方面的问题。"},
    "en": {
        "question": "Write me a love poem.",
        "answer": "That is outside of what I can help with; I answer questions on cold stores.",
    },
}
SCOPE = {"zh": "冷库管理的问题", "en": "questions on cold stores"}
ABSENT = {"verdict": "not_in_material", "correct_value": ""}


class Desk:
    """Renders the packaged prompts; `teacher` and `checker` say what they are told."""

    def __init__(self, row, written, verdict, **settings):
        self.row, self.written, self.verdict, self.settings = row, written, verdict, settings
        self.seen = {}

    def prompt(self, name, **values):
        known = {"title_path": None, "context": None, "scope": "", **self.row, **self.settings, **values}
        return Prompts().render("unanswerable", name, self.row["lang"], known)

    async def ask(self, prompt, *, to, schema, sampling):
        self.seen[to] = "\n".join(turn["content"] for turn in prompt)
        said = self.verdict if schema is Verdict else self.written
        return [SimpleNamespace(data=schema.model_validate(said))]


def make(kind, written, verdict, lang="zh", row=None, **settings):
    row = {"id": "a" * 32, "lang": lang, "passage": PASSAGE[lang], **(row or {})}
    desk = Desk(row, written, verdict, **settings)
    return asyncio.run(Unanswerable(kinds=[kind], **settings).row(row, desk)), desk


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_the_material_does_not_say_is_asked_with_the_material_and_refused(lang):
    made, desk = make("missing", MISSING[lang], ABSENT, lang)
    assert PASSAGE[lang] in question(made) and MISSING[lang]["question"] in question(made)
    assert answer(made) == MISSING[lang]["answer"]
    assert (made["operator"], made["method"], made["task"]) == ("missing", "unanswerable", "with_context")
    assert made.get("polarity") is None, "the answer is right"
    assert MISSING[lang]["answer"] not in desk.seen["checker"], (
        "the checker sees neither the answer nor what was wanted"
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_false_premise_is_put_right_with_the_value_of_the_passage(lang):
    made, desk = make(
        "false_premise", FALSE[lang], {"verdict": "false_premise", "correct_value": FALSE[lang]["true_value"]}, lang
    )
    assert question(made) == FALSE[lang]["question"] and answer(made) == FALSE[lang]["answer"]
    assert made["task"] == "closed_book"
    assert FALSE[lang]["answer"] not in desk.seen["checker"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_is_out_of_scope_is_declined_under_a_system_turn_that_says_the_scope(lang):
    verdict = {"verdict": "out_of_scope", "correct_value": ""}
    made, _ = make("out_of_scope", OUTSIDE[lang], verdict, lang, scope=SCOPE[lang])
    assert SCOPE[lang] in system(made) and question(made) == OUTSIDE[lang]["question"]


@pytest.mark.parametrize(
    ("kind", "written", "verdict", "reason"),
    [
        ("missing", {**MISSING["zh"], "answer": "使用氨。"}, ABSENT, "no_refusal"),
        ("missing", {**MISSING["zh"], "answer": "资料没有提到，一般是 40 吨。"}, ABSENT, "invented_value"),
        ("missing", {**MISSING["zh"], "question": " "}, ABSENT, "no_question"),
        ("missing", {**MISSING["zh"], "answer": ""}, ABSENT, "no_answer"),
        ("missing", MISSING["zh"], {"verdict": "answerable", "correct_value": ""}, "answerable"),
        ("missing", MISSING["zh"], {"verdict": "false_premise", "correct_value": "x"}, "other_kind"),
        ("false_premise", {**FALSE["zh"], "answer": "应在半小时内报告，其实很简单。", "true_value": "45 分钟"}, ABSENT, "true_value_missing"),
        ("false_premise", {**FALSE["zh"], "answer": "不是 60 分钟。"}, ABSENT, "true_value_missing"),
        ("false_premise", {**FALSE["zh"], "false_claim": "90 分钟"}, ABSENT, "premise_unclear"),
        ("false_premise", {**FALSE["zh"], "question": "为什么要在半小时内报告值班长？", "false_claim": "半小时"}, ABSENT, "premise_not_false"),
        ("false_premise", {**FALSE["zh"], "answer": "在 30 分钟内报告值班长。"}, ABSENT, "no_correction"),
        ("false_premise", FALSE["zh"], ABSENT, "other_kind"),
        ("false_premise", FALSE["zh"], {"verdict": "false_premise", "correct_value": "15 摄氏度"}, "true_value_disputed"),
        ("false_premise", {**FALSE["zh"], "question": "根据上述资料，为什么要在 60 分钟内报告？"}, ABSENT, "deictic"),
    ],
)  # fmt: skip
def test_a_sample_that_is_not_what_it_should_be_is_dropped(kind, written, verdict, reason):
    with pytest.raises(Drop) as drop:
        make(kind, written, verdict)
    assert drop.value.reason == reason
    assert drop.value.facts["kind"] == kind


def test_a_true_value_counts_however_it_is_written():
    written = {**FALSE["zh"], "true_value": "30 分钟", "answer": "不是 60 分钟，而是半小时内报告。"}
    made, _ = make("false_premise", written, {"verdict": "false_premise", "correct_value": "30 分钟内"})
    assert answer(made) == written["answer"]


def test_a_pair_without_a_passage_is_material_too():
    pair = [{"role": "user", "content": "库温多久记录一次？"}, {"role": "assistant", "content": "每天记录两次。"}]
    made, _ = make("missing", MISSING["zh"], ABSENT, row={"passage": None, "messages": pair, "rejected": "x"})
    assert "每天记录两次。" in question(made) and "rejected" not in made
    with pytest.raises(Drop) as drop:
        make("missing", MISSING["zh"], ABSENT, row={"passage": "", "messages": pair[:1]})
    assert drop.value.reason == "no_material"


def test_about_the_share_asked_for_is_made_and_always_of_the_same_rows():
    def chosen(share):
        found = set()
        for number in range(120):
            try:
                make("missing", MISSING["zh"], ABSENT, row={"passage": f"{PASSAGE['zh']}{number}"}, share=share)
                found.add(number)
            except Drop as drop:
                assert drop.reason == "not_chosen"
        return found

    few, more = chosen(0.2), chosen(0.6)
    assert 10 <= len(few) <= 40 and few < more and few == chosen(0.2)


def project(folder, lang, **settings):
    (folder / "book.md").write_text(
        f"# {'冷库' if lang == 'zh' else 'Stores'}\n\n"
        + "\n\n".join(f"## {n}\n\n{PASSAGE[lang]}" for n in range(1, 7)),
        "utf-8",
    )
    recipe = {
        "name": "negatives", "lang": lang,
        "models": {role: {"scripted": "unused.yaml", "model": role} for role in ("teacher", "checker")},
        "streams": {
            "books": {"steps": [{"books": {"folder": ".", "patterns": ["book.md"]}}, "split"]},
            "negatives": {"from": "books", "steps": [{"unanswerable": settings}]},
        },
    }  # fmt: skip
    (folder / "unused.yaml").write_text("default: x")
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    return load_recipe(folder / "recipe.yaml")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_it_runs_from_a_recipe_on_the_passages_of_a_book(tmp_path, lang):
    def write(body):
        schema = body["response_format"]["json_schema"]["schema"]["properties"]
        return {"json": FALSE[lang] if "false_claim" in schema else MISSING[lang]}

    def check(body):
        false = FALSE[lang]["question"] in body["messages"][-1]["content"]
        return {"json": {"verdict": "false_premise", "correct_value": FALSE[lang]["true_value"]} if false else ABSENT}

    providers = {"teacher": [ScriptedProvider(write)], "checker": [ScriptedProvider(check)]}
    run_recipe(project(tmp_path, lang), tmp_path / "run", providers=providers)
    folder = sorted((tmp_path / "run" / "streams" / "negatives").iterdir())[-1]
    rows = [row for path in shard_files(folder) for row in read_rows(path)]
    assert rows and {row["operator"] for row in rows} <= {"missing", "false_premise"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"to_checker": "teacher"}, "confirm its own mistakes"),
        ({"kinds": ["out_of_scope"]}, "scope: out_of_scope needs it"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told_by_the_plan(tmp_path, settings, told):
    with pytest.raises(RecipeError, match=told):
        make_plan(project(tmp_path, "zh", **settings), tmp_path / "run")


def test_the_schemas_are_what_the_prompts_ask_for():
    assert set(Negative.model_fields) == {"question", "answer"}
    assert set(FalsePremise.model_fields) == {"question", "false_claim", "true_value", "answer"}
