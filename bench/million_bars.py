"""Whole recipes of a million rows: dedup, decontamination and export alone, and everything from the passages on."""

import json
import random
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from common import Result, say
from corpus import corpus, words_zh
from endpoint import Mock, build_mock
from processes import Program, Usage, sftmill
from speed_bars import last_line

MILLION = 1_000_000
MINUTES, GIGABYTES = 5, 4
"""Most time of the clock, and memory of all processes, for a million rows through dedup, decontamination and export."""
START = 5
"""Seconds that a quick measurement allows beside its share, since programs and compiled loops are loaded as for a million."""
CALLS_A_SECOND, SERVED_GIGABYTES = 1_200, 2
"""Least model calls a second, and most memory, from passages to exported samples."""
ITEMS = 500
"""Rows of the corpus that stand in the evaluation set."""
IN_FLIGHT = 256
CHINESE_SENTENCES, WORDS = 12, 9
"""Of a passage, and of a sentence: about 300 characters in all."""
QUESTIONS = 2
"""That the mock endpoint asks about each passage: the fewest that the reply's schema allows."""
TREE_EVERY = 1.0
"""Seconds between two looks at the memory of all processes."""
LOOK_EVERY = 0.05
"""Seconds between two looks at the mock's counters: both cores belong to what is measured."""
LONGEST = 7200.0
"""Seconds after which a run is given up."""


def whole_recipe_1m(quick: bool) -> list[Result]:
    """Take a million rows (quick: 10,000) from a file through exact and near dedup, decontamination and export."""
    rows = MILLION // 100 if quick else MILLION
    with TemporaryDirectory() as name:
        folder = Path(name)
        planted = write_rows(folder, rows)
        steps = [
            {"samples": {"file": "rows.jsonl", "sensitivity": "public"}},
            "dedup",
            {"dedup": {"how": "near"}},
            {"decontaminate": {"against": "items.jsonl", "sensitivity": "public"}},
        ]
        say(f"whole_recipe_1m: {rows:,} rows")
        usage = run_to_end(start(folder, steps, "first"))
        counts = manifest(folder)["counts"]
        with open(folder / "run/export/sft.messages.jsonl", encoding="utf-8") as lines:
            texts = [json.loads(line)["messages"][0]["content"] for line in lines]
    leaked, kept = len(planted.intersection(texts)), counts["finish/01-export"]["out"]
    broken = []
    if leaked:
        broken.append(f"{leaked} evaluation items were exported")
    if len(texts) != kept:
        broken.append(f"{kept:,} rows reached the export, {len(texts):,} are in its file")
    note = f"{rows:,} rows, {kept:,} left; {usage.cpu:.0f} CPU s, {usage.seconds:.0f} s"
    bar = MINUTES * 60 * rows / MILLION + (START if quick else 0)
    return [
        Result("whole_recipe_1m", usage.seconds, bar, unit="s", note=note, broken="; ".join(broken)),
        Result("whole_recipe_1m_memory", usage.peak_tree / 1000, GIGABYTES, unit="GB"),
    ]


def write_rows(folder: Path, rows: int) -> set[str]:
    """Write the corpus as JSON lines, and some of its rows as an evaluation set; return the texts of the latter."""
    chance = random.Random(5)
    planted: set[str] = set()
    with (
        open(folder / "rows.jsonl", "w", encoding="utf-8") as lines,
        open(folder / "items.jsonl", "w", encoding="utf-8") as items,
    ):
        for shard in corpus(rows).shards:
            for turns in pq.read_table(shard, columns=["messages"])["messages"].to_pylist():
                question, answer = turns[0]["content"], turns[1]["content"]
                lines.write(json.dumps({"question": question, "answer": answer}, ensure_ascii=False) + "\n")
                if len(planted) < ITEMS and chance.random() < 2 * ITEMS / rows:
                    planted.add(question)
                    items.write(json.dumps({"question": question}, ensure_ascii=False) + "\n")
    return planted


def million_end_to_end(quick: bool) -> list[Result]:
    """Make a million samples (quick: 1,600) of passages against the mock endpoint, killed with -9 twice on the way.

    The rate is that from the first command to the end of the last one; with quick that from each program's first call to
    its death, without starts, dedup and export, which take most of so short a time.
    """
    passages = 800 if quick else MILLION // QUESTIONS
    calls = passages * (1 + QUESTIONS)
    steps = [
        {"books": {"folder": "books", "sensitivity": "public"}},
        {"split": {"size": 300}},
        {"selfqa_questions": {"most": 5}},
        "selfqa_answers",
        {"grounded": {"drop": False}},  # what a mock says stands in no passage; it is examined all the same
        "dedup",
    ]
    usages: list[Usage] = []
    flights: list[int] = []
    spans: list[tuple[int, float]] = []
    """Calls answered, and seconds, of the runs that were killed."""
    with TemporaryDirectory() as name, Mock(build_mock(), latency_ms=20) as mock:
        folder = Path(name)
        write_books(folder / "books", passages)
        for number, moment in enumerate((calls // 3, 2 * calls // 3)):
            say(f"million_end_to_end: {passages:,} passages, killed after {moment:,} answers")
            program = start(folder, steps, f"killed{number}", mock.url)
            before = mock.stats()["ok"]
            wait_for(program, mock, "ok", before + 1)
            begin, first = time.monotonic(), mock.stats()["ok"]
            wait_for(program, mock, "ok_unique", moment)
            stats = mock.stats()
            spans.append((stats["ok"] - first, time.monotonic() - begin))
            flights.append(stats["inflight"])
            with suppress(ProcessLookupError):
                program.kill()
            usages.append(program.wait())
        time.sleep(0.1)  # requests that were in the sockets reach the mock
        say("million_end_to_end: to the end")
        usages.append(run_to_end(start(folder, steps, "last", mock.url)))
        stats = mock.stats()
        counts = manifest(folder)["counts"]
        with open(folder / "run/export/sft.messages.jsonl", encoding="utf-8") as lines:
            exported = sum(1 for _ in lines)
        ids = read_ids(folder / "run/streams/s")
    asked, gone = counts["s/06-selfqa_questions"]["out"], counts["s/09-dedup"]["in"] - counts["s/09-dedup"]["out"]
    lost = asked - gone - exported
    twice = stats["total"] - stats["unique"]
    broken = []
    if any(usage.status >= 0 for usage in usages[:2]):
        broken.append("a run had ended before it was killed")
    if lost or len(ids) != exported:
        broken.append(f"{lost:,} of {asked:,} questions have no sample; {exported:,} samples of {len(ids):,} rows")
    if twice > 2 * IN_FLIGHT:
        broken.append(f"{twice} calls were made twice, though {IN_FLIGHT} may be in flight at each kill")
    seconds = sum(usage.seconds for usage in usages)
    rate = sum(calls for calls, _ in spans) / sum(time for _, time in spans) if quick else stats["ok"] / seconds
    note = (
        f"{exported:,} samples, {gone:,} duplicates, {lost} lost; {stats['ok']:,} calls in {seconds:,.0f} s with two kills, "
        f"{twice} made twice ({', '.join(map(str, flights))} in flight)"
    )
    return [
        Result(
            "million_end_to_end",
            rate,
            CALLS_A_SECOND,
            at_least=True,
            unit="/s",
            note=note,
            broken="; ".join(broken),
        ),
        Result("million_end_to_end_memory", max(u.peak_tree for u in usages) / 1000, SERVED_GIGABYTES, unit="GB"),
    ]


def wait_for(program: Program, mock: Mock, counter: str, least: int) -> None:
    """Wait until a counter of the mock has come so far, or the program has ended."""
    while program.running() and mock.stats()[counter] < least:
        time.sleep(LOOK_EVERY)


def write_books(folder: Path, passages: int) -> None:
    """Write books of a thousand sections each, one passage a section."""
    folder.mkdir()
    chance = random.Random(1)
    words, _ = words_zh()
    number = 0
    for book in range(-(-passages // 1000)):
        parts = [f"# 第{book}册\n\n"]
        for _ in range(min(1000, passages - number)):
            sentences = ["".join(chance.choices(words[:3000], k=WORDS)) for _ in range(CHINESE_SENTENCES)]
            parts.append(f"## 第{number}节\n\n{number}年{'。'.join(sentences)}。\n\n")
            number += 1
        (folder / f"{book:04d}.md").write_text("".join(parts), encoding="utf-8")


def start(folder: Path, steps: list[Any], name: str, url: str = "") -> Program:
    """Start a run of these steps, and of an export of what they make."""
    models = {"teacher": {"endpoint": url, "model": "mock", "timeout": 60, "concurrency": IN_FLIGHT}} if url else {}
    recipe = {"name": "million", "lang": ["zh", "en"], "models": models, "streams": {"s": steps}, "finish": ["export"]}
    (folder / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False))
    command = [*sftmill(), "run", str(folder / "recipe.yaml"), "--run-dir", str(folder / "run")]
    return Program(command, folder, name, TREE_EVERY)


def run_to_end(program: Program) -> Usage:
    """Wait for a program; raises RuntimeError with its last word if it did not end well."""
    usage = program.wait(LONGEST)
    if usage.status:
        raise RuntimeError(f"sftmill ended with status {usage.status}: {last_line(usage.errors)}")
    return usage


def manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the run."""
    return json.loads((folder / "run" / "manifest.json").read_text())


def read_ids(stream: Path) -> set[str]:
    """Return the ids of the rows that a stream's last step gave on."""
    last = max(folder for folder in stream.iterdir() if folder.is_dir())
    files = sorted(file for file in last.glob("*.parquet") if file.stem.isdigit())
    return {row for file in files for row in pq.read_table(file, columns=["id"])["id"].to_pylist()}
