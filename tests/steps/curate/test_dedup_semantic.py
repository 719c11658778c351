"""Rows that mean the same: greedily, or within cells; the known answers show where the two differ."""

import math
import random

import numpy as np
import pytest
from tests.steps.curate.given_rows import run_step, said

from sftmill.models.scripted import embed
from sftmill.steps.curate.dedup import semantic
from sftmill.steps.curate.dedup.dedup import Dedup
from sftmill.steps.curate.dedup.semantic import keep_by_cells, keep_greedily

FOUR = [(1.0, 0.0), (0.999, 0.0447), (0.0, 1.0), (0.7071, 0.7071)]
"""Vectors whose greatest similarity to an earlier one is 0, .999, .0447 and .738."""


class Desk:
    """Gives each text its vector of a script, or one of hashed character pairs."""

    def __init__(self, vectors=None):
        self.given, self.texts = vectors, []

    async def vectors(self, texts, *, to="embedder", as_passages=False):
        self.texts += texts
        return np.array([self.given[text] if self.given else embed(text) for text in texts], np.float32)


def run(step, rows, vectors=None):
    return run_step(step, rows, Desk(vectors))


def never(one, other):
    return False


def gone(method, vectors, threshold, rank=None, **more):
    vectors = np.array(vectors, np.float32)
    rank = np.arange(len(vectors)) if rank is None else np.array(rank)
    return method(vectors, rank, threshold, never, **more).dropped().tolist()


def cells(vectors, threshold, rank=None, number=1):
    return gone(keep_by_cells, vectors, threshold, rank, cells=number, draw=np.arange(len(vectors)))


def test_the_fixture_of_semdedup_loses_its_second_vector_alone():
    assert cells(FOUR, 0.95) == [1]
    assert cells(FOUR, 0.7) == [1, 3]
    assert cells(FOUR, 0.9995) == []


@pytest.mark.parametrize("method", ["greedy", "cells"])
def test_the_best_score_stays_and_the_order_is_that_of_the_stream(method):
    rows = [
        said(str(i), f"问题{name}", score=score)
        for i, (name, score) in enumerate(zip("甲乙丙丁", [20, 18, 10, 15], strict=True))
    ]
    vectors = {f"问题{name}": vector for name, vector in zip("甲乙丙丁", FOUR, strict=True)}
    kept, dropped = run(Dedup(how="semantic", threshold=0.9, method=method), rows, vectors)
    assert [row["id"] for row in kept] == ["0", "2", "3"]
    assert dropped[0].facts == {"of": "0", "similarity": 0.999}
    rows[1]["score"] = 30.0
    kept, dropped = run(Dedup(how="semantic", threshold=0.9, method=method), rows, vectors)
    assert [row["id"] for row in kept] == ["1", "2", "3"]


def test_of_a_chain_greedy_keeps_both_ends_and_cells_the_first_one_alone():
    chain = [(math.cos(angle), math.sin(angle)) for angle in (0.0, 0.25, 0.5)]
    assert gone(keep_greedily, chain, 0.95) == [1]
    assert cells(chain, 0.95) == [1, 2]
    found = keep_by_cells(np.array(chain, np.float32), np.arange(3), 0.95, never, 1, np.arange(3))
    assert found.of.tolist() == [0, 0, 0]
    assert found.similarity[2] == pytest.approx(math.cos(0.5), abs=1e-5)


def planted(number=500, copies=200, size=32, seed=6):
    draw = np.random.Generator(np.random.PCG64(seed))
    vectors = draw.normal(size=(number, size))
    near = vectors[:copies] + 0.05 * draw.normal(size=(copies, size))
    vectors = np.concatenate([vectors, near])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("block", [7, 64, 1024])
def test_greedy_does_what_comparing_one_after_the_other_does(block, monkeypatch):
    monkeypatch.setattr(semantic, "BLOCK", block)
    vectors = planted()
    rank = np.random.Generator(np.random.PCG64(1)).permutation(len(vectors))
    kept = []
    for row in np.argsort(rank).tolist():
        if not kept or (vectors[row] @ vectors[kept].T).max() <= 0.95:
            kept.append(row)
    assert gone(keep_greedily, vectors, 0.95, rank) == sorted(set(range(len(vectors))) - set(kept))


@pytest.mark.parametrize("block", [7, 1024])
def test_one_cell_removes_whatever_is_near_a_better_row(block, monkeypatch):
    monkeypatch.setattr(semantic, "BLOCK", block)
    vectors = planted()
    products = np.tril(vectors @ vectors.T, -1)
    assert cells(vectors, 0.95) == np.flatnonzero(products.max(axis=1) > 0.95).tolist()


def test_several_cells_lose_few_copies_at_their_borders():
    vectors = planted(3000, 1000)
    found = cells(vectors, 0.95, number=30)
    wanted = cells(vectors, 0.95)
    assert set(found) <= set(wanted)
    assert len(found) >= 0.97 * len(wanted)


@pytest.mark.parametrize("method", ["greedy", "cells"])
def test_the_order_of_the_rows_does_not_matter_where_scores_differ(method):
    draw = random.Random(3)
    base = ["什么是热通道", "如何申请发票", "UPS 多久测试一次", "how to reset a password", "what is a cold aisle"]
    texts = [draw.choice(base) + draw.choice(["？", "呢？", "，请说明。", "?", " please"]) for _ in range(60)]
    rows = [said(str(i), text, score=float(i)) for i, text in enumerate(texts)]
    step = Dedup(how="semantic", threshold=0.8, method=method, cells=4)
    first = {row["id"] for row in run(step, rows)[0]}
    assert len(first) < 60
    for _ in range(3):
        draw.shuffle(rows)
        assert {row["id"] for row in run(step, rows)[0]} == first


@pytest.mark.parametrize("method", ["greedy", "cells"])
def test_numbers_kinds_and_empty_rows_keep_rows_apart(method):
    texts = ["贷款5万元怎么还？", "贷款8万元怎么还？", "贷款5万元如何还？", "贷款5万元怎么还？", "", ""]
    rows = [said(str(i), text) for i, text in enumerate(texts)]
    rows[3]["polarity"] = "negative"
    vectors = dict.fromkeys(texts, (1.0, 0.0))
    step = Dedup(how="semantic", method=method)
    assert [row["id"] for row in run(step, rows, vectors)[0]] == ["0", "1", "3", "4", "5"]
    step = Dedup(how="semantic", method=method, numbers="ignore")
    assert [row["id"] for row in run(step, rows, vectors)[0]] == ["0", "3", "4", "5"]


def test_the_turns_of_a_row_are_read_together():
    history = [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}]
    rows = [said("a", "三"), said("b", "三"), {"id": "c", "messages": [*history, {"role": "user", "content": "三"}]}]
    desk = Desk()
    run_step(Dedup(how="semantic"), rows, desk)
    assert desk.texts == ["三", "三", "一\n二\n三"]
    assert run(Dedup(how="semantic"), []) == ([], [])
    assert len(run(Dedup(how="semantic"), [{"id": "x"}])[0]) == 1
