"""Whether a row can be reworded, and whether a wording asks and answers what the one before it did."""

import re
from typing import Literal

from sftmill.core import Row, answer, question
from sftmill.steps.curate.filters.refusal_words import refusal
from sftmill.steps.curate.grounding.wording import asked_for
from sftmill.steps.instruct.diversify.kept_facts import is_fixed
from sftmill.steps.respond.answer.fault import Fault
from sftmill.text import deixis, normalise
from sftmill.text.answers import gives_away
from sftmill.text.lazy import lazy_pattern

Parts = Literal["question", "answer", "both"]

_POLITE = lazy_pattern(
    r"什么|怎[么样]|如何|哪|为何|几|说说|说明|讲|介绍|解释|告诉|列|帮|写"
    r"|\b(?:what|how|which|why|where|tell|explain|describe|list|give|show|name|say|help|write|know)\b",
    re.IGNORECASE,
)
"""What stands in a polite question that wants more than a yes."""


def asks_else(before: str, after: str) -> bool:
    """Tell whether a question in other words wants to hear something else: a yes for a number, a person for a time.

    What only asks politely ("could you tell me what ...") is taken for no question of its own.
    """
    was, now = asked_for(before), asked_for(after)
    if was == "choice":
        return now != "choice"
    if (was, now) == ("other", "yes_no"):
        return _POLITE.search(after) is None
    kinds = {was, now}
    return len(kinds) == 2 and not kinds & {"other", "choice"} and kinds != {"time", "number"}


def find_unfitness(row: Row, parts: Parts, lang: str) -> Fault | None:
    """Return why a row cannot be reworded, if so: `no_question`, `no_answer`, `passage_in_question`, `fixed_answer`."""
    asked, said, passage = question(row).strip(), answer(row).strip(), (row.get("passage") or "").strip()
    if not asked:
        return Fault("no_question", {})
    if parts != "question" and not said:
        return Fault("no_answer", {})
    if parts != "answer" and passage and normalise(passage) in normalise(asked):
        return Fault("passage_in_question", {})
    return Fault("fixed_answer", {}) if parts == "answer" and is_fixed(said, lang) else None


def find_stance_fault(part: str, old: str, new: str, asked: str, said: str, lang: str) -> Fault | None:
    """Return why a wording does not stand for the text it replaces, if so.

    Faults: `deictic`, `other_question` and `gives_away` of questions, `refused` of answers.
    """
    if len(deixis(new, lang)) > len(deixis(old, lang)):
        return Fault("deictic", {})
    if part == "question" and asks_else(old, new):
        return Fault("other_question", {})
    if part == "question":
        return Fault("gives_away", {}) if said and gives_away(new, said) and not gives_away(old, said) else None
    return Fault("refused", {}) if refusal(asked, new) and not refusal(asked, old) else None
