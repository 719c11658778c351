"""Takes out answers that refuse, or in which a model talks about itself."""

from typing import ClassVar, Literal

from sftmill.core import Drop, Row, RowStep, answer, question
from sftmill.steps.curate.filters.refusal_words import refusal


class RefusalFilter(RowStep):
    """Drops answers that say that they cannot answer, or that an AI gives them; zh and en.

    What a text says about its matter is no refusal: 无法退款的情形包括…, "The parcel cannot be delivered".
    Drops: `refusal`, `assistant_talk`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "question", "answer")

    where: Literal["head", "anywhere"] = "head"
    """Where to look: in the first 120 characters of the answer, or anywhere in it."""
    allow_self: bool = False
    """Whether talk of oneself ("As an AI") may stay."""

    def row(self, row: Row) -> Row:
        """Return the row as it is, or drop it."""
        found = refusal(question(row), answer(row), self.where == "anywhere")
        if found is not None and not (self.allow_self and found[0] == "assistant_talk"):
            raise Drop(found[0], words=found[1])
        return row
