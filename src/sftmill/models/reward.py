"""Scores of a reward model behind an endpoint: one number for an answer to a conversation.

vLLM serves reward models (`--runner pooling`) on two paths, both beside /v1: /pooling takes the conversation and gives
a number for it (or one for each token, of which the last counts), /score takes two texts.
"""

import math
from typing import TYPE_CHECKING, Any, Literal

from sftmill.core import Message
from sftmill.errors import MalformedBody
from sftmill.models.client import Payload
from sftmill.models.ledger import Entry, request_key
from sftmill.models.roles import estimate, upper_tokens

if TYPE_CHECKING:
    from sftmill.models.desk import Models, RowDesk

RewardPath = Literal["pooling", "score"]


async def reward(
    models: "Models", desk: "RowDesk", messages: list[Message], answer: str, to: str, path: RewardPath = "pooling"
) -> float:
    """Return a reward model's score of `answer` as the next turn of `messages`; its scale is the model's own.

    Each conversation is paid for once. Raises ModelError, and MalformedBody where the server gives no number.
    """
    role = models.role(to)
    role.refuse_leak(desk.row)
    asked: Any = (
        {"messages": [*messages, {"role": "assistant", "content": answer}]}
        if path == "pooling"
        else {"text_1": conversation_text(messages), "text_2": answer}
    )
    key = request_key("reward", role.model, role.revision, [path, asked], None, None, role.settings.extra_body)
    if found := models.ledger.get(key, 1):
        role.from_ledger += 1
        desk.tokens += found[0].prompt_tokens
        return float(found[0].text)
    text = "".join(str(message.get("content") or "") for message in messages) + answer
    upper = upper_tokens("complete", text)
    reservation = await models.budget.reserve(role.name, upper, 0)
    permit = None
    body: Payload = {"model": role.model, **asked, **role.settings.extra_body}
    try:
        payload, value, permit = await role.send(
            f"/../{path}", body, read_reward, desk.affinity(text), f"{desk.step_name} reward", estimate(upper)
        )
        usage = payload.get("usage")
        spent = int(usage.get("prompt_tokens") or 0) if isinstance(usage, dict) else 0
        spent = spent or estimate(upper)
        role.lanes.replied(permit, 0, spent)
        models.budget.settle(reservation, spent, 0)
        role.count(spent, 0)
        desk.tokens += spent
        await models.ledger.put(
            [Entry(key, 0, repr(value), None, "stop", spent, 0, None, role.model, role.name, desk.run_id)]
        )
        return value
    finally:
        models.budget.release(reservation)
        if permit is not None:
            role.lanes.release(permit)


def conversation_text(messages: list[Message]) -> str:
    """Return the text that /score compares an answer with: the only turn, or all turns with their roles."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def read_reward(payload: Payload) -> float:
    """Return the number in the answer of /pooling or /score; raises MalformedBody where there is none."""
    data = payload.get("data")
    item = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    value: Any = item.get("score", item.get("data"))
    while isinstance(value, list) and value:  # a number for each token: the last one judges the whole
        value = value[-1]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MalformedBody("the reward model's answer has no number; is it served as a reward model?")
    return float(value)
