"""What can be wrong with the settings of `respond`."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from sftmill.steps.respond.answer.terms import term_problems
from sftmill.steps.respond.verify.verify_form import verify_json

ONLY_FOR = {
    "schema_file": ("json",),
    "inline_schema": ("json",),
    "columns": ("table", "csv"),
    "numbers": ("numbers",),
    "options": ("option",),
}
"""Settings that have a meaning for some forms alone."""
NO_ROOM = ("json", "csv", "numbers", "option")
"""Forms in which no citation can stand."""


class Settings(Protocol):
    """The settings that are looked at."""

    context: str
    citations: str
    keep_prompt: bool
    glossary: Path | None
    output: str | None
    schema_file: Path | None
    inline_schema: dict[str, Any] | None
    options: tuple[str, ...]


def respond_problems(step: Settings) -> list[str]:
    """Return which settings are missing, do not go together, or name a file that cannot be used."""
    found = [
        f"{name}: has no meaning {f'for output {step.output}' if step.output else 'without output'}; leave it out, or set "
        f"output to {' or '.join(forms)}"
        for name, forms in ONLY_FOR.items()
        if getattr(step, name) and step.output not in forms
    ]
    if step.output == "option" and len(step.options) < 2:
        found.append("options: output option needs two or more; list them")
    if step.context != "none" and step.output in NO_ROOM and step.citations != "none":
        found.append(f"citations: output {step.output} has no room for them; set citations: none")
    if step.context != "none" and not step.keep_prompt and step.citations == "keep":
        found.append(
            "citations: with keep_prompt: false the row does not show the passages that they point at; set citations: strip"
        )
    if step.output == "json":
        found += _schema_problems(step)
    return [*found, *term_problems(step.glossary)]


def _schema_problems(step: Settings) -> list[str]:
    if find_spec("jsonschema") is None:
        return ["output: json needs the package jsonschema; install it with `pip install jsonschema`"]
    if step.schema_file and step.inline_schema:
        return ["inline_schema: stands beside schema_file; keep one"]
    try:
        verify_json("{}", json.dumps(read_schema(step)))
    except OSError as error:
        return [f"schema_file: {str(step.schema_file)!r} cannot be read ({error.strerror}); correct the path"]
    except ValueError as error:
        name = "schema_file" if step.schema_file else "inline_schema"
        return [f"{name}: {error}; correct it"]
    return []


def read_schema(step: Settings) -> dict[str, Any]:
    """Return the JSON Schema of the file or the recipe, an empty one where neither gives one."""
    if step.schema_file is None:
        return step.inline_schema or {}
    read = json.loads(step.schema_file.read_text("utf-8"))
    if not isinstance(read, dict):
        raise ValueError("is no JSON Schema: it must be an object")
    return read
