"""Numbers that a source does not have, and negations turned round."""

import re
from collections.abc import Collection
from difflib import SequenceMatcher
from functools import lru_cache

from sftmill.text import Number, chinese_value, is_cjk, normalise, numbers, same_value, sentences, tokens
from sftmill.text.lazy import lazy_pattern
from sftmill.text.variants import simplified

_CLAUSE = lazy_pattern(r"[，；。！？\n]+|[,;!?：:](?!\d)")
_COUNTED = lazy_pattern(
    r"\s*(?:个|種|种|项|項|条|條|点|點|类|類|步|方面|阶段|部分|例|款|ways?|steps?|types?|kinds?|items?|parts?|reasons?)"
)

_ZH_NEGATION = lazy_pattern(
    r"不得|禁止|严禁|嚴禁|禁用|禁忌|忌|勿|除外|除非|不|无|無|未|没|沒|非(?!常|洲|凡|典)|(?<![是能可会与])否(?!则)"
)
_ZH_HARMLESS = lazy_pattern(
    r"毫无疑问|毫無疑問|无疑|無疑|没错|沒錯|不错|不錯|不难|不難|有无|有無|不仅|不僅|不但|不只|不光|不断|不斷|不同|不过|不過|不管|不论|不論|无论|無論|不锈钢|不久|不少|不等式|不动产|不動產|无线|無線|无机|無機|无数|無數|未来|未來|不禁|差不多|是不是|能不能|"
    r"有没有|是否|不可避免|不得不|不可缺少|不可或缺|必不可少|无限|未必不|非不|不是不|无关|不一|不乏|没收|沒收|除了|不知不觉|除外责任"
)
_EN_NEGATION = lazy_pattern(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|except|unless|nobody|nothing|forbidden|prohibited|forbids?|"
    r"prohibits?)\b|n't\b",
    re.IGNORECASE,
)
_EN_HARMLESS = lazy_pattern(r"\bnot only\b|\bno doubt\b|\bno\. ?(?=\d)|\bnot just\b|\bnot until\b", re.IGNORECASE)
_LIMITING = lazy_pattern(
    r"[只仅僅]|限|以外|之外|少于|低于|小于|暂停|停止|拒绝|避免|取消|\b(?:only|avoid|stop|refuse|instead|rather|less|fail)",
    re.I,
)
_YES_NO = (
    "是的?|不是|不|对|不对|否|能|不能|可以|不可以|不可|会|不会|应该?|不应该?|需要|不需要|必须|不必|有|没有|"
    "yes|no|it (?:is|is not)"
)
_VERDICT = lazy_pattern(rf"^(?:{_YES_NO})\s*[，,。.；;！!]\s*", re.IGNORECASE)
"""The yes or no at the head of an answer, which has no counterpart in its evidence."""
_BARE_VERDICT = lazy_pattern(rf"^(?:{_YES_NO})\s*[。.！!]?$", re.IGNORECASE)


def is_verdict(answer: str) -> bool:
    """Tell whether an answer is a mere yes or no."""
    return bool(_BARE_VERDICT.match(answer.strip()))


def negations(text: str) -> int:
    """Count the words of a text that negate, forbid or except."""
    text = normalise(text)
    chinese = _ZH_HARMLESS.sub("＿", text)
    english = _EN_HARMLESS.sub("_", text)
    return sum(1 for _ in _ZH_NEGATION.finditer(chinese)) + sum(1 for _ in _EN_NEGATION.finditer(english))


def clauses(text: str) -> list[str]:
    """Cut a text at commas, semicolons and stops."""
    return [piece.strip() for piece in _CLAUSE.split(text) if piece.strip()]


def foreign_numbers(
    answer: str, passage: str, allowed: str = "", have: list[Number] | None = None, derived: Collection[int] = ()
) -> list[str]:
    """Return the numbers of an answer, as written, that are no value in the passage or in `allowed`.

    A number also counts as foreign when the passage has it elsewhere, but holds the answer's
    clause word for word with another number. A count such as 三种 is granted to a list of three.
    `have` are the passage's numbers where they are known already; `derived` says at which offsets
    numbers stand that the answer has worked out.
    """
    text, plain = simplified(answer), simplified(passage)
    there = numbers(plain, words=True, articles=True) if have is None else have
    granted = numbers(simplified(allowed), words=True, articles=True)
    wrong: list[Number] = []
    for number in _claimed(text):
        if number.unit == "label" or number.start in derived:
            continue
        if any(same_value(number, n) and not _counts_else(number, n, plain) for n in there):
            continue
        if any(same_value(number, other) for other in granted):
            continue
        if _is_share(number, there, asked_share=_SHARE_ASKED.search(allowed), headed=_SHARE_HEAD.search(plain)):
            continue
        if number.value <= 2 and text[number.start].isascii() and text[number.start].isalpha():
            continue  # one and two are also "a" and "both"
        if not number.unit and len(text[number.start : number.end]) == 1 and text[number.start] in plain:
            continue  # a numeral before a measure word that nobody listed
        if not _counts_a_list(number, text, plain):
            wrong.append(number)
    if wrong and (mended := repaired(plain)) != plain:
        read = numbers(mended, words=True, articles=True)
        wrong = [number for number in wrong if not any(same_value(number, other) for other in read)]
    found = [answer[n.start : n.end] for n in wrong]
    return found or _moved_numbers(text, plain, derived)


_SHARE_ASKED = lazy_pattern(r"百分|比例|比率|率|%|percent|share|proportion|rate", re.IGNORECASE)
_SHARE_HEAD = lazy_pattern(r"[(（]\s*[%％]\s*[)）]|单位\s*[:：]\s*[%％]")


def _is_share(number: Number, there: list[Number], asked_share: object, headed: object) -> bool:
    """Tell whether a % is missing because the question ("what percentage?") or a table's head has it."""
    alike = [n for n in there if n.value == number.value]
    return bool(
        (asked_share and not number.unit and any(n.unit == "%" for n in alike))
        or (headed and number.unit == "%" and any(not n.unit for n in alike))
    )


_PLURAL = lazy_pattern(r" [a-z]{2,}(?<![suy])s\b")


def _counts_else(claimed: Number, other: Number, passage: str) -> bool:
    """Tell whether a number of the passage without a known unit counts things: "five yards" is not five years."""
    return bool(claimed.unit and not other.unit and _PLURAL.match(passage, other.end))


def _claimed(text: str) -> list[Number]:
    body = text.rstrip("。. ")  # "17." is no number of a list
    if found := numbers(body, words=True):
        return found
    value = chinese_value(body.strip()) if 0 < len(body.strip()) <= 12 else None
    return [] if value is None else [Number(len(body) - len(body.lstrip()), len(body), value)]


_MISREAD = lazy_pattern(r"(?<![A-Za-z0-9|])[\dlIoO|]{0,20}\d[\dlIoO|]{0,20}(?![A-Za-z])")
_DIGIT_OF = str.maketrans("lI|oO", "11100")


def repaired(passage: str) -> str:
    """Return a passage in which letters between digits are the digits that OCR took for them: l5O -> 150."""
    return _MISREAD.sub(lambda match: match[0].translate(_DIGIT_OF), passage)


def _counts_a_list(number: Number, answer: str, passage: str) -> bool:
    if number.value != number.value.to_integral_value() or not 2 <= number.value <= 12:
        return False
    counted = _COUNTED.match(answer[number.end :]) or number.unit in ("个", "种", "项", "条", "类", "点", "步")
    if not counted:
        return False
    sizes = {len(numbers_of) for text in (answer, passage) for numbers_of in (_labels(text),)}
    for start, end in sentences(passage):
        for clause in re.split(r"[，,：:；;]", passage[start:end]):
            sizes.add(len(re.findall("、", clause)) + 1)
            sizes.add(len(re.findall(r"、|[和与及或以]及?", clause)) + 1)
        sizes.add(len(re.findall(r",| and ", passage[start:end])) + 1)
    return int(number.value) in sizes


def _labels(text: str) -> list[str]:
    return re.findall(r"(?:^|[\s：:;；。，,])[（(]?[\d一二三四五六七八九十]{1,2}[）).、]", text)


_DIGIT = lazy_pattern(r"[\d〇零一二三四五六七八九十百千万亿两半]")
_PLACEHOLDER = "№"


def _masked(text: str) -> tuple[str, list[Number]]:
    """Return the letters of a text with a sign in place of every number, and the numbers."""
    found = numbers(text)
    out: list[str] = []
    end = 0
    for number in found:
        if number.start < end:  # the parts of a date share its span
            continue
        out += [*"".join(tokens(text[end : number.start])), _PLACEHOLDER]
        end = number.end
    out += "".join(tokens(text[end:]))
    return "".join(out), found


def _moved_numbers(answer: str, passage: str, derived: Collection[int] = ()) -> list[str]:
    """Return numbers of a clause that the passage holds word for word, but only with other numbers."""
    if derived or not _DIGIT.search(answer):
        return []
    source, _ = _masked(passage)
    pieces = clauses(passage)
    for clause in [answer, *clauses(answer)]:
        text, mine = _masked(clause)
        if not mine or len(text.replace(_PLACEHOLDER, "")) < 8 or text not in source:
            continue
        twins = [
            theirs
            for masked, theirs in map(_masked, [passage[a:b] for a, b in sentences(passage)] + pieces)
            if text in masked
        ]
        if twins and not any(all(any(same_value(n, o) for o in theirs) for n in mine) for theirs in twins):
            return [clause[n.start : n.end] for n in mine]
    return []


_ALIGNED = 600
"""Tokens of an answer and of its evidence that are laid side by side."""
_POLES = (
    "增加 增长 上升 提高 上涨 升高 increase increased increases rise rose rising grew higher more above"
    "|减少 减少 下降 降低 下跌 降低 decrease decreased decreases fall fell falling shrank lower less below",
    "最大 最高 最多 最长 最早 largest highest most longest earliest biggest best maximum"
    "|最小 最低 最少 最短 最晚 smallest lowest least shortest latest smallest worst minimum",
    "前 之前 以前 before earlier first|后 之后 以后 after later last",
    "东 east eastern|西 west western",
    "南 south southern|北 north northern",
    "左 left|右 right",
    "内 inside|外 outside",
    "允许 allow allowed permitted|禁止 forbid forbidden prohibited",
    "all always every|none never no",
    "胜 赢 win won|败 输 lose lost",
    "买 购买 buy bought|卖 出售 sell sold",
)
_POLE: dict[str, tuple[int, int]] = {
    word: (pair, side)
    for pair, poles in enumerate(_POLES)
    for side, words in enumerate(poles.split("|"))
    for word in str.split(words)
}


Operations = list[tuple[str, int, int, int, int]]


@lru_cache(maxsize=8)
def aligned(answer: str, evidence: str) -> tuple[list[str], list[str], Operations]:
    """Return the tokens of both and the operations that make the answer (c to d) of the evidence (a to b)."""
    ours = tokens(simplified(_VERDICT.sub("", answer)))[:_ALIGNED]
    theirs = tokens(simplified(evidence))[:_ALIGNED]
    return ours, theirs, SequenceMatcher(a=theirs, b=ours, autojunk=False).get_opcodes()


_POINTING = frozenset("该这其此他她它那本") | frozenset(
    str.split("it its he she they this that these those the his her their one ones such same")
)


def other_subject(answer: str, evidence: str, asked: str, source: Collection[str]) -> str:
    """Return with what an answer begins in the place of something that question and evidence both name, "" if nothing.

    `source` are all tokens of the passage: what it has somewhere may be another word for the same.
    Pronouns stand for anything.
    """
    ours, theirs, operations = aligned(answer, evidence)
    named = tokens(simplified(asked))
    for number, (name, a, b, c, d) in enumerate(operations):
        if c > 1:
            break
        if name != "replace" or b - a > 8 or d - c > 8 or _run(operations, number + 1) < 4:
            continue
        old, new = [word for word in theirs[a:b] if word not in _POINTING], ours[c:d]
        foreign = [word for word in new if word not in source and word not in named]
        if not _holds(named, old) or _POINTING.intersection(new) or 2 * len(foreign) < len(new):
            continue
        if all(is_cjk(word[0]) for word in foreign) and len(foreign) < 2:
            continue  # one character more or less is another word for the same
        return _join(new).strip()
    return ""


def _holds(words: list[str], piece: list[str]) -> bool:
    """Tell whether the words have a piece, of two Chinese characters or one longer word at least, in a row."""
    if not piece or (len(piece) == 1 and (is_cjk(piece[0]) or len(piece[0]) < 4)):
        return False
    size = len(piece)
    return any(words[i : i + size] == piece for i in range(len(words) - size + 1))


def replaced_words(answer: str, evidence: str) -> list[str]:
    """Return the words that an answer has in the place of others of the evidence, between words of both."""
    ours, _, operations = aligned(answer, evidence)
    found: list[str] = []
    for number, (name, a, b, c, d) in enumerate(operations):
        if name != "replace" or b - a > 12 or d - c > 12:
            continue
        left, right = _run(operations, number - 1), _run(operations, number + 1)
        if (left >= 2 and right >= 2) or (right >= 4 and c == 0) or (left >= 4 and d == len(ours)):
            found += ours[max(0, c - 1) : d + 1]
    return found


def opposite_word(answer: str, evidence: str) -> str:
    """Return a word of the answer whose opposite stands in its place in the evidence, "" if there is none.

    Only where the answer runs along the evidence word for word on both sides of it.
    """
    ours, theirs, operations = aligned(answer, evidence)
    if len(ours) < 6:
        return ""
    for number, (name, a, b, c, d) in enumerate(operations):
        if name != "replace" or b - a > 4 or d - c > 4:
            continue
        if min(_run(operations, number - 1), _run(operations, number + 1)) < 2:
            continue
        for before in (1, 0):  # 上升 and 上涨 share a character
            for after in (1, 0):
                pole = _POLE.get("".join(ours[max(0, c - before) : d + after]))
                other = _POLE.get("".join(theirs[max(0, a - before) : b + after]))
                if pole and other and pole[0] == other[0] and pole[1] != other[1]:
                    return "".join(ours[c:d])
    return ""


def negation_differs(answer: str, evidence: str, question: str) -> bool:
    """Tell whether an answer denies what its evidence affirms, or the other way round.

    Looks where the answer runs along the evidence word for word and only one of the two has a
    negation in between; and at clauses that negate although nothing in evidence or question does.
    """
    if is_verdict(answer) and not negations(question) and not _LIMITING.search(evidence):
        return (negations(answer) > 0) != (negations(evidence) > 0)
    if not negations(evidence) and not negations(question) and not _LIMITING.search(evidence):
        return negations(answer) > 0
    ours, theirs, operations = aligned(answer, evidence)
    for number, (name, a, b, c, d) in enumerate(operations):
        if name == "equal" or max(b - a, d - c) > 6:
            continue
        left = _run(operations, number - 1)
        right = _run(operations, number + 1)
        if right < 2 or (left < 2 and not (left == 0 and number == 0 and right >= 4)):
            continue
        # With one token on either side, 不 of 不但 is read in its word.
        source = negations(_join(theirs[max(0, a - 1) : b + 1]))
        claim = negations(_join(ours[max(0, c - 1) : d + 1]))
        if (source > 0) != (claim > 0):
            return True
    return False


def _run(operations: Operations, number: int) -> int:
    if not 0 <= number < len(operations) or operations[number][0] != "equal":
        return 0
    return operations[number][2] - operations[number][1]


def _join(words: list[str]) -> str:
    return "".join(w if is_cjk(w[0]) else f" {w} " for w in words)
