"""The desk that steps are handed, and the models behind all desks of a run."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from sftmill.core import VIEW_OF, Message, Reply, Row, Sampling, Step, TokenScores
from sftmill.errors import RecipeError, SftmillError
from sftmill.models import classify, measure, reward, vectors
from sftmill.models.asking import Asker
from sftmill.models.budget import Budget
from sftmill.models.client import Provider
from sftmill.models.connect import ask_model, connect
from sftmill.models.ledger import Ledger
from sftmill.models.limits import Lanes
from sftmill.models.prompt import Prompts
from sftmill.models.roles import Role, as_messages
from sftmill.models.settings import ModelSettings


class Models:
    """All roles of a run, with the ledger, the budget and the prompts that they share.

    `providers` puts other providers in the place of a role's endpoints, for tests and dry runs.
    Use `start` and `close`, or `async with`.
    """

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        ledger: Ledger,
        budget: Budget,
        prompts: Prompts | None = None,
        *,
        providers: Mapping[str, Sequence[Provider]] | None = None,
        lanes: Callable[..., Any] = Lanes,
    ):
        self.settings = dict(settings)
        self.ledger = ledger
        self.budget = budget
        self.prompts = prompts or Prompts(None)
        self.providers = dict(providers or {})
        self.lanes = lanes
        """Makes the lanes of a role: its own, or some that other processes share."""
        self.roles: dict[str, Role] = {}
        self._servers: dict[str, Any] = {}
        self.vectors = vectors.Vectors(ledger)
        self.asker = Asker(self.role, ledger, budget, self.prompts)

    async def start(self) -> None:
        """Make the providers, start embedded servers, and ask endpoints for their model where none is named.

        Raises RecipeError with all problems at once.
        """
        problems: list[str] = []
        for name, settings in self.settings.items():
            try:
                if (providers := self.providers.get(name)) is None:
                    settings, providers = await connect(name, settings, self._servers, os.environ)
                role = self.roles[name] = Role(name, settings, providers, lanes=self.lanes)
                if not role.model:
                    role.model = await ask_model(role)
            except RecipeError as error:
                problems.extend(error.problems)
        for name, role in self.roles.items():
            if (other := role.settings.on_refusal) is not None and other not in self.settings:
                problems.append(f"role {name!r}: on_refusal names {other!r}, which is no role")
        if problems:
            await self.close()
            raise RecipeError(problems)

    def stop(self, error: SftmillError) -> None:
        """Send nothing more; calls under way come to their end, all others get `error`."""
        for role in self.roles.values():
            role.lanes.stop(error)

    async def close(self) -> None:
        """Close all connections and embedded servers."""
        for role in self.roles.values():
            role.lanes.close()
            for lane in role.lanes.lanes:
                with contextlib.suppress(Exception):
                    await lane.provider.close()
        for server in self._servers.values():
            await asyncio.to_thread(server.close)
        self._servers.clear()

    async def __aenter__(self) -> "Models":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def desk(self, step_name: str, step: Step | None, row: Row, run_id: str) -> "RowDesk":
        """Return the desk for one row in one step."""
        return RowDesk(self, step_name, step, row, run_id)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return, for each role, what the live display shows."""
        return {name: role.snapshot() for name, role in self.roles.items()}

    def role(self, name: str) -> Role:
        """Return a role; raises RecipeError naming those that there are."""
        try:
            return self.roles[name]
        except KeyError:
            known = ", ".join(sorted(self.roles)) or "none; were the models started?"
            raise RecipeError(f"no role {name!r} under `models:` (there are: {known})") from None


def absent_variables(settings: Mapping[str, ModelSettings]) -> list[tuple[str, str]]:
    """Return the variables for keys that are not set in this process, as (role, variable)."""
    named = ((role, variable) for role, value in settings.items() for variable in value.key_env)
    return [(role, variable) for role, variable in named if not os.environ.get(variable, "").strip()]


class _Values(Mapping):
    """What a prompt can see: values given, then the row's columns and views, then the step's settings."""

    __slots__ = ("_given", "_row", "_step")

    def __init__(self, given: Mapping[str, Any], row: Row, step: Step | None):
        self._given = given
        self._row = row
        self._step = step

    def __getitem__(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        if name in self._row:
            return self._row[name]
        if name in VIEW_OF:
            return VIEW_OF[name](self._row)
        if self._step is not None and name in type(self._step).model_fields:
            return getattr(self._step, name)
        if name in self:
            return None  # a column that this row does not have prints as nothing
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        if name in self._given or name in self._row or name in VIEW_OF:
            return True
        step = type(self._step)
        return self._step is not None and (name in step.model_fields or name in step.reads or name in step.may_read)

    def __iter__(self):
        fields = type(self._step).model_fields if self._step is not None else ()
        return iter(dict.fromkeys((*self._given, *self._row, *VIEW_OF, *fields)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class RowDesk:
    """The desk of one row in one step; implements `core.Desk`."""

    __slots__ = ("_models", "row", "run_id", "step", "step_name", "tokens")

    def __init__(self, models: Models, step_name: str, step: Step | None, row: Row, run_id: str):
        self._models = models
        self.step_name = step_name
        self.step = step
        self.row = row
        self.run_id = run_id
        self.tokens = 0
        """Tokens of the prompts and answers so far, also of those that came from the ledger."""

    @property
    def lang(self) -> str:
        """The language of the row's prompts."""
        return self.row.get("lang") or "zh"

    @property
    def draw(self) -> str:
        """What tells apart two rows that ask the same with chance in it."""
        return self.row.get("root") or self.row.get("id") or ""

    def affinity(self, content: Any) -> str:
        """Return what calls that share the beginning of their prompts have in common: the passage, or the root."""
        if passage := self.row.get("passage"):
            return passage[:512]  # all passages of a book have one root, and must not go to one replica
        if root := self.row.get("root") or self.row.get("id"):
            return root
        return str(content if isinstance(content, str) else content[0].get("content") if content else "")[:512]

    def model(self, to: str = "teacher") -> str:
        """Return the name of the model that answers for a role."""
        return self._models.role(to).model

    def prompt(self, name: str, **values: Any) -> list[Message]:
        """Render one of the step's own prompt files in the row's language."""
        return self._models.prompts.render(self.step_name, name, self.lang, _Values(values, self.row, self.step))

    async def ask(
        self,
        prompt: str | list[Message],
        *,
        to: str = "teacher",
        n: int = 1,
        schema: type[BaseModel] | None = None,
        sampling: Sampling | None = None,
    ) -> list[Reply]:
        """Ask for `n` answers to a chat; the usable ones come back, at least one."""
        return await self._models.asker.answers(self, "chat", as_messages(prompt), to, n, schema, sampling)

    async def complete(
        self, prefix: str, *, to: str = "teacher", n: int = 1, sampling: Sampling | None = None
    ) -> list[Reply]:
        """Let the model go on from `prefix` as it stands."""
        return await self._models.asker.answers(self, "complete", prefix, to, n, None, sampling)

    async def embed(self, texts: list[str], *, to: str = "embedder") -> list[list[float]]:
        """Turn a few texts into unit vectors of 32-bit precision, in the order given."""
        return (await self.vectors(texts, to=to)).tolist()

    async def vectors(self, texts: Sequence[str], *, to: str = "embedder", as_passages: bool = False) -> np.ndarray:
        """Turn texts into unit vectors, n x d in float32, in the order given."""
        return await vectors.vectors(self._models, self, texts, to, as_passages)

    async def score(self, prefix: str, continuation: str, *, to: str = "scorer") -> TokenScores:
        """Return the log-probability of each token of `continuation` after `prefix`."""
        return await measure.score(self._models, self, prefix, continuation, to)

    async def reward(self, messages: list[Message], answer: str, *, to: str = "reward", path: str = "pooling") -> float:
        """Return a reward model's score of an answer to a conversation; its scale is the model's own."""
        return await reward.reward(self._models, self, messages, answer, to, path)

    async def classify(self, text_1: str, text_2: str, *, to: str = "classifier") -> dict[str, float]:
        """Return the probability of each class that a classifier knows for two texts, such as premise and claim."""
        return await classify.classify(self._models, self, text_1, text_2, to)
