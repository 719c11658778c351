"""How like a text is what another model made of the other half of its sample: by result, or by words, numbers and meaning."""

import re
from collections.abc import Sequence
from statistics import fmean

from sftmill.steps.respond.verify.results import find_result, same_result, stated_result
from sftmill.text import length, numbers, rouge_l, rouge_tokens, same_value

COMPARED = 4000
"""Characters of a text that are compared."""
SHORT = 12
"""Characters (zh) or words (en) up to which an answer with one number in it is nothing but a result."""
LONGEST_HELD = 24
"""Characters (zh) or words (en) of an answer that another one may hold among other words and still say the same."""
_MARKED = re.compile(r"\\(?:boxed|fbox)|####")
_CHOICE = re.compile(r"[(（]?[A-H]{1,8}[)）]?(?:[.、:：].{0,300})?", re.DOTALL)


def own_result(text: str, lang: str) -> str | None:
    """Return the result that an answer comes to where it is made to come to one; None for a text that has none.

    A box or #### says so; 答案是, "the answer is" or 故选, where a number or a choice follows, for words can be put
    otherwise; and so does an answer that is hardly more than one number.
    """
    stated = stated_result(text)
    if stated is not None and (_MARKED.search(text) or _CHOICE.fullmatch(stated) or numbers(stated, words=True)):
        return stated
    if stated is not None:
        return None
    found = numbers(text, words=True)
    return find_result(text) if len(found) == 1 and length(text, lang) <= SHORT else None


def holds(text: str, short: str) -> bool:
    """Tell whether a text has a short one in it, word for word but for punctuation and case."""
    wanted, there = rouge_tokens(short), rouge_tokens(text[:COMPARED])
    size = len(wanted)
    return 2 <= size <= LONGEST_HELD and any(there[i : i + size] == wanted for i in range(len(there) - size + 1))


def same_share(result: str, texts: Sequence[str]) -> float:
    """Return the share of texts, 0 to 1, that come to a result; one that comes to none does not agree."""
    ends = [find_result(text) or text[:SHORT] for text in texts]  # 五 or B alone is a result, too
    return fmean(same_result(end, result) for end in ends)


def number_agreement(a: str, b: str) -> float | None:
    """Return F1 over the numbers of two texts, by value and unit, 0 to 1; None where one of them has none.

    Numbers in words and those of lists and clauses do not count: "one of them" and "1." are in any text.
    """
    ours, theirs = ([n for n in numbers(text) if n.unit != "label"] for text in (a, b))
    if not ours or not theirs:
        return None
    found = sum(any(same_value(n, other) for other in theirs) for n in ours)
    found += sum(any(same_value(n, other) for other in ours) for n in theirs)
    return found / (len(ours) + len(theirs))


def likeness(a: str, b: str, meaning: float | None = None) -> float:
    """Return how like two texts are, 0 to 1.

    The mean of ROUGE-L (F-measure), of `meaning`, the cosine of their embeddings (below 0 counts as 0), where it is
    given, and, with half the weight, of the agreement of their numbers, where both have any.
    """
    a, b = a[:COMPARED], b[:COMPARED]
    parts = [(rouge_l(a, b), 2), (number_agreement(a, b), 1)]
    parts += [] if meaning is None else [(max(0.0, min(1.0, meaning)), 2)]
    known = [(value, weight) for value, weight in parts if value is not None]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of two unit vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))
