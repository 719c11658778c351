"""Grading one answer by a rubric: the request to the judge, and how its points are read.

Where the server gives log-probabilities, the points of a criterion are the expected value over the digits that the
judge could have written in that place (G-Eval, arXiv 2303.16634), which tells apart answers that get the same digit.
"""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from sftmill.core import Desk, Message, Reply, Sampling
from sftmill.errors import BadRequest, ReplyUnusable
from sftmill.steps.respond.judge.rubric import HIGHEST, LOWEST, Rubric, grade_form

ALTERNATIVES = 5
"""Alternatives per token whose log-probabilities are asked for: as many as there are points, which all servers give."""
LEAST_MASS = 0.5
"""Probability that digits must have together in the place of the points, for the expected value to be used."""
_TAIL = 60
"""Characters before a digit in which its key is looked for."""
_SCORE = re.compile(r"[\"']score[\"']\s{0,4}:\s{0,4}$")
_KEY = re.compile(r"[\"']([a-z][a-z0-9_]{0,39})[\"']\s{0,4}:\s{0,4}\{")
_ABOUT_LOGPROBS = re.compile(r"log_?prob", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grade:
    """What one judge gave."""

    judge: str
    """The role."""
    score: float | None
    """1 to 5; None where the judge gave no usable answer, or says that no criterion applies."""
    capped: bool = False
    """Whether a fatal criterion held the score down."""
    points: dict[str, float | None] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    """Evidence, reason and points of each criterion, as the judge wrote them."""

    def record(self) -> dict[str, Any]:
        """Return the grade as JSON values."""
        return {
            "judge": self.judge, "score": self.score, "capped": self.capped, "points": self.points, "said": self.said,
        }  # fmt: skip


async def grade(
    desk: Desk, to: str, rubric: Rubric, prompt: list[Message], *, weighted: bool = True, max_tokens: int = 1536
) -> Grade:
    """Let one judge grade; an answer that stays unusable after the house's repetitions is a grade without a score."""
    form = grade_form(tuple(criterion.id for criterion in rubric.criteria))
    asked = Sampling(temperature=0.0, max_tokens=max_tokens, logprobs=ALTERNATIVES if weighted else None)
    try:
        try:
            reply = (await desk.ask(prompt, to=to, schema=form, sampling=asked))[0]
        except BadRequest as error:
            if not weighted or not _ABOUT_LOGPROBS.search(str(error)):
                raise
            plain = asked.model_copy(update={"logprobs": None})
            reply = (await desk.ask(prompt, to=to, schema=form, sampling=plain))[0]
    except ReplyUnusable:
        return Grade(to, None)
    said = {name: one.model_dump() for name, one in reply.data}
    points: dict[str, float | None] = {name: one["score"] for name, one in said.items()}
    for name, value in expected_points(reply, said).items():
        points[name] = value
    score, capped = rubric.total(points)
    return Grade(to, score, capped, points, said)


async def grade_by_panel(
    desk: Desk, judges: Sequence[str], rubric: Rubric, prompt: list[Message], *, weighted: bool, max_tokens: int
) -> tuple[float | None, list[Grade]]:
    """Return the mean of the judges' scores, and what each gave.

    Judges without a score are left out; where they are more than half, there is none.
    """
    grades = await asyncio.gather(
        *(grade(desk, judge, rubric, prompt, weighted=weighted, max_tokens=max_tokens) for judge in judges)
    )
    given = [one.score for one in grades if one.score is not None]
    return (round(fmean(given), 4) if 2 * len(given) >= len(grades) and given else None), list(grades)


def expected_points(reply: Reply, said: dict[str, Any]) -> dict[str, float]:
    """Return, for the criteria where log-probabilities show it, the expected points, 1 to 5.

    A criterion is left out where the place of its digit is not found, where the digit there is not the one that was
    read, or where digits have less than half of the probability.
    """
    found: dict[str, float] = {}
    key, text = None, ""
    for token in reply.logprobs or ():
        written = token["token"]
        lead, digit = written[:-1], written[-1:]
        if digit.isascii() and digit.isdigit() and _SCORE.search((text + lead)[-_TAIL:]) and key in said:
            value = _expectation(token, lead)
            if value is not None and said[key]["score"] == int(digit) and key not in found:
                found[key] = value
        text = (text + written)[-4 * _TAIL :]
        for match in _KEY.finditer(text):
            key = match[1] if match[1] in said else key
    return found


def _expectation(token: dict[str, Any], lead: str) -> float | None:
    """Return the mean of the points over the alternatives of a digit's token, each weighted by its probability."""
    options = {token["token"]: token["logprob"], **token["top"]}
    mass: dict[int, float] = {}
    for option, logprob in options.items():
        digit = option.strip().removeprefix(lead.strip()).strip()
        if len(digit) == 1 and digit.isascii() and digit.isdigit() and LOWEST <= int(digit) <= HIGHEST:
            mass[int(digit)] = mass.get(int(digit), 0.0) + math.exp(min(0.0, logprob))
    total = sum(mass.values())
    return round(sum(value * share for value, share in mass.items()) / total, 4) if total >= LEAST_MASS else None
