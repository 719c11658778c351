import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.errors import (
    AccountError,
    AuthFailed,
    BadRequest,
    CallTimeout,
    ContentRefused,
    ContextTooLong,
    MalformedBody,
    ModelError,
    ModelNotFound,
    Overload,
    QuotaExhausted,
    RateLimited,
    ServerFault,
)
from sftmill.models.faults import classify, fault_in, wait_asked_for, without_keys


def openai(message="", code=None, kind=None):
    return {"error": {"message": message, "code": code, "type": kind}}


SAID = [
    # OpenAI
    (429, openai("Rate limit reached for gpt-4o", "rate_limit_exceeded", "requests"), RateLimited),
    (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), QuotaExhausted),
    (401, openai("Incorrect API key provided", "invalid_api_key"), AuthFailed),
    (404, openai("The model `x` does not exist or you do not have access to it.", "model_not_found"), ModelNotFound),
    (400, openai("maximum context length is 8192 tokens", "context_length_exceeded"), ContextTooLong),
    (400, openai("rejected by our safety system", "content_policy_violation"), ContentRefused),
    (400, openai("Unsupported value: 'temperature'", "unsupported_value"), BadRequest),
    (500, openai("The server had an error"), ServerFault),
    (503, openai("The engine is currently overloaded, please try again later"), Overload),
    (529, "", Overload),
    (502, "<html>502 Bad Gateway</html>", ServerFault),
    (408, "", CallTimeout),
    # vLLM and llama.cpp
    (400, {"message": "This model's maximum context length is 4096 tokens.", "code": 400}, ContextTooLong),
    (400, {"object": "error", "message": "max_tokens must be at least 1, got -186.", "code": 400}, ContextTooLong),
    (404, {"object": "error", "message": "The model `a` does not exist.", "type": "NotFoundError"}, ModelNotFound),
    (400, openai("the request exceeds the available context size", kind="exceed_context_size_error"), ContextTooLong),
    (503, openai("Loading model", 503, "unavailable_error"), ServerFault),
    # DashScope
    (429, openai("Requests rate limit exceeded", "Throttling.RateQuota"), RateLimited),
    (429, {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded, please increase"}, RateLimited),
    (400, openai("Input data may contain inappropriate content.", "data_inspection_failed"), ContentRefused),
    (400, {"code": "Arrearage", "message": "please make sure your account is in good standing."}, QuotaExhausted),
    (400, openai("Range of input length should be [1, 30720]", "invalid_parameter_error"), ContextTooLong),
    (401, {"code": "InvalidApiKey", "message": "Invalid API-key provided."}, AuthFailed),
    # DeepSeek
    (402, openai("Insufficient Balance"), QuotaExhausted),
    (400, openai("Content Exists Risk"), ContentRefused),
    # Zhipu
    (429, openai("您的账户已欠费，请充值后重试。", "1113"), QuotaExhausted),
    (400, openai("系统检测到输入或生成内容可能包含不安全或敏感内容", "1301"), ContentRefused),
    (429, openai("您当前使用该API的并发数过高，请降低并发", "1302"), RateLimited),
    (429, openai("您当前使用该API的频率过高", "1303"), RateLimited),
    (429, openai("当前API请求过多，请稍后重试", "1305"), Overload),
    (400, openai("模型不存在", "1211"), ModelNotFound),
    # Qianfan
    (200, {"error_code": 18, "error_msg": "Open api qps request limit reached"}, RateLimited),
    (200, {"error_code": 17, "error_msg": "Open api daily request limit reached"}, QuotaExhausted),
    (200, {"error_code": 336100, "error_msg": "try again"}, Overload),
    (200, {"error_code": 110, "error_msg": "Access token invalid"}, AuthFailed),
    # Moonshot
    (429, openai("Your account is suspended, please check", kind="exceeded_current_quota_error"), QuotaExhausted),
    (400, openai("rejected because it was considered high risk", kind="content_filter"), ContentRefused),
    (429, openai("request reached max organization concurrency: 1", kind="rate_limit_reached_error"), RateLimited),
    (429, openai("The engine is currently overloaded", kind="engine_overloaded_error"), Overload),
    # Volcengine Ark
    (400, openai("the input text may contain sensitive information", "SensitiveContentDetected"), ContentRefused),
    (403, openai("your account has an overdue balance", "AccountOverdueError"), QuotaExhausted),
    (429, openai("The service is temporarily overloaded", "ServerOverloaded"), Overload),
    (429, openai("RPM limit is exceeded", "RateLimitExceeded.EndpointRPMExceeded"), RateLimited),
    (404, openai("The model or endpoint x does not exist", "InvalidEndpointOrModel.NotFound"), ModelNotFound),
    # MiniMax
    (200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, RateLimited),
    (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, QuotaExhausted),
    (200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}, ContentRefused),
    (200, {"base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}}, ContentRefused),
    (200, {"base_resp": {"status_code": 1039, "status_msg": "token limit"}}, RateLimited),
    # Hunyuan, SiliconFlow, gateways
    (400, {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "请求频率超限"}}}, RateLimited),
    (429, {"message": "Request was rejected. Details: TPM limit reached.", "data": None}, RateLimited),
    (503, {"code": 50505, "message": "Model service overloaded. Please try again later."}, Overload),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, QuotaExhausted),
    (403, openai("用户额度不足", "insufficient_user_quota"), QuotaExhausted),
    (400, openai("触发敏感词", "sensitive_words_detected"), ContentRefused),
    (200, openai("something odd"), MalformedBody),
    (307, "", AccountError),
]  # fmt: skip


@pytest.mark.parametrize("status, body, kind", SAID)
def test_what_providers_say_becomes_the_error_that_it_means(status, body, kind):
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = classify(status, {}, raw, host="api.example.cn")
    assert type(error) is kind
    assert "api.example.cn" in str(error)


def test_retry_after_is_read_in_all_its_forms():
    assert wait_asked_for({"retry-after": "2"}) == 2
    assert wait_asked_for({"retry-after": "0.5"}) == 0.5
    assert wait_asked_for({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert wait_asked_for({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}, now=1445412480.0) == 10
    assert wait_asked_for({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}, now=1445412500.0) == 0
    assert wait_asked_for({}, "Please try again in 1.2s.") == 1.2
    assert wait_asked_for({}, "Please retry after 20 seconds") == 20
    assert wait_asked_for({}, "please try again in 350ms") == pytest.approx(0.35)
    assert wait_asked_for({"retry-after": "86400"}) == 600
    assert wait_asked_for({"retry-after": "soon"}) is None
    assert wait_asked_for({}) is None


def test_a_rate_limit_carries_the_wait():
    error = classify(429, {"retry-after": "3"}, b"{}", host="h")
    assert isinstance(error, RateLimited) and error.retry_after == 3


def test_a_key_never_stands_in_a_message():
    key = "sk-verysecret1234"
    body = json.dumps(openai(f"Incorrect API key provided: {key}. Header: Bearer abc.def. Also sk-another999."))
    text = str(classify(401, {}, body.encode(), host="h", key=key))
    assert "verysecret" not in text and "abc.def" not in text and "another" not in text
    assert "secret" not in without_keys("key=0123456789abcdef0123456789abcdef.secretpart", "")


def test_a_message_is_short_and_holds_no_echo_of_the_prompt():
    body = {"message": "1 validation error: {'type': 'missing', 'input': {'messages': 'CONFIDENTIAL TEXT'}}"}
    assert "CONFIDENTIAL" not in str(classify(400, {}, json.dumps(body).encode(), host="h"))
    assert len(str(classify(500, {}, b"x" * 5000, host="h"))) < 300


def test_a_redirect_names_its_target_and_stops_the_run():
    error = classify(301, {"location": "https://other.example/v1?token=abc"}, b"", host="h")
    assert isinstance(error, AccountError)
    assert "https://other.example/v1" in str(error) and "token" not in str(error)


def test_a_fault_within_a_success_is_noticed():
    assert fault_in({"base_resp": {"status_code": 1002}})
    assert fault_in({"error": {"message": "x"}})
    assert not fault_in({"base_resp": {"status_code": 0}, "choices": [1]})
    assert not fault_in({"choices": [1], "error": None})


@given(st.integers(100, 599), st.binary(max_size=300))
def test_any_reply_gives_an_error_of_our_own(status, body):
    assert isinstance(classify(status, {}, body, host="h"), ModelError)


NAMES = ["error", "code", "message", "type", "base_resp", "status_code", "detail", "Response", "error_code"]
JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=8,
)


@given(st.integers(200, 599), JSON)
def test_any_json_gives_an_error_of_our_own(status, value):
    assert isinstance(classify(status, {}, json.dumps(value).encode(), host="h"), ModelError)
