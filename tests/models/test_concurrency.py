"""The limiter against simulated servers: discrete events, no clock, the same course every time."""

import heapq
import math
import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.models.cohort import Expectation
from sftmill.models.concurrency import Concurrency


class Simulation:
    """`calls` requests through a limiter to a server that works on `slots` at once, or refuses above `cap`."""

    def __init__(
        self, maximum, calls, *, latency=0.2, sigma=0.0, tail=0.0, slots=None, cap=None, refused=0.0, failed=0.0,
        slower=None, lengths=None, hold=0.004, retry_after=1.0, seed=1, warm_up=0.0,
    ):  # fmt: skip
        self.limiter = Concurrency(maximum)
        self.calls, self.latency, self.sigma, self.tail, self.slots, self.cap = calls, latency, sigma, tail, slots, cap
        self.refused, self.failed, self.slower, self.lengths = refused, failed, slower, lengths
        self.hold, self.retry_after, self.warm_up = hold, retry_after, warm_up
        self.random = random.Random(seed)
        self.events, self.number, self.now = [], 0, 0.0
        self.fresh, self.again = calls, 0
        self.there = self.working = self.most = self.sent = self.refusals = self.done = 0
        self.line = []
        self.paused_until = 0.0
        self.busy_time = 0.0
        self.share = 0.0
        """Mean share of the maximum in flight until 95% were done."""
        self.limits = []

    def after(self, seconds, what, *values):
        self.number += 1
        heapq.heappush(self.events, (self.now + seconds, self.number, what, values))

    def work(self, tokens):
        seconds = self.latency * math.exp(self.random.gauss(0, self.sigma) if self.sigma else 0)
        if self.tail and self.random.random() < self.tail:
            seconds *= 10
        if self.lengths:
            seconds *= tokens / 80
        if self.sent <= 32:
            seconds += self.warm_up
        return seconds * (self.slower(self.there) if self.slower else 1)

    def fill(self):
        while (self.fresh or self.again) and self.limiter.has_room() and self.now >= self.paused_until:
            if self.again:
                self.again -= 1
            else:
                self.fresh -= 1
            self.sent += 1
            tokens = self.lengths(self.sent / self.calls) if self.lengths else 80
            flight = self.limiter.start("step", self.now)
            if (self.cap and self.there >= self.cap) or self.random.random() < self.refused:
                self.after(0.001, "refuse", flight)
            elif self.random.random() < self.failed:
                self.after(0.001, "fail", flight)
            else:
                self.there += 1
                self.most = max(self.most, self.there)
                if self.slots and self.working >= self.slots:
                    self.line.append((flight, tokens))
                else:
                    self.working += 1
                    self.after(self.work(tokens), "finish", flight, tokens)
            assert 1 <= self.limiter.limit <= self.limiter.maximum
            assert self.limiter.flying <= self.limiter.limit
            assert self.limiter.held <= self.limiter.maximum

    def run(self):
        self.fill()
        while self.events:
            time, _, what, values = heapq.heappop(self.events)
            self.busy_time += self.there * (time - self.now)
            self.now = time
            getattr(self, what)(*values)
            self.fill()
            if not self.limits or self.limits[-1] != self.limiter.limit:
                self.limits.append(self.limiter.limit)
        assert self.done == self.calls and self.limiter.held == self.limiter.flying == 0
        return self

    def finish(self, flight, tokens):
        self.there -= 1
        self.working -= 1
        self.done += 1
        if self.line:
            following, length = self.line.pop(0)
            self.working += 1
            self.after(self.work(length), "finish", following, length)
        self.limiter.finish(flight, self.now, tokens)
        self.after(self.hold * (1 + self.random.random()), "release")
        if self.done == int(0.95 * self.calls):
            self.share = self.busy_time / self.now / self.limiter.maximum

    def release(self):
        self.limiter.release()

    def refuse(self, flight):
        self.refusals += 1
        self.limiter.overload(flight, self.now)
        self.limiter.release()
        self.after(self.retry_after * (1 + 0.1 * self.random.random()), "repeat")
        if pause := self.limiter.pauses_for:
            self.limiter.pauses_for = 0.0
            self.paused_until = self.now + pause
            self.after(pause + 1e-6, "wake")

    def fail(self, flight):
        self.limiter.fail(flight, self.now)
        self.limiter.release()
        self.after(0.25 * self.random.random(), "repeat")

    def repeat(self):
        self.again += 1

    def wake(self):
        pass


SEEDS = range(6)


def test_an_unlimited_server_is_kept_busy_although_its_latencies_scatter():
    runs = [Simulation(256, 20000, sigma=0.6, tail=0.01, seed=seed).run() for seed in SEEDS]
    assert median(run.share for run in runs) >= 0.95
    assert all(run.limiter.limit == 256 for run in runs)


def test_all_slots_are_in_use_within_a_few_round_trips():
    run = Simulation(256, 10000, latency=0.2).run()
    assert run.limits[:4] == [32, 64, 128, 256]
    assert run.share >= 0.9


@pytest.mark.parametrize("sigma", [0.0, 0.3])
@pytest.mark.parametrize("latency", [0.05, 1.0])
def test_a_queueing_server_gets_all_it_can_work_on_and_no_long_queue(sigma, latency):
    for seed in SEEDS:
        run = Simulation(500, 4000, slots=64, latency=latency, sigma=sigma, hold=0.001, seed=seed).run()
        ideal = 4000 * latency * math.exp(sigma * sigma / 2) / 64
        assert run.most <= 128
        assert ideal / run.now >= 0.94


@pytest.mark.parametrize("warm_up", [0.03, 0.06, 0.1])
def test_first_calls_that_are_slow_because_they_connect_do_not_hide_a_queue(warm_up):
    result = Simulation(500, 6000, latency=0.1, slots=64, warm_up=warm_up).run()
    assert result.most <= 128


def test_a_server_with_a_cap_is_used_up_to_it_and_seldom_beyond():
    for latency, calls in ((0.5, 2000), (0.05, 6000)):
        for seed in SEEDS:
            run = Simulation(500, calls, cap=50, latency=latency, seed=seed).run()
            assert run.now <= 1.3 * calls * latency / 50
            assert run.refusals <= 0.03 * run.sent


def test_a_tiny_cap_is_found_as_well():
    run = Simulation(256, 600, cap=3, latency=0.2).run()
    assert run.limiter.limit in (3, 4)
    assert run.now <= 1.4 * 600 * 0.2 / 3


@pytest.mark.parametrize("refused", [0.01, 0.05, 0.15])
def test_refusals_that_are_not_about_the_number_in_flight_do_not_stop_growth(refused):
    runs = [Simulation(256, 10000, latency=0.1, refused=refused, failed=0.03, seed=seed).run() for seed in SEEDS]
    faultless = Simulation(256, 10000, latency=0.1).run()
    assert median(run.now for run in runs) <= 2 * faultless.now + 5
    assert max(run.now for run in runs) <= 8 * faultless.now + 5


def test_faults_of_a_few_percent_do_not_lower_the_limit():
    run = Simulation(128, 5000, latency=0.1, failed=0.05).run()
    assert run.limiter.limit == 128
    assert min(run.limits) == 32


def test_a_server_that_only_fails_is_asked_less():
    limiter = Concurrency(64)
    now = 0.0
    for _ in range(40):
        flights = []
        while limiter.has_room():
            flights.append(limiter.start("step", now))
        now += 0.1
        for flight in flights:
            limiter.fail(flight, now)
            limiter.release()
    assert limiter.limit <= 4


def test_longer_answers_are_no_queue():
    # the second half of the answers has four times the tokens, and takes four times as long
    lengths = lambda part: 40 if part < 0.5 else 160  # noqa: E731
    for seed in SEEDS:
        run = Simulation(256, 12000, latency=0.2, sigma=0.2, lengths=lengths, seed=seed).run()
        assert run.limiter.limit == 256


def test_a_batch_server_that_slows_down_slowly_is_used_well():
    # 64 in flight make it half as fast each: half of what it can do at most is reached at 64, two thirds at 128
    run = Simulation(500, 6000, latency=1.0, sigma=0.2, slower=lambda there: 1 + there / 64).run()
    assert 70 <= run.limiter.limit <= 400


def test_without_enough_to_do_the_limit_stays():
    limiter = Concurrency(256)
    now = 0.0
    for _ in range(500):
        flights = [limiter.start("step", now) for _ in range(4)]
        now += 0.1
        for flight in flights:
            limiter.finish(flight, now, 10)
            limiter.release()
    assert limiter.limit == 32


def test_a_lone_caller_is_never_held_back():
    limiter = Concurrency(1)
    for i in range(300):
        assert limiter.has_room()
        flight = limiter.start("step", float(i))
        if i % 10 == 3:
            limiter.overload(flight, i + 0.5)
        else:
            limiter.finish(flight, i + 0.5, 10)
        limiter.release()
    assert limiter.limit == 1


def test_an_expectation_follows_the_number_of_tokens():
    expectation = Expectation()
    for i in range(100):
        tokens = 10 + i
        expectation.learn(tokens, 0.5 + 0.01 * tokens)
    assert expectation.of(200) == pytest.approx(2.5, rel=0.02)
    assert expectation.of(0) == pytest.approx(0.5, rel=0.02)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "finish", "overload", "fail", "cancel", "release"]),
        st.floats(0, 3),
        st.integers(0, 500),
    ),
    max_size=400,
)


@settings(deadline=None)
@given(st.integers(1, 300), EVENTS)
def test_whatever_happens_the_limit_stays_in_bounds(maximum, events):
    limiter = Concurrency(maximum)
    now, flying, back = 0.0, [], 0
    for what, seconds, number in events:
        now += seconds
        if what == "start":
            for _ in range(number % 40):
                if limiter.has_room():
                    flying.append(limiter.start(f"kind {number % 3}", now))
        elif what == "release":
            for _ in range(back):
                limiter.release()
            back = 0
        elif flying:
            flight = flying.pop(number % len(flying))
            back += 1
            if what == "finish":
                limiter.finish(flight, now, number)
            elif what == "cancel":
                limiter.cancel(flight)
            else:
                getattr(limiter, what)(flight, now)
        assert 1 <= limiter.limit <= maximum
        assert limiter.flying == len(flying)
        assert limiter.held == len(flying) + back <= maximum


@given(st.integers(1, 64), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_every_call_is_answered_whatever_the_server_does(cap, seed):
    chance = random.Random(seed)
    Simulation(
        64, 300, cap=cap, latency=chance.choice([0.01, 0.2, 2.0]), sigma=chance.choice([0, 0.6]),
        slots=chance.choice([None, 5, 30]), refused=chance.choice([0, 0.05, 0.3]), failed=chance.choice([0, 0.1]),
        seed=seed,
    ).run()  # fmt: skip
