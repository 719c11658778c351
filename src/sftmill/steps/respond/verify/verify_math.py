"""Whether an answer comes to the right result: by value in Chinese and English, then as a formula."""

import re
from fractions import Fraction

from sftmill.steps.respond.verify.bounded import HELPER, Unfinished
from sftmill.steps.respond.verify.results import LONGEST, find_result, same_result
from sftmill.steps.respond.verify.verdict import NO_ANSWER, RIGHT, Verdict
from sftmill.text import Number, normalise, numbers
from sftmill.text.lazy import lazy_pattern

SECONDS = 5.0
"""For comparing two formulas; simple ones take a few milliseconds."""
LONGEST_ANSWER = 100_000
"""Characters of an answer that are looked at, at its end."""

_MARKED = lazy_pattern(r"\\boxed|\\fbox|####|答案|(?:^|\s)答[:：]|\banswer\b|结果|故选", re.IGNORECASE)
_FORMULA = lazy_pattern(r"[\\^_{}()\[\]=<>√π∞≤≥≠∪∩|+*/±!]|(?<![A-Za-z'’])[A-Za-z](?![A-Za-z'’])")
_WRAPPING = lazy_pattern(r"\\(?:text|mathrm|mbox|left|right|displaystyle|[,;:! ])|\\?[$]")
_TOWER = lazy_pattern(r"\^\s*\{?[^{}^]{0,12}\^|\^\s*\{?\s*\d{5}|\d{3}\s*!|!\s*!")
"""Powers of powers, of five digits, and factorials of three: their values would fill the memory."""
_EITHER = lazy_pattern(r"\d[^\n\d]{0,12}(?:\bor\b|或者|还是|或)\s{0,3}[^\n\d]{0,12}\Z", re.IGNORECASE)
_COMMAND = lazy_pattern(r"\\[A-Za-z]{1,20}(?:\{[a-z]{1,12}\*?\})?")
_LABEL = lazy_pattern(r"(?:A|Ans)\s?[:：]\s?")
_WORD = lazy_pattern(r"[A-Za-z]{2,}")
_IDEOGRAPH = lazy_pattern("(?![零一二两三四五六七八九十百千万亿点分之])[\u4e00-\u9fff]")
_IN_DOLLARS = lazy_pattern(r"\$([^$\n]{1,300})\$")
_BARE = 60
"""Characters of a text that may be nothing but its result."""
LONGEST_TAIL = 4000
"""Characters at the end of an answer in which a formula is looked for."""
_DECIMALS = lazy_pattern(r"[+-]?\d+\.(\d{3,15})")
_EXACT = lazy_pattern(r"([+-]?)\s?(\d{1,15})(?:\.(\d{1,30}))?(?:\s?/\s?(\d{1,15}))?")
_FRACTION = lazy_pattern(r"\\[dt]?frac\s*\{?\s*(\d{1,15})\s*\}?\s*\{?\s*(\d{1,15})\s*\}?")


def verify_math(gold: str, text: str) -> Verdict:
    """Compare the result that an answer comes to with the right one; the right one comes first, the order matters.

    The answer's result is what its last \\boxed{}, ####, "the answer is" or 答案是 gives, else its last number, unless
    it leaves two to choose from ("42 or 43"). Values agree across 1.5万 and 15000, 五 and 5, 百分之五, 5% and 0.05,
    12 cm and 12; a right result with three decimals or more is taken as rounded (0.333333 and 1/3), the answer is not
    (1/3 and 0.3333). Formulas are compared by math-verify, in a process that is killed after some seconds.
    """
    wanted = _wanted(gold)
    if not wanted:
        return Verdict(None, "there is no right answer to compare with")
    text = text[-LONGEST_ANSWER:]
    found = _found(text)
    if found is None:
        return Verdict(False, NO_ANSWER)
    if _EITHER.search(text[: text.rfind(found)]):
        return Verdict(False, f"two results to choose from, the last {_shown(found)}")
    wrong = Verdict(False, f"{_shown(found)} is not {_shown(wanted)}")
    if same_result(wanted, found) or _rounds_to(found, wanted):
        return RIGHT
    if (_is_value(wanted) and _is_value(found)) or max(len(wanted), len(found)) > LONGEST:
        return wrong
    if not (_FORMULA.search(wanted) or _FORMULA.search(found)):
        return wrong  # words: `same_result` has the last say
    if _TOWER.search(wanted) or _TOWER.search(found):
        return wrong
    try:
        same = HELPER.ask(SECONDS, do="same", gold=wanted, answer=found)
    except Unfinished as error:
        return Verdict(None, f"{_shown(found)} could not be compared with {_shown(wanted)}: {error}")
    return RIGHT if same else wrong


def _wanted(gold: str) -> str:
    """Return the right result itself, out of a worked answer that ends with it."""
    gold = gold.strip()
    if _MARKED.search(gold) or len(gold) > LONGEST or "\n" in gold:
        return find_result(gold) or ""
    return gold


def _found(text: str) -> str | None:
    """Return the result of an answer: the whole of a bare one, or a formula that ends it, or what `find_result` says."""
    text = text.strip()
    if _MARKED.search(text):
        return find_result(text)
    last = find_result(text)
    if len(text) <= _BARE and "\n" not in text:
        plain = _COMMAND.sub(" ", text)
        names, ideographs = len(_WORD.findall(plain)), len(_IDEOGRAPH.findall(plain))
        if (names <= 1 and ideographs <= 2) or (last is None and names <= 3 and ideographs <= 10):
            return _LABEL.sub("", text, count=1) or None
    formulas = list(_IN_DOLLARS.finditer(text[-LONGEST_TAIL:]))
    if formulas and not any(c.isdigit() for c in text[-LONGEST_TAIL:][formulas[-1].end() :]):
        return formulas[-1][1]
    return last


def _is_value(result: str) -> bool:
    """Tell whether a result is one number with its unit and words around it, which values settle."""
    text = normalise(_FRACTION.sub(r"\1/\2", _WRAPPING.sub(" ", result)))
    found = [n for n in numbers(text.replace("\\%", "%").replace("{", "").replace("}", ""), words=True)]
    if len(found) != 1:
        return False
    return not _FORMULA.search(_without(text, found[0]))


def _without(text: str, number: Number) -> str:
    return text[: number.start].rstrip("+-$") + " " + text[number.end :]


def _rounds_to(found: str, wanted: str) -> bool:
    """Tell whether an exact result is the wanted decimal once it is rounded as that is; plain numbers only."""
    plain = normalise(wanted.strip("$ "))
    if not (decimals := _DECIMALS.fullmatch(plain)):
        return False
    value = _exact(found)
    if value is None:
        return False
    places = len(decimals[1])
    given = _EXACT.fullmatch(normalise(found.strip("$ ")))
    if given and given[4] is None and len(given[3] or "") <= places:
        return False  # not more exact than what is wanted
    return abs(value - Fraction(plain)) <= Fraction(1, 2 * 10**places)


def _exact(result: str) -> Fraction | None:
    match = _EXACT.fullmatch(normalise(_FRACTION.sub(r"\1/\2", result).strip("$ ")))
    if not match or (match[4] and not int(match[4])):
        return None
    value = Fraction(f"{match[2]}.{match[3] or 0}") / int(match[4] or 1)
    return -value if match[1] == "-" else value


def _shown(result: str) -> str:
    return repr(result if len(result) <= 60 else result[:57] + "...")
