"""How good everyday work is: grounding, SelfQA, rules, masking, forecasts, and a live model on real books.

    python bench/everyday.py --quick
    python bench/everyday.py --only grounded_auc --only pii

Real material with ground truth lies beside the repository, in ../shared/data; a bar that needs it says so where it
is absent. Ends with a line per bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it
cannot measure.
"""

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from common import CannotMeasure, Result, finish, machine, parser, say
from demo_yield import demo_yield
from forecast_bar import forecast
from grounded_bars import grounded_auc, grounded_false_drops
from personal_data_bars import pii
from rules_quality import rules_quality
from selfqa_facts import selfqa_facts

BARS: dict[str, Callable[[bool], list[Result]]] = {
    bar.__name__: bar
    for bar in (grounded_auc, grounded_false_drops, selfqa_facts, rules_quality, pii, forecast, demo_yield)
}


def measure(name: str, quick: bool) -> list[Result]:
    """Return what one bar's measurement found; a measurement that breaks off is a bar that is short."""
    begin = time.monotonic()
    try:
        found = BARS[name](quick)
    except CannotMeasure:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        broken = f"broke off: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        found = [Result(name, float("nan"), 0, broken=broken)]
    say(f"{name}: took {time.monotonic() - begin:.0f} s")
    return found


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    arguments = parser(__doc__.splitlines()[0], list(BARS)).parse_args()
    print(machine())
    results: list[Result] = []
    for name in BARS:
        if arguments.only and name not in arguments.only:
            continue
        try:
            results += measure(name, not arguments.full)
        except CannotMeasure as problem:
            print(f"cannot measure {name}: {problem}", file=sys.stderr)
            return 2
    return finish(results)


if __name__ == "__main__":
    sys.exit(main())
