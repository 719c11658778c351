import io
from datetime import date, datetime, time
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.ingest.formats import read
from sftmill.steps.ingest.parse_table import ROWS, cell_text, csv_rows, parse_csv, parse_workbook, table_blocks
from sftmill.steps.ingest.pipe_table import pipe_table
from sftmill.steps.ingest.sections import Block
from sftmill.steps.ingest.tables import table_of

SHARED = Path(__file__).resolve().parents[3] / "../shared/data"
HEAD = "| 名称 | 数量 |\n| --- | --- |\n"


def workbook(*sheets, merged=(), **options):
    """Return an xlsx file of (name, {cell: value}) sheets; `merged` are (range, text) of the first."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd", **options})
    for name, cells in sheets:
        sheet = book.add_worksheet(name)
        for place, value in cells.items():
            sheet.write(place, value)
    for area, text in merged:
        book.worksheets()[0].merge_range(area, text)
    book.close()
    return out.getvalue()


def texts(data):
    return [block.text for block in parse_workbook(data)]


def test_a_sheet_becomes_a_pipe_table_below_its_title():
    data = workbook(
        (
            "Sheet1",
            {"B2": "2024 年设备表", "B4": "名称", "D4": "数量", "B5": "风扇", "D5": 4, "B7": "硬盘|SSD", "D7": 8.5},
        )
    )
    assert texts(data) == ["2024 年设备表", HEAD + "| 风扇 | 4 |\n| 硬盘\\|SSD | 8.5 |"]


def test_each_sheet_is_a_section_under_its_name():
    rows = {f"{column}{row}": value for row in range(2, 40) for column, value in (("A", f"设备{row}"), ("B", row))}
    cells = {"A1": "名称", "B1": "数量", **rows}
    found = read(workbook(("设备", cells), ("耗材", cells), ("Sheet3", {})), "清单.xlsx")
    assert found.title == "清单"
    assert [section.title_path for section in found.sections] == [("设备",), ("耗材",)]
    assert found.sections[0].text.startswith("设备\n\n" + HEAD)


def test_merged_cells_stand_in_every_row_that_they_span():
    data = workbook(
        ("Sheet1", {"A2": "类别", "B2": "项目", "C2": "周期", "B3": "滤网", "C3": "每月", "B4": "冷媒", "C4": "每年"}),
        merged=[("A1:C1", "巡检表"), ("A3:A4", "空调")],
    )
    head = "| 类别 | 项目 | 周期 |\n| --- | --- | --- |\n"
    assert texts(data) == ["巡检表", head + "| 空调 | 滤网 | 每月 |\n| 空调 | 冷媒 | 每年 |"]


def test_a_header_of_two_rows_becomes_one():
    data = workbook(
        ("Sheet1", {"B2": "上限", "C2": "下限", "A3": "空调", "B3": 24, "C3": 22}),
        merged=[("A1:A2", "设备"), ("B1:C1", "温度")],
    )
    assert texts(data) == ["| 设备 | 温度 上限 | 温度 下限 |\n| --- | --- | --- |\n| 空调 | 24 | 22 |"]


def test_one_column_and_long_texts_are_prose():
    assert table_blocks([["第一段。"], [""], ["第二段。"]]) == [Block("第一段。"), Block("第二段。")]
    answer = "空调的滤网每月清洗一次。" * 15
    assert table_blocks([["问题", "答案"], ["滤网多久清洗？", answer]]) == [
        Block(f"问题：滤网多久清洗？\n答案：{answer}")
    ]


def test_a_long_sheet_becomes_blocks_that_each_have_the_header():
    blocks = table_blocks([["名称", "数量"], *([f"项{n}", str(n)] for n in range(ROWS + 5))])
    assert [block.text.count("\n") for block in blocks] == [ROWS + 1, 6]
    assert all(block.text.startswith(HEAD) for block in blocks)


def test_what_is_written_is_what_the_splitter_takes_for_a_table():
    text = pipe_table([["名称", "数量"], ["风扇\n大", "4"], ["", ""], ["a|b", ""]])
    assert text == HEAD + "| 风扇大 | 4 |\n| a\\|b |  |"
    table = table_of(text, 0, len(text))
    assert table is not None and len(table.rows) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (1e20, "1e+20"),
        (True, "TRUE"),
        (None, ""),
        (date(2024, 3, 1), "2024-03-01"),
        (datetime(2024, 3, 1), "2024-03-01"),
        (datetime(2024, 3, 1, 8, 30), "2024-03-01 08:30"),
        (time(8, 30), "08:30"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_cells_say_what_they_show(value, text):
    assert cell_text(value) == text


@pytest.mark.parametrize("sign", [",", "\t", ";", "|"])
def test_the_delimiter_of_a_csv_is_found(sign):
    text = sign.join(["名称", "数量", "备注"]) + "\n" + sign.join(["风扇", "4", '"大, 静音; 双层\n两行"']) + "\n"
    assert csv_rows(text) == [["名称", "数量", "备注"], ["风扇", "4", "大, 静音; 双层\n两行"]]


def test_a_quote_that_never_closes_does_not_swallow_the_file():
    text = 'a,b\n1,"open\n2,x\n3,y\n'
    assert [row for row in csv_rows(text) if row] == [["a", "b"], ["1", "open"], ["2", "x"], ["3", "y"]]


def test_rows_of_different_length_are_filled_up():
    assert parse_csv("a,b\n1\n2,3,4\n")[0].text == "| a | b |  |\n| --- | --- | --- |\n| 1 |  |  |\n| 2 | 3 | 4 |"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "big5"])
def test_a_csv_is_read_in_the_usual_encodings(encoding):
    text = "名稱,數量\n" + "".join(f"這是機房的風扇與硬碟的說明文字{n},{n}\n" for n in range(20))
    found = read(text.encode(encoding), "x.csv")
    assert found.sections[0].text.startswith("| 名稱 | 數量 |\n| --- | --- |\n| 這是機房的風扇與硬碟的說明文字0 | 0 |")


def test_a_page_that_is_called_a_workbook_is_read_as_what_it_is():
    page = (
        "<html><body><table><tr><td>名称</td><td>数量</td></tr><tr><td>风扇</td><td>4</td></tr></table></body></html>"
    )
    assert "风扇 | 4" in read(page.encode(), "导出.xls").sections[0].text
    assert "| 风扇 | 4 |" in read("名称\t数量\n风扇\t4\n".encode("gb18030"), "导出.xls").sections[0].text


def test_one_stray_cell_far_away_does_not_fill_the_memory():
    data = workbook(("Sheet1", {"A1": "x", "XFD1048576": "y"}))
    with pytest.raises(Drop) as dropped:
        parse_workbook(data)
    assert dropped.value.reason == "unreadable" and "spans" in dropped.value.facts["why"]


@given(st.binary(max_size=300), st.integers(0, 8000), st.binary(max_size=40))
@settings(max_examples=60)
def test_any_bytes_called_a_workbook_are_read_or_dropped(data, at, patch):
    good = bytearray(workbook(("Sheet1", {"A1": "名称", "B1": "数量", "A2": "风扇", "B2": 4})))
    good[at : at + len(patch)] = patch
    for candidate in (data, b"PK\x03\x04" + data, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + data, bytes(good)):
        for name in ("x.xlsx", "x.xls", "x.ods", "x.csv"):
            try:
                read(candidate, name)
            except Drop as drop:
                assert drop.reason and ("why" in drop.facts or drop.facts)


WORDS = st.text(st.characters(categories=["L", "N"]), max_size=8)


@given(st.lists(st.lists(WORDS, max_size=5), max_size=12))
def test_no_cell_is_lost(rows):
    shown = "\n".join(block.text for block in table_blocks(rows))
    assert all(cell in shown for row in rows for cell in row)


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), max_size=12))
def test_no_cell_breaks_its_row(rows):
    table = pipe_table([["a", "b"], *rows])
    assert table.count("\n") == len([row for row in rows if any(c.strip() for c in row)]) + (table.count("\n") > 0)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
@pytest.mark.parametrize("name", ["table_utf8.csv", "table_gb18030.csv", "table.tsv", "table_utf8_bom.csv"])
def test_real_tables_keep_their_200_rows(name):
    rows = csv_rows(_decoded(SHARED / "formats/good" / name), Path(name).suffix)
    assert len([row for row in rows if any(row)]) == 201


def _decoded(path):
    from sftmill.steps.ingest.decoding import decode

    return decode(path.read_bytes()).text
