"""What people are told: how many items of each evaluation set leaked, into how many rows, and how that was found."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sftmill.flow.shards import write_atomically
from sftmill.sheets import safe_cell
from sftmill.steps.curate.decontaminate.items import Item, ItemFile
from sftmill.steps.curate.decontaminate.matching import Finding

LEAKS = ("copy", "overlap", "window", "stem", "options", "short", "answer", "numbers", "same_numbers", "similar")
"""How a leak was found, in the order of the table's columns."""
NEAR = ("numbers_changed", "other_options", "stem_alone", "not_confirmed", "no_verdict", "not_asked")
"""What came near, and stays."""
MOST_NEAR = 5_000
"""Near misses that are written out."""


class Summary:
    """Counts by evaluation set, and the near misses one by one."""

    def __init__(self, files: Sequence[ItemFile], items: Sequence[Item]):
        self.items = items
        self._unusable = Counter({file.name: file.unusable for file in files if file.unusable})
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._leaked: dict[str, set[int]] = defaultdict(set)
        self._of_set = Counter(item.set_name for item in items)
        self._near: list[list[Any]] = []

    def add(self, row_id: str, findings: Sequence[Finding]) -> None:
        """Count what was found about a row: the row where it says most, and every item that it leaks."""
        finding = findings[0]
        name = self.items[finding.item].set_name
        self._counts[name][finding.found_by] += 1
        for one in findings:
            if one.leak:
                self._leaked[self.items[one.item].set_name].add(one.item)
        if not finding.leak and len(self._near) < MOST_NEAR:
            self._near.append([row_id, *finding.facts(name, self.items[finding.item].name).values()])

    def table(self) -> list[list[Any]]:
        """Return the table: a line for each evaluation set, or file that has lines without a question, and one for all."""
        head = [
            "eval_set",
            "items",
            "unusable_lines",
            "items_leaked",
            "rows_dropped",
            *LEAKS,
            *(f"near: {name}" for name in NEAR),
        ]
        lines: list[list[Any]] = []
        for name in sorted({*self._of_set, *self._unusable}):
            found = self._counts[name]
            dropped = sum(found[one] for one in LEAKS)
            counts = [found[one] for one in (*LEAKS, *NEAR)]
            lines.append([name, self._of_set[name], self._unusable[name], len(self._leaked[name]), dropped, *counts])
        total = ["(all)", *(sum(column) for column in zip(*(line[1:] for line in lines), strict=True))]
        return [head, *lines, total]

    def write(self, folder: Path, name: str) -> None:
        """Write the table and the near misses as CSV, which no training program takes for samples."""
        folder.mkdir(parents=True, exist_ok=True)
        near = [["row", "eval_set", "item", "found_by", "coverage_or_cosine", "span"], *self._near]
        for path, lines in ((folder / f"{name}.csv", self.table()), (folder / f"{name}_near_misses.csv", near)):
            table = io.StringIO()
            csv.writer(table).writerows([safe_cell(c) if isinstance(c, str) else c for c in line] for line in lines)
            write_atomically(path, ("\ufeff" + table.getvalue()).encode())
