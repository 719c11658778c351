import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.errors import BudgetExhausted
from sftmill.models.budget import Budget
from sftmill.models.ledger import Spent
from sftmill.models.settings import BudgetSettings, Price


def budget(*, tokens=None, money=None, currency="CNY", price=None, **more):
    return Budget(BudgetSettings(tokens=tokens, money=money, currency=currency), {"teacher": price}, **more)


async def turns(count=5):
    """Let every task that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_call_is_reserved_and_then_settled_with_what_it_did_cost():
    async def scenario():
        account = budget(tokens=1000, price=Price(prompt=2, completion=8))
        reservation = await account.reserve("teacher", 100, 400)
        assert (account.reserved_tokens, account.spent_tokens) == (500, 0)
        assert account.reserved_money == pytest.approx((100 * 2 + 400 * 8) / 1e6)
        account.settle(reservation, 90, 210)
        assert (account.reserved_tokens, account.reserved_money, account.spent_tokens) == (0, 0, 300)
        assert account.spent_money == pytest.approx((90 * 2 + 210 * 8) / 1e6)
        assert account.calls == 1

    asyncio.run(scenario())


def test_a_call_that_does_not_fit_waits_until_another_frees_enough():
    async def scenario():
        account = budget(tokens=1000)
        first = await account.reserve("teacher", 100, 700)
        second = asyncio.ensure_future(account.reserve("teacher", 100, 400))
        await turns()
        assert not second.done()
        assert account.waiting == 1
        account.settle(first, 100, 300)
        assert (await second).tokens == 500
        assert account.waiting == 0

    asyncio.run(scenario())


def test_nothing_in_flight_could_free_enough_so_the_run_stops_with_the_figures():
    async def scenario():
        account = budget(tokens=1000, money=0.5, price=Price(completion=8))
        account.settle(await account.reserve("teacher", 100, 700), 100, 500)
        with pytest.raises(BudgetExhausted) as caught:
            await account.reserve("teacher", 300, 101)
        message = str(caught.value)
        for part in ("600 of 1,000 tokens", "could take 401", "0.0040 of 0.5 CNY", "'teacher'", "raise `budget:`"):
            assert part in message
        assert account.exhausted

    asyncio.run(scenario())


def test_after_exhaustion_even_a_small_call_is_refused_at_once():
    async def scenario():
        account = budget(tokens=1000)
        held = await account.reserve("teacher", 10, 10)
        with pytest.raises(BudgetExhausted):
            await account.reserve("teacher", 2000, 0)
        with pytest.raises(BudgetExhausted):
            await account.reserve("teacher", 1, 1)
        account.settle(held, 10, 10)
        assert (account.spent_tokens, account.reserved_tokens) == (20, 0)

    asyncio.run(scenario())


def test_all_who_wait_are_told_when_what_was_settled_leaves_too_little():
    async def scenario():
        account = budget(tokens=1000)
        first = await account.reserve("teacher", 0, 900)
        waiting = [asyncio.ensure_future(account.reserve("teacher", 0, 200)) for _ in range(3)]
        await turns()
        account.settle(first, 0, 850)
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(x) for x in found] == [BudgetExhausted] * 3
        assert account.waiting == 0

    asyncio.run(scenario())


def test_small_calls_do_not_overtake_a_large_one_that_waits():
    async def scenario():
        account = budget(tokens=1000)
        first = await account.reserve("teacher", 0, 600)
        order = []

        async def call(name, tokens):
            reservation = await account.reserve("teacher", 0, tokens)
            order.append(name)
            account.settle(reservation, 0, 10)

        tasks = [asyncio.ensure_future(call("large", 900))]
        await turns()
        tasks += [asyncio.ensure_future(call(f"small {i}", 10)) for i in range(3)]
        await turns()
        assert order == []
        account.settle(first, 0, 50)
        await asyncio.gather(*tasks)
        assert order == ["large", "small 0", "small 1", "small 2"]

    asyncio.run(scenario())


def test_one_who_gives_up_waiting_lets_those_behind_pass():
    async def scenario():
        account = budget(tokens=1000)
        held = await account.reserve("teacher", 0, 600)
        large = asyncio.ensure_future(account.reserve("teacher", 0, 900))
        await turns()
        small = asyncio.ensure_future(account.reserve("teacher", 0, 100))
        await turns()
        assert not small.done()
        large.cancel()
        await turns()
        account.release(small.result())
        account.release(held)
        assert account.reserved_tokens == 0

    asyncio.run(scenario())


def test_one_who_is_cancelled_at_the_moment_of_the_grant_leaks_nothing():
    async def scenario():
        account = budget(tokens=1000)
        held = await account.reserve("teacher", 0, 900)
        waiting = asyncio.ensure_future(account.reserve("teacher", 0, 500))
        await turns()
        account.release(held)  # grants it ...
        waiting.cancel()  # ... before it could run on
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert account.reserved_tokens == 0

    asyncio.run(scenario())


def test_releasing_after_settling_changes_nothing_and_settling_twice_is_an_error():
    async def scenario():
        account = budget(tokens=1000)
        reservation = await account.reserve("teacher", 100, 100)
        account.settle(reservation, 50, 50)
        account.release(reservation)
        assert (account.spent_tokens, account.reserved_tokens) == (100, 0)
        with pytest.raises(ValueError, match="already"):
            account.settle(reservation, 50, 50)

    asyncio.run(scenario())


def test_a_server_that_answers_more_than_was_asked_for_is_recorded_truthfully():
    async def scenario():
        account = budget(tokens=1000)
        account.settle(await account.reserve("teacher", 100, 100), 100, 5000)
        assert account.spent_tokens == 5100
        with pytest.raises(BudgetExhausted, match="5,100 of 1,000"):
            await account.reserve("teacher", 1, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("currency", "price", "expected"),
    [
        ("CNY", Price(prompt=2, completion=8), 10.0),
        ("CNY", Price(prompt=2, completion=8, currency="USD"), 71.0),
        ("USD", Price(prompt=7.1, completion=71), 11.0),
        ("CNY", None, 0.0),
    ],
)
def test_a_million_tokens_each_way_cost_what_the_price_list_says(currency, price, expected):
    async def scenario():
        account = budget(currency=currency, price=price)
        account.settle(await account.reserve("teacher", 10**6, 10**6), 10**6, 10**6)
        assert account.spent_money == pytest.approx(expected, rel=1e-6)
        assert account.spent_money >= expected * (1 - 1e-15)

    asyncio.run(scenario())


def test_tokens_found_in_the_servers_cache_cost_less():
    async def scenario():
        account = budget(price=Price(prompt=2, cached_prompt=0.5, completion=8))
        account.settle(await account.reserve("teacher", 1000, 0), 1000, 0, 400)
        assert account.spent_money == pytest.approx((600 * 2 + 400 * 0.5) / 1e6)
        assert account.cached_tokens == 400

    asyncio.run(scenario())


def test_a_role_without_a_price_costs_tokens_only():
    async def scenario():
        account = budget(tokens=100, money=1, price=Price(prompt=1))
        account.settle(await account.reserve("embedder", 60, 0), 60, 0)
        assert (account.spent_tokens, account.spent_money) == (60, 0)

    asyncio.run(scenario())


def test_a_resumed_run_knows_what_was_spent():
    async def scenario():
        past = [Spent("teacher", "m", 3, 500, 300, 100), Spent("gone", "x", 1, 50, 50)]
        account = budget(tokens=1000, price=Price(prompt=2, cached_prompt=1, completion=8), spent=past)
        assert account.spent_tokens == 900
        assert account.spent_money == pytest.approx((400 * 2 + 100 * 1 + 300 * 8) / 1e6)
        with pytest.raises(BudgetExhausted):
            await account.reserve("teacher", 100, 1)

    asyncio.run(scenario())


def test_a_rented_machine_costs_by_the_hour_until_the_money_is_used_up():
    clock = [0.0]

    async def scenario():
        account = budget(money=10, price=Price(gpu_hour=20), seconds_before=360, now=lambda: clock[0])
        assert account.spent_money == pytest.approx(2)
        clock[0] = 1080
        assert account.spent_money == pytest.approx(8)
        account.settle(await account.reserve("teacher", 10**9, 10**9), 10**9, 10**9)
        assert account.spent_money == pytest.approx(8)
        clock[0] = 1441
        with pytest.raises(BudgetExhausted, match="of 10 CNY"):
            await account.reserve("teacher", 1, 1)

    asyncio.run(scenario())


def test_without_a_cap_nothing_ever_waits():
    async def scenario():
        account = budget()
        reservations = [await account.reserve("teacher", 10**9, 10**9) for _ in range(100)]
        for reservation in reservations:
            account.settle(reservation, 1, 1)
        assert (account.spent_tokens, account.reserved_tokens, account.waiting) == (200, 0, 0)

    asyncio.run(scenario())


calls = st.tuples(
    st.integers(0, 300),  # the most its prompt has
    st.integers(0, 300),  # the most its answer has
    st.floats(0, 1),  # the share that it does use
    st.floats(0, 1),
    st.integers(0, 4),  # how long it takes
    st.sampled_from(["settle", "settle", "settle", "release", "cancel"]),
)


@given(st.lists(calls, max_size=30), st.integers(1, 2000), st.none() | st.floats(1e-6, 0.02), st.integers(1, 8))
@settings(max_examples=200, deadline=None)
def test_what_is_spent_never_exceeds_the_cap_and_nothing_stays_reserved(plan, tokens, money, parallel):
    async def scenario():
        price = Price(prompt=1.3, cached_prompt=0.1, completion=7.7, currency="USD")
        account = budget(tokens=tokens, money=money, price=price)
        gate = asyncio.Semaphore(parallel)
        outcomes = []

        def hold():
            assert account.spent_tokens + account.reserved_tokens <= tokens
            assert money is None or account.spent_money + account.reserved_money <= money * (1 + 1e-12)

        async def call(prompt, answer, used, said, ticks, end):
            async with gate:
                reservation = await account.reserve("teacher", prompt, answer)
                try:
                    hold()
                    await turns(ticks)
                    if end == "settle":
                        account.settle(reservation, int(prompt * used), int(answer * said), int(prompt * used / 2))
                finally:
                    account.release(reservation)
                hold()

        tasks = [asyncio.ensure_future(call(*c)) for c in plan]
        for task, c in zip(tasks, plan, strict=True):
            if c[-1] == "cancel":
                await turns(c[-2])
                task.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert all(x is None or isinstance(x, BudgetExhausted | asyncio.CancelledError) for x in outcomes)
        assert account.reserved_tokens == account.reserved_money == account.waiting == 0
        # a refusal only where a call could not have fitted
        if any(isinstance(x, BudgetExhausted) for x in outcomes):
            assert account.exhausted
        hold()

    asyncio.run(scenario())
