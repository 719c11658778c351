"""Whether an answer has the form asked for: JSON that fits a schema, or a text that fits a pattern."""

import json
from functools import lru_cache
from typing import Any

from sftmill.steps.respond.verify.bounded import HELPER, Unfinished
from sftmill.steps.respond.verify.verdict import NO_ANSWER, RIGHT, Verdict
from sftmill.text.lazy import lazy_pattern

LONGEST = 200_000
"""Characters of an answer that is parsed."""
DEEPEST = 200
"""Levels of nested brackets; a schema that refers to itself goes as deep as the answer."""
SECONDS = 2.0
"""For one search of a pattern; a pattern with nested repetitions can take for ever."""

_FENCED = lazy_pattern(r"```[A-Za-z0-9]{0,12}[ \t]*\n(.*?)\n?[ \t]*```", 16)


def verify_json(text: str, schema: str = "{}") -> Verdict:
    """Check that an answer is JSON, bare or in one fenced block, that fits a JSON Schema with its formats.

    References go no further than the schema itself: nothing is fetched. Raises ValueError for a schema that is none.
    """
    validator = _validator(schema)
    blocks = _FENCED.findall(text[:LONGEST])
    if len(blocks) > 1:
        return Verdict(False, f"{len(blocks)} fenced blocks, where one was to hold the JSON")
    body = blocks[0] if blocks else text
    if not body.strip():
        return Verdict(False, NO_ANSWER)
    if len(text) > LONGEST or _depth(body) > DEEPEST:
        return Verdict(False, f"longer than {LONGEST:,} characters or nested deeper than {DEEPEST}")
    try:
        value = json.loads(body, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return Verdict(False, f"no JSON: {error}"[:200])
    try:
        fault = next(iter(validator.iter_errors(value)), None)
    except Exception as error:
        return Verdict(None, f"the schema cannot be used: {type(error).__name__}: {error}"[:200])
    if fault is None:
        return RIGHT
    return Verdict(False, f"{fault.json_path}: {fault.message}"[:200])


@lru_cache(maxsize=32)
def _validator(schema: str) -> Any:
    import jsonschema
    from referencing import Registry

    try:
        read = json.loads(schema)
        kind = jsonschema.validators.validator_for(read, default=jsonschema.Draft202012Validator)
        kind.check_schema(read)
    except (ValueError, AttributeError, TypeError, jsonschema.SchemaError) as error:
        reason = getattr(error, "message", str(error))
        raise ValueError(f"no JSON Schema: {reason}"[:300]) from error
    return kind(read, format_checker=kind.FORMAT_CHECKER, registry=Registry())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _depth(text: str) -> int:
    depth = deepest = 0
    for c in text:
        if c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def verify_regex(text: str, pattern: str, whole: bool = False) -> Verdict:
    """Check that a regular expression is found in an answer, or fits the whole of it without the spaces around it.

    The search is given up after some seconds. A faulty pattern cannot tell.
    """
    if not text.strip():
        return Verdict(False, NO_ANSWER)
    if len(text) > LONGEST:
        return Verdict(False, f"longer than {LONGEST:,} characters")
    try:
        found = HELPER.ask(SECONDS, do="search", pattern=pattern, text=text.strip(), whole=whole)
    except Unfinished as error:
        return Verdict(None, f"the pattern could not be searched for: {error}")
    return RIGHT if found else Verdict(False, f"does not fit {pattern!r}"[:200])
