"""Lanes: one endpoint and key each, with its own pace, health and waiting line.

A role has a lane for every pair of endpoint and key. A call goes to the lane that its row belongs to (so
that a passage meets the replica that has it in its cache), unless that lane is full and another
is not. A lane that cannot be reached is left alone but for one call at a time that tries it
again; when no lane is left, calls wait, for as long as the role's patience lasts.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b

from sftmill.errors import (
    AccountError,
    EndpointGone,
    ModelError,
    Overload,
    SftmillError,
    TransportError,
    Unreachable,
)
from sftmill.models.client import Provider
from sftmill.models.concurrency import Concurrency
from sftmill.models.lane import FIRST_PROBE, Lane, Permit, Waiter

LAST_PROBE = 60.0
"""The longest pause between two tries of a lane that is down, in seconds."""
MISSES = 8
"""Failures in a row, of at least three different calls, after which a lane counts as down."""
MISSES_UNREACHABLE = 2
"""The same when no connection could be made at all."""
BEAT = 0.02
"""Seconds between two looks at how late the event loop is; its lag must not pass for a server's queue."""


class Lanes:
    """All lanes of a role.

    `acquire` gives a permit; after the call, `replied` or `failed` says how it went, and
    `release` gives the slot back, which may be later. `clock` returns seconds that never go back.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        role: str = "teacher",
        concurrency: int = 256,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        patience: float = 43200.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        now = clock()
        self.role = role
        self.lanes = [
            Lane(provider, i, concurrency, requests_per_minute, tokens_per_minute, now)
            for i, provider in enumerate(providers)
        ]
        self.patience = patience
        self.stopped: SftmillError | None = None
        self._ended = asyncio.Event()
        """Why no call can be made any more."""
        self._clock = clock
        self._retries: deque[Waiter] = deque()
        self._paused_at: float | None = None
        self._patience_timer: asyncio.TimerHandle | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._beat_due = 0.0
        self._lag = 0.0

    # Taking a slot -------------------------------------------------------------------------------

    def try_acquire(self, affinity: str, kind: str, tokens: int = 0) -> Permit | None:
        """Return a permit if a lane has room and nobody waits for it; None otherwise."""
        if self.stopped is not None:
            raise self.stopped
        if self._retries:
            return None
        now = self._clock()
        if len(self.lanes) == 1:
            lane = self.lanes[0]
            if lane.queue or lane.wait(now) > 0:
                return None
            return self._grant(lane, kind, tokens, now)
        lane = self._home(affinity)
        if lane.queue or lane.wait(now) > 0:
            free = [other for other in self.lanes if not other.queue and other.wait(now) <= 0]
            if not free:
                return None
            lane = min(free, key=Lane.load)
        return self._grant(lane, kind, tokens, now)

    async def acquire(self, affinity: str, kind: str, tokens: int = 0, *, retry: bool = False) -> Permit:
        """Wait for a permit; a retry goes before everything new. `tokens` is an estimate for tokens_per_minute.

        Raises EndpointGone when patience is over, and the AccountError that took the last lane out.
        """
        if (permit := self.try_acquire(affinity, kind, tokens)) is not None:
            return permit
        waiter = Waiter(asyncio.get_running_loop().create_future(), kind, tokens)
        lane = self._home(affinity)
        if retry and lane.down is None:
            self._retries.append(waiter)
        else:
            lane.queue.append(waiter)
        self._pump_all()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                permit = waiter.future.result()
                self.cancelled(permit)
                self.release(permit)
            raise

    def _home(self, affinity: str) -> Lane:
        lanes = self.lanes
        if len(lanes) == 1:
            return lanes[0]
        usable = [lane for lane in lanes if lane.out is None and lane.down is None] or [
            lane for lane in lanes if lane.out is None
        ]
        if len(usable) < 2:
            return (usable or lanes)[0]
        name = affinity.encode("utf-8", "surrogatepass")
        return max(usable, key=lambda lane: blake2b(name, digest_size=8, key=lane.salt).digest())

    def _grant(self, lane: Lane, kind: str, tokens: int, now: float) -> Permit:
        permit = Permit(lane, lane.concurrency.start(kind, now), tokens, lane.down is not None)
        if lane.requests is not None:
            lane.requests.take(1)
        if lane.tokens is not None:
            lane.tokens.take(tokens)
        if permit.probe:
            lane.probing = permit
        if self._beat_timer is None:
            self._beat_due = now + BEAT
            self._beat_timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
        return permit

    def _beat(self) -> None:
        """Measure the loop's lag; timers come before sockets, so that what came meanwhile is still to be read."""
        now = self._clock()
        self._lag = max(0.0, now - self._beat_due)
        if any(lane.concurrency.held for lane in self.lanes):
            self._beat_due = now + BEAT
            self._beat_timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
        else:
            self._beat_timer = None

    def sent(self, permit: Permit) -> None:
        """Note that the request goes out now; the time since the permit was given is not the server's."""
        permit.flight.started = self._clock()

    def _next(self, lane: Lane) -> Waiter | None:
        for line in (self._retries, lane.queue):
            while line:
                waiter = line.popleft()
                if not waiter.future.done():
                    return waiter
        if len(self.lanes) > 1:
            longest = max(self.lanes, key=lambda other: len(other.queue))
            while longest.queue:
                waiter = longest.queue.popleft()
                if not waiter.future.done():
                    return waiter
        return None

    def _pump(self, lane: Lane) -> None:
        """Hand free slots of the lane to those who wait, and come back when a time has to pass first."""
        if not lane.queue and not self._retries and len(self.lanes) == 1:
            return
        now = self._clock()
        while (seconds := lane.wait(now)) <= 0:
            waiter = self._next(lane)
            if waiter is None:
                return
            waiter.future.set_result(self._grant(lane, waiter.kind, waiter.tokens, now))
        if seconds != float("inf") and lane.timer is None:
            lane.timer = asyncio.get_running_loop().call_later(max(seconds, 0.001), self._wake, lane)

    def _wake(self, lane: Lane) -> None:
        lane.timer = None
        self._pump(lane)

    def _pump_all(self) -> None:
        for lane in self.lanes:
            self._pump(lane)

    # Coming back ---------------------------------------------------------------------------------

    def release(self, permit: Permit) -> None:
        """Give the slot back: the answer is safe, or there is none."""
        lane = permit.lane
        lane.concurrency.release()
        if lane.queue or self._retries or len(self.lanes) > 1:
            self._pump(lane)

    def replied(self, permit: Permit, completion_tokens: int, tokens: int) -> None:
        """Note a complete answer; `tokens` is all that it used, prompt included."""
        lane = permit.lane
        now = self._clock()
        took = now - permit.flight.started
        lane.concurrency.finish(permit.flight, now - min(self._lag, 0.8 * took), completion_tokens)
        if lane.tokens is not None:
            lane.tokens.take(tokens - permit.tokens)
        self._alive(permit)
        if lane.queue or self._retries or len(self.lanes) > 1:
            self._pump(lane)

    def cancelled(self, permit: Permit) -> None:
        """Note that the caller gave up before an answer came."""
        permit.lane.concurrency.cancel(permit.flight)
        if permit.lane.probing is permit:
            permit.lane.probing = None

    def failed(self, permit: Permit, error: ModelError, call: int = 0) -> None:
        """Note that no answer came, and why; `call` tells different calls apart."""
        lane = permit.lane
        now = self._clock()
        if isinstance(error, Overload):
            lane.overloads += 1
            lane.concurrency.overload(permit.flight, now)
            if (pause := lane.concurrency.pauses_for) > 0:
                lane.concurrency.pauses_for = 0.0
                lane.blocked_until = max(lane.blocked_until, now + max(pause, error.retry_after or 0.0))
            self._alive(permit)
        elif isinstance(error, AccountError):
            self.cancelled(permit)
            self._take_out(lane, error)
        elif isinstance(error, TransportError):
            lane.concurrency.fail(permit.flight, now)
            self._missed(permit, error, call, now)
        else:
            # the server is well, it only does not like this call
            lane.concurrency.cancel(permit.flight)
            self._alive(permit)

    def _alive(self, permit: Permit) -> None:
        lane = permit.lane
        if lane.misses:
            lane.misses = 0
            lane.missed.clear()
        if lane.down is not None:
            lane.down = None
            lane.probing = None
            lane.probe_pause = FIRST_PROBE
            held = lane.concurrency.held, lane.concurrency.flying
            lane.concurrency = _again(lane.concurrency, *held)
            self._paused_at = None
            if self._patience_timer is not None:
                self._patience_timer.cancel()
                self._patience_timer = None
            self._pump_all()

    def _missed(self, permit: Permit, error: ModelError, call: int, now: float) -> None:
        lane = permit.lane
        lane.misses += 1
        lane.missed.add(call)
        if lane.down is not None:
            if lane.probing is permit:
                lane.probing = None
                lane.probe_pause = min(LAST_PROBE, 2 * lane.probe_pause)
                lane.next_probe = now + lane.probe_pause
                self._pump(lane)
            return
        unreachable = isinstance(error, Unreachable)
        if lane.misses < (MISSES_UNREACHABLE if unreachable else MISSES) or (not unreachable and len(lane.missed) < 3):
            return
        lane.down = str(error)
        lane.probe_pause = FIRST_PROBE
        lane.next_probe = now + FIRST_PROBE
        waiting, lane.queue = lane.queue, deque()
        target = self._home(str(call))
        target.queue.extend(waiting)
        self._check_all_down(now)
        self._pump_all()

    def _check_all_down(self, now: float) -> None:
        left = [lane for lane in self.lanes if lane.out is None]
        if left and all(lane.down is not None for lane in left) and self._paused_at is None:
            self._paused_at = now
            self._patience_timer = asyncio.get_running_loop().call_later(self.patience, self._patience_over)

    def _patience_over(self) -> None:
        self._patience_timer = None
        reason = next((lane.down for lane in self.lanes if lane.down), "no endpoint answers")
        self.stop(
            EndpointGone(
                f"role {self.role}: no endpoint answered for {self.patience:g} s ({reason}); "
                "when it is back, the same command goes on from here"
            )
        )

    def _take_out(self, lane: Lane, error: AccountError) -> None:
        lane.out = error
        waiting, lane.queue = lane.queue, deque()
        left = [other for other in self.lanes if other.out is None]
        if not left:
            self.stop(error, waiting)
            return
        self._home("").queue.extend(waiting)
        self._check_all_down(self._clock())
        self._pump_all()

    async def rest(self, seconds: float) -> None:
        """Wait before a call is repeated; ends early when nothing more is to be sent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def stop(self, error: SftmillError, waiting: Sequence[Waiter] = ()) -> None:
        """Send nothing more: whoever waits for a place, or asks for one later, gets `error`."""
        self.stopped = error
        self._ended.set()
        for waiter in [*waiting, *self._retries, *(w for lane in self.lanes for w in lane.queue)]:
            if not waiter.future.done():
                waiter.future.set_exception(error)
        self._retries.clear()
        for lane in self.lanes:
            lane.queue.clear()

    # Looking in ----------------------------------------------------------------------------------

    @property
    def all_down(self) -> bool:
        """Whether no lane can be used at the moment."""
        return self._paused_at is not None

    @property
    def paused(self) -> str | None:
        """Why nothing is sent at the moment; None while something is."""
        if self.stopped is not None:
            return str(self.stopped)
        if self._paused_at is not None:
            return next((lane.down for lane in self.lanes if lane.down), None)
        now = self._clock()
        if all(lane.out is not None or lane.blocked_until > now for lane in self.lanes):
            return "the server asks for a pause"
        return None

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet answered."""
        return sum(lane.concurrency.flying for lane in self.lanes)

    @property
    def limit(self) -> int:
        """Requests that may be in flight at the moment."""
        return sum(lane.concurrency.limit for lane in self.lanes if lane.out is None and lane.down is None)

    @property
    def overloads(self) -> int:
        """How often a server asked for less."""
        return sum(lane.overloads for lane in self.lanes)

    def close(self) -> None:
        """Stop all timers; nobody may be waiting any more."""
        for timer in (self._patience_timer, self._beat_timer, *(lane.timer for lane in self.lanes)):
            if timer is not None:
                timer.cancel()


def _again(old: Concurrency, held: int, flying: int) -> Concurrency:
    """Return a fresh limiter for a server that came back, counting what is still on its way."""
    fresh = Concurrency(old.maximum, min(old.limit, 32))
    fresh.held, fresh.flying = held, flying
    return fresh
