"""Whether two roles are the same model, whatever they are called."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from sftmill.models.settings import ModelSettings


def same_model(first: ModelSettings, second: ModelSettings) -> bool:
    """Tell whether the same model stands behind two roles.

    That is so where both name the same embedded model, file of weights or written answers, or where they share an
    address and the name of the model there, which may be left out where a server has but one. Sampling, extra
    fields, keys and revisions make no other model of it.
    """
    for way in ("local", "transformers", "scripted"):
        mine, other = getattr(first, way, None), getattr(second, way, None)
        if mine or other:
            # written answers tell their models apart by name
            named = way != "scripted" or not (first.model and second.model) or first.model == second.model
            return bool(mine) and str(mine) == str(other) and named
    shared = {address(url) for url in first.endpoint} & {address(url) for url in second.endpoint}
    return bool(shared) and (not first.model or not second.model or first.model == second.model)


def same_name(first: ModelSettings, second: ModelSettings) -> bool:
    """Tell whether two roles name the same model at different addresses, which may be copies of one."""
    return bool(first.endpoint and second.endpoint and first.model) and (
        first.model.casefold() == second.model.casefold() and not same_model(first, second)
    )


def address(url: str) -> str:
    """Return what two spellings of an address have in common: http://LOCALHOST/v1/ and http://127.0.0.1:80/v1."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    if host == "localhost" or host.endswith(".localhost") or _is_loopback(host):
        host = "localhost"
    return f"{host}:{port}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
