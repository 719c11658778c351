"""What T5 and BART models for question generation are given and give back: highlights, prefixes, windows, answers.

The form is that of lmqg (Ushio et al., EMNLP 2022, github.com/asahi417/lm-question-generation), so that its models
and ours can be put in each other's place. No model is needed here.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from sftmill.text import keywords, named_entities, normalise, normalise_with_map, numbers, sentences
from sftmill.text.lazy import lazy_pattern

HIGHLIGHT = "<hl>"
"""The token before and after the sentence (answer extraction) or the answer (question generation)."""

Task = Literal["answers", "question", "pairs"]
PREFIXES: dict[Task, str] = {
    "answers": "extract answers: ",
    "question": "generate question: ",
    "pairs": "generate question and answer: ",
}
"""What stands before the input of T5 types; BART types have no prefix."""

PREFIXED = frozenset({"t5", "mt5", "umt5", "longt5"})
"""Model types that are told their task by a prefix."""

QUESTION_MARK, ANSWER_MARK, PAIR_MARK = "question: ", ", answer: ", " | "
"""How a model that makes pairs at once writes them: question: Q, answer: A | question: Q, answer: A"""

UnlearnedAnswers = Literal["entities", "keywords"]


class Place(NamedTuple):
    """A piece of a passage, `passage[start:end]`."""

    start: int
    end: int


class HighlightLost(ValueError):
    """What was to be highlighted is not in the text."""


def highlight(text: str, start: int, end: int) -> str:
    """Return the text with `text[start:end]` between highlight tokens; raises HighlightLost for an empty piece."""
    if not 0 <= start < end <= len(text):
        raise HighlightLost(f"there is nothing to highlight from {start} to {end} of {len(text)} characters")
    return f"{text[:start]}{HIGHLIGHT} {text[start:end]} {HIGHLIGHT}{text[end:]}"


def without_special(text: str, special: Sequence[str]) -> str:
    """Return a text of the same length whose words are no special tokens of a tokenizer, such as </s> and <hl>.

    Otherwise a passage could end its own input, or highlight what it likes.
    """
    for token in special:
        if len(token) > 1 and token in text:
            text = text.replace(token, f"({token[1:-1]})" if len(token) > 2 else "()")
    return text


def find_places(answer: str, passage: str) -> list[Place]:
    """Return every place of the passage that an answer stands at, in order, without overlaps.

    As it is written, or else after normalisation and without case: tokenizers write ， as a comma and set spaces
    between Chinese characters. "19" does not stand in "1994".
    """
    answer = answer.strip()
    if not answer:
        return []
    if exact := _occurrences(answer, passage):
        return exact
    text, offsets = normalise_with_map(passage)
    low, wanted = text.lower(), normalise(answer).lower()
    found = _occurrences(wanted, low if len(low) == len(text) else text)
    return [Place(offsets[start], offsets[end - 1] + 1) for start, end in found]


def _occurrences(wanted: str, text: str) -> list[Place]:
    found, at = [], text.find(wanted) if wanted else -1
    while at >= 0:
        end = at + len(wanted)
        if _runs_on(text, at) or _runs_on(text, end):
            end = at + 1
        else:
            found.append(Place(at, end))
        at = text.find(wanted, end)
    return found


def _runs_on(text: str, at: int) -> bool:
    """Tell whether a Latin word or a number goes on across a place."""
    sides = text[max(at - 1, 0) : at + 1]
    return 0 < at < len(text) and sides.isascii() and sides.isalnum()


def settle_answer(answer: str, passage: str, sentence: Place) -> Place | None:
    """Return where in the passage an answer extracted from a sentence stands: in it, else anywhere; None if nowhere."""
    found = find_places(answer, passage)
    inside = (place for place in found if sentence.start <= place.start and place.end <= sentence.end)
    return next(inside, found[0] if found else None)


def unlearned_answers(passage: str, lang: str, way: UnlearnedAnswers, most: int, ner: bool = False) -> list[Place]:
    """Return places that may be worth asking for, in order, found without any training (lmqg: ten a passage).

    Named entities and numbers, or the nouns that matter most; of a word that occurs often, the first place.
    """
    if way == "entities":
        return list(entity_places(passage, lang, ner))[:most]
    places = (found[0] for word in keywords(passage, lang, most) if (found := find_places(word, passage)))
    kept: list[Place] = []
    for place in places:
        if all(place.end <= other.start or other.end <= place.start for other in kept):
            kept.append(place)
    return sorted(kept)


_NAMED = lazy_pattern(r"\b(?!(?:In|At|By|For|About|After|Over|Up|The|Only|All|Each|With|On)\b)[A-Z][a-z]{1,30} \Z")


def entity_places(passage: str, lang: str, ner: bool = False) -> dict[Place, str]:
    """Return the named entities of a passage with their kinds, in order, numbers together with their units.

    Numbers that are part of a name (QK-900, Store 1) or count the items of a list are none.
    """
    found = {Place(e.start, e.end): e.kind for e in named_entities(passage, lang, ner) if e.kind != "NUMBER"}
    taken = bytearray(len(passage))
    for start, end in found:
        taken[start:end] = b"\1" * (end - start)
    for number in numbers(passage):
        start, end = place = Place(number.start, number.end)
        joined = start and passage[start - 1] in "-–_/." and passage[max(start - 2, 0)].isalnum()
        named = not number.unit and end - start < 4 and _NAMED.search(passage, max(start - 32, 0), start)
        if number.unit != "label" and not joined and not named and not any(taken[start:end]):
            found[place] = "NUMBER"
            taken[start:end] = b"\1" * (end - start)
    return dict(sorted(found.items()))


class Sentences:
    """A passage cut into sentences whose sizes in tokens are known, to show a model as much as it can take in."""

    def __init__(self, passage: str, places: list[Place], sizes: list[int], room: int):
        self.passage = passage
        self.places = places
        self.sizes = sizes
        self.room = room

    def around(self, wanted: Place) -> Place | None:
        """Return the stretch of whole sentences around a place that fits the room, as even as can be; None if none."""
        held = [i for i, place in enumerate(self.places) if place.end > wanted.start and place.start < wanted.end]
        if not held:
            return None
        first, last = held[0], held[-1]
        left = self.room - sum(self.sizes[first : last + 1])
        if left < 0:
            return None
        grows = True
        while grows:
            grows = False
            if first and self.sizes[first - 1] <= left:
                first, grows = first - 1, True
                left -= self.sizes[first]
            if last + 1 < len(self.sizes) and self.sizes[last + 1] <= left:
                last, grows = last + 1, True
                left -= self.sizes[last]
        return self._stretch(first, last)

    def stretches(self) -> Iterator[Place]:
        """Yield stretches of whole sentences that fit the room, one behind the other; too long ones are left out."""
        first, left = 0, self.room
        for i, size in enumerate(self.sizes):
            if size > left:
                if i > first:
                    yield self._stretch(first, i - 1)
                first, left = i, self.room
            if size > self.room:
                first = i + 1
            else:
                left -= size
        if first < len(self.sizes):
            yield self._stretch(first, len(self.sizes) - 1)

    def _stretch(self, first: int, last: int) -> Place:
        start = 0 if first == 0 else self.places[first].start
        end = len(self.passage) if last == len(self.places) - 1 else self.places[last].end
        return Place(start, end)


def sentence_places(passage: str) -> list[Place]:
    """Return the sentences of a passage."""
    return [Place(start, end) for start, end in sentences(passage)]


def read_pairs(text: str) -> tuple[list[tuple[str, str]], int]:
    """Return the (question, answer) pairs that a model wrote at once, and how many items could not be read.

    Items stand apart by " | "; one that is not `question: Q, answer: A` with exactly one answer is left out.
    """
    pairs, unread = [], 0
    for item in text.split(PAIR_MARK.strip()):
        item = item.strip()
        parts = item.split(ANSWER_MARK.rstrip())
        asked = parts[0].removeprefix(QUESTION_MARK.rstrip()).strip()
        if len(parts) != 2 or not item.startswith(QUESTION_MARK.rstrip()) or not asked or not parts[1].strip():
            unread += bool(item)
        elif (pair := (asked, parts[1].strip())) not in pairs:
            pairs.append(pair)
    return pairs, unread


def write_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Return pairs as a model that makes them at once is to write them; those that hold the marks are left out."""
    marks = (PAIR_MARK.strip(), ANSWER_MARK.strip())
    kept = [(q, a) for q, a in pairs if not any(mark in q or mark in a for mark in marks)]
    return PAIR_MARK.join(f"{QUESTION_MARK}{q}{ANSWER_MARK}{a}" for q, a in kept)
