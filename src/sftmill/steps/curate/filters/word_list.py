"""A list of words, looked up in texts however they are written: width, case, marks between characters."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sftmill.text import is_cjk, normalise_with_map
from sftmill.text.lazy import lazy_pattern

# What is put between characters to hide a word; stops and commas part words, so they do not count.
_BETWEEN = frozenset(" \t\u3000*._-~·|/\\+^#@&=`'\"")
_WORD = lazy_pattern(r"[a-z0-9]+")
LARGEST = 20 * 1024 * 1024
"""Bytes of the largest list that is read."""


class Listed(NamedTuple):
    """A word of the list at `text[start:end]`."""

    start: int
    end: int
    word: str


class WordList:
    """Words by their first two characters (Chinese) or their first word (others)."""

    def __init__(self, words: list[str]):
        self.chinese: dict[str, list[tuple[str, str]]] = {}
        self.others: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self.single: dict[str, str] = {}
        for word in dict.fromkeys(words):
            plain, _ = normalise_with_map(word)
            plain = plain.lower()
            if any(map(is_cjk, plain)):
                bare = "".join(c for c in plain if c not in _BETWEEN)
                if len(bare) == 1:
                    self.single[bare] = word
                else:
                    self.chinese.setdefault(bare[:2], []).append((bare, word))
            elif parts := tuple(_WORD.findall(plain)):
                self.others.setdefault(parts[0], []).append((parts, word))
        for found in (*self.chinese.values(), *self.others.values()):
            found.sort(key=lambda pair: (-len(pair[0]), pair[0]))

    def find(self, text: str) -> list[Listed]:
        """Return the listed words of `text`, in order, the longest at each place."""
        plain, offsets = normalise_with_map(text)
        plain = plain.lower() if len(plain.lower()) == len(plain) else "".join(c.lower()[:1] or c for c in plain)
        offsets = [*offsets, len(text)]
        found = self._chinese(plain, offsets) if self.chinese or self.single else []
        if self.others:
            found += self._others(plain, offsets)
        return sorted(found)

    def _chinese(self, plain: str, offsets: list[int]) -> list[Listed]:
        places = [i for i, c in enumerate(plain) if c not in _BETWEEN]
        bare = "".join(plain[i] for i in places)
        found, end = [], 0
        for at in range(len(bare)):
            if at < end:
                continue
            pair = bare[at : at + 2]
            match = next((listed for listed in self.chinese.get(pair, ()) if bare.startswith(listed[0], at)), None)
            if match is None and pair[:1] in self.single:
                match = (pair[:1], self.single[pair[:1]])
            if match is not None:
                end = at + len(match[0])
                found.append(Listed(offsets[places[at]], offsets[places[end - 1] + 1], match[1]))
        return found

    def _others(self, plain: str, offsets: list[int]) -> list[Listed]:
        words = list(_WORD.finditer(plain))
        found, skip = [], 0
        for number, match in enumerate(words):
            if number < skip or match[0] not in self.others:
                continue
            for parts, word in self.others[match[0]]:
                last = number + len(parts) - 1
                if last < len(words) and tuple(w[0] for w in words[number : last + 1]) == parts:
                    found.append(Listed(offsets[match.start()], offsets[words[last].end() - 1] + 1, word))
                    skip = last + 1
                    break
        return found


def read_words(path: Path) -> list[str]:
    """Return the words of a list: one a line, `#` begins a comment; raises OSError or ValueError."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"is larger than {LARGEST // 1024 // 1024} MB")
    text = path.read_bytes().decode("utf-8-sig")
    lines = (
        line.partition("#")[0].strip() if not line.startswith("\\#") else line[1:].strip() for line in text.splitlines()
    )
    return [line for line in lines if line]


def load(path: Path) -> WordList:
    """Return the list, made once for each state of the file."""
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, changed: int, size: int) -> WordList:
    return WordList(read_words(path))
