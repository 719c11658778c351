"""IFD: how little the question helps a model to say the answer, by the answer's likelihood with and without it."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Message, Row, answer, turns
from sftmill.errors import ContextTooLong
from sftmill.steps.curate.quality.difficulty import Definition, difficulty, mean_loss


class Ifd(AskStep):
    """Measures how hard an instruction is to follow (IFD): the loss of the answer after the question against alone.

    `perplexity_ratio` is exp(loss after - loss alone) (Superfiltering, arXiv 2402.00530), `loss_ratio` is loss after /
    loss alone (Cherry LLM, arXiv 2308.12032): the same rows are at 1, the order is another one. At 1 or more the
    question does not help, and the two do not belong together: those rows go. Of the rest the highest teach most, so
    follow with `keep_best` and `by: ifd`; a wrong or noisy answer is high, too, so filter for quality first. Code,
    tables and formulas are low. Half a billion weights are enough to rank rows, but the model must know the language.
    The last answer is measured, after all that was said before it, as plain text without a chat template. Rows of very
    short answers are not measured and stay.
    Drops: `not_helped`; with `missing: drop`, `not_measured`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("ifd", "answer_loss", "answer_loss_alone")
    prompts: ClassVar[tuple[str, ...]] = ("question", "alone")
    prompt_values: ClassVar[tuple[str, ...]] = ("turns",)

    to_scorer: str = "scorer"
    """Role that gives log-probabilities: a model in this process (`transformers:`), or vLLM."""
    definition: Definition = "perplexity_ratio"
    """Which of the two ratios `ifd` is; both losses are written down, whichever it is."""
    drop_from: float | None = Field(1.0, gt=0)
    """IFD from which on a row goes; null = all stay."""
    shortest: int = Field(5, ge=1)
    """Tokens below which an answer is not measured: the numbers of a few tokens are chance, and mostly high."""
    longest_answer: int = Field(3000, ge=50)
    """Characters of the answer that are read, from its beginning."""
    longest: int = Field(6000, ge=50)
    """Characters of the conversation before the answer; rows with more are not measured, for a cut question is another."""
    missing: Literal["keep", "drop"] = "keep"
    """What becomes of rows that are not measured."""

    def demand(self, candidates: int | None = None) -> Demand:
        """Return how often the answer is scored."""
        return Demand({self.to_scorer: 2}, "token scores of the answer")

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its losses and their ratio, None where they were not measured."""
        after, alone = await self._read(row, desk) or (None, None)
        found = difficulty(after, alone, self.definition) if after is not None and alone is not None else None
        if found is None and self.missing == "drop":
            raise Drop("not_measured")
        ifd = None if found is None else round(found, 6)
        if ifd is not None and self.drop_from is not None and ifd >= self.drop_from:
            raise Drop("not_helped", ifd=ifd, answer_loss=round(after, 4), answer_loss_alone=round(alone, 4))
        rounded = [None if loss is None else round(loss, 6) for loss in (after, alone)]
        return {**row, "ifd": ifd, "answer_loss": rounded[0], "answer_loss_alone": rounded[1]}

    async def _read(self, row: Row, desk: Desk) -> tuple[float | None, float | None] | None:
        text = answer(row).strip()[: self.longest_answer]
        before = _said_before(turns(row))
        if not text or not before or sum(len(turn["content"]) for turn in before) > self.longest:
            return None
        lead = "" if (row.get("lang") or "zh") == "zh" else " "
        losses = []
        for name in reversed(self.prompts):  # the cheap one first: it tells whether the answer is too short
            prefix = desk.prompt(name, **({"turns": before} if name == "question" else {}))[0]["content"]
            try:
                scores = await desk.score(prefix, lead + text, to=self.to_scorer)
            except ContextTooLong:
                return None
            if len(scores.logprobs) < self.shortest:
                return None
            losses.append(mean_loss(scores))
        return losses[1], losses[0]


def _said_before(messages: list[Message]) -> list[dict[str, Any]]:
    """Return the turns before the answer that ends a conversation; none where the user says nothing."""
    before = [{"role": m["role"], "content": (m["content"] or "").strip()} for m in messages[:-1]]
    return before if any(turn["role"] == "user" and turn["content"] for turn in before) else []
