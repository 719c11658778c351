"""A million Chinese and English rows of about 300 characters, with near-duplicates planted at a known similarity.

    python bench/corpus.py --rows 1000000

The words are made up, their frequencies are Zipf's: nothing is anybody's text. The same seed gives the same rows. They
are written as shards, such as a run writes, in blocks of a million that are made one after the other, so that any
number of rows fits into memory; a block's copies have their origins in the same block. `truth.parquet` tells, row by
row, what is a copy of what, and the Jaccard similarity of their 5-character pieces (lower case, white space as one
space), counted with Python's sets.
"""

import argparse
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common import BUILD

SEED = 20
BLOCK, SHARD = 1_000_000, 5_000
"""Rows of a block and of a shard."""
COPIES = 0.3
"""Share of the rows that are copies."""
CHINESE = 0.5
"""Share of the rows that are Chinese."""
KINDS = {"exact": 0.25, "spelling": 0.1, "scatter": 0.35, "span": 0.15, "reorder": 0.1, "number": 0.05}
"""How a copy differs, and how often: not at all, in case and spaces, in single characters, in a piece that is missing,
in order, or in its only number, which makes another question of it."""
NUMERALS = frozenset("一七万丈三上下两九二五亿六八十千半百四")
"""Characters that no made-up word has, so that a text has one number."""
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.string())])
_SPACES, _NUMBER = re.compile(r"\s+"), re.compile(r"[0-9]+")


class Corpus(NamedTuple):
    """Where the rows are."""

    folder: Path

    @property
    def shards(self) -> list[Path]:
        """The shards, in order."""
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def truth(self) -> pa.Table:
        """Return of each row its origin (a row's number, its own where it is no copy), kind, true_j, lang, and by how much
        the number in it was shifted."""
        return pq.read_table(self.folder / "truth.parquet")


def corpus(rows: int, seed: int = SEED) -> Corpus:
    """Return the corpus of so many rows; made at its first use and kept in bench/build."""
    folder = BUILD / f"corpus-{rows}-{seed}"
    if not (folder / "truth.parquet").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        truth = []
        for block, start in enumerate(range(0, rows, BLOCK)):
            texts, told = make_block(min(BLOCK, rows - start), seed + block, start)
            truth.append(told)
            for number in range(0, len(texts), SHARD):
                name = f"{(start + number) // SHARD:06d}.parquet"
                part = _rows(texts.slice(number, SHARD), told["lang"].slice(number, SHARD), start + number)
                pq.write_table(part, folder / name, compression="zstd", use_dictionary=["lang"])
        pq.write_table(pa.concat_tables(truth), folder / "truth.parquet")
    return Corpus(folder)


def make_block(size: int, seed: int, start: int) -> tuple[pa.Array, pa.Table]:
    """Return the texts of a block whose first row has the number `start`, and the truth about them."""
    draw = np.random.Generator(np.random.PCG64(seed))
    fresh = size - int(COPIES * size)
    chinese = int(CHINESE * fresh)
    texts = pa.concat_arrays([_write(draw, chinese, words_zh(), "。"), _write(draw, fresh - chinese, words_en(), ". ")])
    origins = draw.integers(0, fresh, size - fresh)
    kinds = draw.choice(list(KINDS), size - fresh, p=list(KINDS.values()))
    edits = draw.integers(1, 13, size - fresh)
    copied = list(_copies(draw, texts.take(pa.array(origins)).to_pylist(), kinds.tolist(), edits.tolist()))
    place = draw.permutation(size)
    where = np.argsort(place)  # row number -> number in the order of making
    made = pa.concat_arrays([texts, pa.array([text for text, _ in copied], pa.large_string())])
    origin = np.concatenate([np.arange(fresh), origins])
    similarity = np.concatenate([np.ones(fresh), [similarity for _, similarity in copied]])
    names = np.concatenate([np.full(fresh, "origin", object), kinds.astype(object)])
    shift = np.concatenate([np.zeros(fresh, np.int64), np.where(kinds == "number", edits, 0)])
    truth = pa.table(
        {
            "origin": pa.array(place[origin[where]] + start),
            "kind": pa.array(names[where]),
            "true_j": pa.array(similarity[where]),
            "shift": pa.array(shift[where]),
            "lang": pa.array(np.where(origin[where] < chinese, "zh", "en")),
        }
    )
    return made.take(pa.array(where)), truth


def pieces(text: str, size: int = 5) -> set[str]:
    """Return the pieces of so many characters of a text by which its similarity is told."""
    text = _SPACES.sub(" ", text.lower()).strip()
    return {text[i : i + size] for i in range(max(1, len(text) - size + 1))}


def words_zh() -> tuple[list[str], int]:
    """Return words of one to three characters, the most frequent first, and how many make a text."""
    draw = np.random.Generator(np.random.PCG64(1))
    characters = [chr(point) for point in range(0x4E00, 0x4E00 + 3500) if chr(point) not in NUMERALS]
    sizes = draw.choice([1, 2, 3], 12_000, p=[0.15, 0.7, 0.15])
    return ["".join(draw.choice(characters, size)) for size in sizes], 140


def words_en() -> tuple[list[str], int]:
    """Return words of one to four syllables, the most frequent first, and how many make a text."""
    draw = np.random.Generator(np.random.PCG64(2))
    heads, tails = (
        ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "pr", "th"],
        ["a", "e", "i", "o", "u", "an", "er", "in", "ol", "est", "ou"],
    )
    sizes = draw.choice([1, 2, 3, 4], 12_000, p=[0.3, 0.4, 0.2, 0.1])
    return ["".join(draw.choice(heads) + draw.choice(tails) for _ in range(size)) + " " for size in sizes], 50


def _write(draw: np.random.Generator, number: int, words: tuple[list[str], int], stop: str) -> pa.Array:
    """Return texts of sentences; their lengths vary by a third."""
    vocabulary, usual = words
    weights = 1 / np.arange(3, len(vocabulary) + 3)
    edges = np.cumsum(weights / weights.sum())
    gap = " " if stop.endswith(" ") else ""
    table = pa.array([*vocabulary, stop, *(f"{number}{gap}" for number in range(10, 10_000))], pa.string())
    made = []
    for start in range(0, number, 50_000):
        sizes = draw.integers(usual * 2 // 3, usual * 4 // 3, min(50_000, number - start))
        which = np.minimum(np.searchsorted(edges, draw.random(int(sizes.sum()))), len(vocabulary) - 1)
        which[draw.random(len(which)) < 0.1] = len(vocabulary)
        ends = np.cumsum(sizes)
        numbers = draw.integers(len(vocabulary) + 1, len(table), len(sizes))
        which[ends - 1 - (draw.random(len(sizes)) * (sizes - 1)).astype(np.int64)] = numbers
        lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int32()), table.take(which))
        made.append(pc.utf8_trim_whitespace(pc.binary_join(lists, "")).cast(pa.large_string()))
    return pa.concat_arrays(made) if made else pa.array([], pa.large_string())


def _copies(
    draw: np.random.Generator, texts: list[str], kinds: list[str], how_many: list[int]
) -> Iterator[tuple[str, float]]:
    """Yield the copy of each text, and how similar the two are."""
    chances = draw.random((len(texts), 14))
    for text, kind, edits, chance in zip(texts, kinds, how_many, chances, strict=True):
        if kind == "exact":
            yield text, 1.0
            continue
        size = len(text)
        if kind == "spelling":
            made = text.replace(" ", "  ", 2).upper() if " " in text else text + " \n"
        elif kind == "scatter":
            letters = list(text)
            for at in chance[:edits]:
                place = int(at * size)
                if not letters[place].isdigit() and not letters[place - 7].isdigit():
                    letters[place] = letters[place - 7]
            made = "".join(letters)
        elif kind == "span":
            at, most = _beside_number(text, int(chance[0] * size * 0.8)), max(2, int(chance[1] * size * 0.2))
            made = text[:at] + text[_beside_number(text, at + most) :]
        elif kind == "number":
            number = _NUMBER.search(text)
            made = text[: number.start()] + str(int(number[0]) + edits) + text[number.end() :]
        else:
            at = _beside_number(text, int((0.2 + 0.6 * chance[0]) * size))
            made = text[at:] + " " + text[:at]
        ours, theirs = pieces(text), pieces(made)
        shared = len(ours & theirs)
        yield made, shared / (len(ours) + len(theirs) - shared)


def _beside_number(text: str, at: int) -> int:
    """Return a place near `at` that is not within a number."""
    while 0 < at < len(text) and text[at].isdigit():
        at += 1
    return at


def _rows(texts: pa.Array, langs: pa.ChunkedArray, start: int) -> pa.Table:
    """Return the rows of a shard: the text is what the user says, the answer a word."""
    size = len(texts)
    content = np.empty(2 * size, object)
    content[0::2], content[1::2] = texts.to_pylist(), "好。"
    turns = pa.StructArray.from_arrays(
        [
            pa.array(["user", "assistant"] * size, pa.string()),
            pa.array(content, pa.string()),
            pa.nulls(2 * size, pa.string()),
        ],
        fields=list(MESSAGE),
    )
    ids = pa.array([f"{number:032x}" for number in range(start, start + size)])
    return pa.table(
        {
            "id": ids,
            "root": ids,
            "lang": langs,
            "sensitivity": pa.array(["public"] * size),
            "stream": pa.array(["bench"] * size),
            "messages": pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * size + 1, 2), pa.int32()), turns),
        }
    )


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--rows", type=int, default=BLOCK)
    given.add_argument("--seed", type=int, default=SEED)
    arguments = given.parse_args()
    print(corpus(arguments.rows, arguments.seed).folder)
