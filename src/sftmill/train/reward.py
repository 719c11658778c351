"""Trains a reward model on stored preferences, by the Bradley-Terry loss, and tells how good it is and what biases it.

    python -m sftmill.train.reward runs/x/streams/rows/03-preference --base models/base --into models/reward

The rows are those that `preference`, `best_of_n` and `feedback` leave: an answer, and a `rejected` one. The folder made
is read by `reward: {transformers: models/reward}` in a recipe. Needs the extra `train`.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import orjson

from sftmill.core import Row
from sftmill.errors import BadRequest, ModelFileError, RunError, SftmillError
from sftmill.judge_measures import mean, share, wilson
from sftmill.models import in_process_files as files
from sftmill.models.in_process import encode_judged
from sftmill.text import content_hash
from sftmill.train.reward_pairs import Pair, make_pairs, read_rows, split_pairs

RECORD = files.RECORD
"""File beside the weights that says what they were trained on."""
FEWEST = 8
"""Pairs to train on below which a model would learn them by heart and nothing else."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train; one epoch and small steps are usual (Llama 2, Touvron et al. 2023, 2307.09288)."""

    epochs: int = 1
    batch: int = 4
    """Pairs whose conversations are read at once."""
    accumulate: int = 4
    """Batches that make one step of the optimizer."""
    rate: float = 1e-5
    """Greatest learning rate; it rises over the first tenth of the steps and falls to 0."""
    decay: float = 0.01
    """Weight decay of AdamW."""
    margin: float = 1.0
    """How much of a row's margin the rewards must differ by before the loss is satisfied; 0 leaves margins out."""
    most_margin: float = 3.0
    """Cap on that; Llama 2's margins end at 3."""
    tokens: int = 1024
    """Longest conversation; pairs with a longer one are left out, for a cut answer is another answer."""
    held_out: float = 0.1
    """Share of the questions that are not trained on."""
    seed: int = 1


def train_reward(
    rows: Path | Iterable[Row], base: str | Path, into: Path, *, schedule: Schedule = Schedule()
) -> dict[str, Any]:
    """Train a reward model, save it to the new folder `into`, and return its record, which training.json holds too.

    `rows` are rows or where they lie (see `read_rows`); `base` is a folder with a causal model, an encoder or a sequence
    classifier, or the name of an embedded model. Raises RunError for a folder that is there and for too few pairs, and
    ModelFileError.
    """
    if into.exists():
        raise RunError(f"{into}: is there already; name a new folder for the trained model")
    pairs, left = make_pairs(read_rows(rows) if isinstance(rows, Path) else rows)
    _refuse_few(pairs, left)
    import torch
    import transformers

    torch.manual_seed(schedule.seed)
    tokenizer, model = load_base(str(base))
    encoder = Encoder(tokenizer, model)
    kept = readable(pairs, encoder, schedule.tokens, left)
    training, dev = split_pairs(kept, schedule.held_out, schedule.seed)
    _refuse_few(training, left)
    losses = fit(model, encoder, training, schedule)
    record = {
        "base": Path(base).name,
        "base_hash": files.model_digest(str(base)),
        "pairs_hash": content_hash(*sorted(content_hash(orjson.dumps(asdict(pair)).decode()) for pair in kept)),
        "pairs": {"train": len(training), "dev": len(dev), "test": len(kept) - len(training) - len(dev)},
        "left_out": left,
        "loss": [round(loss, 6) for loss in losses],
        "dev": assess(dev, score_pairs(model, encoder, dev, schedule.batch)),
        "schedule": asdict(schedule),
        "device": model.device.type,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    _save(into, tokenizer, model, record)
    return record


def _refuse_few(pairs: Sequence[Pair], left: dict[str, int]) -> None:
    if len(pairs) < FEWEST:
        why = "; left out: " + ", ".join(f"{count} {reason}" for reason, count in left.items()) if left else ""
        raise RunError(
            f"{len(pairs)} pairs to train on, at least {FEWEST} are needed{why}. Rows need an answer and a different "
            "`rejected` one, as `preference`, `best_of_n` and `feedback` leave them"
        )


def readable(pairs: Sequence[Pair], encoder: "Encoder", most: int, left: dict[str, int]) -> list[Pair]:
    """Return the pairs that the model can read whole, and count the others in `left`."""
    kept = []
    for pair in pairs:
        try:
            fits = encoder.longest(pair) <= min(most, encoder.room)
        except BadRequest:
            left["refused_by_chat_format"] = left.get("refused_by_chat_format", 0) + 1
            continue
        if fits:
            kept.append(pair)
        else:
            left["too_long"] = left.get("too_long", 0) + 1
    return kept


def load_base(base: str) -> tuple[Any, Any]:
    """Return tokenizer and model with a head of one output; a head of another size is drawn anew; ModelFileError."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, safe = files.find_folder(base), {"local_files_only": True, "trust_remote_code": False}
    if not any(folder.glob(files.WEIGHTS)):
        raise ModelFileError(f"{folder}: has no weights (*.safetensors); name a folder with a whole model")
    try:
        with files.quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
            model, told = AutoModelForSequenceClassification.from_pretrained(
                folder, num_labels=1, use_safetensors=True, dtype=torch.float32, ignore_mismatched_sizes=True,
                output_loading_info=True, **safe,
            )  # fmt: skip
    except Exception as error:
        raise ModelFileError(
            f"{folder}: cannot be loaded as a base ({type(error).__name__}: {error}); name a causal model or an encoder"
        ) from error
    trunk = f"{model.base_model_prefix}."
    if missing := sorted(key for key in told["missing_keys"] if key.startswith(trunk) and "pooler" not in key):
        raise ModelFileError(f"{folder}: the weights lack {missing[0]!r}; name a folder with a whole model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = "right"  # positions count from the first token
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu")


class Encoder:
    """Turns pairs into tensors, the better answers first, in the format in which the model will be asked."""

    def __init__(self, tokenizer: Any, model: Any):
        self.tokenizer, self.device = tokenizer, model.device
        self.room = files.find_room(model.config.get_text_config().to_dict(), tokenizer) or sys.maxsize
        self._known: dict[tuple[int, bool], dict[str, list[int]]] = {}

    def ids(self, pair: Pair, better: bool) -> dict[str, list[int]]:
        """Return what the tokenizer makes of one of the two conversations."""
        if (found := self._known.get(where := (id(pair), better))) is None:
            made = encode_judged(self.tokenizer, pair.talk(pair.chosen if better else pair.rejected))
            found = self._known[where] = {name: value[0].tolist() for name, value in made.items()}
        return found

    def longest(self, pair: Pair) -> int:
        """Return the tokens of the longer conversation."""
        return max(len(self.ids(pair, better)["input_ids"]) for better in (True, False))

    def batch(self, pairs: Sequence[Pair]) -> Any:
        """Return tensors of shape (2 pairs, longest)."""
        both = [self.ids(pair, better) for better in (True, False) for pair in pairs]
        return self.tokenizer.pad(both, return_tensors="pt").to(self.device)


def pair_loss(better: Any, worse: Any, margins: Any) -> Any:
    """Return the mean of -log sigmoid(better - worse - margin) over pairs (Bradley-Terry; Ouyang et al. 2022, 2203.02155)."""
    from torch.nn.functional import logsigmoid

    return -logsigmoid(better - worse - margins).mean()


def fit(model: Any, encoder: Encoder, pairs: Sequence[Pair], schedule: Schedule) -> list[float]:
    """Train in place and return the mean loss of each epoch; the seed fixes order and dropout."""
    import torch

    per_epoch = math.ceil(len(pairs) / (schedule.batch * schedule.accumulate))
    steps = per_epoch * schedule.epochs
    warm = max(steps // 10, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.rate, weight_decay=schedule.decay)
    slope = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(steps - step, 0) / max(steps - warm, 1), 1.0)
    )
    model.train()
    losses = []
    for epoch in range(schedule.epochs):
        order = Random(f"{schedule.seed} {epoch}").sample(list(pairs), len(pairs))
        total = 0.0
        for some in _parts(order, schedule.batch * schedule.accumulate):
            for few in _parts(some, schedule.batch):
                rewards = model(**encoder.batch(few)).logits[:, 0].float()
                margins = [schedule.margin * min(pair.margin, schedule.most_margin) for pair in few]
                loss = pair_loss(*rewards.chunk(2), torch.tensor(margins, device=rewards.device))
                if not torch.isfinite(loss):
                    raise RunError(f"the loss is {loss.item()}; lower the learning rate of {schedule.rate}")
                (loss * len(few) / len(some)).backward()
                total += loss.item() * len(few)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            slope.step()
            optimizer.zero_grad()
        losses.append(total / len(pairs))
    model.eval()
    return losses


def _parts(pairs: Sequence[Pair], size: int) -> Iterator[Sequence[Pair]]:
    return (pairs[at : at + size] for at in range(0, len(pairs), size))


def score_pairs(model: Any, encoder: Encoder, pairs: Sequence[Pair], batch: int) -> list[tuple[float, float]]:
    """Return the rewards of the better and the worse answer of each pair."""
    import torch

    scored: list[tuple[float, float]] = []
    with torch.inference_mode():
        for few in _parts(pairs, batch):
            better, worse = model(**encoder.batch(few)).logits[:, 0].float().chunk(2)
            scored += zip(better.tolist(), worse.tolist(), strict=True)
    return scored


def assess(pairs: Sequence[Pair], scored: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return how often the better answer has the higher reward, by how much, and whether length explains it.

    `length_correlation` is that of the two differences within pairs (through 0: -1 to 1); it is to be read beside
    `longer_wins`, the accuracy of always taking the longer answer. Equal rewards count as wrong.
    """
    gaps = [better - worse for better, worse in scored]
    longer = [pair.longer for pair in pairs]
    right = sum(gap > 0 for gap in gaps)
    against = [gap for gap, more in zip(gaps, longer, strict=True) if more < 0]
    spread = math.sqrt(sum(gap * gap for gap in gaps) * sum(more * more for more in longer))
    together = sum(gap * more for gap, more in zip(gaps, longer, strict=True))
    return {
        "pairs": len(pairs),
        "accuracy": share(right, len(pairs)),
        "accuracy_interval": wilson(right, len(pairs)),
        "accuracy_where_the_better_is_shorter": share(sum(gap > 0 for gap in against), len(against)),
        "mean_margin": mean(gaps),
        "length_correlation": round(together / spread, 4) if spread else None,
        "longer_wins": share(sum(more > 0 for more in longer), len(pairs)),
    }


def _save(into: Path, tokenizer: Any, model: Any, record: dict[str, Any]) -> None:
    """Write weights, tokenizer and record beside their place, and move them there at the end."""
    part = into.with_name(f".{into.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with files.quiet():
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    (part / RECORD).write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    part.replace(into)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line and print the record."""
    parser = argparse.ArgumentParser(prog="python -m sftmill.train.reward", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("rows", type=Path, nargs="+", help="JSON Lines files, shards, or folders of steps with pairs")
    parser.add_argument("--base", required=True, help="folder of a transformers model, or an embedded model's name")
    parser.add_argument("--into", type=Path, required=True, help="new folder for the trained model")
    plain = Schedule()
    for name, value in asdict(plain).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")
    said = vars(parser.parse_args(arguments))
    rows, base, into = said.pop("rows"), said.pop("base"), said.pop("into")
    try:
        record = train_reward(
            [row for place in rows for row in read_rows(place)], base, into, schedule=Schedule(**said)
        )
    except SftmillError as error:
        print(error, file=sys.stderr)
        return 1
    print(orjson.dumps({name: record[name] for name in ("pairs", "left_out", "loss", "dev")}).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
