"""The keeper: several processes on one ledger, one budget and one limiter; the processes are sessions of this one."""

import asyncio
import itertools
import pickle
import random
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_endpoint import FakeEndpoint, Fault
from sftmill.core import Sampling
from sftmill.errors import AuthFailed, BudgetExhausted, LedgerError, RunStopped, SftmillError
from sftmill.models.client import HttpProvider
from sftmill.models.desk import Models
from sftmill.models.keeper import Keeper
from sftmill.models.lease import LeasedBudget
from sftmill.models.ledger import Entry, Ledger
from sftmill.models.link import Link
from sftmill.models.settings import BudgetSettings, ModelSettings, Price
from sftmill.models.shared import Reporter, SharedBudget, SharedLanes, SharedLedger


class Direct:
    """Carries messages within this process, pickled as they would be on their way to another."""

    def __init__(self, keeper: Keeper):
        self.keeper = keeper
        self.cut = False

    def _through(self, value):
        if self.cut:
            raise LedgerError("the keeper cannot be reached")
        return pickle.loads(pickle.dumps(value))

    async def open(self, session):
        self.keeper.open(session, f"machine of {session}")

    async def take(self, session, messages):
        await asyncio.sleep(0)
        heard = self._through(self.keeper.take(session, self._through(messages)))
        await asyncio.sleep(0)
        return heard

    async def news(self, session):
        return self._through(await self.keeper.news(session))

    async def gone(self, session):
        return self._through(self.keeper.gone(session))

    def look(self, key, n):
        return self._through(self.keeper.look(key, n))


def keeper_of(path, tokens=None, money=None, price=None) -> Keeper:
    """Return a keeper with an empty ledger."""
    settings = BudgetSettings(tokens=tokens, money=money)
    return Keeper(Ledger.open(path), LeasedBudget(settings, {"teacher": price}))


@asynccontextmanager
async def process(keeper: Keeper, name: str, url: str = "", tokens=None, money=None, price=None, **settings):
    """Work as another process would: with models of its own over a link."""
    link = Link(Direct(keeper), name)
    await link.start()
    role = ModelSettings(endpoint=url or "http://127.0.0.1:9/v1", model="fake", price=price, **settings)
    budget = SharedBudget(link, BudgetSettings(tokens=tokens, money=money), {"teacher": price})
    models = Models(
        {"teacher": role},
        SharedLedger(link),
        budget,
        lanes=lambda providers, **rest: SharedLanes(link, providers, **rest),
        providers={"teacher": [HttpProvider(url)]} if url else None,
    )
    await models.start()
    models.link = link
    try:
        yield models
    finally:
        await models.close()
        await link.close()


def ask(models: Models, text: str, draw: str = "r", **sampling):
    """Ask a question as a row with this root."""
    row = {"id": draw, "root": draw, "lang": "en"}
    return models.desk("step", None, row, "run").ask(text, sampling=Sampling(**sampling))


async def until(condition) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_what_two_processes_ask_at_the_same_time_is_asked_once(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        async with (
            FakeEndpoint(latency=0.05) as endpoint,
            process(keeper, "a", endpoint.url) as a,
            process(keeper, "b", endpoint.url) as b,
        ):
            replies = await asyncio.gather(
                *(ask(m, f"question {n % 3}", "r", temperature=0) for m in (a, b) for n in range(9))
            )
            assert endpoint.total == 3
            assert len({reply[0].text for reply in replies}) == 3
            for models in (a, b):
                Reporter(models.link, models.roles).report({"rows": 9})
                await models.link.flush()
            told = keeper.state()
            assert told["roles"]["teacher"]["calls"] == 3
            assert told["roles"]["teacher"]["from_ledger"] + told["roles"]["teacher"]["calls"] == 18
            assert told["progress"] == {"a": {"rows": 9}, "b": {"rows": 9}}
        keeper.close()

    asyncio.run(main())


def test_when_the_asking_process_dies_another_one_asks(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        async with FakeEndpoint(faults=[Fault(kind="hang")]) as endpoint, AsyncExitStack() as stack:
            dying = await stack.enter_async_context(process(keeper, "dying", endpoint.url))
            living = await stack.enter_async_context(process(keeper, "living", endpoint.url))
            first = asyncio.create_task(ask(dying, "question"))
            await until(lambda: endpoint.total == 1)
            second = asyncio.create_task(ask(living, "question"))
            await until(lambda: keeper._claimed and next(iter(keeper._claimed.values())))
            assert keeper.gone("dying") == ("machine of dying", [])
            assert (await second)[0].text
            with pytest.raises(SftmillError):
                first.cancel()
                await asyncio.gather(ask(dying, "another"))
            assert keeper.lanes["teacher"].in_flight == 0
            await asyncio.gather(first, return_exceptions=True)
        keeper.close()

    asyncio.run(main())


def test_answers_of_a_process_that_counts_as_dead_are_kept(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        keeper.open("a")
        keeper.gone("a")
        with pytest.raises(LedgerError, match="has ended"):
            keeper.take("a", [("put", 1, [Entry(b"k" * 16, 0, "paid for")])])
        await until(lambda: keeper.look(b"k" * 16, 1))
        keeper.close()

    asyncio.run(main())


def test_what_a_dead_process_held_falls_back(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite", tokens=10_000)
        async with (
            process(keeper, "a", tokens=10_000, concurrency=1) as a,
            process(keeper, "b", tokens=10_000, concurrency=1) as b,
        ):
            await a.budget.reserve("teacher", 4000, 4000)
            await a.roles["teacher"].lanes.acquire("", "step")
            await a.link.ask("begin", (2, (0, 1)))
            waiting = asyncio.create_task(b.roles["teacher"].lanes.acquire("", "step"))
            costly = asyncio.create_task(b.budget.reserve("teacher", 4000, 1000))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            assert not costly.done()
            assert keeper.gone("a") == ("machine of a", [(2, (0, 1))])
            await asyncio.gather(waiting, costly)
        keeper.close()
        assert keeper.budget.reserved_tokens == 0

    asyncio.run(main())


@given(st.integers(0, 10**6), st.integers(500, 6000), st.booleans())
def test_the_cap_is_never_exceeded_and_nearly_used_up(tmp_path_factory, seed, cap, by_money):
    chance = random.Random(seed)
    price = Price(prompt=1, completion=3)
    limits = {"money": cap / 1e6} if by_money else {"tokens": cap}
    path = tmp_path_factory.mktemp("keeper") / "ledger.sqlite"

    async def main():
        keeper = keeper_of(path, price=price, **limits)
        highest = itertools.count()

        async def call(models, prompt, completion):
            reservation = await models.budget.reserve("teacher", prompt, completion)
            await asyncio.sleep(0)
            if chance.random() < 0.1:
                models.budget.release(reservation)
            else:
                used = chance.randint(1, prompt), chance.randint(0, completion)
                models.budget.settle(reservation, *used)
            next(highest)

        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(process(keeper, f"p{n}", price=price, **limits)) for n in range(3)
            ]
            calls = [call(chance.choice(processes), chance.randint(1, 40), chance.randint(1, 40)) for _ in range(400)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(r is None or isinstance(r, BudgetExhausted) for r in results)
            for models in processes:
                await models.link.flush()
        spent = keeper.budget.spent_money * 1e6 if by_money else keeper.budget.spent_tokens
        assert spent <= cap
        if any(results):
            assert spent >= cap - (40 + 3 * 40 if by_money else 80)
        keeper.close()
        assert keeper.budget.reserved_tokens == 0
        assert keeper.budget.reserved_money == 0

    asyncio.run(main())


def test_an_account_error_stops_the_role_for_all(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        async with FakeEndpoint(faults=[Fault(401, "no")] * 9) as endpoint, process(keeper, "a", endpoint.url) as a:
            with pytest.raises(AuthFailed):
                await ask(a, "question")
            async with process(keeper, "b", endpoint.url) as b:
                with pytest.raises(AuthFailed):
                    await ask(b, "question")
            assert endpoint.total == 1
        keeper.close()

    asyncio.run(main())


def test_overloads_of_one_process_slow_the_others_down(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        async with (
            FakeEndpoint(faults=[Fault(429, retry_after=0)] * 24, latency=0.01) as endpoint,
            process(keeper, "a", endpoint.url) as a,
            process(keeper, "b", endpoint.url) as b,
        ):
            await asyncio.gather(*(ask(m, f"{m is a} {n}") for m in (a, b) for n in range(40)))
            assert keeper.lanes["teacher"].overloads == 24
            assert keeper.lanes["teacher"].limit < 32
            assert endpoint.unique == 80
        keeper.close()

    asyncio.run(main())


def test_a_stop_reaches_every_process(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        async with process(keeper, "a") as a, process(keeper, "b") as b:
            a.stop(RunStopped("enough"))
            await until(lambda: b.link.stopped)
            with pytest.raises(RunStopped, match="enough"):
                await b.roles["teacher"].lanes.acquire("", "step")
        async with process(keeper, "late") as late:
            await until(lambda: late.link.stopped)
        keeper.close()

    asyncio.run(main())


def test_a_keeper_that_cannot_be_reached_is_no_rows_fault(tmp_path):
    async def main():
        keeper = keeper_of(tmp_path / "ledger.sqlite")
        async with process(keeper, "a") as a:
            a.link.transport.cut = True
            with pytest.raises(LedgerError, match="cannot be reached"):
                await ask(a, "question")
            with pytest.raises(LedgerError):
                await ask(a, "another question")
        keeper.close()

    asyncio.run(main())
