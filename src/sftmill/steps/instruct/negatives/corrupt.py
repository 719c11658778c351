"""Wrong answers made on purpose, from right ones: the worse half of a preference pair."""

from typing import ClassVar

import orjson
from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer, answered
from sftmill.steps.instruct.negatives.corruption import KINDS, Corruption, Kind, corrupt_text
from sftmill.text import detect_lang


class Corrupt(RowStep):
    """Writes a copy of each right answer that is wrong in one place, as `rejected`; no model is asked.

    The place is of one of six kinds: another number, another unit, a negation more or less, another name or noun (of
    the passage), a step left out, an older year or version. `corruption` says what was changed, as JSON {kind,
    start, end, was, now}: `rejected` is the answer with `now` in the place of answer[start:end], and nothing else.
    The right answer stays in `messages`. With `as_answer` the wrong text becomes the answer, for testing judges
    and for critique tasks; such a row has the polarity "negative", and `export` refuses to write it as an answer to
    learn. The same row is always corrupted in the same way. Give these rows a stream of their own: what offers no
    place is dropped.
    Drops: `no_answer`, `nothing_to_corrupt`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("passage", "context")
    writes: ClassVar[tuple[str, ...]] = ("messages", "rejected", "corruption", "polarity", "desirable")

    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1)
    """Kinds of corruption: number, unit, negation, entity, step, rule; they take turns as the text decides."""
    count: int = Field(1, ge=1, le=len(KINDS))
    """Wrong answers for each right one, of different kinds; from 2 on, and with `as_answer`, each is a row of its own."""
    as_answer: bool = False
    """Make the wrong text the row's answer, with polarity "negative" and desirable false, instead of `rejected`."""
    seed: int = 0
    """Another number makes other mistakes."""

    def row(self, row: Row) -> Row | list[Row]:
        """Return the row with its wrong answer, or one row for each."""
        text = answer(row)
        if not text.strip():
            raise Drop("no_answer")
        source = "\n".join(filter(None, (row.get("passage"), row.get("context"))))
        lang = detect_lang(text)  # an answer may be in another language than its row
        found = corrupt_text(text, lang, source, self.kinds, self.count, self.seed)
        if not found:
            raise Drop("nothing_to_corrupt", kinds=list(self.kinds), length=len(text))
        made = [self._with(row, text, corruption) for corruption in found]
        # with another answer it is another sample, with an id of its own
        return made if self.as_answer or self.count > 1 else made[0]

    def _with(self, row: Row, text: str, corruption: Corruption) -> Row:
        """Return the row with one wrong answer."""
        wrong = corruption.applied(text)
        told = {"corruption": orjson.dumps(corruption._asdict()).decode()}
        if not self.as_answer:
            return {**row, "rejected": wrong, **told}
        kept = {name: value for name, value in row.items() if name != "rejected"}
        return {**answered(kept, wrong), "polarity": "negative", "desirable": False, **told}
