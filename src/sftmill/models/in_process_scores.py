"""Log-probabilities of a text's tokens under a causal model, with the reading of shared beginnings kept.

Steps score several continuations of one passage: what the texts begin with in common is read once, and gives the same
numbers as reading it anew, to the rounding of 32-bit floats.
"""

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

CHUNK = 256
"""Tokens read at a time, so that the logits of a long text (a vocabulary for each token) do not fill the memory."""
KEPT, KEPT_BYTES = 8, 512 << 20
"""Most texts whose reading is kept, and about the most bytes that all may take."""
LEAST_SHARED = 8
"""Tokens that must be shared for copying to be cheaper than reading."""
BROKEN = "\ufffd"
"""What stands for a token that holds only part of a character."""


class Pieces(NamedTuple):
    """The tokens of a text; `texts` join to the text, but for added tokens (empty) and broken characters."""

    ids: list[int]
    texts: list[str]
    ends: list[int] | None
    """Characters of the text up to the end of each token; None where the tokenizer does not tell."""


def split_tokens(tokenizer: Any, text: str) -> Pieces:
    """Return the tokens of a text, with what the tokenizer puts around it, each with its part of the text."""
    if not tokenizer.is_fast:
        ids = list(tokenizer(text)["input_ids"])
        return Pieces(ids, [tokenizer.decode([number]) for number in ids], None)
    made = tokenizer(text, return_offsets_mapping=True)
    ids, spans = list(made["input_ids"]), [tuple(span) for span in made["offset_mapping"]]
    texts = [""] * len(ids)
    written = [i for i, (start, stop) in enumerate(spans) if start < stop]
    end = 0
    for i, after in zip(written, [*written, None][1:], strict=True):
        start, stop = spans[i]
        broken = start < end or (after is not None and spans[after][0] < stop)
        texts[i] = BROKEN if broken else text[end:stop]  # spaces that the span leaves out belong to the token
        end = max(end, stop)
    return Pieces(ids, texts, list(accumulate((stop for _, stop in spans), max)))


@dataclass(slots=True)
class _Read:
    """A text that was read: its tokens, their log-probabilities, and the keys and values of every layer."""

    ids: list[int]
    values: list[float | None]
    layers: list[tuple[Any, Any]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for pair in self.layers for tensor in pair)


class Reader:
    """Reads texts with one model, and keeps the last few."""

    def __init__(self, model: Any):
        from transformers.cache_utils import DynamicCache, DynamicLayer

        self.model = model
        self.computed = 0
        """Tokens computed so far."""
        self._new_cache = lambda layers: DynamicCache(ddp_cache_data=layers, config=model.config)
        try:
            made = DynamicCache(config=model.config).layers
        except (KeyError, AttributeError, TypeError, ValueError):  # a model with a memory of another kind
            made = []
        # sliding windows and state-space layers forget, so what they kept cannot be cut back to a beginning
        self.keeps = bool(made) and all(type(layer) is DynamicLayer for layer in made)
        self._kept: list[_Read] = []

    def read(self, ids: list[int]) -> tuple[list[float | None], int]:
        """Return the log-probability of each token after those before it, None for the first, and how many were known."""
        import torch

        if len(ids) < 2:
            return [None] * len(ids), 0
        with torch.inference_mode():
            if not self.keeps:
                self.computed += len(ids)
                logits = self.model(input_ids=self._tensor(ids), use_cache=False).logits[0]
                return [None, *_pick(logits[:-1], self._tensor(ids[1:])[0])], 0
            return self._read_on(ids)

    def _read_on(self, ids: list[int]) -> tuple[list[float | None], int]:
        known, shared = self._nearest(ids)
        start = max(shared - 1, 0)  # the last shared token is read again: what comes after it is new
        values: list[float | None] = list(known.values[:shared]) if known else [None]
        layers = [(keys[:, :, :start], kept[:, :, :start]) for keys, kept in known.layers] if known and start else None
        cache = self._new_cache(layers)
        for at in range(start, len(ids), CHUNK):
            some = ids[at : at + CHUNK]
            logits = self.model(input_ids=self._tensor(some), past_key_values=cache, use_cache=True).logits[0]
            following = ids[at + 1 : at + 1 + len(some)]
            values += _pick(logits[: len(following)], self._tensor(following)[0])
            self.computed += len(some)
        self._keep(_Read(ids, values, [(layer.keys, layer.values) for layer in cache.layers]), known, shared)
        return values, start

    def _nearest(self, ids: list[int]) -> tuple[_Read | None, int]:
        """Return the kept text that begins most like this one, and the number of tokens they share."""
        found, most = None, LEAST_SHARED - 1
        for read in self._kept:
            shared = _shared(read.ids, ids)
            if shared > most:
                found, most = read, shared
        return found, most if found else 0

    def _keep(self, read: _Read, known: _Read | None, shared: int) -> None:
        """Keep what was read, the latest used last; a text that shares half of an old one stands for both."""
        others = [one for one in self._kept if one is not known]
        if known is None or (len(read.ids) > shared and 2 * shared >= len(known.ids)):
            self._kept = [*others, read]
        else:
            self._kept = [*others, known, *([read] if len(read.ids) > shared else [])]
        while len(self._kept) > KEPT or (len(self._kept) > 1 and sum(one.bytes for one in self._kept) > KEPT_BYTES):
            self._kept.pop(0)

    def _tensor(self, ids: list[int]) -> Any:
        import torch

        return torch.tensor([ids], device=self.model.device)


def _shared(one: list[int], other: list[int]) -> int:
    """Return the number of tokens with which both begin."""
    most = min(len(one), len(other))
    return next((i for i in range(most) if one[i] != other[i]), most)


def _pick(logits: Any, following: Any) -> list[float]:
    """Return the log-probability of each token that follows, of logits of shape (tokens, vocabulary)."""
    logits = logits.float()
    return (logits.gather(1, following[:, None])[:, 0] - logits.logsumexp(-1)).tolist()
