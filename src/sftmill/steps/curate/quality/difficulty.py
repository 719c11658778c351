"""How much an instruction helps a model to say the answer, from the answer's log-probabilities with and without it."""

import math
from typing import Literal

from sftmill.core import TokenScores

Definition = Literal["perplexity_ratio", "loss_ratio"]


def mean_loss(scores: TokenScores) -> float | None:
    """Return the mean negative log-likelihood of the tokens, nats; None without tokens or with what is no number."""
    values = scores.logprobs
    if not values or not all(value is not None and math.isfinite(value) for value in values):
        return None
    return -math.fsum(values) / len(values)


def difficulty(after: float, alone: float, definition: Definition) -> float | None:
    """Return the difficulty of following the instruction, from the answer's mean loss after the question and alone.

    `loss_ratio` is the ratio of the two losses (Cherry LLM, arXiv 2308.12032), None where the answer alone costs
    nothing; `perplexity_ratio` that of the perplexities, exp(after - alone) (Superfiltering, arXiv 2402.00530). Both
    are 1 where the question does not help, but they order rows differently.
    """
    if definition == "perplexity_ratio":
        return math.exp(min(after - alone, 100.0))
    return after / alone if alone > 0 else None
