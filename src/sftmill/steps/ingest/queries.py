"""Real user queries, from a file of lines, a table or JSON lines."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from sftmill.core import Dropped, Row, Source
from sftmill.steps.ingest.decoding import clean
from sftmill.steps.ingest.query_file import Query, read_queries
from sftmill.text import detect_lang


class Queries(Source):
    """Reads what users really asked: a text file with a query a line, a column of a table, or a field of JSON lines.

    Tables are csv, tsv, xlsx, xls or ods; the encoding is found out. Equal queries become one, with the sum of their
    `frequency`. Texts stay as they are but for control characters and direction marks; `clean_queries` and
    `cluster_queries` do the rest. Drops: `unreadable`, `empty`, `overlong`, `duplicate` (counted in the first one).
    """

    writes: ClassVar[tuple[str, ...]] = ("messages", "source", "lang", "sensitivity", "frequency")

    file: Path
    """The file: .txt, .csv, .tsv, .xlsx, .xls, .ods or .jsonl."""
    column: str | None = None
    """Column or field that holds the query; None = one called like query, question, text, 问题 or 提问."""
    count_column: str | None = None
    """Column or field that tells how often it was asked; None = one called like frequency, count or 次数, else once."""
    sensitivity: str = Field("internal", pattern="^(public|internal|secret)$")
    """Who may see these queries."""
    longest: int = Field(5000, ge=1)
    """Characters of the longest query."""

    def problems(self) -> list[str]:
        """Return why the file cannot be read, or that there is nothing in it to use."""
        try:
            faults: Counter[str] = Counter()
            for query in read_queries(self.file, self.column, self.count_column):
                if not query.fault and query.text.strip() and len(query.text) <= self.longest:
                    return []
                faults[query.fault or ("overlong" if query.text.strip() else "empty")] += 1
        except ValueError as error:
            return [f"file: {error}"]
        found = "; ".join(f"{count:,} x {fault}" for fault, count in faults.most_common(3)) or "it is empty"
        return [f"file: {self.file.name!r} holds no query ({found}); correct the file, or name its `column`"]

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield a row for each different query, in the order of the file, and Dropped for the lines that give none."""
        first: dict[str, Row] = {}
        # a later line may add to the count of an earlier one
        yield from [self._made(query, first) for query in read_queries(self.file, self.column, self.count_column)]

    def _made(self, query: Query, first: dict[str, Row]) -> Row | Dropped:
        row: Row = {"source": self.file.name, "sensitivity": self.sensitivity}
        if query.fault:
            return Dropped(row, "unreadable", {"line": query.line, "error": query.fault})
        if len(query.text) > self.longest:
            return Dropped(row, "overlong", {"line": query.line, "characters": len(query.text), "most": self.longest})
        text = clean(query.text).strip()
        if not text:
            return Dropped(row, "empty", {"line": query.line})
        row["messages"] = [{"role": "user", "content": text}]
        row["lang"] = detect_lang(text)
        row["frequency"] = query.frequency
        if (earlier := first.get(text)) is not None:
            earlier["frequency"] += query.frequency
            return Dropped(row, "duplicate", {"line": query.line})
        first[text] = row
        return row
