"""Texts as the tokens that leaks are looked for by: letters alone, whatever their width, case, script and spacing.

Every character is folded by itself, so that the fold of a text is that of its parts put together and a copy is found
whatever stands around it: NFKD without marks, lower case, traditional characters as simplified ones; punctuation and
spaces only separate. A token is a Chinese character, a word of letters, or a whole number. `scan_kernel` does the same
on bytes.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from sftmill.text.variants import simplified

SPACE, STOP, POINT, COMMA = 1, 2, 3, 4
"""What separates: a space or sign; punctuation, a line's end; and the two marks that may stand inside a number."""
LETTERS_FROM = 0x30
"""Least code of what is no separator."""
TABLE = 0x20000
"""Code points that are folded by a table; those above are ideographs, which stay, or separate."""
NUMBER = "#"
"""What every number is where numbers do not count; no token of letters holds it."""

_APART = frozenset("'’‘´`ʼ＇")
"""Marks inside words, which neither count nor separate."""
_LIKE_SPACE = frozenset("-‐‑‒–_/\\&@#*")
"""Punctuation inside of terms, where no sentence ends."""
_MARKS = frozenset("<>|")
"""Signs that stand at the ends of something, as punctuation does."""


@lru_cache(maxsize=1 << 17)
def fold_character(point: int) -> tuple[int, ...]:
    """Return what a code point counts as: codes of letters and digits, or of what separates; nothing for marks."""
    if point >= TABLE:
        return (point,) if point < 0x323B0 else () if point >= 0xE0000 else (SPACE,)
    character = chr(point)
    if 0x4E00 <= point < 0xA000:
        return (ord(simplified(character)),)
    if 0xAC00 <= point < 0xD7B0:  # a syllable stays whole: it is one character, not three
        return (point,)
    if 0x2460 <= point < 0x2500 or 0x2776 <= point < 0x2794 or 0x3251 <= point < 0x32C0:
        return (STOP,)  # enclosed numbers head what they enumerate
    if character in _APART:
        return ()
    codes: list[int] = []
    for part in unicodedata.normalize("NFKD", character):
        for letter in simplified(part.lower()):
            codes += _code(letter)
    return tuple(codes)


def _code(letter: str) -> tuple[int, ...]:
    kind = unicodedata.category(letter)
    if kind in ("Mn", "Me", "Cf") or letter in _APART:
        return ()
    if kind == "Nd":
        return (0x30 + unicodedata.digit(letter),)
    if kind[0] in "LN" or kind == "Mc":
        return (ord(letter),)
    if letter == ".":
        return (POINT,)
    if letter == ",":
        return (COMMA,)
    if letter in _LIKE_SPACE or letter in "\t ":
        return (SPACE,)
    if kind[0] == "P" or kind in ("Cc", "Zl", "Zp") or letter in _MARKS:
        return (STOP,)
    return (SPACE,)


def is_wide(code: int) -> bool:
    """Tell whether a folded code is an ideograph, kana or hangul, which is a token of its own."""
    return 0x3005 <= code < 0xA000 or 0xAC00 <= code < 0xD7B0 or 0xF900 <= code < 0xFB00 or code >= TABLE


@dataclass(slots=True)
class Tokens:
    """The tokens of a text, in order; all lists are of one length."""

    text: str
    keys: list[str]
    """Chinese characters, words, or numbers with `NUMBER` before them."""
    masked: list[str]
    """The same, with all numbers alike."""
    starts: list[int]
    ends: list[int]
    """Where each stands in the text."""
    edges: list[bool]
    """Whether a sentence, line or quotation may begin at the token, and end before it; the text's end is one, too."""

    def __len__(self) -> int:
        return len(self.keys)

    def ends_at(self, place: int) -> bool:
        """Tell whether something may end before this token."""
        return place == len(self.keys) or self.edges[place]


def read_tokens(text: str) -> Tokens:
    """Return the tokens of a text."""
    codes: list[int] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for code in fold_character(ord(character)):
            codes.append(code)
            places.append(place)
    made = Tokens(text, [], [], [], [], [])
    parts: list[int] = []
    kind, gap, before, i, size = 0, STOP, 0, 0, len(codes)

    def close() -> None:
        if kind:
            written = "".join(map(chr, parts))
            made.keys.append(NUMBER + written if kind == 1 else written)
            made.masked.append(NUMBER if kind == 1 else written)

    while i < size:
        code, place = codes[i], places[i]
        if code < LETTERS_FROM:
            joined = kind == 1 and goes_on(codes, i, size)
            if not joined:
                close()
                kind, parts = 0, []
                gap = max(gap, STOP if code > SPACE else SPACE)
            elif code == POINT:
                parts.append(46)
            i += 1
            continue
        digit = code < 0x3A
        now = 1 if digit else 3 if is_wide(code) else 2
        if kind and now == kind and now < 3:
            parts.append(code)
            made.ends[-1] = place + 1
        else:
            close()
            edge = gap == STOP or (gap == SPACE and is_wide(before) and is_wide(code))
            made.starts.append(place)
            made.ends.append(place + 1)
            made.edges.append(edge)
            kind, parts = now, [code]
        if kind == 1 and parts == [0x30] and i + 1 < size and 0x30 <= codes[i + 1] < 0x3A:
            parts = []  # 05 is 5
        gap, before = 0, code
        i += 1
    close()
    return made


def goes_on(codes: list[int], i: int, size: int) -> bool:
    """Tell whether a number goes on behind the point or comma at `i`: 3.5 and 12,000, not 1, 2."""
    if codes[i] == POINT:
        return i + 1 < size and 0x30 <= codes[i + 1] < 0x3A
    if codes[i] != COMMA or i + 3 >= size:
        return False
    three = all(0x30 <= codes[i + k] < 0x3A for k in (1, 2, 3))
    return three and not (i + 4 < size and 0x30 <= codes[i + 4] < 0x3A)
