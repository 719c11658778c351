"""Checks a judge on pairs that people have judged, before it is let at a run's rows."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sftmill.core import AskStep, Drop, Row
from sftmill.errors import AccountError, ModelError, RecipeError
from sftmill.event_loop import run_loop
from sftmill.flow.shards import write_atomically
from sftmill.judge_measures import DETECTED, SHARES, Judged, human_kappa, measure_pairs
from sftmill.models.budget import Budget
from sftmill.models.desk import Models
from sftmill.models.ledger import Ledger
from sftmill.models.prompt import Prompts
from sftmill.recipe import Recipe
from sftmill.steps.respond.judge.judge import Judge
from sftmill.steps.respond.judge.judge_pairs import JudgePairs
from sftmill.text import content_hash, detect_lang

AT_ONCE = 64
"""Pairs on their way at once."""
LONGEST_LINE = 10_000_000
"""Bytes of a line that are read."""
TIE = 0.1
"""Difference of two grades up to which the answers are equal (MT-Bench)."""
FEW = 200
"""Labelled pairs below which the figures are coarse."""
CONSISTENCY, KAPPA = 0.8, 0.4
"""Floors: share of verdicts that do not depend on the seat, and agreement with people beyond chance where it is not
known how well people agree among themselves (above 0.4 it is moderate, Landis & Koch 1977)."""
BELOW_HUMAN = 0.1
"""How far below the agreement of people among themselves a judge's may be."""
LEAST_JUDGED = 0.9
"""Share of the pairs that must have come to a verdict."""


class LabelledPair(BaseModel):
    """A line of a labelled set: a request, two answers, and which of them people prefer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = ""
    source: str = ""
    lang: str | None = None
    instruction: str = Field(min_length=1)
    input: str | None = None
    a: str
    b: str
    preferred: str = Field(pattern="^(a|b|tie)$")
    votes: tuple[int | str, ...] | None = None
    """What each annotator said, in any code."""
    model_a: str | None = None
    model_b: str | None = None
    reference: str | None = None
    passage: str | None = None

    @field_validator("id", "source", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else str(value)

    def row(self, sensitivity: str) -> Row:
        """Return the pair as a row, with answer a at its end and b as the rejected one."""
        asked = f"{self.instruction}\n\n{self.input}" if self.input else self.instruction
        name = content_hash("pair", asked, self.a, self.b)
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": self.a}]
        return {
            "id": name, "root": name, "lang": self.lang if self.lang in ("zh", "en") else detect_lang(asked),
            "sensitivity": sensitivity, "messages": turns, "rejected": self.b,
            "reference": self.reference, "passage": self.passage,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Floors:
    """What a judge must reach; None for kappa: people's own agreement less 0.1, or 0.4 where that is not known."""

    consistency: float = CONSISTENCY
    kappa: float | None = None
    judged: float = LEAST_JUDGED


def read_pairs(path: Path, limit: int | None = None) -> tuple[list[LabelledPair], list[str]]:
    """Return the pairs of a JSONL file, and what could not be read, by line.

    `limit` takes so many, always the same ones, spread over the file. Raises RecipeError where none can be used.
    """
    pairs: list[LabelledPair] = []
    problems: list[str] = []
    try:
        for number, line in _lines(path):
            try:
                pair = LabelledPair.model_validate(orjson.loads(line))
            except (orjson.JSONDecodeError, ValidationError) as error:
                what = error.errors()[0] if isinstance(error, ValidationError) else None
                told = f"{'.'.join(map(str, what['loc']))}: {what['msg']}" if what else "is no JSON object"
                problems.append(f"{path.name}:{number}: {told}")
            else:
                pairs.append(pair if pair.id else pair.model_copy(update={"id": f"line {number}"}))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); name a JSONL file of labelled pairs") from None
    if not pairs:
        raise RecipeError(
            f"{path}: no line can be used ({problems[0] if problems else 'it is empty'}); a line looks like "
            '{"instruction": "...", "a": "...", "b": "...", "preferred": "a"}, with a, b or tie'
        )
    if limit is not None and limit < len(pairs):
        chosen = sorted(range(len(pairs)), key=lambda i: content_hash("limit", pairs[i].id, str(i)))[:limit]
        pairs = [pairs[i] for i in sorted(chosen)]
    return pairs, problems


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if line.strip():
                yield number, line


def check_judge(
    recipe: Recipe,
    labelled: Path,
    run_dir: Path,
    *,
    role: str | None = None,
    grades: bool = False,
    limit: int | None = None,
    floors: Floors | None = None,
    sensitivity: str = "internal",
    report: Path | None = None,
    providers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Let a recipe's judge judge labelled pairs, and return what that shows (see `measure_pairs`), with a verdict.

    The settings are those of the recipe's own step `judge_pairs` (with `grades` of `judge`, which grades each answer
    by itself), where it has one. Answers go to the ledger of the recipe's runs. `report` is written as JSON, for the setting
    `check` of the judging steps. Every pair ends as a verdict, as missing, or as a failure with its error's name.
    Raises RecipeError for a role or a file that cannot be used.
    """
    if recipe.problems:
        raise RecipeError([f"{recipe.line(line)}: {text}" for line, text in recipe.problems])
    step = judging_step(recipe, role, grades)
    unknown = [one for one in step.roles() if one not in recipe.models]
    if unknown:
        known = ", ".join(sorted(recipe.models)) or "none"
        raise RecipeError(f"no role {unknown[0]!r} under `models:` (there are: {known}); name one with --role")
    if problems := step.problems():
        raise RecipeError(problems)
    pairs, skipped = read_pairs(labelled, limit)
    judged, models = run_loop(_judge_all(recipe, run_dir, step, pairs, sensitivity, providers))
    made = summarise(judged, [pair.votes for pair in pairs if pair.votes], floors or Floors())
    made |= {
        "judges": {one: models[one] for one in step.roles()},
        "step": {"name": "judge" if grades else "judge_pairs", **step.model_dump(mode="json")},
        "labels": {"file": labelled.name, "skipped": skipped},
    }
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(report, orjson.dumps(made, option=orjson.OPT_INDENT_2))
    return made


def judging_step(recipe: Recipe, role: str | None, grades: bool) -> Judge | JudgePairs:
    """Return the recipe's judging step, or a new one, such that it keeps all pairs and waits for no report."""
    kind = Judge if grades else JudgePairs
    steps = [entry.step for stream in recipe.streams.values() for entry in stream.steps if isinstance(entry.step, kind)]
    found = next((step for step in steps if role is None or step.to == role), kind(**({"to": role} if role else {})))
    free = {"least": None, "missing": "keep"} if grades else {"keep": "all"}
    return found.model_copy(update={"check": None, **free})


def summarise(judged: Sequence[Judged], votes: Sequence[Sequence[Any]], floors: Floors) -> dict[str, Any]:
    """Return the report: figures over all and by source, the floors, and whether the judge reaches them."""
    overall = measure_pairs(judged)
    human = human_kappa(votes)
    least = floors.kappa if floors.kappa is not None else KAPPA if human is None else round(human - BELOW_HUMAN, 4)
    short = []
    if overall["judged"] < floors.judged * overall["pairs"]:
        short.append(
            f"{overall['judged']} of {overall['pairs']} pairs came to a verdict, fewer than {floors.judged:.0%}"
        )
    if overall["consistency"] is not None and overall["consistency"] < floors.consistency:
        short.append(f"swap consistency {overall['consistency']:.3f} is below {floors.consistency:g}")
    if overall["kappa"] is None or overall["kappa"] < least:
        told = "cannot be had" if overall["kappa"] is None else f"{overall['kappa']:.3f} is below {least:g}"
        short.append(f"kappa with the labels {told}")
    return {
        "passed": not short,
        "short": short,
        "notes": notes(overall),
        "floors": {"consistency": floors.consistency, "kappa": least, "judged": floors.judged},
        "human_kappa": None if human is None else round(human, 4),
        "overall": overall,
        "sources": {
            source: measure_pairs([one for one in judged if one.source == source])
            for source in sorted({one.source for one in judged})
        },
        "unjudged": [
            {"id": one.id, "source": one.source, "why": one.failure or one.why} for one in judged if one.share is None
        ],
    }


def notes(overall: Mapping[str, Any]) -> list[str]:
    """Return in words what the figures show beside the floors."""
    found = []
    slope, error = overall["length_slope"], overall["length_slope_error"]
    if slope is not None and abs(slope) > DETECTED * (error or 0) and abs(slope) > 0.1:
        found.append(
            f"the judge prefers {'longer' if slope > 0 else 'shorter'} answers more than people do ({slope:+.2f})"
        )
    seat = overall["first_seat"]
    if seat is not None and abs(seat - 0.5) > 0.1:
        found.append(f"seat {'A' if seat > 0.5 else 'B'} wins {max(seat, 1 - seat):.0%} of the games; 50% is fair")
    own = overall["self_preference"]
    if own is not None and own > 0.1 and overall["own_pairs"] >= 20:
        found.append(f"the judge prefers its own answers more than people do ({own:+.2f})")
    if overall["pairs"] < FEW:
        found.append(f"{overall['pairs']} pairs are few; {FEW} or more give useful figures")
    return found


async def _judge_all(
    recipe: Recipe,
    run_dir: Path,
    step: Judge | JudgePairs,
    pairs: Sequence[LabelledPair],
    sensitivity: str,
    providers: Mapping[str, Any] | None,
) -> tuple[list[Judged], dict[str, str]]:
    """Return the judged pairs in their order, and the model behind each role."""
    wanted = {name for name in step.roles()}
    wanted |= {recipe.models[name].on_refusal for name in wanted if recipe.models[name].on_refusal}
    settings = {name: value for name, value in recipe.models.items() if name in wanted}
    path = recipe.ledger or run_dir.parent / "ledger.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Ledger.open(path) as ledger:
        budget = Budget(recipe.budget, {name: value.price for name, value in settings.items()})
        async with Models(settings, ledger, budget, Prompts(recipe.prompts), providers=providers) as models:
            door = asyncio.Semaphore(AT_ONCE)
            names = {role: models.role(role).model for role in step.roles()}

            async def one(pair: LabelledPair) -> Judged:
                async with door:
                    return await _judge_one(models, step, pair, sensitivity, names)

            tasks = [asyncio.create_task(one(pair)) for pair in pairs]
            try:
                return list(await asyncio.gather(*tasks)), names
            finally:
                for task in tasks:
                    task.cancel()


async def _judge_one(
    models: Models, step: Judge | JudgePairs, pair: LabelledPair, sensitivity: str, names: Mapping[str, str]
) -> Judged:
    row = pair.row(sensitivity)
    known: dict[str, Any] = {
        "id": pair.id, "source": pair.source, "label": SHARES[pair.preferred],
        "lengths": (len(pair.a), len(pair.b)), "own": _own(pair, set(names.values())),
    }  # fmt: skip
    try:
        if isinstance(step, JudgePairs):
            met = await step.meet(row, models.desk("judge_pairs", step, row, "judge-check"), pair.a, pair.b)
            return Judged(**known, share=met.share, why=met.why, games=met.games)
        scores = await asyncio.gather(*(_grade(models, step, row, text) for text in (pair.a, pair.b)))
    except AccountError:
        raise  # no other pair would fare better
    except (ModelError, Drop) as error:
        return Judged(**known, share=None, failure=error.reason if isinstance(error, Drop) else type(error).__name__)
    if None in scores:
        return Judged(**known, share=None, why="missing")
    gap = scores[0] - scores[1]
    share = 0.5 if abs(gap) <= TIE + 1e-9 else float(gap > 0)
    return Judged(**known, share=share, why="tie" if share == 0.5 else "agree")


async def _grade(models: Models, step: AskStep, row: Row, text: str) -> float | None:
    row = {**row, "messages": [*row["messages"][:-1], {"role": "assistant", "content": text}]}
    return (await step.row(row, models.desk("judge", step, row, "judge-check")))["score"]


def _own(pair: LabelledPair, judges: set[str]) -> float | None:
    """Return 1 where a judging model wrote answer a alone, 0 where b alone."""
    mine = [
        bool(name) and any(name.casefold() == one.casefold() for one in judges) for name in (pair.model_a, pair.model_b)
    ]
    return None if mine[0] == mine[1] else float(mine[0])
