"""Numbers of papers and accounts: identity cards, passports, bank cards, licence plates, records, dates of birth."""

import re
from collections.abc import Iterator

from sftmill.steps.ingest.personal.finds import AFTER, BEFORE, Find, digits_of, in_zones, is_other_number, luhn, zones
from sftmill.text.lazy import lazy_pattern

_PROVINCES = frozenset(
    code
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
    for code in range(first, last + 1)
)
_WEIGHTS = [pow(2, 17 - i, 11) for i in range(17)]
_CHECK = "10X98765432"

_GAP = r"[ \t]*(?:[:=|.]|是|[为為]|[第乃]|is\b)?[ \t\"'*]*"
_NUMBER_WORD = r"(?:字?[号號][码碼]?|[编編][号號]| ?(?:no|number|num|nr|id)\b\.?| ?#)?(?: ?\([^()\n0-9]{1,12}\))?"

_ID_CUE = (
    r"(?:身[份分][证證]件?|[证證]件|公民身[份分]|(?<![A-Za-z])(?:(?:resident )?(?:id|identity|identification)(?: card)?(?= ?(?:card|no|number|num|#|:)))"
    r"(?: card)?)"
)
_ID18 = lazy_pattern(rf"(?<![0-9A-Za-z_])(?<![0-9]\.)[1-9](?:[ \-\n]?[0-9]){{16}}[ \-\n]?[0-9Xx]{AFTER}", re.A)
_ID_CUED = lazy_pattern(
    rf"{_ID_CUE}{_NUMBER_WORD}{_GAP}(?P<number>[1-9](?:[ \-]?[0-9]){{13,16}}[ \-]?[0-9Xx]|[A-Z]{{1,2}}[0-9]{{6,9}}(?:\([0-9A]\))?){AFTER}",
    re.A | re.I,
)
_HONG_KONG = lazy_pattern(rf"{BEFORE}[A-Z]{{1,2}}[0-9]{{6}}\([0-9A]\)", re.A)

_PASSPORT = lazy_pattern(
    r"(?:[护護]照|通行[证證]|[军軍士][官兵人][证證]|[驾駕][驶駛][证證]|居留[证證]|回[乡鄉][证證]|[台臺]胞[证證]|(?<![A-Za-z])(?:passport|driver'?s? licen[cs]e|travel document)s?)"
    rf"(?:{_NUMBER_WORD}){_GAP}(?P<number>(?=[A-Z]*[0-9]{{5}}|[A-Z0-9]{{0,3}}[0-9]{{5}})[A-Z0-9]{{6,18}}){AFTER}",
    re.A | re.I,
)
_SSN = lazy_pattern(
    r"(?:(?<![A-Za-z])SSN|social security)[^0-9\n]{0,24}(?P<number>(?!000|666)[0-9]{3}([ \-]?)[0-9]{2}\2[0-9]{4})"
    + AFTER,
    re.A | re.I,
)
# A letter for the province, a letter for the city, five characters (GA 36-2018), six for new energy.
_PLATE = lazy_pattern(
    r"[京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊使领領][A-HJ-NP-Z][·. \-]?"
    r"(?=[A-Z0-9]{0,5}[0-9])(?:[A-HJ-NP-Z0-9]{6}|[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学學警港澳使领領])(?![0-9A-Za-z\-])",
    re.A,
)
_PLATE_CUED = lazy_pattern(
    r"(?:[车車]牌|(?<![A-Za-z])(?:licen[cs]e|registration|number) plate)"
    rf"{_NUMBER_WORD}{_GAP}(?P<number>(?=[A-Z \-]{{0,4}}[0-9])[A-Z0-9]{{1,4}}[ \-]?[A-Z0-9]{{2,5}}){AFTER}",
    re.A | re.I,
)
_RECORD = lazy_pattern(
    r"(?:(?:病[历歷案]|住院|[门門][诊診]|就[诊診]卡?|[检檢]查|[医醫]保卡?|社保卡?|社[会會]保障卡?|公[积積]金|[学學]籍?|工|[员員]工|[会會][员員]卡?|[诊診][疗療]卡|健康卡)[号號](?:[码碼])?"
    r"|(?:病[历歷案]|[员員]工)[编編][号號]"
    r"|(?<![A-Za-z])(?:MRN|(?:medical|health|patient|hospital) (?:record|insurance|id|chart)|NHS|medicare|medicaid|member(?:ship)? id|"
    r"employee id|student id|insurance (?:id|policy)|policy holder id|taxpayer id)(?: ?(?:no|number|num|id)\b\.?| ?#)?)"
    rf"{_GAP}(?P<number>(?=[A-Z\-]{{0,8}}[0-9][A-Z0-9\-]{{2}})[A-Z0-9](?:-?[A-Z0-9]| (?=[0-9]{{2}})[0-9]){{3,21}}){AFTER}",
    re.A | re.I,
)
_BIRTH = lazy_pattern(
    r"(?:出生(?:日期|年月日?|[时時]间)|(?<![过過])生日|(?<![A-Za-z])(?:d\.?o\.?b\.?|date of birth|birth ?(?:date|day)|born(?: on)?(?=[ :]{1,2}[0-9]{1,4}[\-/])))"
    r"(?: ?\([^()\n]{1,12}\))?[ \t]*(?:[:=|]|是|[为為]|is\b)?[ \t\"']*"
    r"(?P<date>[12][0-9]{3} ?[年\-/.] ?[01]?[0-9](?: ?[月\-/.] ?(?:[0-3]?[0-9] ?日?)?)?|[12][0-9]{7}|[0-3]?[0-9][\-/.][0-3]?[0-9][\-/.](?:[12][0-9])?[0-9]{2}"
    r"|[一二][〇零一二三四五六七八九]{3}年[一二三四五六七八九十]{1,2}月(?:[一二三四五六七八九十]{1,3}日)?"
    r"|[A-Z][a-z]{2,8}\.? [0-3]?[0-9](?:st|nd|rd|th)?,? [12][0-9]{3}|[0-3]?[0-9](?:st|nd|rd|th)? [A-Z][a-z]{2,8}\.?,? [12][0-9]{3})(?![0-9])"
    # 王明，男，1985年3月2日出生
    r"|(?<=[,，、 ])[男女][,，、 ] ?(?:[^,，、。;\n]{1,4}族[,，、 ] ?)?(?P<born>[12][0-9]{3}年[01]?[0-9]月(?:[0-3]?[0-9]日)?)(?=出?生)",
    re.A | re.I,
)

# One of these stands in whatever the patterns find; looking for them first is far cheaper.
_CUED_PAPERS = (
    (_PASSPORT, "passport", ("照", "证", "證", "passport", "licen", "travel document")),
    (_SSN, "ssn", ("ssn", "social security")),
    (_PLATE_CUED, "plate", ("牌", "plate")),
    (
        _RECORD,
        "record",
        ("号", "號", "mrn", "record", "insurance", " id", "chart", "nhs", "medicare", "medicaid", "member"),
    ),
)
_BIRTH_CUES = ("出生", "生日", "日生", "月生", "birth", "born", "dob", "d.ob", "do.b", "d.o.b")

_CARD = lazy_pattern(
    rf"{BEFORE}(?:[0-9]{{15,19}}|[0-9]{{4}}(?P<gap>[ \-\n])[0-9]{{4}}(?P=gap)[0-9]{{4}}(?P=gap)[0-9]{{4}}(?:(?P=gap)?[0-9]{{1,3}})?"
    rf"|[0-9]{{4}}[ \-][0-9]{{6}}[ \-][0-9]{{5}}|[0-9]{{6}}[ \-][0-9]{{10,13}}){AFTER}(?!-[0-9A-Za-z])",
    re.A,
)
# Leading digits and lengths by ISO/IEC 7812 as the card networks publish them; 62 is UnionPay.
_ISSUER = lazy_pattern(
    r"(?:62[0-9]{14,17}|81[0-9]{14,17}|95(?:58|59)[0-9]{12,15}|4[0-9]{15}(?:[0-9]{3})?|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|35(?:2[89]|[3-8][0-9])[0-9]{12}|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12}|(?:50|5[6-8]|60)[0-9]{14,17})\Z",
    re.A,
)
_CARD_CUE = (
    r"(?:[银銀][行联聯]卡|信用卡|借[记記]卡|[储儲]蓄卡|工[资資]卡|卡[号號]|[账帐賬帳][号號户戶]|(?<![A-Za-z])(?:(?:bank|credit|debit|visa|mastercard|amex)(?: card| account)?|"
    r"card|account|acct\.?|a/c))"
)
_CARD_CUED = lazy_pattern(
    rf"{_CARD_CUE}{_NUMBER_WORD}{_GAP}(?P<number>[0-9](?:[ \-]?[0-9]){{7,20}}){AFTER}",
    re.A | re.I,
)
_CARD_CUE_BEFORE = lazy_pattern(rf"{_CARD_CUE}{_NUMBER_WORD}[^0-9。，;\n]{{0,8}}\Z", re.A | re.I)
_IBAN = lazy_pattern(rf"{BEFORE}[A-Z]{{2}}[0-9]{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?{AFTER}", re.A)


def is_identity_number(number: str) -> bool:
    """Tell whether 18 characters are a resident identity number by GB 11643-1999: place, date, check character.

    The check character is that of ISO 7064 MOD 11-2.
    """
    number = number.upper()
    if len(number) != 18 or int(number[:2]) not in _PROVINCES:
        return False
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    return _CHECK[sum(int(c) * w for c, w in zip(number, _WEIGHTS, strict=False)) % 11] == number[17]


def find_identity_numbers(text: str) -> Iterator[Find]:
    """Yield the identity cards: by checksum, or behind a cue."""
    if not (few := zones(text, 4)):
        return
    areas = zones(text, 7)
    for match in in_zones(_ID18, text, areas):
        number = "".join(c for c in match[0] if c.isalnum())
        if is_identity_number(number):
            yield Find(match.start(), match.end(), "id_card")
    for match in in_zones(_ID_CUED, text, areas):
        if len(match["number"]) - match["number"].count(" ") - match["number"].count("-") != 17:
            yield Find(*match.span("number"), "id_card")
    for match in in_zones(_HONG_KONG, text, few) if "(" in text else ():
        yield Find(match.start(), match.end(), "id_card")


def find_bank_cards(text: str) -> Iterator[Find]:
    """Yield bank cards by issuer and Luhn digit, IBANs by ISO 13616, and account numbers behind a cue."""
    if not (areas := zones(text, 7)):
        return
    for match in in_zones(_CARD, text, areas):
        digits = digits_of(match[0])
        if not (_ISSUER.match(digits) and luhn(digits)):
            continue
        cued = _CARD_CUE_BEFORE.search(text[max(0, match.start() - 32) : match.start()])
        if cued or not is_other_number(text, match.start(), match.end()):
            yield Find(match.start(), match.end(), "bank_card")
    for match in in_zones(_CARD_CUED, text, areas):
        if not is_other_number(text, match.end(), match.end()):
            yield Find(*match.span("number"), "bank_card")
    for match in in_zones(_IBAN, text, areas):
        letters = match[0].replace(" ", "")
        turned = letters[4:] + letters[:4]
        if 15 <= len(letters) <= 34 and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1:
            yield Find(match.start(), match.end(), "bank_card")


def find_papers(text: str) -> Iterator[Find]:
    """Yield passports, social security numbers, licence plates, record numbers and dates of birth."""
    for match in _PLATE.finditer(text):
        yield Find(match.start(), match.end(), "plate")
    if not (areas := zones(text, 4)):
        return
    lower = text.lower()
    for pattern, kind, cues in _CUED_PAPERS:
        for match in in_zones(pattern, text, areas) if any(cue in lower for cue in cues) else ():
            yield Find(*match.span("number"), kind)
    for match in in_zones(_BIRTH, text, areas) if any(cue in lower for cue in _BIRTH_CUES) else ():
        yield Find(*match.span("date" if match["date"] else "born"), "birth_date")
