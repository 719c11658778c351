"""Steps that grow a pool: how their rounds are counted, stopped and sampled."""

import json

import pytest

from sftmill.errors import FailureCeiling
from sftmill.flow.shards import ShardList, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.pilot import run_pilot
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe

STEPS = '''
from sftmill.core import AskStep, Drop, Dropped, RoundStep, Sampling, asked, question, turns

class Grow(RoundStep):
    """Asks for new tasks until there are enough of them; every third is refused as it stands there already."""
    reads = ("messages",)
    writes = ("messages", "method", "round")
    to: str = "teacher"
    target: int = 12
    fails: bool = False

    def target_rows(self):
        return self.target

    def draft(self, pool, round):
        if len(pool) >= self.target + 3 or round > 40:
            return
        for place in range(6):
            yield {**asked({}, f"example {place} of round {round}"), "parents": [pool[0]["id"]]}

    async def fill(self, row, desk):
        if self.fails:
            raise ValueError("the filler is broken")
        reply = (await desk.ask(turns(row), to=self.to, sampling=Sampling(temperature=0.7)))[0]
        return [asked({"method": "grow"}, f"{reply.text} of {question(row)}")]

    def admit(self, pool, rows):
        new = [row for place, row in enumerate(rows) if place % 3]
        old = [Dropped(row, "not_novel") for place, row in enumerate(rows) if not place % 3]
        room = max(0, self.target + 3 - len(pool))
        return pool.grown(new[:room], [*old, *(Dropped(row, "target_reached") for row in new[room:])])

class Turn(RoundStep):
    """Rewrites every seed twice, once a round."""
    reads = ("messages",)
    writes = ("messages", "method", "round")
    to: str = "teacher"

    def draft(self, pool, round):
        if round < 2:
            yield from ({"messages": row["messages"], "parents": [row["id"]]} for row in list(pool)[:6] if "method" not in row)

    async def fill(self, row, desk):
        reply = (await desk.ask("turn " + question(row), to=self.to))[0]
        return [asked({"method": "turn"}, f"{reply.text}: {question(row)}")]

    def admit(self, pool, rows):
        return pool.grown(rows, [])
'''


def project(folder, step, **settings):
    """Write a recipe with three seeds and one growing step."""
    (folder / "steps.py").write_text(STEPS)
    seeds = [{"question": f"seed {i}"} for i in range(3)]
    (folder / "seeds.jsonl").write_text("\n".join(map(json.dumps, seeds)))
    recipe = {
        "name": "pool",
        "lang": "en",
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "price": {"prompt": 1000}}},
        "streams": {
            "tasks": [
                {"samples": {"file": "seeds.jsonl", "sensitivity": settings.pop("sensitivity", "internal")}},
                {"use": f"steps.py:{step}", **settings},
            ]
        },
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    return load_recipe(file, allow_code=True)


def model():
    return {"teacher": [ScriptedProvider({"default": {"say": "a new task"}})]}


def last(folder):
    """Return the rows of the growing step."""
    return list(ShardList(shard_files(sorted((folder / "streams" / "tasks").iterdir())[-1])).rows())


def test_every_round_is_counted_and_the_rounds_add_up_to_the_step(tmp_path):
    manifest = run_recipe(project(tmp_path, "Grow"), tmp_path / "run", providers=model())
    counts = list(manifest["counts"].values())[-1]
    assert [(r["drafts"], r["candidates"], r["admitted"]) for r in counts["rounds"]] == [(6, 6, 4)] * 3
    assert [r["dropped"] for r in counts["rounds"]] == [{"not_novel": 2}] * 3
    assert sum(r["tokens"] for r in counts["rounds"]) == counts["tokens"] > 0
    assert counts["out"] == counts["in"] + sum(r["admitted"] for r in counts["rounds"])


def test_a_second_run_knows_the_tokens_behind_its_rows_without_asking(tmp_path):
    first = run_recipe(project(tmp_path, "Grow"), tmp_path / "run", providers=model())
    again = run_recipe(project(tmp_path, "Grow"), tmp_path / "run", providers=model())
    assert again["counts"] == first["counts"]
    assert again["calls"]["teacher"]["calls"] == 0


def test_drafts_are_as_secret_as_the_strictest_seed(tmp_path):
    recipe = project(tmp_path, "Grow", sensitivity="secret")
    recipe.models["teacher"] = recipe.models["teacher"].model_copy(update={"accept": "secret"})
    run_recipe(recipe, tmp_path / "run", providers=model())
    assert {row["sensitivity"] for row in last(tmp_path / "run")} == {"secret"}


def test_too_many_failed_drafts_stop_the_run(tmp_path):
    with pytest.raises(FailureCeiling, match=r"drafts failed.*the filler is broken"):
        run_recipe(project(tmp_path, "Grow", fails=True), tmp_path / "run", providers=model())


def test_a_pilot_takes_so_many_drafts_and_forecasts_the_whole_pool(tmp_path):
    recipe = project(tmp_path, "Grow", target=120)
    found = run_pilot(recipe, tmp_path / "run", 12, providers=model()).forecast
    manifest = run_recipe(recipe, tmp_path / "run", providers=model())
    counts = list(manifest["counts"].values())[-1]
    drafts = sum(r["drafts"] for r in counts["rounds"])
    assert found.sampled == 12
    assert found.units == pytest.approx(drafts, rel=0.05)
    assert found.calls.value == pytest.approx(drafts, rel=0.05)
    assert found.accepted.low <= counts["out"] - 3 <= found.accepted.high
    assert any("pool" in note for note in found.notes)


def test_a_pilot_takes_some_seeds_where_a_step_makes_as_many_rows_as_they_give(tmp_path):
    found = run_pilot(project(tmp_path, "Turn"), tmp_path / "run", 2, providers=model()).forecast
    assert (found.units, found.sampled) == (3, 2)
    assert found.calls.value == pytest.approx(6)


def test_a_limit_makes_only_so_many_drafts_and_the_whole_run_then_uses_their_answers(tmp_path):
    tried = run_recipe(project(tmp_path, "Grow"), tmp_path / "run", providers=model(), limit=4)
    assert [r["drafts"] for r in list(tried["counts"].values())[-1]["rounds"]] == [4]
    whole = run_recipe(project(tmp_path, "Grow"), tmp_path / "run", providers=model())
    assert [r["drafts"] for r in list(whole["counts"].values())[-1]["rounds"]] == [6, 6, 6]
    assert whole["calls"]["teacher"]["calls"] == 14
