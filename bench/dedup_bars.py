"""How fast near-duplicates are found among a million rows, in how much memory, and how many of them.

    python bench/dedup_bars.py --quick
    python bench/dedup_bars.py --full
    python bench/dedup_bars.py --full --only neardup_10m

Quick takes 100,000 rows, full a million (`corpus.py`). Seconds are those of the processor, of all threads, for
everything between the shards on disk and the last row given on: reading, searching, verifying, and handing over rows
and copies. Ten millions are measured only when they are named: half an hour, and 5 GB of disk. datasketch is measured
beside it where it is installed (`pip install datasketch`).
"""

import json
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common import REPOSITORY, Result, measure_bars, say
from corpus import Corpus, corpus, pieces
from sftmill.steps.curate.dedup.choice import connect
from sftmill.text import count_cjk

MILLION = 1_000_000
SECONDS, MEMORY, RECALL, PRECISION, TIMES = 35, 3, 0.995, 0.999, 10
"""Processor seconds and GB for a million rows; shares; and how many times the speed of datasketch."""
UNITED = 0.995
"""Share of the real rows dropped that are alike enough to the very row that stays: chains unite others with it."""
LEAST, LEAST_SHORT = 0.8, 0.7
"""Similarity from which on copies are to be found, and that of short Chinese texts."""
RIVAL_ROWS = {True: 4_000, False: 50_000}
"""Rows that datasketch gets, quick or not; its time grows with their number, and slightly faster."""
LABELLED = REPOSITORY.parent / "shared" / "data" / "neardup_100k.parquet"


def neardup_1m(quick: bool) -> list[Result]:
    """Measure a million rows, or 100,000."""
    rows = MILLION // 10 if quick else MILLION
    made = corpus(rows)
    found = measured(made)
    share = rows / MILLION
    recall, precision, note = judged(made, found)
    results = [
        Result("neardup_1m", found["seconds"], SECONDS * share, unit="s", note=f"{rows:,} rows: {found['told']}"),
        Result("neardup_1m_memory", found["gigabytes"], MEMORY, unit="GB"),
        Result("neardup_1m_recall", recall, RECALL, at_least=True, note=note),
        Result("neardup_1m_precision", precision, PRECISION, at_least=True),
    ]
    if find_spec("datasketch"):
        rival = datasketch_seconds(made, RIVAL_ROWS[quick]) / RIVAL_ROWS[quick]
        times = rival / (found["seconds"] / rows)
        raw = f"datasketch {rival * 100_000:.1f} s per 100,000"
        results.append(Result("neardup_1m_times_datasketch", times, TIMES, at_least=True, raw=raw))
    else:
        say("datasketch is not installed, so that nothing is compared with it")
    return results


def neardup_10m(quick: bool) -> list[Result]:
    """Measure ten million rows, where this bar is named."""
    if quick or "neardup_10m" not in sys.argv:
        return []
    made = corpus(10 * MILLION)
    found = measured(made)
    recall, precision, note = judged(made, found)
    return [
        Result("neardup_10m", found["gigabytes"], 6, unit="GB", note=found["told"]),
        Result("neardup_10m_recall", recall, RECALL, at_least=True, note=note),
        Result("neardup_10m_precision", precision, PRECISION, at_least=True),
    ]


def neardup_labelled(quick: bool) -> list[Result]:
    """Measure 100,000 real rows with planted copies, whose similarity somebody else has counted; not with --quick."""
    if quick:
        return []
    if not LABELLED.exists():
        say(f"{LABELLED} is not there, so that real rows are not measured")
        return []
    table = pq.read_table(LABELLED)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(0, len(table), 5000):
            part = table.slice(number, 5000)
            ids = [f"{row:032x}" for row in part["id"].to_pylist()]
            pq.write_table(
                pa.table({"id": ids, "passage": part["text"]}), Path(folder) / f"{number // 5000:05d}.parquet"
            )
        # nothing is known of the numbers in these texts, so that they do not count
        found = measured(Corpus(Path(folder)), by="passage", numbers="ignore")
        guarded = measured(Corpus(Path(folder)), by="passage")
    origin, kind = table["origin"].to_numpy(), np.array(table["kind"].to_pylist())
    similarity, root = table["true_j"].to_numpy(), found["root"]
    copies = np.flatnonzero((kind != "orig") & (similarity >= LEAST))
    recall = float((root[copies] == root[origin[copies]]).mean())
    family = connect(len(origin), np.arange(len(origin)), origin)
    gone = np.flatnonzero(root != np.arange(len(root)))
    strangers = gone[family[gone] != family[root[gone]]]
    texts = table["text"].to_pylist()
    wrong = sum(not alike(texts[row], texts[root[row]]) for row in strangers.tolist())
    note = (
        f"{found['told']}; of {len(gone):,} copies {len(strangers)} were not planted, {wrong} of them less alike "
        f"than {LEAST} ({LEAST_SHORT} by 3 characters for short Chinese texts); with `numbers: differ` "
        f"{len(gone) - int((guarded['root'] != np.arange(len(root))).sum()):,} stay, {guarded['seconds']:.1f} s"
    )
    return [
        Result("neardup_labelled_recall", recall, RECALL, at_least=True, note=note),
        Result("neardup_labelled_precision", 1 - wrong / len(gone), UNITED, at_least=True),
    ]


def alike(one: str, other: str) -> bool:
    """Tell whether two texts are near-duplicates by the rule that the step documents, counted with Python's sets."""
    if min(len(one), len(other)) <= 60 and count_cjk(one) * 3 >= len(one):
        ours, theirs = pieces(one, 3), pieces(other, 3)
        return len(ours & theirs) >= LEAST_SHORT * len(ours | theirs)
    ours, theirs = pieces(one), pieces(other)
    return len(ours & theirs) >= LEAST * len(ours | theirs)


def judged(made: Corpus, found: dict) -> tuple[float, float, str]:
    """Return the recall of planted copies, the precision of what was dropped, and a note."""
    truth = made.truth()
    origin, shift, similarity = (truth[name].to_numpy() for name in ("origin", "shift", "true_j"))
    root = found["root"]
    copies = np.flatnonzero((origin != np.arange(len(origin))) & (shift == 0) & (similarity >= LEAST))
    recall = float((root[copies] == root[origin[copies]]).mean())
    gone = np.flatnonzero(root != np.arange(len(root)))
    right = (origin[gone] == origin[root[gone]]) & (shift[gone] == shift[root[gone]])
    numbered = np.flatnonzero(shift != 0)
    note = (
        f"{len(copies):,} copies at {LEAST} or more; {len(gone):,} dropped, {found['below']:,} of them less similar than "
        f"{LEAST} to the row kept; {int((root[numbered] != root[origin[numbered]]).sum()):,} of {len(numbered):,} copies "
        "with another number stayed"
    )
    return recall, float(right.mean()), note


def measured(made: Corpus, **settings: str) -> dict:
    """Return what a process of its own found: seconds, gigabytes, and for each row the row that stays for it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.npz"
        command = [sys.executable, __file__, "child", str(made.folder), str(out), json.dumps(settings)]
        subprocess.run(command, check=True)
        with np.load(out) as kept:
            found = {name: kept[name] for name in kept.files}
    told = (
        f"{float(found['seconds']):.1f} s of processor, {float(found['wall']):.1f} s by the clock, "
        f"{float(found['gigabytes']):.2f} GB"
    )
    return {**found, "seconds": float(found["seconds"]), "gigabytes": float(found["gigabytes"]), "told": told}


def child(folder: str, out: str, settings: str) -> None:
    """Find the copies of one corpus; the compiled loops are loaded before the clock starts."""
    import asyncio
    import resource

    from sftmill.core import Dropped
    from sftmill.flow.shards import ShardList
    from sftmill.steps.curate.dedup.dedup import Dedup

    step = Dedup(how="near", **json.loads(settings))
    shards = Corpus(Path(folder)).shards

    async def go(files: list[Path]) -> tuple[list[int], list[int], int, int]:
        gone, stays, below, kept = [], [], 0, 0
        async for item in step.run({"rows": ShardList(files)}, None):
            if isinstance(item, Dropped):
                gone.append(int(item.row["id"], 16))
                stays.append(int(item.facts["of"], 16))
                below += item.facts["similarity"] < LEAST
            else:
                kept += item.num_rows
        return gone, stays, below, kept

    asyncio.run(go(shards[:1]))
    begin, clock = time.process_time(), time.monotonic()
    gone, stays, below, kept = asyncio.run(go(shards))
    seconds, wall = time.process_time() - begin, time.monotonic() - clock
    root = np.arange(len(gone) + kept)
    root[gone] = stays
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    np.savez(out, root=root, seconds=seconds, wall=wall, gigabytes=memory, below=below)


def datasketch_seconds(made: Corpus, rows: int) -> float:
    """Return the processor seconds that datasketch takes for so many rows: 128 permutations, as its readers do it."""
    from datasketch import MinHash, MinHashLSH

    texts: list[str] = []
    for path in made.shards:
        texts += [turns[0]["content"] for turns in pq.read_table(path, columns=["messages"])["messages"].to_pylist()]
        if len(texts) >= rows:
            break
    begin = time.process_time()
    index = MinHashLSH(threshold=LEAST, num_perm=128)
    for number, text in enumerate(texts[:rows]):
        signature = MinHash(num_perm=128)
        signature.update_batch([piece.encode() for piece in pieces(text)])
        index.query(signature)
        index.insert(number, signature)
    return time.process_time() - begin


BARS = {bar.__name__: bar for bar in (neardup_1m, neardup_labelled, neardup_10m)}

if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(measure_bars(__doc__, BARS))
