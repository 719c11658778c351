"""How good and how fast the generators of instructions are, with a live model where the bar says so.

    python bench/instruct.py --quick
    python bench/instruct.py --only magpie_prefix --only coverage

Real material with ground truth lies beside the repository, in ../shared/data; a bar that needs it says so where it
is absent. Ends with a line per bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it
cannot measure.
"""

import sys
from collections.abc import Callable

from common import Result, measure_bars
from coverage_bars import coverage
from magpie_bars import magpie_live, magpie_prefix
from novelty_bars import novelty_index
from self_instruct_bars import self_instruct_live, self_instruct_resume

BARS: dict[str, Callable[[bool], list[Result]]] = {
    bar.__name__: bar
    for bar in (novelty_index, coverage, self_instruct_resume, magpie_prefix, magpie_live, self_instruct_live)
}


if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, BARS))
