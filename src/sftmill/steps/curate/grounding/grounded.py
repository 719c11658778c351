"""Keeps an answer only if its passage says it."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer, answered
from sftmill.steps.curate.grounding.calibration import with_lifts, with_support
from sftmill.steps.curate.grounding.examined import Examined, examine


class Grounded(RowStep):
    """Keeps an answer if its passage says it, cut to the words that say it; needs no model.

    Evidence is the passage, the context that it cites and the headings above it. Quotations are
    looked up in it, exactly or by alignment that forgives what OCR confuses, and replaced by its
    own words; one that is made up or changed in its numbers or negations does not count. Where
    too little holds, the sentences that hold most of the answer are added. An opening such as
    "according to the text" is cut off the answer.

    Drops, each with `why`: `no_passage`, `empty_answer`, `refusal`, `deictic`, `copied_passage`,
    `question_contains_answer`, `wrong_arithmetic`, `number_not_in_source`, `name_not_in_source`,
    `negation_differs`, `limit_differs`, `other_subject`, `opposite_word`, `quotation_not_found`,
    `unsupported`. Numbers are compared
    by value (5万元 = 50,000元); those that a stated computation yields are recomputed.

    The score `grounded`, 0 to 1, estimates the probability that the passage supports the answer
    as an answer to this question; see `calibration`. Where models have read the answer before
    (`passage_lift`, `support`), what they found goes into it; then true sentences of the passage that
    answer another question are found out far more often.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = (
        "context", "title_path", "quotations", "question_lift", "answer_opening", "support",
    )  # fmt: skip
    writes: ClassVar[tuple[str, ...]] = ("messages", "answer", "quotations", "grounded")

    threshold: float = Field(0.3, ge=0, le=1)
    """Least score; the default drops about 3% of the faithful answers of CMRC 2018, DRCD and XQuAD."""
    drop: bool = True
    """Whether to drop what fails; else it passes with its score, 0 for a contradiction, for `passage_noise`."""
    support_weight: float = Field(0.5, ge=0, le=2)
    """How far the verdicts in `support` are believed: 1 = like as much evidence of the passage, 0 = not at all."""

    def row(self, row: Row) -> Row:
        """Return the row with its answer tidied, its quotations verified and its score."""
        try:
            seen = examine(row)
            score, why = self._score(row, seen)
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

    def _score(self, row: Row, seen: Examined) -> tuple[float, str]:
        """Return the score, and in words what speaks most against the answer."""
        score, why = seen.score()
        lift, opening, supported = row.get("question_lift"), row.get("answer_opening"), row.get("support")
        if lift is not None and opening is not None and seen.signals is not None:
            read = with_lifts(score, lift, opening)
            if read < self.threshold <= score:
                why = "a model that reads the passage does not answer this question so"
            score = read
        if supported is not None and self.support_weight:
            judged = with_support(score, supported, self.support_weight)
            if judged < self.threshold <= score:
                why = "a sentence of the answer was judged not to be said by the passage"
            score = judged
        return score, why
