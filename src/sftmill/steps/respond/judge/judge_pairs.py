"""A judge compares the answer with its rejected rival, in both seats."""

from pathlib import Path
from typing import ClassVar, Literal

import orjson
from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Message, Row, answer, answered, question, turns
from sftmill.steps.respond.judge.blind import appeals, shown
from sftmill.steps.respond.judge.report import refuse_other_model, report_problems
from sftmill.steps.respond.judge.seats import EVIDENCE, By, Meeting, meet_panel
from sftmill.steps.respond.judge.show import MATERIAL, harmless_text, request_turns


class JudgePairs(AskStep):
    """Lets one judge or several compare `answer` with `rejected`, each of them in either seat.

    A win counts only where the games in both seats name the same winner; else it is a tie (Zheng et al. 2023, arXiv
    2306.05685). `score` is the answer's share of the win: 1, 0.5 or 0, and empty where a judge gave no usable
    verdict: that is no tie. By scores, k replies in each seat give both answers 1 to 10 points, evidence first, and
    the means decide (FairEval, arXiv 2305.17926, with the answers really exchanged). Use it on pairs that came from
    elsewhere, such as a DPO set, to keep those that a second judge sees the same way. What was said is in
    `judgement`.
    Drops: `inconsistent`, `tie`, `lost`, `speaks_to_judge` (the winner asks for a good grade), `no_verdict`, `no_pair`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "rejected")
    may_read: ClassVar[tuple[str, ...]] = ("reference", *MATERIAL)
    writes: ClassVar[tuple[str, ...]] = ("messages", "reasoning", "rejected", "score", "judgement")
    prompts: ClassVar[tuple[str, ...]] = ("verdict", "scores")
    judging: ClassVar[tuple[str, ...]] = ("to", "to_panel")
    prompt_values: ClassVar[tuple[str, ...]] = ("turns", "seat_a", "seat_b", "reference", "material", "flagged")

    to: str = "judge"
    """Role that judges; best another model than those that answered, for models like their own answers."""
    to_panel: tuple[str, ...] = ()
    """Further roles that judge; the side with more of them wins."""
    own_answers: bool = False
    """Whether a judge may be the model that wrote the answers; models prefer their own."""
    by: By = "verdict"
    """Whether a judge names the better answer, or gives points to both."""
    samples: int = Field(1, ge=1, le=32)
    """Replies in each seat; FairEval draws 3 at temperature 1."""
    temperature: float = Field(0.0, ge=0, le=2)
    """Above 0 where `samples` is above 1, or all of them are the same."""
    keep: Literal["won", "settled", "all"] = "won"
    """Pairs to keep: those that the answer won; also those that it lost, with the two exchanged; or all, as they are."""
    use_reference: bool = True
    """Whether the judge sees the row's `reference`."""
    use_passage: bool = True
    """Whether the judge sees the row's `passage` and `context`."""
    longest: int = Field(12000, ge=500)
    """Characters of an answer that are shown."""
    max_tokens: int = Field(1536, ge=64)
    """Tokens of a verdict with its evidence."""
    evidence: int = Field(EVIDENCE, ge=20, le=2000)
    """Most characters of the evidence for each answer, and of their comparison; fewer are cheaper."""
    check: Path | None = None
    """Report of `sftmill judge check` on this judge; with one that failed, the recipe does not run."""

    def problems(self) -> list[str]:
        """Return what is wrong with the settings, and with the report on the judge."""
        same = ["temperature: 0 gives the same reply each time; with `samples` above 1 give 1"]
        return (same if self.samples > 1 and not self.temperature else []) + report_problems(self.check, self.roles())

    def demand(self, candidates: int | None = None) -> Demand:
        """Return that each judge plays both seats."""
        judges = self.roles()
        replies = f" x {self.samples} replies" if self.samples > 1 else ""
        note = f"1 comparison: {len(judges)} judge{'s' * (len(judges) > 1)} x both seats{replies}"
        return Demand(dict.fromkeys(judges, 2 * self.samples), note)

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the verdict, the two answers exchanged where the other one is better."""
        refuse_other_model(self.check, desk, self.roles())
        mine, other = answer(row), row.get("rejected") or ""
        if not mine.strip() or not other.strip():
            raise Drop("no_pair")
        met = await self.meet(row, desk, mine, other)
        if met.share is None and self.keep != "all":
            raise Drop("no_verdict")
        if met.share == 0.5 and self.keep != "all":
            raise Drop("tie" if met.why == "tie" else "inconsistent", games=list(met.games))
        if met.share == 0 and self.keep == "won":
            raise Drop("lost")
        flags = {name: appeals(text, question(row)) for name, text in (("answer", mine), ("rejected", other))}
        winner = {1: "answer", 0: "rejected"}.get(met.share)
        if winner and flags[winner] and self.keep != "all":
            raise Drop("speaks_to_judge", said=flags[winner])
        made = {**row, "score": met.share, "judgement": orjson.dumps({**met.record(), "flags": flags}).decode()}
        if met.share == 0 and self.keep == "settled":
            made = {**answered({**made, "reasoning": None}, other), "rejected": mine, "score": 1.0}
        return made

    async def meet(self, row: Row, desk: Desk, first: str, second: str) -> Meeting:
        """Return what came of two answers to the row's request."""
        flagged = bool(appeals(first, question(row)) or appeals(second, question(row)))
        reference = harmless_text(row.get("reference")) if self.use_reference else None
        material = harmless_text(row.get("passage"), row.get("context")) if self.use_passage else None
        asked = request_turns(turns(row))

        def seated(a: str, b: str) -> list[Message]:
            return desk.prompt(
                "verdict" if self.by == "verdict" else "scores",
                turns=asked,
                seat_a=shown(a, self.longest),
                seat_b=shown(b, self.longest),
                reference=reference,
                material=material,
                flagged=flagged,
            )

        how = self.model_dump(include={"by", "samples", "temperature", "max_tokens", "evidence"})
        return await meet_panel(desk, self.roles(), seated, first, second, **how)
