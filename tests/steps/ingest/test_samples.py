"""Existing samples: the three forms of a line, and what becomes of lines that are none."""

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


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "7", '{"messages": []}', '{"messages": [3]}', '{"question": 5}', "{}",
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
