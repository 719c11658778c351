"""Units of measure: their spellings in Chinese and English, and how they convert.

Factors are exact by definition: the SI brochure (9th edition), the international pound and
inch (1959), and China's 斤 = 500 g and 亩 = 2000/3 m2.
"""

import re
from decimal import Context, Decimal
from functools import lru_cache

from sftmill.text.lazy import lazy_pattern

# canonical unit: (what it is a multiple of, factor, spellings beside the canonical one)
_MEASURES: list[tuple[str, str, str, str]] = [
    ("%", "%", "1", "percent per_cent pct"),
    ("‰", "%", "0.1", ""),
    ("pp", "pp", "1", "个百分点 百分点 percentage_points percentage_point"),
    # time as a duration
    ("yr", "mo", "12", "周年 years year yrs"),
    ("mo", "mo", "1", "个月 个多月 months month"),
    ("week", "d", "7", "个星期 星期 个礼拜 周 weeks wk"),
    ("d", "d", "1", "天 个工作日 工作日 个自然日 days day"),
    ("h", "d", "1/24", "个小时 小时 个钟头 hours hour hrs hr"),
    ("刻", "d", "15/1440", "刻钟"),
    ("min", "d", "1/1440", "分钟 minutes minute mins"),
    ("s", "d", "1/86400", "秒钟 秒 seconds second secs sec"),
    ("ms", "d", "1/86400000", "毫秒 milliseconds millisecond"),
    # mass
    ("kg", "g", "1000", "千克 公斤 kilograms kilogram kgs"),
    ("g", "g", "1", "克 grams gram"),
    ("mg", "g", "1/1000", "毫克 milligrams milligram"),
    ("μg", "g", "1/1000000", "微克 µg ug mcg micrograms microgram"),
    ("ng", "g", "1/1000000000", "纳克"),
    ("t", "g", "1000000", "公吨 吨 tonnes tonne"),
    ("斤", "g", "500", "市斤"),
    ("lb", "g", "453.59237", "磅 lbs pounds pound"),
    ("oz", "g", "28.349523125", "盎司 ounces ounce"),
    # length, area, volume
    ("km", "m", "1000", "千米 公里 kilometres kilometers kilometre kilometer"),
    ("m", "m", "1", "米 metres meters metre meter"),
    ("cm", "m", "1/100", "厘米 公分 centimetres centimeters"),
    ("mm", "m", "1/1000", "毫米 millimetres millimeters"),
    ("μm", "m", "1/1000000", "微米 µm um"),
    ("nm", "m", "1/1000000000", "纳米"),
    ("inch", "m", "0.0254", "英寸 inches"),
    ("ft", "m", "0.3048", "英尺 feet foot"),
    ("mile", "m", "1609.344", "英里 miles"),
    ("m2", "m2", "1", "平方米 m² ㎡ 平米"),
    ("km2", "m2", "1000000", "平方公里 平方千米 km²"),
    ("ha", "m2", "10000", "公顷 hectares hectare"),
    ("亩", "m2", "2000/3", ""),
    ("L", "L", "1", "升 litres liters litre liter l"),
    ("mL", "L", "1/1000", "毫升 ml"),
    ("dL", "L", "1/10", "dl"),
    ("μL", "L", "1/1000000", "微升 µL ul"),
    ("m3", "L", "1000", "立方米 m³"),
    # substance and activity
    ("mol", "mol", "1", "摩尔"),
    ("mmol", "mol", "1/1000", "毫摩尔"),
    ("μmol", "mol", "1/1000000", "微摩尔 µmol umol"),
    ("nmol", "mol", "1/1000000000", ""),
    ("IU", "IU", "1", "国际单位"),
    ("U", "U", "1", "单位"),
    ("Bq", "Bq", "1", ""),
    # physics
    ("℃", "℃", "1", "摄氏度 °C"),
    ("℉", "℉", "1", "华氏度 °F"),
    ("K", "K", "1", "开尔文"),
    ("mmHg", "mmHg", "1", "毫米汞柱"),
    ("Pa", "Pa", "1", "帕"),
    ("kPa", "Pa", "1000", "千帕"),
    ("MPa", "Pa", "1000000", "兆帕"),
    ("J", "J", "1", "焦耳"),
    ("kJ", "J", "1000", "千焦"),
    ("cal", "cal", "1", "卡路里"),
    ("kcal", "cal", "1000", "千卡 大卡"),
    ("W", "W", "1", "瓦特 瓦"),
    ("kW", "W", "1000", "千瓦"),
    ("MW", "W", "1000000", "兆瓦"),
    ("kWh", "kWh", "1", "千瓦时"),
    ("V", "V", "1", "伏特 伏"),
    ("kV", "V", "1000", "千伏"),
    ("mV", "V", "1/1000", "毫伏"),
    ("A", "A", "1", "安培"),
    ("mA", "A", "1/1000", "毫安"),
    ("Ω", "Ω", "1", "欧姆"),
    ("Hz", "Hz", "1", "赫兹"),
    ("kHz", "Hz", "1000", "千赫"),
    ("MHz", "Hz", "1000000", "兆赫"),
    ("GHz", "Hz", "1000000000", "吉赫"),
    # data: decimal and binary prefixes are kept apart, as IEC 80000-13 does
    ("bit", "bit", "1", "比特 bits"),
    ("B", "B", "1", "字节 bytes byte"),
    ("KB", "B", "1000", "kB"),
    ("MB", "B", "1000000", ""),
    ("GB", "B", "1000000000", ""),
    ("TB", "B", "1000000000000", ""),
    ("PB", "B", "1000000000000000", ""),
    ("KiB", "B", "1024", ""),
    ("MiB", "B", "1048576", ""),
    ("GiB", "B", "1073741824", ""),
    ("TiB", "B", "1099511627776", ""),
    ("bps", "bit/s", "1", ""),
    ("kbps", "bit/s", "1000", "Kbps"),
    ("Mbps", "bit/s", "1000000", ""),
    ("Gbps", "bit/s", "1000000000", ""),
    ("dB", "dB", "1", "分贝"),
    ("px", "px", "1", "像素 pixels"),
    # money
    ("元", "元", "1", "元人民币 人民币 块钱 RMB CNY yuan"),
    ("角", "元", "0.1", ""),
    ("美元", "美元", "1", "USD dollars dollar 美金"),
    ("欧元", "欧元", "1", "EUR euros euro"),
    ("英镑", "英镑", "1", "GBP"),
    ("日元", "日元", "1", "JPY yen"),
    ("港元", "港元", "1", "HKD 港币"),
]

# Measure words of Chinese, each its own unit; with their English counterparts.
_COUNTS = (
    "世纪 个 交易日 人 人次 件 份 位 例 倍 册 分 列 匹 卷 句 只 台 号 名 回 圈 场 "
    "头 套 字 季度 家 局 层 届 岁 幅 年代 度 座 张 户 所 批 排 支 日 时 月 期 本 "
    "条 枚 架 栋 楼 次 款 步 段 滴 点 片 版 瓶 盒 种 章 笔 篇 类 粒 级 组 编 股 "
    "艘 节 营业日 行 袋 词 轮 辆 遍 道 部 门 间 队 页 项 颗 首"
)
_ENGLISH_COUNTS = {"times": "倍", "people": "人", "persons": "人", "times_daily": "次", "items": "项", "pages": "页"}

FACTORS: dict[str, tuple[str, Decimal]] = {}
"""Canonical unit -> (what it is a multiple of, factor)."""
_SPELLINGS: dict[str, str] = {}
_PRECISE = Context(prec=40)


def _fill() -> None:
    for unit, base, factor, spellings in _MEASURES:
        top, _, bottom = factor.partition("/")
        FACTORS[unit] = (base, _PRECISE.divide(Decimal(top), Decimal(bottom or 1)))
        for spelling in (unit, *spellings.split()):
            _SPELLINGS[spelling.replace("_", " ")] = unit
    for unit in _COUNTS.split():
        _SPELLINGS.setdefault(unit, unit)
    for spelling, unit in _ENGLISH_COUNTS.items():
        _SPELLINGS[spelling.replace("_", " ")] = unit
    _SPELLINGS["年"] = "yr"
    _SPELLINGS["周岁"] = "岁"


_fill()


def _alternatives(spellings: list[str]) -> str:
    return "|".join(re.escape(s) for s in sorted(spellings, key=lambda s: (-len(s), s)))


_LATIN = [s for s in _SPELLINGS if s.isascii() or s[0] in "μµ°Ω" or s[0].isascii()]
_HAN = [s for s in _SPELLINGS if s not in _LATIN]
_SINGLE = f"(?:{_alternatives(_HAN)}|(?:{_alternatives(_LATIN)})(?![A-Za-z0-9²³]))"
# "100mg", "4.4 mmol/L", "25mg/kg", "5元/人"; one space may stand before it, Chinese ones too.
UNIT = lazy_pattern(f"[ \u00a0\u202f\u2009]?({_SINGLE})(?:[ ]?/[ ]?({_SINGLE}))?")


def canonical(match: re.Match[str]) -> str:
    """Return the canonical name of a unit that `UNIT` matched, such as "mmol/L"."""
    unit = _SPELLINGS[match[1]]
    return f"{unit}/{_SPELLINGS[match[2]]}" if match[2] else unit


@lru_cache(maxsize=1024)
def factor(unit: str) -> tuple[str, Decimal]:
    """Return (base unit, factor) of a canonical unit; a unit without a conversion is its own base."""
    if unit in FACTORS:
        return FACTORS[unit]
    top, slash, bottom = unit.partition("/")
    if not slash:
        return unit, Decimal(1)
    (a, x), (b, y) = factor(top), factor(bottom)
    return f"{a}/{b}", _PRECISE.divide(x, y)
