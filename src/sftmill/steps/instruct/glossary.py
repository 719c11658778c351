"""A glossary: the terms of a domain and what they mean, from a YAML or a text file."""

from collections.abc import Callable, Sequence, Sized
from functools import lru_cache
from pathlib import Path

from sftmill.text import normalise
from sftmill.text.lazy import lazy_pattern

LARGEST = 5 * 1024 * 1024
"""Bytes of the largest glossary that is read."""
LONGEST_TERM, LONGEST_MEANING = 60, 400
"""Characters; a longer meaning is cut off in prompts, a longer term is a fault."""

ENTRY = ("meaning", "forbidden", "zh", "en")
"""What a term may have in YAML, where it has more than a meaning."""

_BETWEEN = lazy_pattern(r"\t|\s*[:：=]\s*|\s+[-–—]\s+|——")


def read_glossary(path: Path) -> dict[str, str]:
    """Return the terms with their meanings ("" where none is given), in the order of the file.

    YAML (.yaml, .yml): a mapping of terms to meanings, or to mappings with a `meaning` among what else `respond` reads of a
    term, or a list of terms. Any other file is text, UTF-8: one term a
    line, its meaning behind a colon, a tab or a dash; `#` begins a comment. Raises OSError, or ValueError saying what is wrong.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"is larger than {LARGEST // 1024 // 1024} MB")
    text = path.read_bytes().decode("utf-8-sig")
    pairs = _from_yaml(text) if path.suffix.lower() in (".yaml", ".yml") else _from_lines(text)
    found: dict[str, str] = {}
    known: set[str] = set()
    for term, meaning in pairs:
        if len(term) > LONGEST_TERM:
            raise ValueError(
                f"has a term of {len(term)} characters, {term[:30]!r}...; the longest may have {LONGEST_TERM}"
            )
        key = normalise(term).casefold()
        if key and key not in known:
            known.add(key)
            found[term] = meaning[:LONGEST_MEANING]
    return found


def glossary_problems(path: Path | None, read: Callable[[Path], Sized] = read_glossary) -> list[str]:
    """Return why the glossary of a step cannot be used, if so; a step may have none. `read` reads its terms."""
    if path is None:
        return []
    try:
        found = read(path)
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else problem
        return [f"glossary: {str(path)!r} cannot be read ({why}); correct the file, or its path here"]
    return [] if found else [f"glossary: {str(path)!r} holds no term; write one a line, or leave it out"]


def _from_yaml(text: str) -> list[tuple[str, str]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ValueError(" ".join(str(error).splitlines()[:1]) or "is no YAML") from None
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(one, "") if not isinstance(one, dict) else next(iter(one.items()), ("", "")) for one in value]
    else:
        raise ValueError("is neither a mapping of terms to meanings nor a list of terms")
    pairs = [
        (term, said.get("meaning") if isinstance(said, dict) and said.keys() <= set(ENTRY) else said)
        for term, said in pairs
    ]
    for term, meaning in pairs:
        if isinstance(term, dict | list) or isinstance(meaning, dict | list):
            raise ValueError(f"the term {str(term)[:40]!r} has a structure as its meaning; write a text")
    return [(str(term).strip(), "" if meaning is None else str(meaning).strip()) for term, meaning in pairs]


def _from_lines(text: str) -> list[tuple[str, str]]:
    pairs = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = _BETWEEN.split(line.strip(), maxsplit=1)
        pairs.append((parts[0].strip(), parts[1].strip() if len(parts) > 1 else ""))
    return pairs


def load_glossary(path: Path) -> dict[str, str]:
    """Return the glossary, read once for each state of the file."""
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, changed: int, size: int) -> dict[str, str]:
    return read_glossary(path)


def meanings(path: Path, terms: Sequence[str], shown: str, lang: str, most: int) -> list[str]:
    """Return "term: meaning" of the terms wanted, then of those that stand in the text shown."""
    known = load_glossary(path)
    found = dict.fromkeys([*terms, *named_in(shown, list(known))])
    colon = "：" if lang == "zh" else ": "
    return [f"{term}{colon}{known[term]}" for term in found if known.get(term)][:most]


def named_in(text: str, terms: Sequence[str]) -> list[str]:
    """Return those of the terms that stand in a text, longest first."""
    plain = normalise(text).casefold()
    return sorted((term for term in terms if normalise(term).casefold() in plain), key=lambda t: (-len(t), t))
