"""A role: its settings, its lanes, what it counts, and how one request is sent until it is answered."""

import random
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from sftmill.columns import SENSITIVITIES
from sftmill.core import Message, Reply, Row, Sampling
from sftmill.errors import (
    AccountError,
    ConnectionLost,
    EndpointGone,
    LeakRefused,
    ModelError,
    Overload,
    RecipeError,
    TransportError,
    Unreachable,
)
from sftmill.models.client import Payload, Provider
from sftmill.models.ledger import sampling_fields
from sftmill.models.limits import Lanes, Permit
from sftmill.models.settings import ModelSettings, Sensitivity
from sftmill.models.structured import response_format, schema_of

MOST_FAULTS = 8
"""Times that one call may meet a fault of the server (5xx, no answer in time, broken body) before its row fails."""
MOST_LOST = 20
"""The same for connections lost while other calls get through."""
FIRST_PAUSE, LAST_PAUSE = 0.25, 30.0
"""Seconds: the longest pause before the first repetition, and before the late ones; drawn evenly below it."""


def accepts(settings: ModelSettings) -> Sensitivity:
    """Return the most sensitive row that a role may see.

    Where the recipe does not say, that is "secret" for a model inside sftmill, "internal" when all its
    addresses are loopback or private (RFC 1918 and the like), and "public" otherwise.
    """
    if settings.accept is not None:
        return settings.accept
    if settings.local or settings.scripted or settings.transformers:
        return "secret"
    return "internal" if all(is_private(url) for url in settings.endpoint) else "public"


def is_private(url: str) -> bool:
    """Tell whether an address is this machine or lies in a private network; other names than localhost are public."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or (address.is_private and not address.is_unspecified) or address.is_link_local


class Plan:
    """What all requests of a role with the same sampling and schema have in common, worked out once."""

    __slots__ = ("draws", "key_sampling", "max_tokens", "sampling", "schema", "schema_json", "template")

    def __init__(self, template: Payload, sampling: Sampling, schema: type[BaseModel] | None):
        self.template = template
        self.sampling = sampling
        self.schema = schema
        self.schema_json = schema_of(schema) if schema is not None else None
        self.key_sampling = sampling_fields(sampling)
        self.max_tokens = sampling.max_tokens
        self.draws = sampling.temperature > 0


class Meter:
    """Tokens per second over the last ten seconds."""

    __slots__ = ("_cells", "_clock")

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._cells: dict[int, int] = {}

    def add(self, tokens: int) -> None:
        """Count tokens that came now."""
        second = int(self._clock())
        cells = self._cells
        if second in cells:
            cells[second] += tokens
        else:
            cells[second] = tokens
            for old in [s for s in cells if s < second - 11]:
                del cells[old]

    @property
    def rate(self) -> float:
        """Return the mean of the ten full seconds before this one."""
        second = int(self._clock())
        cells = {s: n for s, n in self._cells.items() if second - 10 <= s < second}
        return sum(cells.values()) / (second - min(cells)) if cells else 0.0


class Role:
    """One role of a recipe at work."""

    def __init__(
        self,
        name: str,
        settings: ModelSettings,
        providers: Sequence[Provider],
        clock=time.monotonic,
        lanes: Callable[..., Any] = Lanes,
    ):
        if not providers:
            raise RecipeError(
                f"role {name!r} has no endpoint; give it `endpoint`, `local`, `transformers` or `scripted`"
            )
        self.name = name
        self.settings = settings
        self.model = settings.model
        self.revision = settings.revision or ""
        self.accept = SENSITIVITIES.index(accepts(settings))
        self.timeout = settings.timeout
        self.lanes = lanes(
            providers,
            role=name,
            concurrency=settings.concurrency,
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
            patience=settings.patience,
            clock=clock,
        )
        self.many = True
        """Whether the server takes `n` above 1."""
        self.native = settings.structured != "prompt"
        """Whether the server is told the form of JSON answers."""
        self.calls = self.from_ledger = self.retries = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.mean_completion = 256.0
        self.meter = Meter(clock)
        self._clock = clock
        self._merged: dict[Sampling | None, Sampling] = {}
        self._plans: dict[tuple[str, Sampling, type[BaseModel] | None], Plan] = {}
        self._number = 0

    def refuse_leak(self, row: Row) -> None:
        """Raise LeakRefused when the row is more sensitive than this role may see."""
        level = row.get("sensitivity") or "internal"
        if SENSITIVITIES.index(level) > self.accept:
            raise LeakRefused(
                f"a row marked {level!r} must not go to role {self.name!r}, which accepts"
                f" {SENSITIVITIES[self.accept]!r}; use a model inside the house, or set `accept` or `sensitivity`"
            )

    def sampling(self, asked: Sampling | None) -> Sampling:
        """Return a step's sampling with this role's values laid over it."""
        made = self._merged.get(asked)
        if made is None:
            base = asked or Sampling()
            try:
                made = Sampling(**{**base.model_dump(), **self.settings.sampling}) if self.settings.sampling else base
            except ValueError as error:
                raise RecipeError(f"role {self.name!r}: sampling does not fit ({error})") from None
            self._remember(self._merged, asked, made)
        return made

    def plan(self, kind: str, sampling: Sampling, schema: type[BaseModel] | None) -> Plan:
        """Return what requests with this merged sampling share; `kind` is "chat" or "complete"."""
        where = (kind, sampling, schema)
        made = self._plans.get(where)
        if made is None:
            made = Plan(self._template(kind, sampling), sampling, schema)
            self._remember(self._plans, where, made)
        return made

    @staticmethod
    def _remember(cache: dict, where: Any, made: Any) -> None:
        if len(cache) > 2000:
            cache.clear()
        cache[where] = made

    def _template(self, kind: str, sampling: Sampling) -> Payload:
        body: Payload = {"model": self.model, "temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        names = ("top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
        body |= {name: value for name in names if (value := getattr(sampling, name)) is not None}
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.logprobs is not None:
            if kind == "chat":
                body["logprobs"] = True
                body["top_logprobs"] = sampling.logprobs
            else:
                body["logprobs"] = sampling.logprobs
        return body

    def body(self, plan: Plan, kind: str, content: Any, n: int) -> Payload:
        """Return the body of a request; the role's `extra_body` comes last, and null in it takes a field out."""
        body = dict(plan.template)
        body["messages" if kind == "chat" else "prompt"] = content
        if n > 1:
            body["n"] = n
        if plan.schema is not None and self.native:
            body["response_format"] = response_format(plan.schema)
        if self.settings.extra_body:
            body.update(self.settings.extra_body)
            if None in self.settings.extra_body.values():
                body = {name: value for name, value in body.items() if value is not None}
        return body

    # Sending -------------------------------------------------------------------------------------

    async def send(
        self, path: str, body: Payload, parse: Callable[[Payload], Any], affinity: str, kind: str, prompt_tokens: int
    ) -> tuple[Payload, Any, Permit]:
        """Send until answered; returns the payload, what `parse` made of it, and the permit.

        The caller releases the permit once the answer is safe. Faults are repeated with growing
        random pauses, beside fresh work; what cannot succeed is raised at once.
        """
        lanes = self.lanes
        self._number = number = self._number + 1
        faults = lost = trouble = 0
        since = 0.0
        tokens = prompt_tokens + int(self.mean_completion)
        retry = False
        while True:
            permit = lanes.try_acquire(affinity, kind, tokens) if not retry else None
            if permit is None:
                permit = await lanes.acquire(affinity, kind, tokens, retry=retry)
            try:
                lanes.sent(permit)
                payload = await permit.lane.provider.post(path, body, timeout=self.timeout)
                made = parse(payload)
            except ModelError as error:
                if (told := lanes.failed(permit, error, number)) is not None:
                    await told  # lanes kept elsewhere
                lanes.release(permit)
                if not isinstance(error, TransportError | AccountError):
                    raise
                self.retries += 1
                trouble += 1
                if not since:
                    since = self._clock()
                if isinstance(error, AccountError):
                    if lanes.stopped is not None:
                        raise
                    pause = 0.0
                elif permit.lane.down is not None:
                    # nothing of this is the call's fault: wait in line until the lane is back
                    pause = 0.0
                elif isinstance(error, Overload):
                    if self._clock() - since > self.settings.patience:
                        raise EndpointGone(
                            f"role {self.name!r} was refused for {self.settings.patience:g} s ({error});"
                            " the same command goes on from here"
                        ) from error
                    pause = self._pause(trouble) if error.retry_after is None else error.retry_after * _jitter()
                else:
                    if isinstance(error, ConnectionLost):
                        lost += 1
                    elif not isinstance(error, Unreachable):
                        faults += 1
                    if faults > MOST_FAULTS or lost > MOST_LOST:
                        raise
                    pause = self._pause(trouble)
                if pause:
                    await lanes.rest(pause)
                retry = True
            except BaseException:
                lanes.cancelled(permit)
                lanes.release(permit)
                raise
            else:
                return payload, made, permit

    @staticmethod
    def _pause(trouble: int) -> float:
        return random.uniform(0.0, min(LAST_PAUSE, FIRST_PAUSE * 2.0 ** min(trouble - 1, 16)))

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Add an answered request to the role's sums."""
        self.calls += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.mean_completion += 0.02 * (completion_tokens - self.mean_completion)
        self.meter.add(completion_tokens)

    def snapshot(self) -> dict[str, Any]:
        """Return what the live display shows of this role."""
        lanes = self.lanes
        return {
            "in_flight": lanes.in_flight,
            "limit": lanes.limit,
            "calls": self.calls,
            "from_ledger": self.from_ledger,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "overloads": lanes.overloads,
            "retries": self.retries,
            "tokens_per_second": self.meter.rate,
            "paused": lanes.paused,
        }


def _jitter() -> float:
    return random.uniform(1.0, 1.1)


def upper_tokens(kind: str, content: Any) -> int:
    """Return a number of tokens that a prompt cannot exceed: its UTF-8 bytes, and 16 for each turn and for the whole.

    Byte-level vocabularies have no token shorter than a byte; templates add a few tokens a turn.
    """
    if kind != "chat":
        return _bytes(content) + 16
    return sum(_bytes(m.get("content") or "") + 16 for m in content) + 16


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def estimate(upper: int) -> int:
    """Return a likely number of tokens for a prompt of at most `upper`: a third, for English and Chinese alike.

    Chinese has 3 bytes a character and 0.6 to 1 tokens, English about 4 bytes a token.
    """
    return upper // 3 + 1


def estimate_text(text: str) -> int:
    """Return a likely number of tokens of a text."""
    return _bytes(text) // 3 + 1 if text else 0


def fill_usage(replies: list[Reply], upper_prompt: int) -> None:
    """Put estimates where the server gave no usage."""
    if not replies[0].prompt_tokens:
        replies[0].prompt_tokens = estimate(upper_prompt)
    if not any(r.completion_tokens for r in replies):
        for reply in replies:
            reply.completion_tokens = estimate_text(reply.text) + estimate_text(reply.reasoning or "")


def as_messages(prompt: str | list[Message]) -> list[Message]:
    """Return a prompt as messages; a string is one user turn."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
