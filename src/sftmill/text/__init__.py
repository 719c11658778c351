"""Everything that splits, normalises, counts or compares Chinese and English text, numbers and units."""

from sftmill.text.align import align
from sftmill.text.control import escape_control_tokens, find_control_tokens, unescape_control_tokens
from sftmill.text.deixis import deixis
from sftmill.text.numbers import Number, chinese_value, number_key, numbers, same_value
from sftmill.text.rouge import rouge_l, rouge_of, rouge_tokens
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
from sftmill.text.words import (
    Entity,
    Word,
    has_entity_model,
    is_pronoun,
    keywords,
    named_entities,
    noun_phrases,
    pieces,
    words,
)

__all__ = [
    "CJK",
    "Entity",
    "Lang",
    "Number",
    "Span",
    "Word",
    "align",
    "char_ngrams",
    "chinese_value",
    "content_hash",
    "count_cjk",
    "deixis",
    "detect_lang",
    "escape_control_tokens",
    "find_control_tokens",
    "has_entity_model",
    "is_cjk",
    "is_pronoun",
    "keywords",
    "length",
    "named_entities",
    "normalise",
    "normalise_with_map",
    "noun_phrases",
    "number_key",
    "numbers",
    "pieces",
    "rouge_l",
    "rouge_of",
    "rouge_tokens",
    "same_value",
    "sentences",
    "tokens",
    "unescape_control_tokens",
    "words",
]
