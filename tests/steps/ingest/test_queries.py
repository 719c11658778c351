"""Real user queries: read from whatever people have, cleaned without changing their words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Drop, Dropped, question
from sftmill.sheets import write_workbook
from sftmill.steps.ingest.clean_queries import CleanQueries
from sftmill.steps.ingest.queries import Queries
from sftmill.steps.ingest.query_form import find_flaw, strip_query

TEXTS = ["信用卡逾期了怎么办", "How do I close my account?", "公积金怎么提取"]


def read(path, **options):
    items = list(Queries(file=path, **options).rows())
    kept = [(question(item), item["frequency"], item["lang"]) for item in items if not isinstance(item, Dropped)]
    return kept, [(item.reason, item.facts["line"]) for item in items if isinstance(item, Dropped)]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# Reading -----------------------------------------------------------------------------------------


def test_a_text_file_holds_a_query_a_line_and_equal_ones_are_counted(file):
    kept, lost = read(file("q.txt", "\n".join([*TEXTS, "", TEXTS[0], "\u202e  " + TEXTS[0]])))
    assert kept == [(TEXTS[0], 3, "zh"), (TEXTS[1], 1, "en"), (TEXTS[2], 1, "zh")]
    assert lost == [("duplicate", 5), ("duplicate", 6)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_the_encoding_is_found_out(file, encoding):
    texts = ["信用卡逾期了怎么办，会上征信吗", "公积金怎么提取，需要哪些材料", "我的密码忘记了，怎样找回"]
    kept, lost = read(file("q.txt", "\n".join(texts).encode(encoding)))
    assert [text for text, _, _ in kept] == texts and not lost


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("id,问题,次数", {}),
        ("id,Query,Count", {}),
        ("id,用户说的,有多少", {"column": "用户说的", "count_column": "有多少"}),
    ],
)
def test_a_column_of_a_csv_file_is_found_by_its_name(file, head, options):
    content = f'{head}\n1,{TEXTS[0]},"1,200"\n2,"{TEXTS[1]}",3\n3,{TEXTS[2]},\n4,多少钱,许多\n5,,7\n'
    kept, lost = read(file("q.csv", content), **options)
    assert kept == [(TEXTS[0], 1200, "zh"), (TEXTS[1], 3, "en"), (TEXTS[2], 1, "zh")]
    assert lost == [("unreadable", 5), ("empty", 6)]


def test_a_spreadsheet_is_read(tmp_path):
    write_workbook(
        tmp_path / "q.xlsx", ["编号", "提问", "频次"], [[1, TEXTS[0], 5], [2, "=1+1 是多少", 2], [3, "", ""]]
    )
    kept, lost = read(tmp_path / "q.xlsx")
    assert kept == [(TEXTS[0], 5, "zh"), ("=1+1 是多少", 2, "zh")]
    assert lost == [("empty", 4)]


def test_json_lines_may_be_objects_or_texts_and_bad_ones_are_named(file):
    lines = [
        json.dumps({"query": TEXTS[0], "frequency": 4}, ensure_ascii=False),
        json.dumps({"question": TEXTS[1]}),
        json.dumps(TEXTS[2]),
        "{broken",
        json.dumps({"answer": "无"}),
        json.dumps({"query": 5}),
        json.dumps({"query": "几点开门", "count": True}),
        "[1, 2]",
    ]
    kept, lost = read(file("q.jsonl", "\n".join(lines)))
    assert kept == [(TEXTS[0], 4, "zh"), (TEXTS[1], 1, "en"), (TEXTS[2], 1, "zh")]
    assert lost == [("unreadable", line) for line in (4, 5, 6, 7, 8)]


def test_a_line_of_200_kb_is_dropped_and_its_neighbours_are_not(file):
    huge = "问" * 70_000
    for name, content in (
        ("q.txt", f"{TEXTS[0]}\n{huge}\n{TEXTS[2]}"),
        ("q.csv", f"问题\n{TEXTS[0]}\n{huge}\n{TEXTS[2]}"),
    ):
        kept, lost = read(file(name, content))
        assert [text for text, _, _ in kept] == [TEXTS[0], TEXTS[2]]
        assert [reason for reason, _ in lost] == ["overlong"]


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("q.csv", "编号,姓名\n1,甲\n", {}, "no column that is called like a query.*'编号', '姓名'.*`column`"),
        ("q.csv", "问题\n甲乙丙\n", {"column": "提问"}, "no column '提问'"),
        ("q.csv", "问题\n甲乙丙\n", {"count_column": "次"}, "no column '次'"),
        ("q.jsonl", '{"a": "甲"}\n', {}, "holds no query.*no field that is called like a query"),
        ("q.json", "[1, 2", {}, "is no JSON"),
        ("q.xlsx", "no workbook", {}, "file:"),
        ("q.pdf", "%PDF", {}, "files are not read"),
        ("q.txt", " \n", {}, "holds no query"),
    ],
)
def test_a_file_that_gives_nothing_is_told_by_the_plan(file, name, content, options, said):
    (problem,) = Queries(file=file(name, content), **options).problems()
    import re

    assert re.search(said, problem)


def test_a_missing_file_is_told_by_the_plan(tmp_path):
    assert "is not there" in Queries(file=tmp_path / "none.txt").problems()[0]
    assert Queries(file=tmp_path / "none.txt", column="x").problems()


# Cleaning ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("您好，请问社保断缴了怎么办？？？谢谢！", "请问社保断缴了怎么办？"),
        ("大家好我想问一下驾照怎么换", "我想问一下驾照怎么换"),
        ("医生你好，头疼三天了怎么办。。。急，在线等！！", "头疼三天了怎么办。"),
        ("电脑开不了机怎么办 谢谢大家", "电脑开不了机怎么办"),
        (
            "Hello,\n<p>Why is my <b>screen</b> black?!?!</p>\nThanks in advance!\nBest regards,\nSam",
            "Why is my screen black?",
        ),
        ("Dear Sir or Madam, what is the fee? Sent from my iPhone", "what is the fee?"),
        ("房贷&amp;车贷&nbsp;能一起还吗", "房贷&车贷 能一起还吗"),
        ("\u202e退款要几天\u200b", "退款要几天"),
        # what looks alike but is asked
        ("你好用英语怎么说", "你好用英语怎么说"),
        ("如何用法语说谢谢", "如何用法语说谢谢"),
        ("how to say thanks in Korean", "how to say thanks in Korean"),
        ("当 a<b 且 b<c 时，a<c 吗？", "当 a<b 且 b<c 时，a<c 吗？"),
        ("C++ 和 C# 有什么区别", "C++ 和 C# 有什么区别"),
        ("买基金亏了😭怎么办", "买基金亏了😭怎么办"),
    ],
)
def test_what_is_not_asked_goes_and_the_words_stay(said, asked):
    row = CleanQueries().row({"messages": [{"role": "user", "content": said}], "lang": "zh"})
    assert question(row) == asked


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("谢谢！", "empty"),
        ("您好，", "empty"),
        ("<br><p></p>", "empty"),
        ("https://example.org/a?b=1", "only_url"),
        ("😀😀🎉", "only_emoji"),
        ("？？？！！", "only_emoji"),
        ("13800 1234", "only_numbers"),
        ("房贷", "too_short"),
        ("fees", "too_short"),
        ("问\ufffd\ufffd怎么办", "mojibake"),
        ("怎样开户".encode().decode("gb18030", "replace"), "mojibake"),
        ("Où est le café ?".encode().decode("cp1252", "replace"), "mojibake"),
        ("加我微信 abc，免费领取优惠券，限时优惠", "advert"),
        ("Click here for a free trial, limited time offer", "advert"),
        ("想赚钱吗？日赚千元，扫码加微信", "advert"),
        ("问" * 2001, "overlong"),
        ("问" * 200_000, "overlong"),
    ],
)
def test_what_is_no_query_is_dropped_with_its_reason(said, reason):
    with pytest.raises(Drop) as drop:
        CleanQueries().row({"messages": [{"role": "user", "content": said}]})
    assert drop.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "加微信后被骗了免费领取的红包，怎么办？",
        "naïve Bayes 和 café 的含义",
        "龘靐齉是什么字",
        "優惠券怎麼用",
        "Ça va bien, что это значит?",
    ],
)
def test_unusual_queries_are_not_taken_for_adverts_or_broken_text(text):
    assert find_flaw(text) == ""


@given(st.text(max_size=200))
def test_cleaning_adds_no_letter_and_keeps_their_order(text):
    kept = iter(text)
    if "&" not in text:
        assert all(any(c == k for k in kept) for c in strip_query(text) if c.isalnum())


@pytest.mark.parametrize(
    "text",
    ["<" * 20_000, "(" * 20_000, "&" * 20_000, "你好" * 9_000, "<script>" * 2_400, "\n-- " * 5_000, "。，" * 9_999],
)
def test_hostile_texts_take_no_time(text):
    import time

    begin = time.process_time()
    find_flaw(strip_query(text))
    assert time.process_time() - begin < 2
