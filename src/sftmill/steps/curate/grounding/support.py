"""Holds each sentence of an answer against the passage, by a classifier (NLI) or a judge."""

import asyncio
from typing import Any, ClassVar

import orjson
from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, Sampling, answer, question
from sftmill.errors import BadRequest, ReplyUnusable
from sftmill.steps.curate.grounding.claims import Claim, choose_premise, read_claims, statement
from sftmill.steps.curate.grounding.evidence import Source, prepared
from sftmill.steps.curate.grounding.verdicts import (
    ALTERNATIVES,
    Verdict,
    classed_support,
    judged_support,
    total_support,
)


class Support(AskStep):
    """Says for each sentence of an answer whether the passage supports it, contradicts it, or does not say it.

    A sentence is held against the sentences of the passage that have most of its words, with their neighbours. A
    classifier (`to_classifier`, an NLI model) gives the probability of entailment; a judge (`to_judge`) quotes its
    evidence and then gives a label, weighted by its probability where the server tells. With both, the judge is asked
    about what the classifier leaves open. `support` is the least over sentences with numbers or laws, and at most the
    mean over all; it is empty where a sentence got no usable verdict, or a "supported" whose evidence is nowhere in
    the passage. `grounded` takes it into its score; models of this kind are weak at numbers, which it checks itself.
    Drops: `not_supported`, `no_verdict` (both only with `least`), `no_answer`, `no_passage`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage", "question", "answer")
    may_read: ClassVar[tuple[str, ...]] = ("context", "title_path")
    writes: ClassVar[tuple[str, ...]] = ("support", "sentence_support")
    prompts: ClassVar[tuple[str, ...]] = ("verdict",)
    prompt_values: ClassVar[tuple[str, ...]] = ("material", "claim", "asked")
    judging: ClassVar[tuple[str, ...]] = ("to_judge",)

    to_classifier: str | None = None
    """Role of a classifier of two texts (NLI); null = not asked."""
    to_judge: str | None = None
    """Role that judges; null = not asked. With a classifier, too, it is asked about what that leaves open."""
    own_answers: bool = False
    """Whether the judge may be the model that wrote the answers; models prefer their own."""
    entails: str | None = None
    """Class of the classifier that means entailment; null = the one whose name says so."""
    sure: float = Field(0.9, gt=0.5, le=1)
    """Probability from which a classifier is believed without the judge; likewise 1 less this, for the opposite."""
    longest_premise: int = Field(400, ge=100)
    """Characters of the passage that a sentence is held against."""
    most_sentences: int = Field(30, ge=1)
    """Sentences of an answer that are checked at most; a longer answer gets no `support`."""
    least: float | None = Field(None, ge=0, le=1)
    """Least `support` of an answer that stays; null = all stay."""
    max_tokens: int = Field(400, ge=32)
    """Tokens of a judge's reply."""

    def problems(self) -> list[str]:
        """Return that nobody is asked, where neither role is named."""
        if self.to_classifier is None and self.to_judge is None:
            return ["nobody is asked; name a role under `to_classifier` (an NLI model) or `to_judge`"]
        return []

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the support of its answer, and what was found about each sentence."""
        claims = read_claims(answer(row))
        if not claims:
            raise Drop("no_answer")
        if not (row.get("passage") or "").strip():
            raise Drop("no_passage")
        found: list[dict[str, Any]] = []
        total = None
        if len(claims) <= self.most_sentences:
            material = "\n".join(filter(None, (row.get("passage"), row.get("context"))))
            source = prepared(material)
            found = await asyncio.gather(*(self._check(claim, row, source, desk) for claim in claims))
            total = total_support(claims, [one["support"] for one in found])
        if self.least is not None and total is None:
            raise Drop("no_verdict", sentences=len(claims))
        if self.least is not None and total < self.least:
            worst = min(found, key=lambda one: one["support"])
            raise Drop("not_supported", support=total, sentence=worst["sentence"], label=worst["label"])
        return {**row, "support": total, "sentence_support": orjson.dumps(found).decode() if found else None}

    async def _check(self, claim: Claim, row: Row, source: Source, desk: Desk) -> dict[str, Any]:
        asked, lang = question(row), row.get("lang") or "zh"
        premise = choose_premise(claim.text, asked, source, self.longest_premise)
        headed = "\n".join(filter(None, (" / ".join(row.get("title_path") or ()), premise)))
        found: dict[str, Any] = {"sentence": claim.text, "support": None, "label": None, "by": None}
        if self.to_classifier is not None:
            said = statement(asked, claim.text, lang)
            chances = await desk.classify(headed, said, to=self.to_classifier)
            share, label = classed_support(chances, self.entails)
            found |= {"support": share, "label": label, "by": self.to_classifier}
            if self.to_judge is None or not 1 - self.sure < share < self.sure:
                return found
        found |= {"support": None, "label": None, "by": self.to_judge}
        prompt = desk.prompt("verdict", material=headed, claim=claim.text, asked=asked)
        drawn = Sampling(temperature=0.0, max_tokens=self.max_tokens, logprobs=ALTERNATIVES)
        try:
            try:
                reply = (await desk.ask(prompt, to=self.to_judge, schema=Verdict, sampling=drawn))[0]
            except BadRequest as error:  # a server that gives no log-probabilities
                if "logprob" not in str(error).lower().replace("_", ""):
                    raise
                plain = drawn.model_copy(update={"logprobs": None})
                reply = (await desk.ask(prompt, to=self.to_judge, schema=Verdict, sampling=plain))[0]
        except ReplyUnusable:
            return found
        share, label = judged_support(reply, headed)
        return found | {"support": share, "label": label, "evidence": reply.data.evidence}
