"""Names that stand beside a telephone number, a mail address or a card number: 李雷 138..., "Ann Lee <ann@...>"."""

from collections.abc import Iterable, Iterator

from sftmill.steps.ingest.personal.english_names import PERSON, is_english_name, words_of
from sftmill.steps.ingest.personal.finds import HAN, Find
from sftmill.steps.ingest.personal.name_words import SURNAME, is_hidden, stands_alone
from sftmill.text.lazy import lazy_pattern

_NUMBERS = frozenset(("mobile", "phone", "email", "id_card", "bank_card"))
_LABEL = (
    r"(?:的?(?:[联聯][系繫絡络])?(?:[电電] ?[话話]|手[机機]|固[话話]|座[机機]|传真|(?:电子)?[邮郵][箱件]|身[份分][证證]件?|[证證]件|微信|"
    r"(?i:e-?mail|tel|phone|mobile|cell|ph))(?:[号號][码碼]?)?)?[ \t]{0,2}(?:[:=.]|是|[为為])?"
)
_LEFT = lazy_pattern(
    rf"(?:(?<![{HAN}·])|(?<=[人员員者方主师師长長友属屬亲親妻夫是叫找系繫给給]))(?P<name>{SURNAME}[{HAN}]{{1,2}}|{SURNAME}[ ][{HAN}])"
    rf"[ \t]{{0,3}}[,，、:(/]?[ \t]{{0,2}}{_LABEL}[ \t]{{0,2}}\Z"
)
_RIGHT = lazy_pattern(
    rf"[ ]{{0,2}}\([ ]?(?P<inside>{SURNAME}[{HAN}]{{1,2}})[ ]?\)|[ \t,，、/]{{1,3}}(?P<name>{SURNAME}[{HAN}]{{1,2}})(?=[ ]?收|[^{HAN}:]|\Z)"
)
_ENGLISH_LEFT = lazy_pattern(
    rf"(?P<name>{PERSON})[ \t]{{0,2}}[,:(<\[\-]?[ \t]{{0,2}}(?i:tel|phone|mobile|cell|e-?mail|ph)?[:.]?[ ]?\Z"
)


def find_names_beside(text: str, finds: Iterable[Find]) -> Iterator[Find]:
    """Yield the names of persons directly before or behind the numbers and addresses found."""
    for find in finds:
        if find.kind not in _NUMBERS:
            continue
        lead = max(0, find.start - 28)
        before = text[lead : find.start]
        for match in (_LEFT.search(before), _RIGHT.match(text, find.end)):
            if match is None:
                continue
            group = "name" if match["name"] else "inside"
            at = lead if match.string is before else 0
            name = match[group]
            if not is_hidden(name) and stands_alone(name.replace(" ", "")):
                yield Find(at + match.start(group), at + match.end(group), "name")
        if find.kind in ("mobile", "phone", "email"):
            lead = max(0, find.start - 48)
            named = _ENGLISH_LEFT.search(text[lead : find.start])
            if named and is_english_name(words_of(named["name"])):
                yield Find(lead + named.start("name"), lead + named.end("name"), "name")
