"""What is kept of a tournament beside a row: every verdict, the intervals, and how sure the winner is."""

from typing import Any

from sftmill.steps.respond.judge.seats import Meeting
from sftmill.steps.respond.prefer.tournament import Pair, Standing


def record_games(found: Standing, met: dict[Pair, Meeting], places: list[int]) -> dict[str, Any]:
    """Return what is kept of a tournament: verdicts by pair, intervals of 95 %, and the winner's chance.

    `places` are those of the tournament's candidates in the row.
    """
    told = [one.why != "inconsistent" for one in met.values() if one.share is not None]
    best, weakest = found.order[0], found.order[-1]
    intervals = {place: found.strengths.interval(item) for item, place in enumerate(places)}
    return {
        "games": [[places[a], places[b], one.share, *one.games] for (a, b), one in met.items()],
        "missing": found.missing,
        "consistent": round(sum(told) / len(told), 4) if told else None,
        "chance_best": round(found.chances[best], 4),
        "intervals": [[round(x, 4) for x in intervals[place]] for place in range(len(places))],
        "margin_interval": [round(x, 4) for x in found.strengths.gap_interval(best, weakest)],
    }
