"""What a question names that its source does not know: numbers, codes, Latin words, titles, places, bodies."""

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from functools import lru_cache

from sftmill.text import CJK, Number, is_cjk, normalise, normalise_with_map, numbers, same_value
from sftmill.text.lazy import lazy_pattern
from sftmill.text.variants import simplified

_CODE = lazy_pattern(
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9.\-_/+#]*[A-Za-z])(?=[A-Za-z0-9.\-_/+#]*\d)[A-Za-z0-9][A-Za-z0-9.\-_/+#]{0,38}[A-Za-z0-9]"
)
_DECADE = lazy_pattern(r"\d+s|\d+(?:st|nd|rd|th)", re.I)
_LATIN = lazy_pattern(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z'’.&+#\-]{1,39}(?![A-Za-z0-9])")
_TITLE = lazy_pattern(r"《([^《》]{1,60})》")
_QUOTED = lazy_pattern(r"“([^“”]{2,30})”|「([^「」]{2,30})」|\"([^\"]{2,40})\"")
_SIGNS = lazy_pattern(rf"[^\w{CJK}]+|_")
_HEAD = lazy_pattern(r"(?:中华人民共和国|中華人民共和國)")
_SMALL = 12
"""Counts up to a dozen may be the asker's own: which three parts, name two reasons."""
_COUNTED = lazy_pattern(
    r"[个個种種项項条條点點类類步方面部分例款位名大次]|\s*(?:\w+ )?(?:ways?|steps?|types?|kinds?|items?|parts?|reasons?|main|things?|\w+s)\b"
)
NAMES = ("ns", "nt")
"""Tags of the dictionary for places and bodies; those for persons also mark many plain words."""
_COMMON = frozenset(
    str.split(
        "a an the of to in on at for by with from as and or but if is are was were be been do does did has have had can "
        "could may might must shall should will would not no what which who whom whose when where why how it its this "
        "that these those there their they he she his her you your i we our us mr mrs ms dr prof st q a b c"
    )
)
_EVERYDAY = frozenset(
    str.split(
        "ok vs etc id qq app url pdf excel word email internet web wifi pc ai it monday tuesday "
        "wednesday thursday friday saturday sunday january february march april may june july august september october november december"
    )
)
"""Latin words that a question may use without the source having them."""
_GENERIC = frozenset(
    "东西南北中上下内外大小高长短前后左右四周山河川海洋湖江岛城市镇乡村区县州省国道街路都地方向度环全联邦政府陆各"
)
"""Characters that plain words for places are made of; the dictionary also marks 城市 and 长度 as names."""
_REAL = frozenset(
    ("上海", "山东", "山西", "河南", "河北", "湖南", "湖北", "江西", "海南", "广东", "广西", "青海", "北海")
)
"""Names that are made of such characters."""
_EVERYWHERE = frozenset(("中国", "中华人民共和国", "我国", "国家", "国内", "国外", "全国", "世界", "全球"))
"""Places that only set the scene of a question."""


def foreign_entities(question: str, known: str, lang: str) -> list[str]:
    """Return what a question names and `known` (passage, headings, context) does not, as written, in order.

    Numbers are compared as values with units, codes and Latin words without case, spaces and hyphens,
    titles in 《》 and quoted terms without punctuation; a word counts as known in another ending too
    (Chinese, China). Chinese places and bodies are told by the dictionary of rjieba. Small counts
    before a measure word are the asker's own.
    """
    text, offsets = normalise_with_map(question)
    source = normalise(known)
    squeezed = _squeeze(source)
    found: list[tuple[int, int]] = []
    taken: list[tuple[int, int]] = []

    def look_at(matches: Iterable[re.Match[str]], is_known: Callable[[str], bool]) -> None:
        for match in matches:
            if any(a < match.end() and match.start() < b for a, b in taken):
                continue
            if not is_known(next(filter(None, match.groups()), match[0])):
                found.append(match.span())
            if match.re is not _LATIN:
                taken.append(match.span())

    measures = [n for n in numbers(text) if n.unit != "label"]
    look_at(_TITLE.finditer(text), lambda title: _title_known(title, source, squeezed))
    look_at(_QUOTED.finditer(text), lambda term: _squeeze(term) in squeezed)
    look_at(
        (m for m in _CODE.finditer(text) if not _is_measure(m, measures)),
        lambda code: _squeeze(code) in squeezed,
    )
    values = numbers(source, words=True, articles=True)
    for number in measures:
        if any(a <= number.start < b for a, b in taken):
            continue
        if not _is_own(text, number) and not any(_agree(number, other) for other in values):
            found.append((number.start, number.end))
        taken.append((number.start, number.end))
    words = _stems(source)
    look_at(_names(text, lang), lambda word: _word_known(word, words, squeezed))
    if lang == "zh":
        plain = simplified(source)
        for start, end in _chinese_names(simplified(text)):
            inside = any(a <= start < b for a, b in taken)
            if not inside and not _place_known(simplified(text[start:end]), plain):
                found.append((start, end))
    spans = sorted(set(found))
    return list(dict.fromkeys(question[offsets[a] : offsets[b - 1] + 1] for a, b in spans))


def _squeeze(text: str) -> str:
    return _SIGNS.sub("", text.casefold())


def _is_own(text: str, number: Number) -> bool:
    """Tell whether a number is the asker's way of counting: 哪一年, 这一座, which three parts."""
    written = text[number.start : number.end]
    if (
        written.startswith("一")
        or _DECADE.fullmatch(written)
        or text[number.start - 1 : number.start] in tuple("哪那這这某每")
    ):
        return True
    counted = _COUNTED.match(text, number.end) or _COUNTED.search(written)
    return bool(counted) and 1 <= number.value <= _SMALL and number.value == int(number.value)


def _agree(a: Number, b: Number) -> bool:
    """Tell whether two numbers are the same; ordinals agree whatever they count (第八, 第 8 位)."""
    return same_value(a, b) or (a.unit[:1] == "第" and a.value == b.value)


def _is_measure(match: re.Match[str], measures: Iterable[Number]) -> bool:
    """Tell whether a code is really a number with its unit, such as 5kg or 10MPa, which is compared as a value."""
    return bool(_DECADE.fullmatch(match[0])) or any(
        n.unit and n.start == match.start() and n.end >= match.end() for n in measures
    )


def _title_known(title: str, source: str, squeezed: str) -> bool:
    inner = _squeeze(_HEAD.sub("", title))
    if not inner or inner in squeezed:
        return True
    # the full name of what the source calls by a shorter one: 中华人民共和国民法典, 民法典
    return any(len(t) >= 3 and t in inner for t in (_squeeze(m[1]) for m in _TITLE.finditer(source)))


def _names(text: str, lang: str) -> list[re.Match[str]]:
    """Return the Latin words that are names: in Chinese text all, in English the capitalised ones."""
    words = list(_LATIN.finditer(text))
    if lang == "zh":
        return words
    capital = [m for m in words if any(c.isupper() for c in m[0])]
    if 2 * len(capital) > len(words) > 3:
        capital = []  # written As A Title, where capitals tell nothing
    return [m for m in capital if not _begins_sentence(text, m) or sum(map(str.isupper, m[0])) > 1]


def _begins_sentence(text: str, match: re.Match[str]) -> bool:
    before = text[: match.start()].rstrip(" \"'“‘(")
    return not before or before[-1] in ".?!:;,"


def _stems(source: str) -> frozenset[str]:
    return frozenset(m[0].casefold().strip("'’.-&") for m in _LATIN.finditer(source))


def _word_known(word: str, words: frozenset[str], squeezed: str) -> bool:
    low = word.strip("'’.-&").casefold().removesuffix("'s").removesuffix("’s")
    if low in words or low in _COMMON or low in _EVERYDAY or len(low) < 2 or _squeeze(low) in squeezed:
        return True
    if len(low) > 2 and low.removesuffix("s") in words:
        return True
    # adjectives and spellings: Chinese, Organisation
    return len(low) >= 4 and any(
        other[:4] == low[:4] and SequenceMatcher(None, low, other, autojunk=False).ratio() >= 0.6 for other in words
    )


def _place_known(name: str, source: str) -> bool:
    return name in source or name in _EVERYWHERE or (len(name) > 2 and name[:2] in source)


@lru_cache(maxsize=1)
def _tagger():
    import rjieba

    return rjieba.tag


def _chinese_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the places and bodies that the dictionary knows stand, two characters or more."""
    start = 0
    for word, tag in _tagger()(text):
        if tag in NAMES and len(word) >= 2 and is_cjk(word[0]) and (word in _REAL or not _GENERIC.issuperset(word)):
            yield start, start + len(word)
        start += len(word)
