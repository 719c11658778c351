"""The bar about novelty: what it costs to admit an instruction beside a thousand and beside a hundred thousand others."""

import gc
import gzip
import json
import random
import sys
import time
from collections.abc import Iterator

import numpy as np

from common import REPOSITORY, CannotMeasure, Result, say
from sftmill.steps.instruct.novelty.novelty import LEXICAL, NoveltyIndex
from sftmill.text import rouge_of, rouge_tokens, sentences

DATABASE = REPOSITORY.parent / "shared" / "data" / "sft_db" / "sft_db.jsonl.gz"
SMALL, LARGE = 1_000, 100_000
DIMENSIONS = 512
WINDOW, WINDOWS = 400, 4
"""Instructions whose admission is timed at once, and how often; the fastest counts, because others use the machine."""
BRUTE = 40
"""Instructions that are also compared with all of a thousand one by one."""


def novelty_index(quick: bool) -> list[Result]:
    """Measure clash() and add() at both sizes, with and without vectors, beside comparing with all."""
    texts = read_texts(quick)
    vectors = Vectors()
    results = []
    for with_vectors in (False, True):
        name = "novelty_index" if with_vectors else "novelty_wording"
        small, broken = fresh_cost(texts, vectors if with_vectors else None)
        index = NoveltyIndex()
        built = build(index, texts, LARGE, vectors if with_vectors else None)
        memory = footprint(index)
        say(f"{name}: {len(index):,} accepted of {built:,}, {memory / 2**20:.0f} MiB")
        large, clashes = cost(index, texts[built:], vectors if with_vectors else None)
        brute = brute_cost(texts, vectors if with_vectors else None)
        results.append(
            Result(
                name,
                large / small,
                2,
                unit="x",
                raw=f"{brute / small:,.0f}x when 1,000 are compared one by one",
                note=f"{small * 1e6:.0f} us of CPU at {SMALL:,}, {large * 1e6:.0f} at {LARGE:,} accepted, "
                f"{brute * 1e6:,.0f} one by one at {SMALL:,}; {clashes} of {WINDOW * WINDOWS} clash; "
                f"{memory / 2**20:.0f} MiB at {LARGE:,}"
                + (f" with vectors of {DIMENSIONS} numbers" if with_vectors else ", wording alone"),
                broken=broken or missed(index, texts[built:], 3 if quick else 40),
            )
        )
        del index
        gc.collect()
    return results


def read_texts(quick: bool) -> list[str]:
    """Return Chinese instructions and sentences of 10 to 60 characters, all different, in an order without meaning."""
    if not DATABASE.is_file():
        raise CannotMeasure(f"{DATABASE} is not there; the texts are read from it")
    found: dict[str, None] = {}
    with gzip.open(DATABASE, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["lang"] == "zh"]
    for row in rows:
        keep(found, row["instruction"])
        keep(found, row["instruction"] + row["input"])
    for row in rows:
        for start, end in sentences(row["output"][:1200]):
            keep(found, row["output"][start:end])
        if len(found) > 2.2 * LARGE:
            break
    texts = list(found)
    random.Random(0).shuffle(texts)
    return texts


def keep(found: dict[str, None], text: str) -> None:
    """Take a text of the right length."""
    text = text.strip()
    if 10 <= len(text) <= 60:
        found[text] = None


class Vectors:
    """Makes vectors as sentence encoders do: of a few hundred subjects, two to a text, and a share of its own."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._subjects = self._random.standard_normal((400, DIMENSIONS)) / DIMENSIONS**0.5

    def draw(self) -> list[float]:
        """Return a unit vector, as a desk gives it."""
        first, second = self._subjects[self._random.integers(0, len(self._subjects), 2)]
        own = self._random.standard_normal(DIMENSIONS) / DIMENSIONS**0.5
        vector = 0.25 * self._subjects[0] + 0.6 * first + 0.4 * second + 0.6 * own
        return (vector / np.linalg.norm(vector)).tolist()


def build(index: NoveltyIndex, texts: list[str], size: int, vectors: Vectors | None) -> int:
    """Admit what is new until there are `size`; return how many texts that took."""
    for number, text in enumerate(texts):
        if len(index) == size:
            return number
        if index.clash(text) is None:
            index.add(str(number), text, vectors.draw() if vectors else None)
    raise CannotMeasure(f"only {len(index):,} of {len(texts):,} texts are new, {size:,} are needed")


def cost(index: NoveltyIndex, texts: list[str], vectors: Vectors | None, windows: int = WINDOWS) -> tuple[float, int]:
    """Return the CPU seconds that clash() and add() of an instruction take, and how many clashed."""
    best, clashes = float("inf"), 0
    for begin in range(0, windows * WINDOW, WINDOW):
        window = [(text, vectors.draw() if vectors else None) for text in texts[begin : begin + WINDOW]]
        clock = time.process_time()
        for text, vector in window:
            if index.clash(text, vector) is None:
                index.add(text, text, vector)
            else:
                clashes += 1
        best = min(best, time.process_time() - clock)
    return best / WINDOW, clashes


def fresh_cost(texts: list[str], vectors: Vectors | None) -> tuple[float, str]:
    """Return the same at a thousand, in as many fresh indexes, and what was found wrong with the first one."""
    best, broken = float("inf"), ""
    for number in range(WINDOWS):
        part = texts[number * 3 * SMALL :]
        index = NoveltyIndex()
        built = build(index, part, SMALL, vectors)
        if not number:
            broken = missed(index, part[built:], 100)
        best = min(best, cost(index, part[built:], vectors, 1)[0])
    return best, broken


def brute_cost(texts: list[str], vectors: Vectors | None) -> float:
    """Return the CPU seconds that comparing an instruction with a thousand others takes, all of them one by one."""
    pool = [rouge_tokens(text) for text in texts[:SMALL]]
    held = np.array([vectors.draw() for _ in range(SMALL)], np.float32) if vectors else None
    clock = time.process_time()
    for text in texts[SMALL : SMALL + BRUTE]:
        own = rouge_tokens(text)
        max(rouge_of(own, other) for other in pool)
        if vectors and held is not None:
            (held @ np.array(vectors.draw(), np.float32)).max()
    return (time.process_time() - clock) / BRUTE


def missed(index: NoveltyIndex, texts: list[str], count: int) -> str:
    """Compare with all texts one by one, and say where the index answers otherwise."""
    held = list(accepted(index))
    for text in texts[:count]:
        own = rouge_tokens(text)
        greatest = max(rouge_of(own, other) for other in held)
        found = index.clash(text)
        if (found.similarity if found else 0.0) != (greatest if greatest > LEXICAL else 0.0):
            return f"ROUGE-L {greatest:.4f} was found as {found}"
    return ""


def accepted(index: NoveltyIndex) -> Iterator[tuple[str, ...]]:
    """Yield the tokens of all that was admitted."""
    return iter(index._wordings._texts)


def footprint(index: NoveltyIndex) -> int:
    """Return the bytes that an index holds beside the texts' names: arrays, and a tuple of tokens for each text."""
    wordings, meanings = index._wordings, index._meanings
    arrays = [wordings._columns._words, wordings._signatures, wordings._sizes]
    if meanings is not None:
        arrays += [meanings._signs._words, meanings._codes, meanings._vectors[: len(meanings)]]
    return sum(array.nbytes for array in arrays) + sum(map(sys.getsizeof, wordings._texts))


if __name__ == "__main__":
    from common import finish

    raise SystemExit(finish(novelty_index(True)))
