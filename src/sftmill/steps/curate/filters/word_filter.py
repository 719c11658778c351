"""Takes out, or masks, samples with words of a list that the user gives."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import Drop, Message, Row, RowStep, turns
from sftmill.steps.curate.filters.word_list import load, read_words


class WordFilter(RowStep):
    """Drops samples in whose turns a listed word stands, or masks the word.

    Words are compared in one form: full-width as plain, upper as lower case, without zero-width and
    direction marks. Chinese words are also found with spaces or symbols between their characters;
    others only as whole words. Drops: `listed_word`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("messages",)

    words: Path
    """Text file (UTF-8) with one word or phrase a line; `#` begins a comment."""
    do: Literal["drop", "mask"] = "drop"
    """Whether to drop the sample or to mask the word in it."""
    mask: str = Field("*", min_length=1)
    """What stands for each character of a masked word."""
    spoken_by: tuple[Literal["system", "user", "assistant", "tool"], ...] = ("system", "user", "assistant", "tool")
    """Whose turns are searched."""

    def files(self) -> tuple[Path, ...]:
        """Return the list, which decides the result."""
        return (self.words,)

    def problems(self) -> list[str]:
        """Return why the list cannot be used, if so."""
        try:
            words = read_words(self.words)
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else problem
            return [f"words: {str(self.words)!r} cannot be read as a UTF-8 list of words ({why}); check the path"]
        return [] if words else [f"words: {str(self.words)!r} holds no word; write one a line, or take the step out"]

    def row(self, row: Row) -> Row:
        """Return the row, its listed words masked where wanted, or drop it."""
        listed = load(self.words)
        made: list[Message] = []
        for message in turns(row):
            text = message.get("content") or ""
            found = listed.find(text) if message["role"] in self.spoken_by else []
            if not found:
                made.append(message)
                continue
            if self.do == "drop":
                raise Drop(
                    "listed_word", words=list(dict.fromkeys(one.word for one in found))[:5], role=message["role"]
                )
            parts, end = [], 0
            for one in found:
                if one.start >= end:
                    parts += [text[end : one.start], self.mask * (one.end - one.start)]
                    end = one.end
            made.append({**message, "content": "".join([*parts, text[end:]])})
        return {**row, "messages": made} if any(a is not b for a, b in zip(made, turns(row), strict=True)) else row
