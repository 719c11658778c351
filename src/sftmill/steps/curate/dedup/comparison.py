"""When two texts are the same but for writing habits."""

import re
import unicodedata

from sftmill.text import content_hash, normalise
from sftmill.text.lazy import lazy_pattern

_RUN = lazy_pattern(r"[^\w]+")
_THOUSANDS = lazy_pattern(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_MEANT = frozenset("%‰#&@*/\\")
"""Punctuation that tells things apart: 5% and 5, C# and C."""
_JOINING = frozenset(".:'-")
"""Punctuation that is part of a word or number when it stands inside: 1.5, 10:30, nginx.conf."""
_PLAIN = frozenset((" ", ",", ", ", ". ", "。", ";", "; ", ": ", "? ", "! "))
"""What stands between most words, and means nothing but between two digits."""


def comparison_key(text: str) -> str:
    """Return what is left of a text once writing habits are taken away; equal keys, equal texts.

    Width, case, spaces, quotes, brackets and sentence punctuation do not count. What changes the
    meaning stays: decimal points, signs, percent, the `#` of C#, and the gap between two numbers.
    """
    # Before normalising, which makes the enumeration 80、443 look like the number 80,443.
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    return _RUN.sub(_shorten, normalise(text).lower())


def _shorten(match: re.Match[str]) -> str:
    run, text = match[0], match.string
    start, end = match.span()
    before = text[start - 1] if start else ""
    after = text[end] if end < len(text) else ""
    if run in _PLAIN:
        return " " if before.isdigit() and after.isdigit() else ""
    inside = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()
    if inside and run in _JOINING:
        return run
    kept = "".join(c for c in run if c in _MEANT or unicodedata.category(c)[0] not in "PZC")
    if run[-1] == "-" and after.isdigit():
        kept += "-"
    return kept or (" " if before.isdigit() and after.isdigit() else "")


def texts_key(texts: list[str]) -> bytes | None:
    """Return 16 bytes that stand for texts that are compared, None where there is nothing to compare."""
    parts = [comparison_key(text) or text for text in texts]
    return bytes.fromhex(content_hash(*parts)) if any(parts) else None
