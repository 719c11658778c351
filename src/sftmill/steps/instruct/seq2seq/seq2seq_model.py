"""T5- and BART-family models in this process: found on disk, checked, loaded, and asked in batches.

Needs the extra `train` (torch, transformers), imported only inside the functions. Weights are read from safetensors
alone, and code that comes with a model is never run.
"""

import json
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from sftmill.errors import ModelError, ModelFileError
from sftmill.steps.instruct.seq2seq.seq2seq_form import HIGHLIGHT, PREFIXED

Device = Literal["auto", "cpu", "cuda"]

SHAPE_FILES = ("*.json", "*.model", "*.txt")
"""Files beside the weights that decide what a model says: configuration, tokenizer, vocabulary."""
WEIGHTS = "*.safetensors"
_MOST_BYTES = 64 << 20
"""A JSON file of a model may be so large; tokenizers of 250,000 words have 16 MB."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def has_libraries() -> bool:
    """Tell whether torch and transformers are installed."""
    return find_spec("torch") is not None and find_spec("transformers") is not None


def find_model(model: Path | None, hub: str | None, revision: str | None) -> Path | None:
    """Return the folder of a model: the one given, or where the hub's files lie on this machine; None if nowhere."""
    if model is not None:
        return model if model.is_dir() else None
    if hub is None or not has_libraries():
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError):
        return None


def is_pinned(hub: str | None, revision: str | None) -> bool:
    """Tell whether a hub's model is named by a whole commit, which decides its files whether they are here or not."""
    return hub is not None and _COMMIT.fullmatch(revision or "") is not None


def fetch_model(hub: str, revision: str) -> Path:
    """Download a model at a commit, without its pickled weights, and return its folder; raises ModelFileError."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub, revision=revision, allow_patterns=[*SHAPE_FILES, WEIGHTS]))
    except Exception as error:
        raise ModelFileError(
            f"hub: {hub!r} at {revision} could not be downloaded ({type(error).__name__}: {error}); download it with "
            f"`hf download {hub} --revision {revision}` and name the folder under model:"
        ) from error


def model_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that decide what a model says, sorted; nothing that is not read is among them."""
    return tuple(sorted(path for pattern in (*SHAPE_FILES, WEIGHTS) for path in folder.glob(pattern)))


def source_problems(model: Path | None, hub: str | None, revision: str | None, download: bool) -> list[str]:
    """Return what is wrong with the settings that name a model, offline."""
    if (model is None) == (hub is None):
        return ["model, hub: name one of them: model: a folder with the model, or hub: its name on the model hub"]
    if not has_libraries():
        return ["torch and transformers are not installed; run `pip install 'sftmill[train]'`"]
    if download and hub and not is_pinned(hub, revision):
        return [
            f"revision: {revision!r} is no full commit of 40 characters, and with download: true what is downloaded "
            f"must be pinned; copy the commit from the model's page"
        ]
    folder = find_model(model, hub, revision)
    if folder is None:
        if model is not None:
            return [f"model: {str(model)!r} is no folder; name the one that holds config.json and the weights"]
        return [] if download else [
            f"hub: {hub!r} is not on this machine; run `hf download {hub}`, or set download: true with a revision"
        ]  # fmt: skip
    return folder_problems(folder)


def folder_problems(folder: Path, highlights: bool = False) -> list[str]:
    """Return why a folder holds no encoder-decoder model that may be loaded; with `highlights`, why it knows no <hl>."""
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError) as error:
        return [f"model: {str(folder)!r} has no readable config.json ({error}); it must hold a transformers model"]
    found = []
    if not config.get("is_encoder_decoder"):
        found.append(
            f"model: {config.get('model_type')!r} in {str(folder)!r} is no encoder-decoder; name a T5 or BART model"
        )
    if "auto_map" in config:
        found.append(f"model: {str(folder)!r} wants to run its own code (auto_map), which is refused; take another")
    if not any(folder.glob(WEIGHTS)):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        what = "only pickled weights, which can run code" if pickled else "no weights"
        found.append(f"model: {str(folder)!r} has {what}; convert them to safetensors, or take a model that has them")
    if highlights and not knows_highlight(folder):
        found.append(
            f"model: the tokenizer in {str(folder)!r} knows no {HIGHLIGHT}, so the model was not trained to extract "
            "answers or to ask for them; train it with `train_seq2seq`, or set answers: pairs for one that makes pairs"
        )
    return found


def knows_highlight(folder: Path) -> bool:
    """Tell whether a model's tokenizer has the highlight token."""
    wanted = json.dumps(HIGHLIGHT).encode()
    paths = (p for p in folder.glob("*.json") if "token" in p.name and p.stat().st_size <= _MOST_BYTES)
    return any(wanted in path.read_bytes() for path in paths)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raises OSError or ValueError."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path.name} is larger than {_MOST_BYTES >> 20} MB")
    data = json.loads(path.read_text("utf-8"))
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} holds no object")
    return data


def load(folder: Path) -> tuple[Any, Any]:
    """Return (tokenizer, model) from a folder, in single precision; raises ModelFileError."""
    if problems := folder_problems(folder):
        raise ModelFileError("\n".join(problems))
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **safe)
    except Exception as error:
        raise ModelFileError(
            f"model: {str(folder)!r} cannot be loaded ({type(error).__name__}: {error}); "
            'check it with `python -c "import transformers"` and download it again'
        ) from error
    if model.config.model_type in PREFIXED:  # T5 begins with padding; some configurations leave it out
        for config in (model.config, model.generation_config):
            if getattr(config, "decoder_start_token_id", None) is None:
                config.decoder_start_token_id = tokenizer.pad_token_id
    return tokenizer, model


def chosen_device(device: Device) -> str:
    """Return "cuda" or "cpu"; "auto" takes the accelerator where there is one."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ModelFileError("device: cuda is asked for, but torch sees no GPU; set device: cpu or auto")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


class Writer:
    """A model that writes texts from texts, by beam search: the same texts for the same input."""

    def __init__(self, tokenizer: Any, model: Any, device: str = "cpu", beams: int = 4, batch: int = 8):
        self.tokenizer = tokenizer
        self.model = model.to(device).eval()
        self.device = device
        self.beams = beams
        self.batch = batch
        added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
        self.special = tuple(sorted({*tokenizer.all_special_tokens, *added, HIGHLIGHT}, key=lambda t: (-len(t), t)))
        config = model.config
        said = getattr(config, "add_prefix", None)
        self.prefixed = said if isinstance(said, bool) else config.model_type in PREFIXED

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, with one for the space that may stand between it and the next."""
        if not texts:
            return []
        return [len(ids) + 1 for ids in self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    def write(self, texts: Sequence[str], longest: int, most: int) -> list[str]:
        """Return what the model makes of each text, in their order; inputs of like length share a batch.

        `longest` and `most` are tokens of input and output. Raises ModelError when the GPU's memory is too small.
        """
        import torch

        order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
        written = [""] * len(texts)
        for at in range(0, len(order), self.batch):
            numbers = order[at : at + self.batch]
            inputs = self.tokenizer(
                [texts[i] for i in numbers], return_tensors="pt", padding=True, truncation=True, max_length=longest
            )
            try:
                with torch.inference_mode():
                    made = self.model.generate(
                        input_ids=inputs["input_ids"].to(self.device),
                        attention_mask=inputs["attention_mask"].to(self.device),
                        num_beams=self.beams,
                        do_sample=False,
                        max_new_tokens=most,
                    )
            except torch.cuda.OutOfMemoryError:
                raise ModelError(
                    f"the GPU has too little memory for {len(numbers)} inputs at once with {self.beams} beams; "
                    "lower batch or beams, or set device: cpu"
                ) from None
            for i, text in zip(numbers, self.tokenizer.batch_decode(made, skip_special_tokens=True), strict=True):
                written[i] = text.strip()
        return written
