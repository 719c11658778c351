"""The search of batches of rows for items: shared runs first, for all rows at once, then token by token."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sftmill.core import Row
from sftmill.flow.shards import without_empty
from sftmill.steps.curate.decontaminate.index import Index, Unit
from sftmill.steps.curate.decontaminate.items import Item
from sftmill.steps.curate.decontaminate.matching import Candidate, Finding, Rules, worst_first
from sftmill.steps.curate.decontaminate.texts import batch_texts, row_texts

MOST_NEEDLES = 40
"""Items that a row is compared with, those first of which it covers most."""


class Leaks:
    """Finds what rows share with the items of evaluation sets."""

    def __init__(
        self,
        items: Sequence[Item],
        rules: Rules,
        lengths: dict[Unit, int],
        fields: Sequence[str],
        boilerplate: int | None = 10,
        by_numbers: bool = True,
    ):
        self.rules, self.fields = rules, fields
        made = [Index(items, unit, n, by_numbers, boilerplate) for unit, n in lengths.items()]
        self.indexes = [index for index in made if index.needles]

    def find(self, batch: pa.RecordBatch) -> dict[int, list[Finding]]:
        """Return what was found, by number of the row in the batch, one finding for each item and the worst first."""
        found: dict[int, list[Finding]] = {}
        for index in self.indexes:
            for row, needles in self._candidates(batch, index).items():
                texts = row_texts(row_at(batch, row), self.fields)
                findings = self._compare(Candidate(texts, index), needles)
                found.setdefault(row, []).extend(findings)
        return {row: worst_first(found[row]) for row in sorted(found) if found[row]}

    def _candidates(self, batch: pa.RecordBatch, index: Index) -> dict[int, list[int]]:
        """Return the rows that may hold an item, each with its needles, the most covered first."""
        parts = [index.search(texts) for texts in batch_texts(batch, self.fields)]
        if not parts:
            return {}
        rows, needles, tokens = (np.concatenate(column) for column in zip(*parts, strict=True))
        # a row's fields together may cover what none of them covers alone
        pairs, where = np.unique(rows * (len(index.needles) + 1) + needles, return_inverse=True)
        total = np.zeros(len(pairs), np.int64)
        np.add.at(total, where, tokens)
        rows, needles = pairs // (len(index.needles) + 1), pairs % (len(index.needles) + 1)
        window = self.rules.windows[index.unit] if self.rules.windows else np.iinfo(np.int64).max
        enough = (total >= self.rules.coverage * index.countable[needles]) | (total >= window)
        share = total / np.maximum(1, index.countable[needles])
        found: dict[int, list[int]] = {}
        for at in np.lexsort((needles, -share)).tolist():
            if enough[at]:
                found.setdefault(int(rows[at]), []).append(int(needles[at]))
        return found

    def _compare(self, candidate: Candidate, needles: list[int]) -> list[Finding]:
        """Return what the most covered items make of a row."""
        judged = (candidate.judge(candidate.index.needles[number], self.rules) for number in needles[:MOST_NEEDLES])
        return [one for one in judged if one is not None]


def row_at(batch: pa.RecordBatch, number: int) -> Row:
    """Return a row of a batch as a dict."""
    return without_empty(batch.slice(number, 1).to_pylist()[0])
