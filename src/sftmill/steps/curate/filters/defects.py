"""Signs that a text was cut off, garbled or left half made by a program."""

import json
import re
from collections.abc import Callable

from sftmill.steps.curate.filters.prose import prose, without_fences
from sftmill.text import find_control_tokens, length
from sftmill.text.lazy import lazy_pattern

_FENCE_LINE = lazy_pattern(r"^[ \t]{0,8}(`{3,})", re.M)


def open_fence(asked: str, said: str) -> str | None:
    """Return the fence that is opened in the answer and never closed."""
    fences = _FENCE_LINE.findall(said)
    return fences[-1] if len(fences) % 2 else None


_NOT_SPEECH = lazy_pattern(r"[\\{}=<>$|^_]|[\[(（]\s?-?[\d.∞]+\s?[,，]\s?\+?[\d.∞]+\s?[\])）]")
_PAIRS = (("《", "》"), ("「", "」"), ("『", "』"), ("【", "】"))
_ROUND = lazy_pattern(r"[(（)）]")
_NUMBERED = lazy_pattern(
    r"(?:(?:^|[\s，。；：、,;:.])(?:[A-Za-z]|[ivxIVX]{1,4})|\d{1,3}|[一二三四五六七八九十]{1,3}|[①-⑳]|[:;=][\-^]?)\Z"
)
_SAD = lazy_pattern(r"[:;=][\-^]?[(（]")


def open_bracket(asked: str, said: str) -> str | None:
    """Return a bracket of prose that has no partner; formulas, code, list numbers and smileys have their own rules."""
    text = prose(said)
    if _NOT_SPEECH.search(text):
        return None
    for opening, closing in _PAIRS:
        if text.count(opening) != text.count(closing):
            return opening if text.count(opening) > text.count(closing) else closing
    depth = 0
    for match in _ROUND.finditer(text):
        if match[0] in "(（":
            depth += 1
        elif depth:
            depth -= 1
        elif not _NUMBERED.search(text[max(0, match.start() - 6) : match.start()]):
            return match[0]
    return "（" if depth > len(_SAD.findall(text)) else None


_ROLE_LINE = lazy_pattern(
    r"^[ \t]*(?:#{3}\s*(?:Instruction|Response|Input|Output|Human|Assistant|User|System|指令|输入|输出|回答|问题)[ \t]*[:：]?[ \t]*$"
    r"|(?:Human|Assistant|User|USER|ASSISTANT)\s*[:：]\s)",
    re.M,
)
_ASKED_AGAIN = lazy_pattern(r"\s*(?:\*\*|#{1,4}\s*)?(?:问题|问|Question|Q)\s*\d{0,3}\s*[:：]")
_ANSWERED = lazy_pattern(r"\n[ \t]*(?:答|A|Answer|答案)[ \t]*[:：]")
_LABEL = lazy_pattern(
    r"\s*(?:\*\*|#{1,4}\s*)?(?:答案|回答|答|输出|Answer|Response|Output|A)\s*[:：](?:\*\*)?\s*(?P<rest>.*)", re.S
)
_VARIABLE = lazy_pattern(
    r"\{(?:question|answer|context|passage|instruction|response|document|title|问题|答案|回答|材料)\}|</?(?:question|answer|passage|instruction|response)>"
)
_JSON_KEYS = frozenset(
    str.split("question answer questions answers instruction output response quotations qa pairs 问题 答案 回答")
)


def template_left(asked: str, said: str) -> str | None:
    """Return a piece of a prompt or of a structured reply that was not taken off the answer."""
    inner = said.strip()
    if inner.startswith("```"):
        inner = inner.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if inner[:1] in "{[" and inner[-1:] in "}]" and len(inner) < 200_000:
        try:
            value = json.loads(inner)
        except (ValueError, RecursionError):
            value = None
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, dict) and _JSON_KEYS & first.keys() and "json" not in asked.lower():
            return "json"
    text = without_fences(said)
    dialogue = re.search(r"对话|對話|剧本|脚本|聊天|dialog|conversation|script|interview|chat", asked, re.I)
    if (
        _ASKED_AGAIN.match(text)
        and not _ANSWERED.search(text)
        and not re.search(r"问题|問題|出题|提问|question|quiz|faq|Q&A|问答|[题題]", asked, re.I)
    ):
        return text.strip()[:12]
    if (role := _ROLE_LINE.search(text)) and not dialogue:
        return role[0].strip()
    labelled = _LABEL.match(text)
    if (
        labelled
        and length(labelled["rest"].partition("\n")[0], "zh") > 12
        and not re.search(r"答案|回答|格式|answer|output|format", asked, re.I)
    ):
        return text.strip()[:8]
    if (variable := _VARIABLE.search(text)) and variable[0] not in asked:
        return variable[0]
    return None


_EMPTY_ITEM = lazy_pattern(r"^[ \t]*(?:[-*+•]|\d{1,3}[.、)）])[ \t]*$", re.M)


def empty_item(asked: str, said: str) -> str | None:
    """Return a list mark that no text follows, on its line or the next."""
    lines = without_fences(said).rstrip("\n").split("\n")
    for number, line in enumerate(lines if len(lines) > 1 else ()):
        if _EMPTY_ITEM.match(line):
            following = next((other for other in lines[number + 1 :] if other.strip()), "")
            if (
                not following
                or re.match(r"[ \t]*(?:[-*+•][ \t]|\d{1,3}[.、)）])", following)
                or _EMPTY_ITEM.match(following)
            ):
                return line.strip()
    return None


_CUT_ZH = lazy_pattern(
    r"(?:[，、：（《“‘「(]|[及把并]|或者?|以及|因为|所以|如果|但是|例如|包括|其中|并且|而且|由于|为了|然后|同时)\Z"
)
_CUT_EN = lazy_pattern(
    r"(?:[,(:\-–—]|\b(?:and|or|the|a|an|of|to|with|in|for|by|from|as|that|which|is|are|was|were|be|has|have|such|because|if|but|their|its|your))\Z",
    re.I,
)


def cut_off(asked: str, said: str) -> str | None:
    """Return the end of an answer that breaks off: at a comma, a conjunction or an opening bracket, after a longer text."""
    text = said.rstrip()
    last = text[text.rfind("\n") + 1 :].strip()
    if text.endswith("```") or without_fences(text).rstrip() == "" or "|" in last or re.search(r"[\\={}<>;$]", last):
        return None
    if not without_fences(text).rstrip().endswith(last[-4:]):
        return None
    chinese = re.search("[\u4e00-\u9fff]", last[-12:]) is not None
    if length(text, "zh" if chinese else "en") < (60 if chinese else 40) or length(last, "zh" if chinese else "en") < (
        10 if chinese else 6
    ):
        return None
    cut = (_CUT_ZH if chinese else _CUT_EN).search(last)
    return last[-12:] if cut else None


def control_token(asked: str, said: str) -> str | None:
    """Return a control token of a chat template that stands in the answer, outside of code, and was not asked for."""
    found = [token for token in find_control_tokens(without_fences(said)) if token not in asked]
    return found[0] if found else None


_MOJIBAKE = lazy_pattern(
    "\ufffd|锟斤拷|锟\\?|烫烫烫|屯屯屯|[\ue000-\uf8ff]|[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]|[\udc80-\udcff]|â€[™œ\x9d“”\x80-\xbf]|Ã[\x80-\xbf©¨¡]{1}|(?:[\u00c0-\u00ff][\u0080-\u00bf]){3}|ï»¿|(?:\\\\u[0-9a-fA-F]{4}){3}"
)


def mojibake(asked: str, said: str) -> str | None:
    """Return what a wrong decoding left: replacement characters, 锟斤拷, control characters."""
    found = _MOJIBAKE.search(without_fences(said)) or _MOJIBAKE.search(without_fences(asked))
    return ascii(found[0]) if found else None


_REMNANT = lazy_pattern(
    r"&(?:nbsp|lt|gt|amp|quot|ldquo|rdquo|hellip|mdash|#\d{2,5}|#x[0-9a-f]{2,4});|</?(?:br|p|div|span|font|strong|em|img|td|tr|li|ul|ol|h[1-6]|center)\b[^<>\n]{0,200}/?>",
    re.I,
)
_ABOUT_MARKUP = lazy_pattern(
    r"html|xml|css|svg|标签|標籤|网页|網頁|前端|元素|代码|程式|markdown|爬虫|转义|\b(?:tags?|web|page|site|element|code|script|javascript|php|react|vue|form|button|browser|escape)\b",
    re.I,
)

_PROGRAM = lazy_pattern(r"<!doctype|<html|<body|<head|xmlns|</script|[{};][ \t]*$", re.I | re.M)


def html_remnant(asked: str, said: str) -> str | None:
    """Return a tag or an entity in a sample that is not about markup."""
    found = _REMNANT.search(without_fences(said))
    if found is None or _ABOUT_MARKUP.search(asked) or _PROGRAM.search(said):
        return None
    return None if found[0].strip("<>/\\ ") in asked else found[0][:40]


_RULE = lazy_pattern(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)+\|?[ \t]*$")


def broken_table(asked: str, said: str) -> str | None:
    """Return the row of a Markdown table that has another number of cells than its head."""
    lines = without_fences(said).split("\n")
    for number, line in enumerate(lines):
        if len(line) > 1000 or not _RULE.match(line):
            continue
        width = _cells(line)
        if number == 0 or "|" not in lines[number - 1] or _cells(lines[number - 1]) != width:
            return line.strip()[:40]
        rows = 0
        for other in lines[number + 1 :]:
            if "|" not in other:
                break
            if _cells(other) > width:
                return other.strip()[:40]
            rows += 1
        if not rows:
            return line.strip()[:40]
    return None


def _cells(line: str) -> int:
    return line.strip().strip("|").replace("\\|", "").count("|") + 1


DEFECTS: dict[str, Callable[[str, str], str | None]] = {
    "open_fence": open_fence,
    "open_bracket": open_bracket,
    "template_left": template_left,
    "empty_item": empty_item,
    "cut_off": cut_off,
    "control_token": control_token,
    "mojibake": mojibake,
    "html_remnant": html_remnant,
    "broken_table": broken_table,
}
"""How each defect is found: from question and answer to the place, None where there is none."""
