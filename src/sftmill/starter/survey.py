"""A look at a folder of documents: what is there, what can be read, in which languages, and whether it is law."""

import asyncio
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sftmill.core import Dropped, Row, RowStep
from sftmill.flow.lineage import as_root
from sftmill.flow.workers import Workers
from sftmill.steps import STEPS
from sftmill.text import count_cjk

MOST_READ = 40
"""Files that are read for the look; the rest is estimated from their sizes."""
MOST_BYTES = 80 * 1024 * 1024
"""Bytes of the files that are read for the look."""
SECONDS = 20.0
"""Time for one file."""
MEMORY = 2 << 30
"""Bytes for one file."""
LAW = 1 / 600
"""Articles per character from which a document is taken for a law or a contract."""

_ARTICLE = re.compile(
    r"^[#>*\s]{0,8}(?:第\s?[〇零一二三四五六七八九十百千\d]{1,8}\s?条|(?:Article|Section|§)\s?\d{1,4}\b)", re.M
)


@dataclass(slots=True)
class Look:
    """What was found in a folder."""

    folder: Path
    files: Counter[str] = field(default_factory=Counter)
    """Number of files that are taken, by kind (the end of the name)."""
    sizes: Counter[str] = field(default_factory=Counter)
    """Bytes of the files that are taken, by kind."""
    characters: Counter[str] = field(default_factory=Counter)
    """Characters by language, estimated where not all files were read."""
    laws: int = 0
    """Files read that are laws or contracts."""
    tables: int = 0
    """Tables in the files read."""
    read: int = 0
    """Files read for the look."""
    whole: bool = True
    """Whether all files were read, so that nothing is estimated."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Files that cannot be read, with the reason."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of files that the source leaves out, by reason."""

    @property
    def total(self) -> int:
        """Characters in all languages."""
        return self.characters.total()

    def langs(self) -> list[str]:
        """Return the languages with a tenth of the text or more, the first being the most used."""
        return [lang for lang, number in self.characters.most_common() if number * 10 >= self.total] or ["zh"]

    @property
    def is_law(self) -> bool:
        """Tell whether half of the files or more are laws."""
        return self.laws * 2 >= max(1, self.read)


def look_at(folder: Path) -> Look:
    """Look at the documents of a folder, as the source `books` takes and reads them.

    Parsers run in processes of their own, with limits in time and memory, so that no document can hold up or end
    the look.
    """
    source = STEPS["books"](folder=folder)
    look = Look(folder)
    listed: defaultdict[str, list[tuple[Row, int]]] = defaultdict(list)
    for row in source.rows():  # type: ignore[attr-defined]
        if isinstance(row, Dropped):
            why = str(row.facts.get("why") or row.reason)
            if row.reason == "skipped":
                look.left_out[why] += 1
            else:
                look.refused.append((row.row["source"], why))
            continue
        kind = os.path.splitext(row["source"])[1].lower() or "?"
        size = _size(folder / row["source"])
        look.files[kind] += 1
        look.sizes[kind] += size
        listed[kind].append((row, size))
    chosen = _chosen(listed)
    look.whole = len(chosen) == look.files.total()
    _read(look, chosen, source.then())  # type: ignore[attr-defined]
    return look


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a file within an archive
        return 0


def _chosen(listed: dict[str, list[tuple[Row, int]]]) -> list[tuple[str, Row, int]]:
    """Choose files of every kind in turn, spread over each kind's list."""
    queues = {}
    for kind, rows in sorted(listed.items()):
        number = min(len(rows), MOST_READ)
        queues[kind] = [rows[i * len(rows) // number] for i in range(number)]
    chosen: list[tuple[str, Row, int]] = []
    total = 0
    while queues and len(chosen) < MOST_READ:
        for kind in list(queues):
            row, size = queues[kind].pop(0)
            if len(chosen) < MOST_READ and (not chosen or total + size <= MOST_BYTES):
                chosen.append((kind, row, size))
                total += size
            if not queues[kind]:
                del queues[kind]
    return chosen


def _read(look: Look, chosen: list[tuple[str, Row, int]], steps: tuple[RowStep, ...]) -> None:
    """Read the files chosen, and estimate the text of all from theirs."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for (kind, row, size), (texts, problem) in zip(
        chosen, asyncio.run(_walk([r for _, r, _ in chosen], steps)), strict=True
    ):
        sizes[kind] += size
        numbers[kind] += 1
        if problem:
            look.refused.append((row["source"], problem))
        if not texts:
            continue
        look.read += 1
        text = "\n\n".join(texts)
        look.laws += len(_ARTICLE.findall(text)) > max(2, LAW * len(text))
        look.tables += sum(map(_is_table, text.split("\n\n")))
        chinese = count_cjk(text)
        # what surrounds Chinese characters (digits, signs) is written in Chinese, too
        found[kind]["zh" if chinese * 10 >= len(text) else "en"] += len(text)
    for kind, counts in found.items():
        scale = look.sizes[kind] / sizes[kind] if sizes[kind] else look.files[kind] / numbers[kind]
        for lang, number in counts.items():
            look.characters[lang] += round(number * scale)


def _is_table(block: str) -> bool:
    lines = [line for line in block.split("\n") if line.strip()]
    return len(lines) > 1 and all("|" in line for line in lines)


async def _walk(rows: list[Row], steps: tuple[RowStep, ...]) -> list[tuple[list[str], str]]:
    """Return of each file the texts of its sections and, where there is one, the reason why it cannot be read."""
    numbered = [(number, f"books.{type(step).__name__.lower()}", step) for number, step in enumerate(steps)]
    workers = Workers(numbered, seconds=SECONDS, memory=MEMORY)
    try:
        walked = await asyncio.gather(
            *(workers.walk(0, len(steps), as_root(row, "books", "zh"), (i,)) for i, row in enumerate(rows))
        )
    finally:
        await workers.close()
    results = []
    for result in walked:
        texts = [row.get("document") or "" for _, row in result.out]
        fate = next(iter(result.lost), None)
        problem = ""
        if fate is not None and not texts:
            facts = fate.facts or {}
            problem = str(facts.get("why") or fate.reason)
        results.append((texts, problem))
    return results
