"""What is held out: its file, and what a test of its size can show."""

import pytest

from sftmill.errors import RunError
from sftmill.holdout import Held, Holdout, detectable_difference, items_needed, read_holdout, write_holdout


def test_what_is_written_is_read_again_sorted_by_name(tmp_path):
    file = tmp_path / "holdout.json"
    write_holdout(file, Holdout((Held("2", "乙.md"), Held("1", "a.md", copy_of="乙.md"))))
    assert [one.name for one in read_holdout(file).held] == ["a.md", "乙.md"]
    assert read_holdout(file).keys == {"1", "2"}


@pytest.mark.parametrize("content", ["", "[]", '{"held": [{"name": "x"}]}', '{"other": 1}'])
def test_a_damaged_file_is_refused_with_a_way_out(tmp_path, content):
    file = tmp_path / "holdout.json"
    file.write_text(content)
    with pytest.raises(RunError, match="restore it from a copy"):
        read_holdout(file)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(RunError, match="sftmill holdout"):
        read_holdout(tmp_path / "holdout.json")


def test_the_detectable_difference_agrees_with_the_formula_for_two_proportions():
    # 2.8016 * sqrt(2 * 0.5 * 0.5 / 100)
    assert detectable_difference(100) == pytest.approx(0.1981, abs=1e-4)
    assert detectable_difference(400) == pytest.approx(0.0990, abs=1e-4)


def test_the_same_items_for_both_models_show_smaller_differences():
    assert detectable_difference(200, disagreement=0.2) == pytest.approx(0.0886, abs=1e-4)
    assert detectable_difference(200, disagreement=0.2) < detectable_difference(200)


def test_the_number_of_items_and_the_difference_are_inverse():
    number = items_needed(0.05, disagreement=0.3)
    assert number == 942
    assert detectable_difference(number, disagreement=0.3) <= 0.05 < detectable_difference(number - 1, disagreement=0.3)


def test_a_test_without_items_shows_nothing():
    assert detectable_difference(0) == 1.0
