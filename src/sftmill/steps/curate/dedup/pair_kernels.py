"""The compiled loops over pairs: which texts share a band's key, and how similar the two of a pair are."""

import numpy as np

from sftmill.steps.curate.compiled import compiled, inlined
from sftmill.steps.curate.dedup.kernels import S32

CROWD, WINDOW, WIDE = 48, 12, 500
"""A band's bucket with more texts than CROWD is no longer compared all with all. Each is compared with those that share
the next band's key, too, if these are no crowd, and with the WINDOW next ones in the order of the following bands,
where those that are alike stand together; with fewer where there are more than WIDE."""


@inlined
def jaccard(values, a, a_end, b, b_end):
    """Return the Jaccard similarity of two ascending sets; two empty ones are the same."""
    sizes = (a_end - a) + (b_end - b)
    if sizes == 0:
        return 1.0
    shared = 0
    while a < a_end and b < b_end:
        one, other = values[a], values[b]
        shared += one == other
        a += one <= other
        b += other <= one
    return shared / (sizes - shared)


@compiled
def compare(values, borders, one, other, least, out):
    """Write the Jaccard similarity of each pair of numbers, 0 where a section of it is below its `least`."""
    for i in range(len(one)):
        p, q = 3 * one[i], 3 * other[i]
        a, a_end, b, b_end = borders[p], borders[p + 1], borders[q], borders[q + 1]
        small, large = min(a_end - a, b_end - b), max(a_end - a, b_end - b)
        out[i] = 0.0
        if small < least[i] * large:
            continue
        found = jaccard(values, a, a_end, b, b_end)
        if found < least[i]:
            continue
        several_p = borders[p + 3] > borders[p + 1]
        several_q = borders[q + 3] > borders[q + 1]
        if several_p != several_q:
            continue
        if several_p:
            if jaccard(values, borders[p + 1], borders[p + 2], borders[q + 1], borders[q + 2]) < least[i]:
                continue
            if jaccard(values, borders[p + 2], borders[p + 3], borders[q + 2], borders[q + 3]) < least[i]:
                continue
        out[i] = found


@inlined
def met_before(keys, crowded, one, other, band):
    """Tell whether two texts were already paired by a band before this one."""
    for earlier in range(band):
        if keys[one, earlier] == keys[other, earlier] and not crowded[one] >> np.uint64(earlier) & np.uint64(1):
            return True
    return False


@compiled
def pair_up(ordered, keys, crowded, band, pairs):
    """Write the pairs of texts that share a key in this band and no earlier one, as `smaller << 32 | larger`.

    `ordered` is `key << 32 | number`, ascending. Returns how many there are, also beyond the room in `pairs`.
    """
    count, start, bands = 0, 0, keys.shape[1]
    low = np.uint64(0xFFFFFFFF)
    for end in range(1, len(ordered) + 1):
        if end < len(ordered) and ordered[end] >> S32 == ordered[start] >> S32:
            continue
        size = end - start
        if size > 1 and size <= CROWD:
            for i in range(start, end):
                one = np.int64(ordered[i] & low)
                for j in range(i + 1, end):
                    other = np.int64(ordered[j] & low)
                    if not met_before(keys, crowded, one, other, band):
                        if count < len(pairs):
                            pairs[count] = np.uint64(one) << S32 | np.uint64(other)
                        count += 1
        elif size > CROWD:
            members = np.empty(size, np.int64)
            by = np.empty(size, np.uint64)
            for i in range(size):
                members[i] = np.int64(ordered[start + i] & low)
                crowded[members[i]] |= np.uint64(1) << np.uint64(band)
                by[i] = np.uint64(keys[members[i], (band + 1) % bands]) << S32
                by[i] |= np.uint64(keys[members[i], (band + 2) % bands])
            together = np.argsort(by, kind="mergesort")
            window = max(2, min(WINDOW, WINDOW * WIDE // size))
            run = 0
            for i in range(size):
                while run < size and (run <= i or by[together[run]] >> S32 == by[together[i]] >> S32):
                    run += 1
                # the next band divides most crowds into groups that can be compared all with all
                reach = run - i if run - i <= CROWD else window
                for j in range(i + 1, min(size, max(i + 1 + window, i + reach))):
                    one, other = members[together[i]], members[together[j]]
                    if one > other:
                        one, other = other, one
                    if not met_before(keys, crowded, one, other, band):
                        if count < len(pairs):
                            pairs[count] = np.uint64(one) << S32 | np.uint64(other)
                        count += 1
        start = end
    return count
