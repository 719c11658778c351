"""Vectors of the database, made while it is read and kept in half precision."""

from collections.abc import Iterator

import numpy as np

from sftmill.core import Desk, Row, Shards
from sftmill.errors import RecipeError
from sftmill.steps.instruct.retrieve.database import pieces, texts_of

WAVE = 8192
"""Rows whose texts are in memory together."""
BLOCK = 8192
"""Vectors that are taken up to full precision at once."""


class Vectors:
    """Unit vectors of n rows, 2 bytes a number; rows without a question have zeros, which are near nothing."""

    def __init__(self, number: int):
        self._number = number
        self.stored: np.ndarray | None = None
        """n x d, float16."""

    def put(self, place: int, vectors: np.ndarray) -> None:
        """Keep the vectors of the rows from `place` on."""
        if self.stored is None:
            self.stored = np.zeros((self._number, vectors.shape[1]), np.float16)
        self.stored[place : place + len(vectors)] = vectors

    def blocks(self, places: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield places and their vectors as float32, of all rows or of some, in order."""
        if self.stored is None:
            return
        for start in range(0, self._number if places is None else len(places), BLOCK):
            if places is None:
                block = self.stored[start : start + BLOCK]
                yield np.arange(start, start + len(block)), block.astype(np.float32)
            else:
                some = places[start : start + BLOCK]
                yield some, self.stored[some].astype(np.float32)

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the vectors of some rows as float32."""
        if self.stored is None:
            return np.zeros((len(places), 1), np.float32)
        return self.stored[places].astype(np.float32)


async def embed_database(
    desk: Desk, rows: Shards, to: str, with_answer: bool, longest: int, like: np.ndarray
) -> Vectors:
    """Return the vectors of all rows, which are as long as those of `like`."""
    made = Vectors(len(rows))
    waiting: list[Row] = []
    first = 0
    for place, part in pieces(rows, ("id", "messages")):
        if not waiting:
            first = place
        waiting += part
        if len(waiting) >= WAVE:
            made.put(first, await embed_rows(desk, waiting, to, with_answer, longest, like))
            waiting = []
    if waiting:
        made.put(first, await embed_rows(desk, waiting, to, with_answer, longest, like))
    return made


async def embed_rows(
    desk: Desk, rows: list[Row], to: str, with_answer: bool, longest: int, like: np.ndarray | None = None
) -> np.ndarray:
    """Return a unit vector for each row, n x d in float32: that of its question, or the middle of question and answer.

    `like` are vectors that these must be as long as. Raises RecipeError where they are not.
    """
    texts = [texts_of(row, with_answer, longest) for row in rows]
    number: dict[str, int] = {}
    for some in texts:
        for text in some:
            number.setdefault(text, len(number))
    vectors = await desk.vectors(list(number), to=to)
    if like is not None and len(vectors) and vectors.shape[1] != like.shape[1]:
        raise RecipeError(
            f"retrieve: role {to!r} gave vectors of {like.shape[1]} numbers and of {vectors.shape[1]}; name another model "
            "for this role"
        )
    if not len(vectors):
        vectors = np.zeros((0, like.shape[1] if like is not None else 1), np.float32)
    made = np.zeros((len(rows), vectors.shape[1]), np.float32)
    for place, some in enumerate(texts):
        for text in some:
            made[place] += vectors[number[text]]
    return to_unit(made)


def to_unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
