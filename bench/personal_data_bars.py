"""How well personal data is masked: planted in real passages beside near misses, found again or not.

    python bench/personal_data_bars.py [--full] [--show]

Everything planted is made up from a seed: numbers with right check digits, names from lists, addresses
from parts. The passages come from the shared data where it is there, else from sentences below.
Ends with `ok|short <name> <measured> <bar>` for recall and precision.
"""

import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from common import REPOSITORY, Result, finish
from sftmill.steps.ingest.personal.masking import find_personal
from sftmill.steps.ingest.personal_data import PersonalData

SHARED = REPOSITORY.parent / "shared" / "data"
RECALL, PRECISION = 0.98, 0.95
KINDS = PersonalData().kinds

OWN_PASSAGES = {
    "zh": [
        "机房的进风温度应当保持在十八到二十七摄氏度之间，湿度不超过百分之六十。",
        "合同一方迟延履行的，另一方可以催告其在合理期限内履行。",
        "服药期间应当定期检查肝功能，出现皮疹时停药。",
    ],
    "en": [
        "The battery room is kept at 15 to 25 degrees, and its fans are tested once a month.",
        "A party that is late may be asked to perform within a reasonable time.",
        "Stop the medicine when a rash appears, and have the liver checked.",
    ],
}

Random = random.Random
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤"
COMPOUNDS = ("欧阳", "司马", "上官", "诸葛", "慕容", "皇甫", "令狐", "尉迟", "司徒", "夏侯")
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红梅鑫波斌宇浩凯健俊帆雪帅旭宁龙林欢佳凤洁建国志文晓思雨子轩梓涵一诺欣怡嘉豪博瑞泽美琳婷倩颖露瑶春生德福海燕"
MINORITY = ("阿卜杜拉·买买提", "古丽娜尔·艾山", "扎西·多吉", "迪丽努尔·吐尔逊", "巴特尔·孟和")
FIRST = "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas Karen Priya Ahmed Chloe Siobhan Mateo Ingrid"
LAST = "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Wilson Anderson Taylor Moore Jackson Martin Thompson White Harris O'Brien McDonald Nguyen Patel Kowalski Fitzgerald"
CITIES = (
    ("北京市", "海淀区"),
    ("上海市", "浦东新区"),
    ("广东省广州市", "天河区"),
    ("浙江省杭州市", "余杭区"),
    ("四川省成都市", "武侯区"),
    ("江苏省苏州市", "昆山市"),
    ("新疆维吾尔自治区乌鲁木齐市", "天山区"),
    ("湖北省武汉市", "洪山区"),
    ("山东省", "莱西市"),
)
ROADS = ("中山路", "人民南路", "建设大街", "文化东路", "长江大道", "解放巷", "和平里", "学院路", "滨河西路", "花园街")
ESTATES = ("阳光花园", "翠湖小区", "世纪公寓", "金桂苑", "幸福新村", "")
DIGITS = "0123456789"
FULL_WIDTH = {ord(c): chr(ord(c) + 0xFEE0) for c in DIGITS}


def digits(rng: Random, count: int) -> str:
    """Return random digits."""
    return "".join(rng.choice(DIGITS) for _ in range(count))


def luhn_digit(number: str) -> str:
    """Return the digit that makes `number` pass the Luhn check."""
    total = sum(sum(divmod(int(c) * 2, 10)) if i % 2 == 0 else int(c) for i, c in enumerate(reversed(number)))
    return str(-total % 10)


def identity_check(number: str) -> str:
    """Return the check character of a resident identity number (ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(int(c) * 2 ** (17 - i) for i, c in enumerate(number)) % 11]


def identity(rng: Random) -> str:
    """Return a valid resident identity number."""
    place = rng.choice(("110105", "310115", "440305", "330106", "510107", "420111", "650102", "320583"))
    body = f"{place}{rng.randint(1950, 2010)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{digits(rng, 3)}"
    return body + identity_check(body)


def grouped(number: str, sizes: tuple[int, ...], mark: str) -> str:
    """Return a number in groups."""
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return mark.join([*parts, number[at:]] if number[at:] else parts)


def zh_name(rng: Random) -> str:
    """Return a Chinese name of two to four characters."""
    surname = rng.choice(COMPOUNDS) if rng.random() < 0.08 else rng.choice(SURNAMES)
    return surname + "".join(rng.choice(GIVEN) for _ in range(rng.choice((1, 2, 2))))


def en_name(rng: Random) -> str:
    """Return an English name, now and then with a middle initial."""
    middle = f" {rng.choice('ABCDEFGHJKLMPRST')}." if rng.random() < 0.15 else ""
    return f"{rng.choice(FIRST.split())}{middle} {rng.choice(LAST.split())}"


def mobile(rng: Random) -> str:
    """Return a Chinese mobile number in one of many forms."""
    number = rng.choice(("13", "15", "16", "17", "18", "19")) + digits(rng, 9)
    return rng.choice(
        (
            number, number, number,
            grouped(number, (3, 4, 4), "-"), grouped(number, (3, 4, 4), " "), grouped(number, (3, 3, 5), " "), grouped(number, (3, 4, 4), "—"),
            f"+86{number}", f"+86 {number}", f"+86-{grouped(number, (3, 4, 4), '-')}", f"0086{number}", f"(+86) {grouped(number, (3, 4, 4), ' ')}", f"86-{number}",
            number.translate(FULL_WIDTH),
        )
    )  # fmt: skip


def zh_phone(rng: Random) -> str:
    """Return a landline with its area code, or a 400 number."""
    if rng.random() < 0.2:
        return rng.choice(("400-{}-{}", "400 {} {}", "800-{}-{}")).format(digits(rng, 3), digits(rng, 4))
    area, size = rng.choice((("010", 8), ("021", 8), ("0571", 8), ("0755", 8), ("0991", 7), ("0371", 8), ("0872", 7)))
    local = rng.choice("2345678") + digits(rng, size - 1)
    written = rng.choice(("{}-{}", "({}){}", "（{}）{}", "{} {}", "{}—{}")).format(area, local)
    return written + rng.choice(("", "", "", "-8012", "转6021"))


def bank_card(rng: Random) -> str:
    """Return a card number that passes the Luhn check."""
    body = rng.choice(("622202", "621700", "622848", "625912", "411111", "520082"))
    body += digits(rng, 15 - len(body) if body[0] in "45" else 18 - len(body) - rng.choice((0, 3)))
    number = body + luhn_digit(body)
    return rng.choice(
        (
            number,
            number,
            grouped(number, (4, 4, 4, 4), " "),
            grouped(number, (4, 4, 4, 4), "-"),
            number.translate(FULL_WIDTH),
        )
    )


def mail(rng: Random) -> str:
    """Return a mail address of a made-up person."""
    local = rng.choice(("{}.{}", "{}_{}", "{}{}", "{}-{}")).format(
        rng.choice(FIRST.split()).lower(), digits(rng, rng.randint(2, 4))
    )
    return f"{local}@{rng.choice(('qq.com', '163.com', 'gmail.com', 'sina.com.cn', 'mail.hitech-group.cn', 'outlook.com', 'uni-koeln.de'))}"


def zh_address(rng: Random) -> str:
    """Return an address down to the house or the room."""
    city, district = rng.choice(CITIES)
    head = rng.choice((city + district, city + district, district))
    number = rng.choice(
        (
            f"{rng.randint(1, 999)}号",
            f"{rng.randint(1, 99)}号",
            f"甲{rng.randint(1, 30)}号",
            f"{rng.randint(10, 99)}-{rng.randint(1, 9)}号",
        )
    )
    estate = rng.choice(ESTATES)
    room = rng.choice(
        (
            f"{rng.randint(1, 30)}栋{rng.randint(1, 6)}单元{rng.randint(101, 2904)}室",
            f"{rng.randint(1, 30)}号楼{rng.randint(101, 2904)}室",
            f"{rng.randint(1, 30)}幢{rng.randint(101, 2904)}",
            "",
        )
    )
    return head + rng.choice(ROADS) + number + (estate + room if room else estate)


def en_address(rng: Random) -> str:
    """Return a street address, with or without town and postcode."""
    street = f"{rng.randint(1, 9899)} {rng.choice(('Maple', 'Oak Hill', 'Washington', 'Cedar', '42nd', 'Lakeview', 'St. James'))} {rng.choice(('Street', 'St.', 'Avenue', 'Ave', 'Road', 'Lane', 'Boulevard'))}"
    return street + rng.choice(
        (
            "",
            f", Apt {rng.randint(1, 40)}B",
            f", Springfield, IL {digits(rng, 5)}",
            f", Suite {rng.randint(100, 900)}, Portland, OR {digits(rng, 5)}",
        )
    )


def plate(rng: Random) -> str:
    """Return a licence plate, of the old or the new-energy form."""
    head = rng.choice("京沪粤浙川苏鲁豫鄂湘") + rng.choice("ABCDEF")
    tail = rng.choice(
        (
            digits(rng, 5),
            f"{rng.choice('ABCDEFGH')}{digits(rng, 4)}",
            f"D{digits(rng, 5)}",
            f"{digits(rng, 2)}{rng.choice('KLMNP')}{digits(rng, 2)}",
        )
    )
    return head + rng.choice(("", "", "·")) + tail


def birth(rng: Random) -> str:
    """Return a date of birth in a Chinese form."""
    y, m, d = rng.randint(1940, 2015), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice((f"{y}年{m}月{d}日", f"{y}-{m:02}-{d:02}", f"{y}/{m}/{d}", f"{y}.{m:02}.{d:02}", f"{y}年{m}月"))


Maker = Callable[[Random], str]
ZH: list[tuple[str, Maker, tuple[str, ...]]] = [
    ("mobile", mobile, ("手机：{}。", "请拨打{}咨询。", "联系电话{}，随时可以联系。", "他的号码是{}", "（电话：{}）", "微信同号 {}；", "如有疑问请致电{}。", "收件人电话\n{}\n")),
    ("phone", zh_phone, ("电话：{}。", "办公室座机{}，", "传真：{}\n", "客服热线 {}", "拨打{}预约。", "监督电话是{}。")),
    ("id_card", identity, ("身份证号：{}。", "身份证号码为{}，", "证件号码 {}", "公民身份号码{}。", "编号{}的居民", "持{}办理")),
    ("bank_card", bank_card, ("银行卡号：{}。", "请汇至{}（工商银行）", "卡号 {}，户名见附件", "账号：{}\n", "收款账户{}。")),
    ("email", mail, ("邮箱：{}。", "请发邮件至{}，", "E-mail: {}", "（{}）", "联系{}获取")),
    ("address", zh_address, ("住址：{}。", "家住{}，", "寄到{}。", "地址：{}\n", "他住在{}。", "搬至{}居住")),
    ("name", zh_name, ("姓名：{}，", "姓名: {}\n", "联系人：{}。", "联系人{}，", "患者：{}，男，", "患者{}，女，45岁", "尊敬的{}先生：", "{}女士到场。", "法定代表人：{}\n", "收件人：{} ", "经办人：{}；", "原告{}，", "请与{}先生联系", "投保人姓名：{}。", "主治医师：{}\n", "我叫{}，", "申请人：{}，", "持卡人：{}。")),
    ("name", lambda rng: rng.choice(MINORITY), ("姓名：{}，", "联系人：{}。", "患者：{}\n")),
    ("passport", lambda rng: rng.choice("EGD") + digits(rng, 8), ("护照号码：{}。", "护照号{}，", "护照：{}\n")),
    ("plate", plate, ("车牌号：{}。", "驾驶{}小型轿车", "车辆{}停放")),
    ("account", lambda rng: rng.choice(("wxid_{}", "li{}wei", "Sunny-{}")).format(digits(rng, 4)), ("微信号：{}。", "加微信: {} ", "微信号为{}，")),
    ("account", lambda rng: rng.choice("123456789") + digits(rng, rng.randint(5, 9)), ("QQ：{}。", "QQ号{}，", "qq: {}\n")),
    ("birth_date", birth, ("出生日期：{}。", "生日：{}，", "出生年月：{} ")),
    ("record", lambda rng: rng.choice(("", "ZY", "M")) + digits(rng, rng.randint(6, 10)), ("病历号：{}。", "住院号：{}，", "门诊号{} ", "学号：{}\n", "工号：{}，")),
]  # fmt: skip
EN: list[tuple[str, Maker, tuple[str, ...]]] = [
    ("phone", lambda rng: rng.choice(("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "+1-{}-{}-{}")).format(rng.randint(201, 989), rng.randint(200, 999), digits(rng, 4)), ("Phone: {}. ", "Call me at {}, please. ", "You can reach her on {}. ", "Fax {}; ", "(tel. {}) ")),
    ("phone", lambda rng: rng.choice(("+44 20 {} {}", "+49 30 {}{}", "+33 1 {}{}", "020 {} {}")).format(digits(rng, 4), digits(rng, 4)), ("Tel: {}. ", "Mobile {}, ", "Contact number: {}\n")),
    ("mobile", mobile, ("Mobile: {}. ", "Call {} today. ")),
    ("email", mail, ("Email: {}. ", "Write to {}, please. ", "<{}> ")),
    ("name", en_name, ("Name: {}. ", "Patient: {}, ", "Dear {},\n", "My name is {}. ", "Please contact {} for details. ", "Customer name: {}\n", "Attn: {}\n", "Mr. {} agreed. ", "Ms. {} signed. ", "Dear Dr. {},\n", "Sincerely,\n{}\n", "Contact person: {}; ", "Applicant: {}. ")),
    ("name", lambda rng: rng.choice(LAST.split()), ("Dear Mr. {}, ", "Mrs. {} called. ", "Dear Ms {}:\n")),
    ("address", en_address, ("Address: {}. ", "She lives at {}. ", "Ship to {}\n", "Mailing address: {}; ")),
    ("ssn", lambda rng: f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{digits(rng, 4)}", ("SSN: {}. ", "Social Security Number {}, ", "her social security no. is {}. ")),
    ("bank_card", bank_card, ("Card number: {}. ", "Charge {} please. ", "credit card {}; ")),
    ("passport", lambda rng: rng.choice("EGX") + digits(rng, 8), ("Passport No. {}. ", "passport number: {}, ")),
    ("birth_date", lambda rng: rng.choice((f"{rng.randint(1940, 2010)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}", f"0{rng.randint(1, 9)}/1{rng.randint(0, 9)}/{rng.randint(1940, 2010)}", f"March {rng.randint(1, 28)}, {rng.randint(1940, 2010)}", f"{rng.randint(1, 28)} October {rng.randint(1940, 2010)}")), ("DOB: {}. ", "Date of birth: {}, ", "Birthday: {}. ")),
    ("record", lambda rng: rng.choice(("", "A", "MR-")) + digits(rng, 7), ("MRN: {}. ", "Medical record number: {}, ", "Patient ID: {}. ")),
    ("account", lambda rng: rng.choice(("sam_{}", "lee{}x")).format(digits(rng, 4)), ("WeChat ID: {}. ", "WeChat: {}, ")),
]  # fmt: skip


def wrong_identity(rng: Random) -> str:
    """Return a number of 18 digits whose check character is wrong."""
    number = identity(rng)
    return number[:17] + rng.choice([c for c in DIGITS if c != number[17]])


def wrong_card(rng: Random) -> str:
    """Return a number of 19 digits whose Luhn digit is wrong."""
    body = "6222" + digits(rng, 14)
    return body + str((int(luhn_digit(body)) + rng.randint(1, 9)) % 10)


ZH_NEAR: list[tuple[Maker, tuple[str, ...]]] = [
    (wrong_identity, ("流水号：{}。", "序列号{}，")),
    (wrong_card, ("订单号：{}。", "交易流水{}，", "单据{}。")),
    (lambda rng: rng.choice(("13", "15", "18")) + digits(rng, 9), ("订单编号：{}。", "播放量{}次，", "金额{}元，", "快递单号{}。")),
    (lambda rng: digits(rng, 10), ("批号{}，", "统计值为{}人。")),
    (lambda rng: f"{rng.randint(1, 99)},{digits(rng, 3)},{digits(rng, 3)}.{digits(rng, 2)}", ("共计{}元。", "总资产{}元，")),
    (lambda rng: f"{rng.randint(1990, 2025)}年{rng.randint(1, 12)}月{rng.randint(1, 28)}日", ("自{}起施行。", "于{}发布，")),
    (lambda rng: f"{rng.randint(1990, 2025)}-{rng.randint(10, 12)}-{rng.randint(10, 28)} {rng.randint(10, 23)}:{rng.randint(10, 59)}:{rng.randint(10, 59)}", ("记录时间{}。", "[{}] INFO ")),
    (lambda rng: f"978-7-{digits(rng, 3)}-{digits(rng, 5)}-{digits(rng, 1)}", ("ISBN {}。",)),
    (lambda rng: f"GB/T {rng.randint(1000, 39999)}-{rng.randint(1990, 2023)}", ("依照{}执行。",)),
    (lambda rng: rng.choice(("110", "120", "12345", "95588", "10086", "12306", "12315")), ("请拨打{}。", "热线{}全天开通。", "电话：{}，")),
    (lambda rng: rng.choice(("user@example.com", "root@localhost", "admin@test.example.org", "name@host.invalid")), ("例如{}。", "邮箱填写{}即可，")),
    (lambda rng: rng.choice(("王某", "李某某", "张××", "赵某甲")), ("原告{}，", "患者{}，男，", "姓名：{}。")),
    (lambda rng: f"第{rng.randint(1, 1260)}条", ("依据{}规定，",)),
    (lambda rng: f"192.168.{rng.randint(0, 255)}.{rng.randint(1, 254)}", ("服务器地址为{}，", "网关：{}。")),
    (lambda rng: f"v{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 99)}", ("升级到{}，",)),
    (lambda rng: f"国药准字H{digits(rng, 8)}", ("批准文号：{}。",)),
    (lambda rng: f"{rng.randint(1600000000000, 1799999999999)}", ("时间戳{}，",)),
    (lambda rng: "".join(rng.choice("0123456789abcdef") for _ in range(32)), ("校验和{}。", "提交{}，")),
    (lambda rng: f"91{digits(rng, 6)}MA{digits(rng, 7)}K", ("统一社会信用代码：{}。",)),
    (lambda rng: rng.choice(("高血压", "应届生", "无", "经理", "未填写", "单位负责人", "中国银行股份有限公司")), ("患者：{}；", "申请人：{}。", "联系人：{}。")),
    (lambda rng: rng.choice(("鲁迅", "李白", "牛顿", "曹雪芹", "王安石")), ("{}的作品影响深远。", "据{}所说，")),
    (lambda rng: f"{rng.randint(1, 30)}号线", ("乘坐地铁{}。",)),
]  # fmt: skip
EN_NEAR: list[tuple[Maker, tuple[str, ...]]] = [
    (wrong_card, ("Order number: {}. ", "Tracking no. {}; ")),
    (lambda rng: digits(rng, 10), ("Invoice {}: ", "timestamp={} ")),
    (lambda rng: f"{rng.randint(1, 99)},{digits(rng, 3)},{digits(rng, 3)}", ("a total of {} people. ", "${} in sales. ")),
    (lambda rng: f"978-0-{digits(rng, 3)}-{digits(rng, 5)}-{digits(rng, 1)}", ("ISBN {}. ",)),
    (lambda rng: f"{rng.randint(1800, 2020)}-{rng.randint(10, 12)}-{rng.randint(10, 28)}", ("Released on {}. ",)),
    (lambda rng: rng.choice(("user@example.com", "root@localhost", "getty@tty1.service", "me@mail.example.org")), ("such as {}. ",)),
    (lambda rng: rng.choice(("Isaac Newton", "Jane Austen", "Charles Darwin")), ("as {} wrote. ", "by {}, ")),
    (lambda rng: rng.choice(("911", "311", "988", "999")), ("Call {} at once. ", "Phone: {}. ")),
    (lambda rng: f"10.0.{rng.randint(0, 255)}.{rng.randint(1, 254)}", ("gateway {}, ", "IP address: {}. ")),
    (lambda rng: f"{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 99)}-{rng.randint(1, 9)}", ("version {}. ",)),
    (lambda rng: rng.choice(("Sir or Madam", "Customer", "Hiring Manager", "Team")), ("Dear {}, ",)),
    (lambda rng: f"{rng.randint(1900, 2020)}", ("In {} Wall Street fell. ", "the {} Road Act. ")),
    (lambda rng: f"RFC {rng.randint(100, 9000)}", ("see {}. ",)),
    (lambda rng: "".join(rng.choice("0123456789abcdef") for _ in range(40)), ("commit {}. ",)),
    (lambda rng: rng.choice(("config.yaml", "Apache Server", "Debian Linux")), ("File name: {}. ", "Name: {}\n")),
]  # fmt: skip


def passages(rng: Random, count: int) -> tuple[list[tuple[str, str]], str]:
    """Return passages with their language, and a note on where they come from."""
    found: list[tuple[str, str]] = []
    file = SHARED / "qa" / "passages_qa.jsonl"
    if file.is_file():
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found.append(("en" if row["dataset"].endswith("_en") else "zh", row["passage"]))
        found = list(dict.fromkeys(found))
    for path in sorted((SHARED / "books").rglob("*.txt")) if (SHARED / "books").is_dir() else ():
        if "scans" in path.parts:
            continue
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("gb18030", "replace")
        found += [("zh", piece) for piece in re.findall(r"[^\n]{80,600}", text)[:400]]
    if not found:
        return [(lang, text) for lang, texts in OWN_PASSAGES.items() for text in texts] * (
            count // 6 + 1
        ), "own sentences: no shared data"
    rng.shuffle(found)
    english = [pair for pair in found if pair[0] == "en"]
    chinese = [pair for pair in found if pair[0] == "zh"]
    half = count // 2
    return [
        *(english * (half // max(1, len(english)) + 1))[:half],
        *(chinese * (half // len(chinese) + 1))[:half],
    ], "real passages"


def planted(rng: Random, lang: str, passage: str) -> tuple[str, list[tuple[int, int, str]], list[tuple[int, int]]]:
    """Return a passage with personal data and near misses planted, and the spans of both."""
    pieces: list[tuple[str, str, str]] = []
    for _ in range(rng.randint(1, 4)):
        kind, make, frames = rng.choice(ZH if lang == "zh" else EN)
        pieces.append((kind, make(rng), rng.choice(frames)))
    for _ in range(rng.randint(1, 4)):
        make, frames = rng.choice(ZH_NEAR if lang == "zh" else EN_NEAR)
        pieces.append(("", make(rng), rng.choice(frames)))
    rng.shuffle(pieces)
    places = [m.end() for m in re.finditer(r"[。！？\n]|[.!?] ", passage)] or [len(passage)]
    cuts = sorted(rng.choice(places) for _ in pieces)
    text, spans, near, at = "", [], [], 0
    for cut, (kind, value, frame) in zip(cuts, pieces, strict=True):
        text += passage[at:cut]
        at = cut
        head, tail = frame.split("{}")
        start = len(text) + len(head)
        text += head + value + (tail or (" " if value[-1].isascii() else ""))
        (spans.append((start, start + len(value), kind)) if kind else near.append((start, start + len(value))))
    return text + passage[at:], spans, near


def measure(count: int, seed: int = 7) -> Iterator[tuple[str, str, bool, str]]:
    """Yield (what, kind, right, text): "planted" and whether covered, "mask" and whether it belongs to a planted span."""
    rng = random.Random(seed)
    found, _ = passages(rng, count)
    for lang, passage in found:
        before = {passage[f.start : f.end] for f in find_personal(passage, KINDS)}
        text, spans, near = planted(rng, lang, passage)
        finds = find_personal(text, KINDS)
        covered = bytearray(len(text))
        for find in finds:
            covered[find.start : find.end] = b"\1" * (find.end - find.start)
        for start, end, kind in spans:
            yield (
                "planted",
                kind,
                all(covered[i] or text[i].isspace() for i in range(start, end)),
                text[max(0, start - 12) : end + 6],
            )
        for find in finds:
            right = any(find.start < end and start < find.end for start, end, _ in spans)
            if not right and text[find.start : find.end] in before:
                continue  # what stood in the passage before is judged by eye, not here
            missed = any(find.start < end and start < find.end for start, end in near)
            yield (
                "mask",
                find.kind if not missed else f"{find.kind} (near miss)",
                right,
                text[max(0, find.start - 12) : find.end + 6],
            )


def pii(quick: bool) -> list[Result]:
    """Measure recall (planted spans fully masked) and precision (masks that belong to planted spans)."""
    begin = time.process_time()
    seen = list(measure(1000 if quick else 6000))
    kept, masks = Counter(), Counter()
    hits, rights = Counter(), Counter()
    for what, kind, right, _ in seen:
        total, good = (kept, hits) if what == "planted" else (masks, rights)
        total[kind] += 1
        good[kind] += right
    recall = sum(hits.values()) / max(1, sum(kept.values()))
    precision = sum(rights.values()) / max(1, sum(masks.values()))
    by_kind = ", ".join(f"{kind} {hits[kind]}/{kept[kind]}" for kind in sorted(kept))
    rate = speed()
    return [
        Result("pii_recall", recall, RECALL, at_least=True, note=f"{sum(kept.values())} planted; {by_kind}"),
        Result(
            "pii_precision",
            precision,
            PRECISION,
            at_least=True,
            note=f"{sum(masks.values())} masks; {passages(random.Random(0), 2)[1]}; {time.process_time() - begin:.0f} s of CPU",
        ),
        Result("pii_speed", rate, 2.0, at_least=True, unit="MB/s", note="clean text per second of CPU"),
    ]


def speed() -> float:
    """Return megabytes of text (UTF-8) looked at per second of CPU."""
    rng = random.Random(1)
    texts = [text for _, text in passages(rng, 800)[0]]
    find_personal("患者王小明，电话13800138000", KINDS)
    begin = time.process_time()
    for text in texts:
        find_personal(text, KINDS)
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - begin)


def main() -> int:
    """Print what was missed where asked, then the bars."""
    if "--show" in sys.argv:
        for what, kind, right, text in measure(6000 if "--full" in sys.argv else 1000):
            if not right:
                print("MISSED" if what == "planted" else "FALSE ", kind, repr(text))
    return finish(pii(quick="--full" not in sys.argv))


if __name__ == "__main__":
    sys.exit(main())
