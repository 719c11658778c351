"""Finds how many requests one provider should have at a time; pure arithmetic, the time is handed in.

Two kinds of servers have to be told apart. Some answer 429 when they have enough: then the slot
that was refused is taken away, and tried again later and rarely. Others (vLLM) never refuse but
queue: then latency rises and goodput does not. Goodput is never counted but derived from
latency by Little's law (goodput = in flight / time in the system), because a median of latencies is
far less noisy than a count of completions.

Latencies are compared cohort by cohort: the first n requests sent under a limit, compared with
those sent under the limit before. Longer answers must not look like a queue, so every latency is
divided by what its kind of call with so many generated tokens took at first.

Growth doubles as long as a doubled limit brings at least a third of what it should bring. Then
it goes on in measured steps, up by a quarter and down by a fifth, with growing rests between them.
"""

import math

from sftmill.models.cohort import QUANTILE, Cohort, Expectation, Flight

START = 32
"""Requests in flight at first; enough to learn the latency, and few enough for a small server."""
STEP_UP = 1.25
STEP_DOWN = 0.8
KEEP_SHARE = 1 / 3
"""A larger limit is kept when it brings at least this share of the proportional gain."""
DOUBTFUL = 1.3, 1.75
"""A doubled limit with latencies so many times higher is watched a second time before it is judged."""
FASTER = 0.85
"""Latency under a doubled limit, relative to before, below which the earlier one is no measure of the server."""
HOLDS = 0.96
"""A smaller limit is kept when it has at least this share of the goodput."""
QUEUEING = 1.5
"""Latency relative to that at low load from which on a smaller limit is tried."""
SHORTEST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds between two measured steps; doubled after each that brought nothing."""
NORMAL_SPREAD = 1.095
"""Distance between the quantiles .2 and .6 of a normal distribution, in standard deviations."""


class Concurrency:
    """The limit of one provider, from 1 to `maximum`.

    Ask `has_room()`, then call `start` for every request, one of `finish`, `overload` or `fail`
    when it comes back, and `release` when the answer is safe on disk. `limit` bounds the requests that the
    server has (`flying`); those and the answers not yet safe (`held`) stay below one and a half times
    that, and never exceed `maximum`: a process that is killed has at most so much to ask again.
    """

    def __init__(self, maximum: int, start: int = START):
        self.maximum = maximum
        self.limit = min(start, maximum)
        self.held = 0
        self.flying = 0
        self.latency = 0.0
        """Recent mean seconds from request to answer."""
        self.mode = "start"
        self.pauses_for = 0.0
        """Seconds that the whole lane should pause, set when nearly everything is refused; the caller clears it."""
        self._expected: dict[str, Expectation] = {}
        self._first: Cohort | None = Cohort(self.limit, 0.0)
        self._cohort = self._first
        self._watched: float | None = None
        self._low = 0.0
        self._before = 0.0
        self._sigma = 0.6
        self._old_limit = self.limit
        self._rest = SHORTEST_REST
        self._next_step = 0.0
        self._next_up = True
        self._step = STEP_UP
        # replies since the window began, and what is known about refusals that have nothing to do with the limit
        self._window_ends = 0.0
        self._ok = self._over = self._failed = 0
        self._cut_share = 0.0
        self._uncut = 0
        self._resumes = "start"
        self._background = 0.0
        self._credit = 0.0
        self._quiet = 0
        self._peak = 0
        self._refused_windows = 0

    # Slots ---------------------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Tell whether one more request may be sent."""
        limit = self.limit
        return self.flying < limit and self.held < self.maximum and self.held <= limit + limit // 2

    def start(self, kind: str, now: float) -> Flight:
        """Take a slot for a request of this kind (step and role, say), sent at `now`."""
        self.held += 1
        self.flying += 1
        if self.flying > self._peak:
            self._peak = self.flying
        cohort = self._cohort
        if cohort.takes(now, self.flying):
            return Flight(kind, now, cohort)
        return Flight(kind, now, None)

    def release(self) -> None:
        """Note that the answer is safe, or that there will be none."""
        self.held -= 1

    def finish(self, flight: Flight, now: float, tokens: int) -> None:
        """Note that the answer came, with so many generated tokens."""
        self.flying -= 1
        latency = now - flight.started
        self.latency += (0.05 if self.latency else 1.0) * (latency - self.latency)
        self._ok += 1
        if self._background:
            self._credit = min(self._credit + 1.5 * self._background, 8 + 0.05 * self.limit)
        if (cohort := flight.cohort) is not None:
            cohort.samples.append((flight.kind, tokens, latency))
            if (
                cohort is self._first is self._cohort
                and 8 * len(cohort.samples) >= cohort.sent
                and cohort.most >= 0.9 * self.limit
                and self.limit < self.maximum
            ):
                # a few answers are there and nothing was refused: the second burst need not wait for the rest
                self._double(now)
        elif self.mode == "hold":
            self._learn(flight.kind, tokens, latency)
        if self._cohort.full(now):
            self._judge(self._cohort, now)
        if now >= self._window_ends:
            self._close_window(now)
        if now >= self._next_step and self.mode == "hold":
            self._step_now(now)

    def cancel(self, flight: Flight) -> None:
        """Note that the request was given up before it was answered."""
        self.flying -= 1
        if flight.cohort is not None and flight.cohort is self._cohort:
            flight.cohort.lost()

    def fail(self, flight: Flight, now: float) -> None:
        """Note a fault of the server that says nothing about its load."""
        self.cancel(flight)
        self._failed += 1
        if now >= self._window_ends:
            self._close_window(now)

    def overload(self, flight: Flight, now: float) -> None:
        """Note that the server asked for less."""
        self.cancel(flight)
        self._over += 1
        if self._credit >= 1:
            self._credit -= 1
        elif self._over > 1 or self.limit < 8:  # one in a hundred replies is no reason to do with less
            # the slot that was refused does not exist
            if not self._uncut:
                self._uncut, self._resumes = self.limit, self.mode
            self.limit = max(1, min(self.limit, self._peak) - 1)
            self._peak = min(self._peak, self.limit)
            if not self._background:
                self._back_off(now)
        if now >= self._window_ends:
            self._close_window(now)

    # Growing and shrinking -----------------------------------------------------------------------

    def _learn(self, kind: str, tokens: int, latency: float) -> None:
        expected = self._expected.get(kind)
        if expected is None:
            expected = self._expected[kind] = Expectation()
        expected.learn(tokens, latency)

    def _typical(self, cohort: Cohort) -> float:
        """Return the cohort's latency relative to what was expected, at the quantile .6."""
        for sample in cohort.samples:
            if sample[0] not in self._expected:
                self._learn(*sample)
        ratios = sorted(latency / self._expected[kind].of(tokens) for kind, tokens, latency in cohort.samples)
        rank = min(max(math.ceil(QUANTILE * cohort.sent), 1), len(ratios))
        typical = ratios[rank - 1]
        low = ratios[max(0, round(0.2 * cohort.sent) - 1)]
        if low > 0 and cohort.sent >= 16:
            self._sigma = min(1.5, math.log(max(typical / low, 1.0)) / NORMAL_SPREAD)
        return max(typical, 1e-6)

    def _cohort_size(self) -> int:
        # so many that the error of a comparison is 3.5%, and a step of a quarter stands out from the noise; and more
        # than one round, because answers that come in step with each other take turns in being early
        return round(max(min(2600 * self._sigma * self._sigma, 1000, 12 * self.limit), 1.5 * self.limit, 32))

    def _double(self, now: float) -> None:
        self._old_limit = self.limit
        self.limit = min(self.maximum, 2 * self.limit)
        self._cohort = Cohort(self.limit - self._old_limit, now, now + self.latency / 8)

    def _judge(self, cohort: Cohort, now: float) -> None:
        if cohort.most < 0.9 * self.limit and self.mode != "hold":
            # there was not enough to do: nothing is learned about a larger limit
            self._restart(now)
            return
        if self.mode == "start":
            if self._first is not None:
                if not self._first.full(now):
                    return
                for sample in self._first.samples:
                    self._learn(*sample)
                self._low = self._before = self._typical(self._first)
                self._first = None
            self._judge_start(cohort, now)
        elif self.mode == "hold":
            self._before = self._typical(cohort)
            self._low = min(self._low or self._before, max(self._before, 0.9 * self._low))
            self._cohort = Cohort(self._cohort_size(), now)
        else:
            self._judge_step(self._typical(cohort), now)

    def _judge_start(self, cohort: Cohort, now: float) -> None:
        typical = self._typical(cohort)
        if not self._before:  # refusals came in between, so that there is nothing to compare with
            self._before = self._low = typical
        if self._watched is not None:
            typical = (self._watched + 2 * typical) / 3
        slower = typical / self._before
        if self._watched is None and DOUBTFUL[0] < slower < DOUBTFUL[1]:
            self._watched = typical
            self._cohort = Cohort(cohort.size, now, now + self.latency / 2)
            return
        self._watched = None
        if 2 / slower >= 1 + KEEP_SHARE or self.limit <= self._old_limit:
            for sample in cohort.samples:
                self._learn(*sample)
            if slower < FASTER:  # the first calls were slow for reasons of their own, such as connecting
                self._before = self._low = self._typical(cohort)  # by what has just been learnt
            elif slower < 1.2:  # the same to all appearance; together the cohorts are less noisy
                self._before = self._low = (self._before + typical) / 2
            else:
                self._before = typical
            if self.limit < self.maximum:
                self._double(now)
            else:
                self._settle(now)
        else:
            # what the server worked on, and a little more so that it never waits for us
            share = max(self.limit / slower * 1.15, self._old_limit if slower < 2 else 1)
            self.limit = max(1, min(round(share), self.limit))
            self._settle(now)

    def _settle(self, now: float, small: bool = False) -> None:
        """Hold the limit for a rest; `small` makes the next steps up small ones."""
        self.mode = "hold"
        self._first = None
        self._step = 1 + max(0.03, 1 / max(self.limit, 1)) if small else STEP_UP
        self._next_up = True
        self._rest = max(self._rest, SHORTEST_REST, 4 * self.latency)
        self._next_step = now + self._rest
        self._before = 0.0
        self._watched = None
        self._cohort = Cohort(self._cohort_size(), now + self.latency)

    def _back_off(self, now: float) -> None:
        """Stop growing for a rest, and go on in small steps."""
        if self.mode != "hold":
            self._settle(now, small=True)
        self._step = 1 + max(0.03, 1 / self.limit)
        self._next_step = now + max(self._rest, 4 * self.latency)

    def _restart(self, now: float) -> None:
        if self.mode in ("up", "down"):
            self.limit = self._old_limit
            self.mode = "hold"
            self._next_step = now + self._rest
        self._cohort = Cohort(max(self._cohort.size, 8), now)

    def _step_now(self, now: float) -> None:
        if not self._before or max(self._peak, self.flying) < 0.9 * self.limit:
            return
        queueing = self._before / self._low > QUEUEING
        if self.limit < self.maximum and (self._next_up or not queueing):
            self._old_limit = self.limit
            self.mode = "up"
            self.limit = min(self.maximum, max(self.limit + 1, round(self.limit * self._step)))
        elif queueing and self.limit > 1:
            self._old_limit = self.limit
            self.mode = "down"
            self.limit = max(1, int(self.limit * STEP_DOWN))
        else:
            self._next_step = now + self._rest
            self._next_up = True
            return
        # one latency for what was sent under the old limit to leave
        self._cohort = Cohort(self._cohort_size(), now + max(self.latency, 0.0))

    def _judge_step(self, typical: float, now: float) -> None:
        ratio = self.limit / self._old_limit
        goodput = ratio * self._before / typical
        if self.mode == "up":
            # steps of a few percent drown in noise: those are kept unless something was refused
            kept = goodput >= 1 + (ratio - 1) * KEEP_SHARE or (ratio < 1.1 and goodput > 0.9)
            if ratio > 1.2 and goodput >= 1 + (ratio - 1) * 0.75 and self.limit < self.maximum:
                # nearly all of the gain: the server is far from its limit, and doubling is quicker
                self.mode = "start"
                self._before = self._low = typical
                self._double(now)
                return
            if kept:
                self._step = min(STEP_UP, 1 + 2 * (self._step - 1))
        else:
            kept = goodput >= HOLDS
            if not kept:
                # slower than at first, but not because of us
                self._low = max(self._low, self._before / 1.2)
        if kept:
            self._before = typical
            self._rest = SHORTEST_REST
            self._next_up = self.mode == "up"
        else:
            self.limit = self._old_limit
            self._before = 0.0
            self._rest = min(LONGEST_REST, 2 * self._rest)
            self._next_up = self.mode != "up"
        self.mode = "hold"
        self._next_step = now + max(self._rest, 4 * self.latency) * (0.25 if kept else 1)
        self._cohort = Cohort(self._cohort_size(), now + self.latency)

    # Refusals ------------------------------------------------------------------------------------

    def _close_window(self, now: float) -> None:
        """Once a latency: look at the shares of refused and failed requests."""
        replies = self._ok + self._over + self._failed
        if replies < 100 and now < self._window_ends + max(20 * self.latency, 1.0):
            return
        share = self._over / replies if replies else 0.0
        if self._failed > 0.5 * replies and replies >= 8:
            self.limit = max(1, self.limit // 2)
            self._settle(now)
        self._refused_windows = self._refused_windows + 1 if share > 0.5 else 0
        if self._refused_windows >= 2 or (share > 0.5 and self.limit == 1):
            self.pauses_for = min(60.0, 2.0 ** max(self._refused_windows - 2, 0))
        if self._background:
            if self._over >= 3 and share > 2 * self._background + 0.02:
                self._background = 0.0
                self._back_off(now)
            else:
                self.limit = max(self.limit, self._uncut)
                self._background += min(0.1, replies / 1000) * (min(share, 2 * self._background) - self._background)
                if self._background < 1e-3:
                    self._background = 0.0
            self._uncut = 0
        elif self._over < 3:
            self._quiet += self._over < 2
            if self._quiet >= 3:
                self._cut_share = 0.0
                self._uncut = 0
        elif self._uncut and not self._cut_share:
            self._cut_share = share
            self._quiet = 0
            self._rest = min(LONGEST_REST, max(2.0, 2 * self._rest))
        elif (
            share <= 0.25
            and self._cut_share <= 0.25
            and self.limit <= (0.95 if share >= 0.5 * self._cut_share else 0.5) * self._uncut
        ):
            # fewer requests in flight and as many refusals: these are not about the number in flight
            self._background = (share + self._cut_share) / 2
            self._credit = 4.0
            self.limit = max(self.limit, self._uncut)
            self._cut_share = 0.0
            self._uncut = self._quiet = 0
            self._rest = SHORTEST_REST
            self._settle(now)
            self._before = self._low = 0.0
            if self._resumes == "start":
                self.mode = "start"
                self._old_limit = self.limit
                self._cohort = Cohort(max(8, self.limit), now)
        self._ok = self._over = self._failed = 0
        self._peak = self.flying
        self._window_ends = now + min(max(self.latency, 0.02), 30.0)
