"""Choosing what to hold out, before anything is generated: whole documents with their copies, and seeds."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sftmill.core import Row, Source, question
from sftmill.errors import RunError
from sftmill.flow.lineage import as_root
from sftmill.flow.reserve import content_key
from sftmill.flow.workers import Workers
from sftmill.holdout import Held, Holdout, read_holdout
from sftmill.machine import usable_cores
from sftmill.recipe import Recipe
from sftmill.text import content_hash, normalise, sentences

MOST_SEEDS = 500
"""Samples of a database that are held out at most: more make no test better, and the file is read by people."""
LEAST_SENTENCE = 12
"""Characters of a sentence that counts when documents are compared; shorter ones stand in many."""
COPY = 0.3
"""Share of either document's sentences that stand in the other from which on one counts as a copy."""

FEWEST = 3
"""Sentences that two documents share at least when one is a copy."""


def reserve(
    recipe: Recipe, path: Path, share: float = 0.1, names: tuple[str, ...] = (), seed: int = 0
) -> tuple[Holdout, int]:
    """Return what the recipe's sources hold out, and how many sources there are in all.

    What the file at `path` reserves stays reserved for good. Without one, `share` of the documents and of
    the seeds is taken, those whose hashes are smallest, or the documents in `names`. Documents that largely
    repeat a reserved one, such as the same book in another format, are held out with it.
    Raises RunError when there is too little to hold something out of it.
    """
    documents, seeds, sources = _listed(recipe)
    held = {one.key: one for one in read_holdout(path).held} if path.is_file() else {}
    if not held or names:
        for row in _chosen(documents, share, names, seed):
            held.setdefault(content_key(row), Held(content_key(row), row["source"]))
        if not names:
            some = sorted(seeds, key=lambda row: content_hash(str(seed), content_key(row)))
            for row in some[: min(MOST_SEEDS, round(share * len(some)))]:
                held.setdefault(content_key(row), Held(content_key(row), question(row)[:80]))
    for row, original in asyncio.run(_copies(documents, frozenset(held), sources)):
        held.setdefault(content_key(row), Held(content_key(row), row["source"], original))
    if documents and all(content_key(row) in held for row in documents):
        raise RunError(
            "every document would be held out, so nothing could be generated; add documents, or cut one large book "
            "into files, and run `sftmill holdout` again"
        )
    return Holdout(tuple(held.values())), len(documents) + len(seeds)


def _listed(recipe: Recipe) -> tuple[list[Row], list[Row], dict[str, Source]]:
    """Return the documents and the seeds that a recipe's sources list, and the source of each document by key."""
    documents: dict[str, Row] = {}
    seeds: dict[str, Row] = {}
    sources: dict[str, Source] = {}
    for row, source in _source_rows(recipe):
        key = content_key(row)
        if row.get("source_hash"):
            documents.setdefault(key, row)
            sources.setdefault(key, source)
        elif key:
            seeds.setdefault(key, row)
    return list(documents.values()), list(seeds.values()), sources


def _source_rows(recipe: Recipe) -> Iterator[tuple[Row, Source]]:
    """Yield every row of every source."""
    for stream in recipe.streams.values():
        for entry in stream.steps[:1]:
            if isinstance(entry.step, Source):
                for row in entry.step.rows():
                    if isinstance(row, dict):
                        yield as_root(row, stream.name, recipe.langs[0]), entry.step


def _chosen(documents: list[Row], share: float, names: tuple[str, ...], seed: int) -> list[Row]:
    """Return the documents to hold out: those named, or a share of all."""
    if names:
        found = [row for row in documents if row["source"] in names]
        if missing := sorted(set(names) - {row["source"] for row in found}):
            there = ", ".join(sorted(row["source"] for row in documents)[:8])
            raise RunError(f"no source is called {missing[0]!r}; there are: {there}")
        return found
    if len(documents) == 1:
        raise RunError(
            f"{documents[0]['source']}: is the only document, and a test must not come from what is trained on; "
            "add documents, or cut it into files, and run `sftmill holdout` again"
        )
    number = max(1, round(share * len(documents))) if documents else 0
    return sorted(documents, key=lambda row: content_hash(str(seed), content_key(row)))[:number]


async def _copies(documents: list[Row], held: frozenset[str], sources: dict[str, Source]) -> list[tuple[Row, str]]:
    """Return the documents that largely repeat one that is held, with its name; parsed in worker processes."""
    if not any(content_key(row) in held for row in documents) or len(documents) < 2:
        return []
    owner: dict[str, set[str]] = {}
    """Sentence -> names of the held documents in which it stands."""
    lengths: Counter[str] = Counter()
    found: list[tuple[Row, str]] = []
    for inside in (True, False):
        for source in {id(source): source for source in sources.values()}.values():
            steps = [(number, type(step).__name__, step) for number, step in enumerate(source.then(), 1)]
            if not steps:
                continue
            workers = Workers(steps, usable_cores())
            try:
                for row in documents:
                    if (content_key(row) in held) != inside or sources[content_key(row)] is not source:
                        continue
                    walked = await workers.walk(1, len(steps) + 1, row, ())
                    said = _sentences([child.get("document") or "" for _, child in walked.out])
                    if inside:
                        lengths[row["source"]] = len(said)
                        for sentence in said:
                            owner.setdefault(sentence, set()).add(row["source"])
                        continue
                    shared = Counter(name for sentence in said for name in owner.get(sentence, ()))
                    for name, number in shared.most_common(1):
                        if number >= max(FEWEST, COPY * min(len(said), lengths[name])):
                            found.append((row, name))
            finally:
                await workers.close()
    return found


def _sentences(texts: list[str]) -> set[str]:
    """Return hashes of the longer sentences of a document, whatever their punctuation and spacing."""
    found = set()
    for text in texts:
        for start, end in sentences(text):
            letters = "".join(c for c in normalise(text[start:end]) if c.isalnum())
            if len(letters) >= LEAST_SENTENCE:
                found.add(content_hash(letters)[:16])
    return found
