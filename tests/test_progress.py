"""How a run looks: the table, the plain line, the time that is left."""

import io

import pytest
from rich.console import Console

from sftmill.progress import Display, clock, plain_line, reasons, render, seconds_left, summary

SNAPSHOT = {
    "name": "demo",
    "state": "running",
    "pid": 1,
    "seconds": 100.0,
    "updated": 0.0,
    "stages": {
        "books/01-books": {"in": 1, "born": 0, "out": 1, "dropped": {}, "failed": 0},
        "books/02-split": {"in": 1, "born": 999, "out": 1000, "dropped": {}, "failed": 0},
        "books/03-ask": {"in": 250, "born": 0, "out": 230, "dropped": {"b": 3, "a": 5, "d": 1, "c": 2}, "failed": 9},
    },
    "models": {
        "teacher": {
            "in_flight": 64, "limit": 128, "calls": 1234, "from_ledger": 7, "prompt_tokens": 9, "completion_tokens": 9,
            "overloads": 2, "retries": 3, "tokens_per_second": 4321.0, "paused": None,
        }
    },
    "budget": {"spent_tokens": 56789, "spent_money": 1.25, "cap_tokens": None, "cap_money": 10.0, "currency": "CNY"},
}  # fmt: skip


def text_of(snapshot):
    console = Console(file=io.StringIO(), width=120)
    console.print(render(snapshot))
    return console.file.getvalue()


def test_the_table_shows_rows_reasons_and_what_the_endpoint_does():
    text = text_of(SNAPSHOT)
    for word in (
        "books/03-ask",
        "1,000",
        "11: a 5, b 3, c 2, ...",
        "teacher",
        "64",
        "128",
        "1,234",
        "4,321",
        "1.25 of 10 CNY",
    ):
        assert word in text, word


def test_a_paused_endpoint_says_why():
    paused = {**SNAPSHOT, "models": {"teacher": {**SNAPSHOT["models"]["teacher"], "paused": "no connection"}}}
    assert "paused: no connection" in text_of(paused)


def test_the_time_left_follows_from_the_share_of_rows_that_have_been_asked_about():
    assert seconds_left(SNAPSHOT) == pytest.approx(300)
    assert "about 5 min 0 s left" in summary(SNAPSHOT)
    assert seconds_left({**SNAPSHOT, "state": "done"}) is None
    assert seconds_left({**SNAPSHOT, "seconds": 2}) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (18720, "5 h 12 min")]
)
def test_durations_read_as_people_say_them(seconds, text):
    assert clock(seconds) == text


def test_no_drops_show_nothing():
    assert reasons({}) == ""


def test_a_run_that_stops_leaves_its_table_and_one_that_ends_does_not():
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    with Display(console) as display:
        display(SNAPSHOT)
    assert "books/03-ask" not in console.file.getvalue()
    with pytest.raises(KeyboardInterrupt), Display(console) as display:
        display(SNAPSHOT)
        raise KeyboardInterrupt
    assert "books/03-ask" in console.file.getvalue()


def test_a_log_file_gets_plain_lines_and_the_table_at_the_end(capsys):
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    with Display(console, keep=True) as display:
        display(SNAPSHOT)
        display(SNAPSHOT)
    assert capsys.readouterr().err.count("\n") == 1
    assert "books/03-ask" in console.file.getvalue()
    assert "64 calls in flight" in plain_line(SNAPSHOT)


def test_the_cost_of_an_accepted_sample_is_told_once_there_is_one():
    assert "per accepted sample" not in summary({**SNAPSHOT, "accepted": 0})
    assert "5,678 tokens or 0.125 CNY per accepted sample" in summary({**SNAPSHOT, "accepted": 10})


def test_a_pool_that_grows_shows_its_round_where_nothing_moves_behind_it_yet():
    rounds = [{"admitted": 30}, {"admitted": 12}]
    pool = {"in": 5, "born": 80, "out": 0, "dropped": {"similar_wording": 38}, "failed": 0, "rounds": rounds}
    later = {"in": 0, "born": 0, "out": 0, "dropped": {}, "failed": 0}
    growing = {**SNAPSHOT, "stages": {"tasks/02-self_instruct": pool, "tasks/03-respond": later}}
    assert "tasks/02-self_instruct: 42 in the pool after round 2" in plain_line(growing)
    full = {**growing, "stages": {"tasks/02-self_instruct": {**pool, "out": 42}, "tasks/03-respond": later}}
    assert "tasks/03-respond: 0 rows" in plain_line(full)
