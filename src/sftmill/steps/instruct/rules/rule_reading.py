"""Read a passage for its rules: which lines are prose, lists, articles of a law or entries of a record."""

import re
from collections import Counter
from typing import NamedTuple

from sftmill.steps.instruct.rules.rule_form import balanced
from sftmill.text import detect_lang, sentences
from sftmill.text.lazy import lazy_pattern

LONGEST_SENTENCE = 400
"""Characters of the longest sentence that patterns look at."""


class Statement(NamedTuple):
    """A sentence of running text, its stop included: `passage[start:end]`."""

    start: int
    end: int
    first: bool
    """Whether it begins a sentence; otherwise it is a part behind a semicolon."""
    full: int
    """Where the whole sentence ends, all parts between semicolons included."""
    article: str = ""
    """Name of the law article that it belongs to, such as 第十条."""


class Listing(NamedTuple):
    """A sentence that announces a list, and the spans of the list's items."""

    start: int
    end: int
    items: tuple[tuple[int, int], ...]
    article: str = ""


class Entry(NamedTuple):
    """A labelled line of a record, such as 用法：口服 under the name of a drug; the span is that of the value."""

    head: str
    label: str
    start: int
    end: int


class Article(NamedTuple):
    """A law article, named (第十条) and whole: the span is that of its text."""

    name: str
    start: int
    end: int


class Reading(NamedTuple):
    """What was found in a passage, each in order."""

    statements: list[Statement]
    listings: list[Listing]
    entries: list[Entry]
    articles: list[Article]


_FENCE = lazy_pattern(r"\s*(?:```|~~~)")
_CAPTION = lazy_pattern(r"(?:表|图|例|示例|Table|Figure|Example) ?\d+(?:[-.]\d+)*[.:：、\s]")
_ITEM = lazy_pattern(
    r"\s*(?:[-*•·○●▪◦](?=\s)|(?:\d{1,2}|[a-z])[.)](?=\s|[\u4e00-\u9fff])|\d{1,2}、|[（(](?:\d{1,2}|[a-z]|[一二三四五六七八九十]{1,3})[）)]"
    r"|[一二三四五六七八九十]{1,3}、|[①-⑳])\s*"
)
_ARTICLE = lazy_pattern(
    r"\s*(第\s?[〇零一二三四五六七八九十百千\d]{1,8}\s?条(?:之[一二三四五六七八九十])?)(?:[ \u3000]+|(?=【))(?:【[^】\n]{1,40}】)?\s*"
)
_LABEL_ZH = lazy_pattern(r"([\u4e00-\u9fff]{2,8})[:：]\s*(?=\S)")
_LABEL_EN = lazy_pattern(r"([A-Z][a-z]+(?: [a-z]+){0,3}): +(?=\S)")
_POINTS = lazy_pattern(r"(?:^|[。；;])\d{1,2}[.、．](?!\d)")
_ENDS = ("。", "！", "？", ".", "!", "?", "”", "）", ")", "…", '"', "」")
_INSIDE = lazy_pattern(r"[。！？；;：:，,|]")
_NUMBERED = lazy_pattern(r"[（(]?\d{1,2}[.、．)）](?!\d)|[①-⑳]")
"""A point of a run-on list, cut off from the words that it depends on."""
_ANNOUNCES = ("：", ":")


def read_passage(passage: str, lang: str, title_path: list[str]) -> Reading:
    """Sort the lines of a passage; code, tables, headings and text of the other language are left out."""
    statements: list[Statement] = []
    listings: list[Listing] = []
    entries: list[Entry] = []
    articles: list[Article] = []
    lines = _lines(passage)
    head = title_path[-1] if title_path else ""
    article, article_start, article_end = "", 0, 0

    def close_article() -> None:
        if article and article_end > article_start:
            articles.append(Article(article, article_start, article_end))

    n = 0
    while n < len(lines):
        start, end, kind = lines[n]
        text = passage[start:end]
        n += 1
        if kind == "heading":
            close_article()
            head, article = text, ""
            continue
        if match := _ARTICLE.match(text):
            close_article()
            article, start = match[1], start + match.end()
            article_start = start
            text = passage[start:end]
        article_end = end
        if kind == "prose" and lang == "zh" and len(_POINTS.findall(text)) > 2 and not _LABEL_ZH.match(text):
            continue  # the rest of a record's long entry
        label = (_LABEL_ZH if lang == "zh" else _LABEL_EN).match(text)
        if label and kind == "prose" and head and text[label.end() :]:
            entries.append(Entry(head, label[1], start + label.end(), end))
            continue
        if kind == "item":
            mark = _ITEM.match(text)
            start += mark.end() if mark else 0
            _add_statements(statements, passage, start, end, lang, article)
            continue
        items = []
        if text.endswith(_ANNOUNCES):
            while n < len(lines) and lines[n][2] == "item" and _same_sort(passage, lines[n - len(items)], lines[n]):
                items.append(lines[n][:2])
                n += 1
            article_end = items[-1][1] if items else end
        spans = _add_statements(statements, passage, start, end, lang, article)
        if len(items) > 1 and spans and spans[-1][1] - spans[-1][0] <= LONGEST_SENTENCE:
            listings.append(Listing(*spans[-1], tuple(items), article))
            if article:
                continue
            for a, b in items:
                mark = _ITEM.match(passage[a:b])
                _add_statements(statements, passage, a + (mark.end() if mark else 0), b, lang, "")
    close_article()
    return Reading(statements, listings, _records(entries, passage), _complete(articles, passage))


def _lines(passage: str) -> list[tuple[int, int, str]]:
    """Return (start, end, kind) of the lines that say something: "prose", "item" or "heading"."""
    found: list[tuple[int, int, str]] = []
    fenced = False
    at = 0
    for line in passage.split("\n"):
        start, end = at + len(line) - len(line.lstrip()), at + len(line.rstrip())
        at += len(line) + 1
        text = passage[start:end]
        if _CAPTION.match(text):
            continue
        if _FENCE.match(text):
            fenced = not fenced
        elif fenced or not text:
            continue
        elif text.count("|") > 1 or " | " in text or "\t" in text:
            found.append((start, end, "table"))
        elif _ITEM.match(text) and not re.match(r"\d+\.\d", text):
            found.append((start, end, "item"))
        elif len(text) <= 60 and not text.endswith(_ENDS) and not _INSIDE.search(text) and not _ARTICLE.match(text):
            found.append((start, end, "heading"))
        else:
            found.append((start, end, "prose"))
    return [line for line in found if line[2] != "table"]


def _same_sort(passage: str, first: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Tell whether two items bear the same sort of mark, so that a list does not swallow the next."""

    def sort(line: tuple[int, int, str]) -> str:
        return re.sub(r"[\d一二三四五六七八九十a-z①-⑳]+", "1", passage[line[0] : line[0] + 3])[:2].strip()

    return sort(first) == sort(other)


def _add_statements(
    statements: list[Statement], passage: str, start: int, end: int, lang: str, article: str
) -> list[tuple[int, int]]:
    """Add the sentences of a line, but for those of the other language; return all their spans."""
    text = passage[start:end]
    spans = [(start + a, start + b) for a, b in sentences(text)]
    first = True
    for i, (a, b) in enumerate(spans):
        sentence = passage[a:b]
        if b - a <= LONGEST_SENTENCE and sentence.endswith((*_ENDS, "；", ";")) and detect_lang(sentence) == lang:
            full = next((y for _, y in spans[i:] if passage[y - 1] not in "；;"), b)
            if not _NUMBERED.match(sentence) and balanced(sentence):
                statements.append(Statement(a, b, first, full, article))
        first = passage[b - 1] not in "；;"
    return spans


def _records(entries: list[Entry], passage: str) -> list[Entry]:
    """Return the entries that stand in records: two labels or more under one head, none of them twice."""
    kept = []
    times = Counter((entry.head, entry.label) for entry in entries)
    labels = Counter(head for head, _ in times)
    for i, entry in enumerate(entries):
        if labels[entry.head] < 2 or times[entry.head, entry.label] > 1 or "```" in passage:
            continue
        last = i == len(entries) - 1 and not passage[entry.end :].strip()
        if last and (entry.end - entry.start > 150 or passage[entry.end - 1] in "；;，,、：:"):
            continue  # it may go on in the next passage
        kept.append(entry)
    return kept


def _complete(articles: list[Article], passage: str) -> list[Article]:
    """Return the articles that end with a stop; an article that stands twice (two laws in one passage) is left out."""
    times = Counter(article.name for article in articles)
    return [a for a in articles if passage[a.end - 1] in "。.）)" and times[a.name] == 1]
