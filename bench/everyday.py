"""How good everyday work is: grounding, SelfQA, rules, masking, forecasts, and a live model on real books.

    python bench/everyday.py --quick
    python bench/everyday.py --only grounded_auc --only pii

Real material with ground truth lies beside the repository, in ../shared/data; a bar that needs it says so where it
is absent. Ends with a line per bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it
cannot measure.
"""

import sys
from collections.abc import Callable

from common import Result, measure_bars
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


if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, BARS))
