"""Candidates: several answers of a strong model, and of weaker ones, each with who wrote it."""

import asyncio
from typing import Any, ClassVar

from pydantic import Field, field_validator

from sftmill.core import AskStep, Demand, Desk, Row, Sampling, turns
from sftmill.errors import ReplyUnusable


class DrawCandidates(AskStep):
    """Draws answers of one model or several, for `feedback` and `preference` to judge.

    `candidates` holds the different texts, `candidate_sources` the role that wrote each; a text that both wrote is
    there once for each. The conversation stays without an answer. A weaker model whose replies are all unusable gives
    none; a row without any answer of the first model fails.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("messages", "reasoning", "candidates", "candidate_sources")

    to: str = "teacher"
    """Role of the strong model."""
    draws: int = Field(5, ge=1, le=64)
    """Its answers to a question."""
    to_weak: tuple[str, ...] = ()
    """Role of a weaker model, or several, whose answers are there to be criticised."""
    weak_draws: int = Field(5, ge=1, le=64)
    """The answers of each weaker model to a question."""
    temperature: float = Field(0.8, ge=0, le=2)
    """0 would draw the same answer each time."""
    top_p: float | None = Field(0.95, gt=0, le=1)
    """null leaves it to the server."""
    max_tokens: int = Field(2048, ge=16)
    """Tokens of an answer with its reasoning."""

    @field_validator("to_weak", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value or ()

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = []
        if not self.temperature and self.draws > 1:
            found.append("temperature: 0 draws the same answer each time; give 0.5 to 1, or draws: 1")
        if self.to in self.to_weak:
            found.append(f"to_weak: {self.to!r} is the strong model's role, too; name another one, or none")
        return found

    def demand(self, candidates: int | None = None) -> Demand:
        """Return the draws of all models."""
        calls = {self.to: self.draws} | dict.fromkeys(self.to_weak, self.weak_draws)
        return Demand(calls, f"{sum(calls.values())} draws", sum(calls.values()))

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its candidates and their sources."""
        messages = turns(row)
        if messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        drawn = Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

        async def draw(role: str, draws: int) -> list[tuple[str, str]]:
            try:
                replies = await desk.ask(messages, to=role, n=draws, sampling=drawn)
            except ReplyUnusable:
                if role == self.to:
                    raise
                return []
            return [(text, role) for reply in replies if (text := reply.text.strip())]

        drawing = [draw(self.to, self.draws), *(draw(role, self.weak_draws) for role in self.to_weak)]
        told = list(dict.fromkeys(one for found in await asyncio.gather(*drawing) for one in found))
        return {
            **row,
            "messages": messages,
            "reasoning": None,
            "candidates": [text for text, _ in told],
            "candidate_sources": [role for _, role in told],
        }
