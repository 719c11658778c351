"""Kinds of questions: which fit a passage, how they are spread, and which kind a question is.

The eight kinds: what, why, how, compare, compute, list, condition and exception.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from sftmill.text import content_hash
from sftmill.text.lazy import lazy_pattern

QuestionType = Literal["what", "why", "how", "compare", "compute", "list", "condition", "exception"]
TYPES: tuple[QuestionType, ...] = get_args(QuestionType)

LABELS: dict[str, dict[str, str]] = {
    "zh": {
        "what": "是什么",
        "why": "为什么",
        "how": "怎么做",
        "compare": "比较",
        "compute": "计算",
        "list": "列举",
        "condition": "条件",
        "exception": "例外",
    },
    "en": {kind: kind for kind in TYPES},
}
"""How the prompts and the replies of models name the kinds, by language."""

_READ = {label.casefold(): kind for labels in LABELS.values() for kind, label in labels.items()}
_NEEDED = 2
"""A passage is asked to be compared or computed from only with two values of one unit or a table."""

# The first that fits decides, so the narrow ones come first.
_WORDS: dict[str, list[tuple[QuestionType, re.Pattern[str]]]] = {
    "zh": [
        (
            "exception",
            lazy_pattern(
                r"例外|除外|除了[^，。？]{1,40}(?:外|之外|以外)|不适用|不受[^，。？]{1,20}限制|不在此限|(?:情形|情况|情況)下?[^，。？]{0,8}(?:可以)?不(?!得)"
            ),
        ),
        (
            "why",
            lazy_pattern(r"为什么|為什麼|为何|為何|什么原因|什麼原因|原因(?:是|有|在)|何故|出于什么|缘故|為甚麼|为啥"),
        ),
        (
            "compare",
            lazy_pattern(
                r"区别|區別|不同(?:之处|之處|点|點|在)?(?:是|有|吗|$|[？?])|有(?:什么|何|哪些)(?:不同|差异|差別|差别)|相比|比较|异同|差异|"
                r"哪(?:个|一|种|個|種)[^，。？]{0,6}更|谁更|更[高低大小长短快慢多少早晚]的是哪|还是[^，。？]{1,30}更"
            ),
        ),
        (
            "compute",
            lazy_pattern(
                r"计算|計算|合计|合計|总共|總共|一共|共计|共計|之和|之差|平均[^，。？]{0,10}多少|相差多少|差多少|多出多少|"
                r"(?:提高|降低|增加|减少|增长|下降)了?多少倍|折合|换算|換算|(?<!第)几倍"
            ),
        ),
        (
            "condition",
            lazy_pattern(
                r"(?:什么|什麼|何种|何種|哪些|哪种|哪種|怎样的|怎樣的|何等)(?:情形|情况|情況|条件|條件|前提|场合)|(?:符合|满足|滿足|具备|具備)[^，。？]{0,10}"
                r"(?:什么|什麼|哪些|何种)|何时(?:才|可以|应当|应|须|必须)|在?什么时候(?:才|可以|应当|应|须|必须)|"
                r"(?:高于|低于|超过|超過|达到|不足)(?:多少|几|什么)"
            ),
        ),
        (
            "list",
            lazy_pattern(
                r"哪些|哪几|哪幾|哪[二两三四五六七八九十]|列举|列出|列舉|(?:包括|包含|分为|由)(?:什么|什麼|哪些|几)|有几[种类项]|有哪|"
                r"几[种类项]方面|分别是什么|分别有"
            ),
        ),
        (
            "how",
            lazy_pattern(
                r"如何|怎么(?!样的)|怎麼|怎样(?!的)|怎樣(?!的)|什么(?:方法|步骤|方式|办法|措施|流程|程序)|通过什么|步骤|用什么方法"
            ),
        ),
    ],
    "en": [
        (
            "exception",
            lazy_pattern(
                r"\bexceptions?\b|\bexcept(?:ed|ing)?\b|\bexempt|\bexclud|\bother than\b|\bapart from\b|\bnot (?:apply|applicable|covered|required|"
                r"subject)\b|\bunless\b",
                re.I,
            ),
        ),
        (
            "why",
            lazy_pattern(
                r"\bwhy\b|\b(?:for )?what (?:is|are|was|were)? ?(?:the )?(?:reason|purpose|cause)|\bhow come\b", re.I
            ),
        ),
        (
            "compare",
            lazy_pattern(
                r"\bcompar|\bdiffer|\bwhich (?:of|one)\b[^?]{0,80}\b\w+er\b|\bwhich \w+ (?:is|are|has|have) (?:the )?(?:more|less|\w+er)\b|"
                r"\b(?:more|less|\w+er) than what\b|\bversus\b|\bdistinguish",
                re.I,
            ),
        ),
        (
            "compute",
            lazy_pattern(
                r"\bcalculate|\bcompute\b|\bin total\b|\baltogether\b|\btotal (?:number|amount|cost|of)\b|\bhow (?:much|many) more\b|\bsum of\b|"
                r"\bon average\b|\bhow many times (?:more|as|larger|higher)\b|\bconvert",
                re.I,
            ),
        ),
        (
            "condition",
            lazy_pattern(
                r"\b(?:under|in|on) (?:what|which) (?:\w+ )?(?:conditions?|circumstances?|cases?|situations?)\b|"
                r"\bwhat (?:\w+ )?(?:conditions?|requirements?)\b|\bwhen (?:must|may|should|can|is|are)\b|\b(?:above|below) (?:what|which)\b|"
                r"\bif what\b",
                re.I,
            ),
        ),
        (
            "list",
            lazy_pattern(
                r"^(?:please )?(?:list|name|enumerate)\b|\bwhat (?:\w+ )?(?:kinds|types|parts|steps|items|components|ways|measures|factors|reasons) |"
                r"\bwhich \w+s (?:are|were|do|have|can|must|may|should|belong|make|form)\b|"
                r"\bwhat are (?:the )?(?:two|three|four|five|six|seven|eight|main|different|various|several)\b|\bwhat (?:does|do) [^?]{1,80}"
                r"(?:include|consist of|comprise|contain)\b",
                re.I,
            ),
        ),
        (
            "how",
            lazy_pattern(
                r"\bhow (?:do|does|did|to|is|are|was|were|can|could|should|must|may|will|would|has|have)\b|\bin what (?:way|manner|order)\b|"
                r"\bby what means\b|\bwhat (?:steps|procedure|method)\b",
                re.I,
            ),
        ),
    ],
}


def classify(question: str, lang: str) -> QuestionType:
    """Return the kind of a question by its words; "what" where nothing else shows."""
    return next((kind for kind, pattern in _WORDS["zh" if lang == "zh" else "en"] if pattern.search(question)), "what")


def settle_type(said: str | None, question: str, lang: str) -> QuestionType:
    """Return the kind that a model named, or by words where it named none or one that its words deny.

    A question is a "why" or a "how" exactly if it is worded so, and no "what" when it is worded as
    something else; the other kinds are believed.
    """
    by_words = classify(question, lang)
    named = _READ.get((said or "").strip().casefold())
    if named is None or named in ("what", "why", "how") or by_words == "why":
        return by_words
    return named


def fitting(signals: Mapping[str, int], allowed: Iterable[str] = TYPES) -> list[str]:
    """Return the kinds of questions that a passage with these signals can answer, in the order of `TYPES`.

    "what" fits every passage, so it comes back also when it alone is not allowed.
    """
    allowed = tuple(allowed)
    found = [
        kind
        for kind in TYPES
        if kind in allowed and (kind == "what" or signals.get(kind, 0) >= (_NEEDED if kind == "compute" else 1))
    ]
    return found or [allowed[0] if len(allowed) == 1 else "what"]


def spread(kinds: list[str], count: int, passage: str) -> list[str]:
    """Return the kinds to ask `count` questions of, in the order of `TYPES`, without repetition.

    With fewer questions than kinds, "what" and a choice of the others that follows from the passage's
    text alone, so that the kinds take turns over a book and the same passage always gets the same ones.
    A single question may be of any kind.
    """
    if count >= len(kinds):
        return kinds
    kept = ["what"] if count > 1 and "what" in kinds else []
    others = [kind for kind in kinds if kind not in kept]
    start = int(content_hash(passage)[:8], 16)
    chosen = {*kept, *(others[(start + i) % len(others)] for i in range(count - len(kept)))}
    return [kind for kind in kinds if kind in chosen]
