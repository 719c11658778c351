"""Work on the batches of whole data: every batch once, in order, with the place of its first row."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.flow import spread
from sftmill.flow.shards import JoinedShards, Seal, ShardList, schema_of, shard_name, write_shard
from sftmill.flow.spread import Threads, in_groups, pieces, work_on_files


def shards(folder, *sizes):
    """Write shards of so many rows, numbered through all of them."""
    folder.mkdir(exist_ok=True)
    number = 0
    for index, size in enumerate(sizes):
        rows = [{"id": f"{n:06d}", "draw": n, "title": "t" * (n % 3)} for n in range(number, number + size)]
        write_shard(folder / shard_name(index), rows, schema_of(["draw", "title"]), Seal("", ""))
        number += size
    return [folder / shard_name(index) for index in range(len(sizes))]


def seen(place, batch):
    return place, batch.schema.names, batch.column("draw").to_pylist()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 4), st.booleans())
def test_every_row_is_worked_on_once_and_in_order_with_its_place(tmp_path_factory, sizes, most, conditioned):
    files = shards(tmp_path_factory.mktemp("shards"), *sizes)
    total = sum(sizes)
    rows = ShardList(files, (lambda row: row["draw"] % 2 == 0) if conditioned else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spread, "PIECE", most)
        made = list(rows.map(seen, ["draw", "score"]))
    draws = [draw for _, _, part in made for draw in part]
    assert draws == list(range(0, total, 2 if conditioned else 1))
    at = 0
    for place, names, part in made:
        assert place == at
        assert names == ["draw"]
        assert 0 < len(part) <= most
        at += len(part)


def test_rows_of_several_streams_have_places_among_all(tmp_path):
    first, second = ShardList(shards(tmp_path / "a", 3, 2)), ShardList(shards(tmp_path / "b", 4))
    assert [place for place, _, _ in JoinedShards([first, second]).map(seen)] == [0, 3, 5]
    some = ShardList(second.files, lambda row: row["draw"] > 1)
    assert [(place, part) for place, _, part in JoinedShards([some, first]).map(seen)] == [
        (0, [2, 3]),
        (2, [0, 1, 2]),
        (5, [3, 4]),
    ]


def test_what_work_raises_is_raised_and_nothing_goes_on_behind_it(tmp_path):
    def refuse(place, batch):
        if place == 4:
            raise ValueError("not the second")
        return place

    made = ShardList(shards(tmp_path / "s", 4, 4, 4)).map(refuse)
    assert next(made) == 0
    with pytest.raises(ValueError, match="not the second"):
        next(made)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


@pytest.mark.parametrize("number", [1, 3, 40])
def test_there_are_as_many_threads_as_cores_up_to_a_limit(tmp_path, number):
    rows = ShardList(shards(tmp_path / "s", *[2] * 12))
    rows.spread_over = Threads(number)
    together = min(number, spread.MOST_THREADS)
    meet = threading.Barrier(together)

    def work(place, batch):
        if place < 2 * together:
            meet.wait(timeout=30)  # as many batches are under way as there are threads, or it breaks
        return place

    assert list(rows.map(work)) == list(range(0, 24, 2))


def test_tasks_get_shards_by_the_thousand_rows_with_the_place_of_the_first(tmp_path, monkeypatch):
    files = shards(tmp_path / "s", 3, 3, 3, 0, 2)
    monkeypatch.setattr(spread, "TASK_ROWS", 5)
    groups = list(in_groups(files))
    assert groups == [(0, files[:2]), (6, files[2:])]
    parts = [work_on_files(seen, place, group, ["draw"]) for place, group in groups]
    assert [item for part in parts for item in part] == list(ShardList(files).map(seen, ["draw"]))
    assert list(in_groups([])) == []


def test_pieces_of_empty_batches_are_none():
    import pyarrow as pa

    batch = pa.RecordBatch.from_pydict({"draw": list(range(5))})
    assert list(pieces(iter([batch.slice(0, 0), batch, batch.slice(5)]), 7)) == [(7, batch)]
