"""Numbered draws: the source of methods that need no text, such as Magpie."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from sftmill.core import Row, Source
from sftmill.text import Lang, detect_lang

_LARGEST = 4 << 20
"""Bytes of a file of topics."""


class Draws(Source):
    """Lists numbered draws, 0 to `count` - 1, which steer `magpie` to topics, languages or system texts in turn.

    Every combination of topic and language has its turn before the first comes again; draw number i is always the
    same, so that a greater `count` only adds draws. Each draw gets its own answer: the ledger keys what is drawn by
    chance by the row that it descends from, although all draws may ask the same.
    """

    writes: ClassVar[tuple[str, ...]] = ("draw", "lang", "sensitivity", "topic", "messages")

    count: int = Field(100, ge=1)
    """How many draws; `magpie` makes one instruction of each, or drops it with a reason."""
    lang: tuple[Lang, ...] = ()
    """Languages of the instructions, in turn; none = the recipe's."""
    topics: tuple[str, ...] = ()
    """What the instructions are about, in turn; it goes into `magpie`'s system text."""
    topics_file: Path | None = None
    """A UTF-8 file with a topic a line, added to `topics`."""
    systems: tuple[str, ...] = ()
    """System texts to draw under, word for word, in turn; each sets the language of its draws. Instead of topics."""
    sensitivity: str = Field("internal", pattern="^(public|internal|secret)$")
    """Who may see topics and system texts, and what is drawn under them."""

    def problems(self) -> list[str]:
        """Return what does not fit together, and why the file of topics cannot be read, if so."""
        found = []
        if self.systems and (self.topics or self.topics_file or self.lang):
            found.append(
                "systems: they hold language and topic themselves; leave out `topics`, `topics_file` and `lang`"
            )
        if any(not text.strip() for text in (*self.topics, *self.systems)):
            found.append("topics, systems: one of them is empty; take it out")
        if (file := self.topics_file) is not None:
            if not file.is_file():
                found.append(f"topics_file: {file.name!r} is not there; check the path in the recipe")
            elif file.stat().st_size > _LARGEST:
                found.append(f"topics_file: {file.name!r} has {file.stat().st_size:,} bytes; at most {_LARGEST:,}")
            elif not self.all_topics():
                found.append(f"topics_file: {file.name!r} holds no topic; write one a line")
        return found

    def files(self) -> tuple[Path, ...]:
        """Return the file of topics, if there is one."""
        return (self.topics_file,) if self.topics_file else ()

    def all_topics(self) -> tuple[str, ...]:
        """Return the topics, each once, in order."""
        listed = self.topics_file.read_text("utf-8-sig", "replace").splitlines() if self.topics_file else ()
        return tuple(dict.fromkeys(topic.strip() for topic in (*self.topics, *listed) if topic.strip()))

    def rows(self) -> Iterator[Row]:
        """Yield a row a draw."""
        ways: list[Row] = [
            {"lang": detect_lang(text), "messages": [{"role": "system", "content": text}]} for text in self.systems
        ]
        for topic, lang in product(self.all_topics() or (None,), self.lang or (None,)):
            if not self.systems:
                ways.append({name: value for name, value in (("topic", topic), ("lang", lang)) if value})
        for number in range(self.count):
            yield {"draw": number, "sensitivity": self.sensitivity, **ways[number % len(ways)]}
