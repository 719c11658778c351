"""What the compiled loops over UTF-8 share (numba, extra `scale`): how they are compiled, and the smallest steps of them.

Loops are functions of modules, not of functions: only then does numba find the machine code again that it keeps on
disk, so that the first use alone waits for it. They let go of the interpreter's lock: threads work on batches side
by side. numba looks only at the file of a kept loop, not at this one: whoever changes it here removes `__pycache__`.
"""

import numba
import numpy as np

FIRST_MIX, SECOND_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""Multipliers of the finalizer of SplitMix64 (Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195)."""
S27, S30, S31 = np.uint64(27), np.uint64(30), np.uint64(31)

compiled = numba.njit(cache=True, nogil=True)
inlined = numba.njit(inline="always")


@inlined
def mix(value):
    """Return 64 bits in which each depends on all of the value's (the finalizer of SplitMix64)."""
    value ^= value >> S30
    value *= FIRST_MIX
    value ^= value >> S27
    value *= SECOND_MIX
    return value ^ (value >> S31)


@inlined
def wide(code):
    """Tell whether a code is an ideograph, kana or hangul."""
    return (
        (code >= 0x3005 and code < 0xA000)
        or (code >= 0xAC00 and code < 0xD7B0)
        or (code >= 0xF900 and code < 0xFB00)
        or code >= 0x20000
    )


@inlined
def read_point(data, i):
    """Return the code point of the character that begins at byte `i` of valid UTF-8, and where the next one begins."""
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
    return point, i
