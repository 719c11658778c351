"""Brings together the articles of a law that cite one another across its chapters."""

from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import groupby
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.steps.ingest.law import Article, Number, articles
from sftmill.steps.ingest.law_context import LawText, titles_of


class Citations(WholeStep):
    """Gives each section of a law the articles of other sections that it cites, in `context`, before `split`.

    A row is a section, and `split` sees no other: with this step before it, it also finds the articles that stand in
    another chapter, and leaves to each passage those that the passage cites. Sections of one file that follow each
    other belong together; article numbers that begin anew begin another law. Only recipes for laws, contracts and
    the like need it. Memory: one document.
    """

    reads: ClassVar = ("document",)
    may_read: ClassVar = ("source", "title", "title_path")
    writes: ClassVar = ("context",)

    limit: int = Field(20_000, ge=0)
    """Characters that the cited articles of one section may have together; what is cited first comes first."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows in order, one document's at a time."""
        for _, rows in groupby(inputs["rows"].rows(), key=_document):
            for row in self._with_context(list(rows)):
                yield row

    def _with_context(self, rows: list[Row]) -> Iterator[Row]:
        laws = list(_laws(rows))
        known: dict[int, dict[Number, tuple[str, Article]]] = {}
        for row, (first, found) in zip(rows, laws, strict=True):
            for article in found:
                known.setdefault(first + article.law, {}).setdefault(article.number, (row["document"] or "", article))
        for row, (first, found) in zip(rows, laws, strict=True):
            last = first + (found[-1].law if found else 0)
            if not (elsewhere := known.get(last)):
                yield row
                continue
            text = row["document"] or ""
            own = {article.number for article in found if first + article.law == last}
            others = {number: there for number, there in elsewhere.items() if number not in own}
            cited = LawText(text, titles_of(row), others).cited([(0, len(text))])
            context: dict[Number, str] = {}
            room = self.limit
            for place in cited.wanted:
                if not place.here and place.article.number not in context:
                    piece = place.text[place.article.start : place.article.end]
                    if len(piece) <= room:
                        context[place.article.number] = piece
                        room -= len(piece)
            yield {**row, "context": "\n\n".join(context[number] for number in sorted(context)) or None}


def _document(row: Row) -> tuple[Any, ...]:
    return row.get("root"), row.get("source")


def _laws(rows: list[Row]) -> Iterator[tuple[int, list[Article]]]:
    """Yield for each row the number of the law that it begins in, and its articles."""
    law, last = 0, None
    for row in rows:
        found = articles(row["document"] or "")
        if found:
            if last is not None and found[0].number <= last:
                law += 1
            yield law, found
            law, last = law + found[-1].law, found[-1].number
        else:
            yield law, found
