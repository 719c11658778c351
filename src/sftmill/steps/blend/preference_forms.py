"""The forms for preference training: pairs (DPO), single judgements (KTO) and ranked lists.

What each tool reads, from the released sources of TRL 1.16, ms-swift 4.6 and LLaMA-Factory 0.9.5:

- TRL: prompt, chosen, rejected, or prompt, completion, label; each but the label a list of messages.
- ms-swift: messages that end with the better answer, and `rejected_messages`, that end with the worse
  one. (`rejected_response` would do for a single text, but it replaces all turns since the question where
  tools are used, and breaks off when files with and without it are read together.) The rejected
  messages have their tools in `rejected_tools`. KTO: messages and `label`.
- `margin`, by how much the better answer is better, is read beside a pair by TRL's RewardTrainer and by ms-swift's
  reward models; their DPO leaves it alone. LLaMA-Factory has no place for it.
- LLaMA-Factory: alpaca or sharegpt with `chosen` and `rejected` (in sharegpt each is one turn, and the
  conversation ends with the question) and `ranking: true`; KTO: the usual columns and `kto_tag`.

None of the three reads lists of ranked answers; `datasets` does.
"""

from typing import Any

from sftmill.steps.blend.conversation import Answer, LeftOut, Sample, Turn
from sftmill.steps.blend.forms import (
    alpaca_prompt,
    message,
    sharegpt_rest,
    sharegpt_turns,
    system_message,
    with_tools,
)


def _pair(sample: Sample) -> tuple[Turn, Turn]:
    """Return the better and the worse answer as turns, both with a thought or both without."""
    if sample.answer is None:
        raise LeftOut("no_answer")
    if sample.negative:
        raise LeftOut("negative")
    if sample.desirable is False:
        raise LeftOut("undesirable")
    if sample.rejected is None:
        raise LeftOut("no_rejected")
    if sample.repeats_rejected:
        raise LeftOut("same_answer")
    if sample.masked:
        raise LeftOut("masked")
    if sample.calls:
        return sample.last_turn(), Turn("assistant", sample.rejected.text)
    chosen, rejected = sample.spoken_alike([sample.answer, sample.rejected])
    return Turn("assistant", chosen), Turn("assistant", rejected)


def _labelled(sample: Sample) -> tuple[Turn, bool]:
    """Return the answer and whether the model should give it; a wrong one may be here only as one not to give."""
    if sample.desirable is None:
        raise LeftOut("no_label")
    if sample.desirable:
        sample.check_answer()
    if sample.masked:
        raise LeftOut("masked")
    return sample.last_turn(), sample.desirable


def _before(sample: Sample) -> list[dict[str, Any]]:
    return [*system_message(sample), *map(message, sample.prompt)]


def _margin(sample: Sample) -> dict[str, float]:
    """Return the margin where the rows have that column; 0 says nothing, and keeps all rows' keys the same."""
    return {"margin": float(sample.row["margin"] or 0.0)} if "margin" in sample.row else {}


def as_dpo_trl(sample: Sample) -> dict[str, Any]:
    """Return prompt, chosen and rejected, each a list of messages, and the margin where the rows have one."""
    chosen, rejected = _pair(sample)
    made = {"prompt": _before(sample), "chosen": [message(chosen)], "rejected": [message(rejected)]}
    return with_tools(made | _margin(sample), sample)


def as_dpo_swift(sample: Sample) -> dict[str, Any]:
    """Return messages and rejected_messages, where tools are used tools and rejected_tools, and the margin."""
    chosen, rejected = _pair(sample)
    before = _before(sample)
    pair = {"messages": [*before, message(chosen)], "rejected_messages": [*before, message(rejected)]}
    made = with_tools(pair | _margin(sample), sample)
    return {**made, "rejected_tools": made["tools"]} if "tools" in made else made


def as_dpo_alpaca(sample: Sample) -> dict[str, Any]:
    """Return alpaca's columns with chosen and rejected in the place of the output."""
    chosen, rejected = _pair(sample)
    return {
        **alpaca_prompt(sample, "chosen", "rejected"),
        "chosen": chosen.content,
        "rejected": rejected.content,
    }


def as_dpo_sharegpt(sample: Sample) -> dict[str, Any]:
    """Return conversations up to the question, chosen and rejected as one turn each, system and tools."""
    chosen, rejected = _pair(sample)
    return {
        "conversations": sharegpt_turns(sample.prompt),
        "chosen": sharegpt_turns([chosen])[0],
        "rejected": sharegpt_turns([rejected])[0],
        **sharegpt_rest(sample),
    }


def as_kto_trl(sample: Sample) -> dict[str, Any]:
    """Return prompt and completion, each a list of messages, and label, true for an answer to give."""
    answer, label = _labelled(sample)
    return with_tools({"prompt": _before(sample), "completion": [message(answer)], "label": label}, sample)


def as_kto_swift(sample: Sample) -> dict[str, Any]:
    """Return messages and label."""
    answer, label = _labelled(sample)
    return with_tools({"messages": [*_before(sample), message(answer)], "label": label}, sample)


def as_kto_alpaca(sample: Sample) -> dict[str, Any]:
    """Return alpaca's columns and kto_tag."""
    answer, label = _labelled(sample)
    return {**alpaca_prompt(sample, "output"), "output": answer.content, "kto_tag": label}


def as_kto_sharegpt(sample: Sample) -> dict[str, Any]:
    """Return sharegpt's columns and kto_tag."""
    answer, label = _labelled(sample)
    return {"conversations": sharegpt_turns([*sample.prompt, answer]), **sharegpt_rest(sample), "kto_tag": label}


def as_ranking(sample: Sample) -> dict[str, Any]:
    """Return prompt (messages), responses and scores, the best answer first; equal scores keep their order."""
    candidates, scores = _scored(sample)
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    responses = sample.spoken_alike(candidates)
    made = {
        "prompt": _before(sample),
        "responses": [responses[i] for i in order],
        "scores": [float(scores[i]) for i in order],
    }
    return with_tools(made, sample)


def _scored(sample: Sample) -> tuple[list[Answer], list[float]]:
    if len(sample.candidates) < 2 or len(sample.candidates) != len(sample.scores):
        raise LeftOut("no_candidates")
    return sample.candidates, sample.scores
