"""An answer held against all that was asked of it: form, citations, terms."""

import json
from typing import NamedTuple

from sftmill.core import Reply, Row
from sftmill.steps.curate.grounding.wording import is_refusal, strip_lead
from sftmill.steps.respond.answer.citation_marks import with_plain_marks, without_marks
from sftmill.steps.respond.answer.citations import Citations, attributed, check_citations
from sftmill.steps.respond.answer.context import Shown
from sftmill.steps.respond.answer.fault import Fault
from sftmill.steps.respond.answer.output_form import Output, in_form
from sftmill.steps.respond.answer.terms import Term, check_terms
from sftmill.steps.respond.verify.verify_form import verify_json
from sftmill.text import deixis, sentences
from sftmill.text.answers import exact_match


class Wanted(NamedTuple):
    """What is asked of an answer."""

    asked: str
    passages: list[Shown]
    citations: str
    """keep, strip or none."""
    attribute: bool
    """Whether sentences that cite nothing are given the passage that bears them."""
    least: float
    """Share of a sentence's matter that the passages it cites must have."""
    refusal: str
    alone: bool
    """Whether the answer must be clear without the passages."""
    terms: tuple[Term, ...]
    output: Output | None
    schema: str
    columns: tuple[str, ...]
    numbers: int | None
    options: tuple[str, ...]


class Examined(NamedTuple):
    """What there is to say of an answer."""

    text: str
    """The answer as it is to be kept."""
    refused: bool
    """Whether it says that the passages hold no answer."""
    citations: Citations | None
    faults: list[Fault]


def examine(row: Row, reply: Reply, wanted: Wanted) -> Examined:
    """Return what speaks against an answer, and the answer as it is to be kept."""
    lang = row.get("lang") or "zh"
    said = _said(reply, wanted)
    cites = bool(wanted.passages) and wanted.citations != "none"
    plain = without_marks(said).strip() if cites else said
    if not plain:
        return Examined("", False, None, [Fault("no_answer", {"said": said[:60]})])
    if wanted.passages and refuses(plain, wanted.refusal):
        return Examined(wanted.refusal, True, None, [])
    passages = [one.borne for one in wanted.passages]
    if cites and wanted.attribute:
        said = attributed(said, passages, wanted.asked, wanted.least)
    form = {"schema": wanted.schema, "columns": wanted.columns, "numbers": wanted.numbers, "options": wanted.options}
    form["form"] = row.get("form")
    kept = in_form(said, wanted.output, form, lang)[0]
    body, faults = in_form(plain, wanted.output, form, lang)
    found = None
    if cites:
        found = check_citations(said, passages, wanted.asked, wanted.least)
        faults += found.faults
        kept = with_plain_marks(kept) if wanted.citations == "keep" else body
    faults += check_terms(plain, wanted.terms, lang)
    if wanted.passages and wanted.alone:
        kept = strip_lead(kept)
        # 本法 and 本品 are clear beside a question that names the law or the drug
        pointers = [s for s in deixis(kept, lang) if kept[s.start] != "本" or kept[s.start : s.end] in ("本文", "本篇")]
        faults += [Fault("deictic", {"words": kept[s.start : s.end]}) for s in pointers[:1]]
    return Examined(kept, False, found, faults)


def refuses(text: str, refusal: str) -> bool:
    """Tell whether an answer is the sentence of refusal, or says in each of its sentences that there is no answer.

    One that answers a part and says what the rest lacks is no refusal.
    """
    spans = sentences(text)
    return exact_match(text, refusal) or (bool(spans) and all(is_refusal(text[start:end]) for start, end in spans))


def _said(reply: Reply, wanted: Wanted) -> str:
    """Return a reply's text; JSON that had to be mended to be read is taken as it was read."""
    text = reply.text.strip()
    if wanted.output == "json" and reply.data is not None and not verify_json(text, wanted.schema).ok:
        return json.dumps(reply.data.root, ensure_ascii=False)
    return text
