"""Round trip: another model answers the question from the passage, and must come back to the same answer."""

from typing import ClassVar, Literal, NamedTuple

from pydantic import BaseModel, Field

from sftmill.core import AskStep, Desk, Drop, Row, answer, question, sampling
from sftmill.steps.curate.grounding.contradiction import negations
from sftmill.steps.instruct.selfqa.answer_form import is_unanswerable
from sftmill.text import length
from sftmill.text.answers import bag_f1, foreign_values, gives_away, same_answer, span_f1

Outcome = Literal["same", "ambiguous", "inconsistent", "unanswerable"]


class FoundAnswers(BaseModel):
    """What the passage answers; several only where it gives answers that differ.

    The limits are hints for servers that generate along the schema.
    """

    answers: list[str] = Field(json_schema_extra={"maxItems": 3, "items": {"type": "string", "maxLength": 800}})


class Bounds(NamedTuple):
    """How alike two answers must be: `span` for short ones (CMRC F1), `long` for the others (F1 over words)."""

    span: float
    long: float


class RoundTrip(AskStep):
    """Keeps a pair only when a model that sees question and passage alone gives the same answer.

    Round-trip consistency (Alberti et al. 2019, arXiv 1906.05416), with the equality that Chinese needs: 1994年 is
    1994 by value. An answer of at most `longest_span` is a span: one draw at temperature 0, accepted when it
    is the same but for punctuation, or has a CMRC F1 of `span_f1` (the longest common run of characters). A longer
    one is drawn `draws` times at `temperature`, and `agreements` of them must hold its numbers and share `long_f1`
    of its words. Other values, or a "not" more or less, are never the same. A question with two
    different answers in the passage is ambiguous. `agreement` is the share of the draws that agree.
    Drops: `no_pair`, `answer_in_question`, `unanswerable`, `ambiguous`, `inconsistent`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("title_path", "context")
    writes: ClassVar[tuple[str, ...]] = ("agreement",)
    prompts: ClassVar[tuple[str, ...]] = ("answer",)

    to: str = "answerer"
    """Role of the model that answers; another one than that which wrote the pairs, or it confirms its own mistakes."""
    generator: str | None = "teacher"
    """Role that wrote the pairs, which `to` must not be; null where no model of the recipe did (rules, seq2seq)."""
    longest_span: int = Field(32, ge=1)
    """Characters (zh) or words (en) up to which an answer is compared as a span; 32 word pieces in the paper."""
    span_f1: float = Field(0.8, gt=0, le=1)
    """CMRC F1 from which a span is the same: 北京 and 北京市 have 0.8."""
    long_f1: float = Field(0.5, gt=0, le=1)
    """F1 over words (characters in Chinese) from which a long answer says the same."""
    draws: int = Field(3, ge=1, le=16)
    """Answers drawn for a long one."""
    agreements: int = Field(2, ge=1, le=16)
    """How many of them must agree with it."""
    temperature: float = Field(0.7, ge=0, le=2)
    """Temperature of the draws for a long answer; a span is asked for at 0."""
    max_tokens: int = Field(512, ge=16)
    """Tokens that a reply may have."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = []
        if self.to == self.generator:
            found.append(
                f"to: {self.to!r} also wrote the pairs (generator: {self.generator!r}), and would confirm its own "
                "mistakes; name another role, or set generator: to the role that wrote them, null where no model did"
            )
        if self.agreements > self.draws:
            found.append(f"agreements: {self.agreements} is more than draws, which is {self.draws}; lower it")
        return found

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the share of the draws that agree."""
        asked, given = question(row).strip(), answer(row).strip()
        if not asked or not given or not (row.get("passage") or "").strip():
            raise Drop("no_pair")
        if gives_away(asked, given):
            raise Drop("answer_in_question")
        is_span = length(given, row.get("lang") or "zh") <= self.longest_span
        drawn = sampling(0.0 if is_span else self.temperature, self.max_tokens)
        number = 1 if is_span else self.draws
        replies = await desk.ask(
            desk.prompt("answer", question=asked), to=self.to, n=number, schema=FoundAnswers, sampling=drawn
        )
        bounds = Bounds(self.span_f1, self.long_f1)
        outcomes = [compare(given, reply.data.answers, is_span, bounds) for reply in replies]
        agreed = outcomes.count("same")
        if agreed < (1 if is_span else self.agreements):
            reason = max(("ambiguous", "unanswerable", "inconsistent"), key=outcomes.count)
            raise Drop(reason, found=[reply.data.answers for reply in replies], agreed=agreed)
        return {**row, "agreement": agreed / len(replies)}


def compare(given: str, found: list[str], is_span: bool, bounds: Bounds) -> Outcome:
    """Return how the answers found in a passage stand to the one given.

    Several answers that only together are the given one are a list, not an ambiguity.
    """
    found = [text.strip() for text in found if text.strip() and not is_unanswerable(text)]
    if not found:
        return "unanswerable"
    alike = [_is_alike(given, text, is_span, bounds) for text in found]
    if all(alike) or _is_alike(given, "，".join(found), is_span, bounds):
        return "same"
    return "ambiguous" if any(alike) else "inconsistent"


def _is_alike(given: str, text: str, is_span: bool, bounds: Bounds) -> bool:
    """Tell whether a text says what the answer given says."""
    if same_answer(given, text):
        return True
    missing = foreign_values(given, text)
    if missing and (not is_span or foreign_values(text, given)):
        return False
    if negations(given) % 2 != negations(text) % 2:
        return False
    return span_f1(given, text) >= bounds.span if is_span else bag_f1(given, text) >= bounds.long
