"""Tags: normalised into a vocabulary, and given cheaply to rows that no model saw."""

import csv
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.steps.curate.given_rows import run_step, said

from sftmill.errors import RecipeError
from sftmill.steps.curate.tags.agreement import agree, best_bound, give, together
from sftmill.steps.curate.tags.classify_tags import ClassifyTags
from sftmill.steps.curate.tags.forms import singular, tag_key
from sftmill.steps.curate.tags.logistic import chance, fit, odds
from sftmill.steps.curate.tags.normalise_tags import NormaliseTags
from sftmill.steps.curate.tags.opposites import must_stay_apart
from sftmill.steps.curate.tags.vocabulary import count_pairs, gather, merge_by_meaning


class FakeDesk:
    """Vectors by a script, else by what the text is about."""

    def __init__(self, output, vectors=None):
        self.output, self.script = output, vectors or {}

    async def vectors(self, texts, *, to="embedder"):
        made = np.array([self.script.get(text) or self._vector(text) for text in texts], np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def _vector(self, text):
        own = np.random.default_rng(list(text.encode())).standard_normal(16) * 0.15
        for at, word in enumerate(("泵", "bread", "潮")):
            own[at] += word in text
        return (own / np.linalg.norm(own)).tolist()


def table(folder, name):
    return list(csv.DictReader((folder / f"{name}.csv").read_text(encoding="utf-8-sig").splitlines()))


# --- forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "same",
    [
        ("Data Analysis", "data-analysis", "DATA ANALYSIS!", "data_analysis", "Ｄａｔａ analysis"),
        ("数据分析", "數據分析", "数据分析类", "「数据分析」", "数据 分析"),
        ("stock price", "Stock Prices", "the stock prices"),
        ("policies", "policy"),
        ("增值税", "增值税相关问题", "增值税问题"),
        ("Python 编程", "python编程"),
    ],
)
def test_writing_habits_make_no_other_tag(same):
    assert len({tag_key(one) for one in same}) == 1


@pytest.mark.parametrize(
    "apart",
    [
        ("增值税", "消费税"),
        ("正运动学", "逆运动学"),
        ("C", "C++", "C#"),
        ("Python 2", "Python 3"),
        ("news", "new"),
        ("class", "clas"),
        ("人类", "人"),
        ("问题", "类"),
    ],
)
def test_other_things_stay_other_tags(apart):
    assert len({tag_key(one) for one in apart}) == len(apart)


@pytest.mark.parametrize(
    ("word", "one"),
    [
        ("boxes", "box"),
        ("analyses", "analysis"),
        ("gas", "gas"),
        ("matches", "match"),
        ("tables", "table"),
        ("bus", "bus"),
    ],
)
def test_the_plural_of_english_words(word, one):
    assert singular(word) == one


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_the_form_of_a_form_says_no_less_and_is_stable(text):
    key = tag_key(text)
    assert key == key.strip() and key == key.lower()


# --- vocabulary ------------------------------------------------------------------------------------


def rows_with(*tags, start=0):
    return [said(f"r{start + at}", f"问{start + at}", tags=list(some)) for at, some in enumerate(tags)]


def normalise(tmp_path, rows, vectors=None, **options):
    kept, dropped = run_step(NormaliseTags(**options), rows, FakeDesk(tmp_path, vectors))
    assert not dropped and len(kept) == len(rows)
    return [row.get("tags") for row in kept]


def test_spellings_are_one_tag_shown_in_the_commonest_way(tmp_path):
    rows = rows_with(
        ["Data Analysis"], ["data-analysis"], ["Data Analysis"], ["DATA ANALYSIS!"], ["數據分析"], ["数据分析"]
    )
    made = normalise(tmp_path, rows, least=1)
    assert made[:4] == [["Data Analysis"]] * 4
    assert made[4] == made[5]
    assert table(tmp_path, "tags")[0]["spellings"] == "3"


def test_a_tag_of_19_rows_is_dropped_and_one_of_20_stays(tmp_path):
    rows = rows_with(*[["rare", "frequent"]] * 19, ["frequent"])
    made = normalise(tmp_path, rows, least=20, confidence=None)
    assert made == [["frequent"]] * 20
    assert normalise(tmp_path, rows_with(*[["rare"]] * 19), least=20)[0] is None
    assert {line["tag"]: line["became"] for line in table(tmp_path, "tags")} == {"rare": "(dropped)"}


def test_what_means_the_same_is_merged_and_siblings_are_not(tmp_path):
    vectors = {"股票": [1, 0, 0], "股权投资": [0.96, 0.28, 0], "债券": [0.5, 0.866, 0]}
    rows = rows_with(*[["股票"]] * 5, *[["股权投资"]] * 3, *[["债券"]] * 3)
    made = normalise(tmp_path, rows, vectors, least=1, to_embedder="embedder")
    assert {tuple(tags) for tags in made} == {("股票",), ("债券",)}
    assert table(tmp_path, "tags")[1]["because"] == "meaning"


def test_a_chain_of_neighbours_does_not_join_its_ends():
    angles = np.radians([0, 20, 40, 60])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    names = ["a", "b", "c", "d"]
    made = gather({n: Counter({n: 1}) for n in names}, {"a": 40, "b": 30, "c": 20, "d": 10}, 1)
    entries = made.standing()
    merge_by_meaning(made, entries, vectors, 0.93)  # neighbours are at 0.94, their neighbours at 0.77
    assert {name: made.final(name).key for name in names} == {"a": "a", "b": "a", "c": "c", "d": "c"}


def test_versions_are_not_the_same_however_near(tmp_path):
    vectors = {"Python 2": [1, 0], "Python 3": [1, 0.01]}
    made = normalise(tmp_path, rows_with(["Python 2"], ["Python 3"]), vectors, least=1, to_embedder="embedder")
    assert made == [["Python 2"], ["Python 3"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("高血压", "低血压"), ("正运动学", "逆运动学"), ("原告", "被告"), ("中译英", "英译中"), ("import duty", "export duty"),
        ("english to chinese", "chinese to english"), ("第1章", "第2章"),
    ],
)  # fmt: skip
def test_opposites_and_other_orders_are_never_the_same(one, other):
    assert must_stay_apart(one, other) and must_stay_apart(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("股票投资", "股权投资"), ("trip planning", "travel planning"), ("税", "税收")]
)
def test_other_words_for_the_same_may_be_merged(one, other):
    assert not must_stay_apart(one, other)


@pytest.mark.parametrize(("number", "merged"), [(50, True), (40, True), (39, False)])
def test_a_tag_that_always_stands_beside_another_goes_into_it(tmp_path, number, merged):
    rows = rows_with(*[["math problem", "mathematics"]] * number, *[["mathematics"]] * 30)
    made = normalise(tmp_path, rows, least=1)
    assert made[0] == (["mathematics"] if merged else ["math problem", "mathematics"])


def test_association_needs_nearly_all_rows_of_a_tag(tmp_path):
    rows = rows_with(*[["a", "b"]] * 97, *[["a"]] * 3, *[["b"]] * 50)
    assert normalise(tmp_path, rows, least=1)[0] == ["a", "b"]
    assert normalise(tmp_path, rows, least=1, confidence=0.95)[0] == ["b"]
    assert normalise(tmp_path, rows, least=1, confidence=None)[0] == ["a", "b"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 9), max_size=5), max_size=40))
def test_pairs_are_counted_as_they_stand_together(baskets):
    one, other, both = count_pairs([sorted(basket) for basket in baskets], 10)
    found = {(a, b): n for a, b, n in zip(one.tolist(), other.tolist(), both.tolist(), strict=True)}
    expected = Counter((a, b) for basket in baskets for a in basket for b in basket if a < b)
    assert found == dict(expected)


# --- the cheap tagger ------------------------------------------------------------------------------


def test_the_classifier_finds_the_weights_that_no_step_makes_better():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 6)).astype(np.float32)
    labels = (vectors[:, :2] + rng.standard_normal((400, 2)) * 0.5 > 0).astype(np.uint8)
    weights = fit(vectors, labels, 0.01)
    slope = vectors.T @ (chance(odds(vectors, weights)) - labels) / 400 + 0.01 * weights[:-1]
    assert np.abs(slope).max() < 1e-3
    assert (((odds(vectors, weights) > 0) == labels).mean()) > 0.85


def test_a_label_that_all_or_no_rows_have_does_no_harm():
    vectors = np.eye(4, dtype=np.float32)
    weights = fit(vectors, np.array([[1, 0]] * 4), 0.01)
    assert np.isfinite(weights).all()
    assert (chance(odds(vectors, weights)) > 0.5).tolist() == [[True, False]] * 4


def test_the_bound_with_the_best_f1():
    assert best_bound(np.array([0.9, 0.8, 0.7, 0.2]), np.array([1, 1, 0, 0])) == 0.8
    assert best_bound(np.array([0.9, 0.9, 0.1]), np.array([1, 0, 1])) == 0.1


def test_agreement_counts_tags_and_the_likeliest_are_given():
    given_tags = give(np.array([[0.9, 0.8, 0.7], [0.1, 0.2, 0.3]]), np.array([0.5, 0.5, 0.5]), 2)
    assert given_tags.tolist() == [[True, True, False], [False, False, False]]
    found = together(agree(given_tags, np.array([[1, 0, 1], [0, 0, 0]])))
    assert (found.rows, found.given, found.both) == (2, 2, 1)
    assert found.precision == found.recall == found.f1 == 0.5


def database():
    rows = []
    for at in range(120):
        rows.append(said(f"p{at}", f"第{at}台泵坏了", tags=["泵"] if at < 80 else None))
        rows.append(said(f"b{at}", f"bread number {at}", tags=["bread", "food"] if at < 80 else None))
        rows.append(said(f"t{at}", f"第{at}天的潮", tags=["潮", f"once{at}"] if at < 80 else None))
    return rows


def test_rows_without_tags_get_those_of_rows_like_them_and_the_agreement_is_told(tmp_path):
    kept, dropped = run_step(ClassifyTags(), database(), FakeDesk(tmp_path))
    assert not dropped and len(kept) == 360
    by = {row["id"]: row for row in kept}
    assert by["p3"]["tags"] == ["泵"] and by["p3"]["tags_by"] == "model"
    assert by["t3"]["tags"] == ["潮", "once3"]
    right = [by[f"p{at}"].get("tags") == ["泵"] for at in range(80, 120)]
    right += [sorted(by[f"b{at}"].get("tags") or []) == ["bread", "food"] for at in range(80, 120)]
    assert sum(right) >= 76
    assert by["p100"]["tags_by"] == "classifier"
    lines = {line["tag"]: line for line in table(tmp_path, "tag_agreement")}
    assert float(lines["(all)"]["f1"]) > 0.95
    assert "too rare" in list(lines)[-1] and "once1" not in lines


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    rows = database()
    first, _ = run_step(ClassifyTags(), rows, FakeDesk(tmp_path))
    other, _ = run_step(ClassifyTags(), rows[::-1], FakeDesk(tmp_path), size=11)
    assert {row["id"]: row.get("tags") for row in first} == {row["id"]: row.get("tags") for row in other}


def test_tags_that_agree_too_little_are_given_to_nobody(tmp_path):
    rng = np.random.default_rng(1)
    rows = [said(f"r{i}", f"任意{i}", tags=["noise"] if rng.random() < 0.3 else ["泵"]) for i in range(300)]
    rows += [said(f"n{i}", f"其他{i}") for i in range(20)]
    kept, _ = run_step(ClassifyTags(least_f1=0.99), rows, FakeDesk(tmp_path))
    assert all(not row.get("tags") for row in kept[300:])
    assert {line["given_from"] for line in table(tmp_path, "tag_agreement")[1:3]} == {"never"}


def test_too_few_tags_to_learn_from_are_told(tmp_path):
    with pytest.raises(RecipeError, match="rows have tags"):
        run_step(ClassifyTags(), [said("a", "问", tags=["x"])], FakeDesk(tmp_path))
    with pytest.raises(RecipeError, match="no tag stands in 20"):
        run_step(ClassifyTags(), [said(str(i), f"问{i}", tags=[f"t{i}"]) for i in range(60)], FakeDesk(tmp_path))
