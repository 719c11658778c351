"""How good answers are chosen, judged and compared.

    python bench/answers.py --quick
    python bench/answers.py --only tournament --only vectors

Real material with ground truth lies beside the repository, in ../shared/data; a bar that needs it says so where it
is absent. Ends with a line per bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it
cannot measure.
"""

import sys
from collections.abc import Callable

from common import Result, measure_bars
from faithfulness_bars import faithfulness
from judge_bars import best_of_n_cost, judge_pipeline
from preference_bars import feedback_rows, tournament, vectors
from verify_bars import code_verify, math_verify

ALL = (
    math_verify,
    code_verify,
    faithfulness,
    vectors,
    tournament,
    judge_pipeline,
    best_of_n_cost,
    feedback_rows,
)
BARS: dict[str, Callable[[bool], list[Result]]] = {bar.__name__: bar for bar in ALL}

if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, BARS))
