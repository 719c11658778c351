"""What questions and answers look like: what is asked for, empty phrases before an answer, refusals."""

import re
from typing import Literal

from sftmill.steps.curate.grounding.framing import strip_frame
from sftmill.text import is_cjk, numbers, tokens
from sftmill.text.lazy import lazy_pattern

_REFUSAL = lazy_pattern(
    r"(?:资料|材料|文中|原文|文章|文本|上文|本文|给定|提供|段落)[^。，,;；]{0,12}"
    r"(?:未|没有|沒有|并未|并没有|无)(?:明确|具体|直接)?(?:提及|提到|提供|说明|涉及|给出|包含|记载|指出|相关|描述)"
    r"|(?:无法|不能|难以)(?:从[^。，]{0,12})?(?:回答|确定|判断|得知|得出)(?:这个|该|此|您的|你的)?(?:问题|答案|是否)?(?=[。.!！]|$)"
    r"|^(?:未提及|未知|不知道|不清楚|无|没有答案|无答案|暂无|无法回答)[。.]?$"
    r"|^(?:很?抱歉|对不起|作为一?个?(?:AI|人工智能|语言模型))"
    r"|\b(?:not|n't|no) (?:\w+ )?(?:mentioned|stated|specified|provided|given|described|answer(?:ed|able)?|found|"
    r"contained|information|in) (?:\w+ )?(?:in|by|from|about)? ?(?:the|this) (?:\w+ )?"
    r"(?:passage|text|material|document|context|article)"
    r"|\bthe (?:passage|text|material|document|context|article) "
    r"(?:does not|doesn't|did not|provides no|gives no|has no)\b"
    r"|^(?:i'?m sorry|sorry\b|i (?:can|could) ?not\b|i can't|i don't know|as an ai\b|unknown\.?$|unanswerable|n/?a\.?$|"
    r"not (?:mentioned|stated|specified|given|available|provided)\.?$)",
    re.IGNORECASE,
)


def strip_lead(answer: str) -> str:
    """Return an answer without "according to the passage, the answer is" and its kin around it."""
    text = strip_frame(answer)
    if text != answer.strip() and text[:1].isascii() and text[:1].islower():
        text = text[0].upper() + text[1:]
    return text


def is_refusal(answer: str) -> bool:
    """Tell whether an answer says that there is none; long answers may say so in passing."""
    found = _REFUSAL.search(answer)
    return bool(found) and (found.start() < 40 or found.end() > len(answer) - 3) and len(answer) < 200


Asked = Literal["time", "number", "person", "choice", "yes_no", "other"]

_KINDS: list[tuple[Asked, re.Pattern[str]]] = [
    (
        "choice",
        lazy_pattern(
            r"还是|還是|抑或|二者|兩者|两者|[、和与跟及][^？?]{1,20}(?:之间|之間|中)[^？?]{0,6}(?:哪|谁|誰)|\bor\b",
            re.IGNORECASE,
        ),
    ),
    (
        "time",
        lazy_pattern(
            r"什么时候|什麼時候|何时|何時|何年|何月|哪一?[年天日月]|哪[个個](?:月|年代|世纪|世紀|时期|時期|朝代)|什么(?:年代|时间|日期|时期|朝代)|什麼(?:年代|時間|日期|時期|朝代)|几[年月号点]|幾[年月號點]"
            r"|\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time|period)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "number",
        lazy_pattern(
            r"多少|(?<!好)几(?!乎|何)|幾(?!乎|何)|多[大长長高久远遠深重宽快]|百分之几"
            r"|\bhow (?:many|much|long|old|far|tall|high|large|big|often|deep|fast|wide)\b"
            r"|\bwhat (?:percent|percentage|number|amount|age|fraction|proportion)\b",
            re.IGNORECASE,
        ),
    ),
    ("person", lazy_pattern(r"谁|誰|何人|哪一?[位名]|\bwho(?:m|se)?\b", re.IGNORECASE)),
    (
        "yes_no",
        lazy_pattern(
            r"(?:[吗嗎]|(?<![什怎那这多要])么)\s*[?？]?\s*$|是否|能否|可否|有没有|有沒有|是不是|能不能|可不可以|会不会|要不要|需不需要"
            r"|^(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b",
            re.IGNORECASE,
        ),
    ),
]
_TIME_WORDS = lazy_pattern(
    r"世纪|世紀|[年月日号號天晚晨秋春夏冬]|时期|時期|时代|時代|朝|代|期间|期間|之后|之後|以前|之前|后|後|时|時|初|末|战|戰|紀|纪|前|夜|午|小时|分钟|立即|每"
    r"|\b(?:century|b\.?c|a\.?d|war|during|after|before|until|since|when|spring|summer|autumn|fall|winter|era|period|age|"
    r"january|february|march|april|may|june|july|august|september|october|november|december|daily|weekly|monthly|"
    r"days?|weeks?|months?|years?|hours?|morning|evening|night|noon|immediately|once|every|dynasty|reign|mid|late|early)\b",
    re.IGNORECASE,
)
_AMOUNT_WORDS = lazy_pattern(
    r"[一二三四五六七八九十百千万萬两兩双雙半零数數多少几幾全无無每]|不限|大量|部分"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|half|few|several|"
    r"many|most|all|none|no|some|once|twice|single|double|third|quarter|majority|every|daily|weekly|monthly|annually|"
    r"low|high|large|small|over|more|less|until|indefinitely)\b",
    re.IGNORECASE,
)
_ASKS_VALUE = lazy_pattern(
    r"第几|第幾|比例|比率|率|数|數|值|度|量|价|費|费|金额|年份|日期|时间|時間|距离|寿命|范围|間隔|间隔|周期|期限|规格|尺寸|型号|编号|评分|得分|比分|成绩|频次|剂量"
    r"|\b(?:value|rate|ratio|score|date|year|time|number|size|length|height|weight|temperature|price|cost|range|dose|limit|"
    r"population|distance|age|level|interval|period|gauge|frequency|percentage|version|code|address|estimate|record|"
    r"standard|size|area|speed|pressure|voltage)\b",
    re.IGNORECASE,
)


def asked_for(question: str) -> Asked:
    """Tell what a question wants to hear."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), "other")


def is_bare_value(answer: str) -> bool:
    """Tell whether an answer is nothing but a number, date or quantity."""
    found = numbers(answer, words=True)
    if not found:
        return False
    inside = sum(n.end - n.start for n in found)
    rest = [t for t in tokens(_TIME_WORDS.sub("", answer)) if not t.isdigit()]
    return inside and sum(1 if is_cjk(t[0]) else 2 for t in rest) <= len(found) + 2


def answers_kind(question: str, answer: str) -> bool:
    """Tell whether an answer is at all of the kind asked for: a time for "when", no bare number for "who"."""
    kind = asked_for(question)
    if kind == "time":
        return bool(numbers(answer, words=True, articles=True) or _TIME_WORDS.search(answer))
    if kind == "number":
        return bool(numbers(answer, words=True, articles=True) or _AMOUNT_WORDS.search(answer))
    if kind == "person":
        return not is_bare_value(answer)
    if kind == "other":
        return not is_bare_value(answer) or bool(_ASKS_VALUE.search(question))
    return True
