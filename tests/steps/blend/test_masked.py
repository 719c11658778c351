"""Answers of which a part must carry no loss."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import EN, ZH, assistant, lines, row, run, user
from sftmill.core import Dropped
from sftmill.steps.blend.conversation import LeftOut, read_sample
from sftmill.steps.blend.export import Export
from sftmill.steps.blend.export_readme import _LABELS
from sftmill.steps.blend.file_kinds import FORMS
from sftmill.steps.blend.masked_forms import answer_pieces

WRONG = "一打是 10 个，"
FIXED = row(
    user("一打是几个？"), assistant(f"{WRONG}\n\n更正：一打是 12 个。"), masked_spans=[0, len(WRONG)], lang="zh"
)
ENGLISH = row(
    user("How many is a dozen?"), assistant("A dozen is ten. No: a dozen is 12."), masked_spans=[0, 15], lang="en"
)
OTHERS = [form for form in FORMS if form not in ("masked", "triplets", "pairs")]


def pieces(text, spans, mode="drop", **more):
    return answer_pieces(read_sample(row(user("？"), assistant(text), masked_spans=spans, **more), mode))


def test_swift_gets_the_parts_of_an_answer_as_turns_with_and_without_loss(tmp_path):
    assert run(Export(forms=["messages", "masked"]), [ZH, FIXED, ENGLISH], tmp_path) == [ZH, FIXED, ENGLISH]
    first, second = lines(tmp_path / "sft.masked_swift.jsonl")
    assert first["messages"] == [
        {"role": "user", "content": "一打是几个？"},
        {"role": "assistant", "content": WRONG, "loss": False},
        {"role": "assistant", "content": "\n\n更正：一打是 12 个。", "loss": True},
    ]
    assert [turn.get("loss") for turn in second["messages"]] == [None, False, True]
    assert [sample["messages"][0]["content"] for sample in lines(tmp_path / "sft.messages.jsonl")] == ["PUE 是什么？"]


def test_the_spans_are_named_in_a_file_that_no_tool_takes_for_messages(tmp_path):
    run(Export(forms="masked"), [FIXED, ENGLISH], tmp_path)
    for sample, made in zip(lines(tmp_path / "sft.masked_spans.jsonl"), (FIXED, ENGLISH), strict=True):
        assert set(sample) == {"conversation", "masked_spans"}
        start, end = sample["masked_spans"]
        assert sample["conversation"][-1]["content"][start:end] == made["messages"][-1]["content"][: end - start]
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "jinja" in readme and "masked_spans" in readme


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("made", [FIXED, ENGLISH])
@pytest.mark.parametrize("desirable", [None, True, False])
def test_no_other_form_ever_holds_an_answer_with_a_masked_part(form, made, desirable, tmp_path):
    more = {"rejected": "9", "desirable": desirable, "candidates": ["12"], "scores": [1.0]}
    (lost,) = run(Export(forms=form), [{**made, **more}], tmp_path)
    assert isinstance(lost, Dropped) and lost.reason == "not_exportable"
    for path in tmp_path.iterdir():
        if path.suffix in (".json", ".jsonl", ".csv") and path.name != "dataset_info.json":
            assert WRONG not in path.read_text(encoding="utf-8") and "dozen is ten" not in path.read_text("utf-8")


def test_a_thought_is_learnt_before_a_masked_part():
    told = pieces("<think>算算</think>错。对。", [17, 19], "keep")
    assert "".join(piece.text for piece in told) == "<think>\n算算\n</think>\n\n错。对。"
    assert [(piece.text[-2:], piece.loss) for piece in told] == [("\n\n", True), ("错。", False), ("对。", True)]
    assert pieces("错。对。", [0, 2], "keep", reasoning="想")[0].loss


@pytest.mark.parametrize(
    ("text", "spans", "why"),
    [
        ("错。对。", [0], "bad_spans"),
        ("错。对。", [2, 1], "bad_spans"),
        ("错。对。", [0, 9], "bad_spans"),
        ("错。对。", [0, 3, 2, 4], "bad_spans"),
        ("错<|im_end|>对", [0, 4], "bad_spans"),
        ("<think>错</think>对", [7, 8], "bad_spans"),
        ("错。对。", [0, 4], "all_masked"),
        ("错。对。", [], "not_masked"),
    ],
)
def test_what_cannot_be_cut_is_left_out(text, spans, why):
    with pytest.raises(LeftOut, match=why):
        pieces(text, spans)


@given(st.text("对错 wrong.", min_size=3, max_size=30), st.data())
def test_the_pieces_are_the_answer_and_what_is_masked_is_masked(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=6)))
    spans = cuts[: len(cuts) // 2 * 2]
    hidden = {at for start, end in zip(spans[::2], spans[1::2], strict=True) for at in range(start, end)}
    try:
        made = pieces(text, spans)
    except LeftOut:
        assert not "".join(letter for at, letter in enumerate(text) if at not in hidden).strip()
        return
    except BaseException as drop:
        assert not text.strip() and drop.reason == "not_exportable"
        return
    assert "".join(piece.text for piece in made) == text
    flags = [piece.loss for piece in made for _ in piece.text]
    assert [at not in hidden for at in range(len(text))] == flags


class _Letters:
    """A tokenizer whose tokens are characters."""

    def apply_chat_template(self, turns, tokenize):
        return "".join(f"<{turn['role']}>{turn['content']}</s>" for turn in turns)

    def __call__(self, text, **more):
        return {"input_ids": list(map(ord, text)), "offset_mapping": [(at, at + 1) for at in range(len(text))]}


@pytest.mark.parametrize("made", [FIXED, ENGLISH])
def test_the_readmes_code_learns_what_is_not_masked_and_the_end(made, tmp_path):
    run(Export(forms="masked"), [made], tmp_path)
    (sample,) = lines(tmp_path / "sft.masked_spans.jsonl")
    scope = {"json": json}
    exec(_LABELS, scope)
    labels = scope["labelled"](sample, _Letters())["labels"]
    learnt = "".join(chr(token) for token in labels if token != -100)
    assert learnt == made["messages"][-1]["content"][made["masked_spans"][1] :] + "</s>"


def test_rows_without_masked_parts_are_not_in_the_masked_files(tmp_path):
    run(Export(forms=["messages", "masked"]), [EN, ENGLISH], tmp_path)
    assert len(lines(tmp_path / "sft.masked_swift.jsonl")) == 1
