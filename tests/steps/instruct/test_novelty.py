"""The novelty index: exact by wording, whatever the texts; by meaning it misses next to nothing."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.steps.instruct.novelty.bit_columns import BitColumns, at_least
from sftmill.steps.instruct.novelty.novelty import NoveltyIndex
from sftmill.steps.instruct.novelty.novelty_meaning import CENTRED, MeaningIndex
from sftmill.text import rouge_l


def brute(text, accepted, threshold):
    """Return what comparing with all says: the greatest ROUGE-L above the threshold and the first text with it."""
    best = max(((rouge_l(text, other), -i) for i, other in enumerate(accepted)), default=(0.0, 0))
    return (best[0], str(-best[1])) if best[0] > threshold else None


def changed(text, alphabet, chance):
    """Return a text with some of its characters taken out or others put in."""
    made = list(text)
    for _ in range(chance.randint(0, max(1, len(made) // 2))):
        at = chance.randrange(len(made) + 1)
        if chance.random() < 0.5:
            made.insert(at, chance.choice(alphabet))
        elif at < len(made):
            made.pop(at)
    return "".join(made)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.7, 0.85, 1.0])
@pytest.mark.parametrize("alphabet", ["甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳", "ab cd ef ", "的请解释一下"])
def test_no_pair_above_the_threshold_is_missed_and_no_other_is_found(threshold, alphabet):
    chance = random.Random(f"{threshold}{alphabet}")
    index, accepted = NoveltyIndex(threshold), []
    for _ in range(150):
        text = "".join(chance.choices(alphabet, k=chance.choice([chance.randint(0, 12), chance.randint(8, 60), 150])))
        if accepted and chance.random() < 0.6:
            text = changed(chance.choice(accepted), alphabet, chance)
        found = index.clash(text)
        assert (found and (found.similarity, found.name)) == brute(text, accepted, threshold)
        assert found is None or found.kind == "lexical"
        if found is None or chance.random() < 0.3:
            index.add(str(len(accepted)), text)
            accepted.append(text)
    assert len(index) == len(accepted)


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="问答题目 aB1。😀\u202e", max_size=30), max_size=12), st.sampled_from([0.5, 0.7]))
def test_any_texts_are_answered_as_brute_force_does(texts, threshold):
    index = NoveltyIndex(threshold)
    for number, text in enumerate(texts):
        found = index.clash(text)
        assert (found and (found.similarity, found.name)) == brute(text, texts[:number], threshold)
        index.add(str(number), text)


def test_exactly_the_threshold_is_new_and_a_little_more_is_not():
    index = NoveltyIndex(0.7)
    index.add("a", "一二三四五六七八九十")
    assert index.clash("一二三四五六七甲乙丙") is None
    clash = index.clash("一二三四五六七八乙丙")
    assert clash == ("lexical", 0.8, "a")


def test_traps_of_chinese_text_are_not_fallen_into():
    index = NoveltyIndex()
    index.add("newton", "请解释牛顿第二定律的内容")
    index.add("roe", "计算 ROE 指标")
    assert index.clash("请说明牛顿第二定律的主要内容").name == "newton"
    assert index.clash("请解释牛顿第二定律的内容").similarity == 1.0
    assert index.clash("解释 ROE 含义") is None


def test_a_long_text_is_compared_too():
    index = NoveltyIndex()
    text = "".join(random.Random(1).choices("的一是了我不人在他有这个上们来到时大地为", k=4000))
    index.add("long", text)
    assert index.clash(text[:3000]).name == "long"
    assert index.clash("短的题目") is None


def vectors(count, chance, size=512):
    """Return unit vectors round a common mean, in groups, as sentence encoders make them."""
    groups = chance.standard_normal((40, size)) / size**0.5
    made = 0.4 * groups[0] + 0.6 * groups[chance.integers(0, 40, count)]
    made += 0.7 * chance.standard_normal((count, size)) / size**0.5
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def at_cosine(vector, cosine, chance):
    """Return a vector with this cosine to another one, in a random direction."""
    off = chance.standard_normal(len(vector))
    off -= (off @ vector) * vector
    return cosine * vector + (1 - cosine**2) ** 0.5 * off / np.linalg.norm(off)


@pytest.mark.parametrize("threshold", [0.8, 0.85, 0.95])
def test_of_vectors_just_above_the_threshold_fewer_than_one_in_a_hundred_is_missed(threshold):
    chance = np.random.default_rng(7)
    held = vectors(3000, chance)
    index = MeaningIndex(threshold, 512)
    for vector in held:
        index.add(index.read(vector))
    missed = 0
    for number in chance.integers(0, len(held), 400):
        similarity, _ = index.nearest(index.read(at_cosine(held[number], threshold + 0.005, chance)))
        missed += similarity <= threshold
    assert missed < 4  # the bound says 1 in 1,000


@pytest.mark.parametrize("count", [1, CENTRED[0] - 1, CENTRED[0], CENTRED[0] + 1, CENTRED[1] + 1])
def test_a_vector_is_found_again_at_any_size_and_the_nearest_is_named(count):
    chance = np.random.default_rng(count)
    held = vectors(count, chance)
    index = NoveltyIndex(semantic=0.85)
    for number, vector in enumerate(held):
        index.add(str(number), f"{number} 号", vector.tolist())
    for number in {0, count // 2, count - 1}:
        clash = index.clash("完全不同的说法", held[number].tolist())
        assert clash.kind == "semantic" and clash.name == str(number) and clash.similarity == pytest.approx(1, abs=1e-3)


def test_a_cosine_equal_to_the_threshold_is_new():
    index = NoveltyIndex(semantic=0.85)
    index.add("a", "甲", [1.0, 0.0])
    assert index.clash("乙", [0.85, (1 - 0.85**2) ** 0.5]) is None
    assert index.clash("乙", [0.86, (1 - 0.86**2) ** 0.5]).similarity == pytest.approx(0.86, abs=1e-3)


def test_texts_without_a_vector_are_found_by_wording_and_names_stay_right():
    index = NoveltyIndex()
    index.add("words", "什么是复利")
    index.add("both", "怎样开户", [0.0, 1.0])
    assert index.clash("无关的话", [0.0, 2.0]) == ("semantic", 1.0, "both")
    assert index.clash("什么是复利").name == "words"
    assert index.clash("无关的话", [0.0, 0.0]) is None


@pytest.mark.parametrize("vector", [[1.0, 0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_a_vector_that_cannot_be_compared_is_refused(vector):
    index = NoveltyIndex()
    index.add("a", "甲", [1.0, 0.0])
    with pytest.raises(ValueError, match=r"one embedder|not finite"):
        index.clash("乙", vector)


def test_the_same_calls_give_the_same_answers():
    def answers():
        chance = np.random.default_rng(3)
        index = NoveltyIndex(0.6, 0.7)
        told = []
        for number, vector in enumerate(vectors(400, chance, 64)):
            text = "".join(random.Random(number % 90).choices("天地玄黄宇宙洪荒", k=12))
            told.append(index.clash(text, vector))
            index.add(str(number), text, vector)
        return told

    assert answers() == answers()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 33), st.integers(0, 10**6))
def test_columns_are_counted_row_by_row(rows, columns, seed):
    chance = np.random.default_rng(seed)
    bits = chance.random((rows, 40)) < 0.4
    table = BitColumns(40)
    for row in bits:
        table.append(np.flatnonzero(row))
    chosen = chance.choice(40, columns, replace=False).tolist()
    wanted = bits[:, chosen].sum(1)
    for least in range(1, columns + 2):
        marked = at_least(table.count(chosen), least)
        found = table.rows(marked).tolist() if marked is not None else []
        assert found == np.flatnonzero(wanted >= least).tolist()
