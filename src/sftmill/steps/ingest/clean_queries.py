"""Cleans real user queries without changing the users' words."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, asked, question
from sftmill.steps.ingest.decoding import clean
from sftmill.steps.ingest.query_form import find_flaw, strip_query
from sftmill.text import rouge_tokens


class CleanQueries(RowStep):
    """Takes greetings, thanks, signatures, markup and repeated punctuation off a query; never rewrites what is left.

    Drops: `empty` (nothing was asked), `too_short`, `overlong`, `only_url`, `only_emoji`, `only_numbers`, `mojibake`
    (decoded wrongly on its way), `advert` (several kinds of signs of an advertisement, and no question). Personal
    data is masked by the house before this step.
    """

    reads: ClassVar[tuple[str, ...]] = ("question",)
    writes: ClassVar[tuple[str, ...]] = ("question",)
    quick: ClassVar[bool] = True

    shortest: int = Field(3, ge=1)
    """Chinese characters, or words and numbers, that a query must have; 2 for one in Latin letters."""
    longest: int = Field(2000, ge=1)
    """Characters that a query may have."""

    def row(self, row: Row) -> Row:
        """Return the row with its question cleaned; raises Drop."""
        text = question(row)
        if len(text) > 10 * self.longest:
            raise Drop("overlong", characters=len(text), most=self.longest)
        text = strip_query(clean(text))
        if flaw := find_flaw(text):
            raise Drop(flaw)
        if len(text) > self.longest:
            raise Drop("overlong", characters=len(text), most=self.longest)
        tokens = rouge_tokens(text)
        if len(tokens) < (min(2, self.shortest) if text.isascii() else self.shortest):
            raise Drop("too_short", units=len(tokens), least=self.shortest)
        return asked(row, text)
