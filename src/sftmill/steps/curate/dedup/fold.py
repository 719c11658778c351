"""What each character counts as when texts are compared by their shingles, and by their letters alone.

Every character is folded by itself, so that compiled loops can do it on bytes: NFKD without marks, lower case, one
kind of quotes, dashes and stops. Superscripts and fractions stay as they are, as x² is not x2.
"""

import unicodedata
from functools import lru_cache

import numpy as np

TABLE = 0x20000
"""Code points that are folded by a table; those above stay as they are."""
TURN, SPACE = 1, 2
"""Codes of the border between two turns, and of any white space."""
EXPANDED = 0x80000000
"""Bit of a table's entry that says where several codes stand."""

_QUOTES = frozenset("“”„‟«»「」『』〝〞〟＂")
_APOSTROPHES = frozenset("‘’‚‛`´＇")
_STOPS = {"。": ".", "｡": ".", "、": ",", "､": ","}
_APART = ("<super>", "<sub>", "<fraction>")


def fold_character(point: int) -> tuple[int, ...]:
    """Return the codes that a code point counts as; none for marks and what is invisible."""
    if 0x4E00 <= point < 0xA000 or 0xAC00 <= point < 0xD7B0:
        return (point,)
    character = chr(point)
    if character in _QUOTES:
        return (ord('"'),)
    if character in _APOSTROPHES:
        return (ord("'"),)
    if character in _STOPS:
        return (ord(_STOPS[character]),)
    if unicodedata.decomposition(character).startswith(_APART):
        return (point,)
    codes = []
    for letter in _decomposed(character):
        kind = unicodedata.category(letter)
        if kind[0] == "Z" or kind == "Cc":
            codes.append(SPACE)
        elif kind == "Pd" or letter == "\u2212":
            codes.append(ord("-"))
        elif kind not in ("Mn", "Me", "Cf", "Cs"):
            codes.append(ord(letter))
    # no more codes than bytes in UTF-8, so that a text's bytes are room enough
    return tuple(codes[: len(character.encode("utf-8", "surrogatepass"))])


def letters_of(point: int) -> tuple[int, ...]:
    """Return the letters and digits of a code point; texts with equal comparison keys have the same ones."""
    if 0x4E00 <= point < 0xA000:
        return (point,)
    return tuple(0x3C3 if letter == "ς" else ord(letter) for letter in _decomposed(chr(point)) if letter.isalnum())


def _decomposed(character: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).lower())


@lru_cache(maxsize=1)
def tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what code points fold to, their letters, and the lists that entries with the bit `EXPANDED` point at.

    An entry is a code, 0 for nothing, or the bit and the place of a list: its length, then its codes.
    """
    more: list[int] = [0]
    made = []
    for fold in (fold_character, letters_of):
        table = np.arange(TABLE, dtype=np.uint32)
        for point in range(TABLE):
            if 0x4E00 <= point < 0xA000:
                continue
            codes = fold(point)
            if len(codes) == 1:
                table[point] = codes[0]
            elif not codes:
                table[point] = 0
            else:
                table[point] = EXPANDED | len(more)
                more += [len(codes), *codes]
        made.append(table)
    return made[0], made[1], np.array(more, np.uint32)


def is_wide(code: int) -> bool:
    """Tell whether a code is an ideograph, kana or hangul."""
    return 0x3005 <= code < 0xA000 or 0xAC00 <= code < 0xD7B0 or 0xF900 <= code < 0xFB00 or code >= TABLE
