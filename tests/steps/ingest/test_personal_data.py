"""Personal data: what is masked, what is left alone, and that masking is stable."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.steps.ingest.personal.finds import luhn
from sftmill.steps.ingest.personal.masking import PLACEHOLDERS, find_personal, mask
from sftmill.steps.ingest.personal.papers import is_identity_number
from sftmill.steps.ingest.personal_data import PersonalData

KINDS = PersonalData().kinds


def masked(text, lang="zh", **settings):
    """Return the passage after the step, and the kinds found."""
    row = PersonalData(**settings).row({"lang": lang, "passage": text})
    return row["passage"], row.get("masked", [])


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("13912345678", "mobile"),
        ("139-1234-5678", "mobile"),
        ("139 1234 5678", "mobile"),
        ("+86 139 1234 5678", "mobile"),
        ("0086-139-1234-5678", "mobile"),
        ("（+86）139—1234—5678", "mobile"),
        ("１３９１２３４５６７８", "mobile"),
        ("139\u200b1234\u200b5678", "mobile"),
        ("一三九一二三四五六七八", "mobile"),
        ("010-62345678", "phone"),
        ("（0571）8765-4321", "phone"),
        ("0571-87654321转8012", "phone"),
        ("+86 21 5888 6666", "phone"),
        ("400-820-1234", "phone"),
        ("+852 2345 6789", "phone"),
        ("(02)2345-6789", "phone"),
        ("0912-345-678", "phone"),
        ("11010519900307231X", "id_card"),
        ("110105 19900307 231X", "id_card"),
        ("1101051990\n0307231X", "id_card"),
        ("6222021234567890128", "bank_card"),
        ("6222 0212 3456 7890 128", "bank_card"),
        ("4111-1111-1111-1111", "bank_card"),
        ("DE89 3704 0044 0532 0130 00", "bank_card"),
        ("li.wei_88@mail.hitech.cn", "email"),
        ("ｌｉｗｅｉ＠ｑｑ．ｃｏｍ", "email"),
        ("liwei [at] qq.com", "email"),
        ("京A12345", "plate"),
        ("沪AD12345", "plate"),
        ("粤B·8K123", "plate"),
        ("浙江省杭州市西湖区文三路478号华星时代广场A座1203室", "address"),
        ("朝阳区建国路88号院5号楼2单元1801", "address"),
        ("绵阳市三台县芦溪镇五柏村3组28号", "address"),
    ],
)
def test_what_has_a_form_of_its_own_is_masked_whole(written, kind):
    if kind == "id_card":
        number = "".join(c for c in written if c.isalnum())
        right = next(c for c in "0123456789X" if is_identity_number(number[:17] + c))
        written = written[:-1] + right
    if kind == "bank_card" and written[0] == "6":
        plain = written.replace(" ", "")
        right = next(c for c in "0123456789" if luhn(plain[:-1] + c))
        written = written[:-1] + right
    text, kinds = masked(f"资料如下：{written}。请核对")
    assert kinds == [kind]
    assert text == f"资料如下：{PLACEHOLDERS[kind][0]}。请核对"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("姓名：赵敏，年龄30", "，年龄30"),
        ("姓    名：赵 敏\n性别：女", "\n性别：女"),
        ("联系人：欧阳明德 电话另附", "电话另附"),
        ("姓名：阿依古丽·买买提。", "。"),
        ("聯絡人：陳美玲，請洽", "，請洽"),
        ("患者：周建国因腹痛入院", "因腹痛入院"),
        ("患者王小明于昨日入院", "于昨日入院"),
        ("尊敬的王先生：您好", "先生：您好"),
        ("李红女士到场", "女士到场"),
        ("请与付丽萍女士联系", "女士联系"),
        ("我叫孙志强，来自外地", "，来自外地"),
        ("王明，男，汉族，工人", "，男，汉族，工人"),
        ("收货人：刘洋\n", "\n"),
        ("法定代表人：Zhang Wei，职务", "，职务"),
    ],
)
def test_names_stand_beside_a_cue_in_chinese(text, kept):
    after, kinds = masked(text)
    assert kinds == ["name"]
    assert "［姓名］" in after
    assert after.endswith(kept)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name: John Smith\nAge: 40", "Name: [name]\nAge: 40"),
        ("NAME: JOHN SMITH, aged 40", "NAME: [name], aged 40"),
        ("Patient: Mary A. O'Connor, female", "Patient: [name], female"),
        ("Dear Mr. Smith,\nthank you.", "Dear Mr. [name],\nthank you."),
        ("Please contact Jane Doe today.", "Please contact [name] today."),
        ("My name is Priya Patel.", "My name is [name]."),
        ("Best regards,\nAlice Cooper\n", "Best regards,\n[name]\n"),
        ("Call (415) 555-2671 now.", "Call [phone number] now."),
        ("Fax 415.555.2671; bye", "Fax [phone number]; bye"),
        ("Tel: +44 20 7946 0958.", "Tel: [phone number]."),
        ("Her SSN is 219-09-9999.", "Her SSN is [social security number]."),
        ("DOB: 03/12/1985, male", "DOB: [date of birth], male"),
        ("MRN 00123456 was seen", "MRN [record number] was seen"),
        ("Passport No. X12345678.", "Passport No. [document number]."),
        ("She lives at 221B Baker Street, London NW1 6XE.", "She lives at [postal address]."),
        ("Ship to 12 Oak Hill Avenue, Apt 4, Springfield, IL 62704.", "Ship to [postal address]."),
        ("P.O. Box 123, Dover, DE 19901", "[postal address]"),
        ("WeChat ID: sunny_88.", "WeChat ID: [account name]."),
        ("Account number: 12345678901.", "Account number: [bank account]."),
    ],
)
def test_english_forms_are_masked(text, expected):
    assert masked(text, "en")[0] == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("微信号：sunny_2001", "account"),
        ("QQ：123456789", "account"),
        ("护照号码：E12345678", "passport"),
        ("港澳通行证 C12345678", "passport"),
        ("出生日期：1990年3月7日", "birth_date"),
        ("住院号：ZY20230001", "record"),
        ("电话：62345678", "phone"),
        ("身份证号：110105199003072310", "id_card"),
        ("身份证：110105900307231", "id_card"),
        ("账号：0200 0012 0900 1234 567", "bank_card"),
        ("家庭住址：江苏省南京市鼓楼区汉口路小区", "address"),
        ("车牌号：粤Z1234港", "plate"),
    ],
)
def test_what_has_no_form_of_its_own_counts_behind_a_cue(text, kind):
    after, kinds = masked(text)
    assert kinds == [kind]
    assert after.endswith(PLACEHOLDERS[kind][0])


@pytest.mark.parametrize(
    "text",
    [
        "请拨打110、119或12345，银行客服95588。",
        "订单编号：13912345678，快递单号：6222021234567890。",
        "全年播放量13912345678次，金额13912345678元。",
        "流水号110105199003072310，序列号 4111111111111111。",
        "依据GB 11643-1999和GB/T 2260—2007，第一百三十九条、第13条。",
        "ISBN 978-7-111-12345-6，国药准字H20051234，时间戳1609459200000。",
        "2024-05-01 12:30:45 版本v5.10.46，共1,234,567.89元。",
        "邮箱如 user@example.com、root@localhost、a@b.test 均为示例，见 getty@tty1.service。",
        "服务器 192.168.122.157，校验和 d41d8cd98f00b204e9800998ecf8427e。",
        "原告王某与被告李某某，患者张××，赵**。",
        "鲁迅的《呐喊》写于北京，牛顿和李白从未见过面。",
        "患者高血压病史三年，患者应卧床，患者麻醉后，患者方可离开，患者安全。",
        "当事人迟延履行的，申请人应当提交材料，被害人陈述，客户单位，学生时代，我明白了。",
        "负责人：经理；联系人：无；姓名：必填；申请人：单位全称；原告：中国银行股份有限公司。",
        "乘坐地铁4号线到中山路站，第5号令，曾报道一组患者，道路3号标段。",
        "微信支付API，QQ 2013，用户名：root，域名：debian，文件名：a.txt。",
        "中国证券监督管理委员会、先生们、女士们、各位先生、老先生。",
        "git clone git@github.com:foo/bar.git && ssh -p 2222 admin@host.local",
    ],
)
def test_what_is_not_personal_is_left_alone(text):
    row = {"lang": "zh", "passage": text}
    assert PersonalData().row(row) is row


@pytest.mark.parametrize(
    "text",
    [
        "In 1990 Wall Street fell, and the 1930 Road Act was passed.",
        "Order no. 4111111111111111, invoice 13912345678, total $13,912,345,678.",
        "Dear Sir or Madam, Dear Customer, Dear Team,",
        "File name: Config Reader\nHost name: Web Server\nName: Apache Server",
        "Isaac Newton and Jane Austen never met; kernel 5.10.0-8-amd64, RFC 2606.",
        "Dial 911 or 311. UUID 550e8400-e29b-41d4-a716-446655440000.",
        "A 64 Disk Drive array; mail user@example.com; 12345678 bytes; 1609459200 seconds.",
    ],
)
def test_what_is_not_personal_is_left_alone_in_english(text):
    row = {"lang": "en", "passage": text}
    assert PersonalData().row(row) is row


def test_columns_of_tables_are_masked_below_their_head():
    table = "| 姓名 | 科室 | 电话 |\n| --- | --- | --- |\n| 赵敏 | 内科 | 62345678 |\n| 孙 磊 | 外科 | 13912345678 |"
    after, kinds = masked(table)
    assert kinds == ["name", "phone", "name", "mobile"]
    assert "| 内科 |" in after
    assert masked("Name,Score\nAlice Cooper,85\n", "en")[0] == "Name,Score\n[name],85\n"


def test_a_name_found_by_its_cue_is_masked_wherever_it_stands_again():
    after, _ = masked("姓名：孙志强\n主诉：腹痛。孙志强昨日来院。")
    assert "孙志强" not in after


def test_every_text_of_a_row_is_masked_and_each_find_counted():
    row = {
        "lang": "zh",
        "document": "手机13912345678",
        "passage": "手机13912345678",
        "title": "致电13912345678",
        "title_path": ["总则", "热线13912345678"],
        "pieces": ["手机13912345678", ""],
        "context": "手机13912345678",
        "messages": [
            {"role": "user", "content": "手机13912345678"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": '[{"name": "call", "arguments": {"phone": "62345678"}}]',
            },
        ],
        "masked": ["email"],
    }
    made = PersonalData().row(row)
    assert "139" not in json.dumps(made, ensure_ascii=False)
    assert made["masked"] == ["email", *["mobile"] * 7, "phone"]
    assert json.loads(made["messages"][1]["tool_calls"])[0]["arguments"]["phone"] == "［电话号码］"
    assert row["passage"] == "手机13912345678"


def test_a_number_in_json_stays_json():
    row = {"lang": "en", "messages": [{"role": "assistant", "content": None, "tool_calls": '{"phone": 13912345678}'}]}
    made = PersonalData().row(row)
    assert json.loads(made["messages"][0]["tool_calls"]) == {"phone": "[mobile number]"}


def test_placeholders_follow_the_language_of_the_row_and_are_not_masked_again():
    assert masked("手机13912345678", "en")[0] == "手机[mobile number]"
    once, _ = masked("姓名：赵敏，电话：13912345678，住址：杭州市文三路8号")
    assert masked(once) == (once, [])


def test_kinds_and_literal_strings_can_be_left_out():
    text = "热线400-820-1234，手机13912345678"
    assert masked(text, kinds=("mobile",))[1] == ["mobile"]
    assert masked(text, keep=("400-820-1234",))[1] == ["mobile"]
    assert masked("主机10.0.0.7", kinds=("ip",))[0] == "主机［IP地址］"


def test_identity_numbers_are_checked_by_place_date_and_check_character():
    number = "11010519491231002X"
    assert is_identity_number(number)
    assert not is_identity_number(number[:-1] + "1")
    assert not is_identity_number("99" + number[2:])


@given(st.text(max_size=300), st.sampled_from(["zh", "en"]))
@settings(deadline=None, max_examples=200)
def test_masking_never_fails_and_twice_is_once(text, lang):
    once, _ = mask(text, lang, KINDS)
    assert mask(once, lang, KINDS) == (once, [])


@given(st.text(alphabet="姓名：联系人电话王小明先生路号室0123456789 -()+@.comA\n|,，", max_size=200))
@settings(deadline=None, max_examples=300)
def test_texts_full_of_cues_are_masked_once_for_all(text):
    once, _ = mask(text, "zh", KINDS)
    assert mask(once, "zh", KINDS) == (once, [])
    finds = find_personal(text, KINDS)
    assert all(a.end <= b.start for a, b in pairwise(finds))


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        " ",
        "电话 ",
        "地址",
        "Patient ",
        "12 A ",
        "先生",
        "患者",
        "1 ",
        "1-",
        "(1",
        "a.",
        "路1号",
        "姓名：",
        "王",
        "|",
        "Aa ",
        "1.1",
        "@a.",
        "Dear ",
        "0 0",
        "电话1",
    ],
)
def test_time_grows_with_length_only(piece):
    begin = time.process_time()
    find_personal(piece * (60_000 // len(piece)), KINDS)
    assert time.process_time() - begin < 20
