"""What a parser makes of a file: blocks in order, gathered into sections under their headings."""

from collections.abc import Iterable
from typing import NamedTuple

from sftmill.text import CJK, count_cjk, length
from sftmill.text.lazy import lazy_pattern


class Block(NamedTuple):
    """A heading (level 1 is the outermost), or a paragraph, table, list or piece of code (level 0)."""

    text: str
    level: int = 0
    page: int = 0
    """Page on which it begins, from 1; 0 where a document has none."""


class Section(NamedTuple):
    """The text under one heading: the headings above it, and its blocks with blank lines between.

    The section's own heading is the first line of its text, so that no word is lost.
    """

    title_path: tuple[str, ...]
    text: str
    page: int = 0
    """Page on which it begins, from 1; 0 where the document has none."""


SMALL = 60
"""Characters (or half as many words) below which a section joins its neighbour."""

_SPACES = lazy_pattern(r"[^\S\n]+")
_MARKS = "，。、；：？！“”‘’（）《》「」『』【】〔〕…—"
_AMBIGUOUS = "“”‘’…—"
"""Marks of both languages."""
_CHINESE = lazy_pattern(f"[{CJK}{_MARKS}]")
# 第一章 总则 ........ 12, or a line that is only a link's text and a page number
_CONTENTS_LINE = lazy_pattern(r"[^\n]{0,80}?(?:[.．·…‥\-_]{4,}|(?:[.．·…] ){3,}|\t| {3,})\s?[(（]?\d{1,4}[)）]?\Z")


def collapse(text: str) -> str:
    """Return `text` with runs of spaces made one, none at the ends."""
    return _SPACES.sub(" ", text).strip()


def join_lines(lines: Iterable[str]) -> str:
    """Join hard-wrapped lines: without a space between Chinese, mending words hyphenated at a line's end."""
    parts: list[str] = []
    for line in lines:
        if not line:
            continue
        if parts:
            last = parts[-1]
            if len(last) > 1 and last[-1] == "-" and last[-2].isalpha() and line[0].islower():
                parts[-1] = last[:-1]
            elif needs_space(last[-1], line[0]):
                parts.append(" ")
        parts.append(line)
    return "".join(parts)


def needs_space(left: str, right: str) -> bool:
    """Tell whether a line end between two characters stood for a space: not between Chinese, nor at its marks.

    Curly quotes and the ellipsis belong to both languages: beside a Latin letter or digit they are English.
    """
    if (left in "”’…" and _is_latin(right)) or (right in "“‘" and _is_latin(left)):
        return True
    if left in _MARKS or right in _MARKS:
        return False
    return not (_CHINESE.match(left) and _CHINESE.match(right))


def keeps_space(left: str, right: str) -> bool:
    """Tell whether a space seen between two characters means something: not between Chinese, nor at its marks."""
    if left in _AMBIGUOUS or right in _AMBIGUOUS:
        return not (_CHINESE.match(left) and _CHINESE.match(right))
    return needs_space(left, right)


def _is_latin(character: str) -> bool:
    return character.isalnum() and not _CHINESE.match(character)


def is_contents_line(line: str) -> bool:
    """Tell whether a line belongs to a table of contents: a title, dots or a gap, a page number."""
    return bool(_CONTENTS_LINE.match(line.strip()))


def gather(blocks: Iterable[Block]) -> list[Section]:
    """Gather blocks into sections, in order; headings without text and small sections join the next.

    Stretches of a table of contents become sections of their own, so that they can be dropped.
    """
    raw: list[tuple[tuple[str, ...], list[str], bool, int]] = []
    stack: list[tuple[int, str]] = []
    bare = False  # whether the last section is only a heading so far
    kept = [block for block in blocks if block.text.strip()]
    for block, contents in zip(kept, _contents_blocks(kept), strict=True):
        if block.level:
            while stack and stack[-1][0] >= block.level:
                stack.pop()
            stack.append((block.level, collapse(block.text.replace("\n", " "))))
            raw.append((tuple(t for _, t in stack), [block.text], False, block.page))
            bare = True
            continue
        if bare:
            raw[-1] = (*raw[-1][:2], contents, raw[-1][3])
        elif not raw or raw[-1][2] != contents:
            raw.append((tuple(t for _, t in stack), [], contents, block.page))
        raw[-1][1].append(block.text)
        bare = False
    return _join_small([(path, "\n\n".join(texts), contents, page) for path, texts, contents, page in raw])


def _contents_blocks(blocks: list[Block]) -> list[bool]:
    """Tell of each block whether it belongs to a table of contents: three lines or more in a row."""
    flags = [not block.level and _is_contents(block.text) for block in blocks]
    i = 0
    while i < len(flags):
        stop = i + 1
        while stop < len(flags) and flags[stop] == flags[i]:
            stop += 1
        if flags[i] and sum(block.text.count("\n") + 1 for block in blocks[i:stop]) < 3:
            flags[i:stop] = [False] * (stop - i)
        i = stop
    return flags


def _is_contents(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return sum(map(is_contents_line, lines)) * 2 > len(lines)


def _size(text: str) -> int:
    chinese = count_cjk(text)
    return length(text, "zh") if chinese * 4 > len(text) else 2 * length(text, "en")


def _join_small(raw: list[tuple[tuple[str, ...], str, bool, int]]) -> list[Section]:
    out: list[Section] = []
    waiting: Section | None = None
    waiting_contents = False
    for path, text, contents, page in raw:
        if waiting is not None:
            if contents == waiting_contents:
                path, text = _joined_path(waiting, path), waiting.text + "\n\n" + text
                page = waiting.page
            elif waiting.text.strip():
                out.append(waiting)
            waiting = None
        if _size(text) < SMALL and not contents:
            waiting, waiting_contents = Section(path, text, page), contents
        else:
            out.append(Section(path, text, page))
    if waiting is not None:
        if out and not _is_contents(out[-1].text):
            last = out.pop()
            path = _shared(last.title_path, waiting.title_path)
            waiting = Section(path, last.text + "\n\n" + waiting.text, last.page)
        out.append(waiting)
    return out


def _joined_path(waiting: Section, path: tuple[str, ...]) -> tuple[str, ...]:
    """A heading with (almost) nothing under it stands above the next section where that lies deeper."""
    return path if path[: len(waiting.title_path)] == waiting.title_path else _shared(waiting.title_path, path)


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    n = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[:n]
