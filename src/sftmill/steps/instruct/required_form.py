"""The form that a task demands of its answer: whether the task says so, and whether an answer has it."""

import json
import re
from itertools import pairwise
from typing import Literal

from sftmill.text import length, numbers
from sftmill.text.lazy import lazy_pattern

Form = Literal["text", "list", "table", "json", "number", "label"]

_SAID: dict[str, re.Pattern[str]] = {
    "json": lazy_pattern(r"json", re.I),
    "table": lazy_pattern(r"表格|列表格|制表|\btables?\b", re.I),
    "list": lazy_pattern(r"列表|清单|分条|逐条|每行一[项条个]|条目|要点|\b(?:bullet(?:ed)?|numbered)?\s?lists?\b|one (?:item )?(?:a|per) line", re.I),
    "number": lazy_pattern(r"(?:只|仅|直接)[^，。]{0,6}(?:数字|数值|结果)|一个数[字值]?|\ba (?:single )?number\b|number only|numeric", re.I),
    "label": lazy_pattern(r"(?:只|仅|直接)[^，。]{0,8}(?:类别|标签|名称|选项|是或否)|类别的?名称|哪一?类|\b(?:class|label|category)\b.{0,20}\bonly\b|one of the (?:classes|labels|categories)", re.I),
}  # fmt: skip
_LIST_MARK = lazy_pattern(r"\s{0,8}(?:[-*•·]\s|[(（]?[0-9一二三四五六七八九十]{1,3}[.、)）．]|[①-⑳])")
_RULE = lazy_pattern(r"\|?\s{0,4}:?-{2,}:?\s{0,4}(?:\|\s{0,4}:?-{2,}:?\s{0,4})*\|?\s*\Z")
_FENCE = lazy_pattern(r"\A```\w{0,12}\n(?P<inside>.*)\n```\Z", re.S)
_LONGEST_LABEL = {"zh": 16, "en": 6}
_LONGEST_NUMBER = {"zh": 16, "en": 6}


def says_form(instruction: str, form: str) -> bool:
    """Tell whether an instruction says that its answer is to have a form; running text needs no saying."""
    return form == "text" or _SAID[form].search(instruction) is not None


def has_form(answer: str, form: str, lang: str) -> bool:
    """Tell whether an answer has the form.

    json: an object or a list, alone or in a code fence; table: Markdown with a head and a row; list: two lines or more that
    begin with a mark; number: one number with its unit and little else; label: a line of at most 16 characters
    (zh) or 6 words (en); text: none of table and JSON.
    """
    text = answer.strip()
    if fenced := _FENCE.match(text):
        text = fenced["inside"].strip()
    if form == "json":
        return _is_json(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    table = len(lines) > 2 and any("|" in a and _RULE.match(b) for a, b in pairwise(lines[:-1]))
    if form == "table":
        return table
    if form == "list":
        return not table and sum(_LIST_MARK.match(line) is not None for line in lines) >= 2
    if form == "number":
        return len(lines) == 1 and len(numbers(text)) == 1 and length(text, lang) <= _LONGEST_NUMBER[lang]
    if form == "label":
        return len(lines) == 1 and 0 < length(text, lang) <= _LONGEST_LABEL[lang] and text[-1] not in "？?：:"
    return bool(lines) and not table and not _is_json(text)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def with_wish(instruction: str, wish: str, lang: str) -> str:
    """Return an instruction with the sentence that says the form of its answer."""
    stop = "" if instruction[-1] in "。.!！?？;；" else "。" if lang == "zh" else "."
    return f"{instruction}{stop}{'' if lang == 'zh' else ' '}{wish}"
