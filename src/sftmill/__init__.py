"""sftmill turns documents and a model endpoint into supervised fine-tuning data.

The public names are imported on first use, so that `import sftmill` costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AskStep": "core",
    "Desk": "core",
    "Drop": "core",
    "Dropped": "core",
    "Pool": "core",
    "Recipe": "recipe",
    "Reply": "core",
    "RoundStep": "core",
    "Row": "core",
    "RowStep": "core",
    "STEPS": "steps",
    "Sampling": "core",
    "SftmillError": "errors",
    "Shards": "core",
    "Source": "core",
    "Step": "core",
    "WholeStep": "core",
    "load_recipe": "recipe_reader",
    "make_plan": "plan",
    "run_recipe": "run",
}

__all__ = [
    "AskStep",
    "Desk",
    "Drop",
    "Dropped",
    "Pool",
    "Recipe",
    "Reply",
    "RoundStep",
    "Row",
    "RowStep",
    "STEPS",
    "Sampling",
    "SftmillError",
    "Shards",
    "Source",
    "Step",
    "WholeStep",
    "load_recipe",
    "make_plan",
    "run_recipe",
]

if TYPE_CHECKING:
    from sftmill.core import (
        AskStep,
        Desk,
        Drop,
        Dropped,
        Pool,
        Reply,
        RoundStep,
        Row,
        RowStep,
        Sampling,
        Shards,
        Source,
        Step,
        WholeStep,
    )
    from sftmill.errors import SftmillError
    from sftmill.plan import make_plan
    from sftmill.recipe import Recipe
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe
    from sftmill.steps import STEPS


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sftmill' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"sftmill.{_HOMES[name]}"), name)
