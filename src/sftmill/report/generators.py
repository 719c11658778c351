"""The steps that make instructions, and how what they make changes from round to round."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from sftmill.core import Row, question
from sftmill.flow.shards import read_table, shard_files
from sftmill.report.facts import Facts, Stage, sources
from sftmill.report.lineage import survivors
from sftmill.report.measures import distinct_pairs, entropy, greatest_similarity, mean, percentile, rises
from sftmill.steps import STEPS
from sftmill.text import rouge_tokens
from sftmill.text.verb_noun import verb_noun

GROUPS = 12
"""Most groups that the rounds of a generator are shown in; a run of more rounds joins neighbouring ones."""
PARTS = 10
"""Parts that the rows of a generator without rounds are divided into, in order."""
LEAST = 20
"""Rows below which a group's variety is not judged."""
COMPARED = 400
"""Rows of a group that are compared with earlier ones, and whose phrases and verbs are counted."""
EARLIER = 500
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


class _Place(NamedTuple):
    """A row that a generator made: where it stands."""

    file: int
    row: int
    round: int


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
    return bool(files) and "method" in pq.read_schema(files[0]).names and not _inherits(run_dir, facts, stage)


def _inherits(run_dir: Path, facts: Facts, stage: Stage) -> bool:
    """Tell whether the rows that come to a stage have a `method` already."""
    return any("method" in pq.read_schema(path).names for path in _before(run_dir, facts, stage)[:1])


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
    places, ids = _own_rows(files, stage.step)
    by_round = bool(stage.rounds) or any(place.round > 0 for place in places)
    groups = _by_round(places) if by_round else _in_parts(places)
    chosen = _Chosen(stage.name, files, groups, _before(run_dir, facts, stage) if stage.rounds else [])
    varieties, earlier, verbs, pairs = _varieties(chosen, groups)
    compared = [variety for variety in varieties if len(variety.similarity) >= LEAST]
    later = stages[stages.index(stage) + 1 :]
    reached, in_the_end = survivors(run_dir, facts, stage, ids)
    return Generator(
        stage=stage,
        made=len(places),
        yields=_yields(stage.rounds),
        varieties=varieties,
        by_round=by_round,
        earlier=earlier,
        trend=rises(compared[0].similarity, compared[-1].similarity) if len(compared) > 1 else 0,
        pairs=sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:LISTED_PAIRS],
        read=verbs,
        without_pair=verbs - pairs.total(),
        stream_end=reached,
        run_end=in_the_end,
        later_duplicates=sum(n for other in later for reason, n in other.dropped.items() if is_duplicate(reason)),
    )


def _own_rows(files: Sequence[Path], step: str) -> tuple[list[_Place], list[str]]:
    """Return where the rows stand that a step made, and their ids; seeds that it hands on are not among them."""
    found: list[tuple[_Place, str, str]] = []
    for number, path in enumerate(files):
        there = set(pq.read_schema(path).names)
        table = read_table(path, [name for name in ("id", "method", "round") if name in there])
        ids, nothing = table["id"].to_pylist(), [None] * table.num_rows
        methods = table["method"].to_pylist() if "method" in there else nothing
        rounds = table["round"].to_pylist() if "round" in there else nothing
        for row, (name, method, round_) in enumerate(zip(ids, methods, rounds, strict=True)):
            if method and round_ != 0:
                found.append((_Place(number, row, round_ or 0), name, method))
    if any(method == step for _, _, method in found):
        found = [item for item in found if item[2] == step]
    return [place for place, _, _ in found], [name for _, name, _ in found]


Groups = list[tuple[str, list[_Place]]]


def _by_round(places: Sequence[_Place]) -> Groups:
    rounds = {number: list(rows) for number, rows in groupby(sorted(places, key=lambda p: p.round), lambda p: p.round)}
    return [
        (label, [place for number in numbers for place in rounds.get(number, ())])
        for label, numbers in _spans(sorted(rounds))
    ]


def _in_parts(places: Sequence[_Place]) -> Groups:
    parts = min(PARTS, max(1, len(places) // LEAST))
    bounds = [len(places) * part // parts for part in range(parts + 1)]
    return [
        (f"{first + 1}–{last}", list(places[first:last]))
        for first, last in zip(bounds, bounds[1:], strict=False)
        if last > first
    ]


def _spans(numbers: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return at most GROUPS groups of neighbouring rounds, each with what it is called."""
    size = max(1, -(-len(numbers) // GROUPS))
    spans = [list(numbers[start : start + size]) for start in range(0, len(numbers), size)]
    return [(str(span[0]) if len(span) == 1 else f"{span[0]}–{span[-1]}", span) for span in spans]


def _yields(rounds: Sequence[dict[str, Any]]) -> list[Yield]:
    found = []
    for label, numbers in _spans(range(1, len(rounds) + 1)):
        total = Yield(label)
        for number in numbers:
            told = rounds[number - 1]
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

    def __init__(self, seed: str, files: Sequence[Path], groups: Groups, seeds: Sequence[Path]):
        total = sum(len(places) for _, places in groups)
        self.numbers: list[list[int]] = []
        wanted: dict[tuple[int, int], None] = {}
        self.places = [places for _, places in groups]
        for number, (_, places) in enumerate(groups):
            least = min(len(places), COMPARED)
            most = len(places) if total <= PAIRED else max(least, len(places) * PAIRED // total)
            chosen = random.Random(f"{seed}/{number}").sample(range(len(places)), most)
            self.numbers.append(chosen)
            wanted |= dict.fromkeys((places[at].file, places[at].row) for at in chosen)
        self.rows = _read(files, wanted)
        self.seeds = [_tokens(_text(row)) for row in _some_seeds(seeds, seed)]

    def group(self, number: int) -> list[Row]:
        """Return the rows chosen from a group, in an order by chance."""
        places = self.places[number]
        return [self.rows[places[at].file, places[at].row] for at in self.numbers[number]]


def _read(files: Sequence[Path], wanted: dict[tuple[int, int], None]) -> dict[tuple[int, int], Row]:
    """Return those rows of some shards that are looked at."""
    found: dict[tuple[int, int], Row] = {}
    for number, places in groupby(sorted(wanted), lambda place: place[0]):
        rows = [row for _, row in places]
        there = set(pq.read_schema(files[number]).names)
        names = [name for name in ("lang", "messages", "instruction", "passage") if name in there]
        table = read_table(files[number], [name for name in names if name != "passage"]).take(rows)
        found |= {(number, row): values for row, values in zip(rows, table.to_pylist(), strict=True)}
    return found


def _some_seeds(files: Sequence[Path], seed: str) -> list[Row]:
    """Return some of the rows that a pool was grown from, which its first round is compared with."""
    found: list[Row] = []
    for path in files:
        there = set(pq.read_schema(path).names)
        if "messages" in there:
            names = [name for name in ("lang", "messages", "instruction") if name in there]
            found += read_table(path, names).to_pylist()
        if len(found) > 4 * EARLIER:
            break
    return random.Random(f"{seed}/seeds").sample(found, min(EARLIER, len(found)))


def _text(row: Row) -> str:
    return row.get("instruction") or question(row)


def _tokens(text: str) -> list[str]:
    return rouge_tokens(text[: 8 * LONGEST])[:LONGEST]


def _varieties(chosen: _Chosen, groups: Groups) -> tuple[list[Variety], int, int, Counter[tuple[str, str]]]:
    """Return how varied each group is, the number of earlier rows compared with, the rows read and their pairs."""
    texts = [[(row.get("lang") or "zh", _text(row)) for row in chosen.group(number)] for number in range(len(groups))]
    compared = _evenly(texts)
    tokens = [[_tokens(text) for _, text in group[:compared]] for group in texts]
    earlier = [*chosen.seeds]
    enough = len(earlier) if len(earlier) >= LEAST else len(tokens[0]) if tokens else 0
    wanted = min(EARLIER, max(LEAST, enough))
    found: list[Variety] = []
    counted: Counter[tuple[str, str]] = Counter()
    read = 0
    for number, (label, places) in enumerate(groups):
        pairs = [pair for lang, text in texts[number] if (pair := verb_noun(text, lang))]
        before = len(counted)
        counted.update(pairs)
        read += len(texts[number])
        own = tokens[number]
        similarity: list[float] = []
        if len(earlier) >= wanted:
            similarity = greatest_similarity(own, random.Random(f"{label}/{number}").sample(earlier, wanted))
        elif number == 0 and len(own) >= LEAST:
            similarity = greatest_similarity(own, own, among=True)
        verbs = [verb for verb, _ in pairs[:compared]]
        found.append(
            Variety(
                label, len(places), len(texts[number]), len(counted), len(counted) - before, entropy(verbs),
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
