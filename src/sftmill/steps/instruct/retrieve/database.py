"""What is kept of the database: a few numbers for each row, and its texts while they pass by."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sftmill.core import Row, Shards, answer
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.steps.curate.user_text import user_text
from sftmill.text import content_hash, normalise

PIECE = 1024
"""Rows of a piece: its texts are in memory together."""


class Read(NamedTuple):
    """What is known of n rows; 20 bytes a row."""

    ties: np.ndarray
    """A number that depends on the row's id alone, uint64: between equals the least goes first."""
    questions: np.ndarray
    """Hash of each question without writing habits, uint64; 0 where a row has none."""
    quality: np.ndarray
    """The column `score`, float32; minus infinity where a row has none."""

    def __len__(self) -> int:
        return len(self.ties)


def pieces(rows: Shards, columns: tuple[str, ...]) -> Iterator[tuple[int, list[Row]]]:
    """Yield the rows with some of their columns, a thousand at a time, and the place of the first one."""
    place = 0
    for batch in read_batches(rows, list(columns)):
        for start in range(0, batch.num_rows, PIECE):
            part = batch.slice(start, PIECE)
            yield place, part.to_pylist()
            place += part.num_rows


def read(rows: Shards) -> Read:
    """Read ids, questions and scores of all rows."""
    ties: list[int] = []
    questions: list[int] = []
    quality: list[float] = []
    for _, part in pieces(rows, ("id", "messages", "score")):
        for row in part:
            ties.append(short_hash(row["id"]))
            questions.append(question_hash(row))
            score = row.get("score")
            quality.append(-np.inf if score is None or score != score else score)
    return Read(np.array(ties, np.uint64), np.array(questions, np.uint64), np.array(quality, np.float32))


def question_hash(row: Row) -> int:
    """Return a hash of what a row asks, whatever its case, width and spaces; 0 where it asks nothing."""
    text = normalise(user_text(row))
    return max(1, short_hash(text)) if text else 0


def short_hash(text: str) -> int:
    """Return a number of 64 bits that depends on a text alone."""
    return int(content_hash(text)[:16], 16)


def texts_of(row: Row, with_answer: bool, longest: int) -> tuple[str, ...]:
    """Return what a row is compared by: the beginning of its questions, and that of its answer where it counts."""
    asked = user_text(row)[:longest]
    if not asked:
        return ()
    said = answer(row).strip()[:longest] if with_answer else ""
    return (asked, said) if said else (asked,)


def catalogued(rows: Shards, column: str, values: tuple[str, ...]) -> np.ndarray:
    """Return the places of the rows whose column has one of the values, ascending."""
    wanted = set(values)
    return np.array(
        [
            place + at
            for place, part in pieces(rows, ("id", column))
            for at, row in enumerate(part)
            if row.get(column) in wanted
        ],
        np.int64,
    )
