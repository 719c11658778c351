"""Constitution: an answer is held against principles, criticised, and revised until nothing is found."""

from pathlib import Path
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, Field

from sftmill.core import AskStep, Demand, Desk, Drop, Row, answer, answered, question, sampling, turns
from sftmill.errors import RecipeError
from sftmill.steps.respond.judge.show import MATERIAL, harmless_text, request_turns
from sftmill.steps.respond.revise.principles import (
    Domain,
    Principle,
    constitution_files,
    constitution_path,
    draw,
    found_by_check,
    lost_numbers,
    new_numbers,
    read_constitution,
    stands_in,
    without_leaks,
)

ATTEMPTS = 2
"""Revisions asked for in a round, the second one with what the first one lost."""


class Violation(BaseModel):
    """A place at which an answer breaks a principle."""

    quote: str = Field(json_schema_extra={"maxLength": 300})
    problem: str = Field(json_schema_extra={"maxLength": 300})
    principle: str = Field(json_schema_extra={"maxLength": 60})


class Critique(BaseModel):
    """What a critic finds; an empty list is the usual answer."""

    violations: list[Violation] = Field(json_schema_extra={"maxItems": 8})


class Constitution(AskStep):
    """Criticises the answer by principles and revises it, round by round, until the critic finds nothing.

    Constitutional AI's first stage (Bai et al. 2022, arXiv 2212.08073). `draws` principles of the file are drawn for
    each row by a hash of its id. What a principle can find by itself (forbidden words, numbers that the passage does
    not have) needs no model. The critic may find nothing: a clean answer stays as it is, byte for byte. Faults whose
    quotation does not stand in the answer are the critic's inventions and do not count, nor do principles that were
    not drawn. A revision keeps all numbers and adds none that nobody gave, unless the principle is about numbers, and
    keeps at least the share `least_length` of the answer; one that does not is asked for once more, then the row goes.
    The answer before is `rejected`, and its `score` is taken away; `critiques` tells what was found.
    Drops: `not_clean`, `facts_lost`, `no_answer`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = MATERIAL
    writes: ClassVar[tuple[str, ...]] = ("messages", "reasoning", "rejected", "critiques", "score", "judgement")
    prompts: ClassVar[tuple[str, ...]] = ("critique", "revise")
    judging: ClassVar[tuple[str, ...]] = ("to_critic",)
    prompt_values: ClassVar[tuple[str, ...]] = (
        "turns", "candidate", "material", "principles", "violations", "kept", "lost",
    )  # fmt: skip

    to: str = "teacher"
    """Role that revises."""
    to_critic: str = "judge"
    """Role that criticises; best another model than the one that answered. The paper's model criticises itself: for
    that, give it the role that `to` has."""
    domain: Domain = "general"
    """Packaged principles: general, finance, law or medicine."""
    principles_file: Path | None = None
    """File of principles of your own, instead; {lang} in its name stands for zh or en."""
    draws: int | None = Field(4, ge=1)
    """Principles that are drawn for a row; null = all of the file."""
    rounds: int = Field(2, ge=1, le=8)
    """Revisions of an answer at most."""
    drop_unclean: bool = True
    """Whether an answer in which faults are still found after the last revision goes; needs one more critique."""
    least_length: float = Field(0.4, ge=0, le=1)
    """Share of the answer's length that a revision must have, so that faults are not removed with all the rest."""
    max_tokens: int = Field(2048, ge=16)
    """Tokens of a revision."""
    critique_tokens: int = Field(1024, ge=16)
    """Tokens of a critique."""

    def problems(self) -> list[str]:
        """Return what is wrong with the file of principles."""
        files = constitution_files(self.domain, self.principles_file)
        there = [path for path in files if path.is_file()]
        if not there:
            return [f"principles_file: {files[0]} is not there; write it, or leave the setting away"]
        found: list[str] = []
        for path in there:
            try:
                read_constitution(path)
            except RecipeError as error:
                found += error.problems
        return found

    def demand(self, candidates: int | None = None) -> Demand:
        """Return the critiques and revisions of an answer that never becomes clean."""
        calls = {self.to_critic: self.rounds + self.drop_unclean}
        calls[self.to] = calls.get(self.to, 0) + ATTEMPTS * self.rounds
        return Demand(calls, f"{self.rounds} rounds; a clean answer takes 1 critique and no revision")

    def files(self) -> tuple[Path, ...]:
        """Return the files of principles."""
        return constitution_files(self.domain, self.principles_file)

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with an answer in which nothing is found any more."""
        before = text = answer(row)
        if not text.strip():
            raise Drop("no_answer")
        path = constitution_path(self.domain, self.principles_file, row.get("lang") or "zh")
        constitution = read_constitution(path)
        drawn = draw(constitution.principles, self.draws, row.get("id") or question(row))
        history: list[dict[str, Any]] = []
        for number in range(self.rounds + 1):
            if number == self.rounds and not self.drop_unclean:
                break
            violations = await self._criticise(row, text, drawn, desk)
            history.append({"violations": [one.model_dump() for one in violations]})
            if not violations:
                break
            if number == self.rounds:
                raise Drop("not_clean", principles=sorted({one.principle for one in violations}))
            text = await self._revise(row, text, violations, drawn, desk)
        names = [f"{one.id} {one.version}" for one in drawn]
        told = {"constitution": f"{constitution.id} {constitution.version}", "principles": names, "rounds": history}
        made = {**row, "critiques": orjson.dumps(told).decode()}
        if text == before:
            return made
        # what was thought and judged belongs to the answer before
        made |= {"reasoning": None, "score": None, "judgement": None, "rejected": before}
        return answered(made, text)

    async def _criticise(self, row: Row, text: str, drawn: list[Principle], desk: Desk) -> list[Violation]:
        """Return the faults of a text, those that need no model first; the critic is asked only where these find none."""
        found = [
            Violation(quote=piece, problem=principle.critique, principle=principle.id)
            for principle in drawn
            for piece in found_by_check(principle, row, text)
        ]
        if found:
            return found
        prompt = desk.prompt(
            "critique",
            turns=request_turns(turns(row)),
            candidate=harmless_text(text),
            material=harmless_text(row.get("passage"), row.get("context")),
            principles=[one.model_dump() for one in drawn],
        )
        asked = sampling(0.0, self.critique_tokens)
        reply = (await desk.ask(prompt, to=self.to_critic, schema=Critique, sampling=asked))[0]
        known = {one.id: one for one in drawn}
        return [
            one
            for one in reply.data.violations
            if one.principle in known and (known[one.principle].omission or stands_in(one.quote, text))
        ]

    async def _revise(
        self, row: Row, text: str, violations: list[Violation], drawn: list[Principle], desk: Desk
    ) -> str:
        """Return a revision that keeps the facts; raises Drop where none does."""
        orders = {one.id: one for one in drawn}
        free = any(orders[one.principle].numbers for one in violations)
        lost: list[str] = []
        for _ in range(ATTEMPTS):
            prompt = desk.prompt(
                "revise",
                turns=request_turns(turns(row)),
                candidate=harmless_text(text),
                material=harmless_text(row.get("passage"), row.get("context")),
                violations=[{**one.model_dump(), "order": orders[one.principle].revision} for one in violations],
                kept=not free,
                lost=lost,
            )
            reply = (await desk.ask(prompt, to=self.to, sampling=sampling(0.0, self.max_tokens)))[0]
            made = without_leaks(reply.text, text)
            known = (question(row), row.get("passage"), row.get("context"))
            lost = [] if free else [*lost_numbers(text, made), *new_numbers(text, made, *known)]
            if made and not lost and len(made) >= self.least_length * len(text):
                return made
        raise Drop("facts_lost", numbers=lost, length=len(made), before=len(text))
