"""PassageNoise: the share of a passage's pairs that fail, and what it is held against."""

import asyncio

from sftmill.core import Dropped
from sftmill.steps.curate.filters.passage_noise import PassageNoise


class FakeShards:
    def __init__(self, rows):
        self._rows = rows

    def rows(self):
        return iter(self._rows)


def rows(*scores, root="r", index=0, **more):
    return [{"root": root, "passage_index": index, "passage": "p", "grounded": s, **more} for s in scores]


def run(given, **settings):
    async def collect():
        return [item async for item in PassageNoise(**settings).run({"rows": FakeShards(given)}, None)]

    return asyncio.run(collect())


def outcome(given, **settings):
    return [item.reason if isinstance(item, Dropped) else item["noise"] for item in run(given, **settings)]


def test_a_good_passage_keeps_the_pairs_that_hold():
    assert outcome(rows(0.9, 0.9, 0.1, 0.9)) == [0.25, 0.25, "not_grounded", 0.25]


def test_a_passage_most_of_whose_pairs_fail_goes_as_a_whole():
    assert outcome(rows(0.9, 0.0, 0.1, 0.2)) == ["noisy_passage", "not_grounded", "not_grounded", "not_grounded"]


def test_half_of_the_pairs_is_not_more_than_half():
    assert outcome(rows(0.9, 0.9, 0.1, 0.2))[:2] == [0.5, 0.5]


def test_few_pairs_do_not_condemn_a_passage():
    assert outcome(rows(0.9, 0.0, 0.1)) == [0.6667, "not_grounded", "not_grounded"]
    assert outcome(rows(0.9, 0.0, 0.1), least_pairs=3)[0] == "noisy_passage"


def test_passages_are_told_apart_by_document_and_number_wherever_their_rows_stand():
    bad, good = rows(0, 0, 0, 0.8, index=1), rows(0.9, 0.9, 0.9, 0.8, index=2)
    mixed = [row for pair in zip(bad, good, strict=True) for row in pair]
    assert outcome(mixed)[1::2] == [0, 0, 0, 0]
    assert outcome(mixed)[6] == "noisy_passage"
    other = rows(0.9, 0.9, 0.9, 0.9, root="s", index=1)
    assert outcome([*bad, *other])[4:] == [0, 0, 0, 0]


def test_rows_without_a_number_are_grouped_by_the_passages_text():
    given = rows(0, 0, 0, 0.8, index=None) + rows(0.8, index=None, passage="another")
    assert outcome(given) == ["not_grounded"] * 3 + ["noisy_passage", 0]


def test_rows_without_a_score_pass_and_do_not_count():
    assert outcome([*rows(None), *rows(0.9, index=1)]) == [None, 0]
    assert outcome(rows(None, 0.9, 0.9, 0.9, 0.1)) == [0.25, 0.25, 0.25, 0.25, "not_grounded"]


def test_drops_say_how_many_pairs_failed():
    (first, *_) = run(rows(0.9, 0.0, 0.1, 0.2))
    assert first.facts["noise"] == 0.75
    assert first.facts["pairs"] == 4
    assert "3 of the passage's 4 pairs" in first.facts["why"]
    assert first.row["noise"] == 0.75


def test_the_default_threshold_is_that_of_grounded():
    from sftmill.steps.curate.grounding.grounded import Grounded

    assert PassageNoise().threshold == Grounded().threshold
