"""A run: its way from a plan to a manifest, and how it stops and goes on."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from sftmill import __version__
from sftmill.core import Desk, Row
from sftmill.errors import RunError, RunStopped
from sftmill.event_loop import run_loop
from sftmill.flow.engine import LocalEngine
from sftmill.flow.reserve import Reserve
from sftmill.flow.sampler import Sampler
from sftmill.flow.shards import JoinedShards, ShardList
from sftmill.flow.stage import Stage
from sftmill.holdout import read_holdout
from sftmill.models.budget import Budget
from sftmill.models.desk import Models, RowDesk
from sftmill.models.ledger import Entry, Ledger, Spent
from sftmill.models.limits import Lanes
from sftmill.models.settings import ModelSettings, Price
from sftmill.plan import Plan, make_plan
from sftmill.recipe import Recipe
from sftmill.run_directory import RunDirectory
from sftmill.run_record import write_manifest, write_recipe

if TYPE_CHECKING:
    from sftmill.flow.ray_cluster import Cluster

TICK = 0.5
"""Seconds between two looks at the counters, for the display and for `sftmill status`."""

PATIENT = 1.0
"""Seconds after the first Ctrl-C from which a second one ends the run at once."""

Meter = Callable[[str, int, float], None]
"""Told of every answer: the role, its tokens, and its price in the budget's currency."""

Engine = Literal["local", "ray"]
"""Where the work runs: in this process and its workers, or on a Ray cluster."""

Watcher = Callable[[dict[str, Any]], None]
"""Called with a snapshot of the run every TICK seconds, and once at its end."""


def run_recipe(
    recipe: Recipe,
    run_dir: Path,
    watch: Watcher | None = None,
    providers: Mapping[str, Any] | None = None,
    limit: int | None = None,
    drafting: bool = False,
    sampler: Sampler | None = None,
    meter: Meter | None = None,
    engine: Engine = "local",
    address: str | None = None,
) -> dict[str, Any]:
    """Run a recipe to its end, or go on where an earlier run of it stopped; return the manifest.

    `limit` takes only so many rows from each source, to try a recipe; without it the same command goes on to the end.
    `drafting` works on what the recipe holds out, and on nothing else. `sampler` takes some rows only, and `meter`
    is told of every answer with its cost, for a pilot. With the engine "ray" the work spreads over the cluster at
    `address` ("auto" = the one that this machine is part of), or over one that is started on this machine.
    `providers` replaces the endpoints of roles, for tests. Raises RecipeError before anything is
    spent, and RunStopped (with all answers kept) when the run ends early.
    """
    if engine not in get_args(Engine):
        raise RunError(f"no engine {engine!r}; there are {', '.join(get_args(Engine))}")
    if address and engine != "ray":
        raise RunError("an address is for the engine ray; add --engine ray")
    plan = make_plan(recipe, run_dir)
    directory = RunDirectory(run_dir)
    with directory.locked():
        work = _Work(plan, directory, watch, providers, limit, drafting, sampler, meter)
        if engine == "ray":
            if sampler is not None:
                raise RunError("a pilot takes too few rows for a cluster; run it without --engine ray")
            work.cluster_at(address)
        return run_loop(work.run())


class WholeDesk(RowDesk):
    """The desk of a whole-data step: no row, but a folder for what people should find."""

    __slots__ = ("output",)

    def __init__(self, models: Models, stage: Stage, context: Row, run_id: str, output: Path):
        super().__init__(models, stage.name, stage.step, context, run_id)
        self.output = output
        """The run's export folder."""


class _Work:
    """One execution of a plan."""

    def __init__(
        self,
        plan: Plan,
        directory: RunDirectory,
        watch: Watcher | None,
        providers: Mapping[str, Any] | None,
        limit: int | None,
        drafting: bool,
        sampler: Sampler | None,
        meter: Meter | None,
    ):
        self.limit = limit
        self.sampler = sampler
        self.meter = meter
        held = plan.recipe.holdout
        self.reserve = Reserve(read_holdout(held).keys, inside=drafting) if held else None
        self.plan = plan
        self.recipe = plan.recipe
        self.directory = directory
        self.settings: dict[str, ModelSettings] = {
            role: settings
            for role, settings in self.recipe.models.items()
            if role in plan.roles or self._stands_in(role)
        }
        self.sampled: set[str] = set()
        """Streams whose rows descend from a pilot's sample."""
        self.checked = checked_stages(plan)
        """Stages whose rows count as accepted while the run is under way."""
        self.watch = watch
        self.providers = providers
        self.started = time.time()
        self.state = "running"
        self.interrupted: float | None = None
        self.spreading, self.address = False, None
        self.cluster: Cluster | None = None

    def _stands_in(self, role: str) -> bool:
        """Tell whether a role is asked when another one is refused."""
        return any(settings.on_refusal == role for settings in self.recipe.models.values())

    async def run(self) -> dict[str, Any]:
        """Do the work; return the manifest."""
        self.identity = self.directory.identity()
        self.before = self.directory.seconds_before()
        write_recipe(self.directory, self.recipe)
        path = self.recipe.ledger or self.directory.path.parent / "ledger.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        prices = {role: settings.price for role, settings in self.settings.items()}
        async with AsyncExitStack() as stack:
            lanes: Callable[..., Any] = Lanes
            if self.spreading:
                cluster = await stack.enter_async_context(self._cluster(path, prices))
                ledger, self.budget, lanes = cluster.ledger, cluster.budget, cluster.lanes
            else:
                ledger = stack.enter_context(Ledger.open(path))
                spent = self._spent(ledger)
                self.budget = Budget(self.recipe.budget, prices, spent=spent, seconds_before=self.before)
            self.models = Models(
                self.settings, ledger, self.budget, self.plan.prompts, providers=self.providers, lanes=lanes
            )
            if self.meter:
                self.models.asker.meter = self._measure
            self.engine = self._engine()
            self.directory.log("started", version=__version__, recipe=self.recipe.name, pid=os.getpid())
            self._catch_interrupts()
            ticker = asyncio.create_task(self._tick())
            try:
                await self.models.start()
                await self.engine.prepare([stage for stages in self.plan.stages.values() for stage in stages])
                await self._streams()
                await self._refresh()
                self.state = "done"
                return self._manifest(ledger)
            except asyncio.CancelledError:
                self.state = "stopped"
                self.directory.log("stopped", error="ended at once by a second Ctrl-C")
                raise RunStopped(
                    "ended at once; answers that had not arrived are lost. Give the same command again to go on"
                ) from None
            except BaseException as error:
                self.state = "stopped" if isinstance(error, RunStopped) else "failed"
                self.directory.log(self.state, error=f"{type(error).__name__}: {error}")
                raise
            finally:
                ticker.cancel()
                await asyncio.gather(ticker, return_exceptions=True)
                await self._refresh()
                await self.models.close()
                self._report()

    def cluster_at(self, address: str | None) -> None:
        """Let the work spread over the Ray cluster at an address, or over one that is started for it."""
        self.spreading, self.address = True, address

    def _cluster(self, ledger: Path, prices: Mapping[str, Price | None]) -> "Cluster":
        """Return the cluster, not yet joined."""
        from sftmill.flow.ray_cluster import Cluster

        self.cluster = Cluster(
            self.address,
            self.directory.path,
            ledger,
            self.directory.accounts(),
            self.recipe.budget,
            prices,
            self.before,
        )
        return self.cluster

    def _engine(self) -> LocalEngine:
        """Return what takes the streams through their stages."""
        settings = self.recipe.run
        common = (
            self._desk,
            self._window(),
            settings.failure_ceiling,
            settings.processes,
            self.limit,
            self.reserve,
            self.sampler,
        )
        if self.cluster is None:
            return LocalEngine(*common)
        from sftmill.flow.ray import RayEngine, near_roles

        return RayEngine(
            *common,
            cluster=self.cluster,
            models=self.models,
            near=near_roles(self.settings, self.providers or ()),
            identity=self.identity,
            prompts=self.recipe.prompts,
            log=self.directory.log,
            tasks=settings.processes,
        )

    async def _refresh(self) -> None:
        """Ask how the work on other machines stands."""
        if self.cluster:
            await self.cluster.refresh()

    def _desk(self, stage: Stage, row: Row | None) -> Desk:
        """Return the desk for a stage and a row, or for a whole-data stage."""
        if row is None:
            stream = stage.folder.parent.name
            context = {"lang": self.recipe.langs[0], "sensitivity": self.plan.sensitivity[stream]}
            return WholeDesk(self.models, stage, context, self.identity, self.directory.path / "export")
        return self.models.desk(stage.name, stage.step, row, self.identity)

    def _spent(self, ledger: Ledger) -> list[Spent]:
        """Return what this run and its pilot have paid for."""
        return [spent for account in self.directory.accounts() for spent in ledger.spent(account)]

    def _measure(self, role: str, entries: list[Entry]) -> None:
        """Tell the meter what answers cost, wherever they came from."""
        for entry in entries:
            money = self.budget.price(role, entry.prompt_tokens, entry.completion_tokens, entry.cached_tokens)
            self.meter(role, entry.prompt_tokens + entry.completion_tokens, money)

    def _window(self) -> int:
        """Return how many rows may be on their way in a pass: enough that no endpoint waits for rows."""
        if self.recipe.run.window:
            return self.recipe.run.window
        calls = sum(s.concurrency * max(1, len(s.endpoint)) * max(1, len(s.key_env)) for s in self.settings.values())
        return max(64, 2 * calls)

    async def _streams(self) -> None:
        """Run the streams side by side, each as soon as those it needs are done."""
        done = {name: asyncio.get_running_loop().create_future() for name in self.plan.order}
        tasks = [asyncio.create_task(self._stream(name, done)) for name in self.plan.order]
        try:
            await asyncio.gather(*tasks)
        except BaseException as error:
            self._stop(error)
            for future in done.values():
                future.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _stream(self, name: str, done: dict[str, asyncio.Future[ShardList]]) -> None:
        """Run one stream when its inputs are there."""
        stream = self.recipe.streams[name]
        inputs: dict[str, ShardList] = {}
        if stream.sources:
            parts = [ShardList((await asyncio.shield(done[s])).files, stream.where) for s in stream.sources]
            inputs["rows"] = parts[0] if len(parts) == 1 else JoinedShards(parts)
        for key, other in stream.inputs.items():
            inputs[key] = await asyncio.shield(done[other])
        sampled = self.sampler is not None and any(source in self.sampled for source in stream.sources)
        rows = await self.engine.run(name, self.recipe.langs[0], self.plan.stages[name], inputs, sampled)
        if self.sampler and (sampled or name in self.sampler.chosen or name in self.sampler.grown):
            self.sampled.add(name)
        done[name].set_result(rows)

    def _stop(self, error: BaseException) -> None:
        """Start nothing new; what is under way comes to its end."""
        self.engine.stop(error)
        # rows that wait for a call must see that the run ends, not think that their own call has failed
        self.models.stop(error if isinstance(error, RunStopped) else RunStopped(f"the run ends: {error}"))

    def _catch_interrupts(self) -> None:
        """Let the first Ctrl-C end the run in good order, and the second at once."""
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()

        def interrupt() -> None:
            now = loop.time()
            if self.interrupted is None:
                self.interrupted = now
            elif now - self.interrupted > PATIENT and main:  # `timeout` and some shells signal twice at once
                main.cancel()
                return
            else:
                return
            self.state = "stopping"
            self._stop(
                RunStopped(
                    "stopped by Ctrl-C; the answers that were under way are kept. "
                    "Give the same command again to go on from here"
                )
            )

        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, interrupt)
            except (NotImplementedError, RuntimeError, ValueError):
                return  # Windows, or not in the main thread: Ctrl-C ends the process, the ledger is safe

    async def _tick(self) -> None:
        """Report every TICK seconds."""
        while True:
            await self._refresh()
            self._report()
            await asyncio.sleep(TICK)

    def snapshot(self) -> dict[str, Any]:
        """Return how the run stands, as plain values."""
        now = self.engine.counts()
        return {
            "name": self.recipe.name,
            "state": self.state,
            "pid": os.getpid(),
            "seconds": round(time.time() - self.started, 1),
            "seconds_in_all": round(self.before + time.time() - self.started, 1),
            "updated": round(time.time(), 1),
            "stages": {key: counts.as_dict() for key, counts in now.items()},
            "accepted": sum(now[key].out for key in self.checked if key in now),
            "models": self._roles(),
            "budget": {
                "spent_tokens": self.budget.spent_tokens,
                "spent_money": round(self.budget.spent_money, 6),
                "cap_tokens": self.recipe.budget.tokens,
                "cap_money": self.recipe.budget.money,
                "currency": self.recipe.budget.currency,
            },
        }

    def _roles(self) -> dict[str, dict[str, Any]]:
        """Return what every role has done, in all processes."""
        own = self.models.snapshot()
        return self.cluster.roles(own) if self.cluster else own

    def _report(self) -> None:
        """Write status.json and tell the watcher; a full disk must not hide the error that matters."""
        snapshot = self.snapshot()
        try:
            self.directory.write("status.json", snapshot)
        except RunError:
            if self.state == "running":
                raise
        if self.watch:
            self.watch(snapshot)

    def _manifest(self, ledger: Ledger) -> dict[str, Any]:
        """Write and return the manifest."""
        return write_manifest(
            self.directory,
            self.plan,
            self.settings,
            started=self.started,
            limit=self.limit,
            counts=self.engine.counts(),
            spent=self._spent(ledger),
            money=self.budget.spent_money,
            calls=self._roles(),
        )


def checked_stages(plan: Plan) -> list[str]:
    """Return, as "stream/stage", the last stages that rows reach one by one behind a stream's last asking step.

    Steps that need all rows come at the end, so that what they take out is not known before. Streams
    that another asking stream takes up are left out: their rows are counted there.
    """
    asking = {name for name, stages in plan.stages.items() if any(stage.step.roles() for stage in stages)}
    passed_on = {source for name in asking for source in plan.recipe.streams[name].sources}
    found = []
    for name in sorted(asking - passed_on):
        stages = plan.stages[name]
        at = max(i for i, stage in enumerate(stages) if stage.step.roles())
        while at + 1 < len(stages) and stages[at + 1].shape in ("row", "ask"):
            at += 1
        found.append(f"{name}/{stages[at].key}")
    return found
