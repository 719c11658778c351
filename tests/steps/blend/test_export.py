"""Files for the training tools."""

import asyncio
import hashlib
import json
import re
import tracemalloc
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported import CALLING, EN, LONG, TOOLS, ZH, FakeShards, assistant, call, lines, row, run, system, tool, user
from served import project, serving
from sftmill.core import Dropped
from sftmill.errors import RunError, StorageError
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.show import export_run
from sftmill.steps.blend.export import Export
from sftmill.steps.blend.export_readme import listed_files


def dropped(items):
    return [item for item in items if isinstance(item, Dropped)]


def test_messages_are_these_bytes(tmp_path):
    run(Export(), [ZH, EN], tmp_path)
    assert (tmp_path / "sft.messages.jsonl").read_bytes() == (
        '{"messages":[{"role":"user","content":"PUE 是什么？"},'
        '{"role":"assistant","content":"总能耗与 IT 能耗之比。"}]}\n'
        '{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is 1U?"},'
        '{"role":"assistant","content":"44.45 mm."}]}\n'
    ).encode()


def test_alpaca_is_these_bytes(tmp_path):
    run(Export(), [ZH, EN], tmp_path)
    assert (tmp_path / "sft.alpaca.json").read_bytes() == (
        '[\n{"instruction":"PUE 是什么？","input":"","output":"总能耗与 IT 能耗之比。","system":"","history":[]},\n'
        '{"instruction":"What is 1U?","input":"","output":"44.45 mm.","system":"Be brief.","history":[]}\n]\n'
    ).encode()


def test_sharegpt_is_these_bytes(tmp_path):
    run(Export(), [ZH, EN], tmp_path)
    assert (tmp_path / "sft.sharegpt.json").read_bytes() == (
        '[\n{"conversations":[{"from":"human","value":"PUE 是什么？"},{"from":"gpt","value":"总能耗与 IT 能耗之比。"}],'
        '"system":"","tools":""},\n'
        '{"conversations":[{"from":"human","value":"What is 1U?"},{"from":"gpt","value":"44.45 mm."}],'
        '"system":"Be brief.","tools":""}\n]\n'
    ).encode()


def test_every_row_passes_unchanged(tmp_path):
    assert run(Export(), [ZH, EN, LONG, CALLING], tmp_path) == [ZH, EN, LONG, CALLING]


def test_earlier_turns_become_history(tmp_path):
    run(Export(), [LONG], tmp_path)
    (sample,) = json.loads((tmp_path / "sft.alpaca.json").read_bytes())
    assert (sample["instruction"], sample["output"]) == ("三？", "3")
    assert sample["history"] == [["一？", "1"], ["二？", "2"]]
    (sample,) = json.loads((tmp_path / "sft.sharegpt.json").read_bytes())
    assert [turn["from"] for turn in sample["conversations"]] == ["human", "gpt"] * 3


def test_tools_go_to_a_messages_file_of_their_own_and_to_sharegpt(tmp_path):
    assert run(Export(), [ZH, CALLING], tmp_path) == [ZH, CALLING]
    assert len(lines(tmp_path / "sft.messages.jsonl")) == 1
    (sample,) = lines(tmp_path / "sft.tool_messages.jsonl")
    assert sample["messages"][1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "read_sensor", "arguments": {"rack": "A1"}}}],
    }
    assert sample["messages"][2] == {"role": "tool", "content": '{"celsius": 24.50}'}
    assert json.loads(sample["tools"]) == [{"type": "function", "function": json.loads(TOOLS)[0]}]
    sample = json.loads((tmp_path / "sft.sharegpt.json").read_bytes())[1]
    assert [turn["from"] for turn in sample["conversations"]] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(sample["conversations"][1]["value"]) == {"name": "read_sensor", "arguments": {"rack": "A1"}}
    assert json.loads(sample["tools"]) == json.loads(TOOLS)
    assert len(json.loads((tmp_path / "sft.alpaca.json").read_bytes())) == 1
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "使用工具的样本（这种格式放不下）：1 个，不在 `sft.alpaca.json`" in readme
    assert "samples that use tools (the form has no place for them): 1, not in `sft.alpaca.json`" in readme


def test_parallel_calls_and_their_answers_become_one_turn_each_in_sharegpt(tmp_path):
    calls = [call("read_sensor", rack="A1"), call("read_sensor", rack="A2")]
    answers = tool('{"celsius": 24.50}'), {"role": "function", "content": "offline"}
    run(Export(), [row(user("?"), assistant("", calls), *answers, assistant("A1 24.5 °C"))], tmp_path)
    (sample,) = json.loads((tmp_path / "sft.sharegpt.json").read_bytes())
    called, observed = sample["conversations"][1:3]
    assert [c["arguments"]["rack"] for c in json.loads(called["value"])] == ["A1", "A2"]
    assert observed == {"from": "observation", "value": '[{"celsius": 24.50}, "offline"]'}


def test_a_conversation_may_end_with_a_call(tmp_path):
    ending = row(user("进风多少度？"), assistant("", [call("read_sensor")]), tools=TOOLS)
    assert run(Export(), [ending], tmp_path) == [ending]


def test_text_and_call_in_one_turn_is_left_out_of_sharegpt_only(tmp_path):
    both = row(user("?"), assistant("我看一下。", [call("read_sensor")]), tool("24"), assistant("24 °C"))
    assert run(Export(), [both], tmp_path) == [both]
    assert json.loads((tmp_path / "sft.sharegpt.json").read_bytes()) == []


def test_a_row_that_none_of_the_forms_holds_is_dropped(tmp_path):
    (item,) = run(Export(forms="alpaca"), [CALLING], tmp_path)
    assert (item.row, item.reason) == (CALLING, "not_exportable")
    assert "alpaca cannot hold" in item.facts["why"]


@pytest.mark.parametrize(
    ("messages", "facts"),
    [
        ([], {"why": "no messages"}),
        ([user("问？")], {"why": "last turn is not the assistant's"}),
        ([user("问？"), assistant("  ")], {"why": "empty turn", "turn": 1}),
        ([user("问？"), assistant(None)], {"why": "empty turn", "turn": 1}),
        ([user(" "), assistant("答。")], {"why": "empty turn", "turn": 0}),
        ([assistant("答。")], {"why": "roles out of order", "turn": 0}),
        ([user("一？"), user("二？"), assistant("答。")], {"why": "roles out of order", "turn": 1}),
        ([user("问？"), assistant("答。"), assistant("再答。")], {"why": "roles out of order", "turn": 2}),
        ([user("问？"), system("晚了。"), assistant("答。")], {"why": "system turn is not the first", "turn": 1}),
        ([user("问？"), {"role": "critic", "content": "?"}], {"why": "unknown role", "turn": 1}),
        ([user("问？"), {"role": "assistant", "content": ["part"]}], {"why": "content is not text", "turn": 1}),
        ([user("问？"), tool("24"), assistant("24")], {"why": "tool answers without a call", "turn": 1}),
        ([user("问？"), assistant("", [call("a")]), assistant("24")], {"why": "tool call has no answer", "turn": 2}),
        ([user("问？"), {"role": "assistant", "tool_calls": "[{"}], {"why": "tool calls are not JSON", "turn": 1}),
        ([user("问？"), {"role": "assistant", "tool_calls": "{}"}], {"why": "tool calls are not a list", "turn": 1}),
        ([user("问？"), {"role": "assistant", "tool_calls": "[1]"}], {"why": "tool call has no name", "turn": 1}),
    ],
)
def test_what_no_tool_could_read_is_dropped_with_the_reason(messages, facts, tmp_path):
    bad = row(*messages)
    assert run(Export(), [bad, ZH], tmp_path) == [Dropped(bad, "not_exportable", facts), ZH]
    assert len(lines(tmp_path / "sft.messages.jsonl")) == 1


def test_a_lone_surrogate_is_dropped_and_leaves_no_trace(tmp_path):
    bad = row(user("半个字 \ud83d？"), assistant("答。"))
    items = run(Export(), [ZH, bad, EN], tmp_path)
    assert [item.reason for item in dropped(items)] == ["not_exportable"]
    assert "Unicode" in items[1].facts["why"]
    assert (
        len(lines(tmp_path / "sft.messages.jsonl")) == len(json.loads((tmp_path / "sft.alpaca.json").read_bytes())) == 2
    )


def test_control_tokens_are_escaped_everywhere(tmp_path):
    evil = "<|im_end|>"
    function = {"name": "f", "description": evil, "parameters": {"type": "object", "properties": {evil: {}}}}
    run(
        Export(),
        [
            row(system(evil), user(evil), assistant(evil), user("<s>[INST]"), assistant("答。")),
            row(
                user("?"),
                assistant("", [call("f", text=evil)]),
                tool(evil),
                assistant("!"),
                tools=json.dumps([function]),
            ),
        ],
        tmp_path,
    )
    for name in ("sft.messages.jsonl", "sft.tool_messages.jsonl", "sft.alpaca.json", "sft.sharegpt.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert evil not in text and "<s>" not in text and "[INST]" not in text
    assert lines(tmp_path / "sft.messages.jsonl")[0]["messages"][0]["content"] == "<\\|im_end\\|>"


def test_line_separators_inside_text_do_not_split_a_row(tmp_path):
    text = "一\u2028二\u2029三\x85四\x0b五\x1c六\r\n七"
    run(Export(), [row(user(text), assistant(text))], tmp_path)
    written = (tmp_path / "sft.messages.jsonl").read_text(encoding="utf-8")
    assert len(written.splitlines()) == 1
    assert json.loads(written)["messages"][0]["content"] == text


# No deadline: every example waits for the disk.
@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=5))
def test_every_text_comes_back_as_it_was_but_for_control_tokens(tmp_path_factory, pairs):
    from sftmill.text import escape_control_tokens

    folder = tmp_path_factory.mktemp("export")
    rows = [row(user(question), assistant(answer)) for question, answer in pairs]
    kept = [item for item in run(Export(), rows, folder) if not isinstance(item, Dropped)]
    wanted = [[escape_control_tokens(m["content"]) for m in r["messages"]] for r in kept]
    assert [[m["content"] for m in s["messages"]] for s in lines(folder / "sft.messages.jsonl")] == wanted
    alpaca = json.loads((folder / "sft.alpaca.json").read_bytes())
    assert [[s["instruction"], s["output"]] for s in alpaca] == wanted
    sharegpt = json.loads((folder / "sft.sharegpt.json").read_bytes())
    assert [[m["value"] for m in s["conversations"]] for s in sharegpt] == wanted


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        run(Export(), [ZH, CALLING, LONG], tmp_path / name)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert sorted(one) == [
        "README.md", "dataset_info.json", "sft.alpaca.json", "sft.messages.jsonl", "sft.sharegpt.json",
        "sft.tool_messages.jsonl",
    ]  # fmt: skip


def test_exporting_again_replaces_what_was_there(tmp_path):
    run(Export(), [ZH, CALLING], tmp_path)
    run(Export(), [EN], tmp_path)
    assert not (tmp_path / "sft.tool_messages.jsonl").exists()
    fresh = tmp_path / "fresh"
    run(Export(), [EN], fresh)
    assert all(p.read_bytes() == (tmp_path / p.name).read_bytes() for p in fresh.iterdir())


def test_only_the_forms_asked_for_are_written(tmp_path):
    run(Export(forms=("sharegpt",), file_prefix="机房", folder="a/b"), [ZH], tmp_path)
    names = sorted(path.name for path in (tmp_path / "a/b").iterdir())
    assert names == ["README.md", "dataset_info.json", "机房.sharegpt.json"]
    assert list(json.loads((tmp_path / "a/b/dataset_info.json").read_bytes())) == ["机房_sharegpt"]


@pytest.mark.parametrize("wrong", [{"folder": "/tmp"}, {"folder": "../x"}, {"file_prefix": "a/b"}, {"forms": ()}])
def test_settings_that_would_write_elsewhere_are_refused(wrong):
    with pytest.raises(ValueError):
        Export(**wrong)


def test_dataset_info_tells_llamafactory_every_column_and_tag(tmp_path):
    run(Export(), [ZH], tmp_path)
    info = json.loads((tmp_path / "dataset_info.json").read_bytes())
    assert info["sft_alpaca"] == {
        "file_name": "sft.alpaca.json",
        "formatting": "alpaca",
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        },
    }
    assert info["sft_sharegpt"]["columns"] == {"messages": "conversations", "system": "system", "tools": "tools"}
    assert info["sft_sharegpt"]["tags"]["function_tag"] == "function_call"
    assert info["sft_messages"]["formatting"] == "sharegpt"
    assert info["sft_messages"]["tags"]["role_tag"] == "role"
    for entry in info.values():
        sample = (tmp_path / entry["file_name"]).read_text(encoding="utf-8").split("\n")
        first = json.loads(next(line for line in sample if line.startswith("{")))
        assert set(entry["columns"].values()) == set(first)


def test_entries_of_others_in_dataset_info_stay(tmp_path):
    mine = {"file_name": "mine.json", "columns": {"prompt": "问"}}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": mine}, ensure_ascii=False), encoding="utf-8")
    run(Export(), [ZH], tmp_path)
    run(Export(file_prefix="general"), [EN], tmp_path)
    info = json.loads((tmp_path / "dataset_info.json").read_bytes())
    assert list(info) == ["mine", "sft_messages", "sft_alpaca", "sft_sharegpt",
                          "general_messages", "general_alpaca", "general_sharegpt"]  # fmt: skip
    assert info["mine"] == mine
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# sft\n" in readme and "# general\n" in readme
    run(Export(), [ZH], tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == readme


@pytest.mark.parametrize("content", ["[]", "{", '{"sft_alpaca": {"file_name": "mine.json"}}'])
def test_a_dataset_info_that_is_not_ours_to_change_stops_the_export(content, tmp_path):
    (tmp_path / "dataset_info.json").write_text(content)
    with pytest.raises(RunError, match=r"run again"):
        run(Export(), [ZH], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset_info.json"]
    assert (tmp_path / "dataset_info.json").read_text() == content


def test_no_rows_give_empty_files_that_llamafactory_is_not_told_about(tmp_path):
    run(Export(), [], tmp_path)
    assert json.loads((tmp_path / "sft.alpaca.json").read_bytes()) == []
    assert (tmp_path / "sft.messages.jsonl").read_bytes() == b""
    assert json.loads((tmp_path / "dataset_info.json").read_bytes()) == {}


def test_the_readme_has_the_rows_and_the_hash_of_each_file(tmp_path):
    run(Export(), [ZH, EN, CALLING], tmp_path)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    for name, rows in (("sft.messages.jsonl", 2), ("sft.tool_messages.jsonl", 1), ("sft.alpaca.json", 2)):
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert re.search(rf"\| {re.escape(name)} \| {rows} \| .+ \| `{digest}` \|", readme)
    assert "llamafactory-cli train train.yaml stage=sft dataset_dir=. dataset=sft_sharegpt" in readme
    assert "swift sft --model <model> --dataset sft.messages.jsonl sft.tool_messages.jsonl" in readme
    assert 'load_dataset("json", data_files="sft.messages.jsonl", split="train")' in readme


def test_a_failure_in_the_middle_leaves_the_old_files_and_no_others(tmp_path):
    run(Export(), [EN], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def failing():
        yield ZH
        raise RuntimeError("shard is damaged")

    with pytest.raises(RuntimeError, match="shard is damaged"):
        run(Export(), failing, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "export").write_text("a file in the way")
    with pytest.raises(StorageError, match="same command again"):
        run(Export(), [ZH], tmp_path / "export")


def test_memory_does_not_grow_with_the_rows(tmp_path):
    text = "机房" * 500

    def rows():
        return (row(user(f"{i}？"), assistant(text)) for i in range(10_000))

    async def consume():
        count = 0
        async for _ in Export().run({"rows": FakeShards(rows)}, SimpleNamespace(output=tmp_path)):
            count += 1
        return count

    tracemalloc.start()
    try:
        assert asyncio.run(consume()) == 10_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 10,000 rows of 3 kB make 30 MB in each of three files.
    assert peak < 12 * 1024 * 1024
    assert (tmp_path / "sft.alpaca.json").stat().st_size > 30_000_000


def test_rows_that_count_more_than_once_are_told_of(tmp_path):
    run(Export(), [{**ZH, "weight": 2.0}, {**EN, "weight": 1.0}, LONG], tmp_path)
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "有 1 行的 `weight` 不是 1。" in readme and "Rows whose `weight` is not 1: 1." in readme
    run(Export(), [ZH], tmp_path)
    assert "weight" not in (tmp_path / "README.md").read_text("utf-8")


def test_the_readme_lists_what_can_be_read_back_from_it(tmp_path):
    run(Export(forms=("messages", "xlsx")), [ZH, EN, CALLING], tmp_path)
    listed = listed_files((tmp_path / "README.md").read_text("utf-8"))
    assert [(file.name, file.rows, file.readers) for file in listed] == [
        ("sft.messages.jsonl", 2, "TRL, ms-swift, LLaMA-Factory"),
        ("sft.tool_messages.jsonl", 1, "TRL, ms-swift"),
        ("sft.xlsx", 2, "Excel"),
    ]
    assert all(hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest() == file.sha256 for file in listed)


def test_a_finished_run_can_be_exported_again_in_other_forms(tmp_path):
    with serving() as endpoint:
        run_recipe(load_recipe(project(tmp_path, endpoint.url, rows=3)), tmp_path / "run")
    assert export_run(tmp_path / "run", tmp_path / "out", ("csv",), "", "keep") == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "sft.csv"]
    with pytest.raises(RunError, match=r"forms: there is no 'parquet'; there are: messages, alpaca, sharegpt, dpo"):
        export_run(tmp_path / "run", tmp_path / "out", ("parquet",), "")
