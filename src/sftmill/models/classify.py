"""Classes of two texts, such as what a passage says of a claim: entailment, neutral, contradiction.

Models for this (NLI) are small; they run in this process (`transformers:`). vLLM has a path of this name, but it takes
one text, and names the likeliest class alone.
"""

import math
from typing import TYPE_CHECKING, Any

import orjson

from sftmill.errors import BadRequest, MalformedBody, ModelNotFound, RecipeError
from sftmill.models.client import Payload
from sftmill.models.ledger import Entry, request_key
from sftmill.models.roles import estimate, upper_tokens

if TYPE_CHECKING:
    from sftmill.models.desk import Models, RowDesk


async def classify(models: "Models", desk: "RowDesk", text_1: str, text_2: str, to: str) -> dict[str, float]:
    """Return the probability of each class, by the names that the model's config.json gives them; they add up to 1.

    Each pair is paid for once. Raises ModelError, and RecipeError where the role's model has no classes.
    """
    role = models.role(to)
    role.refuse_leak(desk.row)
    asked = {"text_1": text_1, "text_2": text_2}
    key = request_key("classify", role.model, role.revision, asked, None, None, role.settings.extra_body)
    if found := models.ledger.get(key, 1):
        role.from_ledger += 1
        desk.tokens += found[0].prompt_tokens
        return orjson.loads(found[0].text)
    upper = upper_tokens("complete", text_1 + text_2)
    reservation = await models.budget.reserve(role.name, upper, 0)
    permit = None
    body: Payload = {"model": role.model, **asked, **role.settings.extra_body}
    try:
        try:
            payload, chances, permit = await role.send(
                "/../classify", body, read_classes, desk.affinity(text_1), f"{desk.step_name} classify", estimate(upper)
            )
        except (BadRequest, ModelNotFound) as error:
            raise RecipeError(
                f"role {role.name!r}: cannot sort two texts into classes ({str(error)[:200]}); name the folder of a "
                "sequence classifier under `transformers:`"
            ) from error
        usage = payload.get("usage")
        spent = int(usage.get("prompt_tokens") or 0) if isinstance(usage, dict) else 0
        spent = spent or estimate(upper)
        role.lanes.replied(permit, 0, spent)
        models.budget.settle(reservation, spent, 0)
        role.count(spent, 0)
        desk.tokens += spent
        text = orjson.dumps(chances).decode()
        await models.ledger.put([Entry(key, 0, text, None, "stop", spent, 0, None, role.model, role.name, desk.run_id)])
        return chances
    finally:
        models.budget.release(reservation)
        if permit is not None:
            role.lanes.release(permit)


def read_classes(payload: Payload) -> dict[str, float]:
    """Return the classes of a /classify answer; raises BadRequest where it names none, MalformedBody for bad numbers."""
    data = payload.get("data")
    item: Any = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    labels, chances = item.get("labels"), item.get("probs")
    if not isinstance(labels, list) or not isinstance(chances, list) or not labels or len(labels) != len(chances):
        raise BadRequest("its answer does not name the classes with their probabilities")
    if not all(isinstance(one, float | int) and math.isfinite(one) and 0 <= one <= 1 for one in chances):
        raise MalformedBody("the classifier's probabilities are no numbers from 0 to 1")
    return {str(label): float(chance) for label, chance in zip(labels, chances, strict=True)}
