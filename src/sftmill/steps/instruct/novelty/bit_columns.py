"""A table of bits, a row for each text, that is stored by columns so that many rows are counted at once.

A query looks at a few columns. Adding them up as binary numbers, a bit of the sum for 64 rows in each machine word,
costs some fifty operations of numpy whatever the number of rows: for 100,000 rows each takes about a microsecond.
Where numba is installed, one compiled loop does it all.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

Bits = np.ndarray
"""One bit for each row, in words of 64; the rows that are not there yet are zero or, after a negation, one."""
AT_ONCE = 7
"""Columns that the compiled loop adds up before the sum is added to the count: the most whose sum has three bits."""


class BitColumns:
    """Rows of bits, appended one by one, in an array that grows by a quarter: `width` / 8 bytes a row.

    Column `width` is always zero: it fills up what is counted to a power of two.
    """

    def __init__(self, width: int):
        self.width = width
        self.size = 0
        self._words = np.zeros((width + 1, 16), np.uint64)
        self._room: dict[int, tuple[np.ndarray, ...]] = {}
        self._found = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.size

    def append(self, columns: Sequence[int] | np.ndarray) -> None:
        """Append a row in which these columns are set."""
        word, bit = divmod(self.size, 64)
        if word == self._words.shape[1]:
            more = np.zeros((self.width + 1, max(16, word // 4)), np.uint64)
            self._words = np.concatenate([self._words, more], axis=1)
            self._room.clear()
        self._words[columns, word] |= np.uint64(1 << bit)
        self.size += 1

    def search(self, columns: Sequence[int], groups: Sequence[tuple[int, int]], required: int = -1) -> np.ndarray:
        """Return the rows, ascending, that have enough of `columns` set for any of `groups`.

        A group is (how many at least, a column that must not be set, or -1). Column `required` must be set,
        unless it is -1.
        """
        bits = len(columns).bit_length()
        groups = [group for group in groups if group[0] < 1 << bits]
        if not groups or not self.size:
            return np.arange(0)
        if search := _compiled_search():
            padded = [*columns, *[self.width] * (-len(columns) % AT_ONCE)]
            if len(self._found) < self.size:
                self._found = np.empty(self._words.shape[1] * 64, np.int64)
            chosen, wanted = np.array(padded, np.int64), np.array(groups, np.int64)
            number = search(self._words, chosen, wanted, required, bits, self.size, self._found)
            return self._found[:number].copy()
        planes = self.count(columns)
        marked = np.zeros_like(planes[0])
        for least, without in groups:
            passing = at_least(planes, least)
            marked |= passing if without < 0 else passing & ~self._words[without]
        if required >= 0:
            marked &= self._words[required]
        return self.rows(marked)

    def count(self, columns: Sequence[int]) -> list[Bits]:
        """Return for every row how many of `columns` are set: the bits of that number, the lowest first.

        The arrays are overwritten by the next call.
        """
        size = 1 << max(1, (len(columns) - 1).bit_length())
        half = size // 2
        first, second, third, fourth = self._workspace(size)
        table = self._words
        numbers = [*columns, *[self.width] * (size - len(columns))]
        ones, twos = second[0], second[1]
        for place in range(half):  # the first pairs are added as they stand in the table, which is read only once
            one, two = table[numbers[place]], table[numbers[place + half]]
            np.bitwise_xor(one, two, out=ones[place])
            np.bitwise_and(one, two, out=twos[place])
        planes, free, size = second[:2], first, half
        carry, spare = third, fourth
        while size > 1:
            size //= 2
            bits = len(planes)
            out = free[: bits + 1, :size]
            left, right = planes[:, :size], planes[:, size : 2 * size]
            np.bitwise_xor(left[0], right[0], out=out[0])
            held = carry[:size] if bits > 1 else out[1]
            np.bitwise_and(left[0], right[0], out=held)
            for i in range(1, bits):
                one, two = left[i], right[i]
                both = spare[:size]
                np.bitwise_xor(one, two, out=both)
                np.bitwise_and(one, two, out=one)
                np.bitwise_xor(both, held, out=out[i])
                np.bitwise_and(both, held, out=both)
                held = held if i < bits - 1 else out[i + 1]
                np.bitwise_or(one, both, out=held)
            planes, free = out, (first if free is second else second)
        return [plane[0] for plane in planes]

    def rows(self, marked: Bits) -> np.ndarray:
        """Return the numbers of the rows whose bit is set, ascending."""
        words = np.flatnonzero(marked)
        if not len(words):
            return words
        bits = np.flatnonzero(np.unpackbits(marked[words].view(np.uint8), bitorder="little").view(np.bool_))
        found = words[bits >> 6] * 64 + (bits & 63)
        return found[: np.searchsorted(found, self.size)]

    def _workspace(self, size: int) -> tuple[np.ndarray, ...]:
        """Return arrays that hold the sums of a count, kept from call to call."""
        if size not in self._room:
            words = self._words.shape[1]
            deep = size.bit_length()
            self._room[size] = (
                np.empty((deep, max(1, size // 4), words), np.uint64),
                np.empty((deep, size // 2, words), np.uint64),
                np.empty((max(1, size // 4), words), np.uint64),
                np.empty((max(1, size // 4), words), np.uint64),
            )
        return self._room[size]


def at_least(planes: Sequence[Bits], least: int) -> Bits:
    """Return the rows whose number, given by its bits, is at least `least`, which has no more bits than that."""
    marked = np.full_like(planes[0], ~np.uint64(0))  # a number of no bits is equal to what is left of `least`
    for i, plane in enumerate(planes):
        if least >> i & 1:
            marked &= plane
        else:
            marked |= plane
    return marked


@lru_cache(maxsize=1)
def _compiled_search() -> Callable[..., int] | None:
    """Return the compiled loop, None without numba; its machine code is kept on disk, so only the first use waits."""
    if find_spec("numba") is None:
        return None
    from sftmill.steps.instruct.novelty.bit_counts import search

    return search
