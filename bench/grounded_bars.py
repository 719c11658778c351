"""How well the score `grounded` tells faithful answers from others, without a model.

    python bench/grounded_bars.py

Two sets: the published faithfulness pairs, and pairs corrupted in other wordings (`corruptions.py`).
The bars are over all published pairs; the half of the passages that the score was not fitted on is
printed beside, with each kind of corruption, and how far the score can be taken as a probability.
"""

import json
import sys
import time
from collections import defaultdict
from functools import lru_cache
from typing import Any

from common import REPOSITORY, CannotMeasure, Result, finish, machine, parser
from corruptions import Pair, half, pairs
from sftmill.core import Drop
from sftmill.steps.curate.grounding.grounded import Grounded

DATA = REPOSITORY.parent / "shared" / "data" / "qa"
LEAST_AUC = 0.92
MOST_FALSE_DROPS = 0.05
LEAST_RATE = 300
"""Pairs per CPU second."""
SKETCH = "sketch .879"
"""AUC of a ten-minute sketch: term coverage, one sentence window, numbers."""


def _lines(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        raise CannotMeasure(f"there is no {path}: put the shared data beside the repository")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def published() -> list[Pair]:
    """Return the published faithfulness pairs."""
    return _lines("faithfulness_pairs.jsonl")


def questions() -> list[dict[str, Any]]:
    """Return questions with passages and answers."""
    return _lines("passages_qa.jsonl")


def row_of(pair: Pair) -> dict[str, Any]:
    """Return a pair as a row."""
    turns = [{"role": "user", "content": pair["question"]}, {"role": "assistant", "content": pair["answer"]}]
    return {"lang": pair["lang"][:2], "passage": pair["passage"], "messages": turns}


def auc(positive: list[float], negative: list[float]) -> float:
    """Return the chance that a faithful pair scores above another one, ties counted half."""
    ranked = sorted([(s, 1) for s in positive] + [(s, 0) for s in negative])
    total = i = 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        total += sum(label for _, label in ranked[i:j]) * (i + 1 + j) / 2
        i = j
    return (total - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


class Scored:
    """A set of pairs with their scores, 0 where something rules a pair out."""

    def __init__(self, chosen: list[Pair]):
        step = Grounded(threshold=0)
        self.pairs = chosen
        self.scores: list[float] = []
        begin = time.process_time()
        for pair in chosen:
            try:
                self.scores.append(step.row(row_of(pair))["grounded"])
            except Drop:
                self.scores.append(0.0)
        self.rate = len(chosen) / (time.process_time() - begin)

    def half(self, which: str) -> "Scored":
        """Return the pairs of one half of the passages, "dev" or "test"."""
        part = object.__new__(Scored)
        kept = [i for i, pair in enumerate(self.pairs) if half(pair["pid"]) == which]
        part.pairs, part.scores, part.rate = [self.pairs[i] for i in kept], [self.scores[i] for i in kept], self.rate
        return part

    def of(self, label: int) -> list[float]:
        """Return the scores of the faithful (1) or the other (0) pairs."""
        return [s for s, pair in zip(self.scores, self.pairs, strict=True) if pair["label"] == label]

    def auc(self) -> float:
        """Return how well the scores tell the two apart."""
        return auc(self.of(1), self.of(0))

    def false_drops(self) -> float:
        """Return the share of faithful pairs below the default threshold."""
        return dropped(self.of(1))


def dropped(scores: list[float]) -> float:
    """Return the share of scores below the default threshold."""
    threshold = Grounded.model_fields["threshold"].default
    return sum(s < threshold for s in scores) / len(scores)


def kinds(scored: Scored, name: str) -> list[str]:
    """Return a table of the kinds of a set: pairs, AUC against the faithful ones, share dropped."""
    by_kind: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
    for score, pair in zip(scored.scores, scored.pairs, strict=True):
        by_kind[-pair["label"], pair["kind"]].append(score)
    lines = [f"{name}: {len(scored.pairs)} pairs, AUC {scored.auc():.3f}, faithful dropped {scored.false_drops():.1%}"]
    for (label, kind), scores in sorted(by_kind.items()):
        apart = "" if label else f"AUC {auc(scored.of(1), scores):.3f}"
        lines.append(f"  {kind:27} {len(scores):5}  dropped {dropped(scores):6.1%}  {apart}")
    return lines


def reliability(scored: Scored) -> tuple[float, list[str]]:
    """Return the expected calibration error over ten equal bins of the score, and a table of them."""
    return reliability_of([(s, p["label"]) for s, p in zip(scored.scores, scored.pairs, strict=True)])


def reliability_of(told: list[tuple[float, int]]) -> tuple[float, list[str]]:
    """Return the same for scores with their labels."""
    lines, error = ["  score     pairs  predicted  faithful"], 0.0
    for low in range(10):
        inside = [(s, label) for s, label in told if low / 10 <= s < (low + 1) / 10 or (low == 9 and s == 1)]
        if not inside:
            continue
        said = sum(s for s, _ in inside) / len(inside)
        true = sum(label for _, label in inside) / len(inside)
        error += abs(said - true) * len(inside) / len(told)
        lines.append(f"  {low / 10:.1f}-{(low + 1) / 10:.1f} {len(inside):8} {said:10.2f} {true:9.2f}")
    return error, lines


@lru_cache(maxsize=1)
def measured() -> tuple[Scored, Scored]:
    """Return both sets, scored once."""
    return Scored(published()), Scored(pairs(questions()))


def grounded_auc(quick: bool) -> list[Result]:
    """Return the AUC over the published pairs and the recall of changed numbers; print everything else."""
    given, own = measured()
    test, own_test = given.half("test"), own.half("test")
    print("\n".join([*kinds(given, "published, all"), *kinds(test, "published, held-out half")]))
    print("\n".join(kinds(own_test, "other wordings, held-out half")))
    error, table = reliability(test)
    own_error, own_table = reliability(own_test)
    print("\n".join([f"reliability, published, held-out half: expected calibration error {error:.3f}", *table]))
    print("\n".join([f"reliability, other wordings, held-out half: {own_error:.3f}", *own_table]))
    numbers = [s for s, p in zip(given.scores, given.pairs, strict=True) if p["kind"] == "number_changed"]
    note = f"held-out half {test.auc():.3f}; other wordings {own_test.auc():.3f}; calibration error {error:.3f}"
    return [
        Result("grounded_auc", given.auc(), LEAST_AUC, at_least=True, peer=SKETCH, note=note),
        Result("grounded_numbers", dropped(numbers), 1.0, at_least=True, note="share of changed numbers dropped"),
    ]


def grounded_false_drops(quick: bool) -> list[Result]:
    """Return the share of faithful pairs that the default threshold drops, and the pairs per CPU second."""
    given, own = measured()
    note = f"held-out half {given.half('test').false_drops():.3f}; other wordings {own.half('test').false_drops():.3f}"
    return [
        Result("grounded_false_drops", given.false_drops(), MOST_FALSE_DROPS, note=note),
        Result("grounded_rate", given.rate, LEAST_RATE, at_least=True, unit="/s", note="pairs per CPU second"),
    ]


BARS = {bar.__name__: bar for bar in (grounded_auc, grounded_false_drops)}


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    arguments = parser(__doc__.splitlines()[0], list(BARS)).parse_args()
    print(machine())
    try:
        names = [name for name in BARS if not arguments.only or name in arguments.only]
        return finish([result for name in names for result in BARS[name](not arguments.full)])
    except CannotMeasure as problem:
        print(f"cannot measure: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
