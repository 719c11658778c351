"""One OpenAI-compatible endpoint: sends bodies, gives back payloads, and reads answers out of them.

A provider knows nothing of rows, limits or money. It is one address and one key.
"""

import base64
import functools
import math
import ssl
from array import array
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from sftmill.core import Reply
from sftmill.errors import (
    CallTimeout,
    ConnectionLost,
    MalformedBody,
    RecipeError,
    Unreachable,
)
from sftmill.models.faults import classify, fault_in

CONNECT_SECONDS = 10.0
"""A connection that is not made within this time counts as unreachable."""

REFUSED = frozenset({"content_filter", "sensitive", "refusal", "content_filtered", "risk"})
"""Values of `finish_reason` by which a provider's filter says that it cut the answer out."""

Payload = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")


class Provider(Protocol):
    """One address with one key; both methods raise `errors.ModelError`."""

    name: str
    """Host and port, for messages and the live display."""

    async def post(self, path: str, body: Payload, *, timeout: float) -> Payload:  # noqa: ASYNC109
        """Send `body` to `path` ("/chat/completions", ...) and return the parsed answer."""

    async def get(self, path: str) -> Payload:
        """Return what stands at `path` ("/models")."""

    async def close(self) -> None:
        """Close connections; the provider cannot be used afterwards."""


class HttpProvider:
    """An endpoint reached over HTTP: keep-alive connections, no proxies, no redirects.

    `url` is the base that ends in /v1, `key` may be empty. The environment's proxy settings are
    not looked at, and the key is sent to this host only. `ca_file` names a certificate
    authority in PEM form.
    """

    def __init__(self, url: str, key: str = "", *, ca_file: str | None = None, model: str = ""):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"endpoint {url!r} is no web address; write it like http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise RecipeError(f"endpoint at {parts.hostname} holds a password; put it into a variable named by key_env")
        self.url = url.rstrip("/")
        self.name = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self.model = model
        self._key = key
        self._ca_file = ca_file
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"HttpProvider({self.url!r})"

    def _open(self) -> aiohttp.ClientSession:
        context: ssl.SSLContext | bool = True
        if self._ca_file:
            try:
                context = ssl.create_default_context(cafile=self._ca_file)
            except (OSError, ssl.SSLError) as error:
                raise RecipeError(
                    f"ca_file {self._ca_file!r} cannot be used: {error}; name a readable PEM file"
                ) from None
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "sftmill"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, ssl=context, keepalive_timeout=60),
            headers=headers,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )
        return self._session

    async def post(self, path: str, body: Payload, *, timeout: float) -> Payload:  # noqa: ASYNC109
        """Send `body` to `path` and return the parsed answer; `timeout` in seconds, for all of it."""
        return await self._call("POST", path, orjson.dumps(body), timeout)

    async def get(self, path: str) -> Payload:
        """Return what stands at `path`."""
        return await self._call("GET", path, None, 30.0)

    async def _call(self, method: str, path: str, data: bytes | None, timeout: float) -> Payload:  # noqa: ASYNC109
        session = self._session or self._open()
        if (url := self._urls.get(path)) is None:
            url = self._urls[path] = URL(self.url + path)
        if (limits := self._timeouts.get(timeout)) is None:
            limits = self._timeouts[timeout] = aiohttp.ClientTimeout(
                total=timeout, sock_connect=min(timeout, CONNECT_SECONDS)
            )
        try:
            async with session.request(method, url, data=data, allow_redirects=False, timeout=limits) as response:
                raw = await response.read()
        except aiohttp.ConnectionTimeoutError:
            raise Unreachable(f"{self.name} does not take connections; start the server or check `endpoint`") from None
        except TimeoutError:
            raise CallTimeout(f"{self.name} did not answer within {timeout:g} s; raise the role's `timeout`") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(
                f"{self.name} cannot be reached ({_reason(error)}); start it or check `endpoint`"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(f"{self.name} broke off the connection ({_reason(error)})") from None
        if response.status != 200:
            raise classify(response.status, response.headers, raw, host=self.name, key=self._key, model=self.model)
        try:
            payload = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise MalformedBody(f"{self.name} answered 200 with a body of {len(raw)} bytes that is no JSON") from None
        if type(payload) is not dict:
            raise MalformedBody(f"{self.name} answered 200 with JSON that is no object")
        if ("base_resp" in payload or "error" in payload or "error_code" in payload) and fault_in(payload):
            raise classify(200, response.headers, raw, host=self.name, key=self._key, model=self.model)
        return payload

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "its certificate is not trusted: name your company's authority in `ca_file`"
    inner = getattr(error, "os_error", error)
    return getattr(inner, "strerror", None) or type(inner).__name__


# Reading answers -------------------------------------------------------------------------------


def _usage(payload: Payload) -> tuple[int, int]:
    usage = payload.get("usage")
    if type(usage) is not dict:
        return 0, 0
    return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)


def cached_tokens(payload: Payload) -> int:
    """Return how many prompt tokens the server says it found in its cache."""
    usage = payload.get("usage")
    if type(usage) is not dict:
        return 0
    details = usage.get("prompt_tokens_details")
    found = details.get("cached_tokens") if type(details) is dict else usage.get("prompt_cache_hit_tokens")
    return int(found or 0)


def _choices(payload: Payload) -> list[Payload]:
    choices = payload.get("choices")
    if type(choices) is not list or not choices or not all(type(c) is dict for c in choices):
        raise MalformedBody("the answer has no choices")
    if len(choices) > 1:
        choices.sort(key=lambda c: c.get("index") or 0)
    return choices


def split_thought(text: str) -> tuple[str, str | None, bool]:
    """Split an answer into (text, reasoning, whole) where a model writes its thoughts into it.

    A thought stands at the head between <think> and </think>; the opening tag is missing where
    the chat template wrote it. Without the closing tag the thought, and so the answer, is cut off.
    """
    if "think>" not in text:
        return text, None, True
    head = text.lstrip()
    if head.startswith("<think>"):
        thought, closing, rest = head[len("<think>") :].partition("</think>")
        return (rest.lstrip(), thought.strip(), True) if closing else ("", thought.strip(), False)
    thought, closing, rest = text.partition("</think>")
    if closing and "<think>" not in thought:
        return rest.lstrip(), thought.strip(), True
    return text, None, True


def _reply(choice: Payload, text: str, reasoning: str | None, model: str) -> Reply:
    finish = choice.get("finish_reason") or "stop"
    if finish in REFUSED:
        finish = "refused"
    elif finish not in ("stop", "length", "tool_calls"):
        finish = "length" if finish in ("max_tokens", "model_length") else "stop"
    text, thought, whole = split_thought(text)
    if not whole:
        finish = "length"
    logprobs = choice.get("logprobs")
    return Reply(
        text,
        reasoning or thought or None,
        finish,
        None,
        model,
        logprobs=token_logprobs(logprobs) if logprobs else None,
    )


def _share_usage(payload: Payload, replies: list[Reply]) -> list[Reply]:
    # The server gives one sum for all choices; each reply carries its share, the first one the prompt,
    # so that sums stay right.
    prompt, completion = _usage(payload)
    replies[0].prompt_tokens = prompt
    if len(replies) == 1:
        replies[0].completion_tokens = completion
        return replies
    sizes = [len(r.text) + len(r.reasoning or "") + 1 for r in replies]
    total, given = sum(sizes), 0
    for reply, size in zip(replies[1:], sizes[1:], strict=True):
        reply.completion_tokens = completion * size // total
        given += reply.completion_tokens
    replies[0].completion_tokens = completion - given
    return replies


def _reads(read: Callable[P, R]) -> Callable[P, R]:
    """Turn what a payload of another shape than expected raises into MalformedBody."""

    @functools.wraps(read)
    def reads(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(*args, **kwargs)
        except (AttributeError, TypeError, KeyError, ValueError, IndexError) as error:
            raise MalformedBody(f"the answer is not shaped as promised ({type(error).__name__})") from None

    return reads


@_reads
def chat_replies(payload: Payload) -> list[Reply]:
    """Return the answers of a chat payload in the order of their index; raises MalformedBody.

    An answer that the provider's filter cut out has finish "refused". Generated
    tokens are shared out among the answers by length, the prompt's go to the first. Empty text is a complete
    answer; tool calls without text become text, as JSON.
    """
    model = payload.get("model") or ""
    replies = []
    for choice in _choices(payload):
        message = choice.get("message")
        if type(message) is not dict:
            raise MalformedBody("an answer has no message")
        text = message.get("content")
        if type(text) is not str:
            if type(text) is list:
                text = "".join(part.get("text") or "" for part in text if type(part) is dict)
            elif text is None:
                text = ""
            else:
                raise MalformedBody("the content of an answer is no text")
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        reply = _reply(choice, text, reasoning if type(reasoning) is str else None, model)
        if message.get("refusal"):
            reply.finish = "refused"
        if not reply.text and (calls := message.get("tool_calls")):
            reply.text = orjson.dumps(calls).decode()
        replies.append(reply)
    return _share_usage(payload, replies)


@_reads
def completion_replies(payload: Payload) -> list[Reply]:
    """Return the continuations of a raw completion, as `chat_replies` does; text stays as it is."""
    model = payload.get("model") or ""
    replies = []
    for choice in _choices(payload):
        if type(text := choice.get("text")) is not str:
            raise MalformedBody("a continuation has no text")
        reply = _reply(choice, "", None, model)
        reply.text = text
        replies.append(reply)
    return _share_usage(payload, replies)


def token_logprobs(found: Payload) -> list[dict[str, Any]] | None:
    """Return log-probabilities as a list of {"token", "logprob", "top"}, from either style.

    The chat style (`content`) is what OpenAI's chat sends, and llama.cpp on both paths; the
    older one (`tokens`, `token_logprobs`, `top_logprobs`) is what vLLM sends for raw completions.
    """
    if type(content := found.get("content")) is list:
        return [
            {
                "token": item["token"],
                "logprob": item["logprob"],
                "top": {top["token"]: top["logprob"] for top in item.get("top_logprobs") or ()},
            }
            for item in content
        ]
    if type(tokens := found.get("tokens")) is list:
        values = found.get("token_logprobs") or [None] * len(tokens)
        tops = found.get("top_logprobs") or [None] * len(tokens)
        return [
            {"token": token, "logprob": value, "top": top or {}}
            for token, value, top in zip(tokens, values, tops, strict=False)
        ]
    return None


@_reads
def embedding_vectors(payload: Payload, count: int) -> list[array]:
    """Return `count` unit vectors (32-bit floats) in the order of the texts; raises MalformedBody."""
    data = payload.get("data")
    if type(data) is not list or len(data) != count:
        raise MalformedBody(f"{count} texts were sent, {len(data) if type(data) is list else 0} vectors came back")
    data = sorted(data, key=lambda item: item.get("index") or 0)
    vectors = []
    for item in data:
        found = item.get("embedding")
        try:
            values = array("f", base64.b64decode(found) if isinstance(found, str) else found)
        except (TypeError, ValueError):
            raise MalformedBody("an embedding is no list of numbers") from None
        norm = math.sqrt(math.fsum(v * v for v in values))
        if not values or not math.isfinite(norm) or norm == 0:
            raise MalformedBody("an embedding is empty, zero or not finite")
        vectors.append(array("f", (v / norm for v in values)))
    return vectors


def only_model(payload: Payload, host: str) -> str:
    """Return the one model that `/models` lists; raises RecipeError naming them when there are several."""
    names = [item.get("id") for item in payload.get("data") or () if isinstance(item, dict) and item.get("id")]
    if len(names) == 1:
        return names[0]
    shown = ", ".join(sorted(names)[:20]) or "none"
    raise RecipeError(f"{host} serves {len(names)} models ({shown}); write one of them into `model`")
