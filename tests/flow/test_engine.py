"""The local engine: passes, shards, losses and what a second run does again."""

import asyncio
import random
from pathlib import Path

import pytest

from sftmill.core import AskStep, Drop, Reply, Step
from sftmill.errors import BudgetExhausted, ContentRefused, FailureCeiling
from sftmill.flow.engine import LocalEngine
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import read_seal, shard_files
from sftmill.flow.stage import Stage
from toy_steps import Break, DropOdd, DropOddQuickly, Echo, Numbers, SeeEnvironment, Twins

COLUMNS = ("draw", "title")


class FakeDesk:
    """Answers with the prompt, in an order that differs from that of the questions."""

    def __init__(self, answer=None, most=None):
        self.asked: list[str] = []
        self.answer = answer or (lambda prompt: f"answer to {prompt}")
        self.flying = self.peak = self.tokens = 0

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.asked.append(prompt)
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        for _ in range(random.Random(prompt).randrange(5)):
            await asyncio.sleep(0)
        self.flying -= 1
        made = self.answer(prompt)
        if isinstance(made, BaseException):
            raise made
        return [Reply(made)]


def stages(folder: Path, *steps: Step, changed: str = "") -> list[Stage]:
    """Put steps in a row, with fingerprints that chain; `changed` names a step whose fingerprint differs."""
    made, chain = [], ""
    for number, step in enumerate(steps, 1):
        name = type(step).__name__.lower()
        chain += f"/{name}" + ("*" if name == changed else "")
        made.append(Stage(name, folder / f"{number:02d}-{name}", step, chain, COLUMNS, COLUMNS))
    return made


def run(chain, desk=None, window=32, ceiling=1.0, processes=2):
    """Run one stream; return (rows, engine)."""
    engine = LocalEngine(lambda stage, row: desk, window, ceiling, processes)
    shards = asyncio.run(engine.run("numbers", "zh", chain, {}))
    return list(shards.rows()), engine


def test_rows_come_out_in_the_order_of_the_source_whatever_finishes_first(tmp_path):
    rows, engine = run(stages(tmp_path, Numbers(count=1200), Echo()), FakeDesk())
    assert [row["draw"] for row in rows] == list(range(1200))
    assert all(row["title"] == f"answer to number {row['draw']}" for row in rows)
    assert all(counts.balanced() for counts in engine.counts().values())


def test_the_bytes_do_not_depend_on_window_or_workers(tmp_path):
    written = []
    for number, (window, processes) in enumerate([(1, 1), (7, 2), (500, 3)]):
        folder = tmp_path / str(number)
        run(stages(folder, Numbers(count=700), DropOdd(), Echo(), Twins()), FakeDesk(), window, processes=processes)
        written.append({p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))})
    assert written[0] == written[1] == written[2]
    assert len(written[0]) > 3


def test_the_bytes_do_not_depend_on_the_row_from_which_workers_take_over_quick_steps(tmp_path, monkeypatch):
    written = []
    for number, first in enumerate([0, 700, 10_000]):
        monkeypatch.setattr("sftmill.flow.reading.MANY_ROWS", first)
        folder = tmp_path / str(number)
        run(stages(folder, Numbers(count=2600), DropOddQuickly()))
        written.append({p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))})
    assert written[0] == written[1] == written[2]
    assert len(written[0]) > 3


def test_the_window_bounds_the_rows_on_their_way(tmp_path):
    desk = FakeDesk()
    run(stages(tmp_path, Numbers(count=300), Echo()), desk, window=9)
    assert 5 < desk.peak <= 9


def test_children_get_ids_of_their_own_and_name_their_parent(tmp_path):
    rows, engine = run(stages(tmp_path, Numbers(count=5), Twins()))
    assert len({row["id"] for row in rows}) == 10
    assert [row["title"] for row in rows] == ["first", "second"] * 5
    assert all(row["parents"] == [row["root"]] for row in rows)
    again, _ = run(stages(tmp_path / "again", Numbers(count=5), Twins()))
    assert [row["id"] for row in again] == [row["id"] for row in rows]
    twins = engine.counts()[f"{tmp_path.name}/02-twins"]
    assert (twins.rows_in, twins.born, twins.out) == (5, 5, 10)


def test_dropped_and_failed_rows_are_kept_with_their_reasons(tmp_path):
    chain = stages(tmp_path, Numbers(count=10), Break(), DropOdd())
    rows, engine = run(chain)
    assert [row["draw"] for row in rows] == [0, 2, 4, 6, 8]
    dropped = list(read_losses(chain[2].folder, "dropped"))
    assert [(row["draw"], row["reason"], row["facts"]) for row in dropped] == [
        (n, "odd", {"number": n}) for n in (1, 5, 7, 9)
    ]
    failed = list(read_losses(chain[1].folder, "failed"))
    assert [row["draw"] for row in failed] == [3]
    assert failed[0]["reason"].startswith("ValueError: three is not liked (toy_steps.py:")
    assert all(counts.balanced() for counts in engine.counts().values())


@pytest.mark.parametrize(("harm", "reason"), [("exit", "WorkerDied"), ("memory", "MemoryError")])
def test_a_row_that_kills_its_worker_ends_as_one_failure(tmp_path, harm, reason):
    chain = stages(tmp_path, Numbers(count=40), Break(harm=harm))
    rows, _ = run(chain)
    assert [row["draw"] for row in rows] == [n for n in range(40) if n not in (3, 5)]
    failed = {row["draw"]: row["reason"] for row in read_losses(chain[1].folder, "failed")}
    assert set(failed) == {3, 5}
    assert reason in failed[5]


def test_a_row_that_never_ends_is_killed_at_its_time_limit(tmp_path, monkeypatch):
    from sftmill.flow import workers

    monkeypatch.setattr(workers.Workers.__init__, "__defaults__", (None, 1.0, 4 << 30))
    chain = stages(tmp_path, Numbers(count=8), Break(harm="hang"))
    rows, _ = run(chain)
    assert [row["draw"] for row in rows] == [0, 1, 2, 4, 6, 7]
    failed = {row["draw"]: row["reason"] for row in read_losses(chain[1].folder, "failed")}
    assert failed[5] == "TimeLimit: no result within 1 s"


def test_what_a_parser_prints_does_not_disturb_the_results(tmp_path):
    rows, _ = run(stages(tmp_path, Numbers(count=8), Break(harm="print")))
    assert [row["draw"] for row in rows] == [0, 1, 2, 4, 5, 6, 7]


def test_workers_do_not_see_api_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "sk-secret")
    rows, _ = run(stages(tmp_path, Numbers(count=1), SeeEnvironment()))
    assert "PATH" in rows[0]["title"].split()
    assert "TEACHER_KEY" not in rows[0]["title"].split()


def test_a_second_run_asks_nothing_and_leaves_the_bytes_alone(tmp_path):
    chain = stages(tmp_path, Numbers(count=600), Echo())
    first, _ = run(chain, FakeDesk())
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    desk = FakeDesk()
    second, engine = run(chain, desk)
    assert desk.asked == []
    assert first == second
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert engine.counts()[f"{tmp_path.name}/02-echo"].out == 600


def test_appended_rows_ask_only_in_their_shard(tmp_path):
    run(stages(tmp_path, Numbers(count=1000), Echo()), FakeDesk())
    desk = FakeDesk()
    rows, _ = run(stages(tmp_path, Numbers(count=1001), Echo()), desk)
    assert desk.asked == ["number 1000"]
    assert len(rows) == 1001


def test_fewer_rows_leave_no_shards_of_the_longer_run_behind(tmp_path):
    run(stages(tmp_path, Numbers(count=1200), Echo()), FakeDesk())
    rows, _ = run(stages(tmp_path, Numbers(count=400), Echo()), FakeDesk())
    assert [row["draw"] for row in rows] == list(range(400))
    assert len(shard_files(tmp_path / "01-numbers")) == 1


def test_a_changed_step_is_done_again_from_there_on(tmp_path):
    steps = (Numbers(count=30), Echo(), DropOdd())
    run(stages(tmp_path, *steps), FakeDesk())
    desk = FakeDesk()
    run(stages(tmp_path, *steps, changed="dropodd"), desk)
    assert desk.asked == []
    run(stages(tmp_path, *steps, changed="echo"), desk)
    assert len(desk.asked) == 30


def test_failed_rows_are_tried_again_by_the_next_run(tmp_path):
    chain = stages(tmp_path, Numbers(count=30), Echo())
    flaky = FakeDesk(lambda prompt: RuntimeError("boom") if prompt == "number 7" else prompt)
    rows, _ = run(chain, flaky)
    assert len(rows) == 29
    rows, _ = run(chain, FakeDesk())
    assert [row["draw"] for row in rows] == list(range(30))
    assert list(read_losses(chain[1].folder, "failed")) == []


def test_a_refusal_of_the_provider_is_a_drop_and_not_a_failure(tmp_path):
    chain = stages(tmp_path, Numbers(count=3), Echo())
    desk = FakeDesk(lambda prompt: ContentRefused("refused") if prompt == "number 1" else prompt)
    _, engine = run(chain, desk)
    assert engine.counts()[f"{tmp_path.name}/02-echo"].dropped == {"content_refused": 1}


def test_too_many_failures_stop_the_run(tmp_path):
    desk = FakeDesk(lambda prompt: RuntimeError("boom") if int(prompt.split()[1]) % 5 == 0 else prompt)
    with pytest.raises(FailureCeiling, match=r"of \d+ rows failed.*RuntimeError: boom"):
        run(stages(tmp_path, Numbers(count=2000), Echo()), desk, ceiling=0.1)
    assert len(desk.asked) < 500


def test_a_run_that_is_stopped_goes_on_with_the_shards_that_are_missing(tmp_path):
    chain = stages(tmp_path, Numbers(count=2000), Echo())
    spent = 0

    def answer(prompt):
        nonlocal spent
        spent += 1
        return BudgetExhausted("the cap is reached") if spent > 1100 else prompt

    with pytest.raises(BudgetExhausted):
        run(chain, FakeDesk(answer), window=16)
    assert len(shard_files(chain[1].folder)) == 2
    desk = FakeDesk()
    rows, _ = run(chain, desk, window=16)
    assert [row["draw"] for row in rows] == list(range(2000))
    assert len(desk.asked) == 1000


def test_a_broken_shard_is_made_again(tmp_path):
    chain = stages(tmp_path, Numbers(count=30), Echo())
    run(chain, FakeDesk())
    path = shard_files(chain[1].folder)[0]
    path.write_bytes(path.read_bytes()[:-20])
    assert read_seal(path) is None
    rows, _ = run(chain, FakeDesk())
    assert len(rows) == 30


class Undeclared(AskStep):
    """Writes a column it does not declare."""

    async def row(self, row, desk):
        return {**row, "passage": "x"}


class Careless(AskStep):
    """Swallows every ordinary exception."""

    async def row(self, row, desk):
        try:
            raise Drop("meant")
        except Exception:
            return row


def test_a_column_that_a_step_does_not_declare_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"02-undeclared.*'passage'.*writes"):
        run(stages(tmp_path, Numbers(count=2), Undeclared()), FakeDesk())


def test_a_careless_except_cannot_swallow_a_drop(tmp_path):
    rows, engine = run(stages(tmp_path, Numbers(count=2), Careless()), FakeDesk())
    assert rows == []
    assert engine.counts()[f"{tmp_path.name}/02-careless"].dropped == {"meant": 2}


@pytest.mark.parametrize("steps", [(Numbers(count=1200), Echo()), (Numbers(count=1200), Twins(), Echo())])
def test_a_limit_reads_only_so_many_rows_and_the_rest_follows_without_it(tmp_path, steps):
    chain = stages(tmp_path, *steps)
    desk = FakeDesk()
    engine = LocalEngine(lambda stage, row: desk, 32, processes=2, limit=7)
    for _ in range(2):
        shards = asyncio.run(engine.run("numbers", "zh", chain, {}))
        assert len(list(shards.rows())) == 7
    assert len(desk.asked) == 7
    assert all(counts.balanced() for counts in engine.counts().values())
    rows, _ = run(chain, desk)
    assert len(rows) == 1200 * (len(steps) - 1)
