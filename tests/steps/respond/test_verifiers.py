"""The verifiers by rule, each with what it lets pass and what not, in both languages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.respond.verify.verdict import NO_ANSWER, RIGHT
from sftmill.steps.respond.verify.verification import KINDS, check, own_verifier
from sftmill.steps.respond.verify.verify_citations import verify_citations
from sftmill.steps.respond.verify.verify_code import code_of
from sftmill.steps.respond.verify.verify_form import verify_json, verify_regex
from sftmill.steps.respond.verify.verify_table import verify_table
from sftmill.steps.respond.verify.verify_values import verify_dates, verify_units

SCHEMA = json.dumps(
    {
        "type": "object",
        "required": ["姓名", "day"],
        "additionalProperties": False,
        "properties": {
            "姓名": {"type": "string", "minLength": 1},
            "day": {"type": "string", "format": "date"},
            "n": {"type": "integer", "minimum": 0},
        },
    }
)


@pytest.mark.parametrize(
    "text",
    [
        '{"姓名": "李四", "day": "2024-02-29"}',
        '```json\n{"姓名": "Ann", "day": "2023-12-01", "n": 3}\n```',
        '结果如下：\n```\n{"姓名": "王", "day": "2000-01-01"}\n```\n以上。',
        ' {"day": "1999-10-10", "姓名": "x"}\n',
        '{"姓名": "a", "day": "2024-01-31", "n": 0}',
    ],
)
def test_json_that_fits(text):
    assert verify_json(text, SCHEMA) == RIGHT


@pytest.mark.parametrize(
    "text",
    [
        '{"姓名": "", "day": "2024-02-29"}',
        '{"姓名": "李四", "day": "2023-02-29"}',
        '{"姓名": "Ann"}',
        '{"姓名": "Ann", "day": "2024-01-01", "more": 1}',
        '{"姓名": "Ann", "day": "2024-01-01", "n": NaN}',
        '{"姓名": "Ann", "姓名": "Bob", "day": "2024-01-01"}',
        "姓名：李四",
        "```json\n{}\n```\n```json\n{}\n```",
        "[" * 5000,
        "",
    ],
)
def test_json_that_does_not_fit(text):
    assert verify_json(text, SCHEMA).ok is False


def test_a_schema_fetches_nothing_and_a_faulty_one_is_told():
    assert verify_json("{}", '{"$ref": "http://127.0.0.1:9/schema.json"}').ok is None
    with pytest.raises(ValueError, match="no JSON Schema"):
        verify_json("{}", '{"type": "colour"}')
    with pytest.raises(ValueError, match="no JSON Schema"):
        verify_json("{}", "{")


@pytest.mark.parametrize(
    ("text", "pattern", "whole"),
    [
        ("订单号 AB-1234", r"[A-Z]{2}-\d{4}", False),
        ("AB-1234\n", r"[A-Z]{2}-\d{4}", True),
        ("是", "是|否", True),
        ("yes, of course", "^yes", False),
        ("第一条\n第二条", r"(?m)^第二条$", False),
    ],
)
def test_patterns_that_fit(text, pattern, whole):
    assert verify_regex(text, pattern, whole) == RIGHT


@pytest.mark.parametrize(
    ("text", "pattern", "whole"),
    [
        ("订单号 AB-123", r"[A-Z]{2}-\d{4}", False),
        ("order AB-1234", r"[A-Z]{2}-\d{4}", True),
        ("是的", "是|否", True),
        ("no", "^yes", False),
        ("  ", ".*", False),
    ],
)
def test_patterns_that_do_not_fit(text, pattern, whole):
    assert verify_regex(text, pattern, whole).ok is False


def test_a_faulty_pattern_cannot_tell():
    assert verify_regex("a", "(").ok is None


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("答案是 0.12 米。", "12 cm"),
        ("So it takes 180 minutes.", "3小时"),
        ("共 1.5 万元", "15000元"),
        (r"\boxed{250\text{ mg}}", "0.25克"),
        ("The answer is 5%.", "百分之五"),
    ],
)
def test_quantities_that_are_right(text, gold):
    assert verify_units(text, gold) == RIGHT


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("答案是 12。", "12 cm"),
        ("答案是 12 克。", "12 cm"),
        ("The answer is 12 m.", "12 cm"),
        ("一共 3 天", "3小时"),
        ("I do not know.", "12 cm"),
    ],
)
def test_quantities_that_are_wrong(text, gold):
    assert verify_units(text, gold).ok is False


@pytest.mark.parametrize(
    "text",
    [
        "2024年2月29日签订。",
        "Signed on 29 February 2024, paid on 2024-03-01.",
        "2024年5月1日（星期三）放假。",
        "On Monday, January 1, 2024 it began.",
        "二〇二四年十二月三十一日到期，2月29日也可能有。",
    ],
)
def test_dates_of_the_calendar(text):
    assert verify_dates(text) == RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "2023年2月29日签订。",
        "Signed on 31 April 2024.",
        "2024-13-01",
        "2024年5月1日（星期四）放假。",
        "On Tuesday, January 1, 2024 it began.",
        "于2月30日到期",
        "二〇二四年六月三十一日",
        "February 30",
    ],
)
def test_dates_of_no_calendar(text):
    assert verify_dates(text).ok is False


def test_no_date_cannot_tell():
    assert verify_dates("版本 3.14.15，电话 010-12-345，比例 1/2/3，第 5 章").ok is None


TABLES_RIGHT = [
    "| 项目 | 金额 |\n|---|---|\n| 甲 | 1,200 |\n| 乙 | 800 |\n| 合计 | 2,000 |",
    "| Item | Q1 | Q2 | Total |\n|---|--:|--:|--:|\n| A | 1 | 2 | 3 |\n| B | 4 | 5 | 9 |\n| **Total** | 5 | 7 | 12 |",
    "项目|金额\n-|-\n甲|1.5万元\n乙|2.5万元\n总计|4万元",
    "| x | 占比 | n |\n|-|-|-|\n| a | 33.3% | 10 |\n| b | 66.7% | 20 |\n| 合计 | 100% | 30 |",
    "| x | $ |\n|-|-|\n| in | $10.50 |\n| out | ($3.25) |\n| Total | $7.25 |",
    "| x | n |\n|-|-|\n| a | 1 |\n| b | 2 |\n| 小计 | 3 |\n| c | 4 |\n| d | 5 |\n| 小计 | 9 |\n| 合计 | 12 |",
    "| x | t |\n|-|-|\n| a | 1.3 |\n| b | 2.3 |\n| total | 3.7 |",
]
TABLES_WRONG = [
    "| 项目 | 金额 |\n|---|---|\n| 甲 | 1,200 |\n| 乙 | 800 |\n| 合计 | 2,100 |",
    "| Item | Q1 | Q2 | Total |\n|---|--:|--:|--:|\n| A | 1 | 2 | 4 |\n| B | 4 | 5 | 9 |",
    "项目|金额\n-|-\n甲|1.5万元\n乙|2.5万元\n总计|40000万元",
    "| x | $ |\n|-|-|\n| in | $10.50 |\n| out | $3.25 |\n| Total | $13.76 |",
    "| x | n |\n|-|-|\n| a | 1 |\n| b | 2 |\n| 小计 | 4 |\n| c | 4 |\n| d | 5 |",
]


@pytest.mark.parametrize("text", TABLES_RIGHT)
def test_tables_that_add_up(text):
    assert verify_table("见下表：\n\n" + text + "\n\n以上。") == RIGHT


@pytest.mark.parametrize("text", TABLES_WRONG)
def test_tables_that_do_not_add_up(text):
    assert verify_table("See:\n" + text).ok is False


@pytest.mark.parametrize(
    "text", ["no table", "| a | b |\n|-|-|\n| 1 | 2 |", "| 合计 | 3 |", "| x | n |\n|-|-|\n| a | 无 |\n| 合计 | 3 |"]
)
def test_tables_without_a_total_cannot_tell(text):
    assert verify_table(text).ok is None


LAWS = [
    (
        "中华人民共和国数据法",
        "第一条　为了管理数据，制定本法。\n第二条　本法所称数据，是指记录。\n第二条之一　略有补充。",
    ),
    ("Data Act", "Article 1. Scope\nThis act applies.\n\nArticle 7. Penalties\nA fine is due."),
]


@pytest.mark.parametrize(
    "text",
    [
        "根据《数据法》第二条，数据是指记录。",
        "依照第一条和第二条办理。",
        "Under Article 7 a fine is due.",
        "See Article 1 of the Data Act.",
        "第二条之一有补充。",
    ],
)
def test_citations_that_are_there(text):
    assert verify_citations(text, LAWS) == RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "根据《数据法》第九条处理。",
        "依照第一条和第十二条办理。",
        "Under Article 8 a fine is due.",
        "根据《数据法》第七条处理。",
        "《著作权法》第一条规定了目的。",
    ],
)
def test_citations_that_are_not(text):
    assert verify_citations(text, LAWS).ok is False


def test_nothing_cited_or_no_law_cannot_tell():
    assert verify_citations("法律如此规定。", LAWS).ok is None
    assert verify_citations("第一条", [("", "没有条文")]).ok is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\ndef f(): pass\n```\nDone.", "def f(): pass"),
        ("```py\nx = 1\n```\n然后\n```\ny = 2\n```", "x = 1\n\n\ny = 2"),
        ("```bash\nls\n```\n```python\nx = 1\n```", "x = 1"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("```python\ndef f(): pass", "def f(): pass"),
        ("I would use a loop.", ""),
        ("```java\nint x;\n```", ""),
    ],
)
def test_the_code_of_an_answer(text, code):
    assert code_of(text).strip() == code


def test_every_verifier_can_be_had_by_name():
    row = {"reference": "42", "passage": LAWS[0][1], "title": LAWS[0][0]}
    assert check("math", row, "答案是 42").ok
    assert check("units", {"reference": "3 kg"}, "3000 g").ok
    assert check("regex", {"reference": r"\d+"}, "有 5 个").ok
    assert check("json", {}, "[1]").ok
    assert check("citations", row, "见第二条").ok
    assert check("dates", {}, "2024年2月30日").ok is False
    assert check("table", {}, TABLES_RIGHT[0]).ok
    assert check("regex", {}, "x").ok is None
    assert check("code", {}, "x = 1").ok is None
    with pytest.raises(ValueError, match="there are math"):
        check("maths", {}, "")


def test_a_verifier_of_ones_own():
    short = own_verifier(lambda row, text: (len(text) < 5, "too long"), "mine.py")
    assert short({}, "abc").ok
    assert short({}, "abcdefg") == (False, "too long")
    assert own_verifier(lambda row, text: None, "mine.py")({}, "").ok is None
    with pytest.raises(TypeError, match="must return True"):
        own_verifier(lambda row, text: "yes", "mine.py")({}, "")


@given(st.text(st.sampled_from("第一二三条《》和、|-:\n合计0123456789,.年月日（）$Total{}[]\"' "), max_size=200))
def test_any_text_gets_a_verdict(text):
    for kind in KINDS.keys() - {"math", "regex", "code", "units"}:
        verdict = check(kind, {"passage": LAWS[0][1]}, text)
        assert bool(verdict.why) == (verdict.ok is not True)


def test_reading_takes_linear_time():
    for text in (
        "| " * 50_000,
        "|-|-|\n" * 20_000,
        "《" * 100_000,
        "第一条、" * 40_000,
        "2024年" * 40_000,
        "{" * 100_000,
        "```\n" * 40_000,
    ):
        for kind in ("table", "dates", "citations", "json"):
            assert check(kind, {"passage": LAWS[0][1]}, text).ok is not True or kind == "citations"
        code_of(text)
    assert NO_ANSWER
