"""The form in which tags are compared: without case, width, punctuation, script, plural and words that add nothing."""

import re
from functools import lru_cache

from sftmill.text import count_cjk, normalise
from sftmill.text.variants import simplified

LONGEST = 100
"""Characters of a tag that count."""
_MARKS = re.compile(r"[^\w+#%]+|_+")
_BETWEEN = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")
_FILLING_ZH = ("相关的问题", "相关问题", "相关知识", "方面的", "相关的", "相关", "问题", "方面", "类", "的")
"""What may end a Chinese tag without adding to its meaning, the longest first."""
_BEGINNING_EN = ("the ", "a ", "an ")
_FILLING_EN = (" related questions", " related", " questions", " question")
_SAME_IN_PLURAL = frozenset(
    re.findall(
        r"\w+",
        "analysis basis series species news physics mathematics economics ethics politics statistics electronics genetics "
    "logistics mechanics dynamics linguistics graphics diabetes business process address access class bus gas glass "
    "loss less success stress illness wellness fitness harness canvas lens virus bonus status census focus radius "
    "consensus corpus apparatus calculus nexus surplus thesis hypothesis synthesis diagnosis prognosis crisis emphasis "
    "axis tennis sales goods means arts sports kubernetes pandas redis https dns aws sas ios os js css gps sms rss tls"
    )
)  # fmt: skip
"""Words that end in s in the singular, or have no other singular."""


@lru_cache(maxsize=1 << 17)
def tag_key(tag: str) -> str:
    """Return the form in which a tag is compared, the empty string for one that says nothing.

    "Data Analysis", "data-analysis" and "DATA ANALYSIS!" are one; so are 数据分析类 and 數據分析, "stock prices" and
    "Stock price". The marks +, # and % stay, so that C++, C# and C are three.
    """
    plain = simplified(normalise(tag[:LONGEST])).lower()
    text = _BETWEEN.sub("", _MARKS.sub(" ", plain)).strip()
    if count_cjk(text):
        return _without_ending(text, _FILLING_ZH, 2)
    for beginning in _BEGINNING_EN:
        if text.startswith(beginning) and len(text) > len(beginning) + 1:
            text = text[len(beginning) :]
            break
    text = _without_ending(text, _FILLING_EN, 3)
    head, _, last = text.rpartition(" ")
    return f"{head} {singular(last)}".strip()


def singular(word: str) -> str:
    """Return an English noun without the ending of its plural, as far as rules tell."""
    if len(word) <= 3 or not word.endswith("s") or not word.isalpha() or word in _SAME_IN_PLURAL:
        return word
    if word.endswith(("ss", "us", "is", "ics", "ness", "ous")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 and word not in ("series", "movies", "cookies") else word[:-1]
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if word.endswith("yses"):  # analyses
        return word[:-2] + "is"
    return word[:-1]


def _without_ending(text: str, endings: tuple[str, ...], least: int) -> str:
    """Return a text without one of the endings, where enough is left to mean something."""
    for ending in endings:
        if text.endswith(ending) and len(text) - len(ending) >= least:
            return text[: -len(ending)]
    return text
