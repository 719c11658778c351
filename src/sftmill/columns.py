"""Every column that a row may have: its name, its Arrow type and what it means.

A row is a dict whose keys stand here. There is no drawer for the rest: a step that needs
a new column adds a line, so that every reader can look up what a value is.
"""

from typing import NamedTuple

import pyarrow as pa


class Column(NamedTuple):
    """A stored column: its Arrow type and, in one line, what it means."""

    type: pa.DataType
    meaning: str


MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.string())])
RETRIEVED = pa.struct(
    [
        ("id", pa.string()), ("source", pa.string()), ("title_path", pa.list_(pa.string())), ("text", pa.string()),
        ("score", pa.float64()), ("licence", pa.string()),
    ]
)  # fmt: skip

COLUMNS: dict[str, Column] = {
    # who the row is
    "id": Column(pa.string(), "content-addressed name of the row, 32 hexadecimal digits"),
    "root": Column(pa.string(), "id of the source row that this row descends from"),
    "parents": Column(pa.list_(pa.string()), "ids of the rows that this row was made from"),
    "lang": Column(pa.string(), "language of the row: zh or en"),
    "sensitivity": Column(pa.string(), "who may see the row: public, internal or secret"),
    "stream": Column(pa.string(), "name of the stream that made the row"),
    # where it comes from
    "source": Column(pa.string(), "path of the source file relative to the folder given, or a name"),
    "source_hash": Column(pa.string(), "BLAKE2b-128 of the source file's bytes, hexadecimal"),
    "document": Column(pa.string(), "the whole text of a document; dropped once it is split"),
    "licence": Column(pa.string(), "licence of the source, as the source table states it"),
    "effective": Column(pa.string(), "day from which the source holds, YYYY-MM-DD"),
    "expires": Column(pa.string(), "last day on which the source holds, YYYY-MM-DD"),
    "title": Column(pa.string(), "title of the document"),
    "title_path": Column(pa.list_(pa.string()), "headings above the passage, outermost first"),
    "passage": Column(
        pa.string(), "a piece of a document, as it stands there; what heads a split table or list is repeated"
    ),
    "pieces": Column(pa.list_(pa.string()), "neighbouring passages that are asked about in one call"),
    "context": Column(pa.string(), "text that the passage refers to, such as the law articles that it cites"),
    "page": Column(pa.int32(), "page of the document on which the section begins, from 1"),
    "passage_index": Column(pa.int32(), "number of the passage within its document, from 0"),
    "draw": Column(pa.int64(), "number of a draw that has no source text (Magpie)"),
    # how the instruction was made
    "method": Column(pa.string(), "step that made the instruction, such as self_instruct, evolve or magpie"),
    "round": Column(pa.int32(), "round of a growing pool in which the instruction was made, from 1; 0 = a seed"),
    "operator": Column(pa.string(), "what was done to the parent's instruction (Evol-Instruct), such as deepen"),
    "topic": Column(pa.string(), "what the instruction is about, one of the topics of a grid"),
    "task_type": Column(pa.string(), "kind of work asked for, one of the task types of a grid, such as classification"),
    "difficulty": Column(pa.string(), "how hard the instruction is, one of the difficulties of a grid"),
    "form": Column(pa.string(), "form that the answer must have: text, list, table, json, number or label"),
    "style": Column(pa.string(), "manner in which question or answer were reworded, such as colloquial or expert"),
    "instruction": Column(pa.string(), "the task without its input, where the user turn holds both"),
    "slots": Column(pa.string(), "values that a template was filled with, as JSON: name to type, text and value"),
    "neighbour": Column(pa.string(), "id of the nearest other instruction"),
    "neighbour_distance": Column(
        pa.float64(), "squared distance of the unit vectors of the instruction and its nearest other one, 0 to 4"
    ),
    "repeats": Column(pa.int64(), "number of other instructions that are nearer than the threshold"),
    "cluster": Column(pa.string(), "id of the row that stands for all that ask the same"),
    "frequency": Column(pa.int64(), "how many users asked this"),
    # the sample
    "messages": Column(pa.list_(MESSAGE), "the conversation: system, user, assistant and tool turns"),
    "tools": Column(pa.string(), "tools that the assistant may call, as JSON"),
    "reasoning": Column(pa.string(), "what a thinking model thought before its last answer"),
    "question_type": Column(
        pa.string(), "what the question asks for: what, why, how, compare, compute, list, condition or exception"
    ),
    "task": Column(pa.string(), "what the sample trains, such as closed_book, with_context, judgement or revision"),
    "answer_start": Column(pa.int64(), "place in the passage at which the answer begins, in characters from 0"),
    "quotations": Column(pa.list_(pa.string()), "pieces of the passage that support the answer"),
    "weight": Column(pa.float64(), "how often the sample counts in training, 1 = once"),
    # what was found about it
    "grounded": Column(pa.float64(), "support of the answer by its passage, 0 to 1"),
    "support": Column(
        pa.float64(), "probability that the passage supports all sentences of the answer, by a model; 0 to 1"
    ),
    "sentence_support": Column(
        pa.string(), "verdict on each sentence of the answer, as JSON: sentence, support, label, by whom, evidence"
    ),
    "passage_lift": Column(
        pa.float64(), "how much the passage raises the likelihood of the answer to this question, nats per token"
    ),
    "question_lift": Column(
        pa.float64(), "how much the question raises the likelihood of the answer from this passage, nats in all"
    ),
    "answer_opening": Column(
        pa.float64(), "log-probability of the answer's first four tokens after passage and question, nats"
    ),
    "noise": Column(pa.float64(), "share of the passage's pairs that are not grounded, 0 to 1"),
    "masked": Column(pa.list_(pa.string()), "kinds of personal data masked in the source row, one entry for each find"),
    "reviewed": Column(pa.string(), "what a person said of the sample: accepted, edited or rejected"),
    "candidates": Column(pa.list_(pa.string()), "answers to choose from"),
    "scores": Column(pa.list_(pa.float64()), "quality of each candidate, in the order of `candidates`"),
    "rejected": Column(pa.string(), "an answer to the same question that is worse than `answer`"),
    "margin": Column(pa.float64(), "gap in log-strength between `answer` and `rejected`, 0 or more"),
    "comparisons": Column(
        pa.string(), "verdicts on pairs of candidates, as JSON: games, intervals of the strengths, chance of the winner"
    ),
    "candidate_sources": Column(
        pa.list_(pa.string()), "role or model that wrote each candidate, in the order of `candidates`"
    ),
    "feedback": Column(
        pa.string(), "what stands behind a judgement, as JSON: order shown, number and place of the best, negatives"
    ),
    "query_group": Column(pa.string(), "what rows that ask the same have in common, so that they share a split"),
    "split": Column(pa.string(), "what the row is for: train, dev or test"),
    "won_by": Column(pa.list_(pa.string()), "whose candidate a judge found best: strong or weak, or its source"),
    "masked_spans": Column(
        pa.list_(pa.int64()),
        "parts of the answer that must carry no loss: start, end, start, end, in characters from 0",
    ),
    "hard_negatives": Column(
        pa.list_(pa.string()), "passages that look like answering the question and do not, the likest first"
    ),
    "retrieved": Column(
        pa.list_(RETRIEVED), "passages found for the question, best first; answers cite them by their place, from 1"
    ),
    "cited": Column(pa.list_(pa.int32()), "numbers of the passages shown that the answer cites, ascending, from 1"),
    "uncited": Column(pa.int32(), "sentences of the answer that cite no passage, where passages were to be cited"),
    "desirable": Column(pa.bool_(), "whether the answer is one that the model should give (KTO)"),
    "score": Column(pa.float64(), "quality given by a judge, verifier or reward model"),
    "reference": Column(pa.string(), "the right answer as a person or the source gives it, for verifiers and judges"),
    "tests": Column(
        pa.string(), "unit tests of the code asked for, as Python, or as JSON: a list of {input, output} for a program"
    ),
    "entry_point": Column(pa.string(), "name of the function or class that `tests` test"),
    "verified": Column(pa.bool_(), "whether a verifier found the answer right; null where it could not tell"),
    "judgement": Column(pa.string(), "what judges said of the answer, as JSON: evidence, reasons, points, flags"),
    "length_ratio": Column(
        pa.float64(), "length of the answer over the mean length of the candidates it was chosen from"
    ),
    "critiques": Column(
        pa.string(), "principles that the answer was held against and what they found, as JSON, round by round"
    ),
    "quality": Column(
        pa.string(), "how clear and specific the instruction is: very poor, poor, average, good, excellent"
    ),
    "category": Column(pa.string(), "what kind of request it is, such as Math or Advice seeking"),
    "intent": Column(pa.string(), "what the user wants, in a sentence"),
    "agreement": Column(
        pa.float64(),
        "share of the drawn answers that come to the same result, or how like another model's rebuilding is, 0 to 1",
    ),
    "polarity": Column(
        pa.string(), "negative where the answer that ends `messages` is wrong on purpose: it must never be trained on"
    ),
    "corruption": Column(
        pa.string(),
        "how a right answer was made wrong, as JSON: kind, start and end of the changed span, what it was and is now",
    ),
    "log_importance": Column(
        pa.float64(),
        "how much likelier the row's words are in a target than among all rows (DSIR), nats; 0 = as likely",
    ),
    "complexity": Column(pa.list_(pa.float64()), "how complex what the user asks is, 1 to 6, turn by turn (DEITA)"),
    "answer_quality": Column(
        pa.list_(pa.float64()), "how good the assistant's answers are, 1 to 6, turn by turn (DEITA)"
    ),
    "deita": Column(pa.float64(), "complexity times quality of the turns, summed, or their mean; 1 to 36 a turn"),
    "ifd": Column(
        pa.float64(), "difficulty of following the instruction: how little it helps to say the answer; 1 = not at all"
    ),
    "answer_loss": Column(pa.float64(), "mean negative log-likelihood of the answer's tokens after the question, nats"),
    "answer_loss_alone": Column(pa.float64(), "the same without the question, nats"),
    "tags": Column(pa.list_(pa.string()), "what the instruction is about"),
    "tags_by": Column(pa.string(), "who gave `tags`: model, or classifier where a cheap one stood in for it"),
    "chosen_by": Column(
        pa.list_(pa.string()), "ways of retrieving that chose the row: similarity, tags, catalogue or random"
    ),
    "chosen_for": Column(
        pa.string(), "why each way of retrieving chose the row, as JSON: rank, score, validation row, shared tags"
    ),
    "relevance": Column(
        pa.float64(),
        "score by the first of `chosen_by`: a cosine, or the weight of the tags shared; null for the others",
    ),
}

VIEWS: dict[str, str] = {
    "question": "content of the last user turn in `messages`",
    "answer": "content of the assistant turn that ends `messages`",
    "system": "content of the system turn of `messages`",
}
"""Names that steps, prompts and `where` may read like columns, but that live in `messages`."""


SENSITIVITIES = ("public", "internal", "secret")
"""Values of `sensitivity`, from what anybody may see to what must not leave the house."""


def is_column(name: str) -> bool:
    """Tell whether `name` may stand in a step's reads, writes or prompts."""
    return name in COLUMNS or name in VIEWS
