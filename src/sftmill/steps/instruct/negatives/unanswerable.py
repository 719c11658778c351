"""Negative samples with right answers: questions that cannot be answered, and what an assistant should say then."""

from random import Random
from typing import ClassVar

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, answer, question, sampling
from sftmill.steps.instruct.negatives.negative_form import (
    ACCEPTED,
    FalsePremise,
    Kind,
    Negative,
    Verdict,
    agrees,
    find_negative_fault,
)
from sftmill.text import content_hash, deixis


class Unanswerable(AskStep):
    """Makes samples that teach to say no: one question for each row's material, with the right refusal or correction.

    Three kinds, in turn as the material decides. missing: what the material does not answer; the user turn shows the
    material, and the answer says that it is not there. false_premise: the question takes a wrong value for granted; the
    answer puts it right, with the value of the material. out_of_scope: a request that is not the assistant's task,
    named in `scope`; a system turn says what is. Each is checked twice: by rule (the answer refuses or corrects, holds
    the true value, and invents no number) and by `to_checker`, which sees material and question and not what was
    wanted. The material is the passage, or else the row's question and answer. `operator` tells the kind. The answers
    are right and may be trained on. Make them in a stream of their own, `from:` that of the rows, and without a
    `refusal_filter`, which would take them out.
    Drops: `no_material`, `not_chosen`; `no_question`, `no_answer`, `deictic`, `no_refusal`, `invented_value`,
    `premise_unclear`, `premise_not_false`, `true_value_missing`, `no_correction`; and by the second model
    `answerable`, `other_kind`, `true_value_disputed`.
    """

    may_read: ClassVar[tuple[str, ...]] = ("passage", "title_path", "context", "messages")
    writes: ClassVar[tuple[str, ...]] = ("messages", "operator", "method", "task")
    prompts: ClassVar[tuple[str, ...]] = ("missing", "false_premise", "out_of_scope", "check", "shown", "scope")
    prompt_values: ClassVar[tuple[str, ...]] = ("material", "asked")
    """What the question is about, and the question."""

    kinds: tuple[Kind, ...] = ()
    """Kinds to make: missing, false_premise, out_of_scope; empty = the first two, and the third where `scope` is given."""
    scope: str = ""
    """What the assistant is there for, in a few words, such as "questions about the bank's retail loans"."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of the rows for which a sample is made, always the same ones; the others are dropped as `not_chosen`."""
    to: str = "teacher"
    """Role of the model that writes."""
    to_checker: str = "checker"
    """Role of the model that checks; another one than `to`."""
    same_checker: bool = False
    """Let the model that writes check its own work."""
    temperature: float = Field(0.7, ge=0, le=2)
    """Of writing; checking is at 0."""
    max_tokens: int = Field(512, ge=16)
    """Tokens that a reply may have."""
    seed: int = 0
    """Another number chooses other rows and kinds."""

    def problems(self) -> list[str]:
        """Return what is wrong with the roles, or missing for a kind."""
        found = []
        if self.to == self.to_checker and not self.same_checker:
            found.append(
                f"to_checker: {self.to_checker!r} also writes the samples (to), and would confirm its own mistakes; name "
                "another role, or set same_checker: true"
            )
        if "out_of_scope" in self.kinds and not self.scope.strip():
            found.append("scope: out_of_scope needs it; say in a few words what the assistant is there for")
        return found

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the sample made of a row."""
        material = material_of(row)
        if not material:
            raise Drop("no_material")
        chance = Random(content_hash("unanswerable", str(self.seed), material, question(row)))
        if chance.random() >= self.share:
            raise Drop("not_chosen")
        default: tuple[Kind, ...] = ("missing", "false_premise", *(("out_of_scope",) if self.scope.strip() else ()))
        kind: Kind = chance.choice(self.kinds or default)
        schema = FalsePremise if kind == "false_premise" else Negative
        drawn = sampling(self.temperature, self.max_tokens)
        reply = (await desk.ask(desk.prompt(kind, material=material), to=self.to, schema=schema, sampling=drawn))[0]
        made: Negative | FalsePremise = reply.data
        facts = {"kind": kind, "question": made.question[:200]}
        if fault := find_negative_fault(kind, made, material):
            raise Drop(fault, **facts, answer=made.answer[:200])
        if kind == "false_premise" and (found := deixis(made.question, row.get("lang") or "zh")):
            raise Drop("deictic", **facts, words=made.question[found[0].start : found[0].end])
        await self._check(kind, made, material, facts, desk)
        return self._composed(row, kind, made, material, desk)

    async def _check(
        self, kind: Kind, made: Negative | FalsePremise, material: str, facts: dict[str, str], desk: Desk
    ) -> None:
        """Ask the second model how the question stands to the material; raises Drop where it finds something else."""
        prompt = desk.prompt("check", material=material, asked=made.question)
        reply = (await desk.ask(prompt, to=self.to_checker, schema=Verdict, sampling=sampling(0.0, 200)))[0]
        verdict: Verdict = reply.data
        if verdict.verdict not in ACCEPTED[kind]:
            reason = "answerable" if verdict.verdict == "answerable" else "other_kind"
            raise Drop(reason, **facts, verdict=verdict.verdict)
        if isinstance(made, FalsePremise) and not agrees(verdict.correct_value, made.true_value):
            raise Drop("true_value_disputed", **facts, ours=made.true_value, theirs=verdict.correct_value[:200])

    def _composed(self, row: Row, kind: Kind, made: Negative | FalsePremise, material: str, desk: Desk) -> Row:
        """Return the row with the sample's conversation."""
        asked = made.question.strip()
        turns = []
        if kind == "missing":
            asked = desk.prompt("shown", material=material, asked=asked)[-1]["content"]
        elif kind == "out_of_scope":
            turns.append({"role": "system", "content": desk.prompt("scope")[-1]["content"]})
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": made.answer.strip()}]
        kept = {name: value for name, value in row.items() if name not in ("quotations", "question_type", "rejected")}
        task = "with_context" if kind == "missing" else "closed_book"
        return {**kept, "messages": turns, "operator": kind, "method": "unanswerable", "task": task}


def material_of(row: Row) -> str:
    """Return what questions are asked about: the passage with what it refers to, or else question and answer."""
    passage = (row.get("passage") or "").strip()
    if passage:
        return "\n".join(filter(None, (passage, (row.get("context") or "").strip())))
    asked, said = question(row).strip(), answer(row).strip()
    return f"{asked}\n{said}" if asked and said else ""
