"""Writes docs/reference.md from the code: steps with their settings, columns, recipe settings, commands.

python docs/make_reference.py            writes it
python docs/make_reference.py --check    fails when it is out of date
"""

import ast
import inspect
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

from sftmill.cli import app
from sftmill.columns import COLUMNS, VIEWS
from sftmill.core import shape
from sftmill.models.settings import BudgetSettings, ModelSettings, Price
from sftmill.recipe import RunSettings
from sftmill.steps import STEPS

TARGET = Path(__file__).parent / "reference.md"


def explanations(cls: type) -> dict[str, str]:
    """Return the docstring below each field of a class and of those it derives from."""
    found: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if owner.__module__.startswith("sftmill"):
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body
            for field, text in pairwise(body):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                ):
                    found[field.target.id] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return found


def default(value: object) -> str:
    """Return a field's default as it would stand in YAML."""
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value)


def settings(cls: type[BaseModel]) -> list[str]:
    """Return a table of a class's fields."""
    if not cls.model_fields:
        return []
    explained = explanations(cls)
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, info in cls.model_fields.items():
        value = info.default_factory() if info.default_factory else info.default
        meaning = explained.get(name, "").replace("|", "\\|")
        lines.append(f"| `{name}` | {default(value)} | {meaning} |")
    return [*lines, ""]


def steps() -> list[str]:
    """Return the chapter about steps."""
    lines = ["## Steps", ""]
    for name, cls in STEPS.items():
        summary = inspect.cleandoc(cls.__doc__ or "")
        lines += [f"### {name}", "", summary, ""]
        reads, writes = ", ".join(cls.reads) or "nothing", ", ".join(cls.writes) or "nothing"
        lines += [f"Shape: {shape(cls)}. Reads: {reads}. Writes: {writes}.", ""]
        if cls.prompts:
            files = ", ".join(f"`prompts/{name}/{prompt}.<zh\\|en>.md`".replace("\\|", "|") for prompt in cls.prompts)
            lines += [f"Prompts: {files}.", ""]
        lines += settings(cls)
    return lines


def commands() -> list[str]:
    """Return the chapter about the command line."""
    lines = ["## Commands", "", "| command | what it does |", "| --- | --- |"]
    for name, command in sorted(get_command(app).commands.items()):
        children = getattr(command, "commands", None)
        if children:
            lines += [
                f"| `sftmill {name} {sub}` | {c.get_short_help_str(200)} |" for sub, c in sorted(children.items())
            ]
        else:
            lines.append(f"| `sftmill {name}` | {command.get_short_help_str(200)} |")
    return [*lines, ""]


def reference() -> str:
    """Return the whole reference."""
    lines = ["# Reference", "", "Made from the code by `make docs`; do not edit.", ""]
    lines += steps()
    lines += [
        "## Recipe",
        "",
        "Top level: `name`, `lang`, `models`, `budget`, `run`, `prompts`, `ledger`, `streams`, `finish`.",
        "",
        "A stream is a list of steps, or a mapping with `from`, `where`, `inputs` and `steps`. `finish` is one, too; where "
        "it names no streams by `from`, it takes all but those that others only look into (`inputs`), such as a "
        "validation set.",
        "",
    ]
    chapters = {"models.ROLE": ModelSettings, "models.ROLE.price": Price, "budget": BudgetSettings, "run": RunSettings}
    for title, cls in chapters.items():
        lines += [f"### {title}", "", inspect.cleandoc(cls.__doc__ or ""), "", *settings(cls)]
    lines += ["## Columns", "", "| column | type | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {column.type} | {column.meaning} |" for name, column in COLUMNS.items()]
    lines += ["", "Views, which live in `messages`:", "", "| view | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in VIEWS.items()]
    lines += ["", *commands()]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the reference, or check that it is up to date."""
    text = reference()
    if "--check" in sys.argv:
        if not TARGET.is_file() or TARGET.read_text("utf-8") != text:
            sys.exit(f"{TARGET.name} is out of date: run `make docs`")
        return
    TARGET.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
