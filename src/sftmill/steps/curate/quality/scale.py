"""A judge's score from 1 to 6: the request, and its expected value where the judge tells probabilities.

After the scorers of DEITA (arXiv 2312.15685), which give the mean of the digits 1 to 6 weighted by their probability.
"""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from sftmill.core import Desk, Message, Reply, Sampling
from sftmill.errors import BadRequest, ReplyUnusable

ALTERNATIVES = 5
"""Alternatives per token whose log-probabilities are asked for: as many as all servers give. The sixth digit is the
least likely one."""
LEAST_MASS = 0.5
"""Probability that digits must have together in the place of the score, for the expected value to be used."""
_DIGIT = re.compile(r"[^0-9]*([1-6])[^0-9]*\Z")
_ABOUT_LOGPROBS = re.compile(r"log_?prob", re.IGNORECASE)


def _whole(value: Any) -> Any:
    """Return "4" and 4.0 as 4, all else as it is."""
    try:
        return int(value) if float(value).is_integer() else value
    except (TypeError, ValueError, OverflowError):
        return value


class Score(BaseModel):
    """What the judge writes."""

    model_config = ConfigDict(extra="ignore")

    score: Annotated[Literal[1, 2, 3, 4, 5, 6], BeforeValidator(_whole)]


async def ask_score(desk: Desk, to: str, prompt: list[Message], *, weighted: bool, max_tokens: int) -> float | None:
    """Return a judge's score, 1 to 6; None where the reply stays unusable: that is neither a low score nor a mean."""
    asked = Sampling(temperature=0.0, max_tokens=max_tokens, logprobs=ALTERNATIVES if weighted else None)
    try:
        try:
            reply = (await desk.ask(prompt, to=to, schema=Score, sampling=asked))[0]
        except BadRequest as error:
            if not weighted or not _ABOUT_LOGPROBS.search(str(error)):
                raise
            plain = asked.model_copy(update={"logprobs": None})
            reply = (await desk.ask(prompt, to=to, schema=Score, sampling=plain))[0]
    except ReplyUnusable:
        return None
    return expected_score(reply, reply.data.score)


def expected_score(reply: Reply, said: int) -> float:
    """Return the mean of the digits in the place of the score, each weighted by its probability; `said` without them.

    The place is the last token with a digit; it must be the digit that was read.
    """
    for token in reversed(reply.logprobs or ()):
        if found := _DIGIT.match(token["token"]):
            value = _expectation(token) if int(found[1]) == said else None
            return float(said) if value is None else value
    return float(said)


def _expectation(token: dict[str, Any]) -> float | None:
    mass: dict[int, float] = {}
    for option, logprob in {token["token"]: token["logprob"], **token["top"]}.items():
        if found := _DIGIT.match(option):
            mass[int(found[1])] = mass.get(int(found[1]), 0.0) + math.exp(min(0.0, logprob))
    total = sum(mass.values())
    return round(sum(digit * share for digit, share in mass.items()) / total, 4) if total >= LEAST_MASS else None
