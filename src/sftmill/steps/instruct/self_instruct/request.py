"""Whether a text asks for something, or only states it, as small models often do in place of a task."""

from sftmill.text import sentences, words
from sftmill.text.lazy import lazy_pattern

_ASKS_ZH = lazy_pattern(
    r"[？?]|吗|呢[。.]?\Z|如何|怎样|怎么|为什么|为何|什么|多少|多久|多大|哪[些个种类家位里]|是否|能否|可否|几[个种条年次]|谁|请|帮[我忙]|给我|希望你|(?:你|您)(?:需要?|将|应|得)|能不能|可不可以|可以吗|有没有|是不是|该不该|会不会|我[想要]|想(?:了解|知道|问|请教)"
)
_DEED = (
    r"(?:计算|算出|求(?!职|助|救)|解释|说明|比较|对比|分析|描述|列[出举]|[改编重]?写|判断|判定|评[估价述析]|介绍|概[括述]|总结|归纳|讨论|论述|设计|制[定作]|给出|提[供取出]|"
    r"创[建作]|翻译|区分|举[例出]|阐[述明]|预测|推[荐导断]|指出|估[算计]|找出|查找|识别|起草|拟[定写]?|撰写|生成|整理|回答|告诉|分类|排[序列]|补[全充]|续写|润色|"
    r"简述|谈谈|说[出说]|证明|规划|模拟|扮演|想象|选[择出]|填[写空]|标[注出]|核[对实]|检查|验证|转换|化简|拆解|梳理|建议|安慰|回复|修改|缩写|扩写|命名|"
    r"权衡|盘点|推演|复盘|诊断|筛选|挑选|编制|编排|策划|构思|汇总|对照|辨析|解读|点评|陈述|复述|转述|回顾|剖析|探讨|论证|反驳|测算|折算|换算|验算|匹配|归类|打分)(?![了着过的])"
)
_CLAUSE = lazy_pattern(
    rf"(?:\A|[，。；：！？,;:!?\n\s])(?:并且?|再|然后|最后|首先|试着?|逐一|分别|简要|详细|重新|一步步)?{_DEED}"
)
_SENTENCE = lazy_pattern(
    rf"(?:给|为|用|对(?!于)|将|把|以|从|向|就|围绕|根据|依据|按照?|结合|针对|基于|使用|假设|假如|已知|模仿)[^。！？!?]{{1,80}}?"
    rf"(?:{_DEED}|(?:进行|完成|组成|创作|形容|解决|替换|填[入上]|讲|发送?)(?![了着过]))|(?:现在|接下来|这次)?(?:在[^，。！？!?]{{1,30}}中?)?{_DEED}"
)
_STATES = frozenset(
    str.split("是 有 可以 可能 能够 能 会 应 应该 应当 需要 需 预计 包括 导致 表明 意味着 属于 例如 比如 如果 假设 存在 成为 作为 通过 随着 经过 通常 一般 往往 主要 常常 经常 也 都 指 没有 发生 出现 是指 受")
)  # fmt: skip
_STATEMENT_EN = frozenset(
    str.split("the a an it its this that these those they their he his she her we our there my some many most all each")
)


def is_request(text: str, lang: str) -> bool:
    """Tell whether a text asks or demands something.

    zh: a question, a polite word, a verb of work at the beginning of a clause, or a sentence that begins with a verb
    that states nothing. en, where a verb is hard to tell: all but texts whose sentences begin like statements.
    """
    if lang != "zh":
        return "?" in text or not all(_first_word(text[a:b]) in _STATEMENT_EN for a, b in sentences(text))
    if _ASKS_ZH.search(text) or _CLAUSE.search(text):
        return True
    for start, end in sentences(text):
        sentence = text[start:end]
        if _SENTENCE.match(sentence):
            return True
        first, second = (*words(sentence[:20], "zh"), None, None)[:2]
        if first and first.tag[0] == "v" and first.tag != "vn" and first.text not in _STATES:
            # 担保通常包括..., 存款是...: a verb that is what the sentence is about
            return not second or not (second.tag[0] in "uy" or second.text in _STATES)
    return False


def _first_word(sentence: str) -> str:
    cut = words(sentence[:60], "en")
    return next((word.text.lower() for word in cut if word.tag != "x"), "")
