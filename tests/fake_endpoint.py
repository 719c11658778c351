"""A small OpenAI-compatible endpoint on loopback, with written faults, for tests.

    async with FakeEndpoint(answers=lambda body: "hello", faults=[Fault(429, retry_after=0)]) as server:
        provider = HttpProvider(server.url)

`faults` are used up one a request, in order of arrival; None among them lets a request through.
`by_body` decides by the request instead. What arrived stands in `bodies`, `paths` and `headers`.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Fault:
    """What to do instead of answering.

    `status` with `body` (text, or an object sent as JSON) and `headers`; or `kind`: "reset" closes the connection
    unanswered, "hang" never answers, "cut" sends half of a JSON body as a whole one, "broken" breaks off in
    the middle of the body, "empty" sends no body.
    """

    status: int = 500
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    retry_after: float | str | None = None


class FakeEndpoint:
    """The server; `answers` gets a request's body and returns a text, a list of texts (one a choice) or a payload."""

    def __init__(
        self,
        answers: Callable[[dict], Any] | str | None = None,
        *,
        latency: float = 0.0,
        faults: Iterable[Fault | None] = (),
        by_body: Callable[[dict], Fault | None] | None = None,
        models: tuple[str, ...] = ("fake",),
        max_n: int | None = None,
        dimensions: int = 8,
        port: int = 0,
    ):
        self.answers = answers if callable(answers) else (lambda body: answers) if answers is not None else echo
        self.latency = latency
        self.faults = list(faults)
        self.by_body = by_body
        self.models = models
        self.max_n = max_n
        self.dimensions = dimensions
        self.port = port
        self.bodies: list[dict] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

    @property
    def total(self) -> int:
        """Requests that arrived."""
        return len(self.bodies)

    @property
    def unique(self) -> int:
        """Different requests that arrived."""
        return len({json.dumps(body, sort_keys=True) for body in self.bodies})

    @property
    def url(self) -> str:
        """Base URL, ending in /v1."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> "FakeEndpoint":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after `stop` it can be started again on the same port."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/{path:.*}", self._post)
        self._closing = asyncio.Event()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and all connections."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _list_models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.bodies.append(body)
        self.paths.append("/" + request.match_info["path"])
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            fault = self.by_body(body) if self.by_body else None
            if fault is None and self.faults:
                fault = self.faults.pop(0)
            if self.latency:
                await asyncio.sleep(self.latency)
            if fault is not None:
                return await self._fault(request, fault, body)
            if self.max_n is not None and body.get("n", 1) > self.max_n:
                return web.json_response({"error": {"message": f"n must be <= {self.max_n}"}}, status=400)
            return web.json_response(self._payload(request.match_info["path"], body))
        finally:
            self.in_flight -= 1

    async def _fault(self, request: web.Request, fault: Fault, body: dict) -> web.StreamResponse:
        if fault.kind == "hang":
            await self._closing.wait()
            return web.Response(status=500)
        if fault.kind == "reset":
            request.transport.abort()
            return web.Response(status=500)
        whole = json.dumps(self._payload(request.match_info["path"], body)).encode()
        if fault.kind == "cut":
            return web.Response(body=whole[: len(whole) // 2], content_type="application/json")
        if fault.kind == "broken":
            response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
            await response.prepare(request)
            await response.write(whole[: len(whole) // 2])
            request.transport.close()
            return response
        if fault.kind == "empty":
            return web.Response(body=b"")
        headers = dict(fault.headers)
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
        return web.Response(status=fault.status, text=text, headers=headers)

    def _payload(self, path: str, body: dict) -> dict:
        made = None
        if path != "embeddings":
            made = self.answers(body)
            if isinstance(made, dict) and (
                "choices" in made or "data" in made or "error" in made or "base_resp" in made
            ):
                return made
        if path == "embeddings":
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            data = [{"index": i, "embedding": self._vector(text)} for i, text in enumerate(texts)]
            return {"data": data, "model": body["model"], "usage": {"prompt_tokens": sum(map(len, texts))}}
        items = made if isinstance(made, list) else [made] * body.get("n", 1)
        choices = [self._choice(path, i, item) for i, item in enumerate(items)]
        used = sum(len(str(item)) for item in items)
        prompt = len(json.dumps(body.get("messages") or body.get("prompt"), ensure_ascii=False)) // 2
        usage = {"prompt_tokens": prompt, "completion_tokens": used, "total_tokens": prompt + used}
        return {"id": "x", "model": body["model"], "choices": choices, "usage": usage}

    @staticmethod
    def _choice(path: str, index: int, item: Any) -> dict:
        """Make a choice of a text, or of a dict with content and, say, finish_reason or reasoning_content."""
        extra = dict(item) if isinstance(item, dict) else {"content": item}
        finish = extra.pop("finish_reason", "stop")
        logprobs = extra.pop("logprobs", None)
        if path == "completions":
            made: dict[str, Any] = {"text": extra["content"]}
        else:
            made = {"message": {"role": "assistant", **extra}}
        return {"index": index, "finish_reason": finish, **made, **({"logprobs": logprobs} if logprobs else {})}

    def _vector(self, text: str) -> list[float]:
        digest = hashlib.blake2b(text.encode(), digest_size=self.dimensions).digest()
        return [byte / 255 + 0.01 for byte in digest]


def last_message(body: dict) -> str:
    """Return the content of a request's last turn, or its raw prompt."""
    return body["messages"][-1]["content"] if "messages" in body else body["prompt"]


def echo(body: dict) -> str:
    """Answer with the last turn."""
    return f"answer to: {last_message(body)}"
