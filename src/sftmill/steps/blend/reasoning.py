"""What a model thought: told apart from its answer, and written before it as thinking models are trained.

Qwen3 and the models distilled from DeepSeek-R1 put a thought between <think> and </think> at the
head of an answer. The chat template of Qwen3, ms-swift 4.6 and LLaMA-Factory 0.9.5 all find it
there; the last two do not look at a field `reasoning_content`, so it is not written.
"""

from typing import Literal

from sftmill.text.lazy import lazy_pattern

Reasoning = Literal["drop", "keep", "empty_think"]

# A template would take these for its own; the backslash stands where `escape_control_tokens` puts it.
_TAG = lazy_pattern(r"<(?=/?think>)")


def split_thought(text: str) -> tuple[str, str]:
    """Split an assistant's text into (thought, answer); the thought is empty where there is none.

    A thought stands at the head; its opening tag is missing where a chat template wrote it.
    Raises ValueError for a thought that is opened and not closed: the answer has been cut off.
    """
    if "think>" not in text:
        return "", text
    head = text.lstrip()
    opened = head.startswith("<think>")
    thought, closing, rest = head.removeprefix("<think>").partition("</think>")
    if opened and not closing:
        raise ValueError("thought is not closed")
    if closing and (opened or "<think>" not in thought):
        return thought.strip(), rest.lstrip()
    return "", text


def escape_thought_tags(text: str) -> str:
    r"""Return a text in which no template sees the begin or end of a thought: `</think>` -> `<\/think>`."""
    return _TAG.sub(r"<\\", text) if "think>" in text else text


def with_thought(mode: Reasoning, thought: str, answer: str) -> str:
    """Return an answer as it is trained, its thought before it, both already escaped."""
    if mode == "empty_think" or (mode == "keep" and thought):
        return f"<think>\n{thought}\n</think>\n\n{answer}"
    return answer
