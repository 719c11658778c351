"""Logit arithmetic: what is added and subtracted when preferences are put in while a model writes.

All of it is z = base + sum of w (z+ - z-), with the softmax behind. The functions take numpy arrays or torch tensors
whose last axis is the vocabulary, and return the same kind; none of them applies a temperature to a part, which
belongs behind the sum.
"""

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np

PLAUSIBLE = 0.1
"""Share of the likeliest token's probability that a token must have to be written (Li et al. 2022, arXiv 2210.15097)."""
REWARD_BETA = 0.1
"""The usual beta of DPO (Rafailov et al. 2023, arXiv 2305.18290)."""


def realign(reference: Any, aligned: Any, strength: float) -> Any:
    """Return the logits of DeRa: (1 - strength) reference + strength aligned (Liu et al. 2024, arXiv 2402.02992).

    0 is the reference (SFT) model, 1 the aligned one, in between and beyond what training with the KL penalty divided
    by `strength` would approximately give; above 2 texts tend to degenerate.
    """
    if strength in (0, 1):
        return aligned if strength else reference
    return (1 - strength) * reference + strength * aligned


def proxy_tune(base: Any, expert: Any, antiexpert: Any, strength: float = 1.0) -> Any:
    """Return base + strength (expert - antiexpert) (Liu et al. 2024, arXiv 2401.08565).

    With the base model's log-probabilities for `base` it is emulated fine-tuning (Mitchell et al. 2023, arXiv
    2310.12962): the softmax is the same.
    """
    return base + strength * (expert - antiexpert)


def contrast(expert: Any, amateur: Any, beta: float | None = None, plausible: float = PLAUSIBLE) -> Any:
    """Return the scores of contrastive decoding; -inf for tokens less likely than `plausible` times the likeliest.

    Without `beta`: log p_expert - log p_amateur (Li et al. 2022). With it: (1 + beta) log p_expert - beta log p_amateur
    (O'Brien & Lewis 2023, arXiv 2309.09117). Both logits are normalised first; divide the amateur's by its own
    temperature before, where it has one. Raises ValueError where `plausible` is not in (0, 1].
    """
    if not 0 < plausible <= 1:
        raise ValueError(f"plausible must be above 0 and at most 1, not {plausible}")
    strong, weak = log_softmax(expert), log_softmax(amateur)
    kept = strong >= _max(strong) + log(plausible) - 1e-6  # the likeliest itself always stays
    return _keep(strong - weak if beta is None else (1 + beta) * strong - beta * weak, kept)


def implicit_reward(
    policy: Sequence[float] | Any, reference: Sequence[float] | Any, beta: float = REWARD_BETA
) -> float:
    """Return DPO's implicit reward: beta times the sum of log pi - log reference over a text's tokens.

    Both are the log-probabilities of the same tokens; raises ValueError where their numbers differ.
    """
    first, second = np.asarray(policy, float), np.asarray(reference, float)
    if first.shape != second.shape:
        raise ValueError(f"both models must have scored the same tokens, not {first.shape} and {second.shape}")
    return float(beta * (first - second).sum())


def log_softmax(logits: Any) -> Any:
    """Return log-probabilities over the last axis."""
    if hasattr(logits, "log_softmax"):
        return logits.log_softmax(-1)
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def softmax(logits: Any) -> Any:
    """Return probabilities over the last axis."""
    return logits.softmax(-1) if hasattr(logits, "softmax") else np.exp(log_softmax(logits))


def _max(logits: Any) -> Any:
    return logits.amax(-1, keepdim=True) if hasattr(logits, "amax") else logits.max(-1, keepdims=True)


def _keep(scores: Any, kept: Any) -> Any:
    minus = -float("inf")
    return scores.masked_fill(~kept, minus) if hasattr(scores, "masked_fill") else np.where(kept, scores, minus)
