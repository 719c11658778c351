"""Phrases around an answer that only say where it comes from: "according to the passage, the answer is".

They are told by what they are made of, not by fixed sentences: a run of words that all belong to a
small vocabulary (prepositions, pointing words, names for a text, verbs of saying, "answer") with a
name for the text or the answer among them.
"""

import re
from functools import lru_cache

from sftmill.text.lazy import lazy_pattern
from sftmill.text.variants import simplified

_LONGEST = 60
"""Characters of a frame; what is longer says something."""


_CLOSING = lazy_pattern(
    r"(?:\s+(?:is|would be) the (?:correct |right )?answer|(?:就是|即为|是|为)(?:正确)?答案)([。.!！]?)$", re.IGNORECASE
)


def _words(kind: str, words: str) -> list[tuple[str, str]]:
    return [(word, kind) for word in str.split(words)]


_ZH = dict(
    _words(
        "link",
        "根据 依据 按照 依照 基于 从 由 据 依 按 结合 通过 参照 参考 综合 在 见 详见 如 正如 正像 对于 关于 针对 就",
    )
    + _words(
        "link",
        "以上 上述 上面 前面 前述 给定 所给 给出 提供 该 本 这 此 那 这里 段 篇 则 份 节 个 一 的 所 道 上 中 里 内 处 当中 之中 部分 整",
    )
    + _words(
        "link",
        "可以 能够 能 可 便 就 得 到 了 过 着 曾 已 已经 明确 清楚 直接 清晰 地 我们 我 你 您 也 都 均 有 这样 如此 这么 是这样 中间 其中 因此 所以 那么 相关 有关 其",
    )
    + _words(
        "text",
        "文本 原文 文章 课文 短文 文中 文内 文段 文字 文 材料 资料 段落 通过阅读 经过阅读 阅读后 全文 此文 题目 题干 此题 本题 该题 道题 段话 上文 本文 上下文 节选 片段 内容 信息 语段 作者 笔者 篇章 原句",
    )
    + _words(
        "say",
        "可知 得知 知道 知 看出 看到 看 来看 了解 获悉 得出 发现 推知 推断 提到 提及 指出 显示 表明 写道 写到 写 写着 说明 说 说到 讲 讲到 认为 记载 记录 描述 介绍 告诉 谈到 叙述 称 所述 所说 所示 所言 所写 而言 来说 找到 读到 交代 表述 陈述 说法 原话 选 选择 填 出自 来自 阐述",
    )
    + _words(
        "link",
        "第一段 第二段 第三段 第四段 最后一段 首段 末段 开头 结尾 末尾 后 前文 后文 很 非常 十分 查阅 查看 翻阅 浏览 细读 通读 判断",
    )
    + _words(
        "link",
        "大概 可能 想必 或许 也许 估计 肯定 显然 显而易见 毫无疑问 不难 容易 当然 其实 事实上 实际上 这里 所指 指的 好的 您好 你好 吧 呢",
    )
    + _words("answer", "答案 正确答案 回答 答复 答 解答")
    + _words("asked", "问题 题 提问 问 正确")
    + _words("be", "是 为 应为 应是 应该是 应当是 应当为 应该为 即 即为 就是 便是 乃 则是 则为 的是")
    + _words("modal", "应该 应当 应")
    + _words(
        "sum",
        "简单来说 简单地说 简而言之 简言之 总的来说 总而言之 总之 概括来说 概括地说 一句话 综上所述 综上 结论 具体来说",
    )
    + [(c, "mark") for c in "，,：:、！!"]
)
_EN = dict(
    _words(
        "link",
        "based on as per from in by of to at with the this that these given provided above following original "
        "we us our you your it its here there which what i can could may would be was been being clearly directly explicitly "
        "also so thus therefore hence and main very same see believe think my opinion",
    )
    + _words(
        "text",
        "according passage text article document paragraph excerpt material context information source author writer reading extract snippet story",
    )
    + _words(
        "say",
        "says say said states state stated mentions mention mentioned explains explain explained notes note noted indicates indicate "
        "indicated shows show shown describes describe described tells tell told learn learned see seen reports reported writes "
        "written reveals reveal revealed suggests suggest found find read reads know known gives given points out claims",
    )
    + _words(
        "link",
        "first second third last opening closing makes make made clear judging identifies identified appears appear seems "
        "seem likely turns refers refer relevant sentence actually fact probably perhaps certainly clearly obviously indeed sure hello hi far well",
    )
    + _words("answer", "answer reply response")
    + _words("asked", "question correct right")
    + _words("be", "is are was were be that's it's")
    + _words("sum", "short summary brief conclusion overall basically briefly essence simply put")
    + [(c, "mark") for c in ",:，：!！"]
)
_ZH_WORD = lazy_pattern(
    "第[一二三四五六七八九十\\d]{1,2}(?:自然段|[段句行节])|"
    + "|".join(sorted(map(re.escape, _ZH), key=len, reverse=True))
)
_EN_WORD = lazy_pattern(r"\s*([A-Za-z]+(?:['’]s)?|[,:，：!！])")
_SPACES = lazy_pattern(r"\s*")
_TAIL = lazy_pattern(r"[，,。；;.（(—-]+\s*(?=[^，,。；;.（(—]{2,60}[。.）)！!]*\s*$)")


@lru_cache(maxsize=1)
def frame_words() -> str:
    """Return all words that frames are made of, which say nothing wherever an answer has them."""
    return "\n".join([*_ZH, *_EN])


def strip_frame(answer: str) -> str:
    """Return an answer without a frame before or behind it; an answer that is all frame stays as it is."""
    text = answer.strip()
    for _ in range(4):
        cut = _head(text)
        if not cut or not text[cut:].strip(" 。.！!"):
            break
        text = text[cut:].lstrip()
    if closing := _CLOSING.search(text):
        text = text[: closing.start()] + closing[1]
    for tail in list(_TAIL.finditer(text))[-2:]:
        if tail.start() and _all_frame(text[tail.end() :].strip(" 。.）)！!")):
            return text[: tail.start()].rstrip() + text[-1:] * (text[-1:] in "。.")
    return text


def _read(text: str) -> list[tuple[str, int]]:
    """Return the kinds of the frame words that a text begins with, and where each ends."""
    folded = simplified(text[:_LONGEST])
    chinese = not folded[:1].isascii()
    kinds: list[tuple[str, int]] = []
    at = 0
    while at < len(folded):
        if chinese:
            match = _ZH_WORD.match(folded, _SPACES.match(folded, at).end())
            kind = _ZH.get(match[0], "link") if match else ""
        else:
            match = _EN_WORD.match(folded, at)
            kind = _EN.get(match[1].lower().replace("’", "'"), "") if match else ""
            if kind and match.end() == _LONGEST:
                kind = ""
        if not kind:
            break
        at = match.end()
        kinds.append((kind, at))
    return kinds


def _head(text: str) -> int:
    """Return where the frame at the head of a text ends, 0 if there is none."""
    cut = 0
    seen: set[str] = set()
    previous = ""
    for kind, end in _read(text):
        named = bool(seen & {"text", "answer"})
        said = "text" in seen and "say" in seen
        ends = {
            "mark": named or "sum" in seen,
            "be": "answer" in seen or said,
            "modal": "answer" in seen,
            "say": "text" in seen and previous != "be",
            "link": named and said and text[:end].lower().endswith((" that", "了", "到")),
        }
        if ends.get(kind):
            cut = end
        seen.add(kind)
        previous = kind
    return 0 if simplified(text[cut : cut + 1]) == "的" else cut


def _all_frame(text: str) -> bool:
    kinds = _read(text)
    return bool(kinds) and kinds[-1][1] >= len(text.rstrip()) and any(kind == "text" for kind, _ in kinds)
