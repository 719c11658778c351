"""Takes off a query what is not asked - greetings, thanks, signatures, markup - and tells what is no query at all.

Nothing is rewritten: what is left are the user's own words in their order.
"""

import html
import re

from sftmill.text import CJK, normalise, rouge_tokens
from sftmill.text.lazy import lazy_pattern

_TAG = lazy_pattern(
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|code|div|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input|label|li"
    r"|link|meta|ol|p|pre|s|script|small|span|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|u|ul)"
    r"(?:\s[^<>]{0,500})?\s?/?>",
    re.IGNORECASE,
)
_HIDDEN = lazy_pattern(r"<(script|style)(?:\s[^<>]{0,500})?>[^<]{0,5000}</\1\s?>|<!--[^<>]{0,2000}-->", re.IGNORECASE)
_BREAK = lazy_pattern(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\s?/?>", re.IGNORECASE)
_BLANK = lazy_pattern("[^\\S\n]+")
_LINES = lazy_pattern(r" ?\n[ \n]*")
_REPEATED = lazy_pattern(r"([!！?？。~～,，、;；^*=_#])\1+")
_SHOUTED = lazy_pattern(r"[!！?？]{2,}")
_DOTS = lazy_pattern(r"\.{4,}|…{3,}|·{3,}")

_END = r"[\s,，.。!！~～:：、]"
_NAME = r"(?:各位|亲爱的|尊敬的)?[\u4e00-\u9fff]{0,3}(?:老师|医生|大夫|律师|专家|客服|小编|朋友们?|同学们?|网友们?|大神|亲)?"
_GREETING = lazy_pattern(
    rf"(?:{_NAME}[,，]?\s?(?:你好|您好|你们好|大家好|早上好|上午好|中午好|下午好|晚上好|哈喽|嗨)(?:啊|呀|哈)?"
    rf"(?:{_END}+|\Z|(?=我想|我要|我有|请问|想问|想咨询|咨询|麻烦))"
    rf"|各位[\u4e00-\u9fff]{{0,4}}好?{_END}+"
    rf"|在吗(?:[?？\s,，。]+|\Z)"
    rf"|(?:hi|hello|hey|greetings|good (?:morning|afternoon|evening|day)|dear)(?: (?:there|all|everyone|everybody|guys"
    rf"|team|support|sir|madam|sirs|doctor|sir or madam|friends))?(?:\s*[,.!:~]+\s*|\s*\n\s*|\Z))",
    re.IGNORECASE,
)
_THANKS = lazy_pattern(
    r"(?:(?:非常|十分|万分|先|在此|预先)?(?:谢谢|多谢|感谢|感激|跪谢|拜谢|谢|感激不尽|感恩)(?:您|你|大家|各位|了|啦|啊|哦|哈|先"
    r"|老师|医生|律师|专家|大神|您的?(?:回答|解答|帮助)|回答|解答|帮助|指教|不尽){0,3}"
    r"|急+|在线等|急急?[,，]?在线等|跪求|求(?:大神|解答|回答|助|指教|解)|望(?:回复|解答|告知)|麻烦(?:了|您了|你了|各位了)"
    r"|(?:many |lots of )?thanks?(?: (?:you|so much|very much|a lot|in advance|again|all|everyone|guys|for (?:your|any|the) "
    r"(?:help|time|answer|answers|advice|support))){0,3}|thank you(?: (?:so much|very much|in advance|all|everyone|for "
    r"(?:your|any|the) (?:help|time|answer|answers|advice|support))){0,3}|thx|ty|tia|cheers|much appreciated|urgent"
    r"|please help(?: me)?|any help (?:is|would be) appreciated)",
    re.IGNORECASE,
)
_LAST_PIECE = lazy_pattern(r"(?:[,，.。!！?？~～;；…\n]\s*|\A)([^,，.。!！?？~～;；…\n]{1,60})[\s,，.。!！~～]*\Z")
_LAST_WORD = lazy_pattern(rf"(?<=[{CJK}])[^\S\n]+([^,，.。!！?？~～;；…\s]{{1,60}})[\s,，.。!！~～]*\Z")
_SIGN_OFF = lazy_pattern(
    r"(?:\A|\n)[ \t]*(?:(?:(?:best|kind|warm) )?regards|sincerely|yours (?:truly|sincerely|faithfully)|best wishes|此致|顺祝商祺"
    r"|祝好|敬礼)[ \t]*[,，.!！]?(?:[ \t]*(?:\n|\Z)[^\n]{0,40}){0,3}\Z",
    re.IGNORECASE,
)
_SIGNATURE = lazy_pattern(
    r"(?:\n[ \t]*(?:--+|——+)[ \t]*\n?[^\n]{0,60}(?:\n[^\n]{0,60}){0,2}|[\s(（]{0,3}(?:发自我的|来自我的|sent from my )[^\n]{1,30})\Z",
    re.IGNORECASE,
)

_URL = lazy_pattern(r"(?:https?://|www\.)[\w\-./?%&=#:~+@!$,;]{1,2000}", re.IGNORECASE)
_BROKEN = lazy_pattern("\ufffd|锟斤拷|烫烫烫|屯屯屯|[\ue000-\uf8ff]{2}")
_WIDE_RUN = lazy_pattern("[\u4e00-\u9fff\u3040-\u30ff\u0400-\u04ff\u20ac]{3,400}")
_ACCENTED = lazy_pattern("[\u0080-\u00ff\u0152-\u0178\u0192-\u2122]{2,400}")

_SIGNS = {
    "contact": r"(?:加|\+|➕)\s?(?:我|本人|客服)?\s?(?:的)?\s?(?:微信|薇信|微\s?信|v信|vx|wx|qq|扣扣|企鹅|威信|群)|微信号?[:：]|"
    r"(?:add|contact|message|dm|text) (?:me|us) (?:on|at|via)|whatsapp|telegram",
    "link": r"点击(?:链接|下方|这里|领取)|戳链接|扫码|二维码|click (?:here|the link|below)|https?://|www\.",
    "gift": r"免费(?:领取|赠送|送|试用)|领取(?:优惠|红包|福利)|优惠券|红包|限时(?:优惠|抢购|特价|秒杀)|free (?:gift|trial|money)"
    r"|limited[- ]time (?:offer|deal)|promo code|discount code",
    "trade": r"代开发票|办证|刷单|日结|包过|包邮|厂家直销|诚招代理|招代理|低价(?:出售|转让)|稳赚|日赚|月入过?万|一手货源|资金盘"
    r"|buy now|order now|act now|earn \$?\d+|make money|work from home|cheap (?:price|prices)",
}
_ADVERT = {name: lazy_pattern(pattern, re.IGNORECASE) for name, pattern in _SIGNS.items()}
_ASKS = lazy_pattern(
    r"[?？]|吗|呢|怎么|怎样|如何|什么|为何|为啥|哪|多少|几|是不是|能不能|可不可以|\b(?:how|what|why|when|where|which|who|is|are|can"
    r"|could|do|does|should)\b",
    re.IGNORECASE,
)


def strip_query(text: str) -> str:
    """Return what a user asks, without markup, greetings, thanks, signatures and repeated punctuation."""
    if "<" in text:
        text = _TAG.sub(" ", _BREAK.sub("\n", _HIDDEN.sub(" ", text)))
    if "&" in text:
        text = html.unescape(text)
    text = _LINES.sub("\n", _BLANK.sub(" ", text)).strip()
    text = _DOTS.sub(lambda match: match[0][0] * (3 if match[0][0] == "." else 2), text)
    text = _SHOUTED.sub(_shorten, _REPEATED.sub(r"\1", text))
    text = _SIGN_OFF.sub("", _SIGNATURE.sub("", text)).strip()
    for _ in range(3):
        found = _GREETING.match(text)
        if not found or not found[0]:
            break
        text = text[found.end() :].lstrip(" \n,，.。!！~～、")
    for _ in range(4):
        tail = max(0, len(text) - 80)
        tries = (pattern.search(text, tail) for pattern in (_LAST_PIECE, _LAST_WORD))
        found = next((one for one in tries if one and _THANKS.fullmatch(one[1].strip())), None)
        if found is None:
            break
        kept = found.start() + (text[found.start()] in ".。!！?？…")
        text = text[:kept].rstrip(" \n,，~～;；")
    return text.strip()


def _shorten(match: re.Match[str]) -> str:
    """Return one mark for several different ones: the question mark, if there is any."""
    return next((mark for mark in match[0] if mark in "?？"), match[0][0])


def find_flaw(text: str) -> str:
    """Return why a stripped text is no query, "" where it is one.

    `empty`, `only_url`, `only_emoji` (nothing that can be read), `only_numbers`, `mojibake`, `advert`.
    """
    if not text:
        return "empty"
    without = _URL.sub(" ", text)
    tokens = rouge_tokens(without)
    if not tokens:
        return "only_url" if without != text else "only_emoji"
    if is_mojibake(text):
        return "mojibake"
    if all(token.isdecimal() for token in tokens):
        return "only_numbers"
    return "advert" if is_advert(text) else ""


def is_mojibake(text: str) -> bool:
    """Tell whether a text was decoded wrongly: it holds signs of that, or a part of it reads as another encoding.

    Chinese written as UTF-8 and read as GB18030 (浣犲ソ), or Western letters that are bytes of UTF-8, give valid UTF-8
    when they are turned back, which real texts of a few characters hardly ever do.
    """
    if _BROKEN.search(text):
        return True
    if text.isascii():
        return False
    for pattern, encoding in ((_WIDE_RUN, "gb18030"), (_ACCENTED, "cp1252")):
        for run in pattern.findall(text):
            if _reads_back(run, encoding):
                return True
    return False


def _reads_back(run: str, encoding: str) -> bool:
    """Tell whether the bytes of a run are characters in UTF-8, but for a piece at its ends."""
    data = run.encode(encoding, "ignore")
    try:
        made = data.decode()
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3 or error.start < 6:
            return False
        made = data[: error.start].decode("utf-8", "ignore")
    return len(made) < len(run) and not made.isascii() and any(c > "\u024f" or c.isalpha() for c in made)


def is_advert(text: str) -> bool:
    """Tell whether a text advertises: three kinds of its signs, or two and no question."""
    plain = normalise(text)
    signs = sum(pattern.search(plain) is not None for pattern in _ADVERT.values())
    return signs >= 3 or (signs == 2 and not _ASKS.search(_URL.sub(" ", plain)))
