"""Keeps samples whose parts are neither too short nor too long."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer, question, turns
from sftmill.text import length


class LengthFilter(RowStep):
    """Drops samples whose question, answer, single turns or whole are too short or too long.

    Lengths are characters without spaces for zh rows, words for en rows. Drops: `question_too_short`,
    `question_too_long`, `answer_too_short`, `answer_too_long`, `turn_too_long`, `too_few_turns`,
    `too_many_turns`, `too_long`.
    """

    reads: ClassVar[tuple[str, ...]] = ("lang", "messages", "question", "answer")

    shortest_question: int = Field(2, ge=0)
    """Least length of the last question."""
    longest_question: int | None = Field(4000, ge=1)
    """Greatest length of the last question; null = no limit."""
    shortest_answer: int = Field(1, ge=0)
    """Least length of the answer."""
    longest_answer: int | None = Field(8000, ge=1)
    """Greatest length of the answer; null = no limit."""
    longest_turn: int | None = Field(None, ge=1)
    """Greatest length of any turn, the system's and the tools' too; null = no limit."""
    longest: int | None = Field(None, ge=1)
    """Greatest length of all turns together; null = no limit."""
    fewest_turns: int = Field(0, ge=0)
    """Least number of user turns."""
    most_turns: int | None = Field(None, ge=1)
    """Greatest number of user turns; null = no limit."""

    def problems(self) -> list[str]:
        """Return which limits contradict each other."""
        pairs = [
            ("question", self.shortest_question, self.longest_question),
            ("answer", self.shortest_answer, self.longest_answer),
        ]
        found = [
            f"shortest_{name}: {least} is more than longest_{name}, {most}; nothing would pass: lower one of them"
            for name, least, most in pairs
            if most is not None and least > most
        ]
        if self.most_turns is not None and self.fewest_turns > self.most_turns:
            found.append(f"fewest_turns: {self.fewest_turns} is more than most_turns, {self.most_turns}; lower it")
        return found

    def row(self, row: Row) -> Row:
        """Return the row as it is, or drop it."""
        lang = row.get("lang") or "zh"
        self._check("question", length(question(row), lang), self.shortest_question, self.longest_question)
        self._check("answer", length(answer(row), lang), self.shortest_answer, self.longest_answer)
        lengths = [length(turn.get("content") or "", lang) for turn in turns(row)]
        if self.longest_turn is not None and max(lengths, default=0) > self.longest_turn:
            raise Drop("turn_too_long", length=max(lengths), limit=self.longest_turn)
        if self.longest is not None and sum(lengths) > self.longest:
            raise Drop("too_long", length=sum(lengths), limit=self.longest)
        asked = sum(turn["role"] == "user" for turn in turns(row))
        if asked < self.fewest_turns:
            raise Drop("too_few_turns", turns=asked, limit=self.fewest_turns)
        if self.most_turns is not None and asked > self.most_turns:
            raise Drop("too_many_turns", turns=asked, limit=self.most_turns)
        return row

    @staticmethod
    def _check(name: str, size: int, least: int, most: int | None) -> None:
        if size < least:
            raise Drop(f"{name}_too_short", length=size, limit=least)
        if most is not None and size > most:
            raise Drop(f"{name}_too_long", length=size, limit=most)
