import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text import escape_control_tokens, find_control_tokens, unescape_control_tokens

TOKENS = str.split(
    "<|im_start|> <|im_end|> <|endoftext|> <|begin_of_text|> <|start_header_id|> <|end_header_id|> "
    "<|eot_id|> <|eom_id|> "
    "[INST] [/INST] <<SYS>> <</SYS>> <s> </s> [TOOL_CALLS] [AVAILABLE_TOOLS] [/TOOL_RESULTS] [SYSTEM_PROMPT] "
    "<start_of_turn> <end_of_turn> <bos> <eos> <|turn> <turn|> <|user|> <|assistant|> <|system|> <|end|> "
    "<｜User｜> <｜Assistant｜> <｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜tool▁calls▁begin｜> "
    "[gMASK] <sop> <|observation|> <|Human|> <|action_start|> <eoh> <reserved_106> <unused99> ]~b] ]~!b[ [e~["
)


@pytest.mark.parametrize("token", TOKENS)
def test_every_known_control_token_is_found_escaped_and_given_back(token):
    text = f"甲{token}乙"
    escaped = escape_control_tokens(text)
    assert find_control_tokens(text) == [token]
    assert token not in escaped and find_control_tokens(escaped) == []
    assert escape_control_tokens(escaped) == escaped
    assert unescape_control_tokens(escaped) == text


def test_the_escape_is_a_visible_backslash():
    assert escape_control_tokens("<|im_end|>[/INST]<s>") == "<\\|im_end\\|>[\\/INST]<\\s>"


@pytest.mark.parametrize(
    "text", ["a < b > c", "[1] 见 [2]", "<p>段落</p>", "<|>", "x <| y |> z", "<strong>", "[INSTALL]", "a || b", "[e]"]
)
def test_ordinary_text_comes_back_as_the_same_object(text):
    assert escape_control_tokens(text) is text or escape_control_tokens(text) == text
    assert find_control_tokens(text) == []


pieces = st.lists(
    st.sampled_from([*TOKENS, "<", "|", ">", "[", "]", "\\", "/", "s", "INST", "｜", "b", "~", "甲", " "])
)


@given(pieces.map("".join))
def test_escaping_twice_is_escaping_once_and_leaves_no_token(text):
    escaped = escape_control_tokens(text)
    assert find_control_tokens(escaped) == []
    assert escape_control_tokens(escaped) == escaped
    assert escaped.replace("\\", "") == text.replace("\\", "")


@given(pieces.map("".join))
def test_unescaping_undoes_escaping_where_nothing_was_escaped_before(text):
    if unescape_control_tokens(text) == text:
        assert unescape_control_tokens(escape_control_tokens(text)) == text
