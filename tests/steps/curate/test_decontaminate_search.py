"""How decontaminate cuts texts into tokens and looks for runs of them, compiled and in Python alike."""

from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.columns import COLUMNS
from sftmill.steps.curate.decontaminate import index as index_module
from sftmill.steps.curate.decontaminate.fold import TABLE, fold_character, read_tokens
from sftmill.steps.curate.decontaminate.hashing import hash_keys, hash_piece, hash_runs
from sftmill.steps.curate.decontaminate.index import Index, Texts
from sftmill.steps.curate.decontaminate.items import Item, read_item, split_options
from sftmill.steps.curate.decontaminate.matching import Candidate
from sftmill.steps.curate.decontaminate.texts import LONGEST, batch_texts, row_texts

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed (extra `scale`)")

ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
MIXED = st.text(
    st.sampled_from("甲乙丙國囯的是AbzéÅ0123456789.,，。、 \n\t-_'’“”½①ﬁ㎡Ⅷ\u0301\u200bﾊﾟ한\U00020000"), max_size=60
)
WORDS = st.lists(st.sampled_from(["river", "stone", "lantern", "copper", "meadow", "harbour", "sugar"]), min_size=16, max_size=40)  # fmt: skip
ZH = st.text(st.sampled_from("山河湖海日月星辰春夏秋冬东西南北金木水火土风雨雷电"), min_size=26, max_size=80)


def texts_of(*texts):
    data = [text.encode() for text in texts]
    ends = np.cumsum([len(one) for one in data], dtype=np.int64)
    starts = ends - np.array([len(one) for one in data], np.int64)
    return Texts(np.frombuffer(b"".join(data) or b"\0", np.uint8), starts, ends, np.arange(len(data)))


def item(stem, name="1", options=(), answer=""):
    return Item("set", name, stem, tuple(options), answer)


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＡＩ 是什麼？", "AI是什么"),
        ("It's 1,435.50 euros", "its 1435.50 EUROS!"),
        ("25kg of rice", "25 kg of rice"),
        ("café au lait", "cafe\u0301 au lait"),
        ("零\u200b钱  通", "零钱通"),
        ("第 05 号", "第5号"),
        ("“半徑”為3.5", "半径为 3.5"),
        ("ofﬁce", "office"),
    ],
)
def test_writing_habits_do_not_tell_texts_apart(one, other):
    assert read_tokens(one).keys == read_tokens(other).keys


@pytest.mark.parametrize(("one", "other"), [("3.5", "35"), ("1, 2", "12"), ("1,23", "123"), ("a b", "ab"), ("50", "5")])
def test_what_means_something_else_stays_apart(one, other):
    assert read_tokens(one).keys != read_tokens(other).keys


def test_tokens_say_where_they_stand_and_where_a_sentence_may_begin():
    tokens = read_tokens("请问：什么是 国债？ Say it, now")
    assert [tokens.text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)][:4] == ["请", "问", "什", "么"]
    assert [key for key, edge in zip(tokens.keys, tokens.edges, strict=True) if edge] == [
        "请",
        "什",
        "国",
        "say",
        "now",
    ]
    assert tokens.ends_at(len(tokens))


def test_numbers_can_be_taken_for_one_another():
    assert read_tokens("走了12公里").masked == read_tokens("走了 3.5 公里").masked


@given(MIXED, MIXED)
def test_the_tokens_of_two_texts_are_those_of_each(one, other):
    assert read_tokens(f"{one}\n{other}").keys == read_tokens(one).keys + read_tokens(other).keys


@needs_numba
def test_the_table_of_the_compiled_loop_folds_as_python_does():
    from sftmill.steps.curate.decontaminate.scan_kernel import fold_table

    table, more = fold_table()
    for point in [*range(0x3400), *range(0x4E00, 0x5000), *range(0xF900, 0x10400), *range(0x1D400, 0x1D800)]:
        if 0xD800 <= point < 0xE000:
            continue
        entry = int(table[point])
        if entry >= 0x80000000:
            at = entry & 0x7FFFFFFF
            found = tuple(more[at + 1 : at + 1 + int(more[at])].tolist())
        else:
            found = (entry,) if entry else ()
        assert found == fold_character(point), hex(point)
    assert len(table) == TABLE


@needs_numba
@given(st.one_of(ANY, MIXED))
@settings(max_examples=300, deadline=None)
def test_the_compiled_loop_cuts_as_python_does(text):
    from sftmill.steps.curate.decontaminate.scan_kernel import fold_table, hash_tokens

    data = np.frombuffer(text.encode() or b"\0", np.uint8)
    room = 6 * len(data) + 64
    masked, exact = np.zeros(room, np.uint64), np.zeros(room, np.uint64)
    edges = np.zeros(room, np.bool_)
    codes = np.zeros(room, np.uint32)
    table, more = fold_table()
    count = hash_tokens(data, 0, len(text.encode()), table, more, codes, masked, exact, edges)
    tokens = read_tokens(text)
    assert exact[:count].tolist() == hash_keys(tokens.keys).tolist()
    assert masked[:count].tolist() == hash_keys(tokens.masked).tolist()
    assert edges[:count].tolist() == tokens.edges


def test_a_short_text_hashes_otherwise_than_the_same_run_within_a_longer_one():
    hashes = hash_keys(["a", "b", "c"])
    assert hash_piece(hashes) != int(hash_runs(hashes, 3)[0])
    assert len(hash_runs(hashes, 4)) == 0


# --- coverage ---------------------------------------------------------------------------------------------------------


def share(question, text, n, masked=True):
    made = Index([item(question)], "words", n, masked, None)
    return Candidate([text], made).share(made.needles[0])


def test_ten_of_twenty_words_cover_half_by_runs_of_8_and_nothing_by_runs_of_13():
    words = [f"{chr(97 + i)}{chr(97 + i)}" for i in range(20)]
    text = "before it " + " ".join(words[5:15]) + " and after"
    assert share(" ".join(words), text, 8).exact == 0.5
    assert share(" ".join(words), text, 13).exact == 0


def test_changed_numbers_are_counted_and_cover_nothing_as_they_stand():
    question = "a cart with 12 crates leaves at dawn and returns with 5 crates by noon today"
    found = share(question, question.replace("12", "17").replace("5", "9"), 8)
    assert (found.masked, found.changed, found.numbers) == (1.0, 2, 2)
    assert found.exact < 0.6


def test_a_number_that_also_stands_unchanged_is_not_changed():
    question = "a cart with 12 crates leaves at dawn and returns"
    assert share(question, question.replace("12", "9") + ". " + question, 8).changed == 0


def test_search_and_comparison_agree_on_the_coverage():
    question = "the quick miller grinds barley for the village while the river turns the old wheel all day"
    text = "once the quick miller grinds barley for the village while nobody looks"
    made = Index([item(question)], "words", 8, True, None)
    covered = made.search(texts_of("nothing here", text))
    assert (covered.rows.tolist(), covered.needles.tolist(), covered.tokens.tolist()) == ([1], [0], [9])
    assert Candidate([text], made).share(made.needles[0]).exact == pytest.approx(9 / 17)


@given(ZH, MIXED, MIXED)
@settings(max_examples=150, deadline=None)
def test_a_chinese_copy_is_found_whatever_stands_around_it(question, before, after):
    made = Index([item(question)], "characters", 13, True, None)
    if not made.needles or len(read_tokens(question).keys) < 26:
        return
    found = made.search(texts_of(f"{before}{question}{after}"))
    assert found.tokens.tolist() == made.countable.tolist()


@given(WORDS, MIXED, MIXED)
@settings(max_examples=150, deadline=None)
def test_an_english_copy_is_found_whatever_stands_around_it(words, before, after):
    question = " ".join(words)
    made = Index([item(question)], "words", 8, True, None)
    # what touches its ends may make other words of the first and the last one
    found = made.search(texts_of(f"{before}{question.upper()}{after}"))
    assert len(found.tokens) == 1
    assert found.tokens[0] >= made.countable[0] - 2


@given(st.lists(st.one_of(ZH, MIXED, WORDS.map(" ".join)), min_size=1, max_size=8), st.integers(0, 7), st.booleans())
@settings(max_examples=100, deadline=None)
def test_without_numba_the_same_is_found(texts, chosen, masked):
    asked = [item(text, str(n)) for n, text in enumerate(texts[: chosen + 1]) if text.strip()]
    rows = texts_of(*texts, "。".join(texts), texts[0][3:-3])
    for unit, n in (("characters", 5), ("words", 3)):
        made = Index(asked, unit, n, masked, None)
        if not made.needles:
            continue
        fast = made.search(rows)
        made._scanner.kernels = None
        slow = made.search(rows)
        assert [part.tolist() for part in fast] == [part.tolist() for part in slow]


def test_more_hits_than_there_is_room_for_are_not_lost(monkeypatch):
    monkeypatch.setattr(index_module, "ROOM", 4)
    made = Index([item("a b c d e f g h i j k l")], "words", 3, True, None)
    covered = made.search(texts_of(*["a b c d e f g h i j k l"] * 5, "x"))
    assert covered.tokens.tolist() == [12] * 5


def test_runs_of_many_different_questions_are_boilerplate():
    head = "please read the following statement with care and then tell whether it is true"
    asked = [item(f"{head}: {word} is heavier than {word}ium by far at any temperature", word) for word in "abcdefghij"]
    made = Index(asked, "words", 8, True, 10)
    assert len(made.common) > 0
    assert len(made.search(texts_of(head)).rows) == 0
    assert len(Index(asked, "words", 8, True, None).search(texts_of(head)).rows) == 10


def test_a_question_that_stands_ten_times_in_the_sets_is_no_boilerplate():
    question = "how many lamps does the northern lighthouse keeper need for a whole winter of storms"
    made = Index([item(question, str(n)) for n in range(12)], "words", 8, True, 10)
    assert len(made.search(texts_of(question)).rows) == 12


# --- the texts of rows ------------------------------------------------------------------------------------------------


def batch(*rows):
    schema = pa.schema([(name, COLUMNS[name].type) for name in ("id", "messages", "reasoning")])
    return pa.RecordBatch.from_pylist(list(rows), schema=schema)


def turn(role, content):
    return {"role": role, "content": content}


FIELDS = ("user", "assistant", "reasoning")


def read(texts):
    return [
        (int(row), texts.data[a:b].tobytes().decode())
        for a, b, row in zip(texts.starts, texts.ends, texts.rows, strict=True)
    ]


def test_the_texts_of_a_batch_are_those_of_its_rows_also_of_a_slice():
    rows = [
        {"id": "0", "messages": [turn("system", "s0"), turn("user", "问0"), turn("assistant", "a0")]},
        {"id": "1", "messages": None, "reasoning": "想1"},
        {"id": "2", "messages": [turn("user", "u2"), turn("assistant", None), turn("user", "u2b")], "reasoning": ""},
        {"id": "3", "messages": []},
        {"id": "4", "messages": [turn("tool", "t4"), turn("user", "u4")], "reasoning": "r4"},
    ]
    for start in range(5):
        part = batch(*rows).slice(start)
        found = [one for texts in batch_texts(part, FIELDS) for one in read(texts)]
        wanted = [(n, text) for n, row in enumerate(rows[start:]) for text in row_texts(row, FIELDS) if text]
        assert sorted(found) == sorted(wanted)


def test_a_batch_without_the_columns_has_no_texts():
    assert list(batch_texts(pa.RecordBatch.from_pylist([{"id": "0"}]), FIELDS)) == []


def test_a_very_long_text_is_searched_in_pieces_that_overlap():
    text = "长" * LONGEST + "在很长的文章里也能找到这一道被藏起来的考试题目吗"
    made = Index([item("在很长的文章里也能找到这一道被藏起来的考试题目吗")], "characters", 13, True, None)
    pieces = next(batch_texts(batch({"id": "0", "messages": [turn("user", text)]}), FIELDS))
    assert made.search(pieces).rows.tolist() == [0]
    assert len(pieces.rows) == 4
    assert max(len(piece.encode()) for _, piece in read(pieces)) <= LONGEST


# --- items ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stem", "options"),
    [
        ("哪种金属最轻？\nA. 铁\nB. 锂\nC. 铜", "哪种金属最轻？", ("铁", "锂", "铜")),
        ("哪种金属最轻？（A）铁（B）锂", "哪种金属最轻？", ("铁", "锂")),
        ("哪种金属最轻？ A、铁 B、锂 C、铜", "哪种金属最轻？", ("铁", "锂", "铜")),
        ("Which is lightest?\nA) iron\nB) lithium", "Which is lightest?", ("iron", "lithium")),
        ("Which is lightest?\nA iron\nB lithium", "Which is lightest?", ("iron", "lithium")),
        ("A baker sells B. rolls", "A baker sells B. rolls", ()),
        ("甲公司和 A 公司合并后如何记账？", "甲公司和 A 公司合并后如何记账？", ()),
        ("A. 只有选项\nB. 没有题干", "A. 只有选项\nB. 没有题干", ()),
    ],
)
def test_options_are_split_from_the_stem(text, stem, options):
    assert split_options(text) == (stem, options)


@given(ANY)
def test_splitting_options_never_breaks(text):
    stem, options = split_options(text)
    assert stem == text or len(options) >= 2


def test_options_of_a_hostile_text_are_split_in_no_time():
    split_options("A. " * 20_000)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"question": "q?", "answer": "a"}, Item("f", "7", "q?", (), "a")),
        ({"id": "x", "prompt": "q?", "reference": 5, "eval_set": "s"}, Item("s", "x", "q?", (), "5")),
        ({"instruction": "do", "input": "this", "output": "done"}, Item("f", "7", "do\n\nthis", (), "done")),
        ({"题目": "问？", "A": "一", "B": "二", "答案": "A"}, Item("f", "7", "问？", ("一", "二"), "A")),
        ({"question": "q?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}}, Item("f", "7", "q?", ("a", "b"))),
        ({"question": "q?", "options": {"A": "a", "B": "b"}}, Item("f", "7", "q?", ("a", "b"))),
        ({"question": "q?", "options": ["A. a", "B. b"]}, Item("f", "7", "q?", ("a", "b"))),
        ({"messages": [turn("user", "q?"), turn("assistant", "a")]}, Item("f", "7", "q?", (), "a")),
        ({"messages": [turn("user", None)]}, None),
        ({"messages": [{}]}, None),
        ({"answer": "a"}, None),
        ({"question": " "}, None),
        (["question"], None),
        (None, None),
    ],
)
def test_items_are_read_whatever_their_fields_are_called(record, wanted):
    assert read_item(record, "f", 7) == wanted
