import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.ingest.formats import READABLE, advice, read
from sftmill.steps.ingest.sections import keeps_space, needs_space

SIMPLIFIED = (
    "第一条 机房的空调系统应当保持全年不间断运行，室内温度控制在二十二度到二十四度之间，值班人员每小时巡检一次。"
)
TRADITIONAL = (
    "第一條 機房的空調系統應當保持全年不間斷運行，室內溫度控制在二十二度到二十四度之間，值班人員每小時巡檢一次。"
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "gb18030"),
        (TRADITIONAL, "big5"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED * 20, "utf-16-le"),
        (SIMPLIFIED * 20, "utf-16-be"),
    ],
)
def test_chinese_text_is_read_in_its_encodings(text, encoding):
    assert read(text.encode(encoding), "x.txt").sections[0].text == text


def test_a_mark_of_byte_order_is_enough():
    assert read(codecs.BOM_UTF16_BE + SIMPLIFIED.encode("utf-16-be"), "x.md").sections[0].text == SIMPLIFIED


@pytest.mark.parametrize(
    ("name", "data", "reason", "advised"),
    [
        ("x.doc", OLE + bytes(600), "format_not_supported", "save it as docx"),
        ("x.docx", OLE + bytes(600), "format_not_supported", "save it as docx"),
        ("x.docx", OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted", "password"),
        ("x.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted", "password"),
        ("x.ppt", OLE + bytes(600), "format_not_supported", "save it as pdf"),
        ("x.pptx", b"PK\x03\x04", "format_not_supported", "save it as pdf"),
        ("x.txt", b"{\\rtf1 text}", "format_not_supported", "save it as docx"),
        ("x.png", b"\x89PNG\r\n\x1a\n", "format_not_supported", "OCR"),
        ("x.txt", b"\xff\xd8\xff\xe0", "format_not_supported", "OCR"),
        ("x.rar", b"Rar!\x1a\x07", "format_not_supported", "zip"),
        ("x.docx", b"PK\x03\x04", "unreadable", "save it again"),
        ("x.xlsx", b"PK\x03\x04", "unreadable", "save it again"),
        ("x.pdf", b"plain text", "unreadable", "no PDF"),
        ("x.xls", OLE + bytes(600), "unreadable", "save it as xlsx"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_do(name, data, reason, advised):
    with pytest.raises(Drop) as dropped:
        read(data, name)
    assert dropped.value.reason == reason and advised in dropped.value.facts["why"]


def test_no_format_is_both_readable_and_advised_against():
    assert not [ending for ending in READABLE if advice(f"x{ending}")]
    assert advice("X.DOC") and advice("x.unknown") is None


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_any_bytes_under_any_name_are_read_or_dropped(data):
    for ending in (*READABLE, ".doc", ".gz", ""):
        try:
            read(data, f"x{ending}")
        except Drop as drop:
            assert drop.reason in {"unreadable", "encrypted", "no_text_layer", "format_not_supported"}


@pytest.mark.parametrize(
    ("left", "right", "space"),
    [
        ("中", "文", False),
        ("，", "a", False),
        ("a", "中", True),
        ("a", "b", True),
        ("”", "a", True),
        ("…", "a", True),
        ("a", "“", True),
        ("“", "a", False),
        ("”", "中", False),
        ("—", "a", False),
    ],
)
def test_curly_quotes_belong_to_both_languages(left, right, space):
    assert needs_space(left, right) == space


def test_a_space_that_is_seen_between_latin_words_and_quotes_stays():
    assert keeps_space("o", "“") and keeps_space("“", ">") and not keeps_space("中", "“")
