"""A provider with written answers: for tests, for dry runs, and for trying a recipe without a model.

A script is a YAML file (1.2), or the same thing as Python values:

    model: scripted            # optional name
    rules:                     # the first that fits answers
      - when: 提出问题          # part of the last message (or of the prefix); absent = always
        json: {questions: [甲是什么？, 乙是什么？]}
      - when: /room (\\d+)/     # or a regular expression; $0, $1 ... are what it found
        say: [Room $1 is warm., Room $1 is cold.]
        reasoning: I look at the thermometer.
      - when: busy
        fail: RateLimited      # a ModelError of errors.py ...
        times: 2               # ... for the first two attempts at each prompt; absent = always
        retry_after: 0.01
        say: Now I can.
    default: {say: I do not know.}

Of several texts, the one that is said follows from the rule, the prompt, the seed and the number of the sample, not
from the order of calls: repeating and concurrency give the same answers.
"""

import asyncio
import base64
import hashlib
import inspect
import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML, YAMLError

from sftmill import errors
from sftmill.errors import BadRequest, CallTimeout, ModelError, ModelNotFound, Overload, RecipeError

Payload = dict[str, Any]

# A stand-in for a tokenizer: one token per CJK character (ideographs, kana, hangul, full-width forms), one per run of
# other visible characters. `measure_tokens` and the cut at max_tokens agree because both use it.
_TOKEN = re.compile(r"\s*(?:[⺀-鿿가-힯豈-﫿︰-﹏＀-￯]|[^\s⺀-鿿가-힯豈-﫿︰-﹏＀-￯]+)")
_GROUP = re.compile(r"\$(\d)")
_DIMENSIONS = 64


class Rule(BaseModel):
    """One answer of a script, and what it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: str | None = None
    """Part of the last message, or /a regular expression/; None = every message."""
    say: tuple[str, ...] = ()
    """Texts to answer with; each sample gets one of them."""
    json_: Any = Field(None, alias="json")
    """A value to answer with as JSON, instead of `say`."""
    reasoning: str | None = None
    """What the model thought before, in `reasoning_content`."""
    finish: Literal["stop", "length", "content_filter", "tool_calls"] = "stop"
    fail: str | None = None
    """Name of the ModelError to raise instead of answering."""
    times: int | None = Field(None, ge=1)
    """How many attempts at each prompt fail; None = all."""
    retry_after: float | None = Field(None, ge=0)
    """Seconds that an Overload asks to wait."""

    @field_validator("say", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("when")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if _is_pattern(value):
            try:
                re.compile(value[1:-1])
            except re.error as error:
                raise ValueError(f"is no regular expression: {error}") from None
        return value

    @field_validator("fail")
    @classmethod
    def _is_model_error(cls, value: str | None) -> str | None:
        found = getattr(errors, value, None) if value else ModelError
        if not (isinstance(found, type) and issubclass(found, ModelError)):
            raise ValueError(f"{value!r} is no ModelError; see the tree in sftmill/errors.py")
        return value

    @model_validator(mode="after")
    def _answers(self) -> "Rule":
        if self.say and self.json_ is not None:
            raise ValueError("has both `say` and `json`; keep one")
        if not self.say and self.json_ is None and (self.fail is None or self.times is not None):
            raise ValueError("says nothing; add `say`, `json` or `fail`")
        return self


class _Script(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "scripted"
    rules: tuple[Rule, ...] = ()
    default: Rule | None = None

    @field_validator("default", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return {"say": value} if isinstance(value, str) else value


class ScriptedProvider:
    """Answers chats, raw completions, embeddings and `/models` from a script, in the shapes of OpenAI's API.

    `script` is a path, a mapping as in the file, a list of rules, or a function that is given the request's body and
    returns a text, a mapping with `say` or `json` and what else a rule may have, or a whole payload; it may be a
    coroutine function and may raise ModelErrors. `delay` is in seconds. Raises RecipeError for a script that does
    not make sense. `asked` counts the calls by path.
    """

    def __init__(
        self,
        script: Path | str | Mapping[str, Any] | list[Any] | Callable[[Payload], Any],
        *,
        delay: float = 0.0,
        name: str = "scripted",
    ):
        self.name = name
        self.delay = delay
        self.asked: Counter[str] = Counter()
        self._attempts: Counter[bytes] = Counter()
        self._function = script if callable(script) else None
        self._source = str(script) if isinstance(script, Path | str) else "the script"
        self._script = _Script() if self._function else _read(script, self._source)
        self._patterns = [_pattern(rule.when) for rule in self._script.rules]

    @property
    def model(self) -> str:
        """The name of the model that the script plays."""
        return self._script.model

    async def post(self, path: str, body: Payload, *, timeout: float) -> Payload:  # noqa: ASYNC109
        """Answer a request; raises the ModelError that the script asks for, or BadRequest where no rule fits."""
        self.asked[path] += 1
        if self.delay > timeout:
            await asyncio.sleep(timeout)
            raise CallTimeout(f"{self.name}: no answer within {timeout:g} s; raise `timeout` of the role")
        await asyncio.sleep(self.delay)
        if path == "/embeddings" and self._function is None:
            return _embeddings(body, self.model)
        if path not in ("/chat/completions", "/completions", "/embeddings"):
            raise BadRequest(f"{self.name}: scripted models know no {path}; use chat, completions or embeddings")
        if self._function is not None:
            said = self._function(body)
            if inspect.isawaitable(said):
                said = await said
            if isinstance(said, Mapping) and ("choices" in said or "data" in said):
                return dict(said)
            rule = Rule.model_validate({"say": said} if isinstance(said, str) else said)
            return self._answer(path, body, rule, 0, None)
        prompt = _last(body)
        for number, (rule, pattern) in enumerate(zip(self._script.rules, self._patterns, strict=True)):
            match = pattern.search(prompt)
            if match:
                return self._answer(path, body, rule, number, match)
        if self._script.default is not None:
            return self._answer(path, body, self._script.default, -1, None)
        raise BadRequest(
            f"{self.name}: none of the {len(self._script.rules)} rules in {self._source} fits the prompt;"
            " add a rule or a `default`"
        )

    async def get(self, path: str) -> Payload:
        """Return the list of models, which has one."""
        self.asked[path] += 1
        if path != "/models":
            raise ModelNotFound(f"{self.name}: scripted models know no {path}; use /models")
        return {"object": "list", "data": [{"id": self.model, "object": "model", "owned_by": "sftmill"}]}

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self, path: str, body: Payload, rule: Rule, number: int, match: re.Match[str] | None) -> Payload:
        chat = path == "/chat/completions"
        prompt = json.dumps([number, body.get("messages") or body.get("prompt"), body.get("seed")]).encode()
        if rule.fail is not None:
            attempt = hashlib.blake2b(prompt, digest_size=16).digest()
            self._attempts[attempt] += 1
            if rule.times is None or self._attempts[attempt] <= rule.times:
                raise self._failure(rule)
        choices, completion = [], 0
        for sample in range(body.get("n") or 1):
            text, finish = _said(rule, match, prompt, sample), rule.finish
            text, stopped = _stop(text, body.get("stop"))
            limit = body.get("max_tokens") or body.get("max_completion_tokens")
            cut, cut_off = _cut(text, limit)
            if cut_off:
                text, finish = cut, "length"
            elif stopped:
                finish = "stop"
            completion += measure_tokens(text) + measure_tokens(rule.reasoning or "")
            if chat:
                message: Payload = {"role": "assistant", "content": text}
                if rule.reasoning is not None:
                    message["reasoning_content"] = rule.reasoning
                choice: Payload = {"index": sample, "message": message, "finish_reason": finish}
                if body.get("logprobs"):
                    choice["logprobs"] = {"content": _chat_logprobs(text, body.get("top_logprobs") or 0)}
            else:
                echoed = body.get("prompt", "") if body.get("echo") else ""
                choice = {"index": sample, "text": echoed + text, "finish_reason": finish}
                if body.get("logprobs") is not None:
                    choice["logprobs"] = _completion_logprobs(echoed, text, body["logprobs"])
            choices.append(choice)
        read = sum(measure_tokens(_text(m.get("content"))) for m in body.get("messages") or ())
        read += 0 if chat else measure_tokens(_text(body.get("prompt")))
        return {
            "id": "scripted-" + hashlib.blake2b(prompt, digest_size=8).hexdigest(),
            "object": "chat.completion" if chat else "text_completion",
            "created": 0,
            "model": self.model,
            "choices": choices,
            "usage": {"prompt_tokens": read, "completion_tokens": completion, "total_tokens": read + completion},
        }

    def _failure(self, rule: Rule) -> ModelError:
        kind: type[ModelError] = getattr(errors, rule.fail or "")
        message = f"{self.name}: {kind.__doc__} The script wants it so; see `fail` in {self._source}"
        return kind(message, rule.retry_after) if issubclass(kind, Overload) else kind(message)


def measure_tokens(text: str) -> int:
    """Count a text as the scripted models do: one token per CJK character and per run of other visible ones."""
    return sum(1 for _ in _TOKEN.finditer(text))


def _read(script: Any, source: str) -> _Script:
    if isinstance(script, Path | str):
        try:
            script = YAML(typ="safe", pure=True).load(Path(script))
        except OSError as error:
            raise RecipeError(f"{source}: the script cannot be read ({error.strerror}); check `scripted:`") from None
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f":{mark.line + 1}" if mark else ""
            raise RecipeError(
                f"{source}{where}: {getattr(error, 'problem', None) or 'is not YAML'}; correct it"
            ) from None
        except UnicodeDecodeError as error:
            raise RecipeError(f"{source}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if isinstance(script, list | tuple):
        script = {"rules": script}
    try:
        return _Script.model_validate(script)
    except ValidationError as error:
        raise RecipeError(
            [
                f"{source}: {' '.join(_place(p['loc'])) or 'the script'}: {p['msg'].removeprefix('Value error, ')}"
                for p in error.errors()
            ]
        ) from None


def _place(location: tuple[str | int, ...]) -> list[str]:
    return [f"number {part + 1}" if isinstance(part, int) else part for part in location]


def _is_pattern(when: str | None) -> bool:
    return when is not None and len(when) > 2 and when[0] == when[-1] == "/"


def _pattern(when: str | None) -> re.Pattern[str]:
    if when is None:
        return re.compile("")
    return re.compile(when[1:-1] if _is_pattern(when) else re.escape(when))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)
    return content or ""


def _last(body: Payload) -> str:
    messages = body.get("messages")
    return _text(messages[-1].get("content")) if messages else _text(body.get("prompt"))


def _said(rule: Rule, match: re.Match[str] | None, prompt: bytes, sample: int) -> str:
    if rule.json_ is not None:
        return orjson.dumps(_fill(rule.json_, match)).decode()
    chosen = 0
    if len(rule.say) > 1:
        # the first text is drawn by the prompt, and further samples take turns from there
        drawn = int.from_bytes(hashlib.blake2b(prompt, digest_size=8).digest(), "big")
        chosen = (drawn + sample) % len(rule.say)
    return _fill(rule.say[chosen], match)


def _fill(value: Any, match: re.Match[str] | None) -> Any:
    if isinstance(value, str):
        if match is None or "$" not in value:
            return value
        last = match.re.groups
        return _GROUP.sub(lambda m: (match[int(m[1])] or "") if int(m[1]) <= last else m[0], value)
    if isinstance(value, list | tuple):
        return [_fill(item, match) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, match) for key, item in value.items()}
    return value


def _stop(text: str, stop: str | list[str] | None) -> tuple[str, bool]:
    places = [text.find(s) for s in ([stop] if isinstance(stop, str) else stop or ()) if s in text]
    return (text[: min(places)], True) if places else (text, False)


def _cut(text: str, limit: int | None) -> tuple[str, bool]:
    if limit is None:
        return text, False
    for count, match in enumerate(_TOKEN.finditer(text)):
        if count == limit:
            return text[: match.start()], True
    return text, False


def _logprob(token: str) -> float:
    """Return an invented but reproducible log-probability, from -4 to 0."""
    return -hashlib.blake2b(token.strip().encode(), digest_size=1).digest()[0] / 64


def _top(token: str, count: int) -> dict[str, float]:
    return {token if i == 0 else f"{token}~{i}": _logprob(token) - i for i in range(count)}


def _chat_logprobs(text: str, count: int) -> list[Payload]:
    return [
        {
            "token": token,
            "logprob": _logprob(token),
            "bytes": list(token.encode()),
            "top_logprobs": [{"token": t, "logprob": p} for t, p in _top(token, count).items()],
        }
        for token in _TOKEN.findall(text)
    ]


def _completion_logprobs(echoed: str, text: str, count: int) -> Payload:
    found = [(m.start(), m[0]) for m in _TOKEN.finditer(echoed)]
    found += [(len(echoed) + m.start(), m[0]) for m in _TOKEN.finditer(text)]
    values: list[float | None] = [_logprob(token) for _, token in found]
    tops: list[dict[str, float] | None] = [_top(token, count) for _, token in found]
    if echoed and values:
        values[0] = tops[0] = None  # nothing stands before the first token
    return {
        "tokens": [token for _, token in found],
        "token_logprobs": values,
        "top_logprobs": tops,
        "text_offset": [start for start, _ in found],
    }


def _embeddings(body: Payload, model: str) -> Payload:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    size = body.get("dimensions") or _DIMENSIONS
    data = []
    for index, text in enumerate(texts):
        vector: Any = embed(text, size)
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(array("f", vector).tobytes()).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    read = sum(measure_tokens(text) for text in texts)
    return {"object": "list", "model": model, "data": data, "usage": {"prompt_tokens": read, "total_tokens": read}}


def embed(text: str, size: int = _DIMENSIONS) -> list[float]:
    """Return a unit vector of hashed character pairs: the more pairs two texts share, the closer they lie."""
    vector = [0.0] * size
    framed = f"\n{text}\n"
    for i in range(len(framed) - 1):
        digest = hashlib.blake2b(framed[i : i + 2].encode("utf-8", "surrogatepass"), digest_size=5).digest()
        vector[int.from_bytes(digest[:4], "big") % size] += 1.0 if digest[4] & 1 else -1.0
    length = math.sqrt(math.fsum(v * v for v in vector))
    if length == 0:  # pairs that cancel each other out
        return [1.0, *([0.0] * (size - 1))]
    return [v / length for v in vector]
