"""Self-consistency: several answers are drawn, and the result that most of them come to wins."""

from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Message, Reply, Row, Sampling, answered, turns
from sftmill.steps.respond.verify.results import find_result, same_result


class Result(NamedTuple):
    """A result, and the answers that come to it."""

    text: str
    """As the first of them writes it."""
    replies: list[Reply]


class Vote(AskStep):
    """Draws several answers to a question that has one result, and keeps an answer of the majority.

    Self-consistency (Wang et al. 2022, arXiv 2203.11171). The result is what stands in the last \\boxed{}, behind
    ####, behind 答案是, "the answer is" or 故选, or else the last number. Results are compared by value: 1.5万 is
    15000, 50% is 0.5, 三分之一 is 1/3. `agreement` is the share of the draws that come to the winning result; draws
    that were cut off or give no result agree with none. All texts are in `candidates`. What the model thought
    before the answer that is kept is in `reasoning`. That most agree does not make it right: see to it that the
    questions are not all too hard for the model.
    Drops: `no_result`, `no_majority`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("messages", "reasoning", "candidates", "agreement")
    prompts: ClassVar[tuple[str, ...]] = ("final",)

    to: str = "teacher"
    """Role that answers."""
    draws: int = Field(8, ge=2, le=128)
    """Answers to draw, in one request where the server can do that."""
    least_agreement: float = Field(0.5, ge=0, le=1)
    """Share of the draws that must come to the same result; two results with equal shares are no majority."""
    keep: Literal["shortest", "first"] = "shortest"
    """Which answer of the majority stays: the shortest, or the one drawn first."""
    boxed: bool = True
    """Whether the request ends with the wish to put the result into \\boxed{}; the row's question stays as it is."""
    temperature: float = Field(0.7, ge=0, le=2)
    """0 would draw the same answer each time."""
    top_p: float | None = Field(0.95, gt=0, le=1)
    """null leaves it to the server."""
    max_tokens: int = Field(4096, ge=16)
    """Tokens of an answer with its reasoning."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        if self.temperature:
            return []
        return ["temperature: 0 draws the same answer each time, so that all agree; give 0.5 to 1"]

    def demand(self, candidates: int | None = None) -> Demand:
        """Return the draws."""
        return Demand({self.to: self.draws}, f"{self.draws} draws", self.draws)

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with an answer of the majority."""
        messages = turns(row)
        if messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        drawn = Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)
        replies = await desk.ask(self._with_wish(messages, desk), to=self.to, n=self.draws, sampling=drawn)
        results = tally(replies)
        found = {one.text: len(one.replies) for one in results[:5]}
        if not results:
            raise Drop("no_result", draws=self.draws)
        winner = results[0]
        agreement = len(winner.replies) / self.draws
        tie = len(results) > 1 and len(results[1].replies) == len(winner.replies)
        if tie or agreement < self.least_agreement:
            raise Drop("no_majority", agreement=round(agreement, 4), results=found)
        kept = min(winner.replies, key=lambda r: len(r.text)) if self.keep == "shortest" else winner.replies[0]
        made = answered({**row, "reasoning": None}, kept.text, kept.reasoning)
        return {**made, "candidates": [reply.text for reply in replies], "agreement": agreement}

    def _with_wish(self, messages: list[Message], desk: Desk) -> list[Message]:
        """Return the conversation with the wish for a box at the end of its last user turn."""
        if not self.boxed or not messages or messages[-1]["role"] != "user":
            return messages
        wish = desk.prompt("final")[0]["content"]
        return [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n{wish}"}]


def tally(replies: list[Reply]) -> list[Result]:
    """Return the results that the replies come to, the most frequent first, then the one that came first."""
    results: list[Result] = []
    for reply in replies:
        text = find_result(reply.text)
        if text is None:
            continue
        same = next((one for one in results if same_result(one.text, text)), None)
        if same:
            same.replies.append(reply)
        else:
            results.append(Result(text, [reply]))
    return sorted(results, key=lambda one: -len(one.replies))
