"""Templates: questions whose numbers are drawn, and whose answers are computed."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

import orjson
from pydantic import Field

from sftmill.core import Dropped, Row, Source, answered, asked
from sftmill.errors import RecipeError
from sftmill.steps.instruct.templates.template_grammar import ENUMERATED, Drawing, Template, read_templates

TRIED = 50
"""Instances of each template that are made before a run, to see whether all can be computed."""


class Templates(Source):
    """Fills templates: typed slots with ranges, steps and units, and answers that are computed, never generated.

    The hybrid of template and model that Self-Instruct's followers use; `reword` behind it varies the wording and
    checks that no value gets lost. The grammar is a YAML file (see `template_grammar`): patterns with {slots} of
    type int, decimal, percent, money, date, choice or term; conditions between slots; expressions in decimal
    arithmetic for the answer, a half rounded up. Each combination of values is used once. `slots` tells what was
    filled in, as JSON: name to {type, text, value}. The same file and seed always give the same rows, and a greater
    count only adds to them.
    Drops: `no_more_combinations` (one row a template that has too few of them), `not_computable`.
    """

    writes: ClassVar[tuple[str, ...]] = (
        "messages", "slots", "method", "lang", "source", "sensitivity", "topic", "task_type", "difficulty", "form",
    )  # fmt: skip

    file: Path
    """The grammar: a YAML file of at most 1 MiB."""
    count: int = Field(100, ge=1, le=100_000)
    """Instances of each template."""
    seed: int = 0
    """Another number draws other values."""
    sensitivity: str = Field("internal", pattern="^(public|internal|secret)$")
    """Who may see the templates and what is made of them."""

    def files(self) -> tuple[Path, ...]:
        """Return the grammar, which decides the rows."""
        return (self.file,)

    def problems(self) -> list[str]:
        """Return what is wrong with the grammar, what cannot be computed, and which template has too few combinations."""
        try:
            templates = read_templates(self.file)
        except RecipeError as error:
            return [f"file: {problem}" for problem in error.problems]
        found = []
        for template in templates:
            drawing = Drawing(template, self.seed)
            wanted = self.count if template.combinations() <= ENUMERATED else min(self.count, TRIED)
            try:
                made = sum(1 for _ in islice(drawing.instances(wanted), wanted))
            except ValueError as error:
                found.append(
                    f"file: {self.file.name}: template {template.name!r} {error}; correct it, or add a `where`"
                )
                continue
            if made < wanted:
                found.append(
                    f"count: {self.count:,} instances wanted, but template {template.name!r} of {self.file.name} has only "
                    f"{made:,} combinations that meet its conditions; lower count, or widen its slots"
                )
        return found

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield a row an instance, template by template."""
        for template in read_templates(self.file):
            made = 0
            base = self._base(template)
            try:
                for instance in Drawing(template, self.seed).instances(self.count):
                    made += 1
                    slots = orjson.dumps(instance.places).decode()
                    yield {**answered(asked({}, instance.question), instance.answer), **base, "slots": slots}
            except ValueError as error:
                yield Dropped(base, "not_computable", {"template": template.name, "error": str(error)})
                continue
            if made < self.count:
                yield Dropped(base, "no_more_combinations", {"template": template.name, "made": made})

    def _base(self, template: Template) -> Row:
        """Return what all rows of a template have in common."""
        named = {name: getattr(template, name) for name in ("topic", "task_type", "difficulty", "form")}
        return {
            "source": f"{self.file.name}#{template.name}",
            "lang": template.language(),
            "method": "templates",
            "sensitivity": self.sensitivity,
            **{name: value for name, value in named.items() if value},
        }
