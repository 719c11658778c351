"""Two answers before a judge, in both seats: who wins only when sitting in one of them has not won.

Judges favour a seat: the same two answers, exchanged, are often judged the other way. So each pair is played twice,
and a win counts only where both games agree (Zheng et al. 2023, arXiv 2306.05685).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from sftmill.core import Desk, Message, Reply, Sampling
from sftmill.errors import ReplyUnusable
from sftmill.steps.respond.judge.verdict import SHARES, Verdict, read_verdict

TIE = 0.1
"""Difference of mean scores (1 to 10) up to which two answers are equal (MT-Bench)."""

By = Literal["verdict", "scores"]
Why = Literal["agree", "tie", "inconsistent", "missing"]
Seated = Callable[[str, str], list[Message]]
"""Makes the prompt from what sits in seat A and what sits in seat B."""


EVIDENCE = 400
"""Characters of evidence for each answer, and of the comparison, unless a step says otherwise."""


@lru_cache(maxsize=16)
def pair_form(by: By, longest: int) -> type[BaseModel]:
    """Return the form of a judge's reply, in which what the verdict rests on comes before it.

    By verdict: `evidence_a`, `evidence_b`, `comparison`, `verdict`. By scores: `evidence`, `score_a` and `score_b`, 1 to
    10 (FairEval, arXiv 2305.17926). A text has at most `longest` characters where the server keeps to a schema.
    """
    if by == "scores":

        class PairScores(BaseModel):
            evidence: str = Field(json_schema_extra={"maxLength": 2 * longest})
            score_a: float = Field(ge=1, le=10)
            score_b: float = Field(ge=1, le=10)

        return PairScores

    class PairVerdict(BaseModel):
        evidence_a: str = Field(json_schema_extra={"maxLength": longest})
        evidence_b: str = Field(json_schema_extra={"maxLength": longest})
        comparison: str = Field(json_schema_extra={"maxLength": longest})
        verdict: Annotated[Verdict, BeforeValidator(read_verdict)]

    return PairVerdict


@dataclass(frozen=True, slots=True)
class Meeting:
    """What came of two answers before one judge."""

    share: float | None
    """Share of the win that the first answer gets: 1, 0.5 or 0; None where the judge gave no usable verdict."""
    why: Why
    games: tuple[float | None, float | None] = (None, None)
    """The first answer's share in the game in which it sat in seat A, and in the one in seat B."""
    said: list[dict[str, Any]] = field(default_factory=list)
    """The first reply of each game."""
    scores: tuple[float, float] | None = None
    """Mean scores of both answers, where the judge gave scores."""
    judge: str = ""

    def record(self) -> dict[str, Any]:
        """Return the meeting as JSON values."""
        return {
            "judge": self.judge, "share": self.share, "why": self.why, "games": list(self.games),
            "scores": list(self.scores) if self.scores else None, "said": self.said,
        }  # fmt: skip


def two_seats(first: float | None, second: float | None) -> tuple[float | None, Why]:
    """Return the first answer's share of the win, from its shares in the two games, and why.

    Both games must name the same winner; otherwise it is a tie, "inconsistent" unless both games are ties. A game
    without a verdict makes the meeting missing, never a tie.
    """
    if first is None or second is None:
        return None, "missing"
    if first > 0.5 and second > 0.5:
        return 1.0, "agree"
    if first < 0.5 and second < 0.5:
        return 0.0, "agree"
    return 0.5, "tie" if first == second == 0.5 else "inconsistent"


async def meet(
    desk: Desk, to: str, seated: Seated, first: str, second: str,
    *, by: By = "verdict", samples: int = 1, temperature: float = 0.0, max_tokens: int = 1536, evidence: int = EVIDENCE,
) -> Meeting:  # fmt: skip
    """Let a judge compare two answers, in both seats, with `samples` replies each.

    By verdict, a game goes to who has more of its replies. By scores (FairEval's balanced position calibration), the
    answers are exchanged for the second game, not its scores alone, and each answer's mean over all replies of both
    games decides.
    """
    form = pair_form(by, evidence)
    drawn = Sampling(temperature=temperature, max_tokens=max_tokens)

    async def game(a: str, b: str) -> list[Reply] | None:
        try:
            return await desk.ask(seated(a, b), to=to, n=samples, schema=form, sampling=drawn)
        except ReplyUnusable:
            return None

    ahead, behind = await asyncio.gather(game(first, second), game(second, first))
    if ahead is None or behind is None:
        return Meeting(None, "missing", judge=to)
    said = [ahead[0].data.model_dump(), behind[0].data.model_dump()]
    if by == "verdict":
        games = (
            fmean(SHARES[reply.data.verdict] for reply in ahead),
            1 - fmean(SHARES[reply.data.verdict] for reply in behind),
        )
        return Meeting(*two_seats(*games), games, said, judge=to)
    a = [[reply.data.score_a for reply in ahead], [reply.data.score_b for reply in behind]]
    b = [[reply.data.score_b for reply in ahead], [reply.data.score_a for reply in behind]]
    games = tuple(_ahead(fmean(mine), fmean(other)) for mine, other in zip(a, b, strict=True))
    scores = (round(fmean([*a[0], *a[1]]), 4), round(fmean([*b[0], *b[1]]), 4))
    share = _ahead(*scores)
    return Meeting(share, "tie" if share == 0.5 else "agree", games, said, scores, to)


def _ahead(mine: float, other: float) -> float:
    return 0.5 if abs(mine - other) <= TIE + 1e-9 else float(mine > other)


async def meet_panel(desk: Desk, judges: Sequence[str], seated: Seated, first: str, second: str, **how: Any) -> Meeting:
    """Let several judges compare two answers; the side with more of them wins, and what each said is kept.

    Judges without a verdict are left out; where they are more than half, the meeting is missing.
    """
    met = await asyncio.gather(*(meet(desk, judge, seated, first, second, **how) for judge in judges))
    if len(met) == 1:
        return met[0]
    shares = [one.share for one in met if one.share is not None]
    said = [one.record() for one in met]
    if 2 * len(shares) < len(met) or not shares:
        return Meeting(None, "missing", said=said, judge="panel")
    mean = fmean(shares)
    share = 0.5 if mean == 0.5 else float(mean > 0.5)
    sides = [_side(met, game) for game in (0, 1)]
    why: Why = "agree" if share != 0.5 else "tie" if all(one.why == "tie" for one in met) else "inconsistent"
    return Meeting(share, why, (sides[0], sides[1]), said, judge="panel")


def _side(met: Sequence[Meeting], game: int) -> float | None:
    shares = [one.games[game] for one in met if one.games[game] is not None]
    return fmean(shares) if shares else None
