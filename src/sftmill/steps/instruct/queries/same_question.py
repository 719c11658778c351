"""Signs that two close queries do not ask the same, and which of several is the clearest."""

from sftmill.text import is_cjk, length, normalise, rouge_tokens
from sftmill.text.lazy import lazy_pattern

CLEAR = {"zh": (8, 40), "en": (5, 25)}
"""Characters (zh) or words (en) of a query that says all it needs and no more."""

# 能不能, 是不是, 有没有 ask; they negate nothing
_CHOICE = lazy_pattern(r"(.)[不没]\1|与否|是否")
_NEGATION = lazy_pattern(r"[不没無无非未别勿]|\b(?:not|no|never|without|cannot|non)\b|n't\b")
_CHINESE_DIGITS = frozenset("零〇一二三四五六七八九十百千万亿两")
_SMALL = frozenset(
    (
        "a",
        "an",
        "the",
        "to",
        "of",
        "in",
        "on",
        "for",
        "is",
        "are",
        "do",
        "does",
        "i",
        "my",
        "me",
        "it",
        "and",
        "or",
        "with",
        "at",
        "by",
        "be",
        "can",
        "please",
    )
)


def clearness(text: str, lang: str) -> int:
    """Return how far the length of a query is from that of a clear one; 0 is best."""
    shortest, longest = CLEAR.get(lang, CLEAR["en"])
    size = length(text, lang)
    return max(shortest - size, size - longest, 0)


def differs(first: str, second: str) -> bool:
    """Tell whether two queries with close wording ask different things: other numbers, names, or a negation."""
    return particulars(first) != particulars(second)


def particulars(text: str) -> tuple[frozenset[str], bool]:
    """Return the numbers and, in a Chinese text, the Latin names in it, and whether it is negated."""
    tokens = rouge_tokens(text)
    chinese = any(map(is_cjk, tokens))
    told = {
        token
        for token in tokens
        if (any(c.isdigit() for c in token) and not is_cjk(token))
        or token in _CHINESE_DIGITS
        or (chinese and not is_cjk(token) and token not in _SMALL)
    }
    return frozenset(told), _NEGATION.search(_CHOICE.sub("", normalise(text).casefold())) is not None
