"""Neighbours: the nearest other instruction, exactly, whatever the order and however many are the same."""

import asyncio
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import asked
from sftmill.models.scripted import embed
from sftmill.steps.curate.near import nearest
from sftmill.steps.curate.near.nearest import find_nearest
from sftmill.steps.curate.near.neighbours import Neighbours
from sftmill.steps.curate.user_text import user_text


class FakeShards:
    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def rows(self):
        return iter(self._rows)


class Embedder:
    """Gives each text its vector of a script, or one of hashed character pairs."""

    def __init__(self, vectors=None):
        self.given, self.texts = vectors, []

    async def vectors(self, texts, *, to="embedder", as_passages=False):
        self.texts += texts
        return np.array([self.given[text] if self.given else embed(text) for text in texts], np.float32)


def run(texts, vectors=None, **options):
    desk = Embedder(vectors)
    rows = [asked({"id": f"id{n}"}, text) for n, text in enumerate(texts)]

    async def collect():
        return [row async for row in Neighbours(**options).run({"rows": FakeShards(rows)}, desk)]

    return asyncio.run(collect()), desk


def angle(degrees):
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def told(row):
    return row.get("neighbour"), row.get("repeats"), row["cluster"]


@pytest.mark.parametrize("texts", [["什么是堤坝？", "水闸有何用途？"], ["What is a dam?", "Why are there locks?"]])
def test_of_a_trio_of_copies_the_lowest_one_stands_for_all(texts):
    rows, desk = run([texts[1], *[texts[0]] * 3])
    assert [row["cluster"] for row in rows] == ["id0", "id1", "id1", "id1"]
    assert [row["neighbour"] for row in rows[1:]] == ["id2", "id1", "id1"]
    assert [row["neighbour_distance"] for row in rows[1:]] == [0.0, 0.0, 0.0]
    assert [row["repeats"] for row in rows] == [0, 2, 2, 2]
    assert rows[0]["neighbour"] == "id1", "a row never finds itself"
    assert rows[0]["neighbour_distance"] > 0.05
    assert len(desk.texts) == 2, "the same text is embedded once"


def test_the_threshold_is_a_squared_distance_and_one_is_a_cosine_of_0_975():
    edge = math.degrees(math.acos(0.975))
    vectors = {"a": angle(0), "b": angle(edge - 0.01), "c": angle(180), "d": angle(180 + edge + 0.01)}
    rows, _ = run("abcd", vectors)
    assert [told(row) for row in rows] == [("id1", 1, "id0"), ("id0", 1, "id0"), ("id3", 0, "id2"), ("id2", 0, "id3")]
    assert rows[0]["neighbour_distance"] == pytest.approx(2 - 2 * math.cos(math.radians(edge - 0.01)), rel=1e-5)
    assert rows[0]["neighbour_distance"] < 0.05 < rows[2]["neighbour_distance"]


def test_the_representative_is_the_lowest_within_reach_even_where_that_one_has_another():
    rows, _ = run("abc", {"a": angle(0), "b": angle(10), "c": angle(20)})
    assert [row["cluster"] for row in rows] == ["id0", "id0", "id1"]
    assert [row["repeats"] for row in rows] == [1, 2, 1]


def test_vectors_need_not_have_length_one():
    rows, _ = run("ab", {"a": [3.0, 0.0], "b": [0.0, 0.5]})
    assert rows[0]["neighbour_distance"] == pytest.approx(2.0)


def test_rows_that_ask_nothing_and_single_rows_have_no_neighbour():
    assert [told(row) for row in run(["", "什么是堤坝？"])[0]] == [(None, None, "id0"), (None, 0, "id1")]
    assert [told(row) for row in run([""])[0]] == [(None, None, "id0")]
    assert run([])[0] == []


def test_what_the_user_asked_before_counts():
    turns = [
        {"role": r, "content": c} for r, c in (("system", "s"), ("user", "甲"), ("assistant", "x"), ("user", "乙"))
    ]
    assert user_text({"messages": turns}) == "甲\n乙"
    assert user_text({}) == ""


def brute_force(vectors, threshold):
    unit = nearest.to_unit(vectors).astype(np.float64)
    apart = ((unit[:, None] - unit[None]) ** 2).sum(2)
    others = apart + np.where(np.eye(len(unit), dtype=bool), np.inf, 0)
    first = [min([n, *np.flatnonzero(others[n] < threshold)]) for n in range(len(unit))]
    return others, (others < threshold).sum(1), first


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 6), st.sampled_from([1, 7, 16, 2048]))
def test_blocks_make_no_difference(seed, number, different, block):
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((different, 8))
    vectors = centres[chance.integers(0, different, number)] + 0.03 * chance.standard_normal((number, 8))
    vectors[chance.integers(0, number, number // 3)] = vectors[0]
    vectors = vectors.astype(np.float32)
    before, nearest.BLOCK = nearest.BLOCK, block
    try:
        found = find_nearest(vectors, 0.0123)
    finally:
        nearest.BLOCK = before
    others, repeats, first = brute_force(vectors, 0.0123)
    places = np.arange(number)
    assert (found.neighbour != places).all()
    np.testing.assert_allclose(found.distance, others.min(1), atol=1e-6)
    np.testing.assert_allclose(others[places, found.neighbour], others.min(1), atol=1e-6)
    border = (np.abs(others - 0.0123) < 1e-5).any()
    if not border:
        assert found.repeats.tolist() == repeats.tolist()
        assert found.first.tolist() == first


def test_rows_may_share_vectors():
    vectors = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)
    vectors[3] = vectors[1]
    owners = np.array([0, 1, 1, 2, 3, 0, 4])
    shared, plain = find_nearest(vectors, 0.05, owners), find_nearest(vectors[owners], 0.05)
    for name in ("neighbour", "distance", "repeats", "first"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(plain, name))
    assert shared.first.tolist() == [0, 1, 1, 3, 1, 0, 6]
    assert shared.repeats.tolist() == [1, 2, 2, 0, 2, 1, 0]


def test_memory_grows_with_the_vectors_and_not_with_their_pairs():
    vectors = np.random.default_rng(0).standard_normal((6000, 16)).astype(np.float32)
    tracemalloc.start()
    find_nearest(vectors, 0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000, "all pairs at once would take 144 MB"
