"""The step that answers the conversation as it stands."""

import asyncio

from sftmill.core import Reply, answer
from sftmill.steps.respond.answer.respond import Respond


class FakeDesk:
    """Keeps what it is asked."""

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.prompt, self.to, self.sampling = prompt, to, sampling
        return [Reply("新的回答", reasoning="想了想")]


TURNS = [
    {"role": "system", "content": "你是律师。"},
    {"role": "user", "content": "一"},
    {"role": "assistant", "content": "甲"},
    {"role": "user", "content": "二"},
]


def respond(messages, **settings):
    desk = FakeDesk()
    return asyncio.run(Respond(**settings).row({"messages": messages}, desk)), desk


def test_all_turns_go_to_the_model_and_stay_in_the_row():
    row, desk = respond(TURNS, to="judge", temperature=0.5, max_tokens=9)
    assert desk.prompt == TURNS
    assert (desk.to, desk.sampling.temperature, desk.sampling.max_tokens) == ("judge", 0.5, 9)
    assert row["messages"][:4] == TURNS
    assert answer(row) == "新的回答"
    assert row["reasoning"] == "想了想"


def test_an_answer_that_is_there_already_is_replaced():
    row, desk = respond([*TURNS, {"role": "assistant", "content": "旧的回答"}])
    assert desk.prompt == TURNS
    assert len(row["messages"]) == 5
    assert answer(row) == "新的回答"
