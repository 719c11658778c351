"""The terms that an answer is to use: which of a glossary come up, and what it must not call them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sftmill.steps.instruct.glossary import (
    ENTRY,
    LARGEST,
    LONGEST_MEANING,
    LONGEST_TERM,
    glossary_problems,
    read_glossary,
)
from sftmill.steps.respond.answer.fault import Fault
from sftmill.text import is_cjk, normalise

MOST = 20
"""Terms that are shown with one question."""


@dataclass(frozen=True, slots=True)
class Term:
    """An entry of a glossary."""

    name: str
    meaning: str = ""
    forbidden: tuple[str, ...] = ()
    """Words that must not stand for it."""
    zh: str = ""
    en: str = ""
    """What it is called in Chinese and in English, where that is not its name."""

    def called(self, lang: str) -> str:
        """Return what it is called in a language."""
        return (self.zh if lang == "zh" else self.en) or self.name

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is rightly called."""
        return tuple(filter(None, (self.name, self.zh, self.en)))


def read_terms(path: Path) -> tuple[Term, ...]:
    """Return the terms of a glossary file, in its order.

    Such a file is one of `steps.instruct.glossary`, or YAML whose terms have, instead of a meaning, a mapping with any of
    `meaning`, `forbidden` (a list), `zh` and `en`. Raises OSError, or ValueError saying what is wrong.
    """
    entries = _structured(path) if path.suffix.lower() in (".yaml", ".yml") else None
    if entries is None:
        return tuple(Term(name, meaning) for name, meaning in read_glossary(path).items())
    return tuple(_term(str(name).strip(), value) for name, value in entries.items())


def _structured(path: Path) -> dict[Any, Any] | None:
    """Return the mapping of a YAML file that has structures in it, None of any other."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if path.stat().st_size > LARGEST:
        return None  # what reads the plain form says so
    try:
        value = YAML(typ="safe", pure=True).load(path.read_bytes().decode("utf-8-sig"))
    except (YAMLError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) and any(isinstance(one, dict) for one in value.values()) else None


def _term(name: str, value: Any) -> Term:
    if not name or len(name) > LONGEST_TERM:
        raise ValueError(f"has the term {name[:30]!r} of {len(name)} characters; a term has 1 to {LONGEST_TERM}")
    if not isinstance(value, dict):
        return Term(name, "" if value is None else str(value).strip()[:LONGEST_MEANING])
    if unknown := [str(key) for key in value if key not in ENTRY]:
        raise ValueError(f"the term {name!r} has {unknown[0]!r}; what a term may have is {', '.join(ENTRY)}")
    forbidden = value.get("forbidden") or ()
    words = tuple(str(one).strip() for one in ([forbidden] if isinstance(forbidden, str) else forbidden))
    rest = {key: str(value.get(key) or "").strip()[:LONGEST_MEANING] for key in ("meaning", "zh", "en")}
    made = Term(name, forbidden=tuple(filter(None, words)), **rest)
    if clash := set(map(_plain, made.names)).intersection(map(_plain, made.forbidden)):
        raise ValueError(f"the term {name!r} forbids {clash.pop()!r}, which is its own name")
    return made


def term_problems(path: Path | None) -> list[str]:
    """Return why the glossary of a step cannot be used, if so; a step may have none."""
    return glossary_problems(path, read_terms)


def load_terms(path: Path) -> tuple[Term, ...]:
    """Return the terms, read once for each state of the file."""
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, changed: int, size: int) -> tuple[Term, ...]:
    return read_terms(path)


def terms_in(terms: Sequence[Term], *texts: str) -> list[Term]:
    """Return the terms that come up in texts by any of their names, or by a word that is forbidden for them."""
    plain = _plain("\n".join(texts))
    return [term for term in terms if any(_places(plain, _name(word)) for word in (*term.names, *term.forbidden))][
        :MOST
    ]


def check_terms(answer: str, terms: Sequence[Term], lang: str) -> list[Fault]:
    """Return what an answer calls by a wrong name: `forbidden_term`, with the word and the right one.

    A forbidden word does not count within a right name, of this term or another one. A term that has a name in the
    answer's language must be called by it, though other names may stand beside it.
    """
    plain = _plain(answer)
    right = [place for term in terms for name in term.names for place in _places(plain, _name(name))]
    faults = []
    for term in terms:
        wanted = term.called(lang)
        for word in term.forbidden:
            outside = (
                place
                for place in _places(plain, _name(word))
                if not any(start <= place[0] and place[1] <= end for start, end in right)
            )
            if next(outside, None):
                faults.append(Fault("forbidden_term", {"word": word, "term": wanted}))
        foreign = [name for name in term.names if _name(name) != _name(wanted) and _places(plain, _name(name))]
        if foreign and not _places(plain, _name(wanted)):
            faults.append(Fault("forbidden_term", {"word": foreign[0], "term": wanted}))
    return faults


@lru_cache(maxsize=65_536)
def _name(word: str) -> str:
    return _plain(word)


def _plain(text: str) -> str:
    return normalise(text).casefold()


def _places(text: str, word: str) -> list[tuple[int, int]]:
    """Return where a word stands in a text, not inside of a longer Latin word or number."""
    found = []
    at = text.find(word) if word else -1
    while at >= 0:
        end = at + len(word)
        if not _joined(text[at - 1 : at], word[0]) and not _joined(word[-1], text[end : end + 1]):
            found.append((at, end))
        at = text.find(word, at + 1)
    return found


def _joined(before: str, after: str) -> bool:
    return bool(before and after) and all(c.isalnum() and not is_cjk(c) for c in (before, after))
