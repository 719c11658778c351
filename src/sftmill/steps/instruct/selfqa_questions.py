"""SelfQA, first half: the model asks what a passage answers."""

import re
from functools import lru_cache
from typing import ClassVar

from pydantic import BaseModel, Field, create_model

from sftmill.core import AskStep, Desk, Drop, Row, asked, sampling
from sftmill.text import length

UNITS_PER_QUESTION = {"zh": 150, "en": 80}
"""Passage length (zh characters, en words) for which one question is asked when `count` is not set."""

_SPACES = re.compile(r"\s+")
_NUMBERING = re.compile(
    r"^\s*(?:[-*•]\s+|[（(]?\d{1,2}[)）.、:：](?!\d)\s*|(?:问题|question|q)\s*\d{0,2}\s*[:：.、]\s*)+", re.IGNORECASE
)


@lru_cache(maxsize=64)
def question_list(count: int) -> type[BaseModel]:
    """Return the structure of a reply with about `count` questions.

    The length limits are hints for servers that generate along the schema, so that a small
    model cannot run on; a longer list from other servers is still read.
    """
    hint = {"minItems": 1, "maxItems": count, "items": {"type": "string", "maxLength": 300}}
    return create_model("QuestionList", questions=(list[str], Field(json_schema_extra=hint)))


class SelfQAQuestions(AskStep):
    """Asks a model for questions that a passage answers; one child row per question.

    The first of the two model stages of SelfQA (Zhang & Yang 2023, arXiv 2305.11952). The row's
    own passage is the only knowledge given. All questions of a reply become rows, good or bad:
    a later `question_form` takes the bad ones out, with reasons that are counted.
    Only empty items and verbatim repetitions within one reply are left out.
    Drops: `empty_passage`, `no_question`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "title_path")
    writes: ClassVar[tuple[str, ...]] = ("messages", "question")
    prompts: ClassVar[tuple[str, ...]] = ("questions",)

    to: str = "teacher"
    """Role of the model that asks."""
    count: int | None = Field(None, ge=1, le=20)
    """Questions per passage; None = one per 150 characters (zh) or 80 words (en), at most `most`."""
    most: int = Field(5, ge=1, le=20)
    """Upper bound of the number that is found by length."""
    temperature: float = Field(0.7, ge=0, le=2)
    """Above 0, because questions are to differ."""
    max_tokens: int = Field(512, ge=16)
    """Tokens that the reply may have."""

    def wanted(self, row: Row) -> int:
        """Return how many questions to ask about the row's passage."""
        if self.count is not None:
            return self.count
        lang = row.get("lang") or "zh"
        units = length(row["passage"], lang)
        return max(1, min(self.most, round(units / UNITS_PER_QUESTION.get(lang, UNITS_PER_QUESTION["zh"]))))

    async def row(self, row: Row, desk: Desk) -> list[Row]:
        """Return one row per question proposed."""
        if not (row.get("passage") or "").strip():
            raise Drop("empty_passage")
        count = self.wanted(row)
        replies = await desk.ask(
            desk.prompt("questions", count=count),
            to=self.to,
            schema=question_list(count),
            sampling=sampling(self.temperature, self.max_tokens),
        )
        questions = list(dict.fromkeys(filter(None, map(tidy, replies[0].data.questions))))
        if not questions:
            raise Drop("no_question", proposed=len(replies[0].data.questions))
        return [asked(row, question) for question in questions]


def tidy(question: str) -> str:
    """Return a question without the list number or label that models put before it, on one line."""
    return _NUMBERING.sub("", _SPACES.sub(" ", question).strip()).strip()
