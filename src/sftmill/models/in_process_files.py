"""Folders of transformers models for use in this process: what is in them, what speaks against them, which bytes.

Nothing here imports torch but `convert`, so that a plan costs nothing. Weights are read from safetensors alone, from
this machine alone, and code that comes with a model is never run.
"""

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from sftmill.core import Step
from sftmill.errors import ModelFileError
from sftmill.models.model_files import CACHE, MODELS, fetch_lock, find, require_space, weights_hash

Kind = Literal["causal", "reward", "classifier"]
"""What a model does: it scores texts token by token, gives one number for an answer, or gives classes of two texts."""

DOES: dict[Kind, str] = {
    "causal": "gives the log-probabilities of texts (a step's `to_scorer`)",
    "reward": "gives one number for an answer (a step's `to_reward`)",
    "classifier": "sorts two texts into classes (a step's `to_classifier`)",
}
SEATS: dict[str, Kind] = {"to_scorer": "causal", "to_reward": "reward", "to_classifier": "classifier"}
"""Settings of steps that name a role for something else than writing or vectors."""

WEIGHTS = "*.safetensors"
SHAPE_FILES = ("*.json", "*.jinja", "*.model", "*.txt")
"""Files beside the weights that decide what a model says: configuration, tokenizer, chat template."""
REMEDY = "pip install 'sftmill[train]'"
RECORD = "training.json"
"""File beside the weights that says what they were trained on, and decides nothing."""
_MOST_BYTES = 64 << 20
"""A JSON file of a model may be so large; tokenizers of 250,000 words have 16 MB. Hashes of larger files are kept."""
_HALF_MOST = 65_504.0
"""The greatest number of 16-bit floats."""


def is_embedded(name: str) -> bool:
    """Tell whether `name` is a model of `sftmill model list` rather than a folder."""
    return name in MODELS


def missing_packages(name: str) -> list[str]:
    """Return the packages that the model needs and that are not installed."""
    needed = ["torch", "transformers", *(["gguf"] if is_embedded(name) else [])]
    return [package for package in needed if find_spec(package) is None]


def problems(name: str) -> list[str]:
    """Return why the model cannot be used, offline and without loading anything; an embedded one may yet be fetched."""
    if missing := missing_packages(name):
        return [f"{name} needs {' and '.join(missing)}, not installed here; run: {REMEDY}"]
    if is_embedded(name):
        return []
    folder = Path(name)
    if not folder.is_dir():
        hint = f"; or name one of {', '.join(MODELS)}"
        return [f"{name} is no folder; name the one that holds config.json and the weights (*.safetensors){hint}"]
    try:
        config = read_config(folder)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return [f"{name} has no readable config.json ({why}); it must hold a model in the Hugging Face format"]
    found = []
    if find_kind(config) is None:
        what = ", ".join(config.get("architectures") or ()) or config.get("model_type") or "nothing known"
        found.append(
            f"{name} holds {what}, neither a causal language model (...ForCausalLM, for scores of tokens) nor a "
            "sequence classifier (...ForSequenceClassification, for rewards and classes); name another folder"
        )
    if (folder / "adapter_config.json").exists():
        found.append(f"{name} holds an adapter, which names another model; merge the two and name the merged folder")
    if not any(folder.glob(WEIGHTS)):
        pickled = any(next(folder.glob(pattern), None) for pattern in ("*.bin", "*.pt", "*.pth"))
        found.append(
            f"{name} has only pickled weights, which can run code and are never loaded; convert them to safetensors"
            if pickled
            else f"{name} has no weights (*.safetensors); download the model whole"
        )
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json; raises OSError or ValueError."""
    path = folder / "config.json"
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES >> 20} MB")
    config = json.loads(path.read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError("no JSON object")
    return config


def find_kind(config: dict[str, Any]) -> Kind | None:
    """Tell from a config.json what the model does; None for what has no use here, such as an encoder-decoder."""
    architectures = [name for name in config.get("architectures") or () if isinstance(name, str)]
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        return "reward" if count_labels(config) == 1 else "classifier"
    if config.get("is_encoder_decoder"):
        return None
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return "causal"
    return None


def count_labels(config: dict[str, Any]) -> int:
    """Return the number of classes; the library leaves it out of the file where it is 2."""
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) and labels else int(config.get("num_labels") or 2)


def name_labels(config: dict[str, Any]) -> list[str]:
    """Return the names of the classes, in the order of the head's outputs, as the library names them."""
    named = {int(number): str(name) for number, name in (config.get("id2label") or {}).items()}
    return [named.get(number, f"LABEL_{number}") for number in range(count_labels(config))]


def find_room(config: dict[str, Any], tokenizer: Any) -> int | None:
    """Return how many tokens a model reads at most, by its configuration and its tokenizer; None where nobody says."""
    said = [config.get("max_position_embeddings"), config.get("n_positions"), getattr(tokenizer, "model_max_length", 0)]
    rooms = [room for room in said if isinstance(room, int) and 0 < room < 10**9]  # the library's "unknown" is 10**30
    return min(rooms, default=None)


def kind_of(name: str) -> Kind | None:
    """Tell what a model does, None where its folder does not tell; the embedded ones are causal."""
    if is_embedded(name):
        return "causal"
    try:
        return find_kind(read_config(Path(name)))
    except (OSError, ValueError):
        return None


def misplaced(step: Step, role: str, kind: Kind | None) -> list[str]:
    """Return the settings of a step that name `role` for something that its model does not do.

    `kind` is what the model does, None for one that writes (and makes vectors, as some do). The setting's name tells
    what is wanted: `to_scorer`, `to_reward`, `to_classifier`; a bare `to` is named after its default.
    """
    found = []
    for key, named in step.seats().items():
        seat = f"to_{type(step).model_fields[key].default}" if key == "to" else key
        if role not in named or (seat == "to_embedder" and kind is None):
            continue
        wanted = SEATS.get(seat)
        if wanted == "reward" and getattr(step, "reward_path", None) == "chat":
            wanted = None  # the reward is what a writing model says
        if wanted != kind:
            found.append(key)
    return found


def model_digest(name: str) -> str:
    """Return one SHA-256 for all files that decide what a model says; large ones are hashed anew only when changed.

    "missing" for a folder that cannot be read, which `problems` describes.
    """
    if is_embedded(name):
        return MODELS[name].sha256
    digest = hashlib.sha256()
    try:
        found = (path for pattern in (*SHAPE_FILES, WEIGHTS) for path in Path(name).glob(pattern))
        paths = sorted(path for path in found if path.name != RECORD)
        for path in paths:
            large = path.stat().st_size > _MOST_BYTES
            inner = weights_hash(path) if large else hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.name}\0{inner}\0".encode())
    except OSError:
        return "missing"
    return digest.hexdigest() if paths else "missing"


def library_version() -> str:
    """Return the version of transformers, which has a say in every number."""
    try:
        return version("transformers")
    except PackageNotFoundError:
        return "unknown"


def find_folder(name: str, cache: str | Path = CACHE, say: Callable[[str], None] | None = None) -> Path:
    """Return the folder of a model; an embedded one is converted first, once; raises ModelFileError."""
    if not is_embedded(name):
        return Path(name)
    model = MODELS[name]
    folder = Path(cache).expanduser() / "transformers" / f"{name}-{model.sha256[:12]}"
    if (folder / "config.json").is_file():
        return folder
    file = find(name, cache=cache)
    if file is None:
        raise ModelFileError(f"{name} is not on this machine yet; run `sftmill model fetch {name}`")
    folder.parent.mkdir(parents=True, exist_ok=True)
    require_space(folder.parent, 5 * model.bytes)
    say = say or tell
    with fetch_lock(folder, say):
        if not (folder / "config.json").is_file():
            say(f"{name}: converting for transformers, once; it takes about a minute")
            convert(file, folder)
    return folder


def tell(text: str) -> None:
    """Write a line where errors go, so that what a command prints stays clean."""
    print(text, file=sys.stderr)


def convert(file: Path, folder: Path) -> None:
    """Write a GGUF file's weights, configuration and tokenizer as a folder that transformers loads.

    It takes 20 to 80 CPU seconds. Weights go out as 16-bit floats: the 4-bit ones they come from are a hundred times
    coarser (log-probabilities move by 0.01 at most). Raises ModelFileError.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    source = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            config = AutoConfig.from_pretrained(file.parent, **source)
            with torch.device("meta"):  # the shape alone; the library's own way needs one more package
                model = AutoModelForCausalLM.from_config(config)
            tensors = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=model)["tensors"]
            small = all(tensor.abs().max() <= _HALF_MOST for tensor in tensors.values())
            kept = {name: tensor.half() if small else tensor for name, tensor in tensors.items()}
            model.save_pretrained(part, state_dict=kept)
            AutoTokenizer.from_pretrained(file.parent, **source).save_pretrained(part)
        part.replace(folder)
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        raise ModelFileError(
            f"{file.name} cannot be converted for transformers ({type(error).__name__}: {error}); name a folder with the "
            "model in the Hugging Face format instead"
        ) from error


@contextlib.contextmanager
def quiet():
    """Keep the library's progress bars and notes off the terminal; what is wrong is raised."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
