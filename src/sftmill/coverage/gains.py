"""What each generator adds that those before it did not, for its tokens and its money."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sftmill.core import Row
from sftmill.steps import STEPS
from sftmill.steps.curate.coverage.coverage import CoverageMap
from sftmill.steps.curate.coverage.demand import text_of
from sftmill.steps.grid import Cell
from sftmill.text import normalise

Name = tuple[str, str]
"""A stream, and the step of it that makes instructions; the empty string where no such step is known."""


@dataclass
class Group:
    """The rows of a pool that one generator made."""

    rows: int = 0
    cells: Counter[Cell] = field(default_factory=Counter)
    texts: set[int] = field(default_factory=set)

    def add(self, row: Row, cell: Cell | None) -> None:
        """Count a row."""
        self.rows += 1
        self.texts.add(hash(normalise(text_of(row)).casefold()))
        if cell:
            self.cells[cell] += 1


@dataclass(frozen=True)
class Gain:
    """What a generator adds to those before it, in the order of the recipe.

    The money is an estimate: what a run spends is known by role, and the tokens are known by step, so that each step is
    charged a share of the run's money as large as its share of the run's tokens. Tokens of steps behind the
    generators (answers, checks, labels) are shared among them by the rows that come through.
    """

    stream: str
    generator: str
    rows: int
    distinct: int
    """Instructions that no generator before it made, however punctuated or spelt in case and width."""
    cells: int
    """Cells that are asked about and that it has instructions in."""
    new_cells: int
    """Those of them in which there were none before."""
    new_demand: float
    """Share of the demand in these new cells, 0 to 1."""
    tokens: int
    money: float | None
    """In the currency of the recipe; None where the run spent none."""

    def each(self, what: float, of: str) -> float | None:
        """Return how much of something there is for 1,000 "tokens" or for 1 of "money"; None without any of these."""
        paid = self.tokens / 1000 if of == "tokens" else self.money
        return what / paid if paid else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with what there is for tokens and money."""
        each = {
            f"{name}_per_{of}": self.each(value, of)
            for name, value in (("new_cells", self.new_cells), ("distinct", self.distinct))
            for of in ("tokens", "money")
        }
        return {**asdict(self), **{k.replace("per_tokens", "per_1000_tokens"): v for k, v in each.items()}}


def measure_gains(
    found: CoverageMap,
    groups: Mapping[Name, Group],
    manifest: Mapping[str, Any],
    streams: Mapping[str, list[str]],
    pool: Collection[str] = (),
) -> list[Gain]:
    """Return what each generator of a pool adds, in the order of the recipe and, within a stream, of its steps.

    `streams` are the run's, each with those that it takes up, and `pool` those that the pool consists of. A generator
    of which nothing came through is named, too: its tokens were paid for.
    """
    counts: Mapping[str, Any] = manifest.get("counts", {})
    into = {name for name in streams if {name, *_downstream(name, streams)} & set(pool)}
    everybody = dict(groups)
    for name in _generators(counts):
        if name[0] in into:
            everybody.setdefault(name, Group())
    places = {name: place for place, name in enumerate(_generators(counts))}
    order = list(streams)
    ranked = sorted(
        everybody,
        key=lambda n: (order.index(n[0]) if n[0] in order else len(order), places.get(n, -1), n),
    )
    tokens = _shared_tokens(everybody, counts, streams)
    all_tokens = sum(stage.get("tokens", 0) for stage in counts.values())
    spent = float((manifest.get("money") or {}).get("spent") or 0.0)
    shares = {one.cell: one.demand for one in found.cells if one.demand}
    reached: set[Cell] = set()
    known: set[int] = set()
    gains = []
    for name in ranked:
        group = everybody[name]
        cells = shares.keys() & group.cells.keys()
        new = cells - reached
        gains.append(
            Gain(
                name[0],
                name[1],
                group.rows,
                len(group.texts - known),
                len(cells),
                len(new),
                sum(shares[cell] for cell in sorted(new)),
                round(tokens[name]),
                spent * tokens[name] / all_tokens if spent and all_tokens else None,
            )
        )
        reached |= new
        known |= group.texts
    return gains


def _generators(counts: Mapping[str, Any]) -> Iterator[Name]:
    """Yield the steps of a run that make instructions, in order."""
    for stage in counts:
        stream, _, key = stage.partition("/")
        step = _step(key)
        if step in STEPS and "method" in STEPS[step].writes:
            yield stream, step


def _step(key: str) -> str:
    """Return the name of a step by its folder, which is "number-name"."""
    return key.partition("-")[2] or key


def _shared_tokens(
    groups: Mapping[Name, Group], counts: Mapping[str, Any], streams: Mapping[str, list[str]]
) -> dict[Name, float]:
    """Return the tokens behind each generator: of its own step, and its part of the steps that its rows pass."""
    tokens = dict.fromkeys(groups, 0.0)
    reach = {name: {name[0], *_downstream(name[0], streams)} for name in groups}
    makers = set(_generators(counts))
    for stage, told in counts.items():
        stream, _, key = stage.partition("/")
        paid = told.get("tokens", 0)
        own = (stream, _step(key))
        if not paid:
            continue
        if own in groups or own in makers:
            takers = [own] if own in groups else []
        else:
            takers = [name for name in groups if stream in reach[name]]
        rows = sum(groups[name].rows for name in takers)
        for name in takers:
            tokens[name] += paid * (groups[name].rows / rows if rows else 1 / len(takers))
    return tokens


def _downstream(stream: str, streams: Mapping[str, list[str]]) -> set[str]:
    """Return the streams that take up the rows of a stream, directly or not."""
    found: set[str] = set()
    waiting = [stream]
    while waiting:
        source = waiting.pop()
        after = {name for name, sources in streams.items() if source in sources} - found
        found |= after
        waiting.extend(after)
    return found
