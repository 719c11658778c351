"""Models in this process, run by transformers: scores of tokens, rewards and classes, without a server.

    models:
      scorer: {transformers: qwen2.5-coder-0.5b-instruct}     # an embedded model, or
      reward: {transformers: models/our-reward-model}         # a folder in the Hugging Face format

They answer in the shapes of vLLM, so that steps need not know (`pip install 'sftmill[train]'`). They compute in 32-bit
floats, on a GPU where torch sees one, one request after the other: about 30 tokens a CPU second with half a billion
weights. They write nothing: that is a server's work, as are models of many billions.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any

from sftmill.errors import BadRequest, ContextTooLong, ModelError, ModelFileError, ModelNotFound
from sftmill.models import in_process_files as files
from sftmill.models.client import Payload
from sftmill.models.in_process_scores import Pieces, Reader, split_tokens
from sftmill.models.reward import conversation_text

DIGITS = 6
"""Digits behind the point that are told; floats of 32 bits carry no more."""


class LoadedModel:
    """A model in memory; all roles of a run that name it share it, and one thread works at a time.

    `revision` is the version of transformers and the SHA-256 of all files that decide the numbers; `kind` is what the
    model does, `labels` names its classes, `room` is how many tokens it reads at most. The weights are read at the
    first request. Raises ModelFileError.
    """

    def __init__(self, name: str):
        if found := files.problems(name):
            raise ModelFileError("\n".join(found))
        self.name = name if files.is_embedded(name) else Path(name).name
        self.folder = files.find_folder(name)
        config = files.read_config(self.folder)
        self.kind = files.find_kind(config)
        self.labels = files.name_labels(config)
        self.room = files.find_room(config, None)
        self.revision = f"transformers {files.library_version()} sha256:{files.model_digest(name)}"
        self._lock = threading.Lock()
        self._model: Any = None
        self._tokenizer: Any = None
        self._reader: Reader | None = None

    @property
    def computed(self) -> int:
        """Tokens that were computed so far, those of shared beginnings once."""
        return self._reader.computed if self._reader else 0

    def score(self, text: str) -> tuple[Pieces, list[float | None], int]:
        """Return the tokens of a text, the log-probability of each but the first, and how many were known before."""
        with self._lock:
            self._load()
            pieces = split_tokens(self._tokenizer, text)
            self._check_room(len(pieces.ids))
            try:
                values, known = self._reader.read(pieces.ids)
            except RuntimeError as error:
                raise _out_of_memory(self.name, len(pieces.ids), error) from None
            return pieces, values, known

    def judge(self, first: str | list[dict[str, Any]], second: str | None = None) -> tuple[list[float], int]:
        """Return the raw outputs of a classifier's head for a conversation or for two texts, and the number of tokens."""
        import torch

        with self._lock:
            self._load()
            inputs = encode_judged(self._tokenizer, first, second)
            size = inputs["input_ids"].shape[1]
            self._check_room(size)
            try:
                with torch.inference_mode():
                    made = self._model(**{name: value.to(self._model.device) for name, value in inputs.items()})
            except RuntimeError as error:
                raise _out_of_memory(self.name, size, error) from None
            return made.logits[0].float().tolist(), size

    def close(self) -> None:
        """Let go of the weights."""
        with self._lock:
            self._model = self._tokenizer = self._reader = None

    def _check_room(self, size: int) -> None:
        if self.room is not None and size > self.room:
            raise ContextTooLong(f"{self.name} reads {self.room} tokens, the text has {size}; shorten it")

    def _load(self) -> None:
        if self._model is not None:
            return
        self._tokenizer, self._model = load_model(self.folder, classifier=self.kind != "causal")
        self.room = files.find_room(files.read_config(self.folder), self._tokenizer)
        if self.kind == "causal":
            self._reader = Reader(self._model)


class InProcessProvider:
    """Answers as vLLM does from a model in this process: "/completions" with the prompt's log-probabilities,
    "/pooling", "/score" and "/classify"; works in a thread.
    """

    def __init__(self, model: LoadedModel):
        self.name = model.name
        self._model = model

    async def post(self, path: str, body: Payload, *, timeout: float) -> Payload:  # noqa: ASYNC109
        """Return the numbers; raises ModelNotFound, which ends the run, for what such a model does not do."""
        try:
            return await self._answer(path.removeprefix("/.."), body)
        except ModelFileError as error:  # weights that cannot be loaded end the run, too
            raise ModelNotFound(str(error)) from None

    async def _answer(self, path: str, body: Payload) -> Payload:
        kind = self._model.kind
        if path == "/completions" and kind == "causal" and (body.get("prompt_logprobs") or body.get("echo")):
            return await asyncio.to_thread(self._complete, _text(body, "prompt", self.name))
        if path in ("/pooling", "/score") and kind == "reward":
            return await asyncio.to_thread(self._reward, path, body)
        if path == "/classify" and kind == "classifier":
            return await asyncio.to_thread(self._classify, body)
        raise ModelNotFound(
            f"{self.name} {files.DOES[kind]} and cannot answer {path.strip('/')}; let the step ask a role with "
            "`endpoint:` or `local:`, which write, or with a model of the right kind"
        )

    async def get(self, path: str) -> Payload:
        """Return the one model that there is."""
        if path != "/models":
            raise BadRequest(f"{self.name}: knows no {path}; there is /models")
        return {"object": "list", "data": [{"id": self.name, "object": "model"}]}

    async def close(self) -> None:
        """Do nothing: the model is shared, and closed by who made it."""

    def _complete(self, text: str) -> Payload:
        pieces, values, known = self._model.score(text)
        told = [
            value if value is None else {str(number): {"logprob": round(value, DIGITS), "decoded_token": token}}
            for number, token, value in zip(pieces.ids, pieces.texts, values, strict=True)
        ]
        choice = {
            "index": 0,
            "text": "",
            "finish_reason": "length",
            "prompt_logprobs": told or [None],  # vLLM, too, has nothing to say of the first token
            "logprobs": {"tokens": pieces.texts[:1], "token_logprobs": [None], "text_ends": pieces.ends},
        }
        usage = {**_usage(len(pieces.ids)), "prompt_tokens_details": {"cached_tokens": known}}
        return {"object": "text_completion", "model": self.name, "choices": [choice], "usage": usage}

    def _reward(self, path: str, body: Payload) -> Payload:
        if path == "/score":
            numbers, size = self._model.judge(_text(body, "text_1", self.name), _text(body, "text_2", self.name))
            item: Payload = {"index": 0, "score": round(numbers[0], DIGITS)}
        else:
            messages = body.get("messages")
            if not isinstance(messages, list) or not messages:
                raise BadRequest(f"{self.name}: `messages` is no conversation")
            numbers, size = self._model.judge(messages)
            item = {"index": 0, "data": [round(numbers[0], DIGITS)]}
        return {"object": "list", "model": self.name, "data": [item], "usage": _usage(size)}

    def _classify(self, body: Payload) -> Payload:
        import torch

        numbers, size = self._model.judge(_text(body, "text_1", self.name), _text(body, "text_2", self.name))
        chances = torch.tensor(numbers, dtype=torch.float64).softmax(-1).tolist()
        labels = self._model.labels
        item = {
            "index": 0,
            "label": labels[chances.index(max(chances))],
            "probs": [round(chance, DIGITS) for chance in chances],
            "labels": labels,
            "num_classes": len(chances),
        }
        return {"object": "list", "model": self.name, "data": [item], "usage": _usage(size)}


def load_model(folder: Path, *, classifier: bool) -> tuple[Any, Any]:
    """Return (tokenizer, model) of a folder in 32-bit floats, on a GPU where torch sees one; raises ModelFileError.

    Weights that the folder lacks are an error: the library would draw them by chance.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    loader = AutoModelForSequenceClassification if classifier else AutoModelForCausalLM
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        with files.quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
            model, told = loader.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **safe
            )
    except Exception as error:
        raise ModelFileError(
            f"{folder}: cannot be loaded ({type(error).__name__}: {error}); check its files, or download it again"
        ) from error
    if missing := sorted(told["missing_keys"]):
        raise ModelFileError(
            f"{folder}: the weights lack {missing[0]!r} ({len(missing)} in all), so its numbers would be chance; name a "
            "folder whose weights belong to its config.json"
        )
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def encode_judged(tokenizer: Any, first: str | list[dict[str, Any]], second: str | None = None) -> Any:
    """Return the tensors that a classifier reads: a conversation in its chat format, or two texts as a pair.

    A conversation without a chat format is a pair, too: all turns but the last, and the last. Where the tokenizer puts
    nothing between the two, an empty line does. Raises BadRequest where the chat format refuses the turns.
    """
    if not isinstance(first, str):
        if getattr(tokenizer, "chat_template", None):
            try:
                return tokenizer.apply_chat_template(first, tokenize=True, return_dict=True, return_tensors="pt")
            except Exception as error:
                raise BadRequest(
                    f"the chat format of the model refuses these turns ({type(error).__name__}: {error}); it may want "
                    "user and assistant by turns, without a system turn"
                ) from None
        first, second = conversation_text(first[:-1]) if first[:-1] else "", str(first[-1].get("content") or "")
    if second is None:
        return tokenizer(first, return_tensors="pt")
    if tokenizer.num_special_tokens_to_add(pair=True) == tokenizer.num_special_tokens_to_add(pair=False):
        return tokenizer(f"{first}\n\n{second}", return_tensors="pt")
    return tokenizer(first, second, return_tensors="pt")


def _text(body: Payload, field: str, name: str) -> str:
    text = body.get(field)
    if not isinstance(text, str):
        raise BadRequest(f"{name}: `{field}` is no text")
    return text


def _usage(tokens: int) -> Payload:
    return {"prompt_tokens": max(1, tokens), "total_tokens": max(1, tokens)}


def _out_of_memory(name: str, tokens: int, error: RuntimeError) -> ModelError:
    if "memory" in str(error).lower():
        return ModelError(
            f"{name}: too little memory for {tokens} tokens at once; shorten the texts, or use an endpoint"
        )
    return ModelError(f"{name}: torch failed ({type(error).__name__}: {str(error)[:200]})")
