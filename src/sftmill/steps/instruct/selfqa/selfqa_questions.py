"""SelfQA, first half: the model asks what a passage answers."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, asked, sampling
from sftmill.steps.instruct.selfqa.density import measure_density, questions_wanted
from sftmill.steps.instruct.selfqa.question_list import packed_list, piece_of, question_list, tidy
from sftmill.steps.instruct.selfqa.question_types import LABELS, TYPES, QuestionType, fitting, settle_type, spread

TOKENS_PER_QUESTION = 64
"""Tokens that a reply may have for each question at least, with its type and the signs around it."""


class SelfQAQuestions(AskStep):
    """Asks a model for questions that a passage answers; one child row per question.

    The first of the two model stages of SelfQA (Zhang & Yang 2023, arXiv 2305.11952). The row's
    own passage is the only knowledge given. How many questions are asked for follows how much the
    passage states (see `density`), and of which kinds, what it holds: reasons, steps, lists, values
    of one unit, conditions, exceptions (see `question_types`). A row with `pieces`, neighbouring
    passages that `split` packed, is asked about in one call; its children have the piece that they ask about
    as `passage`. All questions of a reply become rows, good or bad: a later `question_form` takes
    the bad ones out, with reasons that are counted. Only empty items and verbatim repetitions
    within one reply are left out.
    Drops: `empty_passage`, `nothing_to_ask` (a table of contents, links, headings), `no_question`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "title_path")
    may_read: ClassVar[tuple[str, ...]] = ("pieces", "context", "passage_index")
    writes: ClassVar[tuple[str, ...]] = ("messages", "question", "question_type")
    removes: ClassVar[tuple[str, ...]] = ("pieces",)
    prompts: ClassVar[tuple[str, ...]] = ("questions", "packed")
    prompt_values: ClassVar[tuple[str, ...]] = ("kinds", "parts")
    """What the prompt is given beside columns and settings: names of question types, and the numbered
    pieces as {number, text, count}, none where the passage stands alone."""

    to: str = "teacher"
    """Role of the model that asks."""
    count: int | None = Field(None, ge=1, le=20)
    """Questions per passage; None = as many as it states facts, from `least` to `most`."""
    least: int = Field(1, ge=1, le=20)
    """Fewest questions for a passage that states anything at all."""
    most: int = Field(8, ge=1, le=20)
    """Most questions for a passage."""
    types: tuple[QuestionType, ...] = Field(TYPES, min_length=1)
    """Types of questions to ask for, where they fit the passage: what, why, how, compare, compute, list, ..."""
    temperature: float = Field(0.7, ge=0, le=2)
    """Above 0, because questions are to differ."""
    max_tokens: int = Field(512, ge=16)
    """Tokens that the reply may have; at least 64 for each question where `pieces` are asked about."""

    def problems(self) -> list[str]:
        """Return what is wrong with the bounds, if so."""
        if self.least > self.most:
            return [f"least: {self.least} is more than most, which is {self.most}; lower it or raise most"]
        return []

    def wanted(self, passage: str) -> int:
        """Return how many questions to ask about a passage; 0 for one that states nothing."""
        if self.count is not None:
            return self.count if passage.strip() else 0
        return questions_wanted(measure_density(passage).facts, self.least, self.most)

    async def row(self, row: Row, desk: Desk) -> list[Row]:
        """Return one row per question proposed."""
        pieces = row.get("pieces") or [row.get("passage") or ""]
        if not any(piece.strip() for piece in pieces):
            raise Drop("empty_passage")
        counts = {number: n for number, piece in enumerate(pieces, 1) if (n := self.wanted(piece))}
        if not counts:
            raise Drop("nothing_to_ask", facts=round(sum(measure_density(piece).facts for piece in pieces), 2))
        lang = row.get("lang") or "zh"
        total = sum(counts.values())
        shown = "\n".join(pieces[number - 1] for number in counts)
        kinds = spread(fitting(measure_density(shown).signals, self.types), total, shown)
        packed = len(pieces) > 1
        parts = [{"number": n, "text": pieces[n - 1], "count": c} for n, c in counts.items()] if packed else []
        labels = [LABELS["zh" if lang == "zh" else "en"][kind] for kind in kinds] if packed else kinds
        room = max(self.max_tokens, TOKENS_PER_QUESTION * total) if packed else self.max_tokens
        replies = await desk.ask(
            desk.prompt("packed" if packed else "questions", count=total, kinds=labels, parts=parts),
            to=self.to,
            schema=packed_list(total, lang, tuple(kinds), len(pieces)) if packed else question_list(total),
            sampling=sampling(self.temperature, room),
        )
        children: dict[str, Row] = {}
        for proposed in replies[0].data.questions:
            text = tidy(proposed.question)
            if not text or text in children:
                continue
            number = piece_of(proposed.piece, text, {n: pieces[n - 1] for n in counts})
            parent = about_piece(row, number)
            children[text] = {**asked(parent, text), "question_type": settle_type(proposed.type, text, lang)}
        if not children:
            raise Drop("no_question", proposed=len(replies[0].data.questions))
        return list(children.values())


def about_piece(row: Row, number: int) -> Row:
    """Return a packed row as that of its piece `number`, from 1; a row without pieces comes back as it is."""
    if not (pieces := row.get("pieces")):
        return row
    made = {key: value for key, value in row.items() if key != "pieces"} | {"passage": pieces[number - 1]}
    if (first := row.get("passage_index")) is not None:
        made["passage_index"] = first + number - 1
    return made
