"""How likely a model finds an answer's own words, and what of that the passage and the question bring about.

The words that the question says already are left out: an answer that repeats its question is likelier for it, right or
wrong.
"""

from itertools import pairwise
from typing import NamedTuple

from sftmill.core import TokenScores
from sftmill.text import is_cjk
from sftmill.text.variants import simplified

OPENING = 4
"""Tokens of an answer's opening. What to say is decided there; sums over all tokens would blame long answers."""


class Lifts(NamedTuple):
    """What three readings of an answer say; natural logarithms."""

    passage: float | None
    """How much the passage raises the likelihood of the answer to this question, nats per token; None = not measured."""
    question: float
    """How much the question raises the likelihood of the answer from this passage, nats in all."""
    opening: float
    """Log-probability of the answer's first words after passage and question, 0 at most: would a reader say this?"""


def compare(
    answer: str, asked: str, both: TokenScores, passage: TokenScores, question: TokenScores | None = None
) -> Lifts | None:
    """Return the lifts of an answer from its scores after passage and question, and after each alone.

    None where a reading has no tokens.
    """
    said = said_by(asked, answer)
    new, unasked = _of_new_words(both, answer, said), _of_new_words(passage, answer, said)
    unread = _of_new_words(question, answer, said) if question else []
    if not (new and unasked):
        return None
    return Lifts(
        passage=round((sum(new) - sum(unread)) / len(new), 4) if unread else None,
        question=round(sum(new) - sum(unasked), 4),
        opening=round(sum(new[:OPENING]), 4),
    )


def said_by(question: str, answer: str) -> list[bool]:
    """Tell for each character of an answer whether the question says it, or it is no letter or figure.

    Chinese characters in pairs, other words as wholes; simplified and traditional characters are the same.
    """
    asked, text = simplified(question).lower(), simplified(answer).lower()
    if len(text) != len(answer):  # letters whose small form is longer
        asked, text = simplified(question), simplified(answer)
    pairs = {a + b for a, b in pairwise(asked) if is_cjk(a) and is_cjk(b)}
    words = {asked[start:end] for start, end in _words(asked)}
    said = [not character.isalnum() for character in text]
    for i, (a, b) in enumerate(pairwise(text)):
        if a + b in pairs:
            said[i] = said[i + 1] = True
    for start, end in _words(text):
        if text[start:end] in words:
            said[start:end] = [True] * (end - start)
    return said


def _words(text: str) -> list[tuple[int, int]]:
    """Return where the runs of letters and figures other than Chinese characters begin and end."""
    found: list[tuple[int, int]] = []
    start = None
    for i, character in enumerate([*text, " "]):
        inside = character.isalnum() and not is_cjk(character)
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            found.append((start, i))
            start = None
    return found


def _of_new_words(scores: TokenScores, answer: str, said: list[bool]) -> list[float]:
    """Return the log-probabilities of the tokens with something that the question does not say.

    Of all tokens, where the question says everything.
    """
    new: list[float] = []
    at = 0
    for token, value in zip(scores.tokens, scores.logprobs, strict=True):
        word = token.lstrip()
        start = answer.find(word, at, at + len(word) + 4) if word else at
        # a token that holds part of a character stands for the character at hand
        begin, end = (start, start + len(word)) if start >= 0 else (at, at + 1)
        if start >= 0:
            at = end
        if not all(said[begin:end]):
            new.append(value)
    return new or scores.logprobs
