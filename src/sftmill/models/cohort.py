"""What the limiter measures: requests on their way, cohorts of them, and how long they should take."""

import math

QUANTILE = 0.6
"""Latency at this quantile stands for a cohort: above the half, so that a server that starts half
of a burst at once and queues the other half is noticed, and low enough to be known early."""


class Flight:
    """One request on its way."""

    __slots__ = ("cohort", "kind", "started")

    def __init__(self, kind: str, started: float, cohort: "Cohort | None"):
        self.kind = kind
        self.started = started
        self.cohort = cohort


class Cohort:
    """The first requests sent under a limit, whose latency is judged at the quantile .6.

    Those are the first `size` from `begins` on, and all others up to `closes`.
    """

    __slots__ = ("_look", "begins", "closes", "last", "most", "samples", "sent", "size")

    def __init__(self, size: int, begins: float, closes: float = 0.0):
        self.size = size
        self.begins = begins
        self.closes = closes
        self.sent = 0
        self.last = 0.0
        self.most = 0
        self.samples: list[tuple[str, int, float]] = []
        self._look = 0.0

    def takes(self, now: float, flying: int) -> bool:
        """Take a request sent now in, and tell so, if it belongs here; `flying` are in flight with it."""
        if now < self.begins or (self.sent >= self.size and now >= self.closes):
            return False
        self.sent += 1
        self.last = now
        if flying > self.most:
            self.most = flying
        return True

    def lost(self) -> None:
        """Take a request out that was not answered."""
        self.size -= 1
        self.sent -= 1

    def full(self, now: float) -> bool:
        """Tell whether the quantile is known: every request not answered by now has waited longer than that."""
        if now < self._look or self.sent < self.size or now < self.closes:
            return False
        rank = math.ceil(QUANTILE * self.sent)
        if len(self.samples) < max(rank, 1):
            return False
        self._look = self.last + sorted(latency for _, _, latency in self.samples)[max(rank, 1) - 1]
        return now >= self._look


class Expectation:
    """How long a kind of call takes at first: a line over the generated tokens, frozen after 400 calls."""

    __slots__ = ("_n", "_t", "_tt", "_x", "_xt", "base", "slope")

    def __init__(self) -> None:
        self._n = self._t = self._x = self._tt = self._xt = 0.0
        self.base = 0.0
        self.slope = 0.0

    def learn(self, tokens: int, latency: float) -> None:
        """Take one answered call into account."""
        if self._n >= 400:
            return
        if self._n >= 16:  # a tail of slow answers must not tilt the line
            latency = min(latency, 4 * (self.base + self.slope * tokens))
        self._n += 1
        self._t += tokens
        self._x += latency
        self._tt += tokens * tokens
        self._xt += tokens * latency
        mean_t, mean_x = self._t / self._n, self._x / self._n
        spread = self._tt / self._n - mean_t * mean_t
        slope = 0.0
        if self._n >= 16 and spread > 0.01 * mean_t * mean_t:
            slope = max(0.0, (self._xt / self._n - mean_t * mean_x) / spread)
            slope = min(slope, mean_x / mean_t)
        self.slope = slope
        self.base = max(mean_x - slope * mean_t, 0.0)

    def of(self, tokens: int) -> float:
        """Return the seconds expected for so many generated tokens."""
        return max(self.base + self.slope * tokens, 1e-4)
