"""Plain text -> blocks: headings by their form, hard-wrapped lines joined to paragraphs."""

import re
import unicodedata
from collections import Counter

from sftmill.steps.ingest.sections import Block, collapse, is_contents_line, join_lines
from sftmill.text import length
from sftmill.text.lazy import lazy_pattern

_DIGITS = "[〇零一二三四五六七八九十百千两\\d]{1,6}"
# Headings that say what they are, by level.
_NAMED: list[tuple[int, re.Pattern[str]]] = [
    (3, lazy_pattern(rf"第\s?{_DIGITS}\s?分编")),
    (
        2,
        lazy_pattern(
            rf"第\s?{_DIGITS}\s?[编卷部篇](?![分门位])|卷{_DIGITS}\b|(?:PART|Part|BOOK|Book) (?:\d+|[IVXLC]+)\b"
        ),
    ),
    (4, lazy_pattern(rf"第\s?{_DIGITS}\s?章|(?:CHAPTER|Chapter) (?:\d+|[IVXLC]+)\b|(?:APPENDIX|Appendix) [A-Z\d]\b")),
    (5, lazy_pattern(rf"第\s?{_DIGITS}\s?[节節]|(?:SECTION|Section) \d+\b")),
    (4, lazy_pattern(r"(?:附则|附录|前言|序言|序|绪论|引言|结语|后记|跋|参考文献)\Z")),
    (
        4,
        lazy_pattern(
            r"(?i:preface|foreword|introduction|contents|index|bibliography|glossary|conclusions?|abstract)\Z"
        ),
    ),
]
_NUMBERED = lazy_pattern(r"(\d{1,3}(?:\.\d{1,3}){1,4})[.、\s]\s*\S|(\d{1,2})\s+\S")
_CHINESE_NUMBERED = lazy_pattern(r"[一二三四五六七八九十]{1,3}、\s*\S")
_TAGGED = lazy_pattern(r"<(目录|篇名|卷名|书名)>\s*(.*)\Z")
_RULE = lazy_pattern(r"(?:={3,}|-{3,}|~{3,}|\*{3,}|_{3,})\Z")
_MARKDOWN = lazy_pattern(r"(#{1,6})\s+(\S.*)\Z")
_ENDS = "。！？；：，、,;:!?…."
_FINAL = "。！？；：.!?;:"
_CLOSED = "”’」』）)】》\"'"
_ITEM = lazy_pattern(
    rf"(?:[-*•·●○▪◆■□]\s|[(（]{_DIGITS}[)）]|[①-⑳]|\d{{1,2}}[.、)）]\s?\D|第{_DIGITS}[条條]|[一二三四五六七八九十]{{1,3}}、)"
)
_WEAK = 10
"""Level of a heading that is one only by where it stands."""
_TITLE_LENGTH = 40
_WEAK_LENGTH = 20


def parse_text(text: str) -> list[Block]:
    """Return the blocks of a plain text whose lines end in "\\n".

    Headings: 第一章, 1.2 Title, 一、, Chapter 1, lines underlined with === or ---, <篇名>, and short
    lines that stand alone or open a paragraph of longer lines. Lines that fill the same width
    were wrapped by hand and are joined; otherwise a line is a line.
    """
    if "\n<篇名>" in text:  # collections of Chinese medical classics mark emphasis like this
        text = re.sub(r"\\x([^\\\n]{1,80})\\x", r"\1", text)
    lines = [line.rstrip() for line in text.split("\n")]
    width = _wrap_width(lines)
    blocks: list[Block] = []
    group: list[str] = []
    weak_before = 0

    def close(followed: bool) -> None:
        nonlocal group, weak_before
        if not group:
            return
        made = _block(group, width, weak_before, followed)
        weak_before = weak_before + 1 if len(made) == 1 and made[0].level >= _WEAK else 0
        blocks.extend(made)
        group = []

    for line in lines:
        bare = line.strip()
        if not bare or _TAGGED.match(bare) or (group and heading_level(bare) and _is_over(group[-1].strip(), width)):
            close(True)
        if bare:
            group.append(line)
            if _TAGGED.match(bare) or (heading_level(bare) and len(group) == 1):
                close(True)
    close(False)
    return _titled(_unlist(blocks))


def _wrap_width(lines: list[str]) -> int:
    """Return the width (Latin letters; Chinese count two) that lines were wrapped at, 0 when they were not."""
    full = [line.strip() for line in lines if line.strip()]
    widths = [_width(line) for line in full[:20_000]]
    long = [w for w in widths if w >= 30]
    if len(long) < 8:
        return 0
    commonest, _ = max(Counter(w // 4 for w in long).items(), key=lambda item: (item[1], item[0]))
    near = [w for w in long if abs(w // 4 - commonest) <= 2]
    limit = max(near)
    if limit > 140 or sum(w <= limit for w in widths) < 0.97 * len(widths):
        return 0
    unfinished = sum(
        not line.endswith(tuple(_FINAL + _CLOSED)) for line, w in zip(full, widths, strict=False) if w >= 30
    )
    return limit if len(near) >= 0.4 * len(long) and unfinished >= 0.4 * len(long) else 0


def _width(line: str) -> int:
    if line.isascii():
        return len(line)
    return len(line) + sum(unicodedata.east_asian_width(c) in "WF" for c in line)


def heading_level(line: str) -> int:
    """Return the level of a line that looks like a heading by its own form, 0 for none."""
    if _MARKDOWN.match(line):
        return len(_MARKDOWN.match(line)[1]) + 1
    if len(line) > _TITLE_LENGTH + 20 or line[-1] in _ENDS or is_contents_line(line):
        return 0
    short = len(line) <= _TITLE_LENGTH
    for level, pattern in _NAMED:
        if short and (match := pattern.match(line)) and not re.search("[。；，]", line[match.end() :]):
            return level
    if match := _NUMBERED.match(line):
        if match[1] and re.match(r"\d+\.\d+\s*(?:%|[a-zμ]{1,3}\b|元|倍|亿|万)", line):
            return 0  # "0.5 mg" begins a line of a table
        return 5 + min(match[1].count("."), 3) if match[1] else 0
    return 0


def _is_weak(line: str) -> bool:
    """Tell whether a line could be a heading where its surroundings agree: short, without marks."""
    return (
        len(line) <= (_WEAK_LENGTH if not line.isascii() else 2 * _TITLE_LENGTH)
        and not re.search("[，。；：？！、,;:?!|=<>{}]|\\d{4}年|\\t", line)
        and (not line.isascii() or length(line, "en") <= 8)
        and line[-1] not in _ENDS
        and any(c.isalpha() for c in line)
        and not _ITEM.match(line)
        and not (line.isascii() and line[0].islower())
    )


def _block(group: list[str], width: int, weak_before: int, followed: bool) -> list[Block]:
    bare = [line.strip() for line in group]
    if match := _TAGGED.match(bare[0]):
        if match[1] == "篇名":
            return [Block(match[2], 4)]
        return [Block(part, level) for level, part in enumerate(match[2].split("\\")[:2], 2)]
    if match := _MARKDOWN.match(bare[0]):
        return [Block(match[2], len(match[1])), *_body(group[1:], width)]
    if len(bare) > 1 and _RULE.match(bare[1]) and len(bare[0]) <= 2 * _TITLE_LENGTH and bare[0][-1] not in "。；，":
        return [Block(collapse(bare[0]), 3 if bare[1][0] == "=" else 4), *_body(group[2:], width)]
    if level := heading_level(bare[0]):
        return [Block(collapse(bare[0]), level), *_body(group[1:], width)]
    if len(bare) == 1:
        if _RULE.match(bare[0]):
            return []
        capitals = bare[0].isascii() and bare[0].isupper() and length(bare[0], "en") > 1
        if followed and _is_weak(bare[0]) and weak_before < 2 and (capitals or not bare[0].isascii()):
            return [Block(collapse(bare[0]), _WEAK)]
        if followed and _CHINESE_NUMBERED.match(bare[0]) and len(bare[0]) <= 30 and bare[0][-1] not in _ENDS:
            return [Block(collapse(bare[0]), _WEAK - 1)]
        return _body(group, width)
    longest = max(map(_width, bare[1:]))
    if _is_weak(bare[0]) and _width(bare[0]) * 2 < (width or longest) and longest > 30:
        return [Block(collapse(bare[0]), _WEAK + 1), *_body(group[1:], width)]
    return _body(group, width)


def _body(group: list[str], width: int) -> list[Block]:
    """Turn the lines of a paragraph into blocks; wrapped lines are joined, others stay lines of one block."""
    lines = [line for line in group if line.strip() and not _RULE.match(line.strip())]
    if not lines:
        return []
    if not width:
        return [Block("\n".join(collapse(line) if "\t" not in line else line.strip() for line in lines))]
    paragraphs: list[list[str]] = []
    for i, line in enumerate(lines):
        bare = line.strip()
        last = lines[i - 1].strip() if i else ""
        if not i or _begins_anew(line, lines[i - 1], bare, last, width):
            paragraphs.append([])
        paragraphs[-1].append(bare)
    return [Block(collapse(join_lines(p))) for p in paragraphs]


def _is_over(line: str, width: int) -> bool:
    """Tell whether a paragraph may end with this line: a sentence ends, or the line is far from full."""
    return line.endswith(tuple(_FINAL + _CLOSED)) or _width(line) < 0.7 * width


def _begins_anew(line: str, before: str, bare: str, last: str, width: int) -> bool:
    indent, indent_before = len(line) - len(line.lstrip()), len(before) - len(before.lstrip())
    if indent > indent_before and indent >= 1 and line[0] in "\u3000 \t" and last.endswith(tuple(_FINAL + _CLOSED)):
        return True
    if _ITEM.match(bare):
        return last.endswith(tuple(_FINAL + _CLOSED)) or _width(last) < 0.7 * width
    return last.endswith(tuple(_FINAL + _CLOSED)) and _width(last) < 0.8 * width


def _unlist(blocks: list[Block]) -> list[Block]:
    """Take back weak headings with nothing under them but other weak headings: they are a list."""
    out: list[Block] = []
    for i, block in enumerate(blocks):
        following = blocks[i + 1].level if i + 1 < len(blocks) else _WEAK
        if block.level == _WEAK and following == _WEAK and i and blocks[i - 1].level == _WEAK:
            block = Block(block.text)
        out.append(block)
    if out and out[-1].level >= _WEAK:
        out[-1] = Block(out[-1].text)
    return out


_FIRST = lazy_pattern(r"第\s?[一1]\s?(?:分?编|章|篇|卷|部)|(?:Chapter|CHAPTER|Part|PART) (?:1|I)\b")


def _titled(blocks: list[Block]) -> list[Block]:
    """Raise to level 1 what is a title: the file's first line, and a heading by place before a new 第一章.

    Repeated headings (a collection names the part before each piece) are left out.
    """
    out = list(blocks)
    if out and out[0].level in (_WEAK, 4):
        out[0] = Block(out[0].text, 1)
    candidates: list[int] = []
    for i, block in enumerate(out):
        if block.level == _WEAK or block.level == 1:
            candidates.append(i)
        elif 0 < block.level < _WEAK - 1:
            if candidates and _FIRST.match(block.text):
                for level, which in enumerate(dict.fromkeys((candidates[0], candidates[-1])), 1):
                    out[which] = Block(out[which].text, level)
            candidates = []
        elif not block.level and _ITEM.match(block.text):
            candidates = []
    last: dict[int, str] = {}
    kept = []
    for block in out:
        if 1 < block.level < 4 and last.get(block.level) == block.text:
            continue
        if block.level:
            last = {level: text for level, text in last.items() if level < block.level} | {block.level: block.text}
        kept.append(block)
    return kept
