"""Turns what a server says when it does not answer into one of our own errors.

Every provider has its own words for the same few things. They stand in tables below, one per
error class, so that a new provider is a few more lines. The tables hold what the providers'
public error pages and issue trackers say (read in November 2026): OpenAI, vLLM, llama.cpp, DashScope, DeepSeek,
Zhipu, Qianfan, Moonshot, Volcengine Ark, MiniMax, Hunyuan, SiliconFlow.
"""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

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

LONGEST_WAIT = 600.0
"""Seconds; a Retry-After above it is cut to it, because some gateways send a day."""

PHRASES: tuple[tuple[type[ModelError], tuple[str, ...]], ...] = (
    (
        ContentRefused,
        (
            "datainspectionfailed", "data_inspection_failed", "inappropriate content",  # DashScope
            "content exists risk",  # DeepSeek
            "sensitivecontentdetected", "textriskdetection", "contentsecurity",  # Ark
            "content_filter", "content_policy_violation", "considered high risk", "rejected because it was considered",
            "responsible ai policy", "flagged as potentially violating", "sensitive_words_detected", "prompt_blocked",
            "input new_sensitive", "output new_sensitive",  # MiniMax
            "moderation", "illegalcontent", "contentrisk",
            "敏感内容", "敏感词", "敏感信息", "不安全或敏感", "违规内容", "内容违规", "内容安全",
            "未通过审核", "内容审核", "高风险内容", "高风险的",
        ),
    ),
    (
        ContextTooLong,
        (
            "maximum context length", "context_length_exceeded", "max_model_len", "max model len",
            "exceeds the available context size", "exceed_context_size", "context size has been exceeded",
            "range of input length", "input length should be", "input token length too long",
            "max message tokens", "outofcontext", "exceeded model token limit", "longer than the maximum model length",
            "please reduce the length of the", "prompt is too long", "max_tokens must be at least 1, got -",
            "tokens length too long", "input is too long", "context window", "tokens limit exceeded",
            "prompt 超长", "输入长度", "超过最大长度", "超出最大长度", "上下文长度", "文本过长", "超出模型长度",
        ),
    ),
    (
        QuotaExhausted,
        (
            "arrearage", "good standing", "overdue", "accountoverdueerror",
            "insufficient balance", "insufficient_balance", "balance is insufficient", "not enough balance",
            "insufficient_user_quota", "exceeded_current_quota", "billing_hard_limit_reached", "billing hard limit",
            "quotaexceeded.free", "allocationquota.freetieronly", "free tier", "freetier",
            "resourceinsufficient.chargeresourceexhaust", "notopenpostpaid", "credit balance is too low", "suspended",
            "欠费", "余额不足", "余额已用完", "余额用完", "额度不足", "额度已用完", "额度已用尽", "免费额度", "请充值",
            "无可用资源包", "资源包已用完",
        ),
    ),
    (
        RateLimited,
        (
            "throttling", "ratequota", "allocationquota", "allocated quota exceeded", "burstrate",
            "rate limit", "rate_limit", "ratelimit", "limit_reached", "too many requests", "toomanyrequests",
            "requestlimitexceeded", "limitexceeded", "requests per minute", "tokens per minute",
            "tpm limit", "rpm limit", "qps limit", "qps request limit", "concurrency limit",
            "max organization concurrency",
            "请求过于频繁", "请求频率", "频率过高", "频率超限", "并发数过高", "并发超",
            "超过并发", "并发请求", "触发限流", "限流", "限速", "超限额", "速率限制",
        ),
    ),
    (
        QuotaExhausted,
        ("insufficient_quota", "exceeded your current quota", "quota exceeded", "quota_exceeded", "quotaexceeded"),
    ),
    (
        Overload,
        (
            "overloaded", "engine_overloaded", "serveroverloaded", "server is busy", "server busy", "system is busy",
            "service is busy", "service busy", "at capacity", "no capacity", "capacity_exhausted", "high demand",
            "server is overload", "enginerequesttimeout", "engineserverlimitexceeded",
            "访问量过大", "服务器繁忙", "系统繁忙", "服务繁忙", "负载过高", "负载较高", "服务过载", "模型繁忙",
            "当前模型使用人数",
        ),
    ),
    (
        ModelNotFound,
        (
            "model_not_found", "model not found", "model not exist", "modelnotfound", "modelnotopen", "model_not_exist",
            "invalidendpointormodel", "unknown model", "no such model", "unsupported model", "invalid model",
            "does not exist or you do not have access", "模型不存在", "模型未开通", "无权访问该模型", "未找到模型",
        ),
    ),
    (
        AuthFailed,
        (
            "invalidapikey", "invalid_api_key", "invalid api key", "invalid api-key", "incorrect api key",
            "invalid_iam_token",
            "invalid_authentication", "authentication fail", "authenticationerror", "authfailure", "unauthorized",
            "not authorized", "permission denied", "permission_denied", "accessdenied", "access denied",
            "令牌无效", "令牌已过期", "令牌状态不可用", "鉴权失败", "认证失败", "身份验证",
            "apikey 无效", "api key 无效", "密钥无效", "无权限",
        ),
    ),
)  # fmt: skip
"""Words that give a fault away, looked for in code, type and message in lower case; the first hit counts."""

ZHIPU: dict[str, type[ModelError]] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1110", "1111", "1112", "1220"), AuthFailed),
    "1113": QuotaExhausted,
    "1211": ModelNotFound,
    "1212": BadRequest,
    "1213": BadRequest,
    "1214": BadRequest,
    "1261": ContextTooLong,
    "1301": ContentRefused,
    **dict.fromkeys(("1302", "1303", "1304", "1308"), RateLimited),
    "1305": Overload,
    "1309": QuotaExhausted,
    "1312": Overload,
}
"""`error.code` of Zhipu's platform, always a string of four digits."""

MINIMAX: dict[int, type[ModelError]] = {
    1000: ServerFault, 1001: ServerFault, 1002: RateLimited, 1004: AuthFailed, 1008: QuotaExhausted, 1013: ServerFault,
    1024: ServerFault, 1026: ContentRefused, 1027: ContentRefused, 1033: ServerFault, 1039: RateLimited,
    1041: RateLimited, 2013: BadRequest, 2045: RateLimited, 2049: AuthFailed, 2056: QuotaExhausted,
}  # fmt: skip
"""`base_resp.status_code` of MiniMax, which sends its faults with HTTP 200."""

QIANFAN: dict[int, type[ModelError]] = {
    1: ServerFault, 2: ServerFault, 4: RateLimited, 6: AuthFailed, 13: AuthFailed, 14: AuthFailed, 15: AuthFailed,
    17: QuotaExhausted, 18: RateLimited, 19: QuotaExhausted, 100: BadRequest, 110: AuthFailed, 111: AuthFailed,
    336000: ServerFault, 336001: BadRequest, 336002: BadRequest, 336003: BadRequest, 336004: AuthFailed,
    336005: AuthFailed, 336006: BadRequest, 336007: ContextTooLong, 336100: Overload, 336101: BadRequest,
    336103: ContextTooLong, 336104: BadRequest, 336117: BadRequest, 336200: ServerFault, 336501: RateLimited,
    336502: RateLimited, 336503: RateLimited,
}  # fmt: skip
"""`error_code` of Qianfan's older interface, which also comes with HTTP 200."""

REMEDIES: dict[type[ModelError], str] = {
    AuthFailed: "check the key in the variable that `key_env` names",
    QuotaExhausted: "top up the account or put another key into `key_env`, then run the same command again",
    ModelNotFound: "check `model`, and that `endpoint` ends in /v1",
    ContextTooLong: "make passages shorter, or lower `max_tokens` in the step's sampling",
    BadRequest: "check `sampling` and `extra_body` of this role",
    ContentRefused: "name another role in `on_refusal` to have such rows answered there",
}

_BEARER = re.compile(r"(?i)bearer\s+\S+")
_KEY_LIKE = re.compile(r"\b(?:sk|ak|rk|pk|api|key)[-_][\w*.\-]{4,}|[\w\-.]{32,}|\b[\w*]{2,12}\*{4,}[\w*]*")
_ECHO = re.compile(r"['\"]input['\"]\s*:.*", re.DOTALL)
_TRY_AGAIN = re.compile(
    r"(?:try again|retry|wait)[^.0-9]{0,20}?(?:in|after)?\s*(\d+(?:\.\d+)?)\s*"
    r"(ms|milliseconds?|s\b|secs?|seconds?|m\b|minutes?)",
    re.IGNORECASE,
)


def wait_asked_for(headers: Mapping[str, str], text: str = "", now: float | None = None) -> float | None:
    """Return how many seconds the server asks us to wait, 0 to 600; None when it does not say.

    Read in this order: `retry-after-ms`, `retry-after` as seconds or as an HTTP date, and
    sentences such as "Please try again in 1.2s". `now` is Unix time, for tests.
    """
    wait = None
    try:
        if (value := headers.get("retry-after-ms")) is not None:
            wait = float(value) / 1000
        elif (value := headers.get("retry-after")) is not None:
            try:
                wait = float(value)
            except ValueError:
                wait = parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
    except (ValueError, TypeError, OverflowError):
        wait = None
    if wait is None and text and (found := _TRY_AGAIN.search(text)):
        unit = found[2].lower()
        scale = 0.001 if unit.startswith(("ms", "milli")) else 60.0 if unit.startswith("m") else 1.0
        wait = float(found[1]) * scale
    if wait is None or wait != wait:
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)


def without_keys(text: str, key: str = "") -> str:
    """Return the text with `key` and everything that looks like a key taken out."""
    if len(key) >= 4:
        text = text.replace(key, "[key]")
    return _KEY_LIKE.sub("[key]", _BEARER.sub("Bearer [key]", text))


def said(payload: Any, body: bytes) -> tuple[str, list[str]]:
    """Return the server's message, and the codes and types that it gave with it."""
    if not isinstance(payload, dict):
        return body[:2000].decode("utf-8", "replace"), []
    nests = [payload]
    for name in ("error", "base_resp", "Response", "Error", "error_detail"):
        for nest in list(nests):
            if isinstance(inner := nest.get(name), dict):
                nests.append(inner)
    codes = [
        str(nest[name])
        for nest in nests
        for name in ("code", "type", "error_code", "Code", "status", "object")
        if isinstance(nest.get(name), str | int) and not isinstance(nest.get(name), bool)
    ]
    message = ""
    for nest in reversed(nests):
        for name in ("message", "error_msg", "status_msg", "Message", "msg", "detail", "error", "error_description"):
            if isinstance(value := nest.get(name), str) and value:
                message = message or value
            elif name == "detail" and isinstance(value, list) and value:
                message = message or "; ".join(str(v.get("msg", "")) for v in value[:3] if isinstance(v, dict))
    return message, codes


def classify(
    status: int, headers: Mapping[str, str], body: bytes, *, host: str, key: str = "", model: str = ""
) -> ModelError:
    """Return the error that an HTTP reply means; status 200 is allowed, for faults sent with it.

    `headers` must look names up in lower case or regardless of case. The message names the
    host, the status and at most 200 characters of what the server said, without keys.
    """
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        payload = None
    message, codes = said(payload, body)
    kind = _kind(status, headers, payload, message, codes)
    told = without_keys(_ECHO.sub("", message), key)
    told = " ".join(told.split())[:200]
    target = f" for model {model!r}" if model and kind is ModelNotFound else ""
    text = f"{host} answered {status}{target}" + (f": {told}" if told else "")
    if kind is AccountError:
        where = without_keys(headers.get("location", "nowhere"), key).split("?")[0]
        return AccountError(
            f"{host} redirects ({status}) to {where}; a key is never sent on to another address: "
            "put the final address into `endpoint`"
        )
    if remedy := REMEDIES.get(kind):
        text += f"; {remedy}"
    if issubclass(kind, Overload):
        return kind(text, wait_asked_for(headers, message))
    return kind(text)


def _kind(status: int, headers: Mapping[str, str], payload: Any, message: str, codes: list[str]) -> type[ModelError]:
    if 300 <= status < 400:
        return AccountError
    if isinstance(payload, dict):
        if isinstance(base := payload.get("base_resp"), dict) and (code := base.get("status_code")):
            return MINIMAX.get(code, ServerFault)
        if isinstance(code := payload.get("error_code"), int) and code in QIANFAN:
            return QIANFAN[code]
        if isinstance(error := payload.get("error"), dict) and (code := error.get("code")) in ZHIPU:
            return ZHIPU[code]
    text = " ".join((*codes, message)).lower()
    if status >= 500:
        for kind, words in PHRASES:
            if issubclass(kind, Overload) and any(word in text for word in words):
                return kind
        return Overload if status == 529 or (status == 503 and "retry-after" in headers) else ServerFault
    if status == 401:
        return AuthFailed
    if status == 402:
        return QuotaExhausted
    for kind, words in PHRASES:
        if status == 429 and kind in (ContextTooLong, ModelNotFound, AuthFailed, ContentRefused):
            continue
        if any(word in text for word in words):
            return kind
    if status == 429:
        return RateLimited
    if status == 403:
        return AuthFailed
    if status == 404:
        return ModelNotFound
    if status in (408, 499):
        return CallTimeout
    if status in (409, 425):
        return ServerFault
    if status < 300:
        return MalformedBody
    return BadRequest


def fault_in(payload: dict[str, Any]) -> bool:
    """Tell whether a body that came with HTTP 200 is a fault all the same."""
    if (base := payload.get("base_resp")) and base.get("status_code"):
        return True
    return bool(payload.get("error") or payload.get("error_code")) and not payload.get("choices")
