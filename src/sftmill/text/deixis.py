"""Words that point at a text the reader does not have: 上文, 该表, "the passage above"."""

import re

from sftmill.text.lazy import lazy_pattern
from sftmill.text.units import Span

_TEXT = "文本|原文|短文|文章|材料|段落|背景(?:资料|信息|材料|知识)?|参考(?:资料|文本|内容)|上下文"
_GIVEN = "以上|上述|上面|给定|所给|本|该|此|这[段篇]|提供的?"
_ZH = lazy_pattern(
    # 本文, 上文, 文中; not 本文件, 上下文, 语文中考
    r"本(?:文(?!件|化|明|字)|篇)|上文|前文|(?<!上)下文|(?<![语英中日法德俄外华作论课范散古译公人条])文[中末首内]"
    r"|上述|前述|如前所述"
    # 该表, 该图, 这段文字; not 该文件, 该公司
    r"|该(?:文本|文章|文|段落?|节选|表格?|图[表片示]?|材料|资料|章节?|页)(?!化|明|件|字|学|艺|职|人|凭|献|达|面|程)"
    r"|[这那]一?[段篇则份](?:话|文[字本章]?|材料|短文|内容|描述|论述|资料|节选)"
    r"|(?:以上|下列|上面|下面|给定的?|所给的?|提供的?)(?:文[本字章]|材料|内容|段落|资料|信息|背景|描述|论述|表格?|图)"
    # 如图所示, 下表, 图 3-1 中
    r"|如[上下前图表右左]所[示述]|[上下左右][图表](?!格式|书|像|腔|层|面|示|现|达|演)|[图表]\s?\d+(?:[-.]\d+)?(?:所示|中)"
    r"|第?\s?[\d一二三四五六七八九十百]+[章节]中?(?:提到|所述|介绍|讲述|讨论)"
    # 根据材料, 材料中提到; not 建筑材料中提到
    rf"|(?:根据|依据|按照|结合|基于|阅读|参考)(?:{_GIVEN})?的?(?:{_TEXT})"
    rf"|(?:(?<![\u4e00-\u9fff])|(?<=[在从据按由问照合]))(?:{_TEXT})[中里]?"
    r"(?:提到|提及|指出|所述|所说|描述|说明|介绍|认为)"
    r"|作者(?:认为|指出|提到|在文|如何|为什么|的观点|是如何|主张)"
    # 本章, 本法, 本品: the law or drug that only the passage names; not 基本法, 日本书籍
    r"|(?<![基日根原版样剧标文资成])本(?:章|节|书|段|表|图|页|条例?|款|法(?!院|官|人)|办法|规定|细则|规范|标准|手册|指南|品|药)"
    r"(?!面|身|来|钢|质|性|材|种|籍)"
)
_NOUN = (
    "(?:passage|text|article|document|paragraph|excerpt|section|chapter|table|figure|context|material|extract|snippet)"
)
_PROSE = "(?:passage|text|article|document|paragraph|excerpt|context|material|extract|snippet)"
_OTHER = "(?! (?:editors?|files?|modes?|box|fields?|strings?|processors?|messages?|formats?|root|switch))"
_SAID = "(?:mentioned|described|stated|discussed|shown|noted|explained|outlined|listed|seen)"
_EN = lazy_pattern(
    rf"\b(?:this|that|the (?:above|following|given|provided|preceding|previous|source|reference|said)) {_NOUN}\b"
    rf"|\bthe {_NOUN} (?:above|below|mentions?|states?|says?|describes?|discusses|explains?|provided|given)\b"
    r"|\b(?:in|from|according to|based on|as per|per|within) (?:the|this|these|your) (?:given |provided |above )?"
    rf"{_PROSE}\b{_OTHER}"
    rf"|\bas {_SAID}(?: (?:above|below|earlier|before|previously|here))?(?=[,.;?!]|$)"
    rf"|\bas {_SAID} in the {_NOUN}\b|\b{_SAID} (?:above|below|earlier|here)\b"
    r"|\b(?:the )?(?:above-mentioned|aforementioned)\b"
    r"|\bthe authors?(?:'s|'|’s|’)?\b(?! of\b)"
    r"|\b(?:figure|table|section|chapter) \d+(?:\.\d+)* (?:above|below|shows?|mentions?)\b"
    r"|\bthis (?:book|handbook|manual|guide)\b",
    re.I,
)


def deixis(s: str, lang: str) -> list[Span]:
    """Return the spans of words that point at a text outside of `s`, such as 上述 or "the passage above".

    Meant for questions and answers that must stand alone; 该 counts only before words for texts,
    tables and pictures, so that 该公司 is no match. 本法 and 本品 count: which law, which drug?
    """
    return [Span(m.start(), m.end()) for m in (_ZH if lang == "zh" else _EN).finditer(s)]
