"""Checks the form of a question before anybody is paid for answering it."""

import re
from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, question
from sftmill.steps.curate.filters.question_entities import foreign_entities
from sftmill.text import CJK, align, count_cjk, deixis, find_control_tokens, length, tokens
from sftmill.text.lazy import lazy_pattern

_ZH_ASKS = lazy_pattern(
    r"什么|什麼|甚么|啥|哪|谁|誰|几[^乎]|幾[^乎]|多少|多[大长長高久远遠深重宽快厚]|如何|怎么|怎麼|怎样|怎樣|为何|為何|何[时時地处處种種人物谓者为為]|"
    r"是否|能否|可否|会否|有无|有無|吗|嗎|呢|(.)不\1|有没有|有沒有|还是|還是"
)
_ZH_TELLS_TO = lazy_pattern(
    r"^(?:请|請|试|試)|^(?:简述|简要|解释|说明|列举|列出|描述|概述|阐述|比较|指出|写出|分析|总结|归纳|介绍|举例|给出|计算|论述|翻译|判断|识别|设计)"
)
_EN_ASKS = lazy_pattern(
    r"\b(?:what|when|where|which|who|whom|whose|why|how)\b"
    r"|(?:^|[,;:.!?]\s*)(?:is|are|was|were|do|does|did|can|could|may|might|must|should|shall|will|would|has|have|had|am)"
    r"(?:n't)?\b",
    re.IGNORECASE,
)
_EN_TELLS_TO = lazy_pattern(
    r"^(?:please\s+)?(?:describe|explain|list|name|compare|summari[sz]e|give|state|outline|define|identify|tell|show|write|"
    r"calculate|discuss|analy[sz]e|provide|specify|mention|distinguish|translate|suggest|enumerate|recommend)\b",
    re.IGNORECASE,
)
_ZH_SENTENCE_VERB = lazy_pattern(r"[是为有在被将应须]|可以|需要|必须|能够")
_BARE_POINTER = lazy_pattern(
    r"^(?:它们?|牠们?|其(?!他|它|中|余|实|次)|此(?!外|后|前|处)|这(?!样)|這(?!樣)|那(?!么|麼)|该(?!不该)|該)"
    r"|^(?!(?-i:IT)\b)(?:it|its|they|their|this|that|these|those|he|she|his|her)\b"
    r"|^(?:what|how|why|when|where) (?:is|are|was|were|do|does|did|can) (?:it|this|that|they|these|those)\b",
    re.IGNORECASE,
)
_AFTER_MARK = lazy_pattern(r"[?？][\"'”’）)】\s]*(?P<rest>[^?？]+)$")

ZH_LENGTH = (6, 120)
"""Characters of a Chinese question, least and most."""
EN_LENGTH = (4, 60)
"""Words of an English question, least and most."""


class Questions(RowStep):
    """Takes out questions that cannot stand alone or are none, before an answer is asked for.

    Drops, in this order: `control_tokens` (of a chat template), `too_short`, `too_long`,
    `wrong_language`, `deictic` (points at a text that the reader does not have: 本文, "the passage",
    or begins with a bare 它 or "it"), `repeats_passage` (a statement of the passage word for word, also
    with a question mark behind it), `not_a_question` (neither asks nor tells to do something),
    `foreign_entity` (names a number, code, Latin word, title or place that neither the passage nor its
    headings nor the clauses that it cites have; numbers are compared as values).
    """

    reads: ClassVar[tuple[str, ...]] = ("question", "passage")
    may_read: ClassVar[tuple[str, ...]] = ("title", "title_path", "context")

    shortest: int | None = Field(None, ge=1)
    """Least length, in characters (zh) or words (en); None = 6 and 4."""
    longest: int | None = Field(None, ge=1)
    """Greatest length, in characters (zh) or words (en); None = 120 and 60."""
    repeated_from: int = Field(8, ge=2)
    """Tokens (characters or words) from which on a verbatim piece of the passage is a repetition."""
    entities: bool = True
    """Whether what a question names must stand in the passage, its headings or the clauses that it cites."""

    def row(self, row: Row) -> Row:
        """Return the row as it is, or raise Drop."""
        text = question(row).strip()
        lang = row.get("lang") or "zh"
        if found := find_control_tokens(text):
            raise Drop("control_tokens", found=found[0])
        shortest, longest = ZH_LENGTH if lang == "zh" else EN_LENGTH
        size = length(text, lang)
        if size < (self.shortest or shortest):
            raise Drop("too_short", length=size, least=self.shortest or shortest)
        if size > (self.longest or longest):
            raise Drop("too_long", length=size, most=self.longest or longest)
        if not is_language(text, lang):
            raise Drop("wrong_language", wanted=lang)
        if pointers := deixis(text, lang):
            raise Drop("deictic", words=text[pointers[0].start : pointers[0].end])
        if bare := _BARE_POINTER.match(text):
            raise Drop("deictic", words=bare[0])
        if self._repeats(text, row.get("passage") or ""):
            raise Drop("repeats_passage")
        if not asks(text, lang):
            raise Drop("not_a_question")
        if self.entities and (foreign := foreign_entities(text, self._known(row), lang)):
            raise Drop("foreign_entity", names=foreign[:5])
        return row

    @staticmethod
    def _known(row: Row) -> str:
        """Return all that a question may name: the passage, what it cites, and the headings above it."""
        headings = [*(row.get("title_path") or ()), row.get("title") or ""]
        return "\n".join([row.get("passage") or "", row.get("context") or "", *headings])

    def _repeats(self, text: str, passage: str) -> bool:
        if len(tokens(text)) < self.repeated_from:
            return False
        body = text.rstrip("?？。.!！ ").removesuffix("吗").removesuffix("嗎")
        span = align(body, passage, threshold=0.95)
        # A heading or a quoted question of the passage that really asks is a question still.
        return span is not None and not (
            asks(text, "zh") and passage[span.start : span.end].rstrip().endswith(("?", "？"))
        )


def is_language(text: str, lang: str) -> bool:
    """Tell whether a short text is in the language; commands and names of another script are no fault."""
    chinese = count_cjk(text)
    if lang == "zh":
        return chinese >= 2
    words = len(re.findall(rf"[^\W\d_{CJK}]+", text))
    return chinese <= words / 3


def asks(text: str, lang: str) -> bool:
    """Tell whether a text asks something or tells to do something."""
    text = text.strip().strip("\"'“”‘’")
    after = _AFTER_MARK.search(text)
    if after and len(tokens(after["rest"])) > 6 and not _asks_words(after["rest"], lang):
        return False  # a question with its answer behind it
    if _asks_words(text, lang):
        return True
    # 空腹血糖的正常范围？ is elliptical; 核心是自注意力机制？ is a statement.
    return lang == "zh" and text.endswith(("?", "？")) and not _ZH_SENTENCE_VERB.search(text)


def _asks_words(text: str, lang: str) -> bool:
    if lang == "zh":
        return bool(_ZH_ASKS.search(text) or _ZH_TELLS_TO.search(text))
    if _EN_TELLS_TO.match(text):
        return True
    return bool(_EN_ASKS.search(text)) and (text.rstrip().endswith("?") or bool(_EN_ASKS.match(text)))
