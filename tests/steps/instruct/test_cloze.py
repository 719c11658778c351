"""Cloze and the masking behind it: blanks, question words, cut sentences, spans hidden as T5 hides them."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop, answer, question
from sftmill.steps.instruct.seq2seq.cloze import Cloze
from sftmill.steps.instruct.seq2seq.masking import BLANK, corrupt, cut_sentences, draw_spans, mask_answers
from sftmill.steps.instruct.seq2seq.seq2seq_form import Place

ZH = "天津港于1952年重新开港，年吞吐量超过5亿吨。该公司成立于1994年。压力容器的设计温度不得超过450摄氏度。泵房。"
EN = (
    "The harbour of Tianjin was reopened in 1952 by the Ministry of Transport. It handles 500 million tonnes a year. "
    "The boiler of type QK-900 must not exceed 450 degrees. Pumps run."
)


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
@pytest.mark.parametrize("spans", ["entities", "keywords", "random"])
def test_a_masked_sentence_with_its_answer_put_back_is_the_sentence(text, lang, spans):
    made = mask_answers(text, lang, spans)
    assert made
    for masked in made:
        sentence = text[slice(*masked.sentence)]
        assert masked.question.count(BLANK) == 1
        assert masked.question.replace(BLANK, masked.answer).endswith(sentence)
        assert text[slice(*masked.place)] == masked.answer
        assert masked.answer not in masked.question


def test_chinese_may_ask_in_place():
    made = mask_answers(ZH, "zh", question_word=True)
    assert "压力容器的设计温度不得超过多少？" in [masked.question for masked in made]
    assert all(BLANK not in masked.question and masked.question.endswith("？") for masked in made)
    assert all(BLANK in masked.question for masked in mask_answers(EN, "en", question_word=True))


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
def test_sentences_that_point_elsewhere_or_are_too_short_are_not_asked_about(text, lang):
    asked = " ".join(masked.question for masked in mask_answers(text, lang, "keywords"))
    for words in ("该公司", "It handles", "泵房。", "Pumps run"):
        assert words not in asked


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
def test_the_choice_follows_from_seed_and_text(text, lang):
    assert mask_answers(text, lang, "random", seed=3) == mask_answers(text, lang, "random", seed=3)
    assert len({tuple(mask_answers(text, lang, "random", seed=seed)) for seed in range(8)}) > 1
    assert len(mask_answers(text, lang, most=1)) == 1


def test_cloze_gives_a_row_for_each_sentence():
    rows = Cloze().row({"passage": ZH, "lang": "zh", "title": "港口"})
    assert [(question(row), answer(row)) for row in rows][-1] == (
        "填空：压力容器的设计温度不得超过____。",
        "450摄氏度",
    )
    for row in rows:
        assert ZH[row["answer_start"] :].startswith(answer(row))
        assert row["quotations"][0] in ZH and row["method"] == "cloze" and row["title"] == "港口"
    english = Cloze(spans="keywords").row({"passage": EN, "lang": "en"})
    assert all(question(row).startswith("Fill in the blank: ") for row in english)


@pytest.mark.parametrize(
    ("text", "reason"), [(" ", "empty_passage"), ("泵房。", "no_pair"), ("该公司很大。", "no_pair")]
)
def test_a_passage_without_anything_to_mask_is_dropped(text, reason):
    with pytest.raises(Drop) as caught:
        Cloze().row({"passage": text, "lang": "zh"})
    assert caught.value.reason == reason


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
def test_a_cut_sentence_is_whole_again_when_its_end_is_put_on(text, lang):
    made = cut_sentences(text, lang)
    assert made
    for head, rest in made:
        assert head + rest in text or f"{head} {rest}" in text
        assert head and rest


def test_spans_are_hidden_as_t5_hides_them():
    # "The cute dog walks in the park": "cute dog" and "the" are hidden
    words = [1, 2, 3, 4, 5, 6, 7]
    source, target = corrupt(words, [Place(1, 3), Place(5, 6)], [100, 101, 102])
    assert source == [1, 100, 4, 5, 101, 7]
    assert target == [100, 2, 3, 101, 6, 102]
    assert corrupt(words, [], [100, 101]) == (words, [])
    assert corrupt(words, [Place(1, 2), Place(3, 4)], [100, 101]) == ([1, 100, 3, 4, 5, 6, 7], [100, 2, 101])


@given(st.integers(0, 400), st.integers(0, 99))
def test_a_share_of_15_percent_is_hidden_and_nothing_is_lost(size, seed):
    spans = draw_spans(size, Random(seed))
    hidden = sum(b - a for a, b in spans)
    assert hidden == (min(max(round(0.15 * size), 1), size - 1) if size > 1 else 0)
    assert all(0 < a < b <= size for a, b in spans)
    assert all(first.end < second.start for first, second in pairwise(spans))
    sentinels = list(range(1000, 1000 + len(spans) + 1))
    source, target = corrupt(list(range(size)), spans, sentinels)
    assert sorted(x for x in source + target if x < 1000) == list(range(size))


def test_spans_are_three_long_on_average():
    spans = [span for seed in range(50) for span in draw_spans(200, Random(seed))]
    assert 2.9 <= sum(b - a for a, b in spans) / len(spans) <= 3.1
