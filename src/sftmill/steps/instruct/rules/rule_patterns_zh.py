"""Patterns that turn Chinese sentences into questions, their answers being pieces of the sentence."""

import re
from collections.abc import Callable, Iterator

from sftmill.steps.instruct.rules.rule_form import Pair, balanced, is_clause_zh, is_subject_zh, stands_alone_zh
from sftmill.steps.instruct.rules.rule_sentence import Sentence, one_of
from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import words

# --- what -------------------------------------------------------------------------------------------

_SAYS = lazy_pattern(
    r"(?P<x>[^，。：；]{1,16}(?:定律|定理|原理|理论|学说|公理|法则|原则|猜想|假说|模型|效应|规律|方程|公式))"
    r"(?:指出|表明|表述为|认为|主张|断言|规定|说的是)[，：]?(?P<y>.{6,})"
)
_MEANS = lazy_pattern(
    r"(?P<law>本(?:法|条例|办法|规定|细则|规则|章程)(?:中)?所称(?:的)?)?(?P<x>[^，。：；、]{2,24}?)，?"
    r"(?:是指|指的是|系指|就是指|的定义是|的定义为|(?:被|可)?定义为|的含义是|的意思是|，指)(?!导|示|标|南|针|令)(?P<y>.{4,})"
)
_SIGNIFIES = lazy_pattern(r"(?P<x>[^，。：；]{2,20}?)(?P<v>意味着|表示|代表|相当于)(?P<y>[^，；]{3,40})")
_IS = lazy_pattern(
    r"(?P<x>[^，。：；]{2,24}?) ?(?P<v>是) ?(?!否|个|为了|因为|由于|指|非|以|不是|用|在|从|通过|被|可|如何|什么|怎|基于|由|对|有|没)"
    r"(?P<y>(?:一(?:种|个|类|款|套|项|份|组|门|条|张|段|系列|家|位|座|部)|[^，；]*?的)[^；]{3,})"
)
_CONTRACT = lazy_pattern(
    r"(?P<x>[^，。：；的]{2,16}(?:合同|协议|制度|权|法人|组织|公司|企业|机构|证券|票据|保险))是(?P<y>.{6,}(?:合同|协议|制度|权利|法人|组织|公司|企业|机构|证券|凭证|行为))$"
)
_FOR_LAW = lazy_pattern(r"(?P<y>[^。；]{6,}的[^，。；的]{1,8})，为(?P<x>[^，。；的]{2,16})$")
_CALLED = lazy_pattern(
    r"(?P<y>[^。；：]{8,}?)，?(?:这)?(?:就)?(?:被|也|又|亦|统|简|俗|合)?(?:称为|称作|称之为|叫做|叫作)(?P<x>[“\"]?[^，。；：的]{2,14}[”\"]?)$"
)
_ALIAS = lazy_pattern(
    r"(?P<x>[^，。；：]{2,16}?)，?(?P<v>又称|又名|亦称|别名|别称|简称|俗称|全称|也称|也叫|又叫|旧称|学名)(?:为|是)?(?P<y>[^，。；：]{2,20})"
)
_THAT_IS = lazy_pattern(
    r"(?P<x>[^，。；：、]{2,12})，?即(?!使|可|便|将|日|时|刻|席|墨|为|是|兴|以|将|由|应)(?P<y>[^，。；：]{6,40})$"
)


def definitions(s: Sentence) -> Iterator[Pair]:
    """Yield what-is questions: X是指Y, X定义为Y, X是一种Y, Y称为X, X即Y."""
    t = s.text
    if (m := _SAYS.match(t)) and is_subject_zh(m["x"]) and stands_alone_zh(m["x"]):
        yield s.pair("content", "what", f"{m['x']}的内容是什么？", m.start("y"))
        return
    if m := _MEANS.match(t):
        subject = m["x"].strip(' “”"')
        if is_subject_zh(subject):
            if m["law"] and s.law:
                question = f"{s.law}所称的{subject}是指什么？"
            elif m["law"]:
                return
            else:
                question = s.named(one_of(subject, "什么是{x}？", "{x}的定义是什么？", "{x}是指什么？"))
            yield s.pair("definition", "what", question, m.start("y"))
        return
    if m := (_CONTRACT.match(t) if s.law else None):
        if is_subject_zh(m["x"]):
            yield s.pair("definition", "what", s.named(f"什么是{m['x']}？"), m.start("y"))
        return
    if m := _FOR_LAW.match(t):
        if (
            is_subject_zh(m["x"])
            and m["y"].count("，") < 5
            and s.law
            and "是" not in m["y"]
            and stands_alone_zh(m["y"])
            and _nominal(m["x"])
        ):
            yield s.pair("definition", "what", s.named(f"什么是{m['x']}？"), m.start("y"), m.end("y"))
        return
    if m := _CALLED.match(t):
        name = m["x"].strip('“”" ')
        if is_subject_zh(name, 14) and stands_alone_zh(m["y"]) and is_subject_zh(m["y"].rpartition("的")[2] or "x", 24):
            if is_subject_zh(m["y"], 12):
                yield s.pair("definition", "what", f"{m['y']}被称为什么？", m.start("x"), m.end("x"))
            elif "，" not in m["y"] and "的" in m["y"] and _nominal(m["y"].rpartition("的")[2]):
                yield s.pair(
                    "definition", "what", one_of(name, "什么是{x}？", "什么叫做{x}？"), m.start("y"), m.end("y")
                )
        return
    if (m := _ALIAS.match(t)) and is_subject_zh(m["x"], 16) and _nominal(m["y"]):
        verb = {
            "别名": "的别名是",
            "别称": "的别称是",
            "全称": "的全称是",
            "学名": "的学名是",
            "俗称": "的俗称是",
            "简称": "的简称是",
        }.get(m["v"], "又称为")
        yield s.pair("definition", "what", f"{m['x'].strip()}{verb}什么？", m.start("y"), m.end("y"))
    if (m := _THAT_IS.match(t)) and is_subject_zh(m["x"], 12) and _nominal(m["y"]):
        yield s.pair("definition", "what", one_of(m["x"], "什么是{x}？", "{x}是什么？"), m.start("y"))
        return
    if (m := _IS.match(t)) and s.whole and is_subject_zh(m["x"]) and _is_kind(m["y"]):
        forms = ("{x}是谁？",) if _IS_PERSON.search(re.split("[，；]", m["y"])[0]) else ("什么是{x}？", "{x}是什么？")
        yield s.pair("definition", "what", s.named(one_of(m["x"].strip(), *forms)), m.start("y"))
        return
    m = _SIGNIFIES.fullmatch(t)
    if m and is_subject_zh(m["x"]) and stands_alone_zh(m["y"]) and (m["v"] != "表示" or _nominal(m["y"])):
        yield s.pair("definition", "what", f"{m['x'].strip()}{m['v']}什么？", m.start("y"))


_IS_PERSON = lazy_pattern(
    r"(?:领导者|创立者|创始人|创建者|开发者|维护者|作者|科学家|作家|艺术家|工程师|发明人|发明者|数学家|物理学家|思想家|政治家|医学家|总统|院士|教授|人物)$"
)


_ACRONYM = lazy_pattern(
    r"(?P<short>[A-Z][A-Za-z]{1,7}) ?[（(](?P<long>[A-Z][a-zA-Z]+(?:[ -][A-Za-z]+){1,7})[)）]|"
    r"(?P<long2>[A-Z][a-z]+(?:[ -][A-Za-z][a-z]+){1,7}) ?[（(](?P<short2>[A-Z][A-Za-z]{1,7})[)）]"
)


def acronyms(s: Sentence, asks: str = "{x} 的英文全称是什么？") -> Iterator[Pair]:
    """Yield what an acronym stands for, where its letters begin the words beside it: DNS (Domain Name System)."""
    for m in _ACRONYM.finditer(s.text) if "(" in s.text or "（" in s.text else ():
        short, name = (m["short"], "long") if m["short"] else (m["short2"], "long2")
        parts = [p for p in re.split("[ -]", m[name]) if p not in ("of", "and", "the", "for", "to", "in")]
        while len(parts) > len(short) and name == "long2":
            parts.pop(0)
        long = m[name][m[name].index(parts[0]) :] if parts else ""
        if (
            len(short) > 1
            and short.upper() == "".join(p[0] for p in parts).upper()
            and "".join(filter(str.isupper, short)) == short
        ):
            yield s.pair("definition", "what", asks.format(x=short), m.end(name) - len(long), m.end(name))


def _nominal(phrase: str) -> bool:
    """Tell whether a phrase ends in a noun."""
    cut = [w for w in words(phrase, "zh") if w.tag != "x"]
    return bool(cut) and (
        cut[-1].tag[0] in "nlij" or cut[-1].tag in ("vn", "eng", "an") or (len(cut[-1].text) > 2 and cut[-1].tag != "d")
    )


def _is_kind(y: str) -> bool:
    """Tell whether what follows 是 names a class: 一种…, or …的 and a noun."""
    first = re.split("[，；]", y, maxsplit=1)[0]
    if first.endswith(("的", "了", "时", "后", "前")) or not stands_alone_zh(first):
        return False
    tail = first.rpartition("的")[2].strip()
    if re.match(
        r"(?:问题|原因|情况|事|做法|选择|方法|办法|时候|情形|部分|地方|好处|目的|结果|例外|东西|例子|方式|责任|任务|工作|目标|重要|关键|必要|想法|主意)",
        tail,
    ):
        return False
    if tail.endswith(("一部分", "相同", "不同", "一样", "一致")):
        return False
    if re.search(r"[会将]不|^[最更很非十比]", first):
        return False
    return _nominal(tail)


# --- why, what for ----------------------------------------------------------------------------------

_BECAUSE = lazy_pattern(
    r"(?:由于|因为)(?P<a>[^，]{4,60}(?:，[^，]{4,40})??)，(?P<so>因此|因而|所以|故而?|于是)?(?P<b>[^，].{5,})"
)
_BECAUSE_LAST = lazy_pattern(r"(?P<b>[^，]{6,40}(?:，[^，]{4,24})?)，(?:这)?(?:主要)?(?:是)?因为(?P<a>.{5,})")
_REASON_IS = lazy_pattern(
    r"(?P<b>之所以[^，]{4,40}|[^，]{4,40}的(?:主要)?原因)，?(?:就)?(?:是|在于)(?:因为|由于)?(?P<a>.{4,})"
)
_SO = lazy_pattern(r"(?P<a>[^，]{8,60})，(?:因此|因而|所以)，?(?P<b>[^，].{5,40})")


def causes(s: Sentence) -> Iterator[Pair]:
    """Yield why questions: 由于A，(因此)B; B，因为A; A，因此B; B的原因是A."""
    t = s.text
    if m := _BECAUSE.match(t):
        effect = re.split("[；]", m["b"])[0]
        if not m["so"]:
            effect = m["b"]
        if is_clause_zh(effect) and _short_clause(effect) and stands_alone_zh(m["a"]):
            yield s.pair("cause", "why", s.named(f"为什么{effect.lstrip('，')}？"), m.start(), m.end("a"))
        return
    if m := _REASON_IS.match(t):
        if m["b"].startswith("之所以"):
            return
        if is_subject_zh(m["b"], 30):
            yield s.pair("cause", "why", s.named(f"{m['b']}是什么？"), m.start("a"))
        return
    if m := _BECAUSE_LAST.match(t):
        if is_clause_zh(m["b"]) and _short_clause(m["b"]):
            yield s.pair("cause", "why", s.named(f"为什么{m['b']}？"), m.start("a"))
        return
    if (m := _SO.fullmatch(t)) and is_clause_zh(m["b"]) and _short_clause(m["b"]) and is_clause_zh(m["a"]):
        yield s.pair("cause", "why", s.named(f"为什么{m['b']}？"), m.start("a"), m.end("a"))


def _short_clause(clause: str) -> bool:
    return (
        len(clause) <= 42
        and clause.count("，") <= 1
        and balanced(clause)
        and not re.search(r"[：:]|这|如[ A-Za-z]|因此|所以|但", clause)
    )


_IN_ORDER = lazy_pattern(r"(?:为了|为)(?P<a>(?!此|什么)[^，：]{4,34})，(?P<b>[^：]{5,})")
_WANT = lazy_pattern(
    r"(?:如果(?:您|你|用户)?(?:想要|想|要|希望|需要)|(?:您|你|用户)?(?:想要|要(?!求|点|素|么|不|闻|塞)|希望))(?P<a>[^，：。]{4,30}?)(?:的话|时)?，(?P<b>[^：]{5,})"
)
_MODAL = lazy_pattern(
    r"(?:应当|应该|应|需要|需|必须|须|可以|可|能够|请|只需要?|最好|建议|不得|要|使用|运行|执行|通过|输入|编辑|设置)"
)


def purposes(s: Sentence) -> Iterator[Pair]:
    """Yield how questions: 为了A，应当B; 要A，可以B."""
    t = s.text
    for pattern in (_IN_ORDER, _WANT):
        if not (m := pattern.match(t)):
            continue
        aim, deed = m["a"].strip(), m["b"]
        cut = words(aim, "zh")
        if not cut or (cut[0].tag[0] not in "va" and cut[0].text not in ("更", "不")):
            return
        if (
            len(aim) < 6
            or re.search(r"(?:更多|详细)信息|正确(?:地|结果)|一致性$|目的$|上面|下面", aim)
            or _NO_DEED.match(deed)
        ):
            return
        if s.law or len(deed) < 6 or not stands_alone_zh(aim) or re.search(r"本[法条例]|我|这|您的?话|[吗呢]", aim):
            return
        if aim.endswith(("的", "了", "时", "是")) or re.match("是|有|在|了解|知道|看|注意", aim):
            return
        modal = _MODAL.search(deed[:14])
        if modal and stands_alone_zh(deed[:8]) and not re.match(r"(?:它|这|其|该)", deed):
            yield s.pair("purpose", "how", one_of(aim, "如何{x}？", "怎样{x}？", "为了{x}，应当怎么做？"), m.start("b"))
        return


_NO_DEED = lazy_pattern(
    r"如(?!果)|我|例如|比如|而|还|不过|请?(?:参见|参考|参阅|查看|阅读|见)|因为|但|并|这|它|也|首先|即|包括|都|均|就是"
)
"""What a clause begins with that does not say what to do."""


# --- use, place, agent ------------------------------------------------------------------------------

_USED = lazy_pattern(
    r"(?P<x>[^，。：；]{2,24}?) ?(?:可以|可能会|可能|可|主要|通常|一般|常|专门|专|仅|只|会|能够)?(?:被设计|被)?(?:可|能)?(?:用于|用来|旨在|的作用是|的用途是|的目的是|的功能是|适用于)(?P<y>.{3,})"
)
_USED_ASK = (
    ("适用于", "{x}适用于什么？"),
    ("旨在", "{x}旨在做什么？"),
    ("作用是", "{x}的作用是什么？"),
    ("目的是", "{x}的目的是什么？"),
    ("功能是", "{x}的功能是什么？"),
)
_STANDS = lazy_pattern(
    r"(?P<x>[^，。：；]{2,24}?) ?(?P<v>位于|存放在|保存在|存储在|储存在|安装在|坐落于|定义在|记录在|放在|生长于|分布于|起源于|产于) ?(?P<y>[^，；]{2,70}?)(?=$|[，；])"
)
_BY = lazy_pattern(
    r"(?P<x>[^。：；]{2,34}?)，?(?P<m>应当|应|须|必须|可以|可)?由(?P<y>[^，。；的由]{2,24})(?P<v>(?:予以|依法|负责|共同|统一|直接|集中)?(?:公告|负责|决定|规定|制定|承担|行使|组织|"
    r"管理|批准|指定|担任|任命|选举|任免|产生|确定|监督|执行|保管|办理|保存|提供|维护|开发|编写|创建|控制|处理|完成|支付|赔偿|设立|发行|召集|主持|签名|签署|审核|审批|核准|分泌|引起|发明|提出|撰写|设计)(?!机构|管理|部门|人|员|局|委员|层|权|机关|单位|者))"
    r"(?P<z>[^，；]{0,16})"
)
_TRAILING = lazy_pattern(r"(?:予以|依法|负责|共同|统一|直接|集中|单独|自行|组织|召集)+$")
_PAPERS = ("章程", "合同", "法律", "法规", "协议", "规定", "规则", "制度", "标准", "程序", "脚本", "服务")
_OFFICE = ("机构", "部门", "委员会", "法院", "机关", "政府", "单位", "组织", "公司", "银行", "协会")


def uses(s: Sentence) -> Iterator[Pair]:
    """Yield what-for questions: X用于Y, X的作用是Y, X适用于Y."""
    m = _USED.match(s.text)
    if m and is_subject_zh(m["x"]) and stands_alone_zh(m["y"].split("，")[0]):
        verb = s.text[m.end("x") : m.start("y")]
        form = next((form for word, form in _USED_ASK if word in verb), None)
        question = (
            form.format(x=m["x"].strip()) if form else one_of(m["x"].strip(), "{x}的用途是什么？", "{x}用来做什么？")
        )
        yield s.pair("use", "what", s.named(question), m.start("y"))


_CAN = lazy_pattern(
    r"(?P<x>[^，。：；]{2,24}?) ?(?P<adv>还|也)?(?P<m>可以|能够|能(?!够))(?P<y>(?!能|以|见|靠|行|用|选|信|知|被|靠)[^：；]{5,80})"
)
_GIVES = lazy_pattern(
    r"(?P<x>[^，。：；]{2,24}?) ?(?:主要|一般|通常|默认)?(?P<v>提供|支持|包含|负责|列出|采用|允许|决定|生成|返回)(?P<t>了|着)? ?(?P<y>[^，：；]{4,44})$"
)
_WITH = lazy_pattern(
    r"(?:您|你|用户|管理员|我们|系统管理员)?可以?(?P<v>使用|利用|通过|借助|用) ?(?P<y>[^，；：的来]{2,30}?) ?(?:来|去|以)(?P<z>[^，；：]{4,36})$"
)


def abilities(s: Sentence) -> Iterator[Pair]:
    """Yield what-can questions: X可以Y, X提供Y, 可以使用X来Y; not in laws, where 可以 grants and needs its conditions."""
    if s.law or not s.whole:
        return
    t = s.text
    if m := _WITH.match(t):
        if is_subject_zh(m["y"], 24) and stands_alone_zh(m["z"]) and words(m["z"], "zh")[0].tag[0] == "v":
            verb = "使用" if m["v"] == "用" else m["v"]
            yield s.pair("steps", "how", f"可以{verb}什么来{m['z'].strip()}？", m.start("y"), m.end("y"))
        return
    if (m := _GIVES.match(t)) and is_subject_zh(m["x"]) and stands_alone_zh(m["y"]):
        borders = {w.start for w in words(t, "zh")}
        cut = words(m["y"], "zh")
        if m.start("v") not in borders or (m.end("v") not in borders and t[m.end("v")] != " "):
            return
        who = re.match("(?:你|您|用户|管理员|系统管理员|开发者)(?=.{3})", m["y"])
        if m["v"] == "允许":
            what = "做什么" if who or cut[0].tag == "v" else "什么"
            question = f"{m['x'].strip()}允许{who[0] if who else ''}{what}？"
            yield s.pair("object", "what", question, m.start("y") + (who.end() if who else 0))
        elif cut[0].tag[0] not in "ufyp" and not _NO_GIFT.search(m["y"]) and _nominal(m["y"]):
            yield s.pair("object", "what", f"{m['x'].strip()}{m['v']}什么？", m.start("y"))
        return
    if (m := _CAN.match(t)) and not m["adv"] and is_subject_zh(m["x"]) and stands_alone_zh(m["y"]):
        cut = words(m["y"], "zh")
        if (
            cut[0].tag == "v"
            and m.start("m") in {w.start for w in words(t, "zh")}
            and cut[0].text not in ("是", "有", "会", "使用", "视为", "看作", "利用", "称为", "位于", "实现")
            and not _PERSON.search(m["x"])
        ):
            yield s.pair("use", "what", f"{m['x'].strip()}可以做什么？", m.start("y"))


_NO_GIFT = lazy_pattern("^[的者时等库包层]|[来是在]")
_PERSON = lazy_pattern("人|者|员|用户|们|公司|客户")


def places(s: Sentence) -> Iterator[Pair]:
    """Yield where questions: X位于Y, X存放在Y."""
    m = _STANDS.match(s.text)
    if m and is_subject_zh(m["x"]) and stands_alone_zh(m["y"]) and balanced(m["y"]):
        yield s.pair("place", "what", s.named(f"{m['x'].strip()}{m['v']}哪里？"), m.start("y"), m.end("y"))


def agents(s: Sentence) -> Iterator[Pair]:
    """Yield who questions: X由Y负责."""
    m = _BY.match(s.text)
    if not m or not s.whole or (m.end() != len(s.text) and s.text[m.end()] != "，"):
        return
    agent = _TRAILING.sub("", m["y"])
    subject = m["x"].strip("，")
    last = re.split("，", subject)[-1]
    if (
        "的" in m["z"]
        or not is_clause_subject(subject)
        or not is_subject_zh(agent, 20)
        or not _nominal(agent)
        or last.endswith(("的", "时", "后"))
    ):
        return
    who = (
        "哪个" + next(o for o in _OFFICE if agent.endswith(o))
        if agent.endswith(_OFFICE) and "、" not in agent
        else "谁"
    )
    if who == "谁" and (
        m["v"].endswith(("引起", "提供", "控制", "分泌")) or agent.endswith(_PAPERS) or re.search("[A-Za-z]", agent)
    ):
        who = "什么"
    end = m.start("y") + len(agent)
    yield s.pair(
        "agent", "what", s.named(f"{subject}{m['m'] or ''}由{who}{s.text[end : m.end()]}？"), m.start("y"), end
    )


def is_clause_subject(text: str) -> bool:
    """Tell whether what stands before a predicate may open a question: a noun phrase, or a clause and a noun phrase."""
    if "，" not in text:
        return is_subject_zh(text, 28)
    return (
        len(text) <= 34
        and text.count("，") == 1
        and all(len(part) > 2 for part in text.split("，"))
        and is_clause_zh(text)
    )


ALONE: tuple[Callable[[Sentence], Iterator[Pair]], ...] = (
    definitions,
    acronyms,
    causes,
    purposes,
    uses,
    abilities,
    places,
    agents,
)
"""Patterns of single sentences; those that put a question word into the sentence's own place stand in rule_clozes_zh."""
