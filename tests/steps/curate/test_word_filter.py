"""The user's list of words: found however they are written, dropped or masked."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.curate.filters.word_filter import WordFilter
from sftmill.steps.curate.filters.word_list import WordList, read_words


@pytest.fixture
def words(tmp_path):
    """Return a list with Chinese and English words and comments."""
    path = tmp_path / "words.txt"
    path.write_text("# 禁用词\n违禁药\n赌博  # 及其变体\n\nbad word\nEvil\nC罩\n", "utf-8")
    return path


def row(text, role="user"):
    """Return a row with one turn."""
    return {"lang": "zh", "messages": [{"role": role, "content": text}]}


@pytest.mark.parametrize(
    "text",
    [
        "出售违禁药品",
        "赌 博 网站",
        "赌*博",
        "赌\u200b博",
        "赌　博",
        "a Bad  Word here",
        "ＢＡＤ ｗｏｒｄ",
        "that is EVIL.",
        "bad-word",
        "ｃ罩",
    ],
)
def test_listed_words_are_found_in_disguise(words, text):
    with pytest.raises(Drop, match="listed_word") as dropped:
        WordFilter(words=words).row(row(text))
    assert dropped.value.facts["words"]


@pytest.mark.parametrize(
    "text", ["赌徒。博士", "赌，博", "违禁的药", "devil evils", "badword", "bad old word", "", "药违禁"]
)
def test_other_words_pass(words, text):
    sample = row(text)
    assert WordFilter(words=words).row(sample) is sample


def test_words_can_be_masked_and_roles_chosen(words):
    masked = WordFilter(words=words, do="mask").row(row("远离赌 博，Evil men，违禁药"))
    assert masked["messages"][0]["content"] == "远离***，**** men，***"
    sample = row("赌博", "system")
    assert WordFilter(words=words, spoken_by=("user", "assistant")).row(sample) is sample


def test_the_list_is_a_file_of_the_step_and_a_missing_one_a_problem(words, tmp_path):
    assert WordFilter(words=words).files() == (words,)
    assert WordFilter(words=words).problems() == []
    assert "cannot be read" in WordFilter(words=tmp_path / "none.txt").problems()[0]
    (tmp_path / "empty.txt").write_text("# nothing\n", "utf-8")
    assert "holds no word" in WordFilter(words=tmp_path / "empty.txt").problems()[0]
    (tmp_path / "gb.txt").write_bytes("赌博".encode("gb18030"))
    assert "cannot be read" in WordFilter(words=tmp_path / "gb.txt").problems()[0]


def test_a_changed_list_is_read_again(words):
    step = WordFilter(words=words)
    assert step.row(row("新词"))
    words.write_text("新词\n", "utf-8")
    with pytest.raises(Drop):
        step.row(row("新词"))


def test_the_longest_word_at_a_place_wins_and_spans_are_those_of_the_text():
    listed = WordList(["赌", "赌博网", "赌博"])
    assert [(f.start, f.end, f.word) for f in listed.find("去赌 博 网站")] == [(1, 6, "赌博网")]


def test_large_lists_are_quick():
    listed = WordList([f"词{chr(0x4E00 + i % 5000)}{chr(0x5E00 + i // 5000)}" for i in range(20_000)])
    begin = time.process_time()
    listed.find("这是一段很普通的话，没有什么特别的。" * 5_000)
    assert time.process_time() - begin < 5


def test_comments_blank_lines_and_marks_of_order_are_left_out(words):
    assert read_words(words) == ["违禁药", "赌博", "bad word", "Evil", "C罩"]


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=200)
def test_searching_never_fails_and_spans_lie_in_the_text(text):
    for find in WordList(["赌博", "药", "bad word", "a"]).find(text):
        assert 0 <= find.start < find.end <= len(text)
