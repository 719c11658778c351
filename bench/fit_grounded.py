"""Fits the constants of `sftmill/steps/curate/grounding/calibration.py` and prints them.

    python bench/fit_grounded.py

Takes the halves of the passages that `corruptions.half` calls "dev"; see `grounded_bars.py` for the other half.
"""

import sys

from common import CannotMeasure
from corruptions import Pair, half, pairs
from grounded_bars import published, questions, row_of
from sftmill.core import Drop
from sftmill.steps.curate.grounding.calibration import WEIGHTS
from sftmill.steps.curate.grounding.grounded import examine

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
    rows, labels = examples(chosen)
    intercept, *weights = fit(rows, labels)
    print(f"# {len(rows)} pairs, {sum(labels)} of them faithful")
    print(f"INTERCEPT = {intercept:.2f}")
    print("WEIGHTS: dict[str, float] = {")
    for name, weight in zip(WEIGHTS, weights, strict=True):
        print(f'    "{name}": {weight:.2f},')
    print("}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
