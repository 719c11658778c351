"""Logistic regression on vectors, for many labels at once, by accelerated gradient steps."""

import numpy as np

STEPS = 300
"""Gradient steps."""
POWER = 30
"""Rounds of the power method that tells how long a step may be."""


def fit(vectors: np.ndarray, labels: np.ndarray, penalty: float) -> np.ndarray:
    """Return weights, (d + 1) x c in float32, the last line being the offsets.

    `vectors` is n x d, `labels` n x c of 0 and 1. The loss is the mean log-loss of the rows and half of `penalty` times
    the squared weights, the offsets apart; it is convex, and every label is fitted by itself. Nesterov's steps, of a
    length that the loss allows everywhere, so that nothing has to be tuned.
    """
    middle = vectors.mean(axis=0)
    given = np.concatenate([vectors - middle, np.ones((len(vectors), 1))], axis=1).astype(np.float32)
    wanted = labels.astype(np.float32)
    number = np.float32(len(given))
    share = wanted.mean(axis=0).clip(1e-6, 1 - 1e-6)
    weights = np.zeros((given.shape[1], wanted.shape[1]), np.float32)
    weights[-1] = np.log(share / (1 - share))  # what is right without looking at the vectors
    ridge = np.full((given.shape[1], 1), penalty, np.float32)
    ridge[-1] = 0
    length = np.float32(1 / (0.25 * 1.05 * _largest(given) / number + penalty))
    ahead, pace = weights, 1.0
    for _ in range(STEPS):
        slope = given.T @ (chance(given @ ahead) - wanted) / number + ridge * ahead
        new = ahead - length * slope
        faster = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
        # a label whose last step went uphill begins anew
        uphill = ((new - weights) * slope).sum(axis=0) > 0
        ahead = np.where(uphill, new, new + np.float32((pace - 1) / faster) * (new - weights))
        weights, pace = new, faster
    weights[-1] -= middle.astype(np.float32) @ weights[:-1]
    return weights


def odds(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the logarithm of the odds of each label, n x c."""
    return vectors @ weights[:-1] + weights[-1]


def chance(log_odds: np.ndarray) -> np.ndarray:
    """Return the probability that belongs to the logarithm of odds."""
    return 0.5 * (1.0 + np.tanh(0.5 * log_odds))


def _largest(given: np.ndarray) -> float:
    """Return the largest eigenvalue of the vectors' products with one another."""
    direction = np.ones(given.shape[1]) / given.shape[1] ** 0.5
    size = 1.0
    products = (given.T @ given).astype(np.float64)
    for _ in range(POWER):
        moved = products @ direction
        size = float(np.linalg.norm(moved)) or 1.0
        direction = moved / size
    return size
