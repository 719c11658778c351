"""Patterns of Chinese conditions and exceptions: 如果A，就B; A的，应当B; A，但B除外."""

import re
from collections.abc import Callable, Iterator

from sftmill.steps.instruct.rules.rule_form import Pair, balanced, is_subject_zh, stands_alone_zh
from sftmill.steps.instruct.rules.rule_sentence import Sentence
from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import Word, words

_IF = lazy_pattern(
    r"(?:如果|若|假如|倘若|一旦)(?P<a>[^，：]{4,36}(?:，(?:且|并且|而且)[^，]{3,20})?)，(?:则|那么|就)?(?P<b>[^：]{4,})"
)
_WHEN = lazy_pattern(r"当(?P<a>[^，：]{4,36}?)(?:时|的时候|之后|后)，(?P<b>[^：]{5,})")
_ONLY = lazy_pattern(
    r"(?P<x>[^，]{0,20}?)只有(?:在|当)?(?P<a>[^，]{4,40}?)(?:时|的情况下|的时候)?，(?P<m>[^，]{0,12}?)才(?P<b>[^，]{3,30})"
)
_RULED = lazy_pattern(r"(?P<x>[^，；：]{0,26}?)(?P<m>不得|应当|必须|可以|有权|(?<![相对响反适供])应)(?P<z>.+)")
_EFFECT = lazy_pattern(
    r"(?:无效|有效|终止|消灭|成立|生效|刑事责任|责任|罚款|撤销|失效|效力)(?:[，；。]|$)|^[^，]{0,12}视为"
)


def conditions(s: Sentence) -> Iterator[Pair]:
    """Yield what-then questions: …的，应当…; 如果A，就B; 当A时，B; 只有A才B."""
    t = s.text
    if s.law:
        yield from _law_conditions(s)
        return
    for pattern, open in ((_IF, "如果{a}"), (_WHEN, "当{a}时")):
        if m := pattern.match(t):
            condition = m["a"].strip()
            if (
                not _is_condition(condition)
                or re.match("(?:它|这|那|其|该|此)(?!外)", m["b"])
                or re.search("这样|那样", m["b"])
            ):
                return
            asks = _what_then(m["b"])
            if asks is None:
                return
            question = open.format(a=condition) + asks
            yield s.pair("condition", "condition", question, m.start("b"))
            return
    if (
        (m := _ONLY.match(t))
        and not m["b"].startswith("是")
        and is_subject_zh((m["x"] or m["m"]).strip() or "x")
        and stands_alone_zh(t)
    ):
        subject = (m["x"] or m["m"]).strip()
        yield s.pair("condition", "condition", f"{subject}在什么条件下才{m['b']}？", m.start("a"), m.end("a"))


_DEED = lazy_pattern(
    r"(?:那么|就|则)?(?:你们?|您|用户|管理员|系统管理员|开发者)?(?:也|还|就|只|都)?(?:应当|应该|需要|必须|可以|请|最好|建议|推荐|应(?!用)|只需|务必|一定要|不要(?!求)|不妨)|"
    r"(?:使用|运行|执行|安装|编辑|检查|设置|修改|添加|删除|输入|选择|打开|关闭|重启|重新启动|查看|尝试|确保|创建|停止|联系|避免)(?![^，]{0,20}(?:是|会|将|没有))"
)
_NO_RESULT = lazy_pattern(
    r"以下|下面|我|然后|因为|由于|比如|例如|如|先前|即使|虽然|(?:请)?(?:参见|参考|见|参阅)|也|把|将|由|先|而|但|并|或|且|那|这|它|其|该|不妨|是|为|乃|[^，]{1,6}[，、][^，]{1,6}[，、]"
)


def _what_then(rest: str) -> str | None:
    """Return how to ask for what follows a condition; None where the next clause is none of its own."""
    first = rest.split("，")[0]
    if (
        _NO_RESULT.match(rest)
        or len(first) < 4
        or re.search("，(?:那么|则)", rest)
        or re.search("这[个种样些]", rest[:14])
    ):
        return None
    cut = words(first, "zh")
    if cut[0].tag == "p":
        return None
    if _DEED.match(rest):
        return "，应该怎么做？"
    told = re.search("[会将就则被]|不|无法|没有|可能|可以|能|是", first)
    if (cut[0].tag == "v" and not told) or not any(w.tag in ("v", "vn", "d", "a") for w in cut[1:]):
        return None
    if re.search("应当|应该|需要|必须|建议|[^相]应(?!用)", rest):
        return None
    return "，会怎么样？"


def _is_condition(a: str) -> bool:
    cut = words(a, "zh")
    if (
        not stands_alone_zh(a)
        or not balanced(a)
        or (cut[0].tag[0] in "pcdfuy" and cut[0].text not in ("未", "不", "没有", "在", "对"))
    ):
        return False
    if re.match(r"能|可|在|正|你把|把|将|还|只|有必要|发生可|较", a) or (
        not any(w.tag[0] in "va" for w in cut[:-1]) and len(cut) > 1 and cut[-1].tag[0] not in "va"
    ):
        return False
    if re.search(r"(?:可能|必要|需要|愿意|可以|允许|想|是|不是|不行|有|没有)$|更|也|[这那它]|上面|前面", a):
        return False
    return any(w.tag[0] in "va" for w in cut) and len(a) >= 5


def _law_conditions(s: Sentence) -> Iterator[Pair]:
    t = s.text
    clauses = list(re.finditer(r"[^，]+", t))
    at = max((i for i, c in enumerate(clauses[:-1]) if c[0].endswith(("的", "的除外"))), default=-1)
    if at >= 0 and at < 4:
        condition, rest = t[: clauses[at].end()], t[clauses[at + 1].start() :]
        fits = s.first and 9 <= len(condition) <= 36 and len(rest) >= 4 and "：" not in rest
        if fits and _is_law_condition(condition):
            yield s.whole_pair(
                "condition", "condition", s.named(f"{condition}，{_then(rest)}"), clauses[at + 1].start()
            )
        return
    m = re.match(r"(?P<a>[^：]{6,40}?(?:后|时|前|之日起[^，]{1,8}内))，(?P<b>[^：]{6,})", t)
    if (
        m
        and m["a"].count("，") <= 1
        and _is_law_condition(m["a"])
        and (r := _RULED.match(m["b"]))
        and stands_alone_zh(m["a"])
    ):
        yield s.pair("condition", "condition", s.named(f"{m['a']}，{_then(m['b'], r)}"), m.start("b"))
        return
    m = re.match(r"(?P<a>[^，：]{4,30}?)，?(?P<m>应当|必须|不得)(?P<b>[^：]{4,})", t)
    if m and s.whole and len(m["b"]) > 4 and not m["a"].endswith(("人", "者", "公司", "机构", "机关")):
        cut = words(m["a"], "zh")
        if (
            cut[0].tag in ("v",)
            and len(cut) > 1
            and stands_alone_zh(m["a"])
            and not m["a"].endswith(("的", "后", "时"))
            and _ends_noun(cut[-1])
        ):
            yield s.pair("condition", "condition", s.named(f"{m['a']}有什么要求？"), m.start("m"))


def _ends_noun(word: Word) -> bool:
    return word.tag[0] in "nlj" or (word.tag in ("vn", "v") and len(word.text) > 1)


def _is_law_condition(condition: str) -> bool:
    if (
        not stands_alone_zh(condition)
        or not balanced(condition)
        or re.search("下列|但|另有规定|有约定|没有约定|法律、行政法规规定|上述|是(?:为了)?[^，]*的$|目的$", condition)
    ):
        return False
    cut = words(condition, "zh")
    return (
        cut[0].tag[0] not in "pcfuyr"
        and not re.match("有(?!限|偿)|因此|也|都|均|逾期(?:不|未)|情节|拒不|没有约定|或者|并|其他|以及|属于", condition)
    ) or condition.startswith(("在", "因", "对", "未", "以"))


def _then(rest: str, ruled: re.Match[str] | None = None) -> str:
    """Return the question's second half: who should do what, or what follows."""
    m = ruled or _RULED.match(rest)
    if m and (not m["x"] or is_subject_zh(m["x"], 22)) and "由" not in m["x"]:
        who, modal = m["x"], m["m"]
        if modal in ("应当", "必须", "应"):
            if m["z"].startswith("承担") and "责任" in m["z"]:
                return f"{who}应当承担什么责任？"
            return f"{who}应当怎么做？"
        if modal == "有权":
            return f"{who}有权做什么？" if who else "有权做什么？"
        if modal == "可以":
            return f"{who}可以怎么做？"
        if modal == "不得":
            return f"{who}不得做什么？"
    if re.match("为|是|视为|不影响|推定", rest):
        return "应当如何认定？"
    return (
        "法律后果是什么？"
        if _EFFECT.search(rest) and not rest.startswith(("按照", "适用", "参照"))
        else "应当如何处理？"
    )


_EXCEPT = lazy_pattern(r"(?P<a>[^：]{8,60}?)，(?:但是?，?)(?P<b>[^：]{4,60}除外)$")


def exceptions(s: Sentence) -> Iterator[Pair]:
    """Yield exception questions: A，但是B除外."""
    m = _EXCEPT.match(s.text)
    if not m or not stands_alone_zh(m["a"]) or not s.whole or len(m["a"]) > 40 or not balanced(m["a"]):
        return
    cut = words(m["a"], "zh")
    if cut[0].tag[0] in "pcfuyrd" or re.match("有(?!限|偿)", m["a"]):
        return
    yield s.pair("exception", "exception", s.named(f"{m['a']}，哪些情形除外？"), m.start("b"))


CONDITIONS: tuple[Callable[[Sentence], Iterator[Pair]], ...] = (conditions, exceptions)
"""Patterns of single sentences that ask what follows, or what is excepted."""
