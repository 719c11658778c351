import asyncio

import pytest

from sftmill.errors import (
    AuthFailed,
    BadRequest,
    ConnectionLost,
    EndpointGone,
    RateLimited,
    ServerFault,
    Unreachable,
)
from sftmill.models.lane import Bucket
from sftmill.models.limits import Lanes


class Named:
    """A provider that is only looked at."""

    def __init__(self, name):
        self.name = name


def lanes_of(*names, **settings):
    return Lanes([Named(name) for name in names], **settings)


def finish(lanes, permit, tokens=10):
    lanes.replied(permit, tokens, 2 * tokens)
    lanes.release(permit)


def test_a_call_gets_a_slot_at_once_while_there_is_room():
    async def run():
        lanes = lanes_of("a", concurrency=2)
        first, second = lanes.try_acquire("x", "step"), lanes.try_acquire("x", "step")
        assert first is not None and second is not None
        assert lanes.try_acquire("x", "step") is None
        assert lanes.in_flight == 2
        finish(lanes, first)
        assert lanes.try_acquire("x", "step") is not None
        lanes.close()

    asyncio.run(run())


def test_a_retry_goes_before_what_waits():
    async def run():
        lanes = lanes_of("a", concurrency=1)
        permit = await lanes.acquire("x", "step")
        order = []

        async def call(name, retry):
            mine = await lanes.acquire("x", "step", retry=retry)
            order.append(name)
            finish(lanes, mine)

        tasks = [asyncio.create_task(call(f"fresh {i}", False)) for i in range(3)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(call("retry", True)))
        await asyncio.sleep(0)
        finish(lanes, permit)
        await asyncio.gather(*tasks)
        assert order == ["retry", "fresh 0", "fresh 1", "fresh 2"]
        lanes.close()

    asyncio.run(run())


def test_the_same_passage_meets_the_same_replica():
    async def run():
        lanes = lanes_of("a", "b", "c", concurrency=100)
        homes = {}
        for round_ in range(3):
            for i in range(60):
                permit = lanes.try_acquire(f"passage {i}", "step")
                assert homes.setdefault(i, permit.lane.name) == permit.lane.name, round_
                finish(lanes, permit)
        assert {name: list(homes.values()).count(name) > 8 for name in "abc"} == dict.fromkeys("abc", True)
        lanes.close()

    asyncio.run(run())


def test_a_full_replica_hands_over_to_one_with_room():
    async def run():
        lanes = lanes_of("a", "b", concurrency=1)
        taken = {lanes.try_acquire("same", "step").lane.name for _ in range(2)}
        assert taken == {"a", "b"}
        assert lanes.try_acquire("same", "step") is None
        lanes.close()

    asyncio.run(run())


def test_a_waiting_call_is_taken_by_another_replica_that_becomes_free():
    async def run():
        lanes = lanes_of("a", "b", concurrency=1)
        first, second = lanes.try_acquire("same", "step"), lanes.try_acquire("same", "step")
        waiting = asyncio.create_task(lanes.acquire("same", "step"))
        await asyncio.sleep(0)
        finish(lanes, second)
        permit = await waiting
        assert permit.lane is second.lane is not first.lane
        lanes.close()

    asyncio.run(run())


def test_a_cancelled_call_leaves_no_slot_behind():
    async def run():
        lanes = lanes_of("a", concurrency=1)
        permit = await lanes.acquire("x", "step")
        waiting = asyncio.create_task(lanes.acquire("x", "step"))
        await asyncio.sleep(0)
        finish(lanes, permit)  # the slot is given to the waiting task, which is cancelled before it can take it
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert lanes.in_flight == 0
        assert lanes.try_acquire("x", "step") is not None
        lanes.close()

    asyncio.run(run())


def test_an_endpoint_that_cannot_be_reached_is_tried_by_one_call_at_a_time():
    async def run():
        time = [0.0]
        lanes = lanes_of("a", concurrency=8, clock=lambda: time[0])
        for call in range(2):
            permit = lanes.try_acquire("x", "step")
            lanes.failed(permit, Unreachable("a does not answer"), call)
            lanes.release(permit)
        assert lanes.all_down and lanes.paused == "a does not answer"
        assert lanes.try_acquire("x", "step") is None
        time[0] += 0.6
        probe = lanes.try_acquire("x", "step")
        assert probe.probe and lanes.try_acquire("x", "step") is None
        lanes.failed(probe, Unreachable("a does not answer"), 3)
        lanes.release(probe)
        time[0] += 0.6
        assert lanes.try_acquire("x", "step") is None  # the pause has doubled
        time[0] += 0.6
        probe = lanes.try_acquire("x", "step")
        finish(lanes, probe)
        assert not lanes.all_down and lanes.paused is None
        assert lanes.try_acquire("x", "step") is not None
        lanes.close()

    asyncio.run(run())


def test_calls_wait_for_a_dead_endpoint_until_patience_is_over():
    async def run():
        lanes = lanes_of("a", role="teacher", concurrency=8, patience=0.03)
        for call in range(2):
            permit = lanes.try_acquire("x", "step")
            lanes.failed(permit, Unreachable("a does not answer"), call)
            lanes.release(permit)
        with pytest.raises(EndpointGone, match="teacher"):
            await lanes.acquire("x", "step")
        with pytest.raises(EndpointGone):
            lanes.try_acquire("x", "step")
        lanes.close()

    asyncio.run(run())


def test_the_other_replica_takes_over_when_one_dies():
    async def run():
        lanes = lanes_of("a", "b", concurrency=4)
        for call in range(2):
            permit = lanes.try_acquire(str(call), "step")
            while permit.lane.name != "a":
                permit = lanes.try_acquire(str(call), "step")
            lanes.failed(permit, Unreachable("gone"), call)
            lanes.release(permit)
        assert lanes.lanes[0].down and not lanes.all_down
        assert lanes.limit == lanes.lanes[1].concurrency.limit
        lanes.close()

    asyncio.run(run())


def test_one_call_that_breaks_the_server_does_not_take_the_lane_down():
    async def run():
        lanes = lanes_of("a", concurrency=4)
        for _ in range(20):
            permit = lanes.try_acquire("x", "step")
            lanes.failed(permit, ServerFault("500"), call=7)
            lanes.release(permit)
        assert not lanes.all_down
        lanes.close()

    asyncio.run(run())


def test_lost_connections_of_several_calls_take_the_lane_down():
    async def run():
        lanes = lanes_of("a", concurrency=32)
        for call in range(8):
            permit = lanes.try_acquire("x", "step")
            lanes.failed(permit, ConnectionLost("reset"), call)
            lanes.release(permit)
        assert lanes.all_down
        lanes.close()

    asyncio.run(run())


def test_a_wrong_key_takes_only_its_lane_out():
    async def run():
        lanes = lanes_of("a", "b", concurrency=1)
        first = lanes.try_acquire("x", "step")
        lanes.failed(first, AuthFailed("wrong key"))
        lanes.release(first)
        second = await lanes.acquire("x", "step")
        assert second.lane is not first.lane
        lanes.failed(second, AuthFailed("wrong key as well"))
        lanes.release(second)
        with pytest.raises(AuthFailed, match="as well"):
            await lanes.acquire("x", "step")
        lanes.close()

    asyncio.run(run())


def test_a_refused_request_says_nothing_about_the_server():
    async def run():
        lanes = lanes_of("a", concurrency=4)
        for _ in range(20):
            permit = lanes.try_acquire("x", "step")
            lanes.failed(permit, BadRequest("no"))
            lanes.release(permit)
        assert lanes.in_flight == 0 and lanes.limit == 4 and not lanes.all_down
        lanes.close()

    asyncio.run(run())


def test_a_lane_pauses_when_nearly_everything_is_refused():
    async def run():
        time = [100.0]
        lanes = lanes_of("a", concurrency=16, clock=lambda: time[0])
        for _ in range(300):
            if (permit := lanes.try_acquire("x", "step")) is None:
                break
            time[0] += 0.05
            lanes.failed(permit, RateLimited("slow down", 7.0))
            lanes.release(permit)
        assert lanes.paused == "the server asks for a pause"
        time[0] += 7.1
        assert lanes.try_acquire("x", "step") is not None
        assert lanes.overloads > 5
        lanes.close()

    asyncio.run(run())


def test_requests_per_minute_come_evenly():
    time = [0.0]
    sent = []

    async def run():
        lanes = lanes_of("a", concurrency=100, requests_per_minute=600, clock=lambda: time[0])
        while time[0] < 60:
            while (permit := lanes.try_acquire("x", "step")) is not None:
                sent.append(time[0])
                finish(lanes, permit)
            time[0] += 0.01
        lanes.close()

    asyncio.run(run())
    assert 595 <= len(sent) <= 611
    assert max(sum(t <= s < t + 1 for s in sent) for t in range(59)) <= 21


def test_tokens_per_minute_are_charged_as_used():
    time = [0.0]
    used = 0

    async def run():
        nonlocal used
        lanes = lanes_of("a", concurrency=100, tokens_per_minute=60_000, clock=lambda: time[0])
        while time[0] < 60:
            while (permit := lanes.try_acquire("x", "step", 5000)) is not None:
                lanes.replied(permit, 100, 500)
                lanes.release(permit)
                used += 500
            time[0] += 0.05
        lanes.close()

    asyncio.run(run())
    assert 55_000 <= used <= 67_000


def test_a_request_larger_than_the_burst_still_goes_through():
    bucket = Bucket(60, 0.0)
    assert bucket.wait(0.0) == 0
    bucket.take(30)
    assert bucket.wait(0.0) == pytest.approx(30)
    assert bucket.wait(30.0) == 0


def test_a_waiting_call_is_woken_when_its_time_comes():
    async def run():
        lanes = lanes_of("a", concurrency=4, requests_per_minute=60 * 50)
        for _ in range(50):
            finish(lanes, await lanes.acquire("x", "step"))
        start = asyncio.get_running_loop().time()
        finish(lanes, await lanes.acquire("x", "step"))
        assert asyncio.get_running_loop().time() - start < 1
        lanes.close()

    asyncio.run(run())
