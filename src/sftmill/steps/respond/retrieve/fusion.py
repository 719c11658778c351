"""One ranking out of several, and what of it is shown: nothing twice, and no more than there is room for."""

from collections.abc import Callable, Iterable, Sequence

K = 60
"""What is added to every rank (Cormack, Clarke & Büttcher, SIGIR 2009)."""


def fuse(rankings: Iterable[tuple[Sequence[int], float]], k: int = K) -> list[tuple[int, float]]:
    """Return (place, score) by reciprocal rank fusion, best first: the sum of weight / (k + rank) over the rankings.

    Each ranking comes with its weight, and its ranks count from 1; one that does not have a place adds nothing to it. Of
    equal scores the lower place comes first.
    """
    total: dict[int, float] = {}
    for ranking, weight in rankings:
        for rank, place in enumerate(ranking, 1):
            total[place] = total.get(place, 0.0) + weight / (k + rank)
    return sorted(total.items(), key=lambda item: (-round(item[1], 12), item[0]))


def pick(
    ranked: Iterable[int],
    most: int,
    room: int | None,
    size: Callable[[int], int],
    matter: Callable[[int], frozenset[str]],
    same: float,
) -> list[int]:
    """Return the first `most` of a ranking, without those that say what one before them says.

    Two are the same when the smaller of their sets of terms (`matter`) lies in the other one for the share `same`, so
    that a passage and a longer one that holds it are. What does not fit into the `room` that is left is passed over.
    """
    taken: list[int] = []
    for place in ranked:
        if len(taken) == most:
            break
        if room is not None and size(place) > room:
            continue
        own = matter(place)
        if any(overlap(own, matter(other)) >= same for other in taken):
            continue
        taken.append(place)
        if room is not None:
            room -= size(place)
    return taken


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of the smaller set that the other one holds, 0 to 1; 0 where one is empty."""
    smaller = min(len(a), len(b))
    return len(a & b) / smaller if smaller else 0.0
