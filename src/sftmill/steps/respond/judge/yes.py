"""The chance that an answer is right, read from a chat model's Yes or No (generative verifier, arXiv 2408.15240)."""

import math
import re
from statistics import fmean
from typing import Any

from sftmill.core import Desk, Message, Reply, Sampling
from sftmill.errors import ReplyUnusable

ALTERNATIVES = 5
"""Alternatives of the verdict's token whose log-probabilities are asked for."""
NEAR_END = 8
"""Tokens at the end of a reply among which the verdict is looked for."""
YES, NO = frozenset({"yes", "是", "对", "正确"}), frozenset({"no", "否", "不", "错", "错误", "不是"})
_WORD = re.compile(r"[\s*_`\"'“”「」:：.。,，!！]*(yes|no|正确|错误|不是|是|否|对|错|不)", re.IGNORECASE)
_LINES = re.compile(r"\n+")


async def chance_correct(
    desk: Desk, to: str, prompt: list[Message], *, samples: int = 1, max_tokens: int = 512
) -> float | None:
    """Return the mean over `samples` rationales of P(yes) / (P(yes) + P(no)) at the verdict, 0 to 1.

    The verdict is the first word of the last line. Without log-probabilities it is 1 or 0; replies without a
    verdict are left out, and None comes of no other ones.
    """
    asked = Sampling(temperature=0.7 if samples > 1 else 0.0, max_tokens=max_tokens, logprobs=ALTERNATIVES)
    try:
        replies = await desk.ask(prompt, to=to, n=samples, sampling=asked)
    except ReplyUnusable:
        return None
    found = [value for reply in replies if (value := read_chance(reply)) is not None]
    return round(fmean(found), 6) if found else None


def read_chance(reply: Reply) -> float | None:
    """Return the chance of yes in one reply; None where its last line does not begin with yes or no (是, 否)."""
    lines = [line for line in _LINES.split(reply.text.strip()) if line.strip()]
    said = _WORD.match(lines[-1].split("：")[-1] if "：" in lines[-1][:12] else lines[-1]) if lines else None
    if said is None:
        return None
    verdict = said[1].casefold()
    for token in reversed((reply.logprobs or [])[-NEAR_END:]):
        if _side(token["token"]) == (verdict in YES):
            weighed = _weigh(token)
            if weighed is not None:
                return weighed
    return float(verdict in YES)


def _weigh(token: dict[str, Any]) -> float | None:
    """Return P(yes) / (P(yes) + P(no)) over a token's alternatives, casings and spaces summed; None without either."""
    options = {token["token"]: token["logprob"], **token["top"]}
    mass = {True: 0.0, False: 0.0}
    for option, logprob in options.items():
        if (side := _side(option)) is not None:
            mass[side] += math.exp(min(0.0, logprob))
    total = mass[True] + mass[False]
    return mass[True] / total if total > 0 else None


def _side(token: str) -> bool | None:
    """Tell whether a token says yes (True) or no (False); None where it says neither."""
    word = token.strip().strip("*_`\"'“”。.，,!！").casefold()
    return True if word in YES else False if word in NO else None
