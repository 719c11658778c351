"""Preference: a judge compares candidates two by two, and the best and the weakest become a pair."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Literal

import orjson
from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Message, Row, answered, question, turns
from sftmill.steps.respond.choose.best_of import length_ratio
from sftmill.steps.respond.judge.blind import appeals, shown
from sftmill.steps.respond.judge.seats import Meeting, meet
from sftmill.steps.respond.judge.show import harmless_text, request_turns
from sftmill.steps.respond.prefer.preference_record import record_games
from sftmill.steps.respond.prefer.tournament import DESIGNS, Pair, Standing, expected


class Preference(AskStep):
    """Lets a judge compare the candidates of a row two by two, in both seats, and keeps the best and the weakest.

    The verdicts become strengths by the Bradley-Terry model with a prior (`scores`, mean 0). A pair whose two games
    disagree is a tie; one whose reply cannot be read is missing, never a tie. The winner ends `messages`, the weakest
    is `rejected`, the gap of their strengths is `margin`, for DPO, and `won_by`, which is tallied, who wrote the winner. `comparisons` holds every verdict, the intervals
    and the chance that the winner is the best. What the designs cost and find, on simulated judges with 20 % wrong
    verdicts and 8 candidates: knockout 7 comparisons, right in .52; swiss 14, .54; round_robin 28, .54. Equal texts
    are one candidate.
    Drops: `too_few_candidates`, `no_verdict`, `speaks_to_judge` (the winner asks for a good grade), `all_equal`,
    `small_margin`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "candidates")
    may_read: ClassVar[tuple[str, ...]] = ("candidate_sources", "passage")
    writes: ClassVar[tuple[str, ...]] = (
        "messages", "reasoning", "candidates", "candidate_sources", "scores", "rejected", "margin", "comparisons",
        "length_ratio", "won_by",
    )  # fmt: skip
    tallies: ClassVar[tuple[str, ...]] = ("won_by",)
    prompts: ClassVar[tuple[str, ...]] = ("compare",)
    judging: ClassVar[tuple[str, ...]] = ("to",)
    prompt_values: ClassVar[tuple[str, ...]] = ("conversation", "first", "second")
    """The turns before the answer, and the answers in seats A and B."""

    to: str = "judge"
    """Role that compares; another one than that which wrote the candidates, for models prefer their own answers."""
    generator: str | None = "teacher"
    """Role that wrote the candidates, which `to` must not be; null where no model of the recipe did."""
    design: Literal["knockout", "swiss", "round_robin"] = "swiss"
    """Who meets whom: for N candidates knockout makes N - 1 comparisons and finds a winner, swiss half of all pairs,
    spent where they tell most about the winner, round_robin all of them, which also tells the weakest apart. Each
    comparison is two calls."""
    comparisons: int | None = Field(None, ge=1)
    """Most comparisons of a row that swiss makes; null = half of all pairs."""
    sure: float | None = Field(0.9, gt=0, lt=1)
    """Chance of the leader to be the best above which swiss stops early, as it does when the leader has beaten all
    others; null = never."""
    prior: float = Field(0.5, gt=0, le=10)
    """Virtual wins in each direction for every pair; less lets few verdicts count for more."""
    least_margin: float = Field(0.0, ge=0)
    """Gap in log-strength that the best and the weakest must have; 1.1 is a chance of 3 to 1 to win."""
    criteria: str = ""
    """What makes an answer better, in the language of the rows, where the packaged order of things does not fit."""
    show_passage: bool = True
    """Whether the judge sees the row's passage, where it has one."""
    max_tokens: int = Field(800, ge=16)
    """Tokens of a verdict with its evidence."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = []
        if self.to == self.generator:
            found.append(
                f"to: {self.to!r} also wrote the candidates (generator: {self.generator!r}), and models prefer their "
                "own answers; name another role, or set generator: null if you want it so"
            )
        if self.comparisons is not None and self.design != "swiss":
            found.append(f"comparisons: only swiss has a choice of how many, not {self.design}; remove it")
        return found

    def calls(self, candidates: int) -> int:
        """Return how many calls a row with so many different candidates takes at most."""
        most = candidates * (candidates - 1) // 2
        if self.design == "swiss" and self.comparisons is not None:
            return 2 * min(self.comparisons, most)
        return 2 * expected(self.design, candidates)

    def demand(self, candidates: int | None = None) -> Demand | None:
        """Return the comparisons of this design, at most, and those of the others."""
        if candidates is None:
            told = [f"{self.calls(some)} for {some} candidates" for some in (4, 8, 16)]
            return Demand({}, f"{self.design}, both seats; replies of {self.to}: {', '.join(told)}")
        others = [
            f"{name} {expected(name, candidates)} ({2 * expected(name, candidates)} replies)"
            for name in DESIGNS
            if name != self.design
        ]
        calls = self.calls(candidates)
        early = ", fewer where the leader is sure" if self.design == "swiss" and self.sure else ""
        note = f"{self.design} over {candidates} candidates: {calls // 2} comparisons x both seats{early}"
        return Demand({self.to: calls}, f"{note}; instead {', '.join(others)}")

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its best candidate as the answer and the weakest as the rejected one."""
        places = _distinct(row["candidates"] or [])
        texts = [row["candidates"][place] for place in places]
        if len(texts) < 2 or not question(row).strip():
            raise Drop("too_few_candidates", different=len(texts))
        known = sorted(texts)  # the same candidates in another order meet in the same way
        found, met = await self._play(known, row, desk)
        if not found.outcomes:
            raise Drop("no_verdict", comparisons=found.missing)
        scores = dict(zip(known, found.scores, strict=True))
        best, weakest = known[found.order[0]], known[found.order[-1]]
        if begging := appeals(best, question(row)):  # it may have won by that, and is not to be learnt
            raise Drop("speaks_to_judge", said=begging)
        margin = scores[best] - scores[weakest]
        if margin < 1e-6:
            raise Drop("all_equal", comparisons=len(found.outcomes))
        if margin < self.least_margin:
            raise Drop("small_margin", margin=round(margin, 4))
        sources = row.get("candidate_sources") or []
        known_sources = [sources[place] for place in places] if len(sources) > max(places) else []
        made = answered({**row, "reasoning": None}, best)
        return {
            **made,
            "candidates": texts,
            "candidate_sources": known_sources or None,
            "length_ratio": length_ratio(texts, texts.index(best)),
            "won_by": [known_sources[texts.index(best)]] if known_sources else None,
            "scores": [scores[text] for text in texts],
            "rejected": weakest,
            "margin": margin,
            "comparisons": orjson.dumps(record_games(found, met, [texts.index(text) for text in known])).decode(),
        }

    async def _play(self, texts: list[str], row: Row, desk: Desk) -> tuple[Standing, dict[Pair, Meeting]]:
        """Return the standing at the tournament's end, and what the judge said of each pair."""
        conversation = request_turns(turns(row))
        passage = harmless_text(row.get("passage") if self.show_passage else None)

        def seated(first: str, second: str) -> list[Message]:
            values = {"first": shown(first), "second": shown(second)}
            return desk.prompt("compare", conversation=conversation, passage=passage, **values)

        more = {"comparisons": self.comparisons, "sure": self.sure} if self.design == "swiss" else {}
        game = DESIGNS[self.design](len(texts), "\n".join(texts), prior=self.prior, **more)
        met: dict[Pair, Meeting] = {}
        shares: list[float | None] | None = None
        while True:
            try:
                pairs = game.send(shares)  # type: ignore[arg-type]
            except StopIteration as end:
                return end.value, met
            asked = (meet(desk, self.to, seated, texts[a], texts[b], max_tokens=self.max_tokens) for a, b in pairs)
            found = await asyncio.gather(*asked)
            met.update(zip(pairs, found, strict=True))
            shares = [one.share for one in found]


def _distinct(candidates: Sequence[str | None]) -> list[int]:
    """Return the places of those candidates that say something, each text once."""
    seen: dict[str, int] = {}
    for place, text in enumerate(candidates):
        if (text or "").strip():
            seen.setdefault(text.strip(), place)  # type: ignore[union-attr]
    return list(seen.values())
