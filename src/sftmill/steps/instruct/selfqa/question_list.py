"""The form in which models propose questions, and how each finds its passage."""

import re
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema, create_model, model_validator

from sftmill.steps.instruct.selfqa.question_types import LABELS
from sftmill.text import char_ngrams, normalise
from sftmill.text.lazy import lazy_pattern

_SPACES = lazy_pattern(r"\s+")
_NUMBERING = lazy_pattern(
    r"^\s*(?:[-*•]\s+|[（(]?\d{1,2}[)）.、:：](?!\d)\s*|(?:问题|question|q)\s*\d{0,2}\s*[:：.、]\s*)+", re.IGNORECASE
)
_PIECE_MARK = lazy_pattern(r"[（(]?【\d{1,2}】[)）]?\s*[:：,，]?\s*|\[\d{1,2}\]\s*[:：,]?\s*")


class Proposed(BaseModel):
    """A question as a model proposes it; a bare text is read as one without a type."""

    piece: int
    """Number of the piece that the question is about, 0 where the model names none."""
    type: str
    question: str

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        given = {"question": value} if isinstance(value, str) else value
        if not isinstance(given, dict):
            return value
        return {"piece": 0, "type": "", **{name: v for name, v in given.items() if v is not None}}


@lru_cache(maxsize=256)
def question_list(count: int) -> type[BaseModel]:
    """Return the structure of a reply with about `count` questions as bare texts.

    Small models write better questions when they need not name a type. A model that names one is
    still understood. The limits of length and number are hints for servers that generate along the
    schema, so that a small model cannot run on; a longer list from other servers is still read.
    """
    bare = Annotated[Proposed, WithJsonSchema({"type": "string", "maxLength": 300})]
    listed = Field(json_schema_extra={"minItems": 1, "maxItems": count})
    return create_model("QuestionList", questions=(list[bare], listed))


@lru_cache(maxsize=256)
def packed_list(count: int, lang: str, kinds: tuple[str, ...], pieces: int) -> type[BaseModel]:
    """Return the structure of a reply with about `count` questions of these kinds, each about one of `pieces`."""
    labels = [LABELS["zh" if lang == "zh" else "en"][kind] for kind in kinds]
    item = create_model(
        "PieceQuestion",
        __base__=Proposed,
        piece=(int, Field(json_schema_extra={"minimum": 1, "maximum": pieces})),
        type=(str, Field(json_schema_extra={"enum": labels})),
        question=(str, Field(json_schema_extra={"maxLength": 300})),
    )
    listed = Field(json_schema_extra={"minItems": 1, "maxItems": count})
    return create_model("QuestionList", questions=(list[item], listed))


def tidy(question: str) -> str:
    """Return a question without the list number, label or piece mark that models put before it, on one line."""
    text = _SPACES.sub(" ", question).strip()
    return _NUMBERING.sub("", _PIECE_MARK.sub("", text, count=1) if text[:1] in "【[(（" else text).strip()


def piece_of(named: int, question: str, pieces: dict[int, str]) -> int:
    """Return the number of the piece that a question is about: the one it names, or that shares most with it.

    `pieces` holds those that were asked about, by their number. Shared are pieces of two characters.
    """
    if named in pieces:
        return named
    if len(pieces) == 1:
        return next(iter(pieces))
    wanted = set(char_ngrams(normalise(question).lower(), 2))
    return max(pieces, key=lambda n: (len(wanted.intersection(char_ngrams(normalise(pieces[n]).lower(), 2))), -n))
