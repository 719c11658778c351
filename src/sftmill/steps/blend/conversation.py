"""A row as training tools see it: a sound conversation, its control tokens escaped, and what belongs to it."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from sftmill.core import Drop, Row
from sftmill.errors import RunError
from sftmill.steps.blend.reasoning import Reasoning, escape_thought_tags, split_thought, with_thought
from sftmill.text import escape_control_tokens

REASON = "not_exportable"
"""Reason of every row that no training tool could read."""


class LeftOut(Exception):
    """Raised by a form that has no place for a sample; its argument is a key of `LEFT_OUT`."""


LEFT_OUT: dict[str, tuple[str, str]] = {
    "tools": ("使用工具的样本（这种格式放不下）", "samples that use tools (the form has no place for them)"),
    "no_answer": ("不以回答结尾的样本", "samples that do not end with an answer"),
    "undesirable": ("回答不应由模型给出的样本", "samples whose answer the model should not give"),
    "no_rejected": ("没有较差回答（`rejected`）的样本", "samples without a worse answer (`rejected`)"),
    "same_answer": ("较差回答与回答相同的样本", "samples whose worse answer is the same as the answer"),
    "masked": (
        "回答中有不得学习的部分（`masked_spans`）的样本",
        "samples with parts of the answer that must not be learnt (`masked_spans`)",
    ),
    "negative": ("回答是有意写错的样本", "samples whose answer is wrong on purpose"),
    "no_label": (
        "没有标明回答是否合意（`desirable`）的样本",
        "samples that do not say whether the answer is `desirable`",
    ),
    "no_candidates": (
        "没有两个以上带评分的候选回答（`candidates`、`scores`）的样本",
        "samples without two or more scored answers (`candidates`, `scores`)",
    ),
    "not_masked": (
        "回答没有不得学习的部分（`masked_spans`）的样本",
        "samples without parts of the answer that must not be learnt (`masked_spans`)",
    ),
    "bad_spans": (
        "`masked_spans` 与回答对不上的样本",
        "samples whose `masked_spans` do not fit the answer",
    ),
    "all_masked": ("回答没有可学习的部分的样本", "samples with no part of the answer to learn"),
    "no_passage": ("没有段落（`passage`）或没有问题的样本", "samples without a `passage` or a question"),
    "no_negatives": (
        "没有难负例段落（`hard_negatives`）的样本",
        "samples without passages that do not answer (`hard_negatives`)",
    ),
    "few_negatives": (
        "难负例段落（`hard_negatives`）少于 `negatives` 的样本",
        "samples with fewer passages that do not answer (`hard_negatives`) than `negatives`",
    ),
    "unanswered": ("段落没有回答问题的样本", "samples whose passage does not answer the question"),
    "several_turns": (
        "问题之前还有对话或使用工具的样本",
        "samples whose question stands behind other turns, or that use tools",
    ),
    "passage_in_question": (
        "问题里已写有段落的样本",
        "samples whose question holds the passage",
    ),
    "long_cell": ("有文字长过一个单元格的样本", "samples with a text that is longer than a cell can hold"),
}
"""What a form leaves out, in Chinese and English."""


@dataclass(slots=True)
class Turn:
    """A user, assistant or tool turn; `calls` are the tools that an assistant turn calls."""

    role: str
    content: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Each {"name": str, "arguments": object}."""


@dataclass(slots=True)
class Answer:
    """A text that may be trained on, and what the model thought before it."""

    text: str
    thought: str = ""


@dataclass(slots=True)
class Sample:
    """A conversation that was found to be sound, its control tokens escaped."""

    system: str
    prompt: list[Turn]
    """The turns before the answer; they end with a user or tool turn."""
    answer: Answer | None
    calls: list[dict[str, Any]]
    """Tools that the last turn calls; its text is then usually empty."""
    tools: list[dict[str, Any]]
    """Each {"type": "function", "function": {...}}."""
    rejected: Answer | None
    desirable: bool | None
    candidates: list[Answer]
    scores: list[float]
    reasoning: Reasoning
    row: Row
    negatives: int = 1
    """Passages that do not answer, in each row of the files that need the same number in all."""

    @property
    def uses_tools(self) -> bool:
        """Tell whether tools are offered, called or answer anywhere in the conversation."""
        return bool(self.tools or self.calls) or any(turn.calls or turn.role == "tool" for turn in self.prompt)

    @property
    def turns(self) -> list[Turn]:
        """All turns, the answer last, with its thought as the reasoning setting wants it.

        Raises LeftOut where there is no answer, or one that the model should not give, and RunError where the
        answer is wrong on purpose.
        """
        self.check_answer()
        return [*self.prompt, self.last_turn()]

    @property
    def negative(self) -> bool:
        """Tell whether the answer is wrong on purpose; a polarity that nobody knows counts as that, too."""
        return (self.row.get("polarity") or "positive") != "positive"

    @property
    def repeats_rejected(self) -> bool:
        """Tell whether the answer is the one that was found to be worse."""
        if self.answer is None or self.rejected is None or self.calls:
            return False
        return self.rejected.text.strip() == self.answer.text.strip()

    @property
    def masked(self) -> bool:
        """Tell whether a part of the answer must carry no loss."""
        return bool(self.row.get("masked_spans"))

    def check_answer(self, masked: bool = False) -> None:
        """Make sure that the answer may be trained on, or shown as one that may; `masked` allows parts without loss.

        Raises LeftOut where the model should not give it, and RunError where it is wrong on purpose: nothing is
        exported then, because such rows show that the recipe feeds negatives into a training file.
        """
        if self.negative:
            raise RunError(
                f"row {self.row.get('id')}, which comes from the stream {self.row.get('stream')!r}, has the polarity "
                f"{self.row['polarity']!r}: its answer is wrong on purpose and must not be written as one to learn. "
                "Take the stream that makes such rows (`corrupt` with `as_answer`) out of what this export starts "
                "`from`, or filter it there with `where: missing(polarity)`; export such rows with `forms: kto`, and for "
                "`forms: dpo` make pairs with `corrupt` without `as_answer`; then run again"
            )
        if self.desirable is False:
            raise LeftOut("undesirable")
        if self.masked and not masked:
            raise LeftOut("masked")
        if self.repeats_rejected:
            raise LeftOut("same_answer")

    def last_turn(self) -> Turn:
        """The answer as a turn; raises LeftOut where there is none."""
        if self.answer is None:
            raise LeftOut("no_answer")
        return Turn("assistant", self.spoken(self.answer, bare=bool(self.calls)), self.calls)

    def spoken(self, answer: Answer, bare: bool = False) -> str:
        """Return an answer as it is trained; `bare` leaves out every sign of thinking."""
        return answer.text if bare else with_thought(self.reasoning, answer.thought, answer.text)

    def spoken_alike(self, answers: list[Answer]) -> list[str]:
        """Return answers that are compared: with their thoughts only where all have one.

        A thought on one side only would teach the model whether to think, not what to answer.
        """
        if not all(answer.thought for answer in answers):
            answers = [Answer(answer.text) for answer in answers]
        return [self.spoken(answer) for answer in answers]


def read_sample(
    row: Row, reasoning: Reasoning = "drop", *, negatives: int = 1, may_lack_answer: bool = False
) -> Sample:
    """Read a row and check what every training tool relies on.

    An optional system turn stands first; user and assistant alternate; each tool that is called
    answers once, in order; the end is an assistant turn with text or with calls, or a question
    that `candidates` answer; any question, where a sample `may_lack_answer`. Raises
    Drop("not_exportable", why=..., turn=...) for anything else.
    """
    system, turns, thought = _read_turns(row)
    candidates = [_read_answer(text, "candidate") for text in row.get("candidates") or []]
    if not turns:
        raise _unfit("no messages")
    answer, calls = None, []
    if turns[-1].role == "assistant":
        last = turns.pop()
        answer, calls = Answer(last.content, clean((row.get("reasoning") or "").strip()) or thought), last.calls
    elif turns[-1].role != "user" or not (candidates or may_lack_answer):
        raise _unfit("last turn is not the assistant's")
    rejected = row.get("rejected")
    return Sample(
        system=system,
        prompt=turns,
        answer=answer,
        calls=calls,
        tools=_read_tools(row.get("tools")),
        rejected=_read_answer(rejected, "rejected answer") if (rejected or "").strip() else None,
        desirable=row.get("desirable"),
        candidates=candidates,
        scores=[score for score in row.get("scores") or [] if score is not None and math.isfinite(score)],
        reasoning=reasoning,
        row=row,
        negatives=negatives,
    )


def _unfit(why: str, turn: int | None = None) -> Drop:
    return Drop(REASON, why=why) if turn is None else Drop(REASON, why=why, turn=turn)


def clean(text: str) -> str:
    """Return a text in which no chat template sees a control token or a thought's tag."""
    return escape_thought_tags(escape_control_tokens(text))


def _read_answer(text: str, what: str, turn: int | None = None) -> Answer:
    try:
        thought, rest = split_thought(text)
    except ValueError:
        raise _unfit(f"the {what}'s thought is not closed", turn) from None
    return Answer(clean(rest), clean(thought))


def _read_turns(row: Row) -> tuple[str, list[Turn], str]:
    """Return the system turn, the other turns, and the thought in the last one."""
    system, thought = "", ""
    turns: list[Turn] = []
    for index, message in enumerate(row.get("messages") or []):
        role = "tool" if message.get("role") == "function" else message.get("role")
        content = "" if message.get("content") is None else message["content"]
        if not isinstance(content, str):
            raise _unfit("content is not text", index)
        if role == "system":
            if index:
                raise _unfit("system turn is not the first", index)
            system = clean(content)
            continue
        if role == "assistant":
            # Templates take the thoughts of earlier turns out, so only the last one is wanted.
            answer = _read_answer(content, "turn", index)
            turn, thought = Turn(role, answer.text, _read_calls(message, index)), answer.thought
        else:
            turn = Turn(role, clean(content))
        _check_turn(turn, turns, index)
        turns.append(turn)
    return system, turns, thought


def _check_turn(turn: Turn, before: list[Turn], index: int) -> None:
    previous = before[-1] if before else None
    waiting = _unanswered_calls(before)
    if turn.role == "tool":
        if not waiting:
            raise _unfit("tool answers without a call", index)
        return
    if waiting:
        raise _unfit("tool call has no answer", index)
    follows = {"user": (None, "assistant"), "assistant": ("user", "tool")}.get(turn.role)
    if follows is None:
        raise _unfit("unknown role", index)
    if (previous.role if previous else None) not in follows:
        raise _unfit("roles out of order", index)
    if not turn.content.strip() and not turn.calls:
        raise _unfit("empty turn", index)


def _unanswered_calls(turns: list[Turn]) -> int:
    for answers, turn in enumerate(reversed(turns)):
        if turn.role != "tool":
            return len(turn.calls) - answers
    return 0


def _read_calls(message: dict[str, Any], index: int) -> list[dict[str, Any]]:
    calls = []
    for call in _parse(message.get("tool_calls"), "tool calls", index):
        call = call.get("function", call) if isinstance(call, dict) else call
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise _unfit("tool call has no name", index)
        arguments = call.get("arguments")
        if isinstance(arguments, str):
            arguments = _load(arguments or "{}", "tool call's arguments", index)
        if arguments is not None and not isinstance(arguments, dict):
            raise _unfit("tool call's arguments are not an object", index)
        calls.append(_clean_all({"name": call["name"], "arguments": arguments or {}}))
    return calls


def _read_tools(value: Any) -> list[dict[str, Any]]:
    tools = []
    for tool in _parse(value, "tools", None):
        tool = tool.get("function", tool) if isinstance(tool, dict) else tool
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise _unfit("tool has no name")
        tools.append({"type": "function", "function": _clean_all(tool)})
    return tools


def _parse(value: Any, what: str, turn: int | None) -> list[Any]:
    if isinstance(value, str):
        value = _load(value, what, turn) if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise _unfit(f"{what} are not a list", turn)
    return value


def _load(text: str, what: str, turn: int | None) -> Any:
    # The standard library reads integers of any size; orjson would round them.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _unfit(f"{what} are not JSON", turn) from None


def _clean_all(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _clean_all(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean_all(item) for item in value]
    return value
