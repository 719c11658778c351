"""Reading the texts of all rows: once for hashes and bands' keys, and again for the shingles of some of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sftmill.core import Shards
from sftmill.steps.curate.dedup.fold import tables
from sftmill.steps.curate.dedup.lsh import Bands, permutations
from sftmill.steps.curate.dedup.texts import By, Texts, batch_texts, read_batches, text_column

SHORT, LONG, WORDS = 3, 5, 3
"""Characters of a shingle in short Chinese texts and in all others, and words of one where words are counted."""
SHORT_MOST = 60
"""Characters of a short Chinese text: of 5-character shingles three small edits leave too little in common."""
SECTION = 2
"""Characters of a shingle when questions, or answers, are compared by themselves."""
NO_KEYS = (np.zeros(1, np.uint32), np.zeros(1, np.uint32))


class Signed(NamedTuple):
    """What the first reading keeps of n rows; a text that is empty has the hash 0."""

    wholes: np.ndarray
    """Hash of the folded text."""
    looses: np.ndarray
    """Hash of its letters and digits: rows with the same comparison key have the same one."""
    classes: np.ndarray
    """Bit 1: a short Chinese text; bit 2: it has short keys; bit 4: it has long ones."""
    sizes: np.ndarray
    """Bytes of the text."""
    short: tuple[np.ndarray, np.ndarray]
    """Places of the rows that have short keys, ascending, and the keys, a line for each of these rows."""
    long: tuple[np.ndarray, np.ndarray]


def room_for(texts: Texts) -> int:
    """Return how many codes the longest row can have."""
    return int((row_bytes(texts) + np.diff(texts.first)).max(initial=0)) + 16


def row_bytes(texts: Texts) -> np.ndarray:
    """Return the bytes of each row."""
    total = np.concatenate([[0], np.cumsum(texts.ends - texts.starts)])
    return np.diff(total[texts.first])


def sign_rows(
    rows: Shards, kinds: np.ndarray, by: By, words: bool, short: Bands | None, long: Bands | None, reach: int = 0
) -> Signed:
    """Read all rows once. Without bands only the hashes are made."""
    table, letters, more = tables()
    short_numbers = permutations(short.bands * short.rows, 1) if short else NO_KEYS
    long_numbers = permutations(long.bands * long.rows, 2) if long else NO_KEYS

    def read(place: int, batch: pa.RecordBatch) -> tuple:
        from sftmill.steps.curate.dedup.kernels import sign

        texts = batch_texts(batch, by)
        size = len(texts)
        wholes, looses = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
        classes = np.zeros(size, np.uint8)
        short_keys = np.zeros((size, short.bands if short else 1), np.uint32)
        long_keys = np.zeros((size, long.bands if long else 1), np.uint32)
        sign(
            *texts[:4], kinds[place : place + size], table, letters, more, words, SHORT_MOST, reach, SHORT,
            WORDS if words else LONG, *short_numbers, short.rows if short else 0, *long_numbers,
            long.rows if long else 0, room_for(texts), wholes, looses, classes, short_keys, long_keys,
        )  # fmt: skip
        has_short, has_long = np.flatnonzero(classes & 2), np.flatnonzero(classes & 4)
        lists = (has_short + place, short_keys[has_short], has_long + place, long_keys[has_long])
        return wholes, looses, classes, row_bytes(texts).astype(np.uint32), *lists

    columns: list[list[np.ndarray]] = [[] for _ in range(8)]
    for made in rows.map(read, [text_column(by)]):
        for column, part in zip(columns, made, strict=True):
            column.append(part)
    empty = ("u8", "u8", "u1", "u4", "i8", "u4", "i8", "u4")
    whole = []
    for number, kind in enumerate(empty):
        parts, columns[number] = columns[number], []
        if not parts:
            bands = short if number == 5 else long
            parts = [np.zeros((0, bands.bands if bands else 1) if number in (5, 7) else 0, kind)]
        whole.append(np.concatenate(parts))
    return Signed(*whole[:4], (whole[4], whole[5]), (whole[6], whole[7]))


class Sets(NamedTuple):
    """The shingles of some items (see `kernels.gather`): item i has `values[borders[3 * i]:borders[3 * i + 1]]`."""

    values: np.ndarray
    borders: np.ndarray


def read_sets(rows: Shards, by: By, words: bool, places: np.ndarray, shorts: np.ndarray, numbered: np.ndarray) -> Sets:
    """Return the shingles of the rows at `places` (ascending; a row may be there twice), short ones where `shorts` says.

    Writes into `numbered` a hash of what numbers could be read from.
    """
    table, letters, more = tables()

    def chosen(place: int, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from sftmill.steps.curate.dedup.kernels import distinct, gather

        texts = batch_texts(batch, by)
        begin, end = np.searchsorted(places, (place, place + len(texts)))
        rows_here = places[begin:end] - place
        if not len(rows_here):
            return np.zeros(0, np.uint32), np.zeros(1, np.int64), np.zeros(0, np.uint64)
        sizes = np.where(shorts[begin:end], SHORT, WORDS if words else LONG)
        longest = room_for(texts)
        size = row_bytes(texts) + np.diff(texts.first)
        out = np.empty(2 * int(size[rows_here].sum()) + 16, np.uint64)  # the whole, and its sections once more
        found = np.empty(len(rows_here), np.uint64)
        last = np.maximum(texts.last_question, texts.first[:-1] - 1)
        count = gather(
            *texts[:4], last, table, letters, more, words, rows_here, sizes, longest, SECTION, found, out
        )  # fmt: skip
        out = np.sort(out[:count])
        values, borders = np.empty(count, np.uint32), np.empty(3 * len(rows_here) + 1, np.int64)
        size = distinct(out, 3 * len(rows_here), values, borders)
        return values[:size].copy(), borders, found

    values: list[np.ndarray] = []
    borders = [np.zeros(1, np.int64)]
    at, number = 0, 0
    for part, ends, found in rows.map(chosen, [text_column(by)]):
        numbered[number : number + len(found)] = found
        number += len(found)
        borders.append(ends[1:] + at)
        at += len(part)
        values.append(part)
    return Sets(np.concatenate(values) if values else np.zeros(0, np.uint32), np.concatenate(borders))


def read_texts(rows: Shards, by: By, places: np.ndarray) -> Iterator[tuple[int, list[str]]]:
    """Yield the texts of the rows at `places` (ascending), each with its place."""
    place = 0
    for batch in read_batches(rows, [text_column(by)]):
        texts = batch_texts(batch, by)
        begin, end = np.searchsorted(places, (place, place + len(texts)))
        for at in places[begin:end].tolist():
            yield at, texts.of(at - place)
        place += batch.num_rows
