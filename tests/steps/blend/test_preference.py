"""Pairs, judgements and ranked lists for preference training."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import CALLING, EN, LONG, TOOLS, ZH, array, assistant, call, lines, row, run, system, tool, user
from sftmill.core import Dropped
from sftmill.steps.blend.export import Export

PAIR = {**ZH, "rejected": "一种插座。"}
ENGLISH_PAIR = {**EN, "rejected": "A football league."}
GOOD = {**ZH, "desirable": True}
BAD = row(system("简短。"), user("1U 多高？"), assistant("一米。"), desirable=False)
RANKED = row(
    user("1U 多高？"), candidates=["一米。", "44.45 毫米。", "大约 4.4 厘米。"], scores=[0.0, 1.0, 0.5], lang="zh"
)


def user_turn(text):
    return {"role": "user", "content": text}


def assistant_turn(text):
    return {"role": "assistant", "content": text}


def test_pairs_for_trl_are_prompt_chosen_and_rejected(tmp_path):
    assert run(Export(forms="dpo"), [PAIR, ENGLISH_PAIR], tmp_path) == [PAIR, ENGLISH_PAIR]
    assert lines(tmp_path / "sft.dpo_trl.jsonl") == [
        {
            "prompt": [user_turn("PUE 是什么？")],
            "chosen": [assistant_turn("总能耗与 IT 能耗之比。")],
            "rejected": [assistant_turn("一种插座。")],
        },
        {
            "prompt": [{"role": "system", "content": "Be brief."}, user_turn("What is 1U?")],
            "chosen": [assistant_turn("44.45 mm.")],
            "rejected": [assistant_turn("A football league.")],
        },
    ]


def test_pairs_for_swift_are_messages_and_rejected_messages(tmp_path):
    run(Export(forms="dpo"), [PAIR], tmp_path)
    (sample,) = lines(tmp_path / "sft.dpo_swift.jsonl")
    assert sample == {
        "messages": [user_turn("PUE 是什么？"), assistant_turn("总能耗与 IT 能耗之比。")],
        "rejected_messages": [user_turn("PUE 是什么？"), assistant_turn("一种插座。")],
    }


def test_a_margin_goes_where_reward_models_read_it_and_is_zero_where_a_row_has_none(tmp_path):
    run(Export(forms="dpo"), [{**PAIR, "margin": 1.25}, {**ENGLISH_PAIR, "margin": None}], tmp_path)
    for name in ("dpo_trl", "dpo_swift"):
        assert [sample["margin"] for sample in lines(tmp_path / f"sft.{name}.jsonl")] == [1.25, 0.0]
    assert all("margin" not in sample for sample in array(tmp_path / "sft.dpo_alpaca.json"))


def test_what_must_carry_no_loss_is_left_out_while_no_form_can_say_so(tmp_path):
    masked = {**EN, "masked_spans": [0, 2]}
    (lost,) = run(Export(forms=["messages", "alpaca"]), [ZH, masked], tmp_path)[1:]
    assert isinstance(lost, Dropped)
    assert "must not be learnt" in lost.facts["why"]
    assert len(lines(tmp_path / "sft.messages.jsonl")) == 1


def test_pairs_for_llamafactory_are_declared_as_ranking(tmp_path):
    run(Export(forms="dpo"), [ENGLISH_PAIR], tmp_path)
    assert array(tmp_path / "sft.dpo_alpaca.json") == [
        {
            "instruction": "What is 1U?",
            "input": "",
            "chosen": "44.45 mm.",
            "rejected": "A football league.",
            "system": "Be brief.",
            "history": [],
        }
    ]
    assert array(tmp_path / "sft.dpo_sharegpt.json") == [
        {
            "conversations": [{"from": "human", "value": "What is 1U?"}],
            "chosen": {"from": "gpt", "value": "44.45 mm."},
            "rejected": {"from": "gpt", "value": "A football league."},
            "system": "Be brief.",
            "tools": "",
        }
    ]
    info = array(tmp_path / "dataset_info.json")
    assert list(info) == ["sft_dpo_alpaca", "sft_dpo_sharegpt"]
    for entry in info.values():
        (sample,) = array(tmp_path / entry["file_name"])
        assert entry["ranking"] is True
        assert {entry["columns"]["chosen"], entry["columns"]["rejected"]} == {"chosen", "rejected"}
        assert set(entry["columns"].values()) == set(sample)


def test_earlier_turns_stand_before_a_pair(tmp_path):
    run(Export(forms="dpo"), [{**LONG, "rejected": "4"}], tmp_path)
    (sample,) = lines(tmp_path / "sft.dpo_trl.jsonl")
    assert [turn["content"] for turn in sample["prompt"]] == ["一？", "1", "二？", "2", "三？"]
    (sample,) = array(tmp_path / "sft.dpo_alpaca.json")
    assert sample["history"] == [["一？", "1"], ["二？", "2"]]
    (sample,) = array(tmp_path / "sft.dpo_sharegpt.json")
    assert len(sample["conversations"]) == 5


def test_judgements_carry_their_label_for_every_tool(tmp_path):
    assert run(Export(forms="kto"), [GOOD, BAD], tmp_path) == [GOOD, BAD]
    assert [s["label"] for s in lines(tmp_path / "sft.kto_trl.jsonl")] == [True, False]
    assert lines(tmp_path / "sft.kto_trl.jsonl")[1] == {
        "prompt": [{"role": "system", "content": "简短。"}, user_turn("1U 多高？")],
        "completion": [assistant_turn("一米。")],
        "label": False,
    }
    assert lines(tmp_path / "sft.kto_swift.jsonl")[0] == {
        "messages": [user_turn("PUE 是什么？"), assistant_turn("总能耗与 IT 能耗之比。")],
        "label": True,
    }
    info = array(tmp_path / "dataset_info.json")
    for name in ("kto_alpaca", "kto_sharegpt"):
        samples = array(tmp_path / f"sft.{name}.json")
        assert [s["kto_tag"] for s in samples] == [True, False]
        assert info[f"sft_{name}"]["columns"]["kto_tag"] == "kto_tag"
        assert set(info[f"sft_{name}"]["columns"].values()) | {"input"} == set(samples[0]) | {"input"}


def test_ranked_answers_stand_best_first_and_need_no_answer(tmp_path):
    assert run(Export(forms=["messages", "ranking"]), [RANKED], tmp_path) == [RANKED]
    assert lines(tmp_path / "sft.ranking.jsonl") == [
        {
            "prompt": [user_turn("1U 多高？")],
            "responses": ["44.45 毫米。", "大约 4.4 厘米。", "一米。"],
            "scores": [1.0, 0.5, 0.0],
        }
    ]
    assert lines(tmp_path / "sft.messages.jsonl") == []
    assert "samples that do not end with an answer: 1, not in `sft.messages.jsonl`" in (
        tmp_path / "README.md"
    ).read_text("utf-8")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=2, max_size=6))
def test_every_score_stays_with_its_answer(tmp_path_factory, scores):
    folder = tmp_path_factory.mktemp("ranking")
    texts = [f"答 {i}" for i in range(len(scores))]
    run(Export(forms="ranking"), [row(user("？"), candidates=texts, scores=scores)], folder)
    (sample,) = lines(folder / "sft.ranking.jsonl")
    assert dict(zip(sample["responses"], sample["scores"], strict=True)) == dict(zip(texts, scores, strict=True))
    assert sample["scores"] == sorted(scores, reverse=True)


@pytest.mark.parametrize("scores", [None, [], [1.0], [1.0, None], [1.0, float("nan")], [1.0, 2.0, 3.0]])
def test_answers_without_a_score_each_are_not_ranked(scores, tmp_path):
    sample = {**ZH, "candidates": ["甲", "乙"], "scores": scores}
    (item,) = run(Export(forms="ranking"), [sample], tmp_path)
    assert item.reason == "not_exportable" and "scored answers" in item.facts["why"]


def test_what_a_form_lacks_is_left_out_there_and_counted(tmp_path):
    same = {**ZH, "rejected": " 总能耗与 IT 能耗之比。"}
    rows = [ZH, PAIR, GOOD, BAD, CALLING]
    *kept, unsure = run(Export(forms=("messages", "alpaca", "dpo", "kto")), [*rows, same], tmp_path)
    assert kept == rows and unsure.row == same and unsure.reason == "not_exportable"
    judged = [*rows, {**same, "desirable": False}]
    assert run(Export(forms=("messages", "alpaca", "dpo", "kto")), judged, tmp_path) == judged
    assert len(lines(tmp_path / "sft.messages.jsonl")) == 3
    assert len(array(tmp_path / "sft.dpo_alpaca.json")) == 1
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert (
        "- 回答不应由模型给出的样本：2 个，不在 `sft.messages.jsonl`、`sft.alpaca.json`、`sft.dpo_trl.jsonl`" in readme
    )
    assert "- 没有较差回答（`rejected`）的样本：3 个，不在 `sft.dpo_trl.jsonl`、`sft.dpo_swift.jsonl`" in readme
    assert "- samples that do not say whether the answer is `desirable`: 3, not in `sft.kto_trl.jsonl`" in readme


def test_an_answer_that_is_the_rows_own_rejected_one_is_in_no_file_of_answers_to_learn(tmp_path):
    same = {**ZH, "rejected": " 总能耗与 IT 能耗之比。"}
    run(Export(forms=("messages", "alpaca", "sharegpt", "dpo", "csv")), [same], tmp_path)
    assert not lines(tmp_path / "sft.messages.jsonl")
    for name in ("alpaca", "sharegpt", "dpo_alpaca", "dpo_sharegpt"):
        assert not array(tmp_path / f"sft.{name}.json")
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "- samples whose worse answer is the same as the answer: 1, not in `sft.messages.jsonl`" in readme


def test_an_answer_that_the_model_should_not_give_is_in_no_form_that_teaches_it(tmp_path):
    bad = {**BAD, "rejected": "两米。"}
    run(Export(forms=("messages", "alpaca", "sharegpt", "dpo", "kto")), [bad, ENGLISH_PAIR], tmp_path)
    for path in tmp_path.iterdir():
        assert ("一米" in path.read_text("utf-8")) == path.name.startswith("sft.kto_"), path.name


def test_a_row_that_lacks_what_the_only_form_needs_is_dropped(tmp_path):
    (item,) = run(Export(forms="dpo"), [ZH], tmp_path)
    assert isinstance(item, Dropped) and item.reason == "not_exportable"
    assert item.facts["why"] == "dpo cannot hold samples without a worse answer (`rejected`)"


def test_pairs_with_tools_go_to_files_of_their_own(tmp_path):
    pair = {**CALLING, "rejected": "不知道。"}
    calls = row(
        user("进风多少度？"), assistant("", [call("read_sensor")]), tools=TOOLS, rejected="24 °C", desirable=True
    )
    run(Export(forms=("dpo", "kto")), [pair, calls], tmp_path)
    trl, calling = lines(tmp_path / "sft.tool_dpo_trl.jsonl")
    assert [turn["role"] for turn in trl["prompt"]] == ["user", "assistant", "tool"]
    assert trl["prompt"][1]["tool_calls"][0]["function"]["arguments"] == {"rack": "A1"}
    assert trl["rejected"] == [assistant_turn("不知道。")] and json.loads(trl["tools"])[0]["type"] == "function"
    assert calling["chosen"][0]["tool_calls"][0]["function"]["name"] == "read_sensor"
    swift = lines(tmp_path / "sft.tool_dpo_swift.jsonl")[0]
    assert swift["messages"][:-1] == swift["rejected_messages"][:-1]
    assert swift["rejected_messages"][-1] == assistant_turn("不知道。")
    assert swift["rejected_tools"] == swift["tools"]
    sharegpt = array(tmp_path / "sft.dpo_sharegpt.json")
    assert [turn["from"] for turn in sharegpt[0]["conversations"]] == ["human", "function_call", "observation"]
    assert sharegpt[1]["chosen"]["from"] == "function_call"
    assert len(lines(tmp_path / "sft.tool_kto_trl.jsonl")) == len(lines(tmp_path / "sft.tool_kto_swift.jsonl")) == 1
    assert lines(tmp_path / "sft.dpo_trl.jsonl") == array(tmp_path / "sft.dpo_alpaca.json") == []


def test_control_tokens_are_escaped_in_every_answer(tmp_path):
    evil = "<|im_end|>"
    rows = [{**ZH, "rejected": evil, "desirable": True, "candidates": [evil, "好"], "scores": [0.0, 1.0]}]
    run(Export(forms=("dpo", "kto", "ranking", "csv")), rows, tmp_path)
    run(Export(forms="dpo"), [row(user(evil), assistant(tool(evil)["content"]), rejected="坏")], tmp_path / "more")
    for path in [*tmp_path.glob("sft.*"), *tmp_path.glob("more/sft.*")]:
        assert evil not in path.read_text("utf-8"), path.name


def test_the_readme_tells_how_to_train_on_each(tmp_path):
    run(Export(forms=("dpo", "kto", "ranking")), [PAIR, GOOD, RANKED, {**CALLING, "desirable": True}], tmp_path)
    readme = (tmp_path / "README.md").read_text("utf-8")
    for command in (
        "stage=dpo dataset_dir=. dataset=sft_dpo_sharegpt   # 或 or: sft_dpo_alpaca",
        "stage=dpo pref_loss=orpo dataset_dir=. dataset=sft_dpo_sharegpt",
        "stage=kto dataset_dir=. dataset=sft_kto_sharegpt",
        "swift rlhf --rlhf_type dpo --model <model> --dataset sft.dpo_swift.jsonl",
        "swift rlhf --rlhf_type orpo --model <model> --dataset sft.dpo_swift.jsonl",
        "swift rlhf --rlhf_type kto --model <model> --dataset sft.kto_swift.jsonl sft.tool_kto_swift.jsonl",
        "from trl import DPOTrainer, KTOTrainer",
        'load_dataset("json", data_files="sft.ranking.jsonl", split="train")',
    ):
        assert command in readme
