"""The text that the articles of a law cite, from the same document or from elsewhere in the law."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sftmill.core import Row
from sftmill.steps.ingest.law import COUNTED, Article, Clause, Number, articles
from sftmill.steps.ingest.law_references import Place, Reference, Target, references
from sftmill.text import length
from sftmill.text.lazy import lazy_pattern

Span = tuple[int, int]
Elsewhere = Mapping[Number, tuple[str, Article]]
"""Articles of the same law that another text holds: that text, and the article in it."""


_NAMES_A_LAW = lazy_pattern(
    r"(?:法|法典|条例|规定|办法|细则|规则|解释|章程|公约|协定|决定|准则|合同|协议|制度|Act|Code|Law|Regulation|Directive|"
    r"Convention|Agreement|Contract)(?:[（(][^（）()]{1,30}[）)])?\Z"
)


def titles_of(row: Row) -> list[str]:
    """Return the names by which a section's own law may be cited: a heading above it, else the document's title."""
    above = [title for title in row.get("title_path") or [] if _NAMES_A_LAW.search(title)]
    return above or [title for title in [row.get("title")] if title]


class Found(NamedTuple):
    """A place that was referred to: the text that holds it, its article, and which paragraphs of it (None = all)."""

    text: str
    article: Article
    clause: Clause | None
    item: int | None
    here: bool
    """Whether it stands in the citing document itself."""

    def span(self) -> Span:
        """Return where the place stands in its text."""
        if self.clause is None:
            return self.article.start, self.article.end
        if self.item is None:
            return self.clause.start, self.clause.end
        return next((item.start, item.end) for item in self.clause.items if item.number == self.item)


class Cited(NamedTuple):
    """What the references of a piece of text came to."""

    wanted: list[Found]
    """Places that do not stand in the piece itself, in the order in which they are cited."""
    total: int
    """References to places of the same law."""
    resolved: int
    """Those of them of which every place is known."""


class LawText:
    """A document with articles, and what each of its parts refers to.

    `titles` are the law's own names; `elsewhere` has articles of the same law that the document does not hold.
    """

    def __init__(self, text: str, titles: Iterable[str] = (), elsewhere: Elsewhere | None = None):
        self.text = text
        self.titles = tuple(titles)
        self.elsewhere = elsewhere or {}
        self.articles = articles(text)
        self._by_number: dict[tuple[int, Number], Article] = {}
        for article in self.articles:
            self._by_number.setdefault((article.law, article.number), article)
        self._found: list[tuple[Reference, int]] = sorted(self._references())
        self._starts = [reference.start for reference, _ in self._found]

    def _references(self) -> Iterable[tuple[Reference, int]]:
        end, law = 0, 0
        if not self.articles and not self.elsewhere:
            return
        numbers: dict[int, set[Number]] = {}
        for article in self.articles:
            numbers.setdefault(article.law, set(self.elsewhere)).add(article.number)
        in_order = {law: sorted(known) for law, known in numbers.items()}
        for article in self.articles:
            yield from self._inside(end, article.start, Place(None), article.law)
            end, law = article.end, article.law
            here = bisect_left(in_order[law], article.number)
            earlier = tuple(in_order[law][max(0, here - 9) : here][::-1])
            with_items = tuple(clause.number for clause in article.clauses if clause.items)
            for clause in article.clauses:
                place = Place(article.number, clause.number, None, earlier, with_items)
                yield from self._inside(max(clause.start, article.body), clause.lead, place, law)
                for item in clause.items:
                    yield from self._inside(item.start, item.end, place._replace(item=item.number), law)
        yield from self._inside(end, len(self.text), Place(None), law)

    def _inside(self, start: int, end: int, place: Place, law: int) -> Iterable[tuple[Reference, int]]:
        if start < end:
            for found in references(self.text[start:end], place, self.titles):
                yield Reference(found.start + start, found.end + start, found.targets), law

    def cited(self, spans: list[Span]) -> Cited:
        """Return what the text in `spans` cites and does not hold itself."""
        wanted: list[Found] = []
        total = resolved = 0
        for start, end in spans:
            at = bisect_left(self._starts, start)
            while at < len(self._found) and self._starts[at] < end:
                reference, law = self._found[at]
                at += 1
                total += 1
                found = [self._find(target, law) for target in reference.targets]
                resolved += bool(found) and all(found)
                for place in filter(None, found):
                    inside = place.here and any(a <= place.span()[0] and place.span()[1] <= b for a, b in spans)
                    if not inside and place not in wanted:
                        wanted.append(place)
        return Cited(wanted, total, resolved)

    def _find(self, target: Target, law: int) -> Found | None:
        here = True
        text, article = self.text, self._by_number.get((law, target.article))
        if article is None:
            if target.article not in self.elsewhere:
                return None
            here = False
            text, article = self.elsewhere[target.article]
        if target.clause is None and target.item is None:
            return Found(text, article, None, None, here)
        for clause in article.clauses:
            if target.clause not in (None, clause.number):
                continue
            if target.item is None:
                return Found(text, article, clause, None, here)
            if any(item.number == target.item for item in clause.items):
                return Found(text, article, clause, target.item, here)
        return None

    def name_at(self, position: int) -> str | None:
        """Return the name of the article that a position lies inside of, behind its beginning."""
        for article in self.articles:
            if article.start < position < article.end:
                return article.name
        return None


def as_context(wanted: list[Found], limit: int, lang: str) -> str:
    """Write out what was cited, article by article, in at most `limit` characters (zh) or words (en).

    Whole paragraphs only: those that no longer fit are left out. A paragraph that does not begin its article has the
    article's number before it; of a list, the words before it and the items that are meant.
    """
    by_article: dict[int, list[Found]] = {}
    for found in wanted:
        by_article.setdefault(id(found.article), []).append(found)
    pieces: list[str] = []
    room = limit
    for group in by_article.values():
        text, article = group[0].text, group[0].article
        whole = any(found.clause is None for found in group)
        inside: list[str] = []
        for clause in article.clauses:
            parts = [found for found in group if found.clause == clause]
            if not whole and not parts:
                continue
            piece = text[clause.start : clause.end]
            if not whole and all(found.item for found in parts):
                numbers = {found.item for found in parts}
                kept = [text[item.start : item.end] for item in clause.items if item.number in numbers]
                piece = "\n\n".join([text[clause.start : clause.lead], *kept])
            if clause.start != article.start and not inside:
                piece = f"{_label(article, clause)} {COUNTED.sub('', piece, count=1)}"
            if (size := length(piece, lang)) > room:
                break
            room -= size
            inside.append(piece)
        if inside:
            pieces.append("\n\n".join(inside))
    return "\n\n".join(pieces)


def _label(article: Article, clause: Clause) -> str:
    if article.name[0] != "第":
        return f"{article.name}({clause.number})"
    numeral = "零一二三四五六七八九十"
    number = numeral[clause.number] if clause.number <= 10 else str(clause.number)
    return f"{article.name}第{number}款"
