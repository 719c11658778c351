"""One question from ledger to server and back: what is missing is asked, what is unusable is asked again.

An answer is worked out by the same walk whether its replies come from the ledger or from a server:
a truncated one is followed by one with twice the tokens, an unparsable one by new attempts. So a
run that is repeated finds the same answers without a call.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Protocol

import orjson
from pydantic import BaseModel

from sftmill.core import Message, Reply, Row, Sampling
from sftmill.errors import BadRequest, ContentRefused, LeakRefused, ModelError, Truncated, Unparsable
from sftmill.models import structured
from sftmill.models.budget import Budget
from sftmill.models.client import cached_tokens, chat_replies, completion_replies
from sftmill.models.ledger import Entry, Ledger, request_key
from sftmill.models.prompt import Prompts
from sftmill.models.roles import Plan, Role, estimate, fill_usage, upper_tokens
from sftmill.models.shared import SharedLedger

ATTEMPTS = 3
"""Times that an unparsable answer is asked for, the first included."""
WARMER = 0.3
"""Added to the temperature each time that an unparsable answer, drawn greedily, is asked for again."""

_N_REFUSED = re.compile(
    r"(?i)(^|[^\w])['\"`]?n['\"`]?( must| should| is | > |=|: |>| parameter|\s*\(|不|必须|只能)"
    r"|best_of|multiple (choices|completions)|only one (completion )?choice"
)
_PATHS = {"chat": "/chat/completions", "complete": "/completions"}
_PARSERS = {"chat": chat_replies, "complete": completion_replies}


class Asking(Protocol):
    """What is known of the row and step that ask."""

    row: Row
    run_id: str
    step_name: str
    tokens: int
    """Grows by those of every prompt and answer that is used."""
    lang: str
    draw: str

    def affinity(self, content: Any) -> str:
        """Return what calls that share the beginning of their prompts have in common."""


class Asker:
    """Answers questions with the roles, ledger, budget and prompts of a run."""

    def __init__(self, role: Callable[[str], Role], ledger: Ledger | SharedLedger, budget: Budget, prompts: Prompts):
        self.role = role
        self.ledger = ledger
        self.budget = budget
        self.prompts = prompts
        self.meter: Callable[[str, list[Entry]], None] | None = None
        """Told the role and the entries of every answer that is used, also of those that come from the ledger."""
        self.claim = ledger.claim if isinstance(ledger, SharedLedger) else None
        """Where several processes share a ledger: looks an answer up, after any other process that asks for it."""
        self.flying: dict[bytes, list[asyncio.Future]] = {}
        """Keys that are being asked for, with those who wait for the same answer."""

    async def answers(
        self,
        desk: Asking,
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
            desk.tokens += sum(entry.prompt_tokens + entry.completion_tokens for entry in entries)
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
        while (waiting := self.flying.get(key)) is not None:
            future = asyncio.get_running_loop().create_future()
            waiting.append(future)
            await future
        wanted = samples[-1] + 1
        found: list[Entry] = []
        if self.claim is None:
            found = _of(samples, self.ledger.get(key, wanted))
            if len(found) == len(samples):
                return self._from_ledger(role, found)
        self.flying[key] = []
        try:
            if self.claim is not None:  # other processes may be asking the same
                found = _of(samples, await self.claim(key, wanted, samples))
                if len(found) == len(samples):
                    return self._from_ledger(role, found)
            known = {entry.sample for entry in found}
            missing = [sample for sample in samples if sample not in known]
            try:
                made = await self._ask(call, plan, key, missing, problems)
            finally:
                if self.claim is not None:
                    self.ledger.unclaim(key)
        finally:
            for future in self.flying.pop(key):
                if not future.done():
                    future.set_result(None)
        role.from_ledger += len(found)
        if self.meter:
            self.meter(role.name, [*found, *made])
        if found:
            made = sorted([*found, *made], key=lambda e: e.sample)
        return made, set(missing)

    def _from_ledger(self, role: Role, found: list[Entry]) -> tuple[list[Entry], set[int]]:
        """Account for answers that are all there already."""
        role.from_ledger += len(found)
        if self.meter:
            self.meter(role.name, found)
        return found, set()

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

    def _asked_in_prompt(self, messages: list[Message], plan: Plan, desk: Asking) -> list[Message]:
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

    def __init__(self, desk: Asking, role: Role, kind: str, content: Any, upper: int):
        self.desk = desk
        self.role = role
        self.kind = kind
        self.content = content
        self.upper = upper
        self.label = desk.step_name


def _of(samples: list[int], found: list[Entry]) -> list[Entry]:
    """Return those answers that are among `samples`, which are sorted."""
    if not found or len(samples) == samples[-1] + 1:
        return found
    return [entry for entry in found if entry.sample in samples]


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
