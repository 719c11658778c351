"""How good everyday work is: grounding, SelfQA, rules, masking, forecasts, and a live model on real books.

    python bench/everyday.py --quick
    python bench/everyday.py --only grounded_auc --only pii

Real material with ground truth lies beside the repository, in ../shared/data; a bar that needs it says so where it
is absent. Ends with a line per bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it
cannot measure.
"""

import sys
import time
from collections.abc import Callable

from common import CannotMeasure, Result, attempt, finish, machine, parser, say
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


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    arguments = parser(__doc__.splitlines()[0], list(BARS), mock=False).parse_args()
    print(machine())
    results: list[Result] = []
    for name in BARS:
        if arguments.only and name not in arguments.only:
            continue
        begin = time.monotonic()
        try:
            results += attempt(name, BARS[name], not arguments.full)
        except CannotMeasure as problem:
            print(f"cannot measure {name}: {problem}", file=sys.stderr)
            return 2
        say(f"{name}: took {time.monotonic() - begin:.0f} s")
    return finish(results)


if __name__ == "__main__":
    sys.exit(main())
