"""Hashed n-grams of texts, counted (numba, extra `scale`): single words and pairs of neighbours.

A word is a run of Latin letters and digits, or one Chinese character, so that a pair is what most Chinese words are.
Case, width and punctuation do not count; pairs do not reach over the border of two turns.
"""

import numpy as np

from sftmill.steps.curate.compiled import compiled, inlined, mix
from sftmill.steps.curate.dedup.fold import TURN
from sftmill.steps.curate.dedup.kernels import S32, fold, to_words

SINGLE, PAIR = np.uint64(0x2545F4914F6CDD1D), np.uint64(0xD6E8FEB86659FD93)
"""Odd numbers that keep the hash of a word and that of a pair apart."""


@inlined
def bucket(value, buckets):
    """Return the bucket of a hash, 0 to buckets - 1."""
    return np.int64((mix(value) >> S32) % np.uint64(buckets))


@compiled
def read_words(data, starts, ends, begin, end, tables, codes, borders, words):
    """Write the words of the turns begin..end of a row; return how many there are, borders of turns among them."""
    size, _ = fold(data, starts, ends, begin, end, tables[0], tables[1], tables[2], codes, borders)
    return to_words(codes, size, words) if size else 0


@compiled
def count_grams(data, starts, ends, first, tables, longest, counts):
    """Add the n-grams of all rows to `counts`, one for each bucket; return how many there are."""
    codes, words = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    borders = np.empty(int((first[1:] - first[:-1]).max()) + 2, np.int64)
    buckets = len(counts)
    total = 0
    for row in range(len(first) - 1):
        size = read_words(data, starts, ends, first[row], first[row + 1], tables, codes, borders, words)
        for i in range(size):
            if words[i] == TURN:
                continue
            counts[bucket(words[i] * SINGLE, buckets)] += 1
            total += 1
            if i and words[i - 1] != TURN:
                counts[bucket(mix(words[i - 1]) * PAIR + words[i], buckets)] += 1
                total += 1
    return total


@compiled
def weigh_grams(data, starts, ends, first, tables, longest, values, sums, sizes):
    """Write, for each row, the sum of the `values` of its n-grams' buckets, and how many n-grams it has."""
    codes, words = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    borders = np.empty(int((first[1:] - first[:-1]).max()) + 2, np.int64)
    buckets = len(values)
    for row in range(len(first) - 1):
        size = read_words(data, starts, ends, first[row], first[row + 1], tables, codes, borders, words)
        total = 0.0
        count = 0
        for i in range(size):
            if words[i] == TURN:
                continue
            total += values[bucket(words[i] * SINGLE, buckets)]
            count += 1
            if i and words[i - 1] != TURN:
                total += values[bucket(mix(words[i - 1]) * PAIR + words[i], buckets)]
                count += 1
        sums[row], sizes[row] = total, count
