"""Thinking models through the desk: thoughts are kept apart, and one that does not end is asked for again."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel

from fake_endpoint import FakeEndpoint
from sftmill.core import Sampling
from sftmill.errors import Truncated
from sftmill.models.budget import Budget
from sftmill.models.desk import Models
from sftmill.models.ledger import Ledger
from sftmill.models.settings import BudgetSettings, ModelSettings

SHORT = Sampling(max_tokens=100)


class Pair(BaseModel):
    question: str
    answer: str


@asynccontextmanager
async def desk_before(server, folder):
    """Give a desk whose teacher is the server."""
    await server.start()
    settings = {"teacher": ModelSettings(model="fake", endpoint=server.url)}
    try:
        with Ledger.open(folder / "ledger.sqlite") as ledger:
            async with Models(settings, ledger, Budget(BudgetSettings(), {})) as models:
                yield models.desk("step", None, {"id": "row", "root": "root", "lang": "zh"}, "run")
    finally:
        await server.stop()


def ask(server, folder, **options):
    """Ask one question and return the answers."""

    async def once():
        async with desk_before(server, folder) as desk:
            return await desk.ask("进风温度多少？", **{"sampling": SHORT, **options})

    return asyncio.run(once())


def thinking(limit, text="<think>先看规定。</think>18 至 27 ℃", unclosed="<think>先看规定，再"):
    """Answer with an unclosed thought, though with finish "stop", while max_tokens is below `limit`."""
    return lambda body: unclosed if body["max_tokens"] < limit else text


def test_an_unclosed_thought_is_asked_for_again_with_twice_the_tokens(tmp_path):
    server = FakeEndpoint(thinking(200))
    (reply,) = ask(server, tmp_path)
    assert (reply.text, reply.reasoning, reply.finish) == ("18 至 27 ℃", "先看规定。", "stop")
    assert [body["max_tokens"] for body in server.bodies] == [100, 200]


def test_a_thought_that_is_never_closed_is_an_error_and_no_answer(tmp_path):
    server = FakeEndpoint(thinking(10**9))
    with pytest.raises(Truncated):
        ask(server, tmp_path)
    assert [body["max_tokens"] for body in server.bodies] == [100, 200]
    with pytest.raises(Truncated):
        ask(again := FakeEndpoint(thinking(10**9)), tmp_path)
    assert again.total == 0  # the ledger knows


def test_a_thought_whose_beginning_stands_in_the_template_is_found(tmp_path):
    (reply,) = ask(FakeEndpoint("先看规定。\n</think>\n\n18 至 27 ℃"), tmp_path)
    assert (reply.text, reply.reasoning) == ("18 至 27 ℃", "先看规定。")


def test_a_thought_of_its_own_field_that_takes_all_tokens_is_asked_for_again(tmp_path):
    cut = {"content": None, "reasoning_content": "先看规定，再", "finish_reason": "length"}
    whole = {"content": "18 至 27 ℃", "reasoning_content": "先看规定。"}
    server = FakeEndpoint(lambda body: cut if body["max_tokens"] < 200 else whole)
    (reply,) = ask(server, tmp_path)
    assert (reply.text, reply.reasoning, server.total) == ("18 至 27 ℃", "先看规定。", 2)


def test_of_several_answers_only_the_unclosed_ones_are_asked_for_again(tmp_path):
    def answers(body):
        if body["max_tokens"] < 200:
            return ["<think>甲</think>一", "<think>乙没有想完", "<think>丙</think>三"][: body.get("n", 1)]
        return ["<think>乙</think>二"] * body.get("n", 1)

    replies = ask(FakeEndpoint(answers), tmp_path, n=3, sampling=Sampling(temperature=0.7, max_tokens=100))
    assert [(reply.text, reply.reasoning) for reply in replies] == [("一", "甲"), ("二", "乙"), ("三", "丙")]


def test_structure_is_read_behind_the_thought(tmp_path):
    text = '<think>{"question": "不是这个"}</think>{"question": "进风温度多少？", "answer": "18 至 27 ℃"}'
    (reply,) = ask(FakeEndpoint(thinking(200, text)), tmp_path, schema=Pair)
    assert reply.data == Pair(question="进风温度多少？", answer="18 至 27 ℃")
    assert reply.reasoning == '{"question": "不是这个"}'
