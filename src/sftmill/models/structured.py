"""JSON answers: what the server is told about their form, and how they are read, with repairs.

A repair never guesses a value. It only takes away what stands around the JSON (fences, prose),
sets quotation marks and commas right, and closes brackets that a finished answer left open.
"""

import functools
import re
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

_FENCE = re.compile(r"```[\w+-]*\s*\n?(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_WRONG_FORM = re.compile(
    r"response_format|json_schema|guided|grammar|structured|schema|xgrammar|outlines", re.IGNORECASE
)
_CLOSERS = {"{": "}", "[": "]"}
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "＂": "＂"}
_AFTER_STRING = ",:}]，：、"


@functools.lru_cache(maxsize=256)
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a pydantic model, closed to further properties."""
    return _closed(model.model_json_schema())


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(value) for name, value in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


@functools.lru_cache(maxsize=256)
def response_format(model: type[BaseModel]) -> dict[str, Any]:
    """Return the `response_format` that asks a server for this model; strict where all fields are required."""
    schema = schema_of(model)
    objects = [schema, *schema.get("$defs", {}).values()]
    strict = all(set(o.get("properties", ())) == set(o.get("required", ())) for o in objects)
    name = re.sub(r"[^\w-]", "_", model.__name__)[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": strict}}


def is_about_form(message: str) -> bool:
    """Tell whether a server's refusal is about the answer's form, so that the prompt must ask for it instead."""
    return _WRONG_FORM.search(message) is not None


def parse(text: str, model: type[BaseModel], *, complete: bool = True) -> BaseModel:
    """Return the instance that an answer holds; raises ValueError without one.

    `complete` says that the model ended by itself: only then are open brackets closed.
    """
    problem: Exception | None = None
    for candidate in candidates(text, complete=complete):
        try:
            value = orjson.loads(candidate)
        except orjson.JSONDecodeError as error:
            problem = problem or error
            continue
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problem = error
            for other in _nearly(value, model):
                try:
                    return model.model_validate(other)
                except ValidationError:
                    continue
    raise ValueError(_told(problem))


def _nearly(value: Any, model: type[BaseModel]) -> list[Any]:
    """Return what a list may stand for where an object was asked for: its one item, or the object's one field."""
    if not isinstance(value, list):
        return []
    fields = list(model.model_fields)
    return [*(value if len(value) == 1 else ()), *([{fields[0]: value}] if len(fields) == 1 else ())]


def _told(problem: Exception | None) -> str:
    if problem is None:
        return "no JSON in the answer"
    if isinstance(problem, ValidationError):
        first = problem.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the answer'}: {first['msg']}"
    return "no valid JSON in the answer"


def candidates(text: str, *, complete: bool = True):
    """Yield what may be the JSON of an answer, the likeliest first."""
    text = text.strip().removeprefix("\ufeff")
    yield text
    fenced = [m[1].strip() for m in _FENCE.finditer(text)]
    places = [*reversed(fenced), text]
    for place in places:
        seen = 0
        for opening in _OPENING.finditer(place):
            if opening.start() < seen:
                continue
            piece, end, whole = mended(place, opening.start())
            seen = end
            if whole or complete:
                yield piece


def mended(text: str, start: int) -> tuple[str, int, bool]:
    """Read JSON leniently from its opening bracket; returns (JSON, end in text, whether its brackets closed).

    Accepts single, Chinese and full-width quotation marks around strings, Chinese commas and
    colons between them, commas before a closing bracket, raw line breaks in strings, comments,
    and True, False and None.
    """
    out: list[str] = []
    stack: list[str] = []
    i, size = start, len(text)
    while i < size:
        char = text[i]
        if char in _CLOSERS:
            stack.append(_CLOSERS[char])
            out.append(char)
        elif char in "}]":
            while stack and stack[-1] != char:  # a forgotten inner bracket
                _drop_comma(out)
                out.append(stack.pop())
            _drop_comma(out)
            out.append(char)
            if stack:
                stack.pop()
            if not stack:
                return "".join(out), i + 1, True
        elif char in _QUOTES:
            piece, i, closed = _string(text, i)
            out.append(piece)
            if not closed:
                break
            continue
        elif char in "，、":
            out.append(",")
        elif char == "：":
            out.append(":")
        elif text.startswith("//", i) or char == "#":
            i = text.find("\n", i)
            if i < 0:
                break
            continue
        elif char.isalpha():
            j = i
            while j < size and (text[j].isalnum() or text[j] == "_"):
                j += 1
            word = text[i:j]
            out.append({"True": "true", "False": "false", "None": "null"}.get(word, word))
            i = j
            continue
        else:
            out.append(char)
        i += 1
    _drop_comma(out)
    if out and out[-1].rstrip() == ":":
        out.append("null")
    out.extend(reversed(stack))
    return "".join(out), size, False


def _drop_comma(out: list[str]) -> None:
    while out and not out[-1].strip():
        out.pop()
    if out and out[-1] == ",":
        out.pop()


def _string(text: str, start: int) -> tuple[str, int, bool]:
    """Read a string from its quotation mark; returns (JSON string, position after it, whether it was closed)."""
    closer = _QUOTES[text[start]]
    made: list[str] = []
    i, size = start + 1, len(text)
    while i < size:
        char = text[i]
        if char == "\\" and i + 1 < size:
            following = text[i + 1]
            if following in '"\\/bfnrt' or (following == "u" and re.match(r"[0-9a-fA-F]{4}", text[i + 2 : i + 6])):
                made.append(char + following)
            elif following == "'":
                made.append("'")
            else:
                made.append("\\\\" + following)
            i += 2
            continue
        if char == closer:
            rest = text[i + 1 : i + 40].lstrip()
            # a quotation mark inside the string, which the model did not escape, is followed by more of it
            if not rest or rest[0] in _AFTER_STRING:
                return f'"{"".join(made)}"', i + 1, True
            made.append('\\"' if char == '"' else char)
        elif char == '"':
            made.append('\\"')
        elif char < " ":
            made.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char, f"\\u{ord(char):04x}"))
        else:
            made.append(char)
        i += 1
    return f'"{"".join(made)}"', size, False
