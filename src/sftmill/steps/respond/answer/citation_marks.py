"""Citations such as [1] in an answer: finding them in all the ways that models write them, and writing them in one."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sftmill.text import sentences
from sftmill.text.lazy import lazy_pattern

MOST = 999
"""The largest number that a citation may have; [2024] is a year."""

_NUMBER = r"[1-9１-９][0-9０-９]{0,2}"
_NAMED = r"(?:资料|材料|段落|片段|文献|文档|来源|引用|参考|passages?|sources?|documents?|docs?|refs?|references?|\^|#|№|no\.?)"
_ONE = rf"(?:{_NAMED}\s{{0,2}})?{_NUMBER}"
# never empty, or a long run of digits could be cut up in more ways than there is time to try
_JOIN = r"(?:\s{0,2}(?:[,，、;；&和与]|and|-|–|—|~|～|至|到|to)\s{0,2}|\s{1,2})"
_MARK = lazy_pattern(
    rf"[ \t]{{0,3}}[\[［【](?P<two>[\[［【])?\s{{0,2}}(?P<inside>{_ONE}(?:{_JOIN}{_ONE}){{0,30}})\s{{0,2}}[\]］】](?(two)[\]］】])(?!\(|:)",
    re.IGNORECASE,
)
_RANGE = lazy_pattern(
    rf"({_NUMBER})(?:\s{{0,2}}(?:-|–|—|~|～|至|到|to)\s{{0,2}}(?:{_NAMED}\s{{0,2}})?({_NUMBER}))?", re.IGNORECASE
)
_CODE = lazy_pattern(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.DOTALL)


class Mark(NamedTuple):
    """A citation in a text: `text[start:end]`, the space before it included, and the numbers that it names."""

    start: int
    end: int
    numbers: tuple[int, ...]


def find_marks(text: str) -> list[Mark]:
    """Return the citations of a text, in order: [1], [1,2], [1-3], [[1]], ［１］, 【1】, [资料1], [^1].

    Numbers go from 1 to 999 without a leading zero. What stands in code is none, nor is the text of a link.
    """
    code = [match.span() for match in _CODE.finditer(text)] if "`" in text else []
    return [
        Mark(match.start(), match.end(), _numbers(match["inside"]))
        for match in _MARK.finditer(text)
        if not any(start <= match.start() < end for start, end in code)
    ]


def _numbers(inside: str) -> tuple[int, ...]:
    found: list[int] = []
    for match in _RANGE.finditer(inside):
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(min(first, last), max(first, last) + 1)
    return tuple(dict.fromkeys(found))


def without_marks(text: str) -> str:
    """Return a text without its citations."""
    return _rewritten(text, find_marks(text), lambda mark: "")


def with_plain_marks(text: str) -> str:
    """Return a text whose citations are written [1][2], right behind the words that they follow."""
    return _rewritten(text, find_marks(text), lambda mark: "".join(f"[{number}]" for number in mark.numbers))


def _rewritten(text: str, marks: list[Mark], written: Callable[[Mark], str]) -> str:
    out: list[str] = []
    at = 0
    for mark in marks:
        out += [text[at : mark.start], new := written(mark)]
        at = mark.end
        if not new and text[mark.start - 1 : mark.start] in ("", "\n"):  # nothing may be left at the head of a line
            at += len(text[at:]) - len(text[at:].lstrip(" \t"))
        elif text[mark.start] in " \t" and text[at : at + 1].isalnum():
            out.append(" ")
    return "".join(out) + text[at:]


class Cited(NamedTuple):
    """A sentence of an answer without its citations, the numbers that it cites, and where a further one would go."""

    text: str
    numbers: tuple[int, ...]
    end: int
    """Offset in the whole answer, before the stop at the sentence's end."""


def cited_sentences(text: str) -> list[Cited]:
    """Return the sentences of an answer with what each cites; a citation belongs to the words before it.

    It does so before the full stop and behind it: "...[1]。" and "...。[1]" are the same.
    """
    marks = find_marks(text)
    places: list[int] = []
    kept: list[str] = []
    at = size = 0
    for mark in marks:
        kept.append(text[at : mark.start])
        size += mark.start - at
        places.append(size)
        at = mark.end
    plain = "".join(kept) + text[at:]
    found: list[Cited] = []
    number = gone = 0
    spans = sentences(plain)
    for i, (start, end) in enumerate(spans):
        following = spans[i + 1][0] if i + 1 < len(spans) else len(plain) + 1
        named: list[int] = []
        before = gone
        while number < len(marks) and (places[number] <= following):
            named += marks[number].numbers
            gone += marks[number].end - marks[number].start
            if places[number] <= start:
                before = gone
            number += 1
        body = plain[start:end].rstrip(_STOPS)
        found.append(Cited(plain[start:end], tuple(dict.fromkeys(named)), start + len(body) + before))
    return found


_STOPS = "。．.！!？?；;…”’\"'」』）) \t"


def with_added(text: str, added: Iterable[tuple[int, int]]) -> str:
    """Return a text with further citations, each given as (offset, number)."""
    for offset, number in sorted(added, reverse=True):
        text = f"{text[:offset]}[{number}]{text[offset:]}"
    return text
