import asyncio
import json
import re
from collections import Counter

import orjson
import pytest
from pydantic import BaseModel

from fake_endpoint import FakeEndpoint, Fault, last_message
from sftmill.core import Sampling
from sftmill.errors import (
    AuthFailed,
    BadRequest,
    BudgetExhausted,
    ContentRefused,
    ContextTooLong,
    EndpointGone,
    LeakRefused,
    RecipeError,
    RunStopped,
    ServerFault,
    Truncated,
    Unparsable,
)
from sftmill.models.budget import Budget
from sftmill.models.desk import Models, RowDesk
from sftmill.models.ledger import Ledger
from sftmill.models.settings import BudgetSettings, ModelSettings

DRAWN = Sampling(temperature=0.7, max_tokens=100)
GREEDY = Sampling(max_tokens=100)


class Pair(BaseModel):
    question: str
    answer: str


GOOD = '{"question": "甲是什么？", "answer": "乙"}'


class Bench:
    """A fake endpoint with models before it; `roles` are settings by name, `teacher` when only options are given."""

    def __init__(self, tmp_path, server=None, roles=None, budget=None, **options):
        self.server = server or FakeEndpoint()
        self.roles = roles
        self.options = options
        self.budget = budget or BudgetSettings()
        self.path = tmp_path / "ledger.sqlite"

    async def __aenter__(self):
        await self.server.start()
        self.ledger = Ledger.open(self.path)
        roles = self.roles or {"teacher": {}}
        settings = {
            name: ModelSettings(**{"model": "fake", "endpoint": self.server.url, **self.options, **more})
            for name, more in roles.items()
        }
        self.models = Models(settings, self.ledger, Budget(self.budget, {}))
        await self.models.start()
        return self

    async def __aexit__(self, *_):
        await self.models.close()
        self.ledger.close()
        await self.server.stop()

    def desk(self, **row):
        return self.models.desk("step", None, {"id": "row", "root": "root", "lang": "zh", **row}, "run")

    @property
    def role(self):
        return self.models.roles["teacher"]

    def nothing_is_left(self):
        assert all(lane.concurrency.held == 0 for role in self.models.roles.values() for lane in role.lanes.lanes)
        assert self.models.budget.reserved_tokens == 0
        assert not self.models.asker.flying


def ask(bench, *args, row=None, **kwargs):
    """Run one `ask`, check that nothing is left behind, and return the replies."""

    async def run():
        async with bench:
            try:
                return await bench.desk(**(row or {})).ask(*args, **kwargs)
            finally:
                bench.nothing_is_left()

    return asyncio.run(run())


def test_an_answer_comes_from_the_server_once_and_from_the_ledger_ever_after(tmp_path):
    first = ask(bench := Bench(tmp_path, FakeEndpoint("好")), "你好", sampling=GREEDY)
    assert (first[0].text, first[0].from_ledger, bench.server.total) == ("好", False, 1)
    assert bench.server.bodies[0] == {
        "model": "fake", "messages": [{"role": "user", "content": "你好"}], "temperature": 0.0, "max_tokens": 100,
    }  # fmt: skip
    again = ask(bench := Bench(tmp_path, FakeEndpoint("另外")), "你好", sampling=GREEDY)
    assert (again[0].text, again[0].from_ledger, bench.server.total) == ("好", True, 0)
    assert again[0].prompt_tokens == first[0].prompt_tokens > 0


def test_rows_draw_their_own_answers_only_when_chance_is_in_it(tmp_path):
    async def run():
        async with Bench(tmp_path) as bench:
            for root in ("a", "b"):
                await bench.desk(root=root).ask("?", sampling=DRAWN)
                await bench.desk(root=root).ask("?", sampling=GREEDY)
            assert bench.server.total == 3

    asyncio.run(run())


def test_two_rows_that_ask_the_same_at_once_pay_once(tmp_path):
    async def run():
        async with Bench(tmp_path, FakeEndpoint(latency=0.02)) as bench:
            replies = await asyncio.gather(*(bench.desk(root=str(i)).ask("?", sampling=GREEDY) for i in range(10)))
            assert len({r[0].text for r in replies}) == 1
            assert bench.server.total == 1
            bench.nothing_is_left()

    asyncio.run(run())


def test_only_the_missing_samples_are_asked_for(tmp_path):
    counter = iter(range(100))
    server = lambda: FakeEndpoint(lambda body: [f"t{next(counter)}" for _ in range(body.get("n", 1))])  # noqa: E731
    ask(Bench(tmp_path, server()), "?", n=2, sampling=DRAWN)
    replies = ask(bench := Bench(tmp_path, server()), "?", n=5, sampling=DRAWN)
    assert [r.text for r in replies] == ["t0", "t1", "t2", "t3", "t4"]
    assert [r.from_ledger for r in replies] == [True, True, False, False, False]
    assert [body["n"] for body in bench.server.bodies] == [3]


def test_a_server_without_n_is_asked_several_times(tmp_path):
    replies = ask(bench := Bench(tmp_path, FakeEndpoint(max_n=1)), "?", n=4, sampling=DRAWN)
    assert [r.sample for r in replies] == [0, 1, 2, 3]
    assert bench.server.total == 5 and not bench.role.many
    ignoring = FakeEndpoint(lambda body: ["one"])
    assert len(ask(bench := Bench(tmp_path / "b", ignoring), "?", n=4, sampling=DRAWN)) == 4
    assert bench.server.total == 4


def test_the_role_has_the_last_word_on_sampling_and_body(tmp_path):
    bench = Bench(
        tmp_path,
        sampling={"temperature": 0.5, "max_tokens": 7},
        extra_body={"chat_template_kwargs": {"enable_thinking": False}, "temperature": 0.6},
    )
    ask(bench, "?", sampling=Sampling(temperature=1.0, top_p=0.9, stop=("\n",), logprobs=3))
    assert bench.server.bodies[0] == {
        "model": "fake", "messages": [{"role": "user", "content": "?"}], "temperature": 0.6, "max_tokens": 7,
        "top_p": 0.9, "stop": ["\n"], "logprobs": True, "top_logprobs": 3,
        "chat_template_kwargs": {"enable_thinking": False},
    }  # fmt: skip


FAULTS = [
    Fault(500),
    Fault(429, retry_after=0),
    Fault(kind="cut"),
    Fault(kind="reset"),
    Fault(503, "overloaded"),
    Fault(502),
]


def test_null_in_the_extra_body_takes_a_field_out(tmp_path):
    ask(bench := Bench(tmp_path, extra_body={"max_tokens": None, "max_completion_tokens": 9}), "?", sampling=GREEDY)
    assert "max_tokens" not in bench.server.bodies[0] and bench.server.bodies[0]["max_completion_tokens"] == 9


def test_faults_on_the_way_are_repeated_until_answered(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.models.roles.FIRST_PAUSE", 0.002)
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint("ok", faults=FAULTS)), "?", sampling=GREEDY)
    assert reply.text == "ok"
    assert bench.server.total == len(FAULTS) + 1
    snapshot = bench.models.snapshot()["teacher"]
    assert snapshot["retries"] == len(FAULTS) and snapshot["overloads"] == 2 and snapshot["calls"] == 1


def test_a_call_that_always_meets_a_fault_fails_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.models.roles.FIRST_PAUSE", 0.0001)
    bench = Bench(tmp_path, FakeEndpoint(by_body=lambda body: Fault(500, "no")))
    with pytest.raises(ServerFault):
        ask(bench, "?", sampling=GREEDY)
    assert bench.server.total == 9


@pytest.mark.parametrize(
    "fault, kind",
    [
        (Fault(400, {"error": {"message": "unknown field"}}), BadRequest),
        (Fault(400, {"error": {"message": "maximum context length is 10"}}), ContextTooLong),
        (Fault(401, ""), AuthFailed),
    ],
)
def test_what_cannot_succeed_is_not_repeated(tmp_path, fault, kind):
    bench = Bench(tmp_path, FakeEndpoint(faults=[fault]))
    with pytest.raises(kind):
        ask(bench, "?", sampling=GREEDY)
    assert bench.server.total == 1


def cut_at(limit):
    """Answer with finish "length" while max_tokens is below `limit`."""
    return lambda body: (
        {"content": "half", "finish_reason": "length"} if body["max_tokens"] < limit else {"content": "whole"}
    )


def test_a_truncated_answer_is_asked_again_with_twice_the_tokens(tmp_path):
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint(cut_at(200))), "?", sampling=GREEDY)
    assert reply.text == "whole"
    assert [body["max_tokens"] for body in bench.server.bodies] == [100, 200]
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint(cut_at(200))), "?", sampling=GREEDY)
    assert (reply.text, bench.server.total) == ("whole", 0)


def test_an_answer_truncated_twice_is_an_error_and_kept(tmp_path):
    for expected in (2, 0):
        bench = Bench(tmp_path, FakeEndpoint(cut_at(1000)))
        with pytest.raises(Truncated, match="200 tokens"):
            ask(bench, "?", sampling=GREEDY)
        assert bench.server.total == expected


def test_more_tokens_than_the_context_holds_are_not_asked_for(tmp_path):
    bench = Bench(tmp_path, FakeEndpoint(cut_at(1000)), context=100)
    with pytest.raises(Truncated):
        ask(bench, "?", sampling=GREEDY)
    assert bench.server.total == 1


def test_a_truncated_answer_may_be_wanted(tmp_path):
    keep = GREEDY.model_copy(update={"keep_truncated": True})
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint(cut_at(1000))), "?", sampling=keep)
    assert (reply.text, reply.finish, bench.server.total) == ("half", "length", 1)


def test_the_whole_ones_of_several_answers_come_back(tmp_path):
    said = [{"content": "a"}, {"content": "b", "finish_reason": "length"}, {"content": "c"}]
    answers = lambda body: said[: body.get("n", 1)]  # noqa: E731
    replies = ask(Bench(tmp_path, FakeEndpoint(answers), context=100), "?", n=3, sampling=DRAWN)
    assert [(r.sample, r.text) for r in replies] == [(0, "a"), (2, "c")]


def test_what_a_model_thinks_is_kept_apart(tmp_path):
    for _ in range(2):
        (reply,) = ask(Bench(tmp_path, FakeEndpoint("<think>hm</think>42")), "?", sampling=GREEDY)
        assert (reply.text, reply.reasoning) == ("42", "hm")


def test_structured_answers_are_asked_for_by_schema_and_read(tmp_path):
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint(GOOD)), "?", schema=Pair, sampling=GREEDY)
    assert reply.data == Pair(question="甲是什么？", answer="乙")
    wanted = bench.server.bodies[0]["response_format"]["json_schema"]
    assert wanted["strict"] and wanted["schema"]["required"] == ["question", "answer"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_server_without_schemas_is_asked_in_the_prompt(tmp_path, lang):
    server = FakeEndpoint(
        f"```json\n{GOOD}\n```",
        by_body=lambda body: (
            Fault(400, {"error": {"message": "response_format is not supported"}})
            if "response_format" in body
            else None
        ),
    )

    async def run():
        async with Bench(tmp_path, server) as bench:
            for i in range(2):
                (reply,) = await bench.desk(lang=lang).ask(f"问{i}", schema=Pair, sampling=GREEDY)
                assert reply.data.answer == "乙"
            bench.nothing_is_left()

    asyncio.run(run())
    assert server.total == 3
    assert '"question"' in last_message(server.bodies[-1]) and last_message(server.bodies[-1]).startswith("问1")
    # the way it was asked is no part of the key
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint("x")), "问0", schema=Pair, sampling=GREEDY, row={"lang": lang})
    assert reply.from_ledger and bench.server.total == 0


def test_an_unparsable_answer_is_asked_again_and_the_ledger_repeats_the_walk(tmp_path):
    said = iter(["no idea", "{", GOOD])
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint(lambda body: next(said))), "?", schema=Pair, sampling=DRAWN)
    assert reply.data.answer == "乙" and bench.server.total == 3
    (reply,) = ask(bench := Bench(tmp_path, FakeEndpoint("no")), "?", schema=Pair, sampling=DRAWN)
    assert reply.data.answer == "乙" and bench.server.total == 0


def test_a_greedy_answer_is_asked_again_with_some_chance(tmp_path):
    said = iter(["no", "no", GOOD])
    ask(bench := Bench(tmp_path, FakeEndpoint(lambda body: next(said))), "?", schema=Pair, sampling=GREEDY)
    assert [round(body["temperature"], 3) for body in bench.server.bodies] == [0.0, 0.3, 0.6]


def test_three_unparsable_answers_are_an_error(tmp_path):
    for expected in (3, 0):
        bench = Bench(tmp_path, FakeEndpoint("certainly not"))
        with pytest.raises(Unparsable, match="Pair"):
            ask(bench, "?", schema=Pair, sampling=DRAWN)
        assert bench.server.total == expected


REFUSED = {"content": "", "finish_reason": "content_filter"}
FILTER = Fault(400, {"error": {"message": "Content Exists Risk"}})


@pytest.mark.parametrize("how", [{"answers": lambda body: REFUSED}, {"by_body": lambda body: FILTER}])
def test_a_refusal_is_kept_and_not_asked_again(tmp_path, how):
    for expected in (1, 0):
        bench = Bench(tmp_path, FakeEndpoint(**how))
        with pytest.raises(ContentRefused):
            ask(bench, "?", sampling=GREEDY)
        assert bench.server.total == expected


def test_a_refusal_goes_to_the_next_role_that_may_see_the_row(tmp_path):
    answers = lambda body: REFUSED if body["model"] == "strict" else "fine"  # noqa: E731
    roles = {"teacher": {"model": "strict", "on_refusal": "other"}, "other": {"model": "free"}}
    assert ask(Bench(tmp_path / "a", FakeEndpoint(answers), roles), "?", sampling=GREEDY)[0].text == "fine"
    roles["other"]["accept"] = "public"
    bench = Bench(tmp_path / "b", FakeEndpoint(answers), roles)
    with pytest.raises(ContentRefused):
        ask(bench, "?", sampling=GREEDY, row={"sensitivity": "internal"})
    assert bench.server.total == 1


@pytest.mark.parametrize(
    "endpoint, accept, level, goes",
    [
        ("http://127.0.0.1:1/v1", None, "internal", True),
        ("http://10.1.2.3/v1", None, "internal", True),
        ("http://127.0.0.1:1/v1", None, "secret", False),
        ("http://127.0.0.1:1/v1", "secret", "secret", True),
        ("https://api.example.com/v1", None, "internal", False),
        ("https://api.example.com/v1", None, "public", True),
        ("https://api.example.com/v1", "internal", "internal", True),
        ("https://10.evil.example/v1", None, "internal", False),
    ],
)
def test_a_row_goes_only_where_it_may(tmp_path, endpoint, accept, level, goes):
    async def run():
        with Ledger.open(tmp_path / "l.sqlite") as ledger:
            settings = ModelSettings(model="m", endpoint=endpoint, accept=accept)
            async with Models({"teacher": settings}, ledger, Budget(BudgetSettings(), {})) as models:
                if goes:
                    models.role("teacher").refuse_leak({"sensitivity": level})
                else:
                    with pytest.raises(LeakRefused, match=level):
                        await models.desk("step", None, {"id": "x", "sensitivity": level}, "run").ask("?")

    asyncio.run(run())


def test_the_budget_is_never_exceeded(tmp_path):
    async def run():
        async with Bench(tmp_path, budget=BudgetSettings(tokens=2000)) as bench:
            results = await asyncio.gather(
                *(bench.desk(root=str(i)).ask(f"frage {i}", sampling=DRAWN) for i in range(100)), return_exceptions=True
            )
            kinds = Counter(type(result) for result in results)
            assert set(kinds) == {list, BudgetExhausted} and kinds[list] > 3
            assert bench.models.budget.spent_tokens <= 2000
            bench.nothing_is_left()

    asyncio.run(run())


def test_a_cancelled_call_leaves_nothing_behind(tmp_path):
    async def run():
        async with Bench(tmp_path, FakeEndpoint(latency=5)) as bench:
            tasks = [asyncio.create_task(bench.desk(root=str(i)).ask("?", sampling=DRAWN)) for i in range(40)]
            while bench.server.in_flight < 32:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            bench.nothing_is_left()

    asyncio.run(run())


def test_an_endpoint_that_dies_and_comes_back_costs_no_row(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.models.limits.FIRST_PROBE", 0.02)
    monkeypatch.setattr("sftmill.models.roles.FIRST_PAUSE", 0.01)

    async def run():
        async with Bench(tmp_path, FakeEndpoint(latency=0.01), concurrency=8) as bench:
            tasks = [asyncio.create_task(bench.desk(root=str(i)).ask("?", sampling=DRAWN)) for i in range(60)]
            while bench.server.total < 16:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            await bench.server.stop()
            while bench.models.snapshot()["teacher"]["paused"] is None:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            await bench.server.start()
            replies = await asyncio.gather(*tasks)
            assert len(replies) == 60
            assert bench.models.snapshot()["teacher"]["paused"] is None
            bench.nothing_is_left()

    asyncio.run(run())


def test_patience_with_a_dead_endpoint_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.models.limits.FIRST_PROBE", 0.01)
    monkeypatch.setattr("sftmill.models.roles.FIRST_PAUSE", 0.001)

    async def run():
        async with Bench(tmp_path, patience=0.05) as bench:
            await bench.server.stop()
            with pytest.raises(EndpointGone):
                await bench.desk().ask("?", sampling=GREEDY)
            bench.nothing_is_left()

    asyncio.run(run())


def test_several_keys_share_the_load_and_a_wrong_one_drops_out(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_A", "sk-aaaa")
    monkeypatch.setenv("KEY_B", "sk-bbbb")

    async def run():
        server = FakeEndpoint(latency=0.002)
        async with Bench(tmp_path, server, key_env=["KEY_A", "KEY_B"], concurrency=4) as bench:
            await asyncio.gather(*(bench.desk(root=str(i)).ask("?", sampling=DRAWN) for i in range(40)))
            assert {h["Authorization"] for h in server.headers} == {"Bearer sk-aaaa", "Bearer sk-bbbb"}
            server.faults = [Fault(401, "wrong key")]
            await asyncio.gather(*(bench.desk(root=str(i)).ask("again", sampling=DRAWN) for i in range(40)))
            assert sum(lane.out is not None for lane in bench.role.lanes.lanes) == 1

    asyncio.run(run())


def test_a_missing_key_and_an_unknown_model_are_named_together(tmp_path):
    async def run():
        async with FakeEndpoint(models=("a", "b")) as server:
            settings = {
                "x": ModelSettings(endpoint=server.url),
                "y": ModelSettings(model="m", endpoint=server.url, key_env="NO_SUCH_KEY"),
            }
            with Ledger.open(tmp_path / "l.sqlite") as ledger:
                await Models(settings, ledger, Budget(BudgetSettings(), {})).start()

    with pytest.raises(RecipeError) as caught:
        asyncio.run(run())
    assert "a, b" in str(caught.value) and "NO_SUCH_KEY" in str(caught.value)


def test_the_only_model_of_an_endpoint_needs_no_name(tmp_path):
    ask(bench := Bench(tmp_path, FakeEndpoint(models=("qwen",)), {"teacher": {"model": ""}}), "?")
    assert bench.server.bodies[0]["model"] == "qwen"


def test_a_role_that_is_not_there_is_named():
    models = Models({}, None, Budget(BudgetSettings(), {}))
    with pytest.raises(RecipeError, match="judge"):
        asyncio.run(models.desk("step", None, {"id": "x"}, "run").ask("?", to="judge"))


def test_a_continuation_goes_on_from_the_prefix_as_it_stands(tmp_path):
    async def run():
        async with Bench(tmp_path, FakeEndpoint(lambda body: body["prompt"] + "…")) as bench:
            (reply,) = await bench.desk().complete("<|im_start|>user\n", sampling=DRAWN)
            assert reply.text == "<|im_start|>user\n…"
            assert bench.server.paths == ["/completions"]

    asyncio.run(run())


def test_vectors_are_paid_for_once_and_come_in_order(tmp_path):
    async def run():
        async with Bench(tmp_path, FakeEndpoint(), {"embedder": {}}) as bench:
            texts = [f"text {i % 70}" for i in range(140)]
            first = await bench.desk().embed(texts)
            assert first[0] == first[70] != first[1]
            assert sum(len(body["input"]) for body in bench.server.bodies) == 70
            assert abs(sum(v * v for v in first[3]) - 1) < 1e-6
            assert await bench.desk().embed(texts[::-1]) == first[::-1]
            assert bench.server.total == 2
            bench.nothing_is_left()

    asyncio.run(run())


def vllm(body):
    """Answer as vLLM does: the token that stands in the prompt comes first, the likeliest ones after it."""
    tokens = re.findall(r"\w+|\W", body["prompt"])
    likeliest = {"99": {"logprob": -0.1, "decoded_token": "x"}}
    scored = [{str(i): {"logprob": -float(i), "decoded_token": t}} | likeliest for i, t in enumerate(tokens)]
    choice = {"text": "x", "finish_reason": "length", "prompt_logprobs": [None, *scored[1:]]}
    choice["logprobs"] = {"tokens": tokens, "token_logprobs": [None] * len(tokens)}
    return {"choices": [choice], "usage": {"prompt_tokens": len(tokens)}}


def test_a_continuation_is_scored_token_by_token(tmp_path):
    async def run():
        async with Bench(tmp_path, FakeEndpoint(vllm), {"scorer": {}}) as bench:
            for _ in range(2):
                scores = await bench.desk().score("the cat ", "sat down")
                assert scores.tokens == ["sat", " ", "down"]
                assert scores.logprobs == [-4.0, -5.0, -6.0]
            assert bench.server.total == 1
            bench.nothing_is_left()

    asyncio.run(run())


def test_a_server_that_cannot_score_is_named(tmp_path):
    async def run():
        async with Bench(tmp_path, FakeEndpoint("x"), {"scorer": {}}) as bench:
            with pytest.raises(RecipeError, match="vLLM"):
                await bench.desk().score("a", "b")
            bench.nothing_is_left()

    asyncio.run(run())


def test_log_probabilities_survive_the_ledger(tmp_path):
    content = [{"token": "a", "logprob": -0.5, "top_logprobs": []}]
    server = lambda: FakeEndpoint(lambda body: {"content": "a", "logprobs": {"content": content}})  # noqa: E731
    wanted = GREEDY.model_copy(update={"logprobs": 0})
    for _ in range(2):
        (reply,) = ask(Bench(tmp_path, server()), "?", sampling=wanted)
        assert reply.logprobs == [{"token": "a", "logprob": -0.5, "top": {}}]


def test_missing_usage_is_estimated(tmp_path):
    payload = {"choices": [{"message": {"content": "an answer of some words"}, "finish_reason": "stop"}]}
    (reply,) = ask(Bench(tmp_path, FakeEndpoint(lambda body: payload)), "a question " * 10, sampling=GREEDY)
    assert 20 <= reply.prompt_tokens <= 60 and 4 <= reply.completion_tokens <= 12


def test_providers_can_be_put_in_the_place_of_endpoints(tmp_path):
    class Written:
        name = "written"

        async def post(self, path, body, *, timeout):  # noqa: ASYNC109
            return orjson.loads(json.dumps({"choices": [{"message": {"content": path}}]}))

        async def get(self, path):
            return {"data": [{"id": "w"}]}

        async def close(self):
            pass

    async def run():
        with Ledger.open(tmp_path / "l.sqlite") as ledger:
            models = Models(
                {"teacher": ModelSettings()}, ledger, Budget(BudgetSettings(), {}), providers={"teacher": [Written()]}
            )
            async with models:
                (reply,) = await models.desk("step", None, {"id": "x"}, "run").ask("?")
                assert (reply.text, models.role("teacher").model) == ("/chat/completions", "w")

    asyncio.run(run())


def test_calls_about_one_passage_go_to_one_replica_and_a_book_spreads_over_all():
    def affinity(**row):
        return RowDesk(None, "step", None, {"root": "one book", **row}, "run").affinity([{"content": "same head"}])

    assert affinity(passage="甲", id="1") == affinity(passage="甲", id="2")
    assert affinity(passage="甲") != affinity(passage="乙")
    assert affinity(id="1") == affinity(id="2") == "one book"


def test_a_call_that_rests_before_it_is_repeated_ends_at_once_when_the_run_stops(tmp_path):
    async def scenario():
        denied = Fault(429, {"error": {"message": "slow down"}}, retry_after=300)
        async with FakeEndpoint(by_body=lambda body: denied) as server:
            with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
                settings = {"teacher": ModelSettings(endpoint=server.url, model="m")}
                async with Models(settings, ledger, Budget(BudgetSettings(), {})) as models:
                    call = asyncio.create_task(models.desk("respond", None, {"id": "1"}, "run").ask("hello"))
                    while not server.total:  # noqa: ASYNC110 (the server counts, it signals nothing)
                        await asyncio.sleep(0.005)
                    await asyncio.sleep(0.02)
                    models.stop(RunStopped("enough"))
                    async with asyncio.timeout(5):
                        with pytest.raises(RunStopped, match="enough"):
                            await call

    asyncio.run(scenario())
