"""Reads a verdict between two answers: [[A]], [[A>>B]], 结论：**B**, "Final verdict: tie"."""

import re
import unicodedata
from typing import Literal, get_args

Verdict = Literal["A>>B", "A>B", "A=B", "B>A", "B>>A"]
"""What a judge can say of the answers in seats A and B: much better, better, or no difference."""

SHARES: dict[Verdict, float] = {"A>>B": 1.0, "A>B": 1.0, "A=B": 0.5, "B>A": 0.0, "B>>A": 0.0}
"""Share of the win that seat A gets."""

LONGEST = 20_000
"""Characters at the end of a text that are looked at."""
_TIE_WORDS = r"平局|平手|打平|相当|两者相当|不分上下|难分高下|一样好|同样好|tie|draw|equal|equally good|neither|both|no difference"
_SEAT = (
    r"(?:(?:回答|答案|助手|选项|answer|assistant|response|option|model|seat)\s{0,2})?(?P<seat>(?-i:[AB]))(?![A-Za-z])"
)
_ORDER = r"(?P<first>(?-i:[AB]))\s{0,2}(?P<sign>>>|>|=|<<|<)\s{0,2}(?P<second>(?-i:[AB]))(?![A-Za-z])"
_BETTER = r"(?:\s{0,2}(?:更好|较好|更佳|胜出|胜|优|is better|wins|is the winner))?(?!\s?(?!因)[\u4e00-\u9fff])"
_BODY = rf"(?:{_ORDER}|{_SEAT}{_BETTER}|(?P<tie>{_TIE_WORDS}|(?-i:C)(?![A-Za-z])))"
_WRAP = r"[\s*_`\"'“”‘’「」()\[\]{}【】]{0,6}"
_BRACKETED = re.compile(rf"[\[【]\s{{0,2}}[\[【]\s{{0,2}}{_BODY}\s{{0,2}}[\]】]\s{{0,2}}[\]】]", re.IGNORECASE)
_LABELLED = re.compile(
    r"(?:(?:结论|判断|判定|裁决|裁定|评判|评判结果|结果|选择|胜者|获胜者|胜出者|更好的(?:回答|答案)?)"
    rf"{_WRAP}(?:[:：]|是|为)"
    r"|\b(?:verdict|judge?ment|decision|choice|winner|conclusion|better (?:answer|response|one))"
    rf"{_WRAP}(?::|is\b)){_WRAP}{_BODY}",
    re.IGNORECASE,
)
_WHOLE = re.compile(rf"{_WRAP}{_BODY}{_WRAP}[.。!！]?", re.IGNORECASE)


def parse_verdict(text: str) -> Verdict | None:
    """Return the verdict that a text ends on, None where it states none.

    A verdict in double brackets counts before one behind a label (结论：, "winner:"), that before a text which is
    nothing else; of several the last one counts. Opinions in running prose are not guessed at.
    """
    text = unicodedata.normalize("NFKC", text[-LONGEST:]).replace("≫", ">>").replace("≪", "<<")
    for pattern in (_BRACKETED, _LABELLED):
        last = None
        for match in pattern.finditer(text):
            last = match
        if last is not None:
            return _verdict(last)
    whole = _WHOLE.fullmatch(text.strip())
    return _verdict(whole) if whole else None


def read_verdict(value: object) -> object:
    """Return the verdict that a field of a judge's JSON holds, or the value as it is, for the form to refuse."""
    if isinstance(value, str) and value not in get_args(Verdict):
        return parse_verdict(value) or value
    return value


def _verdict(match: re.Match[str]) -> Verdict | None:
    groups = {name: value for name, value in match.groupdict().items() if value}
    if "tie" in groups:
        return "A=B"
    if "seat" in groups:
        return "A>B" if groups["seat"] == "A" else "B>A"
    first, sign, second = groups["first"], groups["sign"], groups["second"]
    if first == second:
        return None
    if sign == "=":
        return "A=B"
    winner = first if ">" in sign else second
    loser = "B" if winner == "A" else "A"
    return f"{winner}{'>' * len(sign)}{loser}"
