"""One pair, two tasks: knowing the answer by heart, and reading it from a passage."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, answer, question, turns
from sftmill.text import content_hash


class Variants(AskStep):
    """Makes of a finished pair a row that is answered by heart and, for a share, one that is answered from its passage.

    The first keeps the conversation as it is (`task` = closed_book) and teaches knowledge. In the second
    (`task` = with_context) the last user turn holds the passage, the clauses that it cites and the
    question, in one of two wordings of the step's prompt files; it teaches reading. Which pairs get a
    second row, and which wording, follows from question and passage alone. Asks no model.
    Put it behind `dedup`, and where the tasks are to be mixed apart, take them with `where: task == ...`.
    Drops: `incomplete` (no question, answer or passage).
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("title_path", "context")
    writes: ClassVar[tuple[str, ...]] = ("messages", "task")
    prompts: ClassVar[tuple[str, ...]] = ("passage_first", "question_first")

    share: float = Field(0.3, ge=0, le=1)
    """Share of the pairs that get a second row with their passage."""
    closed_book: bool = True
    """Whether the rows without passage are kept; false leaves only those that have one."""

    async def row(self, row: Row, desk: Desk) -> list[Row]:
        """Return the closed-book row and, where the pair's turn has come, the one with its passage."""
        asked, passage = question(row).strip(), (row.get("passage") or "").strip()
        if not asked or not answer(row).strip() or not passage:
            raise Drop("incomplete")
        made = [{**row, "task": "closed_book"}] if self.closed_book else []
        number = int(content_hash("variants", asked, passage)[:12], 16)
        if number / 16**12 < self.share:
            prompt = desk.prompt(self.prompts[number % len(self.prompts)])
            made.append({**row, "messages": with_prompt(row, prompt), "task": "with_context"})
        if not made:
            raise Drop("not_in_share", share=self.share)
        return made


def with_prompt(row: Row, prompt: list[dict]) -> list[dict]:
    """Return the row's turns with the prompt's user turn in place of the last one, and its system turn if there is none."""
    messages = [dict(turn) for turn in turns(row)]
    last = max(i for i, turn in enumerate(messages) if turn["role"] == "user")
    messages[last] = {**messages[last], "content": prompt[-1]["content"]}
    if prompt[0]["role"] == "system" and messages[0]["role"] != "system":
        messages.insert(0, prompt[0])
    return messages
