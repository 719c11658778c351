"""Questions made by putting a question word where the answer stood: lists, values, times, objects, names.

Chinese asks in place: the sentence keeps its order, and 什么, 多少 or 哪些 stands for what is asked.
"""

import re
from collections.abc import Callable, Iterator

from sftmill.steps.instruct.rules.rule_form import Pair, balanced, is_subject_zh, stands_alone_zh
from sftmill.steps.instruct.rules.rule_patterns_zh import is_clause_subject
from sftmill.steps.instruct.rules.rule_sentence import Sentence
from sftmill.text import numbers
from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import named_entities, words

# --- lists -----------------------------------------------------------------------------------------

_CONSISTS = lazy_pattern(
    r"(?P<x>[^，。：；]{2,28}?) ?(?P<adv>主要|一般|通常|大致|可以|可|还|应当|应)?(?P<v>包括|包含|分为|划分为|由|含有|有)：?(?P<y>[^；：。]{4,})"
)
_FOLLOWING = lazy_pattern(
    r"(?:下列|(?<![\d万亿元年月日人岁十百千倍%])以下|下述|如下)(?:(?:几|一些|[一二三四五六七八九两]|\d)(?:[个种类项点条款]|系列)?)?的?(?P<n>[^，：；。、]{0,24})"
)
_ALREADY = lazy_pattern(r"如|更|具体|例如|比如|这|那|其中|请|参见|见|我|您|你")


_HAS = lazy_pattern(
    r"(?P<x>[^，：；]{2,30}?)(?:的)?(?:主要)?(?P<v>包括|包含|分为|有|是|为)?(?:如下|以下(?:几[个种类项点]|内容|部分)?|这些)?(?:几[个种类项点])?"
)


def lists(s: Sentence) -> Iterator[Pair]:
    """Yield which questions: X包括A、B和C; X分为A和B; X由A、B和C组成."""
    m = _CONSISTS.match(s.text)
    if not m or not is_subject_zh(m["x"], 24) or "、" not in m["y"]:
        return
    rest = m["y"]
    if m["adv"] in ("还",) or not re.search("[和及与或等]", rest) or not stands_alone_zh(rest):
        return
    subject, adverb = m["x"].strip(), m["adv"] or ""
    if m["v"] == "由":
        if made := re.fullmatch(r"(?P<y>[^，]+?)(?:共同)?(?:组成|构成|合成)", rest):
            yield s.pair(
                "list",
                "list",
                s.named(f"{subject}{adverb}由哪些部分组成？"),
                m.start("y"),
                m.start("y") + made.end("y"),
            )
        return
    if m["v"] in ("分为", "划分为"):
        question = f"{subject}{adverb}{m['v']}哪几类？"
    elif m["v"] == "有":
        if rest[0] in "权关效限利责必可义" or (not adverb and s.text[m.end("v")] != "："):
            return
        question = f"{subject}{adverb}有哪些？"
    else:
        noun = "" if subject.endswith(("内容", "条款", "事项", "范围", "方式", "种类")) else "内容"
        question = f"{subject}{adverb}{m['v']}哪些{noun}？" if m["v"] != "含有" else f"{subject}{adverb}含有哪些成分？"
    yield s.pair("list", "list", s.named(question), m.start("y"))


def listing(passage: str, s: Sentence, items: tuple[tuple[int, int], ...]) -> Iterator[Pair]:
    """Yield the question that a sentence announcing a list answers: 下列X becomes 哪些X."""
    lead = s.text.rstrip("：: ")
    question = _ask_listing(lead)
    last = passage[items[0][0] : items[-1][1]]
    if question is None or last.endswith(("；", ";", "，", ",", "、", "：", ":")):
        return
    yield Pair("list", "list", s.named(question), items[0][0], items[-1][1], (s.span[0], items[-1][1]))


def _ask_listing(lead: str) -> str | None:
    if lead.startswith(("但", "而", "并", "且")):
        return None
    if lead.startswith("有下列情形之一的"):
        rest = lead[len("有下列情形之一的") :].lstrip("，")
        return f"在哪些情形下，{rest}？" if len(rest) > 3 else None
    body = lead
    if m := re.search(r"(?:有|具有|因)?(?:下列|以下)(?:情形|情况|条件|行为|事由)之一的?，", lead):
        what = re.search("情形|情况|条件|行为|事由", m[0])[0]
        before, rest = lead[: m.start()].rstrip("，"), lead[m.end() :]
        if len(rest) < 3 or _ALREADY.match(before) or before.startswith("但"):
            return None
        if not before:
            return f"在哪些{what}下，{rest}？" if what in ("情形", "情况", "条件") else None
        return f"{before}{'有' if not m[0].startswith('因') else '因'}哪些{what}之一的，{rest}？"
    m = _HAS.fullmatch(lead)
    if m and is_subject_zh(m["x"], 24) and m["v"] not in ("是", "为") and (m["v"] or lead != m["x"]):
        return f"{m['x']}{m['v'] or '有'}{'哪几类' if m['v'] == '分为' else '哪些'}？"
    m = _FOLLOWING.search(body)
    if not m or body.count("下列") + body.count("以下") + body.count("如下") != 1 or _ALREADY.match(body):
        return None
    before, noun, after = body[: m.start()], m["n"], body[m.end() :]
    if len(noun) < 2 or re.search("[和与或](?:下列|以下)$", body[: m.start() + 2]):
        return None
    if not before or re.match(r"(?:是|为|列出|给出|展示|显示)", noun):
        if not before and re.match(r"[^，]{2,12}(?:属于|可以|应当|不得|无效|有权|需要|必须|不适用|构成)", noun):
            return f"哪些{noun}{after}？"
        return None
    if before[-1] in "是为" and len(before) < 5:
        return None
    which = "什么" if noun.startswith(("顺序", "方式", "规则", "标准", "方法", "程序")) else "哪些"
    return f"{before}{which}{noun}{after}？"


# --- values and times -------------------------------------------------------------------------------

_CALENDAR = lazy_pattern(
    r"(?:公元前?)?\d{4} ?年(?: ?\d{1,2} ?月(?: ?\d{1,2} ?日)?)?|[一二][〇零○一二三四五六七八九]{3}年(?:[一二三四五六七八九十]{1,2}月(?:[一二三四五六七八九十]{1,3}日)?)?"
)
_SPREAD = "万亿"
_SKIP_UNITS = frozenset(
    (
        "",
        "label",
        "year",
        "month",
        "day",
        "第",
        "minute",
        "年代",
        "世纪",
        "hour",
        "点",
        "种",
        "类",
        "号",
        "版",
        "章",
        "节",
        "页",
        "句",
        "步",
        "次",
        "字",
        "段",
        "部",
        "行",
        "例",
        "批",
        "组",
    )
)


def values(s: Sentence) -> Iterator[Pair]:
    """Yield how-many questions: the one measured number of a short sentence becomes 多少."""
    t = s.text
    if not s.whole or not 8 <= len(t) <= 46 or not re.search("[0-9一二两三四五六七八九十百千万]", t):
        return
    found = [n for n in numbers(t)]
    measured = [n for n in found if n.unit not in _SKIP_UNITS and not n.unit.startswith("第") and n.value != 1]
    if len(found) != 1 or len(measured) != 1 or not _opens(t, measured[0].start):
        return
    number = measured[0]
    text = t[number.start : number.end]
    if t[number.start - 1 : number.start] in ("，", "：", "第", "-", "~", "～", ".", "/", "每", "的") or t[
        number.end : number.end + 1
    ] in ("-", "~", "～", "至", "到", "多", "余", "来", "、", "或"):
        return
    digits = re.match(r"(?:百分之)?[\d.,]+ ?[万亿千百]*|(?:百分之)?[〇零一二两三四五六七八九十百千万亿点]+", text)
    if not digits:
        return
    unit = text[digits.end() :].strip()
    asks = (
        "百分之多少"
        if text.startswith("百分之")
        else f"多少{unit}"
        if unit and unit != "%"
        else "百分之多少"
        if unit == "%"
        else ""
    )
    if asks and unit != "%" and not text.startswith("百分之") and re.match("[A-Za-zμ%]", unit) and len(unit) > 3:
        return
    if asks:
        yield s.pair(
            "value",
            "what",
            s.named(f"{t[: number.start].rstrip()}{asks}{t[number.end :].lstrip()}？"),
            number.start,
            number.end,
        )


def _opens(t: str, at: int) -> bool:
    """Tell whether a sentence opens with a subject that can be asked about, up to a verb before `at`."""
    head = re.split(
        r"，|应当|应该|应|不得|必须|可以|需要|不能|不超过|不少于|不低于|超过|达到|达|为|是|有|在|自|于|由|每|默认|至少|至多|最多|最少|约|大约|能够|能|会|将|需",
        t[:at],
        maxsplit=1,
    )[0]
    return is_clause_subject(head) and stands_alone_zh(t)


def times(s: Sentence) -> Iterator[Pair]:
    """Yield when questions: the one date of a short sentence becomes 什么时候 or 哪一年."""
    t = s.text
    if not s.whole or not 8 <= len(t) <= 56 or "年" not in t:
        return
    found = list(_CALENDAR.finditer(t))
    if len(found) != 1 or not stands_alone_zh(t):
        return
    m = found[0]
    after = t[m.end() : m.end() + 1]
    if after in tuple("代度前后内以之间至到初末底版春夏秋冬的和、-"):
        return
    head = t[: m.start()].rstrip("于在从自到截至 ")
    if not is_subject_zh(head, 24):
        return
    word = "哪一年" if m[0].endswith("年") else "什么时候"
    yield s.pair(
        "time", "what", s.named(f"{t[: m.start()].rstrip()}{word}{t[m.end() :].lstrip()}？"), m.start(), m.end()
    )


# --- objects ----------------------------------------------------------------------------------------

_VERBS = frozenset(
    str.split(
        "提供 使用 支持 需要 享有 取得 制定 设立 设置 采用 成为 属于 具有 拥有 承担 履行 遵守 支付 提交 缴纳 返还 交付 移交 保存 保留 记录 存储 管理 控制 "
        "生成 产生 创建 建立 实现 替代 替换 取代 接受 接收 发送 返回 显示 执行 运行 安装 载明 行使 负责 进行 避免 防止 导致 引起 造成 引发 抑制 促进 增加 减少 "
        "降低 提高 增强 改善 治疗 损害 侵害 尊重 保护 维护 说明 通知 告知 出具 签订 订立 附有 附带 依赖 影响 决定 定义 指定 描述 检测 监控 更新 修改 解决 "
        "处理 读取 加载 忽略 限制 阻止 确保 保证 代替 作为 扮演 收集 分析 查看 打开 关闭 启用 禁用 触发"
    )
)


def objects(s: Sentence) -> Iterator[Pair]:
    """Yield what questions: the noun phrase at the end of a short sentence, behind a plain verb, becomes 什么."""
    t = s.text
    if not s.whole or not 8 <= len(t) <= 44 or "，" in t or "：" in t or "、" in t or t.endswith(("的", "了")):
        return
    cut = words(t, "zh")
    i = len(cut) - 1
    while i > 0 and not (cut[i].text in _VERBS and cut[i].tag[0] == "v"):
        i -= 1
    if i < 1 or i == len(cut) - 1:
        return
    verb, first, last = cut[i], cut[i + 1], cut[-1]
    target = t[first.start :]
    if (
        (re.search(r"用于|用来|是|为", before := t[: verb.start]) and "的" in target)
        or target.startswith(("等", "的", "是", "为"))
        or re.search("来|去|进行", target)
    ):
        return
    if len(re.findall(r"可以|还|应当|需要|能够|必须|让|使(?!用)", before)) > 1:
        return
    if not 3 <= len(target) <= 24 or (last.tag[0] not in "nlj" and last.tag not in ("eng", "vn")):
        return
    if any(
        w.tag[0] in "rpdcfy" and w.text not in ("和", "与", "及", "或", "以及", "或者") for w in cut[i + 1 :]
    ) or any(w.tag == "v" and w.text in _VERBS for w in cut[i + 1 :]):
        return
    if (
        first.text in ("着", "了", "过", "到", "的", "者", "时", "一个", "一")
        or first.tag in ("uj", "f", "ul", "uz")
        or not balanced(target)
    ):
        return
    subject = re.split(
        r"(?:应当|应该|必须|可以|不得|需要|能够|能|会|将|应|须|可|也|还|都|只|已|已经|依法|主要|通常|一般|不|未|按期|及时|自动|负责|用来)",
        before,
        maxsplit=1,
    )[0].strip()
    if not is_subject_zh(subject, 20) or re.search(r"的$|不|没|未|再", before) or not stands_alone_zh(t):
        return
    if verb.text in ("是", "作为") or re.search(r"[由被把将让使给对向]", before[len(subject) :]):
        return
    yield s.pair("object", "what", s.named(f"{t[: first.start].rstrip()}什么？"), first.start)


# --- names ---------------------------------------------------------------------------------------


def entity_clozes(s: Sentence, model: bool) -> Iterator[Pair]:
    """Yield who, where and when questions about the one entity of a kind in a short sentence (with the entity model)."""
    t = s.text
    if not model or not s.whole or not 8 <= len(t) <= 40 or not stands_alone_zh(t):
        return
    found = [e for e in named_entities(t, "zh", True) if e.kind in ("PER", "LOC", "ORG")]
    for entity in found:
        if sum(other.kind == entity.kind for other in found) != 1 or entity.end - entity.start < 2:
            continue
        before, after = t[: entity.start], t[entity.end :]
        if entity.kind == "PER" and not before and words(after, "zh")[:1] and words(after, "zh")[0].tag == "v":
            yield s.pair("agent", "what", s.named(f"谁{after}？"), entity.start, entity.end)
        elif (
            entity.kind == "LOC"
            and before.endswith(("在", "位于", "于"))
            and is_clause_subject(before.rstrip("位于在"))
        ):
            yield s.pair("place", "what", s.named(f"{before}哪里{after}？"), entity.start, entity.end)


CLOZES: tuple[Callable[[Sentence], Iterator[Pair]], ...] = (lists, values, times, objects)
"""Patterns of single sentences that ask in place."""
