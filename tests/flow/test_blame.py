"""Which row ends its process: how many deaths it takes to find out."""

from hypothesis import given
from hypothesis import strategies as st

from sftmill.flow.blame import Blame


def attempt(blame: Blame, rows: list, killers: set) -> list | None:
    """Work on rows as a task does, those without a turn first; return what was under way at a death."""
    turns = blame.turns()
    by_turn: dict[int, list] = {}
    for row in rows:
        if row not in blame.guilty:
            by_turn.setdefault(turns.get(row, -1), []).append(row)
    for turn in sorted(by_turn):
        if killers & set(by_turn[turn]):
            return by_turn[turn] if blame.watching else []
    return None


@given(st.integers(1, 600), st.data())
def test_every_row_that_kills_is_found_and_no_other(number, data):
    rows = [(0, (i,)) for i in range(number)]
    killers = set(data.draw(st.lists(st.sampled_from(rows), max_size=4)))
    blame = Blame()
    while (under_way := attempt(blame, rows, killers)) is not None:
        blame.learn(under_way)
        assert blame.deaths < 40
    assert blame.guilty == killers
    assert not blame.unexplained


def test_one_among_five_hundred_takes_five_deaths():
    rows = [(0, (i,)) for i in range(500)]
    blame = Blame()
    while (under_way := attempt(blame, rows, {rows[321]})) is not None:
        blame.learn(under_way)
    assert blame.deaths == 5


def test_deaths_with_nothing_under_way_are_nobodys_fault():
    blame = Blame()
    for _ in range(3):
        blame.learn([])
    assert (blame.deaths, blame.unexplained, blame.guilty) == (3, 2, set())
