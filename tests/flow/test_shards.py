"""Shards on disk: what goes in comes out, sealed, whole or not at all."""

import os
import threading

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.errors import StorageError
from sftmill.flow import shards as shards_module
from sftmill.flow.lineage import as_stored
from sftmill.flow.shards import (
    Counts,
    JoinedShards,
    Seal,
    ShardList,
    hash_file,
    read_rows,
    read_seal,
    read_table,
    read_tables,
    schema_of,
    shard_files,
    shard_name,
    write_atomically,
    write_shard,
)

SCHEMA = schema_of(["draw", "messages", "score"])
TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text(max_size=30)})
ROW = st.fixed_dictionaries(
    {"id": st.text(st.sampled_from("0123456789abcdef"), min_size=1, max_size=32)},
    optional={
        "draw": st.integers(-(2**63), 2**63 - 1),
        "messages": st.lists(TURN, min_size=1, max_size=3),
        "score": st.floats(allow_nan=False),
    },
)


@given(st.lists(ROW, max_size=8))
def test_rows_come_back_as_they_went_in(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("s") / "00000.parquet"
    write_shard(path, rows, SCHEMA, Seal("in", "print"))
    assert read_rows(path) == rows


def test_the_seal_tells_what_a_shard_was_made_from(tmp_path):
    path = tmp_path / "00000.parquet"
    counts = Counts(rows_in=3, born=1, out=2, failed=1, dropped={"odd": 1})
    assert counts.balanced()
    write_shard(path, [], SCHEMA, Seal("in", "print", {"01-x": counts.as_dict()}))
    seal = read_seal(path)
    assert seal.matches("in", "print")
    assert not seal.matches("in", "other")
    assert seal.failed() == 1
    assert Counts.from_dict(seal.counts["01-x"]) == counts


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not a shard at all"])
def test_a_damaged_or_missing_shard_has_no_seal(tmp_path, damage):
    path = tmp_path / "00000.parquet"
    assert read_seal(path) is None
    path.write_bytes(damage)
    assert read_seal(path) is None


def test_equal_rows_give_equal_bytes(tmp_path):
    rows = [{"id": "a", "draw": 1}, {"id": "b", "score": 0.5}]
    for name in ("one", "two"):
        write_shard(tmp_path / name / "00000.parquet", rows, SCHEMA, Seal("in", "print"))
    assert hash_file(tmp_path / "one" / "00000.parquet") == hash_file(tmp_path / "two" / "00000.parquet")


def test_a_value_of_the_wrong_type_is_named_with_row_and_column(tmp_path):
    with pytest.raises(TypeError, match=r"03-x: column 'draw' of row b is no int64"):
        write_shard(tmp_path / "0.parquet", [{"id": "a"}, {"id": "b", "draw": "seven"}], SCHEMA, Seal("", ""), "03-x")
    with pytest.raises(TypeError, match="'metadata', which is no column"):
        write_shard(tmp_path / "0.parquet", [{"id": "a", "metadata": {}}], SCHEMA, Seal("", ""), "03-x")


def test_a_write_that_fails_leaves_the_old_file_and_no_scraps(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def shards(tmp_path):
    for index in range(3):
        rows = [{"id": f"{index}{k}", "draw": 10 * index + k} for k in range(4)]
        write_shard(tmp_path / shard_name(index), rows, schema_of(["draw"]), Seal("", ""))
        write_shard(tmp_path / f"{index:05d}.dropped.parquet", rows, schema_of(["draw"]), Seal("", ""))
    return shard_files(tmp_path)


def test_a_list_of_shards_reads_them_in_order_with_a_condition_or_joined(shards):
    assert [path.name for path in shards] == ["00000.parquet", "00001.parquet", "00002.parquet"]
    everything = ShardList(shards)
    even = ShardList(shards, lambda row: row["draw"] % 2 == 0)
    assert (len(everything), len(even)) == (12, 6)
    assert [row["draw"] for row in even.rows()] == [0, 2, 10, 12, 20, 22]
    batches = pa.Table.from_batches(even.batches(["draw"]))
    assert batches.column("draw").to_pylist() == [0, 2, 10, 12, 20, 22]
    joined = JoinedShards([even, everything])
    assert len(joined) == 18
    assert [row["draw"] for row in joined.rows()][:7] == [0, 2, 10, 12, 20, 22, 0]
    assert sum(batch.num_rows for batch in joined.batches()) == 18


def test_one_shard_is_read_ahead_with_the_columns_that_it_has(tmp_path, monkeypatch):
    files = [tmp_path / shard_name(index) for index in range(4)]
    for index, file in enumerate(files):
        write_shard(file, [{"id": str(index), "draw": index}], schema_of(["draw"]), Seal("", ""))
    read = []
    monkeypatch.setattr(
        shards_module, "read_table", lambda path, columns: read.append(path) or read_table(path, columns)
    )
    tables = read_tables(files, ["draw", "score"])
    assert next(tables).to_pydict() == {"draw": [0]}
    assert next(tables).to_pydict() == {"draw": [1]}
    tables.close()
    assert read[:2] == files[:2] and len(read) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
    assert [table.num_rows for table in read_tables(files)] == [1, 1, 1, 1]
    assert list(read_tables([])) == []


def test_a_shard_that_cannot_be_read_is_told_where_its_turn_is(tmp_path):
    files = [tmp_path / shard_name(index) for index in range(2)]
    write_shard(files[0], [{"id": "0"}], schema_of([]), Seal("", ""))
    tables = read_tables(files)
    assert next(tables).num_rows == 1
    with pytest.raises(FileNotFoundError):
        next(tables)


def test_shards_become_daft_frames_with_their_condition(shards):
    pytest.importorskip("daft", reason="pip install 'sftmill[scale]'")
    assert ShardList(shards).frame().count_rows() == 12
    even = ShardList(shards, lambda row: row["draw"] % 2 == 0)
    assert even.frame().sum("draw").to_pydict() == {"draw": [66]}


LOOSE = st.fixed_dictionaries(
    {"id": st.just("a")},
    optional={"score": st.integers(-5, 5) | st.none(), "draw": st.integers(0, 9), "title": st.text() | st.none()},
)


@given(LOOSE)
def test_a_row_looks_the_same_before_it_is_written_and_after(tmp_path_factory, row):
    path = tmp_path_factory.mktemp("s") / "00000.parquet"
    made = as_stored(dict(row))
    write_shard(path, [made], schema_of(["score", "draw", "title"]), Seal("in", "print"))
    (back,) = read_rows(path)
    assert repr(sorted(back.items())) == repr(sorted(made.items()))
