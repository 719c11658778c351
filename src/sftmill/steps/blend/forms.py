"""The forms that training tools read: messages, alpaca and sharegpt.

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
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sftmill.core import Drop, Row
from sftmill.text import escape_control_tokens

Form = Literal["messages", "alpaca", "sharegpt"]
FORMS: tuple[Form, ...] = ("messages", "alpaca", "sharegpt")

REASON = "not_exportable"
"""Reason of every row that no training tool could read."""


@dataclass(slots=True)
class Turn:
    """A user, assistant or tool turn; `calls` are the tools that an assistant turn calls."""

    role: str
    content: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Each {"name": str, "arguments": object}."""


@dataclass(slots=True)
class Sample:
    """A conversation that was found to be sound, its control tokens escaped."""

    system: str
    turns: list[Turn]
    tools: list[dict[str, Any]]
    """Each {"type": "function", "function": {...}}."""

    @property
    def uses_tools(self) -> bool:
        """Tell whether tools are offered, called or answer anywhere in the conversation."""
        return bool(self.tools) or any(turn.calls or turn.role == "tool" for turn in self.turns)


def read_sample(row: Row) -> Sample:
    """Read a row's messages and tools, and check what every training tool relies on.

    An optional system turn stands first; user and assistant alternate; each tool that is called
    answers once, in order; the end is an assistant turn with text or with calls.
    Raises Drop("not_exportable", why=..., turn=...) for anything else.
    """
    system = ""
    turns: list[Turn] = []
    for index, message in enumerate(row.get("messages") or []):
        role = "tool" if message.get("role") == "function" else message.get("role")
        content = "" if message.get("content") is None else message["content"]
        if not isinstance(content, str):
            raise _unfit("content is not text", index)
        if role == "system":
            if index:
                raise _unfit("system turn is not the first", index)
            system = escape_control_tokens(content)
            continue
        turn = Turn(role, escape_control_tokens(content), _read_calls(message, index) if role == "assistant" else [])
        _check_turn(turn, turns, index)
        turns.append(turn)
    if not turns:
        raise _unfit("no messages")
    if turns[-1].role != "assistant":
        raise _unfit("last turn is not the assistant's")
    return Sample(system, turns, _read_tools(row.get("tools")))


def _unfit(why: str, turn: int | None = None) -> Drop:
    return Drop(REASON, why=why) if turn is None else Drop(REASON, why=why, turn=turn)


def _check_turn(turn: Turn, before: list[Turn], index: int) -> None:
    previous = before[-1] if before else None
    waiting = _unanswered_calls(before)
    if turn.role == "tool":
        if not waiting:
            raise _unfit("tool answers without a call", index)
        return
    if waiting:
        raise _unfit("tool call has no answer", index)
    follows = {"user": (None, "assistant"), "assistant": ("user", "tool")}.get(turn.role)
    if follows is None:
        raise _unfit("unknown role", index)
    if (previous.role if previous else None) not in follows:
        raise _unfit("roles out of order", index)
    if not turn.content.strip() and not turn.calls:
        raise _unfit("empty turn", index)


def _unanswered_calls(turns: list[Turn]) -> int:
    for answers, turn in enumerate(reversed(turns)):
        if turn.role != "tool":
            return len(turn.calls) - answers
    return 0


def _read_calls(message: dict[str, Any], index: int) -> list[dict[str, Any]]:
    calls = []
    for call in _parse(message.get("tool_calls"), "tool calls", index):
        call = call.get("function", call) if isinstance(call, dict) else call
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise _unfit("tool call has no name", index)
        arguments = call.get("arguments")
        if isinstance(arguments, str):
            arguments = _load(arguments or "{}", "tool call's arguments", index)
        if arguments is not None and not isinstance(arguments, dict):
            raise _unfit("tool call's arguments are not an object", index)
        calls.append(_escape({"name": call["name"], "arguments": arguments or {}}))
    return calls


def _read_tools(value: Any) -> list[dict[str, Any]]:
    tools = []
    for tool in _parse(value, "tools", None):
        tool = tool.get("function", tool) if isinstance(tool, dict) else tool
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise _unfit("tool has no name")
        tools.append({"type": "function", "function": _escape(tool)})
    return tools


def _parse(value: Any, what: str, turn: int | None) -> list[Any]:
    if isinstance(value, str):
        value = _load(value, what, turn) if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise _unfit(f"{what} are not a list", turn)
    return value


def _load(text: str, what: str, turn: int | None) -> Any:
    # The standard library reads integers of any size; orjson would round them.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _unfit(f"{what} are not JSON", turn) from None


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return escape_control_tokens(value)
    if isinstance(value, dict):
        return {escape_control_tokens(key): _escape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escape(item) for item in value]
    return value


def as_messages(sample: Sample) -> dict[str, Any]:
    """Return {"messages": [{"role", "content"}, ...]}, as TRL and ms-swift read it.

    Where tools are used, calling turns have "tool_calls" and the row has "tools", a JSON string.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": sample.system}] if sample.system else []
    for turn in sample.turns:
        message: dict[str, Any] = {"role": turn.role, "content": turn.content}
        if turn.calls:
            message["tool_calls"] = [{"type": "function", "function": call} for call in turn.calls]
        messages.append(message)
    if not sample.uses_tools:
        return {"messages": messages}
    return {"messages": messages, "tools": dump_json(sample.tools)}


def as_alpaca(sample: Sample) -> dict[str, Any] | None:
    """Return instruction, input, output, system and history, or None where tools are used.

    `history` holds the earlier turns as [question, answer]; the form has no place for tools.
    """
    if sample.uses_tools:
        return None
    texts = [turn.content for turn in sample.turns]
    return {
        "instruction": texts[-2],
        "input": "",
        "output": texts[-1],
        "system": sample.system,
        "history": [[texts[i], texts[i + 1]] for i in range(0, len(texts) - 2, 2)],
    }


def as_sharegpt(sample: Sample) -> dict[str, Any] | None:
    """Return conversations of from and value, system and tools, as LLaMA-Factory reads them.

    Parallel calls become one JSON list, and so do their answers, because turns must alternate.
    Returns None where a turn has both text and calls: the form holds one of them.
    """
    conversations: list[dict[str, str]] = []
    answers: list[str] = []
    for turn in sample.turns:
        if turn.role == "tool":
            answers.append(turn.content)
            continue
        if answers:
            conversations.append({"from": "observation", "value": _join_answers(answers)})
            answers = []
        if turn.calls:
            if turn.content.strip():
                return None
            value = dump_json(turn.calls[0] if len(turn.calls) == 1 else turn.calls)
            conversations.append({"from": "function_call", "value": value})
        else:
            conversations.append({"from": "human" if turn.role == "user" else "gpt", "value": turn.content})
    tools = dump_json([tool["function"] for tool in sample.tools]) if sample.tools else ""
    return {"conversations": conversations, "system": sample.system, "tools": tools}


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


CONVERTERS: dict[Form, Callable[[Sample], dict[str, Any] | None]] = {
    "messages": as_messages,
    "alpaca": as_alpaca,
    "sharegpt": as_sharegpt,
}
"""How a sample takes each form; None where the form cannot hold it."""

_MESSAGES_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}
_SHAREGPT_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


def describe_dataset(form: Form, file_name: str) -> dict[str, Any]:
    """Return the entry of LLaMA-Factory's dataset_info.json for a file of this form.

    Every column and tag is named, because LLaMA-Factory forgets the defaults of those left out
    as soon as one is given.
    """
    if form == "alpaca":
        columns = {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        }
        return {"file_name": file_name, "formatting": "alpaca", "columns": columns}
    if form == "sharegpt":
        columns = {"messages": "conversations", "system": "system", "tools": "tools"}
        return {"file_name": file_name, "formatting": "sharegpt", "columns": columns, "tags": _SHAREGPT_TAGS}
    return {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": _MESSAGES_TAGS,
    }
