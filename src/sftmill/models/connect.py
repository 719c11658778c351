"""From a role's settings to its providers: endpoints with keys, an embedded server, or a script."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sftmill.errors import ModelError, RecipeError
from sftmill.models.client import HttpProvider, Provider, only_model
from sftmill.models.roles import Role
from sftmill.models.settings import ModelSettings


async def connect(
    name: str, settings: ModelSettings, servers: dict[str, Any], environment: Mapping[str, str]
) -> tuple[ModelSettings, Sequence[Provider]]:
    """Return the role's settings, completed by what its server tells, and its providers.

    Embedded servers are started once each and put into `servers`. Keys are taken from those variables of
    `environment` that `key_env` names. Raises RecipeError.
    """
    if settings.scripted:
        from sftmill.models.scripted import ScriptedProvider

        provider = ScriptedProvider(settings.scripted)
        return settings.model_copy(update={"model": settings.model or provider.model}), [provider]
    if settings.local:
        from sftmill.models.local import serve

        server = servers.get(settings.local)
        if server is None:
            server = servers[settings.local] = await asyncio.to_thread(serve, settings.local)
        settings = settings.model_copy(
            update={
                "model": settings.model or server.model,
                "revision": settings.revision or server.revision,
                "context": settings.context or server.context,
                "concurrency": min(settings.concurrency, 2 * server.slots),
            }
        )
        return settings, [HttpProvider(server.url, model=settings.model)]
    keys = []
    for variable in settings.key_env:
        if not (key := environment.get(variable, "").strip()):
            raise RecipeError(f"role {name!r}: the variable {variable} (key_env) is not set; export it first")
        keys.append(key)
    return settings, [
        HttpProvider(url, key, ca_file=settings.ca_file, model=settings.model)
        for url in settings.endpoint
        for key in (keys or [""])
    ]


async def ask_model(role: Role) -> str:
    """Return the one model that the role's endpoint serves; raises RecipeError when there are several."""
    provider = role.lanes.lanes[0].provider
    name = getattr(provider, "name", role.name)
    try:
        return only_model(await provider.get("/models"), name)
    except ModelError as error:
        raise RecipeError(f"role {role.name!r} names no model, and {name} did not tell its own: {error}") from None
