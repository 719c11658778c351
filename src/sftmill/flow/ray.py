"""The same work on a Ray cluster: each shard of a pass is a task, wherever there is a core for it.

Sources, whole-data steps and rounds stay in the process that drives the run, and so do passes that ask a model
inside that process. Shards are read from and written to the run's folder, which all machines must see. Tasks share
one keeper of ledger, budget and limiter (`models.keeper`), so that nothing is paid twice and no cap is exceeded,
whatever dies. A shard is tried again where its task died; a row that ends its process each time fails alone.
"""

import asyncio
import contextlib
import os
import pickle
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sftmill.core import Row, RowStep
from sftmill.errors import FailureCeiling, RunError, RunStopped
from sftmill.flow.blame import Blame
from sftmill.flow.engine import LocalEngine, StreamingWork
from sftmill.flow.packing import pack_steps
from sftmill.flow.ray_cluster import Cluster, transport_here
from sftmill.flow.ray_task import Job, run_shard, walk_rows
from sftmill.flow.shards import Counts, ShardFile, shard_name
from sftmill.flow.spread import Spread, Tasks
from sftmill.flow.stage import Stage
from sftmill.flow.stream import CEILING_FROM
from sftmill.flow.walk import Place, Walked
from sftmill.flow.workers import Workers
from sftmill.models.desk import Models
from sftmill.models.settings import ModelSettings

ASKING_CORES = 0.5
"""Cores of a task that asks models: it waits most of the time, and the next shard should be on its way meanwhile."""
TRIES = 3
"""Times that a batch of rows of a source is given to a task that then dies."""
MOST_UNEXPLAINED = 2
"""Deaths of a shard's task, with no row to blame for them, after which the run stops."""


class RayEngine(LocalEngine):
    """Runs streams on a Ray cluster; `near` are the roles that are asked from this process alone."""

    def __init__(
        self,
        *arguments: Any,
        cluster: Cluster,
        models: Models,
        near: frozenset[str],
        identity: str,
        prompts: Path | None,
        log: Callable[..., None],
        tasks: int | None = None,
        **settings: Any,
    ):
        super().__init__(*arguments, **settings)
        self.log = log
        """Told of what died, as an event with facts."""
        self.tasks = tasks
        """Most tasks at a time in a pass; None = as many as the cluster has cores for."""
        self.cluster = cluster
        self.models = models
        self.near = near
        self.identity = identity
        self.prompts = prompts

    async def prepare(self, stages: list[Stage]) -> None:
        """Look at every machine; raises RunError naming what they lack."""
        self.cluster.report_on(self.models.roles)
        far = {name: value for name, value in self.models.settings.items() if name not in self.near}
        await self.cluster.examine(far, self._files(stages, far))
        unseen = await self.cluster.lacking({}, source_files(stages))
        if unseen:
            self.log("sources are parsed on the first machine alone", reasons=unseen)
        self.parse_anywhere = not unseen

    parse_anywhere = False
    """Whether all machines see the files of the sources, so that they can parse them."""

    def spread(self) -> Spread:
        """Return where whole-data steps have batches worked on: on all machines."""
        return Tasks(self.cluster)

    def _workers(self, row_steps: list[tuple[int, str, RowStep]]) -> Workers:
        return FarWorkers(row_steps, self.cluster) if self.parse_anywhere else super()._workers(row_steps)

    def _files(self, stages: list[Stage], far: Mapping[str, ModelSettings]) -> list[str]:
        """Return the files and folders that tasks read beside the run's own."""
        steps = [stage.step for stage in stages if stage.shape in ("row", "ask")]
        files = {os.path.abspath(file) for step in steps for file in step.files()}
        if self.prompts:
            files.add(os.path.abspath(self.prompts))
        files.update(os.path.abspath(value.scripted) for value in far.values() if value.scripted)
        return sorted(files)

    def _streaming(self, stages: list[Stage], workers: Workers | None, offset: int, sampled: str) -> StreamingWork:
        roles = asked_roles(stages, self.models.settings)
        if roles & self.near:
            return super()._streaming(stages, workers, offset, sampled)
        settings = {
            name: self.models.roles[name].settings.model_copy(update={"model": self.models.roles[name].model})
            for name in sorted(roles)
        }
        job = Job.of(
            stages,
            offset,
            window=self.window,
            identity=self.identity,
            settings=settings,
            prompts=self.prompts,
            budget=self.cluster.budget_settings,
            prices=self.cluster.prices,
        )
        return RayPass(stages, job, self.cluster, self.ceiling, self.tasks, self.log)

    def stop(self, error: BaseException) -> None:
        """Start nothing new, on no machine; what is under way comes to its end, then `run` raises `error`."""
        super().stop(error)
        self.cluster.stop(error)


def source_files(stages: list[Stage]) -> list[str]:
    """Return the files and folders that sources read."""
    sources = [stage.step for stage in stages if stage.shape == "source"]
    named = (value for step in sources for value in step.model_dump().values() if isinstance(value, Path))
    return sorted({os.path.abspath(path) for path in named if path.exists()})


def asked_roles(stages: list[Stage], settings: Mapping[str, ModelSettings]) -> set[str]:
    """Return the roles that stages ask, those included that are asked when another one is refused."""
    roles = {role for stage in stages for role in stage.step.roles()}
    while more := {settings[role].on_refusal for role in roles if role in settings} - roles - {None}:
        roles |= more
    return roles


class FarWorkers(Workers):
    """Row steps right behind a source, done in worker processes on whatever machine has a core free."""

    def __init__(self, steps: list[tuple[int, str, RowStep]], cluster: Cluster):
        super().__init__(steps, self.most_at_a_time(cluster))
        self.packed = pickle.dumps((os.getcwd(), pack_steps(list(steps))))

    @staticmethod
    def most_at_a_time(cluster: Cluster) -> int:
        """Return how many batches are on their way: one more than there are cores for."""
        return cluster.cores() + 1

    async def _send(
        self, worker: int, key: tuple[int, int], rows: list[tuple[Place, Row]], seconds: float
    ) -> list[Walked]:
        """Have a task take rows through the steps; time and memory of each row are limited where it works."""
        import ray

        task = ray.remote(walk_rows).options(num_cpus=1, max_retries=0, name="sftmill rows")
        for attempt in range(TRIES):
            try:
                return await task.remote(self.packed, *key, rows)
            except ray.exceptions.RayTaskError as error:
                raise RunError(f"row steps could not start on another machine: {str(error).strip()[-300:]}") from None
            except ray.exceptions.RayError as error:
                # rows are kept apart there, so it was the machine, or something on it
                if attempt == TRIES - 1:
                    raise EOFError(f"tasks with it ended {TRIES} times ({type(error).__name__})") from error
        raise AssertionError("unreachable")


class RayPass:
    """Row and ask stages between two barriers, a task for each shard."""

    def __init__(
        self,
        stages: list[Stage],
        job: Job,
        cluster: Cluster,
        ceiling: float,
        most: int | None,
        log: Callable[..., None],
    ):
        self.log = log
        self.stages = stages
        self.cluster = cluster
        self.ceiling = ceiling
        self.most = most
        self.asks = any(stage.shape == "ask" for stage in stages)
        self.packed = pickle.dumps(job)
        self.name = "/".join(stages[-1].folder.parts[-2:])
        self.committed = [Counts() for _ in stages]
        self.running: dict[str, Any] = {}
        """Sessions under way, with the object that Ray promised for each."""
        self.stopping: BaseException | None = None
        self.room = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self, shards: AsyncIterator[ShardFile]) -> AsyncIterator[ShardFile]:
        """Take shards through the stages; yield the last stage's shards in their order."""
        opened: asyncio.Queue[tuple[ShardFile, asyncio.Future[bool]] | None] = asyncio.Queue()
        feeder = asyncio.create_task(self._feed(shards, opened))
        watcher = asyncio.create_task(self._watch())
        try:
            while item := await opened.get():
                file, done = item
                if not await done:
                    break
                yield file
        except asyncio.CancelledError:
            self._end_at_once()
            raise
        finally:
            watcher.cancel()
            if not self.stopping and not feeder.done():
                feeder.cancel()
            await asyncio.gather(feeder, watcher, return_exceptions=True)
            await self._give_up()
        if self.stopping:
            raise self.stopping

    async def _feed(self, shards: AsyncIterator[ShardFile], opened: asyncio.Queue) -> None:
        """Start a task for every shard, as many at a time as the cluster has room for; None ends the queue."""
        try:
            async for file in shards:
                while len(self.tasks) >= self._slots() and not self.stopping:
                    self.room.clear()
                    await self.room.wait()
                if self.stopping:
                    break
                done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                made = ShardFile(file.index, self.stages[-1].folder / shard_name(file.index))
                opened.put_nowait((made, done))
                task = asyncio.create_task(self._shard(file, done))
                self.tasks.add(task)
                task.add_done_callback(self._finished)
        except Exception as error:
            self.stop(error)
        finally:
            opened.put_nowait(None)

    def _slots(self) -> int:
        """Return how many tasks may be under way; one more than there are cores for keeps the cores busy."""
        cores = self.cluster.cores()
        return self.most or int(cores / (ASKING_CORES if self.asks else 1)) + 1

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.room.set()

    async def _shard(self, file: ShardFile, done: asyncio.Future[bool]) -> None:
        """Have one shard done, again where its task dies."""
        blame = Blame()
        whole = False
        try:
            while not self.stopping:
                result = await self._attempt(file, blame)
                if result is None:
                    continue
                if result["error"] is not None:
                    self.stop(result["error"])
                else:
                    for into, counts in zip(self.committed, result["counts"], strict=True):
                        into.add(Counts.from_dict(counts))
                    whole = True
                break
        except Exception as error:
            self.stop(error)
        finally:
            done.set_result(whole) if not done.done() else None

    async def _attempt(self, file: ShardFile, blame: Blame) -> dict[str, Any] | None:
        """Have one task try a shard; None when the task died."""
        import ray

        session = f"{self.name} {file.index} {len(blame.places)}"
        task = ray.remote(run_shard).options(
            num_cpus=ASKING_CORES if self.asks else 1, max_retries=0, name=f"sftmill {self.name}"
        )
        reference = task.remote(
            Bound(self.cluster.keeper), self.packed, file.index, str(file.path.absolute()), session, blame
        )
        self.running[session] = reference
        try:
            return await reference
        except ray.exceptions.RayTaskError as error:
            raise RunError(
                f"the task for shard {file.index} of {self.name} could not start: {str(error).strip()[-300:]}"
            ) from None
        except ray.exceptions.RayError as error:
            await self._died(file, session, blame, error)
            return None
        finally:
            self.running.pop(session, None)

    async def _died(self, file: ShardFile, session: str, blame: Blame, error: Exception) -> None:
        """Take back what a dead task held, and find out who is to blame."""
        place, under_way = await self.cluster.transport.gone(session)
        blame.places.append(place)
        lost = bool(place) and await self.cluster.lost(place)
        told = {"stage": self.name, "shard": file.index, "machine": place, "reason": type(error).__name__}
        self.log("machine lost" if lost else "task died", **told)
        if lost:
            return  # for reasons of its own
        blame.learn(under_way)
        if blame.unexplained > MOST_UNEXPLAINED:
            raise RunError(
                f"the task for shard {file.index} of {self.name} died {blame.deaths} times, and no row is to blame"
                f" ({type(error).__name__}); see the memory of the machines and Ray's logs, then give the same command"
                " again"
            )

    async def _watch(self) -> None:
        """Stop when too many rows have failed."""
        while True:
            await asyncio.sleep(0.5)
            for stage, total in zip(self.stages, self.counts(), strict=True):
                if total.rows_in >= CEILING_FROM and total.failed > self.ceiling * total.rows_in:
                    self.stop(
                        FailureCeiling(
                            f"step {stage.name!r}: {total.failed} of {total.rows_in} rows failed, more than the ceiling"
                            f" of {self.ceiling:.0%}; `sftmill show RUN {stage.folder.parent.name}/{stage.name} --failed`"
                            " shows those of finished shards. Mend the cause and give the same command again, or raise"
                            " `failure_ceiling` in the recipe"
                        )
                    )
                    return

    def stop(self, error: BaseException) -> None:
        """Start nothing new; tasks under way, of all passes, hear of it from the keeper."""
        if self.stopping is None:
            self.stopping = error
            self.cluster.stop(error)
        self.room.set()

    async def _give_up(self) -> None:
        """Wait for the tasks under way, which finish the calls that are out; end them when this is cancelled."""
        try:
            while self.tasks:
                await asyncio.wait(self.tasks)
        except asyncio.CancelledError:
            self._end_at_once()
            raise

    def _end_at_once(self) -> None:
        """End all tasks, whatever they are doing."""
        import ray

        self.stop(RunStopped("ended at once"))
        for reference in self.running.values():
            with contextlib.suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(reference, force=True)
        for task in self.tasks:
            task.cancel()

    def counts(self) -> list[Counts]:
        """Return what became of the rows so far, per stage, open shards included."""
        totals = []
        told = [told for name, told in self.cluster.state["progress"].items() if name in self.running]
        for number, committed in enumerate(self.committed):
            total = Counts()
            total.add(committed)
            for counts in told:
                total.add(Counts.from_dict(counts[number]))
            totals.append(total)
        return totals


class Bound:
    """Makes a task's transport from the actor's handle, once the task has begun."""

    def __init__(self, keeper: Any):
        self.keeper = keeper

    def __call__(self) -> Any:
        """Return the transport."""
        return transport_here(self.keeper)


def near_roles(settings: Mapping[str, ModelSettings], given: Iterable[str] = ()) -> frozenset[str]:
    """Return the roles whose model lives in this process or beside it, as does what is `given`."""
    return frozenset(name for name, value in settings.items() if value.local or value.transformers).union(given)
