"""Passages that may stand beside the one that answers a question without answering it themselves."""

from collections.abc import Iterable

from sftmill.steps.curate.grounding.evidence import prepared, support, units, words_of
from sftmill.steps.respond.answer.context import Shown
from sftmill.text import length, normalise
from sftmill.text.answers import foreign_values

SAME = 0.9
"""Share of its terms that a passage must have of another one to count as the same."""
BORNE = 0.6
"""Share of what an answer says beyond its question that a passage must have to answer the question, too."""
LONGEST_SPAN = {"zh": 20, "en": 20}
"""Characters (zh) or words (en) up to which an answer is looked for as it stands."""


def bears(passage: str, asked: str, said: str, lang: str) -> bool:
    """Tell whether a passage answers a question: it has a short answer as it stands, or what a longer one adds.

    Errs on the side of yes, because a passage that is wrongly left out costs nothing.
    """
    span = normalise(said).casefold().strip("。.，,！!？?；; ")
    short = length(span, lang) <= LONGEST_SPAN.get(lang, 20)
    if len(span) > 1 and short and span in normalise(passage).casefold():
        return True
    source = prepared(passage)
    words = words_of(said, source)
    known, there = support(words, prepared(asked))[1], support(words, source)[1]
    added = [there[i] for i in range(len(words)) if not known[i]]
    return bool(added) and sum(added) >= BORNE * len(added) and not foreign_values(said, f"{passage}\n{asked}")


def terms(text: str) -> frozenset[str]:
    """Return what two passages are compared by: pairs of Chinese characters, stems of other words."""
    return frozenset(unit for unit, _ in units(words_of(text)))


class Told:
    """Which passages were taken so far, so that none comes twice, whole or in part."""

    def __init__(self, *texts: str):
        self._taken: list[tuple[str, frozenset[str]]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> bool:
        """Take a passage, unless one before says the same; tell whether it was taken."""
        plain, own = normalise(text).casefold().strip(), terms(text)
        if not plain or any(self._same(plain, own, *other) for other in self._taken):
            return False
        self._taken.append((plain, own))
        return True

    @staticmethod
    def _same(plain: str, own: frozenset[str], other: str, theirs: frozenset[str]) -> bool:
        fewer = min(len(own), len(theirs))
        return plain in other or other in plain or bool(fewer and len(own & theirs) >= SAME * fewer)


def distractors(found: Iterable[Shown], own: str, asked: str, said: str, lang: str) -> list[Shown]:
    """Return those passages, in their order, that neither answer the question nor say what another one says."""
    told = Told(own)
    return [one for one in found if not bears(one.borne, asked, said, lang) and told.add(one.text)]


def fitting(found: Iterable[Shown], room: float, most: int, lang: str) -> list[Shown]:
    """Return the first passages that fit in `room` characters (zh) or words (en); one that does not is passed over."""
    kept: list[Shown] = []
    for one in found:
        size = length(one.borne, lang)
        if len(kept) < most and size <= room:
            kept.append(one)
            room -= size
    return kept
