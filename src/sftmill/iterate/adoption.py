"""When a newly tuned generator takes the place of the one before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

from sftmill.errors import RunError

LEAST_WELL_FORMED = 0.95
"""Share of replies in the form asked for, below which a tuned model has lost too much of its chat ability to
generate with: the check before a domain-tuned generator is used."""
LEAST_KEPT = 0.8
"""Share of the first round's distinct 2-grams below which later samples are said to collapse."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a test item gave: its score, higher is better, and whether the reply had the form asked for."""

    score: float
    well_formed: bool = True


@dataclass(frozen=True, slots=True)
class Adoption:
    """Whether a tuned generator is used from now on, and the figures behind that."""

    adopted: bool
    before: float
    """Mean score of the generator so far."""
    after: float
    """Mean score of the tuned one."""
    standard_error: float
    """Of the mean difference, over items that both were tested on."""
    well_formed: float
    """Share of the tuned one's replies that had the form asked for."""
    reason: str


def decide(before: Mapping[str, Score], after: Mapping[str, Score]) -> Adoption:
    """Adopt a tuned generator only if its score rises by more than one standard error on the same items.

    Scores are compared item by item, so that the error is that of the paired differences. Raises RunError where the
    two were not tested on the same items: the test set has to stay as it was frozen.
    """
    if before.keys() != after.keys():
        odd = sorted(before.keys() ^ after.keys())[0]
        raise RunError(
            f"the test items have changed between rounds, item {odd!r} was scored only once; "
            "keep the test set as it was in the first round, or begin anew with another --run-dir"
        )
    differences = [after[item].score - before[item].score for item in sorted(before)]
    gain, error = mean(differences), standard_error(differences)
    kept = mean([float(score.well_formed) for score in after.values()])
    if kept < LEAST_WELL_FORMED:
        reason = f"only {kept:.0%} of its replies had the form asked for, {LEAST_WELL_FORMED:.0%} are needed"
    elif gain > error:
        reason = f"its score rose by {gain:.4g}, more than one standard error ({error:.4g})"
    else:
        reason = f"its score changed by {gain:+.4g}, which is not more than one standard error ({error:.4g})"
    adopted = kept >= LEAST_WELL_FORMED and gain > error
    old, new = (mean([score.score for score in scores.values()]) for scores in (before, after))
    return Adoption(adopted, old, new, error, kept, reason)


def mean(values: Sequence[float]) -> float:
    """Return the mean, 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean; infinite for fewer than two values, which prove nothing."""
    if len(values) < 2:
        return inf
    middle = mean(values)
    return sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1) / len(values))
