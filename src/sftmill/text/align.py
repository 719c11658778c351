"""Find where a quotation stands in its source, also when it was copied with small slips."""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

from sftmill.text.lazy import lazy_pattern
from sftmill.text.units import Span, normalise_with_map
from sftmill.text.variants import lookalike, simplified

_SEED = 4
_SHORTEST = 8
"""Characters (without spaces and punctuation) that an inexact quotation must have."""
_LONGEST = 4000
"""Characters of a quotation that are aligned inexactly; a longer one must match exactly."""
_KEPT = lazy_pattern(r"(?:[\w%‰℃°$€£¥+<>=≤≥]|-(?=\d)|(?<=\d)\.(?=\d))+")


@lru_cache(maxsize=16)  # a passage is looked into for every quotation of every answer from it
def _squeezed(s: str) -> tuple[str, list[int]]:
    """Return the text without spaces and punctuation, simplified, in lower case, and the offset of each character.

    A point or comma within a number stays, or 1.5 would match 15.
    """
    text, offsets = normalise_with_map(simplified(s))
    out: list[str] = []
    kept: list[int] = []
    for match in _KEPT.finditer(text):
        piece = match[0]
        low = piece.lower()
        if len(low) != len(piece):  # a letter that is two in lower case stays
            low = "".join([c.lower() if len(c.lower()) == 1 else c for c in piece])
        out.append(low)
        kept += offsets[match.start() : match.end()]
    return "".join(out), kept


def align(quote: str, source: str, threshold: float = 0.9) -> Span | None:
    """Return the piece of `source` that `quote` was taken from, with offsets into the raw source.

    First exactly, after normalisation, in simplified characters, without spaces and punctuation;
    else the piece whose longest common subsequence with the quotation has at least `threshold` of
    the characters of both, for quotations of 8 characters or more, where characters that OCR
    confuses count as the same. None when there is no such piece. An inexact match (`ratio` below
    1) may differ in a digit: whoever cares compares the `numbers` of both.
    """
    wanted, _ = _squeezed(quote)
    if not wanted:
        return None
    text, offsets = _squeezed(source)
    at = _find(wanted, text)
    if at >= 0:
        return _raw(source, offsets, at, at + len(wanted), 1.0)
    if not _SHORTEST <= len(wanted) <= _LONGEST or threshold >= 1:
        return None
    best: Span | None = None
    exact, written = text, wanted
    wanted, text = lookalike(wanted), lookalike(text)
    for low, high in _windows(wanted, text, threshold):
        start, end, common = _fit(wanted, text[low:high])
        ratio = common / max(len(wanted), end - start)
        if ratio == 1 and exact[low + start : low + end] != written:
            ratio = 0.9999
        if ratio >= threshold and (best is None or ratio > best.ratio):
            best = Span(low + start, low + end, ratio)
    return _raw(source, offsets, best.start, best.end, best.ratio) if best else None


def _raw(source: str, offsets: list[int], start: int, end: int, ratio: float) -> Span:
    last = offsets[end - 1] + 1
    stop = offsets[end] if end < len(offsets) else len(source)
    while last < stop and source[last] in "。！？.!?”’」』）)":
        last += 1
    return Span(offsets[start], last, round(ratio, 4))


def _find(wanted: str, text: str) -> int:
    """Return where `wanted` stands in `text`, not inside of a longer number or Latin word; -1 if nowhere."""
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not (_runs_on(text, at) or _runs_on(text, end)):
            return at
        at = text.find(wanted, at + 1)
    return -1


def _runs_on(text: str, at: int) -> bool:
    pair = text[at - 1 : at + 1] if at else ""
    return len(pair) == 2 and (
        pair.isdigit() or (pair[0] in ".-" and pair[1].isdigit()) or (pair[0].isdigit() and pair[1] == ".")
    )


def _windows(wanted: str, text: str, threshold: float) -> list[tuple[int, int]]:
    """Return up to three stretches of `text` that share enough 4-character pieces with `wanted`."""
    seeds = [wanted[i : i + _SEED] for i in range(len(wanted) - _SEED + 1)]
    if not any(seed in text for seed in seeds):
        return []
    places: dict[str, list[int]] = {seed: [] for seed in seeds}
    for j in range(len(text) - _SEED + 1):
        if (seed := text[j : j + _SEED]) in places:
            places[seed].append(j)
    slack = int(len(wanted) * (1 - threshold)) + 2
    votes: defaultdict[int, int] = defaultdict(int)
    width = max(slack, 4)
    for i, seed in enumerate(seeds):
        for j in places[seed][:50]:  # a piece that stands everywhere tells nothing
            votes[(j - i) // width] += 1
    ranked = sorted(votes, key=lambda d: (-(votes[d] + max(votes.get(d - 1, 0), votes.get(d + 1, 0))), d))
    out: list[tuple[int, int]] = []
    for d in ranked[:3]:
        low = max(0, d * width - width - slack)
        high = min(len(text), d * width + len(wanted) + 2 * width + slack)
        if low < high:
            out.append((low, high))
    return out


def _fit(wanted: str, window: str) -> tuple[int, int, int]:
    """Return (start, end, length) of the best common subsequence of all of `wanted` with a piece of `window`.

    The rows of the dynamic programme are bit vectors (Hyyro 2004, "Bit-parallel LCS-length
    computation revisited"), one Python integer per character, so that a passage costs
    milliseconds; the piece found is then cut to the first and last character used.
    """
    end = _best_end(wanted, window)
    start = len(window[:end]) - _best_end(wanted[::-1], window[:end][::-1])
    return start, end, _common(wanted, window[start:end])


def _rows(a: str, b: str) -> Iterator[int]:
    """Yield, after each character of `b`, the length of the longest common subsequence with all of `a`."""
    masks: defaultdict[str, int] = defaultdict(int)
    for i, c in enumerate(a):
        masks[c] |= 1 << i
    full = (1 << len(a)) - 1
    row = full
    for c in b:
        hit = row & masks.get(c, 0)
        row = ((row + hit) | (row - hit)) & full
        yield len(a) - row.bit_count()


def _common(a: str, b: str) -> int:
    return max(_rows(a, b), default=0)


def _best_end(wanted: str, window: str) -> int:
    """Return where a piece of `window` should end: each further character costs half of what a match gains."""
    best, best_end = -1.0, len(window)
    for j, common in enumerate(_rows(wanted, window), 1):
        gain = common - 0.5 * max(0, j - common)
        if gain > best:
            best, best_end = gain, j
    return best_end
