import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop, Dropped
from sftmill.steps.ingest import archive
from sftmill.steps.ingest.archive import list_members, read_member
from sftmill.steps.ingest.books import Books

LONG = "机房的空调系统应当保持全年不间断运行，室内温度控制在二十二度到二十四度之间，值班人员每小时巡检一次并记录。"


def packed(members, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    inner = packed([("丙.txt", LONG), ("third.zip", packed([("x.txt", LONG)]))])
    members = [("b/乙.txt", LONG), ("a.md", f"# 题\n\n{LONG}"), ("inner.zip", inner), ("photo.jpg", b"\xff\xd8\xff")]
    (tmp_path / "资料.zip").write_bytes(packed(members))
    return tmp_path


def test_members_are_listed_like_files_and_read_by_their_path(folder):
    books = Books(folder=folder)
    listed = list(books.rows())
    rows = [row for row in listed if not isinstance(row, Dropped)]
    assert [row["source"] for row in rows] == ["资料.zip/a.md", "资料.zip/b/乙.txt", "资料.zip/inner.zip/丙.txt"]
    reader, *_ = books.then()
    assert all(LONG in reader.row(row)[0]["document"] for row in rows)
    assert reader.row(rows[1])[0]["title"] == "乙"
    assert {d.row["source"]: d.reason for d in listed if isinstance(d, Dropped)} == {
        "资料.zip/inner.zip/third.zip": "skipped",
        "资料.zip/photo.jpg": "format_not_supported",
    }


def test_the_hash_of_a_member_is_that_of_its_bytes(folder):
    (folder / "乙.txt").write_text(LONG, "utf-8")
    rows = {row["source"]: row["source_hash"] for row in Books(folder=folder).rows() if not isinstance(row, Dropped)}
    assert rows["乙.txt"] == rows["资料.zip/b/乙.txt"] == rows["资料.zip/inner.zip/丙.txt"]


def test_a_member_that_changed_since_it_was_listed_is_dropped(folder):
    row = next(row for row in Books(folder=folder).rows() if not isinstance(row, Dropped))
    (folder / "资料.zip").write_bytes(packed([("a.md", "other")]))
    with pytest.raises(Drop, match="changed"):
        Books(folder=folder).then()[0].row(row)


def with_raw_name(name):
    """Return an archive whose member has a name in these bytes, without the flag that says UTF-8."""
    stand_in = "n" * len(name)
    return packed([(stand_in, LONG)], zipfile.ZIP_STORED).replace(stand_in.encode(), name)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_chinese_names_are_read_whether_or_not_they_say_how_they_are_written(tmp_path, encoding):
    (tmp_path / "x.zip").write_bytes(with_raw_name("规章制度/第一章.txt".encode(encoding)))
    (row,) = Books(folder=tmp_path).rows()
    assert row["source"] == "x.zip/规章制度/第一章.txt"
    assert Books(folder=tmp_path).then()[0].row(row)[0]["document"] == LONG


def test_paths_that_lead_out_and_links_and_hidden_files_are_named_not_read(tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    names = ["../up.txt", "/root.txt", "C:\\win.txt", "__MACOSX/._a.txt", "ok\\inside.txt"]
    (tmp_path / "x.zip").write_bytes(packed([*((name, LONG) for name in names), (link, "target")]))
    found = {member.path: member.why for member in list_members(tmp_path / "x.zip")}
    assert found == {
        "../up.txt": "its path leads out of the archive",
        "/root.txt": "its path leads out of the archive",
        "C:/win.txt": "its path leads out of the archive",
        "__MACOSX/._a.txt": "a hidden file",
        "link.txt": "a link",
        "ok/inside.txt": "",
    }
    with pytest.raises(Drop, match="unreadable"):
        read_member(tmp_path / "x.zip", "../up.txt")


def test_encrypted_members_are_named(tmp_path):
    data = bytearray(packed([("a.txt", LONG)]))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    (dropped,) = Books(folder=tmp_path).rows()
    assert (dropped.reason, dropped.row["source"]) == ("encrypted", "x.zip/a.txt")


def test_archives_made_to_fill_the_disk_are_not_unpacked(tmp_path, monkeypatch):
    (tmp_path / "bomb.zip").write_bytes(packed([("zeros.txt", b"0" * (20 << 20)), ("a.txt", LONG)]))
    found = {member.path: member.why for member in list_members(tmp_path / "bomb.zip")}
    assert "times larger" in found["zeros.txt"] and found["a.txt"] == ""
    (tmp_path / "many.zip").write_bytes(packed([(f"{n}.txt", LONG) for n in range(9)]))
    monkeypatch.setattr(archive, "MOST_MEMBERS", 4)
    found = [member.why for member in list_members(tmp_path / "many.zip")]
    assert found == ["", "", "", "", "the archive has more than 4 members; unpack it"]
    monkeypatch.setattr(archive, "MOST_MEMBERS", 100)
    monkeypatch.setattr(archive, "MOST_BYTES", 400)
    assert sum(not member.why for member in list_members(tmp_path / "many.zip")) == 2


def test_a_second_member_of_the_same_name_is_named(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = packed([("a.txt", "first"), ("a.txt", "second")])
    (tmp_path / "x.zip").write_bytes(data)
    assert [m.why for m in list_members(tmp_path / "x.zip")] == ["", "a second member of this name"]
    assert read_member(tmp_path / "x.zip", "a.txt") == b"first"


@pytest.mark.parametrize(("data", "reason"), [(b"no archive", "unreadable"), (packed([]), "skipped")])
def test_what_is_no_archive_or_empty_is_named(tmp_path, data, reason):
    (tmp_path / "x.zip").write_bytes(data)
    (dropped,) = Books(folder=tmp_path).rows()
    assert dropped.reason == reason and dropped.facts["why"]


def test_a_damaged_member_does_not_take_the_others_along(tmp_path):
    data = bytearray(packed([("a.txt", LONG), ("b.txt", LONG * 2)], zipfile.ZIP_STORED))
    data[data.index(LONG.encode())] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(data)
    first, second = Books(folder=tmp_path).rows()
    assert (first.reason, second["source"]) == ("unreadable", "x.zip/b.txt")


def test_a_folder_may_be_called_like_an_archive(tmp_path):
    (tmp_path / "x.zip").mkdir()
    (tmp_path / "x.zip" / "a.txt").write_text(LONG, "utf-8")
    (row,) = Books(folder=tmp_path).rows()
    assert Books(folder=tmp_path).then()[0].row(row)[0]["document"] == LONG


@given(st.integers(0, 700), st.binary(max_size=30), st.binary(max_size=200))
@settings(max_examples=80)
def test_any_bytes_called_zip_are_listed_or_dropped(at, patch, data):
    import tempfile

    good = bytearray(packed([("目录/a.txt", LONG), ("b.zip", packed([("c.txt", LONG)]))]))
    good[at : at + len(patch)] = patch
    for candidate in (bytes(good), data, b"PK\x03\x04" + data, data + b"PK\x05\x06" + bytes(18)):
        with tempfile.TemporaryDirectory() as place:
            Path(place, "x.zip").write_bytes(candidate)
            for row in Books(folder=Path(place)).rows():
                assert isinstance(row, Dropped) or row["source"].startswith("x.zip/")
