import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sftmill.core import Sampling
from sftmill.errors import LedgerError
from sftmill.models import ledger_file, ledger_writer
from sftmill.models.ledger import Entry, Ledger, Spent, request_key, sampling_fields


def put(ledger, *entries):
    asyncio.run(ledger.put(list(entries)))


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


# ---- keys


def asked(**changes):
    request = {
        "kind": "chat",
        "model": "m",
        "revision": "r",
        "content": [{"role": "user", "content": "你好"}],
        "sampling": Sampling(temperature=0.7),
        "schema": {"type": "object"},
        "extra": {"seed": 1},
        "draw": "row",
        "attempt": 0,
    }
    return request_key(**{**request, **changes})


def test_a_key_has_16_bytes_and_never_changes():
    assert asked().hex() == "a9ccd439392f783a4f5b8351393d3410"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "complete"},
        {"model": "n"},
        {"revision": None},
        {"content": [{"role": "system", "content": "你好"}]},
        {"content": [{"role": "user", "content": "你"}, {"role": "user", "content": "好"}]},
        {"content": "你好"},
        {"sampling": Sampling(temperature=0.8)},
        {"sampling": Sampling(temperature=0.7, max_tokens=2048)},
        {"sampling": Sampling(temperature=0.7, stop=("。",))},
        {"sampling": Sampling(temperature=0.7, logprobs=0)},
        {"schema": None},
        {"schema": {"properties": {"a": {}, "b": {}}}},
        {"extra": {"seed": 2}},
        {"draw": "another row"},
        {"attempt": 1},
    ],
)
def test_whatever_decides_the_answer_changes_the_key(change):
    assert asked(**change) != asked()


def test_what_does_not_decide_the_answer_leaves_the_key_alone():
    assert asked(sampling=Sampling(temperature=0.7, keep_truncated=True)) == asked()
    assert asked(sampling=sampling_fields(Sampling(temperature=0.7))) == asked()
    assert asked(content=[{"content": "你好", "role": "user"}]) == asked()
    assert asked(extra={}) == asked(extra=None)


def test_the_order_of_fields_in_a_schema_counts_because_servers_generate_in_it():
    one, other = {"a": {}, "b": {}}, {"b": {}, "a": {}}
    assert asked(schema={"properties": one}) != asked(schema={"properties": other})
    assert asked(extra=one) == asked(extra=other)


def test_fields_of_sampling_that_are_left_to_the_server_are_not_in_the_key():
    assert json.loads(sampling_fields(Sampling())) == {"temperature": 0.0, "max_tokens": 1024}


texts = st.text(st.characters(), max_size=20)  # lone surrogates included
requests = st.tuples(
    st.sampled_from(["chat", "complete", "embed"]),
    texts,
    st.none() | texts,
    texts
    | st.lists(texts, max_size=3)
    | st.lists(st.fixed_dictionaries({"role": texts, "content": texts}), max_size=2),
    st.none() | texts,
    st.none() | st.dictionaries(texts, texts, max_size=2),
    st.none() | st.dictionaries(texts, st.integers(-(2**70), 2**70), min_size=1, max_size=2),
    st.none() | texts,
    st.integers(0, 3),
)


@given(requests, requests)
@settings(max_examples=300)
def test_two_requests_have_the_same_key_only_when_they_are_the_same(one, other):
    same = one == other and repr(one[5]) == repr(other[5])  # the order within a schema counts
    assert (request_key(*one) == request_key(*other)) == same


@given(texts.filter(bool), texts, st.integers(0, 20))
def test_moving_a_boundary_between_fields_changes_the_key(model, content, at):
    moved = request_key("chat", model[:at], None, model[at:] + content)
    assert (moved == request_key("chat", model, None, content)) == (at >= len(model))


def test_a_surrogate_pair_is_not_the_character_that_it_spells():
    assert request_key("complete", "m", None, ["\ud83d\ude00", "\ud800"]) != request_key(
        "complete", "m", None, ["😀", "\ud800"]
    )


# ---- putting and getting

entries = st.builds(
    Entry,
    key=st.binary(min_size=16, max_size=16),
    sample=st.integers(0, 50),
    text=texts,
    reasoning=st.none() | texts,
    finish=st.sampled_from(["stop", "length", "refused"]),
    prompt_tokens=st.integers(0, 10**9),
    completion_tokens=st.integers(0, 10**9),
    logprobs=st.none() | st.binary(max_size=20),
    model=st.text(max_size=5),
    role=st.text(max_size=5),
    run=st.text(max_size=5),
    created=st.floats(1, 4e9),
    cached_tokens=st.integers(0, 10**6),
)


@given(st.lists(entries, max_size=8, unique_by=lambda e: (e.key, e.sample)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_put_is_got_back_by_this_and_the_next_process(tmp_path, given_entries):
    path = tmp_path / f"{os.urandom(8).hex()}.sqlite"
    with Ledger.open(path) as ledger:
        put(ledger, *given_entries)
        assert all(e in ledger.get(e.key, e.sample + 1) for e in given_entries)
    with Ledger.open(path) as ledger:
        for entry in given_entries:
            assert entry in ledger.get(entry.key, entry.sample + 1)
            assert entry not in ledger.get(entry.key, entry.sample)


@pytest.mark.parametrize("text", ["", "a\0b", "\0", "😀🀄", "\ud83d 半个", "问题\n" * 10_000, "<|im_end|>"])
def test_every_text_comes_back_as_it_was(ledger, text):
    put(ledger, Entry(key(1), 0, text, reasoning=text), Entry(key(2), 0, "neighbour"))
    (found,) = ledger.get(key(1))
    assert (found.text, found.reasoning) == (text, text)
    assert ledger.get(key(2))[0].text == "neighbour"


def test_samples_come_in_order_and_only_those_asked_for(ledger):
    put(ledger, *[Entry(key(1), i, str(i)) for i in (4, 0, 2, 1)])
    assert [e.sample for e in ledger.get(key(1), 3)] == [0, 1, 2]
    assert [e.sample for e in ledger.get(key(1), 10)] == [0, 1, 2, 4]
    assert ledger.get(key(2), 10) == []


def test_an_entry_that_still_waits_is_found_and_the_time_is_filled_in(ledger):
    async def scenario():
        waiting = asyncio.ensure_future(ledger.put([Entry(key(1), 1, "waits"), Entry(key(1), 0, "too")]))
        await asyncio.sleep(0)
        found = ledger.get(key(1), 5)
        await waiting
        return found, ledger.get(key(1), 5)

    while_waiting, afterwards = asyncio.run(scenario())
    assert while_waiting == afterwards
    assert [e.text for e in afterwards] == ["too", "waits"]
    assert abs(afterwards[0].created - time.time()) < 60
    assert not ledger._writer.pending


def test_the_first_answer_stays(ledger):
    put(ledger, Entry(key(1), 0, "first"))
    put(ledger, Entry(key(1), 0, "second"))
    assert [e.text for e in ledger.get(key(1))] == ["first"]


def test_a_cancelled_put_still_writes_what_was_paid_for(ledger):
    async def scenario():
        task = asyncio.ensure_future(ledger.put([Entry(key(1), 0, "paid", run="r", prompt_tokens=3)]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ledger.put([Entry(key(2), 0, "next")])

    asyncio.run(scenario())
    assert ledger.get(key(1))[0].text == "paid"
    assert ledger.spent("r")[0].prompt_tokens == 3


def test_closing_writes_what_waits(tmp_path):
    async def scenario():
        ledger = Ledger.open(tmp_path / "l.sqlite")
        tasks = [asyncio.ensure_future(ledger.put([Entry(key(i), 0, "x")])) for i in range(100)]
        await asyncio.sleep(0)
        ledger.close()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert not (tmp_path / "l.sqlite-wal").exists()
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        assert all(ledger.get(key(i)) for i in range(100))


def test_the_log_is_folded_into_the_file_once_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_writer, "IDLE_SECONDS", 0.005)
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        put(ledger, *[Entry(key(i), 0, "x" * 1000) for i in range(200)])
        for _ in range(200):
            if (tmp_path / "l.sqlite").stat().st_size > 200_000:
                break
            time.sleep(0.01)
        assert (tmp_path / "l.sqlite").stat().st_size > 200_000


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_writers_at_once_lose_nothing_and_the_speed_is_shown(ledger, capsys, count):
    keys = [os.urandom(16) for _ in range(count)]

    async def worker(mine):
        for k in mine:
            assert ledger.get(k) == []
            await ledger.put([Entry(k, 0, "答案" * 200, run="r", role="teacher", model="m", completion_tokens=1)])

    async def all_workers():
        await asyncio.gather(*(worker(keys[i::256]) for i in range(256)))

    begin = time.process_time()
    asyncio.run(all_workers())
    each = (time.process_time() - begin) / count * 1e6
    with capsys.disabled():
        print(f"\nledger: {each:.1f} microseconds of CPU per get and put")
    assert all(len(ledger.get(k)) == 1 for k in keys)
    assert ledger.spent("r") == [Spent("teacher", "m", count, 0, count, 0)]


# ---- several processes, and death

WRITE = """
import asyncio, sys
from sftmill.models.ledger import Entry, Ledger
ledger = Ledger.open(sys.argv[1])
name, count = sys.argv[2], int(sys.argv[3])
async def worker(first):
    for i in range(first, count, 16):
        await ledger.put([Entry(i.to_bytes(16, "big"), 0, name, run=name, completion_tokens=1)])
        print(i, flush=True)
async def main():
    await asyncio.gather(*(worker(i) for i in range(16)))
asyncio.run(main())
if sys.argv[4:]: ledger.close()
"""


def writer(path: Path, name: str, count: int, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), name, str(count), *more], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("lines", [1, 150, 700])
def test_every_answer_whose_put_returned_survives_a_kill(tmp_path, lines):
    path = tmp_path / "l.sqlite"
    with writer(path, "a", 10**9) as process:
        promised = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        promised += process.stdout.readlines()  # what was printed between our reading and its death
    promised = [int(line) for line in promised if line.endswith("\n")]
    assert len(promised) >= lines
    with Ledger.open(path) as ledger:
        assert [i for i in promised if not ledger.get(key(i))] == []
        assert ledger.spent("a")[0].completion_tokens == ledger.statistics()["entries"] >= len(promised)


def test_two_processes_write_the_same_keys_at_once(tmp_path):
    path = tmp_path / "l.sqlite"
    with writer(path, "a", 400, "close") as one, writer(path, "b", 400, "close") as other:
        assert len(one.stdout.readlines()) == len(other.stdout.readlines()) == 400
    assert one.returncode == other.returncode == 0
    with Ledger.open(path) as ledger:
        assert [len(ledger.get(key(i), 9)) for i in range(400)] == [1] * 400
        assert {ledger.get(key(i))[0].text for i in range(400)} <= {"a", "b"}
        # both have paid
        assert [ledger.spent(name)[0].answers for name in "ab"] == [400, 400]


def test_an_answer_of_another_process_is_found_while_both_are_open(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite") as mine, Ledger.open(tmp_path / "l.sqlite") as theirs:
        assert mine.get(key(1)) == []
        put(theirs, Entry(key(1), 0, "theirs"))
        assert mine.get(key(1))[0].text == "theirs"


def test_pruning_in_one_process_does_not_disturb_another(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite") as running, Ledger.open(tmp_path / "l.sqlite") as pruning:
        put(running, *[Entry(key(i), 0, "x" * 500, model="old" if i % 2 else "new") for i in range(100)])
        assert pruning.prune(model="old") == 50
        put(running, Entry(key(200), 0, "y"))
        assert [bool(running.get(key(i))) for i in (0, 1, 2, 200)] == [True, False, True, True]


def test_a_fork_may_not_use_the_ledger_of_its_parent(ledger, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(LedgerError, match="open it again in this process"):
        ledger.get(key(1))
    with pytest.raises(LedgerError, match="fork"):
        asyncio.run(ledger.put([Entry(key(1), 0, "x")]))


# ---- where it may lie

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /mnt/share rw shared:1 - nfs4 server:/share rw
31 30 0:41 / /mnt/share/disk rw - xfs /dev/sdb rw
32 27 0:42 / /mnt/with\\040blank rw - fuse.sshfs host: rw
33 27 0:43 / /mnt/later rw - ext4 /dev/sdc rw
34 27 0:44 / /mnt/later rw - 9p host rw
a line that makes no sense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/l.sqlite", "ext4"),
        ("/mnt/share/a/l.sqlite", "nfs4"),
        ("/mnt/shared/l.sqlite", "ext4"),
        ("/mnt/share/disk/l.sqlite", "xfs"),
        ("/mnt/with blank/l.sqlite", "fuse.sshfs"),
        ("/mnt/later/l.sqlite", "9p"),
    ],
)
def test_the_file_system_is_the_one_mounted_nearest(path, kind):
    assert ledger_file.file_system_of(Path(path), MOUNTS)[0] == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "ceph", "fuse.sshfs"])
def test_a_network_file_system_is_refused_before_anything_is_written(tmp_path, kind):
    (tmp_path / "mountinfo").write_text(f"30 27 0:40 / {tmp_path} rw - {kind} server:/share rw\n")
    with pytest.raises(LedgerError, match=f"network file system \\({kind}.*set another path"):
        Ledger.open(tmp_path / "runs" / "l.sqlite", mounts=tmp_path / "mountinfo")
    assert not (tmp_path / "runs").exists()


def test_a_local_disk_below_a_network_file_system_is_fine(tmp_path):
    (tmp_path / "mountinfo").write_text(f"1 1 0:1 / / rw - nfs4 s:/ rw\n2 1 0:2 / {tmp_path} rw - ext4 /dev/sda rw\n")
    Ledger.open(tmp_path / "l.sqlite", mounts=tmp_path / "mountinfo").close()


def test_a_system_without_a_table_of_mounts_is_trusted(tmp_path):
    Ledger.open(tmp_path / "l.sqlite", mounts=tmp_path / "absent").close()


def test_a_ledger_of_a_newer_version_is_refused(tmp_path):
    Ledger.open(tmp_path / "l.sqlite").close()
    connection = sqlite3.connect(tmp_path / "l.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LedgerError, match=r"newer sftmill \(its schema is 99.*pip install --upgrade"):
        Ledger.open(tmp_path / "l.sqlite")


def test_the_database_of_another_program_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE birds (name)")
    connection.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(LedgerError, match=r"another program.*birds"):
        Ledger.open(tmp_path / "other.db")
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    (tmp_path / "l.sqlite").write_text("notes of a meeting\n" * 100)
    with pytest.raises(LedgerError, match="damaged or no ledger"):
        Ledger.open(tmp_path / "l.sqlite")
    assert (tmp_path / "l.sqlite").read_text() == "notes of a meeting\n" * 100


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="file"):
        Ledger.open(tmp_path / "file" / "l.sqlite")


# ---- trouble while it is open


def test_a_full_disk_fails_those_who_wait_and_the_ledger_goes_on_once_there_is_space(ledger):
    put(ledger, Entry(key(1), 0, "before", run="r"))
    connection = ledger._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._writer.call(lambda c: c.execute(f"PRAGMA max_page_count={pages}").fetchall())

    async def scenario():
        return await asyncio.gather(
            *(ledger.put([Entry(key(i), 0, "x" * 100_000, run="r")]) for i in (2, 3)), return_exceptions=True
        )

    for problem in asyncio.run(scenario()):
        assert isinstance(problem, LedgerError)
        assert "full; free some space" in str(problem)
    assert [ledger.get(key(i)) for i in (2, 3)] == [[], []]
    assert ledger.spent("r")[0].answers == 1
    ledger._writer.call(lambda c: c.execute("PRAGMA max_page_count=1000000").fetchall())
    put(ledger, Entry(key(2), 0, "after", run="r"))
    assert ledger.get(key(2))[0].text == "after"
    assert ledger.spent("r")[0].answers == 2


def test_a_disk_that_takes_no_more_bytes_loses_nothing_that_was_promised(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    promised = []

    async def fill(ledger):
        for i in range(1000):
            await ledger.put([Entry(key(i), 0, "x" * 3000)])
            promised.append(i)

    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, hard))
        try:
            with pytest.raises(LedgerError, match="disk under"):
                asyncio.run(fill(ledger))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert promised
        put(ledger, Entry(key(5000), 0, "after"))
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        assert all(ledger.get(key(i)) for i in [*promised, 5000])


def test_a_ledger_that_becomes_read_only_says_so_and_can_still_be_read(ledger):
    put(ledger, Entry(key(1), 0, "before"))
    ledger._writer.call(lambda c: c.execute("PRAGMA query_only=1"))
    with pytest.raises(LedgerError, match="not writable; allow writing"):
        put(ledger, Entry(key(2), 0, "x"))
    assert ledger.get(key(1))[0].text == "before"


def test_a_value_that_cannot_be_kept_does_not_cost_its_neighbours_their_answers(ledger):
    async def scenario():
        return await asyncio.gather(
            ledger.put([Entry(key(1), 0, "good")]),
            ledger.put([Entry(key(2), 0, ["no", "text"])]),
            ledger.put([Entry(key(3), 0, "good", completion_tokens=2**70)]),
            ledger.put([Entry(key(4), 0, "good")]),
            return_exceptions=True,
        )

    one, two, three, four = asyncio.run(scenario())
    assert one is four is None
    assert isinstance(two, LedgerError)
    assert isinstance(three, LedgerError)
    assert [len(ledger.get(key(i))) for i in (1, 2, 3, 4)] == [1, 0, 0, 1]


def test_a_damaged_file_is_explained_when_it_is_read(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path) as ledger:
        put(ledger, *[Entry(key(i), 0, "x" * 500) for i in range(200)])
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(LedgerError, match="damaged"), Ledger.open(path) as ledger:
        for i in range(200):
            ledger.get(key(i))


def test_a_closed_ledger_says_so(tmp_path):
    ledger = Ledger.open(tmp_path / "l.sqlite")
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="is closed"):
        ledger.get(key(1))


def test_a_loop_that_ended_does_not_stop_the_writer(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite") as ledger:

        async def leave_at_once():
            task = asyncio.ensure_future(ledger.put([Entry(key(1), 0, "left")]))
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(leave_at_once())
        put(ledger, Entry(key(2), 0, "next"))
        assert [e.text for i in (1, 2) for e in ledger.get(key(i))] == ["left", "next"]


# ---- accounts, statistics, export, pruning


def filled(ledger):
    day = 86400.0
    put(
        ledger,
        Entry(key(1), 0, "a", None, "stop", 10, 5, None, "m", "teacher", "one", 1 * day, 4),
        Entry(key(1), 1, "b", None, "length", 0, 7, None, "m", "teacher", "one", 1 * day),
        Entry(key(2), 0, "c", "why", "stop", 3, 2, b'[{"token":"c"}]', "n", "judge", "one", 40 * day),
        Entry(key(3), 0, "d", None, "refused", 1, 1, None, "m", "teacher", "two", 80 * day),
    )


def test_what_a_run_spent_is_summed_by_role_and_outlives_pruning(ledger):
    filled(ledger)
    expected = [Spent("judge", "n", 1, 3, 2, 0), Spent("teacher", "m", 2, 10, 12, 4)]
    assert ledger.spent("one") == expected
    assert ledger.spent("unknown") == []
    ledger.prune(run="one")
    assert ledger.spent("one") == expected


def test_statistics_count_what_is_there(ledger):
    filled(ledger)
    found = ledger.statistics()
    assert found.pop("bytes") > 4096
    assert found == {
        "entries": 4,
        "prompt_tokens": 14,
        "completion_tokens": 15,
        "by_model": {"m": 3, "n": 1},
        "by_finish": {"length": 1, "refused": 1, "stop": 2},
        "by_run": {"one": 3, "two": 1},
        "by_month": {"1970-01": 2, "1970-02": 1, "1970-03": 1},
    }


def test_an_export_holds_every_entry_in_order_of_writing(ledger, tmp_path):
    filled(ledger)
    put(ledger, *[Entry(key(100 + i), 0, "\ud800" if i == 7 else "x") for i in range(1200)])
    assert ledger.export(tmp_path / "out.jsonl") == 1204
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [int(r["key"], 16) for r in records] == [1, 1, 2, 3, *range(100, 1300)]
    assert records[2]["reasoning"] == "why"
    assert records[2]["logprobs"] == '[{"token":"c"}]'
    assert records[4 + 7]["text"] == "\ud800"
    assert not list(tmp_path.glob("*.unfinished"))


def test_an_export_that_cannot_be_written_says_where(ledger, tmp_path):
    with pytest.raises(LedgerError, match=r"cannot export to .*absent"):
        ledger.export(tmp_path / "absent" / "out.jsonl")


def test_pruning_deletes_what_meets_all_conditions_and_gives_the_space_back(ledger):
    filled(ledger)
    put(ledger, *[Entry(key(100 + i), 0, "x" * 5000, model="big") for i in range(300)])
    size = ledger.statistics()["bytes"]
    assert ledger.prune(model="big", dry_run=True) == 300
    assert ledger.statistics()["entries"] == 304
    assert ledger.prune(model="big") == 300
    assert ledger.statistics()["bytes"] < size / 4
    assert ledger.prune(older_than_days=30, model="m", now=80 * 86400.0) == 2
    assert [len(ledger.get(key(i), 9)) for i in (1, 2, 3)] == [0, 1, 1]
    put(ledger, Entry(key(1), 0, "again"))
    assert ledger.get(key(1))[0].text == "again"


def test_pruning_everything_by_accident_is_not_possible(ledger):
    with pytest.raises(LedgerError, match="needs a condition"):
        ledger.prune()
