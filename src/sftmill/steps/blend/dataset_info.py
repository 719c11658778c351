"""LLaMA-Factory's dataset_info.json: what stands in it already stays, byte for byte."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.errors import RunError
from sftmill.steps.blend.row_file import write_whole
from sftmill.text.lazy import lazy_pattern

DATASET_INFO = "dataset_info.json"
"""The file in which LLaMA-Factory looks up its data sets."""

_SPACE = lazy_pattern(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    name: str
    start: int
    value: int
    end: int


class DatasetInfo:
    """The entries of a dataset_info.json, which may lie in a folder that is not ours."""

    def __init__(self, path: Path):
        """Read the file; raises RunError where it is no JSON object."""
        self.path = path
        self._text = "{}\n"
        if path.exists():
            try:
                # The bytes are decoded here, because reading as text would change the line ends.
                self._text = path.read_bytes().decode("utf-8")
                self.entries = json.loads(self._text)
            except (ValueError, RecursionError):
                self.entries = None
        else:
            self.entries: Any = {}
        if not isinstance(self.entries, dict):
            raise RunError(
                f"{path} is not a JSON object in UTF-8, so the new data sets cannot be added; "
                "mend it or move it away, and run again"
            )

    def set(self, name: str, entry: dict[str, Any] | None) -> None:
        """Add or replace an entry, or take it out where it is None; all others stay as they are written."""
        if (entry is None and name not in self.entries) or (entry is not None and self.entries.get(name) == entry):
            return
        self._text = _changed(self._text, name, entry)
        self.entries = json.loads(self._text)

    def write(self) -> None:
        """Put the file in its place."""
        write_whole(self.path, self._text.encode())


def _members(text: str) -> list[_Member]:
    """Return where each member of the object stands: its key, its value and its end."""
    members: list[_Member] = []
    at = _SPACE.match(text, text.index("{") + 1).end()  # type: ignore[union-attr]
    while text[at] != "}":
        start = at
        name, at = _DECODER.raw_decode(text, start)
        value = _SPACE.match(text, text.index(":", at) + 1).end()  # type: ignore[union-attr]
        _, end = _DECODER.raw_decode(text, value)
        members.append(_Member(name, start, value, end))
        at = _SPACE.match(text, end).end()  # type: ignore[union-attr]
        if text[at] == ",":
            at = _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
    return members


def _changed(text: str, name: str, entry: dict[str, Any] | None) -> str:
    members = _members(text)
    line = "\r\n" if "\r\n" in text else "\n"
    # The last one of two members with one name is the one that counts.
    found = next((i for i in reversed(range(len(members))) if members[i].name == name), None)
    if entry is None:
        assert found is not None
        member = members[found]
        if found + 1 < len(members):
            return text[: member.start] + text[members[found + 1].start :]
        if found:
            return text[: members[found - 1].end] + text[member.end :]
        return text[: text.index("{") + 1] + text[member.end :].lstrip()
    space = text[text.index("{") + 1 : members[0].start] if members else ""
    indent = space.rpartition("\n")[2] if "\n" in space else "  "
    # ASCII only: LLaMA-Factory opens the file in the system's own encoding.
    value = json.dumps(entry, indent=2).replace("\n", line + indent)
    if found is not None:
        return text[: members[found].value] + value + text[members[found].end :]
    added = f"{line}{indent}{json.dumps(name)}: {value}"
    if members:
        return f"{text[: members[-1].end]},{added}{text[members[-1].end :]}"
    opening = text.index("{") + 1
    return f"{text[:opening]}{added}{line}{text[opening:].lstrip()}"
