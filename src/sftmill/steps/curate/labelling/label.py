"""Labels: in which cell of a grid a question lies, and which cells a passage would be asked about."""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, sampling
from sftmill.errors import RecipeError, ReplyUnusable
from sftmill.steps.blind_label import label_values
from sftmill.steps.curate.labelling.label_form import columns_of, one_line, own_word, passage_schema, question_schema
from sftmill.steps.curate.user_text import user_text
from sftmill.steps.grid import Grid, read_grid
from sftmill.text import normalise


@lru_cache(maxsize=8)
def _grid(path: Path, changed: int, size: int) -> Grid:
    return read_grid(path)


class Label(AskStep):
    """Says in which cell of a grid a question lies; of a passage, what users would ask about it and where that lies.

    A row with a question gets `topic`, `task_type`, `difficulty` and `form`. A row with a passage alone becomes up to
    `most` rows, one for each thing that users would ask about it, with that question in `intent`: they are no samples,
    but demand, which `sftmill coverage` holds against what a pool has. What lies outside of the grid has no topic or no
    task type, and the model's own word for it in `tags`, so that one sees what the grid lacks. A question whose
    reply is no label goes on without one. The temperature is 0.
    Drops: `nothing_to_label` (no question and no passage), `nothing_asked` and `not_labelled` (passages alone), and with `outside: drop`
    `outside_grid`.
    """

    may_read: ClassVar[tuple[str, ...]] = ("messages", "passage", "title_path", "tags")
    writes: ClassVar[tuple[str, ...]] = ("topic", "task_type", "difficulty", "form", "tags", "intent")
    prompts: ClassVar[tuple[str, ...]] = ("question", "passage")
    prompt_values: ClassVar[tuple[str, ...]] = ("text", "outside", "topics", "task_types", "difficulties", "forms")
    """The question or passage, the word for what the grid does not have, and the grid's lists."""

    grid: Path
    """The grid file: topics, task_types, difficulties, and maybe forms."""
    of: Literal["question", "passage"] | None = None
    """What to label; None = the question where a row has one, and else its passage."""
    most: int = Field(3, ge=1, le=10)
    """Cells that a passage may be put into at most."""
    outside: Literal["keep", "drop"] = "keep"
    """Whether rows outside of the grid go on (without a cell, and counted as outside) or are dropped."""
    longest: int = Field(3000, ge=100)
    """Characters of a question or a passage that are shown; the end is cut."""
    to: str = "tagger"
    """Role that labels."""
    max_tokens: int = Field(600, ge=16)
    """Tokens of a reply."""

    def files(self) -> tuple[Path, ...]:
        """Return the grid file, which decides the labels."""
        return (self.grid,)

    def problems(self) -> list[str]:
        """Return what is wrong with the grid."""
        try:
            read_grid(self.grid)
        except RecipeError as error:
            return [f"grid: {problem}" for problem in error.problems]
        return []

    async def row(self, row: Row, desk: Desk) -> Row | list[Row]:
        """Return the question with its cell, or a row for each thing that is asked about the passage."""
        found = self.grid.stat()
        grid = _grid(self.grid, found.st_mtime_ns, found.st_size)
        question = user_text(row) if self.of != "passage" else ""
        passage = row.get("passage") or "" if self.of != "question" else ""
        if not (question or passage).strip():
            raise Drop("nothing_to_label")
        if question:
            return await self._question(row, question, grid, desk)
        return await self._passage(row, passage, grid, desk)

    async def _question(self, row: Row, text: str, grid: Grid, desk: Desk) -> Row:
        lang = row.get("lang") or "zh"
        prompt = desk.prompt("question", text=text[: self.longest], **label_values(grid, lang))
        drawn = sampling(0.0, self.max_tokens)
        try:
            label = (await desk.ask(prompt, to=self.to, schema=question_schema(grid, lang), sampling=drawn))[0].data
        except ReplyUnusable:  # the row is not to blame; it counts as not labelled
            return {**row, "topic": None, "task_type": None, "difficulty": None, "form": None}
        made = {**row, **columns_of(grid, label, lang)}
        if made["topic"] and made["task_type"]:
            return made
        about = own_word(label)
        if self.outside == "drop":
            raise Drop("outside_grid", about=about)
        return {**made, "tags": [*(row.get("tags") or ()), *([about] if about else ())] or None}

    async def _passage(self, row: Row, text: str, grid: Grid, desk: Desk) -> list[Row]:
        lang = row.get("lang") or "zh"
        prompt = desk.prompt("passage", text=text[: self.longest], **label_values(grid, lang))
        schema = passage_schema(grid, lang, self.most)
        try:
            reply = (await desk.ask(prompt, to=self.to, schema=schema, sampling=sampling(0.0, self.max_tokens)))[0]
        except ReplyUnusable as error:
            raise Drop("not_labelled", error=type(error).__name__) from None
        made: dict[str, Row] = {}
        beyond: list[str] = []
        for one in reply.data.questions[: self.most]:
            columns, asks, about = columns_of(grid, one, lang), one_line(one.question), own_word(one)
            inside = columns["topic"] and columns["task_type"]
            if not asks:
                continue
            if not inside and self.outside == "drop":
                beyond.append(about)
                continue
            child = {**row, **columns, "intent": asks, "messages": None}
            made.setdefault(normalise(asks).casefold(), child if inside or not about else {**child, "tags": [about]})
        if not made:
            raise Drop("outside_grid", about=beyond[0]) if beyond else Drop("nothing_asked")
        return list(made.values())
