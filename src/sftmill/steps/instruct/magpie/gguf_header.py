"""What a .gguf file says of its tokenizer: chat template, BOS and EOS. Nothing of the weights is read.

The format is that of the GGUF specification, versions 2 and 3, little endian: magic, version, number of tensors,
number of pairs; a pair is a key, a type and a value; a string is its length in bytes and UTF-8.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from sftmill.errors import RecipeError

_SIZES = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_PAIRS, _LONGEST_STRING, _MOST_ITEMS = 10_000, 4 << 20, 2_000_000
_WANTED = ("tokenizer.chat_template", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")
_TOKENS = "tokenizer.ggml.tokens"
_ADDS_BOS = "tokenizer.ggml.add_bos_token"


def read_gguf_header(path: Path) -> dict[str, Any]:
    """Return {"chat_template", "bos_token", "eos_token", "add_bos_token"} of a .gguf file, None for what it lacks.

    Raises RecipeError for a file that is none, or is damaged.
    """
    found: dict[str, Any] = {}
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF" or _number(file, "<I") not in (2, 3):
                raise ValueError("it does not begin as GGUF 2 or 3 does")
            _number(file, "<Q")
            pairs = _number(file, "<Q")
            if pairs > _MOST_PAIRS:
                raise ValueError(f"it names {pairs} pairs")
            for _ in range(pairs):
                key, kind = _string(file).decode("utf-8", "replace"), _number(file, "<I")
                keep = key in _WANTED or key in (_TOKENS, _ADDS_BOS)
                value = _value(file, kind, keep)
                if keep:
                    found[key] = value
    except (OSError, ValueError, struct.error) as error:
        raise RecipeError(f"template: {path.name!r} is no readable .gguf file ({error}); give another one") from None
    tokens = found.get(_TOKENS) or []

    def token(name: str) -> str | None:
        number = found.get(f"tokenizer.ggml.{name}_token_id")
        return _text(tokens[number]) if isinstance(number, int) and 0 <= number < len(tokens) else None

    return {
        "chat_template": _text(found.get("tokenizer.chat_template")),
        "bos_token": token("bos"),
        "eos_token": token("eos"),
        "add_bos_token": found.get(_ADDS_BOS),
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _number(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _string(file: BinaryIO) -> bytes:
    size = _number(file, "<Q")
    if size > _LONGEST_STRING:
        raise ValueError(f"a string of {size} bytes")
    return file.read(size)


def _value(file: BinaryIO, kind: int, keep: bool) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        if kind not in _SIZES:
            raise ValueError(f"a value of the unknown type {kind}")
        return _number(file, _SIZES[kind])
    kind, count = _number(file, "<I"), _number(file, "<Q")
    if count > _MOST_ITEMS or kind == _ARRAY:
        raise ValueError(f"an array of {count} items of type {kind}")
    if kind == _STRING:
        items = [_string(file) for _ in range(count)]
        return items if keep else None
    if kind not in _SIZES:
        raise ValueError(f"an array of the unknown type {kind}")
    file.seek(count * struct.calcsize(_SIZES[kind]), 1)
    return None
