"""What speaks for and against an answer: a few numbers between 0 and 1, each with a plain meaning."""

import math
import re
from functools import lru_cache
from typing import NamedTuple

from sftmill.steps.curate.grounding.contradiction import clauses, replaced_words
from sftmill.steps.curate.grounding.evidence import (
    Place,
    Source,
    fit,
    matter,
    new_words,
    numbers_in,
    support,
    units,
    words_of,
)
from sftmill.steps.curate.grounding.framing import frame_words
from sftmill.steps.curate.grounding.wording import answers_kind, asked_for
from sftmill.text import is_cjk, numbers, same_value, sentences
from sftmill.text.lazy import lazy_pattern
from sftmill.text.variants import simplified

_ASKING = lazy_pattern(
    "什么时候|什么样|什么|多少|怎么样|怎么|怎样|如何|为何|为什么|何时|何地|何处|何种|"
    "哪一?[个些年种里位天月日家座条项类国]?|谁|几[个年种名位次天]?|多[大长高久远深重]|"
    r"\b(?:who|whom|whose|what|which|when|where|why|how(?: (?:many|much|long|old|far|often|tall|high|large|big))?)\b",
    re.IGNORECASE,
)
_REACH = 8.0
"""Tokens of the passage after which a word of the question counts about a third as close to the answer."""
_CONTEXT = 5.0
"""Tokens of the question after which a word counts about a third as much as one beside the word that asks."""


class Signals(NamedTuple):
    """What is seen of one answer against its passage; each 0 to 1 (`rival`: -1 to 1)."""

    said: float
    """Share of the answer's matter that the passage (or the question, or a heading) says."""
    weakest: float
    """The same for the clause that has least of it."""
    new: float
    """The same for the part of the answer that the question does not say."""
    near: float
    """How near the question's words stand to the answer's place, compared with the best sentence."""
    known: float
    """Share of the question's matter that the passage knows at all."""
    kind: float
    """1 where the answer is of the kind asked for, such as a time for "when"."""
    focus: float
    """How near the words beside the word that asks stand to the answer's place."""
    rival: float
    """How much nearer they stand to another number of the same unit than to the answer's; below 0 when further."""
    gap: float
    """Longest stretch of the answer that the passage has nowhere, 1 = 8 characters or 4 words."""
    name: float
    """1 where a name in the answer is neither in the passage nor in the question."""
    stray: float
    """Matter of a sentence of the answer that is elsewhere than its best sentence of the passage, 1 = 8 characters."""
    held: float
    """Share of the new part of the answer that one stretch of the passage holds, 1 in one piece."""
    cut: float
    """Share of the ends of an answer found in one piece that run through the middle of a word."""
    replaced: float
    """Words from elsewhere in the passage that stand in the place of words of the evidence, 1 = 4 characters."""
    sort: float
    """1 where the answer's place has the noun beside the word that asks ("which company"), 0 where not, else 0.5."""
    peak: float
    """`focus` compared with that of the best place of the passage."""


def read(asked: str, text: str, source: Source, heading: str = "", evidence: str = "") -> Signals:
    """Return the signals of an answer `text` to a question; `evidence` are the sentences that it is checked against.

    A question that names nothing fits anywhere.
    """
    asked, text = simplified(asked), simplified(text)
    granted = {unit for unit, _ in units(words_of(f"{asked}\n{heading}"))} | _frame_units()
    text = _without_filler(text, source, granted)
    words = words_of(text, source)
    whole, held = support(words, source, granted)
    parts = [words_of(clause, source) for clause in clauses(text)]
    shares = [support(part, source, granted)[0] for part in parts if len(part) >= 4] or [whole]
    new = new_words(words, granted)
    names = matter(asked)
    exact = source.places(words)
    if not (exact and exact[0].exact):
        exact = source.places(new)
    places = exact[:20]
    stands = bool(places) and places[0].exact
    near, known = fit(places, names, source, heading)
    beside, above = _beside(asked, source, heading)
    focus = max((_closeness(place, beside, source) for place in places), default=0.0)
    gap = _gap(words, held)
    return Signals(
        said=whole,
        weakest=min(shares),
        new=support(new, source, granted)[0],
        near=near,
        known=known,
        kind=1.0 if not names or answers_kind(asked, text) else 0.0,
        focus=focus,
        rival=_rival(asked, text, focus, beside, source),
        gap=gap,
        name=float(bool(gap) and _foreign_name(text, source, granted)),
        stray=_stray(text, source, granted),
        held=places[0].share if places else 0.0,
        cut=min(_cut(place, source) for place in places) if stands else 0.0,
        sort=_sort(asked, words, places, source),
        replaced=_replaced(text, evidence, source, granted),
        peak=_peak(focus, beside, above, source),
    )


_HEAD = lazy_pattern(r"([^，,：:！!。.；;]{1,40})[，,：:！!]\s*(?=\w|[《「『“\"])")
_FILLER = 8
"""Characters, words counted as two, of a head of an answer that may be mere courtesy or emphasis."""


def _without_filler(text: str, source: Source, granted: set[str]) -> str:
    """Return an answer without a short head that touches neither passage nor question: "no doubt, ..."."""
    match = _HEAD.match(text)
    if match is None or numbers_in(match[1]):
        return text
    head = words_of(match[1])
    size = sum(1 if is_cjk(word[0]) else 2 for word in head)
    if size > _FILLER or any(unit in source.positions for unit, _ in units(head)):
        return text
    return text if _foreign_name(match[1], source, granted) else text[match.end() :]


@lru_cache(maxsize=1)
def _frame_units() -> frozenset[str]:
    return frozenset(unit for word in frame_words().split("\n") for unit, _ in units(words_of(word)))


def _beside(asked: str, source: Source, heading: str) -> tuple[list[tuple[str, float]], float]:
    """Return the question's units that the passage knows, weighted by how near they stand to the word that asks.

    And the weight of those that only the heading knows.
    """
    match = _ASKING.search(asked)
    if match is None:
        weighted = [(unit, 1.0) for unit in matter(asked)]
    else:
        left, right = words_of(asked[: match.start()]), words_of(_ASKING.sub(" ", asked[match.end() :]))
        away = [(u, len(left) - at) for u, at in units(left)] + [(u, at + 1) for u, at in units(right)]
        weighted = [(unit, math.exp(-distance / _CONTEXT)) for unit, distance in away]
    titles = {unit for unit, _ in units(words_of(heading))} if heading else set()
    found: dict[str, float] = {}
    above = 0.0
    for unit, weight in weighted:
        if unit in source.positions:
            found[unit] = max(found.get(unit, 0.0), source.weight(unit) * weight)
        elif unit in titles:
            above += weight
    return list(found.items()), above


def _closeness(place: Place, beside: list[tuple[str, float]], source: Source) -> float:
    total = sum(weight for _, weight in beside)
    if not total:
        return 0.0
    low, high = source.sentence_of[place.start], source.sentence_of[place.end - 1]
    got = 0.0
    for unit, weight in beside:
        best = 0.0
        for at in source.positions[unit]:
            distance = place.start - at if at < place.start else max(0, at - place.end + 1)
            near = math.exp(-distance / _REACH) * (1.0 if low <= source.sentence_of[at] <= high else 0.5)
            best = max(best, near)
        got += weight * best
    return got / total


_OF_SORT = lazy_pattern(
    r"(?:什么|哪[一几]?[些个种位条座家项类款部本所间]?|多少|几)([\u4e00-\u9fff]{1,4})|\b(?:what|which|how many)\s+((?:[a-z]+\s+){0,2}[a-z]+)",
    re.I,
)


def _sort(asked: str, words: list[str], places: list[Place], source: Source) -> float:
    match = _OF_SORT.search(asked)
    if match is None:
        return 0.5
    if match[1]:
        import rjieba

        noun = next(iter(rjieba.cut(match[1])), "")
        if not noun or noun in "是的时候了为":
            return 0.5
        wanted = {noun[-1]}
    else:
        wanted = {unit for unit, _ in units(words_of(match[2]))}
        if not wanted:
            return 0.5
    near = set(words) | {u for u, _ in units(words)}
    for place in places:
        near |= set(source.words[max(0, place.start - 3) : place.end + 3])
        near |= {u for u, _ in units(source.words[max(0, place.start - 3) : place.end + 3])}
    return float(bool(wanted & near))


def _peak(focus: float, beside: list[tuple[str, float]], above: float, source: Source) -> float:
    total = sum(weight for _, weight in beside)
    if not total:
        return float(above > 0)
    decay = math.exp(-1 / _REACH)
    size = len(source.words)
    got = [0.0] * size
    for unit, weight in beside:
        positions = source.positions[unit]
        here = [0.0] * size
        reach = 24
        for at in positions:
            value = 1.0
            for i in range(at, min(size, at + reach)):
                if here[i] < value:
                    here[i] = value
                value *= decay
            value = 1.0
            for i in range(at, max(-1, at - reach), -1):
                if here[i] < value:
                    here[i] = value
                value *= decay
        for i in range(size):
            got[i] += weight * here[i]
    best = max(got) / total
    here = min(1.0, focus / best) if best else 0.0
    return (here * total + above) / (total + above)


def _rival(asked: str, text: str, focus: float, beside: list[tuple[str, float]], source: Source) -> float:
    if asked_for(asked) not in ("time", "number") or not beside:
        return 0.0
    theirs = numbers(asked, words=True, articles=True)
    mine = numbers_in(text)
    mine = [n for n in mine if not any(same_value(n, o) for o in theirs)] or mine
    if not mine or len(mine) > 6:
        return 0.0
    main = mine[0]
    best = -1.0
    for number, at in source.number_places[:60]:
        if number.unit == main.unit and not any(same_value(number, n) for n in mine):
            best = max(best, _closeness(Place(at, at + 1, 1.0, True), beside, source) - focus)
    return best if best > -1.0 else -focus


def _gap(words: list[str], held: list[bool]) -> float:
    longest = run = 0.0
    for word, ok in zip(words, held, strict=True):
        run = 0.0 if ok else run + (1.0 if is_cjk(word[0]) else 2.0)
        longest = max(longest, run)
    return min(1.0, longest / 8)


_CAPITALS = lazy_pattern(r"(?<=[a-z,] )(?:the )?([A-Z][\w'’-]+)")
_TITLED = lazy_pattern('[《「『“"]([^《》「」『』“”"]{2,30})[》」』”"]')
_NAMES = ("nr", "ns", "nt", "nz")


def foreign_names(text: str, source: Source, known: set[str]) -> list[str]:
    """Return names in Latin capitals, titles and words in quotes that neither the sources nor `known` units have."""
    named = [match[1] for pattern in (_CAPITALS, _TITLED) for match in pattern.finditer(text)]
    return [name for name in named if support(words_of(name, source), source, known)[0] < 0.5]


def _foreign_name(text: str, source: Source, granted: set[str]) -> bool:
    """Tell whether a name of the answer, one without marks included, is nowhere in its sources."""
    if foreign_names(text, source, granted):
        return True
    if not any(is_cjk(character) for character in text):
        return False
    import rjieba

    named = [word for word, tag in rjieba.tag(text[:1000]) if tag.startswith(_NAMES) and len(word) > 1]
    return any(support(words_of(name, source), source, granted)[0] < 0.5 for name in named)


def _stray(text: str, source: Source, granted: set[str]) -> float:
    worst = 0.0
    for start, end in sentences(text)[:20]:
        wanted = [u for u, _ in units(words_of(text[start:end], source)) if u not in granted and u in source.positions]
        if not wanted or not source.words:
            continue
        held: dict[int, int] = {}
        for unit in wanted:
            for number in {source.sentence_of[at] for at in source.positions[unit]}:
                held[number] = held.get(number, 0) + 1
        missing = len(wanted) - max(held.values())
        worst = max(worst, missing)
    return min(1.0, worst / 8)


def _replaced(text: str, evidence: str, source: Source, granted: set[str]) -> float:
    if not evidence:
        return 0.0
    there = {unit for unit, _ in units(words_of(evidence, source))}
    found = [u for u, _ in units(replaced_words(text, evidence))]
    return min(1.0, sum(u in source.positions and u not in there and u not in granted for u in found) / 4)


def _cut(place: Place, source: Source) -> float:
    """Return the share of a place's two ends that do not fall between words of running Chinese text."""
    low, high = max(0, place.start - 8), min(len(source.words), place.end + 8)
    inside = source.sentence_of
    while inside[low] != inside[place.start]:
        low += 1
    while inside[high - 1] != inside[place.end - 1]:
        high -= 1
    window = source.words[low:high]
    if not any(is_cjk(word[0]) for word in (source.words[place.start], source.words[place.end - 1])):
        return 0.0
    borders = _borders("\n".join(_runs(window)))
    return ((place.start - low not in borders) + (place.end - low not in borders)) / 2


def _runs(window: list[str]) -> list[str]:
    """Return the Chinese runs of a window joined, everything else as a sign of one token each."""
    return ["".join(word if len(word) == 1 and is_cjk(word) else "\x00" for word in window)]


@lru_cache(maxsize=4096)
def _borders(run: str) -> frozenset[int]:
    import rjieba

    borders, at = {0, len(run)}, 0
    for piece in rjieba.cut(run):
        at += len(piece)
        borders.add(at)
    return frozenset(borders)


def weakness(seen: Signals) -> str:
    """Return in words what speaks most against an answer."""
    remarks = [
        (seen.gap, "a stretch of the answer is nowhere in the passage"),
        (1 - seen.weakest, "a clause of the answer is not said by the passage"),
        (1 - seen.held, "no one place of the passage says the answer"),
        (1 - seen.known, "the passage does not know what the question is about"),
        (1 - seen.kind, "the answer is not of the kind that the question asks for"),
        (1 - seen.near, "the answer stands far from what the question asks about"),
        (1 - seen.peak, "another place of the passage fits the question better"),
        (seen.stray, "the answer joins words from different places"),
    ]
    return max(remarks)[1]
