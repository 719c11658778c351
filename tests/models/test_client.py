import asyncio
import contextlib
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_endpoint import FakeEndpoint, Fault
from sftmill.errors import (
    AccountError,
    CallTimeout,
    ConnectionLost,
    MalformedBody,
    ModelError,
    RateLimited,
    RecipeError,
    ServerFault,
    Unreachable,
)
from sftmill.models.client import (
    HttpProvider,
    chat_replies,
    completion_replies,
    embedding_vectors,
    only_model,
    split_thought,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "你好"}]}


def chat(message, finish="stop", **more):
    return {
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, **more}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7},
    }


def post(server_options, provider_options=None, timeout=5.0):
    async def run():
        async with FakeEndpoint(**server_options) as server:
            provider = HttpProvider(server.url, **(provider_options or {}))
            try:
                return await provider.post("/chat/completions", CHAT, timeout=timeout), server
            finally:
                await provider.close()

    return asyncio.run(run())


def test_a_chat_comes_back_parsed_and_the_key_is_sent():
    payload, server = post({"answers": "好"}, {"key": "sk-test"})
    assert chat_replies(payload)[0].text == "好"
    assert server.bodies == [CHAT]
    assert server.headers[0]["Authorization"] == "Bearer sk-test"


@pytest.mark.parametrize(
    "fault, kind",
    [
        (Fault(429, retry_after=2), RateLimited),
        (Fault(500), ServerFault),
        (Fault(kind="reset"), ConnectionLost),
        (Fault(kind="broken"), ConnectionLost),
        (Fault(kind="cut"), MalformedBody),
        (Fault(kind="empty"), MalformedBody),
        (Fault(200, "[1]"), MalformedBody),
        (Fault(302, headers={"Location": "http://elsewhere.example/v1"}), AccountError),
        (Fault(200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), RateLimited),
    ],
)
def test_every_fault_has_its_own_error(fault, kind):
    with pytest.raises(kind) as caught:
        post({"faults": [fault]}, {"key": "sk-secretsecret"})
    assert "127.0.0.1" in str(caught.value) and "secretsecret" not in str(caught.value)


def test_a_server_that_does_not_answer_in_time_is_given_up():
    with pytest.raises(CallTimeout, match="timeout"):
        post({"faults": [Fault(kind="hang")]}, timeout=0.05)


def test_a_closed_port_is_unreachable():
    async def run():
        async with FakeEndpoint() as server:
            url = server.url
        provider = HttpProvider(url)
        try:
            await provider.post("/chat/completions", CHAT, timeout=5)
        finally:
            await provider.close()

    with pytest.raises(Unreachable, match="endpoint"):
        asyncio.run(run())


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    payload, _ = post({"answers": "direct"})
    assert chat_replies(payload)[0].text == "direct"


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "ftp://host/v1", "http://", "http://user:secret@host/v1"])
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url):
    with pytest.raises(RecipeError) as caught:
        HttpProvider(url)
    assert "secret" not in str(caught.value)


def test_a_missing_certificate_file_is_named():
    async def run():
        provider = HttpProvider("https://127.0.0.1:1/v1", ca_file="/nowhere/ca.pem")
        await provider.post("/chat/completions", CHAT, timeout=1)

    with pytest.raises(RecipeError, match=r"/nowhere/ca\.pem"):
        asyncio.run(run())


def test_the_one_model_of_an_endpoint_is_found_and_several_are_named():
    assert only_model({"data": [{"id": "qwen"}]}, "host") == "qwen"
    with pytest.raises(RecipeError, match="2 models \\(a, b\\)"):
        only_model({"data": [{"id": "b"}, {"id": "a"}]}, "host")


def test_thoughts_never_stand_in_the_answer():
    assert split_thought("<think>\nhm\n</think>\n\n42") == ("42", "hm", True)
    assert split_thought("hm</think>42") == ("42", "hm", True)
    assert split_thought("<think>hm") == ("", "hm", False)
    assert split_thought("use <think> tags</think>?")[0] == "use <think> tags</think>?"
    assert split_thought("plain") == ("plain", None, True)


def test_reasoning_is_taken_from_any_of_its_three_places():
    for message in (
        {"content": "42", "reasoning_content": "hm"},
        {"content": "42", "reasoning": "hm"},
        {"content": "<think>hm</think>42"},
    ):
        (reply,) = chat_replies(chat(message))
        assert (reply.text, reply.reasoning, reply.finish) == ("42", "hm", "stop")


def test_an_unclosed_thought_is_a_truncated_answer():
    (reply,) = chat_replies(chat({"content": "<think>so long"}))
    assert (reply.text, reply.finish) == ("", "length")


@pytest.mark.parametrize("finish", ["content_filter", "sensitive"])
def test_a_filtered_answer_is_marked(finish):
    assert chat_replies(chat({"content": ""}, finish))[0].finish == "refused"
    assert chat_replies(chat({"content": None, "refusal": "no"}))[0].finish == "refused"


def test_an_empty_answer_is_a_complete_one():
    (reply,) = chat_replies(chat({"content": None}))
    assert (reply.text, reply.finish) == ("", "stop")


def test_several_choices_come_in_order_and_share_the_tokens():
    payload = {
        "choices": [
            {"index": 1, "message": {"content": "bbbb"}, "finish_reason": "stop"},
            {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 14},
    }
    first, second = chat_replies(payload)
    assert (first.text, second.text) == ("a", "bbbb")
    assert (first.prompt_tokens, second.prompt_tokens) == (9, 0)
    assert first.completion_tokens + second.completion_tokens == 14 and second.completion_tokens > 7


def test_both_styles_of_log_probabilities_mean_the_same():
    content = [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}]}]
    legacy = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}]}
    expected = [{"token": "a", "logprob": -0.5, "top": {"a": -0.5}}]
    assert chat_replies(chat({"content": "a"}, logprobs={"content": content}))[0].logprobs == expected
    for style in (legacy, {"content": content}):
        assert completion_replies({"choices": [{"text": "a", "logprobs": style}]})[0].logprobs == expected


def test_a_continuation_keeps_its_text_as_it_is():
    assert completion_replies({"choices": [{"text": " <think> x"}]})[0].text == " <think> x"


@pytest.mark.parametrize(
    "payload", [{}, {"choices": []}, {"choices": [1]}, {"choices": [{}]}, {"choices": [{"message": {"content": 5}}]}]
)
def test_a_payload_without_answers_is_malformed(payload):
    with pytest.raises(MalformedBody):
        chat_replies(payload)


def test_vectors_are_unit_vectors_in_the_order_of_the_texts():
    payload = {"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]}
    assert embedding_vectors(payload, 2) == [array("f", [0.6, 0.8]), array("f", [0, 1])]
    for wrong in ({"data": []}, {"data": [{"embedding": [0, 0]}] * 2}, {"data": [{"embedding": ["x"]}] * 2}):
        with pytest.raises(MalformedBody):
            embedding_vectors(wrong, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "logprobs", "index"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_payload_gives_answers_or_our_own_error(value):
    for payload in (value if isinstance(value, dict) else {}, {"choices": value}, {"choices": [value]}):
        with contextlib.suppress(ModelError):
            assert all(isinstance(reply.text, str) for reply in chat_replies(payload))
