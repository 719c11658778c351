"""The forms for supervised fine-tuning: messages, alpaca and sharegpt.

What each tool accepts was read in the released sources of TRL 1.16, ms-swift 4.6 and
LLaMA-Factory 0.9.5. The facts that shaped the forms:

- The JSON readers take the columns of a file from its first 10 MB. So all rows of one file
  have the same keys, and messages with tools go to a file of their own.
- LLaMA-Factory wants user (or observation) and assistant (or function call) strictly in turn,
  and its "openai" formatting adds "detailed thinking off" to the system turn, so the messages
  file is declared there as "sharegpt" with other tags.
- Chat templates want the arguments of a tool call as an object, not as a JSON string. `datasets`
  keeps such objects as they are from 4.7 on; older releases fill in null arguments.
"""

import json
from typing import Any

from sftmill.steps.blend.conversation import LeftOut, Sample, Turn


def as_messages(sample: Sample) -> dict[str, Any]:
    """Return {"messages": [{"role", "content"}, ...]}, as TRL and ms-swift read it.

    Where tools are used, calling turns have "tool_calls" and the row has "tools", a JSON string.
    """
    return with_tools({"messages": [*system_message(sample), *map(message, sample.turns)]}, sample)


def system_message(sample: Sample) -> list[dict[str, Any]]:
    """Return the system turn as a list of one message, or of none."""
    return [{"role": "system", "content": sample.system}] if sample.system else []


def message(turn: Turn) -> dict[str, Any]:
    """Return a turn as OpenAI's chat format has it."""
    made: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.calls:
        made["tool_calls"] = [{"type": "function", "function": call} for call in turn.calls]
    return made


def with_tools(made: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """Add the tools on offer, as a JSON string, to a sample that uses any."""
    return {**made, "tools": dump_json(sample.tools)} if sample.uses_tools else made


def as_alpaca(sample: Sample) -> dict[str, Any]:
    """Return instruction, input, output, system and history; raises LeftOut where tools are used.

    `history` holds the earlier turns as [question, answer].
    """
    return {**alpaca_prompt(sample, "output"), "output": sample.turns[-1].content}


def alpaca_prompt(sample: Sample, *answers: str) -> dict[str, Any]:
    """Return what comes before the answer, in alpaca's columns, with empty places for `answers` behind the input."""
    if sample.uses_tools:
        raise LeftOut("tools")
    texts = [turn.content for turn in sample.prompt]
    return {
        "instruction": texts[-1],
        "input": "",
        **dict.fromkeys(answers),
        "system": sample.system,
        "history": [[texts[i], texts[i + 1]] for i in range(0, len(texts) - 1, 2)],
    }


def as_sharegpt(sample: Sample) -> dict[str, Any]:
    """Return conversations of from and value, system and tools, as LLaMA-Factory reads them.

    Parallel calls become one JSON list, and so do their answers, because turns must alternate.
    Raises LeftOut where a turn has both text and calls: the form holds one of them.
    """
    return {"conversations": sharegpt_turns(sample.turns), **sharegpt_rest(sample)}


def sharegpt_turns(turns: list[Turn]) -> list[dict[str, str]]:
    """Return turns as from and value."""
    conversations: list[dict[str, str]] = []
    answers: list[str] = []
    for turn in turns:
        if turn.role == "tool":
            answers.append(turn.content)
            continue
        if answers:
            conversations.append({"from": "observation", "value": _join_answers(answers)})
            answers = []
        if turn.calls:
            if turn.content.strip():
                raise LeftOut("tools")
            value = dump_json(turn.calls[0] if len(turn.calls) == 1 else turn.calls)
            conversations.append({"from": "function_call", "value": value})
        else:
            conversations.append({"from": "human" if turn.role == "user" else "gpt", "value": turn.content})
    if answers:
        conversations.append({"from": "observation", "value": _join_answers(answers)})
    return conversations


def sharegpt_rest(sample: Sample) -> dict[str, Any]:
    """Return the system turn and the tools on offer, each an empty text where there is none."""
    tools = dump_json([tool["function"] for tool in sample.tools]) if sample.tools else ""
    return {"system": sample.system, "tools": tools}


def _join_answers(answers: list[str]) -> str:
    if len(answers) == 1:
        return answers[0]
    # Put together as text, so that numbers keep the digits that the tool gave.
    return "[" + ", ".join(answer if _is_json(answer) else dump_json(answer) for answer in answers) + "]"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def dump_json(value: Any) -> str:
    """Write a value as JSON on one line, non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False)
