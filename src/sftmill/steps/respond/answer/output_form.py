"""A fixed form of answers: JSON of a schema, a table with given columns, numbers, one of several options."""

import csv
import io
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, RootModel

from sftmill.steps.instruct.required_form import has_form
from sftmill.steps.respond.answer.fault import Fault
from sftmill.steps.respond.verify.verify_form import verify_json
from sftmill.steps.respond.verify.verify_table import verify_table
from sftmill.text import normalise, numbers
from sftmill.text.answers import exact_match
from sftmill.text.lazy import lazy_pattern

Output = Literal["json", "table", "csv", "numbers", "option", "as_asked"]

_FENCED = lazy_pattern(r"\A```[A-Za-z0-9]{0,12}[ \t]*\n(.*?)\n?[ \t]*```\Z", 16)
_RULE = lazy_pattern(r"\|?[ \t]{0,8}:?-{1,200}:?[ \t]{0,8}(?:\|[ \t]{0,8}:?-{1,200}:?[ \t]{0,8}){0,200}\|?")
_BETWEEN_NUMBERS = lazy_pattern(r"(?:[\s,，、;；\[\]。.*•·-]|[(（]?\d{1,3}[.)、）．])*")


def in_form(text: str, output: Output | None, wanted: dict[str, Any], lang: str) -> tuple[str, list[Fault]]:
    """Return an answer as it is to be kept, without a fence around it, and what is wrong with its form (`wrong_format`).

    `wanted` has what the form needs: `schema` (JSON, a text), `columns`, `numbers` (how many, None = any), `options`, and
    `form`, the row's own (as_asked). A fact `wrong` names the fault: json, no_table, columns, cells, totals, count, beside,
    option or form; the others are what it is about.
    """
    text = text.strip()
    if output is None:
        return text, []
    fenced = _FENCED.match(text)
    body = fenced[1].strip() if fenced else text
    if output == "json":
        verdict = verify_json(body, wanted["schema"])
        return body, [] if verdict.ok else _fault(output, "json", why=verdict.why)
    if output == "option":
        found = next((one for one in wanted["options"] if exact_match(_bare(body), one)), None)
        return found or body, [] if found else _fault(output, "option", options=list(wanted["options"]), said=body[:60])
    if output == "numbers":
        return body, _number_fault(body, wanted["numbers"])
    if output == "as_asked":
        form = wanted["form"]
        return text, [] if form is None or has_form(text, form, lang) else _fault(output, "form", form=form)
    rows = _pipe_rows(body) if output == "table" else _csv_rows(body)
    return body, _table_fault(output, body, rows, wanted["columns"])


def _fault(output: str, wrong: str, **facts: Any) -> list[Fault]:
    return [Fault("wrong_format", {"output": output, "wrong": wrong, **facts})]


def _bare(text: str) -> str:
    return text.strip().strip("*`\"'“”‘’「」").rstrip("。.")


def _number_fault(text: str, wanted: int | None) -> list[Fault]:
    """Return what is wrong with a list of numbers: it holds anything else, or is too long or too short."""
    found = [number for number in numbers(text) if number.unit != "label"]
    at, beside = 0, []
    for number in found:
        beside.append(text[at : number.start])
        at = number.end
    beside.append(text[at:])
    stray = next((piece.strip() for piece in beside if not _BETWEEN_NUMBERS.fullmatch(piece)), "")
    if stray:
        return _fault("numbers", "beside", text=stray[:60])
    if not found or (wanted is not None and len(found) != wanted):
        return _fault("numbers", "count", wanted=wanted, found=len(found))
    return []


def _pipe_rows(text: str) -> list[list[str]] | None:
    """Return the cells of a text that is nothing but one Markdown table, header first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < 3 or not all("|" in line for line in lines) or not _RULE.fullmatch(lines[1]):
        return None
    return [_cells(line) for at, line in enumerate(lines) if at != 1]


def _cells(line: str) -> list[str]:
    hidden = line.replace("\\|", "\x00").removeprefix("|").removesuffix("|")
    return [cell.replace("\x00", "|").strip() for cell in hidden.split("|")]


def _csv_rows(text: str) -> list[list[str]] | None:
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error:
        return None
    return [[cell.strip() for cell in row] for row in rows] if len(rows) > 1 else None


def _table_fault(output: str, text: str, rows: list[list[str]] | None, columns: Sequence[str]) -> list[Fault]:
    if rows is None:
        return _fault(output, "no_table", columns=list(columns))
    head = [normalise(cell.strip("*")) for cell in rows[0]]
    if columns and head != [normalise(name) for name in columns]:
        return _fault(output, "columns", columns=list(columns), found=rows[0][:20])
    uneven = next((at for at, row in enumerate(rows[1:], 1) if len(row) != len(head)), None)
    if uneven:
        return _fault(output, "cells", row=uneven, wanted=len(head), found=len(rows[uneven]))
    verdict = verify_table(text) if output == "table" else None
    return _fault(output, "totals", why=verdict.why) if verdict and verdict.ok is False else []


def schema_text(schema: dict[str, Any] | None) -> str:
    """Return a JSON Schema as it is shown and verified; without one any JSON will do."""
    return json.dumps(schema or {}, ensure_ascii=False)


@lru_cache(maxsize=32)
def answer_model(schema: str) -> type[BaseModel] | None:
    """Return a model that makes servers write along a JSON Schema, None where they mostly cannot: no object at its top.

    It takes any JSON: whether that fits the schema is for `verify_json` to say.
    """
    read = json.loads(schema)
    if read.get("type") != "object" or not isinstance(read.get("properties"), dict):
        return None
    if not all(isinstance(one, dict) for one in (read.get("$defs") or {}).values()):
        return None

    class Answer(RootModel[Any]):
        """The answer; its form is the recipe's."""

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            """Return the recipe's schema."""
            return json.loads(schema)

    return Answer
