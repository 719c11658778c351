"""The user's own commands that tune and test a generator, and what they and sftmill tell each other.

A command is run with the path of a JSON file as its last argument. Training is told

    {"round": 1, "base": "...", "data": "runs/x/round-1/train.jsonl", "out": "runs/x/round-1/model"}

and writes `role.json` into `out`: what replaces the generator's settings under `models:`, such as
{"endpoint": "http://127.0.0.1:8000/v1", "model": "tuned-1", "revision": "..."}. Testing is told

    {"round": 1, "role": {...}, "out": "runs/x/round-1/test"}

and writes `scores.jsonl` there, a line for each item of the frozen test set:
{"id": "...", "score": 0.7, "well_formed": true}.
"""

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from sftmill.errors import RunError
from sftmill.flow.shards import write_atomically
from sftmill.iterate.adoption import Score
from sftmill.models.settings import ModelSettings

LAST_LINES = 8
"""Lines of a failed command's output that its error message repeats."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program of the user with its arguments, run without a shell."""

    words: tuple[str, ...]

    @classmethod
    def parse(cls, line: str) -> "Command":
        """Return the command that a line names; raises RunError for one that cannot be read."""
        try:
            words = tuple(shlex.split(line))
        except ValueError as error:
            raise RunError(f"the command {line!r} cannot be read: {error}; check its quotes") from error
        if not words:
            raise RunError("the command is empty; name a program, such as --train 'python train.py'")
        return cls(words)

    def run(self, job: Mapping[str, Any], file: Path) -> None:
        """Write the job and run the command with it; its output goes to `<file>.log`. Raises RunError if it fails."""
        Path(job["out"]).mkdir(parents=True, exist_ok=True)
        write_atomically(file, orjson.dumps(job, option=orjson.OPT_INDENT_2))
        log = file.with_suffix(".log")
        try:
            with open(log, "wb") as output:
                done = subprocess.run([*self.words, str(file)], stdout=output, stderr=subprocess.STDOUT, check=False)
        except OSError as error:
            raise RunError(f"cannot start {self.words[0]!r}: {error.strerror}; check its name and path") from error
        if done.returncode:
            told = "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-LAST_LINES:])
            raise RunError(
                f"{shlex.join(self.words)} ended with status {done.returncode}; its last lines, from {log}:\n{told}\n"
                "mend it and give the same command again: rounds that are done stay done"
            )


def read_role(folder: Path) -> dict[str, Any]:
    """Return what training says of the tuned model; raises RunError when it says nothing usable."""
    file = folder / "role.json"
    try:
        values = orjson.loads(file.read_bytes())
        ModelSettings.model_validate(values)
    except (OSError, orjson.JSONDecodeError) as error:
        raise RunError(f"training has left no readable {file}: {error}; it must say where the model answers") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise RunError(f"{file}: {where}: {first['msg']}; write settings as under `models:` in a recipe") from error
    return values


def read_scores(folder: Path) -> dict[str, Score]:
    """Return the score of every test item; raises RunError naming the line that cannot be read."""
    file = folder / "scores.jsonl"
    scores: dict[str, Score] = {}
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise RunError(f"testing has left no {file}: {error.strerror}; it must write a line for each item") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = orjson.loads(line)
            name, score = str(item["id"]), float(item["score"])
            if not isfinite(score) or name in scores:
                raise ValueError(f"item {name!r} is there twice" if name in scores else f"{score} is no score")
            scores[name] = Score(score, bool(item.get("well_formed", True)))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f'{file}:{number}: {error}; a line is {{"id": "...", "score": 0.7, "well_formed": true}}'
            ) from error
    if not scores:
        raise RunError(f"{file} has no item; a generator that was tested on nothing cannot be adopted")
    return scores
