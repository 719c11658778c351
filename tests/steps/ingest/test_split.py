import contextlib
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop, Dropped
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.law import articles
from sftmill.steps.ingest.passages import cut
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
    found = passages(SENTENCE * 40, size=100)
    assert all(len(p) <= 100 and p.endswith("。") for p in found) and "".join(found) == SENTENCE * 40


def test_cuts_are_made_between_paragraphs_where_they_fit():
    paragraph = SENTENCE * 3
    assert passages("\n\n".join([paragraph] * 4), size=100) == [paragraph] * 4


def test_a_law_article_is_not_cut_when_it_fits():
    articles = [f"第{c}条 有下列情形之一的：\n\n（一）{SENTENCE}\n\n（二）{SENTENCE}" for c in "一二三四五六七八"]
    found = passages("\n\n".join(articles), size=150)
    assert squeezed("".join(found)) == squeezed("".join(articles))
    assert all(p.startswith("第") for p in found) and all(any(p.endswith(a[-10:]) for a in articles) for p in found)


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
    found = passages(SENTENCE * 9 + "\n\n完。", size=210, minimum=60)
    assert all(len(squeezed(p)) >= 60 for p in found)


def test_english_is_measured_in_words():
    text = "The administrator reads the manual before anything else is done. " * 60
    found = passages(text.strip(), lang="en", size_en=100)
    assert all(length(p, "en") <= 100 and p.endswith(".") for p in found) and len(found) == 6


def test_one_sentence_overlaps_on_request():
    found = passages(
        "".join(f"这是第{i}句话，说的是会计制度与审计报告的事情。" for i in range(100, 130)), size=160, overlap=1
    )
    for before, after in itertools.pairwise(found):
        a, b = sentences(before)[-1]
        assert after.startswith(before[a:b])
    assert all(len(p) <= 160 for p in found)


def test_an_endless_sentence_is_cut_at_commas():
    found = passages("甲乙丙丁戊己庚辛壬癸，" * 200, size=100)
    assert all(len(p) <= 100 and p.endswith("，") for p in found)


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
        made = passages(document, size=size, minimum=minimum)
    except Drop:
        return
    spans = cut(document, "zh", size, minimum)
    assert squeezed("".join(document[one.start : one.end] for one in spans)) == squeezed(document)
    for passage, one in zip(made, spans, strict=True):
        assert passage.endswith(document[one.start : one.end])
        assert passage.removesuffix(document[one.start : one.end]).strip("\n") in document
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
    assert {squeezed(one.text(document)) for one in cut(document, "zh", size, 0, 1)} == set(map(squeezed, overlapped))
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
    reader = books.then()[0]
    for row in books.rows():
        if isinstance(row, Dropped):
            continue
        for section in reader.row(row):
            text = section["document"]
            found = cut(text, section["lang"], 600 if section["lang"] == "zh" else 250, 0)
            assert squeezed("".join(text[one.start : one.end] for one in found)) == squeezed(text)
            assert [one.text(text) for one in found] == passages(text, section["lang"], minimum=0)
            assert all(length(one.text(text), "zh") <= 600 for one in found)


def rows(document, lang="zh", **more):
    settings = {key: more.pop(key) for key in list(more) if key in Split.model_fields}
    return Split(**settings).row({"document": document, "lang": lang, **more})


LONG_LIST = "第一条 灯塔管理处履行下列职责：\n\n" + "\n\n".join(
    f"（{c}）{SENTENCE}{SENTENCE}" for c in "一二三四五六七八"
)


def test_a_long_article_is_cut_at_its_items_and_repeats_the_words_before_them():
    made = passages(LONG_LIST, size=150, minimum=10)
    assert len(made) > 2
    for passage in made:
        assert passage.startswith("第一条 灯塔管理处履行下列职责：\n")
        assert length(passage, "zh") <= 150 and passage.endswith("。")
    items = [line for passage in made for line in passage.split("\n") if line.startswith("（")]
    assert items == LONG_LIST.split("\n\n")[1:]


def test_a_long_article_is_cut_between_its_paragraphs():
    clauses = [f"{SENTENCE * 2}其中第{n}种情形除外。" for n in "一二三四五"]
    made = rows("第一条 " + "\n\n".join(clauses), size=130, minimum=10, title_path=["灯塔法"])
    assert all(row["passage"].removeprefix("第一条 ").startswith("公司") for row in made)
    assert squeezed("".join(row["passage"] for row in made)) == squeezed("第一条" + "".join(clauses))
    assert [row["title_path"] for row in made[:2]] == [["灯塔法"], ["灯塔法", "第一条"]]


def test_english_articles_stay_whole():
    articles = [
        f"Article {n}\nTitle of it\n\n1. The keeper shall light the lamp every night.\n\n2. The keeper shall not:\n\n"
        "(a) sleep at night;\n\n(b) leave the tower."
        for n in range(1, 9)
    ]
    made = passages("\n\n".join(articles), lang="en", size_en=70, minimum=5)
    assert all(p.startswith("Article") and p.endswith("tower.") for p in made) and len(made) == 4


def test_what_a_passage_cites_comes_along():
    law = f"第一条 灯塔每夜点亮。\n\n第二条 {SENTENCE}\n\n第三条 {SENTENCE}违反本法第一条的，处罚款。"
    made = rows(law, size=70, minimum=5)
    assert [row.get("context") for row in made] == [None, "第一条 灯塔每夜点亮。"]
    assert not any("context" in row for row in rows(law, size=70, minimum=5, cited=0))
    assert not any("context" in row for row in rows(law))


def test_the_context_of_the_section_is_narrowed_to_what_each_passage_cites():
    law = f"第十条 {SENTENCE}违反本法第一条的，处罚款。\n\n第十一条 {SENTENCE}违反第二条的，没收。"
    made = rows(law, size=50, minimum=5, context="第一条 灯塔每夜点亮。\n\n第二条 看守人不得饮酒。")
    assert [row.get("context") for row in made] == ["第一条 灯塔每夜点亮。", "第二条 看守人不得饮酒。"]


TABLE = "\n".join(["港口 | 灯塔 | 高度", *(f"第{n}港口 | 第{n}灯塔 | {n}米" for n in range(10, 60))])


@pytest.mark.parametrize("caption", ["表3-1 各港灯塔一览", "Table 2: Towers", "表1 灯塔\n\n单位：米", ""])
def test_a_long_table_repeats_its_header_and_caption(caption):
    made = passages(f"{SENTENCE}\n\n{caption}\n\n{TABLE}\n\n{SENTENCE}", size=150, minimum=5)
    with_rows = [passage for passage in made if "灯塔 |" in passage]
    assert len(with_rows) > 3
    lines = TABLE.split("\n")
    for passage in with_rows[1:]:
        assert passage.startswith(f"{caption}\n\n{lines[0]}\n" if caption else f"{lines[0]}\n")
    kept = [line for passage in made for line in passage.split("\n") if line.endswith("米") and "|" in line]
    assert kept == lines[1:]
    assert all(length(passage, "zh") <= 150 for passage in made)


def test_a_markdown_table_repeats_its_rule_and_the_caption_inside():
    rows_of = [f"| {n} | tower {n} |" for n in range(40)]
    text = "\n".join(["Table 1. Towers", "| No. | Name |", "| --- | :-: |", *rows_of])
    made = passages(text, lang="en", size_en=40, minimum=2)
    assert all(p.startswith("Table 1. Towers\n| No. | Name |\n| --- | :-: |\n| ") for p in made) and len(made) > 3


def test_a_table_without_a_header_repeats_none():
    made = passages("\n".join(f"{n} | {n * 3} | 号灯塔的高度" for n in range(100, 160)), size=120, minimum=2)
    lines = [line for passage in made for line in passage.split("\n")]
    assert len(lines) == len(set(lines)) == 60


def test_a_table_aligned_by_tabs_is_one_too():
    text = "\n".join(["港口\t高度", *(f"港{n}号\t{n}米" for n in range(100, 160))])
    assert all(p.startswith("港口\t高度\n") for p in passages(text, size=100, minimum=2))


def test_neighbouring_passages_are_packed_into_one_row():
    text = "\n\n".join(f"这是第{n}段。{SENTENCE * 3}" for n in range(10, 17))
    single, packed = rows(text, size=100), rows(text, size=100, pack=3)
    assert [row["passage_index"] for row in packed] == [0, 3, 6]
    assert [piece for row in packed for piece in row["pieces"]] == [row["passage"] for row in single]
    assert all(row["passage"] in text and row["passage"].startswith(row["pieces"][0]) for row in packed)
    assert not any("pieces" in row for row in single)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
@pytest.mark.parametrize("name", ["law_zh_civil_code", "finance_zh_laws_a"])
def test_no_article_of_a_real_law_is_cut_when_it_fits(name):
    books = Books(folder=SHARED / "books" / name)
    reader = books.then()[0]
    seen = 0
    for row in books.rows():
        for section in reader.row(row) if not isinstance(row, Dropped) else ():
            text = section["document"]
            borders = {one.start for one in cut(text, "zh", 600, 60)}
            for article in articles(text):
                seen += 1
                if length(text[article.start : article.end], "zh") <= 600:
                    assert not any(article.start < border < article.end for border in borders), article.name
                else:
                    starts = {c.start for c in article.clauses} | {i.start for c in article.clauses for i in c.items}
                    assert all(border in starts for border in borders if article.start < border < article.end)
    assert seen > 500
