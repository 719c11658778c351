"""A sentence made ready for the patterns, and the pairs that they make of it."""

import re
from typing import NamedTuple
from zlib import crc32

from sftmill.steps.instruct.rules.rule_form import Pair
from sftmill.steps.instruct.rules.rule_reading import Statement
from sftmill.text.lazy import lazy_pattern

_LEAD_ZH = lazy_pattern(
    r"(?:此外|另外|同时|通常(?:来说|情况下)?|一般(?:来说|而言|情况下)?|总的来说|总之|简单(?:地|来)说|具体(?:来说|而言)|也就是说|换句话说|事实上|实际上|目前|"
    r"需要注意的是|值得注意的是|显然|当然|默认情况下)(?:，|,|：) *|注意[，：: ] *"
)
_LEAD_EN = lazy_pattern(
    r"(?:In addition|Additionally|Moreover|Furthermore|Indeed|In fact|Generally|Usually|In general|Of course|Note that|Obviously|Finally|"
    r"In practice|Basically|By default|Technically|Historically|Traditionally|Similarly|In particular|More precisely|Put simply),? +"
)


class Sentence(NamedTuple):
    """A sentence without its stop and its leading adverb: `text` begins at offset `at` of the passage."""

    text: str
    at: int
    stop: int
    """Where an answer ends that takes the stop with it; a semicolon is not taken."""
    span: tuple[int, int]
    law: str
    """Name of the law that it stands in, with 《》, or the empty string."""
    whole: bool
    """Whether it is a whole sentence, not a part between semicolons."""
    first: bool
    """Whether it is a whole sentence or the first part of one."""
    full: int
    """Where the whole sentence ends in the passage."""
    common: frozenset[str]
    """Words that the passage has in lower case (en), so that they are no names."""

    def pair(self, kind: str, type: str, question: str, start: int, end: int | None = None) -> Pair:
        """Return a pair; `start` and `end` are offsets in `text`, no end = to the sentence's end with its stop."""
        stop = self.stop if end is None else self.at + end
        while start < len(self.text) and self.text[start] in " \u3000":
            start += 1
        return Pair(kind, type, question, self.at + start, stop, (self.span[0], max(self.span[1], stop)))

    def whole_pair(self, kind: str, type: str, question: str, start: int) -> Pair:
        """Return a pair whose answer goes to the end of the whole sentence, past its semicolons."""
        return self.pair(kind, type, question, start, max(self.full, self.stop) - self.at)

    def named(self, question: str) -> str:
        """Return the question with the law's name before it, where there is one."""
        return f"根据{self.law}，{question}" if self.law else question


def prepare(passage: str, statement: Statement, law: str, lang: str, common: frozenset[str] = frozenset()) -> Sentence:
    """Prepare a sentence for the patterns of its language."""
    start, end, first, full, _ = statement
    stop = end - 1 if passage[end - 1] in "；;" else end
    text = passage[start:end].rstrip("。；;！!.")
    lead = (_LEAD_ZH if lang == "zh" else _LEAD_EN).match(text)
    skip = lead.end() if lead else 0
    text = text[skip:]
    whole = first and full == end
    return Sentence(text, start + skip, stop, (start, end), law, whole, first, full, common)


def common_words(passage: str) -> frozenset[str]:
    """Return the words that a passage has in lower case."""
    return frozenset(re.findall(r"(?<![\w./-])[a-z]{2,30}(?![\w/])", passage))


def one_of(subject: str, *forms: str) -> str:
    """Choose among forms of the same question by its subject, so that the same text gives the same questions."""
    return forms[crc32(subject.encode()) % len(forms)].format(x=subject)
