"""The desk that steps are handed: every question goes through the ledger, the budget and the lanes, in this order.

An answer is worked out by the same walk whether its replies come from the ledger or from a server:
a truncated one is followed by one with twice the tokens, an unparsable one by new attempts. So a
run that is repeated finds the same answers without a call.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel

from sftmill.core import Message, Reply, Row, Sampling, Step, TokenScores, answer, question, system
from sftmill.errors import (
    BadRequest,
    ContentRefused,
    LeakRefused,
    ModelError,
    RecipeError,
    Truncated,
    Unparsable,
)
from sftmill.models import measure, structured
from sftmill.models.budget import Budget
from sftmill.models.client import HttpProvider, Provider, cached_tokens, chat_replies, completion_replies, only_model
from sftmill.models.ledger import Entry, Ledger, request_key
from sftmill.models.prompt import Prompts
from sftmill.models.roles import Plan, Role, as_messages, estimate, fill_usage, upper_tokens
from sftmill.models.settings import ModelSettings

ATTEMPTS = 3
"""Times that an unparsable answer is asked for, the first included."""
WARMER = 0.3
"""Added to the temperature each time that an unparsable answer, drawn greedily, is asked for again."""

_N_REFUSED = re.compile(
    r"(?i)(^|[^\w])['\"`]?n['\"`]?( must| should| is | > |=|: |>| parameter|\s*\(|不|必须|只能)"
    r"|best_of|multiple (choices|completions)"
)
_PATHS = {"chat": "/chat/completions", "complete": "/completions"}
_PARSERS = {"chat": chat_replies, "complete": completion_replies}


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
    ):
        self.settings = dict(settings)
        self.ledger = ledger
        self.budget = budget
        self.prompts = prompts or Prompts(None)
        self.providers = dict(providers or {})
        self.roles: dict[str, Role] = {}
        self._servers: dict[str, Any] = {}
        self._flying: dict[bytes, list[asyncio.Future]] = {}

    async def start(self) -> None:
        """Make the providers, start embedded servers, and ask endpoints for their model where none is named.

        Raises RecipeError with all problems at once.
        """
        problems: list[str] = []
        for name, settings in self.settings.items():
            try:
                settings, providers = await self._providers(name, settings)
                role = self.roles[name] = Role(name, settings, providers)
                if not role.model:
                    role.model = await self._ask_model(role)
            except RecipeError as error:
                problems.extend(error.problems)
        for name, role in self.roles.items():
            if (other := role.settings.on_refusal) is not None and other not in self.settings:
                problems.append(f"role {name!r}: on_refusal names {other!r}, which is no role")
        if problems:
            await self.close()
            raise RecipeError(problems)

    async def _providers(self, name: str, settings: ModelSettings) -> tuple[ModelSettings, Sequence[Provider]]:
        if name in self.providers:
            return settings, self.providers[name]
        if settings.scripted:
            from sftmill.models.scripted import ScriptedProvider

            provider = ScriptedProvider(settings.scripted)
            told = {"model": settings.model or provider.model, "accept": settings.accept or "secret"}
            return settings.model_copy(update=told), [provider]
        if settings.local:
            from sftmill.models.local import serve

            server = self._servers.get(settings.local)
            if server is None:
                server = self._servers[settings.local] = await asyncio.to_thread(serve, settings.local)
            settings = settings.model_copy(
                update={
                    "model": settings.model or server.model,
                    "revision": settings.revision or server.revision,
                    "context": settings.context or server.context,
                    "concurrency": min(settings.concurrency, 2 * server.slots),
                    "accept": settings.accept or "secret",
                }
            )
            return settings, [HttpProvider(server.url, model=settings.model)]
        keys = []
        for variable in settings.key_env:
            if not (key := os.environ.get(variable, "").strip()):
                raise RecipeError(f"role {name!r}: the variable {variable} (key_env) is not set; export it first")
            keys.append(key)
        return settings, [
            HttpProvider(url, key, ca_file=settings.ca_file, model=settings.model)
            for url in settings.endpoint
            for key in (keys or [""])
        ]

    async def _ask_model(self, role: Role) -> str:
        provider = role.lanes.lanes[0].provider
        name = getattr(provider, "name", role.name)
        try:
            return only_model(await provider.get("/models"), name)
        except ModelError as error:
            raise RecipeError(f"role {role.name!r} names no model, and {name} did not tell its own: {error}") from None

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

    # One answer, with all that it may take --------------------------------------------------------

    async def answers(
        self,
        desk: "RowDesk",
        kind: str,
        content: Any,
        to: str,
        n: int,
        schema: type[BaseModel] | None,
        asked: Sampling | None,
    ) -> list[Reply]:
        """Return the usable answers among `n`; raises the first problem when there is none."""
        role = self.role(to)
        role.refuse_leak(desk.row)
        sampling = role.sampling(asked)
        upper = upper_tokens(kind, content)
        call = _Call(desk, role, kind, content, upper)
        replies: list[Reply] = []
        problems: list[ModelError] = []
        todo: list[tuple[Plan, int, bool, list[int]]] = [(role.plan(kind, sampling, schema), 0, False, list(range(n)))]
        while todo:
            plan, attempt, longer, samples = todo.pop(0)
            entries, came = await self._entries(call, plan, attempt, samples, problems)
            truncated: list[int] = []
            broken: list[int] = []
            for entry in entries:
                finish = entry.finish
                if finish == "refused":
                    problems.append(ContentRefused(_refused(role)))
                    continue
                if finish == "length" and not sampling.keep_truncated:
                    truncated.append(entry.sample)
                    continue
                data = None
                if schema is not None:
                    try:
                        data = structured.parse(entry.text, schema, complete=finish != "length")
                    except ValueError as error:
                        broken.append(entry.sample)
                        reason = str(error)
                        continue
                replies.append(_reply(entry, data, entry.sample not in came))
            if truncated:
                more = _doubled(role, plan.sampling, upper, entries) if not longer else None
                if more is None:
                    problems.append(Truncated(_truncated(role, plan.max_tokens)))
                else:
                    todo.append((role.plan(kind, more, schema), attempt, True, truncated))
            if broken:
                if attempt + 1 < ATTEMPTS:
                    again = plan.sampling
                    if not plan.draws or attempt:
                        again = again.model_copy(update={"temperature": sampling.temperature + WARMER * (attempt + 1)})
                    todo.append((role.plan(kind, again, schema), attempt + 1, longer, broken))
                else:
                    problems.append(Unparsable(_unparsable(role, schema, reason)))
        if replies:
            if len(replies) > 1:
                replies.sort(key=lambda r: r.sample)
            return replies
        other = role.settings.on_refusal
        if other is not None and other != to and all(isinstance(p, ContentRefused) for p in problems):
            try:
                return await self.answers(desk, kind, content, other, n, schema, asked)
            except LeakRefused:
                raise problems[0] from None
        raise problems[0]

    async def _entries(
        self, call: "_Call", plan: Plan, attempt: int, samples: list[int], problems: list[ModelError]
    ) -> tuple[list[Entry], set[int]]:
        """Return the entries of these samples and which of them came just now; what went wrong joins `problems`."""
        role = call.role
        draw = call.desk.draw if plan.draws else None
        key = request_key(
            call.kind, role.model, role.revision, call.content, plan.key_sampling, plan.schema_json,
            role.settings.extra_body, draw, attempt,
        )  # fmt: skip
        # two rows that ask the same at the same time must get the same answer, and pay once
        while (waiting := self._flying.get(key)) is not None:
            future = asyncio.get_running_loop().create_future()
            waiting.append(future)
            await future
        wanted = samples[-1] + 1
        found = self.ledger.get(key, wanted)
        if len(samples) != wanted:
            found = [entry for entry in found if entry.sample in samples]
        if len(found) == len(samples):
            role.from_ledger += len(found)
            return found, set()
        known = {entry.sample for entry in found}
        missing = [sample for sample in samples if sample not in known]
        self._flying[key] = []
        try:
            made = await self._ask(call, plan, key, missing, problems)
        finally:
            for future in self._flying.pop(key):
                if not future.done():
                    future.set_result(None)
        role.from_ledger += len(found)
        if found:
            made = sorted([*found, *made], key=lambda e: e.sample)
        return made, set(missing)

    async def _ask(
        self, call: "_Call", plan: Plan, key: bytes, samples: list[int], problems: list[ModelError]
    ) -> list[Entry]:
        """Ask the server for these samples, in one request where it can do that."""
        if len(samples) == 1:
            return await self._request(call, plan, key, samples)
        made: list[Entry] = []
        if call.role.many:
            try:
                made = await self._request(call, plan, key, samples)
            except BadRequest as error:
                if not _N_REFUSED.search(str(error)):
                    raise
                call.role.many = False
            else:
                if len(made) == 1:
                    call.role.many = False
        have = {entry.sample for entry in made}
        left = [sample for sample in samples if sample not in have]
        if not left:
            return made
        results = await asyncio.gather(
            *(self._request(call, plan, key, [sample]) for sample in left), return_exceptions=True
        )
        for result in results:
            if isinstance(result, ModelError):
                problems.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                made.extend(result)
        made.sort(key=lambda e: e.sample)
        return made

    async def _request(self, call: "_Call", plan: Plan, key: bytes, samples: list[int]) -> list[Entry]:
        """Send one request and return its entries once they are safe in the ledger."""
        role, desk, kind = call.role, call.desk, call.kind
        count = len(samples)
        native = role.native
        content, upper = call.content, call.upper
        if plan.schema is not None and not native:
            content = self._asked_in_prompt(content, plan, desk)
            upper = upper_tokens(kind, content)
        reservation = await self.budget.reserve(role.name, upper, count * plan.max_tokens)
        permit = None
        try:
            try:
                payload, replies, permit = await role.send(
                    _PATHS[kind], role.body(plan, kind, content, count), _PARSERS[kind], desk.affinity(content),
                    call.label, estimate(upper),
                )  # fmt: skip
            except ContentRefused:
                refused = [
                    Entry(key, s, "", None, "refused", 0, 0, None, role.model, role.name, desk.run_id) for s in samples
                ]
                await self.ledger.put(refused)
                return refused
            except BadRequest as error:
                if plan.schema is None or not native or role.settings.structured != "auto":
                    raise
                if not structured.is_about_form(str(error)):
                    raise
                role.native = False
            else:
                fill_usage(replies, upper)
                del replies[count:]
                cached = cached_tokens(payload)
                prompt = replies[0].prompt_tokens
                completion = sum(r.completion_tokens for r in replies) if count > 1 else replies[0].completion_tokens
                role.lanes.replied(permit, completion, prompt + completion)
                self.budget.settle(reservation, prompt, completion, cached)
                role.count(prompt, completion)
                entries = [
                    Entry(
                        key, sample, reply.text, reply.reasoning, reply.finish, reply.prompt_tokens,
                        reply.completion_tokens, orjson.dumps(reply.logprobs) if reply.logprobs else None,
                        reply.model or role.model, role.name, desk.run_id, 0.0, cached if i == 0 else 0,
                    )
                    for i, (sample, reply) in enumerate(zip(samples, replies, strict=False))
                ]  # fmt: skip
                await self.ledger.put(entries)
                return entries
        finally:
            self.budget.release(reservation)
            if permit is not None:
                role.lanes.release(permit)
        return await self._request(call, plan, key, samples)

    def _asked_in_prompt(self, messages: list[Message], plan: Plan, desk: "RowDesk") -> list[Message]:
        """Return the messages with the wish for JSON at the end of the last user turn."""
        values = {"schema": orjson.dumps(plan.schema_json).decode()}
        wish = self.prompts.render("house", "json", desk.lang, values)[0]["content"]
        made = list(messages)
        for i in range(len(made) - 1, -1, -1):
            if made[i]["role"] == "user":
                made[i] = {**made[i], "content": f"{made[i]['content']}\n\n{wish}"}
                return made
        return [*made, {"role": "user", "content": wish}]


class _Call:
    """What the requests for one answer share."""

    __slots__ = ("content", "desk", "kind", "label", "role", "upper")

    def __init__(self, desk: "RowDesk", role: Role, kind: str, content: Any, upper: int):
        self.desk = desk
        self.role = role
        self.kind = kind
        self.content = content
        self.upper = upper
        self.label = desk.step_name


def _reply(entry: Entry, data: Any, from_ledger: bool) -> Reply:
    return Reply(
        entry.text,
        entry.reasoning,
        entry.finish,
        data,
        entry.model,
        entry.prompt_tokens,
        entry.completion_tokens,
        orjson.loads(entry.logprobs) if entry.logprobs else None,
        entry.sample,
        from_ledger,
    )


def _doubled(role: Role, sampling: Sampling, upper: int, entries: list[Entry]) -> Sampling | None:
    """Return the sampling with twice the tokens, or as many as the context leaves; None when it leaves no more."""
    tokens = 2 * sampling.max_tokens
    if role.settings.context is not None:
        prompt = max((e.prompt_tokens for e in entries), default=0) or estimate(upper)
        tokens = min(tokens, role.settings.context - prompt)
    return sampling.model_copy(update={"max_tokens": tokens}) if tokens > sampling.max_tokens else None


def _refused(role: Role) -> str:
    return f"role {role.name!r}: the provider's filter refused the content; name a role in `on_refusal` to ask there"


def _truncated(role: Role, tokens: int) -> str:
    return (
        f"role {role.name!r}: the answer was cut off at {tokens} tokens; raise `max_tokens`, or switch thinking off in"
        " `extra_body`"
    )


def _unparsable(role: Role, schema: type[BaseModel], reason: str) -> str:
    return (
        f"role {role.name!r}: {ATTEMPTS} answers were no {schema.__name__} ({reason}); use a larger model, or"
        " `structured: native` where the server can do it"
    )


class _Values(Mapping):
    """What a prompt can see: values given, then the row's columns and views, then the step's settings."""

    __slots__ = ("_given", "_row", "_step")

    _VIEWS = {"question": question, "answer": answer, "system": system}  # noqa: RUF012

    def __init__(self, given: Mapping[str, Any], row: Row, step: Step | None):
        self._given = given
        self._row = row
        self._step = step

    def __getitem__(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        if name in self._row:
            return self._row[name]
        if name in self._VIEWS:
            return self._VIEWS[name](self._row)
        if self._step is not None and name in type(self._step).model_fields:
            return getattr(self._step, name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return (
            name in self._given
            or name in self._row
            or name in self._VIEWS
            or (self._step is not None and name in type(self._step).model_fields)
        )

    def __iter__(self):
        fields = type(self._step).model_fields if self._step is not None else ()
        return iter(dict.fromkeys((*self._given, *self._row, *self._VIEWS, *fields)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class RowDesk:
    """The desk of one row in one step; implements `core.Desk`."""

    __slots__ = ("_models", "row", "run_id", "step", "step_name")

    def __init__(self, models: Models, step_name: str, step: Step | None, row: Row, run_id: str):
        self._models = models
        self.step_name = step_name
        self.step = step
        self.row = row
        self.run_id = run_id

    @property
    def lang(self) -> str:
        """The language of the row's prompts."""
        return self.row.get("lang") or "zh"

    @property
    def draw(self) -> str:
        """What tells apart two rows that ask the same with chance in it."""
        return self.row.get("root") or self.row.get("id") or ""

    def affinity(self, content: Any) -> str:
        """Return what calls that share the beginning of their prompts have in common."""
        if root := self.row.get("root") or self.row.get("id"):
            return root
        return str(content if isinstance(content, str) else content[0].get("content") if content else "")[:512]

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
        return await self._models.answers(self, "chat", as_messages(prompt), to, n, schema, sampling)

    async def complete(
        self, prefix: str, *, to: str = "teacher", n: int = 1, sampling: Sampling | None = None
    ) -> list[Reply]:
        """Let the model go on from `prefix` as it stands."""
        return await self._models.answers(self, "complete", prefix, to, n, None, sampling)

    async def embed(self, texts: list[str], *, to: str = "embedder") -> list[list[float]]:
        """Turn texts into unit vectors of 32-bit precision, in the order given."""
        return await measure.embed(self._models, self, texts, to)

    async def score(self, prefix: str, continuation: str, *, to: str = "scorer") -> TokenScores:
        """Return the log-probability of each token of `continuation` after `prefix`."""
        return await measure.score(self._models, self, prefix, continuation, to)
