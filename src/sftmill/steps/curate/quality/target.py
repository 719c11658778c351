"""The texts of a target: read from files or from the streams that a recipe names as inputs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sftmill.core import Row, Shards
from sftmill.errors import RecipeError
from sftmill.steps.curate.decontaminate.items import item_files, read_files
from sftmill.steps.curate.dedup.texts import By


def target_problems(target: Path | None, streams: tuple[str, ...]) -> list[str]:
    """Return why there is no target."""
    if target is None and not streams:
        return ["nothing to be like; name a file or a folder under `target`, or inputs in `streams`"]
    if target is not None:
        try:
            read_files(target)
        except (ValueError, OSError) as error:
            return [f"target: {error}"]
    return []


def target_files(target: Path | None) -> tuple[Path, ...]:
    """Return the target's files."""
    return item_files(target) if target is not None else ()


def target_rows(target: Path | None, streams: Iterable[str], inputs: Mapping[str, Shards], by: By) -> list[Row]:
    """Return the target's rows; raises RecipeError where a place holds none."""
    try:
        files = read_files(target) if target is not None else []
    except (ValueError, OSError) as error:
        raise RecipeError(f"dsir: target: {error}") from None
    found = [_as_row(item.stem, item.options, item.answer, by) for file in files for item in file.items]
    for name in streams:
        if name not in inputs or name == "rows":
            there = ", ".join(sorted(set(inputs) - {"rows"})) or "none"
            raise RecipeError(
                f"dsir: streams: no input {name!r} (there are: {there}); write it under the stream's `inputs:`"
            )
        rows = [{key: row.get(key) for key in ("messages", "passage")} for row in inputs[name].rows()]
        if not rows:
            raise RecipeError(f"dsir: streams: {name!r} has no rows; check that stream")
        found += rows
    return found


def _as_row(stem: str, options: tuple[str, ...], answer: str, by: By) -> Row:
    asked = "\n".join((stem, *options))
    messages = [{"role": "user", "content": asked}, *([{"role": "assistant", "content": answer}] if answer else ())]
    return {"messages": messages, "passage": asked if by == "passage" else None}
