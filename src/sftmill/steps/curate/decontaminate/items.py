"""Items of evaluation sets: read from files or streams, with the options of multiple-choice questions apart."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sftmill.core import Row, Shards, answer, question
from sftmill.errors import RecipeError
from sftmill.steps.ingest.query_file import TEXT_NAMES
from sftmill.text.lazy import lazy_pattern

LARGEST = 500 * 1024 * 1024
"""Bytes of the largest file that is read."""
LONGEST = 50_000
"""Characters of a question or an answer that are looked for."""
QUESTION_NAMES = ("question", "prompt", "instruction", "query", "problem", "stem", "题目", "题干", *TEXT_NAMES)
"""Names of the field that holds the question, the likeliest first."""
ANSWER_NAMES = (
    "answer", "output", "reference", "solution", "response", "target", "completion", "canonical_solution",
    "答案", "解析", "参考答案", "回答",
)  # fmt: skip
INPUT_NAMES = ("input", "context_input", "输入")
OPTION_NAMES = ("options", "choices", "选项")
NAME_NAMES = ("id", "item_id", "task_id", "qid", "uid", "编号", "序号")
SET_NAMES = ("eval_set", "benchmark", "dataset", "subset")
LETTERS = "ABCDEFGHIJ"

MOST_MARKS = 100
"""Letters that may begin an option, looked at from the end of a question."""
_MARK = lazy_pattern(
    r"(?:(?:\A|\n)[ \t]{0,8}([A-J])(?=[ \t])|(?:\A|[\s(（【\[。；;,，?？])([A-J])\s?[.．、:：)）\]】])"
)
_FILE_NAME = lazy_pattern(r"\S\.[A-Za-z]{2,5}\Z")


@dataclass(frozen=True, slots=True)
class Item:
    """A question of an evaluation set."""

    set_name: str
    name: str
    """Its id, or its place in the file."""
    stem: str
    """The question without its options."""
    options: tuple[str, ...] = ()
    answer: str = ""


@dataclass(slots=True)
class ItemFile:
    """What a file or a stream gave."""

    name: str
    items: list[Item]
    unusable: int = 0
    """Lines that hold no question."""


def split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the stem and the options of a question that is written with A, B, C ...; no options where there are none.

    The last row of letters in order that begins with A counts, so that "A company" in the stem is no option.
    """
    found = list(_MARK.finditer(text))[-MOST_MARKS:]
    marks = [(match[1] or match[2], match.start(match.lastindex or 0), match.end()) for match in found]
    best: list[tuple[str, int, int]] = []
    for first in range(len(marks)):
        if marks[first][0] != "A":
            continue
        run = [marks[first]]
        for mark in marks[first + 1 :]:
            if len(run) < len(LETTERS) and mark[0] == LETTERS[len(run)]:
                run.append(mark)
        if len(run) >= 2 and len(run) >= len(best):
            best = run
    if not best:
        return text, ()
    ends = [mark[1] for mark in best[1:]] + [len(text)]
    last = text.find("\n\n", best[-1][2])
    ends[-1] = last if last >= 0 else len(text)
    options = tuple(text[mark[2] : end].strip(" \t\r\n,，;；(（[【") for mark, end in zip(best, ends, strict=True))
    stem = text[: best[0][1]].rstrip(" \t\r\n(（[【")
    return (stem, options) if stem and all(options) else (text, ())


def read_files(against: Path) -> list[ItemFile]:
    """Return the items of a JSON-lines file, of every such file of a folder, or of what `sftmill holdout` wrote.

    Raises ValueError, with the remedy, where there is nothing to read.
    """
    if not against.exists():
        raise ValueError(f"{against.name!r} is not there; check the path in the recipe")
    found = [_read_file(path) for path in item_files(against)]
    if not found:
        raise ValueError(f"{against.name!r} has no .jsonl or .json file; put the evaluation sets there")
    if not any(file.items for file in found):
        raise ValueError(
            f'{against.name!r} holds no item; a line looks like {{"question": "...", "answer": "..."}}, with "options" '
            "where there are any, or has messages"
        )
    return found


def item_files(against: Path) -> tuple[Path, ...]:
    """Return the files of items: the one given, or those of the folder, by name."""
    if against.is_dir():
        return tuple(
            sorted(path for path in against.iterdir() if path.suffix.lower() in (".jsonl", ".json", ".ndjson"))
        )
    return (against,)


def _read_file(path: Path) -> ItemFile:
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{path.name!r} has {size // 2**20} MB, more than {LARGEST // 2**20}; split it")
    made = ItemFile(path.stem, [])
    for place, record in _records(path.read_bytes()):
        item = read_item(record, path.stem, place)
        if item is None:
            made.unusable += 1
        else:
            made.items.append(item)
    return made


def _records(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the records of a file: a line each, or a list, or the sources that a holdout file names."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip()[:1] in (b"[", b"{"):
        try:
            whole = orjson.loads(data)
        except orjson.JSONDecodeError:
            whole = None
        if isinstance(whole, dict) and isinstance(whole.get("held"), list):
            yield from enumerate(map(_held, whole["held"]), 1)
            return
        if isinstance(whole, list):
            yield from enumerate(whole, 1)
            return
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError:
                yield number, None


def _held(record: Any) -> Any:
    """Return a held-out sample as an item; a held-out document is none, what is drafted from it is."""
    name = record.get("name") if isinstance(record, dict) else None
    return {"question": name} if isinstance(name, str) and not _FILE_NAME.search(name) else None


def read_rows(rows: Iterable[Row], name: str) -> ItemFile:
    """Return the items that the rows of a stream are."""
    made = ItemFile(name, [])
    for place, row in enumerate(rows, 1):
        item = read_item({**row, "eval_set": name}, name, place)
        if item is None:
            made.unusable += 1
        else:
            made.items.append(item)
    return made


def gather_items(against: Path | None, streams: Iterable[str], inputs: Mapping[str, Shards]) -> list[ItemFile]:
    """Return all items; raises RecipeError where a place holds none, so that nothing passes for clean."""
    try:
        found = read_files(against) if against is not None else []
    except (ValueError, OSError) as error:
        raise RecipeError(f"decontaminate: against: {error}") from None
    for name in streams:
        if name not in inputs or name == "rows":
            there = ", ".join(sorted(set(inputs) - {"rows"})) or "none"
            raise RecipeError(
                f"decontaminate: streams: no input {name!r} (there are: {there}); write it under the stream's `inputs:`"
            )
        found.append(read_rows(inputs[name].rows(), name))
        if not found[-1].items:
            raise RecipeError(f"decontaminate: streams: {name!r} has no row with a question; check that stream")
    return found


def read_item(record: Any, set_name: str, place: int) -> Item | None:
    """Return the item that a record holds, None where it has no question."""
    if not isinstance(record, Mapping):
        return None
    try:
        asked, said = _texts(record)
    except (KeyError, TypeError, AttributeError):
        return None
    if not asked.strip():
        return None
    options = _options(record)
    stem = asked
    if not options:
        stem, options = split_options(asked)
    name = _first(record, NAME_NAMES)
    found_set = _first(record, SET_NAMES)
    return Item(
        found_set if isinstance(found_set, str) and found_set.strip() else set_name,
        str(name)[:80] if name is not None else str(place),
        stem[:LONGEST],
        options,
        said[:LONGEST],
    )


def _texts(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the question and the answer of a record."""
    if isinstance(record.get("messages"), list):
        row = dict(record)
        return question(row) or "", answer(row) or (_text(_first(record, ANSWER_NAMES)))
    asked = _text(_first(record, QUESTION_NAMES))
    if extra := _text(_first(record, INPUT_NAMES)):
        asked = f"{asked}\n\n{extra}"
    return asked, _text(_first(record, ANSWER_NAMES))


def _first(record: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((record[name] for name in names if record.get(name) not in (None, "", [], {})), None)


def _text(value: Any) -> str:
    """Return a field as text: the first of a list of answers, a number as it is written."""
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str)), "")
    if value is None or isinstance(value, bool | dict):
        return ""
    return value if isinstance(value, str) else str(value)


def _options(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options that have fields of their own: a list, a mapping, or fields A, B, C ..."""
    given = _first(record, OPTION_NAMES)
    if isinstance(given, Mapping):
        given = given.get("text") if isinstance(given.get("text"), list) else list(given.values())
    if not isinstance(given, list):
        given = [record[letter] for letter in LETTERS if letter in record]
    texts = [str(one.get("text", "")) if isinstance(one, Mapping) else str(one) for one in given if one is not None]
    texts = [re.sub(r"\A[A-J][.．、:：)）]\s?", "", text.strip()) for text in texts]
    return tuple(text for text in texts if text) if len(texts) >= 2 else ()
