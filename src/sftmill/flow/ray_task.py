"""What a Ray task does: take one shard through the row and ask stages of a pass, on whatever machine it landed.

The work itself is the streaming pass of one shard. What is particular here: models that share ledger, budget and
limiter with all other tasks, and rows that are suspected of killing their process, which go alone.
"""

import asyncio
import contextlib
import gc
import os
import pickle
import platform
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftmill.core import Desk, Row
from sftmill.errors import RecipeError, RunError
from sftmill.flow.blame import Blame
from sftmill.flow.packing import pack_steps, unpack_steps
from sftmill.flow.shards import ShardFile
from sftmill.flow.stage import Stage
from sftmill.flow.stream import OpenShard, StreamingPass
from sftmill.flow.walk import Fate, Place, Walked
from sftmill.flow.workers import Workers
from sftmill.models.client import Provider
from sftmill.models.desk import Models
from sftmill.models.link import Link
from sftmill.models.prompt import Prompts
from sftmill.models.settings import BudgetSettings, ModelSettings, Price
from sftmill.models.shared import Reporter, SharedBudget, SharedLanes, SharedLedger
from sftmill.text import content_hash

REPORT_SECONDS = 0.5
"""Time between two reports of a task on how it stands."""
SETTLE_SECONDS = 0.01
"""Before a suspected row goes alone, the pass may start others for so long."""


@dataclass(frozen=True, slots=True)
class Job:
    """What all tasks of a pass have in common; travels pickled, and holds no key."""

    folder: str
    """The folder that the run was started in, to which settings may be relative."""
    stages: list[tuple[Any, ...]]
    """Name, folder, fingerprint, columns, lost columns, kept; the steps themselves are in `steps`."""
    steps: list[tuple[int, str, str, str, dict[str, Any]]]
    offset: int
    """Number of the first stage within the stream."""
    window: int
    identity: str
    """Name of the run in the ledger."""
    settings: dict[str, ModelSettings]
    """The roles that the pass asks."""
    prompts: Path | None
    budget: BudgetSettings
    prices: dict[str, Price | None]

    @classmethod
    def of(cls, stages: list[Stage], offset: int, **rest: Any) -> "Job":
        """Describe stages so that another process can make them again."""
        told = [(s.name, s.folder.absolute(), s.fingerprint, s.columns, s.lost_columns, s.kept) for s in stages]
        steps = pack_steps([(offset + i, s.name, s.step) for i, s in enumerate(stages)])
        return cls(os.getcwd(), told, steps, offset, **rest)

    def made(self) -> list[Stage]:
        """Return the stages."""
        steps = [step for _, _, step in unpack_steps(self.steps)]
        return [
            Stage(name, folder, step, fingerprint, columns, lost, kept)
            for (name, folder, fingerprint, columns, lost, kept), step in zip(self.stages, steps, strict=True)
        ]


class TaskPass(StreamingPass):
    """The streaming pass of one shard, with an eye on rows that could end the process."""

    def __init__(self, *arguments: Any, link: Link, blame: Blame, **settings: Any):
        super().__init__(*arguments, **settings)
        self.link = link
        self.blame = blame
        self.turns = blame.turns()
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Suspected rows that wait until nothing else is under way, with their turn."""

    async def _ask(self, shard: OpenShard, row: Row, place: Place, at: int) -> tuple[list[tuple[Place, Row]], int]:
        if not self.blame.watching:
            return await super()._ask(shard, row, place, at)
        mark = at, place
        if mark in self.blame.guilty:
            shard.counts[at].rows_in += 1
            reason = f"WorkerDied: the process that worked on it died {self.blame.deaths} times, at last with it alone"
            self._lose(shard, Fate(at, place, "failed", row, reason))
            return [], at
        if (turn := self.turns.get(mark)) is not None:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append((turn, mine))
            self._look()
            await mine
            if self.stopping:
                raise self.stopping
        await self.link.ask("begin", mark)
        try:
            return await super()._ask(shard, row, place, at)
        finally:
            self.link.tell("end", mark)

    def _one_done(self, shard: OpenShard, done: asyncio.Future[bool]) -> None:
        super()._one_done(shard, done)
        self._look()

    def _look(self) -> None:
        """Give those their turn who wait, if nothing else is under way, also in a moment."""
        if self.waiting and self.active <= len(self.waiting):
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._next)

    def _next(self) -> None:
        """Give the first turn that somebody waits for."""
        if not self.waiting or self.active > len(self.waiting):
            return
        first = min(turn for turn, _ in self.waiting)
        chosen = [waiting for waiting in self.waiting if waiting[0] == first]
        self.waiting = [waiting for waiting in self.waiting if waiting[0] != first]
        for _, mine in chosen:
            mine.set_result(None)

    def stop(self, error: BaseException) -> None:
        """Start nothing new; suspects that wait are given up."""
        super().stop(error)
        waiting, self.waiting = self.waiting, []
        for _, mine in waiting:
            mine.set_result(None)


class Household:
    """What a worker process keeps from one task to the next: its event loop, connections and row workers."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=new_loop())
        self.providers: dict[str, list[Provider]] = {}
        self.workers: OrderedDict[str, Workers] = OrderedDict()

    async def row_workers(self, job: Job, stages: list[Stage]) -> Workers | None:
        """Return the process that does the row steps of a pass; one is enough, as a task has one core."""
        rows = [(job.offset + i, stage.name, stage.step) for i, stage in enumerate(stages) if stage.shape == "row"]
        if not rows:
            return None
        return await self.workers_for(f"{stages[-1].folder} {stages[-1].fingerprint}", rows)

    async def workers_for(self, key: str, steps: list[tuple[int, str, Any]]) -> Workers:
        """Return the worker of these steps; few are kept, as each is a process."""
        if (workers := self.workers.get(key)) is None:
            workers = self.workers[key] = Workers(steps, 1)
            while len(self.workers) > 2:
                await self.workers.popitem(last=False)[1].close()
        self.workers.move_to_end(key)
        return workers

    async def models(self, job: Job, link: Link) -> Models:
        """Return started models for one task, over the connections that there are already."""
        keys = {name: settings.model_dump_json() for name, settings in job.settings.items()}
        known = {name: self.providers[key] for name, key in keys.items() if key in self.providers}
        models = Models(
            job.settings,
            SharedLedger(link),
            SharedBudget(link, job.budget, job.prices),
            Prompts(job.prompts),
            providers=known,
            lanes=lambda providers, **settings: SharedLanes(link, providers, **settings),
        )
        await models.start()
        for name, role in models.roles.items():
            self.providers[keys[name]] = [lane.provider for lane in role.lanes.lanes]
        return models


_HOUSEHOLD: list[Household] = []


def keep_house() -> Household:
    """Return what this process keeps, made at its first task."""
    if not _HOUSEHOLD:
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        _HOUSEHOLD.append(Household())
    return _HOUSEHOLD[0]


def walk_rows(packed: bytes, first: int, last: int, rows: list[tuple[Place, Row]]) -> list[Walked]:
    """Take rows through row steps, in a worker process of this machine."""
    household = keep_house()
    folder, steps = pickle.loads(packed)
    go_to(folder)

    async def walk() -> list[Walked]:
        made = [(number, name, step) for number, name, step in unpack_steps(steps)]
        workers = await household.workers_for(content_hash(packed.hex()), made)
        return await asyncio.gather(*(workers.walk(first, last, row, place) for place, row in rows))

    return household.runner.run(walk())


def go_to(folder: str) -> None:
    """Work in the folder that the run was started in, where this machine has it."""
    with contextlib.suppress(OSError):
        os.chdir(folder)


def run_shard(
    transport: Callable[[], Any], job: bytes, index: int, path: str, session: str, blame: Blame
) -> dict[str, Any]:
    """Take one shard through a pass; return its counts by stage, and the error that stopped it, None when done.

    Errors are returned rather than raised: Ray would put them into its logs.
    """
    household = keep_house()
    try:
        return household.runner.run(_run(household, transport(), job, index, Path(path), session, blame))
    except RecipeError as error:
        return {"counts": None, "error": RunError(f"on {platform.node()}: {error}")}
    except Exception as error:
        return {"counts": None, "error": as_sendable(error)}


async def _run(
    household: Household, transport: Any, packed: bytes, index: int, path: Path, session: str, blame: Blame
) -> dict[str, Any]:
    """Do one shard in a session of its own."""
    job: Job = pickle.loads(packed)
    go_to(job.folder)
    stages = job.made()
    link = Link(transport, session)
    await link.start()
    ticker: asyncio.Task[None] | None = None
    roles: dict[str, Any] = {}
    try:
        models = await household.models(job, link)
        roles = models.roles

        def desk(stage: Stage, row: Row) -> Desk:
            return models.desk(stage.name, stage.step, row, job.identity)

        workers = await household.row_workers(job, stages)
        passing = TaskPass(stages, desk, workers, job.window, 1.0, job.offset, link=link, blame=blame)
        link.on_stop.append(passing.stop)
        if link.stopped is not None:
            passing.stop(link.stopped)
        reporter = Reporter(link, roles)
        ticker = asyncio.create_task(_report(reporter, passing))
        error: BaseException | None = None
        try:
            async for _ in passing.run(_one(index, path)):
                pass
        except Exception as problem:
            error = problem
        ticker.cancel()
        reporter.report()
        with contextlib.suppress(Exception):
            await link.flush()
        return {"counts": [counts.as_dict() for counts in passing.counts()], "error": as_sendable(error)}
    finally:
        if ticker:
            ticker.cancel()
        for role in roles.values():
            role.lanes.close()
        await link.close()


async def _report(reporter: Reporter, passing: StreamingPass) -> None:
    """Tell now and then how a shard stands."""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        reporter.report([counts.as_dict() for counts in passing.counts()])


async def _one(index: int, path: Path) -> AsyncIterator[ShardFile]:
    """Yield one shard."""
    yield ShardFile(index, path)


def as_sendable(error: BaseException | None) -> BaseException | None:
    """Return an error as it can be pickled and understood by another process."""
    if error is None:
        return None
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
