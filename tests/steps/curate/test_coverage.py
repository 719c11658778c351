"""The coverage map: planted holes are found and no others, quotas are exact, and small samples make no findings."""

import math
import random
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.curate.coverage.coverage import Rule, map_coverage, outside_words
from sftmill.steps.curate.coverage.coverage_figure import coverage_figure
from sftmill.steps.curate.coverage.demand import Tally
from sftmill.steps.curate.coverage.quotas import fill_quotas, level, needed, quota_text
from sftmill.steps.curate.coverage.shortage import chance_of_so_few, least_chance, proved, regularised_beta
from sftmill.steps.curate.coverage.uncovered import measure_nearness
from sftmill.steps.grid import Cell, Grid, read_grid

TOPICS = {
    "zh": ("水稻", "小麦", "玉米", "大豆", "棉花", "油菜"),
    "en": ("rice", "wheat", "maize", "soy", "cotton", "rapeseed"),
}
TASKS = {"zh": ("解释", "计算", "比较", "分类", "写作"), "en": ("explain", "calculate", "compare", "classify", "write")}
LEVELS = {"zh": ("简单", "中等", "困难"), "en": ("easy", "medium", "hard")}


def grid(lang="zh"):
    return Grid(topics=TOPICS[lang], task_types=TASKS[lang], difficulties=LEVELS[lang])


SMALL = Grid(topics=("甲", "乙", "丙"), task_types=("问",), difficulties=("中",))


def cell(topic):
    return Cell(topic, "问", "中")


def row(where, text="", **more):
    labels = dict(zip(("topic", "task_type", "difficulty", "form"), where, strict=False))
    return {"messages": [{"role": "user", "content": text or str(where)}], **labels, **more}


def tally(kind, rows, of=SMALL):
    made = Tally(of, kind)
    for one in rows:
        made.add(one)
    return made


def asked(counts, kind="queries", of=SMALL):
    """Return a demand with so many different questions in each cell."""
    return tally(
        kind, (row(where, f"{where}第{i}问 {kind}") for where, number in counts.items() for i in range(number)), of
    )


def pool(counts, of=SMALL):
    return asked(counts, "pool", of)


def verdicts(found):
    return {one.cell.topic: one.verdict for one in found.cells}


# --- the test behind it ------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.01, 0.99))
def test_the_beta_function_is_the_tail_of_the_binomial(x, y, chance):
    total = x + y
    tail = math.fsum(comb(total, k) * chance**k * (1 - chance) ** (total - k) for k in range(y + 1))
    assert regularised_beta(1 - chance, x, y + 1) == pytest.approx(tail, rel=1e-9, abs=1e-12)


def test_the_beta_function_ends_at_0_and_1_and_stands_large_counts():
    assert (regularised_beta(0, 3, 4), regularised_beta(1, 3, 4)) == (0, 1)
    assert regularised_beta(0.5, 1e6, 1e6) == pytest.approx(0.5, abs=1e-4)
    assert regularised_beta(0.4, 1e6, 1e6) == 0


def test_nothing_in_a_pool_as_large_as_the_demand_is_two_thirds_to_the_power_of_what_is_asked():
    assert chance_of_so_few(19, 1000, 0, 1000, 0.5) == pytest.approx((2 / 3) ** 19)
    assert least_chance(12, 1000, 7, 1000, 0.5) == pytest.approx((2 / 3) ** 19)
    assert chance_of_so_few(0, 1000, 5, 1000, 0.5) == 1.0


def test_findings_are_ranked_as_benjamini_and_hochberg_say():
    # the classic example: at 5 %, the first four of ten hold
    chances = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    assert sum(proved(chances, [0.0] * 15, 0.05)) == 4


def test_tests_that_could_never_hold_do_not_weigh_upon_the_others():
    chances = [0.04, *[0.5] * 99]
    assert proved(chances, [0.01, *[0.3] * 99], 0.05) == [True, *[False] * 99]
    assert not any(proved(chances, [0.01] * 100, 0.05))
    assert proved([], [], 0.05) == []


# --- counting ----------------------------------------------------------------------------------------


def test_rows_are_counted_by_user_and_those_outside_and_unlabelled_apart():
    found = tally(
        "queries",
        [
            row(cell("甲"), "贷款", frequency=7),
            row(cell("甲"), "贷 款"),
            row(("丁", "问", "中"), "别的", frequency=3, tags=["知识", "彩票"]),
            {"messages": [{"role": "user", "content": "没有标签"}]},
        ],
    )
    assert (found.rows, found.inside, found.outside, found.unlabelled) == (4, 8, 3, 1)
    assert found.times(cell("甲")) == 8 and found.words == {"彩票": 3}


def test_examples_come_from_different_sources_and_kinds_the_most_frequent_first():
    queries = tally("queries", [row(cell("甲"), f"问{i}", source=f"s{i % 4}", frequency=i + 1) for i in range(12)])
    books = tally(
        "books", [{**row(cell("甲")), "messages": None, "intent": f"想问{i}", "source": "book"} for i in range(5)]
    )
    (found, *_) = map_coverage(SMALL, [queries, books], pool({cell("乙"): 50})).cells
    assert [e.text for e in found.examples] == ["问11", "想问0", "问10"]
    assert [(e.kind, e.times) for e in found.examples][:2] == [("queries", 12), ("books", 1)]


def test_ten_thousand_passages_do_not_drown_a_validation_set():
    books, validation = asked({cell("甲"): 5000, cell("乙"): 5000}, "books"), asked({cell("丙"): 100}, "validation")
    found = map_coverage(SMALL, [books, validation], pool({cell("甲"): 500, cell("乙"): 500}))
    assert [round(one.demand, 3) for one in found.cells] == [0.25, 0.25, 0.5]
    assert verdicts(found)["丙"] == "hole" and found.covered == pytest.approx(0.5)
    light = map_coverage(SMALL, [books, validation], pool({cell("甲"): 500, cell("乙"): 500}), weights={"books": 9})
    assert light.get(cell("丙")).demand == pytest.approx(0.1)
    assert sum(one.demand for one in light.cells) == pytest.approx(1)


def test_a_kind_that_asks_nothing_inside_the_grid_has_no_weight_but_is_told():
    away = tally("forum", [row(("丁", "问", "中"), str(i), tags=["天气"]) for i in range(4)])
    found = map_coverage(SMALL, [asked({cell("甲"): 30, cell("乙"): 30}), away], pool({cell("甲"): 10, cell("乙"): 10}))
    assert found.weights == {"queries": 1.0, "forum": 0.0}
    assert outside_words(found) == {"天气": 4} and found.as_dict()["demand"]["forum"]["outside"] == 4


def test_nothing_asked_inside_the_grid_is_an_error():
    with pytest.raises(ValueError, match="nothing is asked"):
        map_coverage(SMALL, [tally("queries", [])], pool({cell("甲"): 1}))


# --- what is a hole ----------------------------------------------------------------------------------


def test_each_verdict():
    found = map_coverage(SMALL, [asked({cell("甲"): 200, cell("乙"): 200})], pool({cell("甲"): 390, cell("丙"): 10}))
    assert verdicts(found) == {"甲": "covered", "乙": "hole", "丙": "unasked"}
    assert [one.cell.topic for one in found.holes] == ["乙"] and found.reached == pytest.approx(0.5)
    even = map_coverage(SMALL, [asked({cell("甲"): 390, cell("乙"): 10})], pool({cell("甲"): 200, cell("乙"): 200}))
    assert verdicts(even) == {"甲": "covered", "乙": "surplus", "丙": "empty"}


def test_a_cell_asked_about_a_few_times_is_only_possibly_a_hole():
    found = map_coverage(SMALL, [asked({cell("甲"): 300, cell("乙"): 4})], pool({cell("甲"): 300}))
    assert verdicts(found) == {"甲": "covered", "乙": "possible", "丙": "empty"}
    assert found.covered == 1.0 and found.reached == pytest.approx(300 / 304)


def test_one_question_alone_makes_no_hole_however_often_it_is_asked():
    rows = [row(cell("甲"), f"问{i}") for i in range(200)]
    once = tally("queries", [*rows, row(cell("乙"), "同一个问题", frequency=100)])
    assert verdicts(map_coverage(SMALL, [once], pool({cell("甲"): 300})))["乙"] == "possible"
    twice = tally("queries", [*rows, *(row(cell("乙"), f"问题{i}", frequency=50) for i in range(2))])
    assert verdicts(map_coverage(SMALL, [twice], pool({cell("甲"): 300})))["乙"] == "hole"


def test_a_least_number_and_enough_need_no_proof():
    demand, have = asked({cell("甲"): 300, cell("乙"): 4}), pool({cell("甲"): 300, cell("乙"): 2})
    assert verdicts(map_coverage(SMALL, [demand], have))["乙"] == "covered"
    assert verdicts(map_coverage(SMALL, [demand], have, Rule(least=3)))["乙"] == "hole"
    short = asked({cell("甲"): 300, cell("乙"): 300}), pool({cell("甲"): 1000, cell("乙"): 50})
    assert verdicts(map_coverage(SMALL, [short[0]], short[1]))["乙"] == "hole"
    assert verdicts(map_coverage(SMALL, [short[0]], short[1], Rule(enough=50)))["乙"] == "covered"


def test_before_an_empty_pool_everything_asked_is_a_hole():
    found = map_coverage(SMALL, [asked({cell("甲"): 9, cell("乙"): 1})], pool({}))
    assert verdicts(found) == {"甲": "hole", "乙": "possible", "丙": "empty"}
    assert fill_quotas(found, 20) == {cell("甲"): 20}


def test_small_lacks_of_many_cells_show_in_the_margin():
    of = Grid(topics=("甲", "乙"), task_types=tuple("abcdefghij"), difficulties=("中",))
    demand = asked({Cell(t, k, "中"): 9 for t in of.topics for k in of.task_types}, of=of)
    have = pool({Cell(t, k, "中"): 12 if t == "甲" else 2 for t in of.topics for k in of.task_types}, of)
    found = map_coverage(of, [demand], have)
    assert not found.holes and len(found.with_verdict("possible")) == 10
    assert {one.name for one in found.margins if one.short} == {"乙"}


def draw(weights, number, chance):
    return Counter(chance.choices(list(weights), list(weights.values()), k=number))


def shares(of, chance):
    """Return an unequal demand over all cells of a grid."""
    raw = {one: chance.lognormvariate(0, 1) for one in of.cells()}
    total = sum(raw.values())
    return {one: value / total for one, value in raw.items()}


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("seed", range(3))
def test_all_twelve_planted_holes_are_named_and_no_others(lang, seed):
    of, chance = grid(lang), random.Random(seed)
    due = shares(of, chance)
    holes = set(chance.sample([one for one, share in due.items() if share > 0.006], 12))
    rest = {one: share * chance.uniform(0.7, 1.5) for one, share in due.items() if one not in holes}
    have = draw(rest, 6000, chance) + Counter({one: 2 for one in list(holes)[:4]})
    demand = [asked(draw(due, 2000, chance), "queries", of), asked(draw(due, 1000, chance), "books", of)]
    found = map_coverage(of, demand, pool(have, of))
    assert {one.cell for one in found.holes} == holes
    assert all(len(one.examples) == 3 and {e.kind for e in one.examples} == {"queries", "books"} for one in found.holes)
    assert found.covered == pytest.approx(1 - sum(one.demand for one in found.holes))


def test_a_pool_that_follows_the_demand_has_no_holes_however_small_the_samples_are():
    of = grid()
    for seed in range(30):
        chance = random.Random(seed)
        due = shares(of, chance)
        demand = asked(draw(due, chance.choice([30, 200, 1000]), chance), of=of)
        found = map_coverage(of, [demand], pool(draw(due, chance.choice([50, 300, 2000]), chance), of))
        assert not found.holes and not found.with_verdict("surplus")


def test_cells_of_several_forms_are_apart():
    of = Grid(topics=("甲",), task_types=("问",), difficulties=("中",), forms=("text", "table"))
    text, table = (Cell("甲", "问", "中", form) for form in of.forms)
    found = map_coverage(of, [asked({text: 100, table: 100}, of=of)], pool({text: 100}, of))
    assert [one.cell.form for one in found.holes] == ["table"]
    assert {(one.axis, one.name) for one in found.margins if one.holes} >= {("form", "table"), ("topic", "甲")}


# --- quotas ------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(1e-4, 1), st.integers(0, 50)), min_size=1, max_size=40),
    st.integers(0, 100_000),
)
def test_quotas_come_to_exactly_the_total_and_level_what_there_is(cells, total):
    demand, supply = [d for d, _ in cells], [s for _, s in cells]
    counts = level(demand, supply, total)
    assert sum(counts) == total and min(counts) >= 0
    heights = [(s + c) / d for s, c, d in zip(supply, counts, demand, strict=True)]
    for count, height, d in zip(counts, heights, demand, strict=True):
        if count:  # whoever gets something ends no more than one above the lowest
            assert height - 1 / d <= min(h + 1 / e for h, e in zip(heights, demand, strict=True)) + 1e-6


@given(st.lists(st.floats(1e-4, 1), min_size=2, max_size=30), st.integers(0, 5000))
def test_of_two_empty_cells_the_one_that_is_asked_about_more_gets_no_less(demand, total):
    counts = level(demand, [0] * len(demand), total)
    ranked = sorted(zip(demand, counts, strict=True))
    assert all(a <= b for (d, a), (e, b) in pairwise(ranked) if d < e)


def test_quotas_are_proportional_by_largest_remainders():
    assert level([0.5, 0.3, 0.2], [0, 0, 0], 10) == [5, 3, 2]
    assert level([0.45, 0.35, 0.2], [0, 0, 0], 7) == [3, 3, 1]
    assert level([1, 1], [10, 0], 4) == [0, 4]
    assert level([1, 1], [2, 0], 4) == [1, 3]
    assert level([], [], 5) == []


def test_what_is_needed_levels_the_holes_in_the_larger_pool():
    demand = asked({cell("甲"): 600, cell("乙"): 250, cell("丙"): 150})
    found = map_coverage(SMALL, [demand], pool({cell("甲"): 600}))
    assert needed(found) == 400
    assert fill_quotas(found) == {cell("乙"): 250, cell("丙"): 150}
    assert fill_quotas(found, 8) == {cell("乙"): 5, cell("丙"): 3}
    assert fill_quotas(found, per_cell=7) == {cell("乙"): 7, cell("丙"): 7}
    filled = pool({cell("甲"): 600, cell("乙"): 250, cell("丙"): 150})
    assert not map_coverage(SMALL, [demand], filled).holes


def test_no_hole_is_left_out_where_there_is_one_for_each():
    demand = asked({cell("甲"): 3000, cell("乙"): 40, cell("丙"): 3000})
    found = map_coverage(SMALL, [demand], pool({cell("甲"): 3000}))
    assert fill_quotas(found, 2) == {cell("乙"): 1, cell("丙"): 1}


def test_a_pool_beside_the_demand_is_not_filled_without_end():
    demand = asked({cell("甲"): 10, cell("乙"): 990})
    assert needed(map_coverage(SMALL, [demand], pool({cell("甲"): 500}))) <= 500


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_quotas_are_written_so_that_the_grid_reads_them_again(tmp_path, lang):
    of = grid(lang)
    chance = random.Random(5)
    due = shares(of, chance)
    holes = sorted(due, key=lambda one: -due[one])[:5]
    demand = asked(draw(due, 1000, chance), of=of)
    have = pool(draw({one: share for one, share in due.items() if one not in holes}, 3000, chance), of)
    found = map_coverage(of, [demand], have)
    counts = fill_quotas(found, 77)
    (tmp_path / "quotas.yaml").write_text(quota_text(found, counts), "utf-8")
    read = read_grid(tmp_path / "quotas.yaml")
    assert read.wanted() == counts and sum(counts.values()) == 77
    assert all(len(read.examples()[one]) == 3 for one in holes)


# --- by meaning alone --------------------------------------------------------------------------------


def test_what_no_instruction_comes_near_to_is_put_together_and_named():
    texts = [*["水库放水的时间"] * 6, *["船闸充水的水量"] * 4, *["堤坝加固的办法"] * 5]
    axes = [0] * 6 + [1] * 4 + [2] * 5
    noise = np.random.default_rng(1).normal(0, 0.02, (15, 8)).astype(np.float32)
    demand = np.eye(8, dtype=np.float32)[axes] + noise
    found = measure_nearness(demand, np.eye(8)[[0, 7]], texts, "zh", weights=[1] * 6 + [10] * 4 + [1] * 5, least=0.8)
    assert found.covered == pytest.approx(6 / 51)
    assert [(len(one.members), one.weight) for one in found.clusters] == [(4, 40.0), (5, 5.0)]
    assert any("船闸" in word for word in found.clusters[0].words)
    assert found.similarity[:6].min() > 0.9 > found.similarity[6:].max()


def test_the_threshold_is_taken_from_how_near_questions_are_to_each_other():
    demand = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]] + 0.05
    found = measure_nearness(demand, np.eye(4)[[0]], ["a b"] * 4, "en")
    assert found.least == pytest.approx(1.0, abs=1e-5) and found.covered == 0.0
    assert measure_nearness(demand, demand[:2], ["x"] * 4, "en").covered == 0.5
    assert measure_nearness(demand, demand[:0], ["x"] * 4, "en", least=0.5).covered == 0.0


# --- the picture -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_picture_is_well_formed_holds_its_texts_and_is_the_same_each_time(lang):
    of = Grid(topics=(*TOPICS[lang], "<b>&"), task_types=TASKS[lang], difficulties=LEVELS[lang])
    chance = random.Random(2)
    due = shares(of, chance)
    found = map_coverage(of, [asked(draw(due, 500, chance), of=of)], pool(draw(due, 500, chance), of))
    picture = coverage_figure(found, lang)
    assert picture == coverage_figure(found, lang)
    texts = {
        "".join(text.itertext()).strip() for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    }
    assert set(of.topics) | set(of.task_types) | set(of.difficulties) <= texts
    assert b"Noto Sans CJK SC" in picture and b"<script" not in picture
