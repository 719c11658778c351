"""The bar about coverage: holes planted in a pool are named, no others are, and quotas made of them close them."""

import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from common import Result, say

TOPICS = ("个人贷款", "财产保险", "公募基金", "企业税务", "外汇管理", "养老金")
TASK_TYPES = ("解释", "计算", "比较", "分类", "写作")
DIFFICULTIES = ("简单", "中等", "困难")
HOLES = 12
SEEDS = {True: 20, False: 200}
"""Planted pools that are looked at, quick and full."""
FILLED = {True: 1, False: 5}
"""How many of them are also filled, by a run of its own, and measured again."""
SUPPLY = 6000
DEMAND = {"queries": 4000, "books": 1500, "validation": 1000}
"""Times that each kind asks; queries are asked by several users each, who count one by one."""
NOTICED = 0.006
"""Share of the demand that a cell must have to be planted as a hole, about half of the average; rarer cells stay as
they are, many of them with nothing in the pool, and are not to be named."""
LEFT = (0.0, 0.0, 0.05)
"""What a hole may have of its due: nothing, or a twentieth."""
LOOSE = (0.7, 1.5)
"""How loosely the pool follows the demand where it has no hole: part of its due that a cell gets."""
SIGNS = "春夏秋冬东南西北金木水火土山川湖海风云雷电松竹梅兰菊荷桂柳杨槐榆枫桃李杏梨枣柿橘柚蕉莓葵麻棉麦稻粟豆瓜茄椒葱姜蒜韭芹"


def coverage(quick: bool) -> list[Result]:
    """Name the holes of planted pools; fill those of some by a run of `controlled`, and look again."""
    from sftmill.coverage import measure_coverage
    from sftmill.coverage.write import write_quotas
    from sftmill.steps.grid import Grid, read_grid

    grid = Grid(topics=TOPICS, task_types=TASK_TYPES, difficulties=DIFFICULTIES)
    worst, false, possible, begin = HOLES, 0, 0, time.monotonic()
    wrong, left, notes = [], 0, []
    for seed in range(SEEDS[quick]):
        planted = plant(seed)
        with tempfile.TemporaryDirectory(prefix="sftmill-cover-") as folder:
            home = Path(folder)
            run = home / "planted"
            write_run(run, {"pool": planted.pool, **planted.demand})
            kinds = {kind: [kind] for kind in planted.demand}
            found = measure_coverage(run, ["pool"], kinds, grid).map
            named = {one.cell for one in found.holes}
            worst = min(worst, len(named & planted.holes))
            false += len(named - planted.holes)
            possible += len(found.with_verdict("possible"))
            if named != planted.holes:
                notes.append(f"seed {seed}: {len(named & planted.holes)} of 12, {len(named - planted.holes)} false")
            if seed >= FILLED[quick]:
                continue
            say(f"coverage: filling the {len(named)} holes of planted pool {seed}")
            quotas = home / "quotas.yaml"
            write_quotas(measure_coverage(run, ["pool"], kinds, grid), quotas, None, None)
            wanted = read_grid(quotas).wanted()
            made = fill(home, quotas)
            wrong += [str(cell) for cell in wanted.keys() | made.keys() if wanted.get(cell) != made.get(cell)]
            after = measure_coverage(run, ["pool", f"{home / 'filled'}:tasks"], kinds, grid).map
            left += len(after.holes)
            notes.append(
                f"pool {seed}: {sum(wanted.values()):,} instructions for {len(wanted)} cells, then {len(after.holes)} holes, "
                f"{found.covered:.1%} -> {after.covered:.1%} of the demand covered"
            )
    looked = f"the fewest of {SEEDS[quick]} planted pools, {time.monotonic() - begin:.0f} s; {possible} cells called possible"
    return [
        Result("coverage", worst, HOLES, at_least=True, note=f"{looked}; {'; '.join(notes[:6])}"),
        Result("coverage_false_holes", false, 0, note=f"of {SEEDS[quick] * (90 - HOLES):,} cells without a hole"),
        Result("coverage_fill_off_quota", len(wrong), 0, note="cells that did not get exactly their quota"),
        Result("coverage_holes_after_fill", left, 0),
    ]


def write_run(run: Path, streams: dict[str, list[dict[str, Any]]]) -> None:
    """Write rows as the streams of a finished run."""
    from sftmill.flow.shards import Seal, schema_of, write_shard
    from sftmill.text import content_hash

    for name, rows in streams.items():
        base = {"root": "r", "parents": [], "lang": "zh", "sensitivity": "public", "stream": name}
        named = [{**base, **row, "id": content_hash(name, str(i))} for i, row in enumerate(rows)]
        schema = schema_of({column for row in named for column in row})
        write_shard(run / "streams" / name / "01-label" / "00000.parquet", named, schema, Seal("", ""))


def fill(home: Path, quotas: Path) -> Counter[Any]:
    """Run `controlled` on the quotas with scripted models, and return how many instructions each cell got."""
    from sftmill.flow.shards import ShardList, shard_files
    from sftmill.models.scripted import ScriptedProvider
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe
    from sftmill.steps.grid import read_grid

    recipe = {
        "name": "filled",
        "lang": "zh",
        "models": {name: {"scripted": "unused.yaml", "model": name} for name in ("teacher", "tagger")},
        "streams": {
            "tasks": [{"draws": {"count": 1}}, {"controlled": {"grid": quotas.name, "items": 10, "lexical": 0.9}}]
        },
    }
    (home / "unused.yaml").write_text("default: x")
    (home / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False), "utf-8")
    numbers, made = count(), {}

    def write(body: dict[str, Any]) -> dict[str, Any]:
        text = body["messages"][-1]["content"]
        topic, task, hard = (first_named(text, names) for names in (TOPICS, TASK_TYPES, DIFFICULTIES))
        found = []
        for _ in range(int(re.search(r"(\d+) 个", text)[1])):
            number = next(numbers)
            signs = random.Random(number).sample(SIGNS, 20)
            said = f"请说明{''.join(signs)}，编号{number}"
            made[said] = (TOPICS[0] if number % 7 == 0 else topic, task, hard)  # some go off topic
            found.append(said)
        return {"json": {"instructions": found}}

    def tag(body: dict[str, Any]) -> dict[str, Any]:
        topic, task, hard = made[re.search(r"请说明.*编号\d+", body["messages"][-1]["content"])[0]]
        return {"json": {"topic": topic, "task_type": task, "difficulty": hard}}

    providers = {"teacher": [ScriptedProvider(write)], "tagger": [ScriptedProvider(tag)]}
    run_recipe(load_recipe(home / "recipe.yaml"), home / "filled", providers=providers)
    stage = next((home / "filled" / "streams" / "tasks").glob("*-controlled"))
    grid = read_grid(quotas)
    return Counter(grid.cell_of(row) for row in ShardList(shard_files(stage)).rows())


def first_named(text: str, names: tuple[str, ...]) -> str:
    """Return the name that a prompt names first: that of the cell that is wanted, before any example."""
    return min((name for name in names if name in text), key=text.index)


class Planted(NamedTuple):
    """A pool with known holes, and what is asked."""

    holes: frozenset[Any]
    shares: dict[Any, float]
    pool: list[dict[str, Any]]
    demand: dict[str, list[dict[str, Any]]]


def plant(seed: int) -> Planted:
    """Return a pool and a demand of the 6 x 5 x 3 grid: skewed along each axis and cell by cell, with 12 holes."""
    from sftmill.steps.grid import Cell

    chance = random.Random(seed)
    axes = [[chance.lognormvariate(0, 0.7) for _ in names] for names in (TOPICS, TASK_TYPES, DIFFICULTIES)]
    raw = {
        Cell(topic, task, hard): axes[0][i] * axes[1][j] * axes[2][k] * chance.lognormvariate(0, 0.4)
        for i, topic in enumerate(TOPICS)
        for j, task in enumerate(TASK_TYPES)
        for k, hard in enumerate(DIFFICULTIES)
    }
    total = sum(raw.values())
    shares = {cell: value / total for cell, value in raw.items()}
    holes = frozenset(chance.sample([cell for cell, share in shares.items() if share >= NOTICED], HOLES))
    left = [cell for cell in sorted(holes) for _ in range(round(chance.choice(LEFT) * shares[cell] * SUPPLY))]
    rest = {cell: share * chance.uniform(*LOOSE) for cell, share in shares.items() if cell not in holes}
    supply = left + _draw(rest, SUPPLY - len(left), chance)
    demand = {kind: list(_asked(kind, number, shares, chance)) for kind, number in DEMAND.items()}
    return Planted(holes, shares, [_row(cell, i, "pool") for i, cell in enumerate(supply)], demand)


def _asked(kind: str, times: int, shares: dict[Any, float], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield what one kind asks: a row each time, but of queries a row for all users who say the same."""
    cells = _draw(shares, times, chance)
    if kind != "queries":
        yield from (_row(cell, i, kind) for i, cell in enumerate(cells))
        return
    said = Counter((cell, int(chance.paretovariate(1.1)) % 50) for cell in cells)  # few wordings are said by many
    for i, ((cell, _), users) in enumerate(said.items()):
        yield {**_row(cell, i, kind), "frequency": users}


def _draw(weights: dict[Any, float], number: int, chance: random.Random) -> list[Any]:
    return chance.choices(list(weights), list(weights.values()), k=number)


def _row(cell: Any, number: int, kind: str) -> dict[str, Any]:
    text = f"{cell.topic}{cell.task_type}{cell.difficulty}第{number}问（{kind}）"
    return {
        "messages": [{"role": "user", "content": text}],
        "topic": cell.topic,
        "task_type": cell.task_type,
        "difficulty": cell.difficulty,
        "source": f"{kind}-{number % 5}",
    }
