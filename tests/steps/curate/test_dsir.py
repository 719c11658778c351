"""Rows whose words are those of a target: known answers, the draw, lengths, and what the plan says."""

import asyncio
import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.steps.curate.given_rows import GivenRows, said

from sftmill.core import Dropped
from sftmill.errors import RecipeError

pytest.importorskip("numba", reason="needs the extra `scale`")

from sftmill.steps.curate.quality.dsir import Dsir
from sftmill.steps.curate.quality.importance import GivenRows as Given
from sftmill.steps.curate.quality.importance import count_rows, even_out, gumbel, log_ratios, weigh_rows

WORDS = {
    "zh": (
        ["贷款利率", "信用卡", "基金净值", "股票分红", "存款期限"],
        ["红烧排骨", "清蒸鲈鱼", "切葱花", "炖鸡汤", "放料酒"],
    ),
    "en": (
        ["loan interest", "credit card", "mutual fund", "stock dividend", "fixed deposit"],
        ["roast the ribs", "steam a fish", "chop the onion", "simmer chicken soup", "add cooking wine"],
    ),
}


def corpus(lang, number, kind, seed=0):
    draw = random.Random(seed)
    glue = {"zh": "，请问", "en": ", please explain "}[lang]
    return [glue.join(draw.choices(WORDS[lang][kind], k=4)) for _ in range(number)]


def mixed(lang, number=200):
    texts = [(0, text) for text in corpus(lang, number, 0, 1)] + [(1, text) for text in corpus(lang, number, 1, 2)]
    random.Random(3).shuffle(texts)
    return [
        said(f"{lang}{i}", text, "", source="finance" if kind == 0 else "cooking")
        for i, (kind, text) in enumerate(texts)
    ]


def draw(step, rows, target=None, desk=None, size=50):
    async def collect():
        inputs = {"rows": GivenRows(rows, size)}
        if target is not None:
            inputs["like"] = GivenRows(target)
        return [item async for item in step.run(inputs, desk)]

    kept, gone = [], []
    for item in asyncio.run(collect()):
        gone.append(item) if isinstance(item, Dropped) else kept.extend(item.to_pylist())
    return kept, gone


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("length", ["sum", "mean"])
@pytest.mark.parametrize("temperature", [0, 1])
def test_of_a_mixture_the_rows_of_the_targets_kind_are_drawn(lang, length, temperature):
    target = [said(f"t{i}", text, "") for i, text in enumerate(corpus(lang, 50, 0, 9))]
    step = Dsir(streams=("like",), budget=200, length=length, temperature=temperature, shortest=1)
    kept, gone = draw(step, mixed(lang), target)
    assert len(kept) == len(gone) == 200
    assert sum(row["source"] == "finance" for row in kept) >= 190
    assert all(row["log_importance"] > 0 for row in kept if row["source"] == "finance")
    assert all(d.reason == "over_budget" and d.facts["rank"] > 200 for d in gone)


@pytest.mark.parametrize("smoothing", [0, 1, 5])
def test_a_target_like_the_rows_gives_no_weight_to_anything(smoothing):
    rows = mixed("zh", 30)
    counts = count_rows(Given(rows), "question_answer", 1000)
    ratios = log_ratios(counts, counts, smoothing)
    assert np.abs(ratios).max() < 1e-9
    assert np.abs(weigh_rows(Given(rows), "question", ratios).weights).max() < 1e-9


def test_log_ratios_are_those_of_the_paper_without_smoothing():
    target, raw = np.array([3, 1, 0, 0]), np.array([1, 1, 2, 0])
    found = log_ratios(target, raw, 0)
    assert found[:2] == pytest.approx([np.log(0.75 / 0.25), 0.0], abs=1e-6)
    assert found[2] == pytest.approx(np.log(1e-8 / 0.5), rel=1e-6) and found[3] == 0
    smooth = log_ratios(target, raw, 1)  # and 4 + 4 n-grams distributed as 1, 1, 2, 0
    assert smooth[:3] == pytest.approx(np.log([5 / 12 / 0.25, 3 / 12 / 0.25, 4 / 12 / 0.5]), abs=1e-6)


def test_words_and_pairs_are_counted_and_writing_habits_are_not():
    def sizes(*texts):
        rows = [{"messages": [{"role": "user", "content": text} for text in texts]}]
        return weigh_rows(Given(rows), "question", np.zeros(100)).sizes.tolist()

    assert sizes("贷款利率") == [7], "4 characters and 3 pairs"
    assert sizes("the loan's rate") == [7], "four runs of letters and 3 pairs"
    assert sizes("ROE是多少？") == [7], "ROE is one word"
    assert sizes("贷款", "利率") == [6], "no pair reaches over a turn's border"
    assert sizes("") == [0]
    one, other = (
        count_rows(Given([said("a", text, "")]), "question", 10_000) for text in ("ＬＯＡＮ，利率！", "loan 利率")
    )
    assert (one == other).all()


def test_the_mean_does_not_prefer_long_rows_and_the_sum_does():
    target = [said(f"t{i}", text, "") for i, text in enumerate(corpus("en", 50, 0, 9))]
    finance, cooking = corpus("en", 500, 0, 4), corpus("en", 500, 1, 6)
    short = [said(f"s{i}", text, "") for i, text in enumerate(finance[:100])]
    diluted = [". ".join([*finance[i : i + 3], cooking[i]]) for i in range(100, 400, 3)]
    long = [said(f"l{i}", text, "") for i, text in enumerate(diluted)]
    rows = short + long + [said(f"c{i}", text, "") for i, text in enumerate(cooking[200:])]
    share = {}
    for length in ("sum", "mean"):
        kept, _ = draw(Dsir(streams=("like",), budget=100, length=length, temperature=0), rows, target)
        share[length] = sum(row["id"].startswith("l") for row in kept) / 100
    assert share["sum"] > 0.9 and share["mean"] < 0.3


def test_few_words_are_not_weighed_and_are_not_carried_off_by_one_word():
    weighed = weigh_rows(Given([said("a", "loan", ""), said("b", "loan " * 40, "")]), "question", np.ones(100))
    even = even_out(weighed, 20.0)
    assert even[0] < 0.1 * even[1] < 4.2
    target = [said("t", "loan rate of the bank today", "")]
    rows = [said("a", "loan", ""), said("b", "loan rate of the bank", "")]
    kept, gone = draw(Dsir(streams=("like",), budget=2, shortest=5), rows, target)
    assert [row["id"] for row in kept] == ["b"]
    assert [(d.row["id"], d.reason) for d in gone] == [("a", "no_value")]


def test_the_same_rows_are_drawn_whatever_their_order_and_another_seed_draws_others():
    rows = mixed("zh", 60)
    target = [said(f"t{i}", text, "") for i, text in enumerate(corpus("zh", 20, 0, 9))]
    step = Dsir(streams=("like",), budget=30)
    first = {row["id"] for row in draw(step, rows, target)[0]}
    assert {row["id"] for row in draw(step, rows[::-1], target, size=11)[0]} == first
    assert {row["id"] for row in draw(Dsir(streams=("like",), budget=30, seed=5), rows, target)[0]} != first


def test_the_draw_is_in_proportion_to_the_importance():
    weights = np.log(np.array([0.5, 0.3, 0.2]))
    chances = np.random.Generator(np.random.PCG64(1)).integers(0, 2**60, size=(20_000, 3))
    first = np.argmax(weights + gumbel(chances), axis=1)
    assert np.bincount(first) / 20_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    ends = gumbel(np.array([0, 2**60 - 1]))
    assert np.isfinite(ends).all() and ends[0] < -3 and ends[1] > 30


def test_a_least_weight_holds_whatever_the_budget():
    target = [said(f"t{i}", text, "") for i, text in enumerate(corpus("en", 50, 0, 9))]
    kept, gone = draw(Dsir(streams=("like",), least=0), mixed("en", 50), target)
    assert {row["source"] for row in kept} == {"finance"} and len(kept) == 50
    assert {d.reason for d in gone} == {"below_least"}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_file_of_validation_rows_serves_as_target(tmp_path, lang):
    file = tmp_path / "validation.jsonl"
    texts = corpus(lang, 30, 0, 9)
    file.write_text("".join(json.dumps({"instruction": text, "output": text}) + "\n" for text in texts), "utf-8")
    desk = SimpleNamespace(output=tmp_path)
    step = Dsir(target=file, budget=100)
    assert step.problems() == [] and step.files() == (file,)
    kept, _ = draw(step, mixed(lang, 100), desk=desk)
    assert sum(row["source"] == "finance" for row in kept) >= 95
    assert (tmp_path / "dsir.csv").read_text("utf-8-sig").startswith("group,rank,log_importance,taken")
    assert len((tmp_path / "dsir_at_the_line.jsonl").read_text().splitlines()) == 20


def test_the_plan_names_what_is_wrong(tmp_path):
    assert any("nothing to be like" in told for told in Dsir(budget=1).problems())
    assert any("not there" in told for told in Dsir(target=tmp_path / "no.jsonl", budget=1).problems())
    assert any("budget" in told for told in Dsir(streams=("x",)).problems())
    with pytest.raises(RecipeError, match="no input 'x'"):
        draw(Dsir(streams=("x",), budget=1), mixed("zh", 3))
    with pytest.raises(RecipeError, match="no text"):
        draw(Dsir(streams=("like",), budget=1, by="passage"), mixed("zh", 3), mixed("zh", 3))


def test_no_rows_give_no_rows():
    assert draw(Dsir(streams=("like",), budget=1), [], mixed("zh", 3)) == ([], [])


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_any_text_can_be_weighed(texts):
    rows = [said(str(i), text, "") for i, text in enumerate(texts)]
    weighed = weigh_rows(Given(rows), "question", np.ones(100))
    assert (weighed.weights == weighed.sizes).all() and (weighed.sizes >= 0).all()
