"""Retrieve: rows of a database that are like a validation set, by four arms that can be compared."""

import asyncio
import csv
import json
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.columns import COLUMNS
from sftmill.core import Dropped
from sftmill.errors import RecipeError
from sftmill.flow.shards import without_empty
from sftmill.steps.instruct.retrieve.by_meaning import Neighbourhood, in_company
from sftmill.steps.instruct.retrieve.by_tags import TagIndex
from sftmill.steps.instruct.retrieve.choosing import by_score, in_turns, shuffled
from sftmill.steps.instruct.retrieve.database import read
from sftmill.steps.instruct.retrieve.retrieve import Retrieve
from sftmill.steps.instruct.retrieve.top import Rankings, nearest
from sftmill.steps.instruct.retrieve.vectors import Vectors, embed_rows, to_unit

FIELDS = {"pump": "水泵", "bread": "面包", "tide": "潮汐"}
WORDS = ("水泵", "面包", "潮汐", "pump", "bread", "tide")


class FakeShards:
    def __init__(self, rows, size=7):
        self._size = len(rows)
        schema = pa.schema([(name, COLUMNS[name].type) for name in COLUMNS if any(name in row for row in rows)])
        self._batches = pa.Table.from_pylist(rows, schema=schema).to_batches(max_chunksize=size)

    def __len__(self):
        return self._size

    def rows(self):
        for batch in self._batches:
            yield from map(without_empty, batch.to_pylist())

    def batches(self, columns=None):
        for batch in self._batches:
            names = batch.schema.names if columns is None else [name for name in columns if name in batch.schema.names]
            yield batch.select(names)


class FakeDesk:
    """Texts about the same thing point the same way, whatever their language; each has a little of its own."""

    def __init__(self, output, size=24):
        self.output, self.size, self.asked = output, size, 0

    async def vectors(self, texts, *, to="embedder"):
        self.asked += len(texts)
        return np.array([self._vector(text) for text in texts], np.float32).reshape(len(texts), self.size)

    def _vector(self, text):
        own = np.random.default_rng(list(text.encode())).standard_normal(self.size) * 0.2
        for number, word in enumerate(WORDS):
            own[number % 3] += text.count(word)
        own[3] += 0.2
        return (own / np.linalg.norm(own)).tolist()


def row(name, text, answer="是的。", **more):
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return {"id": name, "lang": "zh", "messages": turns, **more}


def database(each=20):
    made = []
    for number in range(each):
        made.append(
            row(f"pump{number}", f"第{number}号水泵为什么漏水？", tags=["pump", f"p{number % 3}"], source="plant")
        )
        made.append(row(f"bread{number}", f"How do I bake bread number {number}?", tags=["bread"], source="kitchen"))
        made.append(row(f"tide{number}", f"第{number}天的潮汐有多高？", tags=["tide", "moon"], source="coast"))
    return made


VALIDATION = [
    row("v1", "怎样修理一台旧水泵的叶轮？", tags=["Pumps", "p1"]),
    row("v2", "Which pump fits a deep well?", tags=["pump", "p2"]),
    row("v3", "水泵的扬程怎样计算？", tags=["pump"]),
]


def run(tmp_path, rows, validation=VALIDATION, desk=None, size=7, inputs=None, file=None, **options):
    step = Retrieve(**{"budget": 10, "validation": file, **options})
    given_rows = {"rows": FakeShards(rows, size), **(inputs or {})}
    if validation is not None:
        given_rows["validation"] = FakeShards(validation)

    async def collect():
        return [item async for item in step.run(given_rows, desk or FakeDesk(tmp_path / "export"))]

    found = asyncio.run(collect())
    return [one for one in found if not isinstance(one, Dropped)], [one for one in found if isinstance(one, Dropped)]


def table(tmp_path, ending=""):
    text = (tmp_path / "export" / f"retrieval{ending}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def names(rows):
    return [one["id"] for one in rows]


# --- the nearest rows ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 400), st.integers(1, 30), st.integers(1, 60), st.integers(1, 300), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_the_nearest_rows_are_those_of_a_full_sort_whatever_the_blocks(number, asking, most, block, seed):
    rng = np.random.default_rng(seed)
    there = rng.standard_normal((number, 5)).astype(np.float32)
    here = rng.standard_normal((asking, 5)).astype(np.float32)
    cuts = ((np.arange(at, min(number, at + block)), there[at : at + block]) for at in range(0, number, block))
    found = nearest(here, cuts, most)
    expected = -np.sort(-(here @ there.T), axis=1)[:, :most]
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    again = np.take_along_axis(here @ there.T, found.places, axis=1)
    np.testing.assert_allclose(found.scores, again, atol=1e-5)


def test_equally_near_rows_come_in_the_order_of_their_places():
    there = np.tile(np.array([[1.0, 0.0]], np.float32), (700, 1))
    found = nearest(np.array([[1.0, 0.0]], np.float32), [(np.arange(700), there)], 5)
    assert found.places.tolist() == [[0, 1, 2, 3, 4]]


def test_validation_rows_take_turns_and_nothing_is_chosen_twice():
    rankings = Rankings(np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0.9, 0.8, 0.7], [0.9, 0.6, 0.5]]))
    offered = list(in_turns(rankings))
    assert [offer.place for offer in offered] == [0, 2, 1, 3]
    assert [offer.validation for offer in offered] == [0, 1, 0, 1]
    assert [offer.score for offer in offered] == [0.9, 0.6, 0.8, 0.5]


def test_the_best_score_goes_first_and_ties_are_settled_by_content():
    offered = by_score(np.array([4, 5, 6]), np.array([0.5, 0.9, 0.5]), np.array([9, 1, 2]))
    assert [offer.place for offer in offered] == [5, 6, 4]


def test_company_pulls_a_stray_row_towards_its_fellows_but_not_a_small_set_together():
    fellows = to_unit(np.array([[1.0, 0.1 * i, 0.0] for i in range(5)] + [[0.6, 0.0, 0.8]], np.float32))
    moved = in_company(fellows, 4)
    assert moved[-1] @ fellows[0] > fellows[-1] @ fellows[0]
    assert np.allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)
    assert Neighbourhood(fellows, 20).asking is fellows


def test_halves_of_precision_and_the_middle_of_question_and_answer():
    vectors = Vectors(3)
    vectors.put(0, np.eye(3, dtype=np.float32))
    assert [places.tolist() for places, _ in vectors.blocks(np.array([0, 2]))] == [[0, 2]]
    desk = FakeDesk(None)
    both = asyncio.run(embed_rows(desk, [row("a", "水泵？", "面包。")], "embedder", True, 300))
    parts = np.array([desk._vector("水泵？"), desk._vector("面包。")])
    np.testing.assert_allclose(both[0], to_unit(parts.sum(axis=0)), atol=1e-5)


# --- similarity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["turns", "nearest"])
def test_similarity_finds_what_the_validation_set_is_about_in_both_languages(tmp_path, order):
    kept, dropped = run(tmp_path, database(), order=order)
    assert len(kept) == 10 and not dropped
    assert all(name.startswith("pump") for name in names(kept))
    said = json.loads(kept[0]["chosen_for"])["similarity"]
    assert said["validation"] in {"v1", "v2", "v3"}
    assert kept[0]["relevance"] == said["score"]
    assert sorted(json.loads(one["chosen_for"])["similarity"]["rank"] for one in kept) == list(range(1, 11))


def test_scores_are_the_cosines_that_they_are_said_to_be(tmp_path):
    desk = FakeDesk(tmp_path / "export")
    kept, _ = run(tmp_path, database(), desk=desk)
    asked = {one["id"]: one["messages"][0]["content"] for one in VALIDATION}
    for one in kept:
        said = json.loads(one["chosen_for"])["similarity"]
        cosine = np.dot(desk._vector(one["messages"][0]["content"]), desk._vector(asked[said["validation"]]))
        assert said["score"] == pytest.approx(cosine, abs=2e-3)


def test_every_validation_row_has_its_share_in_turns(tmp_path):
    mixed = [row("v1", "水泵怎样修？"), row("v2", "How long does bread keep?")]
    kept, _ = run(tmp_path, database(), mixed, budget=8)
    assert sum(name.startswith("pump") for name in names(kept)) == 4
    assert sum(name.startswith("bread") for name in names(kept)) == 4


def test_a_floor_ends_the_choice_before_the_budget(tmp_path):
    kept, _ = run(tmp_path, database(), budget=50, floors={"similarity": 0.8}, copies=None)
    assert 0 < len(kept) <= 20
    assert all(one["relevance"] >= 0.8 for one in kept)
    assert table(tmp_path)[0]["stopped_by"] == "floor"
    assert any(line["where"] == "below the cut" for line in table(tmp_path, "_examples"))


def test_the_same_question_is_chosen_once(tmp_path):
    rows = [*database(3), row("again", "第0号水泵为什么漏水?"), row("wide", "第０号水泵为什么漏水？")]
    kept, _ = run(tmp_path, rows, budget=5, copies=None)
    assert len({"pump0", "again", "wide"} & set(names(kept))) == 1
    assert table(tmp_path)[0]["passed_over: copy"] == "2"


def test_rows_whose_vectors_are_nearly_the_same_are_chosen_once(tmp_path):
    kept, _ = run(tmp_path, database(), copies=0.9999)
    assert len(kept) == 10
    kept, _ = run(tmp_path, database(), copies=0.3)
    assert len([name for name in names(kept) if name.startswith("pump")]) == 1


def test_a_row_that_is_near_everything_is_a_hub():
    rng = np.random.default_rng(3)
    middle = np.eye(16)[0]
    there = to_unit((rng.standard_normal((300, 16)) + middle).astype(np.float32))
    there[7] = middle
    about = to_unit((np.eye(16)[1] * 2 + rng.standard_normal((5, 16)) * 0.1).astype(np.float32))
    vectors = Vectors(300)
    vectors.put(0, there)
    hubs = Neighbourhood(about, 1).hubs(vectors, np.arange(300, dtype=np.uint64))
    assert hubs[7]
    assert not hubs[(there @ about.T).mean(axis=1).argmax()]


def test_the_order_of_the_database_and_the_size_of_its_batches_do_not_matter(tmp_path):
    rows = database()
    first, _ = run(tmp_path, rows, arms=("similarity", "tags", "random"))
    mixed = random.Random(1).sample(rows, len(rows))
    other, _ = run(tmp_path, mixed, arms=("similarity", "tags", "random"), size=3)
    assert {one["id"]: one["chosen_for"] for one in first} == {one["id"]: one["chosen_for"] for one in other}


# --- contamination ---------------------------------------------------------------------------------

LEAKED = "某工厂的循环水泵在运行三小时后出现异常振动，请根据轴承温度和电流读数判断最可能的原因。"


def test_validation_and_test_items_are_never_chosen_and_others_take_their_place(tmp_path):
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"id": "t9", "question": LEAKED}, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = [*database(), row("leak", "请看：" + LEAKED), row("own", VALIDATION[2]["messages"][0]["content"])]
    kept, dropped = run(tmp_path, rows, against=test, budget=22, copies=None)
    facts = {one.row["id"]: (one.reason, one.facts) for one in dropped}
    assert facts["leak"][1]["item"] == "t9"
    assert facts["own"][0] == "contaminated"
    assert not {"leak", "own"} & set(names(kept))
    assert len(kept) == 22


def test_a_row_too_near_to_a_validation_row_counts_as_it(tmp_path):
    kept, dropped = run(tmp_path, database(), too_near=0.3)
    assert not any(name.startswith("pump") for name in names(kept))
    assert dropped[0].facts["found_by"] == "similar"


def test_streams_of_test_items_are_held_against_too(tmp_path):
    rows = [*database(), row("leak", LEAKED)]
    _, dropped = run(
        tmp_path, rows, inputs={"exam": FakeShards([row("t1", LEAKED)])}, streams=("exam",), budget=30, copies=None
    )
    assert [one.facts["eval_set"] for one in dropped] == ["exam"]
    with pytest.raises(RecipeError, match="no input 'none'"):
        run(tmp_path, rows, streams=("none",))


# --- tags ------------------------------------------------------------------------------------------

TAGGED = [
    row("a", "问甲", tags=["x", "y"]),
    row("b", "问乙", tags=["x", "z"]),
    row("c", "问丙", tags=["z", "w"]),
    row("d", "问丁", tags=["x", "y", "z", "w"]),
    row("e", "问戊", tags=["u"]),
]
WANTING = [row("v1", "甲？", tags=["x", "y"]), row("v2", "丙？", tags=["z", "w"])]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [("union", {"d": 4, "a": 2, "b": 2, "c": 2}), ("best", {"d": 2, "a": 2, "c": 2, "b": 1})],
)
def test_overlap_counts_shared_tags_with_the_set_or_with_one_row(overlap, expected):
    index = TagIndex(WANTING, 1.0, weighted=False)
    index.read(FakeShards(TAGGED))
    known = read(FakeShards(TAGGED))
    offered = list(index.offers(overlap, 1, 10, known))
    assert {TAGGED[offer.place]["id"]: offer.score for offer in offered} == expected
    assert TAGGED[offered[-1].place]["id"] == "b" or overlap == "union"


def test_in_turns_each_validation_row_takes_its_best_by_tags():
    index = TagIndex(WANTING, 1.0, weighted=False)
    index.read(FakeShards(TAGGED))
    offered = list(index.offers("turns", 2, 10, read(FakeShards(TAGGED))))
    assert {TAGGED[offer.place]["id"] for offer in offered} == {"a", "c", "d"}
    assert [offer.validation for offer in offered][:2] == [0, 1]


def test_rare_tags_count_more_and_common_ones_nothing():
    rows = [row(str(i), f"问{i}", tags=["all", *(["rare"] if i < 2 else [])]) for i in range(50)]
    index = TagIndex([row("v", "？", tags=["all", "rare"])], 0.05, weighted=True)
    index.read(FakeShards(rows))
    found, scores = index.shared([0, 1], 1)
    assert found.tolist() == [0, 1]
    assert scores.tolist() == [pytest.approx(np.log(25))] * 2


def test_one_shared_tag_is_enough_only_where_it_is_rare():
    rows = [row(str(i), f"问{i}", tags=["rare" if i == 5 else "half" if i < 8 else f"t{i}"]) for i in range(200)]
    index = TagIndex([row("v", "？", tags=["rare", "half"])], 0.05, weighted=True)
    index.read(FakeShards(rows))
    assert index.shared([0, 1], 2)[0].tolist() == [5]


def test_between_rows_with_the_same_tags_the_better_one_goes_first():
    rows = [row("a", "一", tags=["x"], score=0.1), row("b", "二", tags=["x"], score=0.9), row("c", "三", tags=["x"])]
    index = TagIndex([row("v", "？", tags=["x"])], 1.0, weighted=False)
    index.read(FakeShards(rows))
    assert [rows[o.place]["id"] for o in index.offers("union", 1, 9, read(FakeShards(rows)))] == ["b", "a", "c"]


def test_tags_are_compared_without_writing_habits(tmp_path):
    kept, _ = run(tmp_path, database(), arms=("tags",), common=1.0, least_shared=2)
    assert len(kept) == 10
    said = json.loads(kept[0]["chosen_for"])["tags"]
    assert "pump" in said["tags"] and said["validation"] in {"v1", "v2"}


def test_a_set_without_tags_is_told_what_to_do(tmp_path):
    with pytest.raises(RecipeError, match="validation set has tags"):
        run(tmp_path, database(), [row("v", "水泵？")], arms=("tags",))
    with pytest.raises(RecipeError, match="database has tags"):
        run(tmp_path, [row("a", "水泵？")], arms=("tags",))


# --- the four arms ---------------------------------------------------------------------------------


def test_four_arms_are_compared_by_one_run(tmp_path):
    kept, _ = run(
        tmp_path, database(), arms=("similarity", "tags", "catalogue", "random"), values=("plant",), common=1.0
    )
    by = {one["id"]: one["chosen_by"] for one in kept}
    lines = {line["arm"]: line for line in table(tmp_path)}
    for arm in ("similarity", "tags", "catalogue", "random"):
        assert lines[arm]["chosen"] == "10"
        assert sum(arm in arms for arms in by.values()) == 10
    both = sum({"similarity", "catalogue"} <= set(arms) for arms in by.values())
    assert lines["similarity"]["also_by: catalogue"] == str(both)
    shares = {line["source"]: line for line in table(tmp_path, "_catalogue")}
    assert shares["plant"]["catalogue"] == "10" and shares["plant"]["database"] == "20"
    assert shares["plant"]["similarity"] == "10"
    curve = [float(line["score"]) for line in table(tmp_path, "_curve") if line["arm"] == "similarity"]
    assert curve == sorted(curve, reverse=True) and len(curve) == 10


def test_the_random_draw_is_another_one_with_another_seed(tmp_path):
    first, _ = run(tmp_path, database(), arms=("random",))
    same, _ = run(tmp_path, database(), arms=("random",))
    other, _ = run(tmp_path, database(), arms=("random",), seed=1)
    assert names(first) == names(same) != names(other)
    assert "relevance" not in first[0]


def test_draws_have_nothing_to_do_with_each_other():
    numbers = np.arange(20_000, dtype=np.uint64) * np.uint64(977)
    first, other = (set(np.argsort(shuffled(numbers, name))[:2000].tolist()) for name in ("random 0", "catalogue 0"))
    assert 140 < len(first & other) < 260
    assert len(np.unique(shuffled(numbers, "random 0"))) == len(numbers)


def test_without_vectors_nobody_is_asked(tmp_path):
    desk = FakeDesk(tmp_path / "export")
    run(tmp_path, database(), arms=("random", "tags"), desk=desk)
    assert desk.asked == 0
    assert Retrieve(budget=1, arms=("random",)).roles() == ()
    assert Retrieve(budget=1).roles() == ("embedder",)


def test_the_validation_set_may_be_a_file(tmp_path):
    file = tmp_path / "wanted.jsonl"
    lines = [
        {"instruction": "水泵怎样修？", "output": "拆开。", "tags": ["pump", "p1"]},
        {"messages": VALIDATION[1]["messages"]},
    ]
    file.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    step = Retrieve(budget=4, validation=file, company=1)
    assert step.files() == (file,) and not step.problems()
    kept, _ = run(tmp_path, database(), None, file=file)
    assert all(name.startswith("pump") for name in names(kept))


def test_a_database_without_rows_gives_none(tmp_path):
    kept, dropped = run(tmp_path, [row("a", "")], arms=("similarity", "random"))
    assert not kept and not dropped


# --- what plan says --------------------------------------------------------------------------------


def test_plan_names_what_cannot_be(tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"answer": "x"}\n', encoding="utf-8")
    assert "has no question" in Retrieve(budget=1, validation=broken).problems()[0]
    assert "is not there" in Retrieve(budget=1, validation=tmp_path / "none.jsonl").problems()[0]
    assert "values" in Retrieve(budget=1, arms=("catalogue",)).problems()[0]
    assert "'tags' is not among the arms" in Retrieve(budget=1, floors={"tags": 2}).problems()[0]
    with pytest.raises(RecipeError, match="there is no validation set"):
        run(tmp_path, database(), None)
