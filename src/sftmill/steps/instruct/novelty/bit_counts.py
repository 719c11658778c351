"""The search through bit columns as one compiled loop (numba, extra `scale`); without it numpy finds the same rows."""

import numba
import numpy as np

BLOCK = 256
"""Words that are searched before the next ones, few enough that all they need stays in the nearest cache."""


@numba.njit(inline="always")
def added(one, two, three):
    """Return the lower and the upper bits of the sums of three."""
    return one ^ two ^ three, (one & two) | (three & (one ^ two))


@numba.njit(cache=True)
def search(table, columns, groups, required, bits, rows, found):
    """Write into `found` the numbers below `rows` of the rows that have enough of `columns` set; return how many.

    As many as one of `groups` asks for: pairs of (least, a column that must not be set, or -1). Column `required` must be
    set, unless it is -1. `bits` is how many the number of columns has.
    """
    words = (rows + 63) // 64
    planes = np.empty((bits + 3, BLOCK), np.uint64)
    marked = np.empty(BLOCK, np.uint64)
    passing = np.empty(BLOCK, np.uint64)
    number = 0
    for start in range(0, words, BLOCK):
        size = min(BLOCK, words - start)
        end = start + size
        planes[:, :size] = np.uint64(0)
        first, second, third = planes[0], planes[1], planes[2]
        place = 0
        while place < len(columns):
            # the sum of up to seven columns; the one that is missing counts nothing, as the table's last one
            a = table[columns[place], start:end]
            b = table[columns[place + 1], start:end]
            c = table[columns[place + 2], start:end]
            d = table[columns[place + 3], start:end]
            e = table[columns[place + 4], start:end]
            f = table[columns[place + 5], start:end]
            g = table[columns[place + 6], start:end]
            for w in range(size):
                s1, c1 = added(a[w], b[w], c[w])
                s2, c2 = added(d[w], e[w], f[w])
                low, c3 = added(s1, s2, g[w])
                middle, high = added(c1, c2, c3)
                carry = first[w] & low
                first[w] ^= low
                second[w], carry = added(second[w], middle, carry)
                third[w], carry = added(third[w], high, carry)
                passing[w] = carry
            for deep in range(3, bits):
                plane = planes[deep]
                for w in range(size):
                    both = plane[w] & passing[w]
                    plane[w] ^= passing[w]
                    passing[w] = both
            place += 7
        marked[:size] = np.uint64(0)
        for group in range(len(groups)):
            least, without = groups[group, 0], groups[group, 1]
            passing[:size] = ~np.uint64(0)
            for deep in range(bits):
                plane = planes[deep]
                if least >> deep & 1:
                    for w in range(size):
                        passing[w] &= plane[w]
                else:
                    for w in range(size):
                        passing[w] |= plane[w]
            if without >= 0:
                column = table[without, start:end]
                for w in range(size):
                    marked[w] |= passing[w] & ~column[w]
            else:
                for w in range(size):
                    marked[w] |= passing[w]
        if required >= 0:
            column = table[required, start:end]
            for w in range(size):
                marked[w] &= column[w]
        for w in range(size):
            word = marked[w]
            row = (start + w) * 64
            while word:
                if word & np.uint64(1):
                    if row < rows:
                        found[number] = row
                        number += 1
                    word >>= np.uint64(1)
                    row += 1
                elif word & np.uint64(0xFFFF):
                    word >>= np.uint64(1)
                    row += 1
                else:
                    word >>= np.uint64(16)
                    row += 16
    return number
