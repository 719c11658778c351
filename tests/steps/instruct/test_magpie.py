"""Magpie draws instructions from scripted models, on its own and in a recipe."""

import asyncio
import json

import pytest

from sftmill.core import Drop, Reply, question, turns
from sftmill.errors import RecipeError
from sftmill.flow.shards import ShardList, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.instruct.magpie.magpie import Magpie

PUMP = "水泵启动之后电流偏大，应当先检查哪些地方？"
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


class FakeDesk:
    """A desk that continues prefixes with the texts given, in turn, and answers chats with one text."""

    def __init__(self, *texts, row=None, model="qwen2.5-7b-instruct", finish="stop", answer="先看联轴器。"):
        self.texts, self.row, self.named, self.finish, self.answer = list(texts), row or {}, model, finish, answer
        self.prefixes, self.samplings, self.chats, self.roles = [], [], [], []

    def prompt(self, name, **values):
        lang = self.row.get("lang", "zh")
        return Prompts(None).render("magpie", name, lang, {"topic": self.row.get("topic"), "steering": "", **values})

    def model(self, to="teacher"):
        return self.named

    async def complete(self, prefix, *, to="teacher", n=1, sampling=None):
        self.prefixes.append(prefix)
        self.samplings.append(sampling)
        self.roles.append(to)
        return [Reply(self.texts.pop(0), finish=self.finish, model=self.named)]

    async def ask(self, messages, *, to="teacher", n=1, schema=None, sampling=None):
        self.chats.append(messages)
        self.roles.append(to)
        return [Reply(self.answer)]


def draw(*texts, step=None, row=None, **desk):
    row = {"lang": "zh", "draw": 0, **(row or {})}
    desk = FakeDesk(*texts, row=row, **desk)
    return asyncio.run((step or Magpie()).row(row, desk)), desk


def test_a_draw_becomes_an_instruction_and_names_its_method():
    row, desk = draw(f" {PUMP}\n\n", step=Magpie(family="qwen2.5", steer=False))
    assert turns(row) == [{"role": "user", "content": PUMP}]
    assert row["method"] == "magpie"
    assert desk.prefixes == [f"<|im_start|>system\n{QWEN}<|im_end|>\n<|im_start|>user\n"]


def test_the_models_own_name_tells_the_family_and_its_temperature():
    _, desk = draw(PUMP, model="Qwen2.5-72B-Instruct")
    assert desk.samplings[0].temperature == 0.6
    assert "<|im_end|>" in desk.samplings[0].stop
    assert desk.samplings[0].keep_truncated
    _, desk = draw(PUMP, model="alias", step=Magpie(name="Meta-Llama-3.1-8B-Instruct", temperature=1.2, top_p=0.99))
    assert desk.prefixes[0].startswith("<|start_header_id|>system")
    assert (desk.samplings[0].temperature, desk.samplings[0].top_p) == (1.2, 0.99)


def test_a_name_that_tells_nothing_is_an_error_with_the_remedy():
    with pytest.raises(RecipeError, match="set `family` to one of"):
        draw(PUMP, model="default")


def test_a_chinese_row_is_steered_by_the_packaged_text_and_an_english_one_by_its_topic_alone():
    _, desk = draw(PUMP, row={"topic": "水泵维修"})
    assert "水泵维修" in desk.prefixes[0]
    assert QWEN not in desk.prefixes[0]
    english = "How often should the bearings of a pump be greased?"
    _, desk = draw(english, row={"lang": "en"})
    assert QWEN in desk.prefixes[0]
    _, desk = draw(english, row={"lang": "en", "topic": "pump maintenance"})
    assert "pump maintenance" in desk.prefixes[0]


def test_the_rows_own_system_text_comes_before_that_of_the_step_and_is_kept_only_where_wanted():
    own = {"messages": [{"role": "system", "content": "你是水厂的值班员。"}]}
    row, desk = draw(PUMP, row=own, step=Magpie(system="别的", keep_system=True))
    assert "你是水厂的值班员。" in desk.prefixes[0]
    assert [m["role"] for m in turns(row)] == ["system", "user"]
    row, desk = draw(PUMP, step=Magpie(system="你是锅炉工。"))
    assert "你是锅炉工。" in desk.prefixes[0]
    assert [m["role"] for m in turns(row)] == ["user"]


@pytest.mark.parametrize(("bos", "begins"), [("auto", "你"), ("server", "你"), ("text", "<｜begin▁of▁sentence｜>你")])
def test_the_bos_is_in_the_text_only_where_nobody_else_writes_it(bos, begins):
    _, desk = draw(PUMP, step=Magpie(family="deepseek-r1-distill", bos=bos, system="你是工程师。"))
    assert desk.prefixes[0] == begins + "是工程师。<｜User｜>"


def test_what_the_model_was_cut_off_in_is_dropped():
    with pytest.raises(Drop, match="truncated"):
        draw(PUMP[:-1], finish="length")


def test_a_conversation_goes_on_with_answers_and_follow_up_questions():
    step = Magpie(family="qwen2.5", turns=3, to="model", to_answer="writer", system="你是泵站的助手。")
    second, third = "如果联轴器没有问题，下一步查哪里？", "那么多久应该做一次这样的检查呢？"
    row, desk = draw(PUMP, second, third, step=step)
    answer = desk.answer
    assert [m["content"] for m in turns(row)] == [PUMP, answer, second, answer, third]
    assert desk.roles == ["model", "writer", "model", "writer", "model"]
    told = "你是泵站的助手。\n这是一场多轮对话"
    assert told in desk.prefixes[1]
    assert desk.prefixes[2].endswith(
        f"<|im_start|>user\n{PUMP}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"
        f"<|im_start|>user\n{second}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n<|im_start|>user\n"
    )
    assert [m["role"] for m in desk.chats[1]] == ["system", "user", "assistant", "user"]


def test_a_conversation_whose_follow_up_is_no_question_ends_before_it():
    row, _ = draw(PUMP, "谢谢！", step=Magpie(family="qwen2.5", turns=2))
    assert turns(row) == [{"role": "user", "content": PUMP}]


def test_settings_that_cannot_work_are_told_before_a_run(tmp_path):
    assert Magpie().problems() == []
    assert "known are auto, chatml" in Magpie(family="bloom").problems()[0]
    assert "tells no chat format" in Magpie(name="bloom-7b").problems()[0]
    assert "is not there" in Magpie(template=tmp_path / "none").problems()[0]
    assert "with one turn" in Magpie(to_answer="judge").problems()[0]
    assert "least: 9" in Magpie(least=9, most=3).problems()[0]
    (tmp_path / "chat_template.jinja").write_text("<u>{{ messages[-1].content }}")
    step = Magpie(template=tmp_path, default_system=False, family="chatml")
    assert len(step.problems()) == 2
    assert step.files() == (tmp_path / "chat_template.jinja",)


def test_a_follow_up_that_asks_the_same_again_is_none():
    row, _ = draw(PUMP, "请问" + PUMP, step=Magpie(family="qwen2.5", turns=2))
    assert turns(row) == [{"role": "user", "content": PUMP}]


def test_a_conversation_ends_before_an_answer_that_is_cut_off():
    class CutOff(FakeDesk):
        async def ask(self, messages, **others):
            assert others["sampling"].keep_truncated
            return [Reply("先看联", finish="length")]

    row = {"lang": "zh"}
    made = asyncio.run(Magpie(family="qwen2.5", turns=2).row(row, CutOff(PUMP, row=row)))
    assert turns(made) == [{"role": "user", "content": PUMP}]


# In a recipe --------------------------------------------------------------------------------------

RECIPE = """
name: magpie
lang: [zh, en]
models:
  teacher: {scripted: unused.yaml, model: qwen2.5-7b-instruct}
streams:
  drawn:
    - draws: {count: 12, topics: [水泵维修], lang: [zh]}
    - magpie
"""
TEXTS = [
    PUMP,
    "轴承的温度到多少度应当停机检查？",
    "怎样判断机械密封已经磨损？",
    "你好",
    "，所以要检查密封环的间隙大小。",
]


def run(folder, name="run"):
    (folder / "unused.yaml").write_text("default: x", "utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    served = []

    def speak(body):
        served.append(body)
        text = TEXTS[sum(b["max_tokens"] > 1 for b in served) % len(TEXTS)]
        choice = {"index": 0, "text": text, "finish_reason": "stop"}
        return {"object": "text_completion", "model": "/models/Qwen2.5-7B-Instruct", "choices": [choice]}

    recipe = load_recipe(folder / "recipe.yaml")
    make_plan(recipe, folder / name)
    manifest = run_recipe(recipe, folder / name, providers={"teacher": [ScriptedProvider(speak)]})
    return manifest, served


def test_equal_prefixes_are_drawn_anew_for_every_row_and_never_twice_for_one(tmp_path):
    manifest, served = run(tmp_path)
    drawn = [body for body in served if body["max_tokens"] > 1]
    assert len(drawn) == 12
    assert len({body["prompt"] for body in drawn}) == 1
    assert len(served) == 12
    counts = next(found for key, found in manifest["counts"].items() if key.endswith("-magpie"))
    assert counts["out"] + sum(counts["dropped"].values()) == 12
    assert counts["dropped"].keys() == {"too_short", "begins_midway"}
    rows = list(ShardList(shard_files(next((tmp_path / "run" / "streams" / "drawn").glob("*-magpie")))).rows())
    assert {question(row) for row in rows} == set(TEXTS[:3])
    assert {row["method"] for row in rows} == {"magpie"}
    _, again = run(tmp_path, "second")
    assert again == []


def test_the_resolved_recipe_spells_out_the_chat_format(tmp_path):
    run(tmp_path)
    text = (tmp_path / "run" / "recipe.yaml").read_text("utf-8")
    assert "family: auto" in text
    assert json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))
