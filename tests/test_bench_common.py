"""The lines and the exit status by which benchmarks report."""

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def common(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import common

    yield common
    sys.modules.pop("common", None)


def test_a_bar_that_is_a_ceiling_is_met_at_the_ceiling(common):
    assert common.Result("cpu", 0.40, 0.40).ok
    assert not common.Result("cpu", 0.41, 0.40).ok


def test_a_bar_that_is_a_floor_is_met_at_the_floor(common):
    assert common.Result("rate", 0.40, 0.40, at_least=True).ok
    assert not common.Result("rate", 0.39, 0.40, at_least=True).ok


def test_a_figure_that_is_not_a_number_meets_no_bar(common):
    assert not common.Result("rate", float("nan"), 0.40).ok
    assert not common.Result("rate", float("nan"), 0.40, at_least=True).ok


def test_a_broken_promise_is_short_whatever_the_figure(common):
    assert not common.Result("kill9", 0, 10, broken="3 rows lost").ok


def test_the_line_has_four_words(common):
    line = common.Result("start_up", 0.8321, 1.5, unit="s").line()
    assert line == "ok start_up 0.832s <=1.50s"
    assert common.Result("memory", 1234.6, 300, unit="MB").line().split() == ["short", "memory", "1,235MB", "<=300MB"]


def test_the_exit_status_is_one_when_any_bar_is_short(common, capsys):
    met, missed = common.Result("a", 1, 2), common.Result("b", 3, 2, note="why")
    assert common.finish([met]) == 0
    assert common.finish([met, missed]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == ["ok a 1 <=2", "short b 3 <=2"]


def test_nothing_measured_is_no_success(common):
    assert common.finish([]) == 1


def test_the_table_names_the_raw_limit_the_peer_and_the_note(common):
    made = common.table([common.Result("a", 1, 2, raw="0.5 bare", peer="other 9", note="why", broken="lost")])
    assert "0.5 bare" in made and "other 9" in made and "a: lost; why" in made and "SHORT" in made


def test_quick_and_full_exclude_each_other(common, capsys):
    parser = common.parser("A bench.", ["cpu", "rate"])
    assert parser.parse_args(["--quick", "--only", "rate"]).only == ["rate"]
    with pytest.raises(SystemExit):
        parser.parse_args(["--quick", "--full"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--only", "speed"])
    capsys.readouterr()


def test_neighbours_do_not_count_what_this_process_does(common):
    neighbours = common.Neighbours()
    neighbours.own -= 1000  # as if this process had used far more than all cores were busy
    assert neighbours.cores() == 0.0
