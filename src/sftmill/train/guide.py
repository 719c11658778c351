"""Preferences put in while the model writes: DeRa, proxy-tuning and contrastive decoding, and DPO's reward to rerank.

Needs the extra `train` (torch, transformers), imported inside the functions. All models of a guide share a vocabulary;
each reads the conversation in its own chat format and keeps its own cache, and all go on with the same tokens. The
temperature is applied behind the sum, and the mixture decides when the text ends. Where a model answers only through
an API without logits, draw several answers and rerank them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftmill.core import Message, Row, Sampling, answered, turns
from sftmill.errors import ModelFileError
from sftmill.train.logits import PLAUSIBLE, REWARD_BETA, contrast, implicit_reward, log_softmax, proxy_tune, realign


@dataclass(frozen=True, slots=True)
class Voice:
    """A causal language model with its tokenizer, on a device, ready to be asked."""

    model: Any
    tokenizer: Any
    name: str = "model"

    @property
    def ends(self) -> frozenset[int]:
        """Ids of the tokens that end its texts."""
        found = [self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id]
        return frozenset(one for ids in found for one in (ids if isinstance(ids, list) else [ids]) if one is not None)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation in the model's own chat format, up to where its answer begins.

        A model without a format of its own reads the turns as plain text.
        """
        if getattr(self.tokenizer, "chat_template", None):
            made = self.tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, tokenize=True, return_dict=False
            )
            return list(made)
        text = "\n\n".join(message["content"] for message in messages)
        return list(self.tokenizer(f"{text}\n\n")["input_ids"])


@dataclass(frozen=True, slots=True)
class Piece:
    """A token as it is written, with the text that it completes (the empty string within a character)."""

    token: int | None
    """None for text that was held back, because it might have been the beginning of a stop."""
    text: str
    logprob: float
    """Natural logarithm of its probability in the mixture, before temperature and cuts."""


@dataclass(frozen=True, slots=True)
class Guide:
    """Models and the formula that makes one next token of their logits; make one with `dera`, `proxy` or `contrastive`."""

    voices: tuple[Voice, ...]
    """The first one's tokenizer turns tokens into text."""
    formula: Callable[[Sequence[Any]], Any]
    cached: bool = True
    """Whether each model keeps a cache of what it has read; without, everything is read anew for each token."""
    size: int = field(init=False)
    """Number of real tokens; rows of the output layer beyond are padding, and are cut."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", shared_vocabulary(self.voices))

    def stream(self, messages: Sequence[Message], sampling: Sampling | None = None, seed: int = 0) -> Iterator[Piece]:
        """Yield the answer token by token, the one that ends it not among them.

        Of `sampling`, temperature, max_tokens, top_p, top_k, min_p and stop are used. Raises ValueError where prompt
        and answer do not fit into a model's context.
        """
        import torch

        sampling = sampling or Sampling()
        prompts = [voice.prompt(messages) for voice in self.voices]
        self._check_room(prompts, sampling.max_tokens)
        ends = frozenset().union(*(voice.ends for voice in self.voices))
        readers = [
            _Reader(voice.model, prompt, self.cached) for voice, prompt in zip(self.voices, prompts, strict=True)
        ]
        generator = torch.Generator().manual_seed(seed)
        written: list[int] = []
        text = told = ""
        for _ in range(sampling.max_tokens):
            mixed = self.formula([reader.logits()[: self.size] for reader in readers])
            token = _choose(mixed, sampling, generator)
            if token in ends:
                break
            written.append(token)
            text = self.voices[0].tokenizer.decode(written, skip_special_tokens=True)
            sure, stopped = _before_stop(text, sampling.stop)
            yield Piece(token, sure[len(told) :], float(log_softmax(mixed)[token]))
            told = max(told, sure, key=len)
            if stopped:
                return
            for reader in readers:
                reader.add(token)
        if text[len(told) :]:
            yield Piece(None, text[len(told) :], 0.0)

    def write(self, messages: Sequence[Message], sampling: Sampling | None = None, seed: int = 0) -> str:
        """Return the whole answer."""
        return "".join(piece.text for piece in self.stream(messages, sampling, seed)).strip()

    def answer(self, row: Row, sampling: Sampling | None = None, seed: int = 0) -> Row:
        """Return a row with the guided answer as its last turn; one that stands there is replaced."""
        messages = turns(row)
        if messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        return answered({**row, "reasoning": None}, self.write(messages, sampling, seed))

    def _check_room(self, prompts: Sequence[Sequence[int]], more: int) -> None:
        for voice, prompt in zip(self.voices, prompts, strict=True):
            room = getattr(voice.model.config, "max_position_embeddings", None)
            if room is not None and len(prompt) + more > room:
                raise ValueError(
                    f"{voice.name} has room for {room} tokens, not for a prompt of {len(prompt)} and an answer of {more}; "
                    "lower max_tokens, or shorten the conversation"
                )


def dera(reference: Voice, aligned: Voice, strength: float = 1.0, **settings: Any) -> Guide:
    """Return a guide between a reference (SFT) model and the aligned one made of it, from 0 to 1 and beyond."""
    return Guide((reference, aligned), lambda logits: realign(*logits, strength), **settings)


def proxy(base: Voice, expert: Voice, antiexpert: Voice, strength: float = 1.0, **settings: Any) -> Guide:
    """Return a guide that moves a large base model as a small expert differs from its untuned self."""
    return Guide((base, expert, antiexpert), lambda logits: proxy_tune(*logits, strength), **settings)


def contrastive(
    expert: Voice,
    amateur: Voice,
    beta: float | None = 0.5,
    plausible: float = PLAUSIBLE,
    amateur_temperature: float = 1.0,
    **settings: Any,
) -> Guide:
    """Return a guide to what a strong model says and a weak one does not, among what the strong one finds plausible."""
    return Guide(
        (expert, amateur),
        lambda logits: contrast(logits[0], logits[1] / amateur_temperature, beta, plausible),
        **settings,
    )


def rerank(
    aligned: Voice, reference: Voice, messages: Sequence[Message], texts: Sequence[str], beta: float = REWARD_BETA
) -> list[float]:
    """Return DPO's implicit reward of each text as an answer to a conversation; the highest is the preferred one."""
    shared_vocabulary((aligned, reference))
    return [
        implicit_reward(answer_logprobs(aligned, messages, text), answer_logprobs(reference, messages, text), beta)
        for text in texts
    ]


def answer_logprobs(voice: Voice, messages: Sequence[Message], text: str) -> list[float]:
    """Return the log-probability of each token of a text as the answer, and of the token that ends it."""
    import torch

    prompt = voice.prompt(messages)
    ids = list(voice.tokenizer(text, add_special_tokens=False)["input_ids"])
    if voice.tokenizer.eos_token_id is not None:
        ids.append(voice.tokenizer.eos_token_id)
    with torch.no_grad():
        device = voice.model.device
        logits = voice.model(input_ids=torch.tensor([[*prompt, *ids]], device=device)).logits[0].float()
    scores = log_softmax(logits[len(prompt) - 1 : -1, : max(voice.tokenizer.get_vocab().values()) + 1])
    return scores[torch.arange(len(ids)), torch.tensor(ids, device=device)].tolist()


def shared_vocabulary(voices: Sequence[Voice]) -> int:
    """Return the number of real tokens that all models have, with the same ids.

    Output layers are often padded to different sizes, which does not matter; raises ModelFileError where the
    vocabularies themselves differ, or an output layer is smaller than its vocabulary.
    """
    first = voices[0]
    known = first.tokenizer.get_vocab()
    size = max(known.values()) + 1
    for voice in voices:
        other = voice.tokenizer.get_vocab()
        if other != known:
            odd = sorted(token for token in known.keys() | other.keys() if known.get(token) != other.get(token))
            raise ModelFileError(
                f"{first.name} and {voice.name} have different vocabularies ({len(odd)} tokens, such as {odd[0]!r}), so "
                "that their logits cannot be added; take models of one family, or draw answers and rerank them"
            )
        rows = voice.model.get_output_embeddings().weight.shape[0]
        if rows < size:
            raise ModelFileError(
                f"{voice.name} has an output layer of {rows} tokens for a vocabulary of {size}; take the tokenizer that "
                "belongs to the weights"
            )
    return size


def load_voice(folder: Path, device: str = "cpu") -> Voice:
    """Load a model and its tokenizer from a folder; weights from safetensors alone, and no code that comes with them.

    Raises ModelFileError where the folder has none.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not list(Path(folder).glob("*.safetensors")):
        raise ModelFileError(f"{folder}: has no weights in *.safetensors; download the model, or convert its weights")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="auto"
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelFileError(
            f"{folder}: cannot be loaded ({type(error).__name__}: {error}); check its files"
        ) from error
    return Voice(model.to(device).eval(), tokenizer, Path(folder).name)


class _Reader:
    """What one model has read, and its logits for what comes next."""

    def __init__(self, model: Any, prompt: Sequence[int], cached: bool):
        self.model, self.cached = model, cached
        self.ids = list(prompt)
        self.unread = list(prompt)
        self.cache: Any = None

    def add(self, token: int) -> None:
        """Take the next token in."""
        self.ids.append(token)
        self.unread.append(token)

    def logits(self) -> Any:
        """Return the logits of the next token, in float32 on the CPU."""
        import torch

        ids = torch.tensor([self.unread if self.cached else self.ids], device=self.model.device)
        with torch.no_grad():
            made = self.model(input_ids=ids, past_key_values=self.cache, use_cache=self.cached)
        self.cache = made.past_key_values if self.cached else None
        self.unread = []
        return made.logits[0, -1].float().cpu()


def _before_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Return what can be told of a text by now, and whether a stop has ended it.

    A character whose bytes are not all there yet waits, and so does an end that may be the beginning of a stop.
    """
    places = [text.find(stop) for stop in stops if stop in text]
    if places:
        return text[: min(places)], True
    whole = text.rstrip("\ufffd")
    held = max((n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n])), default=0)
    return whole[: len(whole) - held], False


def _choose(mixed: Any, sampling: Sampling, generator: Any) -> int:
    """Return the next token: the likeliest at temperature 0, else drawn, with the temperature behind the sum."""
    import torch

    if not sampling.temperature:
        return int(mixed.argmax())
    chances = (mixed / sampling.temperature).softmax(-1)
    order = chances.argsort(descending=True, stable=True)
    sorted_chances = chances[order]
    kept = torch.ones_like(sorted_chances, dtype=torch.bool)
    if sampling.top_k:
        kept[sampling.top_k :] = False
    if sampling.top_p is not None:
        kept &= sorted_chances.cumsum(-1) - sorted_chances < sampling.top_p
    if sampling.min_p is not None:
        kept &= sorted_chances >= sampling.min_p * sorted_chances[0]
    kept[0] = True
    return int(order[torch.multinomial(sorted_chances * kept, 1, generator=generator)])
