"""The rows that the benchmarks of whole-data work are given: the same every time, their copies as alike as they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def corpus(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import corpus

    yield corpus
    for name in ("corpus", "common"):
        sys.modules.pop(name, None)


def test_the_same_seed_gives_the_same_rows_and_another_one_others(corpus):
    texts, truth = corpus.make_block(400, 1, 0)
    again, same = corpus.make_block(400, 1, 0)
    assert texts.equals(again)
    assert truth.equals(same)
    assert not texts.equals(corpus.make_block(400, 2, 0)[0])


def test_copies_are_as_similar_to_their_origins_as_the_truth_says(corpus):
    texts, truth = corpus.make_block(600, 3, 1000)
    texts, rows = texts.to_pylist(), truth.to_pylist()
    copies = [(place, row) for place, row in enumerate(rows) if row["origin"] != place + 1000]
    assert len(copies) == 180
    assert {row["kind"] for _, row in copies} == set(corpus.KINDS)
    for place, row in copies:
        origin = row["origin"] - 1000
        assert rows[origin]["kind"] == "origin"
        assert rows[origin]["lang"] == row["lang"]
        ours, theirs = corpus.pieces(texts[place]), corpus.pieces(texts[origin])
        assert row["true_j"] == len(ours & theirs) / len(ours | theirs)
        assert (row["shift"] != 0) == (row["kind"] == "number")
    assert {row["lang"] for row in rows} == {"zh", "en"}
    assert 250 < np.mean([len(text) for text in texts]) < 350
