"""The compiled loops over bytes and shingles (numba, extra `scale`); `pair_kernels` has those over pairs."""

import numpy as np

from sftmill.steps.curate.compiled import FIRST_MIX, compiled, inlined, mix, read_point, wide
from sftmill.steps.curate.dedup.fold import EXPANDED, SPACE, TABLE, TURN

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Base of the polynomial that hashes shingles; odd, so that no power of it is lost."""
FIRST = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)
"""Start and multiplier of FNV-1a in 64 bits."""
S32 = np.uint64(32)
AROUND_BEFORE, AROUND_AFTER, AROUND_LATIN = 6, 6, 20
"""Codes before and behind a numeral that may belong to the number: signs, units, 第 and 条; units in Latin letters are
longer."""

_WRITTEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred dozen thousand million billion "
    "trillion half third thirds quarter quarters fourth fourths fifth fifths sixth sixths seventh sevenths eighth eighths "
    "ninth ninths tenth tenths first second halves hundreds dozens thousands millions billions trillions "
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)


def _hashed(word: str) -> int:
    """Return FNV-1a of a word's letters in 64 bits, as the loop makes it."""
    value = int(FIRST)
    for letter in word:
        value = (value ^ ord(letter)) * int(PRIME) & ((1 << 64) - 1)
    return value


NUMBER_WORDS = np.array(sorted(map(_hashed, str.split(_WRITTEN))), np.uint64)
"""Hashes of the English words that a number may be written with, ascending."""


@inlined
def numeral(code):
    """Tell whether a code is a digit or a Chinese numeral."""
    return (
        (code >= 0x30 and code < 0x3A)
        or code == 0x3007  # 〇
        or code == 0x4E00  # 一
        or code == 0x4E8C  # 二
        or code == 0x4E24  # 两
        or code == 0x4E09  # 三
        or code == 0x56DB  # 四
        or code == 0x4E94  # 五
        or code == 0x516D  # 六
        or code == 0x4E03  # 七
        or code == 0x516B  # 八
        or code == 0x4E5D  # 九
        or code == 0x5341  # 十
        or code == 0x767E  # 百
        or code == 0x5343  # 千
        or code == 0x4E07  # 万
        or code == 0x842C  # 萬
        or code == 0x4EBF  # 亿
        or code == 0x5104  # 億
        or code == 0x96F6  # 零
        or code == 0x534A  # 半
    )


@compiled
def fold(data, starts, ends, begin, end, table, letters, more, codes, borders):
    """Write the codes of the turns begin..end of a row; return how many there are, and the hash of its letters.

    `borders[t]` is where the codes of turn `begin + t` begin. White space is one space, none at a turn's ends and none
    beside a Chinese character.
    """
    size = 0
    loose = FIRST
    lettered = False
    for turn in range(begin, end):
        if turn > begin:
            codes[size] = TURN
            size += 1
        borders[turn - begin] = size
        head = size
        space = False
        i, stop = starts[turn], ends[turn]
        while i < stop:
            point, i = read_point(data, i)
            if point < TABLE:
                code = np.int64(letters[point])
                if code:
                    lettered = True
                    if code < EXPANDED:
                        loose = (loose ^ np.uint64(code)) * PRIME
                    else:
                        at = code & 0x7FFFFFFF
                        for k in range(np.int64(more[at])):
                            loose = (loose ^ np.uint64(more[at + 1 + k])) * PRIME
                code = np.int64(table[point])
                many = 1
                at = np.int64(0)
                if code >= EXPANDED:
                    at = code & 0x7FFFFFFF
                    many = np.int64(more[at])
                elif code == 0:
                    many = 0
            else:
                code, many, at = point, 1, np.int64(0)
            for k in range(many):
                if at:
                    code = np.int64(more[at + 1 + k])
                if code == SPACE:
                    space = True
                    continue
                if space:
                    space = False
                    if size > head and not wide(np.int64(codes[size - 1])) and not wide(code):
                        codes[size] = SPACE
                        size += 1
                codes[size] = code
                size += 1
    borders[end - begin] = size + 1
    if not lettered:
        loose = np.uint64(1)
    return size, mix(loose) | np.uint64(1)


@compiled
def to_words(codes, size, words):
    """Write a token for each word and each Chinese character; return how many there are."""
    count = 0
    inside = False
    for i in range(size):
        code = np.int64(codes[i])
        letter = (code >= 0x61 and code < 0x7B) or (code >= 0x30 and code < 0x3A) or (code >= 0xC0 and not wide(code))
        letter = letter and not (code >= 0x2000 and code < 0x2C00)
        if wide(code):
            words[count] = codes[i]
            count += 1
            inside = False
        elif letter:
            if not inside:
                words[count] = FIRST
                count += 1
            words[count - 1] = (words[count - 1] ^ codes[i]) * PRIME
            inside = True
        elif code == TURN:
            words[count] = codes[i]
            count += 1
            inside = False
        else:
            inside = False
    if count == 0:  # signs alone are compared as they stand
        words[:size] = codes[:size]
        return size
    return count


@compiled
def shingles(codes, begin, end, n, out):
    """Write the 32-bit hash of each run of `n` codes; a text shorter than that is one shingle. Return the number."""
    size = end - begin
    if size <= 0:
        return 0
    if size < n:
        n = size
    power = np.uint64(1)
    for _ in range(n):
        power *= BASE
    running = np.uint64(0)
    for i in range(begin, begin + n - 1):
        running = running * BASE + (codes[i] + np.uint64(1))
    count = 0
    for i in range(begin + n - 1, end):
        running = running * BASE + (codes[i] + np.uint64(1))
        if i - begin >= n:
            running -= (codes[i - n] + np.uint64(1)) * power
        out[count] = np.uint32(mix(running) >> S32)
        count += 1
    return count


@compiled
def band_keys(found, count, factors, offsets, rows_of_band, salt, signature, keys):
    """Write a 32-bit key for each band of `rows_of_band` minima, over `len(factors)` permutations."""
    size = len(factors)
    for j in range(size):
        signature[j] = np.uint32(0xFFFFFFFF)
    for i in range(count):
        value = found[i]
        for j in range(size):
            permuted = np.uint32(np.uint32(value * factors[j]) + offsets[j])
            signature[j] = permuted if permuted < signature[j] else signature[j]
    at = 0
    for band in range(len(keys)):
        running = FIRST ^ salt
        for _ in range(rows_of_band):
            running = (running ^ np.uint64(signature[at])) * PRIME
            running ^= running >> S32
            at += 1
        keys[band] = np.uint32(mix(running) >> S32)


@compiled
def sign(
    data, starts, ends, first, kinds, table, letters, more, words, short_most, reach, n_short, n_long,
    short_factors, short_offsets, short_rows, long_factors, long_offsets, long_rows,
    room, wholes, looses, classes, short_keys, long_keys,
):  # fmt: skip
    """Read each row of a batch: the hash of its fold, that of its letters, its class, and its bands' keys.

    The class has bit 1 where the row is a short Chinese text, bit 2 where it has short keys, bit 4 where long ones.
    """
    codes = np.empty(room, np.uint64)
    tokens = np.empty(room if words else 1, np.uint64)
    found = np.empty(room, np.uint32)
    signature = np.empty(max(len(short_factors), len(long_factors)), np.uint32)
    most = 0
    for row in range(len(first) - 1):
        most = max(most, first[row + 1] - first[row])
    borders = np.empty(most + 2, np.int64)
    for row in range(len(first) - 1):
        begin, end = first[row], first[row + 1]
        classes[row] = 0
        wholes[row] = 0
        looses[row] = 0
        size, loose = fold(data, starts, ends, begin, end, table, letters, more, codes, borders)
        signs = size - max(0, end - begin - 1)
        if signs <= 0:
            continue
        salt = mix(np.uint64(kinds[row]) + FIRST_MIX)
        looses[row] = (loose ^ salt) | np.uint64(1)
        whole = FIRST ^ salt
        ideographs = 0
        for i in range(size):
            whole = (whole ^ codes[i]) * PRIME
            whole ^= whole >> S32
            if wide(np.int64(codes[i])):
                ideographs += 1
        wholes[row] = mix(whole) | np.uint64(1)
        one = 3 * ideographs >= size and size <= short_most and not words
        has_short = 5 * ideographs >= size and size <= reach and not words
        kind = 1 if one else 0
        source, many = codes, size
        if words:
            source, many = tokens, to_words(codes, size, tokens)
        if has_short and short_rows:
            kind |= 2
            count = shingles(source, 0, many, n_short, found)
            band_keys(found, count, short_factors, short_offsets, short_rows, salt, signature, short_keys[row])
        if not one and long_rows:
            kind |= 4
            count = shingles(source, 0, many, n_long, found)
            band_keys(found, count, long_factors, long_offsets, long_rows, salt, signature, long_keys[row])
        classes[row] = kind


@compiled
def numbers_hash(codes, size):
    """Return a hash of all that numbers could be read from: texts with equal hashes have the same numbers in them."""
    total = FIRST
    upcoming = 0
    until = -1
    word = FIRST
    length = 0
    for i in range(size + 1):
        if i < size:
            code = np.int64(codes[i])
            letter = code >= 0x61 and code < 0x7B
        else:
            code, letter = 0, False
        if letter:
            word = (word ^ codes[i]) * PRIME
            length += 1
        else:
            if length >= 3:
                place = np.searchsorted(NUMBER_WORDS, word)
                if place < len(NUMBER_WORDS) and NUMBER_WORDS[place] == word:
                    total = (total ^ word) * PRIME
                    until = max(until, i + AROUND_LATIN)
            word = FIRST
            length = 0
        if i == size:
            break
        if upcoming < i:
            upcoming = i
        while upcoming < size and not numeral(np.int64(codes[upcoming])):
            upcoming += 1
        if upcoming == i:
            near = i + 2 if i + 2 < size else i
            latin = codes[near] >= 0x61 and codes[near] < 0x7B
            until = max(until, i + (AROUND_LATIN if latin else AROUND_AFTER))
        if i <= until or (upcoming - i <= AROUND_BEFORE and upcoming < size):
            total = (total ^ codes[i]) * PRIME
            total ^= total >> S32
    return mix(total)


@compiled
def gather(data, starts, ends, first, last, table, letters, more, words, chosen, sizes, room, n_section, numbered, out):
    """Write `place << 32 | shingle` of the chosen rows, place = 3 * number of the row among them + section.

    Section 0 is the whole text. A row of several turns has its last question as section 1 and what follows as section
    2, cut into pairs, so that a long history in common does not make two questions one. `sizes` are the shingle sizes
    of the chosen rows; `numbered` gets a hash of what stands at each number. Returns how many were written.
    """
    codes = np.empty(room, np.uint64)
    tokens = np.empty(room if words else 1, np.uint64)
    found = np.empty(room, np.uint32)
    most = 0
    for row in chosen:
        most = max(most, first[row + 1] - first[row])
    borders = np.empty(most + 2, np.int64)
    count = 0
    for number in range(len(chosen)):
        row = chosen[number]
        begin, end = first[row], first[row + 1]
        size, _ = fold(data, starts, ends, begin, end, table, letters, more, codes, borders)
        numbered[number] = numbers_hash(codes, size)
        many = to_words(codes, size, tokens) if words else size
        written = shingles(tokens if words else codes, 0, many, sizes[number], found)
        head = np.uint64(3 * number) << S32
        for i in range(written):
            out[count] = head | np.uint64(found[i])
            count += 1
        if end - begin > 1:
            asked = last[row] - begin
            if asked < 0:
                continue
            head = np.uint64(3 * number + 1) << S32
            written = shingles(codes, borders[asked], borders[asked + 1] - 1, n_section, found)
            for i in range(written):
                out[count] = head | np.uint64(found[i])
                count += 1
            head = np.uint64(3 * number + 2) << S32
            written = shingles(codes, borders[asked + 1], size, n_section, found)
            for i in range(written):
                out[count] = head | np.uint64(found[i])
                count += 1
    return count


@compiled
def distinct(values, places, out, borders):
    """Write the shingles of sorted `place << 32 | shingle`, each once for its place; `borders[p]` is where place p begins."""
    count, place, last = 0, 0, np.uint64(0)
    for i in range(len(values)):
        value = values[i]
        if i and value == last:
            continue
        last = value
        at = np.int64(value >> S32)
        while place <= at:
            borders[place] = count
            place += 1
        out[count] = np.uint32(value & np.uint64(0xFFFFFFFF))
        count += 1
    while place <= places:
        borders[place] = count
        place += 1
    return count
