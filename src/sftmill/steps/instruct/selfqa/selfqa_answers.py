"""SelfQA, second half: the model answers from the passage alone, and says on which words it relies."""

from typing import ClassVar

from pydantic import BaseModel, Field

from sftmill.core import AskStep, Desk, Drop, Row, answered, question, sampling
from sftmill.steps.instruct.selfqa.answer_form import (
    AnswerLength,
    is_unanswerable,
    outside,
    pointer,
    repeats,
    stand_alone,
    wanted_length,
)
from sftmill.steps.instruct.selfqa.question_types import classify
from sftmill.text import length

WARMER = 0.5
"""Added to the temperature with every further attempt; small models that echo greedily answer when drawn."""


class QuotedAnswer(BaseModel):
    """An answer and the pieces of the passage behind it.

    A model writes the fields in this order: whoever has copied the evidence first answers from
    it. There is no yes-or-no field for "can be answered", since small models fill it in at
    random. The length limits are hints for servers that generate along the schema, so that a small
    model cannot run on; longer replies from other servers are still read.
    """

    quotations: list[str] = Field(json_schema_extra={"maxItems": 3, "items": {"type": "string", "maxLength": 300}})
    answer: str = Field(json_schema_extra={"maxLength": 1200})


class SelfQAAnswers(AskStep):
    """Answers a row's question from its passage, with one to three verbatim quotations.

    The second model stage of SelfQA (Zhang & Yang 2023, arXiv 2305.11952). What the model quotes
    is only its claim: a later `grounded` checks it against the passage.
    The prompt is the same up to the question for all questions of a passage, so that servers
    compute the passage once. An answer stands alone afterwards: "according to the material," at the
    head of one of its sentences is cut off, and an answer that points at the text in another way is dropped.
    Drops: `no_question`, `unanswerable` (the passage holds no answer, as the model says), `deictic`,
    `answer_too_short`, `answer_too_long` (under half or over twice the length asked for). An answer that
    only repeats the question is asked for again before `grounded` drops it.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "title_path", "question")
    may_read: ClassVar[tuple[str, ...]] = ("context", "question_type")
    writes: ClassVar[tuple[str, ...]] = ("messages", "answer", "quotations")
    prompts: ClassVar[tuple[str, ...]] = ("answer",)
    prompt_values: ClassVar[tuple[str, ...]] = ("shortest", "longest")
    """What the prompt is given beside columns and settings: bounds of the answer's length."""

    to: str = "teacher"
    """Role of the model that answers; it may be another one than that which asked."""
    answer_length: AnswerLength = "auto"
    """short (2 to 60 characters, 1 to 40 words), medium (20 to 150, 12 to 90), long (80 to 400, 50 to 250), or
    auto: at most 80 characters (50 words) for what and compute, 250 (150) for how and list, 150 (90) for the others."""
    temperature: float = Field(0.0, ge=0, le=2)
    """0, because there is one right answer."""
    attempts: int = Field(2, ge=1, le=8)
    """Times that an answer is asked for in all while it only repeats the question; each time a little warmer."""
    max_tokens: int = Field(768, ge=16)
    """Tokens that the reply may have, quotations included."""

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the answer as its last turn, and the quotations."""
        text = question(row)
        if not text.strip():
            raise Drop("no_question")
        lang = row.get("lang") or "zh"
        wanted = wanted_length(self.answer_length, row.get("question_type") or classify(text, lang), lang)
        shortest = None if self.answer_length == "auto" else wanted.least
        prompt = desk.prompt("answer", question=text, shortest=shortest, longest=wanted.most)
        for attempt in range(self.attempts):
            drawn = sampling(self.temperature + WARMER * attempt, self.max_tokens)
            reply = (await desk.ask(prompt, to=self.to, schema=QuotedAnswer, sampling=drawn))[0]
            data: QuotedAnswer = reply.data
            if not repeats(text, data.answer):
                break
        if not data.answer.strip() or is_unanswerable(data.answer):
            raise Drop("unanswerable")
        said = stand_alone(data.answer, lang)
        if words := pointer(said, lang):
            raise Drop("deictic", words=words)
        size = length(said, lang)
        if reason := outside(size, wanted):
            raise Drop(reason, length=size, least=wanted.least, most=wanted.most)
        quotations = list(dict.fromkeys(q.strip() for q in data.quotations if q.strip()))
        return {**answered(row, said, reply.reasoning), "quotations": quotations}
