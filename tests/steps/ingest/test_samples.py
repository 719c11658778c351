"""Existing samples: the three forms of a line, and what becomes of lines that are none."""

import json
from pathlib import Path

import pytest

from sftmill.core import Dropped
from sftmill.steps.ingest.samples import Samples

SHARED = Path(__file__).resolve().parents[3] / "../shared/data/formats"


def read(tmp_path, text):
    path = tmp_path / "in.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(Samples(file=path).rows())


def test_messages_question_and_instruction_lines_become_conversations(tmp_path):
    rows = read(
        tmp_path,
        '{"messages": [{"role": "user", "content": "什么是复利？"}, {"role": "assistant", "content": "利滚利。"}]}\n'
        '{"question": "What is a bond?"}\n\n'
        '{"system": "Be brief.", "instruction": "Add.", "input": "1 2", "output": "3"}\n',
    )
    assert [row["lang"] for row in rows] == ["zh", "en", "en"]
    assert rows[0]["messages"][1] == {"role": "assistant", "content": "利滚利。"}
    assert rows[1]["messages"] == [{"role": "user", "content": "What is a bond?"}]
    assert [m["role"] for m in rows[2]["messages"]] == ["system", "user", "assistant"]
    assert rows[2]["messages"][1]["content"] == "Add.\n\n1 2"
    assert all(row["source"] == "in.jsonl" and row["sensitivity"] == "internal" for row in rows)


def test_the_right_answer_of_a_line_is_kept_for_verifiers_and_judges(tmp_path):
    rows = read(tmp_path, '{"question": "1+1=?", "reference": "2"}\n{"question": "2+2=?", "reference": 4}\n')
    assert [row.get("reference") for row in rows] == ["2", None]


@pytest.mark.parametrize("domain", ["医疗", "medicine"])
def test_the_catalogue_of_a_database_is_taken_over_under_its_own_names(tmp_path, domain):
    line = {
        "instruction": "什么是复利？",
        "output": "利滚利。",
        "domain": domain,
        "labels": ["利息"],
        "origin": "set A",
    }
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({**line, "topic": "利息", "difficulty": 3, "licence": "CC BY 4.0"}))
    (row,) = Samples(file=path, fields={"category": "domain", "tags": "labels", "source": "origin"}).rows()
    told = {"category": domain, "tags": ["利息"], "source": "set A", "topic": "利息", "licence": "CC BY 4.0"}
    assert row.items() >= told.items()
    assert "difficulty" not in row  # a number is no word
    (row,) = Samples(file=path).rows()
    assert "category" not in row and "tags" not in row and row["source"] == "in.jsonl"


def test_a_passage_and_a_rejected_answer_are_taken_over(tmp_path):
    (row,) = read(tmp_path, '{"question": "谁？", "answer": "甲", "passage": "是甲。", "rejected": "乙"}')
    assert (row["passage"], row["rejected"]) == ("是甲。", "乙")


@pytest.mark.parametrize(
    "line",
    [
        {"prompt": "Who?", "chosen": "A", "rejected": "B"},
        {"instruction": "Who?", "chosen": {"role": "assistant", "content": "A"}, "rejected": {"content": "B"}},
        {"prompt": [{"role": "user", "content": "Who?"}], "chosen": [{"role": "assistant", "content": "A"}],
         "rejected": [{"role": "assistant", "content": "B"}]},
    ],
)  # fmt: skip
def test_a_preference_set_can_be_judged_again(tmp_path, line):
    (row,) = read(tmp_path, json.dumps(line))
    assert [turn["content"] for turn in row["messages"]] == ["Who?", "A"]
    assert row["rejected"] == "B"


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "7", '{"messages": []}', '{"messages": [3]}', '{"question": 5}', "{}", '{"instruction": " "}',
     '{"messages": [{"role": "robot", "content": "x"}]}', '{"messages": [{"role": "user", "content": null}]}', "\xff"],
)  # fmt: skip
def test_a_line_that_is_no_sample_is_dropped_with_its_number(tmp_path, line):
    good = b'{"question": "a?"}\n'
    rows = read(tmp_path, good + line.encode("latin-1") + b"\n" + good)
    assert [isinstance(row, Dropped) for row in rows] == [False, True, False]
    assert rows[1].reason == "unreadable"
    assert rows[1].facts["line"] == 2


def test_a_missing_file_is_a_problem_of_the_plan(tmp_path):
    assert Samples(file=tmp_path / "no.jsonl").problems() != []


def test_all_good_real_jsonl_files_are_read_without_loss():
    if not SHARED.is_dir():
        pytest.skip("the shared real material is not here")
    for path in sorted((SHARED / "good").glob("*.jsonl")):
        rows = list(Samples(file=path).rows())
        assert rows, path.name


# --- seed tasks of Self-Instruct ---------------------------------------------------------------------


def seed(instruction="列出三种债券", instances=({"input": "", "output": "国债、企业债、可转债"},), **more):
    return {"id": "seed_1", "name": "bonds", "instruction": instruction, "instances": list(instances),
            "is_classification": False, **more}  # fmt: skip


def read_seeds(tmp_path, *records, **settings):
    path = tmp_path / "seeds.jsonl"
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), "utf-8")
    return list(Samples(file=path, **settings).rows())


def test_a_seed_task_becomes_a_conversation_with_its_first_instance(tmp_path):
    plain, given, label = read_seeds(
        tmp_path,
        seed(),
        seed("翻译下面的句子", [{"input": "你好", "output": "Hello"}, {"input": "再见", "output": "Bye"}], form="text"),
        seed("判断留言的情感：满意或不满", [{"input": "很好吃", "output": "满意"}], is_classification=True),
    )
    assert [m["content"] for m in plain["messages"]] == ["列出三种债券", "国债、企业债、可转债"]
    assert "instruction" not in plain
    assert "method" not in plain
    assert given["messages"][0]["content"] == "翻译下面的句子\n\n你好"
    assert (given["instruction"], given["form"]) == ("翻译下面的句子", "text")
    assert label["task_type"] == "classification"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (seed(""), "missing_field"),
        (seed("  \u200f "), "missing_field"),
        (seed("🙂🙂"), "missing_field"),
        ({"instances": [{"input": "", "output": "x"}], "is_classification": False}, "missing_field"),
        (seed(instances=[]), "missing_field"),
        (seed(7), "wrong_field"),
        (seed(instances=["x"]), "wrong_field"),
        (seed(instances=[{"input": 3, "output": "x"}]), "wrong_field"),
        (seed(is_classification="yes"), "wrong_field"),
        (seed(form="poem"), "wrong_field"),
        (seed("请总结：" + "长" * 200_000), "overlong"),
        (seed("解释\u202e复利\u202c的含义"), "reordered_text"),
    ],
)
def test_a_faulty_seed_is_skipped_with_its_reason_and_line(tmp_path, record, reason):
    good, bad = read_seeds(tmp_path, seed(), record)
    assert not isinstance(good, Dropped)
    assert (bad.reason, bad.facts["line"]) == (reason, 2)


def test_equal_seeds_are_taken_once_however_they_are_written(tmp_path):
    rows = read_seeds(tmp_path, seed("解释 ROE 的含义。"), seed("解释ＲＯＥ的含义"), seed("解释 ROI 的含义"))
    assert [isinstance(row, Dropped) for row in rows] == [False, True, False]
    assert rows[1].facts == {"line": 2, "first_line": 1}


def test_emoji_stay_and_marks_of_direction_go(tmp_path):
    (row,) = read_seeds(tmp_path, seed("用一个表情 🙂 概括\u200f今天的\u2066行情\u2069"))
    assert row["messages"][0]["content"] == "用一个表情 🙂 概括今天的行情"


def test_other_languages_are_left_out_on_request(tmp_path):
    rows = read_seeds(tmp_path, seed(), seed("List three kinds of bonds."), {"question": "What is a bond?"}, only="zh")
    assert [row.reason if isinstance(row, Dropped) else row["lang"] for row in rows] == ["zh", *["other_language"] * 2]
    assert len(read_seeds(tmp_path, seed(), seed("List three kinds of bonds."))) == 2


def test_a_file_without_a_usable_seed_is_a_problem_that_names_it_and_the_next_command(tmp_path):
    read_seeds(tmp_path, seed(""), seed("x" * 30_000))
    (problem,) = Samples(file=tmp_path / "seeds.jsonl").problems()
    assert "seeds.jsonl" in problem
    assert "1 missing_field" in problem
    assert "1 overlong" in problem
    assert "sftmill plan" in problem
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert "no line" in Samples(file=tmp_path / "empty.jsonl").problems()[0]


def test_a_mark_of_byte_order_is_no_fault(tmp_path):
    (row,) = read(tmp_path, b"\xef\xbb\xbf" + b'{"question": "What is a bond?"}\n')
    assert row["lang"] == "en"


def test_all_real_seed_files_are_read():
    folder = SHARED.parent / "seeds"
    if not folder.is_dir():
        pytest.skip("the shared real material is not here")
    for path in sorted(folder.glob("*.jsonl")):
        rows = list(Samples(file=path).rows())
        assert sum(isinstance(row, Dropped) for row in rows) == 0, path.name
        assert Samples(file=path).problems() == []
