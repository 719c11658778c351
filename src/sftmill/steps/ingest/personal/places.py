"""Postal addresses down to the house: Chinese from province to room, English from house number to postcode."""

import re
from collections.abc import Iterator

from sftmill.steps.ingest.personal.finds import HAN, Find
from sftmill.text.lazy import lazy_pattern

_PROVINCES = (
    "北京|天津|上海|重庆|重慶|河北|山西|内蒙古|辽宁|遼寧|吉林|黑龙江|黑龍江|江苏|江蘇|浙江|安徽|福建|江西|山东|山東|河南|湖北|湖南|广东|廣東|广西|廣西|海南|四川|贵州|貴州|云南|雲南|西藏|陕西|陝西|甘肃|甘肅|"
    "青海|宁夏|寧夏|新疆|台湾|台灣|臺灣|香港|澳门|澳門"
)
_CITIES = (
    "石家庄|唐山|保定|太原|大同|沈阳|大连|长春|哈尔滨|南京|苏州|无锡|常州|南通|徐州|扬州|杭州|宁波|温州|嘉兴|绍兴|金华|台州|合肥|芜湖|福州|厦门|泉州|南昌|济南|青岛|烟台|潍坊|郑州|洛阳|武汉|宜昌|襄阳|"
    "长沙|株洲|岳阳|广州|深圳|珠海|佛山|东莞|中山|惠州|汕头|南宁|桂林|柳州|海口|三亚|成都|绵阳|贵阳|遵义|昆明|大理|拉萨|西安|咸阳|兰州|西宁|银川|乌鲁木齐|呼和浩特|包头|台北|臺北|高雄|台中|臺中|新北|桃园"
)
_REGION = lazy_pattern(
    rf"(?:{_PROVINCES}|{_CITIES})(?:省|市|特别行政区|特別行政區|(?:壮族|回族|维吾尔)?自治区)?(?![街道路大])"
)
_NUMBER = r"(?:[甲乙丙丁附]?[0-9]{1,5}[A-Za-z]?(?:[\-/][0-9]{1,5})?|[一二三四五六七八九十百零〇]{1,5})"
# The last character of what a house stands in; looked back from where it needs more.
_ROAD = (
    "[街道路巷弄同里村庄莊屯组組区區园園苑场場厦廈心段环環堤坊坪湾灣桥橋舍际際城府郡庭居寨](?:(?<![同组組区區场場厦廈心段舍际際居])|(?<=胡同)|(?<=[村社庄屯][组組])|(?<=[社小园][区區])|(?<=[广廣][场場])"
    "|(?<=大[厦廈])|(?<=中心)|(?<=[东東西南北中一二三四五六七八九]段)|(?<=宿舍)|(?<=[国國][际際])|(?<=[安新丽民雅]居))"
)
_UNIT = rf"(?:[ \-]?{_NUMBER}[ ]?(?:[号號](?:[院楼樓])?|弄|支弄|[栋棟幢座]|[单單]元|[楼樓層层](?!梯)|室|[户戶房](?!屋|产|產|价)|[区區期](?!间|間|分)|[组組](?!织|織|成|合))|[ \-]?[A-Za-z][ ]?(?:[座幢栋棟]|[号號]?[楼樓]))"
_ROOM_NUMBER = r"(?:[ ]?[0-9]{1,5}(?:[\-#舍][0-9]{1,5}){0,3}(?![0-9A-Za-z年月日天元个]))"
_ROOM = r"[ \-]?(?:[A-Za-z]?[0-9]{2,5}[A-Za-z]?(?:室|房(?!屋|产|產)|[户戶])?|[A-Za-z](?:[栋棟幢座]|[区區]))"
# From the road to the room; what lies before it is looked for to the left.
_HOUSE = lazy_pattern(
    rf"(?P<road>{_ROAD})(?:[东東西南北中]段|[东東西南北]侧)?[ ]?(?:\([^()\n]{{1,12}}\))?"
    rf"(?:[ ]?{_NUMBER}[组組队隊社](?={_NUMBER}[号號]))?(?P<house>[ ]?{_NUMBER}[ ]?(?:[号號](?!令|文|线|線|楼令|标|標|机|機|桌|车|車|煤|井|台|机|公告|通知|決|决|窗|门诊|染|店|馆)|弄|[栋棟幢座](?!标|谈)|[单單]元|室))"
    rf"(?:(?:(?:院|大院|楼|樓|附近)?(?:[{HAN}]{{2,10}}?(?=[0-9A-Za-z\-一二三四五六七八九十]))?{_UNIT})|[{HAN}]{{2,8}}?(?:大[厦廈]|[广廣][场場]|小[区區]|花[园園]|公寓|中心|[宿]舍|[家]?[苑园園]|新村|[家]属院|大院)){{0,5}}(?:[{HAN}]{{0,4}}[苑舍楼樓座园園院区區]{_ROOM_NUMBER})?(?:{_ROOM}(?=[^0-9A-Za-z]|\Z))?{_ROOM_NUMBER}?"
)
# 龙腾苑四区12号楼3单元601室: no road is named.
_BUILDING = lazy_pattern(
    r"[0-9](?<![0-9A-Za-z.][0-9])[0-9]{0,3}[ ]?(?:[号號][楼樓]|[栋棟幢座])[ ]?(?:[0-9A-Za-z一二三四五六七八九]{1,3}[ ]?(?:[单單]元|[门門]|梯)[ ]?)?"
    r"[0-9]{2,4}(?:室|房(?!屋|产|產)|[户戶])?(?![0-9年月日])"
)
_ADMIN = lazy_pattern(rf"[{HAN}]{{1,7}}?(?:省|自治[区區州]|市|[区區]|[县縣]|旗|盟|[镇鎮]|[乡鄉]|街道)")
_STRONG_CUT = lazy_pattern(
    r".*(?:住在|居住[在于於]|家住|[现現]住|住址|地址|位[于於]|坐落[在于於]?|[寄送]到|[寄送]往|[寄送]至|前往|[发發]往|[来來]到|[搬迁遷][到至往])[是为為]?"
)
_CUT = lazy_pattern(
    r".*(?:在|[于於]|到|至|往|[为為](?!民)|[是从從]|向(?![阳陽])|[住去的与與及]|和(?![平谐諧睦田顺順]))"
)
_FIELD = lazy_pattern(
    rf"(?<![{HAN}A-Za-z])(?:(?:家庭|[联聯][系繫絡络]|[通][讯訊信]|居住|[现現]|[户戶]籍(?:所在)?|[收寄][货貨件]|[详詳][细細]|[邮郵]寄|[办辦]公|[单單]位|[送][货貨]|[实實][际際]|注册|[经經][营營])?(?:住 {{0,6}}址|地 {{0,6}}址|住所地?)|籍[贯貫]|[现現]住址?|家住)"
    rf"[ \t]*[:=|][ \t*\"'|]*(?P<value>[{HAN}][{HAN}0-9A-Za-z\-#()/ ]{{4,70}})"
)
_COMPONENT = lazy_pattern(
    r"省|自治[区區州]|市|[区區]|[县縣]|[镇鎮]|[乡鄉]|村|[街道路巷弄]|胡同|[号號栋棟幢室]|[单單]元|小[区區]|花[园園]|公寓|大[厦廈]"
)
_FIELD_END = lazy_pattern(r"(?: (?=[^ ]{1,8}[:=|])| {2,}|[电電][话話]|[邮郵][编編箱]|手[机機]|[联聯][系繫])")

_STREET = r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Way|Terrace|Ter|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Crescent|Cres|Close|Row|Gardens|Mews|Hill|Walk|Alley|Trail|Broadway)"
_WORD = r"(?:[A-Z][A-Za-z'’.\-]*|[0-9]{1,3}(?:st|nd|rd|th))"
_EN_STREET = lazy_pattern(
    rf"(?P<number>[0-9](?<![0-9A-Za-z_.,$€£\-][0-9])[0-9]{{0,5}}[A-Za-z]?(?:-[0-9]{{1,5}})?),?[ ]+(?:[NSEW]{{1,2}}\.?[ ]+)?(?P<name>(?:{_WORD}[ ]+){{1,4}}?)(?P<kind>{_STREET})\b(?![ ]+{_STREET}\b)\.?(?:[ ]+(?:North|South|East|West|[NSEW]{{1,2}})\b\.?)?"
    r"(?P<rest>(?:,?[ ]*(?:Apt|Apartment|Suite|Ste|Unit|Flat|Room|Rm|Floor|Fl|Building|Bldg|#)\.?[ ]*#?[0-9A-Za-z\-]{1,6}\b)?(?:,[ \n]+[A-Z][A-Za-z.'\-]+(?:[ ][A-Z][A-Za-z.'\-]+){0,2}){0,3}"
    r"(?:,?[ ]+(?:[A-Z]{2}|[A-Z][a-z]+(?:[ ][A-Z][a-z]+)?),?[ ]+[0-9]{5}(?:-[0-9]{4})?|,?[ ]+[A-Z]{1,2}[0-9][0-9A-Z]?[ ][0-9][A-Z]{2}|,?[ ]+[0-9]{5,6})?)(?![A-Za-z0-9])"
)
_SURE = frozenset(
    ("Street", "St", "Avenue", "Ave", "Road", "Rd", "Boulevard", "Blvd", "Lane", "Ln", "Terrace", "Parkway", "Crescent")
)
_EN_CUE = lazy_pattern(
    r"(?:address|live[sd]?|living|residing|resid(?:es?|ed)|located|home|deliver(?:ed)?|ship(?:ped)?|mail(?:ed)?|sent?|moved|at|to|visit|office)\b[^.\n]{0,24}\Z",
    re.I,
)
_POST_BOX = lazy_pattern(
    r"P(?<![A-Za-z]P)\.? ?O\.? Box [0-9]{1,6}(?:,[ ]+[A-Z][A-Za-z.'\-]+(?:[ ][A-Z][A-Za-z.'\-]+){0,2}){0,2}(?:,?[ ]+(?:[A-Z]{2}[ ]+)?[0-9]{5}(?:-[0-9]{4})?)?"
)
_EN_FIELD = lazy_pattern(
    r"(?<![A-Za-z])(?:(?:home|mailing|street|postal|billing|shipping|residential|delivery|current|permanent|contact)[ ]?address|(?<![A-Za-z] )address)[ \t]*[:=|][ \t*\"']*(?P<value>(?=[^\n;|]{0,30}[0-9])[0-9A-Z][^\n;|@=<>{}]{8,100})",
    re.I,
)

_SENTENCE_END = lazy_pattern(
    r"(?<!\bSt)(?<!\bAve)(?<!\bRd)(?<!\bDr)(?<!\bBlvd)(?<!\bLn)(?<!\bApt)(?<!\bNo)(?<!\bBldg)(?<!\b[A-Z])\.(?=\s|\Z)"
)


def find_places(text: str, chinese: bool) -> Iterator[Find]:
    """Yield postal addresses that reach down to a house, or fill a field such as 家庭住址."""
    if chinese:
        last = 0
        for match in _HOUSE.finditer(text):
            start = _begin(text, match.start(), last)
            if start < match.start():
                yield Find(start, match.end(), "address")
                last = match.end()
        for match in _BUILDING.finditer(text):
            start = _begin(text, match.start(), 0)
            if start < match.start():
                yield Find(start, match.end(), "address")
        for match in _FIELD.finditer(text) if "址" in text or "住" in text or "籍" in text else ():
            end = _FIELD_END.search(text, match.start("value"), match.end())
            stop = end.start() if end else match.end()
            value = text[match.start("value") : stop].rstrip(" -(/")
            if len(_COMPONENT.findall(value)) >= 2:
                yield Find(match.start("value"), match.start("value") + len(value), "address")
    for match in _EN_STREET.finditer(text):
        if _is_street(text, match):
            yield Find(match.start(), match.end(), "address")
    for match in _POST_BOX.finditer(text):
        yield Find(match.start(), match.end(), "address")
    for match in _EN_FIELD.finditer(text) if "ddress" in text or "DDRESS" in text else ():
        value = _SENTENCE_END.split(match["value"], maxsplit=1)[0].rstrip()
        if (
            len(re.findall(r"[A-Za-z]{2,}", value)) >= 2
            and re.search(r"[0-9]{1,6}[ ,]|[ ][0-9]{3,6}\Z", value)
            and "://" not in value
        ):
            yield Find(match.start("value"), match.start("value") + len(value), "address")


_LEFT = lazy_pattern(f"[{HAN}0-9A-Za-z]")


def _begin(text: str, road: int, floor: int) -> int:
    """Return where the address begins whose road name ends at `road`."""
    start = road
    while start > floor and road - start < 40 and _LEFT.match(text, start - 1):
        start -= 1
    run = text[start:road]
    if cut := _STRONG_CUT.match(run):
        return start + cut.end() if start + cut.end() < road else road
    if region := _REGION.search(text, start, road + 1):
        return region.start()
    if weak := _CUT.match(run):
        start += weak.end()
        run = text[start:road]
    if not run:
        return road
    if weak:
        return max(start, road - 24)
    if admin := _ADMIN.search(run):
        return start + admin.start()
    return max(start, road - 8)


def _is_street(text: str, match: re.Match[str]) -> bool:
    weak = match["kind"] not in _SURE
    number = "".join(c for c in match["number"] if c.isdigit())
    rest = match["rest"].strip(" ,")
    if (len(number) == 4 and 1500 <= int(number) <= 2099) or weak:
        return bool(rest) or bool(_EN_CUE.search(text[max(0, match.start() - 40) : match.start()]))
    return True
