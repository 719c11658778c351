"""A template cut out of a tokenizer's own chat template, by rendering probes and cutting at them.

    folder of a tokenizer     tokenizer_config.json, chat_template.jinja, tokenizer.json
    tokenizer_config.json     or chat_template.jinja alone, its neighbours read too
    .gguf file                its header

The template is untrusted and is rendered in a process of its own (`magpie_render`).
"""

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sftmill.core import Message
from sftmill.errors import RecipeError
from sftmill.steps.instruct.magpie.gguf_header import read_gguf_header
from sftmill.steps.instruct.magpie.magpie_families import find_family
from sftmill.steps.instruct.magpie.magpie_template import Template
from sftmill.text import find_control_tokens

_RENDERER = Path(__file__).with_name("magpie_render.py")
_PATIENCE = 60.0
"""Seconds of wall time for rendering; the renderer's own limit is 2 CPU seconds."""
_LARGEST = 64 << 20
"""Bytes of a tokenizer file; the largest known (Gemma's) have 34 MB."""
_LONGEST = 1 << 20
"""Characters of a chat template; the longest known have 20,000."""
_SYSTEM, _USER, _ANSWER, _NEXT, _LAST = (f"Probe{name}Q7x" for name in ("Alpha", "Bravo", "Charlie", "Delta", "Echo"))
"""Words that no template holds, without spaces that a template could trim."""
_CONVERSATIONS: tuple[list[Message], ...] = (
    [{"role": "user", "content": _USER}],
    [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}],
    [
        {"role": "user", "content": _USER},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": _LAST},
    ],
    [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": _USER},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": _NEXT},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": _LAST},
    ],
)


class Tokenizer(NamedTuple):
    """What a tokenizer's files say of its chats."""

    chat_template: str
    bos: str
    eos: str
    adds_bos: bool | None
    """Whether it puts the BOS before every text; None where its files do not tell."""
    head: str = ""
    """All control tokens that it puts before every text, as far as its files list them: BOS, or GLM's [gMASK]<sop>."""


def template_files(path: Path) -> tuple[Path, ...]:
    """Return the files that decide the template at `path`; of a .gguf file nothing, since it is too large to hash."""
    path = path.expanduser()
    if path.suffix == ".gguf":
        return ()
    folder = path if path.is_dir() else path.parent
    names = ("tokenizer_config.json", "chat_template.jinja", "tokenizer.json")
    beside = tuple(file for name in names if (file := folder / name).is_file() and file != path)
    return (path, *beside) if path.is_file() else beside


def load_template(path: Path) -> Template:
    """Return the template of the tokenizer at `path`, read once as long as its files stay the same.

    Raises RecipeError where there is none, or where it cannot be rendered or cut.
    """
    path = path.expanduser()
    files = template_files(path) or (path,)
    try:
        stamp = tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except OSError:
        raise RecipeError(
            f"template: {path.name!r} is not there; give a tokenizer's folder, chat_template.jinja or .gguf file"
        ) from None
    return _load(path, stamp)


@lru_cache(maxsize=16)
def _load(path: Path, stamp: object) -> Template:
    return cut_template(read_tokenizer(path), path.stem if path.is_file() else path.name)


def read_tokenizer(path: Path) -> Tokenizer:
    """Return what the files at `path` say; raises RecipeError where they hold no chat template."""
    if path.suffix == ".gguf":
        header = read_gguf_header(path)
        text, config, adds = header["chat_template"], header, header["add_bos_token"]
    else:
        folder = path if path.is_dir() else path.parent
        config = _json(folder / "tokenizer_config.json")
        text = _jinja(path if path.suffix == ".jinja" else folder / "chat_template.jinja")
        text = text or _named(config.get("chat_template"))
        adds = config.get("add_bos_token")
    if not text or len(text) > _LONGEST:
        raise RecipeError(f"template: {path.name!r} holds no chat template; set `family` instead")
    bos, eos = (_content(config.get(f"{name}_token")) for name in ("bos", "eos"))
    head = ""
    if path.suffix != ".gguf":
        head = _head(_json(folder / "tokenizer.json").get("post_processor"))
        adds = bool(head) if adds is None and head else adds
    return Tokenizer(text, bos, eos, adds, head if adds is not False else "")


def cut_template(tokenizer: Tokenizer, name: str) -> Template:
    """Return the template cut from what the tokenizer makes of probes; raises RecipeError where a probe is lost."""
    texts = _render(tokenizer)
    plain, with_system, two, three = texts
    if plain is None or _USER not in plain:
        raise RecipeError(f"template: {name!r} does not show a user's words as they are; set `family` instead")
    # A template without its tokenizer's files writes no BOS; the server's tokenizer is trusted to add it
    bos = next((token for token in (tokenizer.head, tokenizer.bos) if token and plain.startswith(token)), "")
    # SmolLM2 names the mark that begins every turn as its BOS: where nobody says who adds it, the text has it
    adds = tokenizer.adds_bos if tokenizer.adds_bos is not None else (two or plain).count(bos) < 2
    opening = plain[len(bos) :].partition(_USER)[0]
    around = (opening, "\n\n")  # a format that takes no system text gets it in front of the user's words
    if with_system and _SYSTEM in with_system and with_system.find(_SYSTEM) < with_system.find(_USER):
        before, _, rest = with_system.partition(_SYSTEM)
        around = (before[len(bos) :], rest.partition(_USER)[0])
    between, after = "", None
    if two and _ordered(two, _USER, _ANSWER, _LAST):
        between, _, rest = two.partition(_USER)[2].partition(_ANSWER)
        after = rest.partition(_LAST)[0]
    last = bool(three and _ordered(three, _USER, _SYSTEM, _LAST))
    behind = between + (after or "") + plain.partition(_USER)[2]
    stops = dict.fromkeys(token for token in (tokenizer.eos, *find_control_tokens(behind)) if token)
    made = Template(
        name=name,
        opening=opening,
        around_system=around,
        between=between,
        after=after,
        system_last=last,
        bos=bos,
        server_adds_bos=adds,
        stops=tuple(stops)[:8],
        **_manners(name),
        notes="cut from a tokenizer's chat template",
    )
    if after is not None:
        whole = made.prefix(_SYSTEM, [(_USER, _ANSWER), (_NEXT, _ANSWER)], bos=True)
        if three is not None and whole != three.rpartition(_LAST)[0]:
            made = Template(**{field: getattr(made, field) for field in made.__slots__} | {"after": None})
    return made


def _manners(name: str) -> dict[str, Any]:
    """Return the temperatures of the family that a file's or folder's name tells, if it does."""
    try:
        kin = find_family(name)
    except RecipeError:
        return {}
    return {"temperature": kin.temperature, "top_p": kin.top_p, "by_size": kin.by_size}


def _ordered(text: str, *parts: str) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def _render(tokenizer: Tokenizer) -> list[str | None]:
    """Return the rendered conversations, None for those that the template refuses."""
    job = {
        "template": tokenizer.chat_template,
        "bos": tokenizer.bos,
        "eos": tokenizer.eos,
        "conversations": _CONVERSATIONS,
    }
    try:
        done = subprocess.run(
            (sys.executable, "-P", os.fspath(_RENDERER)),
            input=orjson.dumps(job),
            capture_output=True,
            timeout=_PATIENCE,
            check=True,
        )
        answers = orjson.loads(done.stdout)
    except (subprocess.SubprocessError, orjson.JSONDecodeError):
        raise RecipeError(
            "template: rendering it took more than 2 CPU seconds or 400 MiB, or broke off; set `family` instead"
        ) from None
    if "text" not in answers[0]:
        raise RecipeError(f"template: it cannot be rendered ({answers[0]['error'][:200]}); set `family` instead")
    return [answer.get("text") for answer in answers]


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecipeError(f"template: {path.name} cannot be read ({error}); give a whole tokenizer's folder") from None
    return found if isinstance(found, dict) else {}


def _jinja(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > 4 * _LONGEST:
        return ""
    return path.read_text("utf-8", "replace")


def _named(found: Any) -> str:
    """Return a chat template as text; of several named ones the default."""
    if isinstance(found, list):
        found = next((x.get("template") for x in found if isinstance(x, dict) and x.get("name") == "default"), "")
    return found if isinstance(found, str) else ""


def _content(token: Any) -> str:
    """Return a special token's text; it is a string, or an object with `content`."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _head(processor: Any) -> str:
    """Return the control tokens that a tokenizer.json's post-processor puts before a single text, one after another."""
    if not isinstance(processor, dict):
        return ""
    if isinstance(inner := processor.get("processors"), list):
        return next(filter(None, map(_head, inner)), "")
    tokens = []
    for piece in processor.get("single") or ():
        special = piece.get("SpecialToken") if isinstance(piece, dict) else None
        if not isinstance(special, dict) or not isinstance(special.get("id"), str):
            break
        tokens.append(special["id"])
    return "".join(tokens)
