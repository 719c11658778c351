"""Rows in the order of their score, each unlike all that were taken before it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tests.steps.curate.given_rows import run_step, said

from sftmill.errors import RecipeError
from sftmill.models.scripted import embed
from sftmill.steps.curate.quality import deita_select, diverse
from sftmill.steps.curate.quality.deita_select import DeitaSelect
from sftmill.steps.curate.quality.diverse import Admitted

FOUR = [(1.0, 0.0), (0.999, 0.0447), (0.0, 1.0), (0.7071, 0.7071)]
"""Vectors whose greatest similarity to an earlier one is 0, .999, .0447 and .738."""


class Desk(SimpleNamespace):
    """Gives each text its vector of a script, or one of hashed character pairs."""

    def __init__(self, vectors=None, **more):
        super().__init__(given=vectors, texts=[], **more)

    async def vectors(self, texts, *, to="embedder", as_passages=False):
        self.texts += texts
        return np.array([self.given[text] if self.given else embed(text) for text in texts], np.float32)


def four(scores=(20, 18, 10, 15)):
    rows = [
        said(f"r{i}", name, "答", deita=float(score))
        for i, (name, score) in enumerate(zip("甲乙丙丁", scores, strict=True))
    ]
    return rows, {f"{name}\n答": vector for name, vector in zip("甲乙丙丁", FOUR, strict=True)}


def planted(number, size=16, seed=4):
    draw = np.random.Generator(np.random.PCG64(seed))
    vectors = draw.normal(size=(number, size)) * np.linspace(2, 0.3, size)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def one_by_one(vectors, alike, budget):
    kept = []
    for row in range(len(vectors)):
        if len(kept) < budget and (not kept or (vectors[kept] @ vectors[row]).max() <= alike):
            kept.append(row)
    return kept


def test_the_fixture_of_deita_takes_the_first_third_and_fourth_in_the_order_of_their_scores():
    rows, vectors = four()
    admitted = Admitted(9, 0.9)
    order = [0, 1, 3, 2]
    refused = admitted.offer(order, np.array([FOUR[i] for i in order], np.float32))
    assert admitted.places == [0, 3, 2] and refused == {1: (0, pytest.approx(0.999))}
    kept, gone = run_step(DeitaSelect(budget=9), rows, Desk(vectors))
    assert [row["id"] for row in kept] == ["r0", "r2", "r3"], "in stream order"
    assert [(d.row["id"], d.reason, dict(d.facts)) for d in gone] == [
        ("r1", "too_similar", {"deita": 18.0, "of": "r0", "similarity": 0.999})
    ]


def test_the_budget_ends_the_walk():
    rows, vectors = four()
    kept, gone = run_step(DeitaSelect(budget=2), rows, Desk(vectors))
    assert [row["id"] for row in kept] == ["r0", "r3"]
    assert {d.row["id"]: d.reason for d in gone} == {"r1": "too_similar", "r2": "over_budget"}
    assert gone[1].facts == {"deita": 10.0, "rank": 4}
    kept, _ = run_step(DeitaSelect(budget=9, alike=1), rows, Desk(vectors))
    assert len(kept) == 4


def test_rows_without_a_score_or_a_text_or_below_the_least_go():
    rows, vectors = four()
    del rows[0]["deita"]
    rows[2]["messages"] = []
    kept, gone = run_step(DeitaSelect(budget=9, least=16), rows, Desk(vectors))
    assert [row["id"] for row in kept] == ["r1"]
    assert {d.row["id"]: d.reason for d in gone} == {"r0": "no_value", "r2": "below_least", "r3": "below_least"}
    _, gone = run_step(DeitaSelect(budget=9), rows, Desk(vectors))
    assert {d.row["id"]: d.reason for d in gone} == {"r0": "no_value", "r2": "no_value"}


@pytest.mark.parametrize("block", [5, 64, 1024])
@pytest.mark.parametrize("budget", [1, 37, 400])
def test_blocks_give_what_comparing_one_after_the_other_gives(block, budget, monkeypatch):
    monkeypatch.setattr(diverse, "BLOCK", block)
    vectors = planted(400)
    admitted = Admitted(budget, 0.7)
    refused = {}
    for start in range(0, 400, 150):
        refused |= admitted.offer(list(range(start, min(400, start + 150))), vectors[start : start + 150])
    assert admitted.places == one_by_one(vectors, 0.7, budget)
    for place, (of, cosine) in refused.items():
        assert of in admitted.places and of < place and cosine > 0.7
        assert cosine == pytest.approx(float(vectors[of] @ vectors[place]), abs=1e-5)


def test_vectors_are_asked_for_as_far_as_the_walk_comes(monkeypatch):
    monkeypatch.setattr(deita_select, "LEAST", 4)
    monkeypatch.setattr(deita_select, "CHUNK", 16)
    texts = [f"第{i}号设备的{'保养检修更换运输验收'[i % 5 * 2 :][:2]}办法{chr(0x4E00 + 37 * i)}" for i in range(100)]
    rows = [said(f"r{i}", text, "", score=float(i)) for i, text in enumerate(texts)]
    desk = Desk()
    kept, gone = run_step(DeitaSelect(budget=10, by="score", of="question", alike=0.999), rows, desk)
    assert [row["id"] for row in kept] == [f"r{i}" for i in range(90, 100)]
    assert len(desk.texts) == 16 and len(gone) == 90, "the vectors of one chunk"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_order_of_the_rows_does_not_matter(lang):
    words = {"zh": "机柜电源风扇网线交换机路由器硬盘内存", "en": "rack power fan cable switch router disk memory"}[lang]
    rows = [said(f"r{i}", words[i % 7 : i % 7 + 9], words[i % 5 :], score=float(i % 3), lang=lang) for i in range(40)]
    step = DeitaSelect(budget=12, by="score")
    first = {row["id"] for row in run_step(step, rows, Desk())[0]}
    assert {row["id"] for row in run_step(step, rows[::-1], Desk(), size=3)[0]} == first


def test_the_curve_and_the_rows_at_the_line_are_shown(tmp_path):
    rows, vectors = four()
    run_step(DeitaSelect(budget=2), rows, Desk(vectors, output=tmp_path))
    lines = (tmp_path / "deita_select.csv").read_text("utf-8-sig").splitlines()
    assert lines == ["group,rank,deita,taken", ",1,20.0,yes", ",2,18.0,no", ",3,15.0,yes", ",4,10.0,no"]
    shown = [json.loads(line) for line in (tmp_path / "deita_select_at_the_line.jsonl").read_text().splitlines()]
    assert [(one["id"], one["taken"]) for one in shown] == [("r0", True), ("r1", False), ("r3", True), ("r2", False)]


def test_what_is_wrong_is_said():
    assert DeitaSelect(budget=1).problems() == []
    assert "no column of numbers" in DeitaSelect(budget=1, by="source").problems()[0]
    with pytest.raises(RecipeError, match="deita_select: no row"):
        run_step(DeitaSelect(budget=1), [said("a", "一")], Desk())
    admitted = Admitted(5, 0.9)
    admitted.offer([0], np.ones((1, 2), np.float32))
    with pytest.raises(RecipeError, match="2 and of 3"):
        admitted.offer([1], np.ones((1, 3), np.float32))
    assert run_step(DeitaSelect(budget=1), [], Desk()) == ([], [])
