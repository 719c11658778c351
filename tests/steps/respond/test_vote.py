"""Vote on scripted models: the majority by value wins, or the question goes."""

import asyncio
import json

import pytest

from sftmill.core import Drop, Reply, answer, asked, question
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.respond.verify.vote import Vote, tally

QUESTION = {"zh": "一箱苹果 30 个，五百箱共多少个？", "en": "A box holds 30 apples. How many are in 500 boxes?"}


class FakeDesk:
    """Renders the packaged prompt and gives the answers of a script."""

    def __init__(self, lang, texts):
        self.lang, self.texts, self.calls = lang, texts, []

    def prompt(self, name, **values):
        return Prompts().render("vote", name, self.lang, values)

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.calls.append((prompt, to, n, sampling))
        return [Reply(text, reasoning=f"thought {i}", sample=i) for i, text in enumerate(self.texts[:n])]


def vote(texts, lang="zh", row=None, **settings):
    row = row or asked({"lang": lang}, QUESTION[lang])
    desk = FakeDesk(lang, texts)
    try:
        return asyncio.run(Vote(draws=settings.pop("draws", len(texts)), **settings).row(row, desk)), desk
    except Drop as drop:
        return drop, desk


@pytest.mark.parametrize(
    ("lang", "texts"),
    [
        ("zh", ["30×500=15000，答案是 15000。", r"共\boxed{1.5万}", "答案：一万五千个", "所以是 1500 个。"]),
        ("en", ["30 x 500, so the answer is 15,000 apples.", r"\boxed{15000}", "#### 15 thousand", "It is 1,500."]),
    ],
)
def test_the_majority_is_found_by_value_and_its_shortest_answer_stays(lang, texts):
    row, desk = vote(texts, lang)
    assert row["agreement"] == 0.75
    assert answer(row) == min(texts[:3], key=len)
    assert row["reasoning"] == f"thought {texts.index(answer(row))}"
    assert row["candidates"] == texts
    assert question(row) == QUESTION[lang], "the wish for a box is not part of the sample"
    ((prompt, to, n, sampling),) = desk.calls
    assert r"\boxed{}" in prompt[-1]["content"]
    assert (to, n, sampling.temperature) == ("teacher", 4, 0.7)


def test_the_first_of_the_majority_can_be_kept_and_the_wish_left_away():
    row, desk = vote(["想一想，答案是 5。", "答案是 6。", "是 5。"], keep="first", boxed=False)
    assert answer(row) == "想一想，答案是 5。"
    assert desk.calls[0][0] == [{"role": "user", "content": QUESTION["zh"]}]


def test_without_a_majority_the_question_goes():
    assert vote(["答案是 5", "答案是 6", "答案是 7"], least_agreement=0.3)[0].reason == "no_majority"
    lost, _ = vote(["答案是 5", "答案是 5", "答案是 6", "答案是 7", "答案是 8"])
    assert (lost.reason, lost.facts["agreement"]) == ("no_majority", 0.4)
    assert lost.facts["results"] == {"5": 2, "6": 1, "7": 1, "8": 1}
    assert vote(["答案是 5", "答案是 5", "答案是 6", "答案是 6"])[0].reason == "no_majority", "a tie"
    assert vote(["答案是 5", "答案是 5", "答案是 6"], least_agreement=2 / 3)[0]["agreement"] == 2 / 3


def test_draws_without_a_result_and_those_that_were_cut_off_agree_with_none():
    assert vote(["不知道。", "难说。"])[0].reason == "no_result"
    row, _ = vote(["答案是 5", "答案是 5", "不知道。"], draws=4)
    assert row["agreement"] == 0.5
    assert len(row["candidates"]) == 3
    assert vote(["答案是 5", "不知道。"], draws=4)[0].reason == "no_majority"


def test_an_answer_that_was_there_is_replaced_and_its_thoughts_with_it():
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "1+1=?"},
        {"role": "assistant", "content": "3"},
    ]
    row, desk = vote(["2", "2"], row={"lang": "en", "messages": messages, "reasoning": "old"})
    assert [m["content"] for m in row["messages"]] == ["s", "1+1=?", "2"]
    assert row["reasoning"] == "thought 0"
    assert desk.calls[0][0][-1]["role"] == "user"


def test_equal_results_stand_together_in_the_order_of_their_number():
    results = tally([Reply(text) for text in ("答案：B", "故选 A", r"\boxed{A}", "没有")])
    assert [(one.text, len(one.replies)) for one in results] == [("A", 2), ("B", 1)]


def test_settings_that_cannot_vote_are_told():
    assert "temperature" in Vote(temperature=0).problems()[0]
    assert Vote().problems() == []
    assert Prompts().check(Vote, "vote", ["zh", "en"]) == []


def test_a_whole_run_votes_in_one_request(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"instruction": QUESTION["zh"]}), "utf-8")
    recipe = {
        "name": "t",
        "lang": "zh",
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "revision": "1"}},
        "streams": {"tasks": [{"samples": {"file": "rows.jsonl"}}, {"vote": {"draws": 5}}]},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    said = ["共 15000 个", "答案是1.5万", "14000", "一万五千", "\\boxed{15000}"]
    script = {"rules": [{"say": said, "reasoning": "三十乘五百。"}]}
    provider = ScriptedProvider(script)
    run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers={"teacher": [provider]})
    (folder,) = (tmp_path / "run" / "streams" / "tasks").glob("*-vote")
    (row,) = [row for file in shard_files(folder) for row in read_rows(file)]
    assert provider.asked["/chat/completions"] == 1
    assert row["agreement"] == 0.8
    assert sorted(row["candidates"]) == sorted(said)
    assert row["reasoning"] == "三十乘五百。"
