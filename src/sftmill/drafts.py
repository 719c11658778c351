"""Test items: drafted from what is held out by the recipe's own steps, confirmed by an expert, split into dev and test."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sftmill.core import Row
from sftmill.errors import RunError
from sftmill.flow.sampler import Sampler
from sftmill.flow.shards import write_atomically
from sftmill.holdout import detectable_difference
from sftmill.pilot import Choice
from sftmill.recipe import Recipe
from sftmill.run import Watcher, run_recipe
from sftmill.run_directory import last_rows
from sftmill.steps.curate.labels import judge, read_labels
from sftmill.text import content_hash

FOLDER = "holdout"
"""Folder of the drafts within the run's folder."""
LABELS = "labels.jsonl"
"""File beside the drafts that holds what the expert said of them."""
ENOUGH = 4
"""Held documents from which on dev and test come from different ones; below, from different passages."""
DISAGREEMENT = 0.3
"""Share of items on which two models are assumed to disagree, for the difference that is told; with fewer
disagreements smaller differences show."""

KEPT = ("id", "lang", "messages", "source", "title_path", "passage", "context", "quotations", "question_type", "task")


@dataclass(slots=True)
class TestItems:
    """What has been drafted, and how much of it is confirmed."""

    __test__ = False  # pytest takes classes called Test... for tests

    folder: Path
    dev: int
    test: int
    """Items in either file: confirmed ones only, once there are any, else all drafts."""
    drafted: int
    confirmed: int
    rejected: int
    unseen: int
    """Drafts that nobody has judged yet."""

    @property
    def difference(self) -> float:
        """Return the difference in accuracy that the test shows in four of five cases, both models answering all."""
        return detectable_difference(self.test, disagreement=DISAGREEMENT)


def draft_items(
    recipe: Recipe,
    run_dir: Path,
    passages: int,
    seed: int = 0,
    watch: Watcher | None = None,
    providers: Mapping[str, Any] | None = None,
) -> TestItems:
    """Take `passages` rows of what is held out through the recipe's steps, and write dev and test files of them.

    Rows of one passage, and with four held documents or more of one document, are never divided between
    the two. Labels that `sftmill review import` has written beside them are carried out. Raises RunError
    when nothing is held out or nothing comes of it.
    """
    if recipe.holdout is None:
        raise RunError("the recipe holds nothing out; run `sftmill holdout RECIPE` first")
    folder = run_dir / FOLDER
    choice = Choice(passages, seed)
    own = replace(recipe, ledger=recipe.ledger or run_dir.parent / "ledger.sqlite")
    run_recipe(own, folder, watch, providers, drafting=True, sampler=Sampler(choice.choose))
    shutil.rmtree(folder / "export", ignore_errors=True)  # these rows must not lie about as training files
    rows = [row for row in last_rows(recipe, folder) if row.get("polarity") != "negative"]
    if not rows:
        raise RunError(f"nothing came of what is held out; see why with `sftmill show {folder} --dropped`")
    return _write(folder, rows)


def _write(folder: Path, rows: list[Row]) -> TestItems:
    """Write the items with what an expert said of them."""
    file = folder / LABELS
    try:
        labels = read_labels(file) if file.is_file() else {}
    except ValueError as error:
        raise RunError(f"{error}; import the workbook again") from None
    by_document = len({row.get("source") for row in rows}) >= ENOUGH
    items: dict[str, list[Row]] = {"dev": [], "test": []}
    said = {"accepted": 0, "edited": 0, "rejected": 0, None: 0}
    for row in rows:
        judged, outcome, _ = judge(row, labels)
        said[outcome] += 1
        if outcome == "rejected" or (labels and outcome is None):
            continue
        unit = row.get("source") if by_document else f"{row['root']}/{row.get('passage_index')}"
        side = "test" if int(content_hash("dev or test", unit or row["id"])[:8], 16) % 2 else "dev"
        item = {name: judged[name] for name in KEPT if name in judged}
        items[side].append({**item, "confirmed": outcome is not None})
    for side, found in items.items():
        write_atomically(folder / f"{side}.jsonl", b"".join(orjson.dumps(item) + b"\n" for item in found))
    return TestItems(
        folder,
        dev=len(items["dev"]),
        test=len(items["test"]),
        drafted=len(rows),
        confirmed=said["accepted"] + said["edited"],
        rejected=said["rejected"],
        unseen=said[None],
    )
