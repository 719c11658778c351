"""Whether an answer's citations hold: the numbers are there, and the passages cited bear the sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from sftmill.steps.curate.grounding.contradiction import foreign_numbers
from sftmill.steps.curate.grounding.evidence import Source, prepared, support, units, words_of
from sftmill.steps.curate.grounding.wording import strip_lead
from sftmill.steps.respond.answer.citation_marks import Cited, cited_sentences, with_added
from sftmill.steps.respond.answer.fault import Fault
from sftmill.text import tokens

EACH = 0.2
"""Share of what a sentence says beyond the question that each of several passages cited for it must have."""
SHOWN = 120
"""Characters of a sentence that a fault keeps."""


class Citations(NamedTuple):
    """What was found about the citations of an answer."""

    cited: tuple[int, ...]
    """Numbers that are cited and exist, ascending."""
    uncited: int
    """Sentences with words in them that cite nothing."""
    faults: list[Fault]


def check_citations(answer: str, passages: Sequence[str], question: str, least: float) -> Citations:
    """Hold an answer against the numbered passages that it was to cite.

    A sentence is borne by the passages that it cites when together they have the share `least` of its matter, the words
    of the question granted, and all its numbers. Each passage cited must have something of what the sentence adds
    to the question. Faults: `unknown_citation`, `unsupported_citation`, and `no_citation` where there is none at all.
    """
    found = [one for one in cited_sentences(answer) if tokens(one.text) or one.numbers]
    numbers = {number for one in found for number in one.numbers}
    unknown = sorted(number for number in numbers if number > len(passages))
    cited = tuple(sorted(numbers.difference(unknown)))
    uncited = sum(not one.numbers for one in found)
    faults = []
    if unknown:
        faults.append(Fault("unknown_citation", {"numbers": unknown[:10], "passages": len(passages)}))
    if not numbers:
        faults.append(Fault("no_citation", {"passages": len(passages)}))
    granted = {unit for unit, _ in units(words_of(question))}
    for one in found:
        known = [number for number in one.numbers if number <= len(passages)]
        if known and (why := _unsupported(one, known, passages, question, granted, least)):
            sentence = one.text[:SHOWN]
            faults.append(Fault("unsupported_citation", {"sentence": sentence, "cited": known[:10], "why": why}))
    return Citations(cited, uncited, faults)


def attributed(answer: str, passages: Sequence[str], question: str, least: float) -> str:
    """Return an answer in which sentences without a citation cite the passage that bears them, where one does.

    Of several the one that has most of the sentence is cited, and of equal ones the first.
    """
    granted = {unit for unit, _ in units(words_of(question))}
    added: list[tuple[int, int]] = []
    for one in cited_sentences(answer):
        if one.numbers or not tokens(one.text) or one.text.startswith("|"):  # a table's row has no room behind it
            continue
        words = words_of(strip_lead(one.text))
        shares = [support(words_of(strip_lead(one.text), s), s)[0] if words else 0.0 for s in map(prepared, passages)]
        for number in sorted(range(1, len(passages) + 1), key=lambda n: (-shares[n - 1], n))[:2]:
            if words and not _unsupported(one, [number], passages, question, granted, least):
                added.append((one.end, number))
                break
    return with_added(answer, added)


def _unsupported(
    one: Cited, known: list[int], passages: Sequence[str], question: str, granted: set[str], least: float
) -> str:
    """Return why the passages do not bear a sentence, "" where they do."""
    together = "\n".join(passages[number - 1] for number in known)
    source = prepared(together)
    text = strip_lead(one.text)
    words = words_of(text, source)
    share = support(words, source, granted)[0] if words else 1.0
    if share < least:
        return f"the passages have {share:.0%} of what the sentence says"
    if wrong := foreign_numbers(text, together, question, source.numbers):
        return f"{wrong[0]} is not in the passages"
    added = {unit for unit, _ in units(words)}.difference(granted)
    for number in known:
        if added and _held(added, prepared(passages[number - 1])) < EACH:
            return f"passage {number} says nothing of it"
    return ""


def _held(added: set[str], source: Source) -> float:
    return sum(unit in source.positions or unit in source.characters for unit in added) / len(added)
