import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.ingest.decoding import clean, decode

SIMPLIFIED = "公司应当依照法律、行政法规的规定，建立本公司的财务、会计制度。\n"
TRADITIONAL = "國務院證券監督管理機構依法將有關市場主體遵守本法的情況納入檔案。\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("text", [SIMPLIFIED, TRADITIONAL * 3, "民法典 Civil Code 第一条的规定\n" * 2])
def test_chinese_is_read_in_the_encodings_in_use(encoding, text):
    found = decode(text.encode(encoding))
    assert (found.text, found.damaged) == (text, 0)


def test_big5_and_western_european_are_recognised():
    assert decode(TRADITIONAL.encode("big5")).text == TRADITIONAL
    french = "Le café est très bon, et le résumé de la journée aussi.\n"
    assert decode(french.encode("cp1252")).text == french


def test_lines_in_different_encodings_are_read_one_by_one():
    data = b"".join(SIMPLIFIED.encode(("utf-8", "gb18030")[i % 2]) for i in range(20))
    found = decode(data)
    assert found.text == SIMPLIFIED * 20 and found.damaged == 0


def test_a_declared_encoding_is_believed_when_it_works():
    assert decode("简体".encode("gbk"), declared="gb2312").text == "简体"
    assert decode(SIMPLIFIED.encode("gbk"), declared="no-such-thing").text == SIMPLIFIED


def test_what_cannot_be_read_is_counted():
    data = SIMPLIFIED.encode() * 50
    assert decode(data[:400] + b"\xff\xfe\xff" + data[400:]).damaged >= 1


@given(st.binary(max_size=300))
def test_any_bytes_decode_without_error(data):
    found = decode(data)
    assert found.damaged == found.text.count("\ufffd") or found.encoding == "cp1252"
    clean(found.text).encode()


def test_line_ends_become_one_and_controls_vanish():
    assert clean("a\r\nb\rc\u2028d\x85e\x00f\x07g\ufeffh\u200bi\u202ej\tk") == "a\nb\nc\nd\nefghij\tk"
    assert clean("\ud800") == "\ufffd"
