"""Control tokens of chat templates: find them in data, make them harmless, undo it.

A passage that holds `<|im_end|>` would end the turn it is quoted in: tokenizers turn the
string into the control token itself. A backslash behind the opening bracket is enough to
prevent that, stays readable, and can be taken out again.
"""

import re

from sftmill.text.lazy import lazy_pattern

# Names between angle brackets: Llama 2 and Mistral (s), Gemma, T5, GLM, InternLM, Baichuan, Command R, Seed.
_ANGLE = (
    r"/?s|bos|eos|pad|unk|mask|sop|eop|eoh|eoa|(?:start|end)_of_(?:turn|image)|unused\d{1,4}|extra_id_\d{1,3}|"
    r"reserved_\d{1,5}|TOKENS_UNUSED_\d{1,3}|(?:BOS|EOS)_TOKEN|seed:(?:bos|eos|pad)|"
    r"\|(?:turn|channel|tool|tool_call|tool_response|image|audio|video)|(?:turn|channel|tool|tool_call|tool_response)\|"
)
# Names between square brackets: Mistral's instruct formats, GLM's prefix, InternLM 2.
_SQUARE = (
    r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|MODEL_SETTINGS)|TOOL_CALLS|TOOL_CONTENT|BEGIN_TOOL_RESULTS|"
    r"CALL_ID|ARGS|IMG|IMG_BREAK|IMG_END|[gs]?MASK|UNUSED_TOKEN_\d{1,3}"
)
# Everything of the form <|name|>, with ASCII or (DeepSeek) full-width bars; ▁ stands for a space there.
_BARRED = r"[\w▁.:\-]{1,64}"

_TOKEN = lazy_pattern(
    rf"<(?P<bar>[|｜])(?P<name>{_BARRED})(?P=bar)>"
    rf"|(?:<(?=(?:{_ANGLE})>)|<<(?=/?SYS>>)|\[(?=(?:{_SQUARE})\])|\](?=~!?b[\[\]])|\[(?=e~\[))"
)
_WHOLE = lazy_pattern(
    rf"<(?P<bar>[|｜])(?P<name>{_BARRED})(?P=bar)>|<(?:{_ANGLE})>|<</?SYS>>|\[(?:{_SQUARE})\]|\]~!?b[\[\]]|\[e~\["
)
_ESCAPED = lazy_pattern(
    rf"<\\(?P<bar>[|｜])(?P<name>{_BARRED})\\(?P=bar)>"
    rf"|(?P<open><(?=\\(?:{_ANGLE})>)|<<(?=\\/?SYS>>)|\[(?=\\(?:{_SQUARE})\])|\](?=\\~!?b[\[\]])|\[(?=\\e~\[))\\"
)


def escape_control_tokens(s: str) -> str:
    r"""Return `s` with every chat template's control token made harmless: `<|im_end|>` -> `<\|im_end\|>`.

    Escaping twice changes nothing more; ordinary text comes back as the same object.
    """
    if "<" not in s and "[" not in s and "~" not in s:
        return s
    return _TOKEN.sub(_escape, s)


def _escape(match: re.Match[str]) -> str:
    if bar := match["bar"]:
        return f"<\\{bar}{match['name']}\\{bar}>"
    return match[0] + "\\"


def unescape_control_tokens(s: str) -> str:
    """Undo `escape_control_tokens`, for text that held no escaped token before."""
    if "\\" not in s:
        return s
    return _ESCAPED.sub(lambda m: f"<{m['bar']}{m['name']}{m['bar']}>" if m["bar"] else m["open"], s)


def find_control_tokens(s: str) -> list[str]:
    """Return the control tokens that stand in `s`, in order, repeated ones repeatedly."""
    if "<" not in s and "[" not in s and "~" not in s:
        return []
    return [m[0] for m in _WHOLE.finditer(s)]
