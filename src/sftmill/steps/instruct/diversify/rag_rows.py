"""Rows that train a model to answer from passages of which one, or none, holds the answer."""

from random import Random
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, answer, answered, question, turns
from sftmill.steps.instruct.diversify.citing import with_citations
from sftmill.steps.instruct.diversify.distractors import distractors, fitting
from sftmill.steps.respond.answer.context import Shown, as_values, shown_turns
from sftmill.text import content_hash, length, normalise

ABOUT_THE_ANSWER = (
    "quotations", "answer_start", "reasoning", "reference", "rejected", "candidates", "scores", "masked_spans",
    "grounded",
)  # fmt: skip
"""Columns that speak of the answer, which a refusal replaces."""


class RagRows(AskStep):
    """Shows a pair's passage among others that do not answer, or only the others, and then has the answer refuse.

    The user turn becomes numbered passages and the question, in one of several wordings; the own passage stands at a
    place drawn evenly among them. For the share `without_own` it is left out and the answer is one of several
    sentences that say that the passages do not hold it; such rows have `operator` = missing, as those of `unanswerable`.
    After RAFT (Zhang et al. 2024, arXiv 2403.10131), which keeps the answer there and so trains to answer by heart.
    Rows of both kinds show the same number of passages, so that the number tells nothing: for that, one passage more
    than `distractors` is wanted of each row. None that answers the question itself is shown. Which rows refuse, the
    wording and the order follow from the row's id and `seed`. Asks no model.
    Drops: `incomplete`, `unanswered`, `passage_in_question`, `too_few_distractors`, `no_room`, `unsupported_answer`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("hard_negatives", "retrieved", "title_path", "context", "operator")
    writes: ClassVar[tuple[str, ...]] = ("messages", "task", "operator", "cited")
    prompts: ClassVar[tuple[str, ...]] = ("material_first", "question_first", "tagged", "ruled", "refusals")
    prompt_values: ClassVar[tuple[str, ...]] = ("passages", "asked")
    """The passages, each with number, heading and text, and the question."""

    source: Literal["hard_negatives", "retrieved"] = "hard_negatives"
    """Column that the other passages come from; those of `retrieved` are shown with their headings, as the own one is
    then, too."""
    distractors: int = Field(4, ge=1, le=49)
    """Passages beside the own one, if the row has so many; those that the column names first are taken."""
    least: int = Field(1, ge=1, le=49)
    """Fewest passages beside the own one that a row must have to stay."""
    without_own: float = Field(0.2, ge=0, le=1)
    """Share of the rows whose own passage is left out and whose answer refuses."""
    citations: bool = False
    """Whether each sentence of the answer that the own passage bears ends with its number, as in [2]."""
    support: float = Field(0.5, ge=0, le=1)
    """Share of a sentence's matter that the own passage must have for it to be cited."""
    room: int | None = Field(None, ge=50)
    """Characters (zh) or words (en) that all passages may have together; one that does not fit is passed over."""
    seed: int = 0
    """Another number chooses other rows, places and wordings."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        if self.least > self.distractors:
            return [f"least: {self.least} is more than distractors, which is {self.distractors}; lower it"]
        return []

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its passages shown, answered or refused."""
        asked, said, passage = question(row).strip(), answer(row).strip(), (row.get("passage") or "").strip()
        lang = row.get("lang") or "zh"
        if not asked or not said or not passage or turns(row)[-2]["role"] != "user":
            raise Drop("incomplete")
        if row.get("operator") in ("missing", "out_of_scope"):
            raise Drop("unanswered", operator=row["operator"])
        if normalise(passage) in normalise(asked):
            raise Drop("passage_in_question")
        own = self._own(row, passage)
        chance = Random(content_hash("rag_rows", str(self.seed), row.get("id") or f"{asked}\n{passage}"))
        refuses = chance.random() < self.without_own
        shown = self._shown(row, own, asked, said, lang, refuses)
        number = 0
        if not refuses:
            number = chance.randrange(len(shown) + 1) + 1
            shown.insert(number - 1, own)
        wordings = self.prompts[:-1]
        wording = wordings[chance.randrange(len(wordings))]
        prompt = desk.prompt(wording, passages=as_values(shown), asked=asked)
        if refuses:
            lines = desk.prompt("refusals")[-1]["content"].splitlines()
            text = chance.choice([line.strip() for line in lines if line.strip()])
            row = {name: value for name, value in row.items() if name not in ABOUT_THE_ANSWER}
            row["operator"] = "missing"
        else:
            text = self._text(said, own, asked, number, lang)
        made = {**row, "messages": shown_turns(turns(row)[:-1], prompt), "task": "with_context"}
        if self.citations:
            made["cited"] = [number] if number and f"[{number}]" in text else []
        return answered(made, text)

    def _own(self, row: Row, passage: str) -> Shown:
        """Return the row's own passage as it is shown, with what it refers to."""
        text = "\n\n".join(filter(None, (passage, (row.get("context") or "").strip())))
        # A heading on one passage alone would tell which one answers.
        return Shown(" / ".join(row.get("title_path") or ()) if self.source == "retrieved" else "", text)

    def _shown(self, row: Row, own: Shown, asked: str, said: str, lang: str, refuses: bool) -> list[Shown]:
        """Return the passages beside the own one, or in its place."""
        column = row.get(self.source) or ()
        if self.source == "retrieved":
            found = [Shown(" / ".join(one.get("title_path") or ()), one["text"].strip()) for one in column]
        else:
            found = [Shown("", text.strip()) for text in column]
        good = distractors(found, own.text, asked, said, lang)
        spare = 1 if self.without_own else 0
        wanted = min(self.distractors, len(good) - spare)
        if wanted < self.least:
            raise Drop("too_few_distractors", found=len(good), given=len(found), wanted=self.least + spare)
        room = float("inf") if self.room is None else self.room
        beside = fitting(good, room - length(own.borne, lang), wanted, lang)
        if len(beside) < self.least:
            raise Drop("no_room", room=self.room, own=length(own.borne, lang))
        if not refuses:
            return beside
        alone = fitting(good, room, len(beside) + 1, lang)
        if len(alone) <= len(beside):
            raise Drop("no_room", room=self.room, own=length(own.borne, lang))
        return alone

    def _text(self, said: str, own: Shown, asked: str, number: int, lang: str) -> str:
        """Return the answer, cited where that is wanted."""
        if not self.citations:
            return said
        text = with_citations(said, own.borne, asked, number, self.support, lang)
        if text is None:
            raise Drop("unsupported_answer", answer=said[:200])
        return text
