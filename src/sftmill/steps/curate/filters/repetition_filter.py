"""Takes out answers that say the same again and again."""

import re
from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer
from sftmill.steps.curate.filters.prose import without_fences
from sftmill.steps.curate.filters.repetition import duplicate_ngram_share, duplicate_share, loop_at_end, top_ngram_share
from sftmill.text import is_cjk, sentences, tokens
from sftmill.text.lazy import lazy_pattern

_TABLE_LINE = lazy_pattern(r"^[ \t]*\|.*$", re.M)

# Rae et al. 2021 (arXiv 2112.11446), table A1: greatest share of characters, by n in words.
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


class RepetitionFilter(RowStep):
    """Drops answers with repeated lines, sentences or n-grams, and those that end in a loop.

    The shares are those of Gopher (Rae et al. 2021, table A1). A Chinese word is about two characters
    long, so that n counts double where Chinese prevails. Code blocks and tables are left out, and
    answers below `least` tokens are asked only for loops. Drops: `loop`, `repeated_sentences`,
    `repeated_words` (one n-gram prevails), `repeated_passages` (many long n-grams come again).
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "answer")

    least: int = Field(100, ge=1)
    """Tokens (Chinese characters or words) from which on shares are looked at."""
    sentences: float = Field(0.5, ge=0, le=1)
    """Greatest share of sentences that stood before; Gopher takes 0.3 for lines, which refrains and timetables exceed."""
    slack: float = Field(3.0, gt=0)
    """Factor on Gopher's shares of n-grams: 1 is for web pages; an answer keeps to one matter and repeats its names."""

    def row(self, row: Row) -> Row:
        """Return the row as it is, or drop it."""
        text = without_fences(answer(row))
        words = tokens(text)
        period, times = loop_at_end(words)
        if times:
            raise Drop("loop", period=period, times=times, words=" ".join(words[-min(period, 12) :]))
        words = tokens(_TABLE_LINE.sub("", text)) if "|" in text else words
        if len(words) < self.least:
            return row
        self._check_sentences(text)
        chinese = 2 * sum(is_cjk(word[0]) for word in words) >= len(words)
        for n, limit in _TOP.items():
            share, gram = top_ngram_share(words, 2 * n if chinese else n)
            if share > limit * self.slack:
                raise Drop("repeated_words", share=round(share, 3), words=gram[:60])
        for n, limit in _DUPLICATE.items():
            share = duplicate_ngram_share(words, 2 * n if chinese else n)
            if share > limit * self.slack:
                raise Drop("repeated_passages", share=round(share, 3), n=n)
        return row

    def _check_sentences(self, text: str) -> None:
        parts = ["".join(tokens(text[start:end])) for start, end in sentences(text)]
        parts = [part for part in parts if len(part) >= 6]
        share, characters = duplicate_share(parts)
        if len(parts) >= 4 and min(share, characters) > self.sentences:
            raise Drop("repeated_sentences", share=round(share, 3))
