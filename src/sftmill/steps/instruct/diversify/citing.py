"""Citations put into an answer whose passage is known."""

from sftmill.steps.curate.grounding.evidence import prepared, support, units, words_of
from sftmill.steps.instruct.required_form import has_form
from sftmill.steps.respond.answer.citation_marks import without_marks
from sftmill.text import sentences, tokens

_STOPS = "。．.！!？?；;：:，,、…"
_CLOSING = "”’」』）)》\"'*_ \t\n"


def with_citations(answer: str, passage: str, asked: str, number: int, least: float, lang: str) -> str | None:
    """Return an answer in which every sentence that the passage bears ends with [number]; None where it bears none.

    A sentence is borne when the passage has the share `least` of its matter, the words of the question granted. The
    mark stands before the full stop, as `respond` has it: "……每天两次[1]。" Citations that were there are taken out.
    JSON, tables and code stay as they are, because a mark would break them.
    """
    text = without_marks(answer)
    if "```" in text or has_form(text, "json", lang) or has_form(text, "table", lang):
        return text
    source = prepared(passage)
    granted = {unit for unit, _ in units(words_of(asked))}
    out: list[str] = []
    at = 0
    for start, end in sentences(text):
        sentence = text[start:end]
        words = words_of(sentence, source)
        if not tokens(sentence) or support(words, source, granted)[0] < least:
            continue
        place = start + _end_of_words(sentence)
        out += [text[at:place], f"[{number}]"]
        at = place
    return "".join([*out, text[at:]]) if out else None


def _end_of_words(sentence: str) -> int:
    """Return the place behind a sentence's last word, before its full stop; a bracket or quote goes with the words."""
    end = len(sentence.rstrip())
    stop = len(sentence[:end].rstrip(_STOPS))
    closed = sentence[:end].rstrip(_CLOSING)
    if stop == end and closed[-1:] in _STOPS:  # “……。” has its full stop inside
        return end
    return stop
