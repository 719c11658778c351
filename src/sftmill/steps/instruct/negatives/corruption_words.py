"""Corruptions of words: a "not" more or less, another name, a step left out."""

import random
import re
from collections.abc import Iterator
from itertools import pairwise

from sftmill.text import is_pronoun, named_entities, noun_phrases, numbers, sentences, words
from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import Word

# --- negation ----------------------------------------------------------------------------------------

_ZH_FLIPS: dict[str, tuple[str, ...]] = {
    "应当": ("不应当", "不得"), "应该": ("不应该",), "应": ("不应",), "必须": ("不必", "不得"), "须": ("无须",),
    "不得": ("可以",), "可以": ("不得", "不可以"), "可": ("不可",), "能够": ("不能够",), "能": ("不能",), "不能": ("能",),
    "不应": ("应",), "不应当": ("应当",), "不必": ("必须",), "不可": ("可以",), "不可以": ("可以",), "不会": ("会",),
    "会": ("不会",), "需要": ("不需要",), "需": ("无需",), "无需": ("需要",), "无须": ("必须",), "允许": ("禁止",),
    "禁止": ("允许",), "严禁": ("允许",), "有权": ("无权",), "无权": ("有权",), "属于": ("不属于",), "包括": ("不包括",),
    "包含": ("不包含",), "适用": ("不适用",), "适用于": ("不适用于",), "超过": ("不超过",), "要求": ("不要求",),
    "支持": ("不支持",), "是": ("不是",), "不是": ("是",), "有": ("没有",), "没有": ("有",), "有效": ("无效",),
    "无效": ("有效",), "不": ("",), "未": ("",), "未经": ("经",), "未获": ("获",), "未按": ("按",), "未能": ("能",), "合格": ("不合格",), "不同": ("相同",), "相同": ("不同",),
}  # fmt: skip
_ZH_NEGATIVE = "不未没无勿别非莫否"
_EN_FLIPS: dict[str, tuple[str, ...]] = {
    **{f"{word} not": (word,) for word in str.split("must may shall should will would could is are was were does do did has have had", " ")},
    **{f"{word}n't": (word,) for word in str.split("must should would could is are was were does do did has have had", " ")},
    **{word: (f"{word} not",) for word in str.split("must may shall should will would could is are was were", " ")},
    "cannot": ("can",), "can not": ("can",), "can't": ("can",), "won't": ("will",), "can": ("cannot",),
    "never": ("always",), "always": ("never",), "without": ("with",), "forbidden": ("allowed",),
    "prohibited": ("permitted",), "allowed": ("forbidden",), "permitted": ("prohibited",), "invalid": ("valid",),
    "valid": ("invalid",), "has to": ("does not have to",), "have to": ("do not have to",),
}  # fmt: skip
_EN_WORDS = "|".join(sorted(map(re.escape, _EN_FLIPS), key=lambda word: (-len(word), word)))
_EN_FLIP = lazy_pattern(rf"(?<![\w'-])(?<!\bnot )(?:{_EN_WORDS})(?![\w'-])(?! (?:not|only)\b)")


def negate(text: str, lang: str, source: str, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield changes that turn one statement round each: 应当 -> 不应当, 不得 -> 可以, "must" -> "must not"."""
    edits: list[tuple[int, int, str]] = []
    if lang == "zh":
        for before, word, after in _with_neighbours(words(text, "zh")):
            flips = _ZH_FLIPS.get(word.text, ())
            if not flips or (before and before.text[-1] in _ZH_NEGATIVE) or text[word.end : word.end + 1] in "不否":
                continue
            if not flips[0] and not (after and after.tag[0] in "vad"):  # 不 before what is no verb belongs to a name
                continue
            edits += [(word.start, word.end, now) for now in flips]
    else:
        for match in _EN_FLIP.finditer(text):
            edits += [(match.start(), match.end(), now) for now in _EN_FLIPS[match[0]]]
    chance.shuffle(edits)
    yield from edits


def _with_neighbours(cut: list[Word]) -> Iterator[tuple[Word | None, Word, Word | None]]:
    return zip([None, *cut[:-1]], cut, [*cut[1:], None], strict=True) if cut else iter(())


# --- entities ----------------------------------------------------------------------------------------

_ZH_NAMES = dict(nr="person", nrt="person", nrfg="person", ns="place", nt="place", nz="name", eng="name")
"""Tags of names; places and institutions stand for each other."""
_EN_PHRASE = lazy_pattern(
    r"(?<=\b[Tt]he )(?P<noun>[a-z]{3,20}(?: [a-z]{3,20})?)(?= (?:is|are|was|were|must|may|can|shall|should|will|has|have|of)\b|[,.;])"
)

_EN_AGENT = lazy_pattern(r" (?:must|may|can|shall|should|will)\b")


def swap_entity(text: str, lang: str, source: str, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield changes of one name or noun each to another of its sort in the source, names first.

    Without a source nothing is yielded: a name made up here might be right.
    """
    ours, theirs = _mentions(text, lang), _mentions(source, lang)
    names: list[tuple[int, int, str]] = []
    nouns: list[tuple[int, int, str]] = []
    for start, end, sort in ours:
        was = text[start:end]
        others = sorted({source[a:b] for a, b, kind in theirs if kind == sort})
        fitting = [now for now in others if _may_replace(was, now, text, lang)]
        for now in chance.sample(fitting, min(3, len(fitting))):
            (nouns if sort.startswith("noun") else names).append((start, end, now))
    chance.shuffle(names)
    chance.shuffle(nouns)
    yield from names
    yield from nouns


def _mentions(text: str, lang: str) -> list[tuple[int, int, str]]:
    """Return what a text names as (start, end, sort); only things of one sort stand for each other."""
    if lang == "zh":
        cut = words(text, "zh")
        named = {(w.start, w.end): _ZH_NAMES[w.tag] for w in cut if w.tag in _ZH_NAMES and len(w.text) > 1}
        # nouns that end alike are of one sort more often than not: 贷款人 and 借款人, 年利率 and 月利率
        nouns = {(a, b): f"noun {text[b - 1]}" for a, b in noun_phrases(text, "zh", cut)}
        return [(*span, sort) for span, sort in (nouns | named).items()]
    names = [e for e in named_entities(text, "en") if e.kind == "NAME"]
    found = [(e.start, e.end, "acronym" if text[e.start : e.end].isupper() else "name") for e in names]
    # who may or must do something is of another sort than what something is
    return found + [
        (*m.span("noun"), f"noun {_EN_AGENT.match(text, m.end()) is not None}") for m in _EN_PHRASE.finditer(text)
    ]


def _may_replace(was: str, now: str, text: str, lang: str) -> bool:
    """Tell whether `now` is surely another thing than `was`, and makes the text say something new."""
    a, b = was.casefold(), now.casefold()
    if a in b or b in a or b in text.casefold() or is_pronoun(now, lang) or is_pronoun(was, lang):
        return False
    if any(character.isdigit() for character in was + now) or numbers(now) or numbers(was) or "\n" in now:
        return False
    return abs(len(was) - len(now)) <= (4 if lang == "zh" else 16)


# --- steps -------------------------------------------------------------------------------------------

_ITEM = lazy_pattern(
    r"^[ \t]{0,8}(?P<mark>[（(]?(?P<number>\d{1,2}|[一二三四五六七八九十]{1,2})[)）.、．](?!\d)|第(?P<nth>[一二三四五六七八九十]|\d{1,2})步|Step (?P<step>\d{1,2})\b|[-*•](?=[ \t]))",
    re.M,
)
_FURTHER = lazy_pattern(
    r"(?:其次|再次|再者|然后|接着|接下来|随后|之后|第[二三四五六七八九])[，,、：:]?|(?:Second(?:ly)?|Third(?:ly)?|Then|Next|After that|Afterwards)\b"
)
_HAN_NUMBERS = ["", *"一二三四五六七八九十", *(f"十{c}" for c in "一二三四五六七八九")]


def drop_step(text: str, lang: str, source: str, chance: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield changes that leave one step out each, those behind it numbered anew; three steps are there at least.

    A step is a numbered or marked line, or a sentence such as 其次…… or "Then ...".
    """
    marks = list(_ITEM.finditer(text))
    edits: list[tuple[int, int, str]] = []
    if len(marks) >= 3:
        starts = [match.start() for match in marks]
        ends = [*starts[1:], _end_of_list(text, starts[-1])]
        for place in range(1, len(marks)):
            kept = "".join(
                _renumbered(text[a:b], match)
                for match, a, b in zip(marks[place + 1 :], starts[place + 1 :], ends[place + 1 :], strict=True)
            )
            start, end = starts[place], ends[-1]
            if place == len(marks) - 1 and end == len(text):  # the line break before the last step goes with it
                start = len(text[:start].rstrip())
            edits.append(_narrowed(text, start, end, kept))
    else:
        spans = sentences(text)
        for (_, _), (start, end) in pairwise(spans):
            if _FURTHER.match(text, start) and len(spans) >= 3:
                following = len(text[end:]) - len(text[end:].lstrip(" "))
                edits.append((start, end + following, ""))
    chance.shuffle(edits)
    yield from edits


def _end_of_list(text: str, start: int) -> int:
    """Return where the last item ends: at its line's end, the line break included."""
    at = text.find("\n", start)
    return len(text) if at < 0 else at + 1


def _renumbered(item: str, match: re.Match[str]) -> str:
    """Return an item with the number before its own."""
    for group in ("number", "nth", "step"):
        if number := match[group]:
            at = match.start(group) - match.start()
            if number.isdigit():
                lower = str(int(number) - 1)
            elif number in _HAN_NUMBERS[2:]:
                lower = _HAN_NUMBERS[_HAN_NUMBERS.index(number) - 1]
            else:
                return item
            return item[:at] + lower + item[at + len(number) :]
    return item


def _narrowed(text: str, start: int, end: int, now: str) -> tuple[int, int, str]:
    """Return the change without what is the same at its end."""
    while end > start and now and text[end - 1] == now[-1]:
        end, now = end - 1, now[:-1]
    return start, end, now
