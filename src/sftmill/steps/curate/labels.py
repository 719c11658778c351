"""What people said of samples, kept by content, so that it outlives row ids, prompts and runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sftmill.columns import COLUMNS, SENSITIVITIES
from sftmill.core import Row, answer, answered, turns
from sftmill.sheets import visible
from sftmill.text import content_hash, normalise

Said = Literal["accepted", "edited", "rejected"]


class Verdict(BaseModel):
    """What one person said of a sample, once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Said
    question: str | None = None
    """The corrected question; None = as it was."""
    answer: str | None = None
    """The corrected answer; None = as it was."""
    comment: str = ""
    reviewer: str = ""
    date: str = ""
    """YYYY-MM-DD, where the sheet says it."""
    sheet: str = ""
    """Hash of the file that it was read from."""


class Label(BaseModel):
    """A sample and what was said of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """`label_key` of the sample."""
    question: str
    """The question as it was shown, earlier turns included."""
    answer: str
    verdicts: tuple[Verdict, ...] = Field(min_length=1)
    """In the order of their weight: the last one counts."""
    sample: dict[str, Any] | None = None
    """The whole row; None where only a sheet without it was read."""

    @field_validator("sample")
    @classmethod
    def _is_row(cls, sample: dict[str, Any] | None) -> dict[str, Any] | None:
        if sample is not None:
            check_row(sample)
        return sample


def shown_question(row: Row) -> str:
    """Return the question as people are shown it: the last one, with the turns before it where there are any."""
    said = [turn for turn in turns(row) if turn["role"] != "system"]
    while said and said[-1]["role"] != "user":
        said.pop()
    if len(said) < 2:
        return said[0]["content"] or "" if said else ""
    return "\n".join(f"[{turn['role']}] {turn['content'] or ''}" for turn in said)


def key_of(shown: str, said: str) -> str:
    """Return the name of a sample by its question as shown and its answer; width, spaces and quotes do not count."""
    return "k" + content_hash(normalise(visible(shown)), normalise(visible(said)))


def label_key(row: Row) -> str:
    """Return the name of a row's content."""
    return key_of(shown_question(row), answer(row))


def corrected(row: Row, verdict: Verdict) -> Row:
    """Return the row with the last question and the answer replaced as a verdict says.

    A thought that led to another answer is taken out.
    """
    if verdict.question is not None:
        messages = [dict(turn) for turn in turns(row)]
        last = max((i for i, turn in enumerate(messages) if turn["role"] == "user"), default=None)
        if last is None:
            messages.insert(0, {"role": "user", "content": verdict.question})
        else:
            messages[last]["content"] = verdict.question
        row = {**row, "messages": messages}
    if verdict.answer is not None:
        row = {key: value for key, value in answered(row, verdict.answer).items() if key != "reasoning"}
    return row


def judge(row: Row, labels: Mapping[str, Label]) -> tuple[Row, Said | None, Verdict | None]:
    """Return a row as people left it, what became of it, and the verdict that decided.

    A corrected sample may have been reviewed again; that is followed to its end. Where people corrected in
    a circle, the newest correction holds. None where nobody saw the row.
    """
    trail: dict[str, tuple[str, Row, Verdict]] = {}
    outcome: Said | None = None
    last: Verdict | None = None
    while label := labels.get(key := label_key(row)):
        if key in trail:
            circle = list(trail.values())[list(trail).index(key) :]
            _, row, last = max(circle, key=lambda step: (step[2].date, step[0]))
            break
        last = label.verdicts[-1]
        if last.verdict == "rejected":
            return row, "rejected", last
        outcome = "edited" if "edited" in (outcome, last.verdict) else "accepted"
        if last.verdict != "edited":
            break
        row = corrected(row, last)
        trail[key] = (label_key(row), row, last)
    return row, outcome, last


def check_row(sample: Mapping[str, Any]) -> None:
    """Raise ValueError, saying what is wrong, for what cannot be a row with a conversation."""
    for name, value in sample.items():
        if name not in COLUMNS:
            raise ValueError(f"the sample has {name!r}, which is no column")
        try:
            pa.array([value], COLUMNS[name].type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise ValueError(f"the sample's {name!r} is no {COLUMNS[name].type}") from None
    if not all(isinstance(turn.get("role"), str) for turn in sample.get("messages") or [{}]):
        raise ValueError("the sample has no messages, or turns without a role")
    if sample.get("sensitivity") not in SENSITIVITIES:
        raise ValueError(f"the sample's sensitivity is none of {', '.join(SENSITIVITIES)}")


def read_labels(path: Path) -> dict[str, Label]:
    """Return the labels of a file by key, in the file's order; raises ValueError naming the first line that is none."""
    labels: dict[str, Label] = {}
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                label = Label.model_validate(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path.name}:{number}: is no JSON: {error}") from None
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "the label"
                raise ValueError(f"{path.name}:{number}: {where}: {first['msg']}") from None
            if label.key != key_of(label.question, label.answer):
                raise ValueError(f"{path.name}:{number}: the key does not belong to this question and answer")
            labels[label.key] = label
    return labels


def labels_text(labels: Mapping[str, Label]) -> bytes:
    """Return the labels as JSON lines, sorted by key, so that the same labels are the same bytes."""
    lines = (
        orjson.dumps(label.model_dump(exclude_defaults=True), option=orjson.OPT_SORT_KEYS)
        for _, label in sorted(labels.items())
    )
    return b"".join(line + b"\n" for line in lines)
