"""Hard negatives with written vectors: the likest passages that do not answer."""

import asyncio

import numpy as np

from sftmill.core import Dropped
from sftmill.steps.curate.near.hard_negatives import HardNegatives

VECTORS = {"问甲": 0, "问乙": 90, "甲文": 20, "近甲": 30, "远甲": 60, "乙文": 88, "太近": 5, "含答案四十二": 35}
"""Angles of the texts in degrees: the smaller the difference, the more alike."""


class Rows(list):
    def rows(self):
        return iter(self)


class FakeDesk:
    def __init__(self, vectors=VECTORS):
        self.angles, self.asked, self.searched = vectors, [], []

    async def vectors(self, texts, *, to="embedder", as_passages=False):
        self.asked += texts
        self.searched += texts if as_passages else []
        angles = np.radians([self.angles[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def row(question, passage, answer="没有", lang="zh"):
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"lang": lang, "messages": messages, "passage": passage}


def mine(rows, desk=None, **settings):
    async def collect():
        return [made async for made in HardNegatives(**settings).run({"rows": Rows(rows)}, desk or FakeDesk())]

    return asyncio.run(collect())


FILLERS = [row("问乙", passage) for passage in ("近甲", "远甲", "乙文", "太近", "含答案四十二")]


def test_the_likest_other_passages_come_first_and_what_is_too_like_is_left_out():
    made = mine([row("问甲", "甲文"), *FILLERS], negatives=2)[0]
    assert made["hard_negatives"] == ["近甲", "含答案四十二"]
    assert made["passage"] == "甲文"


def test_a_passage_in_which_a_short_answer_stands_is_no_negative():
    made = mine([row("问甲", "甲文", "四十二。"), *FILLERS], negatives=2)[0]
    assert made["hard_negatives"] == ["近甲", "远甲"]


def test_a_row_becomes_as_sensitive_as_what_it_is_given():
    secret = [{**one, "sensitivity": "secret" if one["passage"] == "近甲" else "public"} for one in FILLERS]
    own = {**row("问甲", "甲文"), "sensitivity": "public"}
    assert mine([own, *secret], negatives=2)[0]["sensitivity"] == "secret"
    assert mine([own, *secret], negatives=1, skip=1)[0]["sensitivity"] == "public"


def test_the_likest_can_be_passed_over():
    assert mine([row("问甲", "甲文"), *FILLERS], negatives=1, skip=1)[0]["hard_negatives"] == ["含答案四十二"]


def test_rows_without_enough_or_without_a_pair_go_with_a_reason():
    (lost,) = mine([row("问甲", "甲文")])
    assert isinstance(lost, Dropped)
    assert (lost.reason, lost.facts) == ("too_few_negatives", {"found": 0})
    assert mine([row("问甲", "甲文")], least=0)[0]["hard_negatives"] == []
    assert mine([row("问甲", " ")])[0].reason == "no_pair"
    assert mine([]) == []


def test_the_same_passage_in_other_words_of_case_is_no_negative():
    vectors = {"Q": 0, "The Pump runs.": 10, "the pump runs. Always.": 40, "The fan": 50}
    rows = [row("Q", "The Pump runs.", lang="en"), row("Q", "the pump runs. Always.", lang="en"), row("Q", "The fan")]
    assert mine(rows, FakeDesk(vectors))[0]["hard_negatives"] == ["The fan"]


def test_each_text_is_embedded_once_and_many_rows_keep_their_order():
    desk = FakeDesk()
    rows = [row("问甲", "甲文", str(i)) for i in range(1100)] + FILLERS
    made = mine(rows, desk)
    assert [one["messages"][1]["content"] for one in made[:1100]] == [str(i) for i in range(1100)]
    assert len(desk.asked) == len(set(desk.asked)) == 8


def test_questions_search_and_passages_are_searched():
    mine([row("问甲", "甲文")], desk := FakeDesk())
    assert (desk.asked, desk.searched) == (["甲文", "问甲"], ["甲文"])


def test_more_negatives_than_asked_for_are_a_problem():
    assert "least" in HardNegatives(least=5).problems()[0]
