"""Which tasks and terms each request of a round of Self-Instruct shows; a function of seeds, round and place alone."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from sftmill.core import Row, question
from sftmill.steps.instruct.self_instruct.instruction_list import one_line
from sftmill.text import content_hash, keywords

SHOWN = 8
"""Tasks in the prompt (Self-Instruct, arXiv 2212.10560)."""
MACHINE = 2
"""Of them made by the model, once there are any."""
REUSE = 2
"""How many times the mean of all seeds each one may be shown."""

LONGEST_LABEL = 24
"""Characters of the topic that stands before a task shown."""
LONGEST_SHOWN = {"zh": 150, "en": 75}
"""Characters (zh) or words (en) of a seed that is shown: a reading task with its text would fill the prompt."""

ReachName = Literal["close", "balanced", "far"]


class Reach(NamedTuple):
    """How far new tasks may go from those shown."""

    same_type: int
    """Of the human tasks shown, how many have one task type."""
    temperature: float
    lexical: float
    """Greatest ROUGE-L with a task that is there already."""
    semantic: float
    """Greatest cosine with a task that is there already."""


REACH: dict[ReachName, Reach] = {
    "close": Reach(5, 0.5, 0.7, 0.9),
    "balanced": Reach(0, 0.7, 0.7, 0.85),
    "far": Reach(1, 1.0, 0.6, 0.8),
}
"""Balanced is Self-Instruct's temperature and ROUGE-L, and a cosine for its domain form; the others are ours."""


class Choice(NamedTuple):
    """What one request shows: numbers of seeds and of machine-made tasks, in the order shown."""

    humans: tuple[int, ...]
    machines: tuple[int, ...]
    order: tuple[int, ...]
    """The places of `humans` and then `machines`, shuffled."""

    def shown(self, seeds: Sequence, made: Sequence) -> list:
        """Return what is shown of the seeds and of what was made, in order."""
        both = [*(seeds[i] for i in self.humans), *(made[i] for i in self.machines)]
        return [both[place] for place in self.order]


def choose(
    types: Sequence[str | None], used: Counter[int], place: tuple[int, ...], made: int, same_type: int = 0
) -> Choice:
    """Choose what one request shows, and count in `used` the seeds that it shows.

    `types` are the task types of the seeds, `made` is how many machine-made tasks there are. Six human and two machine-
    made tasks are shown, eight human ones while there is nothing else, all seeds where there are fewer. No seed
    is shown more than twice as often as the mean of all, or once, unless too few others are left. With `same_type`
    that many of the human ones are of one type. `place` (seed, round, number) decides what chance would.
    """
    chance = random.Random(content_hash("self_instruct", *map(str, place)))
    machines = chance.sample(range(made), min(MACHINE, made))
    wanted = min(SHOWN - len(machines), len(types))
    order = list(range(len(types)))
    chance.shuffle(order)
    cap = max(1.0, REUSE * (used.total() + wanted) / max(1, len(types)))
    free = [i for i in order if used[i] + 1 <= cap]
    least_used = sorted((i for i in order if used[i] + 1 > cap), key=lambda i: used[i])
    humans: list[int] = []
    if same_type and (known := sorted({kind for kind in types if kind})):
        focus = known[sum(place) % len(known)]
        humans = [i for i in free if types[i] == focus][: min(same_type, wanted)]
    taken = set(humans)
    humans += [i for i in [*free, *least_used] if i not in taken][: wanted - len(humans)]
    used.update(humans)
    places = list(range(len(humans) + len(machines)))
    chance.shuffle(places)
    return Choice(tuple(humans), tuple(machines), tuple(places))


def seed_terms(instructions: Sequence[str], lang: str, most: int = 200) -> list[str]:
    """Return the key words of the seeds, those that most seeds share first."""
    seeds_with: Counter[str] = Counter()
    for text in instructions:
        seeds_with.update(word for word in keywords(text[:2000], lang, 6) if 2 <= len(word) <= LONGEST_LABEL)
    return sorted(seeds_with, key=lambda word: -seeds_with[word])[:most]


def choose_terms(terms: Sequence[str], number: int, most: int, seed: int = 0) -> list[str]:
    """Return the terms of request number `number` (from 0): all take turns, in an order that changes each time."""
    if not terms or not most:
        return []
    most = min(most, len(terms))
    chosen: list[str] = []
    at = number * most
    while len(chosen) < most:
        turn, place = divmod(at, len(terms))
        order = list(terms)
        random.Random(content_hash("terms", str(seed), str(turn))).shuffle(order)
        if order[place] not in chosen:
            chosen.append(order[place])
        at += 1
    return chosen


def label_of(task: str, lang: str) -> str:
    """Return the topic by which a task is shown: its first key word, else its beginning."""
    words = [word for word in keywords(task[:2000], lang, 3) if 2 <= len(word) <= LONGEST_LABEL]
    return words[0] if words else task[:LONGEST_LABEL] if lang != "zh" else task[:6]


def task_of(row: Row) -> str:
    """Return the task of a row without its input, on one line."""
    return one_line(row.get("instruction") or question(row))
