"""What is asked, and what a pool has, counted by the cells of a grid; rows come one at a time and are not kept."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sftmill.core import Row, question
from sftmill.steps.grid import Cell, Grid
from sftmill.text import normalise

EXAMPLES = 3
"""Examples of a cell that are kept of a kind of demand, each from another source where there are several."""
MOST_WORDS = 10_000
"""Words for what lies outside of the grid that are told apart."""
LONGEST_EXAMPLE = 300
"""Characters of an example."""


class Example(NamedTuple):
    """Something that is asked, in the words of whoever asks."""

    text: str
    kind: str
    source: str
    times: int
    sensitivity: str = "internal"
    """Who may see it: public, internal or secret."""


@dataclass
class CellDemand:
    """What one kind of demand asks in one cell."""

    times: int = 0
    """How often it is asked: one for each user where the rows say how many, else for each row."""
    texts: set[int] = field(default_factory=set)
    """Hashes of the different questions."""
    examples: dict[str, list[Example]] = field(default_factory=dict)
    """The most frequent questions of each source, for a few sources."""

    def add(self, example: Example) -> None:
        """Count a question, and keep it where it is worth showing."""
        self.times += example.times
        self.texts.add(hash(normalise(example.text).casefold()))
        known = self.examples.get(example.source, [])
        if len(known) < EXAMPLES or _rank(example) < _rank(known[-1]):
            others = [one for one in known if one.text != example.text]
            same = [one for one in known if one.text == example.text]
            best = min((example, *same), key=_rank)
            self.examples[example.source] = sorted((*others, best), key=_rank)[:EXAMPLES]
        if len(self.examples) > EXAMPLES:
            self.examples.pop(max(self.examples, key=lambda name: (_rank(self.examples[name][0]), name)))


@dataclass
class Tally:
    """Rows counted by cell: one kind of demand, such as queries, books or validation, or the pool."""

    grid: Grid
    kind: str
    rows: int = 0
    inside: int = 0
    """Times that a cell of the grid is asked about."""
    outside: int = 0
    """Times that something outside of the grid is asked about."""
    unlabelled: int = 0
    """Rows that nobody has labelled."""
    cells: dict[Cell, CellDemand] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    """What lies outside of the grid, in the labels' own words."""
    beyond: CellDemand = field(default_factory=CellDemand)
    """What lies outside of the grid, with examples."""
    _found: dict[tuple[Any, ...], Cell | None] = field(default_factory=dict, repr=False)
    """Cells by the words of rows, which are few."""

    def add(self, row: Row) -> None:
        """Count a row; one that `label` has seen, but that lies in no cell, is outside of the grid."""
        self.rows += 1
        times = max(1, row.get("frequency") or 1)
        seen_by = row.get("sensitivity") or "internal"
        example = Example(text_of(row), self.kind, row.get("source") or "", times, seen_by)
        if cell := self.cell_of(row):
            self.inside += times
            self.cells.setdefault(cell, CellDemand()).add(example)
        elif any(row.get(name) for name in ("topic", "task_type", "difficulty")):
            self.outside += times
            self.beyond.add(example)
            for word in (row.get("tags") or ())[-1:]:  # `label` puts its own word behind those that were there
                if word in self.words or len(self.words) < MOST_WORDS:
                    self.words[word] += times
        else:
            self.unlabelled += 1

    def cell_of(self, row: Row) -> Cell | None:
        """Return the cell of a row, None where it lies in none."""
        words = tuple(row.get(name) for name in Cell._fields)
        if words not in self._found:
            if len(self._found) >= MOST_WORDS:
                self._found.clear()
            self._found[words] = self.grid.cell_of(row)
        return self._found[words]

    def times(self, cell: Cell) -> int:
        """Return how often a cell is asked about."""
        return self.cells[cell].times if cell in self.cells else 0


def text_of(row: Row) -> str:
    """Return what a row asks, on one line: its question, what a user would ask about its passage, or the passage's beginning."""
    text = question(row) or row.get("intent") or row.get("passage") or ""
    # control characters would steer the terminal that shows the text
    line = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return line if len(line) <= LONGEST_EXAMPLE else f"{line[: LONGEST_EXAMPLE - 1]}…"


def best_examples(found: list[CellDemand], most: int = EXAMPLES) -> tuple[Example, ...]:
    """Return examples of several kinds of demand in turn; of each the first of every source, the most frequent first."""
    ranked = [
        sorted((depth, _rank(e), e.source, e) for examples in one.examples.values() for depth, e in enumerate(examples))
        for one in found
    ]
    turns = [ranks[i][-1] for i in range(EXAMPLES * EXAMPLES) for ranks in ranked if i < len(ranks)]
    firsts: dict[str, Example] = {}
    for example in turns:
        firsts.setdefault(example.text, example)
    return tuple(firsts.values())[:most]


def _rank(example: Example) -> tuple[int, str]:
    return -example.times, example.text
