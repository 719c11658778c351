"""Candidates: several answers of a strong model, and of a weaker one, each with who wrote it."""

import asyncio
from typing import ClassVar

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Row, Sampling, turns
from sftmill.errors import ReplyUnusable


class DrawCandidates(AskStep):
    """Draws answers of one or two models, for `feedback` and `preference` to judge.

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
    to_weak: str | None = None
    """Role of a weaker model, whose answers are there to be criticised; null = none."""
    weak_draws: int = Field(5, ge=1, le=64)
    """The weaker model's answers to a question."""
    temperature: float = Field(0.8, ge=0, le=2)
    """0 would draw the same answer each time."""
    top_p: float | None = Field(0.95, gt=0, le=1)
    """null leaves it to the server."""
    max_tokens: int = Field(2048, ge=16)
    """Tokens of an answer with its reasoning."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = []
        if not self.temperature and self.draws > 1:
            found.append("temperature: 0 draws the same answer each time; give 0.5 to 1, or draws: 1")
        if self.to_weak == self.to:
            found.append(f"to_weak: {self.to_weak!r} is the strong model's role, too; name another one, or null")
        return found

    def demand(self, candidates: int | None = None) -> Demand:
        """Return the draws of both models."""
        calls = {self.to: self.draws} | ({self.to_weak: self.weak_draws} if self.to_weak else {})
        return Demand(calls, f"{sum(calls.values())} draws", sum(calls.values()))

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its candidates and their sources."""
        messages = turns(row)
        if messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        drawn = Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

        async def weak() -> list[str]:
            if self.to_weak is None:
                return []
            try:
                return [r.text for r in await desk.ask(messages, to=self.to_weak, n=self.weak_draws, sampling=drawn)]
            except ReplyUnusable:
                return []

        strong, other = await asyncio.gather(desk.ask(messages, to=self.to, n=self.draws, sampling=drawn), weak())
        told = [(reply.text.strip(), self.to) for reply in strong] + [(text.strip(), self.to_weak) for text in other]
        told = list(dict.fromkeys((text, role) for text, role in told if text))
        return {
            **row,
            "messages": messages,
            "reasoning": None,
            "candidates": [text for text, _ in told],
            "candidate_sources": [role for _, role in told],
        }
