"""Fits the constants of `sftmill/steps/curate/grounding/calibration.py` and prints them.

    python bench/fit_grounded.py
    python bench/fit_grounded.py --lifts     # those of the second stage, for answers that a model has read; an hour

Takes the halves of the passages that `corruptions.half` calls "dev"; see `grounded_bars.py` for the other half.
"""

import asyncio
import sys

from common import CannotMeasure
from corruptions import Pair, half, pairs
from faithfulness_bars import KEPT, read_pairs
from grounded_bars import published, questions, row_of
from sftmill.core import Drop
from sftmill.steps.curate.grounding.calibration import LIFTS_WEIGHTS, WEIGHTS, lift_signals
from sftmill.steps.curate.grounding.examined import examine

RIDGE = 1.0


def examples(chosen: list[Pair]) -> tuple[list[list[float]], list[int]]:
    """Return the signals, with a 1 before them, and the labels of the pairs that nothing rules out."""
    rows, labels = [], []
    for pair in chosen:
        try:
            signals = examine(row_of(pair)).signals
        except Drop:
            continue
        if signals is not None:
            rows.append([1.0, *(getattr(signals, name) for name in WEIGHTS)])
            labels.append(pair["label"])
    return rows, labels


def lift_examples(chosen: list[Pair]) -> tuple[list[list[float]], list[int]]:
    """Return what the second stage weighs, with a 1 before it, and the labels of the pairs that a model has read."""
    rows, labels = [], []
    for one in asyncio.run(read_pairs(chosen, KEPT)):
        if one.row["question_lift"] is not None:
            seen = lift_signals(one.plain, one.row["question_lift"], one.row["answer_opening"])
            rows.append([1.0, *(seen[name] for name in LIFTS_WEIGHTS)])
            labels.append(one.pair["label"])
    return rows, labels


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a small system of linear equations by elimination with pivoting."""
    size = len(right)
    table = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(table[r][i]))
        table[i], table[pivot] = table[pivot], table[i]
        for r in range(size):
            if r != i:
                times = table[r][i] / table[i][i]
                table[r] = [a - times * b for a, b in zip(table[r], table[i], strict=True)]
    return [table[i][size] / table[i][i] for i in range(size)]


def fit(rows: list[list[float]], labels: list[int]) -> list[float]:
    """Return the weights of a logistic regression, the intercept first and without penalty."""
    from math import exp

    size = len(rows[0])
    weights = [0.0] * size
    for _ in range(30):
        slope = [-RIDGE * w if i else 0.0 for i, w in enumerate(weights)]
        curve = [[(RIDGE if i == j and i else 0.0) for j in range(size)] for i in range(size)]
        for row, label in zip(rows, labels, strict=True):
            chance = 1 / (1 + exp(-sum(w * x for w, x in zip(weights, row, strict=True))))
            bend = chance * (1 - chance)
            for i, x in enumerate(row):
                if x:
                    slope[i] += (label - chance) * x
                    for j, y in enumerate(row):
                        curve[i][j] += bend * x * y
        step = solve(curve, slope)
        weights = [w + s for w, s in zip(weights, step, strict=True)]
        if max(map(abs, step)) < 1e-8:
            break
    return weights


def main() -> int:
    """Print the constants."""
    try:
        chosen = [pair for pair in published() if half(pair["pid"]) == "dev"] + pairs(questions(), "dev")
    except CannotMeasure as problem:
        print(f"cannot measure: {problem}", file=sys.stderr)
        return 2
    lifts = "--lifts" in sys.argv[1:]
    rows, labels = lift_examples(chosen) if lifts else examples(chosen)
    intercept, *weights = fit(rows, labels)
    prefix = "LIFTS_" if lifts else ""
    print(f"# {len(rows)} pairs, {sum(labels)} of them faithful")
    print(f"{prefix}INTERCEPT = {intercept:.2f}")
    print(f"{prefix}WEIGHTS: dict[str, float] = {{")
    for name, weight in zip(LIFTS_WEIGHTS if lifts else WEIGHTS, weights, strict=True):
        print(f'    "{name}": {weight:.2f},')
    print("}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
