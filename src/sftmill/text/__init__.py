"""Everything that splits, normalises, counts or compares Chinese and English text, numbers and units."""

from sftmill.text.align import align
from sftmill.text.control import escape_control_tokens, find_control_tokens, unescape_control_tokens
from sftmill.text.deixis import deixis
from sftmill.text.numbers import Number, chinese_value, number_key, numbers, same_value
from sftmill.text.units import (
    CJK,
    Lang,
    Span,
    char_ngrams,
    content_hash,
    count_cjk,
    detect_lang,
    is_cjk,
    length,
    normalise,
    normalise_with_map,
    sentences,
    tokens,
)

__all__ = [
    "CJK",
    "Lang",
    "Number",
    "Span",
    "align",
    "char_ngrams",
    "chinese_value",
    "content_hash",
    "count_cjk",
    "deixis",
    "detect_lang",
    "escape_control_tokens",
    "find_control_tokens",
    "is_cjk",
    "length",
    "normalise",
    "normalise_with_map",
    "number_key",
    "numbers",
    "same_value",
    "sentences",
    "tokens",
    "unescape_control_tokens",
]
