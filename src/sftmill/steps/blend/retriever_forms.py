"""The forms for training retrievers: a question, the passage that answers it, and passages that only look like it.

What each tool reads, from the released sources of sentence-transformers 6.2, FlagEmbedding 1.4 and ms-swift 4.6:

- sentence-transformers takes columns by their place: the question first, then the passage that answers it, then the
  others, so all rows of a file must have the same number of them. `label`, `score` and their plurals would be labels.
- FlagEmbedding: `query` and the lists `pos` and `neg`, for embedders and rerankers. It divides by the length of `neg`,
  so a row without one breaks its training.
- ms-swift: `messages` with the question and lists of conversations, `positive_messages` and `negative_messages`. An
  embedder reads each passage alone, as a user turn; a reranker reads it behind the question, as the assistant's.

A passage is as it stands in its document, without the headings above it, because `hard_negatives` has none.
"""

from typing import Any, NamedTuple

from sftmill.core import question
from sftmill.steps.blend.conversation import LeftOut, Sample, clean
from sftmill.text import normalise

UNANSWERED = ("missing", "out_of_scope")
"""Values of `operator` that say that the row's passage does not answer its question."""


class Triplet(NamedTuple):
    """What a retriever is trained on."""

    query: str
    positive: str
    negatives: list[str]
    """Without the positive one and without repeats, the hardest first."""


def triplet(sample: Sample) -> Triplet:
    """Return a sample's question, passage and hard negatives; its answer does not matter.

    Raises LeftOut where there is no passage, where the passage does not answer the question or stands in it, and where
    earlier turns belong to the question, which a retriever does not see.
    """
    row = sample.row
    positive, query = clean((row.get("passage") or "").strip()), clean(question(row).strip())
    if not positive or not query:
        raise LeftOut("no_passage")
    if row.get("operator") in UNANSWERED:
        raise LeftOut("unanswered")
    if sum(turn.role == "user" for turn in sample.prompt) > 1 or sample.uses_tools:
        raise LeftOut("several_turns")
    own = normalise(positive)
    if own in normalise(query):
        raise LeftOut("passage_in_question")
    found: dict[str, str] = {own: ""}
    for text in row.get("hard_negatives") or ():
        found.setdefault(normalise(text).strip(), clean(text.strip()))
    return Triplet(query, positive, [text for text in found.values() if text])


def _with_negatives(sample: Sample, least: int = 1) -> Triplet:
    found = triplet(sample)
    if not found.negatives:
        raise LeftOut("no_negatives")
    if len(found.negatives) < least:
        raise LeftOut("few_negatives")
    return found


def as_triplets_st(sample: Sample) -> dict[str, Any]:
    """Return anchor, positive and negative, or negative_1 and so on where there are to be several in each row."""
    wanted = sample.negatives
    found = _with_negatives(sample, wanted)
    names = ["negative"] if wanted == 1 else [f"negative_{number}" for number in range(1, wanted + 1)]
    return {"anchor": found.query, "positive": found.positive, **dict(zip(names, found.negatives, strict=False))}


def as_triplets_flag(sample: Sample) -> dict[str, Any]:
    """Return query, pos and neg, the last two as lists."""
    found = _with_negatives(sample)
    return {"query": found.query, "pos": [found.positive], "neg": found.negatives}


def as_triplets_swift(sample: Sample) -> dict[str, Any]:
    """Return messages, positive_messages and negative_messages for an embedder."""
    return _swift(_with_negatives(sample), "user")


def as_triplets_swift_reranker(sample: Sample) -> dict[str, Any]:
    """Return messages, positive_messages and negative_messages for a reranker."""
    return _swift(_with_negatives(sample), "assistant")


def as_pairs_st(sample: Sample) -> dict[str, Any]:
    """Return anchor and positive, whether or not there are negatives."""
    found = triplet(sample)
    return {"anchor": found.query, "positive": found.positive}


def as_pairs_swift(sample: Sample) -> dict[str, Any]:
    """Return messages and positive_messages for an embedder, whether or not there are negatives."""
    return _swift(triplet(sample)._replace(negatives=[]), "user")


def _swift(found: Triplet, role: str) -> dict[str, Any]:
    made = {
        "messages": [{"role": "user", "content": found.query}],
        "positive_messages": [[{"role": role, "content": found.positive}]],
    }
    negatives = [[{"role": role, "content": text}] for text in found.negatives]
    return {**made, "negative_messages": negatives} if negatives else made
