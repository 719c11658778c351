"""The steps that make instructions, and how what they make changes from round to round."""

import random
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.core import Row, question
from sftmill.flow.shards import shard_files
from sftmill.report.facts import Facts, Stage, sources
from sftmill.report.lineage import survivors
from sftmill.report.measures import entropy, greatest_similarity, mean, percentile, rises
from sftmill.report.reading import has_column, read_columns
from sftmill.steps import STEPS
from sftmill.text import rouge_tokens
from sftmill.text.diversity import distinct_pairs
from sftmill.text.verb_noun import verb_noun

GROUPS = 12
"""Most lines that the rounds of a generator take; where there are more rounds, neighbouring ones are joined."""
PARTS = 10
"""Parts that the rows of a generator without rounds are divided into, in order."""
LEAST = 20
"""Rows that make a group; rounds of fewer are joined with the next."""
FEWEST = 10
"""Rows below which a group's similarity is not judged."""
COMPARED = 300
"""Rows of a group that are compared with earlier ones, and whose phrases and verbs are counted."""
EARLIER = 400
"""Earlier rows that each is compared with."""
PAIRED = 6000
"""Rows of a generator whose verb and noun are looked for."""
LONGEST = 200
"""Tokens of a text that are compared."""
LISTED_PAIRS = 12
"""Most frequent pairs of verb and noun that are named."""

_DUPLICATE = re.compile(r"duplicate|similar|neighbour|novel|already_known|same_as")


def is_duplicate(reason: str) -> bool:
    """Tell whether a reason for dropping a row says that there was one like it."""
    return _DUPLICATE.search(reason) is not None


@dataclass
class Yield:
    """What a round, or several, came to."""

    label: str
    drafts: int = 0
    failed: int = 0
    candidates: int = 0
    admitted: int = 0
    tokens: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def duplicates(self) -> int:
        """Candidates dropped because there was one like them."""
        return sum(number for reason, number in self.dropped.items() if is_duplicate(reason))

    @property
    def others(self) -> int:
        """Candidates and drafts dropped for other reasons."""
        return self.dropped.total() - self.duplicates

    @property
    def acceptance(self) -> float | None:
        """Share of the candidates that were admitted; None without any."""
        return self.admitted / self.candidates if self.candidates else None

    @property
    def tokens_each(self) -> float | None:
        """Tokens for each instruction admitted; None where none was admitted or no model asked."""
        return self.tokens / self.admitted if self.admitted and self.tokens else None


@dataclass
class Variety:
    """How varied the rows of a round, or of a part of all rows, are."""

    label: str
    rows: int
    read: int
    """Rows whose verb and noun were looked for."""
    pairs: int
    """Different pairs of verb and noun up to here."""
    new_pairs: int
    """Of these, those that were not there before."""
    entropy: float
    distinct: float
    similarity: list[float] = field(default_factory=list)
    """Greatest ROUGE-L of each row compared; empty where there were too few rows to compare with."""

    @property
    def mean(self) -> float | None:
        """Mean of the greatest similarities."""
        return mean(self.similarity) if self.similarity else None

    @property
    def ninetieth(self) -> float | None:
        """90th percentile of the greatest similarities."""
        return percentile(self.similarity, 0.9) if self.similarity else None


@dataclass
class Generator:
    """A step that makes instructions, and what is told of it."""

    stage: Stage
    made: int
    """Rows that it handed on, seeds not counted."""
    yields: list[Yield]
    """Round by round; empty where the step has no rounds."""
    varieties: list[Variety]
    by_round: bool
    earlier: int
    """Rows that each row was compared with."""
    trend: int
    """1 where rows come nearer to earlier ones from the first to the last group, -1 where less near, else 0."""
    pairs: list[tuple[tuple[str, str], int]]
    """Most frequent pairs of verb and noun, with the number of rows."""
    read: int
    without_pair: int
    stream_end: int
    """Rows that, or whose children, came to the end of the stream."""
    run_end: int | None
    later_duplicates: int
    """Rows dropped as duplicates by later steps of the stream."""

    @property
    def total(self) -> Yield:
        """All rounds together, or the step's counts where it has none."""
        total = Yield("")
        if not self.yields:
            stage = self.stage
            total.candidates, total.admitted = stage.rows_in + stage.born, stage.out
            total.failed, total.tokens, total.dropped = stage.failed, stage.tokens, Counter(stage.dropped)
            return total
        for one in self.yields:
            _add(total, one)
        return total

    @property
    def compared(self) -> list[Variety]:
        """The groups that were compared with earlier rows."""
        return [variety for variety in self.varieties if variety.similarity]


class _Made(NamedTuple):
    """The rows that a generator made."""

    files: Sequence[Path]
    starts: list[int]
    """Number of each file's first row, counted through all files."""
    numbers: list[int]
    """Number of each row that was made."""
    rounds: list[int]
    ids: list[str]


def generators(run_dir: Path, facts: Facts) -> Iterator[Generator]:
    """Yield what is told of each step that makes instructions, stream by stream."""
    for stages in facts.streams.values():
        for stage in stages:
            if _generates(run_dir, facts, stage):
                yield _examine(run_dir, facts, stage)


def _generates(run_dir: Path, facts: Facts, stage: Stage) -> bool:
    """Tell whether a step writes `method`; of a step of the user's own its shards tell."""
    if known := STEPS.get(stage.step):
        return "method" in known.writes
    files = _files(run_dir, stage)
    return bool(files) and has_column(files[0], "method") and not _inherits(run_dir, facts, stage)


def _inherits(run_dir: Path, facts: Facts, stage: Stage) -> bool:
    """Tell whether the rows that come to a stage have a `method` already."""
    return any(has_column(path, "method") for path in _before(run_dir, facts, stage)[:1])


def _before(run_dir: Path, facts: Facts, stage: Stage) -> list[Path]:
    """Return the shards that a stage took up, those of its stream or of the streams before."""
    stages = facts.streams[stage.stream]
    for earlier in reversed(stages[: stages.index(stage)]):
        if files := _files(run_dir, earlier):
            return files
    before = [facts.streams[name][-1] for name in sources(facts.recipe, stage.stream) if name in facts.streams]
    return [path for last in before for path in _files(run_dir, last)]


def _files(run_dir: Path, stage: Stage) -> list[Path]:
    return shard_files(run_dir / "streams" / stage.stream / stage.key)


def _examine(run_dir: Path, facts: Facts, stage: Stage) -> Generator:
    stages = facts.streams[stage.stream]
    files = next((f for later in stages[stages.index(stage) :] if (f := _files(run_dir, later))), [])
    made = _own_rows(files, stage.step)
    by_round = bool(stage.rounds) or any(made.rounds)
    groups = _by_round(made) if by_round else _in_parts(made)
    chosen = _Chosen(stage.name, made, groups)
    varieties, earlier, read, pairs = _varieties(chosen, groups)
    compared = [variety for variety in varieties if len(variety.similarity) >= FEWEST]
    later = stages[stages.index(stage) + 1 :]
    reached, in_the_end = survivors(run_dir, facts, stage, made.ids)
    return Generator(
        stage=stage,
        made=len(made.ids),
        yields=_yields(stage.rounds),
        varieties=varieties,
        by_round=by_round,
        earlier=earlier,
        trend=rises(compared[0].similarity, compared[-1].similarity) if len(compared) > 1 else 0,
        pairs=sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:LISTED_PAIRS],
        read=read,
        without_pair=read - pairs.total(),
        stream_end=reached,
        run_end=in_the_end,
        later_duplicates=sum(n for other in later for reason, n in other.dropped.items() if is_duplicate(reason)),
    )


def _own_rows(files: Sequence[Path], step: str) -> _Made:
    """Return the rows that a step made; seeds that it hands on are not among them."""
    starts, found, start = [], [], 0
    for path in files:
        columns = [column.to_pylist() for column in read_columns(path, ("id", "method", "round")).columns]
        found += [
            (number, round_ or 0, name, method)
            for number, (name, method, round_) in enumerate(zip(*columns, strict=True), start)
            if method and round_ != 0
        ]
        starts.append(start)
        start += len(columns[0])
    if any(method == step for _, _, _, method in found):
        found = [row for row in found if row[3] == step]
    numbers, rounds, ids = ([row[at] for row in found] for at in range(3))
    return _Made(files, starts, numbers, rounds, ids)


Groups = list[tuple[str, list[int]]]
"""What each group of rows is called, and the numbers of its rows."""


def _by_round(made: _Made) -> Groups:
    """Return the rows by round; neighbouring rounds are joined where there are many, or few rows in each."""
    each: dict[int, list[int]] = {}
    for number, round_ in zip(made.numbers, made.rounds, strict=True):
        each.setdefault(round_, []).append(number)
    least = max(LEAST, -(-len(made.numbers) // GROUPS)) if len(each) > GROUPS else LEAST
    groups: list[tuple[list[int], list[int]]] = []
    for round_ in sorted(each):
        if groups and len(groups[-1][1]) < least:
            groups[-1][0].append(round_)
            groups[-1][1].extend(each[round_])
        else:
            groups.append(([round_], each[round_]))
    if len(groups) > 1 and len(groups[-1][1]) < FEWEST:
        rounds, rows = groups.pop()
        groups[-1] = (groups[-1][0] + rounds, groups[-1][1] + rows)
    return [(_span(rounds), rows) for rounds, rows in groups]


def _in_parts(made: _Made) -> Groups:
    """Return the rows in their order, divided into parts of one size."""
    total = len(made.numbers)
    parts = min(PARTS, max(1, total // LEAST))
    bounds = [total * part // parts for part in range(parts + 1)]
    return [(f"{first + 1:,}–{last:,}", made.numbers[first:last]) for first, last in pairwise(bounds) if last > first]


def _span(numbers: Sequence[int]) -> str:
    """Return what neighbouring rounds are called together."""
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _yields(rounds: Sequence[dict[str, Any]]) -> list[Yield]:
    found = []
    size = max(1, -(-len(rounds) // GROUPS))
    for start in range(0, len(rounds), size):
        some = rounds[start : start + size]
        total = Yield(_span(range(start + 1, start + len(some) + 1)))
        for told in some:
            counted = {key: told.get(key, 0) for key in ("drafts", "failed", "candidates", "admitted", "tokens")}
            _add(total, Yield("", **counted, dropped=Counter(told.get("dropped", {}))))
        found.append(total)
    return found


def _add(total: Yield, one: Yield) -> None:
    for name in ("drafts", "failed", "candidates", "admitted", "tokens"):
        setattr(total, name, getattr(total, name) + getattr(one, name))
    total.dropped.update(one.dropped)


class _Chosen:
    """The texts of a generator's rows that are looked at, by a seed of their own: the same for the same run."""

    def __init__(self, seed: str, made: _Made, groups: Groups):
        total = len(made.numbers)
        self.numbers: list[list[int]] = []
        """Rows chosen from each group, in an order by chance."""
        for place, (_, rows) in enumerate(groups):
            least = min(len(rows), COMPARED)
            most = len(rows) if total <= PAIRED else max(least, len(rows) * PAIRED // total)
            self.numbers.append(random.Random(f"{seed}/{place}").sample(rows, most))
        self.rows = _read(made, sorted(number for rows in self.numbers for number in rows))

    def group(self, place: int) -> list[Row]:
        """Return the rows chosen from a group."""
        return [self.rows[number] for number in self.numbers[place]]


_TEXT = ("lang", "messages", "instruction")


def _read(made: _Made, wanted: Sequence[int]) -> dict[int, Row]:
    """Return those rows that are looked at, by number."""
    found: dict[int, Row] = {}
    for file, some in groupby(wanted, lambda number: bisect(made.starts, number) - 1):
        numbers = list(some)
        rows = read_columns(made.files[file], _TEXT).take([number - made.starts[file] for number in numbers])
        found |= zip(numbers, rows.to_pylist(), strict=True)
    return found


def _text(row: Row) -> str:
    return row.get("instruction") or question(row)


def _tokens(text: str) -> list[str]:
    return rouge_tokens(text[: 8 * LONGEST])[:LONGEST]


def _varieties(chosen: _Chosen, groups: Groups) -> tuple[list[Variety], int, int, Counter[tuple[str, str]]]:
    """Return how varied each group is, the number of earlier rows compared with, the rows read and their pairs."""
    texts = [[(row.get("lang") or "zh", _text(row)) for row in chosen.group(number)] for number in range(len(groups))]
    compared = _evenly(texts)
    tokens = [[_tokens(text) for _, text in group[:compared]] for group in texts]
    # Seeds are left out: people word things in other ways, so that the first round would always seem more novel.
    earlier: list[list[str]] = []
    wanted = min(EARLIER, max(FEWEST, len(tokens[0]) if tokens else 0))
    found: list[Variety] = []
    counted: Counter[tuple[str, str]] = Counter()
    read = 0
    for number, (label, rows) in enumerate(groups):
        pairs = [pair for lang, text in texts[number] if (pair := verb_noun(text, lang))]
        before = len(counted)
        counted.update(pairs)
        read += len(texts[number])
        own = tokens[number]
        similarity: list[float] = []
        if len(earlier) >= wanted:
            similarity = greatest_similarity(own, random.Random(f"{label}/{number}").sample(earlier, wanted))
        elif number == 0 and len(own) >= FEWEST:
            similarity = greatest_similarity(own, own, among=True)
        verbs = [verb for verb, _ in pairs[:compared]]
        found.append(
            Variety(
                label, len(rows), len(texts[number]), len(counted), len(counted) - before, entropy(verbs),
                distinct_pairs(own), similarity,
            )
        )  # fmt: skip
        earlier += own
    return found, wanted, read, counted


def _evenly(texts: Sequence[Sequence[Any]]) -> int:
    """Return how many rows of each group are measured: the same for all but small ones, so that they compare."""
    sizes = sorted(len(group) for group in texts)
    middle = sizes[len(sizes) // 2] if sizes else 0
    large = [size for size in sizes if size >= max(LEAST, middle / 2)]
    return min(COMPARED, large[0]) if large else COMPARED
