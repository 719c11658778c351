"""The steps Verify and VerifyCode: what they drop, what they keep, and what they say before a run."""

import json

import pytest

from sftmill.core import Drop
from sftmill.sandbox import why_unavailable
from sftmill.steps.respond.verify import verify_code_step
from sftmill.steps.respond.verify.verify import Verify
from sftmill.steps.respond.verify.verify_code_step import VerifyCode

REASON = why_unavailable()
needs_sandbox = pytest.mark.skipif(bool(REASON), reason=REASON or "there is a sandbox")


def row(text, **columns):
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
    return {"id": "1", "lang": "zh", "messages": turns, **columns}


def test_a_right_result_stays_and_is_marked():
    kept = Verify().row(row("所以答案是 1.5万元。", reference="15000"))
    assert kept["verified"] is True


def test_a_wrong_result_is_dropped_with_its_reason():
    with pytest.raises(Drop, match="wrong_answer") as drop:
        Verify().row(row("The answer is 41.", reference="42"))
    assert "41" in drop.value.facts["why"]


@pytest.mark.parametrize("text", ["", "   ", "这道题没有办法做，因为条件实在太少了。"])
def test_no_result_is_dropped_as_such(text):
    with pytest.raises(Drop, match="no_answer"):
        Verify().row(row(text, reference="42"))


def test_keep_marks_instead_of_dropping():
    assert Verify(keep=True).row(row("41", reference="42"))["verified"] is False
    assert Verify(keep=True).row(row("", reference="42"))["verified"] is False


def test_a_row_without_reference_stays_unless_strict():
    assert Verify().row(row("41"))["verified"] is None
    with pytest.raises(Drop, match="cannot_tell"):
        Verify(strict=True).row(row("41"))


def test_gold_may_stand_in_the_recipe():
    assert Verify(gold="42").row(row("答案：四十二"))["verified"] is True


def test_each_kind_works_as_a_step(tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "array", "minItems": 1}', "utf-8")
    laws = tmp_path / "laws"
    laws.mkdir()
    (laws / "数据法.txt").write_text("第一条　为了管理数据，制定本法。\n第二条　数据是记录。", "utf-8")
    assert Verify(kind="json", schema_file=schema).row(row("[1]"))["verified"]
    assert Verify(kind="regex", pattern="^是$", whole=True).row(row("是"))["verified"]
    assert Verify(kind="units", gold="12 cm").row(row("0.12 m"))["verified"]
    assert Verify(kind="dates").row(row("2024年2月29日"))["verified"]
    assert Verify(kind="table").row(row("|a|n|\n|-|-|\n|x|1|\n|y|2|\n|合计|3|"))["verified"]
    assert Verify(kind="citations", corpus=laws).row(row("见《数据法》第二条。"))["verified"]
    assert Verify(kind="citations").row(row("见第二条。", passage="第二条　数据是记录。"))["verified"]
    for step, text in [
        (Verify(kind="json", schema_file=schema), "[]"),
        (Verify(kind="citations", corpus=laws), "见《数据法》第三条。"),
        (Verify(kind="dates"), "2023年2月29日"),
    ]:
        with pytest.raises(Drop, match="wrong_answer"):
            step.row(row(text))


def test_the_files_decide_the_fingerprint(tmp_path):
    (tmp_path / "a.txt").write_text("第一条　甲。", "utf-8")
    (tmp_path / "b.pdf").write_text("", "utf-8")
    schema = tmp_path / "schema.json"
    schema.write_text("{}", "utf-8")
    assert Verify(kind="citations", corpus=tmp_path).files() == (tmp_path / "a.txt",)
    assert Verify(kind="json", schema_file=schema).files() == (schema,)
    assert Verify().files() == ()


def test_plan_tells_what_is_wrong_with_the_settings(tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"type": "colour"}), "utf-8")
    assert Verify().problems() == []
    assert "no meaning for kind math" in Verify(pattern="x").problems()[0]
    assert "no JSON Schema" in Verify(kind="json", schema_file=broken).problems()[0]
    assert "missing.json" in Verify(kind="json", schema_file=tmp_path / "missing.json").problems()[0]
    (tmp_path / "empty").mkdir()
    assert "holds no .txt or .md" in Verify(kind="citations", corpus=tmp_path / "empty").problems()[0]


CODE = "这样写：\n```python\ndef double(x):\n    return 2 * x\n```\n"


@needs_sandbox
def test_code_that_passes_stays():
    step = VerifyCode(runs=2)
    assert step.problems() == []
    assert step.row(row(CODE, tests="assert double(2) == 4", entry_point="double"))["verified"] is True


@needs_sandbox
@pytest.mark.parametrize(
    ("text", "tests", "reason"),
    [
        (CODE, "assert double(2) == 5", "wrong_answer"),
        ("用循环就行了。", "assert double(2) == 4", "no_answer"),
        (CODE, "", "cannot_tell"),
        (CODE, None, "cannot_tell"),
        (CODE, "assert double(", "cannot_tell"),
    ],
)
def test_code_that_does_not_is_dropped(text, tests, reason):
    with pytest.raises(Drop, match=reason):
        VerifyCode().row(row(text, tests=tests))


@needs_sandbox
def test_code_that_passes_by_luck_is_found_by_running_it_again():
    lucky = "```python\nimport time\ndef f():\n    return time.time_ns() // 1000 % 8 != 0\n```"
    with pytest.raises(Drop, match="wrong_answer"):
        for _ in range(20):
            VerifyCode(runs=10).row(row(lucky, tests="assert f()"))


@needs_sandbox
def test_wrong_code_can_be_kept():
    assert VerifyCode(keep=True).row(row(CODE, tests="assert double(2) == 5"))["verified"] is False
    assert VerifyCode(keep=True).row(row("", tests="assert double(2) == 5"))["verified"] is False


def test_without_a_sandbox_plan_refuses(monkeypatch):
    monkeypatch.setattr(verify_code_step, "_reason", lambda: "this machine offers no sandbox for code: none")
    assert "no sandbox" in VerifyCode().problems()[0]
