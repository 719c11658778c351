"""Exports for people: CSV files and workbooks."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import CALLING, EN, LONG, ZH, assistant, row, run, user
from sftmill.sheets import LARGEST_CELL, plain_cell, read_workbook
from sftmill.steps.blend import table_forms
from sftmill.steps.blend.export import Export

FULL = {
    **ZH,
    "source": "制度/机房.pdf",
    "title_path": ["第二章", "能耗"],
    "page": 7,
    "question_type": "what",
    "grounded": 0.93,
    "score": -1.5,
    "reviewed": "accepted",
    "rejected": "一种插座。",
    "desirable": True,
}


def table(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def sheet(path):
    ((_, rows),) = read_workbook(path.read_bytes())
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_a_csv_line_tells_all_that_people_ask_for(tmp_path):
    assert run(Export(forms="csv"), [FULL, EN], tmp_path) == [FULL, EN]
    first, second = table(tmp_path / "sft.csv")
    assert first == {
        "id": "0" * 32,
        "question": "PUE 是什么？",
        "answer": "总能耗与 IT 能耗之比。",
        "system": "",
        "history": "",
        "source": "制度/机房.pdf",
        "title_path": "第二章 / 能耗",
        "page": "7",
        "lang": "zh",
        "question_type": "what",
        "task": "",
        "grounded": "0.93",
        "score": "-1.5",
        "weight": "",
        "reviewed": "accepted",
        "rejected": "一种插座。",
        "desirable": "true",
        "reasoning": "",
    }
    assert (second["system"], second["question"], second["lang"]) == ("Be brief.", "What is 1U?", "en")


def test_excel_sees_that_a_csv_is_utf8(tmp_path):
    run(Export(forms="csv"), [ZH], tmp_path)
    assert (tmp_path / "sft.csv").read_bytes().startswith(b"\xef\xbb\xbfid,question,answer,")


def test_earlier_turns_stand_in_a_column_of_their_own(tmp_path):
    run(Export(forms="csv"), [LONG], tmp_path)
    (line,) = table(tmp_path / "sft.csv")
    assert (line["question"], line["answer"]) == ("三？", "3")
    assert line["history"] == "user: 一？\nassistant: 1\nuser: 二？\nassistant: 2"


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_is_a_formula(text, tmp_path):
    run(Export(forms="csv"), [row(user(text), assistant(text))], tmp_path)
    (line,) = table(tmp_path / "sft.csv")
    assert line["question"] == line["answer"] == f"'{text}"


# The answer is there whatever the question is, and a line end of any kind stays within its cell.
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=4))
def test_every_text_comes_back_from_a_csv(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("csv")
    kept = [
        item
        for item in run(Export(forms=("csv", "alpaca")), [row(user(q), assistant(a)) for q, a in pairs], folder)
        if isinstance(item, dict)
    ]
    found = table(folder / "sft.csv")
    assert len(found) == len(kept)
    for line, sample in zip(found, kept, strict=True):
        wanted = sample["messages"][1]["content"]
        if not set("<[~\\\0'") & set(wanted):
            assert plain_cell(line["answer"]) == wanted


def test_a_workbook_holds_text_and_numbers_and_no_formula(tmp_path):
    evil = row(user("=1+1"), assistant("@SUM(A1)"))
    run(Export(forms="xlsx"), [FULL, evil], tmp_path)
    first, second = sheet(tmp_path / "sft.xlsx")
    assert (first["question"], first["grounded"], first["score"], first["page"]) == ("PUE 是什么？", 0.93, -1.5, 7)
    assert (second["question"], second["answer"]) == ("=1+1", "@SUM(A1)")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "sft.xlsx"]


def test_rows_that_one_sheet_cannot_hold_go_on_in_another_workbook(tmp_path, monkeypatch):
    monkeypatch.setattr(table_forms.Workbook, "largest", 2)
    rows = [row(user(f"{i}？"), assistant("答。")) for i in range(5)]
    run(Export(forms="xlsx"), rows, tmp_path)
    found = [[line["question"] for line in sheet(tmp_path / f"sft{n}.xlsx")] for n in ("", ".2", ".3")]
    assert found == [["0？", "1？"], ["2？", "3？"], ["4？"]]
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "| sft.xlsx | 2 |" in readme and "| sft.3.xlsx | 1 |" in readme
    run(Export(forms="xlsx"), rows[:1], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "sft.xlsx"]


def test_a_text_that_is_longer_than_a_cell_is_in_the_csv_only(tmp_path):
    long = row(user("多长？"), assistant("字" * (LARGEST_CELL + 1)))
    wide = row(user("多宽？"), assistant("\U0001f600" * (LARGEST_CELL // 2 + 1)))
    fits = row(user("刚好？"), assistant("字" * LARGEST_CELL))
    assert run(Export(forms=("csv", "xlsx")), [long, wide, fits], tmp_path) == [long, wide, fits]
    assert len(table(tmp_path / "sft.csv")) == 3
    (line,) = sheet(tmp_path / "sft.xlsx")
    assert line["answer"] == "字" * LARGEST_CELL
    assert "samples with a text that is longer than a cell can hold: 2, not in `sft.xlsx`" in (
        tmp_path / "README.md"
    ).read_text("utf-8")


def test_samples_with_tools_are_in_no_table(tmp_path):
    assert run(Export(forms=("messages", "csv", "xlsx")), [CALLING], tmp_path) == [CALLING]
    assert table(tmp_path / "sft.csv") == sheet(tmp_path / "sft.xlsx") == []


def test_the_same_rows_give_the_same_workbook(tmp_path):
    for name in ("one", "two"):
        run(Export(forms=("csv", "xlsx")), [FULL, EN], tmp_path / name)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_a_failure_in_the_middle_leaves_no_table(tmp_path):
    def failing():
        yield ZH
        raise RuntimeError("shard is damaged")

    with pytest.raises(RuntimeError):
        run(Export(forms=("csv", "xlsx")), failing, tmp_path)
    assert list(tmp_path.iterdir()) == []
