"""One score out of the signals of an answer: the probability that its passage supports it.

A logistic combination, fitted by `bench/fit_grounded.py` (ridge 1, Newton's method) on half of the
passages, chosen by the hash of their ids: the published faithfulness pairs made from CMRC 2018,
DRCD and XQuAD, and pairs corrupted in other wordings (`bench/corruptions.py`), half of them faithful.
Only pairs that nothing ruled out before took part. `bench/grounded_bars.py` prints, on the other
half, how often answers of each score are indeed faithful.

A second stage takes in what a model found that read passage, question and answer (`passage_lift`). It was fitted on the
same half with Qwen2.5-Coder-0.5B-Instruct (`bench/fit_grounded.py --lifts`), a part of the pairs standing for all of
their kind; `bench/faithfulness_bars.py` measures it. What judges say (`support`) differs from judge to judge: how far
they are believed is a setting of `grounded`.
"""

import math

from sftmill.steps.curate.grounding.signals import Signals

LEAST = 1e-3
"""Probability nearest to 0, and to 1, that goes into log odds."""
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
    return _chance(odds)


LIFTS_INTERCEPT = 0.68
LIFTS_WEIGHTS: dict[str, float] = {"score": 0.97, "question_lift": 0.19, "answer_opening": 0.10}
"""What one unit (of log odds, or a nat) of each adds to the log odds, where a row has been read by a model (`passage_lift`)."""
_MOST_LIFT = 10.0
"""Nats of `question_lift`, either way, beyond which more tells nothing."""
_SUREST = 0.95
"""What a `support` of 1 counts as, for judges that give no probabilities are wrong now and then; 0 likewise."""
_LEAST_OPENING = -20.0
"""Nats of `answer_opening` below which less tells nothing."""


def log_odds(probability: float) -> float:
    """Return the log odds of a probability, cut off near 0 and 1."""
    kept = min(max(probability, LEAST), 1 - LEAST)
    return math.log(kept / (1 - kept))


def lift_signals(score: float, question_lift: float, answer_opening: float) -> dict[str, float]:
    """Return what the second stage weighs, by the names in LIFTS_WEIGHTS."""
    return {
        "score": log_odds(score),
        "question_lift": min(max(question_lift, -_MOST_LIFT), _MOST_LIFT),
        "answer_opening": max(_LEAST_OPENING, answer_opening),
    }


def with_lifts(score: float, question_lift: float, answer_opening: float) -> float:
    """Return the probability that remains when a model has read passage, question and answer; `score` is that before."""
    seen = lift_signals(score, question_lift, answer_opening)
    return _chance(LIFTS_INTERCEPT + sum(weight * seen[name] for name, weight in LIFTS_WEIGHTS.items()))


def with_support(score: float, support: float, weight: float) -> float:
    """Return the probability that remains when a model has judged the answer's sentences; a support of 0.5 changes nothing."""
    return _chance(log_odds(score) + weight * log_odds(min(max(support, 1 - _SUREST), _SUREST)))


def _chance(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
