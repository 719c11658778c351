"""Answers that are wrong on purpose never get into a file of answers to learn."""

import pytest

from exported import EN, ZH, array, assistant, lines, row, run, user
from sftmill.core import Dropped
from sftmill.errors import RunError
from sftmill.steps.blend.export import Export
from sftmill.steps.blend.file_kinds import FORMS

WRONG = row(
    user("1U 多高？"), assistant("44.45 厘米。"), polarity="negative", stream="books", desirable=False, lang="zh"
)
ENGLISH_WRONG = row(user("How high is 1U?"), assistant("44.45 cm."), polarity="negative", stream="racks", lang="en")
TEACHING = ("messages", "alpaca", "sharegpt", "csv", "xlsx")


@pytest.mark.parametrize("form", TEACHING)
@pytest.mark.parametrize("wrong", [WRONG, ENGLISH_WRONG, {**WRONG, "desirable": True}, {**WRONG, "polarity": "neg"}])
def test_a_negative_answer_stops_an_export_that_would_teach_it(form, wrong, tmp_path):
    with pytest.raises(RunError) as error:
        run(Export(forms=form), [ZH, wrong, EN], tmp_path)
    told = str(error.value)
    assert wrong["id"] in told and wrong["stream"] in told and "where: missing(polarity)" in told
    assert "44.45" not in told, "answers never stand in messages"
    assert not [path.name for path in tmp_path.iterdir() if path.is_file()], "nothing half is left behind"


def test_one_teaching_form_among_others_is_enough_to_stop(tmp_path):
    with pytest.raises(RunError):
        run(Export(forms=("kto", "dpo", "messages")), [WRONG], tmp_path)


def test_a_negative_answer_may_be_one_not_to_give(tmp_path):
    right = {**ZH, "desirable": True}
    assert run(Export(forms="kto"), [right, WRONG], tmp_path) == [right, WRONG]
    assert [sample["label"] for sample in lines(tmp_path / "sft.kto_trl.jsonl")] == [True, False]
    assert [sample["kto_tag"] for sample in array(tmp_path / "sft.kto_alpaca.json")] == [True, False]


def test_a_negative_answer_that_is_called_desirable_stops_the_export(tmp_path):
    with pytest.raises(RunError, match="wrong on purpose"):
        run(Export(forms="kto"), [{**WRONG, "desirable": True}], tmp_path)


def test_a_negative_answer_without_a_label_is_left_out_of_judgements(tmp_path):
    (item,) = run(Export(forms="kto"), [ENGLISH_WRONG], tmp_path)
    assert isinstance(item, Dropped) and item.reason == "not_exportable"


@pytest.mark.parametrize("desirable", [None, False, True])
def test_a_negative_answer_is_never_the_chosen_one_of_a_pair(desirable, tmp_path):
    wrong = {**WRONG, "rejected": "半米。", "desirable": desirable}
    kept, out = run(Export(forms="dpo"), [{**ZH, "rejected": "一种插座。"}, wrong], tmp_path)
    assert kept["rejected"] == "一种插座。"
    assert isinstance(out, Dropped) and "wrong on purpose" in out.facts["why"]
    for path in tmp_path.iterdir():
        assert "44.45 厘米" not in path.read_text("utf-8"), path.name


def test_a_right_answer_with_a_corrupted_one_beside_it_goes_into_all_forms(tmp_path):
    right = row(user("1U 多高？"), assistant("44.45 毫米。"), rejected="44.45 厘米。", desirable=True, lang="zh")
    assert run(Export(forms=tuple(form for form in FORMS if form != "ranking")), [right], tmp_path) == [right]
    assert array(tmp_path / "sft.dpo_alpaca.json")[0]["chosen"] == "44.45 毫米。"
    for path in tmp_path.iterdir():
        if path.name in ("sft.messages.jsonl", "sft.alpaca.json", "sft.sharegpt.json"):
            assert "厘米" not in path.read_text("utf-8")
