"""The articles of a law or contract: where each begins and ends, its paragraphs (款) and their items (项)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sftmill.text import chinese_value
from sftmill.text.lazy import lazy_pattern

Number = tuple[int, int]
"""Number of an article and of what was put in behind it: 第一百二十条之一 is (120, 1), Article 5a is (5, 1)."""

NUMERAL = r"[〇零一二三四五六七八九十百千两\d]{1,8}"
_ZH_HEAD = lazy_pattern(
    rf"[ \t　]*(第\s?({NUMERAL})\s?条(?:之([一二三四五六七八九十]{{1,3}}))?)"
    r"(?:(?=[\s　:：【（(])|$|(?=[\u4e00-\u9fff])(?!第|至|、|和|或|及|与|规定|所[列述称指规]|的|中|款|项|件))"
)
_EN_HEAD = lazy_pattern(
    r"[ \t]*((Article|ARTICLE|Section|SECTION|Rule|RULE|§)\s?(\d{1,4})([A-Za-z]?))(?![\w(])"
    r"(?=\s*$|[.:]\s|\.$|\s*[—–:]|\s+-\s|\s+[A-Z“\"\[])"
)
_ZH_ITEM = lazy_pattern(r"[ \t　]*(?:[（(]([一二三四五六七八九十]{1,3})[）)]|([㈠-㈩])|([①-⑳]))")
_EN_ITEM = lazy_pattern(r"[ \t]*\(([a-z]{1,5})\)\s")
COUNTED = lazy_pattern(r"[ \t　]*[（(]?(\d{1,2})(?:[）)]\s?|[.．、]\s?(?!\d))")
"""The mark of a numbered paragraph: 1. or (1)."""
_CHAPTER = lazy_pattern(
    rf"[ \t　]*(?:第\s?{NUMERAL}\s?(?:分?编|章|节|部分|篇)(?![的、和或至])|附\s?则\s*$|附\s?[件录表]|"
    r"(?:CHAPTER|Chapter|PART|Part|TITLE|Title|ANNEX|Annex|Schedule|SCHEDULE)\s+[\dIVXLC]+\b)"
)
_FINAL = "。！？；：，、.!?;:,…”’」』）)】》|"
_TITLE_LENGTH = 60
_FENCES = ("```", "~~~")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50}


class Item(NamedTuple):
    """An item of a list, with the lines that belong to it: `text[start:end]`."""

    number: int
    start: int
    end: int


class Clause(NamedTuple):
    """A paragraph of an article (款) with its items; up to `lead` it is the text before them."""

    number: int
    start: int
    lead: int
    end: int
    items: tuple[Item, ...]


class Article(NamedTuple):
    """An article: `text[start:end]`, `name` as it is written (第五十条, Article 5), its paragraphs in order.

    `body` is where its text begins behind the name; `law` counts the laws in a text: numbers that begin anew begin
    another one.
    """

    number: Number
    name: str
    start: int
    body: int
    end: int
    clauses: tuple[Clause, ...]
    law: int


class _Line(NamedTuple):
    start: int
    end: int
    text: str


def number_of(numeral: str, more: str | None = None) -> Number | None:
    """Return the number of an article: digits or a Chinese numeral, and 之一 or a letter behind it."""
    value = int(numeral) if numeral.isdecimal() else chinese_value(numeral)
    if value is None or not 0 < value < 10_000:
        return None
    if not more:
        return int(value), 0
    behind = ord(more.lower()) - 96 if more.isascii() else chinese_value(more)
    return (int(value), int(behind)) if behind else None


def articles(text: str) -> list[Article]:
    """Return the articles of a text, in order.

    An article begins at a line with 第五条, Article 5, Section 5, Rule 5 or § 5, and goes on to the next one or to a
    heading or to fenced code. A number without a space behind it begins one only where it is the next in turn.
    """
    lines = list(_lines(text))
    heads: list[tuple[int, Number, str, int, int]] = []
    last: Number | None = None
    law = 0
    for at, line in enumerate(lines):
        found = _head(line.text, last)
        if found is None:
            continue
        number, name, body = found
        if last is not None and number <= last:
            law += 1
        last = number
        heads.append((at, number, name, line.start + body, law))
    out = []
    stops = [at for at, *_ in heads[1:]] + [len(lines)]
    for (at, number, name, body, which), stop in zip(heads, stops, strict=False):
        end = at + 1
        while end < stop and not _ends_article(lines, end, at):
            end += 1
        inside = lines[at:end]
        out.append(Article(number, name, inside[0].start, body, inside[-1].end, _clauses(inside), which))
    return out


def _lines(text: str) -> Iterator[_Line]:
    """Yield the visible lines; of fenced code only the fences."""
    start, fenced = 0, False
    for raw in text.split("\n"):
        bare = raw.strip()
        fence = raw.startswith(_FENCES)
        if fence:
            fenced = not fenced
        if bare and (fence or not fenced):
            yield _Line(start + raw.index(bare[0]), start + len(raw.rstrip()), bare)
        start += len(raw) + 1


def _head(line: str, last: Number | None) -> tuple[Number, str, int] | None:
    """Return (number, name, end of the name) where a line begins an article."""
    if match := _ZH_HEAD.match(line):
        number = number_of(match[2], match[3])
        glued = match.end() < len(line) and "\u4e00" <= line[match.end()] <= "\u9fff"
        if number is None or (glued and last is not None and not _next(last, number)):
            return None
        return number, match[1].replace(" ", ""), match.end()
    if match := _EN_HEAD.match(line):
        number = number_of(match[3], match[4])
        return (number, match[1], match.end()) if number else None
    return None


def _next(last: Number, number: Number) -> bool:
    return number in ((last[0] + 1, 0), (last[0], last[1] + 1)) or number == (1, 0)


def _ends_article(lines: list[_Line], at: int, head: int) -> bool:
    """Tell whether a line is a heading: a chapter's, or a short one without a stop that text follows."""
    text = lines[at].text
    if text.startswith(_FENCES):
        return True
    if _CHAPTER.match(text) and len(text) <= _TITLE_LENGTH and text[-1] not in "。；，;,":
        return True
    if at == head + 1 and not _says(lines[head].text):
        return False  # the article's own title
    short = len(text) <= _TITLE_LENGTH and text[-1] not in _FINAL and not text.startswith(("- ", "|", "* "))
    listed = is_item(text) or COUNTED.match(text) or "|" in text
    return short and not listed and at + 1 < len(lines) and not is_item(lines[at + 1].text) and _is_bare(lines, at)


def _is_bare(lines: list[_Line], at: int) -> bool:
    """Tell whether the line before ends a sentence, so that this one is no continuation of it."""
    return lines[at - 1].text[-1] in "。！？；.!?;：:"


def _says(head: str) -> bool:
    """Tell whether a head has text of its own behind the number, and not only a title."""
    found = _head(head, None)
    rest = head[found[2] :].strip(" \t　.:：—–-") if found else head
    return bool(rest) and (rest[-1] in _FINAL or len(rest) > _TITLE_LENGTH)


def is_item(line: str) -> bool:
    """Tell whether a line begins with the mark of an item: （一）, ①, (a)."""
    return bool(_ZH_ITEM.match(line) or _EN_ITEM.match(line))


def _mark(line: str, last: tuple[str, int] | None) -> tuple[str, int] | None:
    """Return (kind, number) of the mark of an item at the head of a line; `last` is that of the item before.

    (i) is a letter after (h), and else a Roman number.
    """
    if match := _ZH_ITEM.match(line):
        if match[1]:
            return "parenthesis", int(chinese_value(match[1]) or 0)
        return ("square", ord(match[2]) - 0x321F) if match[2] else ("circle", ord(match[3]) - 0x245F)
    if match := _EN_ITEM.match(line):
        letters = match[1]
        number = ord(letters) - 96 if len(letters) == 1 else 0
        if set(letters) <= _ROMAN.keys() and (last is None or last[0] != "letter" or number != last[1] + 1):
            return "roman", _roman(letters)
        return ("letter", number) if number else None
    if match := COUNTED.match(line):
        return "digit", int(match[1])
    return None


def _roman(letters: str) -> int:
    values = [_ROMAN[letter] for letter in letters]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


@dataclass(slots=True)
class _Draft:
    """A paragraph while its lines are gathered."""

    number: int
    start: int
    lead: int
    end: int
    items: list[list[int]] = field(default_factory=list)
    last: tuple[str, int] | None = None
    """Mark of the last item; all items of a list have the same kind."""


def _clauses(lines: list[_Line]) -> tuple[Clause, ...]:
    """Gather the lines of an article into paragraphs with their items.

    The first mark decides what the items of a paragraph look like; lines with another mark belong to the item above.
    """
    made: list[_Draft] = []
    numbered = False  # paragraphs have numbers of their own: 1. 2. 3.
    at = 0
    if len(lines) > 1 and not _says(lines[0].text) and not is_item(lines[1].text):
        at = 1  # the number stands alone, or with a title
        titled = lines[1].text[-1] not in _FINAL and len(lines[1].text) <= _TITLE_LENGTH and len(lines) > 2
        at += titled and not COUNTED.match(lines[1].text)
    for place, line in enumerate(lines[at:], at):
        now = made[-1] if made else None
        mark = _mark(line.text, now.last if now else None)
        digit = mark is not None and mark[0] == "digit"
        if now and mark and digit and not now.items:
            opens = not numbered and lines[place - 1].text[-1] in "：:"
        else:
            opens = mark is not None and not (digit and numbered)
        if now and mark and opens:
            if now.last is None or now.last[0] == mark[0]:
                now.items.append([mark[1], line.start, line.end])
                now.last = mark
            else:
                now.items[-1][2] = line.end
            now.end = line.end
            continue
        number = mark[1] if digit and mark else (now.number + 1 if now else 1)
        numbered = numbered or digit
        made.append(_Draft(number, line.start if now else lines[0].start, line.end, line.end))
    return tuple(Clause(d.number, d.start, d.lead, d.end, tuple(Item(*item) for item in d.items)) for d in made)
