"""What a plan says before anything is paid for: its streams and steps, and what they will ask of models."""

from collections.abc import Callable
from typing import Any

from sftmill.core import Demand, Source
from sftmill.plan import Plan


def demands(plan: Plan) -> dict[str, Demand]:
    """Return what each step asks of models with one row, at most, by "stream/NN-step", as far as steps can tell."""
    found: dict[str, Demand] = {}
    behind: dict[str, int | None] = {}
    for name in plan.order:
        sources = {behind.get(source) for source in plan.recipe.streams[name].sources}
        candidates = sources.pop() if len(sources) == 1 else None
        for stage in plan.stages[name]:
            demand = stage.step.demand(candidates)
            if "candidates" in (*type(stage.step).writes, *type(stage.step).removes):
                kept = "candidates" in type(stage.step).reads
                candidates = demand.candidates if demand and demand.candidates else candidates if kept else None
            if demand:
                found[f"{name}/{stage.key}"] = demand
        behind[name] = candidates
    return found


def describe(plan: Plan, list_rows: Callable[[Source], int] | None = None) -> dict[str, object]:
    """Return what a plan says, as plain values: streams, steps with their columns, roles, warnings."""
    streams: dict[str, dict[str, Any]] = {}
    asked = demands(plan)
    listed: dict[str, int | None] = {}
    for name in plan.order:
        stream = plan.recipe.streams[name]
        steps = []
        for stage in plan.stages[name]:
            cls = type(stage.step)
            steps.append(
                {"step": stage.name, "shape": stage.shape, "reads": list(cls.reads), "writes": list(cls.writes)}
            )
        entry: dict[str, Any] = {"steps": steps, "sensitivity": plan.sensitivity[name]}
        entry["demands"] = [
            {"step": stage.name, "calls": dict(found.calls), "note": found.note}
            for stage in plan.stages[name]
            if (found := asked.get(f"{name}/{stage.key}"))
        ]
        if stream.sources:
            entry["from"] = stream.sources
            before = [listed.get(source) for source in stream.sources]
            listed[name] = None if None in before else sum(number or 0 for number in before)
        first = plan.stages[name][0].step
        if list_rows and isinstance(first, Source):
            entry["source_rows"] = listed[name] = list_rows(first)
        entry["rows_known"] = listed.get(name)
        streams[name] = entry
    return {"name": plan.recipe.name, "streams": streams, "roles": plan.roles, "warnings": plan.warnings}
