"""Stored preferences as pairs to train a reward model on: read, cleaned, and split so that no question is in two parts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sftmill.core import Message, Row, answer, turns
from sftmill.errors import RunError
from sftmill.flow.shards import read_rows as read_shard
from sftmill.flow.shards import shard_files
from sftmill.text import content_hash, detect_lang, length, normalise

PARTS = ("train", "dev", "test")
"""What a row is for; the last one that a question's rows name holds for all of them."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to the same turns, the better one first."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    margin: float = 0.0
    """How much better, in log-strength (a chance to win of 3 to 1 is 1.1); 0 where nobody said."""
    groups: tuple[str, ...] = ()
    """What pairs that ask the same have in common."""
    part: str | None = None
    """train, dev or test, where the row says."""

    def talk(self, text: str) -> list[Message]:
        """Return the conversation that ends with one of the answers."""
        return [*self.prompt, {"role": "assistant", "content": text}]

    @property
    def longer(self) -> float:
        """By which share of both the better answer is longer, from -1 to 1, in characters of Chinese or words of English."""
        lang = detect_lang(f"{self.chosen} {self.rejected}")
        better, worse = length(self.chosen, lang), length(self.rejected, lang)
        return (better - worse) / max(better + worse, 1)


def read_rows(place: Path) -> list[Row]:
    """Return the rows of a JSON Lines file, of a shard, or of the folder of a run's step; raises RunError.

    Lines are rows (`messages` that end with the better answer, `rejected`, and `margin` where there is one), or what
    `export` writes as dpo for TRL (`prompt`, `chosen`, `rejected`).
    """
    if place.is_dir():
        if not (shards := shard_files(place)):
            raise RunError(
                f"{place}: holds no shards; name the folder of a step, such as runs/x/streams/rows/03-preference"
            )
        return [row for shard in shards for row in read_shard(shard)]
    if place.suffix == ".parquet":
        return read_shard(place)
    try:
        lines = place.read_bytes().splitlines()
    except OSError as error:
        raise RunError(f"{place}: cannot be read ({error.strerror}); name a file or the folder of a step") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(_as_row(orjson.loads(line)))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise RunError(
                    f"{place}:{number}: is no pair ({type(error).__name__}: {error}); a line has messages and rejected, or "
                    "prompt, chosen and rejected"
                ) from None
    return rows


def _as_row(value: Any) -> Row:
    """Return a line as a row; raises ValueError, KeyError or TypeError for one of another shape."""
    if not isinstance(value, dict):
        raise TypeError("no object")
    if isinstance(value.get("prompt"), list):
        chosen, rejected = value["chosen"][-1], value["rejected"][-1]["content"]
        value = {**value, "messages": [*value["prompt"], chosen], "rejected": rejected}
    messages = value["messages"]
    if not all(isinstance(turn["role"], str) and isinstance(turn["content"] or "", str) for turn in messages):
        raise TypeError("a turn without role or content")
    if not isinstance(value.get("rejected") or "", str):
        raise TypeError("rejected is no text")
    return value


def make_pairs(rows: Iterable[Row]) -> tuple[list[Pair], dict[str, int]]:
    """Return the pairs of the rows, each once, sorted, and how many rows were left out for which reason.

    Left out: rows without an answer or a `rejected` one (no_pair), with twice the same answer (same_answer), those that
    a person rejected (rejected_by_review), repeated ones, and those that other rows contradict.
    """
    found: dict[tuple[str, str, str], Pair] = {}
    left: Counter[str] = Counter()
    for row in rows:
        chosen, rejected = answer(row).strip(), (row.get("rejected") or "").strip()
        prompt = tuple({"role": m["role"], "content": m.get("content") or ""} for m in turns(row)[:-1])
        asked = " ".join(m["content"] for m in prompt if m["role"] == "user")
        key = (orjson.dumps(prompt).decode(), chosen, rejected)
        reason = (
            "no_pair" if not (chosen and rejected and asked.strip())
            else "same_answer" if normalise(chosen) == normalise(rejected)
            else "rejected_by_review" if row.get("reviewed") == "rejected"
            else "repeated" if key in found
            else None
        )  # fmt: skip
        if reason:
            left[reason] += 1
            continue
        letters = "".join(c for c in normalise(asked).casefold() if c.isalnum())
        groups = [content_hash("asked", letters or asked)]
        if named := row.get("query_group") or row.get("cluster"):
            groups.append(content_hash("group", named))
        part = row.get("split") if row.get("split") in PARTS else None
        found[key] = Pair(prompt, chosen, rejected, max(0.0, float(row.get("margin") or 0.0)), tuple(groups), part)
    against = [key for key in found if (key[0], key[2], key[1]) in found]
    for key in against:
        del found[key]
    if against:
        left["contradicted"] += len(against)
    return [found[key] for key in sorted(found)], dict(sorted(left.items()))


def split_pairs(pairs: Sequence[Pair], held_out: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Return (train, dev) such that no question, and no query group, is in both; what is for the test is in neither.

    Where rows say what they are for, that holds; of the questions that do not, the share `held_out` goes to dev, chosen
    by content and seed, so that a pair more or less moves no other.
    """
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while (above := root.setdefault(name, name)) != name:
            root[name] = root[above]  # the way is shorter next time
            name = above
        return name

    for pair in pairs:  # a question without a group is with the group that also asks it
        for other in pair.groups[1:]:
            first, second = sorted((find(pair.groups[0]), find(other)))
            root[second] = first
    said: dict[str, int] = {}
    for pair in pairs:
        where = find(pair.groups[0])
        said[where] = max(said.get(where, -1), PARTS.index(pair.part) if pair.part else -1)
    open_ones = sorted((name for name, part in said.items() if part < 0), key=lambda n: content_hash(str(seed), n))
    number = min(round(held_out * len(open_ones)), len(open_ones) - 1)
    dev = set(open_ones[: max(number, 0)]) | {name for name, part in said.items() if part == PARTS.index("dev")}
    test = {name for name, part in said.items() if part == PARTS.index("test")}
    places = [find(pair.groups[0]) for pair in pairs]
    train = [p for p, place in zip(pairs, places, strict=True) if place not in dev and place not in test]
    return train, [p for p, place in zip(pairs, places, strict=True) if place in dev]
