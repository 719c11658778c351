"""The pilot: a few rows of every file go all the way, and what they cost and yield forecasts the whole run."""

import heapq
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sftmill.core import shape
from sftmill.errors import RunError
from sftmill.flow.sampler import Sampler
from sftmill.flow.shards import ShardList
from sftmill.forecast import Interval, Stratum, allocate, estimate_ratio, estimate_total, group
from sftmill.plan import Plan, make_plan
from sftmill.plan_summary import demands
from sftmill.recipe import Recipe
from sftmill.run import Watcher, run_recipe
from sftmill.run_directory import PILOT, RunDirectory, last_rows
from sftmill.text import content_hash

DRAFTS = -1
"""Number of the stratum that the drafts of a step that grows a pool make up in their stream."""


@dataclass(slots=True)
class Unit:
    """A sampled row and what it has led to."""

    stratum: tuple[str, int]
    """Stream and number of the group of files."""
    calls: int = 0
    tokens: int = 0
    money: float = 0.0
    accepted: int = 0


@dataclass(slots=True)
class Forecast:
    """What the whole run will take and give, as estimates with intervals (see `forecast.CONFIDENCE`)."""

    units: int
    """Rows before the first asking step, in all streams."""
    sampled: int
    calls: Interval
    tokens: Interval
    money: Interval
    accepted: Interval
    acceptance: Interval
    """Samples for each row that is asked about."""
    money_per_sample: Interval
    tokens_per_sample: Interval
    seconds: Interval | None
    """None when all answers came from the ledger, so that nothing could be timed."""
    spent_tokens: int
    """Tokens of the pilot's own answers; the run finds them in the ledger."""
    spent_money: float
    currency: str
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Pilot:
    """A finished pilot."""

    forecast: Forecast
    manifest: Mapping[str, Any]
    folder: Path


class Choice:
    """Chooses the units of every stream, stratified by file, and remembers how many there were."""

    def __init__(self, rows: int, seed: int):
        self.rows = rows
        self.seed = seed
        self.sizes: dict[tuple[str, int], int] = {}
        self.units: dict[str, Unit] = {}

    def choose(self, stream: str, units: ShardList) -> frozenset[str]:
        """Return the ids of the units to take: of each group of files those whose hashes are smallest."""
        files: Counter[str] = Counter(source for _, source in self._listed(units))
        strata = group(files, max(1, self.rows // 2))
        sizes: Counter[int] = Counter()
        for name, number in files.items():
            sizes[strata[name]] += number
        wanted = allocate(sizes, self.rows)
        best: dict[int, list[tuple[int, str]]] = {number: [] for number in sizes}
        for row, source in self._listed(units):
            number = strata[source]
            item = (-int(content_hash(str(self.seed), row)[:15], 16), row)
            if len(best[number]) < wanted[number]:
                heapq.heappush(best[number], item)
            else:
                heapq.heappushpop(best[number], item)
        for number, size in sizes.items():
            self.sizes[stream, number] = size
            self.units.update((row, Unit((stream, number))) for _, row in best[number])
        return frozenset(row for heap in best.values() for _, row in heap)

    def draft(self, stream: str, drafts: list[str]) -> None:
        """Take the drafts of a step that grows a pool as units; how many there are in all shows at its end."""
        self.units.update((row, Unit((stream, DRAFTS))) for row in drafts)

    @staticmethod
    def _listed(units: ShardList) -> Any:
        """Yield the id and the file of every unit."""
        for batch in units.batches():
            sources = batch.column("source").to_pylist() if "source" in batch.schema.names else [""] * len(batch)
            for row, source in zip(batch.column("id").to_pylist(), sources, strict=True):
                yield row, source or ""


class _Meter:
    """Adds up what every unit has cost, and how busy the endpoints were meanwhile."""

    def __init__(self, units: Mapping[str, Unit]):
        self.units = units
        self.shared = Unit(("", 0))
        """What whole-data steps asked, which belongs to no unit."""
        self.first: float | None = None
        self.last = 0.0
        self.flights: list[int] = []

    def __call__(self, role: str, tokens: int, money: float) -> None:
        unit = self.units.get(Sampler.current(), self.shared)
        unit.calls += 1
        unit.tokens += tokens
        unit.money += money
        self.last = time.monotonic()
        self.first = self.first or self.last

    def look(self, snapshot: Mapping[str, Any]) -> None:
        """Note how many calls are in flight."""
        flying = sum(model.get("in_flight", 0) for model in snapshot.get("models", {}).values())
        if flying:
            self.flights.append(flying)


def run_pilot(
    recipe: Recipe,
    run_dir: Path,
    rows: int = 100,
    seed: int = 0,
    watch: Watcher | None = None,
    providers: Mapping[str, Any] | None = None,
) -> Pilot:
    """Take `rows` rows of every stream all the way and forecast the whole run; its answers count for the run.

    Raises RecipeError as a run does, and RunError for a recipe of which no sample can be taken.
    """
    folder = run_dir / PILOT
    plan = make_plan(recipe, folder)
    _check(plan)
    choice = Choice(rows, seed)
    sampler = Sampler(choice.choose, rows, choice.draft)
    meter = _Meter(choice.units)
    shared = replace(recipe, ledger=recipe.ledger or run_dir.parent / "ledger.sqlite")
    RunDirectory(run_dir).identity()  # the run's account is there before the pilot pays into its own

    def look(snapshot: dict[str, Any]) -> None:
        meter.look(snapshot)
        if watch:
            watch(snapshot)

    shutil.rmtree(folder / "export", ignore_errors=True)
    manifest = run_recipe(shared, folder, look, providers, sampler=sampler, meter=meter)
    choice.sizes.update({(stream, DRAFTS): total for stream, (_, total) in sampler.grown.items()})
    for row in last_rows(recipe, folder):
        if unit := choice.units.get(sampler.unit(row) or row["id"]):
            unit.accepted += 1
    forecast = _forecast(recipe, choice, meter, manifest)
    forecast.notes += _expected(plan, manifest, forecast)
    RunDirectory(folder).write("pilot.json", asdict(forecast))
    return Pilot(forecast, manifest, folder)


def _check(plan: Plan) -> None:
    """Refuse recipes in which the first step that asks does not take rows one by one."""
    sampled: set[str] = set()
    for name in plan.order:
        if any(source in sampled for source in plan.recipe.streams[name].sources):
            sampled.add(name)
            continue
        for stage in plan.stages[name]:
            if not stage.step.roles():
                continue
            if shape(stage.step) not in ("ask", "round"):
                raise RunError(
                    f"stream {name!r}: its first asking step {stage.name!r} needs all rows at once, so no sample of it "
                    "can be taken; try the recipe with `sftmill run RECIPE --limit 100` instead"
                )
            sampled.add(name)
            break


def _forecast(recipe: Recipe, choice: Choice, meter: _Meter, manifest: Mapping[str, Any]) -> Forecast:
    """Extrapolate from the units to all of their streams."""
    members: dict[tuple[str, int], list[Unit]] = {stratum: [] for stratum in choice.sizes}
    for unit in choice.units.values():
        members[unit.stratum].append(unit)

    def strata(value: str) -> list[Stratum]:
        return [Stratum(choice.sizes[key], tuple(getattr(u, value) for u in units)) for key, units in members.items()]

    ones = [Stratum(choice.sizes[key], tuple(1.0 for _ in units)) for key, units in members.items()]
    total, sampled = sum(choice.sizes.values()), len(choice.units)
    growth = total / sampled if sampled else 0.0
    shared = meter.shared
    calls = estimate_total(strata("calls")).plus(shared.calls * growth)
    seconds = _seconds(recipe, meter, manifest, calls)
    money = estimate_total(strata("money")).plus(shared.money * growth)
    hours = _per_hour(recipe)
    if hours and seconds:
        rent = [hours * s / 3600 for s in (seconds.value, seconds.low, seconds.high)]
        money = Interval(money.value + rent[0], money.low + rent[1], money.high + rent[2])
    accepted = estimate_total(strata("accepted"))
    notes = []
    if any(stratum == DRAFTS for _, stratum in choice.sizes):
        notes.append("a pool takes in less of each later round than of the first ones: a whole run asks for more")
    if not accepted.value:
        notes.append("no sample was accepted, so nothing can be said of the rest: look at the drops, mend, try again")
    if any(shape(s.step) == "whole" for stream in recipe.streams.values() for s in stream.steps):
        notes.append("duplicates that only show in the whole are not in a sample: acceptance will be somewhat lower")
    if shared.calls:
        notes.append(f"whole-data steps asked {shared.calls:,} times; that is taken to grow with the rows")
    if any(settings.price is None for role, settings in recipe.models.items() if role in manifest["models"]):
        notes.append("roles without a `price` count as free")
    return Forecast(
        units=total,
        sampled=sampled,
        calls=calls,
        tokens=estimate_total(strata("tokens")).plus(shared.tokens * growth),
        money=money,
        accepted=accepted,
        acceptance=estimate_ratio(strata("accepted"), ones),
        money_per_sample=estimate_ratio(strata("money"), strata("accepted")),
        tokens_per_sample=estimate_ratio(strata("tokens"), strata("accepted")),
        seconds=seconds,
        spent_tokens=shared.tokens + sum(unit.tokens for unit in choice.units.values()),
        spent_money=shared.money + sum(unit.money for unit in choice.units.values()),
        currency=recipe.budget.currency,
        notes=notes,
    )


def _expected(plan: Plan, manifest: Mapping[str, Any], forecast: Forecast) -> list[str]:
    """Return what each step that judges or draws several answers will ask for, at most, and what else it could."""
    growth = forecast.units / forecast.sampled if forecast.sampled else 0.0
    notes = []
    for name, demand in demands(plan).items():
        came = manifest["counts"].get(name, {})
        rows = round((came.get("in", 0) + came.get("born", 0)) * growth)
        most = ", ".join(f"{role} {rows * number:,}" for role, number in demand.calls.items())
        told = f"; replies at most: {most}" if most else ""
        notes.append(f"{name}: about {rows:,} rows in the whole run, {demand.note}{told}")
    return notes


def _seconds(recipe: Recipe, meter: _Meter, manifest: Mapping[str, Any], calls: Interval) -> Interval | None:
    """Return how long the asking takes: at most as slow as the pilot, at best with all slots of the recipe in use."""
    fresh = sum(numbers["calls"] for numbers in manifest["calls"].values())
    if not fresh or meter.first is None or meter.last <= meter.first:
        return None
    rate = fresh / (meter.last - meter.first)
    slots = sum(
        settings.concurrency * max(1, len(settings.endpoint)) * max(1, len(settings.key_env))
        for role, settings in recipe.models.items()
        if role in manifest["models"] and not (settings.local or settings.transformers)
    )
    flying = sum(meter.flights) / len(meter.flights) if meter.flights else 0.0
    faster = max(1.0, slots / flying) if flying and slots else 1.0
    low, high = calls.low / (rate * faster), calls.high / rate
    return Interval((low * high) ** 0.5, low, high)


def _per_hour(recipe: Recipe) -> float:
    """Return what rented machines cost an hour, in the budget's currency."""
    total = 0.0
    for settings in recipe.models.values():
        if settings.price and settings.price.gpu_hour:
            rate = recipe.budget.usd_to_cny
            same = settings.price.currency == recipe.budget.currency
            exchange = 1.0 if same else rate if settings.price.currency == "USD" else 1 / rate
            total += settings.price.gpu_hour * exchange
    return total
