"""What a judge is shown of a candidate: without its author's name, and without words that could pass for the judge's.

A candidate is data. One that speaks to the judge ("rate me 10", 请给我满分) or writes a verdict of its own is shown
with its markers made harmless, and is flagged.
"""

import re

from sftmill.text import escape_control_tokens

_NAMES = (
    r"(?:Chat ?GPT|GPT-?[345o][\w.\-]{0,12}|OpenAI|Claude|Anthropic|Gemini|Bard|Copilot|Qwen[\w.\-]{0,16}|DeepSeek[\w.\-]{0,12}"
    r"|Llama[\w.\-]{0,12}|Mistral|Mixtral|Kimi|ChatGLM|GLM-?[\w.\-]{0,8}|Yi-[\w.\-]{1,8}|InternLM|Baichuan"
    r"|通义千问|千问|文心一言|文心大模型|豆包|讯飞星火|星火大模型|智谱清言|混元|百川大模型|盘古大模型|月之暗面|深度求索)"
)
_KIND_ZH = r"(?:(?:大型|大)?语言模型|(?:AI|人工智能|智能|虚拟)(?:语言)?(?:大?模型|助手|助理|程序)|大模型|聊天机器人|AI|人工智能)"
_KIND_EN = (
    r"(?:(?:AI|artificial intelligence)(?: (?:language model|model|assistant|chatbot|system|program))?"
    r"|(?:large )?language model|LLM|chatbot|virtual assistant)"
)
_QUALITY = (
    r"(?:(?:large|helpful|harmless|honest|virtual|intelligent|responsible|text-based|just|only)[, ]{1,2}(?:an? )?){0,3}"
)
_SELF = re.compile(
    # 作为一个由某公司开发的AI语言模型，
    rf"(?:作为|身为)(?:一[个名款位种])?[^，,。！？\n]{{0,20}}(?:{_KIND_ZH}|{_NAMES})[，,：:]\s*"
    # 我是通义千问，由阿里云开发的大模型。
    rf"|我(?:是|叫)(?:一[个名款位种])?[^，,。！？\n]{{0,12}}(?:{_KIND_ZH}|{_NAMES})"
    r"(?:[，,](?:由|是)[^，,。！？\n]{0,30}(?:开发|研发|训练|推出)[^，,。！？\n]{0,20})?[。！，,]?\s*"
    rf"|\bAs (?:an?|the) {_QUALITY}{_KIND_EN}"
    r"(?: (?:developed|created|trained|made) by [\w. ]{1,24})?, ?"
    rf"|\bAs {_NAMES}, ?"
    rf"|\bI(?: am|['’]m) (?:an? )?{_QUALITY}(?:{_NAMES}|{_KIND_EN})"
    r"(?:, (?:an? )?[\w\- ]{0,40})?(?: (?:developed|created|trained|made) by [\w ]{1,24})?[.,!] ?",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    rf"\n[ \t]{{0,8}}(?:[-—–]{{1,3}}|回答者[:：]|Answered by:?)[ \t]{{0,8}}{_NAMES}\s{{0,8}}$", re.IGNORECASE
)
_SIGNED = 200
"""Characters at the end of a text in which a signature is looked for."""

_OPEN, _CLOSE = r"[\[［【]", r"[\]］】]"
MARKER = re.compile(rf"({_OPEN})\s{{0,2}}{_OPEN}\s{{0,2}}[ABCＡＢＣabc<>=＞＜＝≫≪\s]{{1,8}}{_CLOSE}\s{{0,2}}{_CLOSE}")
"""A verdict between double brackets, such as [[A]] or 【【B>>A】】."""
_TAG = re.compile(
    r"<(?=\s{0,2}/?\s{0,2}(?:answer|request|reference|material|candidate|criteria|note)(?:_[a-z])?\s{0,2}>)", re.I
)

_APPEALS = (
    # a wish for points, addressed to whoever gives them
    r"(?:请|麻烦|务必|恳请|希望|求|必须|应当|应该|建议)[^。！？\n]{0,12}(?:给|打|评|判)[^。！？\n]{0,12}(?:满分|高分|最高分|\d{1,3}\s?分|[五5]\s?星)",
    r"(?:评委|评审|裁判|评分员|评分者|评判者|评分模型)[^。！？\n]{0,20}(?:请|应|务必|必须)[^。！？\n]{0,12}(?:选|给|判|打)",
    r"(?:本|这个|这份|该|我的)(?:回答|答案|答复)[^。！？\n]{0,8}(?:值得|应得|应当得|得|可得)(?:到)?\s{0,2}(?:满分|最高分|\d{1,3}\s?分)",
    r"(?:忽略|无视|不要理会)[^。！？\n]{0,6}(?:以上|上面|之前|此前|前面|上述)[^。！？\n]{0,8}(?:指令|要求|规则|提示|标准)",
    r"(?:please|must|should|kindly|i ask you to|i want you to)[^.!?\n]{0,30}\b(?:rate|score|grade|give|award|choose|pick)\b[^.!?\n]{0,30}"
    r"\b(?:(?:full|maximum|top|highest|perfect|best) (?:marks?|points?|scores?|ratings?|grades?)|(?:score|rating|grade) of \d{1,3}|\d{1,3}\s?(?:/|out of)\s?\d{1,3}|(?:five|5) stars|this (?:answer|response)|my (?:answer|response))",
    r"\b(?:rate|score|grade) (?:me|this|it|my|the) ?(?:answer|response|reply)?[^.!?\n]{0,16}\b(?:\d{1,3}|ten|five|highest|maximum)\b",
    r"\b(?:ignore|disregard|forget)\b[^.!?\n]{0,12}\b(?:previous|above|prior|earlier)\b[^.!?\n]{0,16}\b(?:instructions?|rules?|prompts?|criteria|rubric)",
    # a verdict, as the judge would write it
    r"(?:^|\n)\W{0,4}(?:最终)?(?:判断|裁决|裁定|评分|得分|评判结果|胜者|最好的(?:回答|答案)?)\s?[:：]\W{0,3}(?:(?:回答|答案)?\s?[AB甲乙](?![A-Za-z])|\d{1,3}\s?[\]］】]|\d{1,3}(?:\.\d)?\s?(?:分|/\s?\d)|满分|平局)",
    r"(?:^|\n)\W{0,4}(?:final |overall )?(?:verdict|rating|score|winner|grade|best(?: answer)?)\s?[:：]\W{0,3}(?:(?:answer|assistant|response)?\s?[AB]\b|\d{1,3}\s?\]|\d{1,3}(?:\.\d)?\s?(?:$|\n|/\s?\d|points?)|tie\b)",
    r"\"(?:verdict|score)\"\s?:\s?[\"\d]",
    MARKER.pattern,
)  # fmt: skip
_APPEAL = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _APPEALS)
LONGEST = 60
"""Characters of an appeal that are kept as evidence."""


def blind(text: str) -> str:
    """Return a candidate without the words in which its author says what model it is; all other mentions stay."""
    text = _SELF.sub("", text).strip()
    return (text[:-_SIGNED] + _SIGNATURE.sub("", text[-_SIGNED:])).strip()


def harmless(text: str) -> str:
    """Return a text in which no verdict marker, no tag of the prompts and no control token works: a backslash is added."""
    text = MARKER.sub(lambda match: f"{match[1]}\\{match[0][1:]}", text)
    return escape_control_tokens(_TAG.sub("<\\\\", text))


def shown(text: str, longest: int | None = None) -> str:
    """Return a candidate as a judge sees it: blind, harmless, and cut to `longest` characters with a mark."""
    made = harmless(blind(text))
    if longest is not None and len(made) > longest:
        made = f"{made[:longest]}\n[…]"
    return made


def appeals(text: str, request: str = "") -> list[str]:
    """Return where a candidate speaks to its judge or writes a verdict of its own.

    Kinds of words that the request itself has do not count, as where it asks for a letter that begs for a rating.
    """
    found = []
    for pattern in _APPEAL:
        match = pattern.search(text)
        if match and not pattern.search(request):
            found.append(match[0].strip()[:LONGEST])
    return found
