"""The search for runs of tokens in bytes, as compiled loops (numba, extra `scale`).

It reads UTF-8 as it lies in Arrow's memory, folds and cuts it as `fold.read_tokens` does, and looks every run of
tokens up by a 64-bit hash. Hits are only candidates: what it finds is compared token by token afterwards.
"""

from functools import lru_cache

import numpy as np

from sftmill.steps.curate.compiled import compiled, inlined, mix, read_point, wide
from sftmill.steps.curate.decontaminate.fold import COMMA, LETTERS_FROM, POINT, SPACE, STOP, TABLE, fold_character
from sftmill.steps.curate.decontaminate.hashing import ANY_NUMBER, BASE, FIRST_NUMBER, FIRST_WORD, PRIME

EXPANDED = 0x80000000
"""Bit of a table's entry that says where several codes stand."""
_BASE, _PRIME = np.uint64(BASE), np.uint64(PRIME)
_FIRST_WORD, _FIRST_NUMBER, _ANY_NUMBER = np.uint64(FIRST_WORD), np.uint64(FIRST_NUMBER), np.uint64(ANY_NUMBER)


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


@inlined
def digit(code):
    """Tell whether a code is a digit."""
    return code >= 0x30 and code < 0x3A


@compiled
def fold(data, start, end, table, more, codes):
    """Write the codes that the bytes start..end fold to; return how many there are."""
    size, i = 0, start
    while i < end:
        point, i = read_point(data, i)
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


@compiled
def hash_tokens(data, start, end, table, more, codes, masked, exact, edges):
    """Write the hashes of a text's tokens, with numbers as one and as they are, and which begin a piece; return how many."""
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
                running = (running ^ np.uint64(46)) * _PRIME
                exact[count - 1] = mix(running)
                only_zero = False
            continue
        now = 1 if digit(code) else (3 if wide(code) else 2)
        if kind == 0 or now != kind or now == 3:
            edges[count] = gap == STOP or (gap == SPACE and wide(before) and wide(code))
            count += 1
            running = _FIRST_NUMBER if now == 1 else _FIRST_WORD
            only_zero = False
            fresh = True
        else:
            fresh = False
        if now == 1 and (fresh or only_zero):
            # 05 is 5: a leading zero counts only where it is all there is
            running = _FIRST_NUMBER
            only_zero = code == 0x30 and i + 1 < size and digit(codes[i + 1])
            if not only_zero:
                running = (running ^ np.uint64(code)) * _PRIME
        else:
            running = (running ^ np.uint64(code)) * _PRIME
        exact[count - 1] = mix(running)
        masked[count - 1] = _ANY_NUMBER if now == 1 else exact[count - 1]
        kind = now
        gap = 0
        before = code
    return count


@inlined
def look_up(key, sieve, keys):
    """Return the place of a key in the table, -1 where it is not there, as the sieve says of most at once."""
    bit = key & np.uint64(len(sieve) * 8 - 1)
    if sieve[bit >> np.uint64(3)] >> (bit & np.uint64(7)) & np.uint64(1):
        slots = np.uint64(len(keys) - 1)
        slot = key & slots
        while keys[slot] != 0:
            if keys[slot] == key:
                return np.int64(slot)
            slot = (slot + np.uint64(1)) & slots
    return np.int64(-1)


@compiled
def scan(
    data, starts, ends, text, table, more, n, mask, sieve, keys, codes, masked, exact, edges, sums, wholes,
    begins, found,
):  # fmt: skip
    """Write (text, place in `keys`) of each known run of `n` tokens, and each known shorter piece between edges.

    Returns the text to go on with, once `found` is full, and how many hits there are.
    """
    power = np.uint64(1)
    for _ in range(n):
        power *= _BASE
    number, room = 0, len(found)
    while text < len(starts):
        before = number
        count = hash_tokens(data, starts[text], ends[text], table, more, codes, masked, exact, edges)
        total, whole = np.uint64(0), np.uint64(0)
        sums[0] = total
        wholes[0] = whole
        begun = 0
        for i in range(count):
            total = total * _BASE + (masked[i] if mask else exact[i])
            sums[i + 1] = total
            whole = whole * _BASE + exact[i]
            wholes[i + 1] = whole
            if edges[i]:
                begins[begun] = i
                begun += 1
            if i + 1 >= n:
                slot = look_up(mix(total - sums[i + 1 - n] * power), sieve, keys)
                if slot >= 0:
                    if number < room:
                        found[number, 0] = text
                        found[number, 1] = slot
                    number += 1
            if i + 1 == count or edges[i + 1]:
                at = begun - 1
                while at >= 0 and i + 1 - begins[at] < n:
                    length = i + 1 - begins[at]
                    shift = np.uint64(1)
                    for _ in range(length):
                        shift *= _BASE
                    key = mix((whole - wholes[begins[at]] * shift) ^ (np.uint64(length) * _PRIME))
                    slot = look_up(key, sieve, keys)
                    if slot >= 0:
                        if number < room:
                            found[number, 0] = text
                            found[number, 1] = slot
                        number += 1
                    at -= 1
        if number > room:  # this text again, in a new table
            return text, before
        text += 1
    return text, number
