"""From a role's settings to its providers: endpoints with keys, a server or model of our own, or a script."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sftmill.errors import ModelError, ModelFileError, RecipeError, RunError
from sftmill.models.client import HttpProvider, Provider, only_model
from sftmill.models.roles import Role
from sftmill.models.settings import ModelSettings


async def connect(
    name: str, settings: ModelSettings, servers: dict[str, Any], environment: Mapping[str, str]
) -> tuple[ModelSettings, Sequence[Provider]]:
    """Return the role's settings, completed by what its server tells, and its providers.

    Embedded servers and embedders are started once each and put into `servers`. Keys are taken from those variables of
    `environment` that `key_env` names. Raises RecipeError.
    """
    if settings.scripted:
        from sftmill.models.scripted import ScriptedProvider

        provider = ScriptedProvider(settings.scripted)
        return settings.model_copy(update={"model": settings.model or provider.model}), [provider]
    if settings.local:
        from sftmill.models.embed import EMBEDDERS, EmbedderProvider, LoadedEmbedder

        if settings.local in EMBEDDERS:
            if (embedder := servers.get(settings.local)) is None:
                try:
                    embedder = servers[settings.local] = await asyncio.to_thread(LoadedEmbedder, settings.local)
                except RunError as error:
                    raise RecipeError(f"role {name!r}: {error}") from None
            return _told(settings, embedder.kind.name, embedder.revision, 2), [EmbedderProvider(embedder)]
        from sftmill.models.local import serve

        server = servers.get(settings.local)
        if server is None:
            server = servers[settings.local] = await asyncio.to_thread(serve, settings.local)
        settings = _told(settings, server.model, server.revision, 2 * server.slots, server.context)
        return settings, [HttpProvider(server.url, model=settings.model)]
    if settings.transformers:
        from sftmill.models.in_process import InProcessProvider, LoadedModel

        place = f"transformers {settings.transformers}"
        if (model := servers.get(place)) is None:
            try:
                model = servers[place] = await asyncio.to_thread(LoadedModel, settings.transformers)
            except ModelFileError as error:
                raise RecipeError(f"role {name!r}: {error}") from None
        return _told(settings, model.name, model.revision, 2, model.room), [InProcessProvider(model)]
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


def _told(
    settings: ModelSettings, model: str, revision: str, concurrency: int, context: int | None = None
) -> ModelSettings:
    """Return settings with what an embedded model tells of itself, where the recipe says nothing."""
    return settings.model_copy(
        update={
            "model": settings.model or model,
            "revision": settings.revision or revision,
            "context": settings.context or context,
            "concurrency": min(settings.concurrency, concurrency),
        }
    )


async def ask_model(role: Role) -> str:
    """Return the one model that the role's endpoint serves; raises RecipeError when there are several."""
    provider = role.lanes.lanes[0].provider
    name = getattr(provider, "name", role.name)
    try:
        return only_model(await provider.get("/models"), name)
    except ModelError as error:
        raise RecipeError(f"role {role.name!r} names no model, and {name} did not tell its own: {error}") from None
