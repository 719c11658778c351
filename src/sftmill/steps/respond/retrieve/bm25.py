"""BM25 over an inverted index in numpy arrays: which texts share the rarest words with a question."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from sftmill.steps.curate.grounding.evidence import units, words_of
from sftmill.text import count_cjk, words
from sftmill.text.variants import simplified

K1, B = 1.2, 0.75
"""Saturation of a word's frequency and weight of a text's length (Robertson & Zaragoza 2009, section 3.5; the defaults of Lucene)."""
SHORTEST_WORD = 3
"""Characters from which a Chinese word counts beside the pairs of characters that it is made of."""


def search_terms(text: str) -> list[str]:
    """Return what a text is found by, with repetitions.

    Pairs of Chinese characters (simplified, none of two grammatical ones), the dictionary's words of three characters
    or more, stems of Latin words that are no stop words, and numbers by their value: 二〇二四年 and 2024年 are the same.
    """
    found = [unit for unit, _ in units(words_of(text))]
    if count_cjk(text):
        found += [word.text for word in words(simplified(text), "zh") if _is_long(word.text)]
    return found


def _is_long(word: str) -> bool:
    return len(word) >= SHORTEST_WORD and count_cjk(word) == len(word)


class BM25:
    """Scores texts against questions: sum over the shared terms of idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean)).

    idf = ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative (Lucene's variant of Robertson's). A term that a
    question has twice counts twice. Memory: 8 bytes for each different term of each text.
    """

    def __init__(self, texts: Iterable[Sequence[str]], k1: float = K1, b: float = B):
        self.numbers: dict[str, int] = {}
        """The number of each term."""
        terms, places, counts, lengths = array("i"), array("i"), array("i"), array("i")
        for place, found in enumerate(texts):
            lengths.append(len(found))
            for term, count in Counter(found).items():
                terms.append(self.numbers.setdefault(term, len(self.numbers)))
                places.append(place)
                counts.append(count)
        self.size = len(lengths)
        of_term = np.frombuffer(terms, np.int32) if terms else np.zeros(0, np.int32)
        order = np.argsort(of_term, kind="stable")
        frequency = np.bincount(of_term, minlength=len(self.numbers))
        self.ends = np.cumsum(frequency)
        """Where the texts of each term end in `places`."""
        self.places = (np.frombuffer(places, np.int32) if places else of_term)[order]
        count = (np.frombuffer(counts, np.int32) if counts else of_term)[order].astype(np.float64)
        length = np.frombuffer(lengths, np.int32).astype(np.float64) if lengths else np.zeros(0)
        mean = length.mean() if length.any() else 1.0
        idf = np.log(1.0 + (self.size - frequency + 0.5) / (frequency + 0.5))
        norm = k1 * (1.0 - b + b * length / mean)
        weights = np.repeat(idf, frequency) * count * (k1 + 1.0) / (count + norm[self.places])
        self.weights = weights.astype(np.float32)
        """What each text of each term gains by it."""

    def scores(self, terms: Iterable[str]) -> np.ndarray:
        """Return the score of every text for a question's terms, 0 where none is shared; n numbers in float32."""
        made = np.zeros(self.size, np.float32)
        for term, times in Counter(terms).items():
            number = self.numbers.get(term)
            if number is not None:
                here = slice(self.ends[number - 1] if number else 0, self.ends[number])
                made[self.places[here]] += times * self.weights[here]
        return made


def best(scores: np.ndarray, most: int, least: float = 0.0) -> list[int]:
    """Return the places of the `most` highest scores above `least`, highest first; of equal ones the earlier first.

    Scores are told apart to a millionth of the highest, so that the last digit of a sum decides nothing.
    """
    if most < len(scores):
        edge = np.partition(scores, len(scores) - most)[len(scores) - most]
        found = np.flatnonzero((scores >= edge) & (scores > least))
    else:
        found = np.flatnonzero(scores > least)
    grain = max(1e-12, 1e-6 * float(np.abs(scores[found]).max(initial=0.0)))
    rounded = np.round(scores[found].astype(np.float64) / grain)
    return found[np.lexsort((found, -rounded))][:most].tolist()
