"""From rows with passages to rows with pairs, with a model that extracts answers and asks for them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from sftmill.core import Dropped, Row, answered, asked
from sftmill.steps.instruct.selfqa.question_types import classify
from sftmill.steps.instruct.seq2seq.seq2seq_form import (
    PREFIXES,
    Place,
    Sentences,
    Task,
    find_places,
    highlight,
    read_pairs,
    sentence_places,
    settle_answer,
    unlearned_answers,
    without_special,
)
from sftmill.text import normalise

AnswerWay = Literal["extract", "pairs", "entities", "keywords"]

MARGIN = 24
"""Tokens of an input kept for the prefix, the two highlights with their spaces, and the end."""


class Limits(NamedTuple):
    """Tokens of inputs, questions and answers, and the most pairs of a passage."""

    input: int
    question: int
    answer: int
    most: int


class TextWriter(Protocol):
    """What `seq2seq_model.Writer` does."""

    special: tuple[str, ...]
    prefixed: bool

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""

    def write(self, texts: Sequence[str], longest: int, most: int) -> list[str]:
        """Return what the model makes of each text; `longest` and `most` are tokens of input and output."""


class Pair(NamedTuple):
    """A question, its answer, and where the answer stands; None where it is in the model's own words."""

    question: str
    answer: str
    place: Place | None


@dataclass
class Reading:
    """A passage on its way: what the model may see of it, the answers found, the pairs made."""

    row: Row
    passage: str
    shown: str
    """The passage with the tokenizer's special tokens taken apart; offsets are those of the passage."""
    sentences: Sentences
    places: list[Place] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    """What could not be used: "not_in_passage", "too_long", "no_question", "unread", "ambiguous"."""


class Job(NamedTuple):
    """An input for the model, and which reading and place it is about."""

    reading: Reading
    place: Place
    text: str


class PairMaker:
    """Turns rows into pairs; all inputs of one kind of all rows given are written together."""

    def __init__(self, writer: TextWriter, way: AnswerWay, limits: Limits, ner: bool = False):
        self.writer = writer
        self.way = way
        self.limits = limits
        self.ner = ner

    def items(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """Return the pairs of each row in order, or one Dropped for a row that has none."""
        readings = [[self._read(row, *piece) for piece in pieces(row)] for row in rows]
        flat = [reading for group in readings for reading in group]
        if self.way == "pairs":
            self._write_pairs(flat)
        else:
            self._find_answers(flat)
            self._ask(flat)
        made: list[Row | Dropped] = []
        for row, group in zip(rows, readings, strict=True):
            children = [child for reading in group for child in self._children(reading)]
            if children:
                made.extend(children)
            elif not group:
                made.append(Dropped(row, "empty_passage"))
            else:
                made.append(Dropped(row, "no_pair", dict(sum((r.lost for r in group), Counter()))))
        return made

    def _read(self, row: Row, passage: str, number: int) -> Reading:
        shown = without_special(passage, self.writer.special)
        places = sentence_places(shown)
        sizes = self.writer.sizes([shown[a:b] for a, b in places])
        own = {name: value for name, value in row.items() if name != "pieces"} | {"passage": passage}
        if number and row.get("passage_index") is not None:
            own["passage_index"] = row["passage_index"] + number
        return Reading(own, passage, shown, Sentences(shown, places, sizes, self.limits.input - MARGIN))

    def _find_answers(self, readings: list[Reading]) -> None:
        """Fill in the places worth asking for."""
        if self.way != "extract":
            for reading in readings:
                lang = reading.row.get("lang") or "zh"
                reading.places = unlearned_answers(reading.passage, lang, self.way, self.limits.most, self.ner)
            return
        jobs = [
            job
            for reading in readings
            for place in reading.sentences.places
            if (job := self._job("answers", reading, place))
        ]
        for job, text in zip(jobs, self._write(jobs, self.limits.answer), strict=True):
            place = settle_answer(text, job.reading.passage, job.place)
            if place is None:
                job.reading.lost["not_in_passage"] += 1
            elif place not in job.reading.places:
                job.reading.places.append(place)

    def _ask(self, readings: list[Reading]) -> None:
        """Fill in a question for each place."""
        jobs = [
            job
            for reading in readings
            for place in sorted(reading.places)[: self.limits.most]
            if (job := self._job("question", reading, place))
        ]
        for job, text in zip(jobs, self._write(jobs, self.limits.question), strict=True):
            if text:
                answer = job.reading.passage[job.place.start : job.place.end]
                job.reading.pairs.append(Pair(text, answer, job.place))
            else:
                job.reading.lost["no_question"] += 1

    def _write_pairs(self, readings: list[Reading]) -> None:
        """Fill in the pairs that the model writes at once; an answer in the passage is stored as it stands there."""
        jobs = [
            Job(reading, stretch, self._prefix("pairs") + reading.shown[stretch.start : stretch.end])
            for reading in readings
            for stretch in reading.sentences.stretches()
        ]
        for job, text in zip(jobs, self._write(jobs, self.limits.question), strict=True):
            pairs, unread = read_pairs(text)
            job.reading.lost["unread"] += unread
            for question, answer in pairs:
                found = find_places(answer, job.reading.passage)
                place = next((p for p in found if p.start >= job.place.start), found[0]) if found else None
                said = job.reading.passage[place.start : place.end] if place else answer
                job.reading.pairs.append(Pair(question, said, place))

    def _job(self, task: Task, reading: Reading, place: Place) -> Job | None:
        """Return the input that highlights a place amid as much of the passage as fits, None when nothing fits."""
        stretch = reading.sentences.around(place)
        if stretch is None:
            reading.lost["too_long"] += 1
            return None
        text = reading.shown[stretch.start : stretch.end]
        marked = highlight(text, place.start - stretch.start, place.end - stretch.start)
        return Job(reading, place, self._prefix(task) + marked)

    def _prefix(self, task: Task) -> str:
        return PREFIXES[task] if self.writer.prefixed else ""

    def _write(self, jobs: list[Job], most: int) -> list[str]:
        return self.writer.write([job.text for job in jobs], self.limits.input, most) if jobs else []

    def _children(self, reading: Reading) -> list[Row]:
        """Return a row per pair, in the order of the passage; one question with two answers is no pair at all."""
        answers: dict[str, set[str]] = {}
        for pair in reading.pairs:
            answers.setdefault(pair.question, set()).add(normalise(pair.answer))
        kept: dict[str, Pair] = {}
        for pair in reading.pairs:
            if len(answers[pair.question]) > 1:
                reading.lost["ambiguous"] += 1
            else:
                kept.setdefault(pair.question, pair)
        return [self._child(reading, pair) for pair in list(kept.values())[: self.limits.most]]

    def _child(self, reading: Reading, pair: Pair) -> Row:
        row = reading.row
        lang = row.get("lang") or "zh"
        child = answered(asked(row, pair.question), pair.answer)
        child |= {"question_type": classify(pair.question, lang), "method": "seq2seq"}
        if pair.place:
            quoted = [p for p in reading.sentences.places if p.end > pair.place.start and p.start < pair.place.end]
            child |= {
                "answer_start": pair.place.start,
                "quotations": [reading.passage[p.start : p.end] for p in quoted],
            }
        # the house gives a whole-data step's rows their ids; these columns say whose children they are
        child.pop("id", None)
        return child | {"parents": [row["id"]], "root": row.get("root") or row["id"]}


def pieces(row: Row) -> Iterator[tuple[str, int]]:
    """Yield the passages of a row with their numbers: its own, or those that `split` packed; empty ones are left out."""
    for number, passage in enumerate(row.get("pieces") or [row.get("passage") or ""]):
        if passage.strip():
            yield passage, number
