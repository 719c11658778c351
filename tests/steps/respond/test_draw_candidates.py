"""Candidates of a strong and a weak model, each with its source."""

import asyncio

import pytest

from sftmill.core import Reply
from sftmill.errors import Truncated
from sftmill.steps.respond.choose.draw_candidates import DrawCandidates

ROW = {
    "lang": "zh",
    "messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "旧"}],
    "reasoning": "旧想法",
}


class FakeDesk:
    def __init__(self, **said):
        self.said, self.calls = said, []

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.calls.append((to, n, sampling.temperature, prompt))
        said = self.said[to]
        if isinstance(said, Exception):
            raise said
        return [Reply(text) for text in said]


def draw(desk, **settings):
    return asyncio.run(DrawCandidates(**settings).row(ROW, desk))


def test_candidates_stand_beside_the_roles_that_wrote_them():
    desk = FakeDesk(teacher=["甲", "乙 ", "甲", " "], small=["丙", "甲"])
    row = draw(desk, draws=4, to_weak="small", weak_draws=2)
    assert row["candidates"] == ["甲", "乙", "丙", "甲"]
    assert row["candidate_sources"] == ["teacher", "teacher", "small", "small"]
    assert row["messages"] == ROW["messages"][:1]
    assert row["reasoning"] is None
    assert sorted(desk.calls, key=lambda c: c[0]) == [
        ("small", 2, 0.8, ROW["messages"][:1]),
        ("teacher", 4, 0.8, ROW["messages"][:1]),
    ]


def test_several_weaker_models_each_give_their_draws():
    desk = FakeDesk(teacher=["甲"], small=["乙"], tiny=["丙", "丁"], broken=Truncated("t"))
    row = draw(desk, draws=1, to_weak=["small", "tiny", "broken"], weak_draws=2)
    assert row["candidates"] == ["甲", "乙", "丙", "丁"]
    assert row["candidate_sources"] == ["teacher", "small", "tiny", "tiny"]
    assert DrawCandidates(draws=1, to_weak=["small", "tiny"], weak_draws=2).demand().calls == {
        "teacher": 1, "small": 2, "tiny": 2,
    }  # fmt: skip


def test_without_a_weak_model_all_are_the_strong_ones():
    row = draw(FakeDesk(teacher=["甲"]), draws=1)
    assert row["candidate_sources"] == ["teacher"]


def test_a_weak_model_may_fail_and_the_strong_one_may_not():
    assert draw(FakeDesk(teacher=["甲"], small=Truncated("t")), to_weak="small")["candidates"] == ["甲"]
    with pytest.raises(Truncated):
        draw(FakeDesk(teacher=Truncated("t"), small=["丙"]), to_weak="small")


def test_settings_that_cannot_be_meant_are_told():
    assert DrawCandidates().problems() == []
    assert "temperature" in DrawCandidates(temperature=0).problems()[0]
    assert DrawCandidates(temperature=0, draws=1).problems() == []
    assert "strong" in DrawCandidates(to_weak="teacher").problems()[0]
