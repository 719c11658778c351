"""Seq2Seq without torch: highlights, windows, where answers stand, what pairs look like, rows, settings."""

import json
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Dropped, answer, question
from sftmill.steps.instruct.seq2seq import seq2seq_model
from sftmill.steps.instruct.seq2seq.seq2seq import Seq2Seq
from sftmill.steps.instruct.seq2seq.seq2seq_form import (
    HighlightLost,
    Place,
    Sentences,
    entity_places,
    find_places,
    highlight,
    read_pairs,
    sentence_places,
    settle_answer,
    unlearned_answers,
    without_special,
    write_pairs,
)
from sftmill.steps.instruct.seq2seq.seq2seq_pairs import Limits, PairMaker

ZH = "天津港于1952年重新开港。扩建工程在1994年开工，新码头在1994年底交付。港口由三个港区组成。"
EN = "The mill was opened in 1952. A second hall was added in 1994, and the first was rebuilt in 1994 too. It has 3 gates."


class FakeWriter:
    """Answers inputs from a function, counts a token per character, and remembers what it was shown."""

    special = ("</s>", "<hl>", "<pad>")

    def __init__(self, script, prefixed=True):
        self.script, self.prefixed, self.seen = script, prefixed, []

    def sizes(self, texts):
        return [len(text) + 1 for text in texts]

    def write(self, texts, longest, most):
        self.seen += texts
        return [self.script(text) for text in texts]


def row_of(passage, lang="zh", **more):
    return {"id": "p", "root": "r", "lang": lang, "passage": passage, "sensitivity": "secret", **more}


def marked(text):
    return text.split("<hl>")[1].strip()


def copy_first_number(text):
    """Extracts the first date or number of the highlighted sentence; asks about what is highlighted."""
    if text.startswith("extract answers: "):
        found = entity_places(marked(text), "zh") or [Place(0, 0)]
        return marked(text)[slice(*next(iter(found)))]
    return f"Q[{marked(text)}]?"


# --- the form of inputs -------------------------------------------------------------------------------


def test_a_highlight_stands_with_spaces_between_two_tokens_and_must_be_there():
    assert highlight("锅炉于1952年投产", 3, 8) == "锅炉于<hl> 1952年 <hl>投产"
    assert highlight("It melts at 12 K.", 12, 16) == "It melts at <hl> 12 K <hl>."
    for start, end in [(3, 3), (-1, 2), (2, 99)]:
        with pytest.raises(HighlightLost):
            highlight("锅炉于1952年投产", start, end)


@given(st.text(alphabet="a锅<hl>/s 1。", max_size=40))
def test_special_tokens_in_a_passage_are_taken_apart_without_moving_anything(text):
    safe = without_special(text, ("</s>", "<hl>"))
    assert len(safe) == len(text)
    assert "<hl>" not in safe and "</s>" not in safe


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
def test_an_answer_that_occurs_twice_has_two_places_and_the_sentence_decides(text, lang):
    found = find_places("1994", text)
    assert [text[a:b] for a, b in found] == ["1994", "1994"]
    first, second = found
    assert settle_answer("1994", text, Place(second.start - 2, second.end)) == second
    assert settle_answer("1994", text, Place(0, len(text))) == first
    assert settle_answer("1888", text, Place(0, len(text))) is None


def test_answers_are_found_whatever_the_tokenizer_did_to_their_signs():
    passage = "流程包括“入库、检验”，共 3 步，由ABC公司负责（见附件）。"
    for said, there in [
        ("入库,检验", "入库、检验"),
        ("入 库 、 检 验", "入库、检验"),
        ("abc公司", "ABC公司"),
        ("负责(见附件)", "负责（见附件）"),
        ("共3步", "共 3 步"),
    ]:
        assert [passage[a:b] for a, b in find_places(said, passage)] == [there], said
    assert find_places("19", "建于1994年") == []
    assert find_places("port", "The transport left.") == []
    assert find_places(" ", passage) == []


@given(st.text(max_size=60), st.text(max_size=8))
def test_every_place_found_is_inside_the_passage(passage, wanted):
    for start, end in find_places(wanted, passage):
        assert 0 <= start < end <= len(passage)


def test_a_long_passage_is_shown_as_the_sentences_around_the_highlight():
    passage = "".join(f"第{i}台泵每天检查一次。" for i in range(50))
    places = sentence_places(passage)
    cut = Sentences(passage, places, [p.end - p.start for p in places], 60)
    seen = cut.around(places[25])
    assert seen.start <= places[25].start and places[25].end <= seen.end
    assert seen.end - seen.start <= 60
    assert {seen.start, seen.end} <= {edge for place in places for edge in place}
    assert cut.around(places[0]).start == 0 and cut.around(places[49]).end == len(passage)
    assert Sentences(passage, places, [61] * 50, 60).around(places[3]) is None
    assert "".join(passage[a:b] for a, b in cut.stretches()) == passage
    assert all(b - a <= 60 for a, b in cut.stretches())


def test_stretches_leave_out_a_sentence_that_is_too_long_and_keep_its_neighbours():
    passage = "甲。" + "乙" * 40 + "。丙。丁。"
    places = sentence_places(passage)
    cut = Sentences(passage, places, [b - a for a, b in places], 10)
    assert [passage[a:b] for a, b in cut.stretches()] == ["甲。", "丙。丁。"]


def test_pairs_written_at_once_are_read_and_what_is_malformed_is_left_out():
    text = "question: 何时开港？, answer: 1952年 | question: no answer here | question: a, answer: b, answer: c | x"
    assert read_pairs(text) == ([("何时开港？", "1952年")], 3)
    assert read_pairs("question: Q1, answer: A1 | question: Q1, answer: A1") == ([("Q1", "A1")], 0)
    assert read_pairs("") == ([], 0)
    assert read_pairs("question: , answer: A") == ([], 1)


@given(st.lists(st.tuples(st.text("问abc ?", min_size=1), st.text("答xyz .", min_size=1)), max_size=5))
def test_what_is_written_is_read_again(pairs):
    pairs = list(dict.fromkeys((q.strip(), a.strip()) for q, a in pairs if q.strip() and a.strip()))
    assert read_pairs(write_pairs(pairs)) == (pairs, 0)


def test_entities_are_dates_names_and_numbers_with_their_units():
    assert [ZH[a:b] for a, b in entity_places(ZH, "zh")][:2] == ["1952年", "1994年"]
    text = "压力容器的设计温度不得超过450摄氏度，型号为QK-900。"
    assert [text[a:b] for a, b in entity_places(text, "zh")] == ["450摄氏度"]
    text = "Store 1 holds 5000 tonnes. It has 3 gates."
    assert [text[a:b] for a, b in entity_places(text, "en")] == ["5000 tonnes", "3"]
    assert "1952" in [EN[a:b] for a, b in unlearned_answers(EN, "en", "entities", 10)]


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
def test_key_words_are_at_most_ten_places_that_never_overlap(text, lang):
    places = unlearned_answers(text, lang, "keywords", 10)
    assert 0 < len(places) <= 10
    assert all(a.end <= b.start for a, b in pairwise(places))


# --- from rows to pairs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "lang"), [(ZH, "zh"), (EN, "en")])
def test_each_sentence_gives_an_answer_that_stands_there_and_is_highlighted_there(text, lang):
    writer = FakeWriter(copy_first_number)
    rows = PairMaker(writer, "extract", Limits(512, 64, 32, 10)).items([row_of(text, lang, title="T", pieces=None)])
    assert len(rows) == 3
    for row in rows:
        assert text[row["answer_start"] : row["answer_start"] + len(answer(row))] == answer(row)
        assert row["quotations"][0] in text and answer(row) in row["quotations"][0]
        assert row["method"] == "seq2seq" and row["title"] == "T" and row["sensitivity"] == "secret"
        assert row["parents"] == ["p"] and row["root"] == "r" and "id" not in row
        assert question(row) == f"Q[{answer(row)}]?"
    asks = [text for text in writer.seen if text.startswith("generate question: ")]
    assert len(asks) == 3 and all(text.count("<hl>") == 2 for text in writer.seen)


def test_the_second_of_two_equal_answers_is_highlighted_at_its_own_place():
    text = "甲仓熏蒸14天。乙仓熏蒸14天。"
    writer = FakeWriter(copy_first_number)
    PairMaker(writer, "extract", Limits(512, 64, 32, 10)).items([row_of(text)])
    assert writer.seen[2:] == [
        "generate question: 甲仓熏蒸<hl> 14天 <hl>。乙仓熏蒸14天。",
        "generate question: 甲仓熏蒸14天。乙仓熏蒸<hl> 14天 <hl>。",
    ]


def test_an_answer_that_is_not_in_the_passage_counts_as_lost_and_a_row_without_pair_is_dropped():
    maker = PairMaker(FakeWriter(lambda text: "别处的话"), "extract", Limits(512, 64, 32, 10))
    dropped, empty = maker.items([row_of(ZH), row_of("  ")])
    assert isinstance(dropped, Dropped) and dropped.reason == "no_pair" and dropped.facts == {"not_in_passage": 3}
    assert empty.reason == "empty_passage"


def test_bart_types_get_no_prefix_and_a_passage_cannot_highlight_by_itself():
    writer = FakeWriter(lambda text: "泵", prefixed=False)
    PairMaker(writer, "extract", Limits(512, 64, 32, 10)).items([row_of("这台<hl>泵</s>每天检查。")])
    assert writer.seen[0] == "<hl> 这台(hl)泵(/s)每天检查。 <hl>"


def test_pairs_at_once_keep_the_words_of_the_passage_where_they_are_its_own():
    said = "question: 何时开港？, answer: 1952 年 | question: 有几个港区？, answer: 有三个 | question: 坏"
    writer = FakeWriter(lambda text: said)
    made = PairMaker(writer, "pairs", Limits(512, 256, 32, 10)).items([row_of(ZH)])
    assert [(question(row), answer(row), row.get("answer_start")) for row in made] == [
        ("何时开港？", "1952年", 4),
        ("有几个港区？", "有三个", None),
    ]
    assert writer.seen == ["generate question and answer: " + ZH]


def test_packed_pieces_are_passages_of_their_own():
    made = PairMaker(FakeWriter(copy_first_number), "extract", Limits(512, 64, 32, 10)).items(
        [row_of("", pieces=["甲厂建于1952年。", "乙厂建于1978年。"], passage_index=4)]
    )
    assert [(row["passage"], row["passage_index"], "pieces" in row) for row in made] == [
        ("甲厂建于1952年。", 4, False),
        ("乙厂建于1978年。", 5, False),
    ]


@pytest.mark.parametrize("way", ["entities", "keywords"])
def test_answers_without_a_model_for_them_are_only_asked_about(way):
    writer = FakeWriter(copy_first_number)
    made = PairMaker(writer, way, Limits(512, 64, 32, 10)).items([row_of(ZH)])
    assert made and all(text.startswith("generate question: ") for text in writer.seen)
    assert all(answer(row) in ZH for row in made)


# --- settings ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(seq2seq_model, "has_libraries", lambda: True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5", "is_encoder_decoder": True}))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"content": "<hl>"}]}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_a_folder_with_a_model_has_no_problems_and_its_files_decide_the_result(folder):
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    step = Seq2Seq(model=folder)
    assert step.problems() == []
    assert [path.name for path in step.files()] == ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "only pickled weights"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "config.json").unlink(), "no readable config.json"),
        (lambda f: (f / "config.json").write_text("[1]"), "no readable config.json"),
        (lambda f: (f / "config.json").write_text('{"model_type": "gpt2"}'), "no encoder-decoder"),
        (lambda f: (f / "config.json").write_text('{"is_encoder_decoder": true, "auto_map": {}}'), "run its own code"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "knows no <hl>"),
    ],
)
def test_what_cannot_be_used_is_told_by_the_plan(folder, change, words):
    change(folder)
    problems = Seq2Seq(model=folder).problems()
    assert len(problems) == 1 and words in problems[0]


def test_a_model_that_writes_pairs_at_once_needs_no_highlight(folder):
    (folder / "tokenizer.json").write_text("{}")
    assert Seq2Seq(model=folder, answers="pairs").problems() == []


def test_a_model_must_be_named_once_and_a_download_must_be_pinned(folder):
    assert "name one of them" in Seq2Seq().problems()[0]
    assert "name one of them" in Seq2Seq(model=folder, hub="a/b").problems()[0]
    assert "no full commit" in Seq2Seq(hub="a/b", download=True, revision="main").problems()[0]
    pinned = Seq2Seq(hub="a/b", download=True, revision="0" * 40)
    assert pinned.problems() == [] and pinned.files() == ()
    assert "is no folder" in Seq2Seq(model=folder / "nowhere").problems()[0]


def test_without_the_libraries_the_plan_says_how_to_get_them(folder, monkeypatch):
    monkeypatch.setattr(seq2seq_model, "has_libraries", lambda: False)
    assert "pip install 'sftmill[train]'" in Seq2Seq(model=folder).problems()[0]


def test_rows_are_read_in_portions_and_come_out_in_order(folder, monkeypatch):
    import asyncio

    from sftmill.steps.instruct.seq2seq import seq2seq

    limits = Limits(512, 64, 32, 10)
    maker = PairMaker(FakeWriter(copy_first_number), "extract", limits)
    monkeypatch.setattr(seq2seq, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(Seq2Seq, "_maker", lambda self: maker)
    rows = [row_of(f"{i}号厂建于19{i}2年。") | {"id": str(i)} for i in range(5)]

    async def collect():
        shards = SimpleNamespace(rows=lambda: iter(rows))
        return [item async for item in Seq2Seq(model=folder).run({"rows": shards}, None)]

    assert [row["parents"] for row in asyncio.run(collect())] == [[str(i)] for i in range(5)]


def test_one_question_with_two_answers_is_no_pair_and_one_asked_twice_is_one():
    said = {"甲": "question: 何时？, answer: 1952年 | question: 何时？, answer: 1994年"}
    said["乙"] = "question: 何时？, answer: 1952年 | question: 何时？, answer: 1952 年"
    maker = PairMaker(FakeWriter(lambda text: said[text[-1]]), "pairs", Limits(512, 64, 32, 10))
    dropped, kept = maker.items([row_of("1952年和1994年，甲"), row_of("1952年，乙")])
    assert dropped.reason == "no_pair" and dropped.facts["ambiguous"] == 2
    assert question(kept) == "何时？"
