"""The published filter of Magpie clause by clause, and the choice of rows behind it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop, Dropped, answered, asked
from sftmill.steps.curate.magpie import magpie_select
from sftmill.steps.curate.magpie.difficulties import difficulty_rank
from sftmill.steps.curate.magpie.magpie_filter import MagpieFilter
from sftmill.steps.curate.magpie.magpie_select import MagpieSelect


class FakeShards:
    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def rows(self):
        return iter(self._rows)


def row(name, question="什么是堤坝？", answer="挡水的建筑物。", **more):
    made = {"id": name, "quality": "good", "score": 1.5, "cluster": name, **more}
    return answered(asked({key: value for key, value in made.items() if value is not None}, question), answer)


def reason(item, **settings):
    try:
        MagpieFilter(**settings).row(item)
    except Drop as drop:
        return drop.reason
    return None


def select(rows, **settings):
    async def collect():
        return [item async for item in MagpieSelect(**settings).run({"rows": FakeShards(rows)}, None)]

    items = asyncio.run(collect())
    taken = [item["id"] for item in items if not isinstance(item, Dropped)]
    return taken, [item for item in items if isinstance(item, Dropped)]


EIGHT = [
    (row("a", answer="短。", quality="excellent"), None),
    (row("b", quality="average"), "low_quality"),
    (row("c", quality=None), "untagged"),
    (row("d", score=-10.0), "low_reward"),
    (row("e", "请翻译下面的句子："), "ends_with_colon"),
    (row("f", "Translate this:"), "ends_with_colon"),
    (row("g", cluster="a", neighbour_distance=0.01), "near_duplicate"),
    (row("h", answer="一个长得多的回答，说明了来龙去脉。", score=None, cluster=None), None),
]


def test_of_eight_rows_one_for_each_clause_two_survive_and_the_longer_answer_comes_first():
    assert [reason(item) for item, _ in EIGHT] == [expected for _, expected in EIGHT]
    survivors = [item for item, _ in EIGHT if reason(item) is None]
    assert select(survivors, most=10, order="length") == (["h", "a"], [])
    assert select(survivors, most=1, order="length")[0] == ["h"]


def test_every_clause_can_be_switched_off():
    off = {"qualities": (), "above": None, "endings": (), "representatives": False}
    assert all(reason(item, **off) is None for item, _ in EIGHT)
    for name, value in off.items():
        passes = sum(reason(item, **{name: value}) is None for item, _ in EIGHT)
        assert passes > 2


@pytest.mark.parametrize(("score", "expected"), [(-9.999, None), (-10.0, "low_reward"), (float("nan"), "low_reward")])
def test_the_reward_must_be_above_the_bound(score, expected):
    assert reason(row("a", score=score)) == expected


def test_spaces_behind_a_colon_make_no_difference_and_one_inside_does_no_harm():
    assert reason(row("a", "请翻译： \n")) == "ends_with_colon"
    assert reason(row("a", "请翻译：早安")) is None


def numbered(number):
    return [
        row(f"row{n}", answer="字" * (n + 1), score=float(n % 7), difficulty="hard" if n % 3 else "easy")
        for n in range(number)
    ]


def test_by_default_long_answers_are_not_preferred():
    rows = numbered(400)
    taken, lost = select(rows, most=100)
    places = [int(name.removeprefix("row")) for name in taken]
    assert 150 < sum(places) / 100 < 250
    assert len(lost) == 300
    assert {item.reason for item in lost} == {"not_taken"}
    assert lost[0].facts["rank"] > 100
    assert select(list(reversed(rows)), most=100)[0] == taken, "the order of the stream does not matter"
    assert set(select(rows, most=50)[0]) < set(taken)
    assert select(rows, most=100, seed=1)[0] != taken


def test_orders_begin_with_the_most_and_rows_without_come_last():
    rows = numbered(30)
    assert select(rows, most=3, order="length")[0] == ["row29", "row28", "row27"]
    assert set(select(rows, most=4, order="score")[0]) == {"row6", "row13", "row20", "row27"}
    assert set(select(rows, most=20, order="difficulty")[0]) == {f"row{n}" for n in range(30) if n % 3}
    plain = [row("x", score=None), row("y", score=float("nan")), row("z", score=-99.0)]
    assert select(plain, most=1, order="score")[0] == ["z"]
    assert select([row("x"), row("y", difficulty="very easy")], most=1, order="difficulty")[0] == ["y"]


@given(st.integers(0, 25), st.integers(1, 30), st.sampled_from(["hash", "length", "score", "difficulty"]))
def test_rows_come_out_in_chunks_as_they_would_in_one_piece(number, most, order):
    rows = numbered(number)
    whole = select(rows, most=most, order=order)
    before, magpie_select.CHUNK = magpie_select.CHUNK, 4
    try:
        assert select(rows, most=most, order=order) == whole
    finally:
        magpie_select.CHUNK = before
    assert len(whole[0]) == min(most, number)
    assert len(whole[0]) + len(whole[1]) == number


def test_difficulties_in_both_languages_have_ranks():
    words = [["very easy", "easy", "medium", "hard", "very hard"], ["非常简单", "简单", "中等", "困难", "非常困难"]]
    assert [[difficulty_rank(word) for word in lang] for lang in words] == [[0, 1, 2, 3, 4]] * 2
    assert difficulty_rank(None) is None
    assert difficulty_rank("purple") is None
