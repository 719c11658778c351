"""The five shapes carry the methods that are to come, on a scripted model: proof before the interfaces set.

A Magpie draw, a Self-Instruct round, a retrieval with two inputs, a knockout tournament and a
blend of three streams. Each is small, but goes through recipe, plan, engine and ledger.
"""

import random
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sftmill.core import (
    AskStep,
    Desk,
    Drop,
    Dropped,
    Pool,
    RoundStep,
    Row,
    Sampling,
    Shards,
    Source,
    WholeStep,
    answer,
    answered,
    asked,
    question,
    turns,
)
from sftmill.flow.shards import ShardList, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps import STEPS
from sftmill.text import tokens

PREFIX = "<|im_start|>system\n你是金融助手。<|im_end|>\n<|im_start|>user\n"


class Draws(Source):
    """Numbers the draws of Magpie."""

    writes = ("draw",)
    count: int

    def rows(self) -> Iterator[Row]:
        for number in range(self.count):
            yield {"draw": number}


class Magpie(AskStep):
    """Lets the model write the user's turn."""

    reads = ("draw",)
    writes = ("messages",)
    to: str = "teacher"

    async def row(self, row: Row, desk: Desk) -> Row:
        reply = (await desk.complete(PREFIX, to=self.to, sampling=Sampling(temperature=1.0, max_tokens=64)))[0]
        if not reply.text.strip():
            raise Drop("empty")
        return asked(row, reply.text.strip())


class Seeds(Source):
    """Three human seeds."""

    writes = ("messages",)

    def rows(self) -> Iterator[Row]:
        for text in ("解释净资产收益率", "比较股票和债券", "计算复利"):
            yield asked({}, text)


class Bootstrap(RoundStep):
    """Self-Instruct in small: drafts carry examples from the pool, novelty is judged against all of it."""

    reads = ("messages",)
    writes = ("messages",)
    target: int = 8
    batch: int = 4
    to: str = "teacher"

    def draft(self, pool: Pool, round: int) -> Iterator[Row]:
        if len(pool) >= self.target or round > 20:
            return
        for number in range(self.batch):
            chosen = random.Random(f"{round}/{number}").sample(range(len(pool)), 2)
            examples = "\n".join(question(pool[i]) for i in chosen)
            yield asked({"draw": round * self.batch + number}, f"示例：\n{examples}\n请写新的任务：")

    async def fill(self, row: Row, desk: Desk) -> list[Row]:
        reply = (await desk.ask(turns(row), to=self.to, sampling=Sampling(temperature=0.7)))[0]
        lines = [line for line in reply.text.splitlines() if line.strip()]
        if not lines:
            raise Drop("no_task")
        return [asked({}, line) for line in lines]

    def admit(self, pool: Pool, rows: list[Row]) -> Pool:
        known = {question(row) for row in pool}
        admitted, dropped = [], []
        for row in rows:
            text = question(row)
            if text in known:
                dropped.append(Dropped(row, "not_novel", {"question": text}))
            elif len(pool) + len(admitted) >= self.target:
                dropped.append(Dropped(row, "target_reached"))
            else:
                known.add(text)
                admitted.append(row)
        return pool.grown(admitted, dropped)


class Retrieve(WholeStep):
    """Keeps the rows nearest to a validation set, the side input."""

    reads = ("messages",)
    keep: int = 2

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row]:
        wanted = [set(tokens(question(row))) for row in inputs["validation"].rows()]
        scored = []
        for row in inputs["rows"].rows():
            own = set(tokens(question(row)))
            scored.append((-max(len(own & w) / len(own | w) for w in wanted), row["id"], row))
        for _, _, row in sorted(scored, key=lambda item: item[:2])[: self.keep]:
            yield row


class Knockout(AskStep):
    """Draws candidates in one request, then lets a judge compare them two by two, in both seats."""

    reads = ("messages",)
    writes = ("messages", "candidates", "score")
    candidates: int = 4
    to: str = "teacher"
    to_judge: str = "judge"

    async def row(self, row: Row, desk: Desk) -> Row:
        replies = await desk.ask(turns(row), to=self.to, n=self.candidates, sampling=Sampling(temperature=1.0))
        field = texts = list(dict.fromkeys(reply.text for reply in replies))
        while len(field) > 1:
            pairs = list(zip(field[::2], field[1::2], strict=False))
            bye = field[len(pairs) * 2 :]
            field = [await self.better(desk, a, b) for a, b in pairs] + bye
        return answered({**row, "candidates": texts, "score": float(len(texts))}, field[0])

    async def better(self, desk: Desk, a: str, b: str) -> str:
        """Return the winner; where the judge contradicts itself, the one that was first."""
        one = (await desk.ask(f"A={a}\nB={b}", to=self.to_judge))[0].text
        two = (await desk.ask(f"A={b}\nB={a}", to=self.to_judge))[0].text
        return b if (one, two) == ("B", "A") else a


class Blend(WholeStep):
    """Gives every stream the same number of rows."""

    reads = ("messages",)
    writes = ("weight",)

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | Dropped]:
        streams = {}
        for row in inputs["rows"].rows():
            streams.setdefault(row["stream"], []).append(row)
        size = min(map(len, streams.values()))
        for name in sorted(streams):
            for place, row in enumerate(streams[name]):
                yield {**row, "weight": 1.0} if place < size else Dropped(row, "over_share")


TASKS = [
    "解释市盈率",
    "计算利息",
    "比较股票和债券",
    "列出三种风险",
    "说明什么是基金",
    "写一份理财建议",
    "判断对错：存款有风险",
]


def converse(body):
    """Play teacher and judge: the judge prefers the longer text."""
    if "prompt" in body:
        return random.Random(repr(sorted(body.items()))).choice(TASKS)
    last = body["messages"][-1]["content"]
    if last.startswith("A="):
        a, b = (part[2:] for part in last.split("\n"))
        return "A" if len(a) >= len(b) else "B"
    if "示例" in last:
        dice = random.Random(last)
        return "\n".join(dice.sample(TASKS, 2))
    return {"say": [f"{last}的答案" + "很好" * k for k in range(4)]}


RECIPE = """
name: shapes
lang: zh
models:
  teacher: {scripted: unused.yaml, model: t}
  judge: {scripted: unused.yaml, model: j}
streams:
  magpie:
    - draws: {count: 12}
    - magpie
  tasks:
    - seeds
    - bootstrap: {target: 8}
  retrieved:
    from: magpie
    inputs: {validation: tasks}
    steps:
      - retrieve: {keep: 5}
  answered:
    from: [magpie, tasks]
    where: length(question) < 9
    steps:
      - knockout
finish:
  from: [retrieved, tasks, answered]
  steps:
    - blend
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    for name, step in {
        "draws": Draws,
        "magpie": Magpie,
        "seeds": Seeds,
        "bootstrap": Bootstrap,
        "retrieve": Retrieve,
        "knockout": Knockout,
        "blend": Blend,
    }.items():
        monkeypatch.setitem(STEPS, name, step)
    (tmp_path / "unused.yaml").write_text("default: x", "utf-8")
    path = tmp_path / "shapes.yaml"
    path.write_text(RECIPE, "utf-8")
    return path


def go(recipe, run_dir):
    """Run the recipe on a scripted teacher and judge; return (manifest, requests served)."""
    served = []

    def count(body):
        served.append(body)
        return converse(body)

    providers = {"teacher": [ScriptedProvider(count)], "judge": [ScriptedProvider(count)]}
    return run_recipe(load_recipe(recipe), run_dir, providers=providers), served


def rows_of(run_dir: Path, stage: str) -> list[Row]:
    """Return the rows of a stage, named stream/step."""
    stream, step = stage.split("/")
    folder = next((run_dir / "streams" / stream).glob(f"*-{step}"))
    return list(ShardList(shard_files(folder)).rows())


def test_all_five_shapes_work_together_in_one_recipe(recipe, tmp_path):
    manifest, _ = go(recipe, tmp_path / "run")
    for key, counts in manifest["counts"].items():
        lost = counts["failed"] + sum(counts["dropped"].values())
        assert counts["in"] + counts["born"] == counts["out"] + lost, key
    assert not any(counts["failed"] for counts in manifest["counts"].values())
    final = rows_of(tmp_path / "run", "finish/blend")
    by_stream = {name: sum(row["stream"] == name for row in final) for name in {row["stream"] for row in final}}
    assert len(set(by_stream.values())) == 1
    assert all(row["weight"] == 1.0 for row in final)


def test_a_magpie_draw_asks_the_same_prefix_and_gets_its_own_answer(recipe, tmp_path):
    _, served = go(recipe, tmp_path / "run")
    prefixes = [body["prompt"] for body in served if "prompt" in body]
    assert prefixes == [PREFIX] * 12
    rows = rows_of(tmp_path / "run", "magpie/magpie")
    assert len(rows) == 12
    assert {question(row) for row in rows} <= set(TASKS)


def test_a_self_instruct_pool_grows_to_its_target_without_repeating_itself(recipe, tmp_path):
    go(recipe, tmp_path / "run")
    rows = rows_of(tmp_path / "run", "tasks/bootstrap")
    texts = [question(row) for row in rows]
    assert len(texts) == len(set(texts)) == 8
    assert texts[:3] == ["解释净资产收益率", "比较股票和债券", "计算复利"]


def test_retrieval_sees_both_inputs_and_says_what_it_left(recipe, tmp_path):
    manifest, _ = go(recipe, tmp_path / "run")
    counts = manifest["counts"]["retrieved/01-retrieve"]
    assert (counts["in"], counts["out"], counts["dropped"]) == (12, 5, {"not_selected": 7})


def test_a_knockout_ends_with_the_answer_that_the_judge_prefers(recipe, tmp_path):
    go(recipe, tmp_path / "run")
    rows = rows_of(tmp_path / "run", "answered/knockout")
    assert rows
    for row in rows:
        assert len(question(row)) < 9
        assert answer(row) == max(row["candidates"], key=len)


def test_the_same_recipe_and_ledger_give_the_same_bytes_without_a_call(recipe, tmp_path):
    go(recipe, tmp_path / "first" / "run")
    (tmp_path / "second").mkdir()
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        if (file := tmp_path / "first" / name).exists():
            (tmp_path / "second" / name).write_bytes(file.read_bytes())
    _, served = go(recipe, tmp_path / "second" / "run")
    assert served == []
    first, second = (tmp_path / name / "run" / "streams" for name in ("first", "second"))
    files = sorted(path.relative_to(first) for path in first.rglob("*.parquet"))
    assert files == sorted(path.relative_to(second) for path in second.rglob("*.parquet"))
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_the_run_directory_holds_the_recipe_with_all_defaults_and_the_manifest(recipe, tmp_path):
    go(recipe, tmp_path / "run")
    resolved = YAML(typ="safe").load((tmp_path / "run" / "recipe.yaml").read_text("utf-8"))
    assert resolved["streams"]["tasks"]["steps"][1] == {"bootstrap": {"target": 8, "batch": 4, "to": "teacher"}}
    assert (tmp_path / "run" / "manifest.json").is_file()
    assert b'"event":"done"' in (tmp_path / "run" / "log.jsonl").read_bytes()
