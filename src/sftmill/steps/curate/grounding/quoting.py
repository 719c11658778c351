"""The passage's own words behind an answer."""

from collections import Counter

from sftmill.steps.curate.grounding.contradiction import negations, repaired
from sftmill.steps.curate.grounding.evidence import Source, support
from sftmill.text import align, length, number_key, numbers
from sftmill.text.variants import simplified

_SHORT = 8
"""Characters below which a quotation must match exactly."""
_ENOUGH = 0.7
"""Share of the answer's matter that quotations must hold for nothing to be added to them."""


def found_quotations(quoted: list[str], words: list[str], source: Source) -> tuple[list[str], bool]:
    """Return the passage's own words behind an answer, and whether the model had quoted anything."""
    found = [own for piece in quoted if (own := own_words(piece, source.passage))]
    found = list(dict.fromkeys(found))
    held = support(words, Source("\n".join(found)))[0] if found else 0.0
    if held < _ENOUGH and (places := source.places(words)) and places[0].share > held:
        found = list(dict.fromkeys([*found, source.text_of(places[0])]))
    return found, bool(quoted)


def own_words(quotation: str, passage: str) -> str:
    """Return what the passage says where a quotation was taken from; "" where nothing stands that says the same.

    A quotation whose numbers or negations differ from the passage's is not one.
    """
    short = length(quotation, "zh") < _SHORT
    span = align(quotation, passage, threshold=1.0 if short else 0.9)
    if span is None:
        return ""
    own = passage[span.start : span.end].strip()
    if span.ratio < 1 and (_values(own) != _values(quotation) or negations(own) != negations(quotation)):
        return ""
    return own


def _values(text: str) -> Counter[tuple[str, str]]:
    return Counter(number_key(n) for n in numbers(repaired(simplified(text))) if n.unit != "label")
