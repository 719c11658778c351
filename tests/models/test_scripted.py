import asyncio
import base64
import json
import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.errors import BadRequest, CallTimeout, ModelNotFound, RateLimited, RecipeError, ServerFault
from sftmill.models.scripted import ScriptedProvider, embed, measure_tokens


def post(provider, body, path="/chat/completions", timeout=5.0):
    return asyncio.run(provider.post(path, body, timeout=timeout))


def ask(provider, text, **body):
    payload = post(provider, {"messages": [{"role": "user", "content": text}], **body})
    return [choice["message"]["content"] for choice in payload["choices"]]


# ---- rules


def test_the_first_rule_that_fits_answers():
    provider = ScriptedProvider(
        [
            {"when": "苹果", "say": "水果"},
            {"when": "果", "say": "果实"},
            {"when": "[a", "say": "literal"},
            {"say": "rest"},
        ]
    )
    assert [ask(provider, x)[0] for x in ("一个苹果", "果子", "[a", "梨")] == ["水果", "果实", "literal", "rest"]


def test_only_the_last_message_is_looked_at():
    provider = ScriptedProvider([{"when": "first", "say": "no"}, {"say": "yes"}])
    messages = [{"role": "user", "content": "first"}, {"role": "user", "content": "last"}]
    assert post(provider, {"messages": messages})["choices"][0]["message"]["content"] == "yes"


def test_a_regular_expression_hands_its_groups_to_the_answer():
    provider = ScriptedProvider([{"when": r"/room (\d+)(?: of (\w+))?/", "say": "<$0> <$1> <$2> <$7>"}])
    assert ask(provider, "see room 12 of B") == ["<room 12 of B> <12> <B> <$7>"]
    assert ask(provider, "see room 12") == ["<room 12> <12> <> <$7>"]


def test_json_is_said_as_json_with_groups_filled_in():
    provider = ScriptedProvider([{"when": "/甲(.)/", "json": {"questions": ["$1是什么？", 3, None]}}])
    assert json.loads(ask(provider, "甲乙")[0]) == {"questions": ["乙是什么？", 3, None]}


def test_an_answer_of_zero_or_an_empty_text_counts_as_an_answer():
    assert ask(ScriptedProvider([{"json": 0}]), "x") == ["0"]
    assert ask(ScriptedProvider([{"say": ""}]), "x") == [""]


@given(st.lists(st.text(max_size=8), max_size=20, unique=True), st.randoms())
def test_which_text_is_said_does_not_depend_on_the_order_of_calls(prompts, random):
    script = [{"say": ["a", "b", "c", "d", "e"]}]

    async def all_at_once(order):
        provider = ScriptedProvider(script)
        bodies = [{"messages": [{"role": "user", "content": p}], "n": 2} for p in order]
        found = await asyncio.gather(*(provider.post("/chat/completions", b, timeout=5) for b in bodies))
        return dict(zip(order, [[c["message"]["content"] for c in f["choices"]] for f in found], strict=True))

    shuffled = list(prompts)
    random.shuffle(shuffled)
    assert asyncio.run(all_at_once(prompts)) == asyncio.run(all_at_once(shuffled))


def test_several_texts_are_spread_over_prompts_samples_and_seeds():
    provider = ScriptedProvider([{"say": ["a", "b", "c"]}])
    assert len(set(ask(provider, "x", n=3))) == 3
    assert {ask(provider, f"prompt {i}")[0] for i in range(40)} == {"a", "b", "c"}
    assert {ask(provider, "x", seed=i)[0] for i in range(40)} == {"a", "b", "c"}


def test_a_prompt_that_no_rule_fits_is_an_error_that_does_not_repeat_it(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_text("rules: [{when: apple, say: b}]")
    with pytest.raises(BadRequest, match=r"none of the 1 rules in .*script\.yaml fits the prompt; add") as caught:
        ask(ScriptedProvider(path), "confidential")
    assert "confidential" not in str(caught.value)


def test_the_default_answers_what_no_rule_fits():
    assert ask(ScriptedProvider({"rules": [{"when": "a", "say": "b"}], "default": "else"}), "x") == ["else"]


# ---- shapes


def test_a_chat_answer_has_the_shape_of_openais():
    rule = {"say": "温度 is 20 degrees", "reasoning": "想一想"}
    payload = post(
        ScriptedProvider({"model": "m", "rules": [rule]}),
        {"messages": [{"role": "system", "content": "你好"}, {"role": "user", "content": "what is 它"}], "n": 2},
    )
    assert payload["object"] == "chat.completion"
    assert payload["model"] == "m"
    assert [c["index"] for c in payload["choices"]] == [0, 1]
    assert payload["choices"][0]["finish_reason"] == "stop"
    assert payload["choices"][0]["message"] == {
        "role": "assistant",
        "content": "温度 is 20 degrees",
        "reasoning_content": "想一想",
    }
    assert payload["usage"] == {"prompt_tokens": 5, "completion_tokens": 2 * (5 + 3), "total_tokens": 21}


def test_a_raw_completion_goes_on_from_the_prefix():
    payload = post(ScriptedProvider([{"when": "Once", "say": " upon a time"}]), {"prompt": "Once"}, "/completions")
    assert payload["object"] == "text_completion"
    assert payload["choices"] == [{"index": 0, "text": " upon a time", "finish_reason": "stop"}]
    assert payload["usage"]["prompt_tokens"] == 1


@pytest.mark.parametrize(
    ("text", "limit", "expected", "finish"),
    [
        ("一二三四", 2, "一二", "length"),
        ("one two three", 2, "one two", "length"),
        ("温度is 二十", 3, "温度is", "length"),
        ("一二三四", 4, "一二三四", "stop"),
        ("一二三四", None, "一二三四", "stop"),
    ],
)
def test_an_answer_is_cut_off_at_max_tokens(text, limit, expected, finish):
    payload = post(
        ScriptedProvider([{"say": text}]), {"messages": [{"role": "user", "content": "x"}], "max_tokens": limit}
    )
    choice = payload["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (expected, finish)
    assert payload["usage"]["completion_tokens"] == measure_tokens(expected)


def test_an_answer_ends_before_a_stop_text():
    assert ask(ScriptedProvider([{"say": "甲。乙。丙"}]), "x", stop=["丙", "。"]) == ["甲"]


def test_a_rule_may_say_how_the_answer_ended():
    for finish in ("length", "content_filter"):
        payload = post(
            ScriptedProvider([{"say": "a", "finish": finish}]), {"messages": [{"role": "user", "content": "x"}]}
        )
        assert payload["choices"][0]["finish_reason"] == finish


def test_log_probabilities_come_in_both_styles_and_are_the_same_each_time():
    provider = ScriptedProvider([{"say": "好 day"}])
    body = {"messages": [{"role": "user", "content": "x"}], "logprobs": True, "top_logprobs": 2}
    content = post(provider, body)["choices"][0]["logprobs"]["content"]
    assert [c["token"] for c in content] == ["好", " day"]
    assert all(-4 <= c["logprob"] <= 0 and len(c["top_logprobs"]) == 2 for c in content)
    raw = post(provider, {"prompt": "p q", "logprobs": 1, "echo": True, "max_tokens": 2}, "/completions")
    found = raw["choices"][0]["logprobs"]
    assert "".join(found["tokens"]) == raw["choices"][0]["text"] == "p q好 day"
    assert found["text_offset"] == [0, 1, 3, 4]
    assert found["token_logprobs"][0] is None
    assert found["token_logprobs"][2:] == [c["logprob"] for c in content]


def test_the_one_model_is_listed():
    payload = asyncio.run(ScriptedProvider({"model": "m"}).get("/models"))
    assert [m["id"] for m in payload["data"]] == ["m"]
    with pytest.raises(ModelNotFound):
        asyncio.run(ScriptedProvider({}).get("/other"))


def test_an_unknown_path_is_a_bad_request():
    with pytest.raises(BadRequest, match="/audio"):
        post(ScriptedProvider([{"say": "x"}]), {}, "/audio")


# ---- embeddings


def similarity(one, other):
    return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))


@given(st.text(max_size=40))
def test_a_vector_has_unit_length_and_is_the_same_each_time(text):
    assert math.hypot(*embed(text)) == pytest.approx(1)
    assert embed(text) == embed(text)


def test_similar_texts_have_similar_vectors():
    text = "蓄电池室的温度应保持在十五至二十五摄氏度之间"
    assert similarity(text, text.replace("十五至", "十至")) > 0.8
    assert similarity(text, "The port authority closed two berths") < 0.5
    assert similarity("clean the filter every week", "clean the filters every week") > 0.8


def test_embeddings_come_in_order_in_either_encoding_and_with_the_size_asked_for():
    provider = ScriptedProvider([])
    payload = post(provider, {"input": ["甲", "乙 b"]}, "/embeddings")
    assert [d["index"] for d in payload["data"]] == [0, 1]
    assert payload["data"][1]["embedding"] == embed("乙 b")
    assert payload["usage"]["prompt_tokens"] == 3
    packed = post(provider, {"input": "甲", "encoding_format": "base64", "dimensions": 8}, "/embeddings")
    assert array("f", base64.b64decode(packed["data"][0]["embedding"])).tolist() == pytest.approx(embed("甲", 8))


# ---- failures


def test_a_failure_strikes_each_prompt_as_often_as_the_script_says():
    provider = ScriptedProvider([{"fail": "RateLimited", "times": 2, "retry_after": 0.5, "say": "ok"}])
    for prompt in ("a", "b"):
        for _ in range(2):
            with pytest.raises(RateLimited) as caught:
                ask(provider, prompt)
            assert caught.value.retry_after == 0.5
        assert ask(provider, prompt) == ["ok"]


def test_a_failure_without_a_number_is_for_ever():
    provider = ScriptedProvider([{"when": "x", "fail": "ServerFault"}])
    for _ in range(3):
        with pytest.raises(ServerFault):
            ask(provider, "x")
    assert provider.asked["/chat/completions"] == 3


def test_a_prompt_that_is_no_valid_unicode_is_answered_all_the_same():
    assert ask(ScriptedProvider([{"say": ["a", "a"]}]), "\ud800") == ["a"]


def test_a_delay_beyond_the_time_limit_is_a_timeout():
    with pytest.raises(CallTimeout):
        post(ScriptedProvider([{"say": "x"}], delay=5), {"messages": []}, timeout=0.01)


# ---- scripts


def test_a_file_says_the_same_as_python_values(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_text(
        """\
model: 剧本
rules:
  - when: /提出 (\\d) 个问题/
    json: {questions: [甲是什么？], count: "$1"}
  - when: no            # YAML 1.2: a text, not false
    say: [on, off]
default: {say: 不知道, finish: length}
""",
        encoding="utf-8",
    )
    provider = ScriptedProvider(path)
    assert provider.model == "剧本"
    assert ask(provider, "请提出 3 个问题") == ['{"questions":["甲是什么？"],"count":"3"}']
    assert ask(provider, "no")[0] in ("on", "off")
    assert ask(provider, "?") == ["不知道"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("rules: [{when: a, sya: b}]", r"rules number 1 sya"),
        ("rules: [{when: a}]", r"rules number 1: says nothing"),
        ("rules: [{say: a, json: 1}]", r"both `say` and `json`"),
        ("rules: [{when: '/(/', say: a}]", r"no regular expression"),
        ("rules: [{fail: Oops}]", r"'Oops' is no ModelError"),
        ("rules: [{fail: RunLocked}]", r"'RunLocked' is no ModelError"),
        ("rules:\n  - {say: a\n", r"script\.yaml:\d"),
        ("just text", r"script\.yaml"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused_with_its_place(tmp_path, script, expected):
    path = tmp_path / "script.yaml"
    path.write_text(script)
    with pytest.raises(RecipeError, match=expected):
        ScriptedProvider(path)


def test_a_script_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"absent\.yaml: the script cannot be read"):
        ScriptedProvider(tmp_path / "absent.yaml")


def test_a_function_may_write_the_answers():
    def shout(body):
        return body["messages"][-1]["content"].upper()

    async def think(body):
        return {"say": "answer", "reasoning": "thought"}

    assert ask(ScriptedProvider(shout), "abc", n=2) == ["ABC", "ABC"]
    payload = post(ScriptedProvider(think), {"messages": [{"role": "user", "content": "x"}]})
    assert payload["choices"][0]["message"]["reasoning_content"] == "thought"
    whole = {"choices": [], "usage": {}}
    assert post(ScriptedProvider(lambda body: whole), {"messages": []}) == whole


def test_a_function_may_fail_as_an_endpoint_does():
    def busy(body):
        raise RateLimited("busy", 1.0)

    with pytest.raises(RateLimited):
        ask(ScriptedProvider(busy), "x")
