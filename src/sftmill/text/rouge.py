"""ROUGE-L between short texts, Chinese and English alike (Lin 2004), fast enough for pools of instructions."""

from collections.abc import Sequence

from sftmill.text.lazy import lazy_pattern
from sftmill.text.units import CJK, normalise

_TOKEN = lazy_pattern(f"[{CJK}]|[^\\W_{CJK}]+")


def rouge_tokens(text: str) -> list[str]:
    """Return what ROUGE-L compares: every Chinese character, every run of other letters and digits.

    NFKC, case-folded, without punctuation and what is invisible: "计算 ROE 指标" -> ["计", "算", "roe", "指", "标"].
    """
    return _TOKEN.findall(normalise(text).casefold())


def rouge_l(a: str, b: str) -> float:
    """Return the ROUGE-L F-measure of two texts, 0 to 1: 2 L / (m + n), L the longest common subsequence.

    The order of the two does not matter (Lin 2004 with beta = 1). Texts without any token, such as
    emoji, are alike when they are equal: 1.0, else 0.0.
    """
    first, second = rouge_tokens(a), rouge_tokens(b)
    if not first and not second:
        return float(normalise(a) == normalise(b))
    return rouge_of(first, second)


def rouge_of(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the ROUGE-L F-measure of two lists of tokens; 0.0 where both are empty."""
    together = len(first) + len(second)
    return 2 * common_subsequence(first, second) / together if together else 0.0


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of two lists of tokens."""
    start, end = 0, min(len(first), len(second))
    while start < end and first[start] == second[start]:
        start += 1
    shared = 0
    while shared < end - start and first[-1 - shared] == second[-1 - shared]:
        shared += 1
    first, second = first[start : len(first) - shared], second[start : len(second) - shared]
    if len(first) > len(second):  # the shorter one makes the bits
        first, second = second, first
    return start + shared + matched(token_places(first), len(first), second)


def token_places(tokens: Sequence[str]) -> dict[str, int]:
    """Return for each token a whole number whose bits are set at the places where it stands."""
    places: dict[str, int] = {}
    bit = 1
    for token in tokens:
        places[token] = places.get(token, 0) | bit
        bit <<= 1
    return places


def matched(places: dict[str, int], size: int, others: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of `size` tokens, given by their places, and `others`.

    A row of the table of dynamic programming is one number, a bit a cell (Crochemore et al. 2001; Hyyrö 2004).
    """
    ones = (1 << size) - 1
    row = ones
    find = places.get
    for token in others:
        here = find(token)
        if here:
            both = row & here
            row = ((row + both) | (row - both)) & ones
    return size - row.bit_count()
