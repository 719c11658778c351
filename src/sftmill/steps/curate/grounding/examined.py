"""What is seen of an answer beside its passage, without a model: what rules it out, and signals for a score."""

from typing import NamedTuple

from sftmill.core import Drop, Row, answer, question
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
    passage, asked = row.get("passage") or "", question(row)
    if not passage.strip():
        raise Drop("no_passage")
    text = tidy_answer(answer(row), row.get("lang") or "zh")
    source = prepared("\n".join(filter(None, (passage, row.get("context")))))
    heading = " ".join(row.get("title_path") or ())
    words = words_of(text, source)
    refuse_copies(passage, asked, words, source)
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
