"""Fixed forms of answers: what has them, and what is told of what has not."""

import json

import pytest

from sftmill.models.structured import parse, response_format
from sftmill.steps.respond.answer.output_form import answer_model, in_form, schema_text

SCHEMA = {"type": "object", "properties": {"times": {"type": "integer"}}, "required": ["times"]}
WANTED = {
    "schema": schema_text(SCHEMA),
    "columns": ("项目", "次数"),
    "numbers": 2,
    "options": ("每天", "每周"),
    "form": "list",
}
TABLE = "| 项目 | 次数 |\n| --- | --- |\n| 库温 | 2 |"


def fault(text, output, lang="zh", **wanted):
    kept, faults = in_form(text, output, {**WANTED, **wanted}, lang)
    assert all(one.reason == "wrong_format" and one.facts["output"] == output for one in faults)
    return faults[0].facts["wrong"] if faults else kept


@pytest.mark.parametrize(
    ("output", "text", "kept"),
    [
        (None, " 任何话 ", "任何话"),
        ("json", '{"times": 2}', '{"times": 2}'),
        ("json", '```json\n{"times": 2}\n```', '{"times": 2}'),
        ("table", TABLE, TABLE),
        ("table", f"```markdown\n{TABLE}\n```", TABLE),
        ("table", TABLE.replace("库温", "a \\| b"), TABLE.replace("库温", "a \\| b")),
        ("csv", "项目,次数\n库温,2", "项目,次数\n库温,2"),
        ("csv", '项目,次数\n"库温,早晚",2', '项目,次数\n"库温,早晚",2'),
        ("numbers", "12\n15 吨", "12\n15 吨"),
        ("numbers", "1. 12\n2. 15", "1. 12\n2. 15"),
        ("numbers", "[3.5, -2%]", "[3.5, -2%]"),
        ("numbers", "一千二百、三百五十", "一千二百、三百五十"),
        ("option", "每天。", "每天"),
        ("option", "**每周**", "每周"),
        ("as_asked", "- 甲\n- 乙", "- 甲\n- 乙"),
    ],
)
def test_what_has_the_form_is_kept_without_a_fence(output, text, kept):
    assert fault(text, output) == kept


@pytest.mark.parametrize(
    ("output", "text", "wrong"),
    [
        ("json", '{"times": "2"}', "json"),
        ("json", "两次", "json"),
        ("json", '{"times": 2} 就这样', "json"),
        ("table", "库温每天两次。", "no_table"),
        ("table", f"如下：\n{TABLE}", "no_table"),
        ("table", TABLE.replace("次数", "多少"), "columns"),
        ("table", "| 次数 | 项目 |\n|---|---|\n| 2 | 库温 |", "columns"),
        ("table", TABLE + "\n| 轴承 |", "cells"),
        ("table", TABLE + "\n| 轴承 | 3 |\n| 合计 | 9 |", "totals"),
        ("csv", "项目,次数", "no_table"),
        ("csv", "项目，次数\n库温，2", "columns"),
        ("csv", "项目,次数\n库温", "cells"),
        ("numbers", "12", "count"),
        ("numbers", "没有", "beside"),
        ("numbers", "上午 12，下午 15", "beside"),
        ("option", "每月", "option"),
        ("option", "每天或每周", "option"),
        ("as_asked", "就一句话。", "form"),
    ],
)
def test_what_has_not_the_form_is_named(output, text, wrong):
    assert fault(text, output) == wrong


def test_english_forms_are_the_same():
    wanted = {"columns": ("Item", "Times"), "options": ("Daily", "Weekly"), "form": "number"}
    assert fault("| Item | Times |\n|:--|--:|\n| log | 2 |", "table", "en", **wanted).startswith("| Item")
    assert fault("daily.", "option", "en", **wanted) == "Daily", "kept as the recipe writes it"
    assert fault("12 kg, 1,500 t", "numbers", "en") == "12 kg, 1,500 t"
    assert fault("about a dozen or so of them", "as_asked", "en", **wanted) == "form"
    assert fault("12 kg", "as_asked", "en", **wanted) == "12 kg"


def test_without_columns_or_a_count_any_will_do():
    assert fault(TABLE.replace("次数", "x"), "table", columns=()).startswith("|")
    assert fault("1\n2\n3", "numbers", numbers=None) == "1\n2\n3"
    assert fault("随便", "as_asked", form=None) == "随便"


def test_servers_are_held_to_the_recipes_schema_where_it_describes_an_object():
    model = answer_model(schema_text(SCHEMA))
    asked = response_format(model)["json_schema"]
    assert asked["schema"]["properties"] == SCHEMA["properties"] and asked["strict"]
    assert parse('{"times": "any JSON"}', model).root == {"times": "any JSON"}, "the form is checked elsewhere"
    assert answer_model(schema_text(SCHEMA)) is model, "one model for each schema"
    for other in ({}, {"type": "array"}, {"type": "object"}, {**SCHEMA, "$defs": {"x": True}}):
        assert answer_model(json.dumps(other)) is None
