"""The bars about speed: CPU, rate, keeping the server busy, finding its limit, start-up, memory, lag of the loop."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import BENCH, Result, say, usable_cores
from endpoint import InFlight, Mock
from processes import Usage, run
from workload import Job, own_step, write_prompts

LATENCY_MS = 20
IN_FLIGHT = 256


@dataclass
class Setting:
    """What all bars work with."""

    mock: Path
    """The mock endpoint's binary."""
    folder: Path
    full: bool = False
    shared: dict[str, Any] = field(default_factory=dict)
    """Runs that several bars look at, by name."""
    starts: list[float] = field(default_factory=list)
    """Seconds from the command to the first request, of every run that did not share the machine with another."""

    def room(self, name: str) -> Path:
        """Return a new folder's path."""
        number = sum(1 for _ in self.folder.glob(f"{name}-*"))
        return self.folder / f"{name}-{number}"


def run_alone(setting: Setting, job: Job, mock: Mock) -> tuple[Usage, dict[str, Any]]:
    """Run a job while nothing else is measured; return what it took and the mock's counters."""
    usage = checked(job.run())
    stats = mock.stats()
    setting.starts.append(stats["first_request_unix"] - usage.started)
    return usage, stats


def checked(usage: Usage) -> Usage:
    """Return the usage of a run that was to end well; raises RuntimeError with its last word otherwise."""
    if usage.status != 0:
        raise RuntimeError(f"sftmill ended with status {usage.status}: {last_line(usage.errors)}")
    return usage


def last_line(text: str) -> str:
    """Return the last line of what a program said, cut to a readable length."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


# CPU and rate --------------------------------------------------------------------------------------


def raw_loop(setting: Setting, mock: Mock, rows: int) -> tuple[float, float]:
    """Return (rows a second, CPU seconds per 1,000 rows) of the bare loop."""
    folder = setting.room("raw")
    folder.mkdir()
    prompts = write_prompts(folder / "prompts.jsonl", rows)
    command = [sys.executable, str(BENCH / "raw_loop.py"), mock.url, str(prompts), str(rows), str(IN_FLIGHT)]
    mock.reset()
    usage = run(command, folder)
    if usage.status != 0:
        raise RuntimeError(f"the raw loop failed: {last_line(usage.errors)}")
    stats = mock.stats()
    mock.reset()
    return stats["ok"] / stats["active_s"], json.loads(usage.output)["cpu"] / rows * 1000


def one_prompt(setting: Setting) -> dict[str, Any]:
    """Run 10,000 rows through one prompt, with the raw loop before and after; done once for several bars."""
    if found := setting.shared.get("one_prompt"):
        return found
    rows = 10_000
    with Mock(setting.mock, latency_ms=LATENCY_MS) as mock:
        say(f"one prompt: raw loop, then sftmill with {rows:,} rows, then the raw loop again")
        before = raw_loop(setting, mock, 4_000)
        job = Job(setting.room("one-prompt"), rows, mock.url, concurrency=IN_FLIGHT)
        usage, stats = run_alone(setting, job, mock)
        after = raw_loop(setting, mock, 4_000)
    found = {
        "rows": rows,
        "usage": usage,
        "stats": stats,
        "answered": len(set(job.numbers())),
        "raw_rate": 2 / (1 / before[0] + 1 / after[0]),
        "raw_cpu": (before[1] + after[1]) / 2,
    }
    setting.shared["one_prompt"] = found
    return found


def cpu_per_1000(setting: Setting) -> Result:
    """CPU seconds of all sftmill's processes per 1,000 rows, start-up, ledger and Parquet included."""
    found = one_prompt(setting)
    usage, stats = found["usage"], found["stats"]
    return Result(
        "cpu_per_1000",
        usage.cpu / found["rows"] * 1000,
        0.40,
        unit="s",
        raw=f"{found['raw_cpu']:.3f}s bare loop",
        peer="curator 2.7-2.9s",
        broken=missing(found["rows"], found["answered"]),
        note=f"{found['rows']:,} rows in {usage.seconds:.1f} s, {stats['max_inflight']} in flight at most",
    )


def rate_vs_raw(setting: Setting) -> Result:
    """Rows a second from the first request to the last answer, as a share of the bare loop's."""
    found = one_prompt(setting)
    rate = found["stats"]["ok"] / found["stats"]["active_s"]
    return Result(
        "rate_vs_raw",
        rate / found["raw_rate"],
        0.40,
        at_least=True,
        unit="x",
        raw=f"{found['raw_rate']:,.0f} rows/s bare loop",
        peer="curator 0.04x",
        broken=missing(found["rows"], found["answered"]),
        note=f"{rate:,.0f} rows/s at {LATENCY_MS} ms, {IN_FLIGHT} allowed; "
        f"{IN_FLIGHT / LATENCY_MS * 1000:,.0f} were ideal",
    )


def missing(wanted: int, found: int) -> str:
    """Return what to say when rows are missing."""
    return "" if found == wanted else f"only {found:,} of {wanted:,} rows have answers"


# Keeping the server busy ---------------------------------------------------------------------------


def keeps_busy(setting: Setting) -> Result:
    """Share of the ideal in-flight time over three model stages in a row, from the first request on.

    The end is cut off where the last 2% of the calls begin, or, in a small run, where each call
    that may be in flight has three left, one a stage: from there on there are not rows enough. A
    small run is killed there, since its stragglers would take as long again.
    """
    rows = 13_000 if setting.full else 4_500
    steps = [{"respond": {"max_tokens": size}} for size in (1024, 1025, 1026)]
    calls = rows * len(steps)
    left = max(calls // 50, len(steps) * IN_FLIGHT)
    say(f"keeps_busy: {rows:,} rows through three model stages, 200 ms lognormal with a tail")
    latency = {"latency_dist": "lognormal", "latency_ms": 200, "latency_sigma": 0.6, "tail_p": 0.01, "tail_mult": 10}
    with Mock(setting.mock, **latency) as mock:
        job = Job(setting.room("busy"), rows, mock.url, steps, concurrency=IN_FLIGHT)
        sampler = InFlight(mock, until=lambda stats: stats["ok"] >= calls - left)
        program = job.start()
        sampler.start()
        if not setting.full:
            while program.running() and not sampler.complete:
                time.sleep(0.05)
            if sampler.complete:
                program.kill()
        usage = program.wait()
        sampler.stop()
        stats = mock.stats()
        if setting.full or not sampler.complete:
            checked(usage)
    setting.starts.append(stats["first_request_unix"] - usage.started)
    share = sampler.area / (IN_FLIGHT * sampler.seconds) if sampler.complete else float("nan")
    full_at = next((at for at, held in sampler.course if held >= 0.97 * IN_FLIGHT), float("nan"))
    late = [(at, held) for at, held in sampler.course if at >= full_at]
    later = sum(held for _, held in late) / len(late) / IN_FLIGHT if late else float("nan")
    return Result(
        "keeps_busy",
        share,
        0.95,
        at_least=True,
        raw="1.00",
        peer="barriers everywhere",
        broken=missing(rows, len(set(job.numbers()))) if setting.full else "",
        note=f"{stats['ok']:,} calls of {stats['latency_ms_mean']:.0f} ms on average in {sampler.seconds:.1f} s; "
        f"full after {full_at:.2f} s, {later:.3f} from there on; CPU {usage.cpu / stats['ok'] * 1000:.2f} s per 1,000 calls",
    )


def start_up(setting: Setting) -> Result:
    """Seconds from the command to the first request; the median of several starts, those of other bars included."""
    say("start_up")
    with Mock(setting.mock, latency_ms=1) as mock:
        while len(setting.starts) < (7 if setting.full else 2):
            mock.reset()
            run_alone(setting, Job(setting.room("start"), 300, mock.url, concurrency=IN_FLIGHT), mock)
    found = sorted(setting.starts)
    bare = run([sys.executable, "-c", "import aiohttp, uvloop, pyarrow.parquet, pydantic"], setting.folder, "bare")
    return Result(
        "start_up",
        found[len(found) // 2],
        1.5,
        unit="s",
        raw=f"{bare.seconds:.2f}s importing libraries",
        peer="4-10s",
        note="from " + " ".join(f"{seconds:.2f}" for seconds in found) + " s",
    )


# Finding the server's limit ------------------------------------------------------------------------


def cap_429(setting: Setting) -> Result:
    """Time over the ideal against a server that refuses more than 50 requests in flight, 500 allowed here."""
    rows, latency, cap = (10_000 if setting.full else 1_600), 100, 50
    say(f"cap_429: {rows:,} rows, the server refuses the 51st")
    with Mock(setting.mock, latency_ms=latency, max_concurrent=cap) as mock:
        job = Job(setting.room("cap"), rows, mock.url, concurrency=500)
        checked(job.run())
        stats = mock.stats()
    ideal = rows * latency / 1000 / cap
    refused = stats["rejected_concurrency"] / stats["total"]
    too_many = "" if refused < 0.03 else "3% or more of the calls were refused"
    return Result(
        "cap_429",
        stats["active_s"] / ideal,
        1.3,
        unit="x",
        raw=f"{ideal:.1f}s ideal",
        peer="Data Designer 3.6x, 16% refused",
        broken=missing(rows, len(set(job.numbers()))) or too_many,
        note=f"{stats['rejected_concurrency']} of {stats['total']:,} calls refused, {refused:.2%} (bar < 3%)",
    )


def queueing_server(setting: Setting) -> Result:
    """Throughput of a server with 64 slots and an endless queue, with at most 128 in flight, 500 allowed here."""
    rows, latency, slots = (10_000 if setting.full else 3_000), 100, 64
    say(f"queueing_server: {rows:,} rows, {slots} slots and a queue behind them")
    with Mock(setting.mock, latency_ms=latency, slots=slots) as mock:
        job = Job(setting.room("queue"), rows, mock.url, concurrency=500)
        checked(job.run())
        stats = mock.stats()
    ideal = slots / (latency / 1000)
    most = stats["max_inflight"]
    return Result(
        "queueing_server",
        stats["ok"] / stats["active_s"] / ideal,
        0.95,
        at_least=True,
        unit="x",
        raw=f"{ideal:,.0f} calls/s ideal",
        broken=missing(rows, len(set(job.numbers()))) or ("" if most <= 128 else f"{most} in flight, more than 128"),
        note=f"{most} in flight at most (bar <= 128), {stats['ok'] / stats['active_s']:,.0f} calls/s",
    )


# Memory and the event loop -------------------------------------------------------------------------


def memory(setting: Setting) -> list[Result]:
    """Peak memory of all processes at 10,000 rows, and at 200,000 (quick: 12,000)."""
    first = one_prompt(setting)
    rows = 200_000 if setting.full else 12_000
    say(f"memory: {rows:,} rows")
    with Mock(setting.mock, latency_ms=LATENCY_MS) as mock:
        job = Job(setting.room("memory"), rows, mock.url, concurrency=IN_FLIGHT)
        usage = checked(job.run(every=0.25))
        stats = mock.stats()
    return [
        Result(
            "memory_10k",
            peak(first["usage"]),
            300,
            unit="MB",
            raw="",
            peer="310-675MB",
            note=peaks(first["usage"]),
        ),
        Result(
            "memory_200k" if setting.full else "memory_12k",
            peak(usage),
            400,
            unit="MB",
            broken="" if stats["ok_unique"] == rows else f"{stats['ok_unique']:,} of {rows:,} rows answered",
            note=f"{peaks(usage)}; {usage.cpu / rows * 1000:.3f} CPU s per 1,000 rows, {usage.seconds:.0f} s",
        ),
    ]


def peak(usage: Usage) -> float:
    """Return the larger of what the kernel noted for the main process and what was seen of all processes."""
    return max(usage.peak_main, usage.peak_tree)


def peaks(usage: Usage) -> str:
    """Return both figures for a note."""
    return f"main process {usage.peak_main:.0f} MB at its peak (RSS), all processes {usage.peak_tree:.0f} MB (PSS)"


def loop_lag(setting: Setting) -> Result:
    """Lag of the event loop, 99th percentile, while row steps keep all cores busy and calls go on."""
    rows = 3_000 if setting.full else 150
    say(f"loop_lag: {rows:,} rows with 10 ms of computing before and after a call")
    with Mock(setting.mock, latency_ms=50) as mock:
        steps = [own_step("Busy"), {"respond": {"max_tokens": 1024}}, own_step("Busy")]
        job = Job(setting.room("lag"), rows, mock.url, steps, concurrency=IN_FLIGHT)
        command = [sys.executable, str(BENCH / "lag_probe.py"), str(job.recipe), str(job.run_dir)]
        usage = checked(run(command, job.folder))
    found = json.loads(usage.output)
    return Result(
        "loop_lag",
        found["p99"],
        50,
        unit="ms",
        broken=missing(rows, len(set(job.numbers()))),
        note=f"p50 {found['p50']} ms, p90 {found['p90']} ms, the five largest {found['largest']} ms, "
        f"{found['timers']:,} timers in {found['seconds']:.1f} s on {usable_cores()} cores",
    )
