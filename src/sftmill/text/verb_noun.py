"""What an instruction asks for, as a verb and its object: 写 + 报告, "write" + "report".

Self-Instruct (Wang et al. 2022) shows with such pairs how varied instructions are, and takes them from a parser. Here
word classes and the order of words have to do: good enough to count kinds of task, not to analyse a sentence.
"""

from itertools import takewhile

from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import Word, words

LONGEST_READ = 300
"""Characters of an instruction that are looked at; what is asked for stands at its beginning."""


def verb_noun(text: str, lang: str) -> tuple[str, str] | None:
    """Return the main verb of an instruction and the noun that is its direct object; None where there is no such pair.

    English words come in their base form and lower case: "Could you list three ideas?" -> ("list", "idea"). Questions
    for what a thing is give ("是", thing) or ("be", thing). A text that goes on is read up to LONGEST_READ characters.
    """
    return _zh_pair(text[:LONGEST_READ]) if lang == "zh" else _en_pair(text[:LONGEST_READ])


# --- Chinese ---------------------------------------------------------------------------------------

_ZH_STOP = lazy_pattern(r"[，,。！？!?；;：:\n\r]+")
_ZH_WHAT_IS = lazy_pattern(r"^(?:请问|那么|到底|究竟)*(?:什么|啥)(?:是|叫做?)(?P<thing>[^是]{1,60})$")
_ZH_IS_WHAT = lazy_pattern(
    r"^(?:请问|那么)*(?P<thing>[^是]{1,60}?)(?:到底|究竟)?(?:是什么|是啥|指的?是什么|是指什么)(?P<kind>\w{0,6})"
)
_ZH_HAS_WHICH = lazy_pattern(
    r"^(?P<thing>[^有]{1,60}?)(?:主要|一般|通常|分别|都|还)*(?:有|包括|包含)了?(?:哪些|什么)(?P<kind>\w{0,8})$"
)
_ZH_FRAME = lazy_pattern(r"^以[^，。]{1,30}?为(?:主题|题目?|例|背景|内容|基础|线索|开头|结尾)")
_ZH_NUMERAL = lazy_pattern(
    r"^(?:[一两二三四五六七八九十百千几数多半每各\d]+[个条本份篇首段种项句道则张部封名位份组句次章句件点步类行款]|[这那哪][些个段句篇份种])(?=.)"
)
_ZH_SUFFIX = lazy_pattern(r"(?<=..)[成为]$")
_ZH_FRONT = lazy_pattern(
    r"^(?:请问|请你|请您|请|麻烦你?|劳驾|帮忙|帮助?[我你]们?|帮|替[我你]们?|现在|首先|然后|接着|并且?|你|您|我们?|咱们?|能不能|可不可以|能否|"
    r"可否|是否|能够|能|可以|可|会|要|想要?|需要|希望你?|应该|应|如何|怎么样?|怎样才?能?|该|试着|尝试|尽量|用自己的话|再|也|就|都|还)+"
)
# Verbs that the dictionary takes for something else at the head of a request, or that are often joined to an object.
_ZH_VERBS = frozenset(
    str.split(
        "比较 对比 总结 概括 归纳 设计 分析 翻译 分类 推荐 介绍 说明 描述 阐述 论述 讨论 解释 计算 估算 估计 预测 评估 评价 评论 判断 判定 识别 辨别 "
        "提取 抽取 摘录 列举 列出 举例 写 编写 撰写 改写 重写 续写 扩写 缩写 仿写 润色 修改 修正 纠正 优化 完善 完成 补全 补充 填写 生成 创作 创建 创造 "
        "制作 制定 拟定 起草 规划 策划 安排 整理 排序 排列 合并 拆分 转换 转化 转写 简化 检查 检测 核对 验证 证明 推导 求解 解答 回答 提出 提供 给出 给 替换 告诉 改成 "
        "说出 指出 找出 选出 选择 挑选 确定 模拟 扮演 实现 建议 影响 导致 引起 区分 区别 理解 阅读 查找 搜索 统计 汇总 标注 命名 构思 构建 构造 造"
    )
)
_ZH_LIGHT = frozenset(("进行", "作", "做", "加以", "予以", "给予", "作出", "做出"))
_ZH_MODAL = frozenset(
    ("会", "能", "能够", "可以", "要", "需要", "应", "应该", "应当", "必须", "想", "才能", "可能", "来", "去")
)
_ZH_BEFORE = frozenset(
    str.split(
        "把 将 对 对于 给 为 为了 向 从 由 用 以 按 按照 根据 依据 基于 针对 关于 就 在 与 和 跟 让 使用 利用 通过 结合 围绕 到 至"
    )
)
_ZH_OBJECT_FIRST = frozenset(("把", "将", "对", "对于", "针对", "就"))
_ZH_GIVEN = ("根据", "依据", "基于", "假设", "假如", "如果", "假定", "已知", "给定", "阅读", "针对", "对于", "关于", "作为", "在", "当", "为了", "按照", "结合", "参考")  # fmt: skip
_ZH_AND = frozenset(("和", "与", "及", "以及", "或", "或者", "、", "跟", "并"))
_ZH_ASKS = ("为什么", "为何", "如何", "怎么", "怎样", "是否", "何时")
_ZH_AFTERWARDS = ("以后", "之后", "后", "以前", "之前", "前", "时", "的时候")
_ZH_WHETHER = ("是否", "有没有", "能不能", "是不是", "给定", "没有")
_ZH_EMPTY = frozenset(
    str.split("一共 总共 什么 哪些 哪个 多少 一下 一些 以下 下面 上面 下列 上述 这 那 此 方面 之间 时候 自己")
)


def _zh_pair(text: str) -> tuple[str, str] | None:
    clauses = [clause.strip() for clause in _ZH_STOP.split(text) if clause.strip()]
    for clause in sorted(clauses, key=lambda clause: _ZH_FRONT.sub("", clause).startswith(_ZH_GIVEN)):
        if pair := _zh_clause(clause):
            return pair
    return None


def _zh_clause(clause: str) -> tuple[str, str] | None:
    if found := _ZH_WHAT_IS.match(clause) or _ZH_IS_WHAT.match(clause):
        kind = found.groupdict().get("kind") or ""
        thing = _zh_head(words(_ZH_FRONT.sub("", kind if len(kind) > 1 and kind != "意思" else found["thing"]), "zh"))
        return ("是", thing) if thing else None
    clause = _ZH_FRONT.sub("", _ZH_FRAME.sub("", _ZH_FRONT.sub("", clause)))
    if found := _ZH_HAS_WHICH.match(clause):
        return _with("有", _zh_head(words(found["kind"] or found["thing"], "zh")))
    cut = words(clause, "zh")
    at, before = _zh_verb(cut)
    if at is None:
        return None
    verb, rest = _zh_base(cut[at]), cut[at + 1 :]
    if verb in _ZH_LIGHT:  # 对 ... 进行 情感 分类: the work is named behind it
        named = [word for word in rest if word.text in _ZH_VERBS or word.tag in ("v", "vn")]
        if named and before:
            return named[-1].text, before
        return (verb, named[-1].text) if named and rest[-1] is named[-1] else _with(verb, _zh_head(rest))
    return _with(verb, before or _zh_head(rest))


def _with(verb: str, noun: str | None) -> tuple[str, str] | None:
    return (verb, noun) if noun else None


def _zh_verb(cut: list[Word]) -> tuple[int | None, str | None]:
    """Return the place of the main verb and, where it stands before the verb (把, 将, 对), its object."""
    at, before = 0, None
    while at < len(cut):
        word = cut[at]
        base = _zh_base(word)
        modifies = at > 0 and cut[at - 1].text == "的"
        over = at + 1 < len(cut) and cut[at + 1].text.startswith(_ZH_AFTERWARDS)
        if modifies or over:
            at += 1
            continue
        if base in _ZH_VERBS and not (base == "给" and _verb_follows(cut, at)):
            return at, before
        if word.text in _ZH_BEFORE and at + 1 < len(cut):
            end = _phrase_end(cut, at + 1)
            if word.text in _ZH_OBJECT_FIRST:
                before = _zh_head(cut[at + 1 : end])
            at = end
            continue
        if word.text not in _ZH_MODAL and not word.text.startswith(("哪", "什么", "谁")):
            first = at == 0 or cut[at - 1].text in _ZH_MODAL
            if word.text in _ZH_WHETHER:
                pass
            elif word.tag == "v" or (word.tag == "vn" and first and at + 1 < len(cut)):
                return at, before
        at += 1
    return None, None


def _zh_base(word: Word) -> str:
    """Return a verb without what is joined to it: 翻译成 -> 翻译, 举例说明 -> 说明."""
    text = _ZH_SUFFIX.sub("", word.text)
    return text[-2:] if len(text) > 2 and text[-2:] in _ZH_VERBS else text


def _verb_follows(cut: list[Word], at: int) -> bool:
    return any(word.text in _ZH_VERBS or word.tag == "v" for word in cut[at + 1 :])


def _phrase_end(cut: list[Word], at: int) -> int:
    """Return where the noun phrase behind a preposition ends: at the next verb that is no part of it."""
    for place in range(at, len(cut)):
        word = cut[place]
        later = any(other.text == "的" for other in cut[place + 1 :])
        light_next = place + 1 < len(cut) and cut[place + 1].text in _ZH_LIGHT
        if place > at and (cut[place - 1].text == "的" or light_next):
            continue  # 对评论进行分类: a noun here, whatever the dictionary says
        named = _zh_base(word) in _ZH_VERBS or word.text in _ZH_LIGHT
        if place > at and (named or (word.tag == "v" and not later)):
            return place
    return len(cut)


def _zh_head(cut: list[Word]) -> str | None:
    """Return the noun that a phrase is about: behind its last 的, else the last one before a conjunction."""
    if cut and cut[0].text.startswith(_ZH_ASKS):
        run = list(takewhile(_zh_nominal, _from_noun(cut[1:])))
        return _bare(run[-1]) if run else _bare(cut[-1]) if len(cut[-1].text) > 1 else None
    for place in range(len(cut) - 2, -1, -1):
        if cut[place].text in ("的", "之"):
            run = list(
                takewhile(lambda word: word.tag[0] not in "pcxyu" and word.text not in _ZH_AND, cut[place + 1 :])
            )
            nouns = [word for word in run if _zh_nominal(word)]
            if not nouns and len(run) == 1 and len(run[0].text) > 1 and run[0].text not in _ZH_EMPTY:
                nouns = run  # 财务报表中的异常: no noun in the dictionary, but it stands where one does
            if nouns:
                return _bare(nouns[-1])
    found: Word | None = None
    for word in cut:
        if found and (word.text in _ZH_AND or word.tag[0] in "pcx"):
            break
        if _zh_nominal(word):
            found = word
    if not found:  # 复利 is an adjective in the dictionary
        content = [word for word in cut if word.tag[0] not in "pcxyurmdf" and len(word.text) > 1]
        found = content[0] if len(content) == 1 and content[0].text not in _ZH_EMPTY else None
    return _bare(found) if found else None


def _from_noun(cut: list[Word]) -> list[Word]:
    return cut[next((place for place, word in enumerate(cut) if _zh_nominal(word)), len(cut)) :]


def _zh_nominal(word: Word) -> bool:
    if word.text in _ZH_EMPTY or word.text in _ZH_AND:
        return False
    return (word.tag[0] in "nlji" and len(word.text) >= 1) or word.tag in ("vn", "an", "eng", "s", "t")


def _bare(word: Word) -> str:
    """Return a noun without the numeral and measure word that the dictionary may have joined to it: 几本书 -> 书."""
    return _ZH_NUMERAL.sub("", word.text).lower()


# --- English ---------------------------------------------------------------------------------------

_EN_STOP = lazy_pattern(r"(?<=[.!?;:])\s+|[\n\r]+")
_EN_FRONT = lazy_pattern(
    r"^(?:(?:hi|hello|hey|ok|okay|now|first|then|next|also|and|so|please|kindly|just|maybe)\b[,!]?\s*|"
    r"(?:can|could|would|will|do) (?:you|i|we|one|someone)\b(?: (?:please|kindly|mind))?\s*|"
    r"(?:help|let) (?:me|us)(?: to)?\b\s*|(?:teach|show|tell) (?:me|us) how to\b\s*|let['’]?s\s+|"
    r"i(?: would|['’]d)? (?:want|need|like|wish|love)(?: you| for you)?(?: to)\b\s*|"
    r"(?:your (?:task|job|goal) is|you (?:are asked|are required|need|have|should|must))(?: to)?\b\s*|"
    r"(?:what is|what's|is there) (?:the best|a good|any) way to\s+|"
    r"how (?:do|does|can|could|should|would|might) (?:i|you|we|one|someone)\b\s*|how to\s+|(?:try|want|need|be able) to\s+|to\s+)+",
    2,  # re.IGNORECASE
)
_EN_GIVEN = lazy_pattern(
    r"^(?:given|based on|using|in|for|if|from|with|imagine|suppose|assume|assuming|as|when|after|before|considering|"
    r"according to|read|you are|to)\b[^,.]{1,160}[,.]\s*",
    2,
)
_EN_WHAT_IS = lazy_pattern(r"^(?:what|who)(?:\s+(?:is|are|was|were)|['’]s)\s+(?P<thing>.+)", 2)
_EN_WORDS_BEFORE = frozenset(
    str.split(
        "me us him her them you it up out down off over back away together your my our their his its this these those that "
        "the a an all each some any both every such another other at into how why what which when where whether who if not "
        "whose is are was were do does did can could should would will as of about"
    )
)
_EN_DETERMINERS = frozenset(
    str.split("the a an this these those your my all each every some any me us following three two five ten")
)
_EN_TRAILING = frozenset(
    str.split("provided given listed described mentioned shown attached below above using called named based")
)
_EN_VERBS = frozenset(str.split("accept achieve act add address adjust advise affect analyse analyze answer apply argue arrange ask assess assign "
    "avoid balance become begin brainstorm break build calculate categorise categorize cause change check choose cite "
    "clarify classify clean code combine come comment compare compile complete compose compute conclude condense "
    "conduct connect consider construct contain contrast convert copy correct count create criticise criticize critique "
    "debug decide decrease deduce define delete demonstrate derive describe design detect determine develop devise "
    "diagnose differentiate discover discuss distinguish divide do draft draw edit elaborate eliminate emphasise enhance "
    "ensure enter enumerate establish estimate evaluate examine exchange execute expand explain explore express extend "
    "extract fill filter find finish fix follow forecast form formulate gather generate get give go group guess handle "
    "have highlight identify illustrate implement improve include increase infer influence inform insert install "
    "interpret introduce invent invest investigate join judge justify keep label learn list locate lower make manage mark "
    "match measure mention merge model modify name negotiate note obtain offer open optimise optimize order organise "
    "organize outline paraphrase parse pay perform pick plan play point predict prepare present prevent print process "
    "produce proofread propose protect prove provide put raise rank rate read rearrange recall recognise recognize "
    "recommend record reduce refactor refer regulate relate remove rename reorder repair rephrase replace reply report "
    "represent research resolve respond restate restructure retrieve reverse review revise rewrite round run save say "
    "schedule score search select send sentence separate set share shorten show simplify simulate sketch solve sort "
    "specify split start state stop store structure study substitute suggest sum summarise summarize supply support "
    "synthesise synthesize take teach tell test trace track train transcribe transform translate transform treat try "
    "turn understand update use validate verify view visit visualise visualize vote win work write"))  # fmt: skip
_EN_IRREGULAR = {
    "wrote": "write", "written": "write", "made": "make", "gave": "give", "given": "give", "found": "find", "built": "build",
    "won": "win", "took": "take", "did": "do", "had": "have", "has": "have", "does": "do", "got": "get", "said": "say",
    "people": "person", "children": "child", "men": "man", "women": "woman", "criteria": "criterion", "feet": "foot",
    "analyses": "analysis", "hypotheses": "hypothesis", "lives": "life", "leaves": "leaf", "wives": "wife", "theses": "thesis",
    "movies": "movie", "cookies": "cookie", "ties": "tie", "pies": "pie", "shoes": "shoe", "series": "series",
    "species": "species", "news": "news", "savings": "savings", "means": "means", "mathematics": "mathematics", "physics": "physics",
    "economics": "economics", "lens": "lens", "diabetes": "diabetes", "caches": "cache", "responses": "response",
    "phrases": "phrase", "causes": "cause", "cases": "case", "uses": "use", "clauses": "clause", "databases": "database",
    "purposes": "purpose", "expenses": "expense", "exercises": "exercise", "courses": "course", "houses": "house",
    "licenses": "license", "purchases": "purchase", "releases": "release", "senses": "sense", "verses": "verse",
    "sizes": "size", "prizes": "prize", "axes": "axis", "headaches": "headache",
}  # fmt: skip


def _en_pair(text: str) -> tuple[str, str] | None:
    for sentence in _EN_STOP.split(text.strip()):
        rest = sentence.strip()
        for _ in range(3):  # "Given a list, please ..." as well as "Please, given a list, ..."
            shorter = _EN_FRONT.sub("", rest)
            shorter = _EN_GIVEN.sub("", shorter) or shorter
            if shorter == rest:
                break
            rest = shorter
        if pair := _en_sentence(rest):
            return pair
    return None


def _en_sentence(sentence: str) -> tuple[str, str] | None:
    if found := _EN_WHAT_IS.match(sentence):
        return _with("be", _en_head(words(found["thing"], "en")))
    cut = words(sentence, "en")
    for place, word in enumerate(cut):
        if place and word.tag == "x" and word.text not in "-'’\"“(":
            break
        verb = _base(word.text, _EN_VERBS)
        opens = place == 0 and word.tag in ("n", "v") and len(cut) > 1 and cut[1].text.lower() in _EN_DETERMINERS
        asked = place > 0 and cut[0].text.lower() in (
            "who",
            "what",
            "which",
            "how",
            "why",
            "when",
            "where",
            "does",
            "do",
            "did",
        )
        if verb in _EN_VERBS and (place == 0 or asked) and not _auxiliary(cut, place):
            return _with(verb, _en_head(cut[place + 1 :]))
        if opens:
            return _with(word.text.lower(), _en_head(cut[place + 1 :]))
    return None


def _auxiliary(cut: list[Word], place: int) -> bool:
    """Tell whether a form of do or have only helps another verb: "How does it work"."""
    if cut[place].text.lower() not in ("do", "does", "did", "have", "has", "had"):
        return False
    following = cut[place + 1 :]
    if not following:
        return False
    helps = cut[place].text.lower() in ("do", "does", "did") and (place > 0 or following[0].tag == "n")
    return helps or any(_base(word.text, _EN_VERBS) in _EN_VERBS for word in following)


def _en_head(cut: list[Word]) -> str | None:
    """Return the last word of the first run of nouns, in the singular."""
    run: list[Word] = []
    for place, word in enumerate(cut):
        low, following = word.text.lower(), cut[place + 1] if place + 1 < len(cut) else None
        if not run and (
            word.tag in "urdm"
            or low in _EN_WORDS_BEFORE
            or (low == "with" and cut[place - 1].text.lower() == "up")
            or word.text in "\"'“‘("
        ):
            continue
        ends = run and low.endswith(("ing", "ed")) and following and following.tag in ("u", "r", "p", "d", "m")
        if word.tag != "n" or (run and low in _EN_TRAILING) or ends:
            break
        run.append(word)
    return _singular(run[-1].text.lower()) if run else None


def _base(word: str, known: frozenset[str]) -> str:
    """Return the base form of a verb, where it is a known one."""
    low = word.lower()
    low = _EN_IRREGULAR.get(low, low) if low not in known else low
    for ending, instead in (("", ""), ("s", ""), ("es", ""), ("ies", "y"), ("d", ""), ("ed", ""), ("ied", "y")):
        if low.endswith(ending) and low[: len(low) - len(ending)] + instead in known:
            return low[: len(low) - len(ending)] + instead
    return low


def _singular(word: str) -> str:
    word = word.removesuffix("'s").removesuffix("’s")
    if word in _EN_IRREGULAR:
        return _EN_IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word
