"""Scores of a reward model: both paths of its server, the last token's number, nothing paid twice."""

import asyncio

import pytest

from sftmill.errors import LeakRefused, MalformedBody
from sftmill.models.budget import Budget
from sftmill.models.client import HttpProvider
from sftmill.models.desk import Models
from sftmill.models.ledger import Ledger
from sftmill.models.reward import read_reward, reward
from sftmill.models.settings import BudgetSettings, ModelSettings

TURNS = [{"role": "user", "content": "一加一？"}]
TALK = [{"role": "system", "content": "s"}, *TURNS]


class RewardServer:
    """Keeps what it is sent, and scores by the length of the body."""

    name = "rewards"

    def __init__(self, payload=None):
        self.payload, self.asked = payload, []

    async def post(self, path, body, *, timeout):  # noqa: ASYNC109
        self.asked.append((path, body))
        return self.payload or {"data": [{"index": 0, "data": [[0.5], [-1.25]]}], "usage": {"prompt_tokens": 7}}

    async def close(self):
        pass


def score(tmp_path, server, *calls, row=None, **options):
    async def work():
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            settings = {"rm": ModelSettings(model="r", endpoint="http://127.0.0.1:9/v1", **options)}
            async with Models(settings, ledger, Budget(BudgetSettings(), {}), providers={"rm": [server]}) as models:
                desk = models.desk("best_of_n", None, row or {"id": "1", "lang": "zh"}, "run")
                return [await reward(models, desk, *call[:2], "rm", *call[2:]) for call in calls], desk.tokens

    return asyncio.run(work())


def test_a_conversation_is_pooled_and_the_last_number_counts(tmp_path):
    server = RewardServer()
    assert score(tmp_path, server, (TALK, "二"), (TALK, "二")) == ([-1.25, -1.25], 14)
    ((path, body),) = server.asked
    assert path == "/../pooling"
    assert body["messages"] == [*TALK, {"role": "assistant", "content": "二"}]
    assert score(tmp_path, server, (TALK, "三"))[0] == [-1.25]
    assert len(server.asked) == 2, "another answer is another question"


def test_two_texts_are_scored(tmp_path):
    server = RewardServer({"data": [{"index": 0, "score": 3}]})
    assert score(tmp_path, server, (TURNS, "二", "score"), (TALK, "二", "score"))[0] == [3, 3]
    assert server.asked[0] == ("/../score", {"model": "r", "text_1": "一加一？", "text_2": "二"})
    assert server.asked[1][1]["text_1"] == "system: s\n\nuser: 一加一？"


@pytest.mark.parametrize(
    "payload",
    [{}, {"data": []}, {"data": [{"data": []}]}, {"data": [{"score": True}]}, {"data": [{"score": float("nan")}]}],
)
def test_an_answer_without_a_number_is_malformed(payload):
    with pytest.raises(MalformedBody):
        read_reward(payload)


def test_what_is_too_sensitive_is_not_sent(tmp_path):
    server = RewardServer()
    with pytest.raises(LeakRefused):
        score(tmp_path, server, (TURNS, "二"), row={"id": "1", "sensitivity": "secret"})
    assert server.asked == []


def test_the_paths_lie_beside_v1():
    provider = HttpProvider("http://127.0.0.1:8000/v1")
    from yarl import URL

    assert str(URL(provider.url + "/../pooling")) == "http://127.0.0.1:8000/pooling"
