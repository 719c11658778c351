"""How fast rows are drawn by their importance (DSIR), and how many of those drawn are of the domain wanted.

    python bench/quality_bars.py --quick
    python bench/quality_bars.py --full

Speed is measured on the made-up corpus of `corpus.py` (100,000 rows of about 300 characters, a million with --full):
seconds of the processor, of all threads, for everything between the shards on disk and the last row given on, of which
a tenth is drawn. Precision is that of 1,000 rows drawn of a database of several domains, by the words of a validation
set from other sources; where the database is absent it is left out.
"""

import asyncio
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common import REPOSITORY, Result, measure_bars
from corpus import corpus
from sftmill.core import Dropped
from sftmill.flow.shards import ShardList
from sftmill.steps.curate.quality.dsir import Dsir
from sftmill.steps.curate.quality.importance import GivenRows

MILLION = 1_000_000
SECONDS = 40
"""Processor seconds for a million rows."""
DRAWN = 1000
LEAST = {"finance": 0.9, "medical": 0.98, "law": 0.9}
"""Share of the rows drawn that are of the domain."""
ARMS = ({}, {"length": "mean"}, {"by": "question"}, {"by": "question", "length": "mean"}, {"smoothing": 0})
"""Settings that are compared; quick looks at the first ones alone."""
DATABASE = REPOSITORY.parent / "shared" / "data" / "sft_db"


def dsir_speed(quick: bool) -> list[Result]:
    """Measure drawing a tenth of 100,000 rows, or of a million."""
    rows = MILLION // 10 if quick else MILLION
    shards = corpus(rows).shards
    step = Dsir(streams=("like",), budget=rows // 10)

    def draw(files: list[Path]) -> int:
        with tempfile.TemporaryDirectory() as folder:
            desk = SimpleNamespace(output=folder)
            return asyncio.run(_count(step, {"rows": ShardList(files), "like": ShardList(shards[:1])}, desk))

    draw(shards[:1])  # the compiled loops are loaded before the clock starts
    begin = time.process_time()
    drawn = draw(shards)
    seconds = time.process_time() - begin
    note = f"{drawn:,} of {rows:,} rows drawn; {seconds / rows * 100_000:.2f} s per 100,000"
    return [Result("dsir_1m", seconds, SECONDS * rows / MILLION, unit="s", note=note)]


def dsir_precision(quick: bool) -> list[Result]:
    """Measure how many of 1,000 rows drawn are of the domain, by questions and answers and by questions alone."""
    if not DATABASE.is_dir():
        return []
    database = _Given([_row(record) for record in _lines(DATABASE / "sft_db.jsonl.gz")])
    results = []
    for domain, least in LEAST.items():
        like = [_row(record) for record in _lines(DATABASE / f"validation_{domain}.jsonl")]
        inputs: dict[str, Any] = {"rows": database, "like": _Given(like)}
        found = {}
        for settings in ARMS[:1] if quick else ARMS:
            step = Dsir(streams=("like",), budget=DRAWN, **settings)
            found[" ".join(map(str, settings.values())) or "as it is"] = asyncio.run(_precision(step, inputs, domain))
        note = ", ".join(f"{name} {share:.3f}" for name, share in found.items())
        results.append(Result(f"dsir_precision_{domain}", found["as it is"], least, at_least=True, note=note))
    return results


async def _count(step: Dsir, inputs: dict[str, Any], desk: Any) -> int:
    return sum([item.num_rows async for item in step.run(inputs, desk) if not isinstance(item, Dropped)])


async def _precision(step: Dsir, inputs: dict[str, Any], domain: str) -> float:
    right = 0
    async for item in step.run(inputs, None):
        if not isinstance(item, Dropped):
            right += item.column("topic").to_pylist().count(domain)
    return right / DRAWN


class _Given(GivenRows):
    """Rows in memory as a stream."""

    def __init__(self, rows: list[dict[str, Any]]):
        super().__init__(rows)
        self.given = rows
        self._all = list(super().batches(["id", "messages", "topic"]))

    def __len__(self) -> int:
        return len(self.given)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        yield from self.given

    def batches(self, columns: list[str] | None = None) -> Iterator:
        """Yield the rows as Arrow batches."""
        for batch in self._all:
            yield batch.select(columns) if columns else batch


def _row(record: dict[str, Any]) -> dict[str, Any]:
    asked = "\n".join(filter(None, (record.get("instruction"), record.get("input"))))
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": record.get("output") or ""}]
    return {"id": str(record.get("id")), "topic": record.get("domain"), "messages": messages}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


BARS = {bar.__name__: bar for bar in (dsir_speed, dsir_precision)}

if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, BARS))
