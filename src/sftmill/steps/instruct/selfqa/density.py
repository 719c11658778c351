"""How much a passage states, and so how many questions it is worth.

Counted in facts: what one good question can ask for. A plain sentence counts half of one, a sentence
with a number, a name, a definition, an enumeration, a reason, a condition or an exception one, and one
with three of these one and a half. A row of a table counts half, a line that is no sentence (an
address, a name in a list) a quarter, headings, tables of contents and links nothing.
Deterministic, no model, linear in the length of the passage.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from sftmill.text import Number, detect_lang, length, numbers, sentences
from sftmill.text.lazy import lazy_pattern

SIGNALS: dict[str, dict[str, re.Pattern[str]]] = {
    "zh": {
        "why": lazy_pattern(
            r"因为|因為|由于|由於|所以|因此|因而|以免|以防|避免|为了|為了|原因|导致|導致|造成|使得|从而|從而"
        ),
        "how": lazy_pattern(
            r"步骤|步驟|方法|流程|首先|其次|然后|然後|最后|最後|依次|先[^。；]{1,30}再|通过|通過|使用|采用|操作|"
            r"[按依]照[^，。；]{1,20}(?:进行|進行|办理|处理)|方可"
        ),
        "list": lazy_pattern(
            r"包括|包含|分为|分為|由[^，。；]{1,20}(?:组成|構成|构成)|下列|如下|以下|[一二两三四五六七八九十\d]+[种類类项個个]"
            r"|、[^，。；、]{1,30}(?:、|和|与|及|或|以及)"
        ),
        "condition": lazy_pattern(
            r"如果|假如|若(?!干)|倘若|一旦|只要|只有|当[^，。；]{1,30}[时時]|當[^，。；]{1,30}時|情形|情况下|情況下|"
            r"(?:的|时|時|者)，[^。；]{0,30}(?:应当?|應當?|须|須|可以|不得|必须)|符合[^，。；]{1,20}条件|超过|超過|高于|低于|不足"
        ),
        "exception": lazy_pattern(
            r"除外|除非|除了|除[^，。；]{1,30}(?:外|以外|之外)[，。]|不适用|不適用|不受[^，。；]{1,20}限制|例外|但(?:是|书)?[^，。；]{0,20}"
            r"(?:不|除|可以|另有|仍)|另有(?:规定|規定|约定|約定)|特殊情况"
        ),
        "compare": lazy_pattern(
            r"相比|比较|相對|相对于|区别|不同|分别|分別|而[^，。；]{0,20}则|优于|劣于|更[高低大小长短快慢多少]|高于|低于|前者|后者"
        ),
        "definition": lazy_pattern(
            r"是指|指的是|称为|稱為|叫做|定义为|定義為|即[^，。；]{2,20}|系指|所谓|，简称|俗称|又称|（[A-Za-z]"
        ),
    },
    "en": {
        "why": lazy_pattern(
            r"\b(?:because|therefore|thus|hence|since|so that|due to|owing to|as a result|causes?|caused|leads? to|"
            r"in order to|to (?:avoid|prevent|ensure)|otherwise|reasons?)\b",
            re.I,
        ),
        "how": lazy_pattern(
            r"\b(?:steps?|procedures?|methods?|first(?:ly)?,|then|next,|finally|afterwards|by (?:means of|\w+ing)|using|"
            r"before \w+ing|after \w+ing)\b",
            re.I,
        ),
        "list": lazy_pattern(
            r"\b(?:includ(?:es?|ing)|consists? of|comprises?|following|such as|kinds of|types of|"
            r"(?:two|three|four|five|six|seven|eight) \w+)\b|,[^,.;]{1,60}, (?:and|or)\b",
            re.I,
        ),
        "condition": lazy_pattern(
            r"\b(?:if|whenever|provided that|in case|as long as|unless|until|more than|less than|at least|at most|exceeds?)\b"
            r"|^when\b|\b(?:above|below) \d",
            re.I,
        ),
        "exception": lazy_pattern(
            r"\b(?:except(?:ions?|ing)?|unless|other than|apart from|does not apply|do not apply|not apply|excluding|"
            r"excluded|exempt(?:ed|ion)?|however|notwithstanding|but not)\b",
            re.I,
        ),
        "compare": lazy_pattern(
            r"\b(?:than|whereas|while|compared|in contrast|unlike|differs?|difference|both|respectively|the former|the latter)\b",
            re.I,
        ),
        "definition": lazy_pattern(
            r"\b(?:is|are) (?:called|known as|defined as)\b|\bis an? [^,.;]{1,60}\b(?:that|which|for|of)\b"
            r"|\b(?:means|refers? to|stands for|denotes)\b|\([A-Z]{2,}",
        ),
    },
}
"""Words that show which kinds of questions a sentence can answer."""

WEIGHTY = frozenset(("definition", "list", "why", "condition", "exception"))
"""Signals that make a sentence count as a fact of its own, beside numbers and names."""

_CONTENTS_LINE = lazy_pattern(r"(?:[.．·…。_\-\s]{4,}|\t\s*)\d{1,4}\s*$")
_CONTENTS_TITLE = lazy_pattern(r"\s*(?:目\s*录|目\s*錄|contents|table of contents)\s*$", re.I)
_TAIL = 80
_NUMBERED_TITLE = lazy_pattern(
    r"^\s*(?:第\s?[〇零一二三四五六七八九十百\d]{1,6}\s?[章节節编編篇部分卷]|\d{1,2}(?:\.\d{1,2}){0,3}\s|[一二三四五六七八九十]{1,3}、|"
    r"(?:chapter|section|part|appendix)\s+[\dA-ZIVX]+|附录|附錄)",
    re.I,
)
_LINK = lazy_pattern(r"(?:https?|ftp)://\S{1,500}|\]\([^)\s]{1,500}\)")
_ENDS_SENTENCE = lazy_pattern(r"[。！？；.!?;：:][”’\"'」』）)】\]]*\s*$")
_ITEM = lazy_pattern(r"^\s*(?:[-*+•·]|\d{1,2}[.)、．]|[（(][\d一二三四五六七八九十]{1,3}[)）])\s*")
_FENCE = lazy_pattern(r"^\s*(?:```|~~~)")
_NAME = {
    "zh": lazy_pattern(r"《[^》]{1,60}》|“[^”]{1,30}”|[A-Za-z][A-Za-z0-9.+\-]+"),
    "en": lazy_pattern(r"(?<=[a-z,;:] )[A-Z][A-Za-z]+|\b[A-Z]{2,}\b|\b[A-Za-z]+-?\d+\w*"),
}

_SHORT_SENTENCE = {"zh": 8, "en": 4}
"""Length below which a sentence is a heading or a crumb."""
_RECORD = 0.25
"""Facts in a line that is no sentence: an address, a cell, a name in a list."""
_NO_MEASURE = ("", "year", "month", "day", "hour", "minute", "second", "号")


class Density(NamedTuple):
    """What a passage states: facts, and how many of its sentences show each kind of signal."""

    facts: float
    signals: dict[str, int]


@lru_cache(maxsize=64)
def measure_density(passage: str) -> Density:
    """Return how many facts a passage states and which signals its sentences show; each sentence in its language."""
    facts = 0.0
    signals: Counter[str] = Counter()
    measures: Counter[str] = Counter()
    lines = [line for line in passage.splitlines() if line.strip()]
    contents = 2 * sum(map(_is_contents_line, lines)) > len(lines)
    titles = len(lines) > 2 and 2 * sum(map(_is_title, lines)) > len(lines)
    in_table = in_code = False
    code = 0.0
    for line in lines:
        if _FENCE.match(line):
            in_code = not in_code
        elif in_code:
            code += _RECORD * _says_something(line)
        elif line.count("|") >= 2 and not _ENDS_SENTENCE.search(line):
            # the first row of a table is its header
            facts += _table_row(line, signals, measures) if in_table else 0.0
            in_table = True
            continue
        elif not (contents or _is_contents_line(line) or (titles and _is_title(line))):
            text = _LINK.sub(" ", line)
            facts += sum(_sentence(text[start:end], signals, measures) for start, end in sentences(text))
        in_table = False
    if max(measures.values(), default=0) >= 2:
        signals["compute"] = max(measures.values())
        signals["compare"] += 1
    return Density(facts + min(code, 1.0), dict(signals))


def questions_wanted(facts: float, least: int, most: int) -> int:
    """Return how many questions a passage with so many facts is worth: one a fact; 0 below half a fact."""
    return 0 if facts < 0.5 else max(least, min(most, int(facts + 0.5)))


def _is_contents_line(line: str) -> bool:
    # the end of the line tells, and a line of a million dots must cost no more than another
    return bool(_CONTENTS_LINE.search(line[-_TAIL:])) or (len(line) < _TAIL and bool(_CONTENTS_TITLE.match(line)))


def _is_title(line: str) -> bool:
    """Tell whether a line only names what comes: short, numbered like a heading, no sentence."""
    return len(line) <= 60 and bool(_NUMBERED_TITLE.match(line)) and not _ENDS_SENTENCE.search(line)


def _says_something(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= 2


def _table_row(line: str, signals: Counter[str], measures: Counter[str]) -> float:
    cells = [cell for cell in line.strip().strip("|").split("|") if cell.strip()]
    if len(cells) < 2 or not _says_something(line):
        return 0.0
    _count_measures(numbers(line), measures)
    signals["compare"] += 1
    return 0.5


def _sentence(text: str, signals: Counter[str], measures: Counter[str]) -> float:
    """Return the facts in one sentence, and note its signals."""
    body = _ITEM.sub("", text)
    if not _says_something(body):
        return 0.0
    lang = detect_lang(body)
    size, short = length(body, lang), _SHORT_SENTENCE[lang]
    ended, item, valued = bool(_ENDS_SENTENCE.search(body)), body != text, numbers(body)
    if not ended and not item and not valued and (_is_title(text) or size < 2 * short):
        return 0.0
    if not ended and size < (short if item else 3 * short):
        return _RECORD
    if size < short and not valued:
        return _RECORD
    if body.rstrip().endswith(("：", ":", "？", "?")) and not valued:
        return _RECORD  # what leads in to a list is asked together with the list
    found = [kind for kind, pattern in SIGNALS[lang].items() if pattern.search(body)]
    signals.update(found)
    kinds = len(WEIGHTY.intersection(found)) + bool(_count_measures(valued, measures))
    kinds += bool(_NAME[lang].search(body))
    return 0.5 if not kinds else 1.0 if kinds < 3 else 1.5


def _count_measures(found: list[Number], measures: Counter[str]) -> int:
    """Count the numbers that mean something, and note the units of measures."""
    values = [n for n in found if n.unit not in ("label", "version") and not n.unit.startswith("第")]
    measures.update(n.unit for n in values if n.unit not in _NO_MEASURE)
    return len(values)
