"""Numbers that a source does not have, and negations turned round."""

import re
from difflib import SequenceMatcher

from sftmill.text import Number, is_cjk, normalise, numbers, same_value, sentences, tokens

_CLAUSE = re.compile(r"[，；。！？\n]+|[,;!?：:](?!\d)")
_COUNTED = re.compile(
    r"\s*(?:个|種|种|项|項|条|條|点|點|类|類|步|方面|阶段|部分|例|款|ways?|steps?|types?|kinds?|items?|parts?|reasons?)"
)

_ZH_NEGATION = re.compile(
    r"不得|禁止|严禁|嚴禁|禁用|禁忌|忌|勿|除外|除非|不|无|無|未|没|沒|非(?!常|洲|凡|典)|(?<![是能可会与])否(?!则)"
)
_ZH_HARMLESS = re.compile(
    r"有无|有無|不仅|不僅|不但|不只|不光|不断|不斷|不同|不过|不過|不管|不论|不論|无论|無論|不锈钢|不久|不少|不等式|不动产|不動產|无线|無線|无机|無機|无数|無數|未来|未來|不禁|差不多|是不是|能不能|"
    r"有没有|是否|不可避免|不得不|不可缺少|不可或缺|必不可少|无限|未必不|非不|不是不|无关|不一|不乏|没收|沒收|除了|不知不觉|除外责任"
)
_EN_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|except|unless|nobody|nothing|forbidden|prohibited|forbids?|"
    r"prohibits?)\b|n't\b",
    re.IGNORECASE,
)
_EN_HARMLESS = re.compile(r"\bnot only\b|\bno doubt\b|\bno\. ?(?=\d)|\bnot just\b|\bnot until\b", re.IGNORECASE)
_LIMITING = re.compile(
    r"[只仅僅]|限|以外|之外|少于|低于|小于|暂停|停止|拒绝|避免|取消|\b(?:only|avoid|stop|refuse|instead|rather|less|fail)",
    re.I,
)
_YES_NO = (
    "是的?|不是|不|对|不对|否|能|不能|可以|不可以|不可|会|不会|应该?|不应该?|需要|不需要|必须|不必|有|没有|"
    "yes|no|it (?:is|is not)"
)
_VERDICT = re.compile(rf"^(?:{_YES_NO})\s*[，,。.；;！!]\s*", re.IGNORECASE)
"""The yes or no at the head of an answer, which has no counterpart in its evidence."""
_BARE_VERDICT = re.compile(rf"^(?:{_YES_NO})\s*[。.！!]?$", re.IGNORECASE)


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


def foreign_numbers(answer: str, passage: str, allowed: str = "") -> list[str]:
    """Return the numbers of an answer, as written, that are no value in the passage or in `allowed`.

    A number also counts as foreign when the passage has it elsewhere, but holds the answer's
    clause word for word with another number. A count such as 三种 is granted to a list of three.
    """
    have = numbers(passage, words=True, articles=True) + numbers(allowed, words=True, articles=True)
    wrong: list[Number] = []
    for number in numbers(answer):
        if number.unit == "label" or any(same_value(number, other) for other in have):
            continue
        if not _counts_a_list(number, answer, passage):
            wrong.append(number)
    found = [answer[n.start : n.end] for n in wrong]
    return found or _moved_numbers(answer, passage)


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


def _moved_numbers(answer: str, passage: str) -> list[str]:
    """Return numbers of a clause that the passage holds word for word, but only with other numbers."""
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


def negation_differs(answer: str, evidence: str, question: str) -> bool:
    """Tell whether an answer denies what its evidence affirms, or the other way round.

    Looks where the answer runs along the evidence word for word and only one of the two has a
    negation in between; and at clauses that negate although nothing in evidence or question does.
    """
    if is_verdict(answer) and not negations(question) and not _LIMITING.search(evidence):
        return (negations(answer) > 0) != (negations(evidence) > 0)
    if not negations(evidence) and not negations(question) and not _LIMITING.search(evidence):
        return negations(answer) > 0
    ours, theirs = tokens(_VERDICT.sub("", answer)), tokens(evidence)
    matcher = SequenceMatcher(a=theirs, b=ours, autojunk=False)
    operations = matcher.get_opcodes()
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


def _run(operations: list[tuple[str, int, int, int, int]], number: int) -> int:
    if not 0 <= number < len(operations) or operations[number][0] != "equal":
        return 0
    return operations[number][2] - operations[number][1]


def _join(words: list[str]) -> str:
    return "".join(w if is_cjk(w[0]) else f" {w} " for w in words)
