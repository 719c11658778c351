"""Where a quotation stands in its source, with slips, in other scripts, and after OCR."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text import align
from sftmill.text.variants import lookalike, simplified

SOURCE = "一、总则。蓄电池室的温度应保持在 15 至 25 摄氏度，温度过高会缩短电池寿命。\n二、值班员不得擅自离开机房。"


def found(quote, source=SOURCE, threshold=0.9):
    span = align(quote, source, threshold)
    return source[span.start : span.end] if span else None


@pytest.mark.parametrize(
    "quote",
    [
        "蓄电池室的温度应保持在15至25摄氏度",
        "蓄电池室的温度应保持在１５至２５摄氏度",
        "蓄電池室的溫度應保持在 15 至 25 攝氏度",
        "「蓄电池室的温度，应保持在15至25摄氏度」",
        "蓄电池室\n的温度应\n保持在15至25摄氏度",
    ],
)
def test_width_script_punctuation_spaces_and_line_ends_do_not_count(quote):
    assert found(quote) == "蓄电池室的温度应保持在 15 至 25 摄氏度"
    assert align(quote, SOURCE).ratio == 1


@pytest.mark.parametrize(
    ("quote", "source"),
    [
        ("该员工已于周末自己办理完毕", "该员工己于周未自已办理完毕。"),
        ("The serial number is O1lI-A7 and must be kept", "The serial number is 01I1-A7 and must be kept."),
        ("光速在真空中为每秒三十万公里", "光台速在真空虫为每秒三十万公里，"),
        ("高温会缩短蓄电池的使用寿命", "高温会缩短蓄电池使用寿命。"),
    ],
)
def test_what_ocr_confuses_drops_or_inserts_is_forgiven(quote, source):
    span = align(quote, source)
    assert span is not None
    assert 0.85 < span.ratio < 1
    assert span.end - span.start >= len(source) - 2


def test_a_quotation_that_is_nowhere_has_no_place():
    assert found("消防系统采用七氟丙烷作为灭火介质") is None
    assert found("机房外", threshold=0.9) is None
    assert found("") is None


def test_short_quotations_forgive_nothing():
    assert found("擅白离开") is None
    assert found("擅自离开") == "擅自离开"


def test_digits_are_never_taken_for_one_another():
    digits = "0123456789"
    assert len(set(lookalike(digits))) == 10


@given(st.text(max_size=80))
def test_foldings_keep_offsets(text):
    assert len(simplified(text)) == len(lookalike(text)) == len(text)
    assert simplified(simplified(text)) == simplified(text)


@given(
    st.text(alphabet="蓄电池己已巳的温度15 。，a\n", min_size=1, max_size=60), st.integers(0, 50), st.integers(1, 30)
)
def test_any_piece_of_a_text_is_found_in_it(text, start, size):
    piece = text[start % len(text) :][:size]
    span = align(piece, text)
    assert span is None or 0 <= span.start < span.end <= len(text)
