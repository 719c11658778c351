"""Ledger, budget and lanes as a process sees them that shares them with others through a keeper."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from sftmill.errors import ModelError, SftmillError
from sftmill.models.budget import Budget, Reservation
from sftmill.models.client import Provider
from sftmill.models.keeper import FIGURES
from sftmill.models.ledger import Entry
from sftmill.models.limits import BEAT
from sftmill.models.link import Link
from sftmill.models.roles import Role
from sftmill.models.settings import BudgetSettings, Price


class SharedLedger:
    """The ledger of a run, kept elsewhere."""

    def __init__(self, link: Link):
        self.link = link

    def get(self, key: bytes, n: int = 1) -> list[Entry]:
        """Return the answers present among the samples 0 to n-1; the process waits meanwhile."""
        return self.link.transport.look(key, n)

    async def claim(self, key: bytes, wanted: int, samples: list[int]) -> list[Entry]:
        """Return the answers present among the samples 0 to `wanted`-1, after any other process that asks for them.

        Where one of `samples` is missing, it is the caller's to ask for, who calls `unclaim` afterwards.
        """
        return await self.link.ask("claim", key, wanted, tuple(samples))

    def unclaim(self, key: bytes) -> None:
        """Let other processes ask."""
        with contextlib.suppress(SftmillError):
            self.link.tell("unclaim", key)

    async def put(self, entries: list[Entry]) -> None:
        """Keep answers; returns once they survive the death of any process."""
        if entries:
            await self.link.ask("put", entries)


class SharedBudget(Budget):
    """The budget of a run, kept elsewhere; this process leases what its calls may cost."""

    def __init__(
        self, link: Link, settings: BudgetSettings, prices: Mapping[str, Price | None], seconds_before: float = 0.0
    ):
        super().__init__(settings, prices, seconds_before=seconds_before)
        self.link = link
        link.on_recall.append(self._recall)
        self._free_tokens = self._free_money = 0
        self._scarce = False

    def learn(self, figures: tuple[int, int, int, int]) -> None:
        """Take over the account of the whole run."""
        self.prompt_tokens, self.completion_tokens, self.cached_tokens, self._money = figures

    async def reserve(self, role: str, prompt_upper_tokens: int, completion_upper_tokens: int) -> Reservation:
        """Set aside the most that a call can cost, from what is leased or by leasing more; raises BudgetExhausted."""
        reservation = self._reservation(role, prompt_upper_tokens, completion_upper_tokens)
        if not self._capped:
            return reservation
        if reservation.tokens <= self._free_tokens and reservation.money <= self._free_money:
            self._free_tokens -= reservation.tokens
            self._free_money -= reservation.money
            return reservation
        self._return_free()
        tokens, money = await self.link.ask("lease", role, prompt_upper_tokens, completion_upper_tokens)
        if self._scarce:
            self.link.tell("back", tokens, money)
        else:
            self._free_tokens += tokens
            self._free_money += money
        return reservation

    def settle(self, reservation: Reservation, prompt_tokens: int, completion_tokens: int, cached: int = 0) -> None:
        """Tell what a call did cost; what was set aside beyond that can be used again."""
        if not reservation.open:
            raise ValueError("this reservation is settled or released already; reserve once per call")
        reservation.open = False
        used = prompt_tokens, completion_tokens, cached
        tokens, money = reservation.tokens, reservation.money
        if self._capped and not self._scarce:
            rate = self._rates.get(reservation.role, self._free)
            tokens = min(tokens, prompt_tokens + completion_tokens)
            money = min(money, self._units_of(rate, *used))
            self._free_tokens += reservation.tokens - tokens
            self._free_money += reservation.money - money
        self.link.tell("spent", reservation.role, used, tokens, money)

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back unspent; nothing happens if it is settled."""
        if not reservation.open:
            return
        reservation.open = False
        if not self._capped:
            return
        self._free_tokens += reservation.tokens
        self._free_money += reservation.money
        if self._scarce:
            self._return_free()

    def _return_free(self) -> None:
        if self._free_tokens or self._free_money:
            with contextlib.suppress(SftmillError):
                self.link.tell("back", self._free_tokens, self._free_money)
            self._free_tokens = self._free_money = 0

    def _recall(self) -> None:
        self._scarce = True
        self._return_free()


class SharedLane:
    """One endpoint and key as this process knows it."""

    def __init__(self, provider: Provider, number: int):
        self.provider = provider
        self.number = number
        self.name = getattr(provider, "name", type(provider).__name__)
        self.down: str | None = None


class SharedPermit:
    """The right to send one request, given by the keeper."""

    __slots__ = ("lane", "number", "sent")

    def __init__(self, lane: SharedLane, number: int, sent: float):
        self.lane = lane
        self.number = number
        self.sent = sent


class SharedLanes:
    """The lanes of a role, whose pace and health are kept elsewhere; the same methods as `Lanes`."""

    def __init__(
        self,
        link: Link,
        providers: Sequence[Provider],
        *,
        role: str = "teacher",
        clock: Callable[[], float] = time.monotonic,
        **settings: Any,
    ):
        self.link = link
        self.role = role
        self.lanes = [SharedLane(provider, i) for i, provider in enumerate(providers)]
        self.stopped: SftmillError | None = link.stopped
        self._ended = asyncio.Event()
        self._clock = clock
        self._beat: asyncio.TimerHandle | None = None
        self._beat_due = self._lag = 0.0
        self._held = 0
        link.on_stop.append(self._stop)
        link.tell("role", role, tuple(lane.name for lane in self.lanes), settings)

    def try_acquire(self, affinity: str, kind: str, tokens: int = 0) -> None:
        """Return None: a permit is never at hand. Raises what stopped the run."""
        if self.stopped is not None:
            raise self.stopped

    async def acquire(self, affinity: str, kind: str, tokens: int = 0, *, retry: bool = False) -> SharedPermit:
        """Wait for a permit; raises what stopped the run."""
        self.try_acquire(affinity, kind, tokens)
        if len(self.lanes) > 1:  # the keeper tells rows apart by it, and need not know what they say
            affinity = blake2b(affinity.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        else:
            affinity = ""
        number, lane = await self.link.ask("permit", self.role, affinity, kind, tokens, retry)
        self._held += 1
        if self._beat is None:
            self._start_beat()
        return SharedPermit(self.lanes[lane], number, self._clock())

    def _start_beat(self) -> None:
        self._beat_due = self._clock() + BEAT
        self._beat = asyncio.get_running_loop().call_later(BEAT, self._measure)

    def _measure(self) -> None:
        """Measure how late the event loop is; its lag must not pass for a server's queue."""
        self._lag = max(0.0, self._clock() - self._beat_due)
        self._beat = None
        if self._held:
            self._start_beat()

    def sent(self, permit: SharedPermit) -> None:
        """Note that the request goes out now."""
        permit.sent = self._clock()

    def replied(self, permit: SharedPermit, completion_tokens: int, tokens: int) -> None:
        """Note a complete answer; `tokens` is all that it used, prompt included."""
        took = self._clock() - permit.sent
        permit.lane.down = None
        self.link.tell("replied", permit.number, completion_tokens, tokens, took - min(self._lag, 0.8 * took))

    async def failed(self, permit: SharedPermit, error: ModelError, call: int = 0) -> None:
        """Note that no answer came, and why; returns once it is known whether the lane can still be used."""
        try:
            permit.lane.down = await self.link.ask("failed", permit.number, error, f"{self.link.session} {call}")
        except SftmillError as stopped:
            self._stop(stopped)

    def cancelled(self, permit: SharedPermit) -> None:
        """Note that the caller gave up before an answer came."""
        with contextlib.suppress(SftmillError):
            self.link.tell("cancelled", permit.number)

    def release(self, permit: SharedPermit) -> None:
        """Give the place back."""
        self._held -= 1
        with contextlib.suppress(SftmillError):
            self.link.tell("release", permit.number)

    async def rest(self, seconds: float) -> None:
        """Wait before a call is repeated; ends early when nothing more is to be sent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _stop(self, error: SftmillError) -> None:
        if self.stopped is None:
            self.stopped = error
        self._ended.set()

    def stop(self, error: SftmillError) -> None:
        """Send nothing more, in no process of the run."""
        self._stop(error)
        with contextlib.suppress(SftmillError):
            self.link.tell("stop", error)

    @property
    def in_flight(self) -> int:
        """Requests of this process that are under way."""
        return self._held

    @property
    def limit(self) -> int:
        """Known to the keeper alone."""
        return 0

    @property
    def overloads(self) -> int:
        """Known to the keeper alone."""
        return 0

    @property
    def paused(self) -> str | None:
        """Why nothing is sent at the moment."""
        return str(self.stopped) if self.stopped is not None else None

    def close(self) -> None:
        """Stop all timers."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        with contextlib.suppress(ValueError):
            self.link.on_stop.remove(self._stop)


class Reporter:
    """Tells the keeper what the roles of a process have done since it last did so."""

    def __init__(self, link: Link, roles: Mapping[str, Role]):
        self.link = link
        self.roles = roles
        self._told: dict[str, tuple[int, ...]] = {}

    def report(self, progress: Any = None) -> None:
        """Send the differences."""
        figures = {}
        for name, role in self.roles.items():
            now = tuple(getattr(role, figure) for figure in FIGURES)
            before = self._told.get(name, (0,) * len(FIGURES))
            if now != before:
                figures[name] = {f: n - b for f, n, b in zip(FIGURES, now, before, strict=True)}
                self._told[name] = now
        if figures or progress is not None:
            with contextlib.suppress(SftmillError):
                self.link.tell("report", figures, progress)
