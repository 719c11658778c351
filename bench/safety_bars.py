"""The bars about safety: killed at any moment, faults of the server, a budget that holds."""

import random
import time
from contextlib import suppress

from common import Result, say
from endpoint import Mock
from processes import Program
from speed_bars import Setting, checked, last_line, missing
from workload import Job

KILLS = 10


def kill9(setting: Setting) -> Result:
    """Kill a run of 2,000 rows ten times, give the same command again each time, and look for lost and doubled rows.

    One kill falls into the start-up, one behind the last answer, where shards and exports are
    written, and eight at random between. What is in flight at a kill is what this start has sent
    and does not have in the ledger, so every call that was sent twice must have been in flight once.
    """
    rows, most = 2_000, 64
    chance = random.Random(7)
    moments = sorted(chance.randrange(20, rows - 20) for _ in range(KILLS - 2))
    say(f"kill9: {rows:,} rows, killed {KILLS} times")
    flights: list[int] = []
    with Mock(setting.mock, latency_ms=60) as mock:
        job = Job(setting.room("kill"), rows, mock.url, concurrency=most)
        job.steps.append({"export": {}})
        job.write()
        for moment in [0, *moments, rows]:
            before = mock.stats()["total"] - job.durable_answers()
            program = job.start(every=10)
            wait_for(program, mock, moment)
            time.sleep(chance.uniform(0, 0.06 if moment else 0.8) if moment < rows else chance.uniform(0, 0.03))
            with suppress(ProcessLookupError):
                program.kill()
            usage = program.wait()
            if usage.status >= 0:
                say(f"kill9: the run had ended with status {usage.status} before kill number {len(flights) + 1}")
            time.sleep(0.05)  # requests that were in the sockets reach the mock
            flights.append(mock.stats()["total"] - job.durable_answers() - before)
        usage = checked(job.run())
        stats = mock.stats()
    found, exported = job.numbers(), job.exported()
    lost = 2 * rows - len(set(found)) - len(set(exported))
    doubled = len(found) - len(set(found)) + len(exported) - len(set(exported))
    twice = stats["total"] - stats["unique"]
    broken = []
    if lost:
        broken.append(f"{lost} rows lost")
    if doubled:
        broken.append(f"{doubled} rows doubled")
    if max(flights) > most:
        broken.append(f"{max(flights)} in flight at a kill, though {most} are allowed")
    if stats["unique"] != rows:
        broken.append(f"{stats['unique']:,} different calls for {rows:,} rows")
    return Result(
        "kill9",
        twice,
        sum(flights),
        peer="curator 44, Data Designer 1,004",
        broken=", ".join(broken),
        note=f"{lost} lost, {doubled} doubled, {twice} calls sent twice; in flight at the kills: "
        f"{', '.join(map(str, flights))} ({most} allowed each)",
    )


def wait_for(program: Program, mock: Mock, answers: int) -> None:
    """Wait until the mock has answered so many different calls, or the program has ended."""
    while answers and program.running() and mock.stats()["ok_unique"] < answers:
        time.sleep(0.002)


FAULTS = {"p_429": 0.05, "p_500": 0.03, "p_malformed": 0.01, "p_reset": 0.005, "p_hang": 0.002}


def faults(setting: Setting) -> Result:
    """Time with one call in ten going wrong, less one time-out, over the time without; all rows must be answered."""
    rows, timeout = (10_000 if setting.full else 2_500), 5
    say(f"faults: {rows:,} rows without faults, then with 5% 429, 3% 500, 1% malformed, 0.5% reset, 0.2% hang")
    seconds = []
    for options in ({}, FAULTS):
        with Mock(setting.mock, latency_ms=100, **options) as mock:
            job = Job(setting.room("faults"), rows, mock.url, concurrency=128, timeout=timeout)
            usage = checked(job.run())
            stats = mock.stats()
        seconds.append(usage.seconds)
    without, with_faults = seconds
    kinds = ", ".join(f"{count} {kind}" for kind, count in stats["faults"].items() if count)
    return Result(
        "faults",
        max(0.0, with_faults - timeout) / without,
        2.0,
        unit="x",
        raw=f"{without:.1f}s faultless",
        peer="distilabel loses 42%",
        broken=missing(rows, len(set(job.numbers()))),
        note=f"{with_faults:.1f} s, of which {timeout} s are one time-out; met {kinds}; {stats['total']:,} calls",
    )


def budget_stop(setting: Setting) -> Result:
    """Tokens beyond a cap that is reached with up to 500 calls in flight; then the cap is raised and the run ends."""
    rows, most = (5_000 if setting.full else 3_500), 500
    say(f"budget_stop: {rows:,} rows, a cap at 60% of their tokens, {most} in flight")
    with Mock(setting.mock, latency_ms=200) as mock:
        job = Job(setting.room("budget"), rows, mock.url, [{"respond": {"max_tokens": 100}}], concurrency=most)
        cap = rows * 166 * 6 // 10  # the mock counts 166 tokens for each of these calls
        job.write(budget={"tokens": cap})
        first = job.run()
        stats = mock.stats()
        spent = stats["prompt_tokens"] + stats["completion_tokens"]
        answered, in_flight = stats["ok"], stats["max_inflight"]
        job.write(budget={"tokens": 10 * cap})
        second = job.run()
        stats = mock.stats()
    broken = []
    if first.status != 2 or "budget" not in first.errors:
        broken.append(f"the first run ended with status {first.status}: {last_line(first.errors)}")
    if answered == 0:
        broken.append("nothing was answered before the stop")
    if second.status != 0:
        broken.append(f"with a raised cap it ended with status {second.status}: {last_line(second.errors)}")
    if second.status == 0 and (gap := missing(rows, len(set(job.numbers())))):
        broken.append(gap)
    if stats["duplicate"]:
        broken.append(f"{stats['duplicate']} calls were made twice")
    return Result(
        "budget_stop",
        max(0, spent - cap),
        0,
        peer="nobody has one",
        broken="; ".join(broken),
        note=f"{spent:,} of {cap:,} tokens spent ({spent / cap:.1%}) by {answered:,} answers, {in_flight} in flight at "
        f"most; then {rows:,} rows with {stats['duplicate']} calls made twice",
    )
