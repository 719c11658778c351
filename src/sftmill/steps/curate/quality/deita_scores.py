"""DEITA's scores: how complex what is asked is, and how good the answers are, turn by turn."""

import asyncio
from statistics import fmean
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Message, Row, turns
from sftmill.steps.curate.quality.scale import ask_score
from sftmill.steps.respond.judge.blind import harmless, shown

_SAYS = ("user", "assistant")


class Turn(NamedTuple):
    """A request and its answer, with what was said before."""

    before: list[dict[str, Any]]
    request: str
    answer: str


class DeitaScores(AskStep):
    """Lets a judge score what the user asks for by its complexity and the answer by its quality, each 1 to 6.

    After DEITA (arXiv 2312.15685): `deita` is complexity times quality, summed over the turns, so that longer
    conversations come first; `total: mean` does without that. Where the server gives log-probabilities, scores are the
    expected value over the digits. DEITA trained its scorers on rankings of evolved samples; a judge that is asked
    about one sample at a time tells them apart less well. A turn whose score the judge does not give leaves `deita`
    empty. Choose with `deita_select`, or with `keep_best` and `by: deita`.
    Drops: `no_answer`; with `missing: drop`, `not_scored`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("complexity", "answer_quality", "deita")
    prompts: ClassVar[tuple[str, ...]] = ("complexity", "quality")
    prompt_values: ClassVar[tuple[str, ...]] = ("before", "request", "candidate")
    judging: ClassVar[tuple[str, ...]] = ("to",)

    to: str = "judge"
    """Role that scores; best another model than the one that answered, for models like their own answers."""
    own_answers: bool = False
    """Whether the judge may be the model that wrote the answers."""
    total: Literal["sum", "mean"] = "sum"
    """How the turns of a conversation come together: their sum (DEITA's), or their mean."""
    most_turns: int = Field(6, ge=1)
    """Turns that are scored, from the first one; two calls each."""
    weighted: bool = True
    """Whether scores are weighted by probability where the server gives it; needs no further call."""
    longest: int = Field(6000, ge=200)
    """Characters of a request, and of an answer, that are shown."""
    max_tokens: int = Field(256, ge=16)
    """Tokens of a reply; a model that thinks needs more."""
    missing: Literal["keep", "drop"] = "keep"
    """What becomes of a row with a turn that the judge gives no score."""

    def demand(self, candidates: int | None = None) -> Demand:
        """Return two calls for a turn; rows of several turns ask more."""
        return Demand({self.to: 2}, f"2 calls a turn, for up to {self.most_turns} turns")

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its scores."""
        found = conversation(turns(row), self.longest)[: self.most_turns]
        if not found:
            raise Drop("no_answer")
        scores = await asyncio.gather(*(self._ask(name, turn, desk) for turn in found for name in self.prompts))
        complexity, quality = list(scores[::2]), list(scores[1::2])
        deita = None
        if None not in scores:
            products = [one * other for one, other in zip(complexity, quality, strict=True)]
            deita = round(sum(products) if self.total == "sum" else fmean(products), 4)
        elif self.missing == "drop":
            raise Drop("not_scored")
        return {**row, "complexity": complexity, "answer_quality": quality, "deita": deita}

    async def _ask(self, name: str, turn: Turn, desk: Desk) -> float | None:
        more = {"candidate": turn.answer} if name == "quality" else {}
        prompt = desk.prompt(name, before=turn.before, request=turn.request, **more)
        return await ask_score(desk, self.to, prompt, weighted=self.weighted, max_tokens=self.max_tokens)


def conversation(messages: list[Message], longest: int) -> list[Turn]:
    """Return the requests of a conversation that are answered, each text cut to `longest` characters and harmless."""
    found: list[Turn] = []
    before: list[dict[str, Any]] = []
    request: list[str] = []
    for message in messages:
        text = message["content"] or ""
        if message["role"] == "user":
            request.append(text)
        elif message["role"] == "assistant" and text.strip() and "".join(request).strip():
            asked, said = harmless("\n".join(request)[:longest]), shown(text, longest)
            found.append(Turn(list(before), asked, said))
            before += [{"role": role, "content": content} for role, content in zip(_SAYS, (asked, said), strict=True)]
            request = []
    return found
