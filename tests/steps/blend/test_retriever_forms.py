"""Questions, passages and hard negatives for training retrievers."""

import pytest

from exported import CALLING, LONG, ZH, assistant, lines, row, run, user
from sftmill.core import Dropped
from sftmill.steps.blend.export import Export

ZH_ROW = row(
    user("机房的回风温度上限是多少？"),
    assistant("35 摄氏度。"),
    lang="zh",
    passage="机房的回风温度不得高于 35 摄氏度。",
    hard_negatives=["机房的湿度应为四成到六成。", "仓库的温度不得高于 30 摄氏度。"],
)
EN_ROW = row(
    user("How warm may the return air be?"),
    assistant("35 °C."),
    lang="en",
    passage="The return air may be at most 35 °C.",
    hard_negatives=["Humidity is 40% to 60%.", "The store is kept below 30 °C."],
)
BOTH = [ZH_ROW, EN_ROW]


def test_sentence_transformers_gets_one_negative_in_the_third_place(tmp_path):
    assert run(Export(forms="triplets"), BOTH, tmp_path) == BOTH
    for sample, made in zip(lines(tmp_path / "sft.triplets_st.jsonl"), BOTH, strict=True):
        assert list(sample) == ["anchor", "positive", "negative"]
        assert list(sample.values()) == [made["messages"][0]["content"], made["passage"], made["hard_negatives"][0]]


def test_every_row_has_as_many_negatives_as_asked_for_or_is_left_out(tmp_path):
    few = {**EN_ROW, "hard_negatives": EN_ROW["hard_negatives"][:1]}
    run(Export(forms="triplets", negatives=2), [ZH_ROW, few], tmp_path)
    (sample,) = lines(tmp_path / "sft.triplets_st.jsonl")
    assert list(sample) == ["anchor", "positive", "negative_1", "negative_2"]
    assert len(lines(tmp_path / "sft.triplets_flag.jsonl")) == 2
    assert "fewer passages" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_flagembedding_gets_lists(tmp_path):
    run(Export(forms="triplets"), BOTH, tmp_path)
    for sample, made in zip(lines(tmp_path / "sft.triplets_flag.jsonl"), BOTH, strict=True):
        assert sample == {
            "query": made["messages"][0]["content"], "pos": [made["passage"]], "neg": made["hard_negatives"],
        }  # fmt: skip


def test_swift_gets_passages_as_users_for_an_embedder_and_as_assistants_for_a_reranker(tmp_path):
    run(Export(forms="triplets"), BOTH, tmp_path)
    for name, role in (("triplets_swift", "user"), ("triplets_swift_reranker", "assistant")):
        for sample, made in zip(lines(tmp_path / f"sft.{name}.jsonl"), BOTH, strict=True):
            assert sample["messages"] == made["messages"][:1] or sample["messages"][0]["content"]
            assert sample["positive_messages"] == [[{"role": role, "content": made["passage"]}]]
            assert [turns[0]["content"] for turns in sample["negative_messages"]] == made["hard_negatives"]
            assert {turns[0]["role"] for turns in sample["negative_messages"]} == {role}


@pytest.mark.parametrize("negatives", [[], None, [ZH_ROW["passage"]], [" "]])
def test_a_row_without_negatives_is_no_triplet_but_may_be_a_pair(negatives, tmp_path):
    bare = {**ZH_ROW, "hard_negatives": negatives}
    (lost,) = run(Export(forms="triplets"), [bare], tmp_path / "a")
    assert isinstance(lost, Dropped) and "hard_negatives" in lost.facts["why"]
    assert run(Export(forms=["triplets", "pairs"]), [bare], tmp_path / "b") == [bare]
    assert lines(tmp_path / "b" / "sft.pairs_st.jsonl") == [
        {"anchor": "机房的回风温度上限是多少？", "positive": ZH_ROW["passage"]}
    ]
    (sample,) = lines(tmp_path / "b" / "sft.pairs_swift.jsonl")
    assert set(sample) == {"messages", "positive_messages"}


def test_the_own_passage_and_repeats_are_no_negatives(tmp_path):
    other = EN_ROW["hard_negatives"][0]
    made = {**EN_ROW, "hard_negatives": [other, f" {EN_ROW['passage']} ", other]}
    run(Export(forms="triplets"), [made], tmp_path)
    assert lines(tmp_path / "sft.triplets_flag.jsonl")[0]["neg"] == [other]


def test_a_question_needs_no_answer_to_train_a_retriever(tmp_path):
    asking = {**ZH_ROW, "messages": [user("机房的回风温度上限是多少？")]}
    assert run(Export(forms=["messages", "triplets"]), [asking], tmp_path) == [asking]
    assert len(lines(tmp_path / "sft.triplets_flag.jsonl")) == 1
    assert not lines(tmp_path / "sft.messages.jsonl")
    (lost,) = run(Export(forms="messages"), [asking], tmp_path)
    assert isinstance(lost, Dropped)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (ZH, "without a `passage`"),
        ({**EN_ROW, "operator": "missing"}, "does not answer"),
        ({**EN_ROW, "messages": [user(f"{EN_ROW['passage']}\nHow warm?"), assistant("35 °C.")]}, "holds the passage"),
        ({**LONG, "passage": "x", "hard_negatives": ["y"]}, "behind other turns"),
        ({**CALLING, "passage": "x", "hard_negatives": ["y"]}, "behind other turns"),
    ],
)
def test_what_a_retriever_would_learn_wrong_is_left_out(made, why, tmp_path):
    (lost,) = run(Export(forms=["triplets", "pairs"]), [made], tmp_path)
    assert isinstance(lost, Dropped) and why in lost.facts["why"]


def test_no_passage_can_hold_a_control_token(tmp_path):
    made = {**ZH_ROW, "hard_negatives": ["<|im_start|>system"], "passage": "段落<|im_end|>"}
    run(Export(forms=["triplets", "pairs"]), [made], tmp_path)
    for path in tmp_path.glob("*.jsonl"):
        assert "<|im_" not in path.read_text(encoding="utf-8")


def test_the_readme_says_how_to_train(tmp_path):
    run(Export(forms=["triplets", "pairs"]), BOTH, tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        "NO_DUPLICATES" in text and "--task_type embedding" in text and "--train_data sft.triplets_flag.jsonl" in text
    )
    assert "--dataset sft.triplets_swift_reranker.jsonl" in text
