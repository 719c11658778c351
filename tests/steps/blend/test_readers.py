"""What the training tools' own readers make of exported files.

Each test runs in a Python that has the tool: this one, or the one that a variable names, such as
SFTMILL_TRL_PYTHON=/path/to/venv/bin/python. Read with TRL 1.16, ms-swift 4.6, LLaMA-Factory 0.9.5,
sentence-transformers 6.2 and FlagEmbedding 1.4.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exported import CALLING, EN, LONG, ZH, assistant, row, run, user
from sftmill.steps.blend.export import Export

pytestmark = pytest.mark.slow

READERS = Path(__file__).parent / "readers"
ANSWER = "总能耗与 IT 能耗之比。"
ROWS = [
    {**ZH, "rejected": "一种插座。", "desirable": True},
    {**EN, "rejected": "A football league.", "desirable": True},
    {**LONG, "rejected": "4", "desirable": False},
    {**LONG, "rejected": "5", "desirable": True},
    {**CALLING, "rejected": "不知道。", "desirable": True},
    {**ZH, "candidates": ["一种插座。", ANSWER], "scores": [0.1, 0.9], "reasoning": "先想定义。"},
]
EVERY = ("messages", "alpaca", "sharegpt", "dpo", "kto", "ranking", "csv")


RETRIEVAL = [
    row(
        user("灯带多长？"),
        assistant("5 米。"),
        lang="zh",
        passage="灯带长 5 米。",
        hard_negatives=["插座有 3 孔。", "灯带为白色。"],
    ),
    row(
        user("How long is it?"),
        assistant("5 m."),
        lang="en",
        passage="It is 5 m long.",
        hard_negatives=["It is white."],
    ),
]
MASKED = [
    row(user("一打是几个？"), assistant("一打是 10 个，错了，是 12 个。"), masked_spans=[0, 9], lang="zh"),
    row(user("A dozen?"), assistant("Ten. No: 12. Not 11. Done."), masked_spans=[0, 5, 13, 21], lang="en"),
]  # fmt: skip


def read_with(tool, variable, script, folder, *more):
    """Run a reader in the Python that has its tool, and return what it printed last."""
    python = os.environ.get(variable) or (sys.executable if importlib.util.find_spec(tool) else None)
    if python is None:
        pytest.skip(f"{tool} is not installed; name a Python that has it in {variable}")
    done = subprocess.run(
        [python, str(READERS / script), str(folder), *more],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_trl_renders_every_file_with_a_thinking_models_template(tmp_path):
    run(Export(forms=EVERY, reasoning="keep"), ROWS, tmp_path)
    seen = read_with("trl", "SFTMILL_TRL_PYTHON", "trl_reader.py", tmp_path)
    texts = [sample["text"] for sample in seen["sft.messages.jsonl"]]
    assert len(texts) == 4
    assert texts[-1].endswith(f"<|im_start|>assistant\n<think>\n先想定义。\n</think>\n\n{ANSWER}<|im_end|>\n")
    assert texts[1].startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 1U?")
    (calling,) = seen["sft.tool_messages.jsonl"]
    assert '{"name": "read_sensor", "arguments": {"rack": "A1"}}' in calling["text"]
    pair = seen["sft.dpo_trl.jsonl"][0]
    assert pair["prompt"] == "<|im_start|>user\nPUE 是什么？<|im_end|>\n<|im_start|>assistant\n"
    assert ANSWER in pair["chosen"] and "一种插座。" in pair["rejected"]
    assert "不知道。" in seen["sft.tool_dpo_trl.jsonl"][0]["rejected"]
    assert [sample["label"] for sample in seen["sft.kto_trl.jsonl"]] == [True, True, False, True]
    assert seen["sft.ranking.jsonl"][0]["scores"] == [0.9, 0.1]


def test_trl_trains_on_messages_pairs_and_judgements(tmp_path):
    run(Export(forms=("messages", "dpo", "kto")), ROWS, tmp_path)
    losses = read_with("trl", "SFTMILL_TRL_PYTHON", "trl_trainer.py", tmp_path)
    assert set(losses) == {"sft.messages.jsonl", "sft.dpo_trl.jsonl", "sft.kto_trl.jsonl"}
    assert all(loss > 0 for loss in losses.values())


def test_swift_reads_every_file_in_its_strict_way(tmp_path):
    run(Export(forms=EVERY, reasoning="keep"), ROWS, tmp_path)
    seen = read_with("swift", "SFTMILL_SWIFT_PYTHON", "swift_reader.py", tmp_path)
    assert seen["sft.messages.jsonl"][-1]["messages"][-1]["content"] == f"<think>\n先想定义。\n</think>\n\n{ANSWER}"
    assert [turn["role"] for turn in seen["sft.tool_messages.jsonl"][0]["messages"]] == [
        "user", "tool_call", "tool", "assistant",
    ]  # fmt: skip
    pairs = seen["sft.dpo_swift.jsonl"]
    assert [pair["rejected_messages"][-1]["content"] for pair in pairs] == ["一种插座。", "A football league.", "5"]
    (pair,) = seen["sft.tool_dpo_swift.jsonl"]
    assert pair["rejected_messages"][-1] == {"role": "assistant", "content": "不知道。"}
    assert [turn["role"] for turn in pair["rejected_messages"]] == [turn["role"] for turn in pair["messages"]]
    assert [sample["label"] for sample in seen["sft.kto_swift.jsonl"]] == [True, True, False, True]
    assert len(seen["sft.alpaca.json"]) == len(seen["sft.sharegpt.json"]) - 1 == 4
    assert [len(seen[form]) for form in ("messages", "dpo_swift", "kto_swift")] == [5, 4, 5]
    (calling,) = (pair for pair in seen["dpo_swift"] if pair["chosen"]["tools"])
    assert calling["rejected"]["tools"] and calling["rejected"]["messages"][-1]["content"] == "不知道。"
    assert all("rejected" in pair for pair in seen["dpo_swift"])


def test_llamafactory_finds_every_data_set_and_no_broken_sample(tmp_path):
    run(Export(forms=EVERY, reasoning="keep"), ROWS, tmp_path)
    seen = read_with("llamafactory", "SFTMILL_LLAMAFACTORY_PYTHON", "llamafactory_reader.py", tmp_path)
    assert list(seen) == ["sft_messages", "sft_alpaca", "sft_sharegpt", "sft_dpo_alpaca", "sft_dpo_sharegpt",
                          "sft_kto_alpaca", "sft_kto_sharegpt"]  # fmt: skip
    assert {name: len(found["rows"]) for name, found in seen.items()} == {
        "sft_messages": 4, "sft_alpaca": 4, "sft_sharegpt": 5, "sft_dpo_alpaca": 3, "sft_dpo_sharegpt": 4,
        "sft_kto_alpaca": 4, "sft_kto_sharegpt": 5,
    }  # fmt: skip
    for name, found in seen.items():
        paired = "dpo" in name or "kto" in name
        assert found["ranking"] == ("dpo" in name)
        for sample in found["rows"]:
            assert len(sample["_prompt"]) % 2 == 1 and len(sample["_response"]) == (2 if paired else 1)
    for form in ("alpaca", "sharegpt"):
        chosen, rejected = seen[f"sft_dpo_{form}"]["rows"][0]["_response"]
        assert (chosen["content"], rejected["content"]) == (ANSWER, "一种插座。")
        # LLaMA-Factory puts an answer that is not wanted in the second place, behind an empty one.
        good, bad = seen[f"sft_kto_{form}"]["rows"][0]["_response"], seen[f"sft_kto_{form}"]["rows"][2]["_response"]
        assert (good[0]["content"], good[1]["content"]) == (ANSWER, "")
        assert (bad[0]["content"], bad[1]["content"]) == ("", "3")
    assert seen["sft_messages"]["rows"][1]["_system"] == "Be brief."
    assert [turn["role"] for turn in seen["sft_dpo_sharegpt"]["rows"][-1]["_prompt"]] == [
        "user", "function", "observation",
    ]  # fmt: skip


def test_swift_learns_no_masked_part_and_sees_each_passage_as_it_should(tmp_path):
    run(Export(forms=["messages", "masked", "triplets", "pairs"]), [EN, *MASKED, *RETRIEVAL], tmp_path)
    seen = read_with("swift", "SFTMILL_SWIFT_PYTHON", "swift_masked_reader.py", tmp_path)
    assert [learnt for _, learnt in seen["learnt"]] == [
        "44.45 mm.<|im_end|>\n",
        "5 米。<|im_end|>\n",
        "5 m.<|im_end|>\n",
        "错了，是 12 个。<|im_end|>\n",
        "No: 12. Done.<|im_end|>\n",
    ]
    assert seen["learnt"][-1][0].endswith("assistant\nTen. No: 12. Not 11. Done.<|im_end|>\n")
    embedder, reranker = seen["triplets"]["triplets_swift"], seen["triplets"]["triplets_swift_reranker"]
    assert [sample["labels"] for sample in embedder] == [[1, 0, 0], [1, 0]] == [sample["labels"] for sample in reranker]
    assert "灯带长 5 米。" in embedder[0]["positive_input_ids"] and "灯带多长" not in embedder[0]["positive_input_ids"]
    assert "灯带多长？" in reranker[0]["input_ids"][1] and "插座有 3 孔。" in reranker[0]["input_ids"][1]
    assert [sample["labels"] for sample in seen["triplets"]["pairs_swift"]] == [[1], [1]]


def test_trl_learns_no_masked_part_when_labels_are_made_as_the_readme_says(tmp_path):
    run(Export(forms="masked"), MASKED, tmp_path)
    learnt = read_with("trl", "SFTMILL_TRL_PYTHON", "trl_labels.py", tmp_path)
    assert learnt == sorted(["错了，是 12 个。<|im_end|>\n", "No: 12. Done.<|im_end|>\n"])


def test_sentence_transformers_takes_the_columns_in_their_order(tmp_path):
    run(Export(forms=["triplets", "pairs"]), RETRIEVAL, tmp_path)
    seen = read_with(
        "sentence_transformers", "SFTMILL_RETRIEVER_PYTHON", "retriever_reader.py", tmp_path, "sentence_transformers"
    )
    assert seen["triplets_st"]["columns"] == ["anchor", "positive", "negative"]
    assert seen["triplets_st"]["asked"][2] == ["插座有 3 孔。", "It is white."]
    assert not seen["triplets_st"]["labels"] and len(seen["pairs_st"]["asked"]) == 2


def test_flagembedding_finds_the_passages_of_each_question(tmp_path):
    run(Export(forms="triplets"), RETRIEVAL, tmp_path)
    seen = read_with("FlagEmbedding", "SFTMILL_RETRIEVER_PYTHON", "retriever_reader.py", tmp_path, "FlagEmbedding")
    assert [[query, passages[0]] for query, passages in seen["rows"]] == [
        ["灯带多长？", "灯带长 5 米。"], ["How long is it?", "It is 5 m long."],
    ]  # fmt: skip
    assert all(len(passages) == 3 for _, passages in seen["rows"])
