"""Whether a few Chinese characters are a person's name, to surnames, the segmenter's dictionary and plain sense."""

from sftmill.steps.ingest.personal.finds import HAN
from sftmill.steps.ingest.personal.surnames import COMPOUND, FREQUENT, SURNAMES

_ONE = "[" + "".join(sorted(SURNAMES)) + "]"
_TWO = "(?:" + "|".join(sorted(COMPOUND, key=len, reverse=True)) + ")"
SURNAME = f"(?:{_TWO}|{_ONE})"
"""A regular expression for one surname."""
DOTTED = f"[{HAN}]{{1,12}}(?:·[{HAN}]{{1,12}}){{1,4}}"
"""A regular expression for a name with points, as minorities and foreigners have them."""
_MASKED = "某*XxX○＊"

NOT_NAMES = frozenset(
    str.split(
        "应聘者 全称 全名 单位 时间 金额 职务 方式 高中生 申请人 应届生 于是 时候 成员 全体 全部 全国 应当 应该 和其他 时刻 安全 安排 方法 方案 方面 高级 高中 明确 明天 连接 计算机 简介 "
        "官方 公司 万一 单独 单位 单方 单项 向上 位置 都是 都可以 路由器 常见 常用 白天 白色 金额 文件 文本 经理 党员 温度 华人 马上 马克 高度 高血压 高龄 高危 黄疸 水肿 全身 全血 安装 "
        "何时 何人 何种 何地 易感 金属 石油 成人 成年 成年人 江苏 江西 宁夏 海南 云南 华东 华北 华南 华中 明显 常规 平台 白人 黑人 高手 高层 高管 高工 应用 应急 应答 应付 游客 和解 单身 单亲 "
        "强制 强调 保证 保险 保持 解决 解除 解释 关系 关于 关注 连续 经常 时常 全程 全面 向导 来自 来源 计划 计算 原因 原告 原来 原有 商务 商家 管理 管理员 管理人 管理层 代表 代理人 方可 方能 安静 "
        "房屋 房东 边境 车主 车辆 车间 武警 武器 康复 康复期 项目 项目部 程序 程序员 程度 党委 党支部 党组织 古代 施工 施工方 施行 曾经 曾有 盛行 贺词 左右 左侧 左手 谷歌 毕业生 段落 "
        "甘愿 查询 查看 查阅 查实 计费 包括 包含 成立 成功 成绩 宁愿 阳性 阳光 方便 封闭 费用 费率 焦虑 沈阳 郑州 杭州 温州 广州 常州 柳州 荆州 贵州 秦皇岛 石家庄 马来西亚 "
        "银行卡 范畴 谢谢你 谢谢您 谢谢 谢谢大家 陈述 余额 张力 张贴 马路 江湖 江山 何必 毛病 时可 应由 应在 应于 应对 应为 应按 应与 于该 来院 来电 来访 向其 向他 向我 都会 都要 都有 都能 全都 和我 和他 和她 和您 如有 有关"
    )
)
NOT_GIVEN = frozenset(
    "的了在是有和与與及或等也都就而将將被把给給从從对對向到于於因为為以由该此其之所者们們个個这這那么吗呢吧不没沒无無应應可能会會要需"
)


def is_hidden(name: str) -> bool:
    """Tell whether a name was made anonymous already: 王某, 李某某, 张**."""
    return any(c in _MASKED for c in name[1:])


def tag(window: str) -> list[tuple[str, str]]:
    """Return the words of `window` with their parts of speech; nr is a person's name."""
    import rjieba

    return rjieba.tag(window)


def is_name(name: str) -> bool:
    """Tell whether the dictionary takes two or three characters for a person's name."""
    tagged = tag(name)
    return len(tagged) == 1 and tagged[0][1] == "nr" and name not in NOT_NAMES


def is_word(text: str) -> bool:
    """Tell whether the dictionary has the word."""
    import rjieba

    return rjieba.has_word(text)


def stands_alone(name: str, facts: str = "") -> bool:
    """Tell whether what stands beside facts such as "，女，" or a telephone number is a name: 王国庆, though 国庆 is a word."""
    if name[0] in FREQUENT and name not in NOT_NAMES and not any(c in NOT_GIVEN for c in name[1:]):
        if any(c in facts for c in "男女"):
            return True
        if len(name) == 3 and not is_word(name[:2]) and not is_common(name):
            return True
    return looks_like_name(name)


def is_common(word: str) -> bool:
    """Tell whether the dictionary has the word, and not as a person's name."""
    return is_word(word) and not is_name(word)


def looks_like_name(name: str) -> bool:
    """Tell whether two to four characters are a name to the segmenter, or make no words."""
    if name in NOT_NAMES or any(c in NOT_GIVEN for c in name[1:]):
        return False
    return all(
        kind[:2] == "nr" or (name[0] in FREQUENT and (len(word) == 1 or not is_word(word))) for word, kind in tag(name)
    )


def surname_length(value: str) -> int:
    """Return how many characters the surname at the head of `value` has, 0 where there is none."""
    for size in (4, 2):
        if value[:size] in COMPOUND and len(value) > size:
            return size
    return 1 if value[0] in SURNAMES else 0
