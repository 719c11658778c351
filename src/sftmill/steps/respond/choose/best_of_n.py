"""Best-of-N: several answers are drawn, and the best of those that pass the verifier stays."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Reply, Row, Sampling, answered, question, turns
from sftmill.steps.own_code import Code, code_file, code_problems, names_code
from sftmill.steps.respond.choose.best_of import distinct, length_ratio, pick, pick_worst, shortest_first
from sftmill.steps.respond.judge.blind import appeals, shown
from sftmill.steps.respond.judge.grade import grade_by_panel
from sftmill.steps.respond.judge.report import refuse_other_model, report_problems
from sftmill.steps.respond.judge.rubric import (
    HIGHEST,
    Family,
    Rubric,
    read_rubric,
    rubric_files,
    rubric_path,
    rubric_problems,
)  # fmt: skip
from sftmill.steps.respond.judge.show import MATERIAL, harmless_text, request_turns
from sftmill.steps.respond.judge.yes import chance_correct

BEGS = "speaks to its judge"
"""Why a candidate is refused that asks for a good grade or writes a verdict of its own."""
FLOOR = 3.0
"""Floor for a judge's score where the recipe names none: the middle of 1 to 5."""


class BestOfN(AskStep):
    """Draws N answers and keeps the best: the verifier's gate first, then a reward model or a judge.

    Answers that differ in nothing but spaces count once. Those that the verifier refuses cannot win, nor those that
    speak to their judge ("rate me 10"); where it cannot tell of any, a judge decides. Scores within
    `tie` of each other are equal, and the shorter answer wins. A prompt whose best answer is below the floor goes: the
    best of bad answers is not shipped. Candidates are judged from the shortest to the longest, and no further once
    none that is left can win. `candidates` and `scores` keep all distinct answers (no score: refused or not judged),
    `rejected` the worst of them for DPO, `length_ratio` the winner's length over their mean: above 1.15 over a
    set, the judge prefers length. How far the winners leave the model that wrote them is at most ln N - (N-1)/N nats.
    Drops: `none_verified`, `below_floor`, `no_grade`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("reference", *MATERIAL)
    writes: ClassVar[tuple[str, ...]] = (
        "messages", "reasoning", "candidates", "scores", "score", "rejected", "length_ratio", "judgement",
    )  # fmt: skip
    prompts: ClassVar[tuple[str, ...]] = ("grade", "correct")
    judging: ClassVar[tuple[str, ...]] = ("to_judge", "to_panel", "to_reward")
    prompt_values: ClassVar[tuple[str, ...]] = (
        "criteria", "turns", "candidate", "reference", "material", "flagged",
    )  # fmt: skip

    to: str = "teacher"
    """Role that answers."""
    n: int = Field(5, ge=1, le=128)
    """Answers to draw, in one request where the server can do that; 1 passes the answer on."""
    temperature: float = Field(0.8, ge=0, le=2)
    """0 would draw the same answer each time."""
    top_p: float | None = Field(0.95, gt=0, le=1)
    """null leaves it to the server."""
    max_tokens: int = Field(2048, ge=16)
    """Tokens of an answer with its reasoning."""
    verify: Annotated[str | None, Code()] = None
    """Verifier that an answer must pass, such as math, or a function of yours, as my_file.py:function (see the step
    `verify`; it needs --allow-code, runs in the process of the run, and must come to an end); null = none."""
    to_judge: str | None = None
    """Role that grades the answers by the rubric; null = none, so that the shortest verified answer wins."""
    to_panel: tuple[str, ...] = ()
    """Further roles that grade; the mean of all counts."""
    own_answers: bool = False
    """Whether a judge may be the model that wrote the answers; models prefer their own."""
    to_reward: str | None = None
    """Role whose endpoint is a reward model, asked instead of a judge; null = none."""
    reward_path: Literal["pooling", "score", "chat"] = "pooling"
    """What the reward model's server offers: vLLM's /pooling for a conversation or /score for a pair of texts, or a chat
    that says whether an answer is right, whose chance of yes is the score (generative verifier, arXiv 2408.15240)."""
    rationales: int = Field(1, ge=1, le=64)
    """Times that the chat is asked about an answer; the chances of yes are averaged."""
    family: Family = "general"
    """Packaged rubric: general, math (one right result), summary (measured by a text), or domain_qa (of a trade)."""
    rubric: Path | None = None
    """File of a rubric of your own, instead; {lang} in its name stands for zh or en."""
    weighted: bool = True
    """Whether points are weighted by probability where the server gives it."""
    floor: float | None = None
    """Score that the best answer must have; null = 3 for judges, none for a reward model."""
    tie: float = Field(0.1, ge=0)
    """Difference of scores up to which answers are equal, and the shorter wins."""
    stop_early: bool = True
    """Whether judging ends once no answer that is left can win; those then have no score, and are not `rejected`."""
    longest: int = Field(12000, ge=500)
    """Characters of an answer that the judge is shown."""
    judge_tokens: int = Field(1536, ge=64)
    """Tokens of a judgement."""
    check: Path | None = None
    """Report of `sftmill judge check` on the judge; with one that failed, the recipe does not run."""

    @property
    def judges(self) -> tuple[str, ...]:
        """The roles that grade."""
        return tuple(dict.fromkeys(role for role in (self.to_judge, *self.to_panel) if role))

    def roles(self) -> tuple[str, ...]:
        """Return the roles that answer, grade and reward."""
        return tuple(dict.fromkeys(role for role in (self.to, *self.judges, self.to_reward) if role))

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = rubric_problems(self.family, self.rubric) + report_problems(self.check, self.judges)
        if self.n > 1 and not self.temperature:
            found.append("temperature: 0 draws the same answer each time; give 0.5 to 1")
        if self.n > 1 and not (self.verify or self.judges or self.to_reward):
            found.append("nothing chooses among the answers; name `verify`, `to_judge` or `to_reward`")
        if self.verify and names_code(self.verify):
            found += code_problems("verify", self.verify, ("row", "text"))
        elif self.verify:
            from sftmill.steps.respond.verify.verification import KINDS

            if self.verify not in KINDS:
                kinds = ", ".join(KINDS)
                found.append(f"verify: there is no verifier {self.verify!r}; name one of {kinds}, or file.py:function")
        if self.judges and self.to_reward:
            found.append("to_reward: both a reward model and a judge would score; keep one")
        if self.to in self.judges and not self.own_answers:
            found.append(
                f"to_judge: {self.to!r} would grade its own answers; name another role of `models:`, or set "
                "own_answers: true if you want it so"
            )
        return found

    def demand(self, candidates: int | None = None) -> Demand:
        """Return the draws, and what judging them takes at most."""
        chosen = self.n if self.n > 1 else 0
        calls = {self.to: self.n}
        for role in (*self.judges, *((self.to_reward,) if self.to_reward else ())):
            times = self.rationales if role == self.to_reward and self.reward_path == "chat" else 1
            calls[role] = calls.get(role, 0) + chosen * times
        judged = "judged by a reward model" if self.to_reward else f"graded by {len(self.judges)}"
        early = ", fewer where judging can end early" if self.judges and self.stop_early and chosen else ""
        return Demand(calls, f"{self.n} draws" + (f", each {judged}{early}" if len(calls) > 1 else ""), self.n)

    def files(self) -> tuple[Path, ...]:
        """Return the files of the rubric, and that of the recipe's own verifier."""
        own = (code_file(self.verify),) if self.verify and names_code(self.verify) else ()
        return (*(rubric_files(self.family, self.rubric) if self.judges else ()), *own)

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the best answer."""
        refuse_other_model(self.check, desk, self.judges)
        asked = turns(row)
        if asked and asked[-1]["role"] == "assistant":
            asked = asked[:-1]
        row = {**row, "messages": asked}
        drawn = Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)
        replies = await desk.ask(asked, to=self.to, n=self.n, sampling=drawn)
        replies = [replies[number] for number in distinct([reply.text for reply in replies])]
        texts = [reply.text for reply in replies]
        judged = bool(self.judges or self.to_reward)
        why = await asyncio.to_thread(verify_all, self.verify, row, texts, judged)
        if judged and self.n > 1:  # one that begs its judge may succeed, and is not to be learnt
            why = [
                told or (BEGS if appeals(text, question(row)) else "") for told, text in zip(why, texts, strict=True)
            ]
        if all(why):
            raise Drop("none_verified", candidates=len(texts), why=why[0])
        scores, said = await self._scores(row, texts, [bool(reason) for reason in why], desk)
        chooses = bool(self.judges or self.to_reward) and self.n > 1
        # without a score to choose by, all that pass are equal, and the shortest stays
        winner = pick(texts, scores if chooses else [None if reason else 0.0 for reason in why], self.tie)
        if winner is None:
            raise Drop("no_grade", candidates=len(texts))
        floor = self.floor if self.floor is not None or self.to_reward else FLOOR
        if chooses and floor is not None and scores[winner] < floor:
            raise Drop("below_floor", best=scores[winner], floor=floor, candidates=len(texts))
        return self._made(row, replies, scores, why, winner, said)

    def _made(
        self, row: Row, replies: Sequence[Reply], scores: list[float | None], why: list[str], winner: int, said: list
    ) -> Row:
        texts = [reply.text for reply in replies]
        worst = pick_worst(texts, scores, [bool(reason) for reason in why], winner, self.tie)
        refused = {str(number): reason for number, reason in enumerate(why) if reason}
        flags = {str(number): found for number, text in enumerate(texts) if (found := appeals(text, question(row)))}
        made = answered({**row, "reasoning": None}, replies[winner].text, replies[winner].reasoning)
        return {
            **made,
            "candidates": texts,
            "scores": scores,
            "score": scores[winner],
            "rejected": texts[worst] if worst is not None else None,
            "length_ratio": length_ratio(texts, winner),
            "judgement": orjson.dumps({"refused": refused, "flags": flags, "judges": said}).decode(),
        }

    async def _scores(
        self, row: Row, texts: list[str], refused: list[bool], desk: Desk
    ) -> tuple[list[float | None], list[Any]]:
        """Return the score of each candidate, None where it was refused, not judged or not judged usably."""
        scores: list[float | None] = [None] * len(texts)
        said: list[Any] = [None] * len(texts)
        order = [number for number in shortest_first(texts) if not refused[number]]
        if self.n == 1 or not (self.judges or self.to_reward):
            return scores, []
        if self.to_reward:
            found = await asyncio.gather(*(self._reward(row, texts[number], desk) for number in order))
            for number, score in zip(order, found, strict=True):
                scores[number] = score
            return scores, []
        rubric = read_rubric(rubric_path(self.family, self.rubric, row.get("lang") or "zh"))
        if not self.stop_early:
            for number, (score, record) in zip(
                order, await asyncio.gather(*(self._grade(row, texts[n], rubric, desk) for n in order)), strict=True
            ):
                scores[number], said[number] = score, record
            return scores, said
        for number in order:
            scores[number], said[number] = await self._grade(row, texts[number], rubric, desk)
            # all that are left are longer, and can at best be equal
            if scores[number] is not None and scores[number] >= HIGHEST - self.tie:
                break
        return scores, said

    async def _grade(self, row: Row, text: str, rubric: Rubric, desk: Desk) -> tuple[float | None, Any]:
        """Return the judges' score of one candidate, and what they said."""
        prompt = desk.prompt("grade", criteria=rubric.shown(), **self._shown(row, text))
        score, grades = await grade_by_panel(
            desk, self.judges, rubric, prompt, weighted=self.weighted, max_tokens=self.judge_tokens
        )
        return score, [one.record() for one in grades]

    async def _reward(self, row: Row, text: str, desk: Desk) -> float | None:
        """Return the reward of one candidate."""
        if self.reward_path != "chat":
            return await desk.reward(row["messages"], text, to=self.to_reward, path=self.reward_path)
        prompt = desk.prompt("correct", **self._shown(row, text))
        return await chance_correct(desk, self.to_reward, prompt, samples=self.rationales, max_tokens=self.judge_tokens)

    def _shown(self, row: Row, text: str) -> dict[str, Any]:
        """Return what a judge is shown of a row and a candidate."""
        return {
            "turns": request_turns(row["messages"]),
            "candidate": shown(text, self.longest),
            "reference": harmless_text(row.get("reference")),
            "material": harmless_text(row.get("passage"), row.get("context")),
            "flagged": bool(appeals(text, question(row))),
        }


def verify_all(kind: str | None, row: Row, texts: Sequence[str], judged: bool) -> list[str]:
    """Return, for each candidate, why the verifier refuses it; the empty string where it does not.

    Where the verifier passes any, those of which it cannot tell are refused; where it passes none, these go on to
    a judge (`judged`), if there is one.
    """
    if kind is None:
        return [""] * len(texts)
    from sftmill.steps.respond.verify.verification import check

    verdicts = [check(kind, row, text) for text in texts]
    lenient = judged and not any(verdict.ok for verdict in verdicts)
    return ["" if verdict.ok or (verdict.ok is None and lenient) else verdict.why or "refused" for verdict in verdicts]
