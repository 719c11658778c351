"""Whether the articles that an answer cites are there; Chinese and English laws and contracts."""

from collections.abc import Iterable, Iterator

from sftmill.steps.ingest.law import NUMERAL, Number, articles, number_of
from sftmill.steps.respond.verify.verdict import RIGHT, Verdict
from sftmill.text import normalise
from sftmill.text.lazy import lazy_pattern

LONGEST = 200_000
"""Characters of an answer that are looked at."""

_CITED = lazy_pattern(
    rf"(?:《(?P<law>[^《》\n]{{1,60}})》[^《》。；;\n]{{0,12}}?)?第\s?(?P<zh>{NUMERAL})\s?条(?:之(?P<more>[一二三四五六七八九十]{{1,3}}))?"
    rf"|(?P<also>[、和及与至到]\s?)第?\s?(?P<next>{NUMERAL})\s?条"
    r"|\b(?:Articles?|Art\.|Sections?|Sec\.|Rules?|§{1,2})\s?(?P<en>\d{1,4})(?P<letter>[A-Z]?)(?![\w.]\w)"
    r"(?:(?:[^.;\n]{0,20}?)\bof the (?P<act>[A-Z][A-Za-z]{1,30}(?: [A-Z][A-Za-z]{1,30}){0,6}))?"
)
_SHORT = ("中华人民共和国", "the ")


def verify_citations(text: str, passages: Iterable[tuple[str, str]]) -> Verdict:
    """Check that every article which an answer cites is among the passages, given as (title, text).

    An article that is cited with its law (《民法典》第五条, Article 5 of the Data Act) must be in passages of that title,
    where any has such a title. Cannot tell where nothing is cited, or the passages hold no article.
    """
    there = [(_name(title), {article.number for article in articles(body)}) for title, body in passages]
    if not any(numbers for _, numbers in there):
        return Verdict(None, "the passages hold no article")
    cited = list(_cited(text[:LONGEST]))
    if not cited:
        return Verdict(None, "no article is cited")
    for written, law, number in cited:
        named = [numbers for title, numbers in there if law and title and (law in title or title in law)]
        if law and not named and all(title for title, _ in there):
            return Verdict(False, f"{written}: there is no such law among the passages")
        if not any(number in numbers for numbers in named or [numbers for _, numbers in there]):
            return Verdict(False, f"{written} is not there")
    return RIGHT


def _cited(text: str) -> Iterator[tuple[str, str, Number]]:
    """Yield what is written, the law that is named, and the number, of each citation."""
    for match in _CITED.finditer(text):
        number = number_of(match["zh"] or match["next"] or match["en"], match["more"] or match["letter"] or None)
        if number:
            yield match[0].strip("、和及与至到 "), _name(match["law"] or match["act"] or ""), number


def _name(title: str) -> str:
    title = normalise(title).casefold()
    for prefix in _SHORT:
        title = title.removeprefix(prefix)
    return title
