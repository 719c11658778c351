"""The steps that choose among answers: whose answers win, whether the long ones do, and what another judge says of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftmill.core import answer, named_roles
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import shard_files
from sftmill.judge_measures import wilson
from sftmill.report.facts import Facts, Stage, step_settings
from sftmill.report.measures import mean
from sftmill.report.reading import has_column, read_columns

CHOOSING = ("best_of_n", "preference", "feedback")
"""Steps that choose the best of several answers."""
MOST_WEAK = 0.3
"""Share of the wins of a weaker model above which its judge, or the stronger model, is not what it was taken for."""
MOST_LENGTH = 1.15
"""Mean length of the winners over that of all their candidates above which the choice prefers length."""


@dataclass(frozen=True)
class Win:
    """How often one source's candidate was the best."""

    source: str
    wins: int
    of: int
    weak: bool

    @property
    def share(self) -> float:
        """Share of the wins, 0 to 1."""
        return self.wins / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson 1927)."""
        low, high = wilson(self.wins, self.of) or (0.0, 1.0)
        return low, high


@dataclass
class HeldOut:
    """What a judge that had no part in the choice says of the winners."""

    stage: Stage
    judges: list[str]
    rows: int
    score: float
    chosen_at: float | None
    """Mean score that the same winners had from those who chose them; None where it was on another scale."""


@dataclass
class Choice:
    """A step that chooses among answers, and what is told of it."""

    stage: Stage
    wins: list[Win]
    ratios: list[float]
    held_out: list[HeldOut] = field(default_factory=list)

    @property
    def weak(self) -> Win | None:
        """All weaker models together; None where none that has won is known to be weaker."""
        if not any(win.weak for win in self.wins):
            return None
        return Win("", sum(win.wins for win in self.wins if win.weak), self.wins[0].of, True)

    @property
    def weak_wins_often(self) -> bool:
        """Whether weaker models win more often than is to be expected."""
        return self.weak is not None and self.weak.share > MOST_WEAK

    @property
    def ratio(self) -> float | None:
        """Mean length of the winners over that of their candidates; None where no row tells."""
        return mean(self.ratios) if self.ratios else None

    @property
    def prefers_length(self) -> bool:
        """Whether the winners are longer than is to be expected."""
        return self.ratio is not None and self.ratio > MOST_LENGTH


def choices(run_dir: Path, facts: Facts) -> Iterator[Choice]:
    """Yield what is told of each step that chooses among answers, stream by stream."""
    weak = _weak_sources(facts)
    for stages in facts.streams.values():
        for number, stage in enumerate(stages):
            if stage.step in CHOOSING:
                ratios = [ratio for path in _files(run_dir, stages[number:]) for ratio in _ratios(path)]
                held_out = [
                    found
                    for later in range(number + 1, len(stages))
                    if (found := _held_out(run_dir, facts, stages, number, later))
                ]
                yield Choice(stage, _wins(run_dir, stage, weak), ratios, held_out)


def _wins(run_dir: Path, stage: Stage, weak: set[str]) -> list[Win]:
    """Return the sources by their wins; also of rows of which nothing was kept because a weak model won."""
    counted = Counter({key.partition(".")[2]: n for key, n in stage.tally.items() if key.startswith("won_by.")})
    if stage.dropped.get("nothing_to_keep"):
        for row in read_losses(run_dir / "streams" / stage.stream / stage.key, "dropped"):
            source = row["facts"].get("won_by") if row["reason"] == "nothing_to_keep" else None
            counted.update([source] if isinstance(source, str) else [])
    names = {*counted, *({"strong", "weak"} if counted.keys() & {"strong", "weak"} else ())}
    total = counted.total()
    found = [Win(name, counted[name], total, name in weak) for name in names]
    return sorted(found, key=lambda win: (-win.wins, win.source))


def _weak_sources(facts: Facts) -> set[str]:
    """Return the sources that the recipe calls weaker."""
    found = {"weak"}
    for stream in facts.streams:
        for _, settings in step_settings(facts.recipe, stream):
            found.update(*(named_roles(settings.get(name)) for name in ("to_weak", "weak")))
    return found


def _files(run_dir: Path, stages: Sequence[Stage]) -> list[Path]:
    """Return the first shards that were written at one of these stages; those before were handed on in memory."""
    folders = (run_dir / "streams" / stage.stream / stage.key for stage in stages)
    return next((files for folder in folders if (files := shard_files(folder))), [])


def _ratios(path: Path) -> list[float]:
    if not has_column(path, "length_ratio"):
        return []
    return [value for value in read_columns(path, ("length_ratio",))["length_ratio"].to_pylist() if value is not None]


def _held_out(run_dir: Path, facts: Facts, stages: Sequence[Stage], chosen: int, at: int) -> HeldOut | None:
    """Return what a later judge says of the winners; None where it is no judge, or one of those who chose."""
    if stages[at].step != "judge":
        return None
    judges, choosers = _judges(facts, stages[at]), _judges(facts, stages[chosen])
    if not judges or set(judges) & set(choosers):
        return None
    scores, before = [], []
    same_scale = stages[chosen].step == "best_of_n" and not _settings(facts, stages[chosen]).get("to_reward")
    for path in _files(run_dir, stages[at:]):
        names = ("score", "scores", "candidates", "messages") if same_scale else ("score",)
        for row in read_columns(path, names).to_pylist():
            if row["score"] is not None:
                scores.append(row["score"])
                before.append(_score_of_winner(row) if same_scale else None)
    if not scores:
        return None
    known = [(late, early) for late, early in zip(scores, before, strict=True) if early is not None]
    if known:
        return HeldOut(stages[at], judges, len(known), mean([s for s, _ in known]), mean([e for _, e in known]))
    return HeldOut(stages[at], judges, len(scores), mean(scores), None)


def _score_of_winner(row: dict[str, Any]) -> float | None:
    """Return the score with which the row's answer was chosen; None where it is no candidate any more."""
    candidates, scores, text = row["candidates"] or [], row["scores"] or [], answer(row)
    return next((score for one, score in zip(candidates, scores, strict=False) if one == text), None)


def _settings(facts: Facts, stage: Stage) -> dict[str, Any]:
    """Return a stage's settings; its number counts the steps that the house adds, so the name decides."""
    same = [other for other in facts.streams[stage.stream] if other.step == stage.step]
    found = [settings for name, settings in step_settings(facts.recipe, stage.stream) if name == stage.step]
    return found[same.index(stage)] if len(found) == len(same) else {}


def _judges(facts: Facts, stage: Stage) -> list[str]:
    """Return the roles that judge in a stage."""
    settings = _settings(facts, stage)
    first = settings.get("to_judge") if stage.step == "best_of_n" else settings.get("to")
    panel = settings.get("to_panel")
    return [role for role in [first, settings.get("to_reward"), *(panel if isinstance(panel, list) else ())] if role]
