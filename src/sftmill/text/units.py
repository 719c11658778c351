"""The units that text is compared and counted in: characters, words, sentences; zh and en alike."""

import re
import unicodedata
from hashlib import blake2b
from itertools import pairwise
from typing import Literal, NamedTuple

from sftmill.text.lazy import lazy_pattern

Lang = Literal["zh", "en"]

CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
"""Inside of a regular expression's class: ideographs, kana and hangul, written without spaces."""

_ONE_CJK = lazy_pattern(f"[{CJK}]")
_CJK_RUN = lazy_pattern(f"[{CJK}]+")
_CJK_PUNCTUATION = "\u3000-\u3004\u3006\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”‘’…—·"


class Span(NamedTuple):
    """A piece of a text: `text[start:end]`; `ratio` says how well it matched, 1 = exactly."""

    start: int
    end: int
    ratio: float = 1.0


def is_cjk(character: str) -> bool:
    """Tell whether one character is an ideograph, kana or hangul."""
    return _ONE_CJK.match(character) is not None


def count_cjk(s: str) -> int:
    """Count the ideographs, kana and hangul in `s`."""
    return sum(map(len, _CJK_RUN.findall(s)))


# --- normal form, for matching only -------------------------------------------------------------

_UNIFIED: dict[int, str | None] = {}
for _variants, _one in [
    ("“”„‟「」『』〝〞«»＂", '"'),
    ("‘’‚‛′`´＇", "'"),
    ("〈‹", "《"),
    ("〉›", "》"),
    ("‐‑‒–—―−─━﹣－", "-"),
    ("。", "."),
    ("、", ","),
    ("∶", ":"),
    ("〜∼", "~"),
    ("•‧∙⋅・●", "·"),
    ("【〔〖", "["),
    ("】〕〗", "]"),
    ("×", "x"),
]:
    _UNIFIED |= dict.fromkeys(map(ord, _variants), _one)
# What is invisible: soft hyphen, zero-width, direction and variation marks.
_INVISIBLE = [0xAD, 0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]
_INVISIBLE += range(0xFE00, 0xFE10)
_UNIFIED |= dict.fromkeys(_INVISIBLE)
_CHANGED = lazy_pattern(f"[{re.escape(''.join(map(chr, _UNIFIED)))}]")


def _unified(s: str) -> str:
    """Return `s` with one kind of quotes, dashes and stops, without what is invisible."""
    # few characters change: finding them is many times faster than `str.translate`, which looks each one up
    return _CHANGED.sub(lambda match: _UNIFIED[ord(match[0])] or "", s)


_DASHES = lazy_pattern("-{2,}")
_SPACES = lazy_pattern(r"\s+")
_RUN = lazy_pattern(r"([^\s-]+)|[\s-]+")
_SPACE_AT_CJK = lazy_pattern(rf"(?<=[{CJK}]) | (?=[{CJK}])")


def normalise(s: str) -> str:
    """Return `s` in the form used for matching; what is stored stays as it is.

    NFKC, one kind of quotes, dashes and stops, nothing invisible, single spaces, and none
    beside a Chinese character. Letters keep their case.
    """
    if not s.isascii():
        s = _unified(unicodedata.normalize("NFKC", s))
    elif "`" in s:
        s = s.replace("`", "'")
    s = _SPACES.sub(" ", _DASHES.sub("-", s)).strip()
    return s if s.isascii() else _SPACE_AT_CJK.sub("", s)


# Neither changed by NFKC nor joined to what stands before them: safe borders for normalising piece by piece.
_STABLE = "\x00-\x7f\u3001\u3002\u3008-\u3011\u4e00-\u9fff"
_UNSTABLE = lazy_pattern(f"[{_STABLE}]?[^{_STABLE}]+")


def normalise_with_map(s: str) -> tuple[str, list[int]]:
    """Return `normalise(s)` and, for each of its characters, the offset in `s` that it comes from."""
    out: list[str] = []
    offsets: list[int] = []

    def put_stable(piece: str, at: int) -> None:
        piece = _unified(piece)  # stays as long as it was: nothing invisible is in it
        for match in _RUN.finditer(piece):
            start, end = match.span()
            if match[1]:
                out.extend(match[1])
                offsets.extend(range(at + start, at + end))
            else:
                put(piece[start:end], at + start, False)

    def put(piece: str, at: int, fixed: bool) -> None:
        for i, character in enumerate(piece):
            character = _UNIFIED.get(ord(character), character)
            if character is None:
                continue
            at_now = at if fixed else at + i
            if character.isspace():
                if not out or out[-1] == " ":
                    continue
                character = " "
            elif character == "-" and out and out[-1] == "-":
                continue
            out.append(character)
            offsets.append(at_now)

    end = 0
    for match in _UNSTABLE.finditer(s):
        put_stable(s[end : match.start()], end)
        piece, end = match[0], match.end()
        groups = _combined(piece)
        whole = unicodedata.normalize("NFKC", piece)
        parts = [unicodedata.normalize("NFKC", group) for group in groups]
        if "".join(parts) == whole:
            at = match.start()
            for group, part in zip(groups, parts, strict=True):
                put(part, at, True)
                at += len(group)
        else:  # rare scripts whose letters join across our groups
            put(whole, match.start(), True)
    put_stable(s[end:], end)
    if out and out[-1] == " ":
        out.pop()
        offsets.pop()
    if " " not in out:
        return "".join(out), offsets
    keep = [i for i, c in enumerate(out) if c != " " or not (is_cjk(out[i - 1]) or is_cjk(out[i + 1]))]
    if len(keep) == len(out):
        return "".join(out), offsets
    return "".join([out[i] for i in keep]), [offsets[i] for i in keep]


def _combined(piece: str) -> list[str]:
    """Cut into characters, each with the combining marks that follow it."""
    starts = [0, *(i for i, c in enumerate(piece) if i and not unicodedata.combining(c)), len(piece)]
    return [piece[a:b] for a, b in pairwise(starts)]


# --- words and lengths ---------------------------------------------------------------------------

_TOKEN = lazy_pattern(f"[{CJK}]|\\d+(?:[.,]\\d+)*|[^\\W\\d_{CJK}](?:[^\\W_{CJK}]|'(?=[^\\W\\d_]))*")
# A run without spaces longer than 40 letters (an address, base64) counts as several words.
_WORD = lazy_pattern(f"[{CJK}]|[^\\W{CJK}](?:[^\\W{CJK}]|[-'’.,](?=\\w)){{0,39}}")
_LATIN_WORD = lazy_pattern("[A-Za-z\u00c0-\u024f]{2,40}")


def tokens(s: str) -> list[str]:
    """Return what texts are compared by: one unit per Chinese character, word or number, in lower case.

    Punctuation is left out, thousands separators too: "5,000 元的Profit" -> ["5000", "元", "的", "profit"].
    """
    found = _TOKEN.findall(normalise(s).lower())
    return [t.replace(",", "") if "," in t else t for t in found]


def length(s: str, lang: str) -> int:
    """Return how long `s` is: characters without spaces for zh, words for en."""
    return len("".join(s.split())) if lang == "zh" else len(_WORD.findall(s))


def char_ngrams(s: str, n: int) -> list[str]:
    """Return all pieces of `n` characters, overlapping, in order; the whole of a shorter text."""
    return [s[i : i + n] for i in range(len(s) - n + 1)] if len(s) >= n else [s] * bool(s)


def detect_lang(s: str) -> Lang:
    """Tell whether a text is Chinese or English: zh from one Chinese character per two Latin words on."""
    if len(s) > 30_000:  # beginning, middle and end tell enough
        s = s[:10_000] + s[len(s) // 2 - 5_000 : len(s) // 2 + 5_000] + s[-10_000:]
    if s.isascii():
        return "en"
    chinese = count_cjk(s)
    if not chinese:
        return "en"
    most = (len(s) - chinese) // 2  # a word has two letters
    return "zh" if 2 * chinese >= most or 2 * chinese >= len(_LATIN_WORD.findall(s)) else "en"


# --- sentences -----------------------------------------------------------------------------------

_STOP = lazy_pattern(r"[\n\r\u2028\u2029\x0b\x0c\x85]+|[。！？；!?;｡]+|\.+")
_CLOSERS = "”’」』）)】》〉]〕}"
_ABBREVIATIONS = frozenset(
    str.split(
        "mr mrs ms dr prof sr jr st vs fig figs eq eqs no nos vol vols pp ed eds al cf ca approx dept est inc ltd co "
        "corp gen col sgt capt lt rev hon jan feb mar apr jun jul aug sep sept oct nov dec e.g i.e ph.d a.m p.m sec ch "
        "art"
    )
)
_MAY_END = frozenset(str.split("inc ltd co corp jr al a.m p.m etc"))
# Words that begin a sentence far more often than they follow an abbreviation such as "U.S.".
_STARTERS = frozenset(
    str.split(
        "The This That These Those It He She We They You In On At But And However If When While As A An For There"
    )
)
_LAST_WORD = lazy_pattern(r"(?<![\w=/&.\-])[A-Za-z][A-Za-z.]*\Z")
_NEXT_WORD = lazy_pattern(r"\s*[\"'“‘(\[]*([A-Za-z]*)")
_ENTITY = lazy_pattern(r"&#?\w{1,10}\Z")
_NUMBERING = lazy_pattern(r"\W*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})(?:\.\d{1,3})*\Z")


def sentences(s: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of `s`, in order, without the spaces around them.

    A sentence ends at 。！？；, at ! ? ; and . where space, the end or Chinese follows, and at
    line ends; closing quotes and brackets belong to it. Abbreviations, decimals, versions,
    addresses and list numbers do not end one. Every visible character is in exactly one span.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _STOP.finditer(s):
        if match.start() < start:
            continue
        end = match.end()
        if match[0][0] not in "\n\r\u2028\u2029\x0b\x0c\x85":
            end = _absorb_closers(s, start, end)
            if not _ends_sentence(s, start, match, end):
                continue
        _add_trimmed(spans, s, start, end)
        start = end
    _add_trimmed(spans, s, start, len(s))
    return spans


def _add_trimmed(spans: list[tuple[int, int]], s: str, start: int, end: int) -> None:
    while start < end and s[start].isspace():
        start += 1
    while end > start and s[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))


def _absorb_closers(s: str, start: int, end: int) -> int:
    while end < len(s):
        if s[end] in _CLOSERS or (s[end] in "\"'" and s.count(s[end], max(start, end - 2000), end) % 2):
            end += 1
        else:
            break
    return end


def _ends_sentence(s: str, start: int, match: re.Match[str], end: int) -> bool:
    after = s[end] if end < len(s) else "\n"
    if after in "，,、；;：:。！？!?.…":  # “好。”，他说 goes on
        return False
    mark = match[0][-1]
    if mark in "。！？；｡":
        return True
    spaced = after.isspace() or end > match.end()
    before = s[match.start() - 1] if match.start() > start else ""
    if mark != ".":
        if mark == ";" and _ENTITY.search(s, max(start, match.start() - 12), match.start()):
            return False
        return spaced or is_cjk(after) or is_cjk(before)
    if not spaced:  # 3.14, v1.2, example.org; but 他来了.她走了.
        return is_cjk(before) and is_cjk(after)
    if match.start() - start < 8 and _NUMBERING.match(s, start, match.start()):
        return False
    following = _NEXT_WORD.match(s, end)
    next_word = following[1] if following else ""
    if next_word[:1].islower():
        return False
    if len(match[0]) > 1:
        return True
    last = _LAST_WORD.search(s, max(start, match.start() - 20), match.start())
    if last is None:
        return True
    word = last[0].lower()
    if word in _MAY_END:
        return next_word in _STARTERS or not next_word
    if word in _ABBREVIATIONS:
        return False
    if "." in word or (len(word) == 1 and last[0] != "I"):  # U.S., J. K. Rowling
        return next_word in _STARTERS or not next_word
    return True


# --- names for contents --------------------------------------------------------------------------


def content_hash(*parts: str | bytes) -> str:
    """Return the BLAKE2b-128 of the parts, each with its length before it, as 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
