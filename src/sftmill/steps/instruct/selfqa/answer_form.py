"""The form of an answer: whether there is one, whether it stands alone, and how long it should be."""

from typing import Literal, NamedTuple

from sftmill.steps.curate.grounding.evidence import words_of
from sftmill.steps.curate.grounding.vetoes import adds_nothing
from sftmill.steps.curate.grounding.wording import is_refusal, strip_lead
from sftmill.text import deixis, sentences

UNANSWERABLE = {"zh": "资料未提及", "en": "not in the material"}
"""What the prompts tell a model to write when the passage holds no answer."""

AnswerLength = Literal["auto", "short", "medium", "long"]


class Range(NamedTuple):
    """Least and greatest length, in characters without spaces (zh) or words (en)."""

    least: int
    most: int


RANGES: dict[str, dict[str, Range]] = {
    "zh": {"short": Range(2, 60), "medium": Range(20, 150), "long": Range(80, 400)},
    "en": {"short": Range(1, 40), "medium": Range(12, 90), "long": Range(50, 250)},
}
"""What is asked for; an English word carries about as much as 1.6 Chinese characters."""

_AUTO: dict[str, dict[str, Range]] = {
    "zh": {"value": Range(2, 80), "reason": Range(6, 150), "account": Range(6, 250)},
    "en": {"value": Range(1, 50), "reason": Range(4, 90), "account": Range(4, 150)},
}
_SHAPE_OF = {
    "what": "value",
    "compute": "value",
    "why": "reason",
    "compare": "reason",
    "condition": "reason",
    "exception": "reason",
    "how": "account",
    "list": "account",
}

SLACK = 2
"""Answers of half the least and twice the greatest length are still taken: models count badly, and facts have their own size."""


def wanted_length(setting: AnswerLength, question_type: str, lang: str) -> Range:
    """Return the range to ask for; "auto" lets a value be short and a list of steps be long."""
    lang = "zh" if lang == "zh" else "en"
    if setting == "auto":
        return _AUTO[lang][_SHAPE_OF.get(question_type, "value")]
    return RANGES[lang][setting]


def outside(size: int, wanted: Range) -> Literal["", "answer_too_short", "answer_too_long"]:
    """Return why an answer of this length is out, with the slack; the empty string when it is not."""
    if size * SLACK < wanted.least:
        return "answer_too_short"
    return "answer_too_long" if size > wanted.most * SLACK else ""


def is_unanswerable(answer: str) -> bool:
    """Tell whether an answer says that there is none: in the words that the prompts ask for, or in its own."""
    bare = answer.strip(" \t\n\"'“”。.！!").casefold()
    return is_refusal(answer.strip()) or any(
        bare == phrase or bare.startswith((f"{phrase}。", f"{phrase}，", f"{phrase}.", f"{phrase},"))
        for phrase in UNANSWERABLE.values()
    )


def stand_alone(answer: str, lang: str) -> str:
    """Return an answer without "according to the material," at the head of the whole or of a sentence.

    Sentences behind the first are touched only where they point at a text.
    """
    text = strip_lead(answer.strip())
    out: list[str] = []
    end = 0
    for number, (start, stop) in enumerate(sentences(text)):
        sentence = text[start:stop]
        out += [text[end:start], strip_lead(sentence) if number and deixis(sentence, lang) else sentence]
        end = stop
    return "".join([*out, text[end:]])


def pointer(answer: str, lang: str) -> str:
    """Return the first words of an answer that point at a text outside of it, the empty string without any.

    本法 and 本品 are clear beside a question that names the law or the drug, so they are no pointers here.
    """
    found = [answer[span.start : span.end] for span in deixis(answer, lang)]
    return next((words for words in found if words[0] != "本" or words in ("本文", "本篇")), "")


def repeats(question: str, answer: str) -> bool:
    """Tell whether an answer says nothing that the question does not, as a small model that echoes does."""
    return adds_nothing(question, words_of(answer))
