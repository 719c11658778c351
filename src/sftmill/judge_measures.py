"""How good a judge is against labels: accuracy, agreement beyond chance, consistency, and what it prefers wrongly."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

NORMAL_95 = 1.959964
"""Half width of a 95 % interval in standard errors of a normal distribution."""
DETECTED = 3.0
"""Standard errors from which a preference counts as there."""
SHARES = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled pair and what a judge made of it."""

    id: str
    source: str
    label: float
    """Share of the win that people gave answer a: 1, 0.5 or 0."""
    share: float | None
    """The judge's; None where it gave none."""
    why: str = ""
    """agree, tie, inconsistent or missing; empty for a call that failed."""
    games: tuple[float | None, float | None] = (None, None)
    """Answer a's share in the game in which it sat in seat A, and in the other one."""
    lengths: tuple[int, int] = (0, 0)
    """Characters of both answers."""
    own: float | None = None
    """1 where the judging model wrote answer a, 0 where b; None for neither, both, or unknown."""
    failure: str = ""
    """Name of the error of a call that failed."""


def measure_pairs(pairs: Sequence[Judged]) -> dict[str, Any]:
    """Return what a set of judged pairs shows, as JSON values; figures that cannot be had are None.

    accuracy          share of verdicts that are the label (three-way), with its 95 % interval (Wilson)
    adjusted          on pairs with a labelled winner: share of wins given to it, a tie half a win
    consistency       share of verdicts for which both games named the same winner, or both a tie
    tie_rate          share of verdicts that are ties, of which inconsistent_rate is the part from games that disagree
    first_seat        share of games with a winner that seat A won; 0.5 is fair
    kappa             Cohen's kappa with the labels, three-way, with its standard error
    length_slope      how much more of the win answer a gets from the judge than from the labels, per unit of
                      (length a - length b) / (length a + length b); 0 is fair, with its standard error
    self_preference   the same excess for answers that the judging model wrote; 0 is fair
    """
    judged = [one for one in pairs if one.share is not None]
    decided = [one for one in judged if one.label != 0.5]
    right = sum(one.share == one.label for one in judged)
    seated = [one for one in judged if None not in one.games]
    same = sum(one.why in ("agree", "tie") for one in seated)
    kappa, kappa_error = cohen_kappa([(one.label, one.share) for one in judged])
    sized = [one for one in judged if sum(one.lengths)]
    slope, slope_error = fit_line(
        [(one.lengths[0] - one.lengths[1]) / sum(one.lengths) for one in sized],
        [one.share - one.label for one in sized],
    )
    own = [one for one in judged if one.own is not None]
    excess = [(one.share - one.label) * (1 if one.own else -1) for one in own]
    return {
        "pairs": len(pairs),
        "judged": len(judged),
        "missing": sum(one.why == "missing" for one in pairs),
        "failed": dict(sorted(Counter(one.failure for one in pairs if one.failure).items())),
        "accuracy": share(right, len(judged)),
        "accuracy_interval": wilson(right, len(judged)),
        "adjusted": mean([one.share if one.label else 1 - one.share for one in decided]),
        "consistency": share(same, len(seated)),
        "consistency_interval": wilson(same, len(seated)),
        "tie_rate": share(sum(one.share == 0.5 for one in judged), len(judged)),
        "inconsistent_rate": share(sum(one.why == "inconsistent" for one in judged), len(judged)),
        "first_seat": first_seat(seated),
        "kappa": rounded(kappa),
        "kappa_error": rounded(kappa_error),
        "length_slope": rounded(slope),
        "length_slope_error": rounded(slope_error),
        "own_pairs": len(own),
        "self_preference": mean(excess),
    }


def first_seat(pairs: Sequence[Judged]) -> float | None:
    """Return the share of the games with a winner that seat A won; in the second game answer a sits in seat B."""
    wins = [one.games[0] > 0.5 for one in pairs if one.games[0] != 0.5]
    wins += [one.games[1] < 0.5 for one in pairs if one.games[1] != 0.5]
    return share(sum(wins), len(wins))


def cohen_kappa(pairs: Sequence[tuple[Any, Any]]) -> tuple[float | None, float | None]:
    """Return Cohen's kappa of two raters and its standard error (Cohen 1960); None without a pair.

    Also None where chance alone would agree always, as when both give one and the same label throughout.
    """
    if not pairs:
        return None, None
    count = len(pairs)
    observed = sum(a == b for a, b in pairs) / count
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[label] * second[label] for label in first) / count**2
    if chance >= 1 - 1e-12:
        return None, None
    kappa = (observed - chance) / (1 - chance)
    return kappa, math.sqrt(observed * (1 - observed) / (count * (1 - chance) ** 2))


def human_kappa(votes: Sequence[Sequence[Any]]) -> float | None:
    """Return the mean of Cohen's kappa over all pairs of annotators; `votes` has a list for each sample.

    Samples with fewer annotators than most others are left out.
    """
    sizes = Counter(len(one) for one in votes if len(one) > 1)
    if not sizes:
        return None
    size = max(sizes, key=lambda n: (sizes[n], n))
    rows = [one for one in votes if len(one) == size]
    found = [cohen_kappa([(one[i], one[j]) for one in rows])[0] for i, j in combinations(range(size), 2)]
    known = [kappa for kappa in found if kappa is not None]
    return fmean(known) if known else None


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the slope of the least-squares line and its standard error; None with fewer than three points or equal x."""
    count = len(x)
    if count < 3:
        return None, None
    middle, level = fmean(x), fmean(y)
    spread = sum((value - middle) ** 2 for value in x)
    if spread < 1e-12:
        return None, None
    slope = sum((a - middle) * (b - level) for a, b in zip(x, y, strict=True)) / spread
    left = sum((b - level - slope * (a - middle)) ** 2 for a, b in zip(x, y, strict=True))
    return slope, math.sqrt(left / (count - 2) / spread)


def wilson(hits: int, count: int) -> list[float] | None:
    """Return the 95 % interval of a share (Wilson 1927); None without a case."""
    if not count:
        return None
    z2 = NORMAL_95**2
    middle = (hits + z2 / 2) / (count + z2)
    half = NORMAL_95 / (count + z2) * math.sqrt(hits * (count - hits) / count + z2 / 4)
    return [round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def share(hits: int, count: int) -> float | None:
    """Return a share with four digits, None of nothing."""
    return round(hits / count, 4) if count else None


def mean(values: Sequence[float]) -> float | None:
    """Return a mean with four digits, None of nothing."""
    return round(fmean(values), 4) if values else None


def rounded(value: float | None) -> float | None:
    """Return a figure with four digits."""
    return None if value is None else round(value, 4)
