"""Training pairs from raw text alone: blanks to fill in, sentences to finish, spans to restore.

The self-supervised ways to questions and answers: mask the answer and let a model ask for it, or mask what is asked
and let it complete the answer. No model is needed here; every choice follows from the text and a seed.
"""

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Literal, NamedTuple

from sftmill.steps.instruct.seq2seq.seq2seq_form import (
    Place,
    entity_places,
    find_places,
    sentence_places,
    unlearned_answers,
)
from sftmill.text import content_hash, deixis, is_pronoun, keywords, length, noun_phrases
from sftmill.text.answers import gives_away

BLANK = "____"
LEADS = {"zh": "填空：", "en": "Fill in the blank: "}
"""What tells a reader that a sentence with a blank is a question."""

Spans = Literal["entities", "keywords", "random"]
QUESTION_WORDS = {"PER": "谁", "LOC": "哪里", "ORG": "哪个机构", "TIME": "什么时候", "NUMBER": "多少", "": "什么"}
"""What stands in the place of a masked answer of a kind; Chinese asks in place, English does not."""

_SHORTEST = {"zh": 8, "en": 5}
"""Characters (zh) or words (en) of a sentence that still says something with a hole in it."""


class Masked(NamedTuple):
    """A sentence of a passage with its answer masked: the question, and where answer and sentence stand."""

    question: str
    answer: str
    place: Place
    sentence: Place


def mask_answers(
    passage: str,
    lang: str,
    spans: Spans = "entities",
    most: int = 10,
    seed: int = 0,
    question_word: bool = False,
    ner: bool = False,
) -> list[Masked]:
    """Return sentences of a passage with one span each masked, in order.

    `spans`: named entities and numbers, key words, or noun phrases at random (by `seed` and text). With
    `question_word`, Chinese asks in place of the span (什么, 谁, 多少); otherwise a blank stands there.
    Sentences that point elsewhere (该公司, "this"), that are too short, or that say the answer twice are left out.
    """
    lang = "zh" if lang == "zh" else "en"
    kinds = entity_places(passage, lang, ner)
    candidates = _candidates(passage, lang, spans, seed, list(kinds))
    made: list[Masked] = []
    for sentence in sentence_places(passage):
        text = passage[sentence.start : sentence.end]
        if length(text, lang) < _SHORTEST[lang] or is_pronoun(text, lang) or deixis(text, lang):
            continue
        inside = [p for p in candidates if sentence.start <= p.start and p.end <= sentence.end and p != sentence]
        for place in _shuffled(inside, seed, text):
            hole = QUESTION_WORDS.get(kinds.get(place, ""), "什么") if question_word and lang == "zh" else BLANK
            masked = _mask(passage, sentence, place, hole)
            question = masked if hole != BLANK else LEADS[lang] + masked
            if hole != BLANK:
                question = question.rstrip("。.；;！!") + "？"
            if not gives_away(question, answer := passage[place.start : place.end]):
                made.append(Masked(question, answer, place, sentence))
                break
    if len(made) > most:
        made = sorted(_shuffled(made, seed, passage)[:most], key=lambda m: m.place)
    return made


def _candidates(passage: str, lang: str, spans: Spans, seed: int, entities: list[Place]) -> list[Place]:
    if spans == "entities":
        return entities
    if spans == "keywords":
        return [place for word in keywords(passage, lang, 10) for place in find_places(word, passage)]
    return [Place(a, b) for a, b in noun_phrases(passage, lang)] or unlearned_answers(passage, lang, "keywords", 10)


def _shuffled(items: Sequence, seed: int, text: str) -> list:
    """Return items in an order that follows from seed and text."""
    return Random(content_hash("mask", str(seed), text)).sample(items, len(items))


def _mask(passage: str, sentence: Place, place: Place, hole: str) -> str:
    return passage[sentence.start : place.start] + hole + passage[place.end : sentence.end]


def cut_sentences(passage: str, lang: str, most: int = 10, seed: int = 0) -> list[tuple[str, str]]:
    """Return (beginning, end) of sentences, cut before their last masked span: the causal variant.

    A model that finishes the sentence gives the answer; beginnings keep at least half of what a sentence must have.
    """
    lang = "zh" if lang == "zh" else "en"
    made = []
    for masked in mask_answers(passage, lang, "entities", 10**6, seed) or mask_answers(
        passage, lang, "keywords", 10**6, seed
    ):
        head = passage[masked.sentence.start : masked.place.start].rstrip()
        if 2 * length(head, lang) >= _SHORTEST[lang]:
            made.append((head, passage[masked.place.start : masked.sentence.end]))
    return made if len(made) <= most else sorted(_shuffled(made, seed, passage)[:most])


def draw_spans(size: int, random: Random, density: float = 0.15, mean: float = 3.0) -> list[Place]:
    """Return the spans of `size` tokens that are to be masked, in order, never touching, the first not at 0.

    A share `density` of the tokens in spans of `mean` tokens on average (T5, Raffel et al. 2020, arXiv 1910.10683).
    Fewer than two tokens give none.
    """
    if size < 2:
        return []
    masked = min(max(round(size * density), 1), size - 1)
    count = min(max(round(masked / mean), 1), masked, size - masked)
    inside, outside = _parts(masked, count, random), _parts(size - masked, count, random)
    spans, at = [], 0
    for kept, hidden in zip(outside, inside, strict=True):
        spans.append(Place(at + kept, at + kept + hidden))
        at += kept + hidden
    return spans


def _parts(total: int, count: int, random: Random) -> list[int]:
    """Return `count` positive numbers that add up to `total`, all ways equally likely."""
    cuts = [0, *sorted(random.sample(range(1, total), count - 1)), total]
    return [b - a for a, b in pairwise(cuts)]


def corrupt(items: Sequence[int], spans: Sequence[Place], sentinels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return (input, target): the input has a sentinel for each span, the target the sentinels with what they hide.

    The target ends with one more sentinel, as T5's does; spans beyond the sentinels but one stay as they are.
    """
    source: list[int] = []
    target: list[int] = []
    at = number = 0
    for number, span in enumerate(spans[: max(len(sentinels) - 1, 0)], 1):
        source += [*items[at : span.start], sentinels[number - 1]]
        target += [sentinels[number - 1], *items[span.start : span.end]]
        at = span.end
    if number:
        target.append(sentinels[number])
    return source + list(items[at:]), target
