"""What a T5 or BART model is trained on: reviewed pairs as answer extraction and question generation, and raw text."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from sftmill.core import Row, answer, answered, asked, question
from sftmill.errors import RunError
from sftmill.steps.curate.labels import judge, read_labels
from sftmill.steps.instruct.seq2seq.masking import cut_sentences, mask_answers
from sftmill.steps.instruct.seq2seq.seq2seq_form import (
    PREFIXES,
    Place,
    Sentences,
    Task,
    find_places,
    highlight,
    sentence_places,
    without_special,
    write_pairs,
)
from sftmill.steps.instruct.seq2seq.seq2seq_pairs import MARGIN
from sftmill.text import content_hash, detect_lang

Objective = Literal["corruption", "masked", "completion"]
KEPT = ("accepted", "edited")
"""What a person must have said of a pair before a model is trained on it."""


class Example(NamedTuple):
    """An input and what the model is to write; `group` names the passage, which is held out whole or not at all."""

    task: str
    source: str
    target: str
    group: str


class TextShape(NamedTuple):
    """What the examples must know of a model: its special tokens, whether it has prefixes, sizes and room of inputs."""

    special: tuple[str, ...]
    prefixed: bool
    sizes: Callable[[Sequence[str]], list[int]]
    room: int
    """Tokens of an input."""


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a JSON Lines file: rows of a run, plain question-answer lines, or a review's labels.

    Lines are objects with `passage` and either `messages` or `question` and `answer`; `reviewed` says what a person
    said. Of a labels file, the samples as people left them. Raises RunError naming the line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); name a JSON Lines file with reviewed rows"
        ) from None
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RunError(f"{path}:{number}: is no JSON ({error}); name a JSON Lines file") from None
        if isinstance(value, dict) and "verdicts" in value:
            return _labelled(path)
        rows.append(_as_row(value, f"{path}:{number}"))
    return rows


def _labelled(path: Path) -> list[Row]:
    try:
        labels = read_labels(path)
    except ValueError as error:
        raise RunError(f"{path}: {error}; import the review again with `sftmill review import`") from None
    rows = []
    for label in labels.values():
        if label.sample is not None:
            row, outcome, _ = judge(label.sample, labels)
            rows.append({**row, "reviewed": outcome})
    return rows


def _as_row(value: Any, where: str) -> Row:
    if not isinstance(value, dict) or not isinstance(value.get("passage"), str):
        raise RunError(f"{where}: has no passage; each line must be an object with passage, question and answer")
    if not value.get("messages"):
        if not isinstance(value.get("question"), str) or not isinstance(value.get("answer"), str):
            raise RunError(f"{where}: has neither messages nor question and answer; add them")
        value = answered(asked(value, value["question"]), value["answer"])
    if not (question(value).strip() and answer(value).strip()):
        raise RunError(f"{where}: question or answer is empty; take the line out")
    return value


def choose_rows(rows: Iterable[Row], unreviewed: bool) -> tuple[list[Row], Counter[str]]:
    """Return the rows to train on, each pair once, and how many there were of each sort.

    Raises RunError where rows were reviewed by nobody and that was not allowed. Rejected rows are always left out.
    """
    seen: set[str] = set()
    kept: list[Row] = []
    sorts: Counter[str] = Counter()
    for row in rows:
        said = row.get("reviewed") or "unreviewed"
        key = content_hash(row.get("passage") or "", question(row), answer(row))
        sort = "repeated" if key in seen else said
        seen.add(key)
        sorts[sort] += 1
        if sort in KEPT or sort == "unreviewed":
            kept.append(row)
    if sorts["unreviewed"] and not unreviewed:
        raise RunError(
            f"{sorts['unreviewed']} of {sum(sorts.values())} rows were reviewed by nobody, and a model repeats what "
            "it is trained on; review them with `sftmill review export`, or allow them with unreviewed=True"
        )
    return kept, sorts


def pair_examples(rows: Sequence[Row], tasks: Sequence[Task], shape: TextShape) -> tuple[list[Example], Counter[str]]:
    """Return the examples of all tasks, and how many rows could not be used for one, by reason.

    Inputs are those that the step `seq2seq` makes: a sentence (answers) or the answer (question) highlighted amid
    as many sentences as fit, or the passage alone (pairs). The place of an answer is always looked for again.
    """
    lost: Counter[str] = Counter()
    passages: dict[str, list[Row]] = {}
    for row in rows:
        passages.setdefault(row.get("passage") or "", []).append(row)
    made: list[Example] = []
    for passage, group in passages.items():
        cut = _cut(passage, shape)
        name = content_hash(passage)
        placed = [(row, _place(row, passage)) for row in group]
        if "pairs" in tasks:
            made += _whole(cut, [(question(row), answer(row), place) for row, place in placed], shape, name)
        for row, place in placed:
            if place is None:
                lost["answer_not_in_passage"] += 1
                continue
            for task in ("answers", "question"):
                if task not in tasks:
                    continue
                whole = _sentence(cut, place) if task == "answers" else place
                marked = _marked(task, cut, whole, shape) if whole else None
                if marked is None:
                    lost["too_long" if whole else "answer_over_sentences"] += 1
                    continue
                target = question(row) if task == "question" else passage[place.start : place.end]
                made.append(Example(task, marked, target, name))
    return list(dict.fromkeys(made)), lost


def _cut(passage: str, shape: TextShape) -> Sentences:
    shown = without_special(passage, shape.special)
    places = sentence_places(shown)
    return Sentences(shown, places, shape.sizes([shown[a:b] for a, b in places]), shape.room - MARGIN)


def _place(row: Row, passage: str) -> Place | None:
    """Return where a row's answer stands: within what the row quotes if it can be, else nearest to its old place."""
    found = find_places(answer(row), passage)
    if not found:
        return None
    quoted = [place for text in row.get("quotations") or [] for place in find_places(text, passage)]
    inside = [p for p in found if any(q.start <= p.start and p.end <= q.end for q in quoted)] or found
    start = row.get("answer_start")
    return min(inside, key=lambda p: abs(p.start - (inside[0].start if start is None else start)))


def _sentence(cut: Sentences, place: Place) -> Place | None:
    """Return the sentence that holds a place; None for one that goes over several, which cannot be extracted."""
    return next((p for p in cut.places if p.start <= place.start and place.end <= p.end), None)


def _marked(task: Task, cut: Sentences, place: Place, shape: TextShape) -> str | None:
    """Return the input of a task with a place highlighted amid what fits, None where it does not fit."""
    stretch = cut.around(place)
    if stretch is None:
        return None
    text = cut.passage[stretch.start : stretch.end]
    return _prefix(task, shape) + highlight(text, place.start - stretch.start, place.end - stretch.start)


def _whole(
    cut: Sentences, pairs: list[tuple[str, str, Place | None]], shape: TextShape, name: str
) -> Iterator[Example]:
    stretches = list(cut.stretches())
    for stretch in stretches:
        own = [
            (q, a) for q, a, p in pairs if (stretch.start <= p.start and p.end <= stretch.end if p else len(stretches) == 1)
        ]  # fmt: skip
        if target := write_pairs(own):
            yield Example("pairs", _prefix("pairs", shape) + cut.passage[stretch.start : stretch.end], target, name)


def _prefix(task: Task, shape: TextShape) -> str:
    return PREFIXES[task] if shape.prefixed else ""


def raw_examples(
    passages: Iterable[str], objectives: Sequence[Objective], shape: TextShape, seed: int = 0
) -> list[Example]:
    """Return the self-supervised examples of raw passages.

    masked: the highlighted span in, the sentence with a blank out, as question generation; completion: a
    sentence's beginning in, its end out; corruption: text whose spans are hidden anew each time it is trained on.
    """
    made: list[Example] = []
    for passage in dict.fromkeys(passages):
        lang, name = detect_lang(passage), content_hash(passage)
        cut = _cut(passage, shape)
        shown = cut.passage
        if "corruption" in objectives:
            made += [Example("corruption", shown[a:b], "", name) for a, b in cut.stretches()]
        if "masked" in objectives:
            for masked in mask_answers(shown, lang, "entities", seed=seed) or mask_answers(
                shown, lang, "keywords", seed=seed
            ):
                if source := _marked("question", cut, masked.place, shape):
                    made.append(Example("masked", source, masked.question, name))
        if "completion" in objectives:
            made += [Example("completion", head, rest, name) for head, rest in cut_sentences(shown, lang, seed=seed)]
    return list(dict.fromkeys(made))


def hold_out(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Return (training, held out): exactly `share` of the passages, rounded, but never all, are held out whole.

    Which ones follows from their text and the seed, so that a row more or less moves no other.
    """
    groups = sorted({example.group for example in examples}, key=lambda name: content_hash("held out", str(seed), name))
    number = min(round(share * len(groups)), len(groups) - 1)
    held = frozenset(groups[: max(number, 0)])
    return [e for e in examples if e.group not in held], [e for e in examples if e.group in held]
