"""The guard that keeps validation and test items out of what is chosen."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sftmill.core import Shards
from sftmill.steps.curate.decontaminate.items import Item
from sftmill.steps.curate.decontaminate.leaks import Leaks
from sftmill.steps.curate.decontaminate.matching import Rules
from sftmill.steps.curate.dedup.texts import read_batches
from sftmill.steps.instruct.retrieve.arms import Refusals
from sftmill.steps.instruct.retrieve.by_meaning import Neighbourhood
from sftmill.steps.instruct.retrieve.targets import INPUT
from sftmill.steps.instruct.retrieve.vectors import Vectors

FIELDS = ("system", "user", "assistant", "tool", "reasoning", "rejected")
COLUMNS = ("id", "messages", "reasoning", "rejected")
RULES = Rules(0.5, {"characters": 50, "words": 13})
LENGTHS = {"characters": 13, "words": 8}
"""The rules of `decontaminate` as it comes."""


class Guard:
    """Refuses rows that hold an item, or that are too near to a validation row; each row is looked at once."""

    def __init__(
        self, items: Sequence[Item], near: Neighbourhood | None, vectors: Vectors | None, too_near: float | None
    ):
        self.items, self.near, self.vectors, self.too_near = items, near, vectors, too_near
        self.refusals = Refusals()
        self._leaks = Leaks(items, RULES, LENGTHS, FIELDS)
        self._clean: set[int] = set()

    def look(self, rows: Shards, places: np.ndarray) -> bool:
        """Look at those of the rows at `places` (ascending) that nobody looked at; tell whether any was refused."""
        fresh = np.array([place for place in places.tolist() if place not in self._clean], np.int64)
        self._clean.update(fresh.tolist())
        before = len(self.refusals.of)
        self._look_at_words(rows, fresh)
        if self.near is not None and self.vectors is not None and self.too_near is not None and len(fresh):
            cosines = self.near.copies(self.vectors, fresh)
            for place, cosine in zip(fresh.tolist(), cosines.tolist(), strict=True):
                if cosine >= self.too_near:
                    self.refusals.add(
                        place, "contaminated", eval_set=INPUT, found_by="similar", cosine=round(cosine, 3)
                    )
        return len(self.refusals.of) > before

    def _look_at_words(self, rows: Shards, places: np.ndarray) -> None:
        start = 0
        if not len(places):
            return
        for batch in read_batches(rows, list(COLUMNS)):
            begin, end = np.searchsorted(places, (start, start + batch.num_rows))
            if begin < end:
                here = places[begin:end]
                some = pa.RecordBatch.from_struct_array(batch.to_struct_array().take(pa.array(here - start)))
                for number, findings in self._leaks.find(some).items():
                    if findings[0].leak:
                        item = self.items[findings[0].item]
                        self.refusals.add(
                            int(here[number]), "contaminated", **findings[0].facts(item.set_name, item.name)
                        )
            start += batch.num_rows
