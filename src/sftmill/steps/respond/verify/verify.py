"""Checks answers by rule: results, quantities, JSON, patterns, totals of tables, dates, citations."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from sftmill.core import Drop, Row, RowStep, answer
from sftmill.steps.own_code import Code, code_file, code_problems
from sftmill.steps.respond.verify.law_corpus import read_corpus
from sftmill.steps.respond.verify.verification import NO_ANSWER, check
from sftmill.steps.respond.verify.verify_form import verify_json


class Verify(RowStep):
    """Checks the answer by one rule and drops what is wrong.

    `math`: the result is that of `reference`, by value (1.5万 = 15000, 百分之五 = 0.05) or as a formula (math-verify).
    `units`: the same for a quantity, whose unit must be there. `json`: fits a JSON Schema. `regex`: fits a pattern.
    `table`: rows and columns called 合计 or total are the sums of the others. `dates`: every date is in the calendar,
    on the weekday beside it. `citations`: every article cited is in the passage, the context or `corpus`.
    `own`: a function of yours, named as `verifier: my_file.py:function`, says so.
    `verified` is true, false, or null where the rule cannot tell (no reference, no table, no date, no citation).
    Drops: `wrong_answer`, `no_answer`, `cannot_tell` (with `strict`).
    """

    reads: ClassVar[tuple[str, ...]] = ("answer",)
    may_read: ClassVar[tuple[str, ...]] = ("reference", "passage", "context", "title")
    writes: ClassVar[tuple[str, ...]] = ("verified",)

    kind: Literal["math", "units", "json", "regex", "table", "dates", "citations", "own"] = "math"
    """Which rule; `own` where `verifier` is given."""
    verifier: Annotated[str | None, Code()] = None
    """Your own rule, as my_file.py:function, the file beside the recipe: `def function(row, text)` gets the row as a
    dict and the answer, and returns True, False or None (cannot tell), or one of these and a reason. It runs that file, in
    the worker processes, so the command needs --allow-code; when the file changes, its rows are verified anew."""
    gold: str | None = Field(None, min_length=1)
    """Right answer to all rows (math, units); null = each row's `reference`."""
    schema_file: Path | None = None
    """File with the JSON Schema (json); null = any JSON will do. References to other files are not followed."""
    pattern: str | None = Field(None, min_length=1)
    """Regular expression (regex); null = each row's `reference`."""
    whole: bool = False
    """Whether the pattern must fit the whole answer instead of a part of it (regex)."""
    corpus: Path | None = None
    """Text file of the law, or a folder of .txt and .md files named by their laws' titles (citations)."""
    keep: bool = False
    """Whether wrong answers stay, with `verified` false, instead of being dropped."""
    strict: bool = False
    """Whether rows are dropped, too, about which the rule cannot tell."""

    @model_validator(mode="before")
    @classmethod
    def _own_rule(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("verifier") and "kind" not in values:
            return {**values, "kind": "own"}
        return values

    def problems(self) -> list[str]:
        """Return which settings are missing, belong to another rule, or cannot be read."""
        found = [
            f"{name}: has no meaning for kind {self.kind}; leave it out, or change kind to one of {', '.join(kinds)}"
            for name, kinds in _ONLY_FOR.items()
            if getattr(self, name) and self.kind not in kinds
        ]
        if self.kind == "own" and not self.verifier:
            found.append("verifier: kind own needs it, as my_file.py:function")
        elif self.kind == "own":
            found += code_problems("verifier", self.verifier, ("row", "text"))
        package = {"math": "math_verify", "json": "jsonschema"}.get(self.kind)
        if package and find_spec(package) is None:
            name = package.replace("_", "-")
            found.append(f"kind: {self.kind} needs the package {name}; install it with `pip install {name}`")
            return found
        try:
            self._settings()
            if self.kind == "json":
                verify_json("{}", self._schema())
        except (OSError, ValueError) as error:
            found.append(f"{error}; correct the file or its path")
        return found

    def files(self) -> tuple[Path, ...]:
        """Return the schema, the texts of the laws, and the file of the recipe's own verifier."""
        corpus = [path for path in (self.corpus,) if path]
        folders = [path for path in corpus if path.is_dir()]
        texts = [path for path in corpus if path.is_file()]
        texts += sorted(p for folder in folders for p in folder.iterdir() if p.suffix in (".txt", ".md"))
        own = [code_file(self.verifier)] if self.verifier else []
        return (*([self.schema_file] if self.schema_file else []), *texts, *own)

    def row(self, row: Row) -> Row:
        """Return the row with `verified`, or drop it."""
        text = answer(row)
        verdict = check(self.verifier or self.kind, row, text, **self._settings()) if text.strip() else None
        if verdict is None or (verdict.ok is False and verdict.why == NO_ANSWER):
            if not self.keep:
                raise Drop("no_answer")
            return {**row, "verified": False}
        if verdict.ok is None and self.strict:
            raise Drop("cannot_tell", why=verdict.why)
        if verdict.ok is False and not self.keep:
            raise Drop("wrong_answer", why=verdict.why)
        return {**row, "verified": verdict.ok}

    def _schema(self) -> str:
        return self.schema_file.read_text("utf-8") if self.schema_file else "{}"

    def _settings(self) -> dict[str, Any]:
        if self.kind == "own":
            return {}
        if self.kind == "json":
            return {"schema": self._schema()}
        if self.kind == "regex":
            return {"pattern": self.pattern, "whole": self.whole}
        if self.kind == "citations":
            return {"corpus": read_corpus(self.corpus) if self.corpus else ()}
        return {"gold": self.gold}


_ONLY_FOR = {
    "gold": ("math", "units"),
    "schema_file": ("json",),
    "pattern": ("regex",),
    "whole": ("regex",),
    "corpus": ("citations",),
    "verifier": ("own",),
}
