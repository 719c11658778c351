"""SelfQA, second half: the model answers from the passage alone, and says on which words it relies."""

from typing import ClassVar

from pydantic import BaseModel, Field

from sftmill.core import AskStep, Desk, Drop, Row, answered, question, sampling

UNANSWERABLE = {"zh": "资料未提及", "en": "not in the material"}
"""What the prompts tell a model to write when the passage holds no answer."""


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
    compute the passage once. Drops: `no_question`, `unanswerable`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "title_path", "question")
    writes: ClassVar[tuple[str, ...]] = ("messages", "answer", "quotations")
    prompts: ClassVar[tuple[str, ...]] = ("answer",)

    to: str = "teacher"
    """Role of the model that answers; it may be another one than that which asked."""
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
            sampling=sampling(self.temperature, self.max_tokens),
        )
        reply = replies[0]
        data: QuotedAnswer = reply.data
        said = data.answer.strip()
        if not said or is_unanswerable(said):
            raise Drop("unanswerable")
        quotations = list(dict.fromkeys(q.strip() for q in data.quotations if q.strip()))
        return {**answered(row, said, reply.reasoning), "quotations": quotations}


def is_unanswerable(answer: str) -> bool:
    """Tell whether an answer is the phrase that the prompts ask for when there is no answer."""
    bare = answer.strip(" \t\n\"'“”。.！!").casefold()
    return any(
        bare == phrase or bare.startswith((f"{phrase}。", f"{phrase}，", f"{phrase}."))
        for phrase in UNANSWERABLE.values()
    )
