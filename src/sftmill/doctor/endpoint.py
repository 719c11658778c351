"""What the endpoints of a recipe can do: asked with a handful of tiny questions each."""

import asyncio
import ssl
import tempfile
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel

from sftmill.core import Sampling
from sftmill.doctor.finding import Finding, missing, ok, weak
from sftmill.errors import AuthFailed, ModelError, SftmillError
from sftmill.models import structured
from sftmill.models.budget import Budget
from sftmill.models.client import Provider, chat_replies, completion_replies, embedding_vectors
from sftmill.models.desk import Models
from sftmill.models.in_process_files import DOES, is_embedded, kind_of
from sftmill.models.ledger import Ledger
from sftmill.models.roles import Role, accepts
from sftmill.models.settings import BudgetSettings, ModelSettings

TIMEOUT = 120.0
"""Seconds for one question."""
SKEW = 300.0
"""Seconds of difference between two clocks that signed requests and sources that expire still bear."""
SWITCHES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "extra_body: {chat_template_kwargs: {enable_thinking: false}}",
        {"chat_template_kwargs": {"enable_thinking": False}},
    ),
    ("extra_body: {enable_thinking: false}", {"enable_thinking": False}),
    ("extra_body: {thinking: {type: disabled}}", {"thinking": {"type": "disabled"}}),
    ("extra_body: {reasoning_effort: none}", {"reasoning_effort": "none"}),
)
"""Ways to switch thinking off: of vLLM and SGLang for Qwen, of DashScope, of Zhipu and Anthropic, of OpenAI."""


class Probe(BaseModel):
    """A form that no plain answer fits by accident."""

    colour: str
    letters: int


async def endpoints(settings: Mapping[str, ModelSettings]) -> list[Finding]:
    """Ask each role's endpoints; roles are asked one after the other, so that they do not disturb each other."""
    findings: list[Finding] = []
    clocks: set[str] = set()
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "doctor.sqlite") as ledger:
        for name, chosen in settings.items():
            if chosen.scripted:
                findings.append(ok(name, f"answers come from the script {chosen.scripted}"))
                continue
            models = Models({name: chosen}, ledger, Budget(BudgetSettings(), {}))
            try:
                await models.start()
                role = models.roles[name]
                if chosen.transformers:
                    findings.append(ok(name, f"{role.model} {DOES[kind_of(chosen.transformers)]}, in this process"))
                    continue
                findings += await _role(name, role.settings, [lane.provider for lane in role.lanes.lanes], clocks)
            except SftmillError as error:
                command = "start the server, or correct the recipe"
                if chosen.local or is_embedded(chosen.transformers or ""):
                    command = f"sftmill model fetch {chosen.local or chosen.transformers}"
                findings.append(missing(name, str(error), "steps that ask this role cannot run", command))
            finally:
                await models.close()
    return findings


async def _role(name: str, settings: ModelSettings, providers: list[Provider], clocks: set[str]) -> list[Finding]:
    """Look at every endpoint and key of a role, and ask the first that answers what it can do."""
    findings: list[Finding] = []
    able: list[_Asked] = []
    for number, provider in enumerate(providers):
        label = name if len(providers) == 1 else f"{name} {_called(settings, provider, number)}"
        asked = _Asked(label, settings, provider)
        findings += await asked.listed()
        findings += await asked.greeted()
        if asked.able:
            able.append(asked)
        url = getattr(provider, "url", "")
        if url and url not in clocks:
            clocks.add(url)
            findings += await _clock(label, url, settings.ca_file)
    if able:
        first = able[0]
        first.label = name
        if first.embeds:
            return findings
        tries = (first.structured, first.several, first.raw, first.logprobs, first.thinking)
        findings += await asyncio.gather(*(one() for one in tries))
        findings += [first.revision(), first.context(), _sees(name, settings)]
    return findings


def _called(settings: ModelSettings, provider: Provider, number: int) -> str:
    """Name one of several endpoints and keys by its host and the variable of its key, never by the key."""
    variable = settings.key_env[number % len(settings.key_env)] if len(settings.key_env) > 1 else ""
    return f"({provider.name}{', key of ' + variable if variable else ''})"


class _Asked:
    """One endpoint with one key, and what it has told so far."""

    def __init__(self, label: str, settings: ModelSettings, provider: Provider):
        self.label = label
        self.settings = settings
        self.provider = provider
        self.role = Role(label, settings, [provider])
        self.model: dict[str, Any] = {}
        """What the list of models says of the role's."""
        self.told: dict[str, Any] = {}
        """The first answer, as it came."""
        self.able = False
        self.embeds = False

    def say(self, what: str) -> str:
        return f"{self.label}: {what}"

    async def post(
        self, content: Any, kind: str = "chat", n: int = 1, extra: Mapping[str, Any] | None = None, **more: Any
    ):
        """Send one question past limits, retries and ledger; return the payload and the replies."""
        schema = more.pop("schema", None)
        wanted = Sampling(**{"temperature": 0.0, "max_tokens": 16, "keep_truncated": True, **more})
        body = self.role.body(self.role.plan(kind, wanted, schema), kind, content, n)
        path = "/chat/completions" if kind == "chat" else "/completions"
        payload = await self.provider.post(path, {**body, **(extra or {})}, timeout=min(self.settings.timeout, TIMEOUT))
        return payload, (chat_replies if kind == "chat" else completion_replies)(payload)

    async def listed(self) -> list[Finding]:
        """Ask which models there are, and settle the role's name where it has none."""
        what = self.say("models")
        try:
            payload = await self.provider.get("/models")
        except ModelError as error:
            if isinstance(error, AuthFailed) or self.settings.model:
                return [weak(what, f"not listed ({error})", "a mistyped model name shows only at the first call")]
            return [
                missing(
                    what, str(error), "no model is known", f"write `model:` under models.{self.label} in the recipe"
                )
            ]
        items = [item for item in payload.get("data") or () if isinstance(item, dict) and item.get("id")]
        names = sorted(str(item["id"]) for item in items)
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "none"
        wanted = self.settings.model or (names[0] if len(names) == 1 else "")
        self.role.model = wanted
        self.model = next((item for item in items if item["id"] == wanted), {})
        if not wanted:
            cost = "the run does not know which to ask"
            return [missing(what, f"the recipe names none; listed: {shown}", cost, "write one of them into `model:`")]
        if self.model:
            return [ok(what, f"{wanted} is listed" + (f" among {len(names)}" if len(names) > 1 else ""))]
        cost = "calls may fail with 'model not found'; some servers do take names that they do not list"
        return [weak(what, f"{wanted} is not listed; listed: {shown}", cost, "correct `model:` in the recipe")]

    async def greeted(self) -> list[Finding]:
        """Ask for a word; an endpoint that only embeds is asked for a vector instead."""
        began = time.perf_counter()
        try:
            self.told, replies = await self.post([{"role": "user", "content": "Say hello."}])
        except ModelError as error:
            if vectors := await self._vectors():
                self.able = self.embeds = True
                return [ok(self.say("embeddings"), f"vectors of {vectors} numbers")]
            command = _mend(error, self.settings)
            return [missing(self.say("chat"), str(error), "steps that ask this role cannot run", command)]
        self.able = True
        seconds = time.perf_counter() - began
        found = f"{replies[0].model or self.role.model} answered in {seconds:.1f} s"
        if not isinstance(self.told.get("usage"), dict):
            cost = "tokens and money are estimates, on the high side"
            return [weak(self.say("chat"), f"{found}, and does not tell the tokens used", cost)]
        return [ok(self.say("chat"), found)]

    async def _vectors(self) -> int:
        body = {"model": self.role.model, "input": ["hello"], **self.settings.extra_body}
        try:
            payload = await self.provider.post("/embeddings", body, timeout=min(self.settings.timeout, TIMEOUT))
            return len(embedding_vectors(payload, 1)[0])
        except ModelError:
            return 0

    async def structured(self) -> Finding:
        """Ask in plain words for something that only a server that obeys the schema puts into its form."""
        what = self.say("JSON schema")
        cost = "the form is asked for in the prompt, and a small model misses it more often (`unparsable`)"
        if self.settings.structured == "prompt":
            return ok(what, "not used: `structured: prompt`")
        try:
            _, replies = await self.post(
                [{"role": "user", "content": "Which colour has the sky by day? One word."}],
                schema=Probe,
                max_tokens=256,
            )
            structured.parse(replies[0].text, Probe, complete=replies[0].finish != "length")
        except ModelError as error:
            return weak(what, f"refused ({error})", cost, "write `structured: prompt` to spare the attempt")
        except ValueError:
            return weak(what, "taken, but not obeyed", cost, "write `structured: prompt` into the role")
        return ok(what, "obeyed")

    async def several(self) -> Finding:
        """Ask for two answers at once."""
        what, cost = self.say("n > 1"), "best-of-N sends, and pays, the prompt once for each answer"
        try:
            _, replies = await self.post([{"role": "user", "content": "Say a number."}], n=2, temperature=1.0)
        except ModelError as error:
            return weak(what, f"refused ({error})", cost)
        return ok(what, "two answers to one prompt") if len(replies) > 1 else weak(what, "one answer only", cost)

    async def raw(self) -> Finding:
        """Let the model go on from a text without a chat template."""
        what = self.say("raw completion")
        try:
            await self.post("Once upon a", kind="complete")
        except ModelError as error:
            return weak(
                what, str(error), "Magpie and token scores cannot use this role", "use vLLM, SGLang or `local:`"
            )
        return ok(what, "goes on from a given beginning")

    async def logprobs(self) -> Finding:
        """Ask how sure the model is of its tokens."""
        what, cost = self.say("log-probabilities"), "judges give whole marks instead of weighted ones"
        try:
            _, replies = await self.post([{"role": "user", "content": "Say yes."}], logprobs=1)
        except ModelError as error:
            return weak(what, f"refused ({error})", cost)
        return ok(what, "given") if replies[0].logprobs else weak(what, "not given", cost)

    async def thinking(self) -> Finding:
        """See whether the model thinks aloud, and which switch stops it."""
        what = self.say("thinking")
        question = [{"role": "user", "content": "What is 7 + 5? Only the number."}]
        try:
            _, replies = await self.post(question, max_tokens=400)
        except ModelError as error:
            return weak(what, f"not known ({error})", "")
        if not replies[0].reasoning:
            return ok(what, "does not think aloud")
        tokens = replies[0].completion_tokens
        for line, extra in SWITCHES:
            try:
                _, replies = await self.post(question, max_tokens=400, extra=extra)
            except ModelError:
                continue
            if replies[0].text and not replies[0].reasoning:
                cost = f"{tokens or 'many'} tokens for a sum; for questions and answers from passages it seldom pays"
                return weak(what, "thinks aloud, and can be switched off", cost, line)
        cost = "answers cost several times the tokens, and short limits cut them off"
        return weak(what, "thinks aloud, and no known switch stops it", cost, "raise `sampling: {max_tokens: 4096}`")

    def revision(self) -> Finding:
        """Tell whether the ledger can know one version of the weights from another."""
        what = self.say("revision")
        if self.settings.revision:
            return ok(what, self.settings.revision)
        print_ = self.told.get("system_fingerprint")
        root = self.model.get("root")
        told = f"server says fingerprint {print_}" if print_ else f"server says {root}" if root else "not told"
        cost = "after a change of the weights the ledger still gives the old answers"
        return weak(what, f"not declared; {told}", cost, f"write `revision: '{print_ or '1'}'` into the role")

    def context(self) -> Finding:
        """Tell how long prompt and answer may be together."""
        what = self.say("context")
        meta = self.model.get("meta") if isinstance(self.model.get("meta"), dict) else {}
        keys = ("max_model_len", "context_length", "max_context_length", "context_window", "n_ctx", "n_ctx_train")
        told = next(
            (v for place in (self.model, meta) for k in keys if isinstance(v := place.get(k), int) and v > 0), None
        )
        declared = self.settings.context
        if told and declared and declared > told:
            cost = "long prompts are refused by the server instead of being left out by the plan"
            return weak(what, f"{declared:,} declared, the server has {told:,}", cost, f"write `context: {told}`")
        if declared or told:
            return ok(what, f"{declared or told:,} tokens")
        return weak(
            what, "not told", "the plan cannot say which prompts are too long", "write `context: 32768` into the role"
        )


def _mend(error: ModelError, settings: ModelSettings) -> str:
    if isinstance(error, AuthFailed):
        return f"export {settings.key_env[0]}=..." if settings.key_env else "name the key's variable in `key_env`"
    return "start the server, or correct the recipe"


def _sees(name: str, settings: ModelSettings) -> Finding:
    return ok(f"{name}: may see", f"rows up to {accepts(settings)!r}")


async def _clock(label: str, url: str, ca_file: str | None) -> list[Finding]:
    """Compare this machine's clock with the one of the endpoint (its Date header); nothing where it tells none."""
    found = await clock_skew(url, ca_file)
    if found is None:
        return []
    what = f"{label}: clock"
    if abs(found) <= SKEW:
        return [ok(what, f"differs by {abs(found):.0f} s from {urlsplit(url).hostname}")]
    cost = "sources expire on the wrong day, and providers refuse signed requests"
    side = "ahead of" if found > 0 else "behind"
    minutes = f"{abs(found) / 60:.0f} minutes"
    return [weak(what, f"this machine is {minutes} {side} {urlsplit(url).hostname}", cost, "timedatectl set-ntp true")]


async def clock_skew(url: str, ca_file: str | None = None) -> float | None:
    """Return by how many seconds this machine is ahead of the server at `url`, None where it tells no time.

    No key is sent: also a refusal has a Date.
    """
    context = ssl.create_default_context(cafile=ca_file) if ca_file else True
    timeout = aiohttp.ClientTimeout(total=15)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"{url}/models", ssl=context, allow_redirects=False) as response,
        ):
            stamp = response.headers.get("Date")
        return time.time() - parsedate_to_datetime(stamp).timestamp() if stamp else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError):
        return None
