"""`sftmill doctor`: what this machine and the recipe's endpoints can do, and what each missing thing would cost."""

from pathlib import Path

from sftmill.doctor.finding import Finding
from sftmill.doctor.this_machine import machine

__all__ = ["Finding", "examine", "machine"]


def examine(recipe: Path | None, changes: list[str] | None = None) -> list[Finding]:
    """Look at this machine and, with a recipe, ask each of its endpoints a handful of tiny questions.

    The questions are about 2,000 tokens an endpoint; they do not go through the ledger and count for no run.
    """
    if recipe is None:
        return machine()
    from sftmill.doctor.endpoint import endpoints
    from sftmill.event_loop import run_loop
    from sftmill.models.embed import EMBEDDERS
    from sftmill.recipe_reader import load_recipe

    loaded = load_recipe(recipe, changes)
    roles = loaded.models.values()
    named = [EMBEDDERS.get(role.local) for role in roles if role.local]
    needs = {"embed" if embedder else "local" for embedder in named if embedder is None or embedder.package}
    needs |= {"train" for role in roles if role.transformers}
    findings = machine(ledger=loaded.ledger, needs=needs)
    return findings + run_loop(endpoints(loaded.models))
