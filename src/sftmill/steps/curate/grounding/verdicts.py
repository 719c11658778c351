"""What a judge or a classifier says of one claim: supported, contradicted, or not said; with what probability."""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field

from sftmill.core import Reply
from sftmill.errors import RecipeError
from sftmill.steps.curate.grounding.claims import Claim
from sftmill.steps.curate.grounding.evidence import Source, support, words_of
from sftmill.steps.curate.grounding.quoting import own_words

Label = Literal["supported", "contradicted", "not_said"]

ALTERNATIVES = 5
"""Alternatives per token whose log-probabilities are asked for, which all servers give."""
_LEAST_MASS = 0.5
"""Probability that the labels must have together in the place of the label, for their shares to be used."""
_QUOTED = 0.7
"""Share of a judge's evidence that the material must say, where it does not stand there as it was quoted."""
_BEFORE_LABEL = re.compile(r"[\"']label[\"']\s{0,4}:\s{0,4}[\"']?$")
_ENTAILS = ("entail", "support", "align", "consistent", "faithful", "蕴含", "支持")
_CONTRADICTS = ("contra", "refut", "矛盾")


class Verdict(BaseModel):
    """What a judge answers, the evidence before the label."""

    evidence: str = Field(max_length=2000)
    label: Label


def found_evidence(evidence: str, premise: str) -> bool:
    """Tell whether what a judge quotes stands in the material, by its words or nearly so."""
    if own_words(evidence, premise):
        return True
    return support(words_of(evidence), Source(premise))[0] >= _QUOTED if evidence.strip() else False


def judged_support(reply: Reply, premise: str) -> tuple[float | None, Label]:
    """Return the probability that a judge gives to "supported", and its label.

    Where log-probabilities show it, it is the share among the three labels at the place where the label begins, else
    1 or 0. None for a support whose evidence is not in the material: such a verdict rests on nothing.
    """
    verdict: Verdict = reply.data
    if verdict.label == "supported" and not found_evidence(verdict.evidence, premise):
        return None, verdict.label
    share = label_share(reply.logprobs or [])
    return (float(verdict.label == "supported") if share is None else share), verdict.label


def label_share(logprobs: list[dict[str, Any]]) -> float | None:
    """Return the share of "supported" among the labels that a judge could have begun to write, None where not seen."""
    text = ""
    for token in logprobs:
        written = token["token"]
        word = written.lstrip(" \"'")
        if word and _BEFORE_LABEL.search((text + written[: len(written) - len(word)])[-40:]):
            mass: dict[Label, float] = {}
            for option, logprob in {written: token["logprob"], **token["top"]}.items():
                if label := _begun(option.lstrip(" \"'")):
                    mass[label] = mass.get(label, 0.0) + math.exp(min(0.0, logprob))
            total = sum(mass.values())
            return round(mass.get("supported", 0.0) / total, 4) if total >= _LEAST_MASS else None
        text = (text + written)[-200:]
    return None


def _begun(option: str) -> Label | None:
    """Return the one label that a token begins, or begins with."""
    fits = [one for one in get_args(Label) if option and (one.startswith(option) or option.startswith(one))]
    return fits[0] if len(fits) == 1 else None


def classed_support(chances: Mapping[str, float], entails: str | None) -> tuple[float, Label]:
    """Return the probability of the class that means entailment, and the likeliest label.

    `entails` names that class; None = it is told by its name. Raises RecipeError where no name tells.
    """
    name = entails if entails in chances else None
    if name is None and entails is None:
        name = next((one for one in chances if one.lower().startswith(_ENTAILS)), None)
    if name is None:
        raise RecipeError(
            f"the classifier has the classes {', '.join(sorted(chances))}, of which none is "
            f"{entails or 'named after entailment'}; name the right one under `entails:`"
        )
    against = sum(chance for one, chance in chances.items() if one.lower().startswith(_CONTRADICTS))
    supported = chances[name]
    likeliest: Label = "contradicted" if against >= 1 - supported - against else "not_said"
    return round(supported, 4), "supported" if supported >= max(against, 1 - supported - against) else likeliest


def total_support(claims: list[Claim], found: list[float | None]) -> float | None:
    """Return the support of a whole answer: the least of its strict claims, and no more than the mean of all.

    None where a claim has no verdict, for what nobody judged is not supported.
    """
    known = [value for value in found if value is not None]
    if not known or len(known) < len(found):
        return None
    strict = [value for claim, value in zip(claims, known, strict=True) if claim.strict]
    return round(min([*strict, sum(known) / len(known)]), 4)
