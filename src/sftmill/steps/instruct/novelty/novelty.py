"""Tells whether an instruction is new beside all that are there already: by its wording and by its meaning."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sftmill.core import Dropped, Row
from sftmill.steps.instruct.novelty.novelty_meaning import Meaning, MeaningIndex
from sftmill.steps.instruct.novelty.novelty_wording import Wording, WordingIndex, read_wording

LEXICAL = 0.7
"""Greatest ROUGE-L that is still new (Self-Instruct, arXiv 2212.10560)."""
SEMANTIC = 0.85
"""Greatest cosine that is still new; it depends on the embedder, so look at the seeds' own cosines."""


class Clash(NamedTuple):
    """What an instruction is too close to."""

    kind: Literal["lexical", "semantic"]
    similarity: float
    """ROUGE-L or cosine, 0 to 1."""
    name: str

    def dropped(self, row: Row) -> Dropped:
        """Return a row as dropped because of this: `similar_wording` or `similar_meaning`, with what it is close to."""
        reason = "similar_wording" if self.kind == "lexical" else "similar_meaning"
        return Dropped(row, reason, {"neighbour": self.name, "similarity": round(self.similarity, 4)})


class NoveltyIndex:
    """All accepted instructions; a hundred thousand are searched in less than half a millisecond.

    By wording nothing is missed: no text with a ROUGE-L greater than `lexical` is overlooked. By meaning a vector with a
    cosine greater than `semantic` is overlooked with a probability of at most 1 in 1,000, over the draw of random
    directions; these are always the same, so the same calls give the same answers. A text takes about 0.4 KB, a
    vector of 512 numbers 1.2 KB.
    """

    def __init__(self, lexical: float = LEXICAL, semantic: float = SEMANTIC):
        self.lexical = lexical
        self.semantic = semantic
        self._names: list[str] = []
        self._wordings = WordingIndex(lexical)
        self._meanings: MeaningIndex | None = None
        self._vector_names: list[str] = []
        self._last_wording: tuple[str, Wording] = ("", read_wording(""))
        self._last_meaning: tuple[str, Sequence[float] | None, Meaning | None] = ("", None, None)

    def __len__(self) -> int:
        return len(self._names)

    def clash(self, text: str, vector: Sequence[float] | None = None) -> Clash | None:
        """Return the closest instruction that is too close, by wording first, then by meaning; None for a new one.

        Exactly as similar as a threshold is still new. Of several that are equally close the first that was added
        is named. Raises ValueError for a vector of another length than those before it.
        """
        similarity, place = self._wordings.nearest(self._wording(text))
        if place >= 0:
            return Clash("lexical", similarity, self._names[place])
        if vector is None or self._meanings is None:
            return None
        similarity, place = self._meanings.nearest(self._meaning(text, vector))
        return Clash("semantic", similarity, self._vector_names[place]) if place >= 0 else None

    def add(self, name: str, text: str, vector: Sequence[float] | None = None) -> None:
        """Take in an accepted instruction; without `vector` it is found by its wording only."""
        if vector is not None:
            if self._meanings is None:
                self._meanings = MeaningIndex(self.semantic, len(vector))
            self._meanings.add(self._meaning(text, vector))
            self._vector_names.append(name)
        self._wordings.add(self._wording(text))
        self._names.append(name)

    def _wording(self, text: str) -> Wording:
        """Read a text; what was asked about last is mostly what is added next."""
        if self._last_wording[0] != text:
            self._last_wording = (text, read_wording(text))
        return self._last_wording[1]

    def _meaning(self, text: str, vector: Sequence[float]) -> Meaning:
        """Read the vector of a text."""
        known, held, meaning = self._last_meaning
        if meaning is None or held is not vector or known != text:
            assert self._meanings is not None
            meaning = self._meanings.read(vector)
            self._last_meaning = (text, vector, meaning)
        return meaning
