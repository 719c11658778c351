"""Rows whose texts are the same but for writing habits."""

from importlib.util import find_spec

import numpy as np

from sftmill.core import Shards
from sftmill.steps.curate.dedup.comparison import texts_key
from sftmill.steps.curate.dedup.texts import By, batch_texts, read_batches, text_column

MANY = 20_000
"""Rows from which the compiled loops are worth waiting for: they rule out most rows, whose letters nobody else has."""


def find_exact(rows: Shards, kinds: np.ndarray, by: By) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of places, first and copy, of rows with equal texts; the same with and without numba."""
    wanted = None
    if len(kinds) > MANY and find_spec("numba"):
        from sftmill.steps.curate.dedup.reading import sign_rows

        looses = sign_rows(rows, kinds, by, False, None, None).looses
        values, counts = np.unique(looses, return_counts=True)
        shared = values[(counts > 1) & (values != 0)]
        at = np.searchsorted(shared, looses)
        at[at == len(shared)] = 0
        wanted = shared[at] == looses if len(shared) else np.zeros(len(looses), bool)
    firsts: dict[tuple[int, bytes], int] = {}
    found: list[tuple[int, int]] = []
    place = 0
    for batch in read_batches(rows, [text_column(by)]):
        here = range(batch.num_rows) if wanted is None else np.flatnonzero(wanted[place : place + batch.num_rows])
        if len(here):
            texts = batch_texts(batch, by)
            for row in here:
                if (key := texts_key(texts.of(row))) is not None:
                    first = firsts.setdefault((int(kinds[place + row]), key), place + int(row))
                    if first != place + row:
                        found.append((first, place + int(row)))
        place += batch.num_rows
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
