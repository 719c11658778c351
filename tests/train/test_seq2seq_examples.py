"""What T5 and BART models are trained on: examples of reviewed pairs and of raw text, and who is held out."""

from collections import Counter
from pathlib import Path

import orjson
import pytest

from sftmill.core import answered, asked
from sftmill.errors import RunError
from sftmill.steps.curate.labels import Label, Verdict, labels_text
from sftmill.steps.instruct.seq2seq.seq2seq_pairs import Limits, PairMaker
from sftmill.train.seq2seq_examples import (
    Example,
    TextShape,
    choose_rows,
    hold_out,
    pair_examples,
    raw_examples,
    read_rows,
)

SHAPE = TextShape(("</s>", "<hl>"), True, lambda texts: [len(text) + 1 for text in texts], 512)
ZH = "甲仓熏蒸14天。乙仓熏蒸14天。"
EN = "The mill was opened in 1952. It has 3 gates."


def pair(passage, question, answer, **more):
    row = {"passage": passage, "reviewed": "accepted", "sensitivity": "internal", **more}
    return answered(asked(row, question), answer)


def test_both_tasks_are_learnt_together_in_the_form_that_the_step_uses():
    made, lost = pair_examples(
        [pair(EN, "When was the mill opened?", "1952"), pair(EN, "Who built it?", "Acme")],
        ("answers", "question"),
        SHAPE,
    )
    assert [(e.task, e.source, e.target) for e in made] == [
        ("answers", "extract answers: <hl> The mill was opened in 1952. <hl> It has 3 gates.", "1952"),
        (
            "question",
            "generate question: The mill was opened in <hl> 1952 <hl>. It has 3 gates.",
            "When was the mill opened?",
        ),
    ]
    assert lost == {"answer_not_in_passage": 1}


def test_an_answer_over_two_sentences_is_asked_for_but_not_extracted():
    made, lost = pair_examples([pair(ZH, "怎样熏蒸？", "14天。乙仓")], ("answers", "question"), SHAPE)
    assert [e.task for e in made] == ["question"] and lost == {"answer_over_sentences": 1}
    made, lost = pair_examples([pair(ZH, "甲仓熏蒸几天？", "14天")], ("question",), SHAPE._replace(room=26))
    assert made == [] and lost == {"too_long": 1}


QA = Path(__file__).resolve().parents[2] / "../shared/data/qa/passages_qa.jsonl"


@pytest.mark.skipif(not QA.is_file(), reason="the shared question-answer data are not here")
def test_nearly_all_pairs_of_public_reading_sets_can_be_trained_on():
    rows = []
    for line in QA.read_bytes().splitlines():
        value = orjson.loads(line)
        rows.append(pair(value["passage"], value["question"], value["answers"][0]))
    made, lost = pair_examples(rows, ("answers", "question"), SHAPE)
    tasks = Counter(example.task for example in made)
    assert tasks["question"] >= 0.99 * len(rows) and tasks["answers"] >= 0.97 * len(rows), lost


def test_training_and_use_see_the_same_inputs():
    made, _ = pair_examples([pair(ZH, "甲仓熏蒸几天？", "14天", answer_start=4)], ("answers", "question"), SHAPE)

    class Writer:
        special, prefixed, sizes, seen = SHAPE.special, True, staticmethod(SHAPE.sizes), []

        def write(self, texts, longest, most):
            self.seen += texts
            return ["14天"] * len(texts)

    PairMaker(Writer(), "extract", Limits(512, 64, 32, 10)).items([{"id": "1", "lang": "zh", "passage": ZH}])
    assert {e.source for e in made} <= set(Writer.seen)


@pytest.mark.parametrize(
    "where",
    [{"answer_start": 12}, {"quotations": ["乙仓熏蒸14天。"]}, {"quotations": ["乙仓熏蒸14天。"], "answer_start": 0}],
)
def test_of_two_equal_answers_the_one_that_the_row_means_is_highlighted(where):
    made, _ = pair_examples([pair(ZH, "乙仓熏蒸几天？", "14天", **where)], ("question",), SHAPE)
    assert made[0].source == "generate question: 甲仓熏蒸14天。乙仓熏蒸<hl> 14天 <hl>。"


def test_pairs_at_once_hold_all_pairs_of_a_passage():
    rows = [pair(EN, "When was the mill opened?", "1952"), pair(EN, "How many gates has it?", "3")]
    made, _ = pair_examples(rows, ("pairs",), SHAPE)
    assert [(e.source, e.target) for e in made] == [
        (
            "generate question and answer: " + EN,
            "question: When was the mill opened?, answer: 1952 | question: How many gates has it?, answer: 3",
        )
    ]
    bart, _ = pair_examples(rows, ("pairs",), SHAPE._replace(prefixed=False))
    assert bart[0].source == EN


def test_rows_that_nobody_reviewed_are_refused_unless_allowed_and_rejected_ones_always_stay_out():
    rows = [
        pair(EN, "a?", "1952"),
        pair(EN, "a?", "1952"),
        pair(EN, "b?", "3", reviewed="edited"),
        pair(EN, "c?", "3", reviewed="rejected"),
        pair(EN, "d?", "3", reviewed=None),
    ]
    with pytest.raises(RunError, match="1 of 5 rows were reviewed by nobody"):
        choose_rows(rows, unreviewed=False)
    kept, sorts = choose_rows(rows, unreviewed=True)
    assert len(kept) == 3
    assert sorts == {"accepted": 1, "repeated": 1, "edited": 1, "rejected": 1, "unreviewed": 1}


def test_an_exact_number_of_passages_is_held_out_whole_whatever_their_order():
    examples = [Example("question", f"{i} {j}", "t", f"passage {i}") for i in range(20) for j in range(3)]
    training, held = hold_out(examples, 0.25, seed=1)
    assert len({e.group for e in held}) == 5 and len(held) == 15 and len(training) == 45
    assert not {e.group for e in held} & {e.group for e in training}
    assert set(hold_out(examples[::-1], 0.25, seed=1)[1]) == set(held)
    assert set(hold_out(examples, 0.25, seed=2)[1]) != set(held)
    assert hold_out(examples[:3], 0.5, seed=1) == (examples[:3], [])


def test_raw_text_gives_blanks_sentences_to_finish_and_text_to_restore():
    text = "天津港于1952年重新开港。压力容器的设计温度不得超过450摄氏度。"
    made = raw_examples([text, text], ("corruption", "masked", "completion"), SHAPE)
    by_task = {task: [e for e in made if e.task == task] for task in ("corruption", "masked", "completion")}
    assert [e.source for e in by_task["corruption"]] == [text]
    assert by_task["masked"][0].source == "generate question: 天津港于<hl> 1952年 <hl>重新开港。" + text[14:]
    assert by_task["masked"][0].target == "填空：天津港于____重新开港。"
    assert ("压力容器的设计温度不得超过", "450摄氏度。") in [(e.source, e.target) for e in by_task["completion"]]
    assert {e.task for e in raw_examples([EN], ("masked", "completion"), SHAPE)} == {"masked", "completion"}


def test_rows_are_read_from_json_lines_and_from_the_labels_of_a_review(tmp_path):
    file = tmp_path / "rows.jsonl"
    plain = {"passage": EN, "question": "When?", "answer": "1952", "reviewed": "accepted"}
    file.write_bytes(orjson.dumps(plain) + b"\n\n" + orjson.dumps(pair(EN, "How many?", "3")) + b"\n")
    assert [row["messages"][0]["content"] for row in read_rows(file)] == ["When?", "How many?"]

    from sftmill.steps.curate.labels import label_key

    sample = {k: v for k, v in pair(EN, "How many gates?", "three").items() if k != "reviewed"}
    label = Label(
        key=label_key(sample),
        question="How many gates?",
        answer="three",
        verdicts=(Verdict(verdict="edited", answer="3"),),
        sample=sample,
    )
    file.write_bytes(labels_text({label.key: label}))
    (row,) = read_rows(file)
    assert (row["reviewed"], row["messages"][-1]["content"]) == ("edited", "3")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "is no JSON"),
        (b"[]", "has no passage"),
        (b'{"passage": "p"}', "neither messages nor question"),
        (b'{"passage": "p", "question": " ", "answer": "a"}', "is empty"),
    ],
)
def test_what_is_no_row_is_told_with_its_line(tmp_path, line, words):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\n" + line + b"\n")
    with pytest.raises(RunError, match=words) as caught:
        read_rows(file)
    assert "rows.jsonl:2" in str(caught.value)
    with pytest.raises(RunError, match="cannot be read"):
        read_rows(tmp_path / "nowhere.jsonl")
