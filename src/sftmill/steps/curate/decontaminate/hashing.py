"""64-bit hashes of tokens and of runs of them, the same in numpy as in the compiled loops."""

from functools import lru_cache

import numpy as np

from sftmill.steps.curate.decontaminate.fold import NUMBER

BASE = 0x9E3779B97F4A7C15
"""Base of the polynomial that hashes runs of tokens; odd, so that no power of it is lost."""
FIRST_WORD, FIRST_NUMBER, ANY_NUMBER = 0xCBF29CE484222325, 0x84222325CBF29CE4, 0xA0761D6478BD642F
"""What hashes of words and of numbers start from, and the hash that all numbers share where they do not count."""
PRIME = 0x100000001B3
"""Multiplier of FNV-1a in 64 bits."""
FIRST_MIX, SECOND_MIX = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Multipliers of the finalizer of SplitMix64 (Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195)."""
_ALL = (1 << 64) - 1


@lru_cache(maxsize=1 << 18)
def token_hash(key: str) -> int:
    """Return the hash of a token as `fold.read_tokens` names it."""
    if key == NUMBER:
        return ANY_NUMBER
    value, letters = (FIRST_NUMBER, key[1:]) if key[0] == NUMBER else (FIRST_WORD, key)
    for letter in letters:
        value = (value ^ ord(letter)) * PRIME & _ALL
    value = (value ^ value >> 30) * FIRST_MIX & _ALL
    value = (value ^ value >> 27) * SECOND_MIX & _ALL
    return value ^ value >> 31


def hash_keys(keys: list[str] | tuple[str, ...]) -> np.ndarray:
    """Return the hashes of tokens, uint64."""
    return np.fromiter(map(token_hash, keys), np.uint64, len(keys))


def hash_runs(hashes: np.ndarray, n: int) -> np.ndarray:
    """Return the hash of each run of `n` tokens, in order; nothing where there are fewer."""
    size = len(hashes) - n + 1
    if size < 1:
        return np.zeros(0, np.uint64)
    total = np.zeros(size, np.uint64)
    for k in range(n):
        total = total * np.uint64(BASE) + hashes[k : k + size]
    return _mixed(total)


def hash_piece(hashes: np.ndarray) -> int:
    """Return the hash of a whole short text, other than that of the same run within a longer one."""
    total = 0
    for value in hashes.tolist():
        total = (total * BASE + value) & _ALL
    return int(_mixed(np.array([total ^ (len(hashes) * PRIME & _ALL)], np.uint64))[0])


def _mixed(value: np.ndarray) -> np.ndarray:
    value = (value ^ value >> np.uint64(30)) * np.uint64(FIRST_MIX)
    value = (value ^ value >> np.uint64(27)) * np.uint64(SECOND_MIX)
    return value ^ value >> np.uint64(31)
