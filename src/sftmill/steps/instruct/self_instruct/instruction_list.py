"""The numbered list that Self-Instruct shows a model, and the reply that goes on with it."""

import re
import unicodedata
from collections.abc import Sequence

from sftmill.text import chinese_value
from sftmill.text.lazy import lazy_pattern

LONGEST_REPLY = 50_000
"""Characters of a reply that are read."""

_SPACES = lazy_pattern(r"\s+")
_NUMBER = r"(?:[0-9０-９]{1,3}|[一二三四五六七八九十]{1,3})"
# A line that begins an item: "9.", "9、", "(9)", "（九）", "**9.**", "- 9)", "### 9.", "任务9：", "第九条：", "Task 9:", "⑨".
_ITEM = lazy_pattern(
    r"[ \t\u3000]{0,8}(?:[-*•#>]{1,4}[ \t]{1,4})?[*_]{0,3}[ \t]?"
    r"(?:(?:任务|指令|题目|问题|第|Task|Instruction|Question|No\.)[ \t]{0,2})?"
    rf"(?:[(（\[【]\s?(?P<inside>{_NUMBER})\s?[)）\]】]"
    rf"|(?P<plain>{_NUMBER})(?:[ \t]?[条个项题])?[ \t]?(?:[.．、)）:：](?![0-9０-９])|[*_]{{2,3}}[.．、:：]?)"
    r"|(?P<circled>[①-⑳]))"
    r"[ \t]{0,2}[.．、:：]?[*_]{0,3}[ \t\u3000]*",
    re.I,
)
# An item that begins within a line, behind the end of a sentence.
_INLINE = lazy_pattern(r"(?<=[。？！?!；;.])[ \t\u3000]{0,4}(?P<plain>[0-9]{1,3})[.．、)）](?![0-9])[ \t\u3000]*")
# A topic before a task: "【贷款】", "**[loans]**", or one bold mark alone, "贷款**", which no other closes.
_LABEL = lazy_pattern(
    r"(?:[*_]{0,2}(?:【(?P<label>[^】\n]{1,40})】|\[(?P<other>[^\]\n]{1,60})\])[*_]{0,2}"
    r"|(?P<bold>[^*\n。？?]{2,40})\*\*(?=\S)(?![^\n]*\*\*))\s{0,3}[:：]?\s{0,3}"
)
_BULLET = lazy_pattern(r"[-*•·]{1,2}[ \t]{1,4}")
_OPENING = lazy_pattern(
    r"(?:好的|当然|没问题|明白|以下|下面是|这里是|这是|接下来|根据您?的?要求|sure|certainly|of course|okay|ok\b|here (?:are|is)|"
    r"the following|below are)",
    re.I,
)
_EMPHASIS = lazy_pattern(r"(?<![*\w])[*_]{2,3}(?=\S)|(?<=\S)[*_]{2,3}(?![*\w])")


def one_line(instruction: str) -> str:
    """Return an instruction as the list shows it: on one line, without a colon at its end."""
    return _SPACES.sub(" ", instruction).strip().rstrip(":：").rstrip()


def numbered(instructions: Sequence[str], labels: Sequence[str] = (), lang: str = "zh") -> str:
    """Return the list that a model goes on with: "1. first", "2. second" and, at the end, "3.".

    With `labels` each task has its topic in brackets before it; one label more opens the line to be written.
    """
    marks = [label_mark(label, lang) for label in labels] or [""] * (len(instructions) + 1)
    lines = [f"{number}. {marks[number - 1]}{one_line(text)}" for number, text in enumerate(instructions, 1)]
    last = marks[len(lines)] if len(marks) > len(lines) else ""
    return "\n".join([*lines, f"{len(lines) + 1}. {last}".rstrip()])


def label_mark(label: str, lang: str) -> str:
    """Return a topic as it stands before a task."""
    return f"【{label}】" if lang == "zh" else f"[{label}] "


def cut_label(item: str) -> tuple[str, str]:
    """Return (topic, task) of an item that begins with a topic in brackets or a bold one; ("", item) without one."""
    match = _LABEL.match(item)
    if match is None:
        return "", item
    return (match["label"] or match["other"] or match["bold"]).strip(), item[match.end() :].strip()


def parse_list(reply: str, first: int = 1, truncated: bool = False) -> list[str]:
    """Return the items of a numbered list, each on one line; `first` is the number the prompt ended with.

    Numbers may be written in any of the usual ways of Chinese and English. Text before the first number is
    the item that the prompt's own number began, unless it opens a conversation ("Sure, here are ...").
    A paragraph behind an item, and a list within an item, belong to the item where it ends in a colon; a paragraph
    at the end belongs to no item otherwise. Of a reply without any number, every line is an item. A truncated
    reply loses its last item.
    """
    reply = reply[:LONGEST_REPLY]
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    if len(lines) > 1 and not any(_ITEM.match(line) for line in lines):
        reply = "\n".join(f"{n}. {_BULLET.sub('', line)}" for n, line in enumerate(lines, first) if not _is_talk(line))
    items: list[list[str]] = []
    expected, inner = first, 0
    open_item, opening = True, True
    for line in reply.splitlines():
        stripped = line.strip()
        if not stripped or stripped in ("---", "***", "```"):
            # behind an empty line a paragraph goes on with an item that announces one
            open_item = bool(items) and (not items[-1] or items[-1][-1].endswith((":", "：")))
            continue
        match = _ITEM.match(line)
        if match is None:
            if opening and not items and not _is_talk(stripped):
                items.append([])
                expected, open_item = expected + 1, True
            if items and open_item:
                _put(items, stripped)
                expected = _cut_inline(items, expected)
            opening = opening and not items
            continue
        number = _value(match)
        if (
            items
            and items[-1]
            and number != expected
            and number == inner + 1
            and (inner or items[-1][-1].endswith((":", "：")))
        ):
            inner = number
            items[-1].append(stripped)
            continue
        inner, open_item, opening = 0, True, False
        items.append([])
        expected = number + 1
        if text := line[match.end() :].strip():
            _put(items, text)
            expected = _cut_inline(items, expected)
    if truncated and items:
        items.pop()
    texts = (_SPACES.sub(" ", _EMPHASIS.sub("", " ".join(parts))).strip() for parts in items)
    return [text for text in texts if text]


def _is_talk(line: str) -> bool:
    """Tell whether a first line without a number talks to the reader instead of being a task."""
    return line.endswith((":", "：")) or _OPENING.match(line) is not None


def _put(items: list[list[str]], text: str) -> None:
    items[-1].append(text)


def _cut_inline(items: list[list[str]], expected: int) -> int:
    """Cut the newest item where the next numbers stand within its line; return the number expected then."""
    text = items[-1][-1]
    while found := next((m for m in _INLINE.finditer(text) if int(m["plain"]) == expected), None):
        items[-1][-1] = text[: found.start()]
        text = text[found.end() :]
        items.append([text] if text else [])
        expected += 1
        if not text:
            break
    return expected


def _value(match: re.Match[str]) -> int:
    """Return the number with which an item begins."""
    digits = match["inside"] or match["plain"]
    if digits is None:
        return int(unicodedata.numeric(match["circled"]))
    if digits.isdigit():
        return int(digits)
    return int(chinese_value(digits) or 0)
