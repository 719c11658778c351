"""Which worker gets which rows."""

import asyncio

from sftmill.flow.walk import Walked
from sftmill.flow.workers import Workers


class Recorded(Workers):
    """Workers without processes: notes what each is sent, and answers when it is let."""

    def __init__(self, number):
        super().__init__([], number)
        self.sent: list[tuple[int, list[tuple[int, ...]]]] = []
        self.let: dict[int, asyncio.Event] = {}

    async def _send(self, worker, key, rows, seconds):
        self.sent.append((worker, [place for place, _ in rows]))
        await self.let.setdefault(worker, asyncio.Event()).wait()
        for _ in rows:  # each row takes its time
            await asyncio.sleep(0)
        return [Walked([(place, row)], [], []) for place, row in rows]


def walked(places, number=2, free=(0, 1)):
    """Return what workers are sent when rows of these places wait, and only some of the workers come to an end."""

    async def go():
        workers = Recorded(number)
        asked = [workers.begin(0, 1, {"id": str(place)}, place) for place in places]
        await asyncio.sleep(0)
        for worker in free:
            workers.let.setdefault(worker, asyncio.Event()).set()
        await asyncio.gather(*asked[: len(places) if len(free) == number else 0])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        done = [future.result().out[0][0] for future in asked if future.done()]
        await workers.close()
        return workers.sent, done

    return asyncio.run(go())


def test_rows_of_one_parent_go_to_one_worker_as_long_as_each_has_some_of_its_own():
    places = [(parent, child) for child in range(3) for parent in range(8)]
    sent, done = walked(places)
    assert done == places
    by_parent = {}
    for worker, some in sent:
        for parent, _ in some:
            by_parent.setdefault(parent, set()).add(worker)
    assert sum(len(workers) > 1 for workers in by_parent.values()) <= 1  # the last rows go to who is free
    assert {worker for workers in by_parent.values() for worker in workers} == {0, 1}


def test_a_worker_without_rows_of_its_own_takes_those_of_others():
    places = [(0, child) for child in range(40)]
    sent, done = walked(places)
    assert sorted(done) == places
    assert {worker for worker, _ in sent} == {0, 1}


def test_rows_without_a_parent_go_wherever_there_is_room():
    places = [(number,) for number in range(100)]
    sent, _ = walked(places, number=3, free=(0, 1, 2))
    assert sorted(place for _, some in sent for place in some) == places
    assert {worker for worker, _ in sent} == {0, 1, 2}


def test_rows_that_wait_keep_their_order():
    sent, _ = walked([(parent, 0) for parent in range(60)], number=1, free=(0,))
    assert [place for _, some in sent for place in some] == [(parent, 0) for parent in range(60)]
