"""Row steps in worker processes: micro-batches, a time and a memory limit, and a parser that can be killed."""

import asyncio
import contextlib
import os
import pickle
import sys
from collections import deque
from functools import partial

from sftmill.core import Row, RowStep
from sftmill.flow.packing import pack_steps
from sftmill.flow.walk import Fate, Passed, Place, Walked
from sftmill.flow.worker import FRAME
from sftmill.machine import usable_cores

BATCH_ROWS = 64
"""Rows sent to a worker at once: enough to make the pickling cheap, few enough to share the work."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SYSTEMROOT", "TMPDIR")
"""Environment variables that workers see; API keys are not among them."""

Waiting = deque[tuple[Place, Row, asyncio.Future[Walked]]]
"""Rows that wait for a worker, with their places and what will hold the outcome."""


class Workers:
    """A few processes that walk rows through the row steps of one pass.

    `walk` may be called concurrently; calls that arrive together travel together. A batch that
    exceeds its time, or whose worker dies, is repeated row by row, so that one row that always
    kills its worker ends as one failure.
    """

    def __init__(
        self,
        steps: list[tuple[int, str, RowStep]],
        number: int | None = None,
        seconds: float = 60.0,
        memory: int = 4 << 30,
    ):
        self.steps = steps
        self.number = number or usable_cores()
        self.seconds = seconds
        """Time limit for one row; a batch may take this much per row, but one slow row is found alone."""
        self.memory = memory
        self.waiting: dict[tuple[int, int], Waiting] = {}
        self.idle: dict[int, asyncio.subprocess.Process] = {}
        """Processes without work, by their number."""
        self.alive: set[asyncio.subprocess.Process] = set()
        self.free = set(range(self.number))
        """Numbers of the workers without work, those that have no process yet included."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.closed = False

    async def walk(self, first: int, last: int, row: Row, place: Place) -> Walked:
        """Take a row through the row steps numbered `first` up to, not including, `last`."""
        return await self.begin(first, last, row, place)

    def begin(self, first: int, last: int, row: Row, place: Place) -> asyncio.Future[Walked]:
        """Begin to take a row through these steps, and return what will hold the outcome."""
        future: asyncio.Future[Walked] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault((first, last), deque()).append((place, row, future))
        self._dispatch()
        return future

    def _dispatch(self) -> None:
        """Start a batch for every free worker, as long as rows wait."""
        while self.free and not self.closed:
            key = next((k for k, queue in self.waiting.items() if queue), None)
            if key is None:
                return
            queue = self.waiting[key]
            home = self._home(queue[0][0])
            worker = home if home in self.free else min(self.free)
            self.free.discard(worker)
            batch = self._take(queue, worker)
            task = asyncio.get_running_loop().create_task(self._work(worker, key, batch))
            self.tasks.add(task)
            task.add_done_callback(partial(self._finished, worker))

    def _home(self, place: Place) -> int | None:
        """Return the worker that rows of one parent go to, where what it works out about their passage serves all."""
        return place[0] % self.number if len(place) > 1 else None

    def _take(self, queue: Waiting, worker: int) -> list[tuple[Place, Row, asyncio.Future[Walked]]]:
        """Take a batch for a worker out of a queue: of the rows that are next those that it is home to, else any."""
        # an even share of what waits keeps all workers busy when there is little
        size = min(BATCH_ROWS, max(1, -(-len(queue) // self.number)))
        near = [queue.popleft() for _ in range(min(len(queue), size * self.number))]
        own = [item for item in near if self._home(item[0]) in (None, worker)] or near
        batch = own[:size]
        taken = set(map(id, batch))
        queue.extendleft(item for item in reversed(near) if id(item) not in taken)
        return batch

    def _finished(self, worker: int, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.free.add(worker)
        if not task.cancelled() and task.exception() is None:
            self._dispatch()

    async def _work(
        self, worker: int, key: tuple[int, int], batch: list[tuple[Place, Row, asyncio.Future[Walked]]]
    ) -> None:
        """Have one batch done, by one worker or, if that fails, row by row."""
        try:
            try:
                results = await self._send(worker, key, [(place, row) for place, row, _ in batch], self.seconds)
            except (TimeoutError, EOFError) as failure:
                results = []
                for place, row, _ in batch:
                    results.append(await self._alone(worker, key, place, row, failure if len(batch) == 1 else None))
            for (_, _, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        except BaseException as error:
            for _, _, future in batch:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            raise

    async def _alone(
        self, worker: int, key: tuple[int, int], place: Place, row: Row, failure: Exception | None
    ) -> Walked:
        """Have one row done on its own; if its worker does not survive, the row has failed."""
        if failure is None:
            try:
                return (await self._send(worker, key, [(place, row)], self.seconds))[0]
            except (TimeoutError, EOFError) as error:
                failure = error
        reason = (
            f"TimeLimit: no result within {self.seconds:g} s"
            if isinstance(failure, TimeoutError)
            else f"WorkerDied: {failure}"
        )
        number = next(number for number, _, _ in self.steps if key[0] <= number < key[1])
        return Walked([], [Fate(number, place, "failed", row, reason)], [Passed(number, 1, 0, 0, {})])

    async def _send(
        self, worker: int, key: tuple[int, int], rows: list[tuple[Place, Row]], seconds: float
    ) -> list[Walked]:
        """Send rows to a worker and wait for what it makes of them."""
        process = self.idle.pop(worker, None) or await self._start()
        assert process.stdin and process.stdout
        try:
            async with asyncio.timeout(seconds):
                body = pickle.dumps(("rows", (*key, rows)), protocol=5)
                process.stdin.write(FRAME.pack(len(body)))
                process.stdin.write(body)
                await process.stdin.drain()
                head = await process.stdout.readexactly(FRAME.size)
                answer = pickle.loads(await process.stdout.readexactly(FRAME.unpack(head)[0]))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            code = await self._kill(process)
            raise EOFError(f"the worker process ended with status {code}") from error
        except BaseException:
            await self._kill(process)
            raise
        self.idle[worker] = process
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        """Start a worker and tell it the steps."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sftmill.flow.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            limit=1 << 20,
        )
        assert process.stdin
        body = pickle.dumps(("steps", (self.memory, pack_steps(list(self.steps)))), protocol=5)
        process.stdin.write(FRAME.pack(len(body)))
        process.stdin.write(body)
        self.alive.add(process)
        return process

    async def _kill(self, process: asyncio.subprocess.Process) -> int:
        """End a worker for good and return its status."""
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self.alive.discard(process)
        return await process.wait()

    async def close(self) -> None:
        """End all workers; batches under way are given up."""
        self.closed = True
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for process in list(self.alive):
            if process.stdin:
                process.stdin.close()
            await self._kill(process)
