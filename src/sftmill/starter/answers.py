"""What a starting recipe must know: from flags, from five questions, or from what was found in the folder."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from sftmill.columns import SENSITIVITIES
from sftmill.errors import RunError
from sftmill.models.model_files import MODELS
from sftmill.models.roles import is_private
from sftmill.starter.survey import Look
from sftmill.starter.words import QUESTIONS

ENDPOINT = "http://127.0.0.1:8000/v1"
LOCAL = "qwen2.5-coder-0.5b-instruct"
METHODS = ("selfqa", "rules")
YIELD = 0.5
"""Share of the questions asked that become samples, as an expectation; the pilot measures it."""
PASSAGE = {"zh": 480, "en": 1300}
"""Characters of a passage on average, at the sizes of the recipe."""
TRIES = 5
MOST = 8
"""Questions per passage, at most."""

Ask = Callable[[str, str], str]
"""Asks a person: question and default in, answer out."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KEY = re.compile(
    r"(?i:(?:sk|pk|rk|ak|gsk|xai|hf|ghp|api|key|tgp|nvapi|bearer|token)[-_ ](?=\S*\d)\S{8,}|AKIA\S{12,})"
    r"|[0-9a-fA-F]{32,}(?:\.\S+)?|eyJ\S{20,}"
)


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says; None where it says nothing."""

    endpoint: str | None = None
    model: str | None = None
    key_env: str | None = None
    sensitivity: str | None = None
    accept: str | None = None
    lang: str | None = None
    method: str | None = None
    samples: int | None = None


def looks_like_key(text: str) -> bool:
    """Tell whether a text looks like an API key rather than the name of something."""
    if _KEY.fullmatch(text.strip()):
        return True
    bare = text.strip()
    mixed = any(c.islower() for c in bare) and sum(c.isdigit() for c in bare) >= 4
    return len(bare) >= 24 and mixed and re.fullmatch(r"[A-Za-z0-9_]+", bare) is not None


def complete(given: Given, look: Look, ask: Ask | None, yes: bool, say: Callable[[str], None] = print) -> Given:
    """Return all answers: those given, and for the others a person's, or with `yes` what was found.

    Raises RunError naming the flags that are missing where nobody can be asked, and for answers that cannot be.
    """
    given = checked(given)
    found = _found(given, look)
    wanted = [name for name in ("endpoint", "model", "sensitivity", "lang", "samples") if getattr(given, name) is None]
    if given.method == "rules":
        wanted = [name for name in wanted if name not in ("endpoint", "model")]
    if given.endpoint == "local" and "model" in wanted:
        wanted.remove("model")
    if wanted and not yes:
        if ask is None:
            flags = ", ".join(f"--{name} {_shown(getattr(found, name))}" for name in wanted)
            raise RunError(
                f"nobody can be asked here, and these flags are missing: {flags}; give them, or --yes to take these values"
            )
        return _asked(given, look, ask, wanted, say)
    return _permitted(checked(_found(given, look)))


def _found(given: Given, look: Look) -> Given:
    """Return the answers with what was found for those that are missing."""
    local = given.endpoint == "local"
    return replace(
        given,
        endpoint=given.endpoint or ("" if given.method == "rules" else ENDPOINT),
        model=given.model if given.model is not None else LOCAL if local else "",
        sensitivity=given.sensitivity or "internal",
        lang=given.lang or ",".join(look.langs()),
        method=given.method or "selfqa",
        samples=given.samples if given.samples is not None else expected(look, 4),
    )


def _shown(value: object) -> str:
    return str(value) if value != "" else "''"


def _asked(given: Given, look: Look, ask: Ask, wanted: list[str], say: Callable[[str], None]) -> Given:
    """Ask a person for what is wanted, each question until its answer can be, at most TRIES times."""
    words = QUESTIONS["zh" if (given.lang or look.langs()[0]).startswith("zh") else "en"]
    waiting = list(wanted)
    while waiting:
        name = waiting.pop(0)
        if name == "model" and given.endpoint == "local":
            continue
        for left in reversed(range(TRIES)):
            default = getattr(_found(given, look), name)
            text = ask(words[name], "" if default is None else str(default)).strip()
            try:
                value: str | int = _number(text) if name == "samples" else text
                answered = checked(replace(given, **{name: value}))
                if name == "sensitivity":
                    answered = _permitted(_found(answered, look), ask, words, answered)
                given = answered
                break
            except RunError as error:
                if not left:
                    raise
                say(f"    ! {error}")
        if name == "endpoint" and given.key_env is None and _is_public(given):
            waiting.insert(0, "key_env")
    return _permitted(checked(_found(given, look)))


def _number(text: str) -> int:
    digits = text.replace(",", "").replace("，", "").strip()
    if not digits.isdecimal() or not 0 < int(digits) <= 100_000_000:
        raise RunError(f"{text[:40]!r} is no number of samples; write it like 5000")
    return int(digits)


def checked(given: Given) -> Given:
    """Return the answers in one form; raises RunError for those that cannot be, and never repeats a key."""
    for name in ("endpoint", "model", "key_env"):
        value = getattr(given, name)
        if value and looks_like_key(value):
            raise RunError(
                f"--{name.replace('_', '-')}: this looks like a key itself. Put the key into an environment variable "
                "(export TEACHER_API_KEY=...) and give the variable's name: --key-env TEACHER_API_KEY. A key that "
                "stood on a command line should be replaced"
            )
    if given.key_env and not _NAME.fullmatch(given.key_env):
        raise RunError("--key-env: is not the name of an environment variable; write it like TEACHER_API_KEY")
    for name, values in (("sensitivity", SENSITIVITIES), ("accept", SENSITIVITIES), ("method", METHODS)):
        value = getattr(given, name)
        if value is not None and value not in values:
            raise RunError(f"--{name} {value[:40]!r} is not known; use {', '.join(values)}")
    if given.lang is not None:
        langs = [part.strip() for part in re.split("[,，、 ]+", given.lang.strip()) if part.strip()]
        if not langs or set(langs) - {"zh", "en"} or len(set(langs)) < len(langs):
            raise RunError(f"--lang {given.lang[:40]!r} is not supported; use zh, en or zh,en")
        given = replace(given, lang=",".join(langs))
    if given.endpoint and given.endpoint != "local":
        given = replace(given, endpoint=_address(given.endpoint))
    if given.endpoint == "local" and given.model and given.model not in MODELS:
        raise RunError(f"--model {given.model!r} is no embedded model; there are: {', '.join(MODELS)}")
    return given


def _address(text: str) -> str:
    """Return an endpoint's address with its scheme and the /v1 that OpenAI-compatible services have."""
    if "://" not in text:
        host, colon, _ = text.partition("/")[0].partition(":")
        if not colon and "." not in host and host != "localhost":
            raise RunError("--endpoint: is no address; write it like http://127.0.0.1:8000/v1, or local")
        text = f"{'http' if is_private(f'http://{host}') else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (raises ValueError for what is no port)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise RunError("--endpoint: is no address; write it like http://127.0.0.1:8000/v1, or local")
    if parts.username or parts.password or parts.query:
        raise RunError("--endpoint: holds a password or key; leave it out and name a variable with --key-env")
    return text if parts.path.strip("/") else f"{text.rstrip('/')}/v1"


def _is_public(given: Given) -> bool:
    return bool(given.endpoint) and given.endpoint != "local" and not is_private(given.endpoint or "")


def _permitted(
    found: Given, ask: Ask | None = None, words: dict[str, str] | None = None, given: Given | None = None
) -> Given:
    """Return `given` (or `found`) where the endpoint may see the documents; a person may say that a contract lets it."""
    result = given or found
    sensitivity = found.sensitivity or "internal"
    may = found.accept or (
        "secret" if found.endpoint in ("local", "") else "public" if _is_public(found) else "internal"
    )
    if SENSITIVITIES.index(sensitivity) <= SENSITIVITIES.index(may):
        return result
    host = urlsplit(found.endpoint or "").hostname or ""
    if ask is not None and words is not None:
        question = words["contract"].format(host=host, sensitivity=sensitivity)
        if ask(question, "no").strip().lower() in ("yes", "y", "是", "允许"):
            return replace(result, accept=sensitivity)
    raise RunError(
        f"{host} may see {may} documents only, and these are {sensitivity}; use a model of your own (--endpoint), "
        f"say --sensitivity {may} if that is what they are, or --accept {sensitivity} if a contract allows it"
    )


def passages(look: Look) -> float:
    """Return about how many passages the documents will give."""
    return sum(number / PASSAGE.get(lang, 480) for lang, number in look.characters.items())


def expected(look: Look, most: int) -> int:
    """Return about how many samples to expect with so many questions per passage, in two digits."""
    number = round(passages(look) * most * YIELD)
    digits = max(0, len(str(number)) - 2)
    return max(1, round(number / 10**digits) * 10**digits)


def questions_per_passage(look: Look, samples: int) -> int:
    """Return how many questions per passage give about so many samples, 1 to MOST."""
    return max(1, min(MOST, round(samples / max(1.0, passages(look) * YIELD))))
