"""How much of a text repeats itself: lines, sentences, n-grams, and loops at the end."""

from collections import Counter
from collections.abc import Sequence


def duplicate_share(parts: Sequence[str]) -> tuple[float, float]:
    """Return the share of parts that stood before, by number and by characters, 0 to 1."""
    seen: set[str] = set()
    repeated = characters = 0
    for part in parts:
        if part in seen:
            repeated += 1
            characters += len(part)
        seen.add(part)
    total = sum(map(len, parts))
    return (repeated / len(parts), characters / total) if parts and total else (0.0, 0.0)


def top_ngram_share(words: Sequence[str], n: int) -> tuple[float, str]:
    """Return the share of characters in the most frequent n-gram, if it occurs twice or more, and that n-gram."""
    if len(words) < n:
        return 0.0, ""
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    gram, count = max(counts.items(), key=lambda pair: (pair[1], sum(map(len, pair[0])), pair[0]))
    total = sum(map(len, words))
    share = count * sum(map(len, gram)) / total if count > 1 and total else 0.0
    return min(1.0, share), "".join(gram) if len(gram[0]) == 1 else " ".join(gram)


def duplicate_ngram_share(words: Sequence[str], n: int) -> float:
    """Return the share of characters in n-grams that stood before, each character counted once."""
    seen: set[tuple[str, ...]] = set()
    repeated, covered, at = 0, 0, 0
    for at in range(len(words) - n + 1):
        gram = tuple(words[at : at + n])
        if gram in seen:
            start = max(at, covered)
            repeated += sum(map(len, words[start : at + n]))
            covered = at + n
        seen.add(gram)
    total = sum(map(len, words))
    return repeated / total if total else 0.0


def loop_at_end(words: Sequence[str], longest: int = 120) -> tuple[int, int]:
    """Return (period, times) of what is repeated at the end, (0, 0) where nothing is; the last time may be cut off.

    A loop is at least four times the same and 24 words long, a single word 12 times.
    """
    tail = words[-8 * longest :]
    size = len(tail)
    for period in range(1, min(longest, size // 4) + 1):
        length = period
        while length < size and tail[size - 1 - length] == tail[size - 1 - length + period]:
            length += 1
        times = length // period
        if times >= (12 if period == 1 else 4) and length >= (12 if period == 1 else 24):
            return period, times
    return 0, 0
