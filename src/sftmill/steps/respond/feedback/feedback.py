"""Feedback: one blind judgement of all candidates becomes answers, judgements, pairs, revisions and corrections."""

import asyncio
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Row, sampling, turns
from sftmill.errors import ReplyUnusable
from sftmill.steps.curate.user_text import user_text
from sftmill.steps.respond.choose.best_of import length_ratio
from sftmill.steps.respond.feedback.feedback_form import (
    Contender,
    Judgement,
    Verdict,
    contenders,
    orders,
    query_group,
    split_of,
)
from sftmill.steps.respond.feedback.feedback_rows import FeedbackRows
from sftmill.steps.respond.judge.blind import shown
from sftmill.steps.respond.judge.show import harmless_text, request_turns
from sftmill.steps.respond.verify.results import find_result, same_result

Kind = Literal["best_answer", "judgement", "preference", "revision", "correction"]


class Feedback(AskStep):
    """Lets a judge criticise and compare all candidates at once, and makes up to five kinds of rows of what it says.

    The judge sees the candidates without their authors, in an order derived from what they say, and a second time
    with none in its place. Where both games name the same best one, or it has the result of `reference`, there come,
    told apart by `task`: `best_answer`, the best candidate as the answer; `judgement`, whose question shows the
    candidates as the judge saw them and whose answer is its critique and verdict; `preference`, the best against the
    one that both games find worst; with `to_reviser`, `revision`, from a weak candidate and its critique to a better
    answer, and `correction`, which goes wrong, notices it and corrects itself, with the wrong beginning in
    `masked_spans`. After critique fine-tuning (Wang et al. 2025, arXiv 2501.17703). What a weak model wrote is never
    an answer. `split` follows from the question alone, so that no question is in two splits; `won_by` is tallied.
    Drops: `too_few_candidates`, `no_verdict`, `inconsistent`, `verifier_disagrees`, `nothing_to_keep`,
    `sources_do_not_fit` (a candidate of which nobody knows who wrote it).
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "candidates")
    may_read: ClassVar[tuple[str, ...]] = ("candidate_sources", "reference", "passage", "cluster")
    writes: ClassVar[tuple[str, ...]] = (
        "messages", "reasoning", "task", "feedback", "query_group", "split", "won_by", "rejected", "masked_spans",
        "candidates", "candidate_sources", "scores", "length_ratio",
    )  # fmt: skip
    tallies: ClassVar[tuple[str, ...]] = ("won_by",)
    prompts: ClassVar[tuple[str, ...]] = ("judge", "judgement", "verdict", "revise", "correct")
    judging: ClassVar[tuple[str, ...]] = ("to",)
    prompt_values: ClassVar[tuple[str, ...]] = (
        "conversation", "shown", "critiques", "comparison", "best", "answer", "critique", "revision",
    )  # fmt: skip
    """The turns, the candidates as shown, and parts of what the judge said of them."""

    to: str = "judge"
    """Role that judges; another one than those which wrote the candidates."""
    to_reviser: str | None = None
    """Role that rewrites a criticised candidate, for revisions and corrections; null = neither."""
    generator: str | None = "teacher"
    """Role that wrote the strong candidates, which `to` must not be; null where no model of the recipe did."""
    weak: tuple[str, ...] = ()
    """Roles or names in `candidate_sources` of the weaker models, whose candidates are never an answer to learn."""
    keep: tuple[Kind, ...] = ("best_answer", "judgement", "preference", "revision", "correction")
    """Which kinds of rows to make."""
    dev: float = Field(0.05, ge=0, lt=0.5)
    """Share of the questions in the split dev."""
    test: float = Field(0.05, ge=0, lt=0.5)
    """Share of the questions in the split test."""
    longest: int = Field(4000, ge=200)
    """Characters of a candidate that the judge sees; the end is cut."""
    max_tokens: int = Field(4096, ge=64)
    """Tokens of a judgement, and of a revision."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = []
        if self.to == self.generator:
            found.append(
                f"to: {self.to!r} also wrote the candidates (generator: {self.generator!r}), and models prefer their "
                "own answers; name another role, or set generator: null if you want it so"
            )
        return found

    def demand(self, candidates: int | None = None) -> Demand:
        """Return both games, each over all candidates at once, and the revision."""
        calls = {self.to: 2}
        if self.to_reviser:
            calls[self.to_reviser] = calls.get(self.to_reviser, 0) + 1
        shown = f"all {candidates} candidates" if candidates else "all candidates"
        return Demand(calls, f"2 games over {shown} at once" + (", 1 revision" if self.to_reviser else ""))

    async def row(self, row: Row, desk: Desk) -> list[Row]:
        """Return the rows that the judgement of the candidates gives."""
        sources = row.get("candidate_sources")
        if (self.weak and not sources) or (sources and len(sources) != len(row["candidates"] or [])):
            raise Drop("sources_do_not_fit", sources=len(sources or []))  # a weak model's words could be learnt
        field = contenders(row["candidates"] or [], sources, self.weak)
        if len(field) < 2 or not user_text(row):
            raise Drop("too_few_candidates", different=len(field))
        group = query_group(user_text(row), row.get("cluster"))
        verdict = await self._judge(row, field, group, desk)
        values = self._values(row, [field[place].text for place in verdict.order])
        made = FeedbackRows(row, field, verdict, values, desk, self.longest)
        rows = [*made.answers(), *made.judgements(), *made.pairs()]
        rows += await made.revised(self.to_reviser, self.max_tokens)
        rows = [one for one in rows if one["task"] in self.keep]
        if not rows:
            raise Drop("nothing_to_keep", won_by=made.won_by)
        common = {"query_group": group, "split": split_of(group, self.dev, self.test)}
        common |= {"candidates": None, "candidate_sources": None, "scores": None, "reasoning": None}
        rows = [{**one, **common, "won_by": None, "length_ratio": None} for one in rows]
        ratio = length_ratio([one.text for one in field], verdict.best)
        return [{**rows[0], "won_by": [made.won_by], "length_ratio": ratio}, *rows[1:]]

    async def _judge(self, row: Row, field: list[Contender], group: str, desk: Desk) -> Verdict:
        """Ask for both games and return what they came to; raises Drop where that is nothing to learn from."""
        texts = [one.text for one in field]
        both = orders(group, texts)
        games = await asyncio.gather(*(self._game(row, [texts[i] for i in order], desk) for order in both))
        if games[0] is None:
            raise Drop("no_verdict")
        best = [order[game.best - 1] for game, order in zip(games, both, strict=True) if game]
        worst = [order[game.worst - 1] for game, order in zip(games, both, strict=True) if game]
        consistent = len(best) == 2 and best[0] == best[1]
        right = find_result(row.get("reference") or "")
        own = find_result(texts[best[0]]) if right else None
        verified = None if right is None else own is not None and same_result(own, right)
        if verified is False:
            raise Drop("verifier_disagrees", reference=right, found=own)
        if not consistent and not verified:
            raise Drop("inconsistent" if len(best) == 2 else "no_verdict", best=best)
        agreed = worst[0] if len(worst) == 2 and worst[0] == worst[1] and worst[0] != best[0] else None
        return Verdict(games[0], both[0], best[0], agreed, consistent, verified)

    async def _game(self, row: Row, texts: list[str], desk: Desk) -> Judgement | None:
        prompt = desk.prompt("judge", **self._values(row, texts))
        drawn = sampling(0.0, self.max_tokens)
        try:
            said = (await desk.ask(prompt, to=self.to, schema=Judgement, sampling=drawn))[0].data
        except ReplyUnusable:
            return None
        return said if said.fits(len(texts)) else None

    def _values(self, row: Row, texts: list[str]) -> dict:
        """Return what the prompts show of a row and its candidates in this order."""
        return {
            "conversation": request_turns(turns(row)),
            "passage": harmless_text(row.get("passage")),
            "shown": [shown(text, self.longest) for text in texts],
        }
