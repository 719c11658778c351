"""The search for runs of tokens in bytes, as compiled loops, where numba is installed (extra `scale`).

It reads UTF-8 as it lies in Arrow's memory, folds and cuts it as `fold.read_tokens` does, and looks every run of
tokens up by a 64-bit hash. Hits are only candidates: what it finds is compared token by token afterwards.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from sftmill.steps.curate.decontaminate.fold import COMMA, LETTERS_FROM, POINT, SPACE, STOP, TABLE, fold_character
from sftmill.steps.curate.decontaminate.hashing import (
    ANY_NUMBER,
    BASE,
    FIRST_MIX,
    FIRST_NUMBER,
    FIRST_WORD,
    PRIME,
    SECOND_MIX,
)

EXPANDED = 0x80000000
"""Bit of a table's entry that says where several codes stand."""


class Kernels(NamedTuple):
    """The compiled loops."""

    hash_tokens: Callable[..., int]
    """(data, start, end, table, more, codes, masked, exact, edges) -> number of tokens."""
    scan: Callable[..., tuple[int, int]]
    """(data, starts, ends, text, ..., found) -> (the next text, number of hits); see `compiled`."""


@lru_cache(maxsize=1)
def fold_table() -> tuple[np.ndarray, np.ndarray]:
    """Return what each code point below `TABLE` folds to: a code, 0 for nothing, or where several codes stand."""
    table = np.arange(TABLE, dtype=np.uint32)
    more: list[int] = [0]
    for point in range(TABLE):
        if 0xAC00 <= point < 0xD7B0:
            continue
        folded = fold_character(point)
        if len(folded) == 1:
            table[point] = folded[0]
        elif not folded:
            table[point] = 0
        else:
            table[point] = EXPANDED | len(more)
            more += [len(folded), *folded]
    return table, np.array(more, np.uint32)


@lru_cache(maxsize=1)
def compiled() -> Kernels | None:
    """Return the compiled loops, None without numba; the machine code is kept on disk, so only the first use waits."""
    if find_spec("numba") is None:
        return None
    import numba

    base, prime = np.uint64(BASE), np.uint64(PRIME)
    first_word, first_number, any_number = np.uint64(FIRST_WORD), np.uint64(FIRST_NUMBER), np.uint64(ANY_NUMBER)
    odd, other = np.uint64(FIRST_MIX), np.uint64(SECOND_MIX)
    s30, s27, s31 = np.uint64(30), np.uint64(27), np.uint64(31)

    @numba.njit(inline="always")
    def mix(value):
        value ^= value >> s30
        value *= odd
        value ^= value >> s27
        value *= other
        return value ^ (value >> s31)

    @numba.njit(inline="always")
    def wide(code):
        return (
            (code >= 0x3005 and code < 0xA000)
            or (code >= 0xAC00 and code < 0xD7B0)
            or (code >= 0xF900 and code < 0xFB00)
            or code >= TABLE
        )

    @numba.njit(inline="always")
    def digit(code):
        return code >= 0x30 and code < 0x3A

    @numba.njit(cache=True, nogil=True)
    def fold(data, start, end, table, more, codes):
        size, i = 0, start
        while i < end:
            lead = np.int64(data[i])
            if lead < 0x80:
                point = lead
                i += 1
            elif lead < 0xE0:
                point = (lead & 0x1F) << 6 | (np.int64(data[i + 1]) & 0x3F)
                i += 2
            elif lead < 0xF0:
                point = (lead & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6 | (np.int64(data[i + 2]) & 0x3F)
                i += 3
            else:
                point = (lead & 0x07) << 18 | (np.int64(data[i + 1]) & 0x3F) << 12
                point |= (np.int64(data[i + 2]) & 0x3F) << 6 | (np.int64(data[i + 3]) & 0x3F)
                i += 4
            if point < TABLE:
                code = np.int64(table[point])
                if code >= EXPANDED:
                    at = code & 0x7FFFFFFF
                    for k in range(np.int64(more[at])):
                        codes[size] = more[at + 1 + k]
                        size += 1
                elif code:
                    codes[size] = code
                    size += 1
            elif point < 0x323B0:
                codes[size] = point
                size += 1
            elif point < 0xE0000:
                codes[size] = SPACE
                size += 1
        return size

    @numba.njit(cache=True, nogil=True)
    def hash_tokens(data, start, end, table, more, codes, masked, exact, edges):
        size = fold(data, start, end, table, more, codes)
        count, kind, gap, before = 0, 0, STOP, np.int64(0)
        running = np.uint64(0)
        only_zero = False
        for i in range(size):
            code = np.int64(codes[i])
            if code < LETTERS_FROM:
                joined = False
                if kind == 1:
                    if code == POINT:
                        joined = i + 1 < size and digit(codes[i + 1])
                    elif code == COMMA and i + 3 < size:
                        joined = digit(codes[i + 1]) and digit(codes[i + 2]) and digit(codes[i + 3])
                        joined = joined and not (i + 4 < size and digit(codes[i + 4]))
                if not joined:
                    kind = 0
                    if code > SPACE:
                        gap = STOP
                    elif gap == 0:
                        gap = SPACE
                elif code == POINT:
                    running = (running ^ np.uint64(46)) * prime
                    exact[count - 1] = mix(running)
                    only_zero = False
                continue
            now = 1 if digit(code) else (3 if wide(code) else 2)
            if kind == 0 or now != kind or now == 3:
                edges[count] = gap == STOP or (gap == SPACE and wide(before) and wide(code))
                count += 1
                running = first_number if now == 1 else first_word
                only_zero = False
                fresh = True
            else:
                fresh = False
            if now == 1 and (fresh or only_zero):
                # 05 is 5: a leading zero counts only where it is all there is
                running = first_number
                only_zero = code == 0x30 and i + 1 < size and digit(codes[i + 1])
                if not only_zero:
                    running = (running ^ np.uint64(code)) * prime
            else:
                running = (running ^ np.uint64(code)) * prime
            exact[count - 1] = mix(running)
            masked[count - 1] = any_number if now == 1 else exact[count - 1]
            kind = now
            gap = 0
            before = code
        return count

    @numba.njit(cache=True, nogil=True)
    def scan(
        data, starts, ends, text, table, more, n, mask, sieve, keys, codes, masked, exact, edges, sums, wholes,
        begins, found,
    ):  # fmt: skip
        """Write (text, place in `keys`) of each known run of `n` tokens, and each known shorter piece between edges.

        Returns the text to go on with, once `found` is full, and how many hits there are.
        """
        power = np.uint64(1)
        for _ in range(n):
            power *= base
        slots = np.uint64(len(keys) - 1)
        bits = np.uint64(len(sieve) * 8 - 1)
        number, room = 0, len(found)
        while text < len(starts):
            before = number
            count = hash_tokens(data, starts[text], ends[text], table, more, codes, masked, exact, edges)
            total, whole = np.uint64(0), np.uint64(0)
            sums[0] = total
            wholes[0] = whole
            begun = 0
            for i in range(count):
                total = total * base + (masked[i] if mask else exact[i])
                sums[i + 1] = total
                whole = whole * base + exact[i]
                wholes[i + 1] = whole
                if edges[i]:
                    begins[begun] = i
                    begun += 1
                if i + 1 >= n:
                    key = mix(total - sums[i + 1 - n] * power)
                    bit = key & bits
                    if sieve[bit >> np.uint64(3)] >> (bit & np.uint64(7)) & np.uint64(1):
                        slot = key & slots
                        while keys[slot] != 0:
                            if keys[slot] == key:
                                if number < room:
                                    found[number, 0] = text
                                    found[number, 1] = slot
                                number += 1
                                break
                            slot = (slot + np.uint64(1)) & slots
                if i + 1 == count or edges[i + 1]:
                    at = begun - 1
                    while at >= 0 and i + 1 - begins[at] < n:
                        length = i + 1 - begins[at]
                        shift = np.uint64(1)
                        for _ in range(length):
                            shift *= base
                        key = mix((whole - wholes[begins[at]] * shift) ^ (np.uint64(length) * prime))
                        bit = key & bits
                        if sieve[bit >> np.uint64(3)] >> (bit & np.uint64(7)) & np.uint64(1):
                            slot = key & slots
                            while keys[slot] != 0:
                                if keys[slot] == key:
                                    if number < room:
                                        found[number, 0] = text
                                        found[number, 1] = slot
                                    number += 1
                                    break
                                slot = (slot + np.uint64(1)) & slots
                        at -= 1
            if number > room:  # this text again, in a new table
                return text, before
            text += 1
        return text, number

    return Kernels(hash_tokens, scan)
