import asyncio
import os
from pathlib import Path

import pytest

from sftmill.core import Drop, Dropped
from sftmill.flow.lineage import as_root
from sftmill.flow.walk import walk
from sftmill.flow.workers import Workers
from sftmill.steps.ingest.books import Books, MissingPages, ReadBook, ranges
from tiny_pdf import TinyPage, tiny_pdf

SHARED = Path(__file__).resolve().parents[3] / "../shared/data"
LONG = (
    "公司应当依照法律、行政法规的规定建立本公司的财务、会计制度，并在每一会计年度终了"
    "时编制财务会计报告，依法经会计师事务所审计后存档备查。"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "法.TXT").write_text(f"第一章 总则\n\n第一条 {LONG}")
    (tmp_path / "a.md").write_text("# Title\n\n" + "The quick brown fox jumps over the lazy dog. " * 10)
    (tmp_path / "c.html").write_bytes(f"<meta charset=gbk><h1>题</h1><p>{LONG}</p>".encode("gbk"))
    (tmp_path / "d.doc").write_bytes(b"x")
    (tmp_path / "e.jsonl").write_bytes(b"{}")
    (tmp_path / "~$f.docx").write_bytes(b"x")
    return tmp_path


def split_rows(books):
    found = list(books.rows())
    return [r for r in found if not isinstance(r, Dropped)], [r for r in found if isinstance(r, Dropped)]


def test_files_are_listed_sorted_by_relative_path_with_their_hash(folder):
    rows, _ = split_rows(Books(folder=folder, sensitivity="secret"))
    assert [r["source"] for r in rows] == ["a.md", "b/法.TXT", "c.html"]
    assert all(len(r["source_hash"]) == 32 and r["sensitivity"] == "secret" for r in rows)


def test_nothing_is_left_out_in_silence(folder):
    (folder / ".git").mkdir()
    outside = folder.parent / "outside.txt"
    outside.write_text("x")
    os.symlink(outside, folder / "link.txt")
    _, dropped = split_rows(Books(folder=folder))
    assert {d.row["source"]: d.facts["why"] for d in dropped} == dict(Books(folder=folder).skipped())
    assert dict(Books(folder=folder).skipped()) == {
        ".git/": "a hidden folder",
        "d.doc": "Word before 2007; save it as docx",
        "e.jsonl": "no pattern matches .jsonl",
        "link.txt": "a link that leaves the folder",
        "~$f.docx": "an office program's mark that a file is open",
    }


def test_a_missing_or_empty_folder_is_a_problem_named_before_the_run(folder, tmp_path):
    assert Books(folder=folder).problems() == []
    assert "no folder" in Books(folder=tmp_path / "nowhere").problems()[0]
    assert "holds no file" in Books(folder=folder, patterns=("*.odt",)).problems()[0]


def test_each_file_is_read_into_sections_with_title_path_and_language(folder):
    books = Books(folder=folder)
    reader, *_ = books.then()
    rows, _ = split_rows(books)
    english, law, page = ([*reader.row(row)] for row in rows)
    assert (english[0]["title"], english[0]["title_path"], english[0]["lang"]) == ("Title", ["Title"], "en")
    assert law[0]["title_path"] == ["第一章 总则"] and law[0]["lang"] == "zh"
    assert law[0]["document"] == f"第一章 总则\n\n第一条 {LONG}"
    assert page[0]["document"] == f"题\n\n{LONG}"


def test_a_language_named_in_the_recipe_is_taken(folder):
    reader, *_ = Books(folder=folder, lang="en").then()
    assert reader.row({"source": "b/法.TXT", "source_hash": ""})[0]["lang"] == "en"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (bytes(range(128, 256)) * 50, "unreadable"),
        (b"\x00\x01\x02\x03abc" * 100, "unreadable"),
    ],
)
def test_what_is_no_text_is_dropped_with_a_reason(tmp_path, data, reason):
    (tmp_path / "x.txt").write_bytes(data)
    with pytest.raises(Drop) as dropped:
        ReadBook(folder=tmp_path).row({"source": "x.txt", "source_hash": ""})
    assert dropped.value.reason == reason


def test_a_file_that_changed_or_vanished_since_it_was_listed_is_dropped(folder):
    row = split_rows(Books(folder=folder))[0][0]
    (folder / "a.md").write_text("other")
    with pytest.raises(Drop, match="changed"):
        ReadBook(folder=folder).row(row)
    with pytest.raises(Drop, match="unreadable"):
        ReadBook(folder=folder).row({**row, "source": "gone.txt"})


def test_commands_in_a_chinese_book_are_not_english(tmp_path):
    code = "```\n" + "apt-get install something --with-many-options\n" * 8 + "```"
    (tmp_path / "x.md").write_text(f"# 甲\n\n{LONG}\n\n# 乙\n\n{code}\n")
    assert [r["lang"] for r in ReadBook(folder=tmp_path).row({"source": "x.md", "source_hash": ""})] == ["zh", "zh"]


def test_sections_of_a_pdf_know_their_page_and_pages_without_text_are_dropped_with_their_numbers(tmp_path):
    scanned = TinyPage()
    scanned.picture = True
    pages = [TinyPage().text(60, 760, "总则", 16).lines(60, 700, [LONG[:35], LONG[35:]]), scanned, scanned]
    pages += [TinyPage().text(60, 760, "附则", 16).lines(60, 700, [LONG[:35], LONG[35:]]), scanned]
    (tmp_path / "x.pdf").write_bytes(tiny_pdf(pages))
    books = Books(folder=tmp_path)
    steps = [(number, type(step).__name__, step) for number, step in enumerate(books.then(), 1)]
    (row,) = books.rows()
    walked = walk(steps, as_root(row, "books", "zh"), ())
    assert [(r["title_path"], r["page"], r["document"]) for _, r in walked.out] == [
        (["总则"], 1, f"总则\n\n{LONG}"),
        (["附则"], 4, f"附则\n\n{LONG}"),
    ]
    (lost,) = walked.lost
    assert (lost.kind, lost.reason, lost.facts["pages"]) == ("dropped", "no_text_layer", "2-3, 5 of 5")


@pytest.mark.parametrize(("numbers", "text"), [((1,), "1"), ((1, 2, 3, 7, 9, 10), "1-3, 7, 9-10"), ((), "")])
def test_pages_are_named_in_ranges(numbers, text):
    assert ranges(numbers) == text


def test_rows_that_stand_for_no_missing_pages_pass():
    assert MissingPages().row({"document": "text"}) == {"document": "text"}


def test_books_of_every_format_go_through_worker_processes(tmp_path):
    (tmp_path / "a.pdf").write_bytes(tiny_pdf([TinyPage().lines(60, 700, [LONG[:35], LONG[35:]])]))
    (tmp_path / "b.csv").write_text(f"名称,说明\n风扇,{LONG[:40]}\n", "gb18030")
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4 broken")
    books = Books(folder=tmp_path)

    async def walked():
        steps = [(number, type(step).__name__, step) for number, step in enumerate(books.then(), 1)]
        workers = Workers(steps, number=1)
        try:
            return [await workers.walk(1, 3, as_root(row, "books", "zh"), ()) for row in books.rows()]
        finally:
            await workers.close()

    found = asyncio.run(walked())
    assert [len(one.out) for one in found] == [1, 1, 0]
    assert found[0].out[0][1]["document"] == LONG and found[2].lost[0].reason == "unreadable"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
@pytest.mark.parametrize("name", ["law_zh_civil_code", "medicine_zh_tcm_classic", "ops_zh_debian_reference"])
def test_real_books_are_read_completely(name):
    books = Books(folder=SHARED / "books" / name)
    reader, *_ = books.then()
    rows, _ = split_rows(books)
    sections = [section for row in rows for section in reader.row(row)]
    assert sections and all(s["lang"] == "zh" and s["document"].strip() for s in sections)
    untitled = [s for s in sections if not s["title_path"]]
    assert len(untitled) <= 3  # what stands before the first heading of a PDF


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
@pytest.mark.parametrize("kind", ["good", "bad"])
def test_odd_files_are_read_or_dropped_but_never_crash(kind):
    folder = SHARED / "formats" / kind
    reader = ReadBook(folder=folder)
    outcomes = {}
    for row in Books(folder=folder, patterns=("**/*",)).rows():
        try:
            outcomes[row["source"]] = len(reader.row(row))
        except Drop as drop:
            outcomes[row["source"]] = drop.reason
    broken = {name for name, outcome in outcomes.items() if outcome in ("unreadable", "format_not_supported")}
    binary = {n for n in outcomes if n.endswith((".gz", ".parquet")) and not n.startswith("not_gzip")}
    assert broken == binary | {n for n in outcomes if n == "truncated.xlsx"}
