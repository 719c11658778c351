"""Dedup: rows that say the same thing as an earlier row go."""

import re
import unicodedata
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Literal, NamedTuple

import pyarrow as pa

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep, turns
from sftmill.text import content_hash, normalise
from sftmill.text.lazy import lazy_pattern

By = Literal["question", "question_answer", "passage"]

_RUN = lazy_pattern(r"[^\w]+")
_THOUSANDS = lazy_pattern(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_MEANT = frozenset("%‰#&@*/\\")
"""Punctuation that tells things apart: 5% and 5, C# and C."""
_JOINING = frozenset(".:'-")
"""Punctuation that is part of a word or number when it stands inside: 1.5, 10:30, nginx.conf."""


def comparison_key(text: str) -> str:
    """Return what is left of a text once writing habits are taken away; equal keys, equal texts.

    Width, case, spaces, quotes, brackets and sentence punctuation do not count. What changes the
    meaning stays: decimal points, signs, percent, the `#` of C#, and the gap between two numbers.
    """
    # Before normalising, which makes the enumeration 80、443 look like the number 80,443.
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    return _RUN.sub(_shorten, normalise(text).lower())


def _shorten(match: re.Match[str]) -> str:
    run, text = match[0], match.string
    before = text[match.start() - 1] if match.start() else ""
    after = text[match.end()] if match.end() < len(text) else ""
    inside = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()
    if inside and run in _JOINING:
        return run
    kept = "".join(c for c in run if c in _MEANT or unicodedata.category(c)[0] not in "PZC")
    if run[-1] == "-" and after.isdigit():
        kept += "-"
    return kept or (" " if before.isdigit() and after.isdigit() else "")


_RANKS = {"accepted": 1, "edited": 2}
"""What a person corrected stands above what a person accepted, and that above what nobody saw."""


class _Winner(NamedTuple):
    rank: int
    place: int
    """Number of the row in the stream."""
    id: str


def _any_reviewed(rows: Shards) -> bool:
    """Tell whether a second look at all rows is worth it; most streams have no reviewed row."""
    try:
        return any(column.null_count < len(column) for batch in rows.batches(["reviewed"]) for column in batch.columns)
    except KeyError:  # a part of the rows has no such column, and a condition stands between
        return True


class Dedup(WholeStep):
    """Keeps the first of the rows whose texts are the same but for width, case, spaces and punctuation.

    A reviewed row wins over those that nobody saw, and a corrected one over an accepted one; the row
    kept stays at its place. Drops the others as "duplicate", with `of` = the id of the row kept. Rows that have nothing
    to compare are kept. Memory: about 250 bytes per row kept.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    may_read: ClassVar[tuple[str, ...]] = ("reviewed",)

    by: By = "question"
    """What makes two rows the same: all turns up to the last question, these and the answer, or the passage."""

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows in stream order, the repeated ones as Dropped."""
        winners = self._winners(inputs["rows"])
        kept: dict[bytes, str] = {}
        for place, row in enumerate(inputs["rows"].rows()):
            key = self._key(row)
            if key is None:
                yield row
            elif (winner := winners.get(key)) and winner.place != place:
                yield Dropped(row, "duplicate", {"of": winner.id})
            elif (first := kept.get(key)) is not None:
                yield Dropped(row, "duplicate", {"of": first})
            else:
                kept[key] = row["id"]
                yield row

    def _winners(self, rows: Shards) -> dict[bytes, _Winner]:
        """Return, for each text that a person reviewed, the row that stays."""
        winners: dict[bytes, _Winner] = {}
        if not _any_reviewed(rows):
            return winners
        for place, row in enumerate(rows.rows()):
            rank = _RANKS.get(row.get("reviewed") or "", 0)
            if rank and (key := self._key(row)):
                best = winners.get(key)
                if best is None or rank > best.rank:
                    winners[key] = _Winner(rank, place, row["id"])
        return winners

    def _key(self, row: Row) -> bytes | None:
        """Return 16 bytes that stand for what is compared, None when there is nothing."""
        parts = [comparison_key(text) or text for text in self._texts(row)]
        return bytes.fromhex(content_hash(*parts)) if any(parts) else None

    def _texts(self, row: Row) -> list[str]:
        if self.by == "passage":
            return [row.get("passage") or ""]
        # An earlier turn changes what a short last question ("why?") means, so all turns count.
        said = [(turn["role"], turn["content"] or "") for turn in turns(row) if turn["role"] != "system"]
        if self.by == "question":
            while said and said[-1][0] != "user":
                said.pop()
        return [text for _, text in said]
