from datetime import date

import pytest
import xlsxwriter

from sftmill.core import Dropped
from sftmill.errors import RecipeError
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.source_table import read_day

HEAD = "file,licence,sensitivity,effective,expires,supersedes"
LONG = "机房的空调系统应当保持全年不间断运行，室内温度控制在二十二度到二十四度之间，值班人员每小时巡检一次并记录。"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "规章").mkdir()
    for name in ("a.txt", "b.txt", "规章/旧.txt", "规章/新.txt"):
        (tmp_path / name).write_text(f"{name} {LONG}", "utf-8")
    return tmp_path


def books(folder, *lines, head=HEAD, **settings):
    (folder / "sources.csv").write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return Books(folder=folder, **{"as_of": date(2024, 6, 1), **settings})


def outcome(step):
    """Return {source: row or (reason, facts)}."""
    return {
        (r.row if isinstance(r, Dropped) else r)["source"]: (r.reason, dict(r.facts)) if isinstance(r, Dropped) else r
        for r in step.rows()
    }


def test_the_table_gives_licence_and_days_to_the_rows_and_is_no_document_itself(folder):
    step = books(folder, "a.txt,CC BY 4.0,,2024年3月1日,2025/12/31,")
    assert step.problems() == [] and step.files() == (folder / "sources.csv",)
    found = outcome(step)
    assert list(found) == ["a.txt", "b.txt", "规章/新.txt", "规章/旧.txt"]
    row = found["a.txt"]
    assert (row["licence"], row["effective"], row["expires"]) == ("CC BY 4.0", "2024-03-01", "2025-12-31")
    assert "licence" not in found["b.txt"]
    document = step.then()[0].row(row)[0]
    assert document["licence"] == "CC BY 4.0"


def test_an_excel_table_with_chinese_headers_and_excel_days(folder):
    with xlsxwriter.Workbook(str(folder / "sources.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write(1, 0, "资料登记表")
        for column, name in enumerate(["文件", "许可", "敏感级别", "生效日期", "失效日期", "取代"]):
            sheet.write(2, column, name)
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write(3, 0, "规章/新.txt")
        sheet.write(3, 1, "自有")
        sheet.write(3, 2, "公开")
        sheet.write_datetime(3, 3, date(2024, 3, 1), day)
        sheet.write(3, 4, 45657)  # a day without its format
        sheet.write(3, 5, "规章/旧.txt")
    step = Books(folder=folder, as_of=date(2024, 6, 1))
    assert step.problems() == []
    found = outcome(step)
    assert (found["规章/新.txt"]["effective"], found["规章/新.txt"]["expires"]) == ("2024-03-01", "2024-12-31")
    assert found["规章/旧.txt"] == ("superseded", {"by": "规章/新.txt"})


def test_sources_that_do_not_hold_on_the_day_are_dropped(folder):
    step = books(folder, "a.txt,,,,2024-05-31,", "b.txt,,,2024-06-02,,")
    found = outcome(step)
    assert found["a.txt"] == ("expired", {"expires": "2024-05-31"})
    assert found["b.txt"] == ("not_yet_effective", {"effective": "2024-06-02"})
    assert all(
        "source_hash" in row for row in outcome(books(folder, "a.txt,,,,2024-06-01,", "b.txt,,,2024-06-01,,")).values()
    )


def test_without_a_day_today_decides(folder):
    step = books(folder, "a.txt,,,,2001-01-01,", "b.txt,,,,2999-01-01,", as_of=None)
    found = outcome(step)
    assert found["a.txt"][0] == "expired" and found["b.txt"]["expires"] == "2999-01-01"


@pytest.mark.parametrize(
    ("newer", "dropped"),
    [
        ("规章/新.txt,,,,,旧.txt", True),
        ("规章/新.txt,,,2024-07-01,,旧.txt", False),
        ("规章/新.txt,,,,2024-01-01,旧.txt", False),
    ],
)
def test_only_a_source_that_holds_takes_the_place_of_another(folder, newer, dropped):
    found = outcome(books(folder, newer))
    assert (found["规章/旧.txt"] == ("superseded", {"by": "规章/新.txt"})) == dropped


def test_a_source_that_is_not_read_takes_no_place(folder):
    (folder / "新.doc").write_bytes(b"x")
    assert "source_hash" in outcome(books(folder, "新.doc,,,,,a.txt"))["a.txt"]


def test_lines_may_name_folders_and_patterns_and_the_most_exact_one_holds(folder):
    step = books(folder, "规章/,甲,,,,", "**/*.txt,乙,,,,", "规章/旧.txt,丙,,,,")
    assert step.problems() == []
    assert {source: row["licence"] for source, row in outcome(step).items()} == {
        "a.txt": "乙",
        "b.txt": "乙",
        "规章/新.txt": "甲",
        "规章/旧.txt": "丙",
    }


def test_members_of_an_archive_are_named_with_it(folder):
    import zipfile

    with zipfile.ZipFile(folder / "x.zip", "w") as file:
        file.writestr("丙.txt", LONG)
    assert outcome(books(folder, "x.zip,丁,,,,"))["x.zip/丙.txt"]["licence"] == "丁"


def test_a_row_is_never_less_sensitive_than_the_step_promises(folder):
    step = books(folder, "a.txt,,public,,,", "b.txt,,内部,,,", sensitivity="secret")
    assert step.problems() == []
    assert {row["sensitivity"] for row in outcome(step).values()} == {"secret"}
    step = books(folder, "a.txt,,internal,,,", sensitivity="internal")
    assert step.problems() == [] and outcome(step)["a.txt"]["sensitivity"] == "internal"


def test_a_table_that_is_stricter_than_the_step_stops_the_plan_and_the_run(folder):
    step = books(folder, "a.txt,,机密,,,", "b.txt,,public,,,", sensitivity="public")
    (problem,) = step.problems()
    assert "row 2" in problem and "set `sensitivity: secret`" in problem
    with pytest.raises(RecipeError, match="secret"):
        list(step.rows())
    assert books(folder, "a.txt,,机密,,,", patterns=("b.txt",), sensitivity="public").problems() == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["gone.txt,,,,,"], "row 2: no file 'gone.txt'"),
        (["a.txt,,,,,", "a.txt,x,,,,"], "row 3: 'a.txt' has a line already, row 2"),
        (["a.*,x,,,,", "*.txt,y,,,,"], "row 3: 'a.txt' is meant by row 2"),
        (["a.txt,,,2024-02-30,,"], "row 2: effective '2024-02-30' is no day"),
        (["a.txt,,,,soon,"], "row 2: expires 'soon' is no day"),
        (["a.txt,,,2024-03-01,2024-02-01,"], "row 2: it expires on 2024-02-01"),
        (["a.txt,,geheim,,,"], "row 2: unknown sensitivity 'geheim'"),
        (["a.txt,,,,,gone.txt"], "row 2: supersedes 'gone.txt', which is not in the folder"),
        (["a.txt,,,,,a.txt"], "row 2: 'a.txt' supersedes itself"),
        (["a.txt,,,,,b.txt", "b.txt,,,,,a.txt"], "supersede each other"),
        ([",MIT,,,,"], "row 2: no file is named"),
    ],
)
def test_everything_wrong_with_the_table_is_told_with_its_row(folder, lines, told):
    step = books(folder, *lines, sensitivity="secret")
    assert any(told in problem for problem in step.problems())
    with pytest.raises(RecipeError):
        list(step.rows())


def test_a_table_that_cannot_be_used_is_told(folder):
    assert "no column named `file`" in books(folder, "x", head="name").problems()[0]
    assert "did you mean" in books(folder, "a.txt,x", head="file,licenses").problems()[0]
    assert "two columns" in books(folder, "a.txt,x,y", head="file,licence,许可").problems()[0]
    (folder / "sources.csv").unlink()
    (folder / "sources.xlsx").write_bytes(b"PK no workbook")
    assert "cannot be read" in Books(folder=folder).problems()[0]
    assert "cannot be read" in Books(folder=folder, source_table=folder / "none.xlsx").problems()[0]


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01",
        "2024/3/1",
        "2024.3.1",
        "20240301",
        "2024年3月1日",
        "2024 年 3 月 1 日",
        "45352",
        "2024-03-01 00:00",
    ],
)
def test_days_are_read_in_the_usual_forms(text):
    assert read_day(text) == date(2024, 3, 1)


@pytest.mark.parametrize("text", ["", "2024", "March", "2024-13-01", "1.3.2024", "99999"])
def test_what_is_no_day_is_none(text):
    assert read_day(text) is None
