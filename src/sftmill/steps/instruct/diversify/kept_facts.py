"""Whether a text in other words still says the same: its numbers, names, negations, limits, terms and form."""

import re
from collections.abc import Sequence
from itertools import pairwise

from sftmill.steps.curate.filters.question_entities import foreign_entities
from sftmill.steps.curate.grounding.contradiction import negation_differs, negations, opposite_word
from sftmill.steps.curate.grounding.evidence import prepared
from sftmill.steps.curate.grounding.limits import limit_differs
from sftmill.steps.instruct.required_form import has_form
from sftmill.steps.respond.answer.citation_marks import find_marks, without_marks
from sftmill.steps.respond.answer.fault import Fault
from sftmill.steps.respond.answer.terms import Term, check_terms, terms_in
from sftmill.text import (
    Number,
    detect_lang,
    length,
    named_entities,
    normalise,
    number_key,
    numbers,
    rouge_l,
    same_value,
)
from sftmill.text.lazy import lazy_pattern

_LINK = lazy_pattern(r"(?:https?://|www\.)[^\s，。；）)》”\"']{1,300}|[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}")
_CODE = lazy_pattern(r"```.{0,20000}?```|`[^`\n]{1,200}`", re.DOTALL)
_ITEM = lazy_pattern(r"^\s{0,8}(?:[-*•·]\s|[(（]?[0-9一二三四五六七八九十]{1,3}[.、)）．]|[①-⑳])", re.MULTILINE)
_NOT_MORE = lazy_pattern(r"不(?:能够?|可以?|应当?|要|得|准|宜|许|会|该)(?=[高低多少大小长短]于|超过|超出)")
_MOST = lazy_pattern(r"最[高多长大](?=不|可|能|为|是|达|[^，。；\w]{0,3}\d)|上限[为是](?=[^，。；\w]{0,3}\d)")
_LEAST = lazy_pattern(r"最[低少短小](?=不|可|能|为|是|[^，。；\w]{0,3}\d)|下限[为是](?=[^，。；\w]{0,3}\d)")
FIXED = ("json", "table")
"""Forms of answers that have no wording of their own."""
SHORTEST = {"zh": 8, "en": 4}
"""Characters (zh) or words (en) below which an answer is a value and not a wording."""


def is_fixed(answer: str, lang: str) -> bool:
    """Tell whether an answer can only be said in one way: JSON, a table, code, a number, or a few words."""
    if any(has_form(answer, form, lang) for form in FIXED) or "```" in answer:
        return True
    return length(answer, lang) < SHORTEST.get(lang, 8) or has_form(answer, "number", lang)


def find_wording_fault(
    before: str, after: str, lang: str, others: Sequence[str], nearest: float, farthest: float
) -> Fault | None:
    """Return why a wording is none: another language, or too near to the text or to another wording, or too far.

    Likeness is ROUGE-L of characters (zh) and words (en). Faults: `no_wording`, `other_language`, `too_near`, `too_far`.
    """
    if not normalise(after).strip():
        return Fault("no_wording", {})
    if detect_lang(after) != detect_lang(before):
        return Fault("other_language", {"lang": detect_lang(after)})
    likest = max(rouge_l(other, after) for other in (before, *others))
    if likest >= nearest:
        return Fault("too_near", {"likeness": round(likest, 3)})
    likeness = rouge_l(before, after)
    return Fault("too_far", {"likeness": round(likeness, 3)}) if likeness < farthest else None


def find_fact_fault(before: str, after: str, lang: str, glossary: Sequence[Term] = ()) -> Fault | None:
    """Return the first fact that is not the same before and after, None where nothing speaks against it.

    Numbers, dates and articles count by value and unit, however written. Faults: `number_lost`, `number_added`,
    `numbers_swapped`, `link_changed`, `citation_changed`, `name_lost`, `name_added`, `negation_changed`,
    `limit_changed`, `opposite_word`, `term_lost`, `forbidden_term`, `form_changed`.
    """
    for pattern, reason in ((_LINK, "link_changed"), (_CODE, "code_changed")):
        if sorted(set(pattern.findall(before))) != sorted(set(pattern.findall(after))):
            return Fault(reason, {})
    if _cited(before) != _cited(after):
        return Fault("citation_changed", {})
    if fault := _form_fault(before, after, lang):
        return fault
    # The numbers of a list's items and of citations are none of the text's.
    before, after = (_ITEM.sub("", without_marks(text)) for text in (before, after))
    return (
        _number_fault(before, after)
        or _name_fault(before, after, lang)
        or _sense_fault(before, after)
        or _term_fault(before, after, lang, glossary)
    )


def _name_fault(before: str, after: str, lang: str) -> Fault | None:
    for reason, text, known in (("name_lost", before, after), ("name_added", after, before)):
        plain = normalise(known).casefold()
        named = [text[found.start : found.end] for found in named_entities(text, lang) if found.kind == "NAME"]
        names = [name for name in named if normalise(name).casefold() not in plain]
        if names := names or foreign_entities(text, known, lang):
            return Fault(reason, {"name": names[0]})
    return None


def _numbers(text: str) -> list[Number]:
    found = [number for number in numbers(text, words=True, articles=True) if number.unit != "label"]
    return [number for number in found if not _is_a_word(number, text[number.start : number.end])]


def _is_a_word(number: Number, text: str) -> bool:
    """Tell whether a number is but a word such as 一种 or "one"; 一日 is a number."""
    return (
        number.value == 1 and not text[0].isdecimal() and number.unit in ("", "种", "个", "项", "次", "位", "名", "件")
    )


def _holds(number: Number, others: Sequence[Number]) -> bool:
    """Tell whether a number is among others with its unit; one without a unit will do where no other unit is there."""
    same = [other for other in others if same_value(number, other)]
    if not number.unit or any(other.unit for other in same):
        return bool(same)
    return bool(same) and not any(other.unit and other.value == number.value for other in others)


def _number_fault(before: str, after: str) -> Fault | None:
    ours, theirs = _numbers(before), _numbers(after)
    for reason, text, some, all_of in (("number_lost", before, ours, theirs), ("number_added", after, theirs, ours)):
        for number in some:
            if not _holds(number, all_of):
                return Fault(reason, {"number": text[number.start : number.end]})
    back = {place: i for i, place in enumerate(_order(theirs))}
    for left, right in pairwise(_order(ours)):
        if left[1] == right[1] and left[1] and back.get(left, -1) > back.get(right, len(back)):
            return Fault("numbers_swapped", {"number": left[0]})
    return None


def _order(found: Sequence[Number]) -> list[tuple[str, str]]:
    """Return the values of a text in the order in which each comes first."""
    return list(dict.fromkeys(number_key(number) for number in found))


def _cited(text: str) -> set[int]:
    return {number for mark in find_marks(text) for number in mark.numbers}


def _sense_fault(before: str, after: str) -> Fault | None:
    if (negations(before) > 0) != (negations(after) > 0) or negation_differs(after, before, ""):
        return Fault("negation_changed", {})
    ours, theirs = _plain_limits(before), _plain_limits(after)
    if limit := limit_differs(theirs, ours, prepared(ours), ""):
        return Fault("limit_changed", {"limit": limit})
    if word := opposite_word(after, before):
        return Fault("opposite_word", {"word": word})
    return None


def _plain_limits(text: str) -> str:
    """Return a text whose limits are said in few words: 不能低于 -> 不低于, 最高 35 度 -> 最多 35 度."""
    return _LEAST.sub("最少", _MOST.sub("最多", _NOT_MORE.sub("不", text)))


def _term_fault(before: str, after: str, lang: str, glossary: Sequence[Term]) -> Fault | None:
    if not glossary:
        return None
    kept = terms_in(glossary, after)
    for term in terms_in(glossary, before):
        if term not in kept:
            return Fault("term_lost", {"term": term.called(lang)})
    return next(iter(check_terms(after, glossary, lang)), None)


def _form_fault(before: str, after: str, lang: str) -> Fault | None:
    for form in ("json", "table", "list"):
        if has_form(before, form, lang) != has_form(after, form, lang):
            return Fault("form_changed", {"form": form})
    items = [len(_ITEM.findall(text)) for text in (before, after)]
    if has_form(before, "list", lang) and items[0] != items[1]:
        return Fault("form_changed", {"form": f"a list of {items[0]} became one of {items[1]}"})
    return None
