"""What speaks against an instruction that a model proposed: the post-processing of Self-Instruct, for zh and en."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sftmill.steps.curate.filters.refusal_words import refusal
from sftmill.steps.curate.filters.repetition import loop_at_end, top_ngram_share
from sftmill.steps.curate.filters.word_list import WordList
from sftmill.steps.instruct.self_instruct.request import is_request
from sftmill.text import char_ngrams, detect_lang, length, normalise, tokens
from sftmill.text.lazy import lazy_pattern

SIZES = {"zh": (8, 300), "en": (4, 150)}
"""Least and greatest length: characters without spaces (zh; ours) and words (en: Self-Instruct drops instructions
of 3 words and fewer, and of more than 150)."""
ECHO_PIECE, ECHO_SHARE = 6, 0.5
"""Length of the pieces, and their share from which on an instruction repeats the prompt around the list."""

# Whole words that Self-Instruct drops (arXiv 2212.10560, bootstrap_instructions.py).
_CANNOT_EN = lazy_pattern(r"\b(?:images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.I)
# Chinese has no borders of words, and 视频会议 or 法律文件 may well be asked about: a picture is always out, other
# media are where something is done with them or one of them is pointed at.
_MEDIA = "图片|图像|照片|截图|图表|插图|海报|视频|音频|录音|歌曲|文件|附件|网页|网址|链接|幻灯片"
_CANNOT_ZH = lazy_pattern(
    r"画(?:一?[张幅个]|出|图|画)|(?:绘制|描绘出?)[^，。？！；]{0,12}(?:图|表|画)|作图|[上下左右如附]图(?!书)|看图|拍照|配图|图片|照片|截图"
    rf"|(?:生成|制作|播放|观看|收听|听取|打开|读取|下载|上传|点击|访问|浏览|查看|导入|导出|保存|录制|剪辑|发送)[^，。？！；]{{0,8}}(?:{_MEDIA})"
    rf"|(?:这[个张段份]|该|以下|下面的?|给定的?|附上的?)(?:{_MEDIA})"
    r"|(?:拨打|打)电话|(?:发送|写封?并发送)邮件给|设置?闹钟|打开(?:浏览器|应用|软件)|上网(?:搜索|查)"
)
_PROGRAM = lazy_pattern(
    r"^write a (?:\w{1,20} )?(?:program|script|function)\b|^(?:请|请你|请您|帮我)?(?:编写|写)(?:一个|一段|一份)?[^，。？！]{0,16}(?:程序|代码|脚本|函数)",
    re.I,
)
_CODE = lazy_pattern(
    r"```|\bdef \w+\(|\bimport \w+$|#include|</\w+>|\bSELECT\b.{1,80}\bFROM\b|[{};]\s*$"
    r"|(?:编写|写出?|实现|开发|创建|设计|用|使用|修改|优化|调试|运行|完成|给出)[^，。？！；]{0,20}(?:程序(?!性|法|正义)|代码(?!为|是)|脚本|函数|类库|接口|网页|网站|应用程序|小程序)"
    r"|编程|源代码|代码(?:片段|实现|示例|段)|(?:实现|编写|写)[^，。？！；]{0,14}算法|数据结构|排序算法|二叉树|链表|正则表达式|爬虫"
    r"|(?<![A-Za-z])(?:Python|Java|JavaScript|TypeScript|C\+\+|C#|Golang|PHP|HTML|CSS|SQL|MySQL|Vue|React|Django|Flask|numpy|pandas)(?![A-Za-z])"
    r"|\b(?:write|implement|create|develop|debug|code)\b.{0,40}\b(?:programs?|functions?|scripts?|class(?:es)?|algorithms?|code|API|queries)\b"
    r"|\bprogramming language\b|\b(?:source code|code snippet)\b",
    re.I,
)
_ANSWERED = lazy_pattern(
    r"(?:答案|回答|输出|解答|答)\s?[:：]\s?\S|\b(?:answer|output|response)\s?:\s?\S|\n\s*(?:A|答)[:：]", re.I
)
_NEEDS_INPUT = lazy_pattern(
    r"(?:以下|下面|下列|如下|给定|所给|给出|上述|上面|以上|提供)的?[^，。？！；:：]{0,24}(?:[。.]?$|[，,。；;：:](?P<rest>.*)$)"
    r"|\b(?:the (?:following|given|above|provided)|below)\b[^.?!:;]{0,60}(?:[.?!]?$|[:;](?P<more>.*)$)",
    re.I | re.S,
)
_MATERIAL = 8
"""Characters that a material given in the instruction itself has at least."""
_BLANK = lazy_pattern(
    r"[\[【<（(]\s?(?:插入|填写|填入|公司|企业|机构|产品|股票|姓名|名称|日期|时间|金额|数字|具体|某某|insert|company|name|date|amount|your|product|number)"
    r"[^\]】>）)]{0,16}[\]】>）)]|_{3,}|X{3,}|×{2,}|\{\w{1,20}\}",
    re.I,
)
_OPENERS = "《“‘「『【"


class Fault(NamedTuple):
    """Why an instruction is out."""

    reason: str
    facts: dict[str, object]


class Rules(NamedTuple):
    """What is asked of an instruction."""

    lang: str
    mixed: bool = False
    """Whether an instruction may be in the other language."""
    code: bool = False
    """Whether it may be about programming."""
    stand_alone: bool = False
    """Whether it must hold all that it speaks of."""
    cannot: tuple[str, ...] | None = None
    """Words of what a text model cannot do; None = those of the method."""
    sizes: tuple[int, int] | None = None


def find_fault(text: str, rules: Rules, header: Collection[str] = ()) -> Fault | None:
    """Return the first thing that speaks against an instruction, None where nothing does.

    Reasons: `too_short`, `too_long`, `other_language`, `starts_with_mark`, `write_a_program`, `cannot_be_done`,
    `programming`, `refusal`, `prompt_echo`, `no_request`, `repeats_itself`, `holds_answer`,
    `needs_input`, `placeholder`.
    `header` holds the pieces of the prompt around the list (`echo_pieces`).
    """
    lang = detect_lang(text)
    least, most = rules.sizes or SIZES[lang]
    size = length(text, lang)
    if size < least:
        return Fault("too_short", {"length": size, "least": least})
    if size > most:
        return Fault("too_long", {"length": size, "most": most})
    if lang != rules.lang and not rules.mixed:
        return Fault("other_language", {"language": lang, "wanted": rules.lang})
    first = text[0]
    if unicodedata.category(first)[0] not in "LN" and not (lang == "zh" and first in _OPENERS):
        return Fault("starts_with_mark", {"mark": first})
    if not rules.code and (found := _PROGRAM.search(text)):
        return Fault("write_a_program", {"words": found[0][:40]})
    if words := _cannot(text, lang, rules.cannot):
        return Fault("cannot_be_done", {"words": words})
    if not rules.code and (found := _CODE.search(text)):
        return Fault("programming", {"words": found[0][:40]})
    if said := refusal("", text):
        return Fault("refusal", {"words": said[1]})
    if (share := _echo(text, header)) > ECHO_SHARE:
        return Fault("prompt_echo", {"share": round(share, 2)})
    if not is_request(text, lang):
        return Fault("no_request", {})
    return _form_fault(text, rules)


def echo_pieces(prompt: str) -> frozenset[str]:
    """Return the pieces by which an instruction that repeats the prompt is known."""
    return frozenset(char_ngrams(normalise(prompt).lower(), ECHO_PIECE))


def _form_fault(text: str, rules: Rules) -> Fault | None:
    """Return what is wrong with how an instruction is written."""
    cut = tokens(text)
    if loop_at_end(cut)[1] or (len(cut) >= 20 and top_ngram_share(cut, 4)[0] > 0.4):
        return Fault("repeats_itself", {})
    if found := _ANSWERED.search(text):
        return Fault("holds_answer", {"words": found[0][:20]})
    if not rules.stand_alone:
        return None
    if found := _NEEDS_INPUT.search(text):
        rest = found["rest"] or found["more"] or ""
        if len(rest.strip()) < _MATERIAL:
            return Fault("needs_input", {"words": found[0][:40]})
    if found := _BLANK.search(text):
        return Fault("placeholder", {"words": found[0][:40]})
    return None


def _cannot(text: str, lang: str, words: Sequence[str] | None) -> str:
    """Return the first words of what a text model cannot do."""
    if words is not None:
        found = WordList(list(words)).find(text)
        return found[0].word if found else ""
    match = (_CANNOT_ZH if lang == "zh" else _CANNOT_EN).search(text)
    return match[0][:40] if match else ""


def _echo(text: str, header: Collection[str]) -> float:
    """Return the share of an instruction's pieces that stand in the prompt."""
    pieces = char_ngrams(normalise(text).lower(), ECHO_PIECE)
    return sum(piece in header for piece in pieces) / len(pieces) if header and pieces else 0.0
