"""Where in a passage an answer stands, how much of it the passage says, and how well the place fits the question.

Pure functions on text, shared by the steps that check answers against sources.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from sftmill.text import Number, chinese_value, is_cjk, number_key, numbers, same_value, sentences, tokens
from sftmill.text.lazy import lazy_pattern
from sftmill.text.variants import simplified

_FUNCTION_CHARACTERS = frozenset(
    "我你您的了着是在和与及或也都而其之于以为有对从到由被把将就还又并则等这那该此所者吗呢吧啊么个们中上下内会可能要应需请"
    "說這個為於與對從將還並則們會應請嗎"
)
"""Characters that carry grammar rather than matter; a bigram of two of them says nothing."""

_STOP_WORDS = frozenset(
    str.split(
        "a an the of to in on at for by with from as and or but if is are was were be been being am it its this that "
        "these those he she they we you i his her their our your my which who whom whose what when where why how do "
        "does did done has have had having will would can could should may might must shall there here than then so "
        "such not no into over under about between during through also any some all each other only own same more "
        "most very s t it's that's there's he's she's they're he'd they've"
    )
)

_QUESTION_WORDS = lazy_pattern(
    "什么时候|什麼時候|什么样|什麼樣|什么|什麼|多少|怎么样|怎么|怎麼|怎样|怎樣|如何|为何|為何|为什么|何时|何時|何地|何处|何處|何种|何種|"
    "哪一?[个些年种里裡位天月日家座条項项類类國国個種]|哪|谁|誰|几[个年种名位次天]|幾[個年種名位次]|是否|请问|請問|吗|嗎|呢|指的是|[多][大长長高久远遠深重]"
)
"""Words that ask; they are not expected in the passage."""

_SUFFIXES = ("ingly", "ations", "ation", "ings", "ing", "edly", "ies", "ied", "ers", "er", "ed", "es", "s", "ly")


def stem(word: str) -> str:
    """Return a Latin word without its commonest endings, so that "trees" agrees with "tree"."""
    word = word.removesuffix("'s").removesuffix("’s")
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)] + ("y" if suffix in ("ies", "ied") else "")
            break
    return word.removesuffix("e") if len(word) > 3 else word


_RANGE = lazy_pattern(r"\s*(?:~|-|–|—|～|至|到|to|through)\s*", re.IGNORECASE)
_NUMERALS = frozenset("零〇一二三四五六七八九十百千万亿两点半负")


def numbers_in(answer: str) -> list[Number]:
    """Return the numbers of an answer in simplified characters; one that is nothing but a numeral is one too."""
    body = answer.rstrip("。. ")
    found = numbers(body, words=True, articles=True)
    if not found and 0 < len(body.strip()) <= 12 and (value := chinese_value(body.strip())) is not None:
        return [Number(len(body) - len(body.lstrip()), len(body), value)]
    return found


def words_of(text: str, source: "Source | None" = None) -> list[str]:
    """Return the tokens of a text in simplified characters, numbers by their value: 二〇二四年 -> "2024", "年".

    Numbers that `source` has in another unit or notation are written as there: 2.4公里 -> "2400", "米".
    """
    if source is None:
        return list(_plain_words(text) if len(text) <= _REMEMBERED else _plain_words.__wrapped__(text))
    text = simplified(text)
    return _valued_words(text, numbers_in(text), source)[0]


_REMEMBERED = 2000
"""Characters of a text whose words are kept for the next caller: questions are read many times."""


@lru_cache(maxsize=256)
def _plain_words(text: str) -> tuple[str, ...]:
    text = simplified(text)
    return tuple(_valued_words(text, numbers_in(text))[0])


def _valued_words(
    text: str, found: list[Number], source: "Source | None" = None
) -> tuple[list[str], list[tuple[Number, int]]]:
    out: list[str] = []
    places: list[tuple[Number, int]] = []
    at = 0
    for number in found:
        if number.start < at or number.unit in ("label", "version"):
            continue
        out += tokens(text[at : number.start])
        at = number.end
        places.append((number, len(out)))
        out += (source and source.written(number)) or _written(number, text)
    return out + tokens(text[at:]), places


def _written(number: Number, text: str) -> list[str]:
    value = number.value
    figure = f"{value.normalize():f}" if abs(value.adjusted()) <= 20 else number_key(number)[0].lower()
    rest = tokens(text[number.start : number.end])
    return [figure, *(t for t in rest if not t[0].isdigit() and t not in _NUMERALS and (is_cjk(t[0]) or number.unit))]


class _Sorts(dict[str, tuple[bool, str, bool]]):
    """Of every token: whether it is a Chinese character, what it is compared as ("" for grammar), whether it is grammar.

    Worked out at the first look; a plain dictionary, since these are the most frequent looks of all.
    """

    def __missing__(self, word: str) -> tuple[bool, str, bool]:
        chinese = is_cjk(word[0])
        grammar = word in _FUNCTION_CHARACTERS if chinese else word in _STOP_WORDS
        found = chinese, "" if grammar else word if chinese else stem(word), grammar
        if len(self) >= _MOST_SORTS:
            self.clear()
        self[word] = found
        return found


_MOST_SORTS = 65_536
_SORTS = _Sorts()


def units(words: list[str]) -> list[tuple[str, int]]:
    """Return what is compared and at which token it stands: pairs of Chinese characters, stems of other words."""
    found: list[tuple[str, int]] = []
    before = False
    sorts = [_SORTS[word] for word in words]
    last = len(words) - 1
    for i, (chinese, unit, grammar) in enumerate(sorts):
        if not chinese:
            if unit:
                found.append((unit, i))
        elif i < last and sorts[i + 1][0]:
            if not (grammar and sorts[i + 1][2]):
                found.append((words[i] + words[i + 1], i))
        elif not before and unit:
            found.append((unit, i))
        before = chinese
    return found


class Place(NamedTuple):
    """A stretch of a source, in tokens; `share` is how much of the answer's matter it holds, 0 to 1."""

    start: int
    end: int
    share: float
    exact: bool


class Source:
    """A passage prepared for being searched: tokens with their sentences, and where every unit stands."""

    def __init__(self, passage: str):
        self.passage = passage
        self.plain = plain = simplified(passage)
        self.spans = sentences(passage)
        self.numbers: list[Number] = numbers(plain, words=True, articles=True)
        self.ranges = [
            (a, b) for a, b in pairwise(self.numbers) if a.unit == b.unit and _RANGE.fullmatch(plain, a.end, b.start)
        ]
        self.words: list[str] = []
        self.sentence_of: list[int] = []
        self.number_places: list[tuple[Number, int]] = []
        """Each number with the token at which it stands."""
        next_number = 0
        for sentence, (start, end) in enumerate(self.spans):
            here: list[Number] = []
            while next_number < len(self.numbers) and self.numbers[next_number].start < end:
                n = self.numbers[next_number]
                next_number += 1
                if start <= n.start and n.end <= end:
                    here.append(n._replace(start=n.start - start, end=n.end - start))
            words, places = _valued_words(plain[start:end], here)
            self.number_places += [(number, len(self.words) + at) for number, at in places]
            self.words += words
            self.sentence_of += [sentence] * len(words)
        self.positions: defaultdict[str, list[int]] = defaultdict(list)
        for unit, at in units(self.words):
            self.positions[unit].append(at)
        self.characters = Counter(self.words)

    def written(self, number: Number) -> list[str]:
        """Return the tokens of the passage's number that is the same quantity in another unit or notation, if any."""
        same = [n for n in self.numbers if same_value(n, number)]
        if not same or any(n.value == number.value for n in same):
            return []
        return _written(same[0], self.plain)

    def text_of(self, place: Place) -> str:
        """Return the whole sentences that a place lies in, as they stand in the passage."""
        first, last = self.sentence_of[place.start], self.sentence_of[place.end - 1]
        return self.passage[self.spans[first][0] : self.spans[last][1]]

    def weight(self, unit: str) -> float:
        """Return how telling a unit is: less the more often the passage repeats it."""
        return 1.0 / (1.0 + math.log(max(1, len(self.positions.get(unit, ())))))

    def holds(self, words: list[str]) -> bool:
        """Tell whether the passage has these words in one piece."""
        places = self.places(words)
        return bool(places) and places[0].exact

    def places(self, words: list[str]) -> list[Place]:
        """Return where `words` stand in one piece; failing that, the one window that holds most of them."""
        if not words or not self.words:
            return []
        found = [
            Place(i, i + len(words), 1.0, True)
            for i in range(len(self.words) - len(words) + 1)
            if self.words[i] == words[0] and self.words[i : i + len(words)] == words
        ]
        if found:
            return found
        wanted = units(words)
        if not wanted:
            return []
        need = Counter(unit for unit, _ in wanted)
        total = sum(need.values())
        best: tuple[float, int, int, float] | None = None
        sizes = max(self.sentence_of) + 1
        held: list[set[str]] = [set() for _ in range(sizes)]
        for unit in need:
            for at in self.positions.get(unit, ()):
                held[self.sentence_of[at]].add(unit)
        for first in range(sizes):
            here: set[str] = set()
            for last in range(first, min(first + 3, sizes)):
                here |= held[last]
                share = sum(need[unit] for unit in here) / total
                value = share - 0.05 * (last - first)
                if best is None or value > best[0]:
                    best = (value, first, last, share)
        if best is None or best[3] <= 0:
            return []
        _, first, last, share = best
        inside = [at for unit in need for at in self.positions.get(unit, ()) if first <= self.sentence_of[at] <= last]
        return [Place(min(inside), max(inside) + 1, share, False)]


@lru_cache(maxsize=64)
def prepared(passage: str) -> Source:
    """Return a passage prepared for searching; rows of one passage mostly come one after the other."""
    return Source(passage)


def support(answer: list[str], source: Source, granted: Iterable[str] = ()) -> tuple[float, list[bool]]:
    """Return the share of the answer's matter that the source (or `granted`, the question) says, and per token.

    A Chinese character counts when a pair that it belongs to is there; a word when its stem is.
    """
    known = set(granted)
    supported: list[bool] = []
    weights: list[float] = []
    hits: set[int] = set()
    for unit, at in units(answer):
        if unit in source.positions or unit in known:
            hits.add(at)
            if is_cjk(unit[0]) and len(unit) == 2:
                hits.add(at + 1)
    for i, word in enumerate(answer):
        grammar = word in _FUNCTION_CHARACTERS or word in _STOP_WORDS
        weights.append(0.0 if grammar else (1.0 if is_cjk(word[0]) else 2.0))
        supported.append(i in hits or grammar)
    total = sum(weights)
    if not total or len(answer) == 1:
        return (1.0 if all(word in source.characters for word in answer) else 0.0), supported
    return sum(w for w, ok in zip(weights, supported, strict=True) if ok) / total, supported


def new_words(words: list[str], known: Iterable[str]) -> list[str]:
    """Return the stretch of an answer from its first to its last word that `known`, the question, does not say."""
    there = set(known)
    said: set[int] = set()
    for unit, at in units(words):
        if unit in there:
            said |= {at, at + 1} if len(unit) == 2 and is_cjk(unit[0]) else {at}
    new = [
        at
        for at, word in enumerate(words)
        if at not in said and word not in _STOP_WORDS and word not in _FUNCTION_CHARACTERS
    ]
    return words[new[0] : new[-1] + 1] if new else words


def matter(question: str) -> list[str]:
    """Return the units that a question names, without the words that ask."""
    return list(dict.fromkeys(unit for unit, _ in units(words_of(_QUESTION_WORDS.sub(" ", question)))))


_REACH = 12.0
"""Tokens after which a word of the question counts about a third as close to the answer."""


def nearness(place: Place, names: list[str], source: Source, skip_inside: bool = False) -> float:
    """Return how close, in sum, the question's units stand to a place of the source."""
    low = source.sentence_of[place.start]
    high = source.sentence_of[place.end - 1]
    total = 0.0
    for unit in names:
        best = 0.0
        for at in source.positions.get(unit, ()):
            if place.start <= at < place.end:
                if skip_inside:
                    continue
                distance = 0
            else:
                distance = place.start - at if at < place.start else at - place.end + 1
            away = 0.0 if low <= source.sentence_of[at] <= high else 0.5
            best = max(best, math.exp(-distance / _REACH - away))
        total += source.weight(unit) * best
    return total


def fit(places: list[Place], names: list[str], source: Source, heading: str = "") -> tuple[float, float]:
    """Return (how well the best place fits the question compared with any sentence, share of the question known).

    Both 0 to 1. The first compares the nearness of the question's words to the answer with that
    to the sentence that has most of them. Words of the heading are known, wherever the answer
    stands. A question that names nothing fits anywhere.
    """
    if not names:
        return 1.0, 1.0
    above = {unit for unit, _ in units(words_of(heading))}
    known = [unit for unit in names if unit in source.positions]
    total = sum(source.weight(unit) for unit in names)
    share = sum(source.weight(unit) for unit in names if unit in source.positions or unit in above) / total
    if not places:
        return 0.0, share
    if not known:
        return share, share
    here = max(nearness(place, known, source) for place in places)
    firsts: dict[int, int] = {}
    lasts: dict[int, int] = {}
    for i, number in enumerate(source.sentence_of):
        firsts.setdefault(number, i)
        lasts[number] = i + 1
    there = max(nearness(Place(firsts[n], lasts[n], 1.0, True), known, source) for n in firsts)
    near = min(1.0, here / there) if there else 0.0
    only_above = sum(unit in above and unit not in source.positions for unit in names)
    return (near * len(known) + only_above) / (len(known) + only_above), share
