"""What a rule's question and answer must look like: subjects, brackets, pointers, borders."""

import re
from typing import NamedTuple

from sftmill.text import CJK, deixis, length
from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import Word, is_pronoun, words


class Pair(NamedTuple):
    """A question and where its answer stands: `passage[start:end]`, in the sentence(s) of the span `quoted`."""

    kind: str
    """The pattern, one of `KINDS`."""
    type: str
    """What is asked for: what, why, how, list, condition or exception."""
    question: str
    start: int
    end: int
    quoted: tuple[int, int]


KINDS = (
    "definition",
    "content",
    "cause",
    "purpose",
    "condition",
    "exception",
    "list",
    "steps",
    "value",
    "time",
    "place",
    "agent",
    "use",
    "object",
    "record",
    "article",
)
"""The families of patterns, in the order of preference where a passage gives more pairs than wanted."""

LONGEST_QUESTION = {"zh": 58, "en": 26}
"""Characters (zh) or words (en) of the longest question that a rule may ask."""
LONGEST_ANSWER = {"zh": 300, "en": 130}
"""Characters (zh) or words (en) of the longest answer."""

_PAIRS = {
    "(": ")",
    "（": "）",
    "[": "]",
    "【": "】",
    "《": "》",
    "“": "”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "{": "}",
    "〔": "〕",
}
_CLOSING = {close: open for open, close in _PAIRS.items()}


def balanced(s: str) -> bool:
    """Tell whether all brackets and quotation marks of `s` are closed, in order."""
    waiting: list[str] = []
    for _i, character in enumerate(s):
        if character in _PAIRS:
            waiting.append(character)
        elif character == "’" and (not waiting or waiting[-1] != "‘"):
            continue  # an apostrophe
        elif character in _CLOSING and (not waiting or waiting.pop() != _CLOSING[character]):
            return False
    return not waiting and s.count('"') % 2 == 0 and s.count("`") % 2 == 0


# --- Chinese ---------------------------------------------------------------------------------------

_ZH_NO_BEGIN = lazy_pattern(
    r"\d+[.、)）]|[一每各另]?(?:些|种|个|点|方面)|有些|有的|以[下上]|下[列面述]|上[面述]|前[款项条述]|例如|比如|譬如|因此|因而|所以|但|然而|不过|而且?|并且?|"
    r"也|还|又|就|都|则|即|且|如(?:果|下|上|何)|若|倘|当|因|由于|虽然|尽管|除|为了?|对于?|关于|根据|依照|按照?|在|从|向|以|把|被(?!保险|告|申请|继承|监护|代理|收养|扶养|侵权|抚养|害)|让|使|给|与|和|或|及|"
    r"通过|可以|可|能|会|应|须|必|不|没|未|无论|不管|只|仅|只要|首先|其次|最后|然后|接着|同时|另外|此外|之|的|地|得|了|着|过|请|再|更|最|很|较|比|"
    r"是|有(?!限|偿|机)|存在|主要|目前|相应|相关|对应|全部|其余|具体|先前|之前|之后|当前|某些?|大部分|少数|许多|很多|多数|若干|后续|接下来|最近|现代|显然|注意|更|整个|重要|新的|上一|下一|这|同样|类似|不同|特殊|常规|典型|第[一二三四五六]|以及|此类|建议|请|尝试|允许|禁止|缺点|优点|好处|唯一|特别|局部|早期|部分|现在|通常|一般|一旦|直到|至|到|将|要|想|所有|任何|其中|一方面|总之|总的|换句话|事实上|实际上|"
    r"什么|谁|哪|怎|问题|原因|结果|目的|方法|前者|后者|后$|前$|时$|中$|上$|下$"
)
_ZH_NO_INSIDE = lazy_pattern(
    r"[，。；！？：,;!?:\n]|我们|咱|您|你|与之|对之|地(?=安|使|存|放|保|被)|什么|怎么|如何|为何|吗|呢|吧|了(?!解|望|结)|是(?!否)|不[会能是应得要]|可以|应当|必须|能够|已经|另一|"
    r"所示|上述|下列|以下|前款|前项|如下"
)
_ZH_GENERIC = frozenset(
    str.split(
        "问题 职责 任务 差异 区别 网络 程序员 原因 结果 目的 方法 方式 情况 内容 部分 方面 时候 时间 地方 东西 系统 文件 命令 用户 程序 软件 例子 选项 参数 工具 函数 功能 版本 结构 过程 "
        "关系 条件 作用 特点 优点 缺点 重点 关键 好处 坏处 区别 主题 标题 名称 名字 数据 对象 元素 单位 当事人 双方 本人 对方 人们 大家 "
        "有人 患者 病人 病患 作者 读者 服务 服务器 机器 软件包 脚本 配置 设置 安装 目录 规定 规则 事实 真相 想法 答案 解决方案 解决办法 最终 第一步 第二步 选择 "
        "新版本 大多数 多数 少数 后果 前提 基础 核心 步骤 技巧 其余 剩余 区域 字段 属性 值 变量 代码 项目 症状 表现 指征 药物 治法 病机"
    )
)
_ZH_CLAUSE_WORDS = frozenset(
    str.split(
        "让 使 使得 把 将 被 总是 仅 仅仅 只 也 还 就 都 便 才 会 可能 正在 仍 仍然 已 已经 像 如 为 以 用 由 到 从 在 对 向 给 通过 根据 按照 根据 "
        "使用 熟悉 需要 允许 提供 包含 包括 作为 成为 没有 具有 拥有 导致 可以 意味着 开始 进行 得到 获得 产生 造成 引起 想要 决定 认为 发现 知道 变成 带有 "
        "有 存在 位于 属于 等于 报告 显示 出现 总 应 要 能 能够 实现 采用 超过 达到 享有 承担 取得 同用 合用"
    )
)
"""Words that make a clause of a phrase, unless 的 closes them in."""
_ZH_BAD_LAST = ("p", "c", "d", "r", "u", "y", "uj", "ul", "uz", "ud", "ug", "o", "m", "zg")
_ZH_NOUN_ENDS = "者人法权罪物书证金费率量度性式型类器机员表图值号码名址域网线层包库集组团部门处室所院校会社省市县区国河山病症药液片丸散汤剂膏"
_ZH_BARE = lazy_pattern(
    r"[它他她]们?|其(?![他它中余实次])|(?<!应)该|此(?!外)|[这那]|上述|前述|上文|下列|以下|如下|前[款项条](?!件|目)|[本](?:[章节条款书文])|我们?|咱"
)
_LOOKS_LIKE_CODE = lazy_pattern(r"[{}<>;=$\\^~]|\.\.\.|::|--\w+=|\|")
_RUBBISH = lazy_pattern(r"\ufffd|[□■�]|(.)\1{3,}|[？?]{2,}|[A-Za-z]\?[A-Za-z]")


def is_subject_zh(s: str, longest: int = 20) -> bool:
    """Tell whether a phrase can be asked about by itself: a noun phrase, no pointer, not too general."""
    s = s.strip()
    if not 2 <= length(s, "zh") <= longest or not balanced(s) or s in _ZH_GENERIC:
        return False
    if is_pronoun(s, "zh") or _ZH_NO_BEGIN.match(s) or _ZH_NO_INSIDE.search(s) or _LOOKS_LIKE_CODE.search(s):
        return False
    return _is_noun_phrase_zh(words(s, "zh"), s)


def _is_noun_phrase_zh(cut: list[Word], s: str) -> bool:
    while cut and cut[-1].text in '）)”"》」':
        cut = cut[:-1]
    if not cut:
        return False
    first, last = cut[0], cut[-1]
    if first.tag in ("p", "c", "d", "r", "uj", "ul", "y", "zg", "f", "q", "uz") or (
        first.tag == "x" and first.text not in '“"《（(「/'
    ):
        return False
    if last.tag in _ZH_BAD_LAST and last.text[-1] not in _ZH_NOUN_ENDS:
        return False
    if len(cut) == 1 and last.tag in ("v", "a", "ad", "d") and len(last.text) < 3:
        return False
    if last.tag in ("f",) and len(cut) < 3:
        return False
    if (
        last.tag[0] in "vad"
        and last.tag not in ("vn", "an")
        and not (len(last.text) > 2 or (len(cut) > 1 and len(last.text) > 1))
    ):
        return False
    if last.tag == "v" and last.text in _ZH_CLAUSE_WORDS:
        return False
    # A plain verb or a preposition that no 的 follows makes a clause of the phrase.
    for i, word in enumerate(cut[1:], 1):
        if (
            word.text in _ZH_CLAUSE_WORDS
            and "的" not in s[word.end :]
            and not (word.tag == "v" and cut[i - 1].tag == "uj")
        ):
            return False
        after = cut[i + 1 : i + 2]
        if (
            word.tag == "v"
            and cut[i - 1].tag[0] in "nlr"
            and after
            and after[0].tag[0] in "mrp"
            and "的" not in s[word.end :]
        ):
            return False
    return any(w.tag[0] in "nlijbv" or w.tag in ("eng", "an", "s", "t", "x") or len(w.text) > 2 for w in cut)


def stands_alone_zh(s: str) -> bool:
    """Tell whether a question holds no word that points outside of it: 其 and 该 X may point at what stands before."""
    if "其中" in s or deixis(s, "zh"):
        return False
    for match in _ZH_BARE.finditer(s):
        before = s[: match.start()].rpartition("》，")[2]
        if match[0] == "其" and len(before) >= 4:
            continue
        if match[0] in ("该", "此") and s[match.end() : match.end() + 2] in before:
            continue
        if match[0] in ("他", "它", "她") and before.endswith(("其", "吉", "排")):
            continue
        return False
    return True


def is_clause_zh(s: str) -> bool:
    """Tell whether a clause has its own subject in front and may follow 为什么."""
    s = s.strip()
    if length(s, "zh") < 6 or is_pronoun(s, "zh") or _ZH_NO_BEGIN.match(s) or not stands_alone_zh(s):
        return False
    cut = words(s, "zh")
    if cut[0].tag in ("v", "p", "c", "d", "r", "f", "uj", "zg", "ad", "a", "q", "m", "y") and cut[0].text not in (
        "使用",
        "安装",
    ):
        return False
    return any(w.tag in ("v", "a", "d", "vn") for w in cut[1:])


# --- English ---------------------------------------------------------------------------------------

_EN_NO_BEGIN = lazy_pattern(
    r"(?:it|its|they|their|this|that|these|those|there|here|he|she|his|her|we|our|us|i|my|you|your|one|some|any|every|each|both|"
    r"all|most|many|much|few|several|other|others|another|such|what|which|who|when|where|why|how|if|as|while|although|"
    r"because|since|for|in|on|at|by|with|from|to|of|but|and|or|nor|so|yet|then|thus|hence|not|no|only|even|also|just|"
    r"instead|however|among|chapter|section|figure|table|appendix|besides|beyond|two|three|four|five|six|seven|eight|nine|ten|according|given|due|unlike|like|despite|through|under|over|within|without|depending|more|less|better|slightly|hence|once|after|before|during|until|unless|though|none|nothing|something|everything|anything|someone|"
    r"e\.g|i\.e|note|see|let|please)\b"
    r"|(?:the|a|an) (?:first|second|third|last|next|other|others|same|following|previous|above|latter|former|new|resulting|main|"
    r"only|rest|current|most|best|simplest|easiest|two|three|four|typical|usual|idea|problem|reason|result|purpose|goal|point|advantage|"
    r"disadvantage|main|difference|drawback|answer|choice|solution|question|trick|downside|upside|key|important|final|"
    r"remaining|whole|entire|process|given|said|author|authors|reader|next|example|book|text|fact)\b",
    re.I,
)
_EN_BARE = lazy_pattern(
    r"\b(?:it|its|itself|they|their|them|theirs|themselves|this|these|those|he|she|his|him|her|we|our|us|i|me|my|here|"
    r"the (?:former|latter|above|following|same|other|previous|aforementioned)|above|below|aforementioned|such|so|thus|"
    r"therefore|however|there|mentioned|previously|earlier|something|(?:if|when|because|whether) that)\b",
    re.I,
)
_EN_VERBISH = frozenset(
    str.split(
        "is are was were be been am do does did has have had can could may might must shall should will would cannot"
    )
)


def is_subject_en(s: str, most: int = 8) -> bool:
    """Tell whether a phrase can be asked about by itself: a noun phrase of 1 to 8 words, no pointer, not too general."""
    s = s.strip()
    cut = words(s, "en")
    plain = [w for w in cut if w.tag != "x"]
    if not 1 <= len(plain) <= most or not balanced(s) or len(s) > 90 or len(s) < 2:
        return False
    if (
        _EN_NO_BEGIN.match(s)
        or is_pronoun(s, "en")
        or re.search(r"[,;:!?\n{}<>=$\\|]|\. |^an? (?:few|lot|number|couple)\b", s)
    ):
        return False
    if any(w.tag in ("r", "c") and w.text.lower() not in ("and", "or") for w in plain) or plain[-1].tag in "puvcd":
        return False
    if _EN_NO_LAST.search(s) or re.match(r"[A-Z]\w+ing (?:[A-Z]|.*\bthe\b)", s):
        return False
    if (
        any(w.text.lower() in _EN_VERBISH for w in plain)
        or plain[0].tag in ("v", "p", "c", "r")
        or (plain[0].text.islower() and plain[0].tag == "m")
    ):
        return False
    if any(w.tag == "d" and w.text.lower() not in ("highly",) for w in plain[:1]):
        return False
    if plain[0].tag == "u":
        rest = plain[1:]
        # "the package" was introduced before; "the dpkg package" and "the length of a key" say which one
        if plain[0].text.lower() == "the" and len(rest) < 2 and not rest[0].text[:1].isupper():
            return False
        return (
            bool(rest)
            and not rest[0].text[0].isdigit()
            and not re.search(r"\b(?:more|less|better|system|heart|best)$|\b(?:more|less|better|heart)\b", s)
        )
    return True


def stands_alone_en(s: str) -> bool:
    """Tell whether an English question holds no word that points outside of it."""
    return not deixis(s, "en") and not _EN_BARE.search(s)


# --- both ------------------------------------------------------------------------------------------

_ZH_NO_ANSWER = lazy_pattern(
    r"[：:]$|(?:如下|下列|以下|如上|上述|下[图表面]|例如|比如|等等)[^。]{0,6}[。：:]?$|^(?:的|了|地|得|着|过|和|与|或|及|、|，|。|；|：)"
)
_EN_NO_ANSWER = lazy_pattern(
    r"(?:\b(?:following|below|above|follows|as|and|or|of|the|a|an|to|e\.g|i\.e|etc))[.:;,]?$|^[,.;:)]", re.I
)


_EN_NO_LAST = lazy_pattern(
    r"\b(?:some|any|no|several|many|all|each|new|different|various|these|such|more|most|also|only|both)$", re.I
)


def is_well_formed(question: str, answer: str, lang: str) -> bool:
    """Tell whether a question and its answer pass the rules of form that hold for all patterns."""
    if length(question, lang) > LONGEST_QUESTION[lang] or length(answer, lang) > LONGEST_ANSWER[lang]:
        return False
    if not any(map(str.isalnum, answer)) or not balanced(question) or not balanced(_without_item_marks(answer)):
        return False
    if _RUBBISH.search(question) or _RUBBISH.search(answer) or "\n\n\n" in answer:
        return False
    if answer.strip(" 。.；;").lower() in question.lower():
        return False
    if lang == "zh":
        if length(question, lang) < 6 or not stands_alone_zh(question) or _ZH_NO_ANSWER.search(answer):
            return False
        return not re.search(f"[{CJK}] [{CJK}]", question)
    return length(question, lang) >= 3 and stands_alone_en(question) and not _EN_NO_ANSWER.search(answer)


_MARK = lazy_pattern(r"^\s*(?:\d{1,3}|[a-z]|[①-⑳])[)）.、]|(?<=[。；;\s])\(?\d{1,2}[)）.]", re.M)


def _without_item_marks(answer: str) -> str:
    return _MARK.sub("", re.sub(r"[（(](?:\d{1,2}|[一二三四五六七八九十]{1,3})[）)]", "", answer))
