"""How well `grounded` tells faithful answers from others once a model has read passage, question and answer.

    python bench/faithfulness_bars.py
    python bench/faithfulness_bars.py --full

The model is the small embedded one, run in this process by transformers (`pip install 'sftmill[train]'`). Quick takes a
sample of short passages, rich in the two hard kinds; full takes all pairs and a sample of pairs corrupted in other
wordings (`corruptions.py`): an hour or more on two cores, kept in a ledger, so that a measurement which was broken off
goes on where it stood.
"""

import asyncio
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from common import BUILD, CannotMeasure, Result, measure_bars, say
from corruptions import Pair, half, pairs
from grounded_bars import auc, dropped, published, questions, reliability_of, row_of
from sftmill.core import Drop
from sftmill.steps.curate.grounding.grounded import Grounded
from sftmill.steps.curate.grounding.passage_lift import PassageLift
from sftmill.text import content_hash, count_cjk

MODEL = "qwen2.5-coder-0.5b-instruct"
KEPT = BUILD / "faithfulness.sqlite"
"""Ledger of the full measurement."""
LEAST_AUC, LEAST_KIND = 0.95, 0.85
HARD = ("swapped_same_passage", "wrong_entity_from_passage")
"""Kinds whose answers are true of their passage, only not what was asked."""
QUICK_HARD, QUICK_FAITHFUL, QUICK_OTHER = 40, 80, 24
"""Pairs of a hard kind, faithful ones, and pairs of each other kind that quick takes."""
SHORT = 200
"""Tokens, estimated, of the longest passage that quick reads: the passage is what takes the time."""
OWN = 400
"""Pairs in other wordings that full takes."""


class Read:
    """A pair with its score before (`plain`) and after (`score`) a model has read it; 0 where something rules it out."""

    def __init__(self, pair: Pair, row: dict):
        self.pair = pair
        self.row = row
        bare = {name: value for name, value in row.items() if name not in PassageLift.writes}
        self.plain, self.score = _score(bare), _score(row)


def _score(row: dict) -> float:
    try:
        return Grounded(threshold=0).row(row)["grounded"]
    except Drop:
        return 0.0


async def read_pairs(chosen: Iterable[Pair], ledger: Path) -> list[Read]:
    """Return the pairs read by the model, those of a passage one after the other; the ledger keeps what it said."""
    from sftmill.models.budget import Budget
    from sftmill.models.desk import Models
    from sftmill.models.ledger import Ledger
    from sftmill.models.settings import BudgetSettings, ModelSettings

    step = PassageLift(without_passage=False)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    found: list[Read] = []
    settings = {step.to_scorer: ModelSettings(transformers=MODEL)}
    with Ledger.open(ledger) as kept:
        async with Models(settings, kept, Budget(BudgetSettings(), {})) as models:
            for number, pair in enumerate(sorted(chosen, key=lambda pair: pair["passage"]), 1):
                row = {"id": pair["id"], "root": pair["pid"], "sensitivity": "public", **row_of(pair)}
                found.append(Read(pair, await step.row(row, models.desk("passage_lift", step, row, "bench"))))
                if number % 100 == 0:
                    say(f"  {number} pairs read")
    return found


def quick_sample(given: list[Pair]) -> list[Pair]:
    """Return pairs of short passages: the hard kinds, faithful ones of the same passages, a few of each other kind."""
    by_passage: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in given:
        by_passage[pair["passage"]].append(pair)
    wanted = dict.fromkeys(HARD, QUICK_HARD) | {"faithful": QUICK_FAITHFUL}
    taken: Counter[str] = Counter()
    chosen: list[Pair] = []
    short = [passage for passage in by_passage if _tokens(passage) <= SHORT]
    hard = {passage: sum(pair["kind"] in HARD for pair in by_passage[passage]) for passage in short}
    for passage in sorted(short, key=lambda passage: (-hard[passage], content_hash(passage))):
        if not any(pair["kind"] in HARD and taken[pair["kind"]] < QUICK_HARD for pair in by_passage[passage]):
            continue
        for pair in by_passage[passage]:
            if taken[pair["kind"]] < wanted.get(pair["kind"], 0):
                taken[pair["kind"]] += 1
                chosen.append(pair)
    read = {pair["passage"] for pair in chosen}
    others = sorted(
        (pair for pair in given if pair["kind"] not in wanted),
        key=lambda pair: (pair["passage"] not in read, content_hash(pair["id"])),
    )
    for pair in others:
        if taken[pair["kind"]] < QUICK_OTHER and _tokens(pair["passage"]) <= SHORT:
            taken[pair["kind"]] += 1
            chosen.append(pair)
    return chosen


def _tokens(text: str) -> float:
    chinese = count_cjk(text)
    return 0.7 * chinese + 0.25 * (len(text) - chinese)


def kind_aucs(read: list[Read], after: bool = True) -> dict[str, float]:
    """Return the AUC of the faithful pairs against each kind of the others."""
    score = (lambda one: one.score) if after else (lambda one: one.plain)
    by_kind: defaultdict[str, list[float]] = defaultdict(list)
    for one in read:
        by_kind["" if one.pair["label"] else one.pair["kind"]].append(score(one))
    faithful = by_kind.pop("", [])
    return {kind: auc(faithful, scores) for kind, scores in sorted(by_kind.items())} if faithful else {}


def overall(aucs: dict[str, float], given: list[Pair]) -> float:
    """Return the AUC over all pairs, each kind counted as often as `given` has it."""
    share = Counter(pair["kind"] for pair in given if not pair["label"] and pair["kind"] in aucs)
    return sum(aucs[kind] * count for kind, count in share.items()) / share.total()


def show(read: list[Read], name: str) -> None:
    """Print, for each kind of a set, its pairs and AUC without and with the model."""
    before, after = kind_aucs(read, after=False), kind_aucs(read)
    lost = [one.score for one in read if one.pair["label"]]
    print(f"{name}: {len(read)} pairs, {len(lost)} faithful, of them {dropped(lost):.1%} dropped")
    for kind, value in after.items():
        size = sum(one.pair["kind"] == kind for one in read)
        print(f"  {kind:27} {size:5}  AUC {before[kind]:.3f} without, {value:.3f} with the model")


def faithfulness(quick: bool) -> list[Result]:
    """Return the AUC over all kinds and of each hard kind; print every kind, the held-out half, other wordings."""
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise CannotMeasure(f"there is no {package}; pip install 'sftmill[train]'")
    given = published()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.sqlite" if quick else KEPT
        read = asyncio.run(read_pairs(quick_sample(given) if quick else given, ledger))
        own: list[Read] = []
        if not quick:
            chosen = sorted(pairs(questions(), "test"), key=lambda pair: content_hash(pair["id"], "own"))[:OWN]
            own = asyncio.run(read_pairs(chosen, ledger))
    held = [one for one in read if half(one.pair["pid"]) == "test"]
    show(read, "published")
    show(held, "published, held-out half")
    if own:
        show(own, "other wordings, held-out half")
    aucs = kind_aucs(read)
    error, table = reliability_of([(one.score, one.pair["label"]) for one in held])
    print("\n".join([f"reliability, published, held-out half: expected calibration error {error:.3f}", *table]))
    before, later = overall(kind_aucs(read, after=False), given), overall(kind_aucs(held), given)
    note = f"{len(read)} pairs; without the model {before:.3f}; held-out half {later:.3f}"
    return [
        Result("faithfulness", overall(aucs, given), LEAST_AUC, at_least=True, note=note),
        *(Result(f"faithfulness_{kind}", aucs[kind], LEAST_KIND, at_least=True) for kind in HARD),
    ]


if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, {"faithfulness": faithfulness}))
