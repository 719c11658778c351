"""A million rows on one machine: near-duplicates, decontamination, retrieval, and whole recipes.

    python bench/million.py --quick
    python bench/million.py --full --only neardup_1m --only whole_recipe_1m

Rows are made by `corpus.py`; real ones with ground truth lie beside the repository, in ../shared/data, and a bar that
needs them says so where they are absent. Ten million rows are measured only where `neardup_10m` is named, the labelled
real rows only with --full. datasketch, which is compared with, comes with requirements-bench.txt. Ends with a line per
bar, `ok|short <name> <measured> <bar>`; exit status 1 when one is short, 2 when it cannot measure.
"""

import sys
from collections.abc import Callable

from common import Result, measure_bars
from decontam_bars import decontam_recall
from dedup_bars import neardup_1m, neardup_10m, neardup_labelled
from million_bars import million_end_to_end, whole_recipe_1m
from ray_bars import ray_same_bytes
from retrieval_bars import retrieval_precision, topk_1m

ALL = (
    neardup_1m,
    neardup_labelled,
    whole_recipe_1m,
    million_end_to_end,
    neardup_10m,
    topk_1m,
    retrieval_precision,
    decontam_recall,
    ray_same_bytes,
)
BARS: dict[str, Callable[[bool], list[Result]]] = {bar.__name__: bar for bar in ALL}

if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, BARS))
