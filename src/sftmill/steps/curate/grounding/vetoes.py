"""What rules an answer out whatever its score, each with a reason that a person understands."""

from sftmill.core import Drop
from sftmill.steps.curate.grounding.arithmetic import recompute
from sftmill.steps.curate.grounding.contradiction import foreign_numbers, negation_differs, opposite_word, other_subject
from sftmill.steps.curate.grounding.evidence import Source, units, words_of
from sftmill.steps.curate.grounding.limits import limit_differs, mixed_up
from sftmill.steps.curate.grounding.signals import foreign_names
from sftmill.steps.curate.grounding.wording import asked_for, is_refusal, strip_lead
from sftmill.text import deixis, numbers, tokens
from sftmill.text.variants import simplified

_COPIED_SHARE = 0.8
_COPIED_FROM = 200
"""An answer of more than this share of a passage of more than this many characters is a copy."""
_SHOWN = 200
"""Characters of evidence that a drop keeps."""


def tidy_answer(said: str, lang: str) -> str:
    """Return an answer without its frame; drop it where it is empty, refuses, or points at a text elsewhere."""
    if not tokens(said):
        raise Drop("empty_answer", why="the answer has no words")
    if is_refusal(said):
        raise Drop("refusal", why="the answer says that there is none")
    text = strip_lead(said)
    # 本法 and 本品 are clear beside a question that names the law or the drug.
    pointers = [s for s in deixis(text, lang) if text[s.start] != "本" or text[s.start : s.end] in ("本文", "本篇")]
    if pointers:
        word = text[pointers[0].start : pointers[0].end]
        raise Drop("deictic", words=word, why=f'"{word}" points at a text that the reader does not see')
    return text


def refuse_copies(passage: str, asked: str, words: list[str], source: Source) -> None:
    """Drop an answer that copies its passage or its question."""
    if len(passage) > _COPIED_FROM and len(words) > _COPIED_SHARE * len(source.words):
        share = round(len(words) / len(source.words), 2)
        raise Drop("copied_passage", share=share, why=f"the answer is {share:.0%} as long as the passage")
    if adds_nothing(asked, words):
        raise Drop("question_contains_answer", why="the answer says nothing that the question does not")


def refuse_numbers(text: str, asked: str, heading: str, source: Source) -> None:
    """Drop wrong computations, and numbers, dates and ranges that the sources do not have."""
    allowed = f"{asked}\n{heading}"
    derived: frozenset[int] = frozenset()
    if any(character.isdecimal() for character in text):
        computed = recompute(text, source.numbers + numbers(simplified(allowed), words=True, articles=True))
        derived = computed.derived
        if computed.wrong:
            raise Drop("wrong_arithmetic", formulas=computed.wrong[:5], why=f'"{computed.wrong[0]}" does not hold')
    wrong = foreign_numbers(text, source.passage, allowed, source.numbers, derived)
    wrong = wrong or mixed_up(text, source, asked)
    if wrong:
        there = _like(wrong[0], source)
        why = f"{wrong[0]} is not in the passage" + (f", which has {there}" if there else "")
        raise Drop("number_not_in_source", numbers=wrong[:5], why=why)


def _like(wrong: str, source: Source) -> str:
    """Return up to three numbers of the passage that have the unit of a number, as written."""
    unit = next((n.unit for n in numbers(simplified(wrong), words=True)), "")
    alike = [source.passage[n.start : n.end] for n in source.numbers if n.unit == unit and n.unit != "label"]
    return ", ".join(list(dict.fromkeys(alike))[:3])


def refuse_names(text: str, asked: str, heading: str, source: Source) -> None:
    """Drop an answer with a name or a title that the sources do not have."""
    known = {unit for unit, _ in units(words_of(f"{asked}\n{heading}"))}
    if names := foreign_names(simplified(text), source, known):
        raise Drop("name_not_in_source", names=names[:5], why=f'"{names[0]}" is not in the passage')


def refuse_contradictions(text: str, asked: str, evidence: str, source: Source) -> None:
    """Drop what says the opposite of its evidence: negations, limits, words with an opposite."""
    if negation_differs(text, evidence, asked):
        why = "only one of answer and passage negates, forbids or excepts"
        raise Drop("negation_differs", why=why, evidence=evidence[:_SHOWN])
    if limit := limit_differs(text, source.passage, source, asked):
        raise Drop("limit_differs", why=f'the passage has the limit "{limit}" the other way round')
    if subject := other_subject(text, evidence, asked, source.characters):
        raise Drop("other_subject", why=f'the passage does not say it of "{subject}"', evidence=evidence[:_SHOWN])
    if word := opposite_word(text, evidence):
        why = f'the passage says the opposite of "{word}"'
        raise Drop("opposite_word", why=why, evidence=evidence[:_SHOWN])


def adds_nothing(asked: str, words: list[str]) -> bool:
    """Tell whether an answer only repeats what the question says; a choice or a yes is an answer."""
    if asked_for(asked) in ("choice", "yes_no"):
        return words_of(asked) == words
    there = {unit for unit, _ in units(words_of(asked))}
    said = units(words)
    return bool(said) and all(unit in there for unit, _ in said)
