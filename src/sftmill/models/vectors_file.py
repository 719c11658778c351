"""The file of vectors: each text's vector is kept once per embedder, beside the ledger, for all runs of a project.

A folder for each embedder, `<ledger>.vectors/<fingerprint>/`:

    about.json   the model, its revision and the numbers in a vector
    vectors      the vectors, one after the other, 32-bit floats
    keys         for each vector 24 bytes: the text's hash (16), the vector's CRC-32, and how many numbers it has

A vector is there once its key is whole: keys are written after their vectors, so that a process killed at any moment
(kill -9 included) leaves at most a tail that belongs to no key, which the next one that writes cuts off. A loss of
power can undo what came last; a vector that does not have its checksum counts as absent. One process writes at a
time (`flock`), any number read. Nothing is ever changed in place. Whoever deletes the folder loses computing time.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sftmill.errors import RecipeError, StorageError

VERSION = 1
KEY = np.dtype([("hash", "<u8", 2), ("sum", "<u4"), ("numbers", "<u4")])
"""A line of `keys`."""
RECENT = 65_536
"""Keys, at least, that wait in a dict before they are sorted in among the others."""
AT_ONCE = 4_096
"""Vectors that are written, or read, in one go."""

Keys = np.ndarray
"""n x 2 unsigned 64-bit integers: the hashes of texts."""


def hash_texts(texts: list[str], side: str = "") -> Keys:
    """Return the BLAKE2b-128 of each text; `side` tells apart what an embedder tells apart."""
    person = side.encode()
    digests = (
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=person).digest() for text in texts
    )
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)


class VectorFile:
    """The vectors of one embedder; safe to use from several threads and, each with its own, several processes."""

    def __init__(self, folder: Path, about: dict[str, Any]):
        self.folder = folder
        self.numbers: int | None = None
        """Numbers in a vector; None before the first one is written."""
        self._about = about
        self._lock = threading.RLock()
        self._count = 0
        self._sums = np.zeros(0, np.uint32)
        self._sorted: tuple[np.ndarray, np.ndarray, np.ndarray] = _sort(np.zeros((0, 2), np.uint64), np.zeros(0, int))
        self._recent: dict[bytes, int] = {}
        self._learn()

    def __len__(self) -> int:
        with self._lock:
            self._refresh()
            return self._count

    def find(self, keys: Keys) -> np.ndarray:
        """Return the place of each key's vector, -1 where there is none."""
        with self._lock:
            self._refresh()
            return self._find(keys)

    def read(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors at some places, n x numbers in float32, and for each whether it is sound."""
        made = np.empty((len(places), self.numbers or 1), np.float32)
        sound = np.zeros(len(places), bool)
        with self._lock:
            for start in range(0, len(places), AT_ONCE):
                self._read(places[start : start + AT_ONCE], made[start : start + AT_ONCE])
                for at in range(start, min(start + AT_ONCE, len(places))):
                    sound[at] = zlib.crc32(made[at]) == self._sums[places[at]]
        return made, sound

    def append(self, keys: Keys, vectors: np.ndarray, anew: bool = False) -> None:
        """Keep vectors; of those whose key is there already the older one stays, unless they are to be kept `anew`.

        Raises RecipeError for vectors of another length, and StorageError where they cannot be written.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        with self._lock, _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with _held(self.folder / "lock"):
                self._learn(vectors.shape[1])
                self._refresh()
                if vectors.shape[1] != self.numbers:
                    raise RecipeError(
                        f"the model {self._about.get('model')!r} gave vectors of {vectors.shape[1]} numbers, and before "
                        f"of {self.numbers}: it is another one now; give the role another `revision`"
                    )
                _, first = np.unique(keys, axis=0, return_index=True)
                new = np.sort(first) if anew else np.sort(first[self._find(keys[first]) < 0])
                for start in range(0, len(new), AT_ONCE):
                    self._write(keys[new[start : start + AT_ONCE]], vectors[new[start : start + AT_ONCE]])
                self._refresh()

    def _learn(self, numbers: int | None = None) -> None:
        """Learn how many numbers a vector has; with `numbers` decide it where no vector was written yet."""
        if self.numbers is not None:
            return
        path = self.folder / "about.json"
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if about["version"] != VERSION or int(about["numbers"]) < 1:
                raise ValueError("another version")
            self.numbers = int(about["numbers"])
        except FileNotFoundError:
            if numbers is None:
                return
            fresh = path.with_suffix(".unfinished")
            text = json.dumps({"version": VERSION, "numbers": numbers, **self._about}, ensure_ascii=False, indent=1)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
            self.numbers = numbers
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{path} cannot be used ({error}); delete the folder {self.folder}: its vectors are then made again, "
                "or come from the ledger where they were paid for"
            ) from None

    def _refresh(self) -> None:
        """Take in the keys that were written since, by whatever process."""
        self._learn()
        if self.numbers is None:
            return
        try:
            with (self.folder / "keys").open("rb") as stream:
                stream.seek(self._count * KEY.itemsize)
                data = stream.read()
        except FileNotFoundError:
            return
        lines = np.frombuffer(data[: len(data) - len(data) % KEY.itemsize], KEY)
        if not len(lines):
            return
        places = np.arange(self._count, self._count + len(lines))
        self._sums = np.concatenate([self._sums, lines["sum"]])
        self._count += len(lines)
        whole = lines["numbers"] == self.numbers
        hashes = np.ascontiguousarray(lines["hash"][whole])
        if len(self._recent) + len(hashes) <= max(RECENT, len(self._sorted[0]) // 4):
            self._recent.update(zip(_as_bytes(hashes), places[whole].tolist(), strict=True))
            return
        waiting = np.frombuffer(b"".join(self._recent), "<u8").reshape(-1, 2)
        of_waiting = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        high, low, known = self._sorted
        all_hashes = np.concatenate([np.stack([high, low], axis=1), waiting, hashes])
        self._sorted = _sort(all_hashes, np.concatenate([known, of_waiting, places[whole]]))
        self._recent = {}

    def _find(self, keys: Keys) -> np.ndarray:
        high, low, places = self._sorted
        # equal ones stand in the order of writing: the last one counts
        at = np.searchsorted(high, keys[:, 0], side="right") - 1
        found = np.full(len(keys), -1, np.int64)
        there = at >= 0
        there[there] = (high[at[there]] == keys[there, 0]) & (low[at[there]] == keys[there, 1])
        found[there] = places[at[there]]
        if self._recent:
            get = self._recent.get
            for i, key in enumerate(_as_bytes(keys)):
                if (place := get(key)) is not None:
                    found[i] = place
        return found

    def _read(self, places: np.ndarray, into: np.ndarray) -> None:
        """Read vectors; those that stand in a row with one call."""
        size = into.shape[1] * into.itemsize
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        with _explained(self.folder), (self.folder / "vectors").open("rb", buffering=0) as stream:
            for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(places)], strict=True):
                if first == last:
                    continue
                stream.seek(int(places[first]) * size)
                part, got = memoryview(into[first:last]).cast("B"), 0
                while got < len(part) and (more := stream.readinto(part[got:])):
                    got += more
                into[first:last][got // size :] = np.nan  # lost with the power: no checksum will fit

    def _write(self, keys: Keys, vectors: np.ndarray) -> None:
        """Append vectors, then their keys, behind what is whole; the lock is held."""
        size = vectors.shape[1] * vectors.itemsize
        lines = np.zeros(len(keys), KEY)
        lines["hash"], lines["numbers"] = keys, vectors.shape[1]
        lines["sum"] = [zlib.crc32(vector) for vector in vectors]
        with _open(self.folder / "vectors") as vectors_file, _open(self.folder / "keys") as keys_file:
            whole = keys_file.seek(0, os.SEEK_END) // KEY.itemsize
            _write_behind(vectors_file, whole * size, memoryview(vectors).cast("B"))
            _write_behind(keys_file, whole * KEY.itemsize, memoryview(lines.tobytes()))


def _sort(hashes: Keys, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the halves of hashes and the places, in the order of the first half, then of the places."""
    order = np.argsort(hashes[:, 0], kind="stable")
    return np.ascontiguousarray(hashes[order, 0]), np.ascontiguousarray(hashes[order, 1]), places[order]


def _as_bytes(hashes: Keys) -> list[bytes]:
    data = np.ascontiguousarray(hashes).tobytes()
    return [data[start : start + 16] for start in range(0, len(data), 16)]


def _open(path: Path) -> io.FileIO:
    """Open a file to read and write it without a buffer, made where it is not there."""
    return io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+")


def _write_behind(file: io.FileIO, offset: int, data: memoryview) -> None:
    """Write behind `offset`; a tail that an interrupted writer left there is cut off."""
    file.truncate(offset)
    file.seek(offset)
    done = 0
    while done < len(data):
        done += file.write(data[done:])


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Let one process at a time write; the operating system frees the lock of one that died."""
    with path.open("a") as stream:
        try:
            import fcntl
        except ImportError:  # Windows: use one process
            yield
            return
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        remedy = "free some space" if full else "check its space, its health and whether it may be written"
        raise StorageError(
            f"the vectors in {folder} cannot be read or written ({error.strerror}): {remedy}, then give the same "
            "command again"
        ) from error
