"""Tags: how hard, how good and of what kind an instruction is, as a model judges it."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, BeforeValidator, Field

from sftmill.core import AskStep, Desk, Drop, Row, sampling
from sftmill.errors import ReplyUnusable
from sftmill.steps.curate.user_text import user_text

Group = Literal["difficulty", "quality", "category"]
MOST_TAGS = 8
"""Pieces of knowledge that are kept of one instruction."""


def _lower(value: object) -> object:
    return value.strip().lower().replace("_", " ").replace("-", " ") if isinstance(value, str) else value


Category = Literal[
    "Information seeking", "Reasoning", "Planning", "Editing", "Coding & Debugging", "Math", "Role playing",
    "Data analysis", "Creative writing", "Advice seeking", "Brainstorming", "Others",
]  # fmt: skip
"""The categories of Magpie (arXiv 2406.08464)."""


def _category(value: object) -> object:
    known = {name.lower(): name for name in get_args(Category)}
    return known.get(value.strip().lower().replace(" and ", " & "), value) if isinstance(value, str) else value


class DifficultyTag(BaseModel):
    """What the user wants, what has to be known for it, and how hard it is."""

    intent: str = Field(json_schema_extra={"maxLength": 300})
    knowledge: list[str] = Field(json_schema_extra={"maxItems": 8, "items": {"type": "string", "maxLength": 60}})
    difficulty: Annotated[Literal["very easy", "easy", "medium", "hard", "very hard"], BeforeValidator(_lower)]


class QualityTag(BaseModel):
    """How clear, specific and coherent an instruction is; the reasons come before the verdict."""

    explanation: str = Field(json_schema_extra={"maxLength": 400})
    quality: Annotated[Literal["very poor", "poor", "average", "good", "excellent"], BeforeValidator(_lower)]


class CategoryTag(BaseModel):
    """What kind of request an instruction is."""

    category: Annotated[Category, BeforeValidator(_category)]


SCHEMAS: dict[str, type[BaseModel]] = {
    "difficulty": DifficultyTag,
    "quality": QualityTag,
    "category": CategoryTag,
}


class TagInstructions(AskStep):
    """Tags each instruction with its difficulty, its quality and its category, one request for each group.

    The tags of Magpie (arXiv 2406.08464), which are English words in every language: `difficulty` (very easy to very
    hard) with `intent` and, in `tags`, what has to be known; `quality` (very poor to excellent: clear, specific,
    coherent); `category`, one of twelve. The user's turns alone are judged, not the answer. A group that the
    model does not answer as asked leaves its tags away, also those that the row had, and the row goes on without;
    `magpie_filter` then does not let it pass.
    Drops: `no_question`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("difficulty", "intent", "tags", "quality", "category")
    prompts: ClassVar[tuple[str, ...]] = ("difficulty", "quality", "category")
    prompt_values: ClassVar[tuple[str, ...]] = ("instruction",)
    """The user's turns, cut to `longest`."""

    groups: tuple[Group, ...] = Field(("difficulty", "quality", "category"), min_length=1)
    """Which tags to ask for; each group is a request."""
    longest: int = Field(6000, ge=100)
    """Characters of an instruction that are shown; of a longer one beginning and end."""
    to: str = "teacher"
    """Role that judges."""
    max_tokens: int = Field(512, ge=16)
    """Tokens of a reply."""

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its tags; those of a group without a usable reply are None."""
        text = user_text(row)
        if not text:
            raise Drop("no_question")
        made = dict(row)
        for group in dict.fromkeys(self.groups):
            made |= await self._tags(group, shortened(text, self.longest), desk)
        return made

    async def _tags(self, group: Group, text: str, desk: Desk) -> Row:
        """Return the columns of one group."""
        asked = desk.prompt(group, instruction=text)
        try:
            reply = (await desk.ask(asked, to=self.to, schema=SCHEMAS[group], sampling=sampling(0.0, self.max_tokens)))[
                0
            ]
        except ReplyUnusable:  # no JSON after all repairs, cut off, or refused: the row is not to blame
            empty = {"difficulty": None, "intent": None, "tags": None}
            return empty if group == "difficulty" else {group: None}
        tag = reply.data
        if group != "difficulty":
            return {group: getattr(tag, group)}
        known = dict.fromkeys(name for one in tag.knowledge if (name := one.strip()))
        intent = tag.intent.strip()
        return {"difficulty": tag.difficulty, "intent": intent or None, "tags": list(known)[:MOST_TAGS] or None}


def shortened(text: str, longest: int) -> str:
    """Return a text that is too long without its middle."""
    if len(text) <= longest:
        return text
    head = longest * 2 // 3
    return f"{text[:head]}\n……\n{text[-(longest - head) :]}"
