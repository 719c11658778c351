"""What negative samples must look like: questions without an answer, and answers that say so or put it right."""

import re
from typing import Literal, get_args

from pydantic import BaseModel, Field

from sftmill.steps.curate.filters.refusal_words import refusal
from sftmill.text import numbers, same_value
from sftmill.text.answers import exact_match, foreign_values, gives_away
from sftmill.text.lazy import lazy_pattern

Kind = Literal["missing", "false_premise", "out_of_scope"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Outcome = Literal["answerable", "not_in_material", "false_premise", "out_of_scope"]

ACCEPTED: dict[Kind, tuple[Outcome, ...]] = {
    "missing": ("not_in_material",),
    "false_premise": ("false_premise",),
    "out_of_scope": ("out_of_scope",),
}
"""What the second model must say of each kind."""

_LONG = {"maxLength": 1200}
_SHORT = {"maxLength": 200}


class Negative(BaseModel):
    """A question without an answer, and the answer that says so; the limits are hints for servers."""

    question: str = Field(json_schema_extra=_LONG)
    answer: str = Field(json_schema_extra=_LONG)


class FalsePremise(BaseModel):
    """A question that takes something false for granted, and the answer that puts it right."""

    question: str = Field(json_schema_extra=_LONG)
    false_claim: str = Field(json_schema_extra=_SHORT)
    true_value: str = Field(json_schema_extra=_SHORT)
    answer: str = Field(json_schema_extra=_LONG)


class Verdict(BaseModel):
    """What a second model finds who sees the material and the question alone."""

    verdict: Outcome
    correct_value: str = Field(json_schema_extra=_SHORT)


_SAYS_ABSENT = lazy_pattern(
    r"(?:没有|并?未|未曾|无)(?:[^，。；！？\n]{0,6})(?:提及|提到|说明|涉及|给出|提供|记载|规定|包含|写明|列出|介绍|相关|这方面|答案)"
    r"|(?:无法|不能)(?:从|由|据)?[^，。；！？\n]{0,12}(?:确定|得知|回答|判断|知道|得出|看出)|不(?:清楚|知道|包含|涉及)"
    r"|\b(?:does|do|did)(?: not|n't)(?: \w+){0,2} (?:say|mention|state|give|specify|cover|contain|include|name|tell|provide|describe|indicate)\b"
    r"|\b(?:is|are|was|were)(?: not|n't)(?: \w+){0,2} (?:mentioned|stated|given|specified|covered|included|named|provided|described|in the)\b"
    r"|\b(?:says|gives|has|contains|provides) (?:nothing|no)\b|\bno (?:information|mention|answer)\b|\bcannot (?:be (?:determined|answered|told)|tell|say|answer|determine)\b",
    re.I,
)
_SAYS_WRONG = lazy_pattern(
    r"不是|并非|而非|有误|不正确|不对|不准确|错误|不符|并不|并没有|实际上?|其实|应为|应该?是|应当是|不成立|误解"
    r"|\bnot\b|n't\b|\bactually\b|\bincorrect\b|\bin fact\b|\brather than\b|\bcontrary\b|\bwrong\b|\bmistaken\b|\bin reality\b|\binstead\b|\bfalse\b",
    re.I,
)
_SAYS_OUTSIDE = lazy_pattern(
    r"超出|不属于|不在[^，。；！？\n]{0,12}范围|范围之?外|无法|不能|不便|不负责|没办法|帮不了|只能|仅(?:负责|能)"
    r"|\boutside\b|\bbeyond\b|\bscope\b|\bcannot\b|can't\b|\bunable\b|\bnot able\b|\bnot something\b|\bonly (?:help|here|answer)\b",
    re.I,
)


def find_negative_fault(kind: Kind, made: Negative | FalsePremise, material: str) -> str | None:
    """Return why a negative sample cannot be right, None where nothing speaks against it; no model is asked.

    Reasons: `no_question`, `no_answer`, `no_refusal`, `invented_value`, and of false premises `premise_unclear`,
    `premise_not_false`, `true_value_missing`, `no_correction`.
    """
    asked, said = made.question.strip(), made.answer.strip()
    if not asked:
        return "no_question"
    if not said:
        return "no_answer"
    if isinstance(made, FalsePremise):
        return _premise_fault(made, asked, said, material)
    pattern = _SAYS_ABSENT if kind == "missing" else _SAYS_OUTSIDE
    refused = refusal(asked, said, anywhere=True)
    if not pattern.search(said) and not (refused and refused[0] == "refusal"):
        return "no_refusal"
    return "invented_value" if foreign_values(said, f"{material}\n{asked}") else None


def _premise_fault(made: FalsePremise, asked: str, said: str, material: str) -> str | None:
    false, true = made.false_claim.strip(), made.true_value.strip()
    if not false or not holds(asked, false):
        return "premise_unclear"
    if not true or not holds(material, true) or not holds(said, true):
        return "true_value_missing"
    if agrees(false, true) or holds(asked, true):
        return "premise_not_false"
    if not _SAYS_WRONG.search(said):
        return "no_correction"
    return "invented_value" if foreign_values(said, f"{material}\n{asked}") else None


def holds(text: str, value: str) -> bool:
    """Tell whether a text holds a value: its words, or its numbers with their units whatever way they are written."""
    return value in text or gives_away(text, value)


def agrees(a: str, b: str) -> bool:
    """Tell whether two values are the same: in words, or in all their numbers, or one within the other."""
    if exact_match(a, b):
        return True
    ours, theirs = numbers(a, words=True), numbers(b, words=True)
    if ours and theirs:
        return all(any(same_value(x, y) for y in theirs) for x in ours)
    return holds(a, b) or holds(b, a)
