"""Whether the roles of a recipe can do what its steps ask of them, as far as can be told offline."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from sftmill.core import named_roles
from sftmill.models import in_process_files
from sftmill.models.same_model import same_model, same_name
from sftmill.models.settings import ModelSettings
from sftmill.recipe import Recipe, StepEntry
from sftmill.steps.authors import how_to_allow, judged_authors, judging_roles, may_judge_own
from sftmill.yaml_values import nearest

Told = Callable[[int, str], None]
"""Takes a problem: its line in the recipe, and what is wrong."""


def check_role(recipe: Recipe, role: str, settings: ModelSettings, wrong: Told) -> None:
    """Check that a role can be reached, as far as can be told offline."""
    line = recipe.model_lines.get(role, 1)
    ways = [name for name in ("endpoint", "local", "transformers", "scripted") if getattr(settings, name)]
    if len(ways) != 1:
        wrong(
            line,
            f"models.{role}: needs exactly one of endpoint, local, transformers and scripted"
            + (
                f", not {' and '.join(ways)}"
                if ways
                else "; for the embedded model: local: qwen2.5-coder-0.5b-instruct"
            ),
        )
    for url in settings.endpoint:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            wrong(line, f"models.{role}.endpoint: {url!r} is no URL; write it like http://127.0.0.1:8000/v1")
    for name in settings.key_env:
        if not os.environ.get(name):
            wrong(line, f"models.{role}.key_env: the variable {name} is not set; run `export {name}=...` first")
    if settings.on_refusal and settings.on_refusal not in recipe.models:
        wrong(
            line,
            f"models.{role}.on_refusal: no role {settings.on_refusal!r}{nearest(settings.on_refusal, recipe.models)}",
        )
    if settings.local:
        _check_local(recipe, role, settings.local, line, wrong)
    if settings.transformers:
        _check_in_process(recipe, role, settings.transformers, line, wrong)
    if settings.scripted and not Path(settings.scripted).is_file():
        wrong(line, f"models.{role}.scripted: {settings.scripted} is not there")


def _check_local(recipe: Recipe, role: str, name: str, line: int, wrong: Told) -> None:
    """Check that an embedded model is known, and that nobody talks to one that only embeds."""
    from sftmill.models.embed import EMBEDDERS, find_folder
    from sftmill.models.model_files import MODELS

    if name in EMBEDDERS:
        if find_folder(EMBEDDERS[name]) is None:
            wrong(line, f"models.{role}.local: {name} is not there yet; run: {EMBEDDERS[name].remedy}")
        for entry in (entry for stream in recipe.streams.values() for entry in stream.steps):
            asking = [k for k, named in entry.step.seats().items() if k != "to_embedder" and role in named]
            if asking and type(entry.step).prompts:
                wrong(
                    entry.line,
                    f"step {entry.name!r}: `{asking[0]}` names the role {role!r}, whose model {name} turns texts "
                    "into vectors and cannot answer; name another role",
                )
    elif name not in MODELS and not name.endswith(".gguf"):
        hint = nearest(name, [*MODELS, *EMBEDDERS])
        wrong(line, f"models.{role}.local: no embedded model is called {name!r}{hint}")
    else:
        for entry in (entry for stream in recipe.streams.values() for entry in stream.steps):
            for key in in_process_files.misplaced(entry.step, role, None):
                wrong(
                    entry.line,
                    f"step {entry.name!r}: `{key}` names the role {role!r}, whose model writes and gives no numbers "
                    f"of texts; name a role with `transformers:` (for scores of tokens, transformers: {name})",
                )


def _check_in_process(recipe: Recipe, role: str, name: str, line: int, wrong: Told) -> None:
    """Check that a model for this process is there, and that nobody asks it for what it does not do."""
    for problem in in_process_files.problems(name):
        wrong(line, f"models.{role}.transformers: {problem}")
    kind = in_process_files.kind_of(name)
    for entry in (entry for stream in recipe.streams.values() for entry in stream.steps):
        for key in in_process_files.misplaced(entry.step, role, kind) if kind else ():
            wrong(
                entry.line,
                f"step {entry.name!r}: `{key}` names the role {role!r}, whose model {Path(name).name} "
                f"{in_process_files.DOES[kind]} and nothing else; name another role",
            )


def check_judges(
    recipe: Recipe, entry: StepEntry, wrote: frozenset[str], wrong: Told, warn: Callable[[str], None]
) -> None:
    """Check that no judge is the model that wrote what it judges, whatever the two roles are called."""
    known = recipe.models.keys() - recipe.broken_roles
    step, models = entry.step, recipe.models
    for weak in sorted(known & set(named_roles(getattr(step, "to_weak", None)))):
        if step.to in known and weak != step.to and same_model(models[weak], models[step.to]):
            wrong(
                entry.line,
                f"step {entry.name!r}: to_weak: {weak!r} and to: {step.to!r} are the same model "
                f"({model_name(models[weak])}), so that neither is weaker; name another model, or none",
            )
    if may_judge_own(step):
        return
    for judge in sorted(known & set(judging_roles(step))):
        for writer in sorted(known & judged_authors(step, wrote)):
            allow = how_to_allow(step, judge, writer)
            if not allow or (judge == writer and any(f"{judge!r}" in told for told in step.problems())):
                continue  # the recipe says so, or the step itself says that it is wrong
            if same_model(models[judge], models[writer]):
                wrong(
                    entry.line,
                    f"step {entry.name!r}: the role {judge!r} judges "
                    + (
                        "what it wrote itself"
                        if judge == writer
                        else f"what {writer!r} wrote, and is the same model ({model_name(models[judge])})"
                    )
                    + f"; models prefer their own answers: name another model, or set {allow} if you want it so",
                )
            elif same_name(models[judge], models[writer]):
                warn(
                    f"step {entry.name!r}: {judge!r} judges what {writer!r} wrote, and both are called "
                    f"{models[judge].model}; if one is a copy of the other, it judges its own answers"
                )


def model_name(settings: ModelSettings) -> str:
    """Return what a role's model is called, and where it is, for messages."""
    name = (
        settings.model
        or settings.local
        or getattr(settings, "transformers", None)
        or settings.scripted
        or "the only model"
    )
    return f"{name} at {', '.join(host(url) for url in settings.endpoint)}" if settings.endpoint else str(name)


def host(url: str) -> str:
    """Return the host of a URL, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2] or url
