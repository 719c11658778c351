"""What the text of a law refers to: 前款, 本法第五条第二款, Article 5(2), paragraph 1 of this Article."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sftmill.steps.ingest.law import NUMERAL, Number, number_of
from sftmill.text import chinese_value
from sftmill.text.lazy import lazy_pattern

WIDEST = 60
"""Articles of the widest range that is followed."""

_RULES = (
    "法|法典|民法典|条例|规定|办法|细则|规则|解释|章程|公约|协定|协议|条约|决定|规范|准则|指引|通则|通知|制度|标准|"
    "合同|意见|纲要|宪法|规程|约定|大纲|守则|议定书|法律|法规"
)
_LISTED = rf"[（(]?{NUMERAL}[）)]?(?:\s?[、和及与或至到—–~～-]\s?第?\s?[（(]?{NUMERAL}[）)]?){{0,12}}"
_ONE = lazy_pattern(rf"([至到—–~～-])?\s?第?\s?[（(]?({NUMERAL})")
_ATOM = lazy_pattern(
    rf"(?P<own>本(?:{_RULES}))(?![人定])|(?P<other>[该同](?:法|条例|办法|公约)(?!人))"
    rf"|第\s?(?P<article>{_LISTED})\s?条(?!件|款)(?:之(?P<behind>[一二三四五六七八九十]{{1,3}}))?"
    rf"|第\s?(?P<clause>{_LISTED})\s?款(?!项)|第\s?(?P<item>{_LISTED})\s?项(?!目)"
    r"|(?<![提此])(?:前|上)(?P<count>[一二两三四五六七八九])?(?P<before>款(?!项)|条(?!件|款|例)|项(?!目))"
    r"|(?P<this>本(?:条(?!例|件|款)|款(?!项)))|(?P<stop>[。；;！？\n])"
)
_CHAIN = lazy_pattern(r"[\s、，和与及或以者并同]{0,4}\Z")
_RANGE = lazy_pattern(r"\s?[至到—–~～-]{1,2}\s?\Z")
_BOOK = lazy_pattern(r"《([^《》]{1,60})》(?:[（(][^（）()]{1,40}[）)])?\s?\Z")
_BARE = lazy_pattern(rf"[\u4e00-\u9fff]{{0,20}}?(?:{_RULES})\s?\Z")
_RULE_ENDS = frozenset(rule[-1] for rule in _RULES.split("|"))
_NATION = "中华人民共和国"


class Target(NamedTuple):
    """A place that is referred to: a whole article, one of its paragraphs, or one item of such."""

    article: Number
    clause: int | None = None
    item: int | None = None


class Reference(NamedTuple):
    """A piece of text that refers to other places of the same law; `targets` is empty where none can be told."""

    start: int
    end: int
    targets: tuple[Target, ...]


class Place(NamedTuple):
    """Where a piece of text stands: its article, paragraph and item, and the articles before and after it."""

    article: Number | None
    clause: int = 1
    item: int | None = None
    earlier: tuple[Number, ...] = ()
    """Numbers of the articles before, the nearest first."""
    with_items: tuple[int, ...] = ()
    """Paragraphs of the article that have items."""


def references(text: str, place: Place, titles: Iterable[str] = ()) -> list[Reference]:
    """Return the references to other places of the same law in a text that stands at `place`.

    Citations of another law (《…法》第二条, 民法典第二条, Article 2 of the Convention) are left out, unless its name is
    one of `titles`; so is what follows them in the same sentence without 本法.
    """
    own = {title.removeprefix(_NATION).strip("《》 ") for title in titles if title}
    found = _chinese(text, place, own) if "第" in text or "前" in text or "上" in text else []
    if "rticle" in text or "RTICLE" in text or "ection" in text or "aragraph" in text or "ule" in text or "§" in text:
        found += _english(text, place, own)
    return sorted(found)


def _chinese(text: str, place: Place, own: set[str]) -> list[Reference]:
    """Walk along the words that name places; each narrows or continues what stands right before it."""
    out: list[Reference] = []
    foreign = False  # another law is being cited
    article: Number | None = None
    clause: int | None = None
    kind = ""
    last_end = -1
    list_cited: tuple[Number | None, int | None] = (None, None)  # whose items were named last
    last_item = 0
    for match in _ATOM.finditer(text):
        if match["stop"]:
            foreign, kind, last_end = False, "", -1
            continue
        if match["own"] or match["other"]:
            foreign, kind, last_end = bool(match["other"]), "", -1
            article = clause = None
            continue
        gap = text[last_end : match.start()] if last_end >= 0 else None
        chained = gap is not None and bool(_CHAIN.match(gap))
        ranged = gap is not None and bool(_RANGE.match(gap))
        narrows = chained and not gap.strip() and kind in ("article", "clause", "before") and not match["article"]
        targets: list[Target] = []
        if match["article"]:
            listed = _numbers(match["article"])
            if not listed:
                continue
            number = number_of(str(listed[-1]), match["behind"]) or (listed[-1], 0)
            if not (chained or ranged):
                foreign = _is_foreign(text, match.start(), own, foreign)
            if ranged and kind == "article" and article and article < number and number[0] - article[0] <= WIDEST:
                targets = [Target((n, 0)) for n in range(article[0] + 1, number[0])]
            targets += [*(Target((n, 0)) for n in listed[:-1]), Target(number)]
            article, clause, kind = number, None, "article"
        elif match["clause"]:
            listed = _numbers(match["clause"])
            if not listed:
                continue
            if not (chained or ranged) or kind == "":
                article = place.article
            if ranged and kind == "clause" and clause:
                listed = [*range(clause + 1, listed[0]), *listed][:WIDEST]
            if article:
                targets = [Target(article, n) for n in listed]
            clause, kind = listed[-1], "clause"
        elif match["item"]:
            listed = _numbers(match["item"])
            if not listed:
                continue
            if not (chained or ranged) or kind == "":
                article, clause = (place.article, _listing(place)) if place.with_items else list_cited
            if ranged and kind == "item" and last_item:
                listed = [*range(last_item + 1, listed[0]), *listed][:WIDEST]
            if article:
                targets = [Target(article, clause, n) for n in listed]
            last_item = listed[-1]
            list_cited = (None, None) if foreign else (article, clause)
            kind = "item"
        elif match["this"]:
            foreign, article = False, place.article
            clause, kind = (place.clause if match["this"] == "本款" else None), "this"
        else:
            foreign = False
            count = int(chinese_value(match["count"]) or 1) if match["count"] else 1
            targets = _before(place, match["before"], count)
            article = targets[-1].article if targets else None
            clause, kind = (targets[-1].clause if targets else None), "before"
        last_end = match.end()
        if foreign or kind == "this":
            continue
        start = match.start()
        if narrows and out and out[-1].end + len(gap) == start and not match["before"]:
            wider = out.pop()  # 第五条第二款 is one place, not two
            if wider.targets[:-1]:
                out.append(wider._replace(targets=wider.targets[:-1]))
            else:
                start = wider.start
        out.append(Reference(start, match.end(), tuple(targets)))
    return out


def _numbers(listed: str) -> list[int]:
    """Return the numbers of 三、五至七: 3, 5, 6, 7."""
    out: list[int] = []
    for to, numeral in _ONE.findall(listed):
        number = number_of(numeral)
        if number is None:
            return []
        if to and out and out[-1] < number[0] <= out[-1] + WIDEST:
            out += range(out[-1] + 1, number[0])
        out.append(number[0])
    return out


def _listing(place: Place) -> int | None:
    """Return the paragraph whose items a bare 第三项 means: this one or the nearest before that has items."""
    return max((n for n in place.with_items if n <= place.clause), default=None)


def _before(place: Place, what: str, count: int) -> list[Target]:
    """Return what stands right before a place; nothing where a part of it is not known."""
    if place.article is None:
        return []
    if what == "款":
        first = place.clause - count
        return [Target(place.article, n) for n in range(first, place.clause)] if first >= 1 else []
    if what == "条":
        near = place.earlier[:count]
        whole = len(near) == count and place.article[0] - near[-1][0] <= count
        return [Target(number) for number in reversed(near)] if whole else []
    if place.item is None:
        return []
    return [Target(place.article, place.clause, n) for n in range(place.item - count, place.item) if n >= 1]


def _is_foreign(text: str, at: int, own: set[str], before: bool) -> bool:
    """Tell whether the 第…条 at a place belongs to another law that is named right before it."""
    last = text[max(0, at - 2) : at].rstrip()[-1:]
    if last in ("》", "）", ")"):
        book = _BOOK.search(text, max(0, at - 110), at)
        return not _is_own(book[1], own) if book else before
    match = _BARE.search(text, max(0, at - 24), at) if last in _RULE_ENDS else None
    if match is None:
        return before
    name = match[0].rstrip()
    for rule in _RULES.split("|"):
        if name.endswith("本" + rule):
            return False
    return not any(_is_own(name[i:], own) for i in range(len(name) - 1)) and not _generic(name)


def _is_own(name: str, own: set[str]) -> bool:
    name = name.removeprefix(_NATION)
    return len(name) >= 2 and any(title.endswith(name) for title in own)


def _generic(name: str) -> bool:
    """Tell whether a word before 第…条 names no law: 依照规定, 按照约定."""
    return bool(re.search(r"(?:依照|按照|根据|违反|依据|有关|前述|上述)(?:规定|约定|法律|法规)\Z", name))


_EN_NUMBER = r"\d{1,4}[a-z]?(?![\w.]*\d)"
_EN_ARTICLE = lazy_pattern(
    rf"\b(?P<word>Articles?|Sections?|Rules?|articles?|sections?)\s(?P<first>{_EN_NUMBER})(?P<parts>(?:\(\w{{1,4}}\)){{0,3}})"
    rf"(?:,?\sparagraphs?\s(?P<clause>\d{{1,2}}))?(?:,?\spoints?\s\((?P<point>[a-z])\))?"
    rf"(?P<more>(?:(?:,\s|,?\s(?:and|or|to)\s|\s?[–-]\s?)(?:and\s|or\s)?(?:Articles?\s)?{_EN_NUMBER}(?:\(\w{{1,4}}\)){{0,3}}){{0,12}})"
)
_EN_MORE = lazy_pattern(
    rf"(?P<to>\bto\s|[–-])?\s?(?:Articles?\s)?(?P<number>{_EN_NUMBER})(?P<parts>(?:\(\w{{1,4}}\)){{0,3}})"
)
_EN_OF = lazy_pattern(r"\sof\s(?:(this|the present|these|Chapter|Part|Title)\b|(?:the\s|that\s|said\s)?(?=[A-Z“\"]))")
_EN_LAW = lazy_pattern(r"\s[A-Z]{3,8}\b|\sthereof\b|\sof (?:that|the said|the latter)\b")
_EN_CLAUSE = lazy_pattern(
    r"\b(?:paragraphs?|subsections?|subparagraphs?)\s(?:\(?(?P<first>\d{1,2})\)?)"
    r"(?:(?P<link>,\s|,?\s(?:and|or|to)\s|\s?[–-]\s?)\(?(?P<second>\d{1,2})\)?)?(?!\.\d)"
    r"(?:,?\s(?:point|items?|letter)\s\((?P<point>[a-z])\))?"
)
_EN_POINT = lazy_pattern(r"\b[Pp]oints?\s\((?P<point>[a-z])\)\sof\s\Z")
_EN_BEFORE = lazy_pattern(
    r"\bthe\s(?:preceding|previous|foregoing|above)\s(?:(?P<count>two|three|four)\s)?"
    r"(?P<what>paragraphs?|subsections?|[Aa]rticles?|[Ss]ections?)\b"
)
_COUNT = {"two": 2, "three": 3, "four": 4}


def _english(text: str, place: Place, own: set[str]) -> Iterator[Reference]:
    taken: list[tuple[int, int]] = []
    clauses = [match["clause"] and match.start("clause") for match in _EN_ARTICLE.finditer(text)]
    for match in _EN_CLAUSE.finditer(text):
        if match.start("first") in clauses:
            continue  # Article 6, paragraph 2
        first, second = int(match["first"]), int(match["second"] or 0)
        numbers = [first]
        if second:
            numbers = list(range(first, second + 1)) if _means_to(match["link"]) else [first, second]
        article = place.article
        following = re.compile(r"\sof\s(?:this\s|the\spresent\s)(?:Article|Section|Rule)", re.I).match(
            text, match.end()
        )
        if not following and (named := re.compile(r"\sof\s").match(text, match.end())):
            whole = _EN_ARTICLE.match(text, named.end())
            if whole is None or _foreign_english(text, whole.end(), own):
                continue
            taken.append(whole.span())
            article = _en_number(whole["first"])
        if article is None:
            continue
        point = match["point"]
        if before := _EN_POINT.search(text, max(0, match.start() - 16), match.start()):
            point = before["point"]
        item = ord(point) - 96 if point else None
        yield Reference(match.start(), match.end(), tuple(Target(article, n, item) for n in numbers[:WIDEST]))
    for match in _EN_ARTICLE.finditer(text):
        if any(a <= match.start() < b for a, b in taken) or _foreign_english(text, match.end(), own):
            continue
        targets = [_en_target(match["first"], match["parts"], match["clause"], match["point"])]
        for more in _EN_MORE.finditer(match["more"]):
            target = _en_target(more["number"], more["parts"], None)
            if more["to"] and targets[-1] and target and target.article[0] - targets[-1].article[0] <= WIDEST:
                targets += [Target((n, 0)) for n in range(targets[-1].article[0] + 1, target.article[0])]
            targets.append(target)
        yield Reference(match.start(), match.end(), tuple(target for target in targets if target))
    for match in _EN_BEFORE.finditer(text):
        count = _COUNT.get(match["count"] or "", 1)
        what = "条" if match["what"][0] in "aAS" or match["what"].startswith("section") else "款"
        yield Reference(match.start(), match.end(), tuple(_before(place, what, count)))


def _means_to(link: str) -> bool:
    return "to" in link or "-" in link or "–" in link


def _en_number(written: str) -> Number | None:
    letter = written[-1] if written[-1].isalpha() else None
    return number_of(written.rstrip("abcdefghijklmnopqrstuvwxyz"), letter)


def _en_target(written: str, parts: str, clause: str | None, point: str | None = None) -> Target | None:
    number = _en_number(written)
    if number is None:
        return None
    inner = re.findall(r"\((\w{1,4})\)", parts or "")
    paragraph = int(clause) if clause else None
    item = None
    for part in inner:  # 5(2)(b); or 5(b)(1), where the letter stands for the whole
        if part.isdecimal() and paragraph is None and item is None:
            paragraph = int(part)
        elif part.isalpha() and len(part) == 1 and item is None:
            item = ord(part.lower()) - 96
    if point and item is None:
        item = ord(point) - 96
    return Target(number, paragraph, item)


def _foreign_english(text: str, end: int, own: set[str]) -> bool:
    """Tell whether an article belongs to another law, which is named behind it."""
    if _EN_LAW.match(text, end):
        return True
    match = _EN_OF.match(text, end)
    if match is None or match[1]:
        return False
    return not any(title and text.startswith(title, match.end()) for title in own)
