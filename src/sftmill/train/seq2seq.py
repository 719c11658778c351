"""Fine-tunes T5 and BART models to extract answers and to ask for them, on the project's own reviewed pairs.

Needs the extra `train`. A plain loop over AdamW, so that one can read what happens; weights go in and out as safetensors.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson

from sftmill.core import Row, answer, question
from sftmill.errors import RunError
from sftmill.steps.instruct.seq2seq.masking import corrupt, draw_spans
from sftmill.steps.instruct.seq2seq.seq2seq_form import HIGHLIGHT, Task
from sftmill.steps.instruct.seq2seq.seq2seq_model import Device, Writer, chosen_device, load, model_files
from sftmill.text import content_hash, normalise
from sftmill.train.seq2seq_examples import (
    Example,
    Objective,
    TextShape,
    choose_rows,
    hold_out,
    pair_examples,
    raw_examples,
    read_rows,
)

RECORD = "training.json"
"""File beside the weights that says what they were trained on."""
IGNORED = -100
"""Label of padding, which the loss leaves out (torch's default)."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train; lengths and beams are lmqg's."""

    epochs: int = 5
    batch: int = 16
    rate: float = 3e-4
    """Greatest learning rate; it rises over the first tenth of the steps and falls to 0."""
    steps: int | None = None
    """Steps after which training ends, whatever the epochs."""
    seed: int = 1
    held_out: float = 0.1
    """Share of the passages that are not trained on."""
    input_tokens: int = 512
    target_tokens: int = 256
    beams: int = 4
    """Beams of the search that tries the trained model on what was held out."""
    device: Device = "auto"


class Ids(NamedTuple):
    """An example in token ids."""

    source: list[int]
    target: list[int]


def train_seq2seq(
    rows: Path | Iterable[Row],
    base: Path,
    out: Path,
    *,
    tasks: Sequence[Task] = ("answers", "question"),
    schedule: Schedule = Schedule(),
    unreviewed: bool = False,
) -> dict[str, Any]:
    """Train a model on reviewed pairs, both tasks jointly, save it to the new folder `out`, and return its record.

    `rows` are rows or a JSON Lines file of them (see `read_rows`), `base` the folder of a T5 or BART model. The
    record, also saved as training.json, tells what was trained on (hashes of rows and base), the losses, and for
    what was held out the exact numbers of examples and of exactly right answers. Raises RunError for rows that
    nobody reviewed (unless `unreviewed`), for nothing to train on and for a folder that is there; ModelFileError.
    """
    _refuse_folder(out)
    kept, sorts = choose_rows(read_rows(rows) if isinstance(rows, Path) else rows, unreviewed)
    tokenizer, model = _prepared(base, schedule.seed)
    examples, lost = pair_examples(kept, tasks, _shape(tokenizer, model, schedule))
    said = {
        "rows": dict(sorted(sorts.items())),
        "rows_hash": content_hash(
            *sorted(content_hash(row.get("passage") or "", question(row), answer(row)) for row in kept)
        ),
        "unused": dict(sorted(lost.items())),
    }
    return _train(base, out, tokenizer, model, examples, schedule, said)


def adapt_seq2seq(
    passages: Iterable[str],
    base: Path,
    out: Path,
    *,
    objectives: Sequence[Objective] = ("corruption",),
    schedule: Schedule = Schedule(),
) -> dict[str, Any]:
    """Train a model on raw passages of the domain, without any pair, save it to `out`, and return its record.

    corruption: spans of 3 tokens on average, 15 % in all, are hidden and restored (T5); masked: an entity is
    highlighted and the sentence with a blank is written; completion: a sentence is finished. `train_seq2seq` then
    takes the adapted model as its base. Raises RunError and ModelFileError.
    """
    _refuse_folder(out)
    texts = [text for text in dict.fromkeys(passages) if text.strip()]
    tokenizer, model = _prepared(base, schedule.seed)
    shape = _shape(tokenizer, model, schedule)
    if "corruption" in objectives and not _sentinels(tokenizer):
        raise RunError(
            f"{base}: the tokenizer has no <extra_id_0>, so spans cannot be hidden; take a T5 model, or the objectives "
            "masked and completion"
        )
    examples = raw_examples(texts, objectives, shape, schedule.seed)
    said = {"passages": len(texts), "passages_hash": content_hash(*sorted(map(content_hash, texts)))}
    return _train(base, out, tokenizer, model, examples, schedule, said)


def _refuse_folder(out: Path) -> None:
    if out.exists():
        raise RunError(f"{out}: is there already; name a new folder for the trained model")


def _prepared(base: Path, seed: int) -> tuple[Any, Any]:
    """Return tokenizer and model with the highlight token known to both."""
    tokenizer, model = load(base)
    import torch
    from tokenizers import AddedToken

    torch.manual_seed(seed)
    if HIGHLIGHT not in tokenizer.get_vocab():
        tokenizer.add_tokens([AddedToken(HIGHLIGHT, special=True, normalized=False)], special_tokens=True)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return tokenizer, model


def _shape(tokenizer: Any, model: Any, schedule: Schedule) -> TextShape:
    writer = Writer(tokenizer, model)
    model.config.add_prefix = writer.prefixed  # lmqg reads it, and so does the step
    return TextShape(writer.special, writer.prefixed, writer.sizes, schedule.input_tokens)


def _train(
    base: Path,
    out: Path,
    tokenizer: Any,
    model: Any,
    examples: list[Example],
    schedule: Schedule,
    said: dict[str, Any],
) -> dict[str, Any]:
    """Fit, try on what was held out, and save all at once."""
    import torch
    import transformers

    training, held = hold_out(examples, schedule.held_out, schedule.seed)
    if not training:
        raise RunError(f"there is nothing to train on: {said}; the answers must stand in their passages, word for word")
    _refuse_unwritable(tokenizer, examples, base)
    device = chosen_device(schedule.device)
    model.to(device)
    encoder = Encoder(tokenizer, schedule)
    losses = fit(model, encoder, training, schedule, device)
    record = {
        "base": str(base.name),
        "base_hash": hash_files(model_files(base)),
        **said,
        "examples": _counted(training),
        "held_out": {**_counted(held), "passages": len({example.group for example in held})},
        "loss": [round(loss, 6) for loss in losses],
        "held_out_loss": _mean_loss(model, encoder, held, schedule, device),
        "held_out_exact": exact_counts(
            Writer(tokenizer, model, device, schedule.beams, schedule.batch), held, schedule
        ),
        "schedule": asdict(schedule),
        "device": device,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    _save(out, tokenizer, model, record)
    return record


UNKNOWN = 0.05
"""Share of a text's tokens that may be unknown: a rare sign here and there is."""
UNWRITABLE = 0.2
"""Share of the texts that may have more unknown tokens than that."""


def _refuse_unwritable(tokenizer: Any, examples: Sequence[Example], base: Path) -> None:
    """Raise RunError when the model has no words for what it is to write, as an English T5 has none for Chinese."""
    texts = [example.target or example.source for example in examples]  # hidden spans are restored
    ids = [tokenizer(text)["input_ids"] for text in texts]
    unwritable = sum(one.count(tokenizer.unk_token_id) > UNKNOWN * len(one) for one in ids)
    if unwritable > UNWRITABLE * len(texts):
        raise RunError(
            f"{base}: the tokenizer cannot write {unwritable} of the {len(texts)} texts to be learnt, for it does not "
            "know their characters or signs; take a base that knows the language, such as an mT5 or a Chinese T5 or BART"
        )


def _counted(examples: Sequence[Example]) -> dict[str, int]:
    return dict(sorted(Counter(example.task for example in examples).items()))


class Encoder:
    """Turns examples into padded tensors."""

    def __init__(self, tokenizer: Any, schedule: Schedule):
        self.tokenizer = tokenizer
        self.schedule = schedule
        self.sentinels = _sentinels(tokenizer)

    def ids(self, example: Example, random: Random) -> Ids:
        """Return an example in token ids; text to restore loses other spans each time."""
        limits = {"truncation": True, "max_length": self.schedule.input_tokens}
        source = self.tokenizer(example.source, **limits)["input_ids"]
        if example.task != "corruption":
            limits["max_length"] = self.schedule.target_tokens
            return Ids(source, self.tokenizer(text_target=example.target, **limits)["input_ids"])
        end = source[-1:] if source[-1:] == [self.tokenizer.eos_token_id] else []
        body = source[: len(source) - len(end)]
        source, target = corrupt(body, draw_spans(len(body), random), self.sentinels)
        return Ids(source + end, target + end)

    def batch(self, ids: Sequence[Ids], device: str) -> dict[str, Any]:
        """Return input_ids, attention_mask and labels of shape (examples, longest)."""
        import torch

        width, height = max(len(one.source) for one in ids), max(len(one.target) for one in ids)
        pad = self.tokenizer.pad_token_id
        rows = [
            (one.source + [pad] * (width - len(one.source)), [1] * len(one.source) + [0] * (width - len(one.source)),
             one.target + [IGNORED] * (height - len(one.target)))
            for one in ids
        ]  # fmt: skip
        columns = [torch.tensor(column, device=device) for column in zip(*rows, strict=True)]
        return dict(zip(("input_ids", "attention_mask", "labels"), columns, strict=True))


def _sentinels(tokenizer: Any) -> list[int]:
    """Return the ids of <extra_id_0>, <extra_id_1>, ..., as many as there are."""
    known = tokenizer.get_vocab()
    found = []
    while (name := f"<extra_id_{len(found)}>") in known:
        found.append(known[name])
    return found


def fit(model: Any, encoder: Encoder, examples: Sequence[Example], schedule: Schedule, device: str) -> list[float]:
    """Train in place and return the mean loss of each epoch; seeds fix order, dropout and hidden spans."""
    import torch

    per_epoch = -(-len(examples) // schedule.batch)
    steps = min(schedule.epochs * per_epoch, schedule.steps or schedule.epochs * per_epoch)
    warm = max(steps // 10, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.rate, weight_decay=0.01)
    slope = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(steps - step, 0) / max(steps - warm, 1), 1.0)
    )
    torch.manual_seed(schedule.seed)
    model.train()
    done, losses = 0, []
    while done < steps:
        total = number = 0.0
        random = Random(f"{schedule.seed} {len(losses)}")
        for some in _batches(examples, schedule.batch, random):
            loss = model(**encoder.batch([encoder.ids(example, random) for example in some], device)).loss
            if not torch.isfinite(loss):
                raise RunError(
                    f"the loss is {loss.item()} at step {done + 1}; lower the learning rate of {schedule.rate}"
                )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            slope.step()
            optimizer.zero_grad()
            total, number, done = total + loss.item(), number + 1, done + 1
            if done == steps:
                break
        losses.append(total / number)
    model.eval()
    return losses


def _batches(examples: Sequence[Example], size: int, random: Random) -> Iterator[list[Example]]:
    order = random.sample(list(examples), len(examples))
    return (order[at : at + size] for at in range(0, len(order), size))


def _mean_loss(
    model: Any, encoder: Encoder, examples: Sequence[Example], schedule: Schedule, device: str
) -> float | None:
    """Return the mean loss over examples, each counted once; None where there are none."""
    import torch

    if not examples:
        return None
    random, total = Random(schedule.seed), 0.0
    with torch.inference_mode():
        for at in range(0, len(examples), schedule.batch):
            some = examples[at : at + schedule.batch]
            batch = encoder.batch([encoder.ids(example, random) for example in some], device)
            total += model(**batch).loss.item() * len(some)
    return round(total / len(examples), 6)


def exact_counts(writer: Writer, examples: Sequence[Example], schedule: Schedule) -> dict[str, dict[str, int]]:
    """Return, by task, of how many inputs the model writes one of the right texts exactly; corruption is left out."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for example in examples:
        if example.task != "corruption":
            wanted.setdefault((example.task, example.source), set()).add(normalise(example.target))
    said = writer.write([source for _, source in wanted], schedule.input_tokens, schedule.target_tokens)
    counts: dict[str, dict[str, int]] = {}
    for ((task, _), right), text in zip(wanted.items(), said, strict=True):
        count = counts.setdefault(task, {"exact": 0, "of": 0})
        count["exact"] += normalise(text) in right
        count["of"] += 1
    return counts


def hash_files(paths: Sequence[Path]) -> str:
    """Return one hash over names and bytes of files, read in pieces: weights are large."""
    digest = blake2b(digest_size=16)
    for path in paths:
        digest.update(path.name.encode() + b"\0")
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _save(out: Path, tokenizer: Any, model: Any, record: dict[str, Any]) -> None:
    """Write weights, tokenizer and record beside their place, and move them there at the end."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    (part / RECORD).write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    json.loads((part / "config.json").read_text("utf-8"))  # what cannot be read again is not put in place
    part.replace(out)
