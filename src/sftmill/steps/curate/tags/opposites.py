"""Tags that look alike and must stay apart: other numbers, the same words in another order, opposites."""

import re

_ZH = (
    "高低 左右 正逆 正负 正反 原被 借贷 进出 买卖 上下 内外 前后 大小 男女 长短 阴阳 升降 增减 加减 乘除 开关 收支 供需 "
    "盈亏 涨跌 急慢 良恶 冷热 干湿 显隐 父母 公私 甲乙 东西 南北 主次 主从 主客 主被 有无 强弱 快慢 新旧 生死 生熟 "
    "入出 存取 先后 首末 奇偶 多少 多单 双单 同异 动静 浅深 轻重 贵贱 虚实 寒热 表里 软硬 早晚 老幼 城乡 劳资 胜败 胜负"
)
_EN = (
    "import export supply demand buy sell buyer seller input output increase decrease high low left right upper lower "
    "positive negative public private inflation deflation encryption decryption encoding decoding male female debit "
    "credit lender borrower landlord tenant plaintiff defendant upload download internal external forward inverse "
    "acute chronic benign malignant linear nonlinear online offline indoor outdoor direct indirect long short "
    "static dynamic serial parallel active passive addition subtraction multiplication division best worst start end "
    "creation deletion hiring firing winter summer minimum maximum ascending descending"
)
_WORDS = re.compile(r"\w+")
_ZH_PAIRS = frozenset(frozenset(pair) for pair in _WORDS.findall(_ZH))
_named = _WORDS.findall(_EN)
_EN_PAIRS = frozenset(frozenset(pair) for pair in zip(_named[::2], _named[1::2], strict=True))


def must_stay_apart(one: str, other: str) -> bool:
    """Tell of two tags whether they mean different things however near their vectors are.

    Embedders put a word beside its opposite, 高血压 beside 低血压, and hardly see the order of words. Two tags that differ
    in nothing but opposites, numbers or order are never the same.
    """
    if [c for c in one if c.isdigit()] != [c for c in other if c.isdigit()]:
        return True
    here, there = _WORDS.findall(one), _WORDS.findall(other)
    if (here != there and sorted(here) == sorted(there)) or (one != other and sorted(one) == sorted(other)):
        return True
    if len(here) == len(there) and _only_opposites(here, there, _EN_PAIRS):
        return True
    return len(one) == len(other) and _only_opposites(list(one), list(other), _ZH_PAIRS)


def _only_opposites(one: list[str], other: list[str], pairs: frozenset[frozenset[str]]) -> bool:
    changed = [frozenset(two) for two in zip(one, other, strict=True) if two[0] != two[1]]
    return bool(changed) and all(pair in pairs for pair in changed)
