"""Workbooks: what is written comes back, nothing can run, nothing is cut without a mark, no file fills the memory."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.sheets import (
    LARGEST_CELL,
    Page,
    cell_text,
    fills_cell,
    is_cut,
    plain_cell,
    read_workbook,
    safe_cell,
    visible,
    write_pages,
    write_workbook,
)

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)


def written(path, texts):
    write_workbook(path, ["text", "end"], [[text, "end"] for text in texts])
    return [row[0] for row in read_workbook(path.read_bytes())[0].rows[1:]]


@given(st.lists(ANYTHING, max_size=5))
def test_every_text_comes_back_as_it_is_shown(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("book") / "a.xlsx"
    assert written(path, texts) == [visible(text) for text in texts]


@given(ANYTHING)
def test_what_is_visible_stays_so(text):
    assert visible(visible(text)) == visible(text)
    visible(text).encode()


def test_formulas_links_and_apostrophes_stay_text(tmp_path):
    texts = ["=1+1", '=HYPERLINK("http://a.example","x")', "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "{=1}", "_x000D_"]
    path = tmp_path / "a.xlsx"
    assert written(path, texts) == texts
    with zipfile.ZipFile(path) as archive:
        parts = b"".join(archive.read(name) for name in archive.namelist())
    assert b"<f>" not in parts
    assert b"<hyperlink" not in parts


def test_control_characters_are_shown_and_line_ends_are_one_kind(tmp_path):
    assert written(tmp_path / "a.xlsx", ["a\x00b\x1b[31m\x7f", "甲\r\n乙\r丙", "\ufffe"]) == [
        "a␀b␛[31m␡",
        "甲\n乙\n丙",
        "\ufffd",
    ]


@pytest.mark.parametrize("sign", ["字", "a", "😀"])
def test_a_text_longer_than_a_cell_is_cut_with_a_mark(tmp_path, sign):
    fits = sign * (LARGEST_CELL // (len(sign.encode("utf-16-le")) // 2))
    long = fits + sign
    assert cell_text(fits) == fits
    assert not is_cut(fits)
    cut = written(tmp_path / "a.xlsx", [long])[0]
    assert is_cut(cut)
    assert len(cut.encode("utf-16-le")) // 2 <= LARGEST_CELL
    assert f"{len(long):,}" in cut
    assert cell_text(cut) == cut
    assert fills_cell("字" * LARGEST_CELL)
    assert not fills_cell(fits[:-1])


@given(ANYTHING)
def test_csv_cells_can_be_made_safe_and_plain_again(text):
    assert plain_cell(safe_cell(text)) == text or text.startswith("'")
    assert safe_cell(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_equal_contents_are_equal_bytes_and_no_other_file_is_left(tmp_path):
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, ["甲"], [["乙"]], widths=[20], choices={"甲": ["一", "二"]})
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.xlsx", "b.xlsx"]


def test_several_sheets_with_columns_to_fill_in(tmp_path):
    path = tmp_path / "a.xlsx"
    pages = [
        Page("填", ["问", "答"], [["长" * 200, None]], widths=[20, 10], entry=["答"], tall=["问"], fixed=1),
        Page("说明", (), [["一", "二"], ["三", "四"]]),
        Page("data", ["key"], [["k"]], hidden=True),
    ]
    assert write_pages(path, pages) == [1, 2, 1]
    assert [sheet.name for sheet in read_workbook(path.read_bytes())] == ["填", "说明", "data"]
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert 'state="hidden"' in archive.read("xl/workbook.xml").decode()
        assert 'numFmtId="49"' in archive.read("xl/styles.xml").decode()  # text
    assert 'xSplit="1"' in sheet
    assert 'customHeight="1"' in sheet


def test_more_rows_than_a_sheet_holds_are_refused_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.sheets.LARGEST_SHEET", 3)
    with pytest.raises(ValueError, match="holds 2 rows"):
        write_workbook(tmp_path / "a.xlsx", ["a"], [["x"]] * 5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04broken", b"no workbook", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_what_is_no_workbook_is_refused(data):
    with pytest.raises(ValueError, match=r"\w"):
        read_workbook(data)


def with_part(tmp_path, name, change):
    """Return a workbook with one of its parts changed."""
    write_workbook(tmp_path / "a.xlsx", ["a"], [["x"]])
    made = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, change(old.read(part)) if part == name else old.read(part))
    return made.getvalue()


def test_a_cell_far_outside_does_not_fill_the_memory(tmp_path):
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    data = with_part(tmp_path, "xl/worksheets/sheet1.xml", lambda part: part.replace(b"</sheetData>", far))
    with pytest.raises(ValueError, match="1,048,576 rows and 16,384 columns"):
        read_workbook(data)


def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.sheets.LARGEST_UNPACKED", 1 << 20)
    data = with_part(tmp_path, "xl/styles.xml", lambda part: part + b" " * (2 << 20))
    assert len(data) < 100_000
    with pytest.raises(ValueError, match="unpacked"):
        read_workbook(data)
