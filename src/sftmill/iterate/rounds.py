"""The loop itself: every round is a run of the recipe, a training, a test and a decision, each done once."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sftmill.core import Row, answer, question, turns
from sftmill.errors import RecipeError, RunError
from sftmill.flow.shards import write_atomically
from sftmill.iterate.adoption import LEAST_KEPT, Adoption, Score, decide
from sftmill.iterate.commands import Command, read_role, read_scores
from sftmill.models.settings import ModelSettings
from sftmill.recipe import Recipe
from sftmill.run import Watcher, run_recipe
from sftmill.run_directory import RunDirectory, last_rows
from sftmill.text import content_hash, normalise, tokens
from sftmill.text.diversity import distinct_pairs

STATE = "iterate.json"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    number: int
    generator: Mapping[str, Any]
    """Settings of the role that generated in this round."""
    samples: int
    """Samples that this round made, without those that earlier rounds have made already."""
    distinct: float
    """Share of distinct 2-grams in this round's questions (distinct-2)."""
    collapsing: bool
    """Whether the questions have become much more alike than in the first round."""
    adoption: Adoption
    tuned: Mapping[str, Any]
    """Settings of the model that was tuned on all samples so far."""


def iterate(
    recipe: Recipe,
    run_dir: Path,
    role: str,
    base: str,
    train: Command,
    test: Command,
    rounds: int,
    watch: Watcher | None = None,
    providers: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    told: Callable[[Round], None] = lambda done: None,
) -> list[Round]:
    """Run a recipe for so many rounds, each with the best generator so far in `role`; return what every round did.

    `base` names the model that training starts from in every round: never from a tuned one, so that errors do not
    add up (as in STaR, arXiv 2203.14465). Steps of a round that are done are not done again. `providers` makes
    scripted ones for a generator's settings, for tests. Raises RunError for a command that fails and RecipeError for a
    role that the recipe does not have.
    """
    if role not in recipe.models:
        known = ", ".join(sorted(recipe.models)) or "none"
        raise RecipeError(f"{recipe.path.name}: no role {role!r} under `models:` (there are: {known})")
    work = _Work(recipe, run_dir, role, base, train, test, watch, providers)
    with RunDirectory(run_dir).locked():
        done: list[Round] = []
        for number in range(1, rounds + 1):
            done.append(work.round(number))
            told(done[-1])
            summary = {"role": role, "base": base, "rounds": [asdict(item) for item in done]}
            RunDirectory(run_dir).write(STATE, summary)
        return done


class _Work:
    """One execution of the loop."""

    def __init__(
        self,
        recipe: Recipe,
        run_dir: Path,
        role: str,
        base: str,
        train: Command,
        test: Command,
        watch: Watcher | None,
        providers: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None,
    ):
        self.recipe = recipe
        self.run_dir = run_dir
        self.role = role
        self.base = base
        self.train = train
        self.test = test
        self.watch = watch
        self.providers = providers
        self.generator: dict[str, Any] = recipe.models[role].model_dump(mode="json", exclude_unset=True)
        self.scores: dict[str, Score] | None = None
        """What the generator so far has scored on the frozen test set."""
        self.known: set[str] = set()
        """Questions that have been made already, by content."""
        self.samples: list[bytes] = []
        self.first: list[str] = []
        """Questions of the first round."""

    def round(self, number: int) -> Round:
        """Do what is left of a round."""
        folder = self.run_dir / f"round-{number}"
        generator = self.generator
        settings = ModelSettings.model_validate(generator)
        recipe = replace(
            self.recipe,
            models={**self.recipe.models, self.role: settings},
            ledger=self.recipe.ledger or self.run_dir.parent / "ledger.sqlite",
        )
        run_recipe(recipe, folder, self.watch, self.providers(generator) if self.providers else None)
        questions = self._collect(recipe, folder)
        if not self.samples:
            raise RunError(f"round {number} has made no sample to train on; look at {folder} with `sftmill show`")
        data = folder / "train.jsonl"
        content = b"\n".join(self.samples) + b"\n"
        write_atomically(data, content)
        if self.scores is None:
            self.scores = self._test(number, "generator", generator)
        tuned = self._train(number, data, content_hash(content))
        scores = self._test(number, "tuned", tuned)
        adoption = decide(self.scores, scores)
        if adoption.adopted:
            self.generator, self.scores = tuned, scores
        distinct = distinct_pairs([tokens(text) for text in questions])
        return Round(number, generator, len(questions), distinct, self._collapses(questions), adoption, tuned)

    def _collapses(self, questions: list[str]) -> bool:
        """Tell whether questions are much more alike than as many of the first round's."""
        self.first = self.first or questions
        size = min(len(self.first), len(questions))
        first, now = (distinct_pairs([tokens(text) for text in some[:size]]) for some in (self.first, questions))
        return now < LEAST_KEPT * first

    def _collect(self, recipe: Recipe, folder: Path) -> list[str]:
        """Add the samples of a round that earlier ones have not made; return their questions."""
        questions = []
        for row in last_rows(recipe, folder):
            key = content_hash(normalise(question(row)))
            if key in self.known or not trainable(row):
                continue
            self.known.add(key)
            questions.append(question(row))
            kept = [{"role": turn["role"], "content": turn["content"]} for turn in turns(row)]
            self.samples.append(orjson.dumps({"messages": kept}))
        return questions

    def _train(self, number: int, data: Path, digest: str) -> dict[str, Any]:
        """Return the settings of the model tuned on the samples so far."""
        out = self.run_dir / f"round-{number}" / "model"
        job = {"round": number, "base": self.base, "data": str(data), "data_hash": digest, "out": str(out)}
        self._once(self.train, job, out.with_name("train.json"))
        return read_role(out)

    def _test(self, number: int, what: str, role: Mapping[str, Any]) -> dict[str, Score]:
        """Return what a generator scores on the frozen test set."""
        out = self.run_dir / f"round-{number}" / f"test-{what}"
        self._once(self.test, {"round": number, "role": dict(role), "out": str(out)}, out.with_suffix(".json"))
        return read_scores(out)

    def _once(self, command: Command, job: Mapping[str, Any], file: Path) -> None:
        """Run a command unless it has done this very job before."""
        done = file.with_suffix(".done")
        digest = content_hash(orjson.dumps([command.words, job], option=orjson.OPT_SORT_KEYS)).encode()
        if done.is_file() and done.read_bytes() == digest:
            return
        command.run(job, file)
        write_atomically(done, digest)


def trainable(row: Row) -> bool:
    """Tell whether a row may be trained on: a question with an answer that is not wrong on purpose."""
    return bool(question(row).strip() and answer(row).strip()) and row.get("polarity") != "negative"
