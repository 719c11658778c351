"""One endpoint and key: its pace, its token buckets, its health and the calls that wait for it."""

import asyncio
from collections import deque
from hashlib import blake2b

from sftmill.errors import AccountError
from sftmill.models.client import Provider
from sftmill.models.cohort import Flight
from sftmill.models.concurrency import Concurrency

FIRST_PROBE = 0.5
"""Seconds until a lane that is down is tried again; doubled after each try."""


class Bucket:
    """A token bucket that lets a burst of one second through and may go into debt.

    Debt makes a request that is larger than the burst possible, and later ones wait for it.
    """

    __slots__ = ("_at", "level", "rate", "size")

    def __init__(self, per_minute: int, now: float):
        self.rate = per_minute / 60
        self.size = max(1.0, self.rate)
        self.level = self.size
        self._at = now

    def wait(self, now: float) -> float:
        """Return the seconds until something may be taken, 0 when at once."""
        self.level = min(self.size, self.level + (now - self._at) * self.rate)
        self._at = now
        least = min(1.0, self.size)
        return 0.0 if self.level >= least - 1e-9 else (least - self.level) / self.rate

    def take(self, amount: float) -> None:
        """Take an amount out; a negative one gives back."""
        self.level = min(self.size, self.level - amount)


class Permit:
    """The right to send one request on a lane."""

    __slots__ = ("flight", "lane", "probe", "tokens")

    def __init__(self, lane: "Lane", flight: Flight, tokens: int, probe: bool):
        self.lane = lane
        self.flight = flight
        self.tokens = tokens
        self.probe = probe


class Lane:
    """One provider with its limiter, its buckets, its health and the calls that wait for it."""

    def __init__(self, provider: Provider, number: int, maximum: int, rpm: int | None, tpm: int | None, now: float):
        self.provider = provider
        self.number = number
        self.name = getattr(provider, "name", type(provider).__name__)
        self.salt = blake2b(f"{self.name} {number}".encode(), digest_size=16).digest()
        self.concurrency = Concurrency(maximum)
        self.requests = Bucket(rpm, now) if rpm else None
        self.tokens = Bucket(tpm, now) if tpm else None
        self.queue: deque[Waiter] = deque()
        self.blocked_until = 0.0
        self.out: AccountError | None = None
        """Set once no call of this key can succeed any more."""
        self.down: str | None = None
        """Why the lane cannot be used at the moment."""
        self.next_probe = 0.0
        self.probing: Permit | None = None
        self.probe_pause = FIRST_PROBE
        self.misses = 0
        self.missed: set[int] = set()
        self.overloads = 0
        self.timer: asyncio.TimerHandle | None = None

    def wait(self, now: float) -> float:
        """Return the seconds until this lane can take a call; 0 now, infinite when a slot must come free."""
        if self.out is not None:
            return float("inf")
        if self.down is not None:
            return float("inf") if self.probing is not None else max(0.0, self.next_probe - now)
        if not self.concurrency.has_room():
            return float("inf")
        seconds = self.blocked_until - now if self.blocked_until > now else 0.0
        if self.requests is not None:
            seconds = max(seconds, self.requests.wait(now))
        if self.tokens is not None:
            seconds = max(seconds, self.tokens.wait(now))
        return seconds

    def load(self) -> float:
        """Return how full the lane is, 1 = its limit."""
        return (self.concurrency.held + len(self.queue)) / self.concurrency.limit


class Waiter:
    """A call in a waiting line; its future gets the permit."""

    __slots__ = ("future", "kind", "tokens")

    def __init__(self, future: asyncio.Future, kind: str, tokens: int):
        self.future = future
        self.kind = kind
        self.tokens = tokens
