"""The passages that are searched: each text once, with where it comes from and how sensitive it is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sftmill.core import Row
from sftmill.flow.lineage import stricter
from sftmill.steps.curate.grounding.evidence import units, words_of
from sftmill.text import detect_lang, length, normalise

REMEMBERED = 20_000
"""Passages whose terms are kept for being compared again."""


class Passage(NamedTuple):
    """A passage that can be shown."""

    id: str
    source: str
    title_path: tuple[str, ...]
    text: str
    lang: str
    sensitivity: str
    licence: str

    @property
    def searched(self) -> str:
        """What questions are held against: the headings and the text."""
        return "\n".join((*self.title_path, self.text))

    def shown(self, score: float) -> dict[str, Any]:
        """Return the passage as it stands in the column `retrieved`."""
        return {
            "id": self.id, "source": self.source, "title_path": list(self.title_path), "text": self.text, "score": score,
            "licence": self.licence,
        }  # fmt: skip


@dataclass
class Library:
    """Passages by number; those that differ only in width and spaces are one, as sensitive as the strictest of them."""

    passages: list[Passage] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    """The number of each text."""
    _matter: dict[int, frozenset[str]] = field(default_factory=dict)

    def add(self, row: Row) -> int | None:
        """Take in a row's passage and return its number, None where the row has none."""
        text = (row.get("passage") or "").strip()
        if not text:
            return None
        key, sensitivity = normalise(text), row.get("sensitivity") or "internal"
        number = self.numbers.get(key)
        if number is None:
            path = row.get("title_path") or filter(None, [row.get("title")])
            number = self.numbers[key] = len(self.passages)
            self.passages.append(
                Passage(
                    row.get("id") or "", row.get("source") or "", tuple(path), text,
                    row.get("lang") or detect_lang(text), sensitivity, row.get("licence") or "",
                )
            )  # fmt: skip
        else:
            known = self.passages[number]
            self.passages[number] = known._replace(sensitivity=stricter(known.sensitivity, sensitivity))
        return number

    def extend(self, rows: Iterable[Row]) -> None:
        """Take in the passages of many rows."""
        for row in rows:
            self.add(row)

    def matter(self, number: int) -> frozenset[str]:
        """Return what a passage says as a set of terms."""
        found = self._matter.get(number)
        if found is None:
            if len(self._matter) >= REMEMBERED:
                self._matter.clear()
            found = self._matter[number] = frozenset(u for u, _ in units(words_of(self.passages[number].text)))
        return found

    def size(self, number: int) -> int:
        """Return how long a passage is, in characters (zh) or words (en)."""
        passage = self.passages[number]
        return length(passage.text, passage.lang)

    def of_lang(self, lang: str, size: int) -> np.ndarray:
        """Tell of the first `size` passages whether they are in a language."""
        return np.fromiter((p.lang == lang for p in self.passages[:size]), bool, size)
