"""The best rows by a column: how many, of which groups, and what people are told about the line."""

import csv
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.steps.curate.given_rows import run_step, said

from sftmill.errors import RecipeError
from sftmill.steps.curate.quality.cut import share_by_size, share_evenly
from sftmill.steps.curate.quality.keep_best import KeepBest


def rows_of(scores, **columns):
    return [
        said(
            f"r{i}", f"问题{i}", **({} if score is None else {"score": score}), **{k: v[i] for k, v in columns.items()}
        )
        for i, score in enumerate(scores)
    ]


def kept(step, rows, **more):
    return [row["id"] for row in run_step(step, rows, **more)[0]]


def test_the_highest_values_stay_in_the_order_of_the_stream():
    rows = rows_of([0.1, 0.9, 0.5, 0.7])
    stay, gone = run_step(KeepBest(by="score", budget=2), rows)
    assert [row["id"] for row in stay] == ["r1", "r3"]
    assert [(d.row["id"], d.reason, dict(d.facts)) for d in gone] == [
        ("r0", "over_budget", {"score": 0.1, "rank": 4}),
        ("r2", "over_budget", {"score": 0.5, "rank": 3}),
    ]
    assert kept(KeepBest(by="score", budget=2, order="lowest"), rows) == ["r0", "r2"]
    assert kept(KeepBest(by="score", share=0.75), rows) == ["r1", "r2", "r3"]
    assert kept(KeepBest(by="score", share=0.75, budget=1), rows) == ["r1"]


def test_values_outside_of_the_range_go_whatever_the_budget():
    rows = rows_of([0.1, 0.9, 0.5, 0.7])
    stay, gone = run_step(KeepBest(by="score", least=0.3, most=0.7, budget=9), rows)
    assert [row["id"] for row in stay] == ["r2", "r3"]
    assert {d.row["id"]: d.reason for d in gone} == {"r0": "below_least", "r1": "above_most"}


@pytest.mark.parametrize(
    ("missing", "stays"), [("drop", ["r0", "r2"]), ("keep", ["r0", "r1", "r2", "r4"]), ("last", ["r0", "r2"])]
)
def test_rows_without_a_value(missing, stays):
    rows = rows_of([0.1, None, 0.5, 0.05, float("nan")])
    assert kept(KeepBest(by="score", budget=2, missing=missing), rows) == stays
    assert len(kept(KeepBest(by="score", budget=4, missing="last"), rows)) == 4


def test_a_column_that_no_row_has_is_an_error_and_no_rows_are_none():
    with pytest.raises(RecipeError, match="'ifd'"):
        run_step(KeepBest(by="ifd", budget=1), rows_of([1.0]))
    assert run_step(KeepBest(by="ifd", budget=1), []) == ([], [])


def test_between_equals_the_same_rows_stay_whatever_their_order():
    rows = rows_of([1.0] * 30)
    first = set(kept(KeepBest(by="score", budget=10), rows))
    assert set(kept(KeepBest(by="score", budget=10), rows[::-1], size=4)) == first
    assert set(kept(KeepBest(by="score", budget=10, seed=1), rows)) != first
    assert first != {f"r{i}" for i in range(10)}, "not simply the first ones"


def test_groups_give_the_same_number_and_small_ones_all_they_have():
    names = ["甲"] * 10 + ["乙"] * 6 + ["丙"] * 1 + [None] * 3
    rows = rows_of([i / 20 for i in range(20)], category=names)
    stay, _ = run_step(KeepBest(by="score", budget=10, per="category"), rows)
    found = [row.get("category") for row in stay]
    assert [found.count(name) for name in ("甲", "乙", "丙", None)] == [3, 3, 1, 3]
    assert [row["id"] for row in stay][:3] == ["r7", "r8", "r9"], "each group gives its best"
    stay, _ = run_step(KeepBest(by="score", budget=10, per="category", spread="proportional"), rows)
    found = [row.get("category") for row in stay]
    assert [found.count(name) for name in ("甲", "乙", "丙", None)] == [5, 3, 1, 1]


def test_quotas_come_first_and_the_others_share_the_rest():
    rows = rows_of([i / 20 for i in range(20)], category=["a"] * 10 + ["b"] * 5 + ["c"] * 5)
    step = KeepBest(by="score", budget=8, per="category", quotas={"a": 2, "nobody": 5})
    found = [row["category"] for row in run_step(step, rows)[0]]
    assert [found.count(name) for name in "abc"] == [2, 3, 3]
    step = KeepBest(by="score", per="category", quotas={"a": 0})
    assert {row["category"] for row in run_step(step, rows)[0]} == {"b", "c"}


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(0, 120))
def test_shares_use_the_budget_up_and_no_group_gives_more_than_it_has(sizes, budget):
    for share in (share_evenly, share_by_size):
        found = share(sizes, budget)
        assert sum(found) == min(budget, sum(sizes))
        assert all(0 <= given <= size for given, size in zip(found, sizes, strict=True))
    even = share_evenly(sizes, budget)
    full = [given for given, size in zip(even, sizes, strict=True) if given < size]
    assert not full or max(full) - min(full) <= 1
    assert not full or all(
        given >= min(full) for given, size in zip(even, sizes, strict=True) if given == size and size > min(full)
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_curve_and_the_rows_at_the_line_are_shown(tmp_path, lang):
    asked = {"zh": "第{}个问题", "en": "=question {}"}[lang]
    rows = [said(f"r{i}", asked.format(i), score=float(i), source="=x" if i % 2 else "b") for i in range(60)]
    desk = SimpleNamespace(output=tmp_path)
    run_step(KeepBest(by="score", budget=20, per="source", file="chosen"), rows, desk)
    lines = list(csv.reader((tmp_path / "chosen.csv").read_text("utf-8-sig").splitlines()))
    assert lines[0] == ["group", "rank", "score", "taken"]
    assert len(lines) == 61 and ["b", "1", "58.0", "yes"] in lines and ["b", "11", "38.0", "no"] in lines
    assert ["'=x", "1", "59.0", "yes"] in lines, "no cell is a formula"
    shown = [json.loads(line) for line in (tmp_path / "chosen_at_the_line.jsonl").read_text().splitlines()]
    assert len(shown) == 40 and [one["rank"] for one in shown[:20]] == list(range(1, 21))
    assert [one["taken"] for one in shown[:20]] == [True] * 10 + [False] * 10
    assert shown[0]["question"] == asked.format(58)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"by": "scor", "budget": 1}, "no column of numbers"),
        ({"by": "source", "budget": 1}, "no column of numbers"),
        ({"by": "score"}, "nothing says"),
        ({"by": "score", "budget": 1, "per": "score"}, "no column of words"),
        ({"by": "score", "quotas": {"a": 1}}, "`per`"),
        ({"by": "score", "least": 2, "most": 1}, "exchange"),
        ({"by": "score", "per": "lang", "quotas": {"a": -1}}, "0 or more"),
    ],
)
def test_the_plan_names_what_is_wrong(settings, told):
    assert any(told in problem for problem in KeepBest(**settings).problems())
    assert KeepBest(by="score", budget=1).problems() == []
