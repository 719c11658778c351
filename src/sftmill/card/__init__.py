"""The data card: what a set of samples is, where it comes from, how it was made and what it is not."""

from pathlib import Path
from typing import Any

from sftmill.card.facts import gather
from sftmill.card.page import render
from sftmill.flow.shards import write_atomically

CARD = "DATA_CARD.md"
"""The card's name in the export folder."""


def write_card(run_dir: Path, manifest: dict[str, Any]) -> Path:
    """Write export/DATA_CARD.md of a finished run and return its path.

    It is in the recipe's first language, and a README of a Hugging Face data set as it stands. What it says
    comes from the manifest, the recipe beside it and one pass over the final shards, one shard in memory at a
    time. The same run gives the same bytes. Raises StorageError when the disk refuses.
    """
    path = run_dir / "export" / CARD
    write_atomically(path, render(gather(run_dir, manifest)).encode())
    return path
