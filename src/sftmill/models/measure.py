"""Token scores: calls whose answer is the log-probabilities of a text."""

from typing import TYPE_CHECKING, Any

import orjson

from sftmill.core import TokenScores
from sftmill.errors import BadRequest, MalformedBody, RecipeError
from sftmill.models.client import Payload
from sftmill.models.ledger import Entry, request_key
from sftmill.models.roles import Role, estimate, upper_tokens

if TYPE_CHECKING:
    from sftmill.models.desk import Models, RowDesk


async def score(models: "Models", desk: "RowDesk", prefix: str, continuation: str, to: str) -> TokenScores:
    """Return the log-probabilities of the tokens of `continuation` after `prefix`, natural logarithm.

    Needs a server that gives the log-probabilities of a prompt: vLLM (`prompt_logprobs`), or one with the
    older `echo` and `logprobs`; others are refused with RecipeError. llama.cpp cannot.
    """
    role = models.role(to)
    role.refuse_leak(desk.row)
    extra = role.settings.extra_body
    key = request_key("score", role.model, role.revision, [prefix, continuation], None, None, extra)
    if found := models.ledger.get(key, 1):
        role.from_ledger += 1
        return TokenScores(*orjson.loads(found[0].logprobs))
    text = prefix + continuation
    upper = upper_tokens("complete", text)
    reservation = await models.budget.reserve(role.name, upper, 1)
    permit = None
    body: Payload = {
        "model": role.model, "prompt": text, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1,
        "echo": True, "logprobs": 1, **extra,
    }  # fmt: skip
    try:
        try:
            payload, tokens, permit = await role.send(
                "/completions", body, prompt_tokens, desk.affinity(prefix), f"{desk.step_name} score", estimate(upper)
            )
        except BadRequest as error:
            raise _cannot(role, str(error)) from error
        usage = payload.get("usage") or {}
        spent = int(usage.get("prompt_tokens") or estimate(upper))
        role.lanes.replied(permit, 1, spent + 1)
        models.budget.settle(reservation, spent, 1)
        role.count(spent, 1)
        if tokens is None:
            raise _cannot(role, "the answer has no log-probabilities of the prompt")
        if (ends := token_ends(payload, len(tokens))) is not None:
            first = next((i for i, end in enumerate(ends) if end > len(prefix)), len(tokens))
        else:
            first = first_of_continuation([token for token, _ in tokens], text, len(prefix))
        kept = [(token, value) for token, value in tokens[first:] if value is not None]
        scores = TokenScores([token for token, _ in kept], [value for _, value in kept])
        await models.ledger.put(
            [Entry(key, 0, "", None, "stop", spent, 1, orjson.dumps(list(scores)), role.model, role.name, desk.run_id)]
        )
        return scores
    finally:
        models.budget.release(reservation)
        if permit is not None:
            role.lanes.release(permit)


def _cannot(role: Role, reason: str) -> RecipeError:
    host = role.lanes.lanes[0].name
    return RecipeError(
        f"role {role.name!r}: {host} cannot score a text ({reason[:200]}); use vLLM, which gives prompt_logprobs"
    )


def prompt_tokens(payload: Payload) -> list[tuple[str, float | None]] | None:
    """Return the prompt's tokens with their log-probabilities, None for the first; None when the server gives none."""
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MalformedBody("the answer has no choices")
    choice: dict[str, Any] = choices[0]
    legacy = choice.get("logprobs") or {}
    tokens = legacy.get("tokens")
    values = legacy.get("token_logprobs")
    found = choice.get("prompt_logprobs") or payload.get("prompt_logprobs")
    if isinstance(found, list) and found:
        made: list[tuple[str, float | None]] = []
        for i, item in enumerate(found):
            if not item:
                text = tokens[i] if isinstance(tokens, list) and i < len(tokens) else ""
                made.append((text, None))
            else:
                # vLLM puts the token that stands in the prompt first, the likeliest ones after it
                actual = next(iter(item.values()))
                made.append((actual.get("decoded_token") or "", actual["logprob"]))
        return made
    count = (payload.get("usage") or {}).get("prompt_tokens")
    if isinstance(tokens, list) and isinstance(values, list) and isinstance(count, int) and len(tokens) >= count > 1:
        return list(zip(tokens[:count], values[:count], strict=True))
    return None


def token_ends(payload: Payload, count: int) -> list[int] | None:
    """Return where each of the prompt's `count` tokens ends in its text, in characters, where the answer tells."""
    found = (payload["choices"][0].get("logprobs") or {}).get("text_ends")
    fits = isinstance(found, list) and len(found) == count and all(isinstance(end, int) for end in found)
    return found if fits else None


def first_of_continuation(tokens: list[str], text: str, boundary: int) -> int:
    """Return the number of the first token that ends after `boundary` characters of `text`.

    Tokens are matched against the text one by one. Those that hold part of a character (shown as
    U+FFFD) or do not stand in the text (a beginning-of-text token) are skipped until the next that does.
    """
    position = 0
    for i, token in enumerate(tokens):
        if not token:
            continue
        if "\ufffd" in token:
            following = next((t for t in tokens[i + 1 :] if t and "\ufffd" not in t), None)
            end = text.find(following, position) if following else len(text)
            if end > boundary or following is None:
                return i
            continue
        if text.startswith(token, position):
            position += len(token)
        else:
            start = text.find(token, position, position + 16)
            if start < 0:
                continue
            position = start + len(token)
        if position > boundary:
            return i
    return len(tokens)
