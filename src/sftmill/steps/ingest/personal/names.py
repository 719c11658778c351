"""Names of persons by cue: 姓名：, 联系人, 李女士, "Name:", "Dear Mr."."""

import re
from collections.abc import Iterator

from sftmill.steps.ingest.personal.english_names import (
    PERSON,
    WORD,
    find_english_names,
    in_english_field,
    is_english_name,
    words_of,
)
from sftmill.steps.ingest.personal.finds import HAN, Find, zones
from sftmill.steps.ingest.personal.name_words import (
    DOTTED,
    NOT_GIVEN,
    NOT_NAMES,
    SURNAME,
    is_common,
    is_hidden,
    is_name,
    is_word,
    looks_like_name,
    stands_alone,
    surname_length,
    tag,
)
from sftmill.steps.ingest.personal.surnames import AMBIGUOUS, COMPOUND, FREQUENT, SURNAMES
from sftmill.text.lazy import lazy_pattern

_ROLES = (
    "姓 {0,8}名|名 {0,4}字|真[实實]姓名|曾用名|[联聯][系繫絡络]人|[经經][办辦]人|[负負][责責]人|[办辦]理人|收[件货貨款]人|寄件人|[发發][件货貨]人|付款人|持[卡证證]人|投保人|被保[险險]人|受益人|"
    "[户戶]名|[开開][户戶]名|[户戶]主|[业業]主|房[东東]|租客|承租人|出租人|甲方|乙方|[买買賣卖]方|委托人|受托人|代理人|[监監][护護]人|法定代表人|法人代表|法人|申[请請]人|被申[请請]人|"
    "原告人?|被告人?|上[诉訴]人|被上[诉訴]人|第三人|[证證]人|[当當]事人|犯罪嫌疑人|嫌疑人|被害人|受害人|死者|[伤傷]者|患者|病人|[产產][妇婦]|患[儿兒]|家[属屬]|就[诊診]人|[医醫][师師生]|主治[医醫][师師生]|"
    "主任[医醫][师師]|[护護]士|[护護]理|主刀|[麻][醉][师師]|[检檢][验驗查]者|[审審]核人?|制表人?|填表人|[报報][告案]人|[记記][录錄]人|[签簽][名字](?:人)?|[学學]生|家[长長]|班主任|[老教][师師]|[导導][师師]|辅导员|"
    "[员員]工|[职職]工|[职職][员員]|[经經]理|[总總][经經]理|主管|客[户戶]|[用][户戶]|[会會][员員]|[顾顧]客|[乘旅]客|[车車]主|司[机機]|[驾駕][驶駛](?:人|[员員])|[快][递遞][员員]|投[诉訴]人|[举舉][报報]人|[咨诸諮]询人|求[职職]者|"
    "候[选選]人|面[试試]官|紧急联系人|[担擔]保人|借款人|[贷貸]款人|[债債][务務]人|[债債][权權]人|配偶|丈夫|妻子|父[亲親]|母[亲親]|[儿兒]子|女[儿兒]|[值][班](?:人员|人)?|[工][程][师師]|技[术術][员員]|管理[员員]|"
    "[预預][约約]人|[订訂][货貨票]人|[购購][买買房]人|[获獲][奖獎]者|[参參][会會賽赛]人|[主][讲講][人]|同事|[责責]任人|[执執]行人|被[执執]行人|律[师師]|[审審]判[长長员員]|[书書][记記][员員]|法官|[检檢]察官|警官|民警|[调調]解[员員]"
)
_MARK = lazy_pattern(rf"[:=|\-][:*\-]{{0,3}}[ \t*_\"'|]{{0,6}}(?=(?P<value>[{HAN}A-Z]))")
_ROLE_BEFORE = lazy_pattern(rf"(?:{_ROLES})(?:姓名|名字|[签簽]名|[签簽]字)?[ \t]?(?:\([^()\n]{{1,8}}\))?[ \t*\"']*\Z")
# Who wrote, made or founded something is public.
_ANY_ROLE_BEFORE = lazy_pattern(
    rf"[{HAN}]{{1,6}}(?<![作編编译譯著笔歌])(?<![创創]始|[发發]明|撰稿|出品|制片|主持|主[编編])(?:[人员員者方师師长長生友属屬工]|[收寄]件)[ \t]?(?:\([^()\n]{{1,8}}\))?[ \t*\"']*\Z"
)
# Literal words, simplified and traditional, so that the search can skip by their first characters.
_BARE_ROLES = str.split(
    "联系人 聯繫人 聯絡人 联络人 经办人 經辦人 负责人 負責人 收件人 寄件人 持卡人 投保人 被保险人 被保險人 受益人 户主 戶主 业主 業主 房东 房東 法定代表人 申请人 申請人 被申请人 原告 原告人 被告 被告人 上诉人 上訴人 "
    "被上诉人 证人 證人 当事人 當事人 嫌疑人 被害人 受害人 死者 伤者 傷者 患者 病人 患儿 患兒 产妇 產婦 家属 家屬 医师 医生 醫師 醫生 护士 護士 学生 學生 家长 家長 班主任 老师 老師 员工 員工 职工 職工 职员 職員 "
    "客户 客戶 用户 用戶 会员 會員 顾客 顧客 乘客 车主 車主 司机 司機 驾驶员 駕駛員 投诉人 借款人 担保人 值班员 工程师 工程師 律师 律師 法官 民警 同事 经理 經理 联系 聯繫 聯絡 联络 我 本人 名叫 名字叫 名字是 名字为 "
    "报案人 報案人 举报人 舉報人 报警人 病员 病員 学员 學員 居民 村民 发件人 收货人 快递员 业务员 驾驶人 駕駛人 承租人 出租人 租客 租户 贷款人 "
    "保证人 债务人 債務人 债权人 債權人 监护人 監護人 代理人 委托人 辩护人 執行人 执行人 申诉人 求助人 预约人 孕妇 孕婦 伤员 傷員 "
    "姓名 尊敬的 尊爱的 亲爱的 敬爱的 親愛的 尊敬 收件人是 请找 請找 转告 通知 他叫 她叫"
)
_BARE = lazy_pattern(
    "(?:" + "|".join(sorted(_BARE_ROLES, key=lambda word: (-len(word), word))) + ")"
    rf"(?:姓名|名叫|叫|是|[为為])?[ ]?(?=(?P<value>{SURNAME}[{HAN}]|[{HAN}]{{1,6}}·[{HAN}]))"
)
_SUFFIX = lazy_pattern(r"(?:先生|女士|小姐|太太)(?![们們])")
_FACTS = lazy_pattern(
    r"[,，、 (]{1,3}(?:[男女]性?[,，、。 ;\n()]|身[份分][证證]|公民身份|(?:[联聯][系繫絡络])?(?:[电電][话話]|手[机機])"
    r"|\+?(?:86[ \-]?)?1[3-9][0-9][ \-]?[0-9]{4})"
)
# One of these, or a long number, stands in whatever the pattern finds; looking for them first is far cheaper.
_FACT_CUE = lazy_pattern("[男女身话話机機]")
_BEFORE_FACTS = lazy_pattern(
    rf"(?:(?<![{HAN}·])|(?<=[人员員者方主师師长長生友属屬亲親妻夫告名]))(?P<name>{SURNAME}[{HAN}]{{1,2}})\Z"
)

_TAIL = lazy_pattern(
    r"性[别別]|年[龄齡]|[电電][话話]|手[机機]|[联聯]|身[份分]|住|[职職]|出生|[民]族|[男女]|地址|[邮郵]|微信|QQ|[工学學]号|科|床|[系于於因就在的是为為有和与與及向对對到来來去说說称稱将將已被把给給从從]"
)
_LATIN = r"[A-Z][a-zA-Z'’\-]+(?:(?:[ ·]|,[ ])[A-Z][a-zA-Z'’.\-]*){0,3}"
_LATIN_NAME = lazy_pattern(rf"{_LATIN}(?![A-Za-z0-9_])")


def find_names(text: str, chinese: bool) -> Iterator[Find]:
    """Yield names of persons that stand beside a cue, and where they stand again in the same text."""
    known: dict[str, None] = {}
    for find in _by_cue(text, chinese):
        yield find
        name = text[find.start : find.end]
        if " " in name or (len(name) >= 3 and not name.isascii() and not is_common(name)):
            known[name] = None
    for name in known:
        at = text.find(name)
        while at >= 0:
            end = at + len(name)
            if not name.isascii() or not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum()):
                yield Find(at, end, "name")
            at = text.find(name, end)


def _by_cue(text: str, chinese: bool) -> Iterator[Find]:
    yield from find_english_names(text)
    for match in _MARK.finditer(text):
        yield from _in_field(text, match.start(), match.end(), chinese)
    if chinese:
        for match in _BARE.finditer(text):
            yield from _after_bare(text, match)
        for match in _SUFFIX.finditer(text):
            yield from _before_suffix(text, match.start())
        for match in _FACTS.finditer(text) if _FACT_CUE.search(text) or zones(text, 7) else ():
            lead = max(0, match.start() - 8)
            named = _BEFORE_FACTS.search(text[lead : match.start()])
            if named and not is_hidden(named["name"]) and stands_alone(named["name"], match[0]):
                yield Find(lead + named.start("name"), match.start(), "name")


def _in_field(text: str, mark: int, start: int, chinese: bool) -> Iterator[Find]:
    """Yield the name that fills a field whose mark stands at `mark`, and whose value begins at `start`."""
    lead = text[max(0, mark - 24) : mark]
    if chinese and _ROLE_BEFORE.search(lead):
        if end := _value_end(text, start):
            yield Find(start, end, "name")
        return
    if chinese and _ANY_ROLE_BEFORE.search(lead) and (run := _RUN.match(text, start, start + 6)):
        name = run[0]
        surname = surname_length(name)
        sure = surname > 1 or (surname and name[0] in FREQUENT)
        if sure and 1 <= len(name) - surname <= 2 and not is_hidden(name) and looks_like_name(name):
            yield Find(*run.span(), "name")
            return
    yield from in_english_field(text, mark, start)


_RUN = lazy_pattern(f"[{HAN}]+")
_DOTTED = lazy_pattern(DOTTED)
_SPACED = lazy_pattern(rf"{SURNAME}[ ]{{1,4}}[{HAN}](?![{HAN}])")


def _value_end(text: str, start: int) -> int:
    """Return where the name ends that fills a field from `start` on, 0 where the field holds no name."""
    if dotted := _DOTTED.match(text, start):
        return dotted.end()
    if latin := _LATIN_NAME.match(text, start):
        words = words_of(latin[0])
        return latin.end() if is_english_name(words) and (len(words) > 1) else 0
    if spaced := _SPACED.match(text, start):
        return spaced.end()
    run = _RUN.match(text, start, start + 12)
    if run is None or len(run[0]) < 2:
        return 0
    value = run[0]
    surname = surname_length(value)
    if not surname or is_hidden(value[:4]) or value in NOT_NAMES or value[:2] in NOT_NAMES or value[:3] in NOT_NAMES:
        if surname or len(value) > 5 or len(value) < 3 or value in NOT_NAMES:
            return 0
        return run.end() if is_name(value) else 0
    if len(value) <= surname + 2 and not any(c in NOT_GIVEN for c in value[surname:]):
        after = text[run.end() : run.end() + 1]
        return 0 if after in ("X", "*", "○") else run.end()
    for size in (surname + 2, surname + 1):
        if _TAIL.match(value, size) and not any(c in NOT_GIVEN for c in value[surname:size]):
            tagged = tag(value)
            if size == surname + 2 or tagged[0][1] == "nr":
                return start + size
    size = _tagged_length(value, surname)
    return start + size if size >= 2 else 0


def _tagged_length(window: str, surname: int) -> int:
    """Return how many characters at the head of `window` the segmenter takes for a name, 0 for none."""
    tagged = tag(window)
    word, kind = tagged[0]
    if word in NOT_NAMES or (word[0] not in SURNAMES and word[:2] not in COMPOUND):
        return 0
    if kind == "nr" and len(word) == 1 and len(tagged) > 1 and len(tagged[1][0]) <= 2:
        follow, second = tagged[1]
        return 1 + len(follow) if second in ("nr", "nz") and not any(c in NOT_GIVEN for c in follow) else 0
    if word in COMPOUND and len(tagged) > 1 and len(tagged[1][0]) <= 2:
        return len(word) + len(tagged[1][0])
    if kind == "nr" and 2 <= len(word) <= 4:
        if (
            surname >= 2
            and len(word) == surname + 1
            and len(tagged) > 1
            and len(tagged[1][0]) == 1
            and tagged[1][1] in ("ns", "nr", "nz", "n", "a")
        ):
            return len(word) + 1
        return len(word)
    return 0


def _after_bare(text: str, match: re.Match[str]) -> Iterator[Find]:
    start = match.end()
    window = _RUN.match(text, start, start + 8)
    if window is None:
        return
    value = window[0]
    if is_hidden(value[:3]):
        return
    if (dotted := _DOTTED.match(text, start)) and dotted.end() - start <= 12:
        yield Find(start, dotted.end(), "name")
        return
    surname = surname_length(value)
    size = _tagged_length(value, surname)
    if (
        size == surname + 1
        and len(value) == surname + 2
        and (value[0] in FREQUENT or surname > 1)
        and _TAIL.match(value, size) is None
    ):
        size += 1  # nothing but a name fits between the cue and the next mark
    elif size == surname + 1 and value[0] in FREQUENT and value[size:] and _ends_name(value[size:]):
        size += 1  # 黄光 | 猛 | 向业主
    if size > 2 and value[size - 2 : size] in ("先生", "女士", "小姐", "太太"):
        return  # found by its title
    if size == 0 and value[0] in FREQUENT and _is_set_off(value, surname + 2):
        size = surname + 2  # 朱娟美: characters that make no words
    name = value[:size]
    if size < 2 or is_hidden(name) or name in NOT_NAMES or any(c in NOT_GIVEN for c in name[1:]):
        return
    if size == 2 and not (name[0] in FREQUENT and is_name(name)) and (len(value) > 2 or is_word(name)):
        return  # 患者麻醉, 当事人迟延, 我明白: rare surnames make words
    yield Find(start, start + size, "name")


_SPACED_TAIL = lazy_pattern(rf"(?<![{HAN}]){SURNAME}[ ]{{1,2}}[{HAN}]\Z")


def _is_set_off(value: str, size: int) -> bool:
    """Tell whether the first characters make no words, and what follows them, if anything, is a word of its own."""
    if len(value) < size or not looks_like_name(value[:size]):
        return False
    return len(value) == size or len(tag(value[size:])[0][0]) >= 2


def _ends_name(rest: str) -> bool:
    """Tell whether a single character and then a particle follow: 猛向…, but not 入院 or 因头痛."""
    first, *others = tag(rest)
    return bool(others) and len(first[0]) == 1 and first[0] not in _PARTICLES and others[0][0] in _PARTICLES


def _before_suffix(text: str, end: int) -> Iterator[Find]:
    if text[end - 1 : end] == " ":
        end -= 2 if text[end - 2 : end - 1] == " " else 1
        if (spaced := _SPACED_TAIL.search(text[max(0, end - 6) : end])) and spaced.end() - spaced.start() > 2:
            yield Find(end - len(spaced[0]), end, "name")
            return
    begin = end
    while begin > 0 and end - begin < 8 and _RUN.match(text, begin - 1, begin):
        begin -= 1
    if begin > 0 and text[begin - 1] == "·":
        for dotted in _DOTTED.finditer(text, max(0, begin - 30), end):
            if dotted.end() == end:
                yield Find(dotted.start(), end, "name")
                return
    run = text[begin:end]
    if not run or run[-1] in "某老大小各位个個那这這男女":
        return
    tagged = tag(run + text[end : end + 2])
    at = begin
    for index, (word, kind) in enumerate(tagged):
        stop = at + len(word)
        if stop >= end:  # the word that reaches the title
            name = word[: end - at]
            before = tagged[index - 1] if index else ("", "")
            if before[0] in COMPOUND or (len(name) == 1 and before[1] == "nr" and len(before[0]) <= 2):
                at -= len(tagged[index - 1][0])
                name = text[at:end]
            known = name and (kind == "nr" or len(name) == 1 or name[0] in SURNAMES)
            made = list(_titled(text, at, end, name, begin)) if known else []
            yield from made or _whole(run, begin)
            return
        at = stop


_PARTICLES = frozenset("系于於因就在的是为為有和与與及向对對到来來说說称稱将將已被把给給从從由以等、诉訴")
_LEADS = frozenset("与與和跟向给給请請找的是由对對让讓叫被为為及、")


def _whole(run: str, begin: int) -> Iterator[Find]:
    """Yield the name that stands between a particle, or the beginning, and a title."""
    for size in (3, 2, 4):
        name = run[-size:]
        if len(name) < size or (len(run) > size and run[-size - 1] not in _LEADS):
            continue
        surname = surname_length(name)
        if surname and 1 <= size - surname <= 2 and name not in NOT_NAMES and not is_hidden(name):
            if any(c in NOT_GIVEN for c in name):
                continue
            yield Find(begin + len(run) - size, begin + len(run), "name")
            return


def _titled(text: str, start: int, end: int, name: str, begin: int) -> Iterator[Find]:
    surname = surname_length(name + "氏")
    if not surname or len(name) > surname + 2 or name in NOT_NAMES or is_hidden(name):
        return
    if len(name) == 1 and name in AMBIGUOUS and start > begin:
        return
    yield Find(start, end, "name")


_NAME_COLUMN = lazy_pattern(
    rf"(?:(?:{_ROLES})(?:姓名|名称)?|(?:(?:full|customer|patient|employee|client|contact|student|first|last|user|card ?holder|applicant)[ _]?)?(?:name|person)"
    r"|patient|customer|client|employee|applicant|contact)\Z",
    re.I,
)
_CELL_NAME = lazy_pattern(
    rf"{SURNAME}[ ]{{0,2}}[{HAN}]{{1,2}}\Z|[{HAN}]{{1,8}}(?:·[{HAN}]{{1,8}})+\Z|{PERSON}\Z|{WORD}\Z"
)


def is_name_column(head: str) -> bool:
    """Tell whether a column with this head holds names of persons."""
    return _NAME_COLUMN.match(head) is not None


def is_name_cell(cell: str) -> bool:
    """Tell whether a cell of such a column holds a name that is not anonymous yet."""
    return bool(_CELL_NAME.match(cell)) and is_english_name(words_of(cell)) and not is_hidden(cell)
