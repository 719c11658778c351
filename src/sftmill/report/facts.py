"""What a report tells of a run as a whole: its stages, its models and its cost, out of the manifest and the recipe."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftmill.models.budget import Budget
from sftmill.models.settings import BudgetSettings, Price


@dataclass
class Stage:
    """A step at its place, and what became of its rows."""

    stream: str
    key: str
    """Name of its folder: number-name."""
    rows_in: int
    born: int
    out: int
    failed: int
    dropped: dict[str, int]
    tokens: int = 0
    rounds: list[dict[str, Any]] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)
    """How often each word stood in the columns that the step tallies, as "column.word"."""

    @property
    def step(self) -> str:
        """The step's name in the recipe."""
        return self.key.partition("-")[2] or self.key

    @property
    def name(self) -> str:
        """The stream and the stage, as `sftmill show` wants them."""
        return f"{self.stream}/{self.key}"

    @property
    def lost(self) -> int:
        """Rows dropped, whatever the reason."""
        return sum(self.dropped.values())

    @property
    def vanished(self) -> int:
        """Rows that the counts do not account for; 0 as long as everything adds up."""
        return self.rows_in + self.born - self.out - self.lost - self.failed


@dataclass
class Role:
    """A role of the recipe, the model that plays it, and what it was paid for."""

    name: str
    model: str
    revision: str
    answers: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    from_ledger: int = 0
    money: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens


@dataclass
class Facts:
    """Everything that a report tells but for its generators."""

    manifest: dict[str, Any]
    recipe: dict[str, Any]
    lang: str
    streams: dict[str, list[Stage]]
    roles: list[Role]
    money: float
    currency: str

    @property
    def stages(self) -> list[Stage]:
        """All stages, stream by stream."""
        return [stage for stages in self.streams.values() for stage in stages]

    @property
    def failed(self) -> int:
        """Rows that failed on the way."""
        return sum(stage.failed for stage in self.stages)

    @property
    def ends(self) -> list[str]:
        """Streams that the run ends with: `finish`, or those that no other stream takes up."""
        if "finish" in self.streams:
            return ["finish"]
        used = {name for stream in self.streams for name in sources(self.recipe, stream)}
        return [name for name in self.streams if name not in used]

    @property
    def samples(self) -> int:
        """Rows that the run ends with."""
        return sum(self.streams[name][-1].out for name in self.ends)

    def reasons(self) -> list[tuple[str, str, int]]:
        """Return (stage, reason, rows dropped), the most frequent first."""
        found = [(stage.name, reason, number) for stage in self.stages for reason, number in stage.dropped.items()]
        return sorted(found, key=lambda item: (-item[2], item[0], item[1]))


def gather(run_dir: Path, manifest: dict[str, Any]) -> Facts:
    """Return what the manifest and the recipe beside it say of a run."""
    recipe = _recipe(run_dir / "recipe.yaml")
    langs = recipe.get("lang") or ["zh"]
    money = manifest.get("money") or {}
    return Facts(
        manifest,
        recipe,
        "en" if langs[0] == "en" else "zh",
        _streams(manifest),
        _roles(manifest, recipe),
        float(money.get("spent") or 0.0),
        str(money.get("currency") or ""),
    )


def _recipe(path: Path) -> dict[str, Any]:
    """Return a run's recipe.yaml, in which every default is spelled out; empty where there is none."""
    from ruamel.yaml import YAML

    return (YAML(typ="safe", pure=True).load(path.read_bytes()) or {}) if path.is_file() else {}


def sources(recipe: dict[str, Any], stream: str) -> list[str]:
    """Return the streams whose rows a stream takes up, also as side inputs."""
    entry = recipe.get("streams", {}).get(stream) or (recipe.get("finish") if stream == "finish" else None) or {}
    return [*entry.get("from", []), *entry.get("inputs", {}).values()] if isinstance(entry, dict) else []


def step_settings(recipe: dict[str, Any], stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the steps of a stream as the recipe names them, with their settings; empty where it cannot be told."""
    entry = recipe.get("streams", {}).get(stream) or (recipe.get("finish") if stream == "finish" else None) or {}
    steps = entry.get("steps", ()) if isinstance(entry, dict) else entry
    named = [next(iter(step.items())) for step in steps if isinstance(step, dict) and step]
    return [(str(name), settings if isinstance(settings, dict) else {}) for name, settings in named]


def _streams(manifest: dict[str, Any]) -> dict[str, list[Stage]]:
    streams: dict[str, list[Stage]] = {}
    for name, counts in manifest.get("counts", {}).items():
        stream, _, key = name.partition("/")
        streams.setdefault(stream, []).append(
            Stage(
                stream,
                key,
                counts["in"],
                counts["born"],
                counts["out"],
                counts["failed"],
                dict(counts["dropped"]),
                counts.get("tokens", 0),
                list(counts.get("rounds", ())),
                dict(counts.get("tally", {})),
            )
        )
    return streams


def _roles(manifest: dict[str, Any], recipe: dict[str, Any]) -> list[Role]:
    models, settings = manifest.get("models", {}), recipe.get("models", {})
    spent: dict[str, Counter[str]] = {}
    answered: dict[str, str] = {}
    for entry in manifest.get("spent", ()):
        paid = spent.setdefault(entry["role"], Counter())
        answered.setdefault(entry["role"], entry["model"])
        for name in ("answers", "prompt_tokens", "cached_tokens", "completion_tokens"):
            paid[name] += entry.get(name, 0)
    names = list(dict.fromkeys((*models, *spent)))
    prices = {name: Price(**price) for name in names if (price := (settings.get(name) or {}).get("price"))}
    budget = Budget(BudgetSettings(**(recipe.get("budget") or {})), prices)
    calls = manifest.get("calls", {})
    roles = []
    for name in names:
        paid, model = spent.get(name, Counter()), models.get(name) or {}
        named = model.get("model") or (settings.get(name) or {}).get("local") or answered.get(name, "")
        role = Role(name, named, model.get("revision") or "", **paid)
        role.from_ledger = (calls.get(name) or {}).get("from_ledger", 0)
        role.money = budget.price(name, role.prompt_tokens, role.completion_tokens, role.cached_tokens)
        roles.append(role)
    return roles
