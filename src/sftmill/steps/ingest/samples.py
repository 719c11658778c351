"""An existing set of samples, prompts or seed tasks, one JSON object a line."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field

from sftmill.core import Drop, Dropped, Message, Row, Source
from sftmill.steps.ingest.seed_tasks import LONGEST, TEXT_FIELDS, is_seed_task, read_seed_task, seed_key
from sftmill.text import detect_lang

ROLES = {"system", "user", "assistant", "tool"}

TAKEN = ("reference", "tests", "entry_point", "passage", "rejected")
"""What verifiers, judges and checks of the source go by, taken over from a line."""
CATALOGUE = (*TEXT_FIELDS, "category", "licence")
"""What a set says of its own samples, taken over from a line, too."""
Named = Literal["task_type", "topic", "difficulty", "form", "category", "licence", "tags", "source"]


class Samples(Source):
    """Reads a JSONL file of samples, prompts or Self-Instruct seed tasks.

    A line has `messages`, or `question` and maybe `answer`, or `instruction`, `input` and `output`, or `prompt` and
    `chosen` as preference sets have them, each maybe with
    `reference`, the right answer; `tests` and `entry_point` of code; the `passage` that it is about; or a `rejected`
    answer. Or it is a seed task, with `instruction`, `instances` (a list of `input` and `output`) and
    `is_classification`. A seed task's user turn is the instruction with the input of its first instance, if it has one; `instruction` then holds
    the instruction alone, and a classification has the `task_type` "classification". `task_type`, `topic`, `difficulty`
    and `form` are taken over, and of other lines also `category`, `licence` and `tags`, a list. Seed tasks are checked; marks of the direction of writing are taken out of them.
    Drops: `unreadable`, `other_language` (with `only`), and of seed tasks `missing_field`, `wrong_field`, `overlong`,
    `reordered_text` (marks that make it look like another text), `duplicate`.
    """

    writes = ("messages", "source", "lang", "sensitivity", "instruction", "tags", *TAKEN, *CATALOGUE)

    file: Path
    """The JSONL file, UTF-8."""
    sensitivity: str = Field("internal", pattern="^(public|internal|secret)$")
    """Who may see these samples."""
    only: Literal["zh", "en"] | None = None
    """Language of the lines to take; None = both."""
    fields: dict[Named, str] = Field(default_factory=dict)
    """What the file calls them, where it has other names: `{category: domain}` fills `category` from `domain`."""
    longest: int = Field(LONGEST, ge=1)
    """Characters that the instruction of a seed task may have with its input."""

    def problems(self) -> list[str]:
        """Return why the file cannot be read, or that there is nothing in it to use."""
        if not self.file.is_file():
            return [f"file: {self.file.name!r} is not there; check the path in the recipe"]
        reasons: Counter[str] = Counter()
        for item in self.rows():
            if not isinstance(item, Dropped):
                return []
            reasons[item.reason] += 1
        found = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "no line with anything"
        return [
            f"file: {self.file.name!r} holds nothing to use ({found}); a line looks like "
            '{"instruction": "...", "instances": [{"input": "", "output": "..."}], "is_classification": false}. '
            "Correct the file and give `sftmill plan` with this recipe again"
        ]

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield a row a line; lines that are no sample are dropped with the line number."""
        seen: dict[str, int] = {}
        with open(self.file, "rb") as lines:
            for number, line in enumerate(lines, 1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if not line.strip():
                    continue
                row: Row = {"source": self.file.name, "sensitivity": self.sensitivity}
                try:
                    self._fill(row, orjson.loads(line), number, seen)
                except (orjson.JSONDecodeError, ValueError) as error:
                    yield Dropped(row, "unreadable", {"line": number, "error": str(error)})
                except Drop as drop:
                    yield Dropped(row, drop.reason, {"line": number, **drop.facts})
                else:
                    yield row

    def _fill(self, row: Row, record: Any, number: int, seen: dict[str, int]) -> None:
        """Put what a line says into its row; raises ValueError or Drop. `seen` holds the lines of earlier seeds."""
        if not is_seed_task(record):
            row["messages"] = conversation(record)
            row["lang"] = detect_lang(" ".join(m["content"] for m in row["messages"])[:2000])
            given = {name: record.get(name) for name in TAKEN} | {"rejected": _said(record.get("rejected"))}
            given |= {name: record.get(self.fields.get(name, name)) for name in CATALOGUE}
            if "source" in self.fields:
                given["source"] = record.get(self.fields["source"])
            row |= {name: value for name, value in given.items() if isinstance(value, str) and value.strip()}
            tags = record.get(self.fields.get("tags", "tags"))
            if isinstance(tags, list) and tags and all(isinstance(tag, str) for tag in tags):
                row["tags"] = tags
        else:
            task = read_seed_task(record, self.longest)
            row["messages"] = task.messages
            # the input may be in another language: a text to translate
            row["lang"] = detect_lang(task.instruction[:2000])
            if task.instruction != task.messages[0]["content"]:
                row["instruction"] = task.instruction
            row |= task.columns
        if self.only and row["lang"] != self.only:
            raise Drop("other_language", language=row["lang"], wanted=self.only)
        if is_seed_task(record):
            first = seen.setdefault(seed_key(task.instruction), number)
            if first != number:
                raise Drop("duplicate", first_line=first)


def _said(value: Any) -> Any:
    """Return the text of a turn, or of the last of several; what is none comes back as it is."""
    if isinstance(value, list) and value:
        value = value[-1]
    return value.get("content") if isinstance(value, dict) else value


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
        question = record.get("question") or record.get("instruction") or _said(record.get("prompt"))
        if isinstance(question, str) and not question.strip():
            raise ValueError("the question is empty")
        if extra := record.get("input"):
            question = f"{question}\n\n{extra}"
        answer = record.get("answer") or record.get("output") or _said(record.get("chosen"))
        messages = [{"role": "user", "content": question}]
        if record.get("system"):
            messages.insert(0, {"role": "system", "content": record["system"]})
        if answer:
            messages.append({"role": "assistant", "content": answer})
    for message in messages:
        if message["role"] not in ROLES or not isinstance(message["content"], str):
            raise ValueError("every turn needs a known role and a text: give messages, or question, or instruction")
    return messages
