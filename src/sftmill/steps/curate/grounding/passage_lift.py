"""Lets a model read passage, question and answer, and says how much each makes the answer likelier."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Row, answer, question
from sftmill.steps.curate.grounding.claims import choose_premise
from sftmill.steps.curate.grounding.evidence import prepared
from sftmill.steps.curate.grounding.examined import examine
from sftmill.steps.curate.grounding.lifts import Lifts, compare
from sftmill.steps.curate.grounding.wording import strip_lead

_HOPELESS = 0.01
"""Score without a model from which the best reading makes less than `grounded`'s default threshold."""


class PassageLift(AskStep):
    """Scores an answer's tokens after passage and question, after the passage alone and after the question alone.

    A statement of the passage that answers another question is likely after the passage, but no likelier for being
    asked this: `question_lift` tells it from an answer. `passage_lift` says how much the passage adds to what the
    model knew, `answer_opening` how likely it finds the answer's first words. Words of the answer that the question
    says are left out. `grounded` takes `question_lift` and `answer_opening` into its score; run it after this step.
    An answer that it refuses in any case is not scored. A model of half a billion weights is enough.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("context", "title_path", "quotations")
    writes: ClassVar[tuple[str, ...]] = ("passage_lift", "question_lift", "answer_opening")
    prompts: ClassVar[tuple[str, ...]] = ("passage_and_question", "passage", "question")
    prompt_values: ClassVar[tuple[str, ...]] = ("material", "asked")

    to_scorer: str = "scorer"
    """Role that gives log-probabilities: a model in this process (`transformers:`), or vLLM."""
    skip_hopeless: bool = True
    """Whether answers that `grounded` refuses whatever a model says, such as for a wrong number, are left unscored."""
    without_passage: bool = True
    """Whether the answer is also scored after the question alone, for `passage_lift`; `grounded` does not need it."""
    longest_passage: int = Field(6000, ge=200)
    """Characters of the passage that are read; of a longer one, the sentences that fit the answer best."""
    longest_answer: int = Field(600, ge=20)
    """Characters of the answer that are scored, from its beginning."""

    def demand(self, candidates: int | None = None) -> Demand:
        """Return how often the answer is scored."""
        return Demand({self.to_scorer: 2 + self.without_passage}, "token scores of the answer")

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its lifts, None where the answer was not scored."""
        found = await self._read(row, desk)
        passage, asked, opening = found or (None, None, None)
        return {**row, "passage_lift": passage, "question_lift": asked, "answer_opening": opening}

    async def _read(self, row: Row, desk: Desk) -> Lifts | None:
        asked = question(row)
        text = strip_lead(answer(row)).strip().rstrip("。.").rstrip()[: self.longest_answer]
        material = "\n".join(filter(None, (row.get("passage"), row.get("context"))))
        if not text or not material.strip() or (self.skip_hopeless and is_hopeless(row)):
            return None
        material = choose_premise(text, asked, prepared(material), self.longest_passage)
        lead = "" if (row.get("lang") or "zh") == "zh" else " "
        scores = []
        # what shares the passage is read one after the other, so that the passage is read once
        for name in self.prompts if self.without_passage else self.prompts[:2]:
            prefix = desk.prompt(name, material=material, asked=asked)[0]["content"]
            scores.append(await desk.score(prefix, lead + text, to=self.to_scorer))
        return compare(text, asked, *scores)


def is_hopeless(row: Row) -> bool:
    """Tell whether something rules an answer out, or its score is so low that no reading could save it."""
    try:
        return examine(row).score()[0] < _HOPELESS
    except Drop:
        return True
