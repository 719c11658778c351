"""A whole run on a scripted model whose generators report rounds, duplicates and tokens, for tests of the report."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftmill.core import AskStep, Desk, Drop, Dropped, Pool, RoundStep, Row, RowStep, Sampling, Source, asked, question
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps import STEPS

VERBS = {
    "zh": "解释 比较 列出 计算 说明 总结 分析 评估 设计 改写 概括 推荐",
    "en": "explain compare list calculate describe summarize analyze assess design rewrite outline recommend",
}
SUBJECTS = {
    "zh": "基金 债券 存款 保险 贷款 汇率 股票 信托 期货 黄金 年金 信用卡 外汇 票据 国债",
    "en": "fund bond deposit insurance loan currency stock trust future metal annuity card exchange bill treasury",
}
SIDES = {
    "zh": "风险 费用 流程 利率 期限 条款 税收 收益 用途 历史 规则 优点 缺点 材料 账户",
    "en": "risk cost process rate term clause tax return purpose history rule merit flaw paper account",
}
FRAMES = {
    "zh": ("{verb}{subject}的{side}", "请{verb}{subject}的{side}，并举一个例子", "为新客户{verb}一下{subject}的{side}"),
    "en": ("{verb} the {side} of a {subject}", "Please {verb} the {side} of a {subject} and give an example", "For new clients, {verb} the {side} of the {subject}"),
}  # fmt: skip


def task(lang: str, dice: random.Random, few: bool = False) -> str:
    """Return an instruction; `few` draws from a corner of what there is."""
    pick = {"verb": VERBS[lang], "subject": SUBJECTS[lang], "side": SIDES[lang]}
    chosen = {
        name: dice.choice(str.split(words)[: 2 if few and name != "side" else None]) for name, words in pick.items()
    }
    return dice.choice(FRAMES[lang][: 1 if few else None]).format(**chosen)


class SomeSeeds(Source):
    """Lists human seeds."""

    writes = ("messages",)
    count: int = 30
    lang: str = "zh"

    def rows(self) -> Iterator[Row]:
        """Yield the seeds."""
        for number in range(self.count):
            yield asked({"lang": self.lang}, task(self.lang, random.Random(f"seed {number}")))


class Grow(RoundStep):
    """Grows a pool; the model's ideas narrow from the middle of the run on where it says so."""

    reads = ("messages",)
    writes = ("messages", "method", "round")
    rounds: int = 6
    requests: int = 5
    to: str = "teacher"

    def draft(self, pool: Pool, round: int) -> Iterator[Row]:
        """Yield a round's requests."""
        for number in range(self.requests if round < self.rounds else 0):
            yield asked({"lang": pool[0]["lang"], "round": round + 1}, f"round {round + 1} request {number}")

    async def fill(self, row: Row, desk: Desk) -> list[Row]:
        """Return the lines of the reply."""
        reply = (await desk.ask(question(row), to=self.to, sampling=Sampling(temperature=0.7)))[0]
        lines = [line for line in reply.text.splitlines() if line.strip()]
        if not lines:
            raise Drop("no_task")
        return [asked({"method": "grow", "round": row["round"]}, line) for line in lines]

    def admit(self, pool: Pool, rows: list[Row]) -> Pool:
        """Admit what is new and not too short."""
        known = {question(row) for row in pool}
        admitted, dropped = [], []
        for row in rows:
            text = question(row)
            if text in known:
                dropped.append(Dropped(row, "similar_wording"))
            elif len(text) < 8:
                dropped.append(Dropped(row, "too_short"))
            else:
                known.add(text)
                admitted.append(row)
        return pool.grown(admitted, dropped)

    def result(self, pool: Pool) -> Iterator[Row]:
        """Yield what was made, without the seeds."""
        return (row for row in pool if row.get("method"))


class Numbered(Source):
    """Numbers draws."""

    writes = ("draw",)
    count: int = 0

    def rows(self) -> Iterator[Row]:
        """Yield a row a draw."""
        for number in range(self.count):
            yield {"draw": number}


class Drawn(AskStep):
    """Lets the model write an instruction out of nothing."""

    reads = ("draw",)
    writes = ("messages", "method")
    to: str = "teacher"

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with an instruction."""
        reply = (await desk.ask(f"draw {row['draw']}", to=self.to, sampling=Sampling(temperature=1.0)))[0]
        if not reply.text.strip():
            raise Drop("empty")
        return asked({**row, "method": "drawn"}, reply.text)


class NoExamples(RowStep):
    """Drops instructions that want an example, for a reason with markup in it."""

    reads = ("messages",)

    def row(self, row: Row) -> Row:
        """Return the row."""
        if "例子" in question(row) or "example" in question(row):
            raise Drop("<script>alert(1)</script>")
        return row


class Twice(RowStep):
    """Makes two children of every row."""

    reads = ("messages",)
    writes = ("title",)

    def row(self, row: Row) -> list[Row]:
        """Return two children."""
        return [{**row, "title": name} for name in ("first", "second")]


TOY_STEPS = {
    "some_seeds": SomeSeeds, "grow": Grow, "numbered": Numbered, "drawn": Drawn, "no_examples": NoExamples,
    "twice": Twice,
}  # fmt: skip

RECIPE = """
name: {name}
lang: {lang}
models:
  teacher: {{scripted: unused.yaml, model: t, price: {{prompt: 2, completion: 8}}}}
streams:
  tasks:
    - some_seeds: {{lang: {lang}}}
    - grow: {{rounds: {rounds}}}
    - no_examples
    - dedup
  magpie:
    - numbered: {{count: {draws}}}
    - drawn
finish:
  from: [tasks, magpie]
  steps:
    - twice
"""


def whole_run(
    folder: Path,
    monkeypatch: Any,
    lang: str = "zh",
    rounds: int = 6,
    draws: int = 40,
    name: str = "trial",
    narrow: bool = True,
) -> tuple[Path, dict[str, Any]]:
    """Run the recipe on a scripted model; return (run folder, manifest)."""
    for key, step in TOY_STEPS.items():
        monkeypatch.setitem(STEPS, key, step)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "unused.yaml").write_text("default: x", "utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(name=name, lang=lang, rounds=rounds, draws=draws), "utf-8")

    def write(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]["content"]
        dice = random.Random(repr(sorted(body.items())))
        if last.startswith("draw"):
            return "" if dice.random() < 0.1 else task(lang, dice)
        number = int(last.split(" ")[1])
        if dice.random() < 0.05:
            return ""
        return "\n".join(task(lang, dice, narrow and dice.random() < (number - 1) / 6) for _ in range(8))

    manifest = run_recipe(load_recipe(recipe), folder / "run", providers={"teacher": [ScriptedProvider(write)]})
    return folder / "run", manifest
