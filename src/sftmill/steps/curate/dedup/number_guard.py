"""Which texts that are nearly the same differ in a number: 5万 and 8万, article 3 and article 4."""

from collections import Counter

from sftmill.text import number_key, numbers

MARGIN = 24
"""Characters around what differs that are read with it, as a number may begin or end there."""
BRIEF = 60
"""Characters of a text in which a number that the other text lacks makes another question of it."""


def numbers_differ(one: list[str], other: list[str]) -> bool:
    """Tell whether two texts, turn by turn, say different numbers; 100mg and 0.1克 are the same.

    They do where each has a number that the other lacks. A number that only one of them has counts where a text is
    brief; of a long one a part may have been cut off.
    """
    if len(one) != len(other):
        one, other = ["\n".join(one)], ["\n".join(other)]
    ours, theirs = Counter(), Counter()
    for left, right in zip(one, other, strict=True):
        left, right = unlike(left, right)
        ours.update(number_key(found) for found in numbers(left, words=True))
        theirs.update(number_key(found) for found in numbers(right, words=True))
    more, less = bool(ours - theirs), bool(theirs - ours)
    if more and less:
        return True
    return (more or less) and min(sum(map(len, one)), sum(map(len, other))) <= BRIEF


def unlike(one: str, other: str) -> tuple[str, str]:
    """Return what is left of two texts without their common beginning and end, but for a margin that ends at a space."""
    if one == other:
        return "", ""
    size = min(len(one), len(other))
    head = _common(size, lambda n: one[:n] == other[:n])
    tail = _common(size - head, lambda n: one[len(one) - n :] == other[len(other) - n :])
    start, cut = max(0, head - MARGIN), max(0, tail - MARGIN)
    while start and one[start - 1].isalnum() and one[start].isalnum() and head - start < 3 * MARGIN:
        start -= 1
    while cut and one[-cut].isalnum() and one[-cut - 1].isalnum() and tail - cut < 3 * MARGIN:
        cut -= 1
    return one[start : len(one) - cut], other[start : len(other) - cut]


def _common(most: int, same) -> int:
    """Return the greatest n up to `most` for which `same(n)`, which holds for all smaller ones, too."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if same(middle):
            least = middle
        else:
            most = middle - 1
    return least
