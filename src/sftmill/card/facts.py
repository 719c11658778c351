"""What a card tells, gathered from the manifest, the recipe beside it and the final rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftmill.columns import SENSITIVITIES
from sftmill.core import Row, answer, question
from sftmill.flow.shards import read_tables, shard_files
from sftmill.steps.blend.export_readme import ListedFile, listed_files
from sftmill.text import length

MOST_SOURCES = 10_000
"""Sources that are told apart; rows of further ones are counted together."""

_READ = (
    "lang", "sensitivity", "stream", "source", "licence", "effective", "expires",
    "messages", "reasoning", "question_type", "task", "quotations", "grounded", "weight", "reviewed", "retrieved",
)  # fmt: skip


class Spread:
    """How a number is spread, in little memory: exact up to 1,000, to three digits beyond."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[value if value < 1000 else float(f"{value:.3g}")] += 1

    def __len__(self) -> int:
        return self._counts.total()

    def at(self, share: float) -> float:
        """Return the smallest value that this share of all does not exceed (the nearest-rank percentile)."""
        wanted = max(1, -(-len(self) * share // 1))
        seen = 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= wanted:
                return value
        return 0.0

    def share_up_to(self, value: float) -> float:
        """Return which share of all is not above a value."""
        return sum(number for found, number in self._counts.items() if found <= value) / max(1, len(self))


@dataclass
class Source:
    """A source, and what its rows say of it."""

    rows: int = 0
    licence: str = ""
    sensitivity: str = ""
    effective: str = ""
    expires: str = ""


@dataclass
class Facts:
    """Everything that a card may tell."""

    manifest: dict[str, Any]
    recipe: dict[str, Any]
    lang: str
    files: list[tuple[str, ListedFile]]
    """Exported files, each with its folder below the export folder."""
    rows: int = 0
    streams: Counter[str] = field(default_factory=Counter)
    langs: Counter[str] = field(default_factory=Counter)
    question_types: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    """Rows by licence of their source, and of each passage that was retrieved for them; the empty string where one
    states none."""
    sensitivities: Counter[str] = field(default_factory=Counter)
    reviewed: Counter[str] = field(default_factory=Counter)
    sources: dict[str, Source] = field(default_factory=dict)
    further: int = 0
    """Rows of sources that are too many to be told apart."""
    lengths: dict[tuple[str, str], Spread] = field(default_factory=dict)
    """Of questions and answers, by (lang, "question" or "answer")."""
    grounded: Spread = field(default_factory=Spread)
    turns: Spread = field(default_factory=Spread)
    weighted: int = 0
    thoughts: int = 0

    @property
    def counts(self) -> dict[str, dict[str, Any]]:
        """Counts of every step, by "stream/number-step"."""
        return self.manifest.get("counts", {})

    @property
    def most_sensitive(self) -> str:
        """The most sensitive kind of row in the set."""
        return max(self.sensitivities, key=SENSITIVITIES.index, default=SENSITIVITIES[0])

    @property
    def looked_for_personal_data(self) -> bool:
        """Whether a step masked personal data, or would have."""
        return any("personal" in step for step in self.counts)

    def dropped(self, part: str) -> int:
        """Return how many rows were dropped for reasons whose names contain `part`."""
        return sum(n for c in self.counts.values() for reason, n in c["dropped"].items() if part in reason)

    def tally(self, column: str) -> dict[str, int]:
        """Return what all steps counted in a column, by word, the most frequent first."""
        found: Counter[str] = Counter()
        for counts in self.counts.values():
            for name, number in counts.get("tally", {}).items():
                kind, _, word = name.partition(".")
                if kind == column:
                    found[word] += number
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def asked_by(self, role: str) -> list[str]:
        """Return the names of the steps that ask a role."""
        streams = [*self.recipe.get("streams", {}).values(), self.recipe.get("finish") or {}]
        steps = [step for stream in streams for step in stream.get("steps", [])]
        return list(
            dict.fromkeys(
                name
                for step in steps
                for name, settings in step.items()
                if any(
                    value == role and (key == "to" or key.startswith("to_")) for key, value in (settings or {}).items()
                )
            )
        )


def gather(run_dir: Path, manifest: dict[str, Any]) -> Facts:
    """Read everything that the card of a run tells."""
    recipe = read_recipe(run_dir / "recipe.yaml")
    langs = recipe.get("lang") or ["en"]
    facts = Facts(manifest, recipe, "zh" if langs[0] == "zh" else "en", _exported(run_dir / "export"))
    for folder in final_folders(run_dir, manifest, recipe):
        for row in _rows(folder):
            _count(facts, row)
    return facts


def read_recipe(path: Path) -> dict[str, Any]:
    """Return a run's recipe.yaml, in which every default is spelled out; empty where there is none."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(path.read_bytes()) if path.is_file() else {}


def _exported(folder: Path) -> list[tuple[str, ListedFile]]:
    return [
        (path.parent.relative_to(folder).as_posix().removeprefix("."), file)
        for path in sorted(folder.rglob("README.md"), key=lambda path: (len(path.parts), path))
        for file in listed_files(path.read_text("utf-8", "replace"))
    ]


def final_folders(run_dir: Path, manifest: dict[str, Any], recipe: dict[str, Any]) -> list[Path]:
    """Return the folders of the rows that the run ends with: of `finish`, else of the streams that no other reads."""
    last = dict(stage.split("/", 1) for stage in manifest.get("counts", {}))
    streams = recipe.get("streams", {})
    read = {name for entry in streams.values() for name in [*entry.get("from", []), *entry.get("inputs", {}).values()]}
    ends = ["finish"] if "finish" in last else [name for name in last if name not in read]
    return [run_dir / "streams" / name / last[name] for name in ends]


def _rows(folder: Path) -> Iterator[Row]:
    for table in read_tables(shard_files(folder), list(_READ)):
        yield from table.to_pylist()


def _count(facts: Facts, row: Row) -> None:
    lang = row.get("lang") or "zh"
    facts.rows += 1
    facts.langs[lang] += 1
    facts.streams[row.get("stream") or "-"] += 1
    retrieved = row.get("retrieved") or []
    facts.licences.update({one.get("licence") or "" for one in (row, *retrieved)})
    facts.sensitivities[row.get("sensitivity") or SENSITIVITIES[0]] += 1
    for counter, name in ((facts.question_types, "question_type"), (facts.tasks, "task"), (facts.reviewed, "reviewed")):
        if row.get(name):
            counter[row[name]] += 1
    facts.weighted += row.get("weight") not in (None, 1)
    facts.thoughts += bool(row.get("reasoning"))
    if row.get("grounded") is not None:
        facts.grounded.add(round(row["grounded"], 3))
    messages = row.get("messages") or []
    facts.turns.add(sum(turn["role"] == "user" for turn in messages))
    for name, text in (("question", question(row)), ("answer", answer(row))):
        facts.lengths.setdefault((lang, name), Spread()).add(length(text, lang))
    for origin in {one.get("source") or "": one for one in (*retrieved, row)}.values():
        _count_source(facts, origin)


def _count_source(facts: Facts, row: Row) -> None:
    """Count a row, or a passage that was retrieved for one, for the source that it comes from."""
    name = row.get("source") or ""
    source = facts.sources.get(name)
    if source is None:
        if len(facts.sources) >= MOST_SOURCES:
            facts.further += 1
            return
        known = {key: row.get(key) or "" for key in ("licence", "sensitivity", "effective", "expires")}
        source = facts.sources[name] = Source(**known)
    source.rows += 1
