"""Keeps an answer only if its passage says it."""

from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer, answered, question
from sftmill.steps.curate.contradiction import clauses, foreign_numbers, is_verdict, negation_differs
from sftmill.steps.curate.evidence import Place, Source, fit, matter, new_words, support, units
from sftmill.steps.curate.wording import answers_kind, asked_for, is_refusal, strip_lead
from sftmill.text import align, deixis, length, tokens

_SHORT_QUOTATION = 8
"""Characters below which a quotation must match exactly."""
_COPIED_SHARE = 0.8
_COPIED_FROM = 200
"""An answer of more than this share of a passage of more than this many characters is a copy."""


class Grounded(RowStep):
    """Keeps an answer if its passage says it, cut to the words that say it; needs no model.

    Quotations are looked up in the passage, exactly or by alignment (longest common subsequence
    >= 0.9 of both, 8 characters or more), and replaced by the passage's own words. Where the model
    quoted nothing that holds, or too little, the sentences that hold most of the answer are
    added. An opening such as "according to the text" is cut off the answer.

    Drops: `empty_answer`, `refusal`, `deictic`, `quotation_not_found`, `copied_passage`,
    `question_contains_answer`, `number_not_in_source`, `negation_differs`, `unsupported`.

    The score `grounded` (0 to 1) is the product of three shares: how much of the answer's matter
    the passage says, its weakest clause counting double; how near the question's words stand to
    the answer's place, compared with the best sentence; and how much of the question's matter the
    passage knows at all. Answers of the wrong kind (no time for "when") count a third.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    writes: ClassVar[tuple[str, ...]] = ("messages", "answer", "quotations", "grounded")

    threshold: float = Field(0.25, ge=0, le=1)
    """Least score; 0.25 drops under 5% of the faithful answers of CMRC 2018, DRCD and XQuAD."""

    def row(self, row: Row) -> Row:
        """Return the row with its answer tidied, its quotations verified and its score."""
        passage, asked, said = row["passage"] or "", question(row), answer(row)
        lang = row.get("lang") or "zh"
        text = self._tidy_answer(said, lang)
        source = Source(passage)
        heading = " ".join(row.get("title_path") or ())
        words = tokens(text)
        self._refuse_copies(passage, asked, words, source)
        quotations, given = self._quotations(row.get("quotations") or [], text, words, passage, source)
        if wrong := foreign_numbers(text, passage, f"{asked}\n{heading}"):
            raise Drop("number_not_in_source", numbers=wrong[:5])
        if negation_differs(text, "\n".join(quotations), asked):
            raise Drop("negation_differs")
        if is_verdict(text) and asked_for(asked) == "yes_no":
            # A mere yes is supported where its quotation says what was asked.
            score = fit([], matter(asked), Source("\n".join(quotations)), heading)[1] if given else 0.0
        else:
            score = grounding(asked, text, source, heading)
        if score < self.threshold or not quotations:
            reason = "quotation_not_found" if given and not quotations else "unsupported"
            raise Drop(reason, grounded=round(score, 3), threshold=self.threshold)
        kept = row if text == said else answered(row, text)
        return {**kept, "quotations": quotations, "grounded": round(score, 4)}

    @staticmethod
    def _tidy_answer(said: str, lang: str) -> str:
        if not tokens(said):
            raise Drop("empty_answer")
        if is_refusal(said):
            raise Drop("refusal")
        text = strip_lead(said)
        # 本法 and 本品 are clear beside a question that names the law or the drug.
        pointers = [s for s in deixis(text, lang) if text[s.start] != "本" or text[s.start : s.end] in ("本文", "本篇")]
        if pointers:
            raise Drop("deictic", words=text[pointers[0].start : pointers[0].end])
        return text

    @staticmethod
    def _refuse_copies(passage: str, asked: str, words: list[str], source: Source) -> None:
        if len(passage) > _COPIED_FROM and len(words) > _COPIED_SHARE * len(source.words):
            raise Drop("copied_passage", share=round(len(words) / len(source.words), 2))
        if adds_nothing(asked, words):
            raise Drop("question_contains_answer")

    @staticmethod
    def _quotations(
        quoted: list[str], text: str, words: list[str], passage: str, source: Source
    ) -> tuple[list[str], bool]:
        """Return the passage's own words behind the answer, and whether the model had quoted anything."""
        found: list[str] = []
        for piece in quoted:
            short = length(piece, "zh") < _SHORT_QUOTATION
            span = align(piece, passage, threshold=1.0 if short else 0.9)
            if span is not None:
                found.append(passage[span.start : span.end].strip())
        found = list(dict.fromkeys(filter(None, found)))
        held = support(words, Source("\n".join(found)))[0] if found else 0.0
        if held < 0.7 and (places := source.places(words)) and places[0].share > held:
            found = list(dict.fromkeys([*found, source.text_of(places[0])]))
        return found, bool(quoted)


def adds_nothing(asked: str, words: list[str]) -> bool:
    """Tell whether an answer only repeats what the question says; a choice or a yes is an answer."""
    if asked_for(asked) in ("choice", "yes_no"):
        return tokens(asked) == words
    there = {unit for unit, _ in units(tokens(asked))}
    said = units(words)
    return bool(said) and all(unit in there for unit, _ in said)


def grounding(asked: str, text: str, source: Source, heading: str = "") -> float:
    """Return how well a passage supports an answer to a question, 0 to 1; see `Grounded`."""
    words = tokens(text)
    granted = {unit for unit, _ in units(tokens(f"{asked}\n{heading}"))}
    whole, _ = support(words, source, granted)
    parts = [(tokens(c), c) for c in clauses(text)]
    shares = [support(p, source, granted)[0] for p, _ in parts if len(p) >= 4] or [whole]
    new = new_words(words, granted)
    said = whole * min(shares) * support(new, source, granted)[0]
    names = matter(asked)
    places: list[Place] = source.places(words) if source.holds(words) else source.places(new)
    near, known = fit(places, names, source, heading)
    kind = 1.0 if not names or answers_kind(asked, text) else 1 / 3
    return said * (0.4 + 0.6 * near) * (0.5 + 0.5 * min(1.0, known / 0.6)) * kind
