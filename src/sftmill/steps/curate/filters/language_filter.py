"""Keeps samples whose question and answer are in the language they should be in."""

import re
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer, question
from sftmill.steps.curate.filters.languages import language, script
from sftmill.steps.curate.filters.prose import prose
from sftmill.text import Lang
from sftmill.text.lazy import lazy_pattern

_TRANSLATION = lazy_pattern(
    r"翻译|翻譯|译[为成文]|譯[為成文]|[中英日韩法德俄][文语語]|西班牙语|拉丁|粤语|粵語|文言|拼音|双语|雙語|多语|单词|單詞|作文|诗|歌词"
    r"|\b(?:translat|english|chinese|french|german|spanish|japanese|korean|italian|portuguese|russian|latin|bilingual|language)\w*",
    re.I,
)


class LanguageFilter(RowStep):
    """Drops samples whose question or answer is in another language than the row's; code is not judged.

    Fenced and inline code, command lines, formulas, addresses and tags are left out first. What has
    too few words to tell, or only names and terms, is kept; so are answers to requests about
    languages (a translation). Drops: `wrong_language`, `wrong_script`.
    """

    reads: ClassVar[tuple[str, ...]] = ("lang", "messages", "question", "answer")

    langs: tuple[Lang, ...] | None = None
    """Languages allowed, also where the row's own is another; none given = the row's own."""
    script: Literal["any", "simplified", "traditional"] = "any"
    """Which Chinese characters are wanted: any, or only simplified or traditional ones."""
    least: int = Field(8, ge=1)
    """Words (or half as many Chinese characters) from which on a text is judged."""

    def row(self, row: Row) -> Row:
        """Return the row as it is, or drop it."""
        asked, said = question(row), answer(row)
        allowed = self.langs or (row.get("lang") or "zh",)
        free = bool(_TRANSLATION.search(asked))
        for name, text in (("question", asked), ("answer", said)):
            spoken = prose(text)
            found = language(spoken, self.least)
            if found is not None and found not in allowed and not free:
                raise Drop("wrong_language", where=name, found=found, allowed=list(allowed))
            if self.script != "any" and found == "zh":
                written = script(spoken)
                if written is not None and written != self.script:
                    raise Drop("wrong_script", where=name, found=written)
        return row
