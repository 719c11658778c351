"""Proves, offline and for free, that a recipe can run: columns, prompts, models, budget and who may see what."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from sftmill.columns import VIEWS
from sftmill.core import Source, shape
from sftmill.errors import RecipeError
from sftmill.flow.lineage import stricter
from sftmill.flow.select import Select
from sftmill.flow.shards import BASE_COLUMNS, hash_file
from sftmill.flow.stage import Stage
from sftmill.flow.where import Condition
from sftmill.models import in_process_files
from sftmill.models.prompt import Prompts
from sftmill.models.roles import accepts
from sftmill.models.settings import ModelSettings, Sensitivity
from sftmill.plan_roles import check_judges, check_role, host
from sftmill.plan_source import source_digest
from sftmill.recipe import Recipe, StepEntry, Stream
from sftmill.steps import STEPS
from sftmill.steps.authors import authors
from sftmill.text import content_hash
from sftmill.yaml_values import nearest

MASKING = "personal_data"
"""The step that the plan puts behind every source, unless the recipe says `personal_data: keep`."""


@dataclass(slots=True)
class Plan:
    """A recipe that can run: its streams as stages, in an order that respects `from` and `inputs`."""

    recipe: Recipe
    prompts: Prompts
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    sensitivity: dict[str, Sensitivity] = field(default_factory=dict)
    """Strictest sensitivity that rows of a stream can have."""
    roles: dict[str, list[str]] = field(default_factory=dict)
    """Role -> the steps that ask it, as "stream/step"."""
    warnings: list[str] = field(default_factory=list)


def make_plan(recipe: Recipe, run_dir: Path) -> Plan:
    """Return the plan of a recipe; raises RecipeError naming all problems at once, each with line and remedy."""
    return _Planner(recipe, run_dir).plan()


class _Planner:
    """Checks a recipe stream by stream and collects problems as (line, text)."""

    def __init__(self, recipe: Recipe, run_dir: Path):
        self.recipe = recipe
        self.run_dir = run_dir
        self.made = Plan(recipe, Prompts(recipe.prompts))
        self.problems: list[tuple[int, str]] = []
        self.columns: dict[str, set[str]] = {}
        """Columns that every row of a stream has at its end; what steps read must be among them."""
        self.possible: dict[str, set[str]] = {}
        """Columns that some rows may have; what is written has room for them."""
        self.authors: dict[str, frozenset[str]] = {}
        """Roles that wrote the answers that a stream ends with."""
        self.shown: dict[str, StepEntry] = {}
        """Files for people, each with the step that writes it."""

    def plan(self) -> Plan:
        """Check everything; return the plan or raise with all that is wrong."""
        self.problems += self.recipe.problems
        for stream in self._ordered():
            if not stream.broken and all(name in self.columns for name in (*stream.sources, *stream.inputs.values())):
                self._stream(stream)
            else:
                self._broken_stream(stream)
        for role, settings in self.recipe.models.items():
            if role not in self.recipe.broken_roles:
                self._role(role, settings)
        self._budget()
        if self.recipe.holdout and not self.recipe.holdout.is_file():
            self.wrong(
                1, f"holdout: {self.recipe.holdout.name} is not there yet; run `sftmill holdout {self.recipe.path}`"
            )
        beside = self.recipe.path.parent / "holdout.json"
        if self.recipe.holdout is None and beside.is_file():
            self.wrong(1, "holdout.json lies beside the recipe, which does not name it; add `holdout: holdout.json`")
        if self.problems:
            name = self.recipe.path.name
            raise RecipeError([f"{name}:{line}: {text}" for line, text in sorted(set(self.problems))])
        return self.made

    def wrong(self, line: int, text: str) -> None:
        """Note a problem."""
        self.problems.append((line, text))

    def _ordered(self) -> list[Stream]:
        """Return the streams so that each comes after those it needs."""
        done: list[Stream] = []
        names: set[str] = set()
        waiting = list(self.recipe.streams.values())
        for stream in waiting:
            names.update(n for n in (*stream.sources, *stream.inputs.values()) if n not in self.recipe.streams)
        while waiting:
            ready = [s for s in waiting if names.issuperset([*s.sources, *s.inputs.values()])]
            if not ready:
                circle = ", ".join(repr(s.name) for s in waiting)
                self.wrong(waiting[0].line, f"streams {circle} wait for one another; break the circle in from/inputs")
                break
            done += ready
            names.update(s.name for s in ready)
            waiting = [s for s in waiting if s.name not in names]
        self.made.order = [s.name for s in done]
        return done

    def _stream(self, stream: Stream) -> None:
        """Check one stream and turn its steps into stages."""
        entries = with_companions(stream.steps, self.recipe.personal_data == "mask")
        if not entries:
            self.wrong(stream.line, f"stream {stream.name!r}: has no steps; add some, or remove it")
            return
        self._shape(stream, entries)
        if shape(entries[0].step) in ("row", "ask") and stream.sources and (stream.where or len(stream.sources) > 1):
            entries = [StepEntry("select", Select(), {}, stream.line), *entries]
        columns, possible, sensitivity = self._start(stream, entries)
        fingerprint = content_hash(
            *(self.made.stages[s][-1].fingerprint for s in stream.sources if s in self.made.stages)
        )
        if stream.where:
            fingerprint = content_hash(fingerprint, stream.where.text)
            self._where(stream, columns, possible)
        stages = []
        wrote = self._wrote(stream)
        for number, entry in enumerate(entries, 1):
            before = set(possible)
            self._reads(stream, entry, columns, possible)
            columns |= with_messages(type(entry.step).writes)
            columns -= set(type(entry.step).removes)
            possible = (possible | columns) - set(type(entry.step).removes)
            self._asks(stream, entry, sensitivity)
            check_judges(self.recipe, entry, wrote, self.wrong, self.made.warnings.append)
            wrote = authors(entry.step, wrote)
            for problem in entry.step.problems():
                self.wrong(entry.line, f"step {entry.name!r}: {problem}")
            self._shows(entry)
            fingerprint = content_hash(fingerprint, self._fingerprint(entry))
            folder = self.run_dir / "streams" / stream.name / f"{number:02d}-{entry.name}"
            stages.append(
                Stage(
                    entry.name,
                    folder,
                    entry.step,
                    fingerprint,
                    tuple(sorted(possible)),
                    tuple(sorted(possible | before)),
                )
            )
        self.made.stages[stream.name] = stages
        self.columns[stream.name] = columns
        self.possible[stream.name] = possible
        self.authors[stream.name] = wrote
        self.made.sensitivity[stream.name] = sensitivity

    def _broken_stream(self, stream: Stream) -> None:
        """Say of a stream that could not be read whole, or that starts from one, what does not need its columns."""
        entries = with_companions(stream.steps, self.recipe.personal_data == "mask")
        _, _, sensitivity = self._start(stream, entries)
        self.made.sensitivity[stream.name] = sensitivity
        wrote = self._wrote(stream)
        for entry in entries:
            self._asks(stream, entry, sensitivity)
            check_judges(self.recipe, entry, wrote, self.wrong, self.made.warnings.append)
            wrote = authors(entry.step, wrote)
            for problem in entry.step.problems():
                self.wrong(entry.line, f"step {entry.name!r}: {problem}")
        self.authors[stream.name] = wrote

    def _shape(self, stream: Stream, entries: list[StepEntry]) -> None:
        """Check that a stream starts with a source or with other streams, and has no second source."""
        first, *others = entries
        if stream.sources and shape(first.step) == "source":
            self.wrong(first.line, f"stream {stream.name!r}: has both `from` and the source {first.name!r}; keep one")
        if not stream.sources and shape(first.step) != "source":
            sources = "books, samples"
            self.wrong(
                first.line,
                f"stream {stream.name!r}: starts with {first.name!r}, which is no source; "
                f"begin with one (such as {sources}) or with `from: [stream]`",
            )
        for entry in others:
            if shape(entry.step) == "source":
                self.wrong(entry.line, f"stream {stream.name!r}: the source {entry.name!r} must be the first step")

    def _start(self, stream: Stream, entries: list[StepEntry]) -> tuple[set[str], set[str], Sensitivity]:
        """Return the columns that all and that some rows of a stream start with, and its sensitivity."""
        columns = set(BASE_COLUMNS)
        possible = columns.union(*(self.possible.get(name, ()) for name in (*stream.sources, *stream.inputs.values())))
        before = [self.columns[name] for name in stream.sources if name in self.columns]
        if before:
            columns |= set.intersection(*before)
        inherited = [self.made.sensitivity.get(name) for name in (*stream.sources, *stream.inputs.values())]
        own = [getattr(e.step, "sensitivity", "internal") for e in entries if isinstance(e.step, Source)]
        return columns, possible, stricter(*own, *inherited)

    def _where(self, stream: Stream, columns: set[str], possible: set[str]) -> None:
        """Check that a condition's columns are there; what it asks for with missing() only some rows need to have."""
        there = columns | readable_views(columns)
        there |= guarded_columns(stream.where) & (possible | readable_views(possible))
        for name in sorted(stream.where.columns - there):
            more = (
                f"; only some of its rows have it: ask missing({name}), too"
                if name in possible
                else nearest(name, columns)
            )
            self.wrong(stream.line, f"stream {stream.name!r}: where: column {name!r} is not there{more}")

    def _reads(self, stream: Stream, entry: StepEntry, columns: set[str], possible: set[str]) -> None:
        """Check that what a step reads has been written before it, and for some rows what its settings name."""
        for name in entry.step.named_columns():
            if name not in possible:
                there = ", ".join(sorted(possible))
                self.wrong(entry.line, f"step {entry.name!r}: no step before it writes {name!r}; there are: {there}")
        for name in type(entry.step).reads:
            if name not in columns and name not in readable_views(columns):
                self.wrong(
                    entry.line,
                    f"stream {stream.name!r}: {entry.name!r} reads {name!r}, which no step before it writes; "
                    f"there are: {', '.join(sorted(columns | readable_views(columns)))}",
                )

    def _asks(self, stream: Stream, entry: StepEntry, sensitivity: Sensitivity) -> None:
        """Check a step's prompts and the roles it asks, which see its own files, too, as secret as it says they are."""
        cls = type(entry.step)
        sensitivity = stricter(sensitivity, getattr(entry.step, "sensitivity", sensitivity))
        if cls.prompts:
            for problem in self.made.prompts.check(cls, entry.name, self.recipe.langs):
                self.wrong(entry.line, f"step {entry.name!r}: {problem}")
        for role in entry.step.roles():
            if role not in self.recipe.models:
                self.wrong(
                    entry.line,
                    f"step {entry.name!r}: asks the role {role!r}, which `models:` does not name"
                    + (nearest(role, self.recipe.models) if self.recipe.models else f"; add `models: {{{role}: ...}}`"),
                )
                continue
            self.made.roles.setdefault(role, []).append(f"{stream.name}/{entry.name}")
            self._leak(entry, role, sensitivity)

    def _shows(self, entry: StepEntry) -> None:
        """Refuse a second step that writes the same file for people: the first one's would be lost."""
        if not (name := entry.step.shows()):
            return
        if (first := self.shown.setdefault(name, entry)) is not entry:
            self.wrong(
                entry.line,
                f"step {entry.name!r}: writes {name!r} into the export folder, as {first.name!r} on line {first.line} "
                "does; set `file` in one of them",
            )

    def _wrote(self, stream: Stream) -> frozenset[str]:
        """Return the roles that wrote the answers with which a stream starts."""
        return frozenset[str]().union(*(self.authors.get(name, ()) for name in stream.sources))

    def _leak(self, entry: StepEntry, role: str, sensitivity: Sensitivity) -> None:
        """Check that a role may see what the step would show it."""
        if role in self.recipe.broken_roles:
            return
        allowed = accepts(self.recipe.models[role])
        if stricter(sensitivity, allowed) != allowed:
            where = ", ".join(host(url) for url in self.recipe.models[role].endpoint) or role
            self.wrong(
                entry.line,
                f"step {entry.name!r}: would send {sensitivity} rows to {where} (role {role!r}), which accepts only "
                f"{allowed} ones; use an endpoint of your own, mark the source `sensitivity: {allowed}` if it is, "
                f"or set models.{role}.accept: {sensitivity} if the contract with the provider allows it",
            )

    def _role(self, role: str, settings: ModelSettings) -> None:
        """Check a role, and warn of what may surprise."""
        check_role(self.recipe, role, settings, self.wrong)
        if role in self.made.roles and settings.endpoint and not settings.revision:
            self.made.warnings.append(
                f"models.{role}: has no `revision`; if the weights behind {host(settings.endpoint[0])} change, "
                "answers of the old ones will be taken from the ledger"
            )
        if role not in self.made.roles and not any(m.on_refusal == role for m in self.recipe.models.values()):
            self.made.warnings.append(f"models.{role}: no step asks this role")

    def _budget(self) -> None:
        """Check that a cap in money can be kept."""
        if self.recipe.budget.money is None:
            return
        for role in self.made.roles.keys() - self.recipe.broken_roles:
            settings = self.recipe.models[role]
            if settings.price is None and settings.endpoint:
                self.wrong(
                    self.recipe.model_lines.get(role, 1),
                    f"models.{role}: has no price, so the cap of {self.recipe.budget.money:g} "
                    f"{self.recipe.budget.currency} cannot be kept; add `price: {{prompt: ..., completion: ...}}` "
                    "per million tokens, or `price: {gpu_hour: ...}`",
                )

    def _fingerprint(self, entry: StepEntry) -> str:
        """Return what decides a step's result besides its rows: code, settings, prompts and models."""
        cls = type(entry.step)
        prompts = []
        for name in cls.prompts:
            for lang in self.recipe.langs:
                try:
                    prompts.append(self.made.prompts.find(entry.name, name, lang).digest)
                except RecipeError:
                    prompts.append("missing")  # noted as a problem elsewhere
        models = []
        for role in entry.step.roles():
            if settings := self.recipe.models.get(role):
                models.append(
                    [settings.model, settings.local, settings.revision, settings.sampling, settings.extra_body]
                )
                if settings.local:
                    from sftmill.models.embed import local_revision

                    models[-1].append(local_revision(settings.local))
                if settings.transformers:  # the bytes, wherever the folder lies
                    models[-1].append(in_process_files.model_digest(settings.transformers))
        files = [hash_file(path) if path.is_file() else "missing" for path in entry.step.files()]
        parts = [cls.__qualname__, cls.version, source_digest(cls), entry.settings, prompts, models, files]
        return content_hash(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))


def with_companions(entries: list[StepEntry], mask: bool) -> list[StepEntry]:
    """Return the steps with those that a source brings along (its parser) right behind it, then the masking.

    A stream that names the masking step itself, with settings of its own, gets no second one.
    """
    complete = []
    masking = STEPS.get(MASKING)
    mask = mask and masking is not None and not any(isinstance(entry.step, masking) for entry in entries)
    for entry in entries:
        complete.append(entry)
        if isinstance(entry.step, Source):
            for step in entry.step.then():
                name = f"{entry.name}.{type(step).__name__.lower()}"
                complete.append(StepEntry(name, step, entry.settings, entry.line))
            if mask:
                complete.append(StepEntry(MASKING, masking(), {}, entry.line))
    return complete


def with_messages(writes: Iterable[str]) -> set[str]:
    """Return the stored columns behind what a step writes: a view stands for `messages`."""
    return {"messages" if name in VIEWS else name for name in writes}


def readable_views(columns: set[str]) -> set[str]:
    """Return the views that can be read when these columns are there."""
    return set(VIEWS) if "messages" in columns else set()


def guarded_columns(where: Condition) -> set[str]:
    """Return the columns of which a condition itself asks whether a row has them."""
    asked = (node for node in ast.walk(where.tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    named = (node.args[0] for node in asked if node.func.id == "missing")
    return {node.id for node in named if isinstance(node, ast.Name)}
