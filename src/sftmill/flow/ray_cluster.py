"""The Ray cluster of a run: joining it, the actor that keeps ledger, budget and limiter, and a look at every machine."""

import asyncio
import contextlib
import logging
import os
import pickle
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sftmill import __version__
from sftmill.errors import LedgerError, RunError, RunStopped, SftmillError
from sftmill.flow.tables import be_quiet, run_frames_on
from sftmill.machine import usable_cores
from sftmill.models.desk import absent_variables
from sftmill.models.keeper import Heard, Keeper, Message
from sftmill.models.lease import LeasedBudget
from sftmill.models.ledger import Entry, Ledger, Spent
from sftmill.models.link import Link
from sftmill.models.settings import BudgetSettings, ModelSettings, Price
from sftmill.models.shared import Reporter, SharedBudget, SharedLanes, SharedLedger

OBJECT_STORE = 200_000_000
"""Bytes of memory for Ray's objects in a cluster of our own; only small batches of messages travel there."""
PROBE_SECONDS = 120.0
"""How long a machine of the cluster may take to answer before the run."""
CONNECT_SECONDS = 5.0
"""How long a cluster may take to accept a connection."""
LOOKS, LOOK_SECONDS = 3, 0.3
"""How often, and at what distance, a machine is looked at whose task has died."""
NEEDS_RAY = "the engine ray needs Ray: pip install 'sftmill[ray]'"


class KeeperActor:
    """Serves a keeper to the processes of a cluster; every answer is pickled as (value, error)."""

    async def start(
        self, path: str, settings: BudgetSettings, prices: dict, accounts: list[str], seconds_before: float
    ) -> bytes:
        """Open the ledger, in the event loop that will use it."""

        def start() -> None:
            ledger = Ledger.open(path)
            try:
                spent = [spent for account in accounts for spent in ledger.spent(account)]
                budget = LeasedBudget(settings, prices, spent, seconds_before=seconds_before)
            except BaseException:
                ledger.close()
                raise
            self.keeper = Keeper(ledger, budget)

        return _answered(start)

    async def open(self, session: str, place: str) -> bytes:
        """Begin a session."""
        return _answered(lambda: self.keeper.open(session, place))

    async def take(self, session: str, messages: bytes) -> bytes:
        """Take in messages."""
        return _answered(lambda: self.keeper.take(session, pickle.loads(messages)))

    async def news(self, session: str) -> bytes:
        """Wait for news."""
        heard = await self.keeper.news(session)
        return _answered(lambda: heard)

    async def gone(self, session: str) -> bytes:
        """End a session."""
        return _answered(lambda: self.keeper.gone(session))

    async def look(self, key: bytes, n: int) -> bytes:
        """Return answers."""
        return _answered(lambda: self.keeper.look(key, n))

    async def state(self) -> bytes:
        """Return how the run stands."""
        return _answered(self.keeper.state)

    async def close(self) -> bytes:
        """Write what is to be written."""
        return _answered(self.keeper.close)


def _answered(work: Any) -> bytes:
    try:
        answer = (work(), None)
    except SftmillError as error:
        answer = (None, error)
    return pickle.dumps(answer, protocol=5)


class RayTransport:
    """Carries messages to the actor; made anew in every process from its handle."""

    def __init__(self, keeper: Any, place: str):
        self.keeper = keeper
        self.place = place

    async def open(self, session: str) -> None:
        """Begin a session."""
        await self.call("open", session, self.place)

    async def take(self, session: str, messages: list[Message]) -> list[Heard]:
        """Hand messages over and return what there is to hear."""
        return await self.call("take", session, pickle.dumps(messages, protocol=5))

    async def news(self, session: str) -> list[Heard]:
        """Wait for something to hear."""
        return await self.call("news", session)

    async def gone(self, session: str) -> tuple[str, list[Any]]:
        """End a session; return its machine and what was under way."""
        return await self.call("gone", session)

    def look(self, key: bytes, n: int) -> list[Entry]:
        """Return answers at once, holding up everything else."""
        import ray

        try:
            return _opened(ray.get(self.keeper.look.remote(key, n)))
        except ray.exceptions.RayError as error:
            raise _lost(error) from None

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the actor."""
        import ray

        try:
            answer = await getattr(self.keeper, method).remote(*arguments)
        except ray.exceptions.RayError as error:
            raise _lost(error) from None
        return _opened(answer)


def _opened(answer: bytes) -> Any:
    value, error = pickle.loads(answer)
    if error is not None:
        raise error
    return value


def _lost(error: Exception) -> LedgerError:
    return LedgerError(
        f"the actor that keeps the ledger cannot be reached ({type(error).__name__}); what it had acknowledged is safe:"
        " give the same command again to go on"
    )


def transport_here(keeper: Any) -> RayTransport:
    """Return a transport for the process that calls, which knows its machine."""
    import ray

    return RayTransport(keeper, ray.get_runtime_context().get_node_id())


class Cluster:
    """The cluster of one run, as the process sees it that drives the run; use it with `async with`."""

    def __init__(
        self,
        address: str | None,
        run_dir: Path,
        ledger: Path,
        accounts: list[str],
        budget: BudgetSettings,
        prices: Mapping[str, Price | None],
        seconds_before: float,
    ):
        self.address = address
        self.run_dir = run_dir.absolute()
        self.ledger_path = ledger.absolute()
        self.accounts = accounts
        self.budget_settings = budget
        self.prices = dict(prices)
        self.seconds_before = seconds_before
        self.state: dict[str, Any] = {"roles": {}, "progress": {}}
        self._ours = False
        self._reporter: Reporter | None = None

    async def __aenter__(self) -> "Cluster":
        self._join()
        run_frames_on("ray")
        try:
            await self._start_keeper()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(SftmillError):
            self.ledger.file.close()
            await self.link.close()
            await self.transport.call("close")
        self._leave()

    def _join(self) -> None:
        """Join the cluster at the address, or start one on this machine."""
        be_quiet()
        try:
            import ray
        except ImportError:
            raise RunError(NEEDS_RAY) from None
        if self.address and self.address.startswith("ray://"):
            raise RunError(
                f"--address {self.address}: Ray's client cannot hold the ledger; give the command on a machine of the"
                " cluster, with --address auto or HOST:PORT"
            )
        if ray.is_initialized():
            return
        if self.address and not answers(self.address):
            raise RunError(
                f"no Ray cluster answers at {self.address}; see `ray status` there, or leave --address out to start one"
            )
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address:
            settings |= {"address": self.address}
        else:
            settings |= {"address": "local", "num_cpus": usable_cores(), "include_dashboard": False}
            settings |= {"object_store_memory": OBJECT_STORE}
        try:
            ray.init(**settings)
        except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            told = str(error).strip()
            where = f"the Ray cluster at {self.address!r}" if self.address else "a Ray cluster on this machine"
            raise RunError(
                f"{where} cannot be used: {told[:300]}; see `ray status`, or leave --address out to start one here"
            ) from None
        self._ours = True

    def _leave(self) -> None:
        run_frames_on("native")
        if self._ours:
            import ray

            ray.shutdown()

    async def _start_keeper(self) -> None:
        """Start the actor on this machine, where the ledger lies."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = ray.get_runtime_context().get_node_id()
        actor = ray.remote(KeeperActor).options(
            num_cpus=0,
            max_concurrency=10_000,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
        )
        self.keeper = actor.remote()
        self.transport = RayTransport(self.keeper, here)
        await self.transport.call(
            "start",
            str(self.ledger_path),
            self.budget_settings,
            self.prices,
            self.accounts,
            self.seconds_before,
        )
        self.link = Link(self.transport, "driver")
        await self.link.start()
        self.ledger = DriverLedger(self.link, Ledger.open(self.ledger_path))
        self.budget = SharedBudget(self.link, self.budget_settings, self.prices, self.seconds_before)
        await self.refresh()

    def stop(self, error: BaseException) -> None:
        """Let no task begin anything new."""
        known = error if isinstance(error, SftmillError) else RunStopped(f"the run ends: {type(error).__name__}")
        with contextlib.suppress(SftmillError):
            self.link.tell("stop", known)

    def lanes(self, providers: Any, **settings: Any) -> SharedLanes:
        """Return the lanes of a role, shared with all tasks."""
        return SharedLanes(self.link, providers, **settings)

    def report_on(self, roles: Mapping[str, Any]) -> None:
        """Let the roles of this process be counted with those of the tasks."""
        self._reporter = Reporter(self.link, roles)

    async def refresh(self) -> None:
        """Ask how the run stands; `state` and the budget tell it from then on."""
        with contextlib.suppress(LedgerError):
            if self._reporter:
                self._reporter.report()
                await self.link.flush()
            self.state = await self.transport.call("state")
            self.budget.learn(self.state["budget"])

    # The machines --------------------------------------------------------------------------------

    async def examine(self, settings: Mapping[str, ModelSettings], files: Sequence[str]) -> None:
        """Raise RunError naming what machines of the cluster lack: the run's folder, files, keys, this sftmill."""
        if problems := await self.lacking(settings, files):
            raise RunError("\n".join(problems))

    async def lacking(self, settings: Mapping[str, ModelSettings], files: Sequence[str]) -> list[str]:
        """Return what machines of the cluster lack, each with its name."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        probe = self.run_dir / f".probe-{secrets.token_hex(4)}"
        word = secrets.token_hex(8)
        probe.write_text(word)
        try:
            asked = {}
            for node in self.machines():
                place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                task = ray.remote(look_around).options(num_cpus=0, max_retries=2, scheduling_strategy=place)
                name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                asked[name] = task.remote(str(probe), word, __version__, dict(settings), list(files))
            problems = []
            for name, reply in asked.items():
                try:
                    async with asyncio.timeout(PROBE_SECONDS):
                        found = await reply
                except TimeoutError:
                    found = [f"no answer within {PROBE_SECONDS:g} s; see `ray status`"]
                except ray.exceptions.RayError as error:
                    found = [
                        f"a task fails there ({str(error).strip()[-200:]}); install the same sftmill on all machines"
                    ]
                problems += [f"on {name}: {text}" for text in found]
        finally:
            probe.unlink(missing_ok=True)
        return list(dict.fromkeys(problems))

    @staticmethod
    def machines() -> list[dict[str, Any]]:
        """Return the machines that are there at the moment."""
        import ray

        return [node for node in ray.nodes() if node["Alive"]]

    async def lost(self, place: str) -> bool:
        """Tell whether a machine is gone, after a moment in which the cluster can notice."""
        for _ in range(LOOKS):
            if place not in {node["NodeID"] for node in self.machines()}:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    @staticmethod
    def cores() -> int:
        """Return the cores that tasks may have, of all machines together."""
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def roles(self, own: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return what the live display shows of each role, all processes together."""
        return {name: self.state["roles"].get(name, shown) for name, shown in own.items()}


def answers(address: str) -> bool:
    """Tell whether something listens at HOST:PORT; Ray itself would try for minutes. Words such as auto are trusted."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return True
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


class DriverLedger(SharedLedger):
    """The shared ledger on the machine where its file lies: what is looked up is read there."""

    def __init__(self, link: Link, file: Ledger):
        super().__init__(link)
        self.file = file
        self.path = file.path

    def get(self, key: bytes, n: int = 1) -> list[Entry]:
        """Return the answers present among the samples 0 to n-1."""
        return self.file.get(key, n)

    def spent(self, account: str) -> list[Spent]:
        """Return what a run has paid for by role and model."""
        return self.file.spent(account)


def look_around(probe: str, word: str, version: str, settings: dict[str, ModelSettings], files: list[str]) -> list[str]:
    """Return what this machine lacks for a run; runs on every machine of a cluster."""
    problems = []
    folder = Path(probe).parent
    try:
        read = Path(probe).read_text()
    except OSError as error:
        read = ""
        reason = error.strerror or type(error).__name__
    else:
        reason = "another folder of this name"
    if read != word:
        problems.append(
            f"the run's folder {folder} is not seen ({reason}); choose a --run-dir on a file system that all machines share"
        )
    elif not os.access(folder, os.W_OK):
        problems.append(f"the run's folder {folder} cannot be written; allow it")
    if version != __version__:
        problems.append(
            f"sftmill {__version__} is installed, and {version} drives the run; install the same everywhere"
        )
    problems += [f"{file} is not there; put it where all machines see it" for file in files if not Path(file).exists()]
    problems += [
        f"role {role!r}: the variable {name} (key_env) is not set; export it before `ray start`"
        for role, name in absent_variables(settings)
    ]
    return problems
