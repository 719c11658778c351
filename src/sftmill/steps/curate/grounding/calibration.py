"""One score out of the signals of an answer: the probability that its passage supports it.

A logistic combination, fitted by `bench/fit_grounded.py` (ridge 1, Newton's method) on half of the
passages, chosen by the hash of their ids: the published faithfulness pairs made from CMRC 2018,
DRCD and XQuAD, and pairs corrupted in other wordings (`bench/corruptions.py`), half of them faithful.
Only pairs that nothing ruled out before took part. `bench/grounded_bars.py` prints, on the other
half, how often answers of each score are indeed faithful.
"""

import math

from sftmill.steps.curate.grounding.signals import Signals

INTERCEPT = -8.93
WEIGHTS: dict[str, float] = {
    "weakest": 2.25,
    "near": 2.10,
    "kind": 2.66,
    "rival": -1.15,
    "gap": -2.98,
    "name": -2.29,
    "stray": -3.50,
    "held": 2.91,
    "cut": -1.06,
    "replaced": -2.12,
    "sort": 0.63,
    "peak": 2.79,
}
"""What one unit of each signal adds to the log odds."""


def probability(signals: Signals) -> float:
    """Return the probability, 0 to 1, that an answer with these signals is supported by its passage."""
    odds = INTERCEPT + sum(weight * getattr(signals, name) for name, weight in WEIGHTS.items())
    return 1 / (1 + math.exp(-odds))
