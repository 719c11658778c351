"""Keeps an answer only if its passage says it."""

from typing import ClassVar, NamedTuple

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer, answered, question
from sftmill.steps.curate.grounding.calibration import probability
from sftmill.steps.curate.grounding.contradiction import is_verdict
from sftmill.steps.curate.grounding.evidence import Source, fit, matter, prepared, words_of
from sftmill.steps.curate.grounding.quoting import found_quotations
from sftmill.steps.curate.grounding.signals import Signals, read, weakness
from sftmill.steps.curate.grounding.vetoes import (
    refuse_contradictions,
    refuse_copies,
    refuse_names,
    refuse_numbers,
    tidy_answer,
)
from sftmill.steps.curate.grounding.wording import asked_for


class Grounded(RowStep):
    """Keeps an answer if its passage says it, cut to the words that say it; needs no model.

    Evidence is the passage, the context that it cites and the headings above it. Quotations are
    looked up in it, exactly or by alignment that forgives what OCR confuses, and replaced by its
    own words; one that is made up or changed in its numbers or negations does not count. Where
    too little holds, the sentences that hold most of the answer are added. An opening such as
    "according to the text" is cut off the answer.

    Drops, each with `why`: `empty_answer`, `refusal`, `deictic`, `copied_passage`,
    `question_contains_answer`, `wrong_arithmetic`, `number_not_in_source`, `name_not_in_source`,
    `negation_differs`, `limit_differs`, `other_subject`, `opposite_word`, `quotation_not_found`,
    `unsupported`. Numbers are compared
    by value (5万元 = 50,000元); those that a stated computation yields are recomputed.

    The score `grounded`, 0 to 1, estimates the probability that the passage supports the answer
    as an answer to this question; see `calibration`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("context", "title_path", "quotations")
    writes: ClassVar[tuple[str, ...]] = ("messages", "answer", "quotations", "grounded")

    threshold: float = Field(0.3, ge=0, le=1)
    """Least score; the default drops about 3% of the faithful answers of CMRC 2018, DRCD and XQuAD."""
    drop: bool = True
    """Whether to drop what fails; else it passes with its score, 0 for a contradiction, for `passage_noise`."""

    def row(self, row: Row) -> Row:
        """Return the row with its answer tidied, its quotations verified and its score."""
        try:
            seen = examine(row)
            score, why = seen.score()
            if score < self.threshold or not seen.quotations:
                reason = "quotation_not_found" if seen.quoted and not seen.quotations else "unsupported"
                raise Drop(reason, why=why, grounded=round(score, 3), threshold=self.threshold)
        except Drop as failed:
            if self.drop:
                raise
            # A contradiction leaves no doubt, however well the rest fits.
            score = failed.facts["grounded"] if failed.reason == "unsupported" else 0.0
            return {**row, "grounded": score}
        kept = row if seen.text == answer(row) else answered(row, seen.text)
        return {**kept, "quotations": seen.quotations, "grounded": round(score, 4)}


class Examined(NamedTuple):
    """An answer that nothing rules out, with what is seen of it."""

    text: str
    quotations: list[str]
    quoted: bool
    """Whether the model had quoted anything."""
    signals: Signals | None
    verdict: float
    """For a mere yes or no, which has no signals: share of the question's matter that its quotations say."""

    def score(self) -> tuple[float, str]:
        """Return the score, 0 to 1, and in words what speaks most against the answer."""
        if self.signals is None:
            return self.verdict, "a bare yes or no, and no quotation says what was asked"
        return probability(self.signals), weakness(self.signals)


def examine(row: Row) -> Examined:
    """Check an answer against its passage, `context` and headings; raise Drop where something rules it out."""
    asked = question(row)
    text = tidy_answer(answer(row), row.get("lang") or "zh")
    source = prepared("\n".join(filter(None, (row["passage"], row.get("context")))))
    heading = " ".join(row.get("title_path") or ())
    words = words_of(text, source)
    refuse_copies(row["passage"] or "", asked, words, source)
    refuse_numbers(text, asked, heading, source)
    refuse_names(text, asked, heading, source)
    quotations, quoted = found_quotations(row.get("quotations") or [], words, source)
    evidence = "\n".join(quotations)
    refuse_contradictions(text, asked, evidence, source)
    if is_verdict(text) and asked_for(asked) == "yes_no":
        # A mere yes is supported where its quotation says what was asked.
        verdict = fit([], matter(asked), Source(evidence), heading)[1] if quoted else 0.0
        return Examined(text, quotations, quoted, None, verdict)
    return Examined(text, quotations, quoted, read(asked, text, source, heading, evidence), 0.0)
