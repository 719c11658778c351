"""The claims of an answer, and the few sentences of a passage that each is to be held against."""

import math
import re
from collections import Counter
from typing import NamedTuple

from sftmill.steps.curate.grounding.evidence import Source, units, words_of
from sftmill.steps.curate.grounding.wording import strip_lead
from sftmill.text import length, numbers, sentences
from sftmill.text.lazy import lazy_pattern

_SHORT = 16
"""Characters, or words of English, below which a claim says nothing without its question: "1935", "德军"."""
_BEST = 3
"""Sentences that a claim's premise begins with; their neighbours are added as far as there is room."""
_OF_THE_QUESTION = 0.5
"""What a word of the question counts, where one of the claim counts 1."""
_LAW = lazy_pattern(
    r"《[^《》]{2,40}》|第\s?[零〇一二三四五六七八九十百千\d]{1,8}\s?[条章款节项編编]|"
    r"\b(?:article|section|clause|paragraph|chapter|rule|§)\s{0,2}\d",
    re.IGNORECASE,
)


class Claim(NamedTuple):
    """A sentence of an answer; `strict` where it has numbers or cites a law, so that nearly right is wrong."""

    text: str
    strict: bool


def read_claims(answer: str) -> list[Claim]:
    """Return the sentences of an answer, without a frame such as "according to the passage" before them."""
    text = strip_lead(answer)
    found = [text[start:end].strip() for start, end in sentences(text)]
    return [Claim(one, is_strict(one)) for one in found if any(map(str.isalnum, one))]


def is_strict(sentence: str) -> bool:
    """Tell whether a sentence has a number or cites a law."""
    return bool(numbers(sentence, words=True)) or _LAW.search(sentence) is not None


def statement(asked: str, claim: str, lang: str) -> str:
    """Return what a claim says by itself: a short one together with its question."""
    return f"{asked.strip()} {claim}" if length(claim, "en" if lang == "en" else "zh") < _SHORT else claim


def choose_premise(claim: str, asked: str, source: Source, longest: int) -> str:
    """Return the sentences of a passage that have most of a claim's matter, and their neighbours, in their order.

    At most `longest` characters; "…" stands where something is left out. Rare words of the passage count more.
    """
    text = source.passage
    if len(text) <= longest:
        return text
    held: list[set[str]] = [set() for _ in source.spans]
    for unit, places in source.positions.items():
        for at in places:
            held[source.sentence_of[at]].add(unit)
    spread = Counter(unit for there in held for unit in there)
    wanted = dict.fromkeys((unit for unit, _ in units(words_of(asked))), _OF_THE_QUESTION)
    wanted |= dict.fromkeys((unit for unit, _ in units(words_of(claim, source))), 1.0)
    rare = {unit: weight * math.log(1 + len(held) / spread[unit]) for unit, weight in wanted.items() if spread[unit]}
    ranked = sorted(range(len(held)), key=lambda i: (-sum(rare.get(unit, 0.0) for unit in held[i]), i))
    best = ranked[:_BEST]
    around = [j for i in best for j in (i - 1, i + 1) if 0 <= j < len(held)]
    chosen: list[int] = []
    room = longest
    for i in dict.fromkeys([*best, *around]):
        start, end = source.spans[i]
        if (size := end - start + 1) <= room:
            chosen.append(i)
            room -= size
    if not chosen:
        start, end = source.spans[best[0]] if best else (0, len(text))
        return text[start : min(end, start + longest)]
    return _join(text, source, sorted(chosen))


def _join(text: str, source: Source, chosen: list[int]) -> str:
    made = ""
    for place, i in enumerate(chosen):
        start, end = source.spans[i]
        if place and chosen[place - 1] == i - 1:
            start = source.spans[i - 1][1]
        elif place:
            made = made.rstrip() + "…"
        made += text[start:end]
    return made.strip()
