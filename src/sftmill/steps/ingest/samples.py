"""An existing set of samples or prompts, one JSON object a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from sftmill.core import Dropped, Message, Row, Source
from sftmill.text import detect_lang

ROLES = {"system", "user", "assistant", "tool"}


class Samples(Source):
    """Reads a JSONL file of samples or prompts.

    A line has `messages`, or `question` and maybe `answer`, or `instruction`, `input` and `output`.
    """

    writes = ("messages", "source", "lang", "sensitivity")

    file: Path
    """The JSONL file, UTF-8."""
    sensitivity: str = Field("internal", pattern="^(public|internal|secret)$")
    """Who may see these samples."""

    def problems(self) -> list[str]:
        """Return why the file cannot be read, if so."""
        return [] if self.file.is_file() else [f"file: {self.file.name!r} is not there; check the path in the recipe"]

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield a row a line; lines that are no sample are dropped with the line number."""
        with open(self.file, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                row: Row = {"source": self.file.name, "sensitivity": self.sensitivity}
                try:
                    messages = conversation(orjson.loads(line))
                except (orjson.JSONDecodeError, ValueError) as error:
                    yield Dropped(row, "unreadable", {"line": number, "error": str(error)})
                    continue
                row["messages"] = messages
                row["lang"] = detect_lang(" ".join(m["content"] for m in messages)[:2000])
                yield row


def conversation(record: Any) -> list[Message]:
    """Return the turns of a record in one of the three known forms; raises ValueError saying what is missing."""
    if not isinstance(record, dict):
        raise ValueError(f"a sample is a JSON object, not {type(record).__name__}")
    if isinstance(turns := record.get("messages"), list):
        messages = [
            {"role": turn.get("role"), "content": turn.get("content")} for turn in turns if isinstance(turn, dict)
        ]
        if len(messages) != len(turns) or not messages:
            raise ValueError("messages must be a list of objects with role and content, and not empty")
    else:
        question = record.get("question") or record.get("instruction")
        if extra := record.get("input"):
            question = f"{question}\n\n{extra}"
        answer = record.get("answer") or record.get("output")
        messages = [{"role": "user", "content": question}]
        if record.get("system"):
            messages.insert(0, {"role": "system", "content": record["system"]})
        if answer:
            messages.append({"role": "assistant", "content": answer})
    for message in messages:
        if message["role"] not in ROLES or not isinstance(message["content"], str):
            raise ValueError("every turn needs a known role and a text: give messages, or question, or instruction")
    return messages
