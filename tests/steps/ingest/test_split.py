import contextlib
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop, Dropped
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.split import Split, is_prose
from sftmill.text import length, sentences

SHARED = Path(__file__).resolve().parents[3] / "../shared/data"
SENTENCE = "公司应当在每一会计年度终了时编制财务会计报告。"  # 23 characters


def passages(document, lang="zh", **settings):
    rows = Split(**settings).row({"document": document, "lang": lang, "title": "法"})
    assert [r["passage_index"] for r in rows] == list(range(len(rows)))
    assert all("document" not in r and r["title"] == "法" for r in rows)
    return [r["passage"] for r in rows]


def squeezed(text):
    return "".join(text.split())


def test_a_short_document_is_one_passage():
    assert passages(f"标题\n\n{SENTENCE * 3}") == [f"标题\n\n{SENTENCE * 3}"]


def test_a_long_paragraph_is_cut_between_sentences():
    cut = passages(SENTENCE * 40, size=100)
    assert all(len(p) <= 100 and p.endswith("。") for p in cut) and "".join(cut) == SENTENCE * 40


def test_cuts_are_made_between_paragraphs_where_they_fit():
    paragraph = SENTENCE * 3
    assert passages("\n\n".join([paragraph] * 4), size=100) == [paragraph] * 4


def test_a_law_article_is_not_cut_when_it_fits():
    articles = [f"第{c}条 有下列情形之一的：\n\n（一）{SENTENCE}\n\n（二）{SENTENCE}" for c in "一二三四五六七八"]
    cut = passages("\n\n".join(articles), size=150)
    assert squeezed("".join(cut)) == squeezed("".join(articles))
    assert all(p.startswith("第") for p in cut) and all(any(p.endswith(a[-10:]) for a in articles) for p in cut)


def test_no_heading_ends_a_passage():
    document = "\n\n".join(f"第{c}章 标题\n\n{SENTENCE * 3}\n\n小标题\n\n{SENTENCE * 3}" for c in "一二三四")
    assert all(p.endswith("。") for p in passages(document, size=120))


def test_table_rows_and_lines_of_code_are_not_cut():
    row = "| 参数。说明 | 取值！范围 |"
    code = "```\n" + "\n".join(f"echo {i}; sleep 1; echo done. ok" for i in range(20)) + "\n```"
    document = "\n".join([row] * 30) + "\n\n" + code
    lines = set(document.split("\n"))
    for passage in passages(document, size=120):
        assert set(passage.split("\n")) <= lines | {""}


def test_a_tiny_tail_joins_the_passage_before():
    cut = passages(SENTENCE * 9 + "\n\n完。", size=210, minimum=60)
    assert all(len(squeezed(p)) >= 60 for p in cut)


def test_english_is_measured_in_words():
    text = "The administrator reads the manual before anything else is done. " * 60
    cut = passages(text.strip(), lang="en", size_en=100)
    assert all(length(p, "en") <= 100 and p.endswith(".") for p in cut) and len(cut) == 6


def test_one_sentence_overlaps_on_request():
    cut = passages(
        "".join(f"这是第{i}句话，说的是会计制度与审计报告的事情。" for i in range(100, 130)), size=160, overlap=1
    )
    for before, after in itertools.pairwise(cut):
        a, b = sentences(before)[-1]
        assert after.startswith(before[a:b])
    assert all(len(p) <= 160 for p in cut)


def test_an_endless_sentence_is_cut_at_commas():
    cut = passages("甲乙丙丁戊己庚辛壬癸，" * 200, size=100)
    assert all(len(p) <= 100 and p.endswith("，") for p in cut)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (" \n", "empty"),
        ("太短。", "too_short"),
        ("\n".join(f"第{i}章 关于某些事情的规定 ............ {i}" for i in range(1, 40)), "no_prose"),
        ("\n".join(f"- https://example.org/a/very/long/path/number/{i}" for i in range(40)), "no_prose"),
    ],
)
def test_what_cannot_be_asked_about_is_dropped(document, reason):
    with pytest.raises(Drop) as dropped:
        Split().row({"document": document, "lang": "zh"})
    assert dropped.value.reason == reason


def test_tables_of_facts_are_prose_enough():
    assert is_prose("软件包 | 大小 | 说明\nlibc6 | 12977 | 字符集转换器\nrecode | 602 | 字符集转换器")


pieces = st.lists(
    st.sampled_from(
        [
            SENTENCE,
            SENTENCE * 9,
            "标题",
            "第一条 内容。",
            "第二条 有下列情形：",
            "（一）甲；",
            "a | b\nc | d",
            "```\nx = 1\n\ny = 2\n```",
            "- 项\n- 项。",
            "Some words. And more words! ",
            "甲" * 70,
            "如下：",
            "\u3000\u3000缩进。",
            "1.2 Scope",
            "```",
        ]
    ),
    min_size=1,
    max_size=25,
)


@given(pieces, st.integers(40, 200), st.integers(0, 40), st.sampled_from(["\n\n", "\n", "\n \n"]))
def test_the_passages_are_the_document_and_within_the_size(drawn, size, minimum, between):
    document = between.join(drawn)
    try:
        cut = passages(document, size=size, minimum=minimum)
    except Drop:
        return
    assert squeezed("".join(cut)) == squeezed(document)
    for passage in cut:
        assert passage in document
        one_unit = len(sentences(passage)) == 1 or "|" in passage
        assert length(passage, "zh") <= size or one_unit or "\n" not in passage.strip()


@given(pieces, st.integers(40, 200))
def test_overlap_only_repeats_and_never_exceeds_the_size_more_than_without(drawn, size):
    document = "\n\n".join(drawn)
    try:
        plain, overlapped = (
            passages(document, size=size, minimum=0),
            passages(document, size=size, minimum=0, overlap=1),
        )
    except Drop:
        return
    at = 0
    for passage in overlapped:
        at = document.find(passage, max(0, at - size))
        assert at >= 0
    longest = max(length(p, "zh") for p in plain)
    assert all(length(p, "zh") <= max(size, longest) for p in overlapped)


@pytest.mark.parametrize("piece", ["甲", "。", "```\n", "第一条 ", "|\n", "\n\n", "a b ", "（"])
def test_time_grows_with_the_length_only(piece):
    began = time.process_time()
    with contextlib.suppress(Drop):
        Split().row({"document": piece * (200_000 // len(piece)), "lang": "zh"})
    assert time.process_time() - began < 5


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
@pytest.mark.parametrize("name", ["law_zh_civil_code", "finance_zh_laws_a", "medicine_zh_drug_handbook"])
def test_real_books_are_covered_exactly_once(name):
    books = Books(folder=SHARED / "books" / name)
    (reader,) = books.then()
    for row in books.rows():
        if isinstance(row, Dropped):
            continue
        for section in reader.row(row):
            cut = passages_of(section)
            assert squeezed("".join(cut)) == squeezed(section["document"])
            assert all(length(p, "zh") <= 600 for p in cut)


def passages_of(section):
    return [r["passage"] for r in Split(minimum=0).row(section)]
