"""SelfQA, second half: the model answers from the passage alone, and says on which words it relies."""

from typing import ClassVar

from pydantic import BaseModel, Field

from sftmill.core import AskStep, Desk, Drop, Row, Sampling, answered, question


class QuotedAnswer(BaseModel):
    """An answer and the pieces of the passage behind it.

    The order of the fields is the order in which a model writes them: whoever has copied the
    evidence first answers from it. The length limits are hints for servers that generate along
    the schema; longer replies from other servers are still read.
    """

    quotations: list[str] = Field(
        json_schema_extra={"maxItems": 3, "items": {"type": "string", "maxLength": 600}},
    )
    answerable: bool
    answer: str = Field(json_schema_extra={"maxLength": 1500})


class SelfQAAnswers(AskStep):
    """Answers a row's question from its passage, with one to three verbatim quotations.

    The second model stage of SelfQA (Zhang & Yang 2023, arXiv 2305.11952). What the model quotes
    is only its claim: a later `grounded` checks it against the passage.
    The prompt is the same up to the question for all questions of a passage, so that servers
    compute the passage once. Drops: `no_question`, `unanswerable`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "title_path", "question")
    writes: ClassVar[tuple[str, ...]] = ("messages", "answer", "quotations")
    prompts: ClassVar[tuple[str, ...]] = ("answer",)

    to: str = "teacher"
    """Role of the model that answers; a stronger one than that which asked does no harm."""
    temperature: float = Field(0.0, ge=0, le=2)
    """0, because there is one right answer."""
    max_tokens: int = Field(768, ge=16)
    """Tokens that the reply may have, quotations included."""

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the answer as its last turn, and the quotations."""
        text = question(row)
        if not text.strip():
            raise Drop("no_question")
        replies = await desk.ask(
            desk.prompt("answer", question=text),
            to=self.to,
            schema=QuotedAnswer,
            sampling=Sampling(temperature=self.temperature, max_tokens=self.max_tokens),
        )
        reply = replies[0]
        data: QuotedAnswer = reply.data
        if not data.answerable or not data.answer.strip():
            raise Drop("unanswerable", answer=data.answer[:200])
        quotations = list(dict.fromkeys(q.strip() for q in data.quotations if q.strip()))
        return {**answered(row, data.answer.strip(), reply.reasoning), "quotations": quotations}
