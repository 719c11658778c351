"""Samples out: the rows of a run, all or a sample of them, as a workbook for experts."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML, YAMLError

from sftmill.core import Row, answer
from sftmill.errors import RunError, SftmillError
from sftmill.flow.shards import ShardList, shard_files
from sftmill.review.layout import data_page, instructions_page, review_page
from sftmill.sheets import LARGEST_SHEET, write_pages
from sftmill.steps.curate.labels import shown_question
from sftmill.text import content_hash


class Exported(NamedTuple):
    """What was written."""

    stream: str
    written: int
    available: int
    """Samples that could have been chosen."""
    reviewed: int
    """Samples left out because they were reviewed before."""
    unanswered: int
    """Rows left out because they have no question or no answer."""


def export_review(
    run_dir: Path, to: Path, stream: str = "", number: int | None = None, seed: int = 0, again: bool = False
) -> Exported:
    """Write samples of a run's stream (default: the last one) as a workbook; never over a file that is there.

    `number` samples are drawn with equal chances, spread evenly over the sources and question types; None takes
    all. Those reviewed before are left out, unless `again`. Raises SftmillError.
    """
    if to.exists():
        raise SftmillError(f"{to}: is there already, perhaps with verdicts in it; name another file")
    if to.suffix.lower() != ".xlsx":
        raise SftmillError(f"{to}: the review is written as a workbook; name a file that ends in .xlsx")
    name, lang, shards = samples_of(run_dir, stream)
    places: list[tuple[str, int]] = []
    reviewed = unanswered = 0
    for place, row in enumerate(shards.rows()):
        if not (shown_question(row).strip() and answer(row).strip()):
            unanswered += 1
        elif row.get("reviewed") and not again:
            reviewed += 1
        else:
            places.append((_stratum(row, seed), place))
    if not places:
        seen = f"; {reviewed:,} were reviewed before, --again shows them too" if reviewed else ""
        raise SftmillError(f"{run_dir}: the stream {name!r} has no sample to review{seen}")
    chosen = _drawn(places, number, seed) if number is not None and number < len(places) else {p for _, p in places}
    if len(chosen) >= LARGEST_SHEET:
        raise SftmillError(f"{len(chosen):,} samples do not fit into a sheet; choose some with -n 1000")

    def rows() -> Iterator[Row]:
        return (row for place, row in enumerate(shards.rows()) if place in chosen)

    write_pages(to, [review_page(rows(), lang), instructions_page(lang), data_page(rows(), lang)])
    return Exported(name, len(chosen), len(places), reviewed, unanswered)


def samples_of(run_dir: Path, stream: str = "") -> tuple[str, str, ShardList]:
    """Return a stream's name, the recipe's first language, and the rows of the stream's last stage that has any."""
    try:
        recipe = YAML(typ="safe", pure=True).load((run_dir / "recipe.yaml").read_text("utf-8"))
        streams = [*recipe["streams"], *(["finish"] if "finish" in recipe else [])]
        lang = recipe["lang"][0]
    except (OSError, YAMLError, KeyError, TypeError, IndexError):
        raise RunError(f"{run_dir}: is no run directory; `sftmill run RECIPE` makes one under runs/") from None
    if stream and stream not in streams:
        raise RunError(f"{run_dir}: there is no stream {stream!r}; there are: {', '.join(streams)}")
    for name in [stream] if stream else reversed(streams):
        for folder in sorted((run_dir / "streams" / name).glob("*"), reverse=True):
            if files := shard_files(folder):
                return name, lang if lang in ("zh", "en") else "en", ShardList(files)
    raise RunError(f"{run_dir}: no rows have been written for {stream or 'any stream'} yet; run the recipe first")


def _stratum(row: Row, seed: int) -> str:
    """Return what rows are sorted by before some are drawn: source, question type, then chance."""
    chance = content_hash(str(seed), row["id"])
    return "\0".join([row.get("stream") or "", row.get("source") or "", row.get("question_type") or "", chance])


def _drawn(places: list[tuple[str, int]], number: int, seed: int) -> set[int]:
    """Draw every k-th of the sorted rows from a random start, k = N / n.

    Each row has the same chance n / N, and each stratum gets its share up to one row (systematic sampling with
    implicit stratification: Cochran, Sampling Techniques, chapter 8).
    """
    ordered = [place for _, place in sorted(places)]
    start = int(content_hash("start", str(seed))[:12], 16) / 16**12
    return {ordered[math.floor((start + i) * len(ordered) / number)] for i in range(number)}
