"""From what a model wrote in the user's place to an instruction: cut, cleaned, and judged by rules, one reason each."""

import re

from sftmill.core import Drop
from sftmill.steps.curate.filters.languages import language
from sftmill.steps.curate.filters.repetition import duplicate_share, loop_at_end
from sftmill.steps.instruct.magpie.magpie_leaks import find_leak, holds_thought, trailing_mark
from sftmill.text import char_ngrams, count_cjk, escape_control_tokens, length, normalise, rouge_l, sentences, tokens
from sftmill.text.lazy import lazy_pattern

_LABEL = lazy_pattern(
    r"\A[ \t#*【\[]{0,6}(?:用户(?:提问|问题)?|提问|问题|问|指令|任务|user|human|question|query|instruction|prompt|q)"
    r"[ \t*】\]]{0,4}[:：][ \t*]{0,4}",
    re.I,
)
_PLACEHOLDER = lazy_pattern(r"\A(?:<[A-Z_]{2,20}>|\[[A-Z_ ]{2,20}\])\s*")
_HEADING = lazy_pattern(r"\A#{1,6}[ \t]+")
_CODE_LINE = lazy_pattern(
    r"\A[ \t]*(?:import [\w.(]+|from [\w.]+ import\b|package \w+|using [\w.]+;|#include|#!|//|/\*|\*/|@\w+[ \t]*\Z"
    r"|\$ \w|</?\w[^>]{0,80}>[ \t]*\Z|[{}\])]{1,4}[;,]?[ \t]*\Z|\"\w{1,40}\"[ \t]*:|\"[^\"\n]{0,80}\"[,;]?[ \t]*\Z"
    r"|[\w.\[\]]{1,60}[ \t]*[-+*/:]?=[ \t]*\S|[\w.]{1,60}\([^\n]{0,200}\);?[ \t]*\Z"
    r"|(?:def|class|func|function|fn|public|private|protected|static|const|let|var|return|void|int|elif|else|for|while|try"
    r"|except|print|if|switch|case|struct|SELECT|INSERT|UPDATE|CREATE)\b[^\n]{0,200}[;{}():=][ \t]*\Z)"
    r"|[;{}][ \t]*\Z",
)
"""A line of a programming language, looked for in the line's first 300 characters."""
_ENGLISH_WORDS = lazy_pattern(r"(?<![\w.(])[a-z]{2,}(?= [a-zA-Z])")
_ENGLISH_REQUEST = lazy_pattern(
    r"\A[^\w]*(?:how|what|what's|whats|why|who|whom|whose|when|where|which|can|could|would|will|should|shall|may|is|are|am|was"
    r"|were|do|does|did|has|have|had|i|i'm|i've|i'd|im|my|we|we're|our|please|pls|hi|hello|hey|write|give|explain|help|make"
    r"|create|generate|list|find|show|tell|describe|compare|translate|summari[sz]e|design|build|solve|calculate|compute"
    r"|convert|fix|debug|implement|provide|suggest|recommend|analy[sz]e|identify|classify|rewrite|edit|draft|plan|prove"
    r"|determine|discuss|evaluate|outline|define|develop|if|given|suppose|imagine|let|let's|there|the|a|an|in|on|for|as|with"
    r"|to|you|need|looking|trying|any|some|best|difference|use|using|consider|act|answer|choose|complete|add|name|state"
    r"|what're|isn't|aren't|don't|can't|it|this|these|that)\b",
    re.I,
)
_ENGLISH_MIDWAY = lazy_pattern(
    r"\A(?:and|but|or|nor|so that|whereas|because|also|however|therefore|moreover|furthermore|thus|hence|consequently"
    r"|additionally|meanwhile|otherwise|then|in addition|as a result|for instance)\b[ ,]",
    re.I,
)
_CHINESE_MIDWAY = lazy_pattern(
    r"\A(?:并且|而且|但是|可是|不过|因此|因而|所以|然而|从而|于是|以及|或者|反之|否则|总之|综上|例如|比如|即使|尽管如此"
    r"|(?:其次|最后|同时|另外|此外|再次|接着|然后)[，,]|[吗呢吧嘛么][，。？！,?!]|的(?![士确话])|了[，。,])"
)
_CLOSING = "，。、；：？！,.;:?!)）]】}》〉”’…%％"
_OPEN_END = (
    "，",
    ",",
    "、",
    "：",
    ":",
    "；",
    ";",
    "（",
    "(",
    "[",
    "【",
    "{",
    "《",
    "“",
    "—",
    "-",
    "=",
    "…：",
    "以及",
    "或者",
)
_ASSISTANT = lazy_pattern(
    r"(?:有什么|有何|需要我?).{0,8}(?:可以|能够?).{0,2}(?:为|帮(?:助|到|忙)?)(?:到|助)?(?:您|你)"
    r"|有什么我?(?:可以|能)(?:帮助|帮忙|帮)(?:我|您|你)?的?(?:吗|呢|么)?[？?]"
    r"|需要(?:我|什么)的?(?:帮助|协助|服务)(?:吗|么)?[？?]|(?:你|您)有什么(?:问题|任务|需求)"
    r"|(?:请问)?(?:您|你)(?:今天|现在)?(?:想|需要|要)(?:问|咨询|了解)?什么|请问您?需要什么|很高兴(?:为您|能帮|帮助您)"
    r"|(?:我是|作为)(?:一[个名位款])?.{0,12}(?:助手|AI|人工智能|语言模型).{0,4}[，,。]"
    r"|\A请?(?:您|你)?(?:提供|描述|告诉我)(?:一个|一些|您的|你的).{0,12}(?:问题|任务|需求)[，。,.]"
    r"|请(?:告诉我|提供|说明)您的(?:问题|需求|具体)|(?:抱歉|对不起)[，,].{0,12}(?:无法|不能)"
    r"|how (?:can|may) i (?:help|assist) you|what can i (?:help|do for|assist) you|as an ai\b|i'?m (?:just )?an ai\b"
    r"|i'?m here to (?:help|assist)|i am (?:an ai|a language model|qwen|your assistant)|i'?m sorry, (?:but )?i (?:can'?t|cannot)"
    r"|feel free to ask|please (?:provide|let me know) (?:your|what you)",
    re.I,
)
_ABOUT_ASSISTANT = lazy_pattern(
    r"\A(?:(?:你|您)?好[，,！! ]{0,3})?(?:请问)?[，, ]?(?:你|您)(?:是谁|叫什么|的(?:主要)?(?:工作|职责|功能|名字|作用)是什么"
    r"|(?:有(?:什么|哪些)|的).{0,8}(?:工作|职责|功能|作用|身份|特长|能力|专业领域).{0,8}"
    r"|(?:都)?(?:能|可以|会)(?:做|为我做|帮我做)(?:些)?什么|是什么(?:模型|助手))[？?。]?\Z"
    r"|\A(?:hi[,! ]*|hello[,! ]*)?(?:who are you|what(?:'s| is) your name|what can you do(?: for me)?|how are you(?: today)?)[?.]?\Z",
    re.I,
)
_GREETING = lazy_pattern(
    r"\A(?:你好|您好|大家好|嗨|谢谢|再见|好的|hello|hi|hey|thanks|thank you|ok|okay|yes|no|是|否)[\s，,。.！!~]*\Z",
    re.I,
)


def read_instruction(
    text: str,
    lang: str,
    *,
    stops: tuple[str, ...] = (),
    truncated: bool = False,
    system: str = "",
    leak: str = "cut",
    least: int = 5,
    most: int = 1000,
) -> str:
    """Return the instruction in a drawn continuation, or raise Drop with the first rule that it breaks.

    `stops` end the text where the server did not honour them; other control tokens are escaped. `truncated` says that
    the model was cut off. `system` is the system text before it, which it must not repeat. `leak` is "cut" or "drop".
    `least` and `most` are in the unit of `sftmill.text.length`: characters (zh) or words (en).
    """
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    if ends:
        text, truncated = text[: min(ends)], False
    if holds_thought(text):
        raise Drop("thought")
    text = _PLACEHOLDER.sub("", _LABEL.sub("", text.strip(), 1), 1).strip().lstrip(":：").lstrip()
    if not text:
        raise Drop("empty")
    if found := find_leak(text, lang):
        if leak == "drop" or not text[: found.at].strip():
            raise Drop("answer_leak", kind=found.kind)
        text, truncated = text[: found.at], False
    if truncated:
        raise Drop("truncated", characters=len(text))
    text = _tidy(text, lang)
    reject(text, lang, system, least, most)
    return escape_control_tokens(text)


def _tidy(text: str, lang: str) -> str:
    """Return the text without an empty answer's mark, rules and heading marks around it."""
    if (at := trailing_mark(text)) is not None:
        text = text[:at]
    text = text.strip().strip("*_").rstrip("-=").strip()
    if _HEADING.match(text):
        bare = _HEADING.sub("", text, 1)
        first = bare.partition("\n")[0].strip()
        if _is_heading(first, lang) and not bare.partition("\n")[2].strip():
            raise Drop("only_heading", heading=first[:80])
        text = bare.strip()
    return text


def reject(text: str, lang: str, system: str = "", least: int = 5, most: int = 1000) -> None:
    """Raise Drop where a text is no whole instruction in its language, with a reason of its own for each fault."""
    lang = "zh" if lang == "zh" else "en"
    size = length(text, lang)
    if _GREETING.match(text) or size < least:
        raise Drop("too_short", length=size)
    if size > most:
        raise Drop("too_long", length=size)
    prose = without_code(text)
    if length(prose, lang) < min(least, 4):
        raise Drop("only_code")
    if not in_language(prose, lang):
        raise Drop("wrong_language", wanted=lang)
    if _loops(text, tokens(text)):
        raise Drop("loop")
    if begins_midway(text, lang):
        raise Drop("begins_midway", begins=text[:20])
    if text.endswith(_OPEN_END) or text.count("```") % 2:
        raise Drop("ends_open", ends=text[-10:])
    if _ASSISTANT.search(text) or all(_ABOUT_ASSISTANT.match(text[a:b]) for a, b in sentences(text)):
        raise Drop("assistant_voice")
    if system and echoes(text, system):
        raise Drop("template_echo")


def without_code(text: str) -> str:
    """Return the lines that are prose: without fenced code and lines that look like code."""
    lines, fence = [], ""
    for line in text.splitlines():
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~"):
            fence = "" if fence == mark else fence or mark
        elif not fence and (not _CODE_LINE.search(line[:300]) or _is_prose(line[:300])):
            lines.append(line)
    return "\n".join(lines).strip()


def _is_prose(line: str) -> bool:
    """Tell whether a line that has something of code says more in words than code does."""
    return not line.lstrip().startswith(("//", "#", "/*", "*")) and (
        count_cjk(line) >= 8 or len(_ENGLISH_WORDS.findall(line)) >= 6
    )


def in_language(prose: str, lang: str) -> bool:
    """Tell whether prose is in the language wanted; its first paragraph decides, since material to work on may follow."""
    first = prose.strip().partition("\n")[0]
    if lang == "zh":
        return (count_cjk(first) >= 4 and language(first) in ("zh", None)) or language(prose) == "zh"
    return 2 * count_cjk(first) < len(tokens(first)) and language(prose) in ("en", None)


def begins_midway(text: str, lang: str) -> bool:
    """Tell whether a text begins in the middle of something: closing punctuation, a connective, an English lower case."""
    if text[0] in _CLOSING and not re.match(r"\.\w", text):
        return True
    if lang == "zh":
        return _CHINESE_MIDWAY.match(text) is not None
    if _ENGLISH_MIDWAY.match(text):
        return True
    first = re.match(r"[A-Za-z][\w'-]*", text)
    # users do write in lower case; names such as iPhone, npm and x86 do too
    return bool(
        first
        and first[0].islower()
        and first[0].isalpha()
        and not _ENGLISH_REQUEST.match(text)
        and not text.rstrip().endswith("?")
    )


def echoes(text: str, system: str) -> bool:
    """Tell whether a text repeats the system text: a whole sentence of it, or half its own eight-character pieces."""
    said, told = normalise(text).lower(), normalise(system).lower()
    for start, end in sentences(system):
        sentence = normalise(system[start:end]).lower().rstrip(".。!?")
        if len(tokens(sentence)) >= 8 and sentence in said:
            return True
    wide = 6 if count_cjk(said) * 2 > len(said) else 20
    pieces = char_ngrams(said, wide)
    return len(said) >= wide and sum(piece in told for piece in pieces) >= 0.4 * len(pieces)


def repeats(text: str, earlier: str) -> bool:
    """Tell whether a follow-up asks what was asked before: ROUGE-L above 0.7, as Self-Instruct has it (2212.10560)."""
    return rouge_l(text[:2000], earlier[:2000]) > 0.7


def _is_heading(line: str, lang: str) -> bool:
    """Tell whether a line is a title rather than a request."""
    if line.endswith(("?", "？", "。", ".", "!", "！")):
        return False
    if lang == "zh":
        return not re.search(r"请|帮|如何|怎么|怎样|什么|为何|吗|多少|哪|写|解释|说明|比较|计算|列出", line)
    return not _ENGLISH_REQUEST.match(line)


def _loops(text: str, words: list[str]) -> bool:
    """Tell whether a text ends in a loop, or half its sentences stood before."""
    if loop_at_end(words)[1]:
        return True
    parts = [normalise(text[a:b]) for a, b in sentences(text)]
    return len(parts) >= 4 and duplicate_share(parts)[0] >= 0.4
