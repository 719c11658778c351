"""Static word vectors: a text's vector is the weighted mean of those of its words, 20,000 sentences a second and more.

The way is that of Model2Vec (Tulkens and van Dongen, 2024): an embedder embeds each word of a vocabulary once, the
vectors are centred and reduced by PCA, and words count the less the more frequent they are (SIF, Arora et al. 2017).
`static_make` makes the file; here it is read. Word order, negation and who does what to whom are lost on it.

A word that is not in the vocabulary stands for itself all the same: a Chinese one by its characters, an inflected one by
the word that it begins with, and names, numbers and codes by their letters, so that equal ones are near one another.
"""

import hashlib
import json
import threading
import unicodedata
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from sftmill.errors import RunError
from sftmill.text import is_cjk, pieces
from sftmill.text.variants import simplified

FILE = "static-words.npz"
VERSION = 1
SHORTEST_STEM, STEM_SHARE = 4, 0.6
"""Letters, and share of an unknown word, that a known word must have that it begins with."""
MOST_UNKNOWN = 32_768
"""Unknown words whose vectors are remembered."""
NOTHING = 0
"""Row of the table that is zero: spaces and punctuation."""
REMEDY = "python -m sftmill.models.static_make"


def fold(text: str) -> str:
    """Return the form in which words are looked up: NFKC, simplified characters, lower case."""
    return text.lower() if text.isascii() else simplified(unicodedata.normalize("NFKC", text)).lower()


class StaticWords:
    """The embedder of a file of word vectors."""

    def __init__(self, file: Path):
        self.about, known, self._table = read_words(file)
        self._ids: dict[str | tuple[str, str], int] = {word: number for number, word in enumerate(known, 1)}
        self._known = len(self._table)
        self._extended = self._table
        self._count = self._known
        self._lock = threading.Lock()

    def __contains__(self, word: str) -> bool:
        return 0 < self._ids.get(fold(word), NOTHING) < self._known

    def encode(self, texts: list[str], passages: bool = False) -> np.ndarray:
        """Return unit vectors, n x d in float32; what is no word counts only in a text without words."""
        with self._lock:
            made = np.empty((len(texts), self._table.shape[1]), np.float32)
            get = self._ids.get
            for number, text in enumerate(texts):
                # -1 is what is not known, 0 what is no word
                found = [i for piece in pieces(fold(text)) if (i := get(piece, -1))]
                if -1 in found or not found:
                    found = self._numbers_of(text)
                    get = self._ids.get
                # one text at a time stays in the processor's cache: three times as fast as thousands together
                np.add.reduce(self._extended.take(found, axis=0), axis=0, out=made[number])
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        for number in np.flatnonzero(lengths[:, 0] < 1e-6).tolist():  # vectors that cancel each other out
            made[number] = self._by_letters(texts[number])
            lengths[number] = np.linalg.norm(made[number])
        made /= lengths
        return made

    def _numbers_of(self, text: str) -> list[int]:
        """Return the rows of a text's words, where some are not known; at least one."""
        if len(self._ids) > self._known + MOST_UNKNOWN:
            self._forget()
        found = []
        for piece in pieces(fold(text)):
            number = self._ids.get(piece, -1)
            if number < 0:
                number = self._learn(piece)
            if number:
                found.append(number)
        if found:
            return found
        sign = ("signs", text.strip())  # a text of signs, or an empty one; no piece is called like this
        return [self._ids.get(sign) or self._remember(sign, self._by_letters(sign[1]))]

    def _learn(self, word: str) -> int:
        """Return the row of a word that is not known; it is the same whatever came before."""
        if not any(map(str.isalnum, word)):
            self._ids[word] = NOTHING
            return NOTHING
        return self._remember(word, self._vector_of(word))

    def _vector_of(self, word: str) -> np.ndarray:
        if any(map(is_cjk, word)):
            rows = [self._ids[c] for c in word if 0 < self._ids.get(c, NOTHING) < self._known]
            if rows:
                return self._table[rows].mean(axis=0)
        elif word.isalpha():
            for end in range(len(word) - 1, max(SHORTEST_STEM, int(STEM_SHARE * len(word))) - 1, -1):
                if 0 < (row := self._ids.get(word[:end], NOTHING)) < self._known:
                    return self._table[row]
        return self._by_letters(word)

    def _by_letters(self, word: str) -> np.ndarray:
        """Return the mean of what stands for each three letters in a row, as long as a rare word's vector."""
        framed = f"<{word[:64]}>"
        size = self._table.shape[1]
        made = np.zeros(size, np.float32)
        for start in range(max(1, len(framed) - 2)):
            part = framed[start : start + 3].encode("utf-8", "surrogatepass")
            bits = np.frombuffer(hashlib.shake_128(part).digest(-(-size // 8)), np.uint8)
            made += 2.0 * np.unpackbits(bits)[:size] - 1
        return made * (self.about["length"] / max(1e-6, float(np.linalg.norm(made))))

    def _remember(self, word: str | tuple[str, str], vector: np.ndarray) -> int:
        if self._count == len(self._extended):
            room = np.zeros((max(1024, len(self._extended) // 8), self._table.shape[1]), np.float32)
            self._extended = np.concatenate([self._extended, room])
        self._extended[self._count] = vector
        self._ids[word] = self._count
        self._count += 1
        return self._count - 1

    def _forget(self) -> None:
        """Let go of the words that are not in the file."""
        self._ids = {word: number for word, number in self._ids.items() if 0 < number < self._known}
        self._extended, self._count = self._table, self._known


def read_words(file: Path) -> tuple[dict[str, Any], list[str], np.ndarray]:
    """Return what a file of word vectors says of itself, its words, and the table of vectors, after a row of zeros.

    Raises RunError for a file that is none.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            about = json.loads(data["about"].tobytes())
            words = data["words"].tobytes().decode("utf-8").split("\n")
            steps, scales = data["vectors"], data["scales"]
        if about["version"] != VERSION or steps.shape[0] != len(words) or scales.shape != (len(words),):
            raise ValueError("another version, or not whole")
        table = np.zeros((len(words) + 1, steps.shape[1]), np.float32)
        np.multiply(steps, scales[:, None], out=table[1:], dtype=np.float32)
    except FileNotFoundError:
        raise RunError(f"there are no static word vectors at {file}. Run: {REMEDY}") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise RunError(f"{file} holds no static word vectors ({error}). Make them again: {REMEDY}") from None
    return about, words, table


def write_words(file: Path, about: dict[str, Any], words: list[str], vectors: np.ndarray) -> str:
    """Write word vectors, each number in 8 bits with a scale for each word; return the file's SHA-256.

    The same words and vectors make the same bytes. `about["length"]` becomes the middle length of a vector.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    said = {"version": VERSION, **about, "length": round(float(np.median(lengths)), 6)}
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".unfinished")
    with fresh.open("wb") as stream:
        np.savez_compressed(
            stream,
            about=np.frombuffer(json.dumps(said, sort_keys=True, ensure_ascii=False).encode(), np.uint8),
            words=np.frombuffer("\n".join(words).encode(), np.uint8),
            vectors=np.rint(vectors / scales[:, None]).astype(np.int8),
            scales=scales,
        )
    fresh.replace(file)
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
