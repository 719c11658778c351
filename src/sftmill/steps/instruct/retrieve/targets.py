"""The validation set: what the rows that are chosen must be like."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from sftmill.core import Row, Shards
from sftmill.errors import RecipeError
from sftmill.steps.curate.decontaminate.items import Item, read_files, read_rows
from sftmill.steps.curate.user_text import user_text
from sftmill.text import content_hash, detect_lang

LARGEST = 200 * 1024 * 1024
"""Bytes of the largest file that is read."""
MOST = 100_000
"""Rows of a validation set: each is compared with every row of the database."""
INPUT = "validation"
"""Name under the stream's `inputs:`."""


def read_validation(file: Path | None, inputs: Mapping[str, Shards]) -> list[Row]:
    """Return the rows of the validation set that ask something; raises RecipeError where there are none."""
    if file is not None:
        rows = read_file(file)
    elif INPUT in inputs:
        rows = [row for row in inputs[INPUT].rows() if user_text(row)]
    else:
        raise RecipeError(
            "retrieve: there is no validation set; write its stream under `inputs: {validation: ...}`, or name a file "
            "under `validation`"
        )
    if not rows:
        raise RecipeError("retrieve: no row of the validation set asks anything; check its stream or file")
    if len(rows) > MOST:
        raise RecipeError(f"retrieve: the validation set has {len(rows):,} rows, more than {MOST:,}; take some of them")
    return rows


def read_file(file: Path) -> list[Row]:
    """Return the rows of a JSON-lines file, tags and all; raises RecipeError for a line that is none."""
    if file.stat().st_size > LARGEST:
        raise RecipeError(f"retrieve: validation: {file.name!r} has more than {LARGEST // 2**20} MB; take some of it")
    rows = []
    for number, line in enumerate(file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(orjson.loads(line), number))
        except (orjson.JSONDecodeError, ValueError) as error:
            raise RecipeError(
                f"retrieve: validation: {file.name}:{number}: {error}; a line looks like "
                '{"question": "...", "answer": "...", "tags": ["..."]}'
            ) from None
    return rows


def _row(record: object, number: int) -> Row:
    """Return a line as a row."""
    if not isinstance(record, dict):
        raise ValueError("is no JSON object")
    found = read_rows([record], "validation").items
    if not found:
        raise ValueError("has no question")
    item = found[0]
    asked = item.stem + "".join(f"\n{letter}. {text}" for letter, text in zip("ABCDEFGHIJ", item.options, strict=False))
    messages = [{"role": "user", "content": asked}]
    if item.answer:
        messages.append({"role": "assistant", "content": item.answer})
    tags = record.get("tags")
    named = record.get("id")
    name = str(named)[:80] if isinstance(named, str | int) else content_hash(asked, item.answer)
    row: Row = {"id": name, "lang": detect_lang(asked), "messages": messages}
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        row["tags"] = tags
    return row


def held_items(
    validation: list[Row], against: Path | None, streams: tuple[str, ...], inputs: Mapping[str, Shards]
) -> list[Item]:
    """Return what no row that is chosen may hold: the validation set and the test sets."""
    items = read_rows(validation, INPUT).items
    if against is not None:
        items += [item for file in read_files(against) for item in file.items]
    for name in streams:
        if name not in inputs or name == "rows":
            there = ", ".join(sorted(set(inputs) - {"rows"})) or "none"
            raise RecipeError(
                f"retrieve: streams: no input {name!r} (there are: {there}); write it under the stream's `inputs:`"
            )
        items += read_rows(inputs[name].rows(), name).items
    return items
