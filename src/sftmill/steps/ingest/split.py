"""Cut documents into passages that a model can be asked about."""

from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import Drop, Row, RowStep
from sftmill.steps.ingest.law import articles
from sftmill.steps.ingest.law_context import LawText, as_context, titles_of
from sftmill.steps.ingest.passages import Passage, cut
from sftmill.steps.ingest.sections import is_contents_line
from sftmill.text import length
from sftmill.text.lazy import lazy_pattern

_URL = lazy_pattern(r"(?:https?|ftp)://[^\s)>\]，。]{1,2000}|\]\([^)\s]{1,2000}\)")


class Split(RowStep):
    """Cuts a document into passages of whole sentences, at headings and paragraphs where possible.

    No table row, line of code or law article that fits is cut in two, no heading ends a passage. A longer article is
    cut between its paragraphs (款) and items (项), a longer table between its rows; each of its passages repeats the
    words that lead into the list, or the table's caption and header. Otherwise passages are pieces of the document as
    it stands. The articles that a law's passage cites (前款, 本法第五条, Article 5(2)) come along in `context`, those
    of other sections where `citations` went before. Sizes follow SelfQA's practice of 300 to 800 Chinese characters;
    250 English words carry about as much.
    """

    reads: ClassVar = ("document",)
    may_read: ClassVar = ("context", "title", "title_path")
    writes: ClassVar = ("passage", "passage_index", "context", "title_path", "pieces")
    removes: ClassVar = ("document",)
    version: ClassVar = 2

    size: int = Field(600, ge=20)
    """Most characters of a Chinese passage, without spaces."""
    size_en: int = Field(250, ge=10)
    """Most words of an English passage."""
    minimum: int = Field(60, ge=0)
    """Characters below which a passage joins its neighbour, and a whole document is dropped; two fifths for words."""
    overlap: Literal[0, 1] = 0
    """Sentences of the previous passage that a passage repeats, where the cut is within running text."""
    cited: int = Field(600, ge=0)
    """Most characters of cited articles in `context`; two fifths for words. 0 brings none along."""
    pack: int = Field(1, ge=1, le=50)
    """Neighbouring passages of a section that make one row, to be asked about in one call; they stand in `pieces`."""

    def row(self, row: Row) -> list[Row]:
        """Return the passages; drops documents that are "empty", "too_short", or "no_prose" (a table of contents)."""
        document = row["document"] or ""
        lang = row.get("lang") or "zh"
        chinese = lang == "zh"
        size, minimum = (self.size, self.minimum) if chinese else (self.size_en, self.minimum * 2 // 5)
        if not document.strip():
            raise Drop("empty")
        if (long := length(document, lang)) < minimum:
            raise Drop("too_short", length=long, minimum=minimum)
        passages = cut(document, lang, size, minimum, self.overlap)
        if not any(is_prose(document[one.start : one.end]) for one in passages):
            raise Drop("no_prose", passages=len(passages))
        kept = {key: value for key, value in row.items() if key not in ("document", "context")}
        law = _law_of(row, document)
        limit = self.cited if chinese else self.cited * 2 // 5
        out: list[Row] = []
        for first in range(0, len(passages), self.pack):
            group = passages[first : first + self.pack]
            made = {**kept, "passage": _together(document, group), "passage_index": first}
            if self.pack > 1:
                made["pieces"] = [one.text(document) for one in group]
            if law and (name := law.name_at(group[0].start)):
                made["title_path"] = [*(row.get("title_path") or []), name]
            if law and limit:
                spans = [span for one in group for span in ((one.start, one.end), one.head) if span[1]]
                if context := as_context(law.cited(spans).wanted, limit, lang):
                    made["context"] = context
            out.append(made)
        return out


def _together(document: str, group: list[Passage]) -> str:
    """Return neighbouring passages as one contiguous piece, after what the first of them repeats."""
    return Passage(group[0].start, group[-1].end, group[0].head).text(document)


def _law_of(row: Row, document: str) -> LawText | None:
    """Return the document as a law where it has articles, with those that `citations` put into `context`."""
    context = row.get("context") or ""
    elsewhere = {article.number: (context, article) for article in articles(context)}
    law = LawText(document, titles_of(row), elsewhere)
    return law if law.articles or elsewhere else None


def is_prose(text: str) -> bool:
    """Tell whether a passage says something: not a table of contents, a list of links, or signs alone."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) >= 3 and 2 * sum(map(is_contents_line, lines)) > len(lines):
        return False
    visible = length(text, "zh")
    if 1.4 * sum(m.end() - m.start() for m in _URL.finditer(text)) > visible:
        return False
    return 6 * sum(c.isalpha() for c in text) > visible
