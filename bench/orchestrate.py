"""How fast and how safe runs are: eleven bars against a mock endpoint, the raw client measured in the same run.

    python bench/orchestrate.py --quick
    python bench/orchestrate.py --only keeps_busy --only start_up

Everything is measured through the command that users type, on generated recipes. Ends with a line
per bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it cannot measure.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from common import CannotMeasure, Neighbours, Result, attempt, finish, machine, parser, say
from endpoint import build_mock
from processes import sftmill
from safety_bars import budget_stop, faults, kill9
from speed_bars import (
    Setting,
    cap_429,
    cpu_per_1000,
    keeps_busy,
    loop_lag,
    memory,
    queueing_server,
    rate_vs_raw,
    start_up,
)

BARS: dict[str, Callable[[Setting], Result | list[Result]]] = {
    bar.__name__: bar
    for bar in (
        cpu_per_1000,
        rate_vs_raw,
        keeps_busy,
        start_up,
        cap_429,
        queueing_server,
        kill9,
        faults,
        budget_stop,
        memory,
        loop_lag,
    )
}

SIDE_BY_SIDE = ({"cap_429", "queueing_server"}, {"kill9", "faults"}, {"budget_stop", "memory"})
"""Bars that --quick measures at the same time: those that look at the clock wait for the server nearly all of it."""

NOISE = 0.2
"""Cores taken by other programs from which on a warning is printed."""


def measure(name: str, setting: Setting) -> list[Result]:
    """Return what one bar's measurement found."""
    return attempt(name, BARS[name], setting)


def measure_all(names: list[str], setting: Setting) -> list[Result]:
    """Measure bars in order; with small sizes, some of them side by side."""
    found: dict[str, list[Result]] = {}
    for name in names:
        if name in found:
            continue
        group = next((group for group in SIDE_BY_SIDE if name in group), {name})
        together = [name] if setting.full else [other for other in names if other in group]
        if "memory" in together:
            setting.shared or measure("cpu_per_1000", setting)
        neighbours = Neighbours()
        with ThreadPoolExecutor(len(together)) as threads:
            for other, results in zip(together, threads.map(lambda one: measure(one, setting), together), strict=True):
                found[other] = results
        if (cores := neighbours.cores()) > NOISE and time.monotonic() - neighbours.begin > 1:
            say(f"{' and '.join(together)}: other programs took {cores:.1f} cores meanwhile, which spoils figures")
    return [result for name in names for result in found[name]]


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    arguments = parser(__doc__.splitlines()[0], list(BARS)).parse_args()
    begin = time.monotonic()
    try:
        sftmill()
        mock = build_mock(arguments.mockllm)
    except CannotMeasure as problem:
        print(f"cannot measure: {problem}", file=sys.stderr)
        return 2
    print(machine())
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
        place = nullcontext(str(arguments.keep))
    else:
        place = tempfile.TemporaryDirectory(prefix="sftmill-bench-")
    with place as folder:
        setting = Setting(mock, Path(folder).resolve(), arguments.full)
        names = [name for name in BARS if not arguments.only or name in arguments.only]
        try:
            results = measure_all(names, setting)
        except CannotMeasure as problem:
            print(f"cannot measure: {problem}", file=sys.stderr)
            return 2
        say(f"took {time.monotonic() - begin:.0f} s; {machine()}")
        return finish(results)


if __name__ == "__main__":
    sys.exit(main())
