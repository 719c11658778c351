"""How models refuse, and how they talk about themselves, in Chinese and English."""

import re

from sftmill.text.lazy import lazy_pattern

_ZH_SORRY = r"(?:(?:非常|十分|真的|实在|很|深感|深表)?(?:抱歉|对不起|對不起|遗憾|遺憾|不好意思))"
_ZH_CANNOT = r"(?:无法|無法|不能|没办法|沒辦法|没法|不便|难以|不太能|不可以|未能|没有能力|不具备|不具備)"
_ZH_DEED = (
    r"(?:[为给向替]?(?:您|你)?(?:直接|继续|具体|准确|进一步|真正|亲自|实际|在此|就此)?"
    r"(?:回答|提供|满足|滿足|完成|协助|協助|帮助|幫助|帮您|帮你|访问|訪問|查看|打开|执行|執行|生成|创作|处理此|处理该|判断|给出|給出|做到|浏览|获取|讨论|参与|理解您|理解你|确定您|确定你|支持|预测|透露|为您|为你|给您|给你))"
)
_ZH_WHO = r"(?:AI|ＡＩ|人工智能|人工智慧|大?型?语言模型|大型语言模型|語言模型|智能助手|智能助理|虚拟助手|聊天机器人|对话机器人|AI助手|AI 助手|AI模型|计算机程序|机器学习模型)"
_ZH_SELF = lazy_pattern(
    rf"(?:作为|身为|作為|身為)(?:一个|一名|一款|一位|一種|一种|个|一個)?(?:由\w{{1,12}}(?:开发|训练)的)?{_ZH_WHO}[^。！？\n]{{0,12}}[,，]?\s?(?:我|并|本身|[,，])"
    rf"|我(?:只|仅仅|仅|毕竟)?是(?:一个|一名|一款|一位|个|一個)?(?:由\w{{1,12}}(?:开发|训练)的)?{_ZH_WHO}"
    r"|我的(?:训练数据|知识(?:库)?截[止至]|知识更新)"
)
_ZH_REFUSES = lazy_pattern(
    rf"{_ZH_SORRY}[,，。！!~…：:\s]{{0,3}}(?:但|但是|不过|由于[^。！？\n]{{1,30}}[,，])?(?:我们?|本助手|目前|当前|作为)?[^。！？，,\n]{{0,12}}?{_ZH_CANNOT}{_ZH_DEED}"
    rf"|{_ZH_SORRY}[,，。！!\s]{{0,3}}(?:我)?(?:不知道|不清楚|不了解|不太明白|没有(?:足够|相关|找到|提供)|您的问题|你的问题不)"
    rf"|{_ZH_SORRY}[,，。！!\s]{{0,3}}[^。！？\n]{{0,8}}(?:材料|文本|文中|原文|文章|资料|上下文|段落|内容|问题)中?[^。！？\n]{{0,10}}(?:没有|未|并未|不包含|不完整|不清)"
    rf"|(?:^|[。！？\n])[ \t\u3000]{{0,4}}(?:但|对此)?我(?:目前|暂时|恐怕|实在|真的)?{_ZH_CANNOT}{_ZH_DEED}"
    rf"|^{_ZH_CANNOT}(?:回答|提供(?:此|该|相关|您|你|这|具体|帮助|答案)|确定答案|判断[。.]|满足(?:您|你|此))"
    r"|^(?:根据|在|从|由)?(?:所?给定?|上述|以上|提供的?|该|本|这段|所提供的?)?(?:的)?(?:材料|文本|文中|原文|文章|资料|上下文|段落|信息|内容)(?:中|里)?[^。！？\n，,]{0,8}"
    r"(?:没有|并没有|未|并未|无)(?:明确|具体|直接)?(?:提及|提到|说明|包含|涉及|给出|提供|相关|足够)"
    r"|^(?:请|麻烦)(?:您|你)?(?:提供|补充)(?:更多|具体|详细|完整|相关)[^。\n]{0,20}(?:信息|内容|上下文|材料|细节|文本)"
)
_EN_WHO = r"(?:AI|A\.I\.|artificial intelligence|(?:large )?language model|AI (?:language )?model|AI assistant|virtual assistant|chatbot|machine learning model|computer program)"
_EN_SELF = lazy_pattern(
    rf"\bas an? {_EN_WHO}\b|\bI(?:'m| am) (?:just |only |merely )?an? {_EN_WHO}\b|\bI(?:'m| am) (?:an? )?(?:AI|language model) (?:developed|created|trained) by"
    r"|\bI (?:do not|don't) have (?:personal (?:opinions?|experiences?|feelings?|beliefs?|preferences?)|feelings|access to (?:real-?time|the internet|current|your|external)|the ability to (?:browse|access|see|feel))"
    r"|\bmy (?:training data|knowledge cut-?off)\b",
    re.I,
)
_EN_CANNOT = r"(?:can(?:no|')t|can ?not|am (?:unable|not able)|'m (?:unable|not able)|am not (?:allowed|permitted)|will not|won't|must decline|don't (?:know|have (?:enough|sufficient|any|the)|understand)|do not (?:know|have (?:enough|sufficient|any|the)|understand))"
_EN_DEED = r"(?: to)?(?: \w+ly)? ?(?:help|assist|provide|answer|fulfil+|comply|complete|generate|create|access|browse|open|view|see the|engage|participate|discuss|offer|give you|respond|support|do that|process|information|context|details|determine|the question|your (?:question|request))?"
_EN_REFUSES = lazy_pattern(
    rf"^(?:(?:I(?:'m| am)|we(?:'re| are)) (?:really |very |so |truly |terribly )?sorry|sorry|my apologies|apologies|I apologi[sz]e|unfortunately|regrettably)\b[^.!?\n]{{0,40}}?[,.!]?\s*(?:but |however,? )?I(?:'m)? ?{_EN_CANNOT}"
    rf"|^I(?:'m)? ?{_EN_CANNOT}(?: to)?(?: \w+ly)? (?:help|assist|provide|answer|fulfil+|comply|complete|generate|create|access|browse|open|view|engage|participate|discuss|offer|respond|support|process|do that)"
    r"|^(?:sorry|I(?:'m| am) sorry)[,.]? (?:but )?(?:the|this|there|it|that|your)\b[^.!?\n]{0,50}(?:not|n't|no) (?:\w+ ){0,2}(?:mentioned|provided|specified|contain|include|enough|clear|possible|appropriate)"
    r"|^(?:based on |according to |in )?(?:the )?(?:given |provided |above )?(?:passage|text|context|document|article|information|material)s?(?: provided| given)?,?[^.!?\n]{0,20}\b(?:does not|doesn't|do not|don't|did not|provides no|gives no|has no|is not|isn't) "
    r"(?:\w+ )?(?:mention|provide|specify|contain|state|say|give|include|indicate|enough|sufficient|information)"
    r"|^(?:please|could you(?: please)?|can you(?: please)?) (?:provide|give|share)(?: me)?(?: with)? (?:more|additional|further|the (?:text|passage|article|context|input)|some more)",
    re.I,
)
_ABOUT_SELF = lazy_pattern(
    r"你是(?:谁|什么|不是|一个|AI|人)|你叫什么|您是谁|你有(?:感情|意识|情感)|自我介绍|who are you|what are you|are you (?:an? )?(?:ai|human|robot|bot|real)|your name|about yourself|introduce yourself|do you (?:have|feel)",
    re.I,
)
_HEAD = 120
"""Characters at the beginning of an answer in which a refusal stands where it is the answer."""


def refusal(asked: str, said: str, anywhere: bool = False) -> tuple[str, str] | None:
    """Return ("refusal" or "assistant_talk", the words) where an answer refuses or talks of itself, else None.

    Looked for in the first sentences, or `anywhere`. A question about the assistant itself excuses talk of itself.
    """
    text = said.strip()
    looked = text if anywhere else text[:_HEAD]
    for pattern in (_ZH_REFUSES, _EN_REFUSES):
        if found := pattern.search(looked):
            return "refusal", found[0].strip()[:60]
    if not _ABOUT_SELF.search(asked):
        for pattern in (_ZH_SELF, _EN_SELF):
            if found := pattern.search(looked):
                return "assistant_talk", found[0].strip()[:60]
    return None
