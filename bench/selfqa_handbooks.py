"""Two made-up handbooks with planted facts, and the faults that models make about such texts."""

import re
from typing import NamedTuple


class Fact(NamedTuple):
    """A sentence of the handbook, what one asks about it, and what one answers."""

    sentence: str
    question: str
    answer: str
    token: str = ""
    """What shows that a planted fact was covered; empty for a sentence between them."""
    fault: str = ""
    """An answer that a careless model gives instead; it must not come out."""


class Handbook(NamedTuple):
    """A document, the faults that a model makes about it, and how prompts in its language are read."""

    lang: str
    sections: dict[str, list[Fact]]
    extra: str
    """Text that nobody should be asked much about: a table of contents and addresses."""
    bad_questions: tuple[str, ...]
    probes: tuple[str, ...]
    """Questions that sound right and that the handbook does not answer."""
    refusals: tuple[str, ...]
    lead: str
    pointing: re.Pattern[str]
    """Words that no question which is kept may have (list for Chinese: SelfQA's checks in the field's practice)."""


ZH = Handbook(
    "zh",
    {
        "合金与溶剂": [
            Fact(
                "合金 ZX-71 的熔点为 1234.5 K。",
                "合金 ZX-71 的熔点是多少？",
                "合金 ZX-71 的熔点是 1234.5 K。",
                "1234.5",
            ),
            Fact(
                "合金 ZX-71 由澜汀冶炼厂按三道工序炼成。",
                "合金 ZX-71 由哪家工厂炼成？",
                "合金 ZX-71 由澜汀冶炼厂炼成。",
            ),
            Fact(
                "溶剂鸥林醇的沸点为 87.3 摄氏度，遇明火会燃烧。",
                "溶剂鸥林醇的沸点是多少摄氏度？",
                "溶剂鸥林醇的沸点是 87.3 摄氏度。",
                "87.3",
            ),
            Fact(
                "由于鸥林醇容易挥发，储罐须保持密闭。",
                "鸥林醇的储罐为什么须保持密闭？",
                "因为鸥林醇容易挥发，所以储罐须保持密闭。",
            ),
            Fact(
                "储罐每批装入鸥林醇 260 升，另留 40 升空间。",
                "储罐每批装入多少升鸥林醇？",
                "储罐每批装入鸥林醇 260 升。",
                fault="储罐每批装入鸥林醇 280 升。",
            ),
        ],
        "塔拉仪的校准": [
            Fact("塔拉仪每隔 45 天校准一次。", "塔拉仪每隔多少天校准一次？", "塔拉仪每隔 45 天校准一次。", "45"),
            Fact(
                "校准塔拉仪时，先关闭阀门，再把指针调到零位，最后用标准块核对。",
                "如何校准塔拉仪？",
                "先关闭阀门，再把指针调到零位，最后用标准块核对。",
            ),
            Fact(
                "塔拉仪的指针偏离零位超过 0.6 毫米时，应当停用并送修。",
                "塔拉仪的指针偏离零位超过多少毫米时应当停用？",
                "塔拉仪的指针偏离零位超过 0.6 毫米时，应当停用并送修。",
                fault="塔拉仪的指针偏离零位超过 0.8 毫米时，应当停用并送修。",
            ),
            Fact(
                "粉末倍硼灰禁止与水接触，存放处须干燥。",
                "粉末倍硼灰禁止与什么接触？",
                "粉末倍硼灰禁止与水接触。",
                "倍硼灰禁止与水",
            ),
        ],
        "管道与设备": [
            Fact(
                "管道 M7 的最大压力为 3.2 MPa。", "管道 M7 的最大压力是多少？", "管道 M7 的最大压力是 3.2 MPa。", "3.2"
            ),
            Fact(
                "设备 QK-900 由云汐机械厂制造，出厂时附有铭牌。",
                "设备 QK-900 由哪家工厂制造？",
                "设备 QK-900 由云汐机械厂制造。",
                "云汐机械厂",
            ),
            Fact(
                "设备 QK-900 的零件包括转子、密封环和底座。",
                "设备 QK-900 的零件包括哪些？",
                "设备 QK-900 的零件包括转子、密封环和底座。",
            ),
            Fact(
                "如果管道 M7 出现裂纹，应当立即停止供料。",
                "管道 M7 在什么情况下应当立即停止供料？",
                "管道 M7 出现裂纹时，应当立即停止供料。",
            ),
            Fact(
                "备用管道不适用 45 天的校准周期，但雨季除外。",
                "备用管道在什么季节例外地适用校准周期？",
                "备用管道在雨季适用校准周期。",
            ),
        ],
    },
    "目录\n\n合金与溶剂………………1\n塔拉仪的校准………………4\n管道与设备………………9\n\n## 联络处\n\n城东站 青禾路 18 号\n\n城西站 云汐街 7 号\n\n",
    (
        "本文主要介绍了什么内容？",
        "上述设备由谁制造？",
        "它的熔点是多少？",
        "如下图所示的管道有多长？",
        "合金 ZX-99 的熔点是多少？",
    ),
    ("塔拉仪的发明者是谁？", "鸥林醇的价格是多少？"),
    ("资料未提及", "很抱歉，资料中没有提到这一点。"),
    "根据上述材料，",
    re.compile(r"本文|上文|上述|该(?:文|表|图|段)|文中|如(?:上|下)图?所?示|第?\d+章中提到|根据(?:以上|材料|文本)|^它"),
)
EN = Handbook(
    "en",
    {
        "Alloys and solvents": [
            Fact(
                "The alloy ZX-71 melts at 1234.5 kelvin.",
                "At what temperature does the alloy ZX-71 melt?",
                "The alloy ZX-71 melts at 1234.5 kelvin.",
                "1234.5",
            ),
            Fact(
                "The alloy ZX-71 is smelted by the Lantine foundry in three passes.",
                "Which foundry smelts the alloy ZX-71?",
                "The Lantine foundry smelts the alloy ZX-71.",
            ),
            Fact(
                "The solvent ulinol boils at 87.3 degrees Celsius and burns in an open flame.",
                "At how many degrees Celsius does the solvent ulinol boil?",
                "The solvent ulinol boils at 87.3 degrees Celsius.",
                "87.3",
            ),
            Fact(
                "Tanks of ulinol are kept closed because the solvent evaporates easily.",
                "Why are tanks of ulinol kept closed?",
                "Tanks of ulinol are kept closed because the solvent evaporates easily.",
            ),
            Fact(
                "Each tank holds 260 litres of ulinol and 40 litres of empty space.",
                "How many litres of ulinol does each tank hold?",
                "Each tank holds 260 litres of ulinol.",
                fault="Each tank holds 280 litres of ulinol.",
            ),
        ],
        "Calibrating the talameter": [
            Fact(
                "The talameter is calibrated every 45 days.",
                "How often is the talameter calibrated?",
                "The talameter is calibrated every 45 days.",
                "45",
            ),
            Fact(
                "To calibrate the talameter, first close the valve, then set the needle to zero, and finally check it against a gauge block.",
                "How is the talameter calibrated?",
                "First close the valve, then set the needle to zero, and finally check it against a gauge block.",
            ),
            Fact(
                "If the needle of the talameter is off zero by more than 0.6 millimetres, the talameter is sent to repair.",
                "By how many millimetres must the needle be off zero before the talameter is sent to repair?",
                "The talameter is sent to repair if its needle is off zero by more than 0.6 millimetres.",
                fault="The talameter is sent to repair if its needle is off zero by more than 0.8 millimetres.",
            ),
            Fact(
                "The powder borash must never come into contact with water and is stored dry.",
                "With what must the powder borash never come into contact?",
                "The powder borash must never come into contact with water.",
                "borash must never come into contact with water",
            ),
        ],
        "Pipes and devices": [
            Fact(
                "The greatest pressure of pipe M7 is 3.2 MPa.",
                "What is the greatest pressure of pipe M7?",
                "The greatest pressure of pipe M7 is 3.2 MPa.",
                "3.2",
            ),
            Fact(
                "The device QK-900 is made by the Yunxi works and carries a plate.",
                "Which works make the device QK-900?",
                "The device QK-900 is made by the Yunxi works.",
                "Yunxi works",
            ),
            Fact(
                "The parts of the device QK-900 include the rotor, the sealing ring and the base.",
                "What parts does the device QK-900 include?",
                "The parts of the device QK-900 include the rotor, the sealing ring and the base.",
            ),
            Fact(
                "If a crack appears in pipe M7, the feed is stopped at once.",
                "Under what condition is the feed of pipe M7 stopped at once?",
                "The feed is stopped at once if a crack appears in pipe M7.",
            ),
            Fact(
                "Spare pipes need no calibration every 45 days, except in the rainy season.",
                "When do spare pipes need calibration as an exception?",
                "Spare pipes need calibration in the rainy season.",
            ),
        ],
    },
    "Contents\n\nAlloys and solvents ........ 1\nCalibrating the talameter ........ 4\nPipes and devices ........ 9\n\n"
    "## Branches\n\nEast branch, 18 Qinghe Road\n\nWest branch, 7 Yunxi Street\n\n",
    (
        "What does the passage describe in detail?",
        "Who made the device mentioned above?",
        "What is it used for in the works?",
        "How long is the pipe shown in the figure below?",
        "At what temperature does the alloy ZX-99 melt?",
    ),
    ("Who invented the talameter?", "What is the price of ulinol?"),
    ("not in the material", "The material does not mention this."),
    "According to the passage, ",
    re.compile(r"\b(?:passage|text|above|below|figure|article)\b|^(?:what|how) (?:is|does) it\b", re.I),
)
