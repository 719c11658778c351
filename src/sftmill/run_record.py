"""What a run leaves written about itself: its recipe with every default, and at its end the manifest and the card."""

import io
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from sftmill import __version__
from sftmill.card import write_card
from sftmill.flow.shards import Counts, write_atomically
from sftmill.models.ledger import Spent
from sftmill.models.settings import ModelSettings
from sftmill.plan import Plan
from sftmill.recipe import Recipe
from sftmill.run_directory import RunDirectory

CALLS = ("calls", "from_ledger", "retries", "overloads")
"""What the manifest says of a role's calls."""


def write_recipe(directory: RunDirectory, recipe: Recipe) -> None:
    """Write the recipe with every default spelled out."""
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.sort_base_mapping_type_on_output = False
    writer.dump(recipe.resolved, text)
    write_atomically(directory.path / "recipe.yaml", text.getvalue().encode())


def write_manifest(
    directory: RunDirectory,
    plan: Plan,
    settings: Mapping[str, ModelSettings],
    *,
    started: float,
    limit: int | None,
    counts: Mapping[str, Counts],
    spent: Sequence[Spent],
    money: float,
    calls: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Write and return the manifest: what was made, from what, by what, at what cost; written last.

    `settings` are those of the roles that were asked, `started` is a Unix time, `money` in the budget's currency.
    """
    recipe = plan.recipe
    stages = [stage for stages in plan.stages.values() for stage in stages]
    manifest = {
        "name": recipe.name,
        "sftmill": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "arguments": sys.argv[1:],
        "limit": limit,
        "started": round(started, 3),
        "seconds": round(time.time() - started, 3),
        "models": {
            role: {"model": one.model, "revision": one.revision, "sampling": one.sampling}
            for role, one in settings.items()
        },
        "prompts": {
            f"{stage.name}/{name}.{lang}": plan.prompts.find(stage.name, name, lang).digest
            for stage in stages
            for name in type(stage.step).prompts
            for lang in recipe.langs
        },
        "fingerprints": {name: stages[-1].fingerprint for name, stages in plan.stages.items()},
        "counts": {key: value.as_dict() for key, value in counts.items()},
        "spent": [one._asdict() for one in spent],
        "money": {"spent": round(money, 6), "currency": recipe.budget.currency},
        "calls": {role: {key: numbers[key] for key in CALLS if key in numbers} for role, numbers in calls.items()},
        "warnings": plan.warnings,
    }
    export = directory.path / "export"
    if export.is_dir():
        write_card(directory.path, manifest)
    manifest["files"] = {path.name: path.stat().st_size for path in sorted(export.glob("*")) if path.is_file()}
    directory.log("done", seconds=manifest["seconds"])
    directory.write("manifest.json", manifest)
    return manifest
