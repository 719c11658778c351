"""Where a drawn instruction ends and something else begins: an answer, another role, a thought.

A model that writes the user's turn does not always stop there. What follows shows by marks (`答案：`, `Answer:`,
`Step 1`), by a role's name left over from a header that the server hid, or by the answer's own opening. Plain words
are never stops: an instruction may speak of an assistant.
"""

import re
from typing import NamedTuple

from sftmill.text import length
from sftmill.text.lazy import lazy_pattern

_MARKS = r"[ \t#>*_【\[（(]{0,8}"
_ANSWER = lazy_pattern(
    r"(?:^|\n|(?<=[。？！；?!]))" + _MARKS + r"(?:(?:参考|正确|标准|最终)?(?:答案|解答|解析)|回答|答复|答"
    r"|(?:the )?(?:correct |final |sample )?(?:answer|solution|explanation|response))"
    r"[ \t*_】\]）)]{0,8}[:：][ \t*]{0,8}",
    re.I,
)
"""A mark that an answer follows, at the beginning of a line or behind a sentence."""
_STEPS = lazy_pattern(
    r"\n" + _MARKS + r"(?:step[ \t]?1|步骤[ \t]?[1一]|第一步|首先|firstly|first)[ \t*]{0,8}[,:：，.、]", re.I
)
_ROLE = lazy_pattern(
    r"(?:^|\n)" + _MARKS + r"(?:assistant|助手|助理|AI[ \t]?助手|机器人)[ \t*】\]]{0,8}(?:[:：]|\n|$)"
    r"|(?<=[。？！?!.)）])[ \t]?assistant(?:[ \t]?[:：\n]|(?=[A-Z\u4e00-\u9fff]))"
    r"|\n" + _MARKS + r"(?:用户|User|Human|USER)[ \t*]{0,4}[:：]",
    re.I,
)
"""The name of a role as a speaker: alone on a line, before a colon, or stuck to the end of a sentence."""
_SPEAKER = lazy_pattern(r"^[^\s:：]{1,12}[:：]", re.M)
"""A speaker's name at the beginning of a line: a dialogue that the user quotes has several."""
_OPENING = lazy_pattern(
    r"(?:(?<=[？?])[ \t]{0,8}|(?<=[？?])\s{0,20}\n[ \t]{0,8})"
    r"(?:好的|当然|是的|不是的|可以的|没问题|您可以|可以(?:使用|通过|用)|以下是|下面是|要[^？?。\n]{2,40}[，,](?:您|你)?(?:可以|需要)"
    r"|sure\b|certainly\b|of course\b|yes[,.]|no[,.]|you can (?:use|try|find|do|run|check|install|start|set|get)\b|here (?:is|are)\b|here's\b|great question|to [^?\n]{2,60}, you )",
    re.I,
)
"""How an answer begins, right behind a question."""
_POINTS_ON = lazy_pattern(
    r"以下|下面|下列|如下|这段|该段|上述|给定|对话|following|given|below|this (?:text|code|passage|paragraph)|these\b",
    re.I,
)
_ASKS_MORE = lazy_pattern(
    r"[?？]|请|帮我|我|谢谢|需要你|\bi\b|\bi'|\bmy\b|\bme\b|\bwe\b|\bplease\b|\bthank|```|[|{}=<>]|^[ \t]*(?:[-*•]|\d{1,2}[.)、])",
    re.I | re.M,
)
_THOUGHT = lazy_pattern(r"</?(?:think|thinking|thought|reasoning)>", re.I)
_BLANK = lazy_pattern(r"\n[ \t]*\n")
_COLON = (":", "：")
_LONG_ANSWER = {"zh": 20, "en": 12}
"""Characters or words from which on a paragraph without any request behind a question is its answer."""


class Leak(NamedTuple):
    """Where an instruction ends, and what begins there."""

    at: int
    kind: str
    """"answer", "steps", "role", "opening" or "paragraph"."""


def holds_thought(text: str) -> bool:
    """Tell whether a thinking model's tags stand in the text."""
    return _THOUGHT.search(text) is not None


def find_leak(text: str, lang: str) -> Leak | None:
    """Return the first place at which something other than the instruction begins; None where all is instruction.

    A mark with nothing behind it, such as a form's empty `答案：`, is no leak.
    """
    found: list[Leak] = []
    for match in _ANSWER.finditer(text):
        if text[match.end() :].strip(" \t\n_＿-*.。…"):
            found.append(Leak(match.start(), "answer"))
            break
    if (match := _STEPS.search(text)) and not _announces(text[: match.start()]):
        found.append(Leak(match.start(), "steps"))
    if (match := _ROLE.search(text)) and not _SPEAKER.search(text[: match.start()]):
        found.append(Leak(match.start(), "role"))
    for match in _OPENING.finditer(text):
        if not _is_question(text[match.end() :]) and not _POINTS_ON.search(text[: match.start()]):
            found.append(Leak(match.start(), "opening"))
            break
    if (at := _answering_paragraph(text, lang)) is not None:
        found.append(Leak(at, "paragraph"))
    return min(found, default=None)


def trailing_mark(text: str) -> int | None:
    """Return where an answer's mark with nothing behind it begins, if the text ends with one."""
    marks = list(_ANSWER.finditer(text))
    return marks[-1].start() if marks and marks[-1].start() and not text[marks[-1].end() :].strip() else None


def _announces(before: str) -> bool:
    """Tell whether the text before leads to steps that are part of the instruction."""
    return before.rstrip().endswith(_COLON)


def _is_question(rest: str) -> bool:
    """Tell whether the sentence that begins here asks, so that it belongs to the user."""
    end = re.search(r"[。！!？?\n]|\.(?=\s|$)", rest[:400])
    return end is not None and end[0] in "?？"


def _answering_paragraph(text: str, lang: str) -> int | None:
    """Return where a paragraph begins that follows a whole question, asks nothing and gives no material to work on."""
    gap = _BLANK.search(text)
    if gap is None:
        return None
    before, behind = text[: gap.start()].rstrip(), text[gap.end() :].strip()
    if not before.endswith(("?", "？")) or _POINTS_ON.search(before):
        return None
    paragraph = behind.partition("\n\n")[0]
    if length(paragraph, lang) < _LONG_ANSWER["zh" if lang == "zh" else "en"] or _ASKS_MORE.search(paragraph):
        return None
    return gap.start()
