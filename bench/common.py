"""What all benchmarks share: their command line, the table and lines they end with, facts about the machine.

A benchmark prints a table first, then one line per bar, `ok|short <name> <measured> <bar>`, and
ends with exit status 1 when a bar is short, and 2 when it could not measure at all.
"""

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
REPOSITORY = BENCH.parent
BUILD = BENCH / "build"
"""Where binaries are built; not under version control."""


class CannotMeasure(Exception):
    """Something that the benchmark needs is missing; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured for one bar."""

    name: str
    measured: float
    bar: float
    at_least: bool = False
    """Whether the bar is a floor; otherwise it is a ceiling."""
    unit: str = ""
    raw: str = ""
    """The raw limit or rival measured in the same run."""
    peer: str = ""
    """The best figure measured for another tool."""
    note: str = ""
    broken: str = ""
    """Why the bar is short whatever the figure: a promise that was not kept."""

    @property
    def ok(self) -> bool:
        """Tell whether the bar is met; a figure that is not a number meets none."""
        met = self.measured >= self.bar if self.at_least else self.measured <= self.bar
        return met and not self.broken

    def line(self) -> str:
        """Return the line for machines: four words."""
        sign = ">=" if self.at_least else "<="
        verdict = "ok" if self.ok else "short"
        return f"{verdict} {self.name} {figure(self.measured, self.unit)} {sign}{figure(self.bar, self.unit)}"


def figure(value: float, unit: str = "") -> str:
    """Return a figure as one word with three significant digits, such as 0.385s or 12,000."""
    if value != value:
        return "unknown"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}{unit}"
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}{unit}"


def attempt(name: str, bar: Callable[[Any], Any], setting: Any) -> list[Result]:
    """Return what one bar's measurement found; a measurement that breaks off is a bar that is short.

    Raises CannotMeasure when something that the bar needs is missing.
    """
    try:
        found = bar(setting)
    except CannotMeasure:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        broken = f"broke off: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        found = Result(name, float("nan"), 0, broken=broken)
    return found if isinstance(found, list) else [found]


def measure_bars(description: str, bars: Mapping[str, Callable[[bool], list[Result]]]) -> int:
    """Measure the bars that the command line asks for, one after the other; return the exit status."""
    arguments = parser(description.splitlines()[0], list(bars), mock=False).parse_args()
    print(machine())
    results: list[Result] = []
    for name, bar in bars.items():
        if arguments.only and name not in arguments.only:
            continue
        begin = time.monotonic()
        try:
            results += attempt(name, bar, not arguments.full)
        except CannotMeasure as problem:
            print(f"cannot measure {name}: {problem}", file=sys.stderr)
            return 2
        say(f"{name}: took {time.monotonic() - begin:.0f} s")
    return finish(results)


def table(results: Sequence[Result]) -> str:
    """Return the results as a table for people, with the notes beneath."""
    head = ("", "name", "measured", "bar", "raw limit", "best peer")
    rows = [head]
    for result in results:
        sign = ">=" if result.at_least else "<="
        rows.append(
            (
                "ok" if result.ok else "SHORT",
                result.name,
                figure(result.measured, result.unit),
                f"{sign} {figure(result.bar, result.unit)}",
                result.raw or "-",
                result.peer or "-",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"  {r.name}: {'; '.join(filter(None, (r.broken, r.note)))}" for r in results if r.note or r.broken]
    return "\n".join([*lines, "", *notes] if notes else lines)


def finish(results: Sequence[Result]) -> int:
    """Print the table and the lines; return the exit status: 1 when any bar is short."""
    print()
    print(table(results))
    print()
    for result in results:
        print(result.line())
    sys.stdout.flush()
    return 0 if results and all(result.ok for result in results) else 1


def parser(description: str, names: Sequence[str], mock: bool = True) -> argparse.ArgumentParser:
    """Return the command line that all benchmarks have; `names` are their bars, `mock` adds what the endpoint needs."""
    made = argparse.ArgumentParser(description=description)
    size = made.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, under 50 s (the default)")
    size.add_argument("--full", action="store_true", help="full sizes, a few minutes")
    made.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"only one of {', '.join(names)}")
    if not mock:
        return made
    made.add_argument("--mockllm", type=Path, metavar="PATH", help="the mock endpoint, as a binary or as C source")
    made.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder and leave it there")
    return made


def machine() -> str:
    """Return what the figures depend on: cores, processor, load, Python and the packages that do the work."""
    packages = []
    for name in ("aiohttp", "uvloop", "orjson", "pyarrow"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"no {name}")
    return (
        f"{usable_cores()} cores ({processor()}), load {load():.1f}, "
        f"Python {platform.python_version()}, {', '.join(packages)}, {platform.system()} {platform.release()}"
    )


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Return the mean number of running processes over the last minute."""
    return os.getloadavg()[0]


class Neighbours:
    """Tells how many cores other programs took since it was made; what was measured has to be waited for by then."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.busy = busy_seconds()
        self.own = own_seconds()

    def cores(self) -> float:
        """Return the mean number of cores that neither this process nor its children used, 0 where nobody can tell."""
        seconds = time.monotonic() - self.begin
        return max(0.0, busy_seconds() - self.busy - (own_seconds() - self.own)) / seconds if seconds > 0 else 0.0


def busy_seconds() -> float:
    """Return the seconds that all cores have worked since the system started."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Return the CPU seconds of this process and of those of its children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def say(text: str) -> None:
    """Print a line about what happens now, with the time."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)
